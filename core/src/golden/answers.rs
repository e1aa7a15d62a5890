//! Answers, item by item, against what the schemas say they hold.
use super::{answers, bytes, cases, file, from_hex, hex, int, list, string};
use crate::wire::answer::{tag, Item as Shared, Progress, Row, END};
use crate::wire::primitives::{item, Bytes, Flexible, Parsed, Stop};
use crate::wire::{
    api_versions, batch, consumer_group_heartbeat, fetch, find_coordinator, flexible, heartbeat, join_group,
    list_offsets, metadata, offset_commit, offset_fetch, offset_for_leader_epoch, sync_group,
};
use crate::Api;
use serde_json::Value;

/// Walks an answer as a connection does, but all at once.
fn walk<'a, T>(
    name: &str,
    flexible: Flexible,
    body: Bytes<'a>,
    parse: impl Fn(&mut Progress, Bytes<'a>) -> Parsed<'a, T>,
) -> Vec<T> {
    let (mut rest, mut progress, mut items) = (body, Progress::of(flexible), Vec::new());
    loop {
        rest = rest.get(progress.skip as usize..).unwrap_or_else(|| panic!("{name}: skips beyond the end"));
        progress.skip = 0;
        if let Some(parsed) = tag(&mut progress, rest) {
            rest = item(parsed).unwrap_or_else(|stop| panic!("{name}: {stop:?}")).0;
            continue;
        }
        if progress.part == END {
            assert_eq!(rest, [0u8; 0], "{name}: trailing bytes");
            return items;
        }
        // a prefix is never mistaken for an item
        let before = progress;
        let (next, found) = item(parse(&mut progress, rest)).unwrap_or_else(|stop| panic!("{name}: {stop:?}"));
        let used = rest.len() - next.len();
        for cut in 0..used {
            assert!(
                matches!(item(parse(&mut { before }, &rest[..cut])), Err(Stop::More)),
                "{name}: cut at {cut} of {used}"
            );
        }
        (rest, items) = (next, {
            items.push(found);
            items
        });
    }
}

/// Of the versions that have no tagged fields.
const OLD: Flexible = Flexible::new(false);

/// All answers of an API: `check` gets the name, the version, the body and the decoded fields.
fn each(api: Api, check: impl Fn(&str, i16, Bytes<'_>, &Value)) {
    let mut count = 0;
    for (_, name, version, frame) in answers().filter(|answer| answer.0 == api) {
        assert_eq!(frame.bytes[4..8], frame.correlation.to_be_bytes());
        check(&name, version, frame.body(), &frame.fields);
        count += 1;
    }
    assert!(count > 0, "{api:?}");
}

#[test]
fn every_api_and_version_has_an_answer() {
    let captured: std::collections::BTreeSet<_> = answers().map(|(api, _, version, _)| (api as i16, version)).collect();
    let expected = [
        (1, 10),
        (1, 11),
        (2, 5),
        (3, 7),
        (3, 12),
        (8, 6),
        (8, 7),
        (8, 9),
        (9, 5),
        (9, 9),
        (10, 2),
        (11, 3),
        (11, 5),
        (12, 2),
        (12, 3),
        (13, 2),
        (14, 2),
        (14, 3),
        (18, 0),
        (23, 3),
        (68, 0),
        (68, 1),
    ];
    assert_eq!(captured, expected.into());
}

#[test]
fn api_versions() {
    each(Api::ApiVersions, |name, _, body, fields| {
        let mut expected = vec![(int(&fields["error_code"]), 0, 0)];
        expected.extend(
            list(&fields["api_keys"])
                .iter()
                .map(|row| (int(&row["api_key"]), int(&row["min_version"]), int(&row["max_version"]))),
        );
        let items = walk(name, OLD, body, api_versions::item).into_iter().map(|item| match item {
            api_versions::Item::Error(code) => (code, 0, 0),
            api_versions::Item::Range { api, min, max } => (api, min, max),
        });
        assert_eq!(items.collect::<Vec<_>>(), expected, "{name}");
    });
}

#[test]
fn metadata_answers() {
    each(Api::Metadata, |name, version, body, fields| {
        let mut expected = vec![format!("throttle {}", fields["throttle_time_ms"])];
        for broker in list(&fields["brokers"]) {
            expected.push(format!("broker {} {}:{}", broker["node_id"], string(&broker["host"]), broker["port"]));
        }
        for topic in list(&fields["topics"]) {
            let partitions = list(&topic["partitions"]);
            let (id, name) = (string(&topic["topic_id"]), string(&topic["name"]));
            expected.push(format!("topic {} {name} {id} {}", topic["error_code"], partitions.len()));
            for p in partitions {
                expected.push(format!("partition {} {} {}", p["partition_index"], p["leader_id"], p["leader_epoch"]));
            }
        }
        let items =
            walk(name, flexible(Api::Metadata, version), body, metadata::item).into_iter().filter_map(
                |item| match item {
                    metadata::Item::Throttle(millis) => Some(format!("throttle {millis}")),
                    metadata::Item::Broker { id, host, port } => Some(format!("broker {id} {host}:{port}")),
                    metadata::Item::Topic { error, name, id, partitions } => {
                        let id = if version < 12 { String::new() } else { hex(id) };
                        Some(format!("topic {error} {name} {id} {partitions}"))
                    }
                    metadata::Item::Partition { index, leader, epoch } => {
                        Some(format!("partition {index} {leader} {epoch}"))
                    }
                    metadata::Item::Part => None,
                },
            );
        assert_eq!(items.collect::<Vec<_>>(), expected, "{name}");
    });
}

#[test]
fn find_coordinator_heartbeat_and_leave_group() {
    each(Api::FindCoordinator, |name, _, body, fields| {
        let (throttle, error) = (int(&fields["throttle_time_ms"]), int(&fields["error_code"]));
        match walk(name, OLD, body, find_coordinator::item)[..] {
            [find_coordinator::Item::Head { throttle: t, error: e }, find_coordinator::Item::Node { id, host, port }] =>
            {
                assert_eq!((t, e), (throttle, error), "{name}");
                let expected = (int(&fields["node_id"]), string(&fields["host"]), int(&fields["port"]));
                assert_eq!((id, host, port), expected, "{name}");
            }
            _ => panic!("{name}"),
        }
    });
    for api in [Api::Heartbeat, Api::LeaveGroup] {
        each(api, |name, _, body, fields| {
            let expected = (int(&fields["throttle_time_ms"]), int(&fields["error_code"]));
            assert_eq!(walk(name, OLD, body, heartbeat::item), [expected], "{name}");
        });
    }
}

/// The four APIs of topics and rows.
#[test]
fn rows() {
    type Parse = for<'a> fn(&mut Progress, Bytes<'a>) -> Parsed<'a, Shared<'a>>;
    let number = |value: &Value| value.as_i64().unwrap_or(0);
    let apis: [(Api, Parse, &str, [&str; 5]); 4] = [
        (
            Api::ListOffsets,
            list_offsets::item,
            "name",
            ["partition_index", "error_code", "offset", "leader_epoch", "timestamp"],
        ),
        (
            Api::OffsetFetch,
            offset_fetch::item,
            "name",
            ["partition_index", "error_code", "committed_offset", "committed_leader_epoch", ""],
        ),
        (Api::OffsetCommit, offset_commit::item, "name", ["partition_index", "error_code", "", "", ""]),
        (
            Api::OffsetForLeaderEpoch,
            offset_for_leader_epoch::item,
            "topic",
            ["partition", "error_code", "end_offset", "leader_epoch", ""],
        ),
    ];
    for (api, parse, topic_name, [partition, error, offset, epoch, timestamp]) in apis {
        each(api, |name, version, body, fields| {
            let mut expected = vec![Shared::Throttle(int(&fields["throttle_time_ms"]))];
            let fields = if fields["groups"].is_null() { fields } else { &fields["groups"][0] };
            for topic in list(&fields["topics"]) {
                expected.push(Shared::Topic(string(&topic[topic_name])));
                expected.extend(list(&topic["partitions"]).iter().map(|row| {
                    Shared::Row(Row {
                        partition: int(&row[partition]),
                        error: int(&row[error]),
                        offset: number(&row[offset]),
                        epoch: number(&row[epoch]) as i32,
                        timestamp: number(&row[timestamp]),
                    })
                }));
            }
            if api == Api::OffsetFetch {
                expected.push(Shared::Error(int(&fields["error_code"])));
            }
            let mut items = walk(name, flexible(api, version), body, parse);
            items.retain(|item| *item != Shared::Part);
            assert_eq!(items, expected, "{name}");
        });
    }
}

fn joined(name: &str, version: i16, body: Bytes<'_>) -> Vec<String> {
    let items =
        walk(name, OLD, body, |p, i| join_group::item(p, version, false, i)).into_iter().filter_map(
            |item| match item {
                join_group::Item::Head { throttle, error, generation } => {
                    Some(format!("head {throttle} {error} {generation}"))
                }
                join_group::Item::Assignor(name) => Some(format!("assignor {name}")),
                join_group::Item::MemberId(id) => Some(format!("us {id}")),
                join_group::Item::Members(n) => Some(format!("members {n}")),
                join_group::Item::Member(id) => Some(format!("member {id}")),
                join_group::Item::Instance(id) => Some(format!("instance {id}")),
                join_group::Item::Topic(name) => Some(format!("topic {name}")),
                join_group::Item::Leader(_) | join_group::Item::Part => None,
            },
        );
    items.collect()
}

#[test]
fn join_group_with_subscriptions() {
    each(Api::JoinGroup, |name, version, body, fields| {
        let members = list(&fields["members"]);
        let mut expected = vec![
            format!("head {} {} {}", fields["throttle_time_ms"], fields["error_code"], fields["generation_id"]),
            format!("assignor {}", string(&fields["protocol_name"])),
            format!("us {}", string(&fields["member_id"])),
            format!("members {}", members.len()),
        ];
        for member in members {
            expected.push(format!("member {}", string(&member["member_id"])));
            if version >= 5 {
                expected.push(format!("instance {}", string(&member["group_instance_id"])));
            }
            match &member["metadata_decoded"]["topics"] {
                Value::Null => expected.push("topic t1".to_string()), // of the vectors
                topics => expected.extend(list(topics).iter().map(|topic| format!("topic {}", string(topic)))),
            }
        }
        assert_eq!(joined(name, version, body), expected, "{name}");
    });
}

fn synced(name: &str, body: Bytes<'_>) -> Vec<String> {
    let items = walk(name, OLD, body, sync_group::item).into_iter().filter_map(|item| match item {
        sync_group::Item::Head { throttle, error, bytes } => Some(format!("head {throttle} {error} {bytes}")),
        sync_group::Item::Topic(name) => Some(format!("topic {name}")),
        sync_group::Item::Partition(partition) => Some(format!("partition {partition}")),
        sync_group::Item::Part => None,
    });
    items.collect()
}

fn assigned(expected: &mut Vec<String>, decoded: &Value) {
    for topic in list(decoded) {
        expected.push(format!("topic {}", string(&topic["topic"])));
        expected.extend(list(&topic["partitions"]).iter().map(|partition| format!("partition {partition}")));
    }
}

#[test]
fn sync_group_with_assignments() {
    each(Api::SyncGroup, |name, _, body, fields| {
        let blob = bytes(&fields["assignment"]).unwrap_or_default();
        let mut expected = vec![format!("head {} {} {}", fields["throttle_time_ms"], fields["error_code"], blob.len())];
        match &fields["assignment_decoded"]["assigned_partitions"] {
            Value::Null if !blob.is_empty() => {
                expected.extend(["topic t1", "partition 0", "partition 2"].map(String::from));
                // of the vectors
            }
            topics => assigned(&mut expected, topics),
        }
        assert_eq!(synced(name, body), expected, "{name}");
    });
}

#[test]
fn consumer_group_heartbeats() {
    let api = Api::ConsumerGroupHeartbeat;
    let mut assignments = 0;
    each(api, |name, version, body, fields| {
        let mut expected = vec![format!("head {} {}", fields["throttle_time_ms"], fields["error_code"])];
        let assignment = &fields["assignment"];
        let (epoch, interval) = (&fields["member_epoch"], &fields["heartbeat_interval_ms"]);
        expected.push(format!("member {epoch} {interval} {}", !assignment.is_null()));
        for topic in list(&assignment["topic_partitions"]) {
            expected.push(format!("topic {}", string(&topic["topic_id"])));
            expected.extend(list(&topic["partitions"]).iter().map(|partition| format!("partition {partition}")));
        }
        use consumer_group_heartbeat::Item;
        let items = walk(name, flexible(api, version), body, consumer_group_heartbeat::item);
        let items = items.into_iter().filter_map(|item| match item {
            Item::Head { throttle, error } => Some(format!("head {throttle} {error}")),
            Item::Member { epoch, interval, assignment } => Some(format!("member {epoch} {interval} {assignment}")),
            Item::Topic(id) => Some(format!("topic {}", hex(id))),
            Item::Partition(partition) => Some(format!("partition {partition}")),
            Item::Part => None,
        });
        assert_eq!(items.collect::<Vec<_>>(), expected, "{name}");
    });
    assignments += cases(api)
        .iter()
        .filter_map(|case| case.response.as_ref())
        .filter(|frame| !frame.fields["assignment"].is_null())
        .count();
    assert!(assignments >= 8, "{assignments}");
}

/// A newer broker may add tagged fields to any structure of a flexible version, without another version number.
#[test]
fn tagged_fields_of_the_future_are_passed_over() {
    let field = [1, 200, 1, 3, b'n', b'e', b'w']; // one field, number 200, of three bytes
                                                  // header, one topic of one row, each with its tags
    let good: &[&[u8]] = &[&[0], &[0, 0, 0, 0, 2, 2, b't', 2, 0, 0, 0, 7, 0, 0], &[0], &[0], &[0]];
    let whole = good.concat();
    let expected = walk_commit(&whole);
    assert_eq!(expected.len(), 3);
    for at in [0, 2, 3, 4] {
        let mut parts = good.to_vec();
        parts[at] = &field;
        assert_eq!(walk_commit(&parts.concat()), expected, "{at}");
    }
}

fn walk_commit(body: &[u8]) -> Vec<Shared<'_>> {
    let mut items = walk("commit", Flexible::new(true), body, offset_commit::item);
    items.retain(|item| *item != Shared::Part);
    items
}

/// What other clients put into the answers to JoinGroup and SyncGroup.
#[test]
fn subscriptions_and_assignments_of_java() {
    let mut kinds = [0, 0];
    for case in file("embedded") {
        let (name, blob, decoded) = (string(&case["name"]), from_hex(string(&case["hex"])), &case["decoded"]);
        let sized = [&(blob.len() as u32).to_be_bytes()[..], &blob].concat();
        if string(&case["kind"]) == "Subscription" {
            kinds[0] += 1;
            // one member without a name
            let body = [&[0; 10][..], &[0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0], &sized].concat();
            let mut expected = ["head 0 0 0", "assignor ", "us ", "members 1", "member "].map(String::from).to_vec();
            expected.extend(list(&decoded["topics"]).iter().map(|topic| format!("topic {}", string(topic))));
            assert_eq!(joined(name, 3, &body), expected, "{name}");
        } else {
            kinds[1] += 1;
            let body = [&[0; 6][..], &sized].concat();
            let mut expected = vec![format!("head 0 0 {}", blob.len())];
            assigned(&mut expected, &decoded["assigned_partitions"]);
            assert_eq!(synced(name, &body), expected, "{name}");
        }
    }
    assert!(kinds[0] >= 8 && kinds[1] >= 4, "{kinds:?}");
}

/// What stands around the records of Fetch's answers; the records themselves are in `fetches`.
#[test]
fn fetch_around_the_records() {
    each(Api::Fetch, |name, version, body, fields| {
        let take = |parsed| item(parsed).unwrap_or_else(|stop| panic!("{name}: {stop:?}"));
        let (mut rest, top) = item(fetch::top(body)).expect(name);
        let topics = list(&fields["responses"]);
        let head = (int(&fields["throttle_time_ms"]), int(&fields["error_code"]), topics.len() as u32);
        assert_eq!((top.throttle, top.error, top.topics), head, "{name}");
        for topic in topics {
            let (next, (topic_name, partitions)) = item(fetch::topic(rest)).expect(name);
            rest = next;
            assert_eq!((topic_name, partitions as usize), (string(&topic["topic"]), list(&topic["partitions"]).len()));
            for partition in list(&topic["partitions"]) {
                let (next, head) = item(fetch::partition(rest)).expect(name);
                let aborted = list(&partition["aborted_transactions"]).len();
                let expected = (int(&partition["partition_index"]), int(&partition["error_code"]));
                assert_eq!((head.index, head.error), expected, "{name}");
                assert_eq!(head.high_watermark, int::<i64>(&partition["high_watermark"]), "{name}");
                assert_eq!(head.aborted as usize, aborted, "{name}");
                let (next, (replica, length)) = take(fetch::records_length(version, &next[16 * aborted..]));
                let preferred = &partition["preferred_read_replica"];
                assert_eq!(replica, if preferred.is_null() { -1 } else { int(preferred) }, "{name}");
                let (records, next) = next.split_at(length as usize);
                rest = next;
                if !partition["records"].is_string() {
                    assert_eq!(records.len(), partition["records_bytes"].as_u64().unwrap_or(0) as usize, "{name}");
                    headers(name, records, list(&partition["batches"]));
                }
            }
        }
        assert_eq!(rest, [0u8; 0], "{name}");
    });
}

fn headers(name: &str, mut records: Bytes<'_>, batches: &[Value]) {
    for expected in batches {
        let cut = &expected["cut_batch"];
        if !cut.is_null() {
            assert_eq!(records.len(), int::<i64>(&cut["bytes_present"]) as usize, "{name}");
            records = &[];
            continue;
        }
        let (_, head) = item(batch::batch(records)).expect(name);
        let found = (head.base_offset, head.leader_epoch, head.attributes, head.last_offset_delta);
        let fields = &expected;
        let wanted = (
            int(&fields["base_offset"]),
            int(&fields["leader_epoch"]),
            int(&fields["attributes"]),
            int(&fields["last_offset_delta"]),
        );
        assert_eq!(found, wanted, "{name}");
        assert_eq!(
            (head.base_timestamp, head.max_timestamp),
            (int(&fields["base_timestamp"]), int(&fields["max_timestamp"]))
        );
        assert_eq!(format!("{:08x}", head.crc), string(&fields["crc32c"]), "{name}");
        let (_, (offset, size, magic)) = item(batch::entry(records)).expect(name);
        let entry = (head.base_offset, int::<u32>(&fields["batch_length"]) + 12, int(&fields["magic"]));
        assert_eq!((offset, size, magic), entry, "{name}");
        records = &records[size as usize..];
    }
    assert_eq!(records, [0u8; 0], "{name}");
}

#[test]
fn a_broker_that_closes_answers_nothing() {
    // no case of these APIs and versions went without an answer, but for the vectors
    for (api, _) in super::APIS {
        for case in cases(api).iter().filter(|case| case.response.is_none()) {
            assert!(case.name.starts_with("vector-"), "{}", case.name);
        }
    }
}
