//! Members of a group that have nothing to do, with default configurations, at the same time.

use crate::broker::Broker;
use crate::programs::Who;
use crate::proxy::Proxy;
use crate::table::Row;
use crate::Error;
use nanokafka_bench::usage;
use nanokafka_brokers::{Kafka, RELEASE};
use std::thread::sleep;
use std::time::Duration;

/// What joining takes is not idle.
const SETTLE: Duration = Duration::from_secs(6);
const MINUTE: Duration = Duration::from_secs(60);

/// Default `client.id`s, which tell the proxy whose bytes it carries.
const IDS: [&str; 2] = ["nanokafka", "rdkafka"];

pub fn run(_: &mut Broker) -> Result<Vec<Row>, Error> {
    let proxy = Proxy::start()?;
    let advertised = format!("PLAINTEXT://{}", proxy.address());
    let kafka = Kafka::start(1, RELEASE, &[("advertised.listeners", &advertised)])?;
    proxy.forward_to(kafka.bootstrap());
    let start = |who: Who, name: &str| {
        kafka.admin(&format!("create {name} 1 1"))?;
        who.start("idle", &format!("bootstrap={} topic={name} group={name} single=true", proxy.address()))
    };
    let members = [start(Who::Nanokafka, "ours")?, start(Who::Librdkafka, "theirs")?];
    sleep(SETTLE);
    let now = || [0, 1].map(|i| (proxy.wire(IDS[i]) as f64, usage::cpu(&members[i].id()).as_secs_f64() * 1e3));
    let before = now();
    sleep(MINUTE);
    let after = now();
    let [ours, theirs] = [0, 1].map(|i| (after[i].0 - before[i].0, after[i].1 - before[i].1));
    if ours.0 <= 0.0 || theirs.0 <= 0.0 {
        return Err("a member that says nothing is not a member".into());
    }
    let (wire, cpu) = (ours.0 / theirs.0, ours.1 / theirs.1);
    Ok(vec![
        Row::limited(
            "real Kafka, idle member of a group: bytes on the wire with 40 bytes of headers for each message and its \
             acknowledgement, over librdkafka's",
            wire,
            0.2,
            format!("{wire:.2} ({:.1} KB / {:.1} KB a minute)", ours.0 / 1e3, theirs.0 / 1e3),
        ),
        Row::limited(
            "real Kafka, idle member of a group: CPU over librdkafka's",
            cpu,
            0.4,
            format!("{cpu:.2} ({:.1} ms / {:.1} ms a minute)", ours.1, theirs.1),
        ),
    ])
}
