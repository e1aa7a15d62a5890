//! One module for each command; what is compared with what stands there.

pub mod decoding;
pub mod down;
pub mod idle;
pub mod latency;
pub mod memory;
pub mod overhead;
pub mod replay;
pub mod requests;
pub mod start;
pub mod state;
pub mod throughput;

/// Sizes of records: bytes of the value, and how they are called.
const SIZES: [(usize, &str); 2] = [(100, "100 B"), (1024, "1 KB")];
