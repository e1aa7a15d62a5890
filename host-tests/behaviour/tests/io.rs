//! The scenarios over `nanokafka-io`.
use nanokafka::Config;
use nanokafka_behaviour::pipes::Memory;
use nanokafka_behaviour::{on_each_platform, Client, Platform, Sizes};
use std::time::Duration;

on_each_platform! {
    duplex: [Memory::new(false, false)],
    careless: [Memory::new(true, false)],
    careless_and_cancelled: [Memory::new(true, true)],
}

/// As over embassy-net, in pieces of a pipe.
#[test]
fn an_idle_member_of_a_group_sleeps() {
    let mut platform = Memory::new(false, false);
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
    assert!(polls <= 120, "{polls} polls in two minutes");
    client.close().unwrap();
}
