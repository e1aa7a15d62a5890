//! The consumer and the cluster together: each front end once, in good and in bad weather.
use nanokafka::{
    Assignor, Async, Blocking, Config, ConnectionId, Consumer, Event, Instant, OffsetReset, Seed, Storage, Superloop,
    TopicPartition, Transport, TransportError,
};
use nanokafka_scripted::{batch, record, Api, Chaos, Cluster, Net, Partition, Profile, Record};
use std::collections::BTreeSet;
use std::task::{Context, Poll};
use std::time::Duration;

/// Of random trouble.
const SEEDS: u64 = 20;
const SEED: Seed = Seed::new([7; 32]);

/// A cluster with records in four partitions of `t`.
fn cluster(brokers: usize) -> Cluster {
    let cluster = Cluster::new(brokers);
    cluster.configure(|settings| settings.initial_rebalance_delay_ms = 0);
    let topic = cluster.topic("t", 4);
    for partition in 0..4 {
        for size in [10, 300, 40] {
            topic.append(partition, batch().fill(3, size).with(record().key("only").null_header("h")));
        }
    }
    cluster
}

fn partitions(cluster: &Cluster) -> [Partition; 4] {
    [0, 1, 2, 3].map(|partition| cluster.partition("t", partition))
}

fn owned(record: &nanokafka::Record<'_>) -> Record {
    Record {
        offset: record.offset(),
        timestamp: record.timestamp(),
        key: record.key().map(<[u8]>::to_vec),
        value: record.value().map(<[u8]>::to_vec),
        headers: record.headers().map(|h| (h.key_str().to_string(), h.value.map(<[u8]>::to_vec))).collect(),
    }
}

/// Reads with a superloop until everything was seen; records by partition.
fn read(cluster: &Cluster, net: &mut Net, config: Config<'_>, expected: usize) -> [Vec<Record>; 4] {
    let mut consumer =
        Consumer::<Superloop>::new(Storage::boxed(4, 4, 512), config, Superloop, SEED).expect("a configuration");
    consumer.assign(&[0, 1, 2, 3].map(|partition| TopicPartition::new("t", partition))).unwrap();
    let mut seen: [Vec<Record>; 4] = Default::default();
    let mut turn = 0;
    while seen.iter().map(Vec::len).sum::<usize>() < expected {
        not_ahead(cluster, |partition| seen[partition as usize].len() as i64);
        turn += 1;
        match consumer.poll(cluster.now(), net) {
            Ok(Some(Event::Records(mut records))) => {
                let list = &mut seen[records.topic_partition().partition as usize];
                list.extend(records.by_ref().take(turn % 4).map(|record| owned(&record)));
            }
            Ok(Some(_)) => {}
            Ok(None) => {
                let next = consumer.next_timeout(cluster.now());
                assert!(cluster.tick(next), "nothing will ever happen");
            }
            Err(error) => {
                cluster.note(format!("error: {error:?}"));
            }
        }
    }
    seen
}

/// Nothing is committed that was not handed out: `next` is the offset behind what was, from 0 on without gaps.
fn not_ahead(cluster: &Cluster, next: impl Fn(i32) -> i64) {
    for partition in 0..4 {
        let (committed, handed) = (cluster.committed_offset("g", "t", partition).unwrap_or(0), next(partition));
        assert!(committed <= handed, "t-{partition}: {committed} committed, {handed} handed out");
    }
}

fn config() -> Config<'static> {
    Config::new("b1:9092,b2:9092,b3:9092").auto_offset_reset(OffsetReset::Earliest)
}

fn check(cluster: &Cluster, seen: [Vec<Record>; 4]) {
    for (log, seen) in partitions(cluster).iter().zip(seen) {
        assert_eq!(seen, log.records_from(0));
    }
}

#[test]
fn a_superloop_reads_everything_once() {
    let cluster = cluster(3);
    let mut net = cluster.net(4);
    let seen = read(&cluster, &mut net, config(), 48);
    check(&cluster, seen);
    assert_eq!(cluster.count(Api::ListOffsets), 3, "one for each leader");
}

#[test]
fn one_byte_at_a_time() {
    let cluster = cluster(3);
    let mut net = cluster.net(4);
    net.grain(1).pending_every(2);
    let seen = read(&cluster, &mut net, config(), 48);
    check(&cluster, seen);
}

#[test]
fn a_reset_after_every_seventh_byte() {
    let bytes = {
        let cluster = cluster(1);
        let mut net = cluster.net(4);
        read(&cluster, &mut net, config(), 48);
        net.stats().read + net.stats().written
    };
    for after in (0..bytes).step_by(7) {
        let cluster = cluster(1);
        let mut net = cluster.net(4);
        net.cut_after(after);
        let seen = read(&cluster, &mut net, config(), 48);
        check(&cluster, seen);
    }
}

#[test]
fn in_random_trouble() {
    for seed in 0..SEEDS {
        let cluster = cluster(3);
        cluster.configure(|settings| settings.latency_ms = 20);
        cluster.time_limit(400_000).chaos(Chaos::everything(seed, 60_000));
        // a record each 300 ms, in turn, until the trouble is over
        for i in 0..200 {
            cluster.at(i * 300, move |cluster| {
                cluster.partition("t", i as i32 % 4).append(batch().record(format!("{i}"), "late"));
            });
        }
        let mut net = cluster.net(4);
        net.jitter(seed);
        let config = config().fetch_max_wait(Duration::from_secs(1)).group_id("g");
        let seen = read(&cluster, &mut net, config.auto_commit_interval(Duration::from_millis(500)), 48 + 200);
        check(&cluster, seen);
        assert!(cluster.count(Api::OffsetCommit) > 20);
    }
}

#[test]
fn an_async_group_of_one() {
    let cluster = cluster(3);
    cluster.configure(|settings| settings.latency_ms = 5);
    let net = cluster.net(4);
    let config = config().group_id("g");
    let mut consumer = Consumer::<Async<Net>>::new(Storage::boxed(4, 4, 4096), config, net, SEED).unwrap();
    consumer.subscribe(&["t"]).unwrap();
    let seen = cluster.block_on(async {
        let mut seen: [Vec<Record>; 4] = Default::default();
        while seen.iter().map(Vec::len).sum::<usize>() < 48 {
            if let Event::Records(mut records) = consumer.poll().await.unwrap() {
                let list = &mut seen[records.topic_partition().partition as usize];
                list.extend(records.by_ref().map(|record| owned(&record)));
            }
        }
        consumer.commit_sync().await.unwrap();
        seen
    });
    check(&cluster, seen);
    assert_eq!([0, 1, 2, 3].map(|p| cluster.committed_offset("g", "t", p)), [Some(12); 4]);
}

#[test]
fn a_blocking_consumer_waits_in_virtual_time() {
    let cluster = cluster(1);
    let net = cluster.net(2);
    let mut consumer = Consumer::<Blocking<Net>>::new(Storage::boxed(4, 2, 4096), config(), net, SEED).unwrap();
    consumer.assign(&[TopicPartition::new("t", 2)]).unwrap();
    consumer.seek(TopicPartition::new("t", 2), 12).unwrap();
    cluster.at(7_000, |cluster| {
        cluster.partition("t", 2).append(batch().record("late", "but there"));
    });
    loop {
        if let Some(Event::Records(mut records)) = consumer.poll(Duration::from_secs(60)).unwrap() {
            let record = records.next().unwrap();
            assert_eq!((record.offset(), record.value()), (12, Some(&b"but there"[..])));
            break;
        }
    }
    assert_eq!(cluster.now(), Instant::from_millis(7_000));
}

/// One of which all is given up for a rebalance, and one that keeps what it can.
const ASSIGNORS: [&[Assignor]; 2] = [&[Assignor::Sticky], &[Assignor::CooperativeSticky]];

/// Two members until each has two partitions and everything was seen at least once.
fn share(cluster: &Cluster, assignor: &'static [Assignor], expected: usize) {
    let mut nets = [cluster.net(4), cluster.net(4)];
    let mut consumers = [0, 1].map(|i| {
        let config = config().group_id("g").session_timeout(Duration::from_secs(10));
        let config = config.auto_commit_interval(Duration::from_millis(500)).partition_assignment_strategy(assignor);
        let mut consumer =
            Consumer::<Superloop>::new(Storage::boxed(4, 4, 4096), config, Superloop, Seed::new([i; 32])).unwrap();
        consumer.subscribe(&["t"]).unwrap();
        consumer
    });
    let (mut assigned, mut seen, mut turn) = ([0, 0], BTreeSet::new(), 0);
    while assigned != [2, 2] || seen.len() < expected {
        let mut next = Instant::NEVER;
        not_ahead(cluster, |partition| {
            let handed = seen.range((partition, 0)..(partition + 1, 0));
            handed.last().map_or(0, |&(_, offset): &(i32, i64)| offset + 1)
        });
        turn += 1;
        for (i, consumer) in consumers.iter_mut().enumerate() {
            match consumer.poll(cluster.now(), &mut nets[i]) {
                Ok(Some(Event::Assigned(partitions))) => assigned[i] += partitions.count(),
                Ok(Some(Event::Revoked(partitions))) => assigned[i] -= partitions.count(),
                Ok(Some(Event::Lost(_))) => assigned[i] = 0,
                Ok(Some(Event::Records(mut records))) => {
                    let partition = records.topic_partition().partition;
                    seen.extend(records.by_ref().take(turn % 4).map(|record| (partition, record.offset())));
                }
                Ok(_) => {}
                Err(error) => {
                    cluster.note(format!("member {i}: {error:?}"));
                }
            }
            next = next.min(consumer.next_timeout(cluster.now()));
        }
        assert!(cluster.tick(next));
    }
    assert_eq!(cluster.group("g").unwrap().members.len(), 2);
}

#[test]
fn two_members_share() {
    for profile in [Profile::kafka_4_3(), Profile::kafka_2_8(), Profile::kafka_2_1()] {
        let cluster = cluster(2);
        cluster.time_limit(60_000).profile(profile);
        share(&cluster, &[Assignor::Range], 48);
    }
}

#[test]
fn two_members_share_in_random_trouble() {
    for (seed, assignor) in (0..SEEDS).flat_map(|seed| [(seed, ASSIGNORS[0]), (seed, ASSIGNORS[1])]) {
        let cluster = cluster(3);
        cluster.configure(|settings| settings.latency_ms = 20);
        cluster.time_limit(600_000).chaos(Chaos::everything(seed, 60_000));
        for i in 0..200 {
            cluster.at(i * 300, move |cluster| {
                cluster.partition("t", i as i32 % 4).append(batch().record(format!("{i}"), "late"));
            });
        }
        share(&cluster, assignor, 48 + 200);
    }
}

/// A superloop that has read everything as a member of a group.
fn member(cluster: &Cluster, net: &mut Net) -> Consumer<'static, Superloop> {
    let config = config().heartbeat_interval(Duration::from_secs(15)).fetch_max_wait(Duration::from_secs(60));
    let storage = Storage::boxed(4, 2, 4096);
    let mut consumer = Consumer::<Superloop>::new(storage, config.group_id("g"), Superloop, SEED).unwrap();
    consumer.subscribe(&["t"]).unwrap();
    let mut seen = 0;
    while seen < 48 {
        match consumer.poll(cluster.now(), net).unwrap() {
            Some(Event::Records(records)) => seen += records.count(),
            Some(_) => {}
            None => assert!(cluster.tick(consumer.next_timeout(cluster.now()))),
        }
    }
    consumer
}

/// `next_timeout` is that of a poll: it wants to join again, which a close does not do, so it has passed all the time.
#[test]
fn a_superloop_sleeps_while_it_closes() {
    let cluster = cluster(1);
    cluster.configure(|settings| settings.latency_ms = 50);
    let mut net = cluster.net(2);
    let mut consumer = member(&cluster, &mut net);
    let mut spun = 0;
    while consumer.close(cluster.now(), &mut net).is_pending() {
        let (now, next) = (cluster.now(), consumer.next_timeout(cluster.now()));
        spun += usize::from(next <= now);
        cluster.tick(next.max(now.after(Duration::from_millis(1))));
    }
    assert!(spun <= 5, "{spun} turns for nothing");
}

/// Nobody names the deadline of the close.
#[test]
fn a_superloops_close_takes_at_most_five_seconds() {
    let cluster = cluster(1);
    cluster.configure(|settings| settings.latency_ms = 50);
    let mut net = cluster.net(2);
    let mut consumer = member(&cluster, &mut net);
    while consumer.commit_sync(cluster.now(), &mut net).is_pending() {
        cluster.tick(consumer.next_timeout(cluster.now()));
    }
    cluster.never_answer(Api::LeaveGroup);
    let start = cluster.now();
    while consumer.close(cluster.now(), &mut net).is_pending() {
        cluster.tick(consumer.next_timeout(cluster.now()));
    }
    assert!(start.until(cluster.now()) <= Duration::from_secs(5), "{:?}", start.until(cluster.now()));
}

/// An answer that stalls while another one waits is given up after a second. One of ListOffsets is not, but `next_timeout`
/// names the end of that second until `request.timeout.ms` has passed.
#[test]
fn an_answer_that_is_no_fetch_stalls_and_nobody_spins() {
    let cluster = cluster(2);
    cluster.mutate(Api::ListOffsets, 1, |_, frame| frame.truncate(20));
    let mut net = cluster.net(3);
    let mut consumer =
        Consumer::<Superloop>::new(Storage::boxed(4, 3, 512), config(), Superloop, SEED).expect("a configuration");
    consumer.assign(&[0, 1, 2, 3].map(|partition| TopicPartition::new("t", partition))).unwrap();
    let (mut seen, mut spun) = (0, 0);
    while seen < 48 {
        match consumer.poll(cluster.now(), &mut net) {
            Ok(Some(Event::Records(records))) => seen += records.count(),
            Ok(Some(_)) | Err(_) => {}
            Ok(None) => {
                let (now, next) = (cluster.now(), consumer.next_timeout(cluster.now()));
                spun += usize::from(next <= now);
                cluster.tick(next);
            }
        }
    }
    assert!(spun <= 5, "{spun} turns for nothing in {} ms", cluster.millis());
}

/// Before each of its bytes there is a read that brings none, as on a board whose network stack stands still while flash is erased. The
/// answer of another leader waits meanwhile.
#[test]
fn a_large_record_is_read_however_long_each_chunk_takes() {
    for pause in [1_500, 40_000] {
        let cluster = Cluster::new(2);
        let topic = cluster.topic("t", 2);
        topic.append(0, batch().record("k", [7; 10_000])).append(1, batch().fill(1, 10));
        let mut net = cluster.net(3);
        let mut consumer = Consumer::<Superloop>::new(Storage::boxed(2, 3, 512), config(), Superloop, SEED).unwrap();
        consumer.assign(&[0, 1].map(|partition| TopicPartition::new("t", partition))).unwrap();
        let read = loop {
            match consumer.poll(cluster.now(), &mut net).unwrap() {
                Some(Event::LargeRecord(mut record)) => {
                    net.grain(250).pending_every(2);
                    topic.append(1, batch().fill(1, 10));
                    let mut read = 0;
                    loop {
                        let pause = match record.chunk(cluster.now(), &mut net) {
                            Poll::Ready(Ok([])) => break,
                            Poll::Ready(Ok(chunk)) => {
                                read += chunk.len();
                                pause
                            }
                            Poll::Ready(Err(error)) => panic!("{error} after {read} bytes"),
                            Poll::Pending => 10,
                        };
                        cluster.advance(pause);
                    }
                    break read;
                }
                Some(_) => {}
                None => assert!(cluster.tick(consumer.next_timeout(cluster.now()))),
            }
        };
        assert_eq!(read, 10_000);
    }
}

/// So many bytes arrive in each round trip.
struct Far {
    net: Net,
    round_trip: u64,
    buffer: usize,
    left: [usize; 3],
    next: [u64; 3],
}

impl Transport for Far {
    fn connections(&self) -> usize {
        self.net.connections()
    }
    fn poll_connect(
        &mut self,
        cx: &mut Context<'_>,
        id: ConnectionId,
        host: &str,
        port: u16,
    ) -> Poll<Result<(), TransportError>> {
        self.net.poll_connect(cx, id, host, port)
    }
    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        id: ConnectionId,
        bytes: &mut [u8],
    ) -> Poll<Result<usize, TransportError>> {
        let (at, now) = (id.index(), self.net.cluster().millis());
        if self.left[at] == 0 && now >= self.next[at] {
            self.left[at] = self.buffer;
        }
        if self.left[at] == 0 {
            return Poll::Pending;
        }
        let room = bytes.len().min(self.left[at]);
        let read = self.net.poll_read(cx, id, &mut bytes[..room]);
        if let Poll::Ready(Ok(n)) = read {
            self.left[at] -= n;
            self.next[at] = now + self.round_trip;
        }
        read
    }
    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        id: ConnectionId,
        bytes: &[u8],
    ) -> Poll<Result<usize, TransportError>> {
        self.net.poll_write(cx, id, bytes)
    }
    fn poll_close(&mut self, cx: &mut Context<'_>, id: ConnectionId) -> Poll<()> {
        self.net.poll_close(cx, id)
    }
    fn abort(&mut self, id: ConnectionId) {
        (self.left[id.index()], self.next[id.index()]) = (0, 0);
        self.net.abort(id);
    }
}

/// An answer is given up when it is silent for a second while another one waits, but not for ever.
#[test]
fn a_round_trip_longer_than_a_stall_keeps_two_leaders_going() {
    for (round_trip, buffer) in [(800, 536), (1_200, 536), (1_600, 1_072)] {
        let cluster = Cluster::new(2);
        cluster.configure(|settings| settings.latency_ms = round_trip / 2);
        let topic = cluster.topic("t", 2);
        topic.append(0, batch().fill(30, 100)).append(1, batch().fill(30, 100));
        let mut net = Far { net: cluster.net(3), round_trip, buffer, left: [0; 3], next: [0; 3] };
        let mut consumer = Consumer::<Superloop>::new(Storage::boxed(2, 3, 4096), config(), Superloop, SEED).unwrap();
        consumer.assign(&[0, 1].map(|partition| TopicPartition::new("t", partition))).unwrap();
        let mut seen = 0;
        while seen < 60 {
            assert!(cluster.millis() < 60_000, "{seen} records, {round_trip} ms");
            match consumer.poll(cluster.now(), &mut net) {
                Ok(Some(Event::Records(records))) => seen += records.count(),
                Ok(Some(_)) | Err(_) => {}
                Ok(None) => _ = cluster.advance(10),
            }
        }
    }
}
