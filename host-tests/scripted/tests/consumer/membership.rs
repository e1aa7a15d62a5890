//! When the group and the application act at the same time.
use crate::client::{Client, Seen, Weather, SMALL};
use nanokafka::{Async, Config, Consumer, Error, Event, GroupProtocol, OffsetReset, PartitionOffset, Seed, Storage};
use nanokafka_scripted::{batch, poll_once, Api, Cluster, Net};
use std::time::Duration;

const CONFIG: Config<'static> = Config::new("b1:9092")
    .group_id("g")
    .auto_offset_reset(OffsetReset::Earliest)
    .session_timeout(Duration::from_secs(10));

fn count(event: Event<'_, Async<Net>>) -> usize {
    match event {
        Event::Records(records) => records.count(),
        _ => 0,
    }
}

fn topics(seen: &Seen) -> Vec<String> {
    match seen {
        Seen::Assigned(list) => list.iter().map(|(topic, _)| topic.clone()).collect(),
        _ => vec![],
    }
}

#[test]
fn a_subscription_that_changes_while_joining_takes_effect() {
    for api in [Api::JoinGroup, Api::SyncGroup] {
        let cluster = Cluster::new(1);
        cluster.topic("a", 1).append(0, batch().fill(1, 10));
        cluster.topic("b", 1).append(0, batch().fill(1, 10));
        cluster.delay(api, 2_000, 5);
        let mut client = Client::new(&cluster, Weather::Fair, &SMALL, CONFIG);
        client.subscribe(&["a"]);
        while cluster.count(api) == 0 {
            assert!(client.next_before(cluster.millis() + 1).is_none());
        }
        client.subscribe(&["a", "b"]);
        client.until(30_000, |seen| topics(seen) == ["a", "b"]);
    }
}

#[test]
fn what_was_being_assigned_is_not_taken_after_unsubscribe() {
    let cluster = Cluster::new(1);
    cluster.topic("a", 1).append(0, batch().fill(1, 10));
    cluster.delay(Api::SyncGroup, 2_000, 1);
    let mut client = Client::new(&cluster, Weather::Fair, &SMALL, CONFIG);
    client.subscribe(&["a"]);
    while cluster.count(Api::SyncGroup) == 0 {
        assert!(client.next_before(cluster.millis() + 1).is_none());
    }
    client.subscribe(&[]);
    assert!(client.next_before(cluster.millis() + 20_000).is_none(), "nothing is subscribed");
    assert_eq!(client.control().assignment().count(), 0);
}

/// Heartbeats go on while partitions are handed over; what they say then is what is being done.
#[test]
fn one_rebalance_is_one() {
    let cluster = Cluster::new(1);
    cluster.topic("t", 1).append(0, batch().fill(1, 10));
    let config = CONFIG.heartbeat_interval(Duration::from_secs(1));
    let mut consumer: Consumer<'_, Async<Net>> =
        Consumer::new(Storage::boxed(4, 2, 512), config, cluster.net(2), Seed::new([6; 32])).unwrap();
    consumer.subscribe(&["t"]).unwrap();
    cluster.time_limit(60_000);
    cluster.block_on(async {
        loop {
            match consumer.poll().await.unwrap() {
                Event::Records(records) => assert_eq!(records.count(), 1),
                Event::EndOfPartition(_) => break,
                _ => {}
            }
        }
        cluster.fail(Api::Heartbeat, 27, 3);
        while !matches!(consumer.poll().await.unwrap(), Event::Revoked(_)) {}
    });
    // the application takes its time
    for _ in 0..2 {
        cluster.advance_to(cluster.now().after(Duration::from_millis(1_100)));
        cluster.block_on(consumer.committed(&mut [PartitionOffset::new("t", 0)])).unwrap();
    }
    let joins = cluster.count(Api::JoinGroup);
    cluster.block_on(async { while !matches!(consumer.poll().await.unwrap(), Event::Assigned(_)) {} });
    let until = cluster.millis() + 5_000;
    while cluster.millis() < until {
        if poll_once(consumer.poll()).is_none() {
            cluster.sleep();
        }
    }
    assert_eq!(cluster.count(Api::JoinGroup), joins + 1);
}

/// Until the application hears that its partitions are lost, and afterwards with nothing to commit.
#[test]
fn a_commit_after_a_refused_one_is_refused_as_well() {
    for code in [22, 25] {
        let cluster = Cluster::new(1);
        cluster.topic("t", 1).append(0, batch().fill(3, 10));
        let config = CONFIG.enable_auto_commit(false);
        let mut consumer: Consumer<'_, Async<Net>> =
            Consumer::new(Storage::boxed(4, 2, 512), config, cluster.net(2), Seed::new([6; 32])).unwrap();
        consumer.subscribe(&["t"]).unwrap();
        cluster.time_limit(60_000);
        cluster.block_on(async {
            while count(consumer.poll().await.unwrap()) == 0 {}
            cluster.fail(Api::OffsetCommit, code, 1);
            for _ in 0..3 {
                match consumer.commit_sync().await {
                    Err(Error::Broker(error)) => assert!(matches!(error.code.0, 22 | 25), "{error:?}"),
                    other => panic!("{code}: {other:?}"),
                }
            }
            assert!(matches!(consumer.poll().await.unwrap(), Event::Lost(_)));
            while count(consumer.poll().await.unwrap()) == 0 {}
            consumer.commit_sync().await.unwrap();
        });
        assert_eq!(cluster.committed_offset("g", "t", 0), Some(3));
    }
}

/// Before KIP-1251 (4.3) a commit with the epoch of yesterday is refused: it is sent again, and a heartbeat before it brings that of
/// today.
#[test]
fn a_commit_with_a_stale_epoch_is_sent_again_with_the_next_one() {
    let cluster = Cluster::new(1);
    cluster.topic("t", 1).append(0, batch().fill(3, 10));
    let config = Config::new("b1:9092")
        .group_id("g")
        .group_protocol(GroupProtocol::Consumer)
        .auto_offset_reset(OffsetReset::Earliest)
        .enable_auto_commit(false);
    let mut consumer: Consumer<'_, Async<Net>> =
        Consumer::new(Storage::boxed(4, 2, 512), config, cluster.net(2), Seed::new([6; 32])).unwrap();
    consumer.subscribe(&["t"]).unwrap();
    cluster.time_limit(60_000);
    cluster.block_on(async {
        while count(consumer.poll().await.unwrap()) == 0 {}
        let beats = cluster.count(Api::ConsumerGroupHeartbeat);
        cluster.fail_partition(Api::OffsetCommit, "t", 0, 113, 1);
        consumer.commit_sync().await.unwrap();
        assert_eq!(cluster.count(Api::ConsumerGroupHeartbeat), beats + 1);
    });
    assert_eq!((cluster.count(Api::OffsetCommit), cluster.committed_offset("g", "t", 0)), (2, Some(3)));
}

/// The group went back to the classic protocol after our session had ended, or was deleted: a coordinator says 69 then, not 25.
#[test]
fn a_member_whose_group_is_gone_joins_again() {
    let cluster = Cluster::new(1);
    cluster.topic("a", 1).append(0, batch().fill(1, 10));
    let config = Config::new("b1:9092")
        .group_id("g")
        .group_protocol(GroupProtocol::Consumer)
        .auto_offset_reset(OffsetReset::Earliest);
    let mut client = Client::new(&cluster, Weather::Fair, &SMALL, config);
    client.subscribe(&["a"]);
    client.until(30_000, |seen| topics(seen) == ["a"]);
    cluster.forget_members("g");
    client.until(cluster.millis() + 30_000, |seen| matches!(seen, Seen::Lost(_)));
    client.until(cluster.millis() + 30_000, |seen| topics(seen) == ["a"]);
}
