//! Prints a topic until nothing has come for 10 s: `cargo run -p nanokafka-std --example blocking HOST:PORT TOPIC`
use nanokafka::{Config, OffsetReset, Seed, Storage};
use nanokafka_std::blocking::{Consumer, Event, Tcp};
use std::{env, error::Error, time::Duration};

fn main() -> Result<(), Box<dyn Error>> {
    let (bootstrap, topic) = env::args().nth(1).zip(env::args().nth(2)).ok_or("usage: blocking HOST:PORT TOPIC")?;
    let config = Config::new(&bootstrap).group_id("printer").auto_offset_reset(OffsetReset::Earliest);
    // 64 partitions, 2 connections, a window of 64 KB
    let mut consumer = Consumer::new(Storage::boxed(64, 2, 65_536), config, Tcp::new(2)?, Seed::from_os()?)?;
    consumer.subscribe(&[&topic])?;
    loop {
        match consumer.poll(Duration::from_secs(10)) {
            Ok(Some(Event::Records(records))) => {
                for record in records {
                    println!("{} @{}: {:?}", record.topic_partition(), record.offset(), record.value_as::<&str>());
                }
                consumer.commit_sync().unwrap_or_else(|error| eprintln!("{error}"));
                // others will get them again
            }
            Ok(Some(Event::LargeRecord(record))) => {
                println!("{} @{}: {} bytes", record.topic_partition(), record.offset(), record.remaining());
            }
            Ok(Some(_)) => {} // partitions come and go
            Ok(None) => return Ok(consumer.close()?),
            Err(error) if error.is_fatal() => return Err(error.into()),
            Err(error) => eprintln!("{error}"), // going on may help
        }
    }
}
