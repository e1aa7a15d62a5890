//! OffsetCommit v7 and v6 (OffsetCommitRequest/Response.json); v6 has no instance id. Errors are per partition.
use super::answer::{self, row_done, Item, Progress, Row, END};
use super::encode::Encoder;
use super::primitives::{be_i16, be_i32, Bytes, Parsed};
use nom::Parser;

pub(crate) fn item<'a>(p: &mut Progress, i: Bytes<'a>) -> Parsed<'a, Item<'a>> {
    answer::rows(p, END, row, i)
}

fn row<'a>(p: &mut Progress, i: Bytes<'a>) -> Parsed<'a, Item<'a>> {
    (be_i32, be_i16)
        .map(|(partition, error)| {
            row_done(p, END);
            Item::Row(Row { partition, error, ..Row::default() })
        })
        .parse(i)
}

pub(crate) fn head(e: &mut Encoder<'_>, version: i16, group: &str, generation: i32, member: &str, instance: &str) {
    super::member_head(e, group, generation, member, (version >= 7).then_some(instance));
}

pub(crate) fn request_row(e: &mut Encoder<'_>, partition: i32, offset: i64, epoch: i32, metadata: &str) {
    e.i32(partition).i64(offset).i32(epoch);
    e.str(metadata); // "" as Java sends it
}
