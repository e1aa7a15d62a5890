//! Metadata v7 and v12 (MetadataRequest/Response.json): brokers, then topics with their partitions' leaders. v12 says topics' ids
//! too, and finds topics by them. Racks, replicas and the cluster's id are passed over.
use super::answer::{tags, Progress, END, LAST};
use super::encode::Encoder;
use super::primitives::{be_i16, be_i32, be_i8, fixed, topic_id, Bytes, Parsed, TopicId, NO_ID};
use nom::Parser;

pub(crate) enum Item<'a> {
    Throttle(i32),
    Broker {
        id: i32,
        host: &'a str,
        port: i32,
    },
    /// Without a name: nobody knows the id that was asked for.
    Topic {
        error: i16,
        name: &'a str,
        id: &'a TopicId,
        partitions: u32,
    },
    Partition {
        index: i32,
        leader: i32,
        epoch: i32,
    },
    Part,
}

const BROKER: u8 = 1;
const CLUSTER: u8 = 2;
const TOPICS: u8 = 3;
const TOPIC: u8 = 4;
const PARTITION: u8 = 5;
const ISR: u8 = 6;
const OFFLINE: u8 = 7;
/// What follows them in flexible versions.
const BROKER_END: u8 = 8;
const PARTITION_END: u8 = 9;
const TOPIC_END: u8 = 10;

pub(crate) fn item<'a>(p: &mut Progress, i: Bytes<'a>) -> Parsed<'a, Item<'a>> {
    let flexible = p.flexible;
    let (count, string) = (|i| flexible.count(i), |i| flexible.string(i));
    let string_length = |i| flexible.string_length(i);
    match p.part {
        0 => (be_i32, count)
            .map(|(throttle, brokers)| {
                (p.outer, p.part) = (brokers, if brokers == 0 { CLUSTER } else { BROKER });
                Item::Throttle(throttle)
            })
            .parse(i),
        BROKER => (be_i32, string, be_i32, string_length)
            .map(|(id, host, port, rack)| {
                (p.outer, p.skip) = (p.outer.saturating_sub(1), rack);
                p.part = if flexible.is() { BROKER_END } else { next_broker(p) };
                Item::Broker { id, host, port }
            })
            .parse(i),
        CLUSTER => string_length
            .map(|id| {
                (p.skip, p.part) = (id, TOPICS);
                Item::Part
            })
            .parse(i),
        TOPICS => (be_i32, count)
            .map(|(_controller, topics)| {
                (p.outer, p.inner) = (topics, 0);
                next_topic(p);
                Item::Part
            })
            .parse(i),
        TOPIC => {
            let (i, (error, name)) = (be_i16, string).parse(i)?;
            let (i, id) = if flexible.is() { topic_id(i)? } else { (i, &NO_ID) };
            let (i, (_internal, partitions)) = (be_i8, count).parse(i)?;
            (p.outer, p.inner) = (p.outer.saturating_sub(1), partitions);
            next(p);
            Ok((i, Item::Topic { error, name, id, partitions }))
        }
        PARTITION => {
            // its error is one of its leader, which is -1 then or refuses by itself
            let (i, head) = fixed::<14>(i)?;
            let (i, replicas) = count(i)?;
            (p.skip, p.part) = (replicas.saturating_mul(4), ISR);
            p.inner = p.inner.saturating_sub(1);
            Ok((i, Item::Partition { index: head.i32::<2>(), leader: head.i32::<6>(), epoch: head.i32::<10>() }))
        }
        BROKER_END | PARTITION_END => {
            let (i, ()) = tags(p, i)?;
            match p.part {
                BROKER_END => p.part = next_broker(p),
                _ => next(p),
            }
            Ok((i, Item::Part))
        }
        TOPIC_END => {
            let (i, (_operations, ())) = (be_i32, |i| tags(p, i)).parse(i)?;
            next_topic(p);
            Ok((i, Item::Part))
        }
        part => count
            .map(|replicas| {
                p.skip = replicas.saturating_mul(4);
                match part {
                    ISR => p.part = OFFLINE,
                    _ if flexible.is() => p.part = PARTITION_END,
                    _ => next(p),
                }
                Item::Part
            })
            .parse(i),
    }
}

fn next_broker(p: &Progress) -> u8 {
    if p.outer == 0 {
        CLUSTER
    } else {
        BROKER
    }
}

fn next(p: &mut Progress) {
    match p.inner {
        0 if p.flexible.is() => p.part = TOPIC_END,
        0 => next_topic(p),
        _ => p.part = PARTITION,
    }
}

fn next_topic(p: &mut Progress) {
    p.part = match (p.outer, p.flexible.is()) {
        (0, true) => LAST,
        (0, false) => END,
        _ => TOPIC,
    };
}

/// `topics` by name, or by id where the name is empty; they may be walked twice: once for their number.
pub(crate) fn request<'a>(
    e: &mut Encoder<'_>,
    topics: impl Iterator<Item = (&'a str, &'a TopicId)> + Clone,
    auto_create: bool,
) {
    e.array(topics.clone().count() as i32);
    for (name, id) in topics {
        if e.is_flexible() {
            e.bytes(if name.is_empty() { id } else { &NO_ID }).nullable(name).tags();
        } else {
            e.str(name);
        }
    }
    e.i8(auto_create.into());
    if e.is_flexible() {
        e.i8(0).tags(); // nobody asks who may do what
    }
}
