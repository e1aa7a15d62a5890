//! The shipped consumer over the scripted cluster.
mod client;
mod dropped;
mod errors;
mod losses;
mod pitfalls;
mod scenarios;
mod smoke;
mod told;
