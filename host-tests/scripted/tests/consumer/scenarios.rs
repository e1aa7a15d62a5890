//! Scenarios of one consumer, each in all weathers: every record exactly once, every answer of the broker a legal reaction's.
use crate::client::{in_all_weathers, Client, Seen, Sizes, Weather, SMALL};
use nanokafka::{Config, Error, ErrorCode, LargeRecords, OffsetReset, TopicPartition, UsageError};
use nanokafka_scripted::{batch, marker, record, Api, Batch, Cluster, Cut, End, Marker, Record};
use std::time::Duration;

const CONFIG: Config<'static> = Config::new("b1:9092").auto_offset_reset(OffsetReset::Earliest);

fn cluster(brokers: usize) -> Cluster {
    let cluster = Cluster::new(brokers);
    cluster.configure(|settings| settings.initial_rebalance_delay_ms = 0);
    cluster
}

/// The records of a partition among what was seen, which must be `expected` exactly, in order.
fn exactly(seen: &[Seen], topic: &str, partition: i32, expected: &[Record], weather: Weather) {
    let of = |seen: &Seen| match seen {
        Seen::Records(name, number, records) if name == topic && *number == partition => records.clone(),
        _ => vec![],
    };
    let got: Vec<_> = seen.iter().flat_map(of).collect();
    let offsets = |records: &[Record]| records.iter().map(|record| record.offset).collect::<Vec<_>>();
    assert_eq!(offsets(&got), offsets(expected), "{topic}-{partition}, {weather:?}");
    assert_eq!(got, expected, "{topic}-{partition}, {weather:?}");
}

fn count(seen: &Seen) -> usize {
    match seen {
        Seen::Records(_, _, records) => records.len(),
        Seen::Large(..) => 1,
        _ => 0,
    }
}

/// Until so many records were seen.
fn records(client: &mut Client, expected: usize) -> Vec<Seen> {
    let mut got = 0;
    client.until(60_000, |seen| {
        got += count(seen);
        got >= expected
    })
}

fn bytes(client: &Client) -> u64 {
    let stats = client.net.stats();
    stats.read + stats.written
}

#[test]
fn assigned_partitions_of_two_topics() {
    in_all_weathers(1, |weather| {
        let cluster = cluster(1);
        for name in ["alpha", "a-rather-long-topic-name"] {
            let topic = cluster.topic(name, 2);
            for partition in 0..2 {
                topic.append(partition, batch().fill(3, 20).with(record().header("h", "v").null_header("n")));
                topic.append(partition, batch().record("k", "a second batch"));
            }
        }
        let mut client = Client::new(&cluster, weather, &SMALL, CONFIG);
        let all = ["alpha", "a-rather-long-topic-name"]
            .map(|name| [0, 1].map(|partition| TopicPartition::new(name, partition)));
        client.assign(&all.concat());
        let seen = records(&mut client, 20);
        for partition in all.concat() {
            let expected = cluster.partition(partition.topic, partition.partition).records_from(0);
            exactly(&seen, partition.topic, partition.partition, &expected, weather);
        }
        let bytes = bytes(&client);
        (cluster, bytes)
    });
}

#[test]
fn what_is_no_record_moves_the_position() {
    in_all_weathers(3, |weather| {
        let cluster = cluster(1);
        let topic = cluster.topic("t", 1);
        topic.append(0, batch().fill(2, 10));
        topic.append(0, batch().producer(7, 0, 0).transactional().fill(1, 10));
        topic.append(0, marker(Marker::Commit, 7));
        topic.append(0, batch().last_offset_delta(4)); // emptied by the log cleaner
        topic.append(0, batch().fill(2, 10).last_offset_delta(6)); // its last records compacted away
        let mut client = Client::new(&cluster, weather, &SMALL, CONFIG.group_id("g"));
        client.assign(&[TopicPartition::new("t", 0)]);
        let mut seen = client.until(60_000, |seen| matches!(seen, Seen::End(..)));
        let partition = cluster.partition("t", 0);
        exactly(&seen, "t", 0, &partition.records_from(0), weather);
        assert_eq!(client.control().position(TopicPartition::new("t", 0)), Some(partition.log_end()));
        client.commit_async();
        seen.extend(client.until(60_000, |seen| matches!(seen, Seen::Committed(_))));
        assert_eq!(seen.last(), Some(&Seen::Committed(Ok(()))));
        assert_eq!(cluster.committed_offset("g", "t", 0), Some(partition.log_end()), "lag must reach 0");
        let bytes = bytes(&client);
        (cluster, bytes)
    });
}

#[test]
fn batches_larger_than_the_window_stream_through_it() {
    in_all_weathers(97, |weather| {
        let cluster = cluster(1);
        let topic = cluster.topic("t", 1);
        topic.append(0, batch().fill(40, 100));
        topic.append(0, batch().fill(3, 10));
        topic.append(0, batch().record("big", [7; 3000]).record("small", "1").record("big", [8; 513]));
        let mut client = Client::new(&cluster, weather, &SMALL, CONFIG);
        client.assign(&[TopicPartition::new("t", 0)]);
        let seen = records(&mut client, 46);
        let large: Vec<_> = seen
            .iter()
            .filter_map(|seen| match seen {
                Seen::Large(_, _, offset, value) => Some((*offset, value.clone())),
                _ => None,
            })
            .collect();
        assert_eq!(large, [(43, vec![7; 3000]), (45, vec![8; 513])], "{weather:?}");
        let mut expected = cluster.partition("t", 0).records_from(0);
        expected.retain(|record| record.offset != 43 && record.offset != 45);
        exactly(&seen, "t", 0, &expected, weather);
        let bytes = bytes(&client);
        (cluster, bytes)
    });
}

#[test]
fn a_group_of_one_commits_leaves_and_comes_back() {
    in_all_weathers(5, |weather| {
        let cluster = cluster(1);
        let topic = cluster.topic("t", 3);
        for partition in 0..3 {
            topic.append(partition, batch().fill(4, 10));
        }
        let config = CONFIG.group_id("g");
        let mut client = Client::new(&cluster, weather, &SMALL, config);
        client.subscribe(&["t"]);
        let seen = records(&mut client, 12);
        for partition in 0..3 {
            exactly(&seen, "t", partition, &cluster.partition("t", partition).records_from(0), weather);
        }
        let bytes = bytes(&client);
        let _ = client.close();
        for partition in 0..3 {
            assert_eq!(cluster.committed_offset("g", "t", partition), Some(4), "{weather:?}");
            topic.append(partition, batch().fill(1, 5));
        }
        let mut client = Client::new(&cluster, Weather::Fair, &SMALL, config);
        client.subscribe(&["t"]);
        let seen = records(&mut client, 3);
        for partition in 0..3 {
            exactly(&seen, "t", partition, &cluster.partition("t", partition).records_from(4), weather);
        }
        client.close().unwrap();
        (cluster, bytes)
    });
}

#[test]
fn the_leader_moves_twice() {
    in_all_weathers(7, |weather| {
        let cluster = cluster(3);
        let topic = cluster.replicated_topic("t", 2, 3);
        let mut client = Client::new(
            &cluster,
            weather,
            &Sizes { connections: 3, ..SMALL },
            CONFIG.retry_backoff(Duration::from_millis(20)),
        );
        client.assign(&[TopicPartition::new("t", 0), TopicPartition::new("t", 1)]);
        let mut seen = vec![];
        for leader in [1, 2, 3, 1] {
            for partition in 0..2 {
                topic.partition(partition).elect(leader);
                topic.append(partition, batch().fill(5, 30));
            }
            seen.extend(records(&mut client, 10));
        }
        for partition in 0..2 {
            exactly(&seen, "t", partition, &cluster.partition("t", partition).records_from(0), weather);
        }
        let bytes = bytes(&client);
        (cluster, bytes)
    });
}

#[test]
fn fewer_connections_than_leaders_take_turns() {
    in_all_weathers(31, |weather| {
        let cluster = cluster(4);
        let topic = cluster.topic("t", 4);
        let mut client = Client::new(&cluster, weather, &SMALL, CONFIG);
        client.assign(&[0, 1, 2, 3].map(|partition| TopicPartition::new("t", partition)));
        let mut seen = vec![];
        for _ in 0..3 {
            for partition in 0..4 {
                topic.append(partition, batch().fill(3, 30));
            }
            seen.extend(records(&mut client, 12));
        }
        for partition in 0..4 {
            exactly(&seen, "t", partition, &cluster.partition("t", partition).records_from(0), weather);
        }
        let bytes = bytes(&client);
        (cluster, bytes)
    });
}

#[test]
fn a_long_poll_delays_nobody() {
    for weather in [Weather::Fair, Weather::Cancelled] {
        let cluster = cluster(1);
        let topic = cluster.topic("t", 3);
        topic.append(0, batch().fill(5, 10)).append(1, batch().fill(5, 10)).append(2, batch().fill(5, 10));
        let mut client = Client::new(&cluster, weather, &SMALL, CONFIG.fetch_max_wait(Duration::from_secs(30)));
        let (first, second, third) =
            (TopicPartition::new("t", 0), TopicPartition::new("t", 1), TopicPartition::new("t", 2));
        client.assign(&[first, second]);
        let idle = |client: &mut Client| {
            client.until(1_000, |seen| matches!(seen, Seen::End(..)));
            let until = cluster.millis() + 3_000;
            while client.next_before(until).is_some() {}
        };
        records(&mut client, 10);
        idle(&mut client);
        let quick = |client: &mut Client, what: &str, n: usize| {
            let start = cluster.millis();
            let seen = records(client, n);
            assert!(cluster.millis() - start <= 100, "{what} took {} ms, {weather:?}", cluster.millis() - start);
            let until = cluster.millis() + 3_000;
            while client.next_before(until).is_some() {}
            seen
        };
        client.control().seek(first, 3).unwrap();
        quick(&mut client, "seek", 2);
        client.control().seek_to_beginning(second).unwrap();
        quick(&mut client, "seek_to_beginning", 5);
        client.assign(&[first, second, third]);
        quick(&mut client, "assign", 5);
        client.control().pause(third).unwrap();
        topic.append(2, batch().fill(2, 10));
        let until = cluster.millis() + 40_000;
        assert!(client.next_before(until).is_none(), "paused");
        client.control().resume(third).unwrap();
        quick(&mut client, "resume", 2);
        let start = cluster.millis();
        client.close().unwrap();
        assert!(cluster.millis() - start <= 100, "close took {} ms", cluster.millis() - start);
        assert_eq!(cluster.take_violations(), Vec::<String>::new());
    }
}

/// Nor does one of another leader, where there are more of them than connections.
#[test]
fn a_long_poll_delays_no_other_leader() {
    for weather in [Weather::Fair, Weather::Cancelled] {
        let cluster = cluster(3);
        let topic = cluster.replicated_topic("t", 2, 3);
        topic.append(0, batch().fill(5, 10)).append(1, batch().fill(5, 10));
        let mut client = Client::new(&cluster, weather, &SMALL, CONFIG.fetch_max_wait(Duration::from_secs(30)));
        let [first, second] = [0, 1].map(|partition| TopicPartition::new("t", partition));
        topic.partition(0).elect(1);
        topic.partition(1).elect(2);
        client.assign(&[first, second]);
        records(&mut client, 10);
        for what in ["resume", "seek", "assign"] {
            match what {
                "assign" => client.assign(&[first]),
                _ => client.control().pause(second).unwrap(),
            }
            let until = cluster.millis() + 5_000;
            cluster.at(until, |_| ());
            while client.next_before(until).is_some() {}
            assert_eq!(cluster.long_polls(), 1);
            topic.append(1, batch().fill(5, 10));
            let start = cluster.millis();
            match what {
                "assign" => client.assign(&[first, second]),
                _ => client.control().resume(second).unwrap(),
            }
            if what == "seek" {
                client.control().seek_to_beginning(second).unwrap();
            }
            // (one that is assigned anew begins at the beginning, too)
            records(&mut client, if what == "resume" { 5 } else { 15 });
            assert!(cluster.millis() - start <= 100, "{what} took {} ms, {weather:?}", cluster.millis() - start);
        }
        assert_eq!(cluster.take_violations(), Vec::<String>::new());
    }
}

/// The application takes a few records of one leader's partition and goes on somewhere else in it, again and again.
#[test]
fn seeks_in_one_partition_starve_no_other_leader() {
    let cluster = cluster(2);
    let topic = cluster.topic("t", 2);
    (0..40).for_each(|_| {
        topic.append(0, batch().fill(100, 100));
    });
    topic.append(1, batch().fill(5, 10));
    let mut client = Client::new(&cluster, Weather::Fair, &SMALL, CONFIG);
    let [first, second] = [0, 1].map(|partition| TopicPartition::new("t", partition));
    client.assign(&[first, second]);
    for sought in 0..10 {
        match client.next_before(60_000).expect("an event").unwrap() {
            Seen::Records(_, 1, _) => return,
            Seen::Records(_, 0, _) => client.control().seek(first, sought * 7).unwrap(),
            _ => {}
        }
    }
    panic!("nothing of the other leader in {} Fetches", cluster.count(Api::Fetch));
}

#[test]
fn a_long_answer_delays_nobody() {
    for (weather, what) in [Weather::Fair, Weather::Cancelled]
        .into_iter()
        .flat_map(|w| ["seek", "large", "assign", "another leader"].map(|what| (w, what)))
    {
        let cluster = cluster(if what == "another leader" { 2 } else { 1 });
        let topic = cluster.topic("t", 2);
        topic.append(0, batch().fill(10, 10));
        if what == "large" {
            topic.append(0, batch().fill(1, 200_000));
        }
        (0..20).for_each(|_| {
            topic.append(0, batch().fill(100, 100)).append(1, batch().fill(1, 10));
        });
        let config = CONFIG.large_records(LargeRecords::Skip);
        let mut client = Client::new(&cluster, weather, &SMALL, config);
        let [first, second] = [0, 1].map(|partition| TopicPartition::new("t", partition));
        client.assign(&[first]);
        records(&mut client, 10);
        // a link so slow that the rest of the answer never comes
        client.net.cut(Cut::read(client.net.stats().read + 30_000, End::Stall));
        let until = cluster.millis() + 1_000;
        cluster.at(until, |_| ());
        while client.next_before(until).is_some() {}
        let start = cluster.millis();
        let (partition, offset) = if matches!(what, "assign" | "another leader") { (1, 0) } else { (0, 1_995) };
        match partition {
            1 => client.assign(&[second]),
            _ => client.control().seek(first, offset).unwrap(),
        }
        let expected = cluster.partition("t", partition).records_from(offset);
        let seen = records(&mut client, expected.len());
        assert!(cluster.millis() - start <= 100, "{what} took {} ms, {weather:?}", cluster.millis() - start);
        exactly(&seen, "t", partition, &expected, weather);
        assert_eq!(cluster.take_violations(), Vec::<String>::new());
    }
}

#[test]
fn a_seek_while_records_are_lent_and_a_break_in_the_middle() {
    for weather in [Weather::Fair, Weather::Bytes, Weather::Cancelled, Weather::CancelledBytes] {
        let cluster = cluster(1);
        cluster.topic("t", 1).append(0, batch().fill(30, 10)).append(0, batch().fill(30, 10));
        let mut client = Client::new(&cluster, weather, &Sizes { window: 4096, ..SMALL }, CONFIG);
        let partition = TopicPartition::new("t", 0);
        client.assign(&[partition]);
        let (mut offsets, mut sought) = (vec![], false);
        for _ in 0..2_000_000 {
            match client.poll_some(7) {
                Some(Ok(Seen::Records(_, _, records))) => offsets.extend(records.iter().map(|record| record.offset)),
                Some(Ok(Seen::End(..))) => break,
                Some(other) => panic!("{other:?}"),
                None => {
                    if !cluster.tick(cluster.now()) {
                        cluster.advance(1);
                    }
                }
            }
            if offsets.len() == 14 && !sought {
                sought = true;
                client.control().seek(partition, 40).unwrap();
            }
        }
        let expected: Vec<i64> = (0..14).chain(40..60).collect();
        assert_eq!(offsets, expected, "{weather:?}");
    }
}

#[test]
fn every_policy_for_records_larger_than_the_window() {
    for (policy, expected) in [(LargeRecords::Skip, "skipped"), (LargeRecords::Error, "refused")] {
        let cluster = cluster(1);
        cluster.topic("t", 1).append(0, batch().record("a", "1").record("b", [1; 2000]).record("c", "3"));
        let mut client = Client::new(&cluster, Weather::Fair, &SMALL, CONFIG.large_records(policy));
        let partition = TopicPartition::new("t", 0);
        client.assign(&[partition]);
        let until = 10_000;
        let (mut offsets, mut told) = (vec![], vec![]);
        while let Some(seen) = client.next_before(until) {
            match seen {
                Ok(Seen::Records(_, _, records)) => offsets.extend(records.iter().map(|record| record.offset)),
                Ok(Seen::Skipped(0, 1, size)) if size > 2000 => told.push("skipped"),
                Err(Error::Partition(error)) => {
                    told.push("refused");
                    assert_eq!((error.offset, error.next, error.topic.as_str()), (1, 2, "t"));
                    client.control().seek(partition, error.next).unwrap();
                }
                Ok(Seen::End(..)) => {}
                other => panic!("{other:?}"),
            }
        }
        assert_eq!((offsets, told), (vec![0, 2], vec![expected]));
    }
}

#[test]
fn what_cannot_be_read_is_named_and_can_be_skipped() {
    use nanokafka::{Codec, PartitionErrorKind as Kind};
    type Case = (&'static str, fn(Batch) -> Batch, Kind);
    let cases: [Case; 4] = [
        ("gzip", |b| b.codec(1, [1, 2, 3]), Kind::Codec(Codec::Gzip)),
        ("crc", |b| b.wrong_crc(), Kind::Corrupt),
        ("garbage", |b| b.raw_records([0xff; 30]), Kind::Malformed),
        ("magic", |b| b.magic(1), Kind::Magic(1)),
    ];
    for (name, spoil, kind) in cases {
        let cluster = cluster(1);
        let topic = cluster.topic("t", 1);
        topic.append(0, batch().fill(2, 10)).append(0, spoil(batch().fill(3, 10))).append(0, batch().fill(2, 10));
        let end = cluster.partition("t", 0).log_end();
        let mut client = Client::new(&cluster, Weather::Fair, &SMALL, CONFIG);
        let partition = TopicPartition::new("t", 0);
        client.assign(&[partition]);
        let (mut offsets, mut errors) = (vec![], 0);
        while let Some(seen) = client.next_before(30_000) {
            match seen {
                Ok(Seen::Records(_, _, records)) => offsets.extend(records.iter().map(|record| record.offset)),
                Err(Error::Partition(error)) => {
                    // old messages are refused one by one
                    assert_eq!((error.kind, error.offset, error.partition), (kind, 2 + errors, 0), "{name}");
                    assert!(error.next > error.offset, "{name}: {error:?}");
                    errors += 1;
                    assert!(errors < 10, "{name}");
                    client.control().seek(partition, error.next).unwrap();
                }
                Ok(Seen::End(..)) => {}
                other => panic!("{name}: {other:?}"),
            }
        }
        assert!(errors >= 1, "{name}: seen {offsets:?}");
        let expected = [0, 1, end - 2, end - 1];
        assert_eq!(offsets, expected, "{name}");
    }
}

#[test]
fn a_bad_crc_of_a_batch_larger_than_the_window_keeps_the_commit_at_its_start() {
    let cluster = cluster(1);
    cluster.topic("t", 1).append(0, batch().fill(3, 10)).append(0, batch().fill(30, 100).wrong_crc());
    let config = CONFIG.group_id("g").auto_commit_interval(Duration::from_millis(1));
    let mut client = Client::new(&cluster, Weather::Fair, &SMALL, config);
    let partition = TopicPartition::new("t", 0);
    client.assign(&[partition]);
    let mut told = None;
    while let Some(seen) = client.next_before(20_000) {
        if let Err(Error::Partition(error)) = seen {
            told = Some(error);
        }
    }
    let told = told.expect("a report");
    assert_eq!((told.kind, told.offset, told.next), (nanokafka::PartitionErrorKind::Corrupt, 3, 33));
    let _ = client.close();
    assert_eq!(cluster.committed_offset("g", "t", 0), Some(3));
}

#[test]
fn without_a_policy_a_missing_offset_is_an_error() {
    let cluster = cluster(1);
    cluster.topic("t", 2).append(0, batch().fill(3, 10)).append(1, batch().fill(3, 10));
    cluster.commit("g", "t", 1, 77, -1);
    let mut client =
        Client::new(&cluster, Weather::Fair, &SMALL, CONFIG.group_id("g").auto_offset_reset(OffsetReset::None));
    client.assign(&[TopicPartition::new("t", 0), TopicPartition::new("t", 1)]);
    let mut told = vec![];
    while let Some(seen) = client.next_before(20_000) {
        if let Err(Error::Partition(error)) = seen {
            told.push((error.topic.as_str().to_string(), error.partition, error.kind));
        }
    }
    told.sort_by_key(|error| error.1);
    use nanokafka::PartitionErrorKind as Kind;
    assert_eq!(told, [("t".to_string(), 0, Kind::NoOffset), ("t".to_string(), 1, Kind::OutOfRange)]);
    let missing = client.control().seek(TopicPartition::new("t", 2), 0);
    assert!(matches!(missing, Err(Error::Usage(UsageError::NotAssigned(..)))));
}

#[test]
fn cold_starts_ask_no_more_than_they_must() {
    let start = |group: bool| {
        let cluster = cluster(1);
        cluster.topic("t", 2).append(0, batch().fill(3, 10)).append(1, batch().fill(3, 10));
        let mut client =
            Client::new(&cluster, Weather::Fair, &SMALL, if group { CONFIG.group_id("g") } else { CONFIG });
        if group {
            client.subscribe(&["t"]);
        } else {
            client.assign(&[TopicPartition::new("t", 0), TopicPartition::new("t", 1)]);
        }
        client.until(10_000, |seen| matches!(seen, Seen::Records(..)));
        // the Fetch that leaves ahead of the first record is not needed for it
        let ahead = cluster.count(Api::Fetch) - 1;
        cluster.requests().len() - ahead
    };
    assert_eq!((start(false), start(true)), (4, 9));
}

#[test]
fn a_quota_delays_and_one_that_starves_is_reported() {
    let cluster = cluster(1);
    cluster.topic("t", 1).append(0, batch().fill(3, 10));
    cluster.throttle(Api::Fetch, 2_000, 1);
    let mut client = Client::new(&cluster, Weather::Fair, &SMALL, CONFIG);
    client.assign(&[TopicPartition::new("t", 0)]);
    records(&mut client, 3);
    let fetches = cluster.requests_of(Api::Fetch);
    cluster.topic("t", 1).append(0, batch().fill(3, 10));
    records(&mut client, 3);
    let next = &cluster.requests_of(Api::Fetch)[fetches.len()];
    assert!(next.at >= 2_000, "the connection is muted for 2 s, the next Fetch left at {}", next.at);

    // no error, no session, no topics
    let empty = |throttle: i32| [&throttle.to_be_bytes()[..], &[0; 10]].concat();
    // a broker counts in samples of a second, and says how little is missing
    for _ in 0..9 {
        cluster.answer_body(Api::Fetch, empty(4));
    }
    cluster.topic("t", 1).append(0, batch().fill(3, 10));
    records(&mut client, 3);

    for _ in 0..3 {
        cluster.answer_body(Api::Fetch, empty(10_000));
    }
    let start = cluster.millis();
    let told = loop {
        match client.next_before(start + 60_000) {
            Some(Err(Error::Broker(error))) => break error,
            Some(_) => {}
            None => panic!("nothing was said"),
        }
    };
    assert!(cluster.millis() >= start + 20_000, "told after {} ms", cluster.millis() - start);
    assert_eq!((told.api, told.code), (Api::Fetch, nanokafka::ErrorCode::THROTTLING_QUOTA_EXCEEDED));
}

#[test]
fn a_poll_that_waits_longer_than_max_poll_interval_stays_a_member() {
    for weather in [Weather::Fair, Weather::Cancelled] {
        let cluster = cluster(1);
        cluster.topic("t", 1).append(0, batch().fill(1, 10));
        let config = CONFIG.group_id("g").max_poll_interval(Duration::from_secs(20));
        let mut client = Client::new(&cluster, weather, &SMALL, config);
        client.subscribe(&["t"]);
        records(&mut client, 1);
        let until = cluster.millis() + 200_000;
        while let Some(seen) = client.next_before(until) {
            assert!(!matches!(seen, Ok(Seen::Lost(_) | Seen::Revoked(_)) | Err(_)), "{seen:?}");
        }
        assert_eq!(cluster.count(Api::JoinGroup), 2);
    }
}

/// Requests of several fills of the send buffer, while answers that are read meanwhile move what they are made from.
#[test]
fn long_requests_say_what_they_were_begun_with() {
    let cluster = cluster(2);
    let names = ["first-topic", "second-topic-with-another-length"];
    let all: Vec<_> =
        names.iter().flat_map(|name| (0..10).map(|partition| TopicPartition::new(name, partition))).collect();
    for name in names {
        let topic = cluster.topic(name, 10);
        for partition in 0..10 {
            // offsets differ between topics and partitions, so that a wrong row shows
            let skew = if name == names[0] { 0 } else { 100 } + partition as usize * 3;
            for n in 0..40 {
                topic.append(partition, batch().fill(1 + skew / 4 * usize::from(n == 3), 20));
            }
        }
    }
    let config = CONFIG.group_id("g").enable_auto_commit(false).max_partition_fetch_bytes(400);
    let mut client =
        Client::new(&cluster, Weather::Bytes, &Sizes { partitions: 20, connections: 3, window: 512 }, config);
    client.assign(&all);
    let mut positions = std::collections::BTreeMap::new();
    let expected: usize = all.iter().map(|p| cluster.partition(p.topic, p.partition).records_from(0).len()).sum();
    let (mut got, mut events) = (0, 0);
    while got < expected {
        let until = cluster.millis() + 60_000;
        match client.next_before(until) {
            Some(Ok(Seen::Records(topic, partition, records))) => {
                got += records.len();
                events += 1;
                if positions.len() >= 11 && events % 40 == 0 {
                    client.commit_async(); // of more partitions than one fill of the send buffer holds
                }
                for record in records {
                    let position = positions.entry((topic.clone(), partition)).or_insert(0);
                    assert_eq!(record.offset, *position, "{topic}-{partition}");
                    *position += 1;
                }
            }
            Some(Ok(_)) => {}
            other => panic!("{other:?}"),
        }
        for partition in &all {
            let committed = cluster.committed_offset("g", partition.topic, partition.partition).unwrap_or(0);
            let handed = positions.get(&(partition.topic.to_string(), partition.partition)).copied().unwrap_or(0);
            assert!(committed <= handed, "{partition}: {committed} committed, {handed} handed out");
        }
    }
    assert_eq!(cluster.take_violations(), Vec::<String>::new());
}

#[test]
fn a_pause_behind_the_last_record_does_not_spare_a_batch_its_verdict() {
    let cluster = cluster(1);
    cluster.topic("t", 1).append(0, batch().fill(30, 100).wrong_crc()).append(0, batch().fill(3, 10));
    let mut client = Client::new(&cluster, Weather::Fair, &SMALL, CONFIG.group_id("g"));
    let partition = TopicPartition::new("t", 0);
    client.assign(&[partition]);
    let mut told = None;
    while let Some(seen) = client.next_before(20_000) {
        match seen {
            Ok(Seen::Records(_, _, records)) if records.last().is_some_and(|record| record.offset == 29) => {
                client.control().pause(partition).unwrap();
            }
            Err(Error::Partition(error)) => told = Some((error.kind, error.offset, error.next)),
            _ => {}
        }
    }
    assert_eq!(told, Some((nanokafka::PartitionErrorKind::Corrupt, 0, 30)));
    let _ = client.close();
    assert_eq!(cluster.committed_offset("g", "t", 0), None);
}

#[test]
fn a_partition_that_the_topic_does_not_have_is_told_once() {
    let cluster = cluster(1);
    cluster.topic("t", 2).append(0, batch().fill(1, 10));
    let mut client = Client::new(&cluster, Weather::Fair, &SMALL, CONFIG);
    client.assign(&[TopicPartition::new("t", 0), TopicPartition::new("t", 7)]);
    let (mut told, mut read) = (vec![], 0);
    while let Some(seen) = client.next_before(60_000) {
        match seen {
            Err(Error::Broker(error)) => told.push((error.topic.as_str().to_string(), error.partition, error.code)),
            Ok(seen) => read += count(&seen),
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!((told, read), (vec![("t".to_string(), 7, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)], 1));
}

#[test]
fn a_large_record_of_one_chunk_is_read_and_can_be_marked() {
    use nanokafka::{Consumer, Event, Seed, Storage, Superloop};
    for mark in [false, true] {
        let cluster = cluster(1);
        cluster.topic("t", 1).append(0, batch().record("k", [7; 600])).append(0, batch().fill(1, 10));
        let mut net = cluster.net(2);
        let config = CONFIG.group_id("g").auto_commit_marks(true);
        let storage = Storage::boxed(1, 2, 512);
        let mut consumer = Consumer::<Superloop>::new(storage, config, Superloop, Seed::new([9; 32])).unwrap();
        consumer.assign(&[TopicPartition::new("t", 0)]).unwrap();
        let mut read = 0;
        while read == 0 {
            match consumer.poll(cluster.now(), &mut net) {
                Ok(Some(Event::LargeRecord(mut record))) => {
                    while read == 0 {
                        match record.chunk(cluster.now(), &mut net) {
                            std::task::Poll::Ready(chunk) => read += chunk.unwrap().len(),
                            std::task::Poll::Pending => drop(cluster.sleep()),
                        }
                    }
                    if mark {
                        record.mark();
                    }
                }
                Ok(_) => drop(cluster.sleep()),
                Err(error) => panic!("{error}"),
            }
        }
        let mut records = 0;
        while records == 0 {
            match consumer.poll(cluster.now(), &mut net).unwrap() {
                Some(Event::Records(lent)) => records += lent.count(),
                Some(Event::Skipped(_)) => panic!("a chunk of it was read"),
                _ => drop(cluster.sleep()),
            }
        }
        let mut result = consumer.commit_sync(cluster.now(), &mut net);
        while result.is_pending() {
            cluster.sleep();
            result = consumer.commit_sync(cluster.now(), &mut net);
        }
        let committed = cluster.committed("g", "t", 0).map(|committed| committed.offset);
        assert_eq!(committed, mark.then_some(1), "marked: {mark}");
    }
}
