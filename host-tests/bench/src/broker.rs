//! The real broker, and the topics in it that have been filled.

use crate::Error;
use nanokafka_bench::replay::BATCH;
use nanokafka_brokers::mock::{Producer, Record};
use nanokafka_brokers::Kafka;
use std::collections::HashSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;

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
        // or the kernel writes the log to the disk while it is read
        Command::new("sync").status()?;
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

    /// Bytes of a topic's log as the broker counts them: DescribeLogDirs v1 of all topics.
    ///
    /// ```text
    /// throttle i32 | error codes and directories: error i16, name str | topics: name str | partitions: index i32,
    /// size i64, lag i64, is future i8
    /// ```
    pub fn log_bytes(&mut self, topic: &str) -> Result<u64, Error> {
        let mut stream = TcpStream::connect(self.bootstrap()?)?;
        // size, API, version, correlation, null client id, null topics
        stream.write_all(&[0, 0, 0, 14, 0, 35, 0, 1, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff])?;
        let mut answer = vec![0; 4];
        stream.read_exact(&mut answer)?;
        answer.resize(u32::from_be_bytes([answer[0], answer[1], answer[2], answer[3]]) as usize, 0);
        stream.read_exact(&mut answer)?;
        let mut rest = &answer[8..];
        let mut bytes = 0;
        for _ in 0..integer::<4>(&mut rest)? {
            integer::<2>(&mut rest)?;
            text(&mut rest)?;
            for _ in 0..integer::<4>(&mut rest)? {
                let wanted = text(&mut rest)? == topic.as_bytes();
                for _ in 0..integer::<4>(&mut rest)? {
                    integer::<4>(&mut rest)?;
                    let size = integer::<8>(&mut rest)?;
                    bytes += if wanted { size } else { 0 };
                    integer::<8>(&mut rest)?;
                    integer::<1>(&mut rest)?;
                }
            }
        }
        Ok(bytes)
    }

    fn kafka(&mut self) -> Result<&Kafka, Error> {
        if self.kafka.is_none() {
            let kafka = Kafka::single()?;
            // the first group of a broker waits for the offsets topic
            kafka.admin("create warm 1 1")?;
            kafka.admin("commit warm warm 0 0")?;
            self.kafka = Some(kafka);
        }
        self.kafka.as_ref().ok_or_else(|| "started above".into())
    }
}

/// An integer of `N` bytes that is not negative.
fn integer<const N: usize>(bytes: &mut &[u8]) -> Result<u64, Error> {
    let (integer, rest) = bytes.split_first_chunk::<N>().ok_or("an answer that ends early")?;
    *bytes = rest;
    Ok(integer.iter().fold(0, |sum, &byte| sum << 8 | u64::from(byte)))
}

fn text<'a>(bytes: &mut &'a [u8]) -> Result<&'a [u8], Error> {
    let length = integer::<2>(bytes)? as usize;
    let (text, rest) = bytes.split_at_checked(length).ok_or("an answer that ends early")?;
    *bytes = rest;
    Ok(text)
}
