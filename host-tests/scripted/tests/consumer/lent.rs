//! What happens while records are lent, or to those that were not taken.
use nanokafka::{
    Async, Blocking, Clock, Config, Consumer, Error, Event, GroupProtocol, OffsetReset, PartitionOffset, Seed, Storage,
    Superloop, TopicPartition,
};
use nanokafka_scripted::{batch, record, Api, Batch, Cluster, End, Net};
use std::future::{poll_fn, Future};
use std::task::Poll;
use std::time::Duration;

const CONFIG: Config<'static> = Config::new("b1:9092").auto_offset_reset(OffsetReset::Earliest);
const SEED: Seed = Seed::new([4; 32]);

fn partition(partition: i32) -> TopicPartition<'static> {
    TopicPartition::new("t", partition)
}

fn superloop(window: usize, config: Config<'static>) -> Consumer<'static, Superloop> {
    Consumer::new(Storage::boxed(8, 2, window), config, Superloop, SEED).unwrap()
}

/// The next event that is no end of a partition, owned by what `of` makes of it.
fn next<R>(
    cluster: &Cluster,
    net: &mut Net,
    consumer: &mut Consumer<'static, Superloop>,
    mut of: impl FnMut(Event<'_, Superloop>) -> R,
) -> R {
    for _ in 0..100_000 {
        match consumer.poll(cluster.now(), net).unwrap() {
            Some(Event::EndOfPartition(_)) => {}
            Some(event) => return of(event),
            None => {
                let timeout = consumer.next_timeout(cluster.now());
                cluster.tick(timeout);
            }
        }
    }
    panic!("no event");
}

fn offsets(event: Event<'_, Superloop>, take: usize, pause: bool) -> Vec<i64> {
    let Event::Records(mut records) = event else { panic!("no records") };
    let taken = records.by_ref().take(take).map(|record| record.offset()).collect();
    if pause {
        records.pause();
    }
    taken
}

/// The next Fetch has left ahead, for what is behind the records that are dropped.
#[test]
fn what_a_pause_or_a_new_assignment_drops_is_read_again() {
    for pause in [true, false] {
        let cluster = Cluster::new(1);
        let topic = cluster.topic("t", 2);
        topic.append(0, batch().fill(20, 10));
        let (mut net, mut consumer) = (cluster.net(2), superloop(4096, CONFIG));
        consumer.assign(&[partition(0)]).unwrap();
        let first = next(&cluster, &mut net, &mut consumer, |event| offsets(event, 5, pause));
        assert_eq!(first, [0, 1, 2, 3, 4]);
        match pause {
            true => assert!(consumer.poll(cluster.now(), &mut net).unwrap().is_none()),
            false => consumer.assign(&[partition(0), partition(1)]).unwrap(),
        }
        topic.append(0, batch().fill(1, 10));
        consumer.resume(partition(0)).unwrap();
        let mut rest = vec![];
        while rest.len() < 16 {
            rest.extend(next(&cluster, &mut net, &mut consumer, |event| offsets(event, 100, false)));
        }
        assert_eq!(rest, (5..21).collect::<Vec<_>>(), "paused: {pause}");
    }
}

#[test]
fn after_its_error_a_large_record_repeats_it() {
    let cluster = Cluster::new(1);
    cluster.topic("t", 1).append(0, batch().record("k", vec![7; 5_000]));
    let (mut net, mut consumer) = (cluster.net(2), superloop(512, CONFIG));
    consumer.assign(&[partition(0)]).unwrap();
    let errors = loop {
        let Some(Event::LargeRecord(mut record)) = consumer.poll(cluster.now(), &mut net).unwrap() else {
            cluster.sleep();
            continue;
        };
        cluster.end_all(1, nanokafka_scripted::End::Reset);
        let mut errors: Vec<Error> = vec![];
        for _ in 0..100_000 {
            match record.chunk(cluster.now(), &mut net) {
                Poll::Ready(Ok(chunk)) => assert!(!chunk.is_empty(), "no end"),
                Poll::Ready(Err(error)) => errors.push(error),
                Poll::Pending => drop(cluster.sleep()),
            }
            if errors.len() == 3 {
                break;
            }
        }
        break errors;
    };
    assert_eq!(errors.len(), 3);
    assert!(errors.iter().all(|error| *error == errors[0]), "{errors:?}");
}

/// Heartbeats go out between slow records however few of them a poll brings.
/// Records in a row that are quick are no reason to believe that the next ones are.
#[test]
fn a_blocking_member_survives_slow_records_behind_quick_ones() {
    for quick in [0, 1, 2, 15, 40] {
        survives_slow_records(quick);
    }
}

fn survives_slow_records(quick: usize) {
    let cluster = Cluster::new(1);
    cluster.topic("t", 1).append(0, batch().fill(60, 10));
    let config = CONFIG
        .group_id("g")
        .session_timeout(Duration::from_secs(6))
        .heartbeat_interval(Duration::from_secs(2))
        .auto_commit_interval(Duration::from_secs(3600));
    let mut consumer: Consumer<'_, Blocking<Net>> =
        Consumer::new(Storage::boxed(4, 2, 8192), config, cluster.net(2), SEED).unwrap();
    consumer.subscribe(&["t"]).unwrap();
    let (mut read, mut assigned) = (0, 0);
    while read < 60 {
        match consumer.poll(Duration::from_secs(60)).unwrap().unwrap() {
            Event::Records(records) => {
                for _ in records {
                    read += 1;
                    if read > quick {
                        cluster.advance_to(cluster.now().after(Duration::from_millis(350)));
                    }
                }
            }
            Event::Assigned(_) => assigned += 1,
            Event::EndOfPartition(_) => {}
            _ => panic!("not a member any more after {read} records, {quick} of them quick"),
        }
    }
    assert_eq!(assigned, 1, "{quick} quick ones");
}

/// A superloop's questions are told apart by what they ask, and a refusal is not an answer.
#[test]
fn a_superloops_next_question_gets_its_own_answer() {
    let cluster = Cluster::new(1);
    let topic = cluster.topic("t", 2);
    topic.append(0, batch().fill(3, 10)).append(1, batch().fill(5, 10));
    cluster.commit("g", "t", 0, 2, -1).commit("g", "t", 1, 4, -1);
    cluster.configure(|settings| settings.latency_ms = 1);
    let (mut net, mut consumer) = (cluster.net(2), superloop(512, CONFIG.group_id("g")));
    consumer.assign(&[partition(0), partition(1)]).unwrap();
    let mut first = [PartitionOffset::new("t", 0)];
    assert!(consumer.end_offsets(cluster.now(), &mut net, &mut first).is_pending(), "and given up");
    for (index, end, committed) in [(1, 5, 4), (0, 3, 2)] {
        let mut asked = [PartitionOffset::new("t", index)];
        while consumer.end_offsets(cluster.now(), &mut net, &mut asked).map(Result::unwrap).is_pending() {
            let timeout = consumer.next_timeout(cluster.now());
            cluster.tick(timeout);
        }
        assert_eq!(asked[0].offset, Some(end));
        cluster.fail(Api::OffsetFetch, 30, 1);
        let mut asked = [PartitionOffset::new("t", index)];
        let mut refused = false;
        for _ in 0..10_000 {
            match consumer.committed(cluster.now(), &mut net, &mut asked) {
                Poll::Ready(Err(_)) => refused = true,
                Poll::Ready(Ok(())) => break,
                Poll::Pending => {
                    let timeout = consumer.next_timeout(cluster.now());
                    cluster.tick(timeout);
                }
            }
        }
        assert_eq!((asked[0].offset, refused), (Some(committed), true), "{}", cluster.log());
    }
}

/// What was asked for before the membership was lost says nothing about what was handed out since.
#[test]
fn a_superloops_commit_that_was_given_up_ends_with_its_membership() {
    let cluster = Cluster::new(1);
    cluster.configure(|settings| (settings.initial_rebalance_delay_ms, settings.latency_ms) = (0, 5));
    cluster.topic("t", 1).append(0, batch().fill(3, 10));
    let config = CONFIG.group_id("g").enable_auto_commit(false);
    let (mut net, mut consumer) = (cluster.net(2), superloop(512, config));
    consumer.subscribe(&["t"]).unwrap();
    let (mut lost, mut read) = (0, 0);
    let mut begun = false;
    while lost == 0 || read < 3 {
        next(&cluster, &mut net, &mut consumer, |event| match event {
            Event::Records(records) => read += records.count(),
            Event::Lost(_) => (lost, read) = (1, 0),
            _ => {}
        });
        if read == 3 && !begun {
            begun = true;
            cluster.fail(Api::OffsetCommit, 25, 1);
            assert!(consumer.commit_sync(cluster.now(), &mut net).is_pending(), "and given up");
        }
    }
    while consumer.commit_sync(cluster.now(), &mut net).map(Result::unwrap).is_pending() {
        cluster.tick(consumer.next_timeout(cluster.now()));
    }
    assert_eq!(cluster.committed_offset("g", "t", 0), Some(3));
}

/// A commit that was begun and not asked for again does not keep a loop that polls from its deadlines.
#[test]
fn a_superloop_that_polls_sleeps_by_its_polls_deadlines() {
    let cluster = Cluster::new(1);
    cluster.topic("t", 1).append(0, batch().fill(3, 10));
    cluster.configure(|settings| settings.latency_ms = 1);
    let (mut net, mut consumer) = (cluster.net(2), superloop(512, CONFIG.group_id("g").enable_auto_commit(false)));
    consumer.assign(&[partition(0)]).unwrap();
    assert_eq!(next(&cluster, &mut net, &mut consumer, |event| offsets(event, 3, false)), [0, 1, 2]);
    assert!(consumer.commit_sync(cluster.now(), &mut net).is_pending(), "and given up");
    cluster.never_answer(Api::Fetch);
    let (begun, asked) = (cluster.millis(), cluster.count(Api::Fetch));
    // the Fetch that is out was asked before; the next one is never answered, and the one after it says that this was noticed
    while cluster.count(Api::Fetch) < asked + 2 {
        assert!(!matches!(consumer.poll(cluster.now(), &mut net), Ok(Some(Event::Records(_)))));
        let timeout = consumer.next_timeout(cluster.now());
        cluster.tick(timeout);
        assert!(cluster.millis() < begun + 120_000, "a silent leader is noticed");
    }
}

#[test]
fn with_marks_a_seek_commits_nothing_that_was_not_marked() {
    let cluster = Cluster::new(1);
    cluster.topic("t", 1).append(0, batch().fill(10, 10));
    let config = CONFIG.group_id("g").enable_auto_commit(false).auto_commit_marks(true);
    let (mut net, mut consumer) = (cluster.net(2), superloop(4096, config));
    consumer.assign(&[partition(0)]).unwrap();
    next(&cluster, &mut net, &mut consumer, |event| {
        let Event::Records(mut records) = event else { panic!("no records") };
        let first = records.next().unwrap();
        records.mark(&first);
        let failed = records.nth(7).unwrap(); // those in between are being worked on
        records.seek(failed.offset()).unwrap();
    });
    while consumer.commit_sync(cluster.now(), &mut net).map(Result::unwrap).is_pending() {
        cluster.tick(consumer.next_timeout(cluster.now()));
    }
    assert_eq!(cluster.committed_offset("g", "t", 0), Some(1));
}

/// A static member works for `hold` milliseconds on its only record while the broker is away for `back` of them. Returns what the
/// polls bring that follow.
fn works_through_an_outage(cluster: &Cluster, back: u64, hold: u64, fenced: bool) -> Vec<String> {
    cluster.configure(|settings| settings.initial_rebalance_delay_ms = 0);
    cluster.topic("t", 1).append(0, batch().fill(1, 10));
    let config = CONFIG
        .group_id("g")
        .group_instance_id("i")
        .enable_auto_commit(false)
        .session_timeout(Duration::from_secs(60))
        .default_api_timeout(Duration::from_secs(5));
    let mut consumer: Consumer<'_, Async<Net>> =
        Consumer::new(Storage::boxed(8, 2, 4096), config, cluster.net(2), SEED).unwrap();
    consumer.subscribe(&["t"]).unwrap();
    let sleep = |millis| {
        let (mut clock, until) = (cluster.net(1), cluster.now().after(Duration::from_millis(millis)));
        poll_fn(move |cx| clock.poll_until(cx, until))
    };
    cluster.block_on(async {
        loop {
            let Event::Records(mut records) = consumer.poll().await.unwrap() else { continue };
            assert!(records.next().is_some());
            cluster.kill(1).at(cluster.millis() + back, move |cluster| {
                cluster.restart(1);
                if fenced {
                    cluster.fail(Api::Heartbeat, 82, 1);
                }
            });
            return records.keep_alive(sleep(hold)).await;
        }
    });
    let mut told = vec![];
    for _ in 0..4 {
        let mut nothing = sleep(100_000);
        cluster.block_on(async {
            let mut poll = std::pin::pin!(consumer.poll());
            told.push(
                poll_fn(|cx| match poll.as_mut().poll(cx) {
                    Poll::Ready(Ok(Event::Lost(_))) => Poll::Ready("lost".to_string()),
                    Poll::Ready(Ok(_)) => Poll::Ready("an event".to_string()),
                    Poll::Ready(Err(error)) if error.is_fatal() => Poll::Ready("fatal".to_string()),
                    Poll::Ready(Err(error)) => Poll::Ready(error.to_string()),
                    Poll::Pending => std::pin::pin!(&mut nothing).poll(cx).map(|()| "nothing".to_string()),
                })
                .await,
            );
        });
    }
    told
}

#[test]
fn work_keeps_its_membership_alive_after_any_number_of_errors() {
    let cluster = Cluster::new(1);
    works_through_an_outage(&cluster, 20_000, 55_000, false);
    let beats: Vec<_> = cluster.requests_of(Api::Heartbeat).iter().map(|beat| beat.at).collect();
    assert!(beats.iter().any(|at| (20_000..30_000).contains(at)), "{beats:?}");
}

#[test]
fn what_is_fatal_is_told_though_something_else_waits_to_be() {
    let told = works_through_an_outage(&Cluster::new(1), 11_000, 30_000, true);
    assert!(told.contains(&"fatal".to_string()), "{told:?}");
}

const MANUAL: Config<'static> = CONFIG.group_id("g").enable_auto_commit(false);

fn blocking(cluster: &Cluster, window: usize, config: Config<'static>) -> Consumer<'static, Blocking<Net>> {
    Consumer::new(Storage::boxed(8, 2, window), config, cluster.net(2), SEED).unwrap()
}

fn read(consumer: &mut Consumer<'static, Blocking<Net>>, wanted: usize) {
    let mut read = 0;
    for _ in 0..1_000 {
        if let Some(Event::Records(records)) = consumer.poll(Duration::from_secs(1)).unwrap() {
            read += records.count();
        }
        if read == wanted {
            return;
        }
    }
    panic!("{read} of {wanted} records");
}

/// The verdict was due with the next poll, which found the partition elsewhere.
fn is_judged_though_its_leader_moves(corrupt: Batch, until_skipped: bool) {
    let cluster = Cluster::new(2);
    let topic = cluster.replicated_topic("t", 1, 2);
    topic.append(0, corrupt.wrong_crc());
    let mut consumer = blocking(&cluster, 512, MANUAL.metadata_max_age(Duration::from_secs(60)));
    consumer.assign(&[partition(0)]).unwrap();
    read(&mut consumer, 20);
    while until_skipped && !matches!(consumer.poll(Duration::from_secs(1)).unwrap(), Some(Event::Skipped(_))) {}
    let place = topic.partition(0);
    place.elect(3 - place.leader());
    topic.append(0, batch().fill(2, 10));
    cluster.advance(60_000);
    for _ in 0..1_000 {
        match consumer.poll(Duration::from_secs(1)) {
            Ok(Some(Event::Records(_))) => panic!("the batch behind the corrupt one"),
            Ok(_) => {}
            Err(error) => return assert!(matches!(error, Error::Partition(_)), "{error}"),
        }
    }
    panic!("no error");
}

#[test]
fn a_batch_that_was_taken_to_its_end_is_judged_though_its_leader_moves() {
    is_judged_though_its_leader_moves(batch().fill(20, 100), false);
}

#[test]
fn a_batch_whose_last_record_was_passed_over_is_judged_though_its_leader_moves() {
    is_judged_though_its_leader_moves(batch().fill(20, 100).record("k", [7; 2_000]), true);
}

/// The new assignment dropped the verdict with the answer.
#[test]
fn a_batch_that_was_taken_to_its_end_is_committed_though_the_assignment_grows() {
    let cluster = Cluster::new(1);
    cluster.topic("t", 2).append(0, batch().fill(20, 100));
    let mut consumer = blocking(&cluster, 512, MANUAL);
    consumer.assign(&[partition(0)]).unwrap();
    read(&mut consumer, 20);
    consumer.assign(&[partition(0), partition(1)]).unwrap();
    consumer.commit_sync().unwrap();
    assert_eq!(cluster.committed_offset("g", "t", 0), Some(20));
}

/// Each was answered with Ok, and none was ever sent.
#[test]
fn a_record_that_commit_sync_said_is_committed_is_not_read_again() {
    let cluster = Cluster::new(1);
    cluster.topic("t", 1).append(0, batch().fill(20, 100));
    let mut consumer = blocking(&cluster, 512, MANUAL);
    consumer.assign(&[partition(0)]).unwrap();
    loop {
        match consumer.poll(Duration::from_secs(1)).unwrap() {
            Some(Event::Records(mut records)) => {
                while let Some(record) = records.next() {
                    records.commit_sync(&record).unwrap();
                }
            }
            Some(Event::EndOfPartition(_)) => break,
            _ => {}
        }
    }
    assert_eq!(cluster.committed_offset("g", "t", 0), Some(20));
}

/// A topic that is gone takes its own commits with it and nobody else's.
#[test]
fn a_commit_for_a_topic_that_is_gone_leaves_the_others_to_commit() {
    let cluster = Cluster::new(1);
    cluster.topic("t", 1).append(0, batch().fill(5, 10));
    let mut consumer = blocking(&cluster, 512, MANUAL);
    consumer.assign(&[partition(0)]).unwrap();
    read(&mut consumer, 5);
    assert!(consumer.commit_offsets(&[PartitionOffset::new("gone", 0).offset(7)]).is_err());
    consumer.commit_sync().unwrap();
    assert_eq!(cluster.committed_offset("g", "t", 0), Some(5));
}

/// The next Fetch is half written when the last records of the batch are lent, so that its loss is noticed between two of them.
#[test]
fn a_batch_whose_connection_breaks_between_its_records_is_judged() {
    let cluster = Cluster::new(1);
    cluster.topic("t", 100).append(99, batch().fill(8, 100).wrong_crc());
    let mut consumer =
        Consumer::<Blocking<Net>>::new(Storage::boxed(128, 2, 512), MANUAL, cluster.net(2), SEED).unwrap();
    let all: Vec<_> = (0..100).map(partition).collect();
    consumer.assign(&all).unwrap();
    for _ in 0..1_000 {
        match consumer.poll(Duration::from_secs(1)) {
            Ok(Some(Event::Records(mut records))) => {
                while let Some(record) = records.next() {
                    if record.offset() == 6 {
                        cluster.end_all(1, End::Reset);
                        cluster.advance(1);
                        records.keep_alive();
                    }
                }
            }
            Ok(_) => {}
            Err(Error::Partition(_)) => return,
            Err(error) => panic!("{error}"),
        }
    }
    panic!("no error");
}

#[test]
fn the_last_record_of_a_corrupt_batch_cannot_be_committed() {
    let cluster = Cluster::new(1);
    cluster.topic("t", 1).append(0, batch().fill(20, 100).wrong_crc());
    let mut consumer = blocking(&cluster, 512, MANUAL);
    consumer.assign(&[partition(0)]).unwrap();
    for _ in 0..1_000 {
        if let Some(Event::Records(mut records)) = consumer.poll(Duration::from_secs(1)).unwrap() {
            while let Some(record) = records.next() {
                if record.offset() == 19 {
                    let error = records.commit_sync(&record).unwrap_err();
                    return assert!(matches!(error, Error::Partition(_)), "{error}");
                }
            }
        }
    }
    panic!("no last record");
}

/// What they are parked in has room for one.
#[test]
fn each_partition_without_an_offset_is_told() {
    let cluster = Cluster::new(1);
    cluster.topic("t", 2);
    let mut consumer = blocking(&cluster, 512, MANUAL.auto_offset_reset(OffsetReset::None));
    consumer.assign(&[partition(0), partition(1)]).unwrap();
    consumer.commit_offsets(&[PartitionOffset::new("other", 0).offset(7)]).unwrap_err();
    let mut told = vec![];
    for _ in 0..10 {
        match consumer.poll(Duration::from_secs(1)) {
            Err(Error::Partition(error)) => told.push(error.partition),
            Err(error) => panic!("{error}"),
            Ok(_) => {}
        }
    }
    told.sort_unstable();
    assert_eq!(told, [0, 1]);
}

#[test]
fn a_large_record_with_an_empty_value_is_read_and_not_passed_over() {
    let cluster = Cluster::new(1);
    let large = record().key("k").value("").header("h", [7; 2_000]);
    cluster.topic("t", 1).append(0, batch().with(large).fill(1, 10));
    let mut consumer = blocking(&cluster, 512, MANUAL);
    consumer.assign(&[partition(0)]).unwrap();
    loop {
        match consumer.poll(Duration::from_secs(1)).unwrap() {
            Some(Event::LargeRecord(mut record)) => assert!(record.chunk().unwrap().is_empty()),
            Some(Event::Skipped(skipped)) => panic!("{}", skipped.offset),
            Some(Event::Records(records)) => return assert_eq!(records.count(), 1),
            _ => {}
        }
    }
}

#[test]
fn a_large_record_keeps_its_offset_when_its_connection_breaks() {
    let cluster = Cluster::new(1);
    cluster.topic("t", 1).append(0, batch().fill(3, 10).record("k", [7; 100_000]));
    let mut consumer = blocking(&cluster, 512, MANUAL);
    consumer.assign(&[partition(0)]).unwrap();
    read(&mut consumer, 3);
    let Some(Event::LargeRecord(mut record)) = consumer.poll(Duration::from_secs(1)).unwrap() else { panic!() };
    cluster.end_all(1, End::Reset);
    while record.chunk().is_ok() {}
    assert_eq!(record.offset(), 3);
}

/// All answers come while records are lent: the assignment that names a topic which only the broker knew to match, and the Metadata
/// that says which one it is.
#[test]
fn a_new_topic_of_the_pattern_is_taken_by_who_is_always_busy() {
    for (answer, work) in [(100, 300), (1_500, 3_000)] {
        let cluster = Cluster::new(1);
        let topic = cluster.topic("t", 1);
        topic.append(0, batch().fill(1, 10));
        for api in [Api::Metadata, Api::ConsumerGroupHeartbeat] {
            cluster.delay(api, answer, usize::MAX);
        }
        let mut consumer = busy(&cluster, 1, CONFIG);
        consumer.subscribe_pattern("t.*").unwrap();
        cluster.at(20_000, |cluster| {
            cluster.topic("t2", 1).append(0, batch().fill(1, 10));
        });
        cluster.block_on(async {
            loop {
                match consumer.poll().await.unwrap() {
                    Event::Records(records) if records.topic() == "t2" => return,
                    Event::Records(mut records) => {
                        assert!(records.next().is_some());
                        assert!(cluster.millis() < 60_000, "no record of the new topic");
                        topic.append(0, batch().fill(1, 10));
                        records.keep_alive(sleep(&cluster, work)).await;
                    }
                    Event::Lost(_) => panic!("the member left"),
                    _ => {}
                }
            }
        });
    }
}

fn busy(cluster: &Cluster, seed: u8, config: Config<'static>) -> Consumer<'static, Async<Net>> {
    let config = config.group_id("g").group_protocol(GroupProtocol::Consumer);
    Consumer::new(Storage::boxed(8, 2, 4096), config, cluster.net(2), Seed::new([seed; 32])).unwrap()
}

async fn sleep(cluster: &Cluster, millis: u64) {
    let (mut clock, until) = (cluster.net(1), cluster.now().after(Duration::from_millis(millis)));
    poll_fn(move |cx| clock.poll_until(cx, until)).await;
}

/// The heartbeat that says so comes while records are lent. Whoever does not give up in time is thrown out.
#[test]
fn partitions_are_given_up_by_who_is_always_busy() {
    for answer in [100, 1_500] {
        let cluster = Cluster::new(1);
        let topic = cluster.topic("t", 2);
        topic.append(0, batch().fill(1, 10)).append(1, batch().fill(1, 10));
        cluster.delay(Api::ConsumerGroupHeartbeat, answer, usize::MAX);
        cluster.time_limit(200_000);
        let config = CONFIG.max_poll_interval(Duration::from_secs(60));
        let (mut consumer, mut other) = (busy(&cluster, 1, config), busy(&cluster, 2, config));
        consumer.subscribe_pattern("t.*").unwrap();
        let done = std::cell::Cell::new(false);
        let first = async {
            loop {
                match consumer.poll().await.unwrap() {
                    Event::Records(mut records) => {
                        assert!(records.next().is_some());
                        topic.append(records.topic_partition().partition, batch().fill(1, 10));
                        records.keep_alive(sleep(&cluster, 3_000)).await;
                    }
                    Event::Revoked(_) => return done.set(true),
                    Event::Lost(_) => panic!("the membership is lost after {} ms, {answer}", cluster.millis()),
                    _ => {}
                }
            }
        };
        let second = async {
            sleep(&cluster, 20_000).await;
            other.subscribe(&["t"]).unwrap();
            while !done.get() {
                let (mut tired, mut poll) = (std::pin::pin!(sleep(&cluster, 1_000)), std::pin::pin!(other.poll()));
                let fine = poll_fn(|cx| match poll.as_mut().poll(cx) {
                    Poll::Ready(event) => Poll::Ready(event.is_ok()),
                    Poll::Pending => tired.as_mut().poll(cx).map(|()| true),
                })
                .await;
                assert!(fine);
            }
        };
        cluster.run(vec![Box::pin(first), Box::pin(second)]);
    }
}
