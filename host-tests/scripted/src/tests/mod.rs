//! The cluster as a client with hand-written requests sees it.
mod chaos;
mod client;
mod consumer_group;
mod faults;
mod fetch;
mod group;
mod net;
mod replay;
