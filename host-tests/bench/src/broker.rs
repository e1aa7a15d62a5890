//! The real broker, and the topics in it that have been filled.

use crate::Error;
use nanokafka_bench::replay::BATCH;
use nanokafka_brokers::mock::{Producer, Record};
use nanokafka_brokers::Kafka;
use std::collections::HashSet;

/// Started when it is first needed.
#[derive(Default)]
pub struct Broker {
    kafka: Option<Kafka>,
    topics: HashSet<String>,
}

impl Broker {
    /// `host:port`.
    pub fn bootstrap(&mut self) -> Result<String, Error> {
        Ok(self.kafka()?.bootstrap().to_owned())
    }

    /// A topic with `records` records of `size` bytes, spread over its partitions in batches of Java's default size.
    pub fn topic(&mut self, partitions: i32, size: usize, records: usize) -> Result<String, Error> {
        let topic = format!("records-{partitions}-{size}-{records}");
        if self.topics.contains(&topic) {
            return Ok(topic);
        }
        self.create(&topic, partitions)?;
        let producer = self.producer(&[("batch.size", &BATCH.to_string()), ("linger.ms", "100")])?;
        let value = vec![b'x'; size];
        for i in 0..records {
            // keys like those of the replay
            let key = format!("k{}", i % 1000);
            let (key, value) = (Some(key.as_bytes()), Some(&value[..]));
            // a partition's records come in a row, so that all batches are full
            let partition = (i * partitions as usize / records) as i32;
            producer.send(&Record { topic: &topic, partition, key, value, ..Record::default() })?;
        }
        producer.flush()?;
        self.topics.insert(topic.clone());
        Ok(topic)
    }

    /// An empty topic.
    pub fn create(&mut self, topic: &str, partitions: i32) -> Result<(), Error> {
        self.kafka()?.admin(&format!("create {topic} {partitions} 1"))?;
        Ok(())
    }

    /// With properties of librdkafka.
    pub fn producer(&mut self, properties: &[(&str, &str)]) -> Result<Producer, Error> {
        Ok(Producer::new(&self.bootstrap()?, properties)?)
    }

    fn kafka(&mut self) -> Result<&Kafka, Error> {
        if self.kafka.is_none() {
            self.kafka = Some(Kafka::single()?);
        }
        self.kafka.as_ref().ok_or_else(|| "started above".into())
    }
}
