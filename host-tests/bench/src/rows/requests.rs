//! What is asked before the first record comes, the first time and after a sleep in which only flash is kept.

use crate::broker::Broker;
use crate::programs::Who;
use crate::table::Row;
use crate::Error;
use nanokafka::Api;

const FIGURE: &str = "real Kafka, one node: requests before the first record";

pub fn run(broker: &mut Broker) -> Result<Vec<Row>, Error> {
    // an answer that is larger than the window: its end, which brings the next Fetch, is not there before the first record
    let topic = broker.topic(1, 100, 10_000)?;
    let options = format!("bootstrap={} topic={topic} meter=true window=65536", broker.bootstrap()?);
    let saved = std::env::temp_dir().join(format!("nanokafka-membership-{}", std::process::id()));
    let membership = format!("group=requests-saved instance=device saved={}", saved.display());
    let mut rows = vec![];
    for (start, sleeps, called, limit) in [
        ("group=requests", false, "group", 9.0),
        (&membership, true, "static member that saved its membership", 5.0),
        ("group=requests-next protocol=consumer", false, "group whose broker assigns", 8.0),
        ("group=requests-back protocol=consumer instance=device", true, "static member comes back to one", 7.0),
        ("", false, "assign from earliest", 4.0),
        ("offset=500", false, "assign at a kept offset", 3.0),
    ] {
        let wakes = || Who::Nanokafka.run("first", &format!("{options} {start}"));
        if sleeps {
            wakes()?;
        }
        let answer = wakes()?;
        let keys = answer.text("requests")?.split(',').map(str::parse::<i16>).collect::<Result<Vec<_>, _>>()?;
        let names: Vec<_> = keys.iter().map(|&key| name(key)).collect();
        let measured = format!("{}: {}", keys.len(), names.join(", "));
        rows.push(Row::limited(FIGURE, called, keys.len() as f64, limit, measured));
    }
    std::fs::remove_file(saved)?;
    Ok(rows)
}

fn name(key: i16) -> String {
    use Api::*;
    let known = [ApiVersions, Metadata, FindCoordinator, JoinGroup, SyncGroup, Heartbeat, OffsetFetch, OffsetCommit];
    let known = known.into_iter().chain([ListOffsets, Fetch, ConsumerGroupHeartbeat]);
    known.into_iter().find(|&api| api as i16 == key).map_or_else(|| key.to_string(), |api| format!("{api:?}"))
}
