//! When the group and the application act at the same time.
use crate::client::{Client, Seen, Sizes, Weather, SMALL};
use nanokafka::{
    Assignor, Async, Config, Consumer, Error, Event, GroupProtocol, OffsetReset, PartitionOffset, Seed, Storage,
};
use nanokafka_scripted::{batch, poll_once, Api, Cluster, End, Net};
use std::time::Duration;

const CONFIG: Config<'static> = Config::new("b1:9092")
    .group_id("g")
    .auto_offset_reset(OffsetReset::Earliest)
    .session_timeout(Duration::from_secs(10));

/// KIP-848.
const BROKER_ASSIGNS: Config<'static> = Config::new("b1:9092")
    .group_id("g")
    .group_protocol(GroupProtocol::Consumer)
    .auto_offset_reset(OffsetReset::Earliest);

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

/// KIP-848: a static member that says good-bye for a while keeps its subscription at the broker, and null is "unchanged".
#[test]
fn a_subscription_of_another_kind_replaces_the_one_before() {
    let cluster = Cluster::new(1);
    for name in ["a", "b", "c"] {
        cluster.topic(name, 1).append(0, batch().fill(1, 10));
    }
    let config = BROKER_ASSIGNS.group_instance_id("i");
    let mut client = Client::new(&cluster, Weather::Fair, &SMALL, config);
    let mut owned_after = |pattern: &str, names: &[&str]| -> Vec<String> {
        client.subscribe(&[]);
        match pattern {
            "" => client.subscribe(names),
            pattern => client.subscribe_pattern(pattern),
        }
        let until = cluster.millis() + 20_000;
        while client.next_before(until).is_some() {}
        client.control().assignment().map(|partition| partition.topic.to_string()).collect()
    };
    assert_eq!(owned_after("", &["a"]), ["a"]);
    assert_eq!(owned_after("b|c", &[]), ["b", "c"]);
    assert_eq!(owned_after("", &["a"]), ["a"]);
}

/// It cannot say what it owes the group, and no heartbeat passes the request that it waits for.
#[test]
fn a_cooperative_leader_that_waits_for_metadata_is_lost_with_its_session() {
    let cluster = Cluster::new(1);
    for name in ["a", "b"] {
        cluster.topic(name, 1).append(0, batch().fill(5, 10));
    }
    let config = CONFIG.partition_assignment_strategy(&[Assignor::CooperativeSticky]);
    let mut leader = Client::new(&cluster, Weather::Fair, &SMALL, config);
    leader.subscribe(&["a"]);
    leader.until(30_000, |seen| matches!(seen, Seen::End(..)));
    let mut member = Client::new(&cluster, Weather::Fair, &SMALL, config);
    member.subscribe(&["b"]);
    let joins = cluster.count(Api::JoinGroup);
    while cluster.count(Api::JoinGroup) < joins + 2 {
        let _ = member.next_before(cluster.millis() + 1);
    }
    cluster.never_answer(Api::Metadata); // the leader's, as the member has its own
    let asked = cluster.count(Api::Metadata);
    let begun = cluster.millis();
    let mut lost = None;
    while cluster.millis() < begun + 25_000 {
        let _ = member.next_before(cluster.millis() + 100);
        if let Some(Ok(Seen::Lost(_))) = leader.next_before(cluster.millis() + 100) {
            lost = lost.or(Some(cluster.millis() - begun));
        }
    }
    assert!(cluster.count(Api::Metadata) > asked);
    assert!(lost.is_some_and(|lost| lost < 15_000), "{lost:?}\n{}", cluster.log());
}

/// Its commit would have to wait for a join that a consumer which closes does not begin.
#[test]
fn a_close_between_two_joins_is_a_good_bye_at_once() {
    let cluster = Cluster::new(1);
    for name in ["a", "b"] {
        cluster.topic(name, 1).append(0, batch().fill(5, 10));
    }
    let config = CONFIG.partition_assignment_strategy(&[Assignor::CooperativeSticky]);
    let mut client = Client::new(&cluster, Weather::Fair, &SMALL, config);
    client.subscribe(&["a"]);
    client.until(30_000, |seen| matches!(seen, Seen::Records(..)));
    cluster.fail(Api::JoinGroup, 14, usize::MAX);
    client.subscribe(&["a", "b"]);
    let before = cluster.count(Api::JoinGroup);
    while cluster.count(Api::JoinGroup) < before + 3 {
        let _ = client.next_before(cluster.millis() + 10);
    }
    let begun = cluster.millis();
    let Err(Error::Broker(error)) = client.close() else { panic!("nothing was committed\n{}", cluster.log()) };
    assert_eq!((error.api as i16, error.code.name()), (Api::OffsetCommit as i16, Some("REBALANCE_IN_PROGRESS")));
    let took = cluster.millis() - begun;
    assert!(took < 1_000 && cluster.count(Api::LeaveGroup) == 1, "{took} ms\n{}", cluster.log());
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

/// The session ends while the application works, and the answer of an earlier commit waits to be read.
#[test]
fn a_commit_that_the_end_of_the_session_refuses_does_not_take_the_result_of_the_one_before() {
    for listed in [false, true] {
        let cluster = Cluster::new(1);
        let topic = cluster.topic("t", 1);
        topic.append(0, batch().fill(3, 10));
        let mut consumer: Consumer<'_, Async<Net>> =
            Consumer::new(Storage::boxed(4, 2, 512), CONFIG, cluster.net(2), Seed::new([6; 32])).unwrap();
        consumer.subscribe(&["t"]).unwrap();
        cluster.time_limit(120_000);
        cluster.block_on(async {
            while count(consumer.poll().await.unwrap()) == 0 {}
            cluster.delay(Api::OffsetCommit, 1_000, 1);
            while cluster.count(Api::OffsetCommit) == 0 {
                topic.append(0, batch().fill(3, 10));
                while count(consumer.poll().await.unwrap()) == 0 {}
                cluster.advance(500);
            }
            cluster.advance(11_000);
            let mut offset = PartitionOffset::new("t", 0);
            offset.offset = Some(1);
            let result = match listed {
                true => consumer.commit_offsets(&[offset]).await,
                false => consumer.commit_sync().await,
            };
            match result {
                Err(Error::Broker(error)) => assert_eq!(error.code.name(), Some("ILLEGAL_GENERATION")),
                other => panic!("{listed}: {other:?}\n{}", cluster.log()),
            }
            assert!(matches!(consumer.poll().await.unwrap(), Event::Lost(_)));
        });
    }
}

fn is_empty(cluster: &Cluster) -> bool {
    cluster.group("g").is_none_or(|group| group.members.is_empty())
}

#[test]
fn a_good_bye_that_is_due_is_said_though_more_follows() {
    let room = Sizes { partitions: 1, ..SMALL };
    for config in [CONFIG, BROKER_ASSIGNS] {
        let cluster = Cluster::new(1);
        cluster.topic("a", 1);
        let mut client = Client::new(&cluster, Weather::Fair, &SMALL, config);
        client.subscribe(&["a"]);
        client.until(30_000, |seen| topics(seen) == ["a"]);
        client.subscribe(&[]);
        client.subscribe(&["a"]);
        client.close().unwrap();
        assert!(is_empty(&cluster), "{}", cluster.log());
    }
    // also a static member: others are to have what it has no room for
    for config in [CONFIG, BROKER_ASSIGNS, CONFIG.group_instance_id("i"), BROKER_ASSIGNS.group_instance_id("i")] {
        let cluster = Cluster::new(1);
        cluster.topic("a", 2);
        let mut client = Client::new(&cluster, Weather::Fair, &room, config);
        client.subscribe(&["a"]);
        while !matches!(client.next_before(30_000), Some(Err(Error::Capacity(_)))) {}
        client.close().unwrap();
        assert!(is_empty(&cluster), "{}", cluster.log());
    }
}

/// KIP-848: a member names itself, so the coordinator knows one whose join it could not answer.
#[test]
fn who_was_never_told_that_it_is_a_member_says_good_bye() {
    let cluster = Cluster::new(1);
    cluster.topic("a", 1);
    let mut client = Client::new(&cluster, Weather::Fair, &SMALL, BROKER_ASSIGNS);
    client.subscribe(&["a"]);
    cluster.delay(Api::ConsumerGroupHeartbeat, 1_000, 1);
    while cluster.count(Api::ConsumerGroupHeartbeat) == 0 {
        assert!(client.next_before(cluster.millis() + 1).is_none());
    }
    cluster.end_all(1, End::Reset);
    while client.next_before(cluster.millis() + 10).is_some() {}
    client.close().unwrap();
    assert!(is_empty(&cluster), "{}", cluster.log());
}

/// KIP-848: whose membership ended while it asked is nobody to the coordinator, and nobody may ask.
#[test]
fn who_is_no_member_any_more_is_told_what_was_committed() {
    let cluster = Cluster::new(1);
    cluster.topic("a", 1).append(0, batch().fill(3, 10));
    let config = BROKER_ASSIGNS.enable_auto_commit(false);
    let mut consumer: Consumer<'_, Async<Net>> =
        Consumer::new(Storage::boxed(4, 2, 512), config, cluster.net(2), Seed::new([6; 32])).unwrap();
    consumer.subscribe(&["a"]).unwrap();
    cluster.time_limit(90_000);
    cluster.block_on(async {
        while count(consumer.poll().await.unwrap()) == 0 {}
        consumer.commit_sync().await.unwrap();
        for (api, code) in [(Api::ConsumerGroupHeartbeat, 110), (Api::OffsetFetch, 25), (Api::OffsetFetch, 110)] {
            cluster.fail(api, code, 1);
            cluster.advance(6_000);
            let mut asked = [PartitionOffset::new("a", 0)];
            consumer.committed(&mut asked).await.unwrap_or_else(|error| panic!("{code}: {error}\n{}", cluster.log()));
            assert_eq!(asked[0].offset, Some(3), "{}", cluster.log());
            while !matches!(consumer.poll().await.unwrap(), Event::Lost(_)) {}
            while !matches!(consumer.poll().await.unwrap(), Event::Assigned(_)) {}
        }
    });
}

/// Before KIP-1251 (4.3) a commit with the epoch of yesterday is refused: it is sent again, and a heartbeat before it brings that of
/// today.
#[test]
fn a_commit_with_a_stale_epoch_is_sent_again_with_the_next_one() {
    let cluster = Cluster::new(1);
    cluster.topic("t", 1).append(0, batch().fill(3, 10));
    let config = BROKER_ASSIGNS.enable_auto_commit(false);
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
    let mut client = Client::new(&cluster, Weather::Fair, &SMALL, BROKER_ASSIGNS);
    client.subscribe(&["a"]);
    client.until(30_000, |seen| topics(seen) == ["a"]);
    cluster.forget_members("g");
    client.until(cluster.millis() + 30_000, |seen| matches!(seen, Seen::Lost(_)));
    client.until(cluster.millis() + 30_000, |seen| topics(seen) == ["a"]);
}
