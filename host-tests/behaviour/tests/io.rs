//! The scenarios over `nanokafka-io`.
use nanokafka_behaviour::on_each_platform;
use nanokafka_behaviour::pipes::Memory;
use nanokafka_behaviour::scenarios::idle_wakeups;

on_each_platform! {
    duplex: [Memory::new(false, false)],
    careless: [Memory::new(true, false)],
    careless_and_cancelled: [Memory::new(true, true)],
}

/// As over embassy-net, in pieces of a pipe.
#[test]
fn an_idle_member_of_a_group_sleeps() {
    let polls = idle_wakeups(Memory::new(false, false), |client| client.executor.polls);
    assert!(polls <= 120, "{polls} polls in two minutes");
}
