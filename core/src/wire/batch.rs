//! Record batch v2 (`DefaultRecordBatch.java`), the 61 bytes in front of its records:
//!
//! ```text
//!  0 base_offset i64      21 attributes i16         43 producer_id i64
//!  8 length i32           23 last_offset_delta i32  51 producer_epoch i16
//! 12 leader_epoch i32     27 base_timestamp i64     53 base_sequence i32
//! 16 magic i8             35 max_timestamp i64      57 records_count i32
//! 17 crc u32                     (length counts from byte 12, the CRC covers byte 21 to the end)
//! ```
use super::primitives::{fixed, stop, Bytes, Parsed, Stop};
use crate::error::Codec;

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
    let (i, head) = fixed::<17>(i)?;
    match size(head.i32::<8>()) {
        Some(size) => Ok((i, (head.i64::<0>(), size, head.i8::<16>()))),
        None => stop(Stop::Bad),
    }
}

fn size(length: i32) -> Option<u32> {
    u32::try_from(length).ok().and_then(|n| n.checked_add(LENGTH_END))
}

/// The header of a batch whose magic is 2.
pub(crate) fn batch(i: Bytes<'_>) -> Parsed<'_, Batch> {
    let (i, head) = fixed::<{ HEADER as usize }>(i)?;
    let batch = Batch {
        base_offset: head.i64::<0>(),
        size: size(head.i32::<8>()).unwrap_or(0),
        leader_epoch: head.i32::<12>(),
        crc: head.u32::<17>(),
        attributes: head.i16::<21>(),
        last_offset_delta: head.i32::<23>(),
        base_timestamp: head.i64::<27>(),
        max_timestamp: head.i64::<35>(),
    };
    let count = head.i32::<57>();
    if batch.size < HEADER || batch.last_offset_delta < 0 || batch.base_offset < 0 || count < 0 {
        return stop(Stop::Bad);
    }
    Ok((i, batch))
}
