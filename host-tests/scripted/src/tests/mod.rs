//! The cluster as a client with hand-written requests sees it.
mod chaos;
mod client;
mod faults;
mod fetch;
mod group;
mod net;
mod replay;
