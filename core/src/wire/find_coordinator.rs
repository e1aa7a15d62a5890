//! FindCoordinator v2 and v1, the same bytes (FindCoordinatorRequest/Response.json). The message for humans is passed over.
use super::answer::{Progress, END};
use super::encode::Encoder;
use super::primitives::{be_i16, be_i32, string, string_length, Bytes, Parsed};
use nom::Parser;

pub(crate) enum Item<'a> {
    Head { throttle: i32, error: i16 },
    Node { id: i32, host: &'a str, port: i32 },
}

pub(crate) fn item<'a>(p: &mut Progress, i: Bytes<'a>) -> Parsed<'a, Item<'a>> {
    match p.part {
        0 => (be_i32, be_i16, string_length)
            .map(|(throttle, error, message)| {
                (p.skip, p.part) = (message, 1);
                Item::Head { throttle, error }
            })
            .parse(i),
        _ => (be_i32, string, be_i32)
            .map(|(id, host, port)| {
                p.part = END;
                Item::Node { id, host, port }
            })
            .parse(i),
    }
}

pub(crate) fn request(e: &mut Encoder<'_>, group: &str) {
    e.str(group).i8(0);
}
