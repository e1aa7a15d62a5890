//! Callers that lose interest: each call with an answer is dropped after its first poll, its second, and so on to its end,
//! and the next call must get its own answer. What was asked in vain neither comes back nor blocks the way.
use nanokafka::{Async, Config, Consumer, Error, Event, OffsetReset, PartitionOffset, Seed, Storage, TopicPartition};
use nanokafka_scripted::{batch, poll_once, record, Api, Cluster, End, Net, Request};
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

type Offsets = Vec<(&'static str, i32, Option<i64>)>;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Call {
    CommitSync,
    /// Of a partition that was read and of one of another topic.
    CommitOffsets(i64, i64),
    Committed(&'static [(&'static str, i32)]),
    EndOffsets(&'static [i32]),
    Times(&'static [i32], i64),
}

/// What becomes of the request whose caller has gone.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    Answered,
    /// Its connection ends as soon as the caller has gone.
    Lost,
    /// It is to be tried again.
    Retried,
    /// It is refused for good.
    Refused,
}

/// The first one, dropped; asks for other partitions, other offsets and other times than the second.
const FIRST: [Call; 5] = [
    Call::CommitSync,
    Call::CommitOffsets(2, 70),
    Call::Committed(&[("t", 0), ("u", 0)]),
    Call::EndOffsets(&[0, 1]),
    Call::Times(&[0, 1], 0),
];
const SECOND: [Call; 5] = [
    Call::CommitSync,
    Call::CommitOffsets(3, 71),
    Call::Committed(&[("u", 1), ("t", 1)]),
    Call::EndOffsets(&[1]),
    Call::Times(&[1], 1_030),
];

/// Partitions of a list that takes several fills of the send buffer.
const LONG: i32 = 100;

struct Member {
    cluster: Cluster,
    net: Net,
    consumer: Consumer<'static, Async<Net>>,
}

/// `t-0` with offsets up to 5 and `t-1` up to 8, a record each 10 ms, read and not committed; `u` is not assigned.
fn member() -> Member {
    let cluster = Cluster::new(1);
    cluster.configure(|settings| settings.latency_ms = 5);
    cluster.time_limit(300_000);
    let topic = cluster.topic("t", LONG as usize);
    cluster.topic("u", LONG as usize);
    for (partition, count) in [(0, 5), (1, 8)] {
        for n in 0..count {
            topic.append(partition, batch().timestamp(1_000 + 10 * n).with(record().value("v")));
        }
    }
    for partition in 0..LONG {
        cluster.commit("g", "u", partition, 40 + i64::from(partition), -1);
    }
    let config =
        Config::new("b1:9092").group_id("g").auto_offset_reset(OffsetReset::Earliest).enable_auto_commit(false);
    let net = cluster.net(2);
    let consumer = Consumer::new(Storage::boxed(2, 2, 512), config, net.clone(), Seed::new([3; 32])).unwrap();
    let mut member = Member { cluster, net, consumer };
    member.consumer.assign(&[0, 1].map(|partition| TopicPartition::new("t", partition))).unwrap();
    member.read(13);
    member
}

impl Member {
    fn read(&mut self, mut expected: usize) {
        let Member { cluster, consumer, .. } = self;
        cluster.block_on(async {
            while expected > 0 {
                if let Event::Records(records) = consumer.poll().await.unwrap() {
                    expected -= records.count();
                }
            }
        });
    }

    /// Polls without expecting any record.
    fn idle(&mut self, millis: u64) {
        let until = self.cluster.millis() + millis;
        while self.cluster.millis() < until {
            let before = self.net.stats();
            match poll_once(self.consumer.poll()) {
                None if self.net.stats() != before => {}
                None => assert!(self.cluster.sleep()),
                Some(Ok(Event::Records(_))) => panic!("records from nowhere"),
                Some(Ok(_)) => {}
                Some(Err(error)) => panic!("{error}"),
            }
        }
    }

    /// So many polls, with everything happening in between that happens by itself; then it is dropped.
    fn poll_times<F: Future>(cluster: &Cluster, net: &Net, times: usize, future: F) -> Poll<F::Output> {
        let mut future = pin!(future);
        for _ in 1..times {
            let before = net.stats();
            if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                return Poll::Ready(output);
            }
            if net.stats() == before {
                assert!(cluster.sleep());
            }
        }
        future.as_mut().poll(&mut Context::from_waker(Waker::noop()))
    }
}

async fn call(consumer: &mut Consumer<'_, Async<Net>>, call: Call) -> Result<Offsets, Error> {
    let of_t = |partitions: &[i32], time| {
        partitions.iter().map(|&partition| PartitionOffset::new("t", partition).timestamp(time)).collect::<Vec<_>>()
    };
    let mut offsets = match call {
        Call::CommitSync => vec![],
        Call::CommitOffsets(t, u) => {
            vec![PartitionOffset::new("t", 0).offset(t), PartitionOffset::new("u", 0).offset(u)]
        }
        Call::Committed(partitions) => partitions.iter().map(|&(topic, p)| PartitionOffset::new(topic, p)).collect(),
        Call::EndOffsets(partitions) => of_t(partitions, 0),
        Call::Times(partitions, time) => of_t(partitions, time),
    };
    match call {
        Call::CommitSync => consumer.commit_sync().await,
        Call::CommitOffsets(..) => consumer.commit_offsets(&offsets).await,
        Call::Committed(_) => consumer.committed(&mut offsets).await,
        Call::EndOffsets(_) => consumer.end_offsets(&mut offsets).await,
        Call::Times(..) => consumer.offsets_for_times(&mut offsets).await,
    }?;
    Ok(offsets.iter().map(|entry| (entry.topic, entry.partition, entry.offset)).collect())
}

/// What the broker was asked to commit.
fn commits(cluster: &Cluster) -> Vec<Vec<(String, i32, i64)>> {
    let rows = |request: &Request| match request {
        Request::OffsetCommit(commit) => commit
            .topics
            .iter()
            .flat_map(|(topic, rows)| rows.iter().map(move |row| (topic.clone(), row.partition, row.offset)))
            .collect(),
        other => panic!("{other:?}"),
    };
    cluster.requests_of(Api::OffsetCommit).iter().map(|received| rows(&received.request)).collect()
}

/// `first` dropped at its `polls`-th poll, then `second`. Whether `first` ended before.
fn run(first: Call, second: Call, fate: Fate, bytes: bool, clean: bool, polls: usize) -> bool {
    let context = format!("{first:?} at poll {polls}, {fate:?}, bytes {bytes}, clean {clean}, then {second:?}");
    let mut member = member();
    let Member { cluster, net, consumer } = &mut member;
    let api = match first {
        Call::CommitSync | Call::CommitOffsets(..) => Api::OffsetCommit,
        Call::Committed(_) => Api::OffsetFetch,
        Call::EndOffsets(_) | Call::Times(..) => Api::ListOffsets,
    };
    if clean {
        cluster.block_on(consumer.commit_sync()).unwrap();
    }
    match fate {
        Fate::Answered | Fate::Lost => {}
        Fate::Retried => drop(cluster.fail(api, 7, 1)),
        Fate::Refused => drop(cluster.fail(api, 12, 1)),
    }
    if bytes {
        net.grain(1).pending_every(2);
    }
    let over = Member::poll_times(cluster, net, polls, call(consumer, first)).is_ready();
    cluster.heal(); // a fault that nobody has met yet is not the next caller's
    if fate == Fate::Lost {
        cluster.end_all(1, End::Reset);
    }
    net.smooth();
    let start = cluster.millis();
    let answer = cluster.block_on(call(consumer, second));
    assert!(cluster.millis() - start <= 2_000, "{context}: took {} ms", cluster.millis() - start);
    if (first, second, fate) == (Call::CommitSync, Call::CommitSync, Fate::Refused) && !clean {
        // it has nothing to add to what is out, and shares its fate
        return over;
    }
    let answer = answer.unwrap_or_else(|error| panic!("{context}: {error}\n{}", cluster.log()));
    match second {
        Call::CommitSync | Call::CommitOffsets(..) => {}
        Call::Committed(_) => {
            let known = cluster.committed_offset("g", "t", 1);
            assert_eq!(answer, [("u", 1, Some(41)), ("t", 1, known)], "{context}");
        }
        Call::EndOffsets(_) => assert_eq!(answer, [("t", 1, Some(8))], "{context}"),
        Call::Times(..) => assert_eq!(answer, [("t", 1, Some(3))], "{context}"),
    }
    // what the last one said is there at once, and stays: nothing comes back later
    for _ in 0..2 {
        let committed = |topic, partition| member.cluster.committed_offset("g", topic, partition);
        match second {
            // without anything new, what a list has changed stays
            Call::CommitSync if clean => assert_eq!(committed("t", 1), Some(8), "{context}"),
            Call::CommitSync => assert_eq!((committed("t", 0), committed("t", 1)), (Some(5), Some(8)), "{context}"),
            Call::CommitOffsets(t, u) => {
                assert_eq!((committed("t", 0), committed("u", 0)), (Some(t), Some(u)), "{context}");
            }
            _ => {}
        }
        member.idle(1_000);
    }
    let committed = |topic, partition| member.cluster.committed_offset("g", topic, partition);
    if first == Call::CommitSync && fate != Fate::Refused {
        assert_eq!(committed("t", 1), Some(8), "{context}: it did not go on as a commit_async");
    }
    // and everything goes on
    member.cluster.topic("t", 2).append(1, batch().fill(1, 10));
    member.read(1);
    let Member { cluster, consumer, .. } = &mut member;
    cluster.block_on(call(consumer, Call::CommitSync)).unwrap_or_else(|error| panic!("{context}: {error}"));
    assert_eq!(cluster.committed_offset("g", "t", 1), Some(9), "{context}");
    for rows in commits(cluster) {
        let listed =
            |call| matches!(call, Call::CommitOffsets(t, u) if rows == [("t".into(), 0, t), ("u".into(), 0, u)]);
        let read = |row: &(String, i32, i64)| {
            ["t-0-5", "t-1-8", "t-1-9"].contains(&&*format!("{}-{}-{}", row.0, row.1, row.2))
        };
        assert!(!rows.is_empty() && (listed(first) || listed(second) || rows.iter().all(read)), "{context}: {rows:?}");
    }
    assert_eq!(cluster.take_violations(), Vec::<String>::new(), "{context}");
    over
}

#[test]
fn a_list_does_not_take_the_place_of_a_commit_that_has_not_left() {
    let mut member = member();
    member.consumer.commit_async().unwrap();
    member.cluster.block_on(call(&mut member.consumer, Call::CommitOffsets(3, 71))).unwrap();
    member.idle(1_000);
    let committed = |topic, partition| member.cluster.committed_offset("g", topic, partition);
    assert_eq!((committed("t", 1), committed("t", 0), committed("u", 0)), (Some(8), Some(3), Some(71)));
}

/// Every poll at which `first` can be dropped before it ends, each `step`-th of them.
fn run_all(first: Call, second: Call, fate: Fate, bytes: bool, clean: bool, step: usize) {
    let over = (1..2_000).step_by(step).find(|&polls| run(first, second, fate, bytes, clean, polls));
    assert!(over.is_some_and(|polls| polls > 3 * step), "{first:?}, {fate:?}: never over, or at once: {over:?}");
}

#[test]
fn a_dropped_call_leaves_the_next_one_its_own_answer() {
    for first in FIRST {
        for second in SECOND {
            for fate in [Fate::Answered, Fate::Lost, Fate::Retried, Fate::Refused] {
                // a commit of nothing is over at once
                for clean in [false, true].into_iter().take(if first == Call::CommitSync { 1 } else { 2 }) {
                    run_all(first, second, fate, false, clean, 1);
                }
            }
        }
    }
}

#[test]
fn a_call_dropped_between_two_bytes_leaves_the_next_one_its_own_answer() {
    for first in FIRST {
        for second in SECOND {
            for fate in [Fate::Answered, Fate::Lost] {
                run_all(first, second, fate, true, false, 7);
            }
        }
    }
}

/// Two lists whose requests have the same size: half of one and half of the other would pass for a whole.
#[test]
fn a_half_written_list_is_not_finished_with_another_one() {
    let list = |topic, offset: Option<i64>| {
        let row = |p: i32| {
            let row = PartitionOffset::new(topic, p);
            offset.map_or(row, |offset| row.offset(offset + i64::from(p)))
        };
        (0..LONG).map(row).collect::<Vec<_>>()
    };
    for polls in (1..).step_by(13) {
        let Member { cluster, net, mut consumer } = member();
        net.grain(1).pending_every(2);
        let mut unwanted = list("t", None);
        let over = Member::poll_times(&cluster, &net, polls, consumer.committed(&mut unwanted)).is_ready();
        net.smooth();
        let mut wanted = list("u", None);
        cluster.block_on(consumer.committed(&mut wanted)).unwrap();
        let answers: Vec<_> = wanted.iter().map(|entry| entry.offset).collect();
        assert_eq!(answers, (40..140).map(Some).collect::<Vec<_>>(), "dropped at poll {polls}");
        if over {
            assert!(polls > 300, "in one go");
            break;
        }
    }
    for polls in (1..).step_by(13) {
        let Member { cluster, net, mut consumer } = member();
        net.grain(1).pending_every(2);
        let unwanted = list("t", Some(1_000));
        let over = Member::poll_times(&cluster, &net, polls, consumer.commit_offsets(&unwanted)).is_ready();
        net.smooth();
        cluster.block_on(consumer.commit_offsets(&list("u", Some(2_000)))).unwrap();
        for rows in commits(&cluster) {
            let whole = |topic, offset| rows.iter().all(|row| (&*row.0, row.2) == (topic, offset + i64::from(row.1)));
            assert!(rows.len() == LONG as usize && (whole("t", 1_000) || whole("u", 2_000)), "at {polls}: {rows:?}");
        }
        let committed = cluster.committed_offset("g", "u", LONG - 1);
        assert_eq!(committed, Some(2_000 + i64::from(LONG) - 1), "dropped at poll {polls}");
        if over {
            assert!(polls > 300, "in one go");
            break;
        }
    }
}
