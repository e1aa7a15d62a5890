//! Part 1: a consumer in a group.

use super::{committed, missing, print, PATIENCE};
use crate::failure::Failure;
use nanokafka::{Config, OffsetReset, Seed, Storage};
use nanokafka_std::blocking::{Consumer, Event, Tcp};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

pub fn run(bootstrap: &str, topic: &str, group: &str) -> Result<(), Failure> {
    let config = Config::new(bootstrap)
        .group_id(group)
        .session_timeout(Duration::from_secs(10))
        .auto_offset_reset(OffsetReset::Earliest);
    // room for 4 partitions, 2 connections, a window of 64 KB
    let mut consumer = Consumer::new(Storage::boxed(4, 2, 65_536), config, Tcp::new(2)?, Seed::from_os()?)?;
    consumer.subscribe(&[topic])?;

    let deadline = Instant::now() + PATIENCE;
    let mut unread = BTreeSet::from([0, 1, 2, 3]);
    let mut count = 0;
    while !unread.is_empty() {
        match consumer.poll(Duration::from_millis(500))? {
            Some(Event::Assigned(partitions)) => {
                for partition in partitions {
                    eprintln!("assigned: {partition}");
                }
            }
            Some(Event::Records(records)) => {
                for record in records {
                    print(&record)?;
                    count += 1;
                }
            }
            // without this event the loop would go on for ever, as consumers do
            Some(Event::EndOfPartition(end)) => {
                unread.remove(&end.partition);
            }
            _ => {}
        }
        if Instant::now() > deadline {
            return Err(missing(topic));
        }
    }
    consumer.commit_sync()?;
    committed(&mut consumer, topic, &[0, 1, 2, 3])?;
    consumer.close()?;
    // more than these four is what a run that was interrupted has left
    if count < 4 {
        return Err(missing(topic));
    }
    Ok(())
}
