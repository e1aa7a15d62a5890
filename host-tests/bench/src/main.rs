//! `cargo xtask bench [NAME…]`: measures the figures that the README promises, and compares them with their limits.

mod broker;
mod machine;
mod programs;
mod rows;
mod table;

use broker::Broker;
use std::process::ExitCode;
use table::Row;

type Error = Box<dyn std::error::Error>;

/// What is measured at once.
struct Bench {
    name: &'static str,
    run: fn(&mut Broker) -> Result<Vec<Row>, Error>,
}

#[rustfmt::skip]
const BENCHES: &[Bench] = &[
    Bench { name: "decoding", run: rows::decoding::run },
    Bench { name: "replay", run: rows::replay::run },
    Bench { name: "throughput", run: rows::throughput::run },
    Bench { name: "start", run: rows::start::run },
    Bench { name: "latency", run: rows::latency::run },
    Bench { name: "idle", run: rows::idle::run },
    Bench { name: "down", run: rows::down::run },
    Bench { name: "memory", run: rows::memory::run },
    Bench { name: "overhead", run: rows::overhead::run },
    Bench { name: "requests", run: rows::requests::run },
    Bench { name: "state", run: rows::state::run },
];

fn main() -> ExitCode {
    let names: Vec<_> = std::env::args().skip(1).collect();
    if let Some(unknown) = names.iter().find(|name| !BENCHES.iter().any(|bench| bench.name == **name)) {
        let known: Vec<_> = BENCHES.iter().map(|bench| bench.name).collect();
        eprintln!("no figure {unknown}; there are: {}", known.join(" "));
        return ExitCode::from(2);
    }
    let mut broker = Broker::default();
    let mut rows = vec![];
    for bench in BENCHES.iter().filter(|bench| names.is_empty() || names.iter().any(|name| name == bench.name)) {
        eprintln!("measuring: {}", bench.name);
        match (bench.run)(&mut broker) {
            Ok(measured) => rows.extend(measured),
            Err(error) => rows.push(Row::failed(bench.name, &*error)),
        }
    }
    let table = table::render(&rows) + &machine::describe();
    println!("{table}");
    if names.is_empty() {
        // of a few figures alone the README would lose the others
        if let Err(error) = table::write("README.md", &table) {
            eprintln!("README.md is left as it is: {error}");
        }
    }
    let over =
        rows.iter().filter(|row| row.misses()).inspect(|row| eprintln!("over its limit: {}", row.name())).count();
    ExitCode::from(u8::from(over > 0))
}
