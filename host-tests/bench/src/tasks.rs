//! What the programs do with either client; each prints one line of `key=value`, or runs until it is killed.

use crate::client::{Client, Options};
use crate::usage;
use std::fmt::Debug;
use std::hint::black_box;
use std::str::FromStr;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A number of an argument.
///
/// # Panics
/// If it is none.
pub fn parse<T: FromStr<Err: Debug>>(text: &str) -> T {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error:?}"))
}

/// Of programs whose arguments are a task and its options.
pub fn options() -> (String, &'static Options) {
    let mut arguments = std::env::args().skip(1);
    let task = arguments.next().expect("a task");
    (task, Box::leak(Box::new(Options::parse(arguments))))
}

/// Far above what any task takes; nothing waits for ever.
const PATIENCE: Duration = Duration::from_secs(120);

/// What an application waits that has nothing else to do.
const POLL: Duration = Duration::from_secs(1);

/// `read`, `first`, `latency` or `idle`.
pub fn run<C: Client>(task: &str, options: &'static Options) {
    match task {
        "read" => read::<C>(options),
        "first" => first::<C>(options),
        "latency" => latency::<C>(options),
        "idle" => {
            let mut client = C::new(options);
            loop {
                client.poll(POLL, |_, _| ());
            }
        }
        other => panic!("no task {other}"),
    }
}

/// Reads `records` records, in `seconds` at most. Where the log has only `log` records, it is read again and again, by a
/// client that can.
fn read<C: Client>(options: &'static Options) {
    let (wanted, log) = (options.number("records", u64::MAX), options.number("log", u64::MAX));
    let patience = options.text("seconds").map_or(PATIENCE, |seconds| Duration::from_secs(parse(seconds)));
    let start = Instant::now();
    let mut client = C::new(options);
    let (mut records, mut bytes, mut next_end) = (0, 0u64, log);
    while records < wanted && start.elapsed() < patience {
        records += client.poll(POLL, |key, value| {
            black_box((key, value));
            bytes += (key.len() + value.len()) as u64;
        });
        if records >= next_end {
            if !client.rewind() {
                break;
            }
            next_end += log;
        }
    }
    let (wall, cpu) = (start.elapsed().as_micros(), usage::cpu("self").as_micros());
    let (peak, anonymous) = (usage::memory("VmHWM"), usage::memory("RssAnon"));
    let notes = client.notes();
    println!("records={records} bytes={bytes} wall={wall} cpu={cpu} peak={peak} anonymous={anonymous} {notes}");
    std::process::exit(0); // whatever the client would still do is not measured
}

/// From nothing to the first record, in microseconds.
fn first<C: Client>(options: &'static Options) {
    let start = Instant::now();
    let mut client = C::new(options);
    while client.poll(POLL, |_, _| ()) == 0 {
        assert!(start.elapsed() < PATIENCE, "no record");
    }
    println!("wall={} {}", start.elapsed().as_micros(), client.notes());
    client.sleep();
    std::process::exit(0);
}

/// Records of `latency` that do not count: connections and caches get warm.
const WARM_UP: usize = 100;

/// Reads `records` records whose values begin with the time they were sent, and prints percentiles in microseconds.
fn latency<C: Client>(options: &'static Options) {
    let mut client = C::new(options);
    let start = Instant::now();
    let mut latencies = vec![];
    while latencies.len() < WARM_UP + options.number("records", 600) {
        client.poll(POLL, |_, value| {
            let sent = value.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
            latencies.push(now().saturating_sub(sent));
        });
        assert!(start.elapsed() < PATIENCE, "too few records");
    }
    let latencies = &mut latencies[WARM_UP..];
    latencies.sort_unstable();
    println!("p50={} p99={}", latencies[latencies.len() / 2], latencies[latencies.len() * 99 / 100]);
    std::process::exit(0);
}

/// Microseconds since 1970, as both ends of a record understand them.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros() as u64
}
