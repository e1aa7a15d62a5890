//! Which broker the demo runs on.

use crate::args;
use crate::failure::Failure;
use crate::topics::Topics;
use nanokafka::{Config, PartitionOffset, Seed, Storage};
use nanokafka_brokers::mock::Mock;
use nanokafka_brokers::Kafka;
use nanokafka_std::blocking::{Consumer, Tcp};
use std::time::{Duration, Instant};

pub enum Broker {
    /// librdkafka's mock cluster, in this process.
    Embedded(Mock, String),
    /// Ours, and gone with us.
    Kafka(Kafka, Topics),
    /// Somebody's.
    Running(String, Topics),
}

impl Broker {
    pub fn start(choice: &args::Broker) -> Result<Self, Failure> {
        match choice {
            args::Broker::Embedded => {
                eprintln!("an embedded broker (librdkafka's mock cluster)");
                let mock = Mock::start(1).map_err(|error| {
                    Failure::new(format!("no embedded broker: {error}"), "see whether 127.0.0.1 has ports left")
                })?;
                let bootstrap = mock.bootstrap();
                Ok(Broker::Embedded(mock, bootstrap))
            }
            args::Broker::Kafka => {
                eprintln!("a real Apache Kafka: fetched the first time, then up in a few seconds");
                let kafka = Kafka::single().map_err(|error| {
                    Failure::new(
                        format!("no Apache Kafka: {error}"),
                        "cargo xtask setup (it installs a JDK and Maven); plain `cargo demo` needs neither",
                    )
                })?;
                let topics = Topics::new(kafka.bootstrap())?;
                Ok(Broker::Kafka(kafka, topics))
            }
            args::Broker::Running(bootstrap) => {
                eprintln!("the cluster of {bootstrap}");
                reach(bootstrap)?;
                Ok(Broker::Running(bootstrap.clone(), Topics::new(bootstrap)?))
            }
        }
    }

    pub fn bootstrap(&self) -> &str {
        match self {
            Broker::Embedded(_, bootstrap) | Broker::Running(bootstrap, _) => bootstrap,
            Broker::Kafka(kafka, _) => kafka.bootstrap(),
        }
    }

    /// Creates the topic if it is missing.
    pub fn create_topic(&self, topic: &str, partitions: i32) -> Result<(), Failure> {
        match self {
            Broker::Embedded(mock, _) => mock
                .create_topic(topic, partitions)
                .map_err(|error| Failure::new(format!("creating {topic}: {error}"), "a bug of the demo: report it")),
            Broker::Kafka(_, topics) | Broker::Running(_, topics) => topics.create(topic, partitions),
        }
    }
}

/// One small question to a group's coordinator. What cannot work shows here, within seconds and with its reason: a port
/// where nobody listens or no Kafka does, a name that does not resolve, among them those that the brokers advertise.
fn reach(bootstrap: &str) -> Result<(), Failure> {
    let config = Config::new(bootstrap)
        .group_id("topic-04_group")
        .socket_connection_setup_timeout(Duration::from_secs(4))
        .request_timeout(Duration::from_secs(5))
        .default_api_timeout(Duration::from_secs(12));
    let mut consumer = Consumer::new(Storage::boxed(1, 2, 4096), config, Tcp::new(2)?, Seed::from_os()?)?;
    let mut ask = || consumer.committed(&mut [PartitionOffset::new("topic-04", 0)]);
    let deadline = Instant::now() + Duration::from_secs(12);
    let mut answer = ask();
    // the next entry of the list may do
    for _ in bootstrap.split(',').skip(1) {
        if answer.is_ok() || Instant::now() > deadline {
            break;
        }
        answer = ask();
    }
    answer.map_err(|error| Failure::from(error).at(bootstrap))
}
