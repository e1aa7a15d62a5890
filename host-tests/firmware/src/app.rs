//! The programs, and what each of them needs of a broker.

use crate::Broker;
use nanokafka_brokers::mock::Record;
use std::io::{Error, Result};

/// A program of `firmware-example`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum App {
    /// The seed example.
    Seed,
}

impl App {
    /// All of them.
    pub const ALL: [App; 1] = [App::Seed];

    /// As it is called in `firmware-example/src/bin`.
    pub fn name(self) -> &'static str {
        match self {
            App::Seed => "seed",
        }
    }

    /// By its [`name`](Self::name).
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|app| app.name() == name)
    }

    /// Creates its topics and produces what is to be there when it starts.
    pub fn prepare(self, broker: &Broker) -> Result<()> {
        match self {
            App::Seed => {
                broker.create_topic("topic-04", 4, &[])?;
                four_records(broker)
            }
        }
    }
}

/// The seed example's: one for each partition of `topic-04`.
fn four_records(broker: &Broker) -> Result<()> {
    let producer = broker.producer(&[])?;
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
