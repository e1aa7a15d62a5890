//! The scenarios over `nanokafka-smoltcp`, in fair and in foul weather.
use nanokafka::Config;
use nanokafka_behaviour::stacks::{Fair, Foul, Weather};
use nanokafka_behaviour::{on_each_platform, Client, Platform, Sizes};
use std::time::Duration;

/// Of each foul weather.
const SEEDS: std::ops::Range<u32> = 0..25;

fn losing(seed: u32) -> Foul {
    Foul::new(Weather { drop: 5, corrupt: 0, delay: 5, seed })
}

fn corrupting(seed: u32) -> Foul {
    Foul::new(Weather { drop: 0, corrupt: 10, delay: 5, seed })
}

on_each_platform! {
    fair: [Fair::new(0)],
    slow: [Fair::new(50)],
    losing: SEEDS.map(losing),
    corrupting: SEEDS.map(corrupting),
}

/// 24 heartbeats and 12 long polls that end: to send, two packets that come, a delayed acknowledgement, and what it is
/// answered with are five turns each.
#[test]
fn an_idle_member_of_a_group_sleeps() {
    let mut platform = Fair::new(5);
    platform.cluster(|cluster| {
        cluster.topic("t", 1);
    });
    let [(host, port), _] = platform.addresses();
    let config = Config::new(format!("{host}:{port}").leak()).group_id("g").heartbeat_interval(Duration::from_secs(5));
    let mut client = platform.client(&Sizes { partitions: 1, window: 1_024 }, config);
    client.subscribe(&["t"]).unwrap();
    while client.poll(Duration::from_secs(5)).is_some() {}
    let before = client.near.turns;
    assert_eq!(client.poll(Duration::from_secs(120)), None);
    let turns = client.near.turns - before;
    assert!(turns <= 200, "{turns} turns in two minutes");
    client.close().unwrap();
}
