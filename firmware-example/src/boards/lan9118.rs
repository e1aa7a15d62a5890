//! Microchip LAN9118, a MAC with FIFOs on a 32-bit bus (datasheet DS00002266). Its PHY needs no setup in QEMU; the chip's does.

use super::cortex_m3::Registers;
use super::ethernet::{Buffer, Fifo};

// Ports of the FIFOs.
const RX_DATA: usize = 0x00;
const TX_DATA: usize = 0x20;
const RX_STATUS: usize = 0x40;
const TX_STATUS: usize = 0x48;

// Registers.
const IRQ_CFG: usize = 0x54;
const INT_STS: usize = 0x58;
const INT_EN: usize = 0x5c;
const BYTE_TEST: usize = 0x64;
const FIFO_INT: usize = 0x68;
const RX_CFG: usize = 0x6c;
const TX_CFG: usize = 0x70;
const HW_CFG: usize = 0x74;
const RX_FIFO_INF: usize = 0x7c;
const TX_FIFO_INF: usize = 0x80;
const MAC_CSR_CMD: usize = 0xa4;
const MAC_CSR_DATA: usize = 0xa8;
const AFC_CFG: usize = 0xac;

// Registers of the MAC itself, behind MAC_CSR_CMD.
const MAC_CR: u32 = 1;
const ADDRH: u32 = 2;
const ADDRL: u32 = 3;

/// An interrupt when the receive FIFO has a frame.
const RSFL: u32 = 1 << 3;

pub struct Lan9118 {
    registers: Registers,
    address: [u8; 6],
}

impl Lan9118 {
    /// Resets it and lets it receive.
    pub(super) fn start(registers: Registers) -> Self {
        while registers.read(BYTE_TEST) != 0x8765_4321 {}
        registers.write(HW_CFG, 1);
        while registers.read(HW_CFG) & 1 != 0 {}
        // frames are forwarded when they are complete; 5 of the 16 KB of the FIFOs are for sending
        registers.write(HW_CFG, 1 << 20 | 5 << 16);
        registers.write(AFC_CFG, 0x006e_3740);
        let (low, high) = (csr_read(registers, ADDRL).to_le_bytes(), csr_read(registers, ADDRH).to_le_bytes());
        registers.write(INT_EN, 0);
        registers.write(INT_STS, u32::MAX);
        // from the first frame on
        registers.write(FIFO_INT, 0x4800_0000);
        // on, active high, push-pull: otherwise the line idles active
        registers.write(IRQ_CFG, 0x111);
        registers.write(RX_CFG, 0);
        registers.write(TX_CFG, 1 << 1);
        // full duplex, all multicast (DHCP's answers), sender, receiver
        csr_write(registers, MAC_CR, 1 << 20 | 1 << 19 | 1 << 3 | 1 << 2);
        registers.write(INT_EN, RSFL);
        Lan9118 { registers, address: [low[0], low[1], low[2], low[3], high[0], high[1]] }
    }

    /// In the interrupt. The bit is set by the next frame, not by those that wait, so the driver empties the FIFO.
    pub(super) fn acknowledge(registers: Registers) {
        registers.write(INT_STS, u32::MAX);
    }
}

impl Fifo for Lan9118 {
    const LEAD: usize = 0;
    // 10,560 bytes, with the four of its CRC and up to three of padding for each frame
    const BURST: Option<usize> = Some(6);

    fn address(&self) -> [u8; 6] {
        self.address
    }

    fn receive(&mut self, buffer: &mut Buffer) -> Option<usize> {
        while self.registers.read(RX_FIFO_INF) >> 16 & 0xff != 0 {
            let status = self.registers.read(RX_STATUS);
            let length = (status >> 16 & 0x3fff) as usize;
            let words = length.div_ceil(4);
            if status & 1 << 15 == 0 && words * 4 <= buffer.len() {
                for word in buffer.chunks_exact_mut(4).take(words) {
                    word.copy_from_slice(&self.registers.read(RX_DATA).to_le_bytes());
                }
                return length.checked_sub(4);
            }
            for _ in 0..words {
                self.registers.read(RX_DATA);
            }
        }
        None
    }

    fn is_free(&mut self) -> bool {
        let state = self.registers.read(TX_FIFO_INF);
        for _ in 0..state >> 16 & 0xff {
            self.registers.read(TX_STATUS);
        }
        (state & 0xffff) as usize >= size_of::<Buffer>() + 8
    }

    fn send(&mut self, buffer: &mut Buffer, length: usize) {
        // the MAC does not pad
        let padded = length.max(60);
        buffer[length..padded].fill(0);
        // first and last buffer of its frame
        self.registers.write(TX_DATA, 1 << 13 | 1 << 12 | padded as u32);
        self.registers.write(TX_DATA, padded as u32);
        for word in buffer.chunks_exact(4).take(padded.div_ceil(4)) {
            self.registers.write(TX_DATA, u32::from_le_bytes([word[0], word[1], word[2], word[3]]));
        }
    }
}

const BUSY: u32 = 1 << 31;

fn csr_read(registers: Registers, index: u32) -> u32 {
    registers.write(MAC_CSR_CMD, BUSY | 1 << 30 | index);
    while registers.read(MAC_CSR_CMD) & BUSY != 0 {}
    registers.read(MAC_CSR_DATA)
}

fn csr_write(registers: Registers, index: u32, value: u32) {
    registers.write(MAC_CSR_DATA, value);
    registers.write(MAC_CSR_CMD, BUSY | index);
    while registers.read(MAC_CSR_CMD) & BUSY != 0 {}
}
