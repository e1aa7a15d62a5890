//! Part 3: a new consumer goes on where the group has committed, and anywhere else it is told to.

use super::{committed, missing, read_to_end};
use crate::failure::Failure;
use nanokafka::{Config, OffsetReset, Seed, Storage, TopicPartition};
use nanokafka_std::blocking::{Consumer, Tcp};

const ALL: [i32; 4] = [0, 1, 2, 3];

pub fn run(bootstrap: &str, topic: &str, group: &str) -> Result<(), Failure> {
    // The partitions are assigned: moving about in them needs no membership, and waits for none. A member would have to
    // wait on the embedded broker, which lets nobody into a group for a session timeout after somebody left.
    let config =
        Config::new(bootstrap).group_id(group).enable_auto_commit(false).auto_offset_reset(OffsetReset::Earliest);
    let mut consumer = Consumer::new(Storage::boxed(4, 2, 65_536), config, Tcp::new(2)?, Seed::from_os()?)?;
    consumer.assign(&ALL.map(|partition| TopicPartition::new(topic, partition)))?;

    let offsets = committed(&mut consumer, topic, &ALL)?;
    let count = read_to_end(&mut consumer, topic, &ALL)?;
    eprintln!("starts at the committed offsets: {count} new records");
    if count == 0 {
        for entry in offsets {
            let position = consumer.position(TopicPartition::new(topic, entry.partition));
            if position != entry.offset {
                let what =
                    format!("position {position:?} of {topic}-{}, committed {:?}", entry.partition, entry.offset);
                return Err(Failure::new(what, "a bug of nanokafka: report it"));
            }
        }
    }

    eprintln!("seek_to_beginning: all of them again");
    for partition in ALL {
        consumer.seek_to_beginning(TopicPartition::new(topic, partition))?;
    }
    let count = read_to_end(&mut consumer, topic, &ALL)?;
    if count < 4 {
        return Err(missing(topic));
    }

    let partition = TopicPartition::new(topic, 3);
    let last = consumer.position(partition).unwrap_or_default() - 1;
    eprintln!("seek to {last}: the last record of {partition}");
    consumer.seek(partition, last)?;
    let count = read_to_end(&mut consumer, topic, &[3])?;
    if count < 1 {
        return Err(missing(topic));
    }
    consumer.close()?;
    Ok(())
}
