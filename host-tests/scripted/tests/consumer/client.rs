//! A consumer that a scenario drives step by step, whatever its front end and however badly its bytes travel.
use nanokafka::{Async, Config, Consumer, Control, Error, Event, Instant, Seed, Storage, Superloop};
use nanokafka_scripted::{poll_once, Cluster, Net, Record, Stats};
use std::task::Poll;

/// How the consumer is driven and how its bytes travel.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Weather {
    Fair,
    /// One byte in a read or write, and `Pending` before each.
    Bytes,
    /// The async front end, whose future is dropped at every `Pending`.
    Cancelled,
    /// Both.
    CancelledBytes,
    /// The connection in use breaks after so many bytes.
    Cut(u64),
}

/// What a poll brought, owned.
#[derive(Clone, Debug, PartialEq)]
pub enum Seen {
    Records(String, i32, Vec<Record>),
    Large(String, i32, i64, Vec<u8>),
    Assigned(Vec<(String, i32)>),
    Revoked(Vec<(String, i32)>),
    Lost(Vec<(String, i32)>),
    End(String, i32),
    Truncated(i32, i64, i64),
    Skipped(i32, i64, u32),
    Committed(Result<(), Error>),
}

enum Front {
    Superloop(Box<Consumer<'static, Superloop>>, Net),
    Async(Box<Consumer<'static, Async<Net>>>),
}

pub struct Client {
    cluster: Cluster,
    weather: Weather,
    front: Front,
    /// For `stats` and cuts.
    pub net: Net,
    carried: Stats,
}

/// More steps than any scenario takes.
const STEPS: usize = 3_000_000;

pub struct Sizes {
    pub partitions: usize,
    pub connections: usize,
    pub window: usize,
}

pub const SMALL: Sizes = Sizes { partitions: 8, connections: 2, window: 512 };

fn owned(record: &nanokafka::Record<'_>) -> Record {
    Record {
        offset: record.offset(),
        timestamp: record.timestamp(),
        key: record.key().map(<[u8]>::to_vec),
        value: record.value().map(<[u8]>::to_vec),
        headers: record.headers().map(|h| (h.key_str().to_string(), h.value.map(<[u8]>::to_vec))).collect(),
    }
}

fn list(partitions: nanokafka::Partitions<'_>) -> Vec<(String, i32)> {
    partitions.map(|partition| (partition.topic.to_string(), partition.partition)).collect()
}

/// Everything but a large record, whose value needs the front end.
fn seen<IO: nanokafka::Tend>(event: Event<'_, IO>, take: usize) -> Seen {
    match event {
        Event::Records(mut records) => {
            let (topic, partition) = (records.topic().to_string(), records.topic_partition().partition);
            Seen::Records(topic, partition, records.by_ref().take(take).map(|record| owned(&record)).collect())
        }
        Event::Assigned(partitions) => Seen::Assigned(list(partitions)),
        Event::Revoked(partitions) => Seen::Revoked(list(partitions)),
        Event::Lost(partitions) => Seen::Lost(list(partitions)),
        Event::EndOfPartition(partition) => Seen::End(partition.topic.to_string(), partition.partition),
        Event::Truncated(truncated) => Seen::Truncated(truncated.partition.partition, truncated.from, truncated.to),
        Event::Skipped(skipped) => Seen::Skipped(skipped.partition.partition, skipped.offset, skipped.size),
        Event::CommitCompleted(result) => Seen::Committed(result),
        _ => panic!("an event without a name here"),
    }
}

impl Client {
    pub fn new(cluster: &Cluster, weather: Weather, sizes: &Sizes, config: Config<'static>) -> Self {
        let net = cluster.net(sizes.connections);
        match weather {
            Weather::Bytes | Weather::CancelledBytes => {
                net.grain(1).pending_every(2);
            }
            Weather::Cut(after) => {
                net.cut_after(after);
            }
            Weather::Fair | Weather::Cancelled => {}
        }
        let seed = Seed::new([net.index() as u8 + 1; 32]);
        let storage = Storage::boxed(sizes.partitions, sizes.connections, sizes.window);
        let front = match weather {
            Weather::Cancelled | Weather::CancelledBytes => {
                Front::Async(Box::new(Consumer::new(storage, config, net.clone(), seed).expect("a configuration")))
            }
            _ => {
                let consumer = Consumer::new(storage, config, Superloop, seed).expect("a configuration");
                Front::Superloop(Box::new(consumer), net.clone())
            }
        };
        Client { cluster: cluster.clone(), weather, front, net, carried: Stats::default() }
    }

    pub fn control(&mut self) -> Control<'_> {
        match &mut self.front {
            Front::Superloop(consumer, _) => consumer.control(),
            Front::Async(consumer) => consumer.control(),
        }
    }

    pub fn subscribe(&mut self, topics: &[&str]) {
        match &mut self.front {
            Front::Superloop(consumer, _) => consumer.subscribe(topics),
            Front::Async(consumer) => consumer.subscribe(topics),
        }
        .expect("room for the names");
    }

    pub fn subscribe_pattern(&mut self, pattern: &str) {
        match &mut self.front {
            Front::Superloop(consumer, _) => consumer.subscribe_pattern(pattern),
            Front::Async(consumer) => consumer.subscribe_pattern(pattern),
        }
        .expect("room for the pattern");
    }

    pub fn restore(&mut self, topics: &[&str], saved: &[u8]) -> Result<(), Error> {
        match &mut self.front {
            Front::Superloop(consumer, _) => consumer.restore_membership(topics, saved),
            Front::Async(consumer) => consumer.restore_membership(topics, saved),
        }
    }

    pub fn assign(&mut self, partitions: &[nanokafka::TopicPartition<'_>]) {
        match &mut self.front {
            Front::Superloop(consumer, _) => consumer.assign(partitions),
            Front::Async(consumer) => consumer.assign(partitions),
        }
        .expect("room for the partitions");
    }

    pub fn commit_async(&mut self) {
        match &mut self.front {
            Front::Superloop(consumer, _) => consumer.commit_async(),
            Front::Async(consumer) => consumer.commit_async(),
        }
        .expect("a group");
    }

    /// One poll; at most `take` records of a batch are taken.
    pub fn poll_some(&mut self, take: usize) -> Option<Result<Seen, Error>> {
        match &mut self.front {
            Front::Superloop(consumer, net) => match consumer.poll(self.cluster.now(), net) {
                Err(error) => Some(Err(error)),
                Ok(None) => None,
                Ok(Some(Event::LargeRecord(mut record))) => {
                    let (topic, partition, offset) = (record.topic().to_string(), record.partition(), record.offset());
                    let mut value = Vec::new();
                    for _ in 0..STEPS {
                        match record.chunk(self.cluster.now(), net) {
                            Poll::Ready(Ok([])) => return Some(Ok(Seen::Large(topic, partition, offset, value))),
                            Poll::Ready(Ok(chunk)) => value.extend_from_slice(chunk),
                            Poll::Pending => {
                                self.cluster.tick(record.next_timeout(self.cluster.now()));
                            }
                            Poll::Ready(Err(error)) => return Some(Err(error)),
                        }
                    }
                    panic!("a value without end");
                }
                Ok(Some(event)) => Some(Ok(seen(event, take))),
            },
            Front::Async(consumer) => match poll_once(consumer.poll())? {
                Err(error) => Some(Err(error)),
                Ok(Event::LargeRecord(mut record)) => {
                    let (topic, partition, offset) = (record.topic().to_string(), record.partition(), record.offset());
                    let mut value = Vec::new();
                    for _ in 0..STEPS {
                        match poll_once(record.chunk()) {
                            Some(Ok([])) => return Some(Ok(Seen::Large(topic, partition, offset, value))),
                            Some(Ok(chunk)) => value.extend_from_slice(chunk),
                            None => {
                                let stats = self.net.stats();
                                if stats == self.carried {
                                    self.cluster.sleep();
                                }
                                self.carried = stats;
                            }
                            Some(Err(error)) => return Some(Err(error)),
                        }
                    }
                    panic!("a value without end");
                }
                Ok(event) => Some(Ok(seen(event, take))),
            },
        }
    }

    /// What happens next; time passes as it must. `None`: nothing will ever happen, or it is `until`.
    pub fn next_before(&mut self, until: u64) -> Option<Result<Seen, Error>> {
        for _ in 0..STEPS {
            if let Some(seen) = self.poll_some(usize::MAX) {
                return Some(seen);
            }
            if self.cluster.millis() >= until {
                return None;
            }
            let going = match &mut self.front {
                Front::Superloop(consumer, _) => {
                    let timeout = consumer.next_timeout(self.cluster.now());
                    self.cluster.tick(timeout.min(Instant::from_millis(until)))
                }
                Front::Async(_) => self.pause(),
            };
            if !going {
                self.cluster.advance_to(Instant::from_millis(until));
            }
        }
        panic!("{STEPS} steps without an event:\n{}", tail(&self.cluster));
    }

    /// Where a waker would be waited for: while bytes move it would have been woken.
    fn pause(&mut self) -> bool {
        let stats = self.net.stats();
        let moved = stats != self.carried;
        self.carried = stats;
        moved || self.cluster.sleep()
    }

    fn is_cut(&self) -> bool {
        matches!(self.weather, Weather::Cut(_)) && !self.net.is_cut_pending()
    }

    /// Goes on until `done`, for at most `millis`. No error is passed over, but that of a large record which breaks off
    /// because its connection was cut.
    pub fn until(&mut self, millis: u64, mut done: impl FnMut(&Seen) -> bool) -> Vec<Seen> {
        let until = self.cluster.millis() + millis;
        let mut all = Vec::new();
        loop {
            match self.next_before(until) {
                Some(Ok(seen)) => {
                    let end = done(&seen);
                    all.push(seen);
                    if end {
                        return all;
                    }
                }
                Some(Err(Error::Transport(_))) if self.is_cut() => {}
                Some(Err(error)) => panic!("{error}:\n{}", tail(&self.cluster)),
                None => panic!("not within {millis} ms; seen {all:?}\n{}", tail(&self.cluster)),
            }
        }
    }

    pub fn close(self) -> Result<(), Error> {
        match self.front {
            Front::Superloop(mut consumer, mut net) => {
                for _ in 0..STEPS {
                    if let Poll::Ready(result) = consumer.close(self.cluster.now(), &mut net) {
                        return result;
                    }
                    let next = consumer.next_timeout(self.cluster.now());
                    self.cluster.tick(next.min(self.cluster.now().after(std::time::Duration::from_millis(100))));
                }
                panic!("a close without end");
            }
            Front::Async(consumer) => self.cluster.block_on(consumer.close()),
        }
    }
}

fn tail(cluster: &Cluster) -> String {
    let log = cluster.log();
    let lines: Vec<_> = log.lines().collect();
    lines[lines.len().saturating_sub(60)..].join("\n")
}

/// Runs a scenario in fair weather, byte by byte, cancelled at every poll, and cut after every `step`-th byte of the session; returns how many runs.
pub fn in_all_weathers(step: u64, scenario: impl Fn(Weather) -> (Cluster, u64)) -> usize {
    let check = |cluster: &Cluster, weather| {
        let violations = cluster.take_violations();
        assert!(violations.is_empty(), "{weather:?}: {violations:?}\n{}", tail(cluster));
    };
    let (cluster, bytes) = scenario(Weather::Fair);
    check(&cluster, Weather::Fair);
    let mut runs = 1;
    for weather in [Weather::Bytes, Weather::Cancelled, Weather::CancelledBytes] {
        let (cluster, _) = scenario(weather);
        check(&cluster, weather);
        runs += 1;
    }
    for after in (0..bytes).step_by(step as usize) {
        let (cluster, _) = scenario(Weather::Cut(after));
        check(&cluster, Weather::Cut(after));
        runs += 1;
    }
    runs
}
