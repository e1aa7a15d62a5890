//! This project's consumer, in a process of its own: `bench-nanokafka TASK key=value…`.

use nanokafka_bench::meter::Meter;
use nanokafka_bench::ours::Ours;
use nanokafka_bench::tasks;
use nanokafka_std::blocking::Tcp;

fn main() {
    let (task, options) = tasks::options();
    match options.number("meter", false) {
        true => tasks::run::<Ours<Meter<Tcp>>>(&task, options),
        false => tasks::run::<Ours<Tcp>>(&task, options),
    }
}
