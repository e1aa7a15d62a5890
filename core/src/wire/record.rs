//! Record v2 (`DefaultRecord.java`): `length, attributes i8, timestamp delta, offset delta, key, value, headers`, all
//! lengths and deltas zigzag varints, -1 for null. `length` counts from after itself.
use super::primitives::{be_i8, nullable, stop, take, varint, varlong, Bytes, Parsed, Stop};
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
    let (i, n) = varint(i)?;
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
#[inline]
pub(crate) fn record(i: Bytes<'_>) -> Parsed<'_, (Head<'_>, Option<Bytes<'_>>, Bytes<'_>)> {
    let (i, length) = length(i)?;
    let (rest, body) = take(length)(i)?;
    let inside = |e: nom::Err<Stop>| e.map(|_| Stop::Bad); // short inside a complete record is malformed
    let (body, head) = head(body).map_err(inside)?;
    let (headers, value) = match head.value_len {
        Some(n) => take(n as usize).map(Some).parse(body).map_err(inside)?,
        None => (body, None),
    };
    match headers {
        [] => stop(Stop::Bad), // the number of headers at least
        _ => Ok((rest, (head, value, headers))),
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
