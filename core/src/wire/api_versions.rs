//! ApiVersions v0 (ApiVersionsRequest/Response.json): an empty question; the answer has six bytes for each API the broker
//! knows and grows with every release. v0 because every broker answers it, without a word about our name.
use super::answer::{Progress, END};
use super::primitives::{be_i16, count, fixed, Bytes, Parsed};
use nom::Parser;

pub(crate) enum Item {
    Error(i16),
    Range { api: i16, min: i16, max: i16 },
}

pub(crate) fn item<'a>(p: &mut Progress, i: Bytes<'a>) -> Parsed<'a, Item> {
    let end = |n| if n == 0 { END } else { 1 };
    match p.part {
        0 => (be_i16, count)
            .map(|(error, n)| {
                (p.outer, p.part) = (n, end(n));
                Item::Error(error)
            })
            .parse(i),
        _ => {
            let (i, range) = fixed::<6>(i)?;
            p.outer = p.outer.saturating_sub(1);
            p.part = end(p.outer);
            Ok((i, Item::Range { api: range.i16::<0>(), min: range.i16::<2>(), max: range.i16::<4>() }))
        }
    }
}
