//! What must be so on every platform.
use crate::{Client, Ends, Platform, Seen, Sizes};
use nanokafka::{Config, Error, OffsetReset, TopicPartition, TransportErrorKind};
use nanokafka_scripted::{batch, record, Cut, Direction, End, Record};
use std::collections::BTreeMap;
use std::time::Duration;

/// The names of the scenarios, each a function of this module.
#[doc(hidden)]
#[macro_export]
macro_rules! each_scenario {
    ($platforms:expr) => {
        $crate::each_scenario! { $platforms =>
            a_group_of_one_reads_everything_once_commits_and_leaves,
            assigned_partitions_go_on_at_the_committed_offset,
            a_seek_does_not_wait_for_a_long_poll,
            a_late_record_ends_a_long_poll,
            batches_and_records_larger_than_the_window_pass_through_it,
            a_reset_at_any_byte_loses_and_repeats_nothing,
            connections_that_end_while_nothing_is_due_are_made_anew,
            brokers_are_found_by_name,
            a_name_that_does_not_resolve_is_passed_over_and_told,
            close_ends_every_connection_in_order_although_a_long_poll_is_out,
        }
    };
    ($platforms:expr => $($scenario:ident),* $(,)?) => {
        $(#[test]
        fn $scenario() {
            $platforms.into_iter().for_each($crate::scenarios::$scenario)
        })*
    };
}

/// Far more than anything here takes; a loaded machine must not fail a test.
const LONG: Duration = Duration::from_secs(300);
const LONG_POLL: Duration = Duration::from_secs(120);

/// Less than a long poll takes, unless the news of a connection's end may be lost: then the long poll has to time out.
fn soon<P: Platform>(_: &P) -> Duration {
    if P::LOSES {
        LONG
    } else {
        Duration::from_secs(25)
    }
}

const SIZES: Sizes = Sizes { partitions: 8, window: 1_024 };
const RECORDS: usize = 21;

type Log = BTreeMap<i32, Vec<Record>>;

/// It lives as long as the process: a client's configuration is `'static`.
fn config_at(servers: &[(String, u16)]) -> Config<'static> {
    let servers: Vec<_> = servers.iter().map(|(host, port)| format!("{host}:{port}")).collect();
    Config::new(servers.join(",").leak())
        .auto_offset_reset(OffsetReset::Earliest)
        .enable_auto_commit(false)
        .fetch_max_wait(LONG_POLL)
}

fn config<P: Platform>(platform: &P) -> Config<'static> {
    config_at(&platform.addresses())
}

/// Four partitions of `t`, led by the brokers in turn, with [`RECORDS`] records each.
fn fill<P: Platform>(platform: &mut P) {
    platform.cluster(|cluster| {
        let topic = cluster.topic("t", 4);
        for partition in 0..4 {
            for size in [10, 300, 40] {
                topic.append(partition, batch().fill(6, size).with(record().key("only").null_header("h")));
            }
        }
    });
}

const T: [TopicPartition<'static>; 4] = [
    TopicPartition::new("t", 0),
    TopicPartition::new("t", 1),
    TopicPartition::new("t", 2),
    TopicPartition::new("t", 3),
];

/// What is in partition 0 of `t`.
fn log<P: Platform>(platform: &mut P, from: i64) -> Vec<Record> {
    platform.cluster(move |cluster| cluster.partition("t", 0).records_from(from))
}

fn append<P: Platform>(platform: &mut P, value: &'static str) {
    platform.cluster(move |cluster| {
        cluster.partition("t", 0).append(batch().record("late", value));
    });
}

/// Polls until so many records were seen; lost connections are passed over, other errors are not.
fn read(client: &mut impl Client, count: usize, within: Duration) -> Log {
    let mut log = Log::new();
    loop {
        let seen = log.values().map(Vec::len).sum::<usize>();
        if seen >= count {
            return log;
        }
        match client.poll(within) {
            Some(Ok(Seen::Records(_, partition, records))) => log.entry(partition).or_default().extend(records),
            Some(Ok(_) | Err(Error::Transport(_) | Error::Timeout(_))) => {}
            Some(Err(error)) => panic!("{error}"),
            None => panic!("{seen} of {count} records, and no more within {within:?}"),
        }
    }
}

/// Polls until nothing more comes; then a long poll is out.
fn settle(client: &mut impl Client) {
    while let Some(seen) = client.poll(Duration::from_millis(300)) {
        assert!(!matches!(seen, Ok(Seen::Records(..))), "{seen:?}");
    }
}

/// The group's whole life.
pub fn a_group_of_one_reads_everything_once_commits_and_leaves<P: Platform>(mut platform: P) {
    fill(&mut platform);
    let mut client = platform.client(&SIZES, config(&platform).group_id("g"));
    client.subscribe(&["t"]).unwrap();
    let expected = platform.cluster(|cluster| (0..4).map(|i| (i, cluster.partition("t", i).records_from(0))).collect());
    assert_eq!(read(&mut client, 4 * RECORDS, LONG), expected);
    client.commit_sync().unwrap();
    let committed = platform.cluster(|cluster| [0, 1, 2, 3].map(|i| cluster.committed_offset("g", "t", i)));
    assert_eq!(committed, [Some(RECORDS as i64); 4]);
    client.close().unwrap();
    let members = platform.cluster(|cluster| cluster.group("g").map(|group| group.members.len()));
    assert!(members == Some(0) || P::LOSES, "{members:?}");
}

/// One consumer after the other.
pub fn assigned_partitions_go_on_at_the_committed_offset<P: Platform>(mut platform: P) {
    fill(&mut platform);
    let config = config(&platform).group_id("g");
    let mut client = platform.client(&SIZES, config);
    client.assign(&T[..1]).unwrap();
    assert_eq!(read(&mut client, RECORDS, LONG)[&0], log(&mut platform, 0));
    client.commit_sync().unwrap();
    client.close().unwrap();
    append(&mut platform, "after the commit");
    let mut client = platform.client(&SIZES, config);
    client.assign(&T[..1]).unwrap();
    assert_eq!(read(&mut client, 1, LONG)[&0], log(&mut platform, RECORDS as i64));
    client.close().unwrap();
}

/// Back, to the beginning and to the end.
pub fn a_seek_does_not_wait_for_a_long_poll<P: Platform>(mut platform: P) {
    fill(&mut platform);
    let mut client = platform.client(&SIZES, config(&platform));
    client.assign(&T[..1]).unwrap();
    read(&mut client, RECORDS, LONG);
    settle(&mut client);
    client.control().seek(T[0], 5).unwrap();
    assert_eq!(read(&mut client, RECORDS - 5, soon(&platform))[&0], log(&mut platform, 5));
    settle(&mut client);
    client.control().seek_to_beginning(T[0]).unwrap();
    assert_eq!(read(&mut client, RECORDS, soon(&platform))[&0], log(&mut platform, 0));
    client.control().seek_to_end(T[0]).unwrap();
    while client.control().position(T[0]) != Some(RECORDS as i64) {
        client.poll(Duration::from_millis(10));
    }
    append(&mut platform, "behind the end");
    assert_eq!(read(&mut client, 1, soon(&platform))[&0], log(&mut platform, RECORDS as i64));
    client.close().unwrap();
}

/// Nothing is polled for but the long poll's answer.
pub fn a_late_record_ends_a_long_poll<P: Platform>(mut platform: P) {
    fill(&mut platform);
    let mut client = platform.client(&SIZES, config(&platform));
    client.assign(&T[..1]).unwrap();
    read(&mut client, RECORDS, LONG);
    for offset in (RECORDS as i64..).take(3) {
        settle(&mut client);
        append(&mut platform, "late, but there");
        assert_eq!(read(&mut client, 1, soon(&platform))[&0], log(&mut platform, offset));
    }
    client.close().unwrap();
}

/// 20 KB in a batch, 100 KB in a record.
pub fn batches_and_records_larger_than_the_window_pass_through_it<P: Platform>(mut platform: P) {
    let expected: Vec<_> = platform.cluster(|cluster| {
        let image: Vec<u8> = (0..100_000u32).map(|i| (i * 7 + i / 251) as u8).collect();
        let topic = cluster.topic("t", 1);
        topic.append(0, batch().fill(200, 100)).append(0, batch().record("small", "1").record("image", image));
        topic.append(0, batch().fill(20, 300));
        topic.partition(0).records_from(0).into_iter().map(|record| (record.offset, record.value)).collect()
    });
    let mut client = platform.client(&SIZES, config(&platform));
    client.assign(&T[..1]).unwrap();
    let (mut values, mut large) = (vec![], 0);
    while values.len() < expected.len() {
        match client.poll(LONG) {
            Some(Ok(Seen::Records(.., records))) => values.extend(records.into_iter().map(|r| (r.offset, r.value))),
            Some(Ok(Seen::Large(.., offset, value))) => {
                values.push((offset, Some(value)));
                large += 1;
            }
            Some(Ok(_)) => {}
            Some(Err(Error::Transport(_) | Error::Timeout(_))) if P::LOSES => {}
            other => panic!("{other:?} after {} of {} values", values.len(), expected.len()),
        }
    }
    assert!(values == expected, "{} values differ", values.len());
    assert_eq!(large, 1);
    client.close().unwrap();
}

/// Cut in what is read and in what is written, on the connection to a leader that is also the first of the list.
pub fn a_reset_at_any_byte_loses_and_repeats_nothing<P: Platform>(mut platform: P) {
    fill(&mut platform);
    let config = config(&platform).reconnect_backoff(Duration::from_millis(5)).retry_backoff(Duration::from_millis(5));
    let read_cuts = [0, 3, 4, 300, 464, 465, 600, 700, 1_000, 1_500, 2_048, 2_400].map(|at| (Direction::ToClient, at));
    let write_cuts = [0, 1, 20, 40, 60, 80, 120].map(|at| (Direction::ToBroker, at));
    for (direction, after) in read_cuts.into_iter().chain(write_cuts) {
        let before = platform.cluster(move |cluster| {
            // the control connection, then the leader's
            cluster.cut_next(1, Cut { direction, after, end: End::Reset });
            cluster.cut_next(1, Cut { direction, after, end: End::Reset });
            cluster.connects().len()
        });
        let mut client = platform.client(&SIZES, config);
        client.assign(&T[..1]).unwrap();
        assert_eq!(read(&mut client, RECORDS, LONG)[&0], log(&mut platform, 0), "{direction:?} {after}");
        client.close().unwrap();
        let made = platform.cluster(move |cluster| {
            cluster.heal();
            cluster.connects().len()
        }) - before;
        assert!(made > 2, "{direction:?} {after}: {made} connections, so nothing was cut");
    }
}

/// By RST and by FIN.
pub fn connections_that_end_while_nothing_is_due_are_made_anew<P: Platform>(mut platform: P) {
    fill(&mut platform);
    let mut client = platform.client(&SIZES, config(&platform));
    client.assign(&T[..1]).unwrap();
    read(&mut client, RECORDS, LONG);
    for (offset, end) in (RECORDS as i64..).zip([End::Reset, End::Fin, End::Reset]) {
        settle(&mut client);
        platform.cluster(move |cluster| {
            cluster.end_all(1, end);
            cluster.end_all(2, end);
        });
        append(&mut platform, "after the end");
        assert_eq!(read(&mut client, 1, soon(&platform))[&0], log(&mut platform, offset), "{end:?}");
    }
    client.close().unwrap();
}

/// In the list and in what brokers advertise.
pub fn brokers_are_found_by_name<P: Platform>(mut platform: P) {
    fill(&mut platform);
    let named = platform.addresses().map(|(_, port)| (P::NAME.to_string(), port));
    let ports = named.clone();
    platform.cluster(move |cluster| {
        for (node, (name, port)) in (1..).zip(ports) {
            cluster.advertise(node, &name, port);
        }
    });
    let mut client = platform.client(&SIZES, config_at(&named));
    client.assign(&T).unwrap();
    read(&mut client, 4 * RECORDS, LONG);
    client.close().unwrap();
}

/// `.invalid` never resolves (RFC 2606).
pub fn a_name_that_does_not_resolve_is_passed_over_and_told<P: Platform>(mut platform: P) {
    fill(&mut platform);
    let nowhere = ("nowhere.invalid".to_string(), 9_092);
    let mut client = platform.client(&SIZES, config_at(std::slice::from_ref(&nowhere)));
    client.assign(&T[..1]).unwrap();
    match client.poll(LONG) {
        Some(Err(Error::Transport(error))) => match error.cause.kind {
            TransportErrorKind::Name => {}
            TransportErrorKind::TimedOut if P::LOSES => {}
            kind => panic!("{kind:?}"),
        },
        other => panic!("{other:?}"),
    }
    client.close().unwrap();
    let [first, _] = platform.addresses();
    let mut client = platform.client(&SIZES, config_at(&[nowhere, first]));
    client.assign(&T[..1]).unwrap();
    assert_eq!(read(&mut client, RECORDS, LONG)[&0], log(&mut platform, 0));
    client.close().unwrap();
}

/// FIN, and no RST.
pub fn close_ends_every_connection_in_order_although_a_long_poll_is_out<P: Platform>(mut platform: P) {
    fill(&mut platform);
    let mut client = platform.client(&SIZES, config(&platform).group_id("g"));
    client.assign(&T[..1]).unwrap();
    read(&mut client, RECORDS, LONG);
    settle(&mut client);
    client.commit_sync().unwrap();
    client.close().unwrap();
    let made = platform.cluster(|cluster| cluster.connects().len());
    let mut ends = platform.ends();
    for _ in 0..1_000 {
        if ends.fin + ends.reset >= made {
            break;
        }
        platform.wait(Duration::from_millis(10));
        ends = platform.ends();
    }
    assert!(ends == Ends { fin: made, reset: 0 } || P::LOSES, "{ends:?} of {made}");
}

/// An idle member's wakeups in two minutes: 24 heartbeats and 12 long polls end in them. `count` reads them off its client.
pub fn idle_wakeups<P: Platform>(mut platform: P, count: impl Fn(&P::Client) -> usize) -> usize {
    platform.cluster(|cluster| {
        cluster.topic("t", 1);
    });
    let [(host, port), _] = platform.addresses();
    let config = Config::new(format!("{host}:{port}").leak()).group_id("g").heartbeat_interval(Duration::from_secs(5));
    let mut client = platform.client(&Sizes { partitions: 1, window: 1_024 }, config);
    client.subscribe(&["t"]).unwrap();
    while client.poll(Duration::from_secs(5)).is_some() {}
    let before = count(&client);
    assert_eq!(client.poll(Duration::from_secs(120)), None);
    let wakeups = count(&client) - before;
    client.close().unwrap();
    wakeups
}
