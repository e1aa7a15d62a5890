//! The scenarios over `nanokafka-smoltcp`, in fair and in foul weather.
use nanokafka_behaviour::on_each_platform;
use nanokafka_behaviour::scenarios::idle_wakeups;
use nanokafka_behaviour::stacks::{Fair, Foul, Smoltcp, Weather};

/// Of each foul weather.
const SEEDS: std::ops::Range<u32> = 0..25;

on_each_platform! {
    fair: [Fair::new(Smoltcp, 0)],
    slow: [Fair::new(Smoltcp, 50)],
    losing: SEEDS.map(|seed| Foul::new(Smoltcp, Weather::losing(seed))),
    corrupting: SEEDS.map(|seed| Foul::new(Smoltcp, Weather::corrupting(seed))),
}

/// To send, two packets that come, a delayed acknowledgement, and what it is answered with are five turns for each end of
/// something.
#[test]
fn an_idle_member_of_a_group_sleeps() {
    let turns = idle_wakeups(Fair::new(Smoltcp, 5), |client| client.near.turns);
    assert!(turns <= 200, "{turns} turns in two minutes");
}
