//! What the programs of the benchmark share: a replayed broker, an ideal reader of its bytes, and both clients.

pub mod client;
pub mod ideal;
pub mod in_memory;
pub mod librdkafka;
pub mod meter;
pub mod ours;
pub mod replay;
pub mod tasks;
pub mod usage;
