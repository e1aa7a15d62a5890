//! CRC-32C (Castagnoli) of record batches, from `attributes` to the end. RFC 3720 section 12.1 and appendix B.4.
//!
//! | feature | how | constants | instructions per byte, Cortex-M4 |
//! |---|---|---|---|
//! | none | 16 entries, twice per byte | 64 B | 8 to 15 |
//! | `crc-table-1k` | 256 entries | 1 KB | about 9 |
//! | `std` | the CPU's instructions where it has them | crate `crc-fast` | |

/// Reflected.
#[cfg(any(test, not(feature = "std")))]
const POLYNOMIAL: u32 = 0x82f6_3b78;

/// A checksum that grows with its input. Holds the finished value, not the shift register: a fresh one is zero bytes,
/// which a static in `.bss` needs.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Crc32c(u32);

impl Crc32c {
    /// Of nothing.
    pub const fn new() -> Self {
        Crc32c(0)
    }

    /// Of what was seen so far and then `bytes`.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0 = append(self.0, bytes);
    }

    /// As the batch header has it.
    pub const fn value(&self) -> u32 {
        self.0
    }
}

#[cfg(feature = "std")]
fn append(crc: u32, bytes: &[u8]) -> u32 {
    let mut digest = crc_fast::Digest::new_with_init_state(crc_fast::CrcAlgorithm::Crc32Iscsi, u64::from(!crc));
    digest.update(bytes);
    digest.finalize() as u32
}
#[cfg(all(feature = "crc-table-1k", not(feature = "std")))]
use by_byte as append;
#[cfg(not(any(feature = "crc-table-1k", feature = "std")))]
use by_nibble as append;

#[cfg(any(test, not(any(feature = "crc-table-1k", feature = "std"))))]
fn by_nibble(crc: u32, bytes: &[u8]) -> u32 {
    static TABLE: [u32; 16] = table();
    !bytes.iter().fold(!crc, |crc, &byte| {
        let crc = crc ^ u32::from(byte);
        let crc = crc >> 4 ^ entry(&TABLE, crc);
        crc >> 4 ^ entry(&TABLE, crc)
    })
}

#[cfg(any(test, all(feature = "crc-table-1k", not(feature = "std"))))]
fn by_byte(crc: u32, bytes: &[u8]) -> u32 {
    static TABLE: [u32; 256] = table();
    !bytes.iter().fold(!crc, |crc, &byte| crc >> 8 ^ entry(&TABLE, crc ^ u32::from(byte)))
}

/// Of the low bits of `register`, as many as `N` needs; never absent, which the optimiser sees.
#[cfg(any(test, not(feature = "std")))]
fn entry<const N: usize>(table: &[u32; N], register: u32) -> u32 {
    table.get(register as usize & (N - 1)).copied().unwrap_or(0)
}

/// `N`, a power of two: what the register becomes when its low log2(`N`) bits leave it.
#[cfg(any(test, not(feature = "std")))]
const fn table<const N: usize>() -> [u32; N] {
    let mut table = [0; N];
    let mut index = 0;
    while index < N {
        let mut register = index as u32;
        let mut steps = N.ilog2();
        while steps > 0 {
            register = if register & 1 == 1 { register >> 1 ^ POLYNOMIAL } else { register >> 1 };
            steps -= 1;
        }
        table[index] = register;
        index += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn implementations() -> Vec<fn(u32, &[u8]) -> u32> {
        std::vec![by_nibble, by_byte, append]
    }

    /// The definition, bit by bit.
    fn by_bit(bytes: &[u8]) -> u32 {
        !bytes
            .iter()
            .fold(!0, |crc, &byte| (0..8).fold(crc ^ u32::from(byte), |crc, _| crc >> 1 ^ (POLYNOMIAL * (crc & 1))))
    }

    fn noise(length: usize) -> Vec<u8> {
        let mut random = crate::seed::Random::new();
        random.seed(&crate::Seed::new([7; 32]));
        (0..length).map(|_| (random.next() >> 56) as u8).collect()
    }

    #[test]
    fn known_values() {
        let ascending: Vec<u8> = (0..32).collect();
        let descending: Vec<u8> = (0..32).rev().collect();
        // RFC 3720 B.4: a SCSI Read (10) command PDU.
        let mut pdu = [0; 48];
        for (at, byte) in [(0, 0x01), (1, 0xc0), (16, 0x14), (22, 0x04), (27, 0x14), (31, 0x18), (32, 0x28), (40, 0x02)]
        {
            pdu[at] = byte;
        }
        let vectors: [(&[u8], u32); 8] = [
            (b"", 0),
            (b"a", 0xc1d0_4330),
            (b"123456789", 0xe306_9283),
            (&[0; 32], 0x8a91_36aa),
            (&[0xff; 32], 0x62a8_ab43),
            (&ascending, 0x46dd_794e),
            (&descending, 0x113f_db5c),
            (&pdu, 0xd996_3a56),
        ];
        for (bytes, crc) in vectors {
            for append in implementations() {
                assert_eq!(append(0, bytes), crc, "{bytes:02x?}");
            }
            assert_eq!(by_bit(bytes), crc);
        }
    }

    #[test]
    fn all_agree_at_every_length_and_alignment() {
        let bytes = noise(600);
        for start in 0..9 {
            for end in start..bytes.len() {
                let bytes = &bytes[start..end];
                let expected = by_bit(bytes);
                for append in implementations() {
                    assert_eq!(append(0, bytes), expected, "{start}..{end}");
                }
            }
        }
    }

    #[test]
    fn any_split_gives_the_same() {
        let bytes = noise(257);
        let expected = by_bit(&bytes);
        for at in 0..=bytes.len() {
            let (head, tail) = bytes.split_at(at);
            for append in implementations() {
                assert_eq!(append(append(0, head), tail), expected, "{at}");
            }
        }
        for size in 1..bytes.len() {
            let mut crc = Crc32c::new();
            bytes.chunks(size).for_each(|chunk| crc.update(chunk));
            assert_eq!(crc.value(), expected, "chunks of {size}");
        }
    }

    #[test]
    fn fresh_is_all_zero() {
        let Crc32c(register) = Crc32c::new();
        assert_eq!((register, size_of::<Crc32c>()), (0, 4));
    }
}
