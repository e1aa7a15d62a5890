//! Stellaris LM3S6965 evaluation board: Cortex-M3 at 12.5 MHz after reset, 256 KB of flash, 64 KB of RAM.

use super::cortex_m3::{self, Registers};
use super::ethernet::ARRIVED;
use super::stellaris::Stellaris;
use super::START;

/// As QEMU calls it.
pub const NAME: &str = "lm3s6965evb";

pub type Mac = Stellaris;

const HZ: u32 = 12_500_000;
const ETHERNET_INTERRUPT: u16 = 42;

// SAFETY: the chip's memory map; a MAC without DMA
const ETHERNET: Registers = unsafe { Registers::at(0x4004_8000) };

pub fn start() -> Mac {
    let mac = Stellaris::start(ETHERNET);
    cortex_m3::enable(ETHERNET_INTERRUPT, HZ);
    mac
}

/// The emulator's time: it has no timer of this chip whose count can be read.
pub fn micros() -> u64 {
    // an error is impossible here: the emulator was started with semihosting, or the first line had not been printed
    START + semihosting::sys::arm_compat::sys_elapsed().unwrap_or(0) / 1000
}

pub fn interrupt(number: i16) {
    if number == ETHERNET_INTERRUPT as i16 {
        Stellaris::acknowledge(ETHERNET);
        ARRIVED.wake();
    }
}
