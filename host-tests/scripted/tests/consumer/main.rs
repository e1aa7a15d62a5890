//! The shipped consumer over the scripted cluster.
mod client;
mod dropped;
mod errors;
mod scenarios;
mod smoke;
mod told;
