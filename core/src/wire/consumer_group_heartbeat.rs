//! ConsumerGroupHeartbeat v1 and v0 (KIP-848, ConsumerGroupHeartbeatRequest/Response.json): joins, stays, says what is owned, learns
//! what is to be owned, leaves. v0, of Kafka 3.7 to 3.9, has no regular expressions. The message for humans is passed over, and so is
//! the member id, which is ours (KIP-1082).
use super::answer::{tags, Progress, LAST};
use super::encode::Encoder;
use super::primitives::{be_i32, fixed, topic_id, Bytes, Parsed, TopicId};
use crate::time::millis_i32;
use crate::Config;

pub(crate) enum Item<'a> {
    Head {
        throttle: i32,
        error: i16,
    },
    /// `interval` in milliseconds. Without an assignment it is unchanged, and nothing else follows.
    Member {
        epoch: i32,
        interval: i32,
        assignment: bool,
    },
    /// Of the assignment.
    Topic(&'a TopicId),
    Partition(i32),
    Part,
}

const MEMBER: u8 = 1;
const TOPICS: u8 = 2;
const TOPIC: u8 = 3;
const PARTITION: u8 = 4;
const TOPIC_END: u8 = 5;
const ASSIGNMENT_END: u8 = 6;

#[inline(never)]
pub(crate) fn item<'a>(p: &mut Progress, i: Bytes<'a>) -> Parsed<'a, Item<'a>> {
    let flexible = p.flexible;
    match p.part {
        0 => {
            let (i, fields) = fixed::<6>(i)?;
            let (i, message) = flexible.string_length(i)?;
            (p.skip, p.part) = (message, MEMBER);
            Ok((i, Item::Head { throttle: fields.i32::<0>(), error: fields.i16::<4>() }))
        }
        MEMBER => {
            let (i, _id) = flexible.string(i)?;
            let (i, fields) = fixed::<9>(i)?;
            let assignment = fields.i8::<8>() >= 0;
            p.part = if assignment { TOPICS } else { LAST };
            Ok((i, Item::Member { epoch: fields.i32::<0>(), interval: fields.i32::<4>(), assignment }))
        }
        TOPICS => {
            let (i, topics) = flexible.count(i)?;
            (p.outer, p.part) = (topics, if topics == 0 { ASSIGNMENT_END } else { TOPIC });
            Ok((i, Item::Part))
        }
        TOPIC => {
            let (i, id) = topic_id(i)?;
            let (i, partitions) = flexible.count(i)?;
            (p.outer, p.inner) = (p.outer.saturating_sub(1), partitions);
            p.part = if partitions == 0 { TOPIC_END } else { PARTITION };
            Ok((i, Item::Topic(id)))
        }
        PARTITION => {
            let (i, partition) = be_i32(i)?;
            p.inner = p.inner.saturating_sub(1);
            p.part = if p.inner == 0 { TOPIC_END } else { PARTITION };
            Ok((i, Item::Partition(partition)))
        }
        part => {
            let (i, ()) = tags(p, i)?;
            p.part = match part {
                TOPIC_END if p.outer > 0 => TOPIC,
                TOPIC_END => ASSIGNMENT_END,
                _ => LAST,
            };
            Ok((i, Item::Part))
        }
    }
}

/// Who speaks. The epoch 0 joins, -1 leaves, -2 leaves for a while as a static member. [`nothing`] or what is to be said follows.
pub(crate) fn head(e: &mut Encoder<'_>, group: &str, member: &str, epoch: i32, instance: &str) {
    e.str(group).str(member).i32(epoch).nullable(instance);
}

/// Nothing has changed: no rack, no timeout, no topics, no pattern, no assignor, nothing owned.
pub(crate) fn nothing(e: &mut Encoder<'_>, version: i16) {
    e.null().i32(-1);
    for _ in 0..version.saturating_add(3) {
        e.null();
    }
}

/// All of it, but what is owned: array of (id, array of partition). Topics or `pattern`; the other one is empty, not null, as a broker
/// that still knows this member from another subscription takes null for "unchanged".
pub(crate) fn all<'a>(
    e: &mut Encoder<'_>,
    version: i16,
    config: &Config<'_>,
    pattern: &str,
    topics: impl Iterator<Item = &'a str> + Clone,
) {
    e.nullable(config.client_rack).i32(millis_i32(config.max_poll_interval));
    e.strings(topics);
    if version >= 1 {
        e.str(pattern);
    }
    e.nullable(config.group_remote_assignor);
}
