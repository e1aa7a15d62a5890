//! OffsetForLeaderEpoch v3 (KIP-320): where the records of a leader epoch end. The error comes before the partition here.
use super::answer::{self, row_done, Item, Progress, Row, END};
use super::encode::Encoder;
use super::primitives::{be_i16, be_i32, be_i64, Bytes, Parsed};
use nom::Parser;

pub(crate) fn item<'a>(p: &mut Progress, i: Bytes<'a>) -> Parsed<'a, Item<'a>> {
    answer::rows(p, END, row, i)
}

fn row<'a>(p: &mut Progress, i: Bytes<'a>) -> Parsed<'a, Item<'a>> {
    (be_i16, be_i32, be_i32, be_i64)
        .map(|(error, partition, epoch, offset)| {
            row_done(p, END);
            Item::Row(Row { partition, error, offset, epoch, timestamp: 0 })
        })
        .parse(i)
}

pub(crate) fn head(e: &mut Encoder<'_>) {
    e.i32(-1);
}

pub(crate) fn request_row(e: &mut Encoder<'_>, partition: i32, current_epoch: i32, epoch: i32) {
    e.i32(partition).i32(current_epoch).i32(epoch);
}
