//! Both clients whole, each in a process of its own, against the same bytes from a loopback server that has nothing to
//! think about. Two runs of different length are subtracted.

use super::SIZES;
use crate::broker::Broker;
use crate::programs::Who;
use crate::table::Row;
use crate::Error;
use nanokafka_bench::replay::{Replay, TOPIC};

const FIGURE: &str = "whole client, replayed batches: instructions per record over librdkafka's batch consumer";

pub fn run(_: &mut Broker) -> Result<Vec<Row>, Error> {
    let mut rows = vec![];
    for (((size, name), limit), records) in SIZES.into_iter().zip([0.25, 0.4]).zip([200_000, 60_000]) {
        let ours = per_record(Who::Nanokafka, size, records)?;
        let theirs = per_record(Who::Librdkafka, size, records)?;
        let measured = format!("{:.3} ({ours:.0} / {theirs:.0})", ours / theirs);
        rows.push(Row::limited(FIGURE, name, ours / theirs, limit, measured));
    }
    Ok(rows)
}

fn per_record(who: Who, size: usize, records: i64) -> Result<f64, Error> {
    let count = |records| {
        let replay = Replay::new(1, size, records);
        let end = replay.end;
        let options = format!("bootstrap={} topic={TOPIC} records={end}", replay.serve()?);
        Ok::<_, Error>((who.instructions("read", &options)? as f64, end as f64))
    };
    let ((short, fewer), (long, more)) = (count(records / 4)?, count(records)?);
    Ok((long - short) / (more - fewer))
}
