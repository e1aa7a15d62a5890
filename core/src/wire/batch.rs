//! Record batch v2 (`DefaultRecordBatch.java`), the 61 bytes in front of its records:
//!
//! ```text
//!  0 base_offset i64      21 attributes i16         43 producer_id i64
//!  8 length i32           23 last_offset_delta i32  51 producer_epoch i16
//! 12 leader_epoch i32     27 base_timestamp i64     53 base_sequence i32
//! 16 magic i8             35 max_timestamp i64      57 records_count i32
//! 17 crc u32                     (length counts from byte 12, the CRC covers byte 21 to the end)
//! ```
use super::primitives::{be_i16, be_i32, be_i64, be_i8, be_u32, stop, Bytes, Parsed, Stop};
use crate::error::Codec;
use nom::Parser;

/// Bytes of the header.
pub(crate) const HEADER: u32 = 61;
/// Bytes before what `length` counts.
pub(crate) const LENGTH_END: u32 = 12;
/// First byte under the CRC.
pub(crate) const CRC_START: usize = 21;

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Batch {
    pub base_offset: i64,
    /// Bytes of the whole batch, at least [`HEADER`].
    pub size: u32,
    pub leader_epoch: i32,
    pub crc: u32,
    pub attributes: i16,
    pub last_offset_delta: i32,
    pub base_timestamp: i64,
    pub max_timestamp: i64,
}

impl Batch {
    pub const NEW: Batch = Batch {
        base_offset: 0,
        size: 0,
        leader_epoch: 0,
        crc: 0,
        attributes: 0,
        last_offset_delta: 0,
        base_timestamp: 0,
        max_timestamp: 0,
    };

    /// Where to go on after the batch: not "last record + 1", as compaction may have removed its last records.
    #[inline(never)]
    pub fn next_offset(&self) -> i64 {
        self.base_offset.saturating_add(i64::from(self.last_offset_delta)).saturating_add(1)
    }

    pub fn codec(&self) -> Option<Codec> {
        match self.attributes & 7 {
            0 => None,
            1 => Some(Codec::Gzip),
            2 => Some(Codec::Snappy),
            3 => Some(Codec::Lz4),
            4 => Some(Codec::Zstd),
            n => Some(Codec::Unknown(n as u8)),
        }
    }

    /// All records have the time of the append (`max_timestamp`).
    pub fn log_append_time(&self) -> bool {
        self.attributes & 8 != 0
    }

    /// A transaction's marker: never handed out.
    pub fn control(&self) -> bool {
        self.attributes & 32 != 0
    }
}

/// What the first 17 bytes of an entry say, whatever its format: `(offset, size of the entry, magic)`.
pub(crate) fn entry(i: Bytes<'_>) -> Parsed<'_, (i64, u32, i8)> {
    let (i, (offset, length, _, magic)) = (be_i64, be_i32, be_i32, be_i8).parse(i)?;
    match u32::try_from(length).ok().and_then(|n| n.checked_add(LENGTH_END)) {
        Some(size) => Ok((i, (offset, size, magic))),
        None => stop(Stop::Bad),
    }
}

/// The header of a batch whose magic is 2.
pub(crate) fn batch(i: Bytes<'_>) -> Parsed<'_, Batch> {
    let (i, (base_offset, length, leader_epoch, _magic, crc, attributes)) =
        (be_i64, be_i32, be_i32, be_i8, be_u32, be_i16).parse(i)?;
    let (i, (last_offset_delta, base_timestamp, max_timestamp)) = (be_i32, be_i64, be_i64).parse(i)?;
    let (i, (_producer, _producer_epoch, _sequence, count)) = (be_i64, be_i16, be_i32, be_i32).parse(i)?;
    match u32::try_from(length).ok().and_then(|n| n.checked_add(LENGTH_END)) {
        Some(size) if size >= HEADER && last_offset_delta >= 0 && base_offset >= 0 && count >= 0 => {
            let batch = Batch {
                base_offset,
                size,
                leader_epoch,
                crc,
                attributes,
                last_offset_delta,
                base_timestamp,
                max_timestamp,
            };
            Ok((i, batch))
        }
        _ => stop(Stop::Bad),
    }
}
