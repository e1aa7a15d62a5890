//! Firmware in QEMU against real Kafka.

mod bad_days;
mod bad_input;
mod harness;
#[cfg(feature = "extended")]
mod long;
mod programs;
