//! Answers are sequences of items. An item must fit the buffer, an answer need not: what stands between two items is a
//! [`Progress`] of a few counters, and long strings that nobody needs are passed over without being buffered.
use super::primitives::{be_i32, count, string, Bytes, Parsed};
use nom::Parser;

/// Where one stands in an answer: the part that comes next, and how much the arrays around it still hold.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Progress {
    /// Which item comes next; 0 is the first, [`END`] says that there is none. The APIs number the parts between.
    pub part: u8,
    pub outer: u32,
    pub inner: u32,
    /// Bytes to drop before the next item.
    pub skip: u32,
    /// Bytes left of an embedded blob.
    pub left: u32,
    pub row: Row,
}

/// [`Progress::part`] of an answer that is over.
pub(crate) const END: u8 = u8::MAX;

impl Progress {
    pub const NEW: Progress = Progress { part: 0, outer: 0, inner: 0, skip: 0, left: 0, row: Row::NONE };
}

/// One partition of an answer. ListOffsets, OffsetFetch, OffsetCommit and OffsetForLeaderEpoch fill what they have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Row {
    pub partition: i32,
    pub error: i16,
    pub offset: i64,
    pub epoch: i32,
    pub timestamp: i64,
}

impl Row {
    const NONE: Row = Row { partition: 0, error: 0, offset: 0, epoch: 0, timestamp: 0 };
}

/// The shape of those four: `throttle, array of (topic, array of row)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Item<'a> {
    Throttle(i32),
    Topic(&'a str),
    Row(Row),
    /// For the answer as a whole (OffsetFetch only), after its rows.
    Error(i16),
    /// Nothing to act on.
    Part,
}

const HEAD: u8 = 0;
const TOPIC: u8 = 1;
const ROW: u8 = 2;
/// The second half of a row, and what follows the rows: OffsetFetch only.
pub(super) const ROW_END: u8 = 3;
pub(super) const TAIL: u8 = 4;

/// Walks the shape; `row` parses one row and may set [`Progress::part`] to [`ROW_END`].
pub(super) fn rows<'a>(
    p: &mut Progress,
    tail: u8,
    row: fn(&mut Progress, Bytes<'a>) -> Parsed<'a, Item<'a>>,
    i: Bytes<'a>,
) -> Parsed<'a, Item<'a>> {
    match p.part {
        HEAD => (be_i32, count)
            .map(|(throttle, topics)| {
                (p.outer, p.part) = (topics, if topics == 0 { tail } else { TOPIC });
                Item::Throttle(throttle)
            })
            .parse(i),
        TOPIC => (string, count)
            .map(|(name, rows)| {
                p.outer = p.outer.saturating_sub(1);
                p.inner = rows;
                next_row(p, tail);
                Item::Topic(name)
            })
            .parse(i),
        _ => row(p, i),
    }
}

/// A row is over: what comes after it.
pub(super) fn next_row(p: &mut Progress, tail: u8) {
    p.part = match (p.inner, p.outer) {
        (0, 0) => tail,
        (0, _) => TOPIC,
        _ => ROW,
    };
}

/// One row less.
pub(super) fn row_done(p: &mut Progress, tail: u8) {
    p.inner = p.inner.saturating_sub(1);
    next_row(p, tail);
}
