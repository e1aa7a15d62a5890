//! Part 4: a batch and a record far larger than all the memory there is.

use super::{missing, PATIENCE};
use crate::failure::Failure;
use crate::produce::{Digest, Producer, BATCH, LARGE_RECORD};
use nanokafka::{Config, PartitionOffset, Resources, Seed, TopicPartition};
use nanokafka_std::blocking::{Consumer, Event, Tcp};
use std::time::{Duration, Instant};

/// 1 partition, 2 connections, a window of 4 KB. On a microcontroller this is a static.
type Memory = Resources<1, 2, 4096>;

pub fn run(bootstrap: &str, topic: &str, producer: &Producer<'_>) -> Result<(), Failure> {
    let mut memory = Box::new(Memory::new());
    let mut consumer = Consumer::new(memory.storage(), Config::new(bootstrap), Tcp::new(2)?, Seed::from_os()?)?;
    let partition = TopicPartition::new(topic, 0);
    consumer.assign(&[partition])?;
    // behind what an earlier run has left
    let mut end = [PartitionOffset::new(topic, 0)];
    consumer.end_offsets(&mut end)?;
    consumer.seek(partition, end[0].offset.unwrap_or_default())?;

    let produced = (producer.batch(topic)?, producer.large_record(topic)?);

    let deadline = Instant::now() + PATIENCE;
    let (mut count, mut bytes, mut large_bytes) = (0, 0, 0);
    let mut digests = (Digest::default(), Digest::default());
    while large_bytes == 0 {
        match consumer.poll(Duration::from_millis(500))? {
            // record by record, as the batch passes through the window
            Some(Event::Records(records)) => {
                for record in records {
                    for part in [record.key(), record.value()].into_iter().flatten() {
                        digests.0.add(part);
                    }
                    bytes += record.value().unwrap_or_default().len();
                    count += 1;
                }
            }
            // a piece after the other, as the record does; a file or a flash would do as well
            Some(Event::LargeRecord(mut record)) => large_bytes = std::io::copy(&mut record, &mut digests.1)?,
            _ => {}
        }
        if Instant::now() > deadline {
            return Err(missing(topic));
        }
    }
    eprintln!(
        "a batch of {count} records, {bytes} bytes in their values: digest {}, produced {}",
        digests.0, produced.0
    );
    eprintln!("a record of {large_bytes} bytes: digest {}, produced {}", digests.1, produced.1);
    let sizes = (BATCH.0, BATCH.0 * BATCH.1, LARGE_RECORD as u64);
    if (digests, (count, bytes, large_bytes)) != (produced, sizes) {
        let what = format!("{topic}: what was read is not what was produced");
        return Err(Failure::new(what, "has somebody else produced to it? --fresh rules that out"));
    }
    eprintln!("memory of the consumer: {} bytes, 4096 of them the window", size_of::<Memory>());
    consumer.close()?;
    Ok(())
}
