//! Every error code at every API that can carry one, once: it ends in exactly one of retried silently, reported and goes
//! on, reported and fatal; never in silence without records.
use crate::client::{Client, Seen, Weather, SMALL};
use nanokafka::{Config, Error, OffsetReset, TopicPartition};
use nanokafka_scripted::{batch, Api, Cluster};
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    Silent,
    Reported,
    Fatal,
}

/// A group of one reads two partitions and commits; the error comes at the first request of that API.
fn outcome(api: Api, code: i16, partition: bool) -> Result<Outcome, String> {
    let cluster = Cluster::new(1);
    cluster.configure(|settings| settings.initial_rebalance_delay_ms = 0);
    let topic = cluster.topic("t", 2);
    topic.append(0, batch().fill(3, 10)).append(1, batch().fill(3, 10));
    if partition {
        cluster.fail_partition(api, "t", 0, code, 1);
    } else {
        cluster.fail(api, code, 1);
    }
    let config = Config::new("b1:9092")
        .group_id("g")
        .auto_offset_reset(OffsetReset::Earliest)
        .auto_commit_interval(Duration::from_millis(500));
    let mut client = Client::new(&cluster, Weather::Fair, &SMALL, config);
    client.subscribe(&["t"]);
    let (mut records, mut told, mut late) = ([0, 0], None, 0);
    while let Some(seen) = client.next_before(120_000) {
        match seen {
            Ok(Seen::Records(_, partition, list)) => records[partition as usize] += list.len(),
            Ok(Seen::Committed(Err(error))) | Err(error) => {
                let outcome = if error.is_fatal() { Outcome::Fatal } else { Outcome::Reported };
                if let Error::Partition(error) = error {
                    let partition = TopicPartition::new("t", error.partition);
                    client.control().seek(partition, error.next).map_err(|error| error.to_string())?;
                } else if let Error::Broker(error) = error {
                    if error.partition >= 0 && api != Api::OffsetCommit {
                        let partition = TopicPartition::new("t", error.partition);
                        let _ = client.control().seek_to_beginning(partition);
                    }
                }
                let worst = told.map_or(outcome, |told: Outcome| told.max(outcome));
                told = Some(worst);
                if worst == Outcome::Fatal {
                    return Ok(worst);
                }
                late += 1;
                if late > 500 {
                    return Err("reported without end".into());
                }
            }
            _ => {}
        }
    }
    let violations = cluster.take_violations();
    if !violations.is_empty() {
        return Err(format!("{violations:?}"));
    }
    let fetched = records[0] >= 3 && records[1] >= 3;
    if !fetched {
        return Err(format!("silence: {records:?} after {told:?}"));
    }
    if api != Api::OffsetCommit
        && (cluster.committed_offset("g", "t", 0), cluster.committed_offset("g", "t", 1)) != (Some(3), Some(3))
    {
        return Err("not committed".into());
    }
    Ok(told.unwrap_or(Outcome::Silent))
}

#[test]
fn every_code_at_every_api() {
    let whole = [
        Api::ApiVersions,
        Api::FindCoordinator,
        Api::JoinGroup,
        Api::SyncGroup,
        Api::Heartbeat,
        Api::OffsetFetch,
        Api::Fetch,
        Api::LeaveGroup,
    ];
    let partitions = [Api::Metadata, Api::ListOffsets, Api::OffsetCommit, Api::OffsetFetch, Api::Fetch];
    let cases = whole.map(|api| (api, false)).into_iter().chain(partitions.map(|api| (api, true)));
    let mut wrong = vec![];
    for (api, partition) in cases {
        for code in (-1..=137).filter(|&code| code != 0) {
            if let Err(why) = outcome(api, code, partition) {
                wrong.push(format!("{api:?} {} {code}: {why}", if partition { "partition" } else { "whole" }));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of them:\n{}", wrong.len(), wrong.join("\n"));
}
