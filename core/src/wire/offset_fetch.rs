//! OffsetFetch v5 and v9 (OffsetFetchRequest/Response.json). v9 lists groups, of which ours is the one, says who of the group asks,
//! and waits for transactions. A row's metadata (up to 4 KB) is passed over; the error of the whole answer follows the rows,
//! which are none then.
use super::answer::{self, row_done, tags, Item, Progress, Row, END, LAST, ROW_END, TAIL, TOPICS};
use super::encode::Encoder;
use super::primitives::{be_i16, be_i32, fixed, stop, Bytes, Parsed, Stop};
use nom::Parser;

pub(crate) fn item<'a>(p: &mut Progress, i: Bytes<'a>) -> Parsed<'a, Item<'a>> {
    if p.flexible.is() && p.part == 0 {
        let (i, (throttle, groups, id)) =
            (be_i32, |i| p.flexible.count(i), |i| p.flexible.string_length(i)).parse(i)?;
        (p.skip, p.part) = (id, TOPICS);
        return if groups == 1 { Ok((i, Item::Throttle(throttle))) } else { stop(Stop::Bad) };
    }
    answer::rows(p, TAIL, row, i)
}

fn row<'a>(p: &mut Progress, i: Bytes<'a>) -> Parsed<'a, Item<'a>> {
    match p.part {
        TAIL => {
            let (i, (error, ())) = (be_i16, |i| tags(p, i)).parse(i)?;
            p.part = if p.flexible.is() { LAST } else { END };
            Ok((i, Item::Error(error)))
        }
        ROW_END => {
            let (i, (error, ())) = (be_i16, |i| tags(p, i)).parse(i)?;
            row_done(p, TAIL);
            let (partition, offset, epoch) = p.row;
            Ok((i, Item::Row(Row { partition, error, offset, epoch, timestamp: 0 })))
        }
        _ => {
            let (i, row) = fixed::<16>(i)?;
            let (i, metadata) = p.flexible.string_length(i)?;
            p.row = (row.i32::<0>(), row.i64::<4>(), row.i32::<12>());
            (p.skip, p.part) = (metadata, ROW_END);
            Ok((i, Item::Part))
        }
    }
}

pub(crate) fn head(e: &mut Encoder<'_>, group: &str, epoch: i32, member: &str) {
    if e.is_flexible() {
        e.array(1).str(group).nullable(member).i32(epoch);
    } else {
        e.str(group);
    }
}

/// Behind the topics: offsets of transactions that are open are waited for.
pub(crate) fn tail(e: &mut Encoder<'_>) {
    if e.is_flexible() {
        e.tags().i8(1).tags();
    }
}

pub(crate) fn request_row(e: &mut Encoder<'_>, partition: i32) {
    e.i32(partition);
}
