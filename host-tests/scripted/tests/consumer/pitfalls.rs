//! What other Kafka clients have stumbled over, as far as nothing else here covers it.
use crate::client::{Client, Seen, Sizes, Weather, SMALL};
use nanokafka::{Config, Error, ErrorCode, OffsetReset, TopicPartition};
use nanokafka_scripted::{batch, record, Api, Cluster, Profile, Request};
use std::time::Duration;

const CONFIG: Config<'static> = Config::new("b1:9092").auto_offset_reset(OffsetReset::Earliest);

fn cluster(brokers: usize) -> Cluster {
    let cluster = Cluster::new(brokers);
    cluster.configure(|settings| settings.initial_rebalance_delay_ms = 0);
    cluster
}

fn group(cluster: &Cluster, config: Config<'static>) -> Client {
    let mut client = Client::new(cluster, Weather::Fair, &SMALL, config.group_id("g"));
    client.subscribe(&["t"]);
    client
}

/// So long, and every event but ends of partitions.
fn events(client: &mut Client, cluster: &Cluster, millis: u64) -> Vec<Seen> {
    let until = cluster.millis() + millis;
    let mut all = vec![];
    while let Some(seen) = client.next_before(until) {
        all.push(seen.unwrap_or_else(|error| panic!("{error}\n{}", cluster.log())));
    }
    all.retain(|seen| !matches!(seen, Seen::End(..)));
    all
}

/// Partition and offset of every record.
fn offsets(seen: &[Seen]) -> Vec<(i32, i64)> {
    let of = |seen: &Seen| match seen {
        Seen::Records(_, partition, records) => records.iter().map(|record| (*partition, record.offset)).collect(),
        _ => vec![],
    };
    let mut all: Vec<_> = seen.iter().flat_map(of).collect();
    all.sort();
    all
}

#[test]
fn a_long_poll_does_not_hold_heartbeats_back() {
    let cluster = cluster(1);
    cluster.topic("t", 1).append(0, batch().fill(1, 10));
    let mut client = group(&cluster, CONFIG.fetch_max_wait(Duration::from_secs(50)));
    events(&mut client, &cluster, 120_000);
    let beats = cluster.requests_of(Api::Heartbeat);
    let gaps = beats.windows(2).map(|pair| pair[1].at - pair[0].at);
    assert!(beats.len() >= 38 && gaps.max() <= Some(3_010), "{} heartbeats\n{}", beats.len(), cluster.log());
    let fetches = cluster.requests_of(Api::Fetch);
    assert!(beats.iter().all(|beat| fetches.iter().all(|fetch| fetch.connection != beat.connection)));
}

#[test]
fn no_fetch_makes_a_session_at_the_broker() {
    let cluster = cluster(1);
    cluster.topic("t", 1).append(0, batch().fill(1, 10));
    let mut client = group(&cluster, CONFIG);
    events(&mut client, &cluster, 60_000);
    for received in cluster.requests_of(Api::Fetch) {
        let Request::Fetch(fetch) = &*received.request else { panic!("{received}") };
        assert_eq!((fetch.session_id, fetch.session_epoch), (0, -1));
    }
}

#[test]
fn a_join_that_takes_longer_than_request_timeout_leaves_no_ghost_member() {
    let cluster = cluster(1);
    cluster.configure(|settings| settings.initial_rebalance_delay_ms = 100_000);
    cluster.topic("t", 1).append(0, batch().fill(1, 10));
    let mut client = group(&cluster, CONFIG);
    let seen = events(&mut client, &cluster, 120_000);
    assert_eq!(offsets(&seen), [(0, 0)]);
    assert_eq!(cluster.count(Api::JoinGroup), 2, "the first brings the member id (KIP-394)\n{}", cluster.log());
    assert_eq!(cluster.group("g").map(|group| group.members.len()), Some(1));
}

#[test]
fn an_assignment_of_no_bytes_is_no_assignment() {
    let cluster = cluster(1);
    cluster.topic("t", 1).append(0, batch().fill(1, 10));
    cluster.mutate_body(Api::SyncGroup, 1, |_, body| {
        body.truncate(6); // throttle, error
        body.extend([0; 4]);
    });
    let mut client = group(&cluster, CONFIG);
    let seen = events(&mut client, &cluster, 20_000);
    assert_eq!(seen.first(), Some(&Seen::Assigned(vec![("t".into(), 0)])));
    assert_eq!((offsets(&seen), cluster.count(Api::SyncGroup)), (vec![(0, 0)], 2));
}

#[test]
fn an_assignment_of_a_later_version_is_read() {
    let cluster = cluster(1);
    cluster.topic("t", 1).append(0, batch().fill(1, 10));
    cluster.mutate_body(Api::SyncGroup, 1, |_, body| {
        // throttle, error, size, version
        let size = i32::from_be_bytes(body[6..10].try_into().unwrap()) + 3;
        body[6..10].copy_from_slice(&size.to_be_bytes());
        body[10..12].copy_from_slice(&9i16.to_be_bytes());
        body.extend([1, 2, 3]);
    });
    let mut client = group(&cluster, CONFIG);
    let seen = events(&mut client, &cluster, 20_000);
    assert_eq!(seen.first(), Some(&Seen::Assigned(vec![("t".into(), 0)])));
    assert_eq!((offsets(&seen), cluster.count(Api::SyncGroup)), (vec![(0, 0)], 1));
}

#[test]
fn leader_epochs_of_brokers_before_2_4_are_not_believed() {
    let metadata = |max| Profile::kafka_4_3().with(Api::Metadata, Some((0, max)));
    for (max, epoch) in [(8, -1), (9, 0)] {
        let cluster = cluster(1);
        cluster.profile(metadata(max)).topic("t", 1).append(0, batch().fill(1, 10));
        let mut client = group(&cluster, CONFIG);
        assert_eq!(offsets(&events(&mut client, &cluster, 5_000)), [(0, 0)]);
        for received in cluster.requests_of(Api::Fetch) {
            let Request::Fetch(fetch) = &*received.request else { panic!("{received}") };
            assert_eq!(fetch.topics[0].1[0].current_leader_epoch, epoch, "Metadata up to v{max}");
        }
    }
}

/// A reset would go back to the start, and be seen by records that come twice.
#[test]
fn validation_that_fails_is_repeated_and_never_a_reset() {
    for code in [-1, 3, 5, 6, 9, 56, 74, 75, 78, 0] {
        let cluster = cluster(1);
        let topic = cluster.topic("t", 1);
        topic.append(0, batch().fill(5, 10));
        let mut client = group(&cluster, CONFIG);
        let mut seen = events(&mut client, &cluster, 5_000);
        match code {
            0 => cluster.end_instead(Api::OffsetForLeaderEpoch, nanokafka_scripted::End::Reset),
            code => cluster.fail(Api::OffsetForLeaderEpoch, code, 3),
        };
        topic.partition(0).elect(1);
        topic.append(0, batch().fill(1, 10));
        seen.extend(events(&mut client, &cluster, 20_000));
        assert_eq!(offsets(&seen), (0..6).map(|offset| (0, offset)).collect::<Vec<_>>(), "{code}");
        assert!(cluster.count(Api::OffsetForLeaderEpoch) > 1, "{code}: never asked again");
        assert_eq!(cluster.count(Api::ListOffsets), 1, "{code}: a reset");
    }
}

#[test]
fn a_committed_offset_that_the_answer_omits_is_asked_for_again() {
    let cluster = cluster(1);
    cluster.topic("t", 2).append(0, batch().fill(5, 10)).append(1, batch().fill(5, 10));
    cluster.commit("g", "t", 0, 3, -1).commit("g", "t", 1, 4, -1);
    cluster.mutate_body(Api::OffsetFetch, 1, |_, body| {
        // throttle, topics, "t", then two partitions of 20 bytes: the second one is left out
        body[11..15].copy_from_slice(&1i32.to_be_bytes());
        body.drain(35..55);
    });
    let mut client = group(&cluster, CONFIG);
    assert_eq!(offsets(&events(&mut client, &cluster, 5_000)), [(0, 3), (0, 4), (1, 4)]);
    assert_eq!(cluster.count(Api::OffsetFetch), 2);
}

#[test]
fn committed_offsets_that_have_expired_are_left_to_the_policy() {
    let cluster = cluster(1);
    cluster.topic("t", 1).append(0, batch().fill(5, 10));
    let mut client = group(&cluster, CONFIG);
    events(&mut client, &cluster, 1_000);
    client.close().unwrap();
    assert_eq!(cluster.committed_offset("g", "t", 0), Some(5));
    cluster.expire_offsets("g");
    let mut client = group(&cluster, CONFIG);
    assert_eq!(offsets(&events(&mut client, &cluster, 1_000)).len(), 5);
}

#[test]
fn a_topic_that_was_made_anew_is_read_though_its_epochs_are_lower() {
    let cluster = cluster(1);
    let topic = cluster.topic("t", 1);
    for _ in 0..5 {
        topic.partition(0).elect(1);
    }
    topic.append(0, batch().fill(5, 10));
    let mut client = group(&cluster, CONFIG);
    assert_eq!(offsets(&events(&mut client, &cluster, 5_000)).len(), 5);
    cluster.delete_topic("t");
    cluster.topic("t", 1).append(0, batch().fill(2, 10));
    let seen = events(&mut client, &cluster, 30_000);
    assert_eq!(offsets(&seen), [(0, 0), (0, 1)], "{}", cluster.log());
}

#[test]
fn node_ids_are_any_number() {
    let cluster = Cluster::with_nodes([0, 7, 2_000_000_000]);
    cluster.configure(|settings| settings.initial_rebalance_delay_ms = 0);
    let topic = cluster.topic("t", 3);
    for (partition, leader) in [(0, 2_000_000_000), (1, 0), (2, 7)] {
        topic.partition(partition).elect(leader);
        topic.append(partition, batch().fill(1, 10));
    }
    cluster.set_coordinator("g", 2_000_000_000);
    let config = Config::new("b7:9092").auto_offset_reset(OffsetReset::Earliest).group_id("g");
    let mut client = Client::new(&cluster, Weather::Fair, &Sizes { connections: 4, ..SMALL }, config);
    client.subscribe(&["t"]);
    assert_eq!(offsets(&events(&mut client, &cluster, 5_000)), [(0, 0), (1, 0), (2, 0)]);
    client.close().unwrap();
    assert_eq!(cluster.committed_offset("g", "t", 2), Some(1));
}

#[test]
fn timestamps_are_the_brokers_or_before_the_batchs_or_none() {
    let cluster = cluster(1);
    cluster
        .topic("t", 1)
        .append(0, batch().timestamp(1_000).with(record().value("a")).with(record().value("b").timestamp(1_500)))
        .append(0, batch().timestamp(1_000).with(record().value("c").timestamp(7)).log_append_time(5_000))
        .append(0, batch().delete_horizon(9_000).with(record().value("d").timestamp(3_975)))
        .append(0, batch().timestamp(-1).with(record().value("e")));
    let mut client = group(&cluster, CONFIG);
    let seen = events(&mut client, &cluster, 5_000);
    let times: Vec<_> = seen
        .iter()
        .flat_map(|seen| match seen {
            Seen::Records(_, _, records) => records.iter().map(|record| record.timestamp).collect(),
            _ => vec![],
        })
        .collect();
    assert_eq!(times, [1_000, 1_500, 5_000, 3_975, -1]);
}

#[test]
fn a_coordinator_that_is_away_for_long_costs_no_membership() {
    let cluster = cluster(3);
    let topic = cluster.topic("t", 1);
    topic.append(0, batch().fill(1, 10));
    let mut client = group(&cluster, CONFIG);
    events(&mut client, &cluster, 10_000);
    cluster.configure(|settings| settings.coordinator_load_ms = 15_000).move_coordinator("g", 3, 15_000);
    topic.append(0, batch().fill(1, 10));
    let seen = events(&mut client, &cluster, 100_000);
    assert!(matches!(seen[..], [Seen::Records(..)]), "{seen:?}");
    assert_eq!((cluster.count(Api::JoinGroup), cluster.committed_offset("g", "t", 0)), (2, Some(2)));
}

#[test]
fn a_static_member_that_comes_back_with_other_topics_gets_those() {
    let cluster = cluster(1);
    for name in ["t", "u"] {
        cluster.topic(name, 1).append(0, batch().fill(1, 10));
    }
    let config = CONFIG.group_instance_id("device-7");
    let mut client = group(&cluster, config);
    events(&mut client, &cluster, 5_000);
    client.close().unwrap();
    let mut client = Client::new(&cluster, Weather::Fair, &SMALL, config.group_id("g"));
    client.subscribe(&["u"]);
    let seen = events(&mut client, &cluster, 60_000);
    assert!(seen.contains(&Seen::Assigned(vec![("u".into(), 0)])), "{seen:?}\n{}", cluster.log());
}

/// A leader of another client, which gives us what we did not subscribe to.
#[test]
fn a_leader_that_assigns_what_nobody_wants_is_asked_ever_more_seldom() {
    let cluster = cluster(1);
    cluster.topic("t", 1).append(0, batch().fill(1, 10));
    cluster.mutate_body(Api::SyncGroup, usize::MAX, |_, body| {
        // throttle, error, size, version, topics, the name's length
        if let Some(name) = body.get_mut(18) {
            *name = b'x';
        }
    });
    let mut client = group(&cluster, CONFIG);
    let mut told = 0;
    while let Some(next) = client.next_before(60_000) {
        let Err(Error::Broker(error)) = next else { panic!("{next:?}") };
        let said = (error.api as i16, error.code, error.fatal);
        assert_eq!(said, (Api::SyncGroup as i16, ErrorCode::INCONSISTENT_GROUP_PROTOCOL, false));
        told += 1;
    }
    let syncs = cluster.count(Api::SyncGroup);
    assert!(syncs <= 70 && told == syncs - 2, "told {told} of {syncs} times");
}

/// What both see, and what they are told.
fn in_turns(members: &mut [Client; 2], cluster: &Cluster, millis: u64) -> [(Vec<Seen>, Vec<Error>); 2] {
    let mut told = [const { (vec![], vec![]) }; 2];
    let until = cluster.millis() + millis;
    while cluster.millis() < until {
        for (member, (seen, errors)) in members.iter_mut().zip(&mut told) {
            let until = cluster.millis() + 100;
            while let Some(next) = member.next_before(until) {
                match next {
                    Ok(next) => seen.push(next),
                    Err(error) => errors.push(error),
                }
            }
        }
    }
    told
}

fn leader_and_member(cluster: &Cluster, config: Config<'static>, topics: &[&str]) -> [Client; 2] {
    for name in ["t", "u"] {
        cluster.topic(name, 1).append(0, batch().fill(1, 10));
    }
    let mut leader = group(cluster, config);
    events(&mut leader, cluster, 1_000);
    let mut member = Client::new(cluster, Weather::Fair, &SMALL, config.group_id("g"));
    member.subscribe(topics);
    [leader, member]
}

/// Java assigns what there is, and so does a device: its group has sessions of six seconds, and cannot wait for three topics.
#[test]
fn a_leader_waits_for_no_topic_that_does_not_exist() {
    let cluster = cluster(1);
    let config = CONFIG.session_timeout(Duration::from_secs(6)).heartbeat_interval(Duration::from_secs(2));
    let mut members = leader_and_member(&cluster, config, &["u", "v", "w", "x"]);
    let [(_, leaders), (seen, followers)] = in_turns(&mut members, &cluster, 3_000);
    assert!(seen.contains(&Seen::Assigned(vec![("u".into(), 0)])), "{seen:?}\n{}", cluster.log());
    assert_eq!((leaders, followers), (vec![], vec![]));
    let joins = cluster.count(Api::JoinGroup);
    let [(_, leaders), (_, followers)] = in_turns(&mut members, &cluster, 60_000);
    // what is missing is told to who wants it
    assert_eq!((leaders.len(), followers.len(), cluster.count(Api::JoinGroup)), (0, 3, joins));
}

/// Followers leave it to the leader to notice that a topic has grown, also where only they read it.
#[test]
fn a_leader_watches_the_topics_of_others() {
    let cluster = cluster(1);
    let config = CONFIG.metadata_max_age(Duration::from_secs(10));
    let mut members = leader_and_member(&cluster, config, &["u"]);
    let [_, (seen, _)] = in_turns(&mut members, &cluster, 10_000);
    assert!(seen.contains(&Seen::Assigned(vec![("u".into(), 0)])), "{seen:?}");
    cluster.topic("u", 3);
    let [_, (seen, _)] = in_turns(&mut members, &cluster, 20_000);
    let all = (0..3).map(|partition| ("u".into(), partition)).collect();
    assert!(seen.contains(&Seen::Assigned(all)), "{seen:?}\n{}", cluster.log());
}

#[test]
fn topics_subscribed_to_while_a_join_is_out_are_not_forgotten() {
    let cluster = cluster(1);
    for name in ["t", "u"] {
        cluster.topic(name, 1).append(0, batch().fill(1, 10));
    }
    let mut leader = group(&cluster, CONFIG);
    events(&mut leader, &cluster, 1_000);
    let mut follower = group(&cluster, CONFIG);
    let joins = cluster.count(Api::JoinGroup);
    let until = cluster.millis() + 1_000;
    assert_eq!(
        (follower.next_before(until), cluster.count(Api::JoinGroup)),
        (None, joins + 2),
        "it waits for the leader"
    );
    follower.subscribe(&["t", "u"]);
    let mut seen = vec![];
    for _ in 0..60 {
        events(&mut leader, &cluster, 500);
        seen.extend(events(&mut follower, &cluster, 500));
    }
    let assigned = seen.iter().rev().find(|seen| matches!(seen, Seen::Assigned(_)));
    let all = matches!(assigned, Some(Seen::Assigned(list)) if list.contains(&("u".into(), 0)));
    assert!(all, "{seen:?}\n{}", cluster.log());
}

/// Partitions that failed come last, so that their topic comes twice in one answer; segments end answers early.
#[test]
fn segments_and_failed_partitions_shape_an_answer_as_they_like() {
    let cluster = cluster(1);
    let topic = cluster.topic("t", 3);
    for partition in 0..3 {
        for _ in 0..4 {
            topic.append(partition, batch().fill(2, 10)).partition(partition).roll();
        }
    }
    cluster.fail_partition(Api::Fetch, "t", 0, 3, 2).fail_partition(Api::Fetch, "t", 1, 6, 1);
    let mut client = Client::new(&cluster, Weather::Fair, &SMALL, CONFIG);
    client.assign(&[0, 1, 2].map(|partition| TopicPartition::new("t", partition)));
    let expected: Vec<_> = (0..3).flat_map(|partition| (0..8).map(move |offset| (partition, offset))).collect();
    assert_eq!(offsets(&events(&mut client, &cluster, 10_000)), expected);
}

/// With fewer connections than leaders each change costs a new one: a device that nobody sends to must not make twenty a second,
/// and hears of a record within a second or two all the same.
#[test]
fn leaders_that_share_a_connection_and_are_idle_take_their_turns_slowly() {
    let cluster = cluster(3);
    let topic = cluster.topic("t", 3);
    let mut client = Client::new(&cluster, Weather::Fair, &SMALL, CONFIG);
    client.assign(&[0, 1, 2].map(|partition| TopicPartition::new("t", partition)));
    events(&mut client, &cluster, 10_000);
    let before = cluster.connects().len();
    events(&mut client, &cluster, 60_000);
    let made = cluster.connects().len() - before;
    assert!((30..=70).contains(&made), "{made} connections in an idle minute");
    for round in 0..9 {
        topic.append(round % 3, batch().fill(1, 10));
        let seen = events(&mut client, &cluster, 3_000);
        assert_eq!(offsets(&seen), [(round % 3, i64::from(round / 3))]);
    }
}
