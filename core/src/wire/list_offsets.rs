//! ListOffsets v5 and v4, the same bytes (ListOffsetsRequest/Response.json): offsets by timestamp, from the leader only.
use super::answer::{self, row_done, Item, Progress, Row, END};
use super::encode::Encoder;
use super::primitives::{be_i16, be_i32, be_i64, Bytes, Parsed};
use nom::Parser;

/// Timestamp that asks for the log's end.
pub(crate) const LATEST: i64 = -1;
/// Timestamp that asks for the log's start.
pub(crate) const EARLIEST: i64 = -2;

pub(crate) fn item<'a>(p: &mut Progress, i: Bytes<'a>) -> Parsed<'a, Item<'a>> {
    answer::rows(p, END, row, i)
}

fn row<'a>(p: &mut Progress, i: Bytes<'a>) -> Parsed<'a, Item<'a>> {
    (be_i32, be_i16, be_i64, be_i64, be_i32)
        .map(|(partition, error, timestamp, offset, epoch)| {
            row_done(p, END);
            Item::Row(Row { partition, error, offset, epoch, timestamp })
        })
        .parse(i)
}

pub(crate) fn head(e: &mut Encoder<'_>) {
    e.i32(-1).i8(0); // no replica, read_uncommitted
}

pub(crate) fn request_row(e: &mut Encoder<'_>, partition: i32, leader_epoch: i32, timestamp: i64) {
    e.i32(partition).i32(leader_epoch).i64(timestamp);
}
