//! Fetch answers through a whole consumer: bootstrap, a position, Fetch, and whatever comes out.
use super::peer::{api_versions, frame, header, metadata, Memory, Peer, Pieces};
use crate::{
    Config, Consumer, Error, Event, Header, Instant, LargeRecords, OffsetReset, Record, Seed, Superloop, TopicPartition,
};
use core::task::Poll;
use core::time::Duration;
use std::collections::VecDeque;
use std::string::{String, ToString};
use std::vec::Vec;

/// What the application saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    Record {
        topic: String,
        partition: i32,
        offset: i64,
        payload: Payload,
    },
    /// Without the headers, which follow the value.
    Large {
        topic: String,
        partition: i32,
        offset: i64,
        payload: Payload,
    },
    Skipped {
        partition: i32,
        offset: i64,
        size: u32,
    },
    End {
        topic: String,
        partition: i32,
    },
    Error(Error),
}

pub(crate) type Bytes = Option<Vec<u8>>;

/// What the CRC protects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Payload {
    pub timestamp: i64,
    pub key: Bytes,
    pub value: Bytes,
    pub headers: Vec<(Vec<u8>, Bytes)>,
}

impl Payload {
    pub fn of(record: &Record<'_>) -> Self {
        let header = |header: Header<'_>| (header.key.to_vec(), header.value.map(<[u8]>::to_vec));
        Payload {
            timestamp: record.timestamp(),
            key: record.key().map(<[u8]>::to_vec),
            value: record.value().map(<[u8]>::to_vec),
            headers: record.headers().map(header).collect(),
        }
    }
}

/// One run.
#[derive(Clone, Debug)]
pub(crate) struct Run<'a> {
    pub version: i16,
    pub window: usize,
    pub large_records: LargeRecords,
    pub check_crcs: bool,
    /// Partitions and the offsets to begin at, topics together.
    pub from: Vec<(&'a str, i32, i64)>,
    /// Bodies of the answers to Fetch, in order, and how they arrive. Behind the last one the broker is silent.
    pub answers: Vec<(&'a [u8], Pieces)>,
    /// What the last answer is sent for again: after each partition error that can be skipped.
    pub again: usize,
}

/// What came out.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Out {
    pub seen: Vec<Seen>,
    /// Position and what may be committed, for each of `from`.
    pub positions: Vec<(i64, i64)>,
}

/// Longer than any backoff, shorter than a Fetch's patience.
const QUIET: Duration = Duration::from_secs(20);

impl Run<'_> {
    /// # Panics
    /// When the consumer takes more steps than bytes and requests can explain.
    pub fn out(&self) -> Out {
        let mut memory = Memory::new(self.window);
        let config = Config::new("b:1")
            .large_records(self.large_records)
            .check_crcs(self.check_crcs)
            .auto_offset_reset(OffsetReset::Earliest)
            .fetch_max_wait(Duration::from_secs(30));
        let mut topics: Vec<(&str, Vec<i32>)> = Vec::new();
        for &(topic, partition, _) in &self.from {
            match topics.iter_mut().find(|entry| entry.0 == topic) {
                Some((_, partitions)) => partitions.push(partition),
                None => topics.push((topic, [partition].to_vec())),
            }
        }
        let (mut answers, again) = (VecDeque::from(self.answers.clone()), core::cell::Cell::new(0));
        let last = self.answers.last().copied();
        let version = self.version;
        let mut bytes = 0;
        let mut peer = Peer::new(|request: &[u8]| {
            let (api, asked, correlation) = header(request);
            let whole = |body: Vec<u8>| Some((frame(correlation, &body), Pieces::Whole));
            match api {
                18 => whole(api_versions(version)),
                3 => whole(metadata(&topics)),
                1 => {
                    assert_eq!(asked, version);
                    let (body, pieces) = answers.pop_front().or_else(|| {
                        again.set(again.get() - 1i32);
                        last.filter(|_| again.get() >= 0).map(|(body, _)| (body, Pieces::Whole))
                    })?;
                    Some((frame(correlation, body), pieces))
                }
                _ => None,
            }
        });
        for (body, _) in &self.answers {
            bytes += body.len();
        }
        let bound = 1000 + 8 * bytes * (self.again + 1);
        let mut now = Instant::from_millis(1_000_000);
        let mut consumer =
            Consumer::<Superloop>::new(memory.storage(), config, Superloop, Seed::new([7; 32])).expect("it fits");
        let partitions: Vec<_> =
            self.from.iter().map(|&(topic, partition, _)| TopicPartition::new(topic, partition)).collect();
        consumer.assign(&partitions).expect("legal names");
        for &(topic, partition, offset) in &self.from {
            consumer.seek(TopicPartition::new(topic, partition), offset).expect("assigned");
        }
        let (mut seen, mut skipped) = (Vec::new(), 0);
        let mut steps = 0;
        'run: loop {
            steps += 1;
            assert!(steps < bound, "{steps} steps for {bytes} bytes: {seen:?}");
            peer.moved = false;
            match consumer.poll(now, &mut peer) {
                Ok(Some(Event::Records(records))) => {
                    let TopicPartition { topic, partition } = records.topic_partition();
                    let topic = topic.to_string();
                    for record in records {
                        assert_eq!((record.topic(), record.partition()), (topic.as_str(), partition));
                        let (topic, offset) = (topic.clone(), record.offset());
                        seen.push(Seen::Record { topic, partition, offset, payload: Payload::of(&record) });
                    }
                }
                Ok(Some(Event::LargeRecord(mut record))) => {
                    let (topic, partition, offset) = (record.topic().to_string(), record.partition(), record.offset());
                    let (timestamp, key) = (record.timestamp(), record.key().map(<[u8]>::to_vec));
                    let mut value = Vec::new();
                    loop {
                        steps += 1;
                        assert!(steps < bound, "{steps} steps for {bytes} bytes: {seen:?}");
                        peer.moved = false;
                        match record.chunk(now, &mut peer) {
                            Poll::Ready(Ok([])) => break,
                            Poll::Ready(Ok(chunk)) => value.extend_from_slice(chunk),
                            Poll::Pending if peer.moved => {}
                            Poll::Pending => break 'run, // the broker has stopped inside the value
                            Poll::Ready(Err(error)) => {
                                seen.push(Seen::Error(error));
                                continue 'run;
                            }
                        }
                    }
                    let payload = Payload { timestamp, key, value: Some(value), headers: Vec::new() };
                    seen.push(Seen::Large { topic, partition, offset, payload });
                }
                Ok(Some(Event::Skipped(skipped))) => {
                    let (partition, offset, size) = (skipped.partition.partition, skipped.offset, skipped.size);
                    seen.push(Seen::Skipped { partition, offset, size });
                }
                Ok(Some(Event::EndOfPartition(partition))) => {
                    seen.push(Seen::End { topic: partition.topic.to_string(), partition: partition.partition });
                }
                Ok(Some(_)) => unreachable!("no group, no epochs, no commits"),
                Ok(None) if peer.moved => {}
                Ok(None) => {
                    let next = consumer.next_timeout(now);
                    if now.until(next) > QUIET {
                        break;
                    }
                    now = next.max(now.after(Duration::from_millis(1)));
                }
                Err(error) => {
                    seen.push(Seen::Error(error));
                    if let Error::Partition(error) = error {
                        let partition = TopicPartition::new(error.topic.as_str(), error.partition);
                        // a longer name is cut, and nobody is asked for it
                        if error.next > error.offset
                            && skipped < self.again
                            && consumer.seek(partition, error.next).is_ok()
                        {
                            skipped += 1;
                            again.set(again.get().max(0) + 1);
                        }
                    }
                }
            }
        }
        let positions = partitions.iter().map(|&partition| {
            let control = consumer.control();
            let slot = control.find(partition.topic, partition.partition).and_then(|slot| control.slot(slot).copied());
            slot.map_or((-1, -1), |slot| (slot.position, slot.acked))
        });
        let positions = positions.collect();
        Out { seen, positions }
    }
}
