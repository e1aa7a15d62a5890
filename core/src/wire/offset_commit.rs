//! OffsetCommit v7 and v6 (OffsetCommitRequest/Response.json); v6 has no instance id. v9 says the same with a member's epoch for
//! a generation: a member of KIP-848 must use it. Errors are per partition.
use super::answer::{self, row_done, tags, Item, Progress, Row, END, LAST};
use super::encode::Encoder;
use super::primitives::{be_i16, be_i32, Bytes, Parsed};
use nom::Parser;

pub(crate) fn item<'a>(p: &mut Progress, i: Bytes<'a>) -> Parsed<'a, Item<'a>> {
    answer::rows(p, tail(p), row, i)
}

fn tail(p: &Progress) -> u8 {
    if p.flexible.is() {
        LAST
    } else {
        END
    }
}

fn row<'a>(p: &mut Progress, i: Bytes<'a>) -> Parsed<'a, Item<'a>> {
    let (i, (partition, error, ())) = (be_i32, be_i16, |i| tags(p, i)).parse(i)?;
    row_done(p, tail(p));
    Ok((i, Item::Row(Row { partition, error, ..Row::default() })))
}

pub(crate) fn head(e: &mut Encoder<'_>, version: i16, group: &str, generation: i32, member: &str, instance: &str) {
    super::member_head(e, group, generation, member, (version >= 7).then_some(instance));
}

pub(crate) fn request_row(e: &mut Encoder<'_>, partition: i32, offset: i64, epoch: i32, metadata: &str) {
    e.i32(partition).i64(offset).i32(epoch);
    e.str(metadata).tags(); // "" as Java sends it
}
