//! The scenarios over `nanokafka-embassy`: in fair weather, cancelled wherever they wait, in foul weather.
use nanokafka_behaviour::embassy::Embassy;
use nanokafka_behaviour::on_each_platform;
use nanokafka_behaviour::scenarios::idle_wakeups;
use nanokafka_behaviour::stacks::{Fair, Foul, Weather};

/// Of each foul weather.
const SEEDS: std::ops::Range<u32> = 0..25;
const CANCELLED: Embassy = Embassy { cancels: true };

on_each_platform! {
    fair: [Fair::new(Embassy { cancels: false }, 0)],
    cancelled: [Fair::new(CANCELLED, 0), Fair::new(CANCELLED, 50)],
    losing: SEEDS.map(|seed| Foul::new(CANCELLED, Weather::losing(seed))),
    corrupting: SEEDS.map(|seed| Foul::new(CANCELLED, Weather::corrupting(seed))),
}

/// Two packets come for each end of something, and a timer or two of the consumer.
#[test]
fn an_idle_member_of_a_group_sleeps() {
    let polls = idle_wakeups(Fair::new(Embassy { cancels: false }, 5), |client| client.executor.polls);
    assert!(polls <= 80, "{polls} polls in two minutes");
}
