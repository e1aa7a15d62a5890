//! Iterating over records, with what leads to it, over the least that reading their bytes can cost.
//!
//! Two runs of different length are subtracted, so that what happens once does not count, and so is what the in-memory
//! transport costs.

use super::SIZES;
use crate::broker::Broker;
use crate::programs::{allocations, callgrind};
use crate::table::Row;
use crate::Error;

const FIGURE: &str = "decoding: instructions per record over an ideal iterator's with the same CRC";
const PROGRAM: &str = "bench-decode";
const SHORT: u64 = 20_000;
const LONG: u64 = 60_000;

pub fn run(_: &mut Broker) -> Result<Vec<Row>, Error> {
    let mut rows = vec![];
    for ((size, name), limit) in SIZES.into_iter().zip([1.5, 1.2]) {
        let per_record = |mode: &str| {
            let count = |records| callgrind(PROGRAM, &format!("{mode} {size} {records}"));
            Ok::<_, Error>((count(LONG)? as f64 - count(SHORT)? as f64) / (LONG - SHORT) as f64)
        };
        let transport = per_record("transport")?;
        let (ours, ideal) = (per_record("ours")? - transport, per_record("ideal")? - transport);
        let measured = format!("{:.3} ({ours:.0} / {ideal:.0})", ours / ideal);
        rows.push(Row::limited(FIGURE, name, ours / ideal, limit, measured));
    }
    let count = |records| allocations(PROGRAM, &format!("ours 100 {records}"));
    // the broker's side keeps its buffers
    let more = count(LONG)?.abs_diff(count(SHORT)?);
    rows.push(Row::limited(FIGURE, format!("allocations for {} records", LONG - SHORT), more as f64, 0.0, more));
    Ok(rows)
}
