//! OffsetForLeaderEpoch v3 (KIP-320): where the records of a leader epoch end. The error comes before the partition here.
use super::answer::{self, row_done, Item, Progress, Row, END};
use super::encode::Encoder;
use super::primitives::{fixed, Bytes, Parsed};

pub(crate) fn item<'a>(p: &mut Progress, i: Bytes<'a>) -> Parsed<'a, Item<'a>> {
    answer::rows(p, END, row, i)
}

fn row<'a>(p: &mut Progress, i: Bytes<'a>) -> Parsed<'a, Item<'a>> {
    let (i, row) = fixed::<18>(i)?;
    row_done(p, END);
    let (error, partition, epoch) = (row.i16::<0>(), row.i32::<2>(), row.i32::<6>());
    Ok((i, Item::Row(Row { partition, error, offset: row.i64::<10>(), epoch, timestamp: 0 })))
}

pub(crate) fn head(e: &mut Encoder<'_>) {
    e.i32(-1);
}

pub(crate) fn request_row(e: &mut Encoder<'_>, partition: i32, current_epoch: i32, epoch: i32) {
    e.i32(partition).i32(current_epoch).i32(epoch);
}
