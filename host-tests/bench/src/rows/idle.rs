//! Members of a group that have nothing to do, with default configurations, at the same time.

use crate::broker::Broker;
use crate::programs::{Running, Who};
use crate::table::Row;
use crate::Error;
use nanokafka_bench::usage;
use std::collections::HashMap;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

const FIGURE: &str = "real Kafka, idle member of a group, polled with 1 s, over librdkafka's";

/// What joining takes is not idle.
pub const SETTLE: Duration = Duration::from_secs(6);
const MINUTE: Duration = Duration::from_secs(60);

/// IPv4, and TCP with timestamps as Linux sends it.
const HEADERS: u64 = 20 + 32;

pub fn run(broker: &mut Broker) -> Result<Vec<Row>, Error> {
    let bootstrap = broker.bootstrap()?;
    let mut start = |who: Who, name: &str| {
        broker.create(name, 1)?;
        who.start("idle", &format!("bootstrap={bootstrap} topic={name} group={name} single=true"))
    };
    let members = [start(Who::Nanokafka, "idle-ours")?, start(Who::Librdkafka, "idle-theirs")?];
    sleep(SETTLE);
    let before = [Usage::of(&members[0])?, Usage::of(&members[1])?];
    sleep(MINUTE);
    let [(wire, cpu), (their_wire, their_cpu)] =
        [Usage::of(&members[0])?.since(&before[0])?, Usage::of(&members[1])?.since(&before[1])?];
    Ok(vec![
        Row::limited(
            FIGURE,
            "bytes on the wire with TCP/IP headers",
            wire / their_wire,
            0.2,
            format!("{:.3} ({:.1} KB / {:.1} KB a minute)", wire / their_wire, wire / 1e3, their_wire / 1e3),
        ),
        Row::limited(
            FIGURE,
            "CPU",
            cpu / their_cpu,
            0.4,
            format!("{:.2} ({cpu:.1} ms / {their_cpu:.1} ms a minute)", cpu / their_cpu),
        ),
    ])
}

/// Until now.
struct Usage {
    cpu: Duration,
    /// Of each socket, by its addresses.
    wire: HashMap<String, u64>,
}

impl Usage {
    fn of(process: &Running) -> Result<Self, Error> {
        Ok(Usage { cpu: usage::cpu(&process.id()), wire: sockets(&process.id())? })
    }

    /// Bytes and milliseconds.
    fn since(&self, before: &Usage) -> Result<(f64, f64), Error> {
        if before.wire.is_empty() || before.wire.keys().any(|socket| !self.wire.contains_key(socket)) {
            return Err("a connection ended while it was counted".into());
        }
        let wire = self.wire.values().sum::<u64>() - before.wire.values().sum::<u64>();
        Ok((wire as f64, (self.cpu - before.cpu).as_secs_f64() * 1e3))
    }
}

/// What the kernel counted for each TCP socket of a process: payload and segments, both ways.
///
/// ```text
/// ESTAB 0 0 127.0.0.1:4321 127.0.0.1:9092 users:(("program",pid=123,fd=4)) … bytes_sent:99 … segs_out:9 segs_in:8 …
/// ```
fn sockets(process: &str) -> Result<HashMap<String, u64>, Error> {
    let output = Command::new("ss").args(["-tinpHO"]).output().map_err(|error| format!("ss of iproute2: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let owned = format!("pid={process},");
    let socket = |line: &str| {
        let words: Vec<_> = line.split_whitespace().collect();
        let count = |name: &str| {
            let value = words.iter().find_map(|word| word.strip_prefix(name)?.strip_prefix(':'));
            value.and_then(|value| value.parse().ok()).unwrap_or(0u64)
        };
        let wire = count("bytes_sent") + count("bytes_received") + HEADERS * (count("segs_out") + count("segs_in"));
        (words.get(3..5).unwrap_or_default().join(" "), wire)
    };
    Ok(text.lines().filter(|line| line.contains(&owned)).map(socket).collect())
}
