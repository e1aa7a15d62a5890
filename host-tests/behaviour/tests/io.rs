//! The scenarios over `nanokafka-io`.
use nanokafka_behaviour::on_each_platform;
use nanokafka_behaviour::pipes::Memory;

on_each_platform! {
    duplex: [Memory::new(false, false)],
    careless: [Memory::new(true, false)],
    careless_and_cancelled: [Memory::new(true, true)],
}
