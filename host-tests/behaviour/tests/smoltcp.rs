//! The scenarios over `nanokafka-smoltcp`, in fair and in foul weather.
use nanokafka_behaviour::on_each_platform;
use nanokafka_behaviour::stacks::{Fair, Foul, Weather};

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
