//! Heartbeat v3..v1 and LeaveGroup v2, v1 (Heartbeat*.json, LeaveGroup*.json): the answer of both is a throttle time and an error.
use super::answer::{Progress, END};
use super::encode::Encoder;
use super::primitives::{fixed, Bytes, Parsed};
use nom::Parser;

/// `(throttle, error)`.
pub(crate) fn item<'a>(p: &mut Progress, i: Bytes<'a>) -> Parsed<'a, (i32, i16)> {
    p.part = END;
    fixed::<6>.map(|answer| (answer.i32::<0>(), answer.i16::<4>())).parse(i)
}

pub(crate) fn request(e: &mut Encoder<'_>, version: i16, group: &str, generation: i32, member: &str, instance: &str) {
    super::member_head(e, group, generation, member, (version >= 3).then_some(instance));
}

/// By member id: works for dynamic and static members alike.
pub(crate) fn leave(e: &mut Encoder<'_>, group: &str, member: &str) {
    e.str(group);
    e.str(member);
}
