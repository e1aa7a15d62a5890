//! Answers are sequences of items. An item must fit the buffer, an answer need not: what stands between two items is a
//! [`Progress`] of a few counters, and long strings that nobody needs are passed over without being buffered.
//! So are the tagged fields of flexible versions (KIP-482), however many a newer broker appends: [`tag`].
use super::primitives::{be_i32, uvarint, Bytes, Flexible, Parsed};
use nom::Parser;

/// Where one stands in an answer: the part that comes next, and how much the arrays around it still hold.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)] // the small fields first, where short instructions reach them
pub(crate) struct Progress {
    /// Which item comes next; 0 is the first, [`END`] says that there is none. The APIs number the parts between.
    pub part: u8,
    pub flexible: Flexible,
    pub outer: u32,
    pub inner: u32,
    /// Bytes to drop before the next item.
    pub skip: u32,
    /// Bytes left of an embedded blob.
    pub left: u32,
    /// Tagged fields to drop before the next item.
    pub tags: u32,
    /// Partition, offset and epoch of a row of which the error comes later: OffsetFetch only.
    pub row: (i32, i64, i32),
}

/// [`Progress::part`] of an answer that is over.
pub(crate) const END: u8 = u8::MAX;

/// [`Progress::part`] in front of what only the tagged fields of the answer as a whole follow.
pub(super) const LAST: u8 = END - 1;

/// [`Progress::part`] of the header of a flexible answer.
const HEADER: u8 = END - 2;

impl Progress {
    pub const NEW: Progress = Progress {
        part: 0,
        outer: 0,
        inner: 0,
        skip: 0,
        left: 0,
        tags: 0,
        flexible: Flexible::new(false),
        row: (0, 0, 0),
    };

    /// At an answer's start.
    pub fn of(flexible: Flexible) -> Progress {
        Progress { part: if flexible.is() { HEADER } else { 0 }, flexible, ..Progress::NEW }
    }
}

/// How many tagged fields follow.
pub(super) fn tags<'a>(p: &mut Progress, i: Bytes<'a>) -> Parsed<'a, ()> {
    match p.flexible.is() {
        true => uvarint.map(|n| p.tags = n).parse(i),
        false => Ok((i, ())),
    }
}

/// What stands between the items of any API: the number of a tagged field that comes next, or the tags around the whole answer.
#[cfg_attr(feature = "group-consumer", inline(never))] // in the walk of all answers it would cost more
pub(crate) fn tag<'a>(p: &mut Progress, i: Bytes<'a>) -> Option<Parsed<'a, ()>> {
    if !p.flexible.is() {
        return None;
    }
    if let Some(left) = p.tags.checked_sub(1) {
        return Some((uvarint, uvarint).map(|(_tag, size)| (p.tags, p.skip) = (left, size)).parse(i));
    }
    let next = match p.part {
        HEADER => 0,
        LAST => END,
        _ => return None,
    };
    Some(tags(p, i).map(|(i, ())| {
        p.part = next;
        (i, ())
    }))
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
/// The second half of a row, what follows the rows, and what comes before the topics: OffsetFetch only.
pub(super) const ROW_END: u8 = 3;
pub(super) const TAIL: u8 = 4;
pub(super) const TOPICS: u8 = 5;
/// Behind the rows of a topic, in flexible versions.
const TOPIC_END: u8 = 6;

/// Walks the shape; `row` parses one row and may set [`Progress::part`] to [`ROW_END`].
pub(super) fn rows<'a>(
    p: &mut Progress,
    tail: u8,
    row: fn(&mut Progress, Bytes<'a>) -> Parsed<'a, Item<'a>>,
    i: Bytes<'a>,
) -> Parsed<'a, Item<'a>> {
    match p.part {
        HEAD => (be_i32, |i| p.flexible.count(i)).parse(i).map(|(i, (throttle, topics))| {
            (p.outer, p.part) = (topics, if topics == 0 { tail } else { TOPIC });
            (i, Item::Throttle(throttle))
        }),
        TOPICS => p.flexible.count(i).map(|(i, topics)| {
            (p.outer, p.part) = (topics, if topics == 0 { tail } else { TOPIC });
            (i, Item::Part)
        }),
        TOPIC => (|i| p.flexible.string(i), |i| p.flexible.count(i)).parse(i).map(|(i, (name, rows))| {
            p.outer = p.outer.saturating_sub(1);
            p.inner = rows;
            next_row(p, tail);
            (i, Item::Topic(name))
        }),
        TOPIC_END => tags(p, i).map(|(i, ())| {
            p.part = if p.outer == 0 { tail } else { TOPIC };
            (i, Item::Part)
        }),
        _ => row(p, i),
    }
}

/// A row is over: what comes after it.
fn next_row(p: &mut Progress, tail: u8) {
    p.part = match (p.inner, p.outer) {
        (0, _) if p.flexible.is() => TOPIC_END,
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
