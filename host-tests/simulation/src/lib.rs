//! Whole groups in virtual time: a seed makes a cluster, processes with consumers, and what goes wrong; the run is the same
//! each time. What must be true is checked where something happens, and the first thing that is not ends the run.
//!
//! The members are the shipped consumer over its async front end and its superloop, the brokers are those of `scripted`.
//!
//! # What must be true
//! * Every record is handed out; within a time of two partitions' owners none is passed over, none comes twice, and its bytes
//!   are those that were written. What an application's seek or retention passed over need not come.
//! * Only partitions that were assigned are handed out, none that is paused, and none of a member that is out of its group for
//!   longer than its session.
//! * A commit says no more than what the application is done with, goes back only by a seek, is of a member, and one that
//!   succeeded is kept. No generation has a partition with two owners or none.
//! * When everything works again, everything is handed out and committed; then new records come within 2 s, and no record
//!   comes twice, also through rebalances.
//! * Nobody panics, spins, connects in a storm, says what a broker or transport may not hear, or reports an error that needs
//!   nobody.
#![forbid(unsafe_code)]

mod member;
mod plan;
mod run;
mod truth;
mod world;

pub use run::{run, Outcome};
pub use world::Counts;
