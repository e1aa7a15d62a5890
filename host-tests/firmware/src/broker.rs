//! Which broker the firmware talks to.

use nanokafka_brokers::mock::rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use nanokafka_brokers::mock::rdkafka::client::DefaultClientContext;
use nanokafka_brokers::mock::rdkafka::error::RDKafkaErrorCode;
use nanokafka_brokers::mock::rdkafka::ClientConfig;
use nanokafka_brokers::mock::{Mock, Producer};
use nanokafka_brokers::{wait_for, Kafka};
use std::io::{Error, Result};
use std::net::{SocketAddr, SocketAddrV4, ToSocketAddrs};
use std::time::Duration;

/// For a new topic to get its leaders.
const PATIENCE: Duration = Duration::from_secs(10);

/// A broker.
pub enum Broker {
    /// Apache Kafka, ours, and gone with us.
    Kafka(Kafka),
    /// librdkafka's mock cluster, in this process.
    Embedded(Mock),
    /// `host:port` of somebody's.
    Running(String),
}

impl Broker {
    /// Somebody's, else ours: Apache Kafka, without Java the mock cluster.
    pub fn start(running: Option<&str>) -> Result<Self> {
        if let Some(bootstrap) = running {
            eprintln!("the cluster of {bootstrap}");
            return Ok(Broker::Running(bootstrap.to_owned()));
        }
        match Kafka::single() {
            Ok(kafka) => {
                eprintln!("a real Apache Kafka at {}", kafka.bootstrap());
                Ok(Broker::Kafka(kafka))
            }
            Err(error) => {
                eprintln!("an embedded broker, because there is no Apache Kafka: {error}");
                Mock::start(1).map(Broker::Embedded).map_err(Error::other)
            }
        }
    }

    /// `host:port`, of one or more.
    pub fn bootstrap(&self) -> String {
        match self {
            Broker::Kafka(kafka) => kafka.bootstrap().to_owned(),
            Broker::Embedded(mock) => mock.bootstrap(),
            Broker::Running(bootstrap) => bootstrap.clone(),
        }
    }

    /// Its address; the firmware resolves no names.
    pub fn address(&self) -> Result<SocketAddrV4> {
        let bootstrap = self.bootstrap();
        let first = bootstrap.split(',').next().unwrap_or_default();
        let address = first.to_socket_addrs()?.find_map(|address| match address {
            SocketAddr::V4(address) => Some(address),
            SocketAddr::V6(_) => None,
        });
        address.ok_or_else(|| Error::other(format!("{first} has no IPv4 address")))
    }

    /// Creates the topic if it is missing. `properties` are the topic's.
    pub fn create_topic(&self, topic: &str, partitions: i32, properties: &[(&str, &str)]) -> Result<()> {
        if let Broker::Embedded(mock) = self {
            return mock.create_topic(topic, partitions).map_err(Error::other);
        }
        let admin: AdminClient<DefaultClientContext> =
            ClientConfig::new().set("bootstrap.servers", self.bootstrap()).create().map_err(Error::other)?;
        let new = NewTopic::new(topic, partitions, TopicReplication::Fixed(-1));
        let new = properties.iter().fold(new, |new, (key, value)| new.set(key, value));
        let results = pollster::block_on(admin.create_topics([&new], &AdminOptions::new())).map_err(Error::other)?;
        for result in results {
            match result {
                Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                Err((topic, code)) => return Err(Error::other(format!("creating {topic}: {code}"))),
            }
        }
        wait_for("leaders of a new topic", PATIENCE, || {
            // of all topics: asked for one, a broker may create it
            let metadata = admin.inner().fetch_metadata(None, PATIENCE).map_err(Error::other)?;
            let partitions = metadata.topics().iter().filter(|entry| entry.name() == topic);
            Ok(partitions.clone().count() == 1
                && partitions.flat_map(|topic| topic.partitions()).all(|partition| partition.leader() >= 0))
        })
    }

    /// A producer; `properties` are librdkafka's.
    pub fn producer(&self, properties: &[(&str, &str)]) -> Result<Producer> {
        let properties = [&[("linger.ms", "0")], properties].concat();
        Producer::new(&self.bootstrap(), &properties).map_err(Error::other)
    }
}
