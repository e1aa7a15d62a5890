//! The Ethernet controller of Stellaris LM3S (datasheet of the LM3S6965, chapter 15). In QEMU it needs no clocks, no pins and no
//! PHY; the chip does.

use super::cortex_m3::Registers;
use super::ethernet::{Buffer, Fifo};

const RIS_IACK: usize = 0x00;
const IM: usize = 0x04;
const RCTL: usize = 0x08;
const TCTL: usize = 0x0c;
const DATA: usize = 0x10;
const IA0: usize = 0x14;
const IA1: usize = 0x18;
const THR: usize = 0x1c;
const NP: usize = 0x34;
const TR: usize = 0x38;

/// Interrupt: the FIFO has a frame.
const RXINT: u32 = 1;
/// Interrupt: sending failed. Clearing it also empties the FIFO.
const TXER: u32 = 1 << 1;

pub struct Stellaris {
    registers: Registers,
}

impl Stellaris {
    /// Resets it and lets it receive.
    pub(super) fn start(registers: Registers) -> Self {
        registers.write(IM, 0);
        registers.write(RIS_IACK, 0x7f);
        // no frame is sent before it is complete
        registers.write(THR, 0x3f);
        // full duplex, CRC, padding, sender
        registers.write(TCTL, 1 << 4 | 1 << 2 | 1 << 1 | 1);
        // empty the FIFO; then: reject bad CRCs, all multicast (DHCP's answers), receiver
        registers.write(RCTL, 1 << 4);
        registers.write(RCTL, 1 << 3 | 1 << 1 | 1);
        registers.write(IM, RXINT);
        Stellaris { registers }
    }

    /// In the interrupt.
    pub(super) fn acknowledge(registers: Registers) {
        registers.write(RIS_IACK, registers.read(RIS_IACK) & !TXER);
    }
}

impl Fifo for Stellaris {
    // the length, in two bytes
    const LEAD: usize = 2;
    // what does not fit waits outside
    const BURST: Option<usize> = None;

    fn address(&self) -> [u8; 6] {
        let (low, high) = (self.registers.read(IA0).to_le_bytes(), self.registers.read(IA1).to_le_bytes());
        [low[0], low[1], low[2], low[3], high[0], high[1]]
    }

    fn receive(&mut self, buffer: &mut Buffer) -> Option<usize> {
        while self.registers.read(NP) != 0 {
            let first = self.registers.read(DATA);
            // with these two bytes and the four of the CRC
            let length = (first & 0xffff) as usize;
            let words = length.div_ceil(4);
            buffer[..4].copy_from_slice(&first.to_le_bytes());
            // also what does not fit must be read
            for word in 1..words {
                let value = self.registers.read(DATA);
                if let Some(bytes) = buffer.chunks_exact_mut(4).nth(word) {
                    bytes.copy_from_slice(&value.to_le_bytes());
                }
            }
            if words * 4 <= buffer.len() {
                return length.checked_sub(6);
            }
        }
        None
    }

    fn is_free(&mut self) -> bool {
        self.registers.read(TR) & 1 == 0
    }

    fn send(&mut self, buffer: &mut Buffer, length: usize) {
        // it does not count the header
        buffer[..2].copy_from_slice(&(length.saturating_sub(14) as u16).to_le_bytes());
        for word in buffer.chunks_exact(4).take((length + 2).div_ceil(4)) {
            self.registers.write(DATA, u32::from_le_bytes([word[0], word[1], word[2], word[3]]));
        }
        self.registers.write(TR, 1);
    }
}
