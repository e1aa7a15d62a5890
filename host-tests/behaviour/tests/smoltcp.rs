//! The scenarios over `nanokafka-smoltcp`, in fair and in foul weather.
use nanokafka_behaviour::on_each_platform;
use nanokafka_behaviour::stacks::{Corrupting, Losing, Slow, Smoltcp};

on_each_platform! {
    fair: Smoltcp,
    slow: Slow,
    losing: Losing,
    corrupting: Corrupting,
}
