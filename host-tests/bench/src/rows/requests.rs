//! What is asked before the first record comes.

use crate::broker::Broker;
use crate::programs::Who;
use crate::table::Row;
use crate::Error;
use nanokafka::Api;

pub fn run(broker: &mut Broker) -> Result<Vec<Row>, Error> {
    let topic = broker.topic(1, 100, 1000)?;
    let options = format!("bootstrap={} topic={topic} meter=true", broker.bootstrap()?);
    let mut rows = vec![];
    for (start, called, limit) in [("group=requests", "group", 9.0), ("", "assign from earliest", 4.0)] {
        let answer = Who::Nanokafka.run("first", &format!("{options} {start}"))?;
        let keys = answer.text("requests")?.split(',').map(str::parse::<i16>).collect::<Result<Vec<_>, _>>()?;
        let names: Vec<_> = keys.iter().map(|&key| name(key)).collect();
        let figure = "real Kafka, one node: requests before the first record";
        rows.push(Row::limited(
            figure,
            called,
            keys.len() as f64,
            limit,
            format!("{}: {}", keys.len(), names.join(", ")),
        ));
    }
    Ok(rows)
}

fn name(key: i16) -> String {
    use Api::*;
    let known =
        [ApiVersions, Metadata, FindCoordinator, JoinGroup, SyncGroup, Heartbeat, OffsetFetch, ListOffsets, Fetch];
    known.into_iter().find(|&api| api as i16 == key).map_or_else(|| key.to_string(), |api| format!("{api:?}"))
}
