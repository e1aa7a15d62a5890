//! nom's shape over our own leaves: `IResult` and its combinators, no leaf parser of nom's, a one-byte error.
//! Complete semantics over what is there; `More` means "the item is not all there yet", `Bad` that it never will be.
use nom::{IResult, Parser};

/// Why an item did not parse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    More,
    Bad,
}

pub(crate) type Bytes<'a> = &'a [u8];
pub(crate) type Parsed<'a, T> = IResult<Bytes<'a>, T, Stop>;

impl nom::error::ParseError<Bytes<'_>> for Stop {
    fn from_error_kind(_: Bytes<'_>, _: nom::error::ErrorKind) -> Self {
        Stop::Bad
    }
    fn append(_: Bytes<'_>, _: nom::error::ErrorKind, other: Self) -> Self {
        other
    }
}

#[inline]
pub(crate) fn stop<'a, T>(why: Stop) -> Parsed<'a, T> {
    Err(nom::Err::Error(why))
}

/// `IResult` ends here: what the state machines see.
#[inline]
pub(crate) fn item<'a, T>(parsed: Parsed<'a, T>) -> Result<(Bytes<'a>, T), Stop> {
    parsed.map_err(|e| match e {
        nom::Err::Error(stop) | nom::Err::Failure(stop) => stop,
        nom::Err::Incomplete(_) => Stop::More,
    })
}

#[inline]
pub(crate) fn take(n: usize) -> impl Fn(Bytes<'_>) -> Parsed<'_, Bytes<'_>> {
    move |i| match i.split_at_checked(n) {
        Some((head, rest)) => Ok((rest, head)),
        None => stop(Stop::More),
    }
}

/// `N` bytes whose numbers are read where they stand: with one look at how many there are, not one for each field.
pub(crate) struct Fixed<'a, const N: usize>(&'a [u8; N]);

pub(crate) fn fixed<const N: usize>(i: Bytes<'_>) -> Parsed<'_, Fixed<'_, N>> {
    match i.split_first_chunk() {
        Some((head, rest)) => Ok((rest, Fixed(head))),
        None => stop(Stop::More),
    }
}

macro_rules! fields {
    ($($name:ident: $t:ty,)*) => {
        impl<const N: usize> Fixed<'_, N> {
            $(#[inline]
            pub fn $name<const AT: usize>(&self) -> $t {
                const { assert!(AT + size_of::<$t>() <= N, "a field beyond the end") };
                let field = self.0.get(AT..).and_then(|bytes| bytes.first_chunk());
                field.map_or(0, |bytes| <$t>::from_be_bytes(*bytes)) // never absent, which the optimiser sees
            })*
        }
    };
}
fields! {
    i8: i8,
    i16: i16,
    i32: i32,
    u32: u32,
    i64: i64,
}

macro_rules! be {
    ($name:ident, $t:ty, $n:literal) => {
        pub(crate) fn $name(i: Bytes<'_>) -> Parsed<'_, $t> {
            match i.split_first_chunk::<$n>() {
                Some((head, rest)) => Ok((rest, <$t>::from_be_bytes(*head))),
                None => stop(Stop::More),
            }
        }
    };
}
be!(be_i8, i8, 1);
be!(be_i16, i16, 2);
be!(be_i32, i32, 4);

/// Zigzag LEB128 of up to ten bytes.
#[inline]
pub(crate) fn varlong(i: Bytes<'_>) -> Parsed<'_, i64> {
    // one byte is the common case: deltas and lengths of small records
    match i.split_first() {
        Some((&byte, rest)) if byte < 0x80 => Ok((rest, i64::from(byte >> 1) ^ -i64::from(byte & 1))),
        _ => varlong_tail(i),
    }
}

fn varlong_tail(mut i: Bytes<'_>) -> Parsed<'_, i64> {
    let mut raw = 0u64;
    let mut shift = 0u32;
    while shift < 64 {
        let Some((&byte, rest)) = i.split_first() else { return stop(Stop::More) };
        i = rest;
        if shift == 63 && byte > 1 {
            break; // bits that do not fit
        }
        raw |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok((i, (raw >> 1) as i64 ^ -((raw & 1) as i64)));
        }
        shift += 7;
    }
    stop(Stop::Bad)
}

/// Zigzag LEB128 of up to five bytes.
#[inline]
pub(crate) fn varint(i: Bytes<'_>) -> Parsed<'_, i32> {
    match i.split_first() {
        Some((&byte, rest)) if byte < 0x80 => Ok((rest, i32::from(byte >> 1) ^ -i32::from(byte & 1))),
        _ => varint_tail(i),
    }
}

fn varint_tail(mut i: Bytes<'_>) -> Parsed<'_, i32> {
    let mut raw = 0u32;
    let mut shift = 0u32;
    while shift < 32 {
        let Some((&byte, rest)) = i.split_first() else { return stop(Stop::More) };
        i = rest;
        if shift == 28 && byte > 0x0f {
            break;
        }
        raw |= u32::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok((i, (raw >> 1) as i32 ^ -((raw & 1) as i32)));
        }
        shift += 7;
    }
    stop(Stop::Bad)
}

/// [`varint`] where bytes that are missing are as bad as wrong ones: inside a record, whose loop is the hot one.
#[inline]
pub(crate) fn int(i: Bytes<'_>) -> Option<(Bytes<'_>, i32)> {
    let (&low, rest) = i.split_first()?;
    if low < 0x80 {
        return Some((rest, i32::from(low >> 1) ^ -i32::from(low & 1)));
    }
    // two bytes: lengths from 64 to 8,191
    match rest.split_first() {
        Some((&high, rest)) if high < 0x80 => {
            let raw = i32::from(low & 0x7f) | i32::from(high) << 7;
            Some((rest, (raw >> 1) ^ -(raw & 1)))
        }
        _ => item(varint_tail(i)).ok(),
    }
}

/// The length of an array or of bytes: null is none, below that malformed. Nothing is sized by it.
pub(crate) fn count(i: Bytes<'_>) -> Parsed<'_, u32> {
    let (i, n) = be_i32(i)?;
    match n {
        -1 => Ok((i, 0)),
        n => u32::try_from(n).map_or(stop(Stop::Bad), |n| Ok((i, n))),
    }
}

/// The length of a string to be skipped or taken apart: null is none.
pub(crate) fn string_length(i: Bytes<'_>) -> Parsed<'_, u32> {
    let (i, n) = be_i16(i)?;
    match n {
        -1 => Ok((i, 0)),
        n => u32::try_from(n).map_or(stop(Stop::Bad), |n| Ok((i, n))),
    }
}

/// A string; null is empty.
pub(crate) fn string(i: Bytes<'_>) -> Parsed<'_, &str> {
    let (i, n) = string_length(i)?;
    text(n, i)
}

fn text(n: u32, i: Bytes<'_>) -> Parsed<'_, &str> {
    let (i, bytes) = take(n as usize)(i)?;
    core::str::from_utf8(bytes).map_or(stop(Stop::Bad), |s| Ok((i, s)))
}

/// What flexible versions (KIP-482) write otherwise: lengths are varints without zigzag, one more than the length, 0 for null.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Flexible(bool);

impl Flexible {
    pub const fn new(flexible: bool) -> Self {
        Flexible(flexible)
    }

    pub const fn is(self) -> bool {
        cfg!(feature = "group-consumer") && self.0
    }

    /// [`count`].
    pub fn count(self, i: Bytes<'_>) -> Parsed<'_, u32> {
        match self.is() {
            true => uvarint.map(|n| n.saturating_sub(1)).parse(i),
            false => count(i),
        }
    }

    /// [`string_length`].
    pub fn string_length(self, i: Bytes<'_>) -> Parsed<'_, u32> {
        match self.is() {
            true => self.count(i),
            false => string_length(i),
        }
    }

    /// [`string`].
    pub fn string(self, i: Bytes<'_>) -> Parsed<'_, &str> {
        match self.is() {
            true => self.count(i).and_then(|(i, n)| text(n, i)),
            false => string(i),
        }
    }
}

/// How KIP-516 names a topic that may be deleted and made anew under its old name.
pub(crate) type TopicId = [u8; 16];

/// Of a topic whose id is not known.
pub(crate) static NO_ID: TopicId = [0; 16];

pub(crate) fn topic_id(i: Bytes<'_>) -> Parsed<'_, &TopicId> {
    i.split_first_chunk().map_or(stop(Stop::More), |(id, rest)| Ok((rest, id)))
}

/// LEB128 of up to five bytes.
pub(crate) fn uvarint(i: Bytes<'_>) -> Parsed<'_, u32> {
    varint(i).map(|(i, n)| (i, (n << 1 ^ n >> 31) as u32))
}

/// Bytes with a varint length, `None` for null.
#[inline]
pub(crate) fn nullable(i: Bytes<'_>) -> Parsed<'_, Option<Bytes<'_>>> {
    let (i, n) = varint(i)?;
    match usize::try_from(n) {
        Ok(n) => take(n).map(Some).parse(i),
        Err(_) if n == -1 => Ok((i, None)),
        Err(_) => stop(Stop::Bad),
    }
}

/// `copy_from_slice` without its panic: as many bytes as both have.
pub(crate) fn copy(to: &mut [u8], from: &[u8]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = *from;
    }
}

/// `copy_within` without its panic, forwards: for moves towards the front, where an overlap is fine.
pub(crate) fn move_down(bytes: &mut [u8], to: usize, from: core::ops::Range<usize>) {
    let cells = core::cell::Cell::from_mut(bytes).as_slice_of_cells();
    for (to, from) in cells.get(to..).unwrap_or_default().iter().zip(cells.get(from).unwrap_or_default()) {
        to.set(from.get());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zigzag(n: i64) -> std::vec::Vec<u8> {
        let mut raw = ((n << 1) ^ (n >> 63)) as u64;
        let mut bytes = std::vec::Vec::new();
        while raw >= 0x80 {
            bytes.push(raw as u8 | 0x80);
            raw >>= 7;
        }
        bytes.push(raw as u8);
        bytes
    }

    #[test]
    fn varints_of_every_length_and_their_limits() {
        for n in [0, 1, -1, 63, -64, 64, 300, -300, i64::from(i32::MAX), i64::from(i32::MIN), i64::MAX, i64::MIN] {
            let bytes = zigzag(n);
            assert_eq!(item(varlong(&bytes)), Ok((&[][..], n)));
            for cut in 0..bytes.len() {
                assert_eq!(item(varlong(&bytes[..cut])), Err(Stop::More));
            }
            match i32::try_from(n) {
                Ok(n) => assert_eq!(item(varint(&bytes)), Ok((&[][..], n))),
                Err(_) => assert_eq!(item(varint(&bytes)), Err(Stop::Bad), "{n}"),
            }
        }
        assert_eq!(item(varint(&[0x80, 0x80, 0x80, 0x80, 0x10])), Err(Stop::Bad));
        assert_eq!(item(varlong(&[0xff; 11])), Err(Stop::Bad));
    }

    #[test]
    #[cfg(feature = "group-consumer")]
    fn flexible_lengths_are_one_more_and_zero_is_null() {
        let flexible = Flexible(true);
        assert_eq!(item(uvarint(&[0xff, 0xff, 0xff, 0xff, 0x0f])), Ok((&[][..], u32::MAX)));
        assert_eq!(item(uvarint(&[0xff, 0xff, 0xff, 0xff, 0x1f])), Err(Stop::Bad));
        assert_eq!(item(uvarint(&[0x80])), Err(Stop::More));
        assert_eq!(item(flexible.count(&[0])), Ok((&[][..], 0)));
        assert_eq!(item(flexible.count(&[0x81, 0x01])), Ok((&[][..], 128)));
        assert_eq!(item(flexible.string(&[2, b'a', b'b'])), Ok((&b"b"[..], "a")));
        assert_eq!(item(flexible.string(&[0])), Ok((&[][..], "")));
        assert_eq!(item(Flexible(false).string(&[0, 1, b'a'])), Ok((&[][..], "a")));
    }

    #[test]
    fn null_is_minus_one_and_less_is_malformed() {
        assert_eq!(item(count(&[0xff; 4])), Ok((&[][..], 0)));
        assert_eq!(item(count(&[0xff, 0xff, 0xff, 0xfe])), Err(Stop::Bad));
        assert_eq!(item(string(&[0xff, 0xff])), Ok((&[][..], "")));
        assert_eq!(item(string(&[0x80, 0])), Err(Stop::Bad));
        assert_eq!(item(string(&[0, 1, 0xff])), Err(Stop::Bad));
        assert_eq!(item(nullable(&[1])), Ok((&[][..], None)));
        assert_eq!(item(nullable(&[3])), Err(Stop::Bad));
    }

    #[test]
    fn moves_down_over_itself() {
        let mut bytes = *b"abcdef";
        move_down(&mut bytes, 1, 3..6);
        assert_eq!(&bytes, b"adefef");
        move_down(&mut bytes, 1, 3..9); // beyond the end: nothing
        assert_eq!(&bytes, b"adefef");
    }
}
