//! Requests, byte for byte, through the same two passes as on a device: counted first, then written piece by piece into a send
//! buffer full of rubbish.
use super::{cases, from_hex, hex, int, list, string, Case, Frame};
use crate::connection::failure::Failure;
use crate::connection::{Phase as LinkPhase, CONTROL, SEND_BUFFER};
use crate::drive::Op;
use crate::fuzzing::peer::{Memory, Peer, Reply};
use crate::group::Phase as Member;
use crate::partitions::Slot;
use crate::state::{Control, Names};
use crate::wire::encode::Encoder;
use crate::wire::{join_group, sync_group};
use crate::{Api, Assignor, Config, ConnectionId, GroupProtocol, Instant, PartitionOffset};
use core::task::{Context, Waker};
use core::time::Duration;
use serde_json::Value;

const NOW: Instant = Instant::from_millis(1000);

/// Runs `with` on a control half for this request, with all connections up.
fn control<T>(config: &Config<'_>, with: impl FnOnce(&mut Control<'_>) -> T) -> T {
    let mut memory = Memory::new(256);
    let mut storage = memory.storage();
    let crate::Storage { state, buffer, links, slots, names, memory, .. } = &mut storage;
    let mut control = Control { state, links, table: slots, names: Names::Exclusive(names), buffer, memory, config };
    for link in control.links.iter_mut() {
        (link.phase, link.tx) = (LinkPhase::Up, [0xaa; SEND_BUFFER]);
    }
    with(&mut control)
}

/// The request as it leaves the connection.
fn sent(control: &mut Control<'_>, link: usize, api: Api, case: &Case, op: &Op<'_, '_>) -> Result<Vec<u8>, Failure> {
    control.links[link].correlation = request(case).correlation - 1;
    control.send(link, api, case.version, op, NOW)?;
    let mut requests = Vec::new();
    let mut peer = Peer::new(|request: &[u8]| -> Reply {
        requests.push([&(request.len() as u32).to_be_bytes(), request].concat());
        None
    });
    peer.pipes[link].opened();
    let mut cx = Context::from_waker(Waker::noop());
    while control.links[link].pump_out(ConnectionId::new(link as u8), &mut peer, &mut cx).expect("up") {
        control.links[link].tx = [0x55; SEND_BUFFER];
        control.fill(link, op)?;
    }
    assert_eq!(control.links[link].unwritten, 0, "{}", case.name);
    drop(peer);
    assert_eq!(requests.len(), 1, "{}", case.name);
    Ok(requests.remove(0))
}

fn request(case: &Case) -> &Frame {
    case.request.as_ref().expect("filtered")
}

/// Requests whose fields are known.
fn requests(api: Api) -> impl Iterator<Item = Case> {
    let all = cases(api).into_iter().filter(|case| case.request.as_ref().is_some_and(|frame| !frame.fields.is_null()));
    let all: Vec<_> = all.collect();
    assert!(!all.is_empty(), "{api:?}");
    all.into_iter()
}

fn set_id(control: &mut Control<'_>, at: u16, id: &Value) {
    if let Ok(id) = from_hex(string(id)).try_into() {
        control.topics().set_id(at, &id);
    }
}

fn millis(value: &Value) -> Duration {
    Duration::from_millis(int(value))
}

fn config(frame: &Frame) -> Config<'_> {
    let fields = &frame.fields;
    let group = fields["group_id"].as_str().or(fields["key"].as_str()).unwrap_or_default();
    Config::new("b:1")
        .client_id(&frame.client_id)
        .group_id(group)
        .group_instance_id(string(&fields["group_instance_id"]))
}

/// The expected frame: the captured one, with what we say otherwise replaced once, and its size put right.
struct Expected(String);

impl Expected {
    fn of(case: &Case) -> Self {
        Expected(hex(&request(case).bytes))
    }

    fn with(self, old: &str, new: &str) -> Self {
        assert!(self.0.contains(old), "{old}");
        Expected(self.0.replacen(old, new, 1))
    }

    fn hex(self) -> String {
        format!("{:08x}{}", self.0.len() / 2 - 4, &self.0[8..])
    }
}

fn same(case: &Case, ours: &[u8], expected: Expected) {
    assert_eq!(hex(ours), expected.hex(), "{}", case.name);
}

/// Enters topics and partitions in their order; `row` fills what the request says about one.
fn assign(control: &mut Control<'_>, topics: &Value, name: &str, partitions: &str, row: impl Fn(&mut Slot, &Value)) {
    for topic in list(topics) {
        let entry = control.topics().insert(string(&topic[name])).expect("room");
        for partition in list(&topic[partitions]) {
            let mut slot = Slot { link: 1, ..Slot::new(entry, 0) };
            row(&mut slot, partition);
            let at = usize::from(control.state.slots_used);
            assert!(crate::partitions::insert(control.table, &mut control.state.slots_used, at, slot));
        }
    }
}

/// Whether the rows stand in the order of the table of partitions.
fn in_order(topics: &Value, name: &str, row: impl Fn(&Value) -> i32) -> bool {
    let topics = list(topics);
    let names: std::collections::BTreeSet<_> = topics.iter().map(|topic| string(&topic[name])).collect();
    names.len() == topics.len()
        && topics.iter().all(|topic| list(&topic["partitions"]).windows(2).all(|two| row(&two[0]) < row(&two[1])))
}

#[test]
fn api_versions_metadata_and_find_coordinator() {
    for case in requests(Api::ApiVersions) {
        let frame = request(&case);
        let ours = control(&config(frame), |c| sent(c, CONTROL, Api::ApiVersions, &case, &Op::Event));
        same(&case, &ours.unwrap(), Expected::of(&case));
    }
    for case in requests(Api::Metadata) {
        let frame = request(&case);
        let auto_create = frame.fields["allow_auto_topic_creation"].as_bool().unwrap();
        let config = config(frame).allow_auto_create_topics(auto_create).group_protocol(GroupProtocol::Consumer);
        let ours = control(&config, |c| {
            for topic in list(&frame.fields["topics"]) {
                let at = c.topics().append(string(&topic["name"])).expect("room");
                set_id(c, at, &topic["topic_id"]);
            }
            sent(c, CONTROL, Api::Metadata, &case, &Op::Event)
        });
        same(&case, &ours.unwrap(), Expected::of(&case));
    }
    for case in requests(Api::FindCoordinator) {
        let frame = request(&case);
        let ours = control(&config(frame), |c| sent(c, CONTROL, Api::FindCoordinator, &case, &Op::Event)).unwrap();
        let mut expected = frame.bytes.clone();
        if int::<i8>(&frame.fields["key_type"]) != 0 {
            *expected.last_mut().unwrap() = 0; // we ask for groups only
        }
        assert_eq!(hex(&ours), hex(&expected), "{}", case.name);
    }
}

#[test]
fn list_offsets_and_offset_for_leader_epoch() {
    for case in requests(Api::ListOffsets) {
        let frame = request(&case);
        let topics = &frame.fields["topics"];
        let mut wanted = Vec::new();
        for topic in list(topics) {
            for row in list(&topic["partitions"]) {
                let question = PartitionOffset::new(string(&topic["name"]), int(&row["partition_index"]));
                wanted.push(question.timestamp(int(&row["timestamp"])));
            }
        }
        let ours = control(&config(frame), |c| {
            assign(c, topics, "name", "partitions", |slot, row| {
                (slot.partition, slot.leader_epoch) = (int(&row["partition_index"]), int(&row["current_leader_epoch"]));
                slot.set(Slot::LISTED | Slot::QUERIED | Slot::ASKED);
            });
            sent(c, 1, Api::ListOffsets, &case, &Op::Offsets(&mut wanted))
        });
        let mut ours = ours.unwrap();
        if int::<i8>(&frame.fields["isolation_level"]) != 0 {
            let at = 4 + 8 + 2 + frame.client_id.len() + 4;
            assert_eq!(std::mem::replace(&mut ours[at], 1), 0, "{}: read_uncommitted is ours", case.name);
        }
        same(&case, &ours, Expected::of(&case));
    }
    for case in requests(Api::OffsetForLeaderEpoch) {
        let frame = request(&case);
        let ours = control(&config(frame), |c| {
            assign(c, &frame.fields["topics"], "topic", "partitions", |slot, row| {
                (slot.partition, slot.leader_epoch) = (int(&row["partition"]), int(&row["current_leader_epoch"]));
                slot.epoch = int(&row["leader_epoch"]);
                slot.set(Slot::LISTED);
            });
            sent(c, 1, Api::OffsetForLeaderEpoch, &case, &Op::Event)
        });
        same(&case, &ours.unwrap(), Expected::of(&case));
    }
}

/// Requests to Fetch that we never send: partitions not in ascending order, a topic twice.
const OTHER_ROWS: [&str; 2] = ["fetch-v11-topic-listed-twice", "fetch-v11-two-topics"];

#[test]
fn fetch() {
    let mut others = Vec::new();
    for case in requests(Api::Fetch) {
        let frame = request(&case);
        let fields = &frame.fields;
        let topics = &fields["topics"];
        let rows = || list(topics).iter().flat_map(|topic| list(&topic["partitions"]));
        let limit = rows().next().map_or(1, |row| int(&row["partition_max_bytes"]));
        let one_limit = rows().all(|row| int::<u32>(&row["partition_max_bytes"]) == limit);
        if !in_order(topics, "topic", |row| int(&row["partition"])) || !one_limit {
            others.push(case.name.clone());
            continue;
        }
        let config = config(frame)
            .fetch_max_wait(millis(&fields["max_wait_ms"]))
            .fetch_min_bytes(int(&fields["min_bytes"]))
            .fetch_max_bytes(int(&fields["max_bytes"]))
            .max_partition_fetch_bytes(limit);
        let ours = control(&config, |c| {
            assign(c, topics, "topic", "partitions", |slot, row| {
                (slot.partition, slot.leader_epoch) = (int(&row["partition"]), int(&row["current_leader_epoch"]));
                slot.position = int(&row["fetch_offset"]);
                assert_eq!(int::<i64>(&row["log_start_offset"]), -1);
                slot.set(Slot::LISTED | Slot::END_REPORTED); // nothing to tell: a long poll
            });
            sent(c, 1, Api::Fetch, &case, &Op::Event)
        });
        // isolation level, session id and epoch: always read_uncommitted and none
        let mut expected = frame.bytes.clone();
        let at = 4 + 8 + 2 + frame.client_id.len() + 16;
        expected[at..at + 9].copy_from_slice(&[0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]);
        // no topics to forget, and no rack
        let mut tail = 0;
        for topic in list(&fields["forgotten_topics_data"]) {
            tail += 2 + string(&topic["topic"]).len() + 4 + 4 * list(&topic["partitions"]).len();
        }
        expected.truncate(
            expected.len() - tail - if case.version >= 11 { 2 + string(&fields["rack_id"]).len() } else { 0 },
        );
        let end = expected.len() - 4;
        expected[end..].fill(0);
        if case.version >= 11 {
            expected.extend([0, 0]);
        }
        let size = expected.len() as u32 - 4;
        expected[..4].copy_from_slice(&size.to_be_bytes());
        assert_eq!(hex(&ours.unwrap()), hex(&expected), "{}", case.name);
    }
    assert_eq!(others, OTHER_ROWS);
}

#[test]
fn offset_commit_and_offset_fetch() {
    for case in requests(Api::OffsetCommit) {
        let frame = request(&case);
        let fields = &frame.fields;
        let mut rows = Vec::new();
        for topic in list(&fields["topics"]) {
            for row in list(&topic["partitions"]) {
                let mut entry = PartitionOffset::new(string(&topic["name"]), int(&row["partition_index"]))
                    .offset(int(&row["committed_offset"]))
                    .metadata(string(&row["committed_metadata"]));
                entry.leader_epoch = int(&row["committed_leader_epoch"]);
                rows.push(entry);
            }
        }
        let member = |c: &mut Control<'_>| {
            let generation = int(&fields["generation_id_or_member_epoch"]);
            if generation >= 0 {
                become_member(c, generation, string(&fields["member_id"]));
            }
        };
        let explicit = control(&config(frame), |c| {
            member(c);
            c.state.commit.sent_explicit = true;
            sent(c, CONTROL, Api::OffsetCommit, &case, &Op::CommitOffsets(&rows))
        });
        same(&case, &explicit.unwrap(), Expected::of(&case));
        // the same from the table of partitions, without metadata
        if rows.iter().all(|row| row.metadata.is_empty()) {
            let ours = control(&config(frame), |c| {
                member(c);
                assign(c, &fields["topics"], "name", "partitions", |slot, row| {
                    (slot.partition, slot.acked) = (int(&row["partition_index"]), int(&row["committed_offset"]));
                    slot.epoch = int(&row["committed_leader_epoch"]);
                    slot.set(Slot::COMMITTING);
                });
                sent(c, CONTROL, Api::OffsetCommit, &case, &Op::Event)
            });
            same(&case, &ours.unwrap(), Expected::of(&case));
        }
    }

    for case in requests(Api::OffsetFetch) {
        let frame = request(&case);
        // v9 lists groups, ours has one
        let fields = if case.version >= 9 { &frame.fields["groups"][0] } else { &frame.fields };
        let member = |c: &mut Control<'_>| {
            if case.version >= 9 {
                become_member(c, int(&fields["member_epoch"]), string(&fields["member_id"]));
            }
        };
        let config = config(frame).group_id(string(&fields["group_id"]));
        let mut rows = Vec::new();
        for topic in list(&fields["topics"]) {
            for partition in list(&topic["partition_indexes"]) {
                rows.push(PartitionOffset::new(string(&topic["name"]), int(partition)));
            }
        }
        let queried = control(&config, |c| {
            member(c);
            c.state.commit.queried = true;
            sent(c, CONTROL, Api::OffsetFetch, &case, &Op::Committed(&mut rows))
        });
        same(&case, &queried.unwrap(), Expected::of(&case));
        let own = control(&config, |c| {
            member(c);
            assign(c, &fields["topics"], "name", "partition_indexes", |slot, partition| {
                slot.partition = int(partition);
                slot.set(Slot::FETCHING_OFFSET);
            });
            sent(c, CONTROL, Api::OffsetFetch, &case, &Op::Event)
        });
        same(&case, &own.unwrap(), Expected::of(&case));
    }
}

fn become_member(c: &mut Control<'_>, generation: i32, member: &str) {
    c.state.mode = crate::state::Mode::Subscribed;
    (c.state.group.phase, c.state.group.generation) = (Member::Stable, generation);
    c.join_item(join_group::Item::MemberId(member), NOW).expect("it fits");
}

#[test]
fn heartbeat_leave_group_and_follower_sync_group() {
    for api in [Api::Heartbeat, Api::LeaveGroup, Api::SyncGroup] {
        for case in requests(api) {
            let frame = request(&case);
            let fields = &frame.fields;
            if !list(&fields["assignments"]).is_empty() {
                continue; // a leader's
            }
            let ours = control(&config(frame), |c| {
                let generation = if api == Api::LeaveGroup { 1 } else { int(&fields["generation_id"]) };
                become_member(c, generation, string(&fields["member_id"]));
                sent(c, CONTROL, api, &case, &Op::Event)
            });
            same(&case, &ours.unwrap(), Expected::of(&case));
        }
    }
}

/// What a member says that has nothing to say, and what one says of which the broker may know nothing.
#[test]
fn consumer_group_heartbeats() {
    let (mut counts, mut others) = ([0; 4], Vec::new());
    for case in requests(Api::ConsumerGroupHeartbeat) {
        let frame = request(&case);
        let fields = &frame.fields;
        let (epoch, owned) = (int::<i32>(&fields["member_epoch"]), &fields["topic_partitions"]);
        let says_all = int::<i32>(&fields["rebalance_timeout_ms"]) >= 0;
        // the consumer invents a group's id and its own; what it owns it says with all the rest
        let unlike_us = [&fields["group_id"], &fields["member_id"]].iter().any(|id| string(id).is_empty());
        if unlike_us || says_all == owned.is_null() {
            others.push(case.name.clone());
            continue;
        }
        let mut config = config(frame)
            .group_protocol(GroupProtocol::Consumer)
            .group_instance_id(string(&fields["instance_id"]))
            .group_remote_assignor(string(&fields["server_assignor"]));
        if says_all {
            config = config.max_poll_interval(millis(&fields["rebalance_timeout_ms"]));
        }
        let ours = control(&config, |c| {
            let topics: Vec<&str> = list(&fields["subscribed_topic_names"]).iter().map(string).collect();
            match fields["subscribed_topic_regex"].as_str() {
                Some(pattern) => c.subscribe_pattern(pattern).expect("legal"),
                None if says_all => c.subscribe(&topics).expect("legal names"),
                None => {}
            }
            become_member(c, epoch, string(&fields["member_id"]));
            for (at, topic) in list(owned).iter().enumerate() {
                let name = topics.get(at).copied().unwrap_or("zones");
                let entry = c.topics().insert(name).expect("room");
                set_id(c, entry, &topic["topic_id"]);
                for partition in list(&topic["partitions"]) {
                    let at = usize::from(c.state.slots_used);
                    let slot = Slot::new(entry, int(partition));
                    assert!(crate::partitions::insert(c.table, &mut c.state.slots_used, at, slot));
                }
            }
            match epoch {
                0 => c.state.group.phase = Member::Out,
                ..0 => c.state.group.leaving = true,
                _ if says_all => c.enter_group(),
                _ => {}
            }
            c.begin_beat(NOW);
            sent(c, CONTROL, Api::ConsumerGroupHeartbeat, &case, &Op::Event)
        });
        let mut expected = Expected::of(&case);
        if says_all && case.version >= 1 {
            // of topics and pattern we say the other one as empty: null is "unchanged"
            let compact = |it: &Value| format!("{:02x}{}", string(it).len() + 1, hex(string(it).as_bytes()));
            let names = &fields["subscribed_topic_names"];
            let listed: String = list(names).iter().map(compact).collect();
            let said = |null: &str| {
                let names =
                    if names.is_null() { null.into() } else { format!("{:02x}{listed}", list(names).len() + 1) };
                let pattern = &fields["subscribed_topic_regex"];
                let pattern = if pattern.is_null() { null.into() } else { compact(pattern) };
                format!("{:08x}{names}{pattern}", config.max_poll_interval.as_millis())
            };
            expected = expected.with(&said("00"), &said("01"));
        }
        same(&case, &ours.unwrap(), expected);
        counts[match epoch {
            0 => 0,
            ..0 => 1,
            _ if says_all => 2,
            _ => 3,
        }] += 1;
    }
    assert!(counts.iter().all(|&count| count >= 2), "{counts:?}");
    assert!(others.len() <= 6, "{others:?}");
}

/// Runs an encoder twice, as the drive loop does.
fn written(case: &Case, api: Api, body: impl Fn(&mut Encoder<'_>)) -> Vec<u8> {
    let frame = request(case);
    let mut counted = Encoder::count();
    counted.header(0, api, case.version, frame.correlation, &frame.client_id);
    body(&mut counted);
    let size = counted.size();
    let mut bytes = Vec::new();
    while bytes.len() < size {
        let mut buffer = [0xaa; 16];
        let mut e = Encoder::fill(&mut buffer, bytes.len());
        e.header(size as u32 - 4, api, case.version, frame.correlation, &frame.client_id);
        body(&mut e);
        assert_eq!(e.size(), size, "{}", case.name);
        let n = buffer.len().min(size - bytes.len());
        bytes.extend_from_slice(&buffer[..n]);
    }
    bytes
}

#[test]
fn leader_sync_group() {
    let mut leaders = 0;
    for case in requests(Api::SyncGroup) {
        let fields = &request(&case).fields;
        let assignments = list(&fields["assignments"]);
        // the vector's partitions 0 and 2 are no run: the range assignor has runs only
        if assignments.is_empty() || case.name == "vector-SyncGroupRequest-v3-11" {
            continue;
        }
        leaders += 1;
        let ours = written(&case, Api::SyncGroup, |e| {
            let (group, member) = (string(&fields["group_id"]), string(&fields["member_id"]));
            let instance = string(&fields["group_instance_id"]);
            sync_group::head(
                e,
                case.version,
                group,
                int(&fields["generation_id"]),
                member,
                instance,
                assignments.len() as u32,
            );
            for assignment in assignments {
                let topics = list(&assignment["assignment_decoded"]["assigned_partitions"]).iter().map(|topic| {
                    let partitions: Vec<u32> = list(&topic["partitions"]).iter().map(int).collect();
                    let run = partitions[0]..partitions[0] + partitions.len() as u32;
                    assert_eq!(run.clone().collect::<Vec<_>>(), partitions);
                    (string(&topic["topic"]), run)
                });
                sync_group::assignment(e, string(&assignment["member_id"]), topics);
            }
        });
        // ours are of version 0, the layout is the same up to 3
        let mut expected = Expected::of(&case);
        for assignment in assignments {
            let blob = string(&assignment["assignment"]).strip_prefix("hex:").expect("bytes");
            expected = expected.with(blob, &format!("0000{}", &blob[4..]));
        }
        same(&case, &ours, expected);
    }
    assert!(leaders >= 6, "{leaders}");
}

#[test]
fn join_group() {
    let (mut without_protocol, mut others) = (0, 0);
    for case in requests(Api::JoinGroup) {
        let frame = request(&case);
        let fields = &frame.fields;
        let [protocol] = list(&fields["protocols"]) else {
            without_protocol += 1; // ours is always one
            continue;
        };
        if string(&protocol["name"]) != "range" {
            others += 1; // their subscriptions were somebody's: see below for Java's
            continue;
        }
        let blob = string(&protocol["metadata"]).strip_prefix("hex:").expect("bytes");
        let decoded = &protocol["metadata_decoded"]["topics"];
        // `t1` in the vectors, whose bytes nobody has decoded
        let topics: Vec<&str> = if decoded.is_null() { vec!["t1"] } else { list(decoded).iter().map(string).collect() };
        let join = join_group::Join {
            group: string(&fields["group_id"]),
            session_timeout: int(&fields["session_timeout_ms"]),
            rebalance_timeout: int(&fields["rebalance_timeout_ms"]),
            member: string(&fields["member_id"]),
            instance: string(&fields["group_instance_id"]),
            rack: "",
        };
        let nothing = std::iter::empty::<(&str, std::ops::Range<u32>)>();
        let claimed = join_group::Claimed { owned: nothing.clone(), given_up: nothing, generation: -1 };
        let direct = written(&case, Api::JoinGroup, |e| {
            join_group::request(e, case.version, &join, &[Assignor::Range], topics.iter().copied(), &claimed);
        });
        // ours is Subscription version 1, without user data, and nothing is owned by an eager member
        let mut subscription = format!("0001{:08x}", topics.len());
        for topic in &topics {
            subscription += &format!("{:04x}{}", topic.len(), hex(topic.as_bytes()));
        }
        subscription += "ffffffff00000000";
        assert_eq!(&blob[4..subscription.len() - 16], &subscription[4..subscription.len() - 16], "{}", case.name);
        let sized = |blob: &str| format!("{:08x}{blob}", blob.len() / 2);
        let expected = || Expected::of(&case).with(&sized(blob), &sized(&subscription));
        same(&case, &direct, expected());
        if join.group.is_empty() {
            continue; // the consumer invents a group id where there is none
        }
        let config = config(frame)
            .partition_assignment_strategy(&[Assignor::Range])
            .session_timeout(millis(&fields["session_timeout_ms"]))
            .max_poll_interval(millis(&fields["rebalance_timeout_ms"]));
        let ours = control(&config, |c| {
            c.subscribe(&topics).expect("legal names");
            if !join.member.is_empty() {
                c.join_item(join_group::Item::MemberId(join.member), NOW).expect("it fits");
            }
            sent(c, CONTROL, Api::JoinGroup, &case, &Op::Event)
        });
        same(&case, &ours.unwrap(), expected());
    }
    assert_eq!((without_protocol, others), (2, 6));
}

/// What a member says to the assignors that want to know what it has, or had, is Java's.
#[cfg(feature = "group-sticky")]
#[test]
fn subscriptions_to_the_sticky_assignors() {
    let subscription = |assignor, partitions: std::ops::Range<u32>, generation| {
        let mut bytes = [0xaa; 100];
        let had = Some(("zones", partitions.clone())).filter(|_| !partitions.is_empty()).into_iter();
        let claimed = join_group::Claimed { owned: had.clone(), given_up: had, generation };
        let mut e = Encoder::fill(&mut bytes, 0);
        join_group::subscription(&mut e, assignor, ["cut", "zones"].into_iter(), &claimed, "");
        let size = e.size();
        hex(&bytes[..size])
    };
    let java = |name: &str| {
        let mut all = super::file("embedded").into_iter();
        string(&all.find(|case| string(&case["name"]) == name).expect(name)["hex"]).to_string()
    };
    assert_eq!(subscription(Assignor::CooperativeSticky, 0..0, -1), java("java-cooperative-sticky-first-join"));
    assert_eq!(subscription(Assignor::CooperativeSticky, 2..4, 2), java("java-cooperative-sticky-rejoin"));
    // Java's have two fields more, which an eager member does not need
    for (name, ours) in [
        ("java-sticky-first-join", subscription(Assignor::Sticky, 0..0, -1)),
        ("java-sticky-rejoin", subscription(Assignor::Sticky, 2..4, 2)),
        ("java-roundrobin-first-join", subscription(Assignor::RoundRobin, 2..4, 2)),
    ] {
        let java = java(name);
        let (body, generation_and_rack) = java.split_at(java.len() - 12);
        assert_eq!(generation_and_rack.len(), 12);
        assert_eq!(ours, format!("0001{}", &body[4..]), "{name}");
    }
    // it had nothing in a generation that it was part of
    let nothing = subscription(Assignor::Sticky, 0..0, 7);
    assert!(nothing.ends_with("00000008000000000000000700000000"), "{nothing}");
}

#[test]
fn a_poisoned_buffer_shows_what_is_not_written() {
    assert_eq!(from_hex("00ff"), [0, 255]);
    let mut buffer = [0xaa; 8];
    let mut e = Encoder::fill(&mut buffer, 0);
    e.i16(1);
    assert_eq!(e.size(), 2);
    assert_eq!(buffer, [0, 1, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa]);
}
