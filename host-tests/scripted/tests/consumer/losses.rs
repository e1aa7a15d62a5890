//! How long records stay away after a loss, from the moment on at which the cluster works again by its own account.
use crate::client::{Client, Seen, Sizes, Weather};
use nanokafka::{Config, OffsetReset};
use nanokafka_scripted::{batch, Cluster, End};
use std::time::Duration;

const PARTITIONS: i32 = 4;
const LOSSES: u64 = 50;
const LIMIT: u64 = 2_000;

/// Splitmix64: below `n`.
fn below(state: &mut u64, n: u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (z ^ (z >> 31)) % n
}

/// Something breaks now: what, and when Metadata and FindCoordinator name who serves again.
fn lose(cluster: &Cluster, random: &mut u64) -> (String, u64) {
    let now = cluster.millis();
    let node = 1 + below(random, 3) as i32;
    let partition = below(random, PARTITIONS as u64) as i32;
    match below(random, 6) {
        0 => {
            cluster.kill(node).at(now + 8_000, move |cluster| {
                cluster.restart(node);
            });
            (format!("broker {node} killed"), now + 3_000)
        }
        1 => {
            let millis = 500 + below(random, 15_000);
            cluster.pause(node).at(now + millis, move |cluster| {
                cluster.resume(node);
            });
            (format!("broker {node} frozen for {millis} ms"), now + millis)
        }
        2 => {
            let leader = cluster.partition("t", partition).leader();
            cluster.partition("t", partition).elect(leader % 3 + 1);
            (format!("leader of t-{partition} moved from {leader}"), now)
        }
        3 => {
            cluster.partition("t", partition).elect(-1);
            let millis = below(random, 10_000);
            cluster.at(now + millis, move |cluster| {
                cluster.partition("t", partition).elect(node);
            });
            (format!("t-{partition} without a leader for {millis} ms, then {node}"), now + millis)
        }
        4 => {
            let (from, millis) = (cluster.coordinator("g").expect("a coordinator"), below(random, 5_000));
            cluster.move_coordinator("g", from % 3 + 1, millis);
            (format!("coordinator moved from {from}, away for {millis} ms"), now + millis + 30)
        }
        _ => {
            let end = if below(random, 2) == 0 { End::Reset } else { End::Fin };
            for node in 1..=3 {
                cluster.end_all(node, end);
            }
            (format!("all connections: {end:?}"), now)
        }
    }
}

/// Goes on to `until`, or until `wanted` records of every partition were seen.
fn run(client: &mut Client, until: u64, seen: &mut [usize; PARTITIONS as usize], wanted: usize) {
    while seen.iter().any(|&count| count < wanted) {
        match client.next_before(until) {
            Some(Ok(Seen::Records(_, partition, records))) => seen[partition as usize] += records.len(),
            Some(Ok(Seen::Assigned(_) | Seen::End(..))) => {}
            Some(other) => panic!("{other:?}"),
            None => return,
        }
    }
}

#[test]
fn after_each_of_fifty_losses_records_come_within_two_seconds_of_the_clusters_recovery() {
    let cluster = Cluster::new(3);
    cluster.time_limit(10_000_000).configure(|settings| {
        (settings.initial_rebalance_delay_ms, settings.latency_ms, settings.broker_session_timeout_ms) = (0, 2, 3_000);
    });
    let topic = cluster.replicated_topic("t", PARTITIONS as usize, 3);
    let config = Config::new("b1:9092,b2:9092,b3:9092")
        .group_id("g")
        .auto_offset_reset(OffsetReset::Earliest)
        .request_timeout(Duration::from_secs(5));
    let sizes = Sizes { partitions: PARTITIONS as usize, connections: 4, window: 512 };
    let mut client = Client::new(&cluster, Weather::Fair, &sizes, config);
    client.subscribe(&["t"]);
    let (mut random, mut seen, mut times) = (7, [0; PARTITIONS as usize], vec![]);
    for n in 0..LOSSES as usize + 1 {
        let what = if n == 0 {
            "the start".into()
        } else {
            let quiet = cluster.millis() + 10_000 + below(&mut random, 12_000);
            run(&mut client, quiet, &mut seen, usize::MAX);
            let (what, healthy) = lose(&cluster, &mut random);
            run(&mut client, healthy, &mut seen, usize::MAX);
            cluster.advance_to(nanokafka::Instant::from_millis(healthy));
            what
        };
        let from = cluster.millis();
        for partition in 0..PARTITIONS {
            topic.append(partition, batch().fill(1, 10));
        }
        run(&mut client, from + 60_000, &mut seen, n + 1);
        assert_eq!(seen, [n + 1; PARTITIONS as usize], "{what}: not within a minute\n{}", cluster.log());
        times.push((cluster.millis() - from, what));
    }
    let (worst, what) = times[1..].iter().max().expect("50 losses");
    println!("the worst of {LOSSES}: {worst} ms, {what}");
    let late: Vec<_> = times[1..].iter().filter(|(millis, _)| *millis > LIMIT).collect();
    assert!(late.is_empty(), "{late:?}");
}
