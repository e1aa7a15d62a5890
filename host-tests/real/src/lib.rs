//! The blocking consumer against real brokers: what the tests share.

pub mod faults;
mod ledger;
pub mod members;
mod produce;

pub use ledger::Ledger;
pub use produce::produce_mixed;

use nanokafka::{Config, Error, OffsetReset, Seed, Storage, TopicPartition};
pub use nanokafka_brokers::{kafka, unique};
use nanokafka_std::blocking::{Consumer, Event, Tcp};
use std::time::{Duration, Instant};

/// What a test returns.
pub type Outcome = Result<(), Box<dyn std::error::Error>>;

/// Far above what anything here takes on an idle machine.
pub const SOON: Duration = Duration::from_secs(30);

/// A new topic of the shared broker; `properties` as for the command `create`.
pub fn topic(name: &str, partitions: u32, properties: &str) -> std::io::Result<String> {
    let topic = unique(name);
    kafka().admin(&format!("create {topic} {partitions} 1 {properties}"))?;
    Ok(topic)
}

/// Produces to the shared broker, and notes it: see [`Ledger::sent`].
pub fn send(
    ledger: &mut Ledger,
    topic: &str,
    partition: i32,
    count: u64,
    bytes: usize,
    first: u64,
) -> std::io::Result<()> {
    kafka().admin(&format!("send p {topic} {partition} {count} {bytes} {first}"))?;
    ledger.sent(partition, count, bytes, first);
    Ok(())
}

/// From the log's start, and quick to notice what changes.
pub fn config(bootstrap: &str) -> Config<'_> {
    Config::new(bootstrap)
        .auto_offset_reset(OffsetReset::Earliest)
        .enable_auto_commit(false)
        .session_timeout(Duration::from_secs(10))
        .heartbeat_interval(Duration::from_millis(200))
}

/// A consumer of up to 16 partitions over two connections.
pub fn consumer<'r>(config: Config<'r>, window: usize) -> Result<Consumer<'r>, Error> {
    sized(config, 16, 2, window)
}

/// A consumer with these capacities.
pub fn sized<'r>(
    config: Config<'r>,
    partitions: usize,
    connections: usize,
    window: usize,
) -> Result<Consumer<'r>, Error> {
    let tcp = Tcp::new(connections).expect("the process may open a poller");
    let seed = Seed::from_os().expect("the system has random numbers");
    Consumer::new(Storage::boxed(partitions, connections, window), config, tcp, seed)
}

/// Partitions 0 to `count` of a topic.
pub fn partitions(topic: &str, count: i32) -> Vec<TopicPartition<'_>> {
    (0..count).map(|partition| TopicPartition::new(topic, partition)).collect()
}

/// Polls until `done` has something to return.
///
/// # Panics
/// If that takes longer than `limit`; `what` says what was waited for.
pub fn poll_until<T>(
    consumer: &mut Consumer<'_>,
    what: &str,
    limit: Duration,
    mut done: impl FnMut(Result<Event<'_>, Error>) -> Option<T>,
) -> T {
    let end = Instant::now() + limit;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        assert!(!left.is_zero(), "not within {limit:?}: {what}");
        let found = match consumer.poll(left.min(Duration::from_millis(200))) {
            Ok(None) => None,
            Ok(Some(event)) => done(Ok(event)),
            Err(error) => done(Err(error)),
        };
        if let Some(found) = found {
            return found;
        }
    }
}

/// Reads until the ledger is complete. Errors end it.
pub fn read(consumer: &mut Consumer<'_>, ledger: &mut Ledger) -> Result<(), Error> {
    if ledger.left() == 0 {
        return Ok(());
    }
    let what = format!("{} records", ledger.left());
    poll_until(consumer, &what, SOON, |event| {
        match event {
            Ok(Event::Records(records)) => records.for_each(|record| ledger.consumed(&record)),
            Ok(Event::LargeRecord(record)) => {
                if let Err(error) = read_large(record, ledger) {
                    return Some(Err(error));
                }
            }
            Ok(_) => {}
            Err(error) => return Some(Err(error)),
        }
        (ledger.left() == 0).then_some(Ok(()))
    })
}

fn read_large(mut record: nanokafka_std::blocking::LargeRecord<'_>, ledger: &mut Ledger) -> Result<(), Error> {
    let (partition, offset) = (record.partition(), record.offset());
    let key = record.key().map(<[u8]>::to_vec);
    let mut value = Vec::with_capacity(record.remaining());
    loop {
        match record.chunk()? {
            [] => break,
            chunk => value.extend_from_slice(chunk),
        }
    }
    ledger.consumed_large(partition, offset, key.as_deref(), &value);
    Ok(())
}

/// Polls for a while, in which nothing must be handed out and nothing go wrong.
///
/// # Panics
/// If something is.
pub fn quiet(consumer: &mut Consumer<'_>, time: Duration) {
    let end = Instant::now() + time;
    while let Some(left) = end.checked_duration_since(Instant::now()) {
        match consumer.poll(left) {
            Ok(Some(Event::Records(mut records))) => {
                let offset = records.next().map(|record| record.offset());
                panic!("{} has nothing more to hand out, not offset {offset:?}", records.topic_partition());
            }
            Ok(_) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

/// The next `count` records, not one more: their partitions and offsets.
pub fn take(consumer: &mut Consumer<'_>, count: usize) -> Result<Vec<(i32, i64)>, Error> {
    let mut taken = Vec::new();
    poll_until(consumer, &format!("{count} records"), SOON, |event| {
        match event {
            Ok(Event::Records(records)) => {
                let room = count - taken.len();
                taken.extend(records.take(room).map(|record| (record.partition(), record.offset())));
            }
            Ok(_) => {}
            Err(error) => return Some(Err(error)),
        }
        (taken.len() == count).then_some(Ok(()))
    })?;
    Ok(taken)
}
