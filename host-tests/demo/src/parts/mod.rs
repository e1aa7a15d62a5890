//! The four parts. Each is what an application would write.

pub mod assign;
pub mod fit;
pub mod remember;
pub mod subscribe;

use crate::failure::Failure;
use nanokafka::{Deserialize, PartitionOffset, Record, TopicPartition};
use nanokafka_std::blocking::{Consumer, Event};
use std::collections::BTreeSet;
use std::io::Write;
use std::time::{Duration, Instant};

/// Longest wait for records. A group that lost a member without a word takes the member's 10 s session to notice, and a
/// new group 3 s to begin, unless the broker is told otherwise.
const PATIENCE: Duration = Duration::from_secs(20);

/// Prints a record whose key, value and headers are strings.
fn print(record: &Record<'_>) -> Result<(), Failure> {
    let (topic, partition) = (record.topic(), record.partition());
    let (key, value): (&str, &str) = (record.key_as()?, record.value_as()?);
    let mut out = std::io::stdout().lock();
    writeln!(out, "topic = {topic}:: partition = {partition}:: key = {key}:: value = {value}")?;
    for header in record.headers() {
        writeln!(out, "{}: {}", header.key_str(), <&str>::deserialize(header.value)?)?;
    }
    Ok(())
}

/// Prints records until each of the partitions has been read to its end; how many there were.
fn read_to_end(consumer: &mut Consumer<'_>, topic: &str, partitions: &[i32]) -> Result<usize, Failure> {
    let deadline = Instant::now() + PATIENCE;
    let mut unread = BTreeSet::from_iter(partitions.iter().copied());
    let mut count = 0;
    while !unread.is_empty() {
        match consumer.poll(Duration::from_millis(500))? {
            Some(Event::Records(records)) => {
                for record in records {
                    print(&record)?;
                    count += 1;
                }
            }
            Some(Event::EndOfPartition(end)) => {
                unread.remove(&end.partition);
            }
            _ => {}
        }
        if Instant::now() > deadline {
            return Err(missing(topic));
        }
    }
    Ok(count)
}

/// Shows what the consumer's group has committed, and returns it.
fn committed<'t>(
    consumer: &mut Consumer<'_>,
    topic: &'t str,
    partitions: &[i32],
) -> Result<Vec<PartitionOffset<'t>>, Failure> {
    let mut offsets: Vec<_> = partitions.iter().map(|&partition| PartitionOffset::new(topic, partition)).collect();
    consumer.committed(&mut offsets)?;
    for entry in &offsets {
        let partition = TopicPartition::new(entry.topic, entry.partition);
        match entry.offset {
            Some(offset) => eprintln!("committed: {partition} at {offset}"),
            None => eprintln!("committed: {partition} nothing"),
        }
    }
    Ok(offsets)
}

/// What was produced did not come.
fn missing(topic: &str) -> Failure {
    Failure::new(
        format!("records of {topic} are missing after {PATIENCE:?}, or behind the offsets that the group has committed"),
        "another consumer may be using the same group, somebody may have changed its offsets, or a partition may have no \
         leader: --fresh keeps clear of the first two",
    )
}
