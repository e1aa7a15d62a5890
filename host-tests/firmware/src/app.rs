//! The programs, and what each of them needs of a broker.

use crate::Broker;
use nanokafka_brokers::mock::{Producer, Record};
use sha2::{Digest, Sha256};
use std::io::{Error, Result};

/// A program of `firmware-example`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum App {
    /// The seed example.
    Seed,
    /// The seed example without an executor.
    Superloop,
    /// A member of a group.
    Subscribe,
    /// Offsets in flash.
    Assign,
    /// An image larger than the RAM.
    Ota,
    /// A compacted topic.
    Config,
}

impl App {
    /// All of them.
    pub const ALL: [App; 6] = [App::Seed, App::Superloop, App::Subscribe, App::Assign, App::Ota, App::Config];

    /// As it is called in `firmware-example/src/bin`.
    pub fn name(self) -> &'static str {
        match self {
            App::Seed => "seed",
            App::Superloop => "superloop",
            App::Subscribe => "subscribe",
            App::Assign => "assign",
            App::Ota => "ota",
            App::Config => "config",
        }
    }

    /// By its [`name`](Self::name).
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|app| app.name() == name)
    }

    /// Creates its topic and produces something for it to do.
    pub fn prepare(self, broker: &Broker) -> Result<()> {
        match self {
            App::Seed | App::Superloop => {
                broker.create_topic("topic-04", 4, &[])?;
                four_records(&broker.producer(&[])?)
            }
            App::Subscribe => {
                broker.create_topic("readings", 4, &[])?;
                let producer = broker.producer(&[])?;
                (0..8).try_for_each(|i| send(&producer, "readings", i % 4, None, Some(&format!("{i} degrees"))))
            }
            App::Assign => {
                broker.create_topic("calibration", 4, &[])?;
                let producer = broker.producer(&[])?;
                (0..8).try_for_each(|i| send(&producer, "calibration", i % 4, None, Some(&format!("offset {i}"))))
            }
            App::Ota => {
                broker.create_topic("firmware", 1, &[])?;
                image(&broker.producer(&[])?, &noise(900_000))
            }
            App::Config => {
                broker.create_topic("settings", 1, &[("cleanup.policy", "compact")])?;
                let producer = broker.producer(&[])?;
                for (name, value) in [("interval_s", Some("5")), ("threshold", Some("7")), ("threshold", None)] {
                    send(&producer, "settings", 0, Some(name), value)?;
                }
                Ok(())
            }
        }
    }
}

/// Produces one record of text, and waits until it is there.
pub fn send(producer: &Producer, topic: &str, partition: i32, key: Option<&str>, value: Option<&str>) -> Result<()> {
    let (key, value) = (key.map(str::as_bytes), value.map(str::as_bytes));
    producer.send(&Record { topic, partition, key, value, ..Record::default() }).map_err(Error::other)?;
    producer.flush().map_err(Error::other)
}

/// Produces a firmware image: its key is its digest.
pub fn image(producer: &Producer, image: &[u8]) -> Result<()> {
    let digest = Sha256::digest(image);
    let record = Record { topic: "firmware", key: Some(&digest), value: Some(image), ..Record::default() };
    producer.send(&record).map_err(Error::other)?;
    producer.flush().map_err(Error::other)
}

/// Bytes without a pattern: xorshift32.
pub fn noise(count: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        (state >> 24) as u8
    };
    std::iter::repeat_with(next).take(count).collect()
}

/// The seed example's: one for each partition of `topic-04`.
fn four_records(producer: &Producer) -> Result<()> {
    for i in 0..4 {
        let key = format!("key:: partition :: 0{i}");
        let value = format!(r#"{{"name":"hello :: {i}","age":{i}}}"#);
        let headers: &[_] = &[("INPUT-CHANNEL", Some(&b"IPHONE"[..]))];
        let record = Record {
            topic: "topic-04",
            partition: i,
            key: Some(key.as_bytes()),
            value: Some(value.as_bytes()),
            headers,
            timestamp: None,
        };
        producer.send(&record).map_err(Error::other)?;
    }
    producer.flush().map_err(Error::other)
}
