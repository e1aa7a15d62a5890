//! The shipped consumer over the scripted cluster.
mod client;
mod errors;
mod scenarios;
mod smoke;
