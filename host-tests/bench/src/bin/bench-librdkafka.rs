//! librdkafka's consumer, in a process of its own: `bench-librdkafka TASK key=value…`.

use nanokafka_bench::librdkafka::Librdkafka;
use nanokafka_bench::tasks;

fn main() {
    let (task, options) = tasks::options();
    tasks::run::<Librdkafka>(&task, options);
}
