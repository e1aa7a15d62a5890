//! What must be so on every platform.
use crate::{Client, Platform, Seen, Sizes};
use nanokafka::{Config, Error, OffsetReset};
use nanokafka_scripted::{batch, record, Record};
use std::collections::BTreeMap;
use std::time::Duration;

/// The scenarios' names, each a function of this module.
#[doc(hidden)]
#[macro_export]
macro_rules! each_scenario {
    ($platform:ty) => {
        $crate::each_scenario!($platform: a_group_of_one_reads_everything_once_commits_and_leaves);
    };
    ($platform:ty: $($scenario:ident),*) => {
        $(#[test] fn $scenario() { $crate::scenarios::$scenario::<$platform>() })*
    };
}

/// Far more than anything here takes; a loaded machine must not fail a test.
const LONG: Duration = Duration::from_secs(60);
const SIZES: Sizes = Sizes { partitions: 8, window: 1_024 };

type Log = BTreeMap<i32, Vec<Record>>;

/// With the addresses of all brokers. It lives as long as the process: a client's configuration is `'static`.
fn config<P: Platform>(platform: &P) -> Config<'static> {
    let servers: Vec<_> = platform.addresses().iter().map(|(host, port)| format!("{host}:{port}")).collect();
    Config::new(servers.join(",").leak()).auto_offset_reset(OffsetReset::Earliest)
}

/// Four partitions of `t`, led by the brokers in turn, with 21 records each.
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

/// What is in `t`.
fn logs<P: Platform>(platform: &mut P) -> Log {
    platform.cluster(|cluster| (0..4).map(|i| (i, cluster.partition("t", i).records_from(0))).collect())
}

/// Polls until so many records were seen; lost connections are passed over, other errors are not.
fn read(client: &mut impl Client, records: usize) -> Log {
    let mut log = Log::new();
    while log.values().map(Vec::len).sum::<usize>() < records {
        match client.poll(LONG) {
            Some(Ok(Seen::Records(_, partition, records))) => log.entry(partition).or_default().extend(records),
            Some(Ok(_) | Err(Error::Transport(_))) => {}
            Some(Err(error)) => panic!("{error}"),
            None => panic!("{} records of {records}", log.values().map(Vec::len).sum::<usize>()),
        }
    }
    log
}

#[allow(missing_docs)]
pub fn a_group_of_one_reads_everything_once_commits_and_leaves<P: Platform>() {
    let mut platform = P::new();
    fill(&mut platform);
    let config = config(&platform).group_id("g");
    let mut client = platform.client(&SIZES, config);
    client.subscribe(&["t"]).unwrap();
    assert_eq!(read(&mut client, 84), logs(&mut platform));
    client.commit_sync().unwrap();
    let committed = platform.cluster(|cluster| [0, 1, 2, 3].map(|i| cluster.committed_offset("g", "t", i)));
    assert_eq!(committed, [Some(21); 4]);
    client.close().unwrap();
    assert_eq!(platform.cluster(|cluster| cluster.group("g").map(|group| group.members.len())), Some(0));
}
