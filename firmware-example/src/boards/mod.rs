//! The boards. All that is `unsafe` lies here: registers, and what an interrupt shares with the executor.
//!
//! A board has a file with its `NAME` and
//! * `start()`, which turns its interrupts on and returns its MAC,
//! * `micros()`, a clock that counts also while interrupts are late,
//! * `interrupt(number)`.
#![allow(unsafe_code)]

mod cortex_m3;
mod ethernet;

#[cfg(not(feature = "lm3s6965evb"))]
#[path = "mps2_an385.rs"]
mod board;
#[cfg(not(feature = "lm3s6965evb"))]
mod lan9118;

#[cfg(feature = "lm3s6965evb")]
#[path = "lm3s6965evb.rs"]
mod board;
#[cfg(feature = "lm3s6965evb")]
mod stellaris;

#[cfg(not(feature = "lm3s6965evb"))]
pub use board::instructions;
pub use board::{micros, NAME};
pub use cortex_m3::{run, sleep_until, stack_peak};
pub use ethernet::Ethernet;

/// What the clock begins at, in microseconds.
const START: u64 = if cfg!(feature = "wrap") { (1 << 32) * 1000 - 5_000_000 } else { 0 };

/// The board's network interface.
pub type Mac = Ethernet<board::Mac>;

/// Turns the board on. Once.
pub fn start() -> Mac {
    Ethernet::new(board::start())
}
