//! Fetching from the replica in one's own rack (KIP-392), and back to the leader.
use crate::client::{in_all_weathers, Client, Seen, Sizes, Weather, SMALL};
use nanokafka::{Config, OffsetReset, TopicPartition};
use nanokafka_scripted::{batch, Api, Cluster, Topic};
use std::time::Duration;

const CONFIG: Config<'static> = Config::new("b1:9092")
    .client_rack("near")
    .auto_offset_reset(OffsetReset::Earliest)
    .fetch_max_wait(Duration::from_secs(1));

/// Three brokers, the second of them in our rack; the first leads both partitions.
fn cluster() -> (Cluster, Topic) {
    let cluster = Cluster::new(3);
    cluster.rack(1, "far").rack(2, "near").rack(3, "far");
    let topic = cluster.replicated_topic("t", 2, 3);
    for partition in 0..2 {
        topic.partition(partition).elect(1);
        topic.append(partition, batch().fill(3, 10)).append(partition, batch().fill(2, 10));
    }
    (cluster, topic)
}

fn reader(cluster: &Cluster, weather: Weather, sizes: &Sizes, config: Config<'static>) -> Client {
    let mut client = Client::new(cluster, weather, sizes, config);
    client.assign(&[TopicPartition::new("t", 0), TopicPartition::new("t", 1)]);
    client
}

/// Reads on until both partitions' offsets are `offsets`, each once.
fn read(client: &mut Client, offsets: std::ops::Range<i64>) {
    let mut seen = [vec![], vec![]];
    let count = (offsets.end - offsets.start) as usize;
    client.until(60_000, |event| {
        if let Seen::Records(_, partition, records) = event {
            seen[*partition as usize].extend(records.iter().map(|record| record.offset));
        }
        seen.iter().all(|list| list.len() >= count)
    });
    assert_eq!(seen, [offsets.clone().collect::<Vec<_>>(), offsets.collect()]);
}

/// The nodes that Fetches have gone to since the first `before` of them.
fn nodes(cluster: &Cluster, before: usize) -> Vec<i32> {
    cluster.requests_of(Api::Fetch).iter().skip(before).map(|fetch| fetch.node).collect()
}

#[test]
fn records_come_from_the_near_replica_and_offsets_from_the_leader() {
    in_all_weathers(97, |weather| {
        let (cluster, topic) = cluster();
        let mut client = reader(&cluster, weather, &SMALL, CONFIG);
        read(&mut client, 0..5);
        if weather == Weather::Fair {
            assert_eq!(nodes(&cluster, 0)[..2], [1, 2]);
            assert!(nodes(&cluster, 1).iter().all(|&node| node == 2), "{}", cluster.log());
        }
        topic.append(0, batch().fill(1, 10)).append(1, batch().fill(1, 10));
        client.control().seek_to_beginning(TopicPartition::new("t", 0)).unwrap();
        client.control().seek_to_beginning(TopicPartition::new("t", 1)).unwrap();
        read(&mut client, 0..6);
        assert!(cluster.requests_of(Api::ListOffsets).iter().all(|asked| asked.node == 1));
        (cluster, 0)
    });
}

#[test]
fn a_follower_that_dies_is_left_for_the_leader() {
    let (cluster, topic) = cluster();
    let mut client = reader(&cluster, Weather::Fair, &SMALL, CONFIG);
    read(&mut client, 0..5);
    let before = cluster.count(Api::Fetch);
    cluster.kill(2);
    topic.append(0, batch().fill(2, 10)).append(1, batch().fill(2, 10));
    read(&mut client, 5..7);
    assert!(nodes(&cluster, before).contains(&1));
}

/// It may lag: its log says nothing about the leader's.
#[test]
fn a_follower_that_lags_behind_is_no_reason_to_reset() {
    for code in [1, 3, 5, 6, 9, 29, 56, 74, 75, 78, -1] {
        let (cluster, topic) = cluster();
        let mut client = reader(&cluster, Weather::Fair, &SMALL, CONFIG);
        read(&mut client, 0..5);
        let before = cluster.count(Api::Fetch);
        assert_eq!(nodes(&cluster, before - 1), [2], "the next Fetch is answered with the error");
        cluster.fail_partition(Api::Fetch, "t", 0, code, 1);
        topic.append(0, batch().fill(2, 10)).append(1, batch().fill(2, 10));
        read(&mut client, 5..7);
        assert_eq!(cluster.count(Api::ListOffsets), 1, "{code}: a reset");
        assert!(nodes(&cluster, before).contains(&1), "{code}: {}", cluster.log());
    }
}

#[test]
fn a_new_leader_is_asked_and_after_a_while_the_old_one_again() {
    let (cluster, topic) = cluster();
    let config = CONFIG.metadata_max_age(Duration::from_secs(30));
    let mut client = reader(&cluster, Weather::Fair, &Sizes { connections: 4, ..SMALL }, config);
    read(&mut client, 0..5);
    let before = cluster.count(Api::Fetch);
    assert!(client.next_before(cluster.millis() + 120_000).is_some_and(|seen| matches!(seen, Ok(Seen::End(..)))));
    while client.next_before(cluster.millis() + 120_000).is_some() {}
    let asked = nodes(&cluster, before).iter().filter(|&&node| node == 1).count();
    assert!((2..=8).contains(&asked), "the leader was asked {asked} times in four minutes");
    let before = cluster.count(Api::Fetch);
    topic.partition(0).elect(3);
    topic.append(0, batch().fill(2, 10)).append(1, batch().fill(2, 10));
    while !nodes(&cluster, before).contains(&3) {
        client.next_before(cluster.millis() + 1_000);
    }
}

/// More brokers than the table has room for: the leader must not send us away for ever.
#[test]
fn a_follower_that_there_is_no_room_for_is_passed_over() {
    for near in 1..=14 {
        let cluster = Cluster::new(14);
        cluster.rack(near, "near");
        let topic = cluster.replicated_topic("t", 2, 14);
        for partition in 0..2 {
            topic.partition(partition).elect(1);
            topic.append(partition, batch().fill(5, 10));
        }
        let mut client = reader(&cluster, Weather::Fair, &SMALL, CONFIG);
        read(&mut client, 0..5);
        assert!(cluster.count(Api::Fetch) < 8, "{}", cluster.log());
    }
}
