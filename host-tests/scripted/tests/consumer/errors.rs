//! Every error code at every API that can carry one, once, against the table that users read, `errors.md`: retried in
//! silence, reported and goes on, or fatal; never in silence without records, and never without the commit.
use crate::client::{Client, Seen, Weather, SMALL};
use nanokafka::{Config, Error, ErrorCode, GroupProtocol, OffsetReset, TopicPartition};
use nanokafka_scripted::{batch, Api, Cluster};
use std::collections::BTreeMap;
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    Silent,
    Reported,
    Fatal,
}

/// Where in an answer a code stands, and who hears of it.
const PLACES: [(Api, &str); 18] = [
    (Api::ApiVersions, "answer"),
    (Api::Metadata, "topic"),
    (Api::Metadata, "partition"),
    (Api::FindCoordinator, "answer"),
    (Api::JoinGroup, "answer"),
    (Api::SyncGroup, "answer"),
    (Api::Heartbeat, "answer"),
    (Api::LeaveGroup, "answer"),
    (Api::OffsetCommit, "partition"),
    (Api::OffsetCommit, "partition, automatic"),
    (Api::OffsetFetch, "answer"),
    (Api::OffsetFetch, "partition"),
    (Api::ListOffsets, "partition"),
    (Api::OffsetForLeaderEpoch, "partition"),
    (Api::Fetch, "answer"),
    (Api::Fetch, "partition"),
    (Api::ConsumerGroupHeartbeat, "answer, joining"),
    (Api::ConsumerGroupHeartbeat, "answer, later"),
];

/// Those that Kafka 4.4 has, and one that it has not.
fn codes() -> impl Iterator<Item = i16> {
    (-1..=137).filter(|&code| code != 0)
}

/// A group of one reads two partitions and commits; the error comes at the first request of that API.
fn outcome(api: Api, place: &str, code: i16) -> Result<Outcome, String> {
    let cluster = Cluster::new(1);
    cluster.configure(|settings| settings.initial_rebalance_delay_ms = 0);
    let topic = cluster.topic("t", 2);
    topic.append(0, batch().fill(3, 10)).append(1, batch().fill(3, 10));
    if place.starts_with("partition") {
        cluster.fail_partition(api, "t", 0, code, 1);
    } else if place.ends_with("later") {
        cluster.at(7_000, move |cluster| {
            cluster.fail(api, code, 1);
        });
    } else {
        cluster.fail(api, code, 1);
    }
    let automatic = place.ends_with("automatic");
    let config = Config::new("b1:9092")
        .group_id("g")
        .auto_offset_reset(OffsetReset::Earliest)
        .fetch_max_wait(Duration::from_secs(1))
        .enable_auto_commit(automatic)
        .auto_commit_interval(Duration::from_millis(500));
    let next_gen = api == Api::ConsumerGroupHeartbeat;
    let config = if next_gen { config.group_protocol(GroupProtocol::Consumer) } else { config };
    if api == Api::OffsetForLeaderEpoch {
        // the records came with epoch 0, and then there is another leader epoch
        cluster.at(2_000, |cluster| {
            cluster.partition("t", 0).elect(1);
        });
    }
    let mut client = Client::new(&cluster, Weather::Fair, &SMALL, config);
    client.subscribe(&["t"]);
    let (mut records, mut told, mut reports) = ([0, 0], None, 0);
    let committed = |cluster: &Cluster| [0, 1].map(|partition| cluster.committed_offset("g", "t", partition));
    // who left its membership behind, or hears nothing of it that it knows, waits for the session to end
    let patience = if api == Api::Heartbeat || code == 25 { 100_000 } else { 20_000 };
    while let Some(seen) = client.next_before(patience) {
        let commits = matches!(seen, Ok(Seen::Records(..) | Seen::Committed(Err(_))));
        match seen {
            Ok(Seen::Records(_, partition, list)) => records[partition as usize] += list.len(),
            Ok(Seen::Committed(Err(error))) | Err(error) => {
                let outcome = if error.is_fatal() { Outcome::Fatal } else { Outcome::Reported };
                told = told.max(Some(outcome));
                match error {
                    _ if outcome == Outcome::Fatal => break,
                    Error::Partition(error) => {
                        let partition = TopicPartition::new("t", error.partition);
                        client.control().seek(partition, error.next).map_err(|error| error.to_string())?;
                    }
                    Error::Broker(error) if error.partition >= 0 && api != Api::OffsetCommit => {
                        let _ = client.control().seek_to_beginning(TopicPartition::new("t", error.partition));
                    }
                    _ => {}
                }
                reports += 1;
                if reports > 1 {
                    return Err("reported more than once".into());
                }
            }
            _ => {}
        }
        if commits && !automatic && records.iter().all(|&n| n >= 3) {
            client.commit_async();
        }
    }
    if api == Api::LeaveGroup {
        let close = client.close();
        told = told.max(close.err().map(|error| if error.is_fatal() { Outcome::Fatal } else { Outcome::Reported }));
    }
    let violations = cluster.take_violations();
    if !violations.is_empty() {
        return Err(format!("{violations:?}"));
    }
    let answers = cluster.requests_of(api).into_iter().filter_map(|request| request.answer);
    if answers.flat_map(|answer| answer.codes).filter(|&other| other == code).count() == 0 {
        return Err("it was never asked".into());
    }
    let told = told.unwrap_or(Outcome::Silent);
    if told != Outcome::Fatal {
        if records.iter().any(|&n| n < 3) {
            return Err(format!("silence: {records:?} after {told:?}"));
        }
        if committed(&cluster) != [Some(3); 2] {
            return Err(format!("{told:?}, and not committed"));
        }
    }
    Ok(told)
}

/// `errors.md`: what it says of each code at each place.
fn specified() -> BTreeMap<(String, String, i16), Outcome> {
    let mut table = BTreeMap::new();
    let mut others = BTreeMap::new();
    for line in include_str!("errors.md").lines().filter(|line| line.starts_with('|')).skip(2) {
        let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [api, place, codes, outcome, _] = cells[..] else { panic!("five columns: {line}") };
        let outcome = match outcome {
            "silent" => Outcome::Silent,
            "reported" => Outcome::Reported,
            "**fatal**" => Outcome::Fatal,
            other => panic!("{other}: {line}"),
        };
        let (api, place) = (api.to_string(), place.to_string());
        if codes == "others" {
            assert_eq!(others.insert((api, place), outcome), None, "{line}");
            continue;
        }
        for code in codes.split(", ") {
            let (number, name) = code.split_once(' ').unwrap_or_else(|| panic!("number and name: {line}"));
            let number: i16 = number.parse().unwrap_or_else(|_| panic!("{number}: {line}"));
            assert_eq!(ErrorCode(number).name(), Some(name), "{line}");
            let row = (api.clone(), place.clone(), number);
            assert_eq!(table.insert(row, outcome), None, "twice: {code} in {line}");
        }
    }
    for ((api, place), outcome) in others {
        for code in codes() {
            table.entry((api.clone(), place.clone(), code)).or_insert(outcome);
        }
    }
    table
}

#[test]
fn every_code_at_every_api_comes_to_what_the_table_says() {
    let mut table = specified();
    let mut wrong = vec![];
    for (api, place) in PLACES {
        for code in codes() {
            let expected = table.remove(&(format!("{api:?}"), place.to_string(), code));
            let found = outcome(api, place, code);
            if found.is_err() || found.as_ref().ok() != expected.as_ref() {
                wrong.push(format!("{api:?} {place} {code}: {found:?}, not {expected:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of them:\n{}", wrong.len(), wrong.join("\n"));
    assert!(table.is_empty(), "nothing of the kind: {:?}", table.keys());
}
