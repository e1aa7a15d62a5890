//! Fetch v11 and v10 (FetchRequest/Response.json), by topic name and without a session: what the request says, and the items
//! around the records. `records` itself is parsed where it is lent (`fetch::stream`). v11 adds the rack and the preferred read
//! replica (KIP-392).
use super::encode::Encoder;
use super::primitives::{be_i32, count, fixed, string, Bytes, Parsed};
use crate::time::millis_i32;
use crate::Config;
use nom::Parser;

/// What stands before the topics.
pub(crate) struct Top {
    pub throttle: i32,
    pub error: i16,
    pub topics: u32,
}

pub(crate) fn top(i: Bytes<'_>) -> Parsed<'_, Top> {
    let (i, head) = fixed::<10>(i)?;
    let (i, topics) = count(i)?;
    Ok((i, Top { throttle: head.i32::<0>(), error: head.i16::<4>(), topics }))
}

/// A topic's name and the number of its partitions.
pub(crate) fn topic(i: Bytes<'_>) -> Parsed<'_, (&str, u32)> {
    (string, count).parse(i)
}

/// What stands before a partition's aborted transactions.
pub(crate) struct Partition {
    pub index: i32,
    pub error: i16,
    pub high_watermark: i64,
    /// Of 16 bytes each; they concern `read_committed` only.
    pub aborted: u32,
}

pub(crate) fn partition(i: Bytes<'_>) -> Parsed<'_, Partition> {
    let (i, head) = fixed::<30>(i)?; // the last stable offset and the log's start are passed over
    let (i, aborted) = count(i)?;
    Ok((i, Partition { index: head.i32::<0>(), error: head.i16::<4>(), high_watermark: head.i64::<6>(), aborted }))
}

/// The preferred read replica, -1 for none, and the number of bytes of `records`.
pub(crate) fn records_length(version: i16, i: Bytes<'_>) -> Parsed<'_, (i32, u32)> {
    let (i, replica) = if version >= 11 { be_i32(i)? } else { (i, -1) };
    let (i, bytes) = count(i)?;
    Ok((i, (replica, bytes)))
}

pub(crate) fn head(e: &mut Encoder<'_>, config: &Config<'_>, max_wait: i32) {
    e.i32(-1).i32(max_wait.min(millis_i32(config.fetch_max_wait)));
    e.i32(config.fetch_min_bytes as i32).i32(config.fetch_max_bytes as i32);
    e.i8(0).i32(0).i32(-1); // read_uncommitted, no session
}

pub(crate) fn request_row(e: &mut Encoder<'_>, partition: i32, leader_epoch: i32, offset: i64, max_bytes: u32) {
    e.i32(partition).i32(leader_epoch).i64(offset).i64(-1).i32(max_bytes as i32);
}

pub(crate) fn tail(e: &mut Encoder<'_>, version: i16, rack: &str) {
    e.i32(0);
    if version >= 11 {
        e.str(rack);
    }
}
