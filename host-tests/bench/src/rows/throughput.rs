//! CPU time and time to read a long log of a real broker, in interleaved runs.

use super::SIZES;
use crate::broker::Broker;
use crate::programs::Who;
use crate::table::{median, Row};
use crate::Error;

const BATCH_CPU: &str = "real Kafka, 1 MB window: CPU per GB over librdkafka's batch consumer";
const SINGLE_CPU: &str = "real Kafka, 1 MB window: CPU per GB over librdkafka's loop over single records";
const TIME: &str = "real Kafka, 1 MB window: time per GB over librdkafka's batch consumer";
const WINDOWS: &str = "real Kafka, other windows: CPU and time per GB";

const RUNS: usize = 9;
/// Runs before those that count, until the log is in the page cache and on the disk, and the broker's code is compiled.
const WARM_UP: usize = 3;
/// Runs of each window that is only published.
const PUBLISHED_RUNS: usize = 3;
const SECONDS: u32 = 3;

/// Records of the log: more than librdkafka reads in [`SECONDS`] on a fast machine. It stops at the end, we begin again.
const RECORDS: [usize; 2] = [10_000_000, 2_500_000];

/// Most of librdkafka's CPU time: of its batch consumer, of its loop over single records.
const LIMITS: [(f64, f64); 2] = [(0.22, 0.12), (0.7, 0.45)];

/// Of one run, per gigabyte of keys and values.
#[derive(Clone, Copy)]
struct Cost {
    cpu: f64,
    wall: f64,
}

pub fn run(broker: &mut Broker) -> Result<Vec<Row>, Error> {
    let [mut batch_cpu, mut single_cpu, mut time, mut windows] = [const { vec![] }; 4];
    for (((size, name), records), (batch_limit, single_limit)) in SIZES.into_iter().zip(RECORDS).zip(LIMITS) {
        let topic = broker.topic(1, size, records)?;
        let options = format!("bootstrap={} topic={topic} seconds={SECONDS} log={records}", broker.bootstrap()?);
        let cost = |who: Who, more: &str| cost(who, &format!("{options} {more}"));
        for _ in 0..WARM_UP {
            cost(Who::Nanokafka, "")?;
            cost(Who::Librdkafka, "")?;
        }
        let (mut ours, mut batch, mut single) = (vec![], vec![], vec![]);
        for _ in 0..RUNS {
            ours.push(cost(Who::Nanokafka, "")?);
            batch.push(cost(Who::Librdkafka, "")?);
            single.push(cost(Who::Librdkafka, "single=true")?);
        }
        batch_cpu.push(compare(BATCH_CPU, name, batch_limit, &ours, &batch, |cost| cost.cpu));
        single_cpu.push(compare(SINGLE_CPU, name, single_limit, &ours, &single, |cost| cost.cpu));
        time.push(compare(TIME, name, 1.0, &ours, &batch, |cost| cost.wall));
        for (window, called) in [(4096, "4 KB"), (65_536, "64 KB"), (262_144, "256 KB")] {
            let runs = (0..PUBLISHED_RUNS).map(|_| cost(Who::Nanokafka, &format!("window={window}")));
            let runs = runs.collect::<Result<Vec<_>, _>>()?;
            let of = |what: fn(&Cost) -> f64| median(runs.iter().map(what).collect());
            let measured = format!("{:.2} s, {:.2} s", of(|cost| cost.cpu), of(|cost| cost.wall));
            windows.push(Row::published(WINDOWS, format!("{name}, {called}"), measured));
        }
    }
    Ok([batch_cpu, single_cpu, time, windows].into_iter().flatten().collect())
}

fn cost(who: Who, options: &str) -> Result<Cost, Error> {
    let answer = who.run("read", options)?;
    let gigabytes = answer.number("bytes")? / 1e9;
    let seconds = |key| Ok::<_, Error>(answer.number(key)? / 1e6 / gigabytes);
    Ok(Cost { cpu: seconds("cpu")?, wall: seconds("wall")? })
}

/// The median of the ratios of runs that followed each other.
fn compare(figure: &str, case: &str, limit: f64, ours: &[Cost], theirs: &[Cost], what: fn(&Cost) -> f64) -> Row {
    let ratio = median(ours.iter().zip(theirs).map(|(ours, theirs)| what(ours) / what(theirs)).collect());
    let of = |runs: &[Cost]| median(runs.iter().map(what).collect());
    Row::limited(figure, case, ratio, limit, format!("{ratio:.2} ({:.2} s / {:.2} s)", of(ours), of(theirs)))
}
