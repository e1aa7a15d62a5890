//! Records of every shape.

use crate::Ledger;
use nanokafka_brokers::mock::{rdkafka::error::KafkaResult, Producer, Record};

/// Largest value of [`produce_mixed`].
const LARGEST: usize = 32_768;

/// Produces `count` records to a new topic and returns the ledger of them.
///
/// Most are small, some have 32 KB; keys, values and headers are null, empty or not. The same ones at every call.
pub fn produce_mixed(bootstrap: &str, topic: &str, partitions: i32, count: u32) -> KafkaResult<Ledger> {
    // batches of all sizes up to 1 MB; a retry must not change the order
    let producer = Producer::new(bootstrap, &[("enable.idempotence", "true"), ("linger.ms", "20")])?;
    let mut random = Random(1);
    let noise: Vec<u8> = (0..2 * LARGEST).map(|_| random.next() as u8).collect();
    let mut ledger = Ledger::default();
    for number in 0..count {
        let length = match random.below(100) {
            0..70 => random.below(200),
            70..96 => random.below(2000),
            96..99 => random.below(LARGEST + 1),
            _ => LARGEST,
        };
        let start = random.below(LARGEST);
        let value = &noise[start..start + length];
        let key = number.to_be_bytes();
        let headers = [("INPUT-CHANNEL", Some(&key[..])), ("", None), ("é", Some(&b""[..]))];
        let record = Record {
            topic,
            partition: random.below(partitions as usize) as i32,
            key: [None, Some(&b""[..]), Some(&key), Some(&key)][random.below(4)],
            value: Some(value).filter(|_| random.below(50) > 0),
            headers: &headers[..random.below(8).min(3)],
            timestamp: None,
        };
        producer.send(&record)?;
        ledger.produced(&record);
    }
    producer.flush()?;
    Ok(ledger)
}

/// xorshift64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 >> 16
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }
}
