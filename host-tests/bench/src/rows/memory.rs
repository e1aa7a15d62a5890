//! Memory of a process that is a blocking consumer and little else.

use crate::broker::Broker;
use crate::programs::Who;
use crate::table::Row;
use crate::Error;
use nanokafka_bench::replay::{Replay, TOPIC};

const PARTITIONS: i32 = 8;

pub fn run(_: &mut Broker) -> Result<Vec<Row>, Error> {
    let replay = Replay::new(PARTITIONS, 100, 100_000);
    let records = replay.end * i64::from(PARTITIONS);
    let bootstrap = replay.serve()?;
    let options = format!("bootstrap={bootstrap} topic={TOPIC} partitions={PARTITIONS} records={records} window=65536");
    let answer = Who::Nanokafka.run("read", &options)?;
    let megabytes = |key| Ok::<_, Error>(answer.number(key)? / 1024.0);
    let (anonymous, peak) = (megabytes("anonymous")?, megabytes("peak")?);
    let figure = format!("blocking consumer, 64 KB window, {PARTITIONS} partitions");
    Ok(vec![
        Row::limited(&figure, "anonymous memory", anonymous, 1.0, format!("{anonymous:.2} MB")),
        Row::limited(&figure, "peak RSS", peak, 4.0, format!("{peak:.2} MB")),
    ])
}
