//! The scenarios over `nanokafka-embassy`: in fair weather, cancelled wherever they wait, in foul weather.
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
