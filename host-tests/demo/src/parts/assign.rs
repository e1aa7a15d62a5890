//! Part 2: partitions of one's own choice. The groups only keep the committed offsets.

use super::{committed, missing, read_to_end};
use crate::failure::Failure;
use nanokafka::{Config, OffsetReset, Seed, Storage, TopicPartition};
use nanokafka_std::blocking::{Consumer, Tcp};

pub fn run(bootstrap: &str, topic: &str, groups: &[String; 2]) -> Result<(), Failure> {
    let mut first = consumer(bootstrap, topic, &groups[0], [0, 1])?;
    let mut second = consumer(bootstrap, topic, &groups[1], [2, 3])?;
    for (consumer, group, partitions) in [(&mut first, &groups[0], [0, 1]), (&mut second, &groups[1], [2, 3])] {
        eprintln!("{group}: partitions {partitions:?}");
        let count = read_to_end(consumer, topic, &partitions)?;
        if count < 2 {
            return Err(missing(topic));
        }
        consumer.commit_sync()?;
        committed(consumer, topic, &partitions)?;
    }
    first.close()?;
    second.close()?;
    Ok(())
}

fn consumer<'a>(
    bootstrap: &'a str,
    topic: &str,
    group: &'a str,
    partitions: [i32; 2],
) -> Result<Consumer<'a>, Failure> {
    let config = Config::new(bootstrap).group_id(group).auto_offset_reset(OffsetReset::Earliest);
    let mut consumer = Consumer::new(Storage::boxed(2, 2, 65_536), config, Tcp::new(2)?, Seed::from_os()?)?;
    consumer.assign(&partitions.map(|partition| TopicPartition::new(topic, partition)))?;
    Ok(consumer)
}
