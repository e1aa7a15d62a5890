//! Arm's MPS2 board with the AN385 image: Cortex-M3 at 25 MHz, a LAN9118. The AN386 image differs in its core, a Cortex-M4.

use super::cortex_m3::{self, Registers};
use super::ethernet::ARRIVED;
use super::lan9118::Lan9118;
use super::START;
use core::cell::Cell;
use critical_section::Mutex;

/// As QEMU calls it.
pub const NAME: &str = "mps2-an385";

pub type Mac = Lan9118;

const HZ: u32 = 25_000_000;
const ETHERNET_INTERRUPT: u16 = 13;

// SAFETY: the board's memory map; a MAC on the bus without DMA
const ETHERNET: Registers = unsafe { Registers::at(0x4020_0000) };
// SAFETY: the board's memory map; switches, LEDs and counters
const FPGAIO: Registers = unsafe { Registers::at(0x4002_8000) };

/// Counts up, wraps at 2^32.
const COUNTER: usize = 0x18;
/// Clock cycles for each count, less one.
const PRESCALE: usize = 0x1c;

pub fn start() -> Mac {
    FPGAIO.write(PRESCALE, HZ / 1_000_000 - 1);
    FPGAIO.write(COUNTER, START as u32);
    let mac = Lan9118::start(ETHERNET);
    cortex_m3::enable(ETHERNET_INTERRUPT, HZ);
    mac
}

/// Of 64 bits, as long as somebody asks every 71 minutes; the tick does.
pub fn micros() -> u64 {
    static LAST: Mutex<Cell<u64>> = Mutex::new(Cell::new(START));
    critical_section::with(|cs| {
        let last = LAST.borrow(cs);
        let passed = FPGAIO.read(COUNTER).wrapping_sub(last.get() as u32);
        last.set(last.get() + u64::from(passed));
        last.get()
    })
}

/// Executed so far, less a constant, in an emulator that was started with `-icount shift=10`: each takes 1,024 ns there, and the
/// counter counts each 40 ns. Not on a board that was turned on by `start`.
pub fn instructions() -> u64 {
    // a little more than each 25 ticks; what is lost by rounding is not lost for good
    micros() * 40 / 1024
}

pub fn interrupt(number: i16) {
    if number == ETHERNET_INTERRUPT as i16 {
        Lan9118::acknowledge(ETHERNET);
        ARRIVED.wake();
    }
}
