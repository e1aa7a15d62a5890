//! What the demo reads is produced by another client.

use crate::failure::Failure;
use nanokafka_brokers::mock::rdkafka::error::{KafkaError, RDKafkaErrorCode};
use nanokafka_brokers::mock::{self, Record};
use std::io::Write;
use std::time::Duration;

/// Records of the large batch, and bytes of each one's value: 1 MB, and less than the 1,048,588 bytes that brokers
/// accept (`message.max.bytes`).
pub const BATCH: (usize, usize) = (1000, 1000);

/// Bytes of the large record's value.
pub const LARGE_RECORD: usize = 900_000;

pub struct Producer<'a> {
    bootstrap: &'a str,
    producer: mock::Producer,
}

impl<'a> Producer<'a> {
    pub fn new(bootstrap: &'a str) -> Result<Self, Failure> {
        let producer = create(bootstrap, &[("linger.ms", "0")])?;
        Ok(Producer { bootstrap, producer })
    }

    /// One record for each of four partitions.
    pub fn four_records(&self, topic: &str) -> Result<(), Failure> {
        look_up(&self.producer, topic)?;
        for i in 0..4 {
            let key = format!("key:: partition :: 0{i}");
            let value = format!(r#"{{"name":"hello :: {i}","age":{i}}}"#);
            let (key, value) = (Some(key.as_bytes()), Some(value.as_bytes()));
            let headers: &[_] = &[("INPUT-CHANNEL", Some(&b"IPHONE"[..]))];
            send(&self.producer, &Record { topic, partition: i, key, value, headers, ..Record::default() })?;
        }
        flush(&self.producer, topic)
    }

    /// [`BATCH`] to partition 0; the digest of all keys and values.
    pub fn batch(&self, topic: &str) -> Result<Digest, Failure> {
        // the batch leaves when its last record is there, and not before
        let records = BATCH.0.to_string();
        let producer = create(
            self.bootstrap,
            &[
                ("batch.num.messages", &records),
                ("linger.ms", "10000"),
                ("batch.size", "1100000"),
                ("message.max.bytes", "1100000"),
                ("compression.type", "none"),
            ],
        )?;
        look_up(&producer, topic)?;
        let (mut digest, mut noise) = (Digest::default(), Noise(1));
        for i in 0..BATCH.0 {
            let (key, value) = (format!("{i:03}"), noise.bytes(BATCH.1));
            digest.add(key.as_bytes());
            digest.add(&value);
            let (key, value) = (Some(key.as_bytes()), Some(&value[..]));
            send(&producer, &Record { topic, key, value, ..Record::default() })?;
        }
        flush(&producer, topic)?;
        Ok(digest)
    }

    /// [`LARGE_RECORD`] to partition 0; the digest of its value.
    pub fn large_record(&self, topic: &str) -> Result<Digest, Failure> {
        let value = Noise(2).bytes(LARGE_RECORD);
        let mut digest = Digest::default();
        digest.add(&value);
        look_up(&self.producer, topic)?;
        send(&self.producer, &Record { topic, key: Some(b"large"), value: Some(&value), ..Record::default() })?;
        flush(&self.producer, topic)?;
        Ok(digest)
    }
}

fn create(bootstrap: &str, properties: &[(&str, &str)]) -> Result<mock::Producer, Failure> {
    let properties = [properties, &[("message.timeout.ms", "20000")]].concat();
    mock::Producer::new(bootstrap, &properties)
        .map_err(|error| Failure::new(format!("librdkafka's producer: {error}"), "a bug of the demo: report it"))
}

/// Only because librdkafka looks for a topic that is new to it once a second.
fn look_up(producer: &mock::Producer, topic: &str) -> Result<(), Failure> {
    let metadata = producer.client().fetch_metadata(Some(topic), Duration::from_secs(10));
    metadata.map(|_| ()).map_err(|error| failure(topic, &error))
}

fn send(producer: &mock::Producer, record: &Record<'_>) -> Result<(), Failure> {
    producer.send(record).map_err(|error| failure(record.topic, &error))
}

fn flush(producer: &mock::Producer, topic: &str) -> Result<(), Failure> {
    producer.flush().map_err(|error| failure(topic, &error))
}

fn failure(topic: &str, error: &KafkaError) -> Failure {
    let remedy = match error.rdkafka_error_code() {
        Some(RDKafkaErrorCode::TopicAuthorizationFailed | RDKafkaErrorCode::ClusterAuthorizationFailed) => {
            format!("allow this client to WRITE to {topic}")
        }
        Some(RDKafkaErrorCode::MessageSizeTooLarge) => {
            format!("allow batches of 1,048,588 bytes, the default: max.message.bytes of {topic}")
        }
        Some(RDKafkaErrorCode::NotEnoughReplicas | RDKafkaErrorCode::NotEnoughReplicasAfterAppend) => {
            format!("start the brokers that {topic}'s min.insync.replicas needs")
        }
        _ => "see whether each partition has a leader, and whether this machine reaches the hosts and ports that the \
              brokers advertise (advertised.listeners)"
            .to_owned(),
    };
    Failure::new(format!("producing to {topic}: {error}"), remedy)
}

/// CRC-32C over all that was written, in order.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Digest(u32);

impl Digest {
    pub fn add(&mut self, bytes: &[u8]) {
        self.0 = crc32c::crc32c_append(self.0, bytes);
    }
}

impl Write for Digest {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.add(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl std::fmt::Display for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

/// Bytes without a pattern, so that a part that is missing, repeated or misplaced shows in the digest: xorshift64.
struct Noise(u64);

impl Noise {
    fn bytes(&mut self, count: usize) -> Vec<u8> {
        let next = || {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            (self.0 >> 32) as u8
        };
        std::iter::repeat_with(next).take(count).collect()
    }
}
