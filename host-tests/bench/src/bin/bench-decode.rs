//! `bench-decode ours|ideal|transport SIZE RECORDS`: reads that many records, to be counted by valgrind.
//!
//! All three ask the same in-memory broker. `transport` only takes the bytes, so what it costs can be subtracted.

use nanokafka::{Config, Consumer, Event, Instant, OffsetReset, Seed, Storage, Superloop, TopicPartition, Transport};
use nanokafka_bench::in_memory::InMemory;
use nanokafka_bench::replay::{Replay, TOPIC};
use nanokafka_bench::{ideal, tasks::parse};
use std::hint::black_box;
use std::task::{Context, Poll, Waker};

const WINDOW: usize = 1 << 16;

fn main() {
    let [mode, size, records] = std::env::args().skip(1).collect::<Vec<_>>().try_into().expect("three arguments");
    let replay = Replay::new(1, parse(&size), parse(&records));
    let end = replay.end;
    let mut net = InMemory::new(replay);
    let read = match mode.as_str() {
        "ours" => ours(&mut net, end),
        "ideal" => answers(&mut net, end, |bytes| {
            let mut rest = bytes;
            let mut read = 0;
            while let Some((records, next)) = ideal::batch(rest) {
                for record in records {
                    take(record.offset, record.timestamp, record.key, record.value);
                    read += 1;
                }
                rest = next;
            }
            read
        }),
        "transport" => {
            answers(&mut net, end, |bytes| bytes.len());
            end
        }
        other => panic!("no mode {other}"),
    };
    assert_eq!(read, end, "records");
}

/// What the application does with a record, the same for both.
fn take(offset: i64, timestamp: i64, key: Option<&[u8]>, value: Option<&[u8]>) {
    black_box((offset, timestamp));
    black_box((key, value));
}

fn ours(net: &mut InMemory, end: i64) -> i64 {
    let config = Config::new("127.0.0.1:1").auto_offset_reset(OffsetReset::Earliest);
    let seed = Seed::new([1; 32]);
    let mut consumer = Consumer::<Superloop>::new(Storage::boxed(1, 2, WINDOW), config, Superloop, seed).expect("new");
    consumer.assign(&[TopicPartition::new(TOPIC, 0)]).expect("assign");
    let now = Instant::from_millis(0);
    let mut read = 0;
    while read < end {
        if let Some(Event::Records(records)) = consumer.poll(now, net).expect("poll") {
            for record in records {
                take(record.offset(), record.timestamp(), record.key(), record.value());
                read += 1;
            }
        }
    }
    read
}

/// Fetches all answers whole, into one buffer, and returns the sum of what `each` counts in their batches.
fn answers(net: &mut InMemory, end: i64, each: impl Fn(&[u8]) -> usize) -> i64 {
    let id = nanokafka::ConnectionId::new(1);
    let mut cx = Context::from_waker(Waker::noop());
    let mut buffer = vec![0; 2 << 20];
    let mut sum = 0;
    let mut position = 0;
    while position < end {
        let request = fetch(position);
        assert_eq!(net.poll_write(&mut cx, id, &request), Poll::Ready(Ok(request.len())));
        let mut arrived = 0;
        while let Poll::Ready(read) = net.poll_read(&mut cx, id, &mut buffer[arrived..]) {
            arrived += read.expect("read");
        }
        let batches = &buffer[RECORDS_AT..arrived];
        sum += black_box(each(batches)) as i64;
        position = last_offset(batches) + 1;
    }
    sum
}

/// Of the frame's start: size, correlation; throttle, error, session; topics, name, partitions; partition, error, high
/// watermark, last stable offset, log start, aborted, preferred replica, size of the records.
const RECORDS_AT: usize = 8 + 10 + 4 + 2 + TOPIC.len() + 4 + 4 + 2 + 24 + 4 + 4 + 4;

/// A Fetch v11 of partition 0.
fn fetch(offset: i64) -> Vec<u8> {
    let mut request = vec![0; 4];
    let mut put = |bytes: &[u8]| request.extend_from_slice(bytes);
    put(&[0, 1, 0, 11, 0, 0, 0, 1, 0xff, 0xff]);
    put(&[0; 17 + 8]);
    put(&1i32.to_be_bytes());
    put(&(TOPIC.len() as i16).to_be_bytes());
    put(TOPIC.as_bytes());
    put(&1i32.to_be_bytes());
    put(&[0; 8]);
    put(&offset.to_be_bytes());
    put(&[0; 12 + 4 + 2]);
    let size = request.len() as u32 - 4;
    request[..4].copy_from_slice(&size.to_be_bytes());
    request
}

/// Of the last of these batches.
fn last_offset(mut batches: &[u8]) -> i64 {
    let mut last = -1;
    while let Some((header, _)) = batches.split_first_chunk::<27>() {
        let int = |at: usize| i32::from_be_bytes(*header[at..].first_chunk().expect("in the header"));
        last = i64::from_be_bytes(*header.first_chunk().expect("in the header")) + i64::from(int(23));
        batches = &batches[12 + int(8) as usize..];
    }
    last
}
