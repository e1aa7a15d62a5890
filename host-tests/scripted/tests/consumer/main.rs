//! The shipped consumer over the scripted cluster.
mod client;
mod dropped;
mod errors;
mod followers;
mod lent;
mod losses;
mod membership;
mod pitfalls;
mod rebalances;
mod saved;
mod scenarios;
mod smoke;
mod told;
mod unreachable;
