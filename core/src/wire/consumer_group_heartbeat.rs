//! ConsumerGroupHeartbeat v1 and v0 (KIP-848, ConsumerGroupHeartbeatRequest/Response.json): joins, stays, says what is owned, learns
//! what is to be owned, leaves. v0, of Kafka 3.7 to 3.9, has no regular expressions. The message for humans is passed over, and so is
//! the member id, which is ours (KIP-1082).
use super::answer::{tags, Progress, LAST};
use super::encode::Encoder;
use super::primitives::{be_i16, be_i32, be_i8, topic_id, Bytes, Parsed, TopicId};
use nom::Parser;

pub(crate) enum Item {
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
    Topic(TopicId),
    Partition(i32),
    Part,
}

const MEMBER_ID: u8 = 1;
const MEMBER: u8 = 2;
const TOPICS: u8 = 3;
const TOPIC: u8 = 4;
const PARTITION: u8 = 5;
const TOPIC_END: u8 = 6;
const ASSIGNMENT_END: u8 = 7;

pub(crate) fn item<'a>(p: &mut Progress, i: Bytes<'a>) -> Parsed<'a, Item> {
    let flexible = p.flexible;
    let string_length = |i| flexible.string_length(i);
    match p.part {
        0 => (be_i32, be_i16, string_length)
            .map(|(throttle, error, message)| {
                (p.skip, p.part) = (message, MEMBER_ID);
                Item::Head { throttle, error }
            })
            .parse(i),
        MEMBER_ID => string_length
            .map(|id| {
                (p.skip, p.part) = (id, MEMBER);
                Item::Part
            })
            .parse(i),
        MEMBER => (be_i32, be_i32, be_i8)
            .map(|(epoch, interval, present)| {
                p.part = if present < 0 { LAST } else { TOPICS };
                Item::Member { epoch, interval, assignment: present >= 0 }
            })
            .parse(i),
        TOPICS => {
            let (i, topics) = flexible.count(i)?;
            (p.outer, p.part) = (topics, if topics == 0 { ASSIGNMENT_END } else { TOPIC });
            Ok((i, Item::Part))
        }
        TOPIC => {
            let (i, (id, partitions)) = (topic_id, |i| flexible.count(i)).parse(i)?;
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

/// Who speaks.
pub(crate) struct Member<'a> {
    pub group: &'a str,
    pub id: &'a str,
    /// 0 joins, -1 leaves, -2 leaves for a while as a static member.
    pub epoch: i32,
    pub instance: &'a str,
}

/// What a member wants; said when it joins and whenever the broker may not know.
pub(crate) struct Wish<'a> {
    /// Milliseconds, above 0.
    pub rebalance_timeout: i32,
    /// Instead of names; empty for none.
    pub pattern: &'a str,
    pub assignor: &'a str,
    pub rack: &'a str,
}

/// All of a request but what is owned; null or an array of (id, array of partition) follows, and tags.
pub(crate) fn head<'a>(
    e: &mut Encoder<'_>,
    version: i16,
    member: &Member<'_>,
    wish: Option<&Wish<'_>>,
    topics: impl Iterator<Item = &'a str> + Clone,
) {
    e.str(member.group).str(member.id).i32(member.epoch).nullable(member.instance);
    e.nullable(wish.map_or("", |wish| wish.rack));
    e.i32(wish.map_or(-1, |wish| wish.rebalance_timeout));
    let pattern = wish.map_or("", |wish| wish.pattern);
    if wish.is_some() && pattern.is_empty() {
        e.array(topics.clone().count() as i32);
        for topic in topics {
            e.str(topic);
        }
    } else {
        e.null();
    }
    if version >= 1 {
        e.nullable(pattern);
    }
    e.nullable(wish.map_or("", |wish| wish.assignor));
}
