//! The scenarios over `nanokafka-embassy`: in fair weather, cancelled wherever they wait, in foul weather.
use nanokafka::Config;
use nanokafka_behaviour::embassy::{Fair, Foul};
use nanokafka_behaviour::stacks::Weather;
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
    fair: [Fair::new(0, false)],
    cancelled: [Fair::new(0, true), Fair::new(50, true)],
    losing: SEEDS.map(losing),
    corrupting: SEEDS.map(corrupting),
}

/// 24 heartbeats and 12 long polls that end: two packets come for each, and a timer or two of the consumer.
#[test]
fn an_idle_member_of_a_group_sleeps() {
    let mut platform = Fair::new(5, false);
    platform.cluster(|cluster| {
        cluster.topic("t", 1);
    });
    let [(host, port), _] = platform.addresses();
    let config = Config::new(format!("{host}:{port}").leak()).group_id("g").heartbeat_interval(Duration::from_secs(5));
    let mut client = platform.client(&Sizes { partitions: 1, window: 1_024 }, config);
    client.subscribe(&["t"]).unwrap();
    while client.poll(Duration::from_secs(5)).is_some() {}
    let before = client.executor.polls;
    assert_eq!(client.poll(Duration::from_secs(120)), None);
    let polls = client.executor.polls - before;
    assert!(polls <= 80, "{polls} polls in two minutes");
    client.close().unwrap();
}
