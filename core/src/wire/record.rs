//! Record v2 (`DefaultRecord.java`): `length, attributes i8, timestamp delta, offset delta, key, value, headers`, all
//! lengths and deltas zigzag varints, -1 for null. `length` counts from after itself.
use super::primitives::{be_i8, int, item, nullable, stop, take, varint, varlong, Bytes, Parsed, Stop};
use nom::Parser;

/// What stands before a record's value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head<'a> {
    pub timestamp_delta: i64,
    pub offset_delta: i32,
    pub key: Option<Bytes<'a>>,
    /// `None` for null.
    pub value_len: Option<u32>,
}

/// Bytes that follow.
#[inline]
pub(crate) fn length(i: Bytes<'_>) -> Parsed<'_, usize> {
    let (i, n) = match int(i) {
        Some(parsed) => parsed,
        None => varint(i)?, // to learn whether more bytes would help
    };
    usize::try_from(n).map_or(stop(Stop::Bad), |n| Ok((i, n)))
}

#[inline]
pub(crate) fn head(i: Bytes<'_>) -> Parsed<'_, Head<'_>> {
    let (i, (_attributes, timestamp_delta, offset_delta)) = (be_i8, varlong, varint).parse(i)?;
    let (i, (key, value_len)) = (nullable, varint).parse(i)?;
    match value_len {
        ..=-2 => stop(Stop::Bad),
        n => Ok((i, Head { timestamp_delta, offset_delta, key, value_len: u32::try_from(n).ok() })),
    }
}

/// A whole record: its head, its value, and the bytes of its headers.
#[inline(always)]
pub(crate) fn record(i: Bytes<'_>) -> Parsed<'_, (Head<'_>, Option<Bytes<'_>>, Bytes<'_>)> {
    let (i, length) = length(i)?;
    let (rest, body) = take(length)(i)?;
    match inside(body) {
        Some(parts) => Ok((rest, parts)),
        None => stop(Stop::Bad),
    }
}

/// What is missing inside a complete record is malformed, so nothing here asks for more.
#[inline(always)]
fn inside(body: Bytes<'_>) -> Option<(Head<'_>, Option<Bytes<'_>>, Bytes<'_>)> {
    let (_attributes, i) = body.split_first()?;
    let (i, timestamp_delta) = match i.split_first()? {
        (&byte, rest) if byte < 0x80 => (rest, i64::from(byte >> 1) ^ -i64::from(byte & 1)),
        _ => item(varlong(i)).ok()?,
    };
    let (i, offset_delta) = int(i)?;
    let (i, key) = bytes(i)?;
    let (headers, value) = bytes(i)?;
    if headers.is_empty() {
        return None; // the number of headers at least
    }
    let value_len = value.map(|value| value.len() as u32);
    Some((Head { timestamp_delta, offset_delta, key, value_len }, value, headers))
}

#[inline]
fn bytes(i: Bytes<'_>) -> Option<(Bytes<'_>, Option<Bytes<'_>>)> {
    let (i, n) = int(i)?;
    match n {
        -1 => Some((i, None)),
        n => i.split_at_checked(usize::try_from(n).ok()?).map(|(bytes, rest)| (rest, Some(bytes))),
    }
}

/// One header: key and value.
pub(crate) fn header(i: Bytes<'_>) -> Parsed<'_, (Bytes<'_>, Option<Bytes<'_>>)> {
    let (i, key) = nullable(i)?;
    match key {
        Some(key) => nullable.map(|value| (key, value)).parse(i),
        None => stop(Stop::Bad),
    }
}
