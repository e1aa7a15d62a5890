//! Requests that a real broker was asked, and its answers, byte for byte.
use super::client::{body, Client};
use crate::{Api, Cluster, Profile};
use std::collections::BTreeMap;

fn captures() -> BTreeMap<&'static str, (Vec<u8>, Vec<u8>)> {
    let lines = include_str!("captures.txt").lines().filter(|line| !line.starts_with('#'));
    let capture = |line: &'static str| {
        let mut words = line.split(' ');
        let name = words.next().unwrap();
        let mut hex = || {
            let digits = words.next().unwrap();
            (0..digits.len() / 2).map(|i| u8::from_str_radix(&digits[2 * i..2 * i + 2], 16).unwrap()).collect()
        };
        (name, (hex(), hex()))
    };
    lines.map(capture).collect()
}

/// The client of the captures, which learns what ids this cluster gives in place of the captured ones.
struct Replay {
    client: Client,
    captures: BTreeMap<&'static str, (Vec<u8>, Vec<u8>)>,
    ids: Vec<(Vec<u8>, Vec<u8>)>,
}

fn replace(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut bytes = bytes.to_vec();
    for at in 0..bytes.len().saturating_sub(from.len() - 1) {
        if bytes[at..].starts_with(from) {
            bytes[at..at + from.len()].copy_from_slice(to);
        }
    }
    bytes
}

impl Replay {
    fn new(cluster: &Cluster, nodes: &[i32]) -> Self {
        let mut client = Client::new(cluster);
        for (i, node) in nodes.iter().enumerate() {
            let port = 22010 + 2 * i as u16 + if *node > 100 { 10 } else { 0 };
            cluster.listen(*node, "127.0.0.1", port).advertise(*node, "127.0.0.1", port);
            client.connect(i as u8, *node);
        }
        Replay { client, captures: captures(), ids: vec![] }
    }

    fn mapped(&self, bytes: &[u8]) -> Vec<u8> {
        self.ids.iter().fold(bytes.to_vec(), |bytes, (from, to)| replace(&bytes, from, to))
    }

    fn send(&mut self, connection: u8, name: &str) {
        let request = self.mapped(&self.captures[name].0);
        self.client.send(connection, &request).unwrap();
    }

    /// The answer is the captured one, ids apart.
    fn receive(&mut self, connection: u8, name: &str) {
        let expected = self.mapped(&self.captures[name].1);
        let answer = self.client.frame(connection).unwrap_or_else(|| panic!("{name}: closed"));
        assert_eq!(hex(&answer), hex(&expected), "{name}");
    }

    fn same(&mut self, connection: u8, name: &str) {
        self.send(connection, name);
        self.receive(connection, name);
    }

    /// As [`same`](Self::same), where the answer brings a new member id that ends with 36 digits and dashes.
    fn same_with_new_id(&mut self, connection: u8, name: &str, captured: &str) {
        self.send(connection, name);
        let answer = self.client.frame(connection).unwrap();
        let expected = self.captures[name].1.clone();
        assert_eq!(answer.len(), expected.len(), "{name}");
        let at = expected.windows(captured.len()).position(|window| window == captured.as_bytes()).unwrap();
        self.ids.push((captured.into(), answer[at..at + captured.len()].to_vec()));
        assert_eq!(hex(&answer), hex(&self.mapped(&expected)), "{name}");
    }

    /// The records of the only partition of a captured Fetch answer.
    fn records(&self, name: &str, topic: &str) -> Vec<u8> {
        let answer = &self.captures[name].1;
        let isolation = self.captures[name].0[4 + 8 + 5 + 16];
        let aborted = 18 + 4 + 2 + topic.len() + 4 + 30;
        let entries =
            if isolation == 1 { u32::from_be_bytes(answer[aborted..aborted + 4].try_into().unwrap()) } else { 0 };
        answer[aborted + 4 + 16 * entries as usize + 4 + 4..].to_vec()
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn one() -> (Cluster, Replay) {
    let cluster = Cluster::new(1);
    cluster.configure(|settings| settings.cluster_id = "XtB-3yygRwS68HqR-c3Yjw".into());
    cluster.topic("zones", 4);
    let replay = Replay::new(&cluster, &[1]);
    (cluster, replay)
}

#[test]
fn one_broker() {
    let (cluster, mut replay) = one();
    cluster.configure(|settings| {
        settings.auto_create_partitions = Some(1);
        settings.offsets_topic_ms = 100;
    });
    cluster.deny_group("other-group", true);
    for name in [
        "metadata-v7",
        "metadata-v7-auto-create",
        "metadata-v7-invalid-topic",
        "metadata-v7-no-topics",
        "metadata-v7-unknown-topic",
        "findcoordinator-v2-coordinator-not-available",
    ] {
        replay.same(0, name);
    }
    cluster.advance(200);
    assert_eq!(cluster.partition("auto-made", 0).leader(), 1);
    cluster.throttle(Api::Metadata, 1000, 1);
    for name in ["metadata-v7-throttled", "findcoordinator-v2", "findcoordinator-v2-empty-group"] {
        replay.same(0, name);
    }
    assert_eq!(cluster.millis(), 1_200);
    replay.same(0, "findcoordinator-v2-not-authorized");
    let releases = [("4.3.1", Profile::kafka_4_3()), ("2.8.2", Profile::kafka_2_8()), ("2.1.1", Profile::kafka_2_1())];
    for (release, profile) in releases {
        cluster.profile(profile);
        replay.same(0, &format!("apiversions-{release}"));
    }
}

#[test]
fn three_brokers() {
    let cluster = Cluster::with_nodes([101, 102, 103]);
    cluster.rack(101, "rack-a").rack(102, "rack-b").rack(103, "rack-c");
    cluster.configure(|settings| settings.cluster_id = "lrvOHEzkTdGn5-HUZDWS7A".into());
    cluster.replicated_topic("rack", 3, 3);
    let mut replay = Replay::new(&cluster, &[101, 102, 103]);
    replay.same(1, "metadata-v7-three-brokers");
    cluster.kill(103).advance(9_000);
    // the order of in-sync replicas, which means nothing, is another one there
    let (_, answer) = replay.captures.get_mut("metadata-v7-one-broker-down").unwrap();
    let partition_1: Vec<u8> = [102i32, 101].iter().flat_map(|node| node.to_be_bytes()).collect();
    assert_eq!(answer.windows(8).filter(|window| *window == partition_1).count(), 1);
    replay.same(0, "metadata-v7-one-broker-down");
}

#[test]
fn offsets() {
    let (cluster, mut replay) = one();
    let cut = cluster.topic("cut", 1).partition(0);
    cut.append(crate::batch().fill(30, 5));
    cluster.topic("recomp-none", 1).append(0, crate::batch().fill(40, 5)).partition(0).delete_before(20);
    let open = replay.records("fetch-v11-open-transaction-read-uncommitted", "txn-open");
    cluster.topic("txn-open", 1).partition(0).append_encoded(open);
    let names: Vec<_> = replay.captures.keys().filter(|name| name.starts_with("listoffsets")).copied().collect();
    assert_eq!(names.len(), 6);
    names.into_iter().for_each(|name| replay.same(0, name));
    let names: Vec<_> = replay.captures.keys().filter(|name| name.starts_with("offsetforleader")).copied().collect();
    assert_eq!(names.len(), 4);
    names.into_iter().for_each(|name| replay.same(0, name));
}

#[test]
fn committed_offsets() {
    let (cluster, mut replay) = one();
    cluster.topic("cut", 1);
    cluster.deny_group("other-group", true);
    replay.same(0, "offsetcommit-v7-simple");
    replay.same(0, "offsetcommit-v7-group-not-authorized");
    assert_eq!(cluster.committed("sess", "zones", 0).map(|c| (c.offset, c.leader_epoch)), Some((1, 0)));
    cluster.commit("plant", "zones", 0, -5, 0).commit("plant", "zones", 1, 1, 0).unstable("txgroup", "cut", 0, true);
    for name in [
        "offsetfetch-v5",
        "offsetfetch-v5-not-authorized",
        "offsetfetch-v5-unknown-group",
        "offsetfetch-v5-unknown-topic",
        "offsetfetch-v7",
        "offsetfetch-v7-unstable",
    ] {
        replay.same(0, name);
    }
}

#[test]
fn records() {
    let (cluster, mut replay) = one();
    cluster.topic("cut", 1).append(0, crate::batch().fill(30, 5));
    for (name, topic) in [
        ("fetch-v11-readings-none", "readings-none"),
        ("fetch-v11-readings-zstd", "readings-zstd"),
        ("fetch-v11-shapes", "shapes"),
        ("fetch-v11-idem", "idem"),
        ("fetch-v11-late", "late"),
        ("fetch-v11-txn-read-uncommitted", "txn"),
        ("fetch-v11-open-transaction-read-uncommitted", "txn-open"),
        ("fetch-v11-compacted-gaps", "latest"),
        ("fetch-v11-compacted-empty-batch", "latest-empty"),
    ] {
        let log = cluster.topic(topic, 1).partition(0);
        log.append_encoded(replay.records(name, topic));
        if name.contains("compacted") {
            // the cleaner leaves the active segment alone, and no answer crosses into it
            log.roll().append(crate::batch().record(b"k", b"v"));
        }
        replay.same(0, name);
    }
    for name in [
        "fetch-v11-txn-read-committed",
        "fetch-v11-txn-read-committed-from-10",
        "fetch-v11-txn-read-committed-small",
        "fetch-v11-open-transaction-read-committed",
        "fetch-v11-offset-out-of-range",
        "fetch-v11-unknown-leader-epoch",
    ] {
        replay.same(0, name);
    }
    // the first partition's records, between two others
    let mixed = &replay.captures["fetch-v11-two-partitions-one-error"].1;
    let at = mixed.windows(4).position(|window| window == 227u32.to_be_bytes()).unwrap() + 4;
    cluster.partition("zones", 0).append_encoded(&mixed[at..at + 227]);
    replay.same(0, "fetch-v11-two-partitions-one-error");
    replay.same(0, "fetch-v11-unknown-topic");
    assert_eq!(cluster.millis(), 0, "nothing waited");
}

#[test]
fn a_group_of_two() {
    let (cluster, mut replay) = one();
    replay.client.connect(1, 1);
    let leader = "mcu-926e5e31-8ae4-421d-b5ab-eab979d2fb91";
    let follower = "pi-3284e8c1-96f8-49cc-80f8-1259ccb12375";
    replay.same_with_new_id(0, "joingroup-v5-dance-1", leader);
    replay.same(0, "joingroup-v5-dance-2");
    assert_eq!(cluster.millis(), 3_000);
    for name in [
        "syncgroup-v3-leader",
        "heartbeat-v3",
        "heartbeat-v3-illegal-generation",
        "heartbeat-v3-unknown-member",
        "syncgroup-v3-illegal-generation",
        "syncgroup-v3-unknown-member",
        "joingroup-v5-unknown-member",
        "joingroup-v5-empty-group-id",
        "joingroup-v5-session-timeout-too-small",
        "joingroup-v5-inconsistent-protocol-1",
        "joingroup-v5-no-protocols",
        "leavegroup-v2-unknown-member",
        "offsetcommit-v7",
        "offsetcommit-v7-illegal-generation",
        "offsetcommit-v7-simple-into-live-group",
        "offsetcommit-v7-unknown-member",
        "offsetcommit-v7-unknown-topic",
    ] {
        replay.same(0, name);
    }
    assert_eq!(cluster.committed_offset("plant", "zones", 0), Some(2));
    // the second member's first request was not captured: the leader's, from another client
    let first = &replay.captures["joingroup-v5-dance-1"].0;
    let join = first[4 + 8 + 2 + 3..].to_vec();
    replay.client.client_id = "pi";
    let answer = replay.client.call_on(1, Api::JoinGroup, 5, &join);
    let id = answer[4 + 2 + 4 + 2 + 2 + 2..][..follower.len()].to_vec();
    replay.ids.push((follower.into(), id));
    replay.send(1, "joingroup-v5-second-follower");
    replay.same(0, "heartbeat-v3-rebalance-in-progress");
    replay.same(0, "syncgroup-v3-rebalance-in-progress");
    replay.same(0, "offsetcommit-v7"); // the old generation may still commit
    replay.send(0, "joingroup-v5-leader-two-members");
    let answer = replay.client.frame(0).unwrap();
    let expected = replay.mapped(&replay.captures["joingroup-v5-leader-two-members"].1);
    let sorted = |mut bytes: Vec<u8>| {
        bytes[110..].sort_unstable(); // the list of members comes in any order
        hex(&bytes)
    };
    assert_eq!(sorted(answer), sorted(expected));
    replay.receive(1, "joingroup-v5-second-follower");
    replay.same(0, "offsetcommit-v7-rebalance-in-progress");
    replay.send(1, "syncgroup-v3-follower");
    replay.same(0, "syncgroup-v3-leader-two-members");
    replay.receive(1, "syncgroup-v3-follower");
    replay.same(1, "joingroup-v5-follower-rejoin-unchanged");
    assert_eq!(cluster.millis(), 3_000, "nothing waited but the first join");
    let members = cluster.group("plant").unwrap().members;
    let assigned: Vec<_> = members.iter().map(|member| member.assigned().unwrap()).collect();
    assert_eq!(assigned, [vec![("zones".to_string(), vec![0, 1])], vec![("zones".to_string(), vec![2, 3])]]);
    // a leader that forgets a member
    replay.send(0, "joingroup-v5-leader-two-members");
    replay.send(1, "joingroup-v5-second-follower");
    replay.client.frame(0).unwrap();
    replay.client.frame(1).unwrap();
    let leader_id = cluster.group("plant").unwrap().leader.unwrap();
    let nothing = body(|out| {
        out.str("plant").i32(3).str(&leader_id).nullable_str(None).count(0);
    });
    assert_eq!(replay.client.call(Api::SyncGroup, 3, &nothing), [0; 10]);
    replay.same(1, "syncgroup-v3-empty-assignment");
}

#[test]
fn static_members() {
    let (cluster, mut replay) = one();
    replay.client.connect(1, 1);
    // ten generations have gone by
    let first = replay.captures["joingroup-v5-static-first"].0[4 + 8 + 2 + 3..].to_vec();
    for _ in 0..5 {
        replay.client.call(Api::JoinGroup, 5, &first);
        let member = cluster.group("static-plant").unwrap().members[0].id.clone();
        let leave = body(|out| {
            out.str("static-plant").str(&member);
        });
        assert_eq!(replay.client.call(Api::LeaveGroup, 2, &leave), [0; 6]);
    }
    let [node_a, node_b] =
        ["node-a-db33ed8d-fd8a-4f1e-a2fa-d998f364008a", "node-b-0d3d117c-e0c2-4117-996d-eb77cd1cc452"];
    replay.same_with_new_id(0, "joingroup-v5-static-first", node_a);
    replay.send(1, "joingroup-v5-static-second");
    replay.send(0, "joingroup-v5-static-leader");
    replay.client.frame(0).unwrap();
    let answer = replay.client.frame(1).unwrap();
    let at = answer.len() - 4 - node_b.len();
    replay.ids.push((node_b.into(), answer[at..at + node_b.len()].to_vec()));
    assert_eq!(hex(&answer), hex(&replay.mapped(&replay.captures["joingroup-v5-static-second"].1)));
    let assignment = |partitions: [i32; 2]| {
        body(|out| {
            out.i16(3).count(1).str("zones").count(2).i32(partitions[0]).i32(partitions[1]).i32(-1);
        })
    };
    let text = |id: &[u8]| String::from_utf8(id.to_vec()).unwrap();
    let (id_a, id_b) = (text(&replay.ids[0].1), text(&replay.ids[1].1));
    let sync = body(|out| {
        out.str("static-plant").i32(12).str(&id_a).nullable_str(Some("node-a")).count(2);
        out.str(&id_a).bytes(&assignment([0, 1])).str(&id_b).bytes(&assignment([2, 3]));
    });
    replay.client.call(Api::SyncGroup, 3, &sync);
    replay.same_with_new_id(1, "joingroup-v5-static-restart-follower", "node-b-f3a89167-49c9-49f6-ab9a-2823e7eb8bd2");
    replay.same(1, "syncgroup-v3-static-restart");
    for name in [
        "heartbeat-v3-fenced-instance-id",
        "syncgroup-v3-fenced-instance-id",
        "joingroup-v5-fenced-instance-id",
        "offsetcommit-v7-fenced-instance-id",
    ] {
        replay.same(0, name);
    }
    replay.same_with_new_id(0, "joingroup-v5-static-restart-leader", "node-a-4e29a561-e3c6-48d6-af09-3678e9379c80");
    replay.same(0, "syncgroup-v3-static-restart-leader");
    assert_eq!(cluster.group("static-plant").unwrap().generation, 12);
}
