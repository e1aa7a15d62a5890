//! Metadata v7 (MetadataRequest/Response.json): brokers, then topics with their partitions' leaders. Racks, replicas and the
//! cluster's id are passed over.
use super::answer::{Progress, END};
use super::encode::Encoder;
use super::primitives::{be_i16, be_i32, be_i8, count, string, string_length, Bytes, Parsed};
use nom::Parser;

pub(crate) enum Item<'a> {
    Throttle(i32),
    Broker { id: i32, host: &'a str, port: i32 },
    Topic { error: i16, name: &'a str, partitions: u32 },
    Partition { index: i32, leader: i32, epoch: i32 },
    Part,
}

const BROKER: u8 = 1;
const CLUSTER: u8 = 2;
const TOPICS: u8 = 3;
const TOPIC: u8 = 4;
const PARTITION: u8 = 5;
const ISR: u8 = 6;
const OFFLINE: u8 = 7;

pub(crate) fn item<'a>(p: &mut Progress, i: Bytes<'a>) -> Parsed<'a, Item<'a>> {
    match p.part {
        0 => (be_i32, count)
            .map(|(throttle, brokers)| {
                (p.outer, p.part) = (brokers, if brokers == 0 { CLUSTER } else { BROKER });
                Item::Throttle(throttle)
            })
            .parse(i),
        BROKER => (be_i32, string, be_i32, string_length)
            .map(|(id, host, port, rack)| {
                p.outer = p.outer.saturating_sub(1);
                (p.skip, p.part) = (rack, if p.outer == 0 { CLUSTER } else { BROKER });
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
                next(p);
                Item::Part
            })
            .parse(i),
        TOPIC => (be_i16, string, be_i8, count)
            .map(|(error, name, _internal, partitions)| {
                (p.outer, p.inner) = (p.outer.saturating_sub(1), partitions);
                next(p);
                Item::Topic { error, name, partitions }
            })
            .parse(i),
        PARTITION => (be_i16, be_i32, be_i32, be_i32, count)
            .map(|(_error, index, leader, epoch, replicas)| {
                // its error is one of its leader, which is -1 then or refuses by itself
                (p.skip, p.part) = (replicas.saturating_mul(4), ISR);
                Item::Partition { index, leader, epoch }
            })
            .parse(i),
        part => count
            .map(|replicas| {
                p.skip = replicas.saturating_mul(4);
                if part == ISR {
                    p.part = OFFLINE;
                } else {
                    p.inner = p.inner.saturating_sub(1);
                    next(p);
                }
                Item::Part
            })
            .parse(i),
    }
}

fn next(p: &mut Progress) {
    p.part = match (p.inner, p.outer) {
        (0, 0) => END,
        (0, _) => TOPIC,
        _ => PARTITION,
    };
}

/// `names` may be walked twice: once for their number.
pub(crate) fn request<'a>(e: &mut Encoder<'_>, names: impl Iterator<Item = &'a str> + Clone, auto_create: bool) {
    let count = names.clone().count() as i32;
    e.i32(count);
    for name in names {
        e.str(name);
    }
    e.i8(auto_create.into());
}
