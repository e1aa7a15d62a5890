//! OffsetFetch v5 (OffsetFetchRequest/Response.json). A row's metadata (up to 4 KB) is passed over; the error of the whole
//! answer follows the rows, which are none then.
use super::answer::{self, row_done, Item, Progress, Row, END, ROW_END, TAIL};
use super::encode::Encoder;
use super::primitives::{be_i16, be_i32, be_i64, string_length, Bytes, Parsed};
use nom::Parser;

pub(crate) fn item<'a>(p: &mut Progress, i: Bytes<'a>) -> Parsed<'a, Item<'a>> {
    answer::rows(p, TAIL, row, i)
}

fn row<'a>(p: &mut Progress, i: Bytes<'a>) -> Parsed<'a, Item<'a>> {
    match p.part {
        TAIL => be_i16
            .map(|error| {
                p.part = END;
                Item::Error(error)
            })
            .parse(i),
        ROW_END => be_i16
            .map(|error| {
                row_done(p, TAIL);
                Item::Row(Row { error, ..p.row })
            })
            .parse(i),
        _ => (be_i32, be_i64, be_i32, string_length)
            .map(|(partition, offset, epoch, metadata)| {
                p.row = Row { partition, error: 0, offset, epoch, timestamp: 0 };
                (p.skip, p.part) = (metadata, ROW_END);
                Item::Part
            })
            .parse(i),
    }
}

pub(crate) fn head(e: &mut Encoder<'_>, group: &str) {
    e.str(group);
}

pub(crate) fn request_row(e: &mut Encoder<'_>, partition: i32) {
    e.i32(partition);
}
