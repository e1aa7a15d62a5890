//! SyncGroup v3..v1 (SyncGroupRequest/Response.json) and the Assignment inside it (ConsumerProtocolAssignment.json v0..v3).
//! No bytes at all (the leader forgot us) is an item of its own; user data is passed over.
use super::answer::{Progress, END};
use super::encode::{put_partitions, Encoder, Partitions};
use super::primitives::{be_i16, be_i32, count, fixed, item as parsed, stop, string, take, Bytes, Parsed, Stop};
use nom::Parser;

pub(crate) enum Item<'a> {
    Head { throttle: i32, error: i16, bytes: u32 },
    Topic(&'a str),
    Partition(i32),
    Part,
}

const TOPICS: u8 = 1;
const TOPIC: u8 = 2;
const PARTITION: u8 = 3;

pub(crate) fn item<'a>(p: &mut Progress, i: Bytes<'a>) -> Parsed<'a, Item<'a>> {
    match p.part {
        0 => {
            let (i, (head, bytes)) = (fixed::<6>, count).parse(i)?;
            (p.left, p.part) = (bytes, if bytes == 0 { END } else { TOPICS });
            Ok((i, Item::Head { throttle: head.i32::<0>(), error: head.i16::<4>(), bytes }))
        }
        TOPICS => {
            let (i, (version, topics)) = (be_i16, count).parse(i)?;
            p.left = match p.left.checked_sub(6) {
                Some(left) if version >= 0 => left,
                _ => return stop(Stop::Bad),
            };
            p.outer = topics;
            next(p);
            Ok((i, Item::Part))
        }
        TOPIC => {
            let (_, length) = be_i16(i)?;
            let bytes = u32::try_from(length).map_or(u32::MAX, |n| n.saturating_add(6));
            p.left = match p.left.checked_sub(bytes) {
                Some(left) => left,
                None => return stop(Stop::Bad),
            };
            let (rest, whole) = take(bytes as usize)(i).inspect_err(|_| p.left = p.left.saturating_add(bytes))?;
            let Ok((_, (name, partitions))) = parsed((string, count).parse(whole)) else { return stop(Stop::Bad) };
            (p.outer, p.inner) = (p.outer.saturating_sub(1), partitions);
            next(p);
            Ok((rest, Item::Topic(name)))
        }
        _ => {
            let (i, partition) = be_i32(i)?;
            p.left = match p.left.checked_sub(4) {
                Some(left) => left,
                None => return stop(Stop::Bad),
            };
            p.inner = p.inner.saturating_sub(1);
            next(p);
            Ok((i, Item::Partition(partition)))
        }
    }
}

fn next(p: &mut Progress) {
    p.part = match (p.inner, p.outer) {
        (0, 0) => {
            (p.skip, p.left) = (p.left, 0);
            END
        }
        (0, _) => TOPIC,
        _ => PARTITION,
    };
}

/// A follower sends no assignments; a leader goes on with [`assignment`] for each member, all of them.
pub(crate) fn head(
    e: &mut Encoder<'_>,
    version: i16,
    group: &str,
    generation: i32,
    member: &str,
    instance: &str,
    assignments: u32,
) {
    super::member_head(e, group, generation, member, (version >= 3).then_some(instance));
    e.i32(assignments as i32);
}

/// One member's assignment: `topics` are names with their partitions. Version 0: the layout is the same up to 3.
pub(crate) fn assignment<'a>(e: &mut Encoder<'_>, member: &str, topics: impl Partitions<'a>) {
    let (mut count, mut bytes) = (0i32, 2 + 4 + 4usize);
    for (name, partitions) in topics.clone() {
        count = count.saturating_add(1);
        bytes = bytes.saturating_add(6).saturating_add(name.len()).saturating_add(partitions.count().saturating_mul(4));
    }
    e.str(member).i32(bytes as i32).i16(0);
    put_partitions(e, count, topics);
    e.i32(-1);
}
