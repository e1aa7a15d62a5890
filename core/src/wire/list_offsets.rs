//! ListOffsets v5 and v4, the same bytes (ListOffsetsRequest/Response.json): offsets by timestamp, from the leader only.
use super::answer::{self, row_done, Item, Progress, Row, END};
use super::encode::Encoder;
use super::primitives::{fixed, Bytes, Parsed};

/// Timestamp that asks for the log's end.
pub(crate) const LATEST: i64 = -1;
/// Timestamp that asks for the log's start.
pub(crate) const EARLIEST: i64 = -2;

pub(crate) fn item<'a>(p: &mut Progress, i: Bytes<'a>) -> Parsed<'a, Item<'a>> {
    answer::rows(p, END, row, i)
}

fn row<'a>(p: &mut Progress, i: Bytes<'a>) -> Parsed<'a, Item<'a>> {
    let (i, row) = fixed::<26>(i)?;
    row_done(p, END);
    let (partition, error, epoch) = (row.i32::<0>(), row.i16::<4>(), row.i32::<22>());
    Ok((i, Item::Row(Row { partition, error, timestamp: row.i64::<6>(), offset: row.i64::<14>(), epoch })))
}

pub(crate) fn head(e: &mut Encoder<'_>) {
    e.i32(-1).i8(0); // no replica, read_uncommitted
}

pub(crate) fn request_row(e: &mut Encoder<'_>, partition: i32, leader_epoch: i32, timestamp: i64) {
    e.i32(partition).i32(leader_epoch).i64(timestamp);
}
