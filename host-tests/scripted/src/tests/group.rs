//! The classic group coordinator: time, moves, members that come, go and stay silent.
use super::client::{body, Client};
use crate::{Api, Cluster, GroupPhase, Profile};

/// The parts of a JoinGroup answer.
#[derive(Debug, PartialEq, Eq)]
struct Joined {
    code: i16,
    generation: i32,
    leader: String,
    id: String,
    members: i32,
}

struct Member {
    id: String,
    instance: Option<&'static str>,
    generation: i32,
    session: i32,
    rebalance: i32,
    metadata: &'static [u8],
}

fn member() -> Member {
    Member { id: String::new(), instance: None, generation: -1, session: 10_000, rebalance: 8_000, metadata: b"meta" }
}

impl Member {
    fn join(&self) -> Vec<u8> {
        body(|out| {
            out.str("g").i32(self.session).i32(self.rebalance).str(&self.id).nullable_str(self.instance);
            out.str("consumer").count(1).str("range").bytes(self.metadata);
        })
    }

    fn sync(&self, assignments: &[(&str, &[u8])]) -> Vec<u8> {
        body(|out| {
            out.str("g").i32(self.generation).str(&self.id).nullable_str(self.instance);
            out.array(assignments, |out, (id, assignment)| {
                out.str(id).bytes(assignment);
            });
        })
    }

    fn heartbeat(&self) -> Vec<u8> {
        body(|out| {
            out.str("g").i32(self.generation).str(&self.id).nullable_str(self.instance);
        })
    }

    fn leave(&self) -> Vec<u8> {
        body(|out| {
            out.str("g").str(&self.id);
        })
    }

    fn commit(&self, offset: i64) -> Vec<u8> {
        body(|out| {
            out.str("g").i32(self.generation).str(&self.id).nullable_str(self.instance);
            out.count(1).str("t").count(1).i32(0).i64(offset).i32(0).nullable_str(Some(""));
        })
    }

    /// Takes over what a JoinGroup was answered.
    fn joined(&mut self, answer: &[u8]) -> Joined {
        let joined = parse(answer);
        if joined.code == 0 || joined.code == 79 {
            (self.id, self.generation) = (joined.id.clone(), joined.generation);
        }
        joined
    }
}

fn parse(answer: &[u8]) -> Joined {
    let mut reader = crate::wire::Reader::new(answer);
    let (_, code, generation, _) =
        (reader.i32().unwrap(), reader.i16().unwrap(), reader.i32().unwrap(), reader.str().unwrap());
    Joined {
        code,
        generation,
        leader: reader.str().unwrap(),
        id: reader.str().unwrap(),
        members: reader.i32().unwrap(),
    }
}

fn code(answer: &[u8]) -> i16 {
    i16::from_be_bytes([answer[4], answer[5]])
}

/// Of the only partition of an OffsetCommit answer about topic `t`.
fn commit_code(answer: &[u8]) -> i16 {
    i16::from_be_bytes([answer[19], answer[20]])
}

fn cluster() -> (Cluster, Client) {
    let cluster = Cluster::new(2);
    cluster.topic("t", 1);
    let mut client = Client::new(&cluster);
    client.connect(0, 1).connect(1, 1).connect(2, 1).connect(3, 2);
    (cluster, client)
}

/// A member that leads a stable group of its own.
fn stable(client: &mut Client) -> Member {
    let mut leader = member();
    let first = leader.joined(&client.call(Api::JoinGroup, 5, &leader.join()));
    assert_eq!((first.code, first.generation), (79, -1));
    let second = leader.joined(&client.call(Api::JoinGroup, 5, &leader.join()));
    assert_eq!((second.code, second.members, second.leader == second.id), (0, 1, true));
    let assignments: &[(&str, &[u8])] = &[(&leader.id, b"all")];
    assert_eq!(client.call(Api::SyncGroup, 3, &leader.sync(assignments))[10..], *b"all");
    leader
}

/// A second member and the leader join; both have the answer, nobody has synced.
fn joined_by_another(client: &mut Client, leader: &mut Member) -> Member {
    let mut other = member();
    other.joined(&client.call_on(1, Api::JoinGroup, 5, &other.join()));
    client.request(1, Api::JoinGroup, 5, &other.join());
    leader.joined(&client.call(Api::JoinGroup, 5, &leader.join()));
    other.joined(&client.frame(1).unwrap()[8..]);
    other
}

#[test]
fn the_first_rebalance_waits_for_more_members() {
    let (cluster, mut client) = cluster();
    let (mut a, mut b) = (member(), member());
    a.joined(&client.call(Api::JoinGroup, 5, &a.join()));
    client.request(0, Api::JoinGroup, 5, &a.join());
    cluster.advance(2_000);
    b.joined(&client.call_on(1, Api::JoinGroup, 5, &b.join()));
    client.request(1, Api::JoinGroup, 5, &b.join());
    let first = a.joined(&client.frame(0).unwrap()[8..]);
    assert_eq!((cluster.millis(), first.members, first.generation), (6_000, 2, 1), "extended by the second");
    assert_eq!(b.joined(&client.frame(1).unwrap()[8..]).members, 0);
    let group = cluster.group("g").unwrap();
    assert_eq!((group.phase, group.leader), (GroupPhase::CompletingRebalance, Some(a.id.clone())));
}

#[test]
fn versions_before_4_join_at_once() {
    let (cluster, mut client) = cluster();
    cluster.profile(Profile::kafka_2_1());
    let request = body(|out| {
        out.str("g").i32(10_000).i32(8_000).str("").str("consumer").count(1).str("range").bytes(b"m");
    });
    assert_eq!(parse(&client.call(Api::JoinGroup, 3, &request)).code, 0);
    assert_eq!(cluster.millis(), 3_000);
    let mut heartbeat = body(|out| {
        out.str("g").i32(1).str(&cluster.group("g").unwrap().members[0].id);
    });
    assert_eq!(code(&client.call(Api::Heartbeat, 2, &heartbeat)), 27, "2.1 before the sync");
    cluster.profile(Profile::kafka_2_8());
    assert_eq!(code(&client.call(Api::Heartbeat, 2, &heartbeat)), 0);
    heartbeat[6] = 9;
    assert_eq!(code(&client.call(Api::Heartbeat, 2, &heartbeat)), 22);
}

#[test]
fn a_silent_member_is_gone_after_its_session() {
    let (cluster, mut client) = cluster();
    let leader = stable(&mut client);
    for _ in 0..3 {
        cluster.advance(9_999);
        assert_eq!(code(&client.call(Api::Heartbeat, 3, &leader.heartbeat())), 0);
    }
    cluster.advance(9_999);
    assert_eq!(commit_code(&client.call(Api::OffsetCommit, 7, &leader.commit(5))), 0, "a commit counts too");
    cluster.advance(10_000);
    assert_eq!(code(&client.call(Api::Heartbeat, 3, &leader.heartbeat())), 25);
    assert_eq!(commit_code(&client.call(Api::OffsetCommit, 7, &leader.commit(6))), 25);
    let group = cluster.group("g").unwrap();
    assert_eq!((group.phase, group.members.len(), group.generation), (GroupPhase::Empty, 0, 2));
    assert_eq!(cluster.committed_offset("g", "t", 0), Some(5));
}

#[test]
fn members_that_do_not_rejoin_in_time_are_dropped() {
    let (cluster, mut client) = cluster();
    let mut leader = stable(&mut client);
    let began = cluster.millis();
    let mut other = member();
    other.joined(&client.call_on(1, Api::JoinGroup, 5, &other.join()));
    client.request(1, Api::JoinGroup, 5, &other.join());
    // the leader heartbeats on, and may commit, but does not rejoin
    cluster.advance(4_000);
    assert_eq!(code(&client.call(Api::Heartbeat, 3, &leader.heartbeat())), 27);
    assert_eq!(commit_code(&client.call(Api::OffsetCommit, 7, &leader.commit(1))), 0);
    let joined = other.joined(&client.frame(1).unwrap()[8..]);
    assert_eq!((cluster.millis() - began, joined.members, &joined.leader), (8_000, 1, &other.id));
    assert_eq!(code(&client.call(Api::Heartbeat, 3, &leader.heartbeat())), 25);
    assert_eq!(
        parse(&client.call(Api::JoinGroup, 5, &leader.join())),
        Joined { code: 25, generation: -1, leader: String::new(), id: std::mem::take(&mut leader.id), members: 0 }
    );
}

#[test]
fn members_that_do_not_sync_in_time_are_dropped() {
    let (cluster, mut client) = cluster();
    let mut leader = stable(&mut client);
    let other = joined_by_another(&mut client, &mut leader);
    client.call(Api::SyncGroup, 3, &leader.sync(&[]));
    for _ in 0..2 {
        cluster.advance(3_999);
        client.call(Api::Heartbeat, 3, &leader.heartbeat());
        assert_eq!(code(&client.call_on(1, Api::Heartbeat, 3, &other.heartbeat())), 0);
    }
    cluster.advance(2);
    assert_eq!(code(&client.call_on(1, Api::Heartbeat, 3, &other.heartbeat())), 25);
    assert_eq!(code(&client.call(Api::Heartbeat, 3, &leader.heartbeat())), 27);
}

#[test]
fn no_commit_between_join_and_sync() {
    let (_cluster, mut client) = cluster();
    let mut leader = stable(&mut client);
    let mut other = joined_by_another(&mut client, &mut leader);
    assert_eq!(commit_code(&client.call(Api::OffsetCommit, 7, &leader.commit(1))), 27);
    // joining again without a change is answered again, with the members for the leader
    assert_eq!(leader.joined(&client.call(Api::JoinGroup, 5, &leader.join())).members, 2);
    assert_eq!(other.joined(&client.call_on(1, Api::JoinGroup, 5, &other.join())).members, 0);
    client.request(1, Api::SyncGroup, 3, &other.sync(&[]));
    // a change begins the next rebalance: who waits in SyncGroup is told, then it joins
    leader.metadata = b"changed";
    client.request(0, Api::JoinGroup, 5, &leader.join());
    assert_eq!(code(&client.frame(1).unwrap()[8..]), 27);
    other.joined(&client.call_on(1, Api::JoinGroup, 5, &other.join()));
    assert_eq!(leader.joined(&client.frame(0).unwrap()[8..]).generation, 3);
}

#[test]
fn a_member_that_leaves_begins_a_rebalance() {
    let (cluster, mut client) = cluster();
    let mut leader = stable(&mut client);
    let other = joined_by_another(&mut client, &mut leader);
    assert_eq!(code(&client.call(Api::LeaveGroup, 2, &leader.leave())), 0);
    assert_eq!(code(&client.call_on(1, Api::Heartbeat, 3, &other.heartbeat())), 27);
    assert_eq!(cluster.group("g").unwrap().leader, Some(other.id.clone()));
    assert_eq!(code(&client.call_on(1, Api::LeaveGroup, 2, &other.leave())), 0);
    assert_eq!(cluster.group("g").unwrap().phase, GroupPhase::Empty);
    assert_eq!(code(&client.call_on(1, Api::LeaveGroup, 2, &other.leave())), 25);
}

#[test]
fn a_pending_id_is_no_member_and_holds_a_rebalance_up() {
    let (cluster, mut client) = cluster();
    let mut leader = stable(&mut client);
    let mut pending = member();
    pending.session = 6_000;
    pending.joined(&client.call_on(1, Api::JoinGroup, 5, &pending.join()));
    assert_eq!(code(&client.call_on(1, Api::Heartbeat, 3, &pending.heartbeat())), 25);
    let began = cluster.millis();
    leader.joined(&client.call(Api::JoinGroup, 5, &leader.join()));
    assert_eq!(cluster.millis() - began, 6_000, "until it was forgotten");
}

#[test]
fn a_retried_join_leaves_the_older_request_unanswered() {
    let (cluster, mut client) = cluster();
    let mut a = member();
    a.joined(&client.call(Api::JoinGroup, 5, &a.join()));
    client.request(0, Api::JoinGroup, 5, &a.join());
    cluster.advance(1_000);
    a.joined(&client.call_on(1, Api::JoinGroup, 5, &a.join()));
    assert_eq!(cluster.millis(), 3_000);
    client.request(0, Api::Heartbeat, 3, &a.heartbeat());
    cluster.advance(7_900);
    assert!(client.read(0).unwrap().is_empty(), "and everything behind it");
    assert_eq!(cluster.group("g").unwrap().members.len(), 1);
}

#[test]
fn a_coordinator_that_moves_remembers_what_was_complete() {
    let (cluster, mut client) = cluster();
    let mut leader = stable(&mut client);
    let mut other = member();
    other.joined(&client.call_on(1, Api::JoinGroup, 5, &other.join()));
    client.request(1, Api::JoinGroup, 5, &other.join());
    cluster.commit("g", "t", 0, 7, -1).move_coordinator("g", 2, 100);
    assert_eq!(parse(&client.frame(1).unwrap()[8..]).code, 16, "whoever waits is told");
    assert_eq!(code(&client.call(Api::Heartbeat, 3, &leader.heartbeat())), 16);
    let find = body(|out| {
        out.str("g").i8(0);
    });
    assert_eq!(code(&client.call(Api::FindCoordinator, 2, &find)), 15);
    cluster.advance(100);
    assert_eq!(code(&client.call(Api::FindCoordinator, 2, &find)), 0);
    assert_eq!(parse(&client.call_on(3, Api::JoinGroup, 5, &leader.join())).code, 14);
    assert_eq!(code(&client.call_on(3, Api::Heartbeat, 3, &leader.heartbeat())), 0, "blindly, while it reads");
    assert_eq!(commit_code(&client.call_on(3, Api::OffsetCommit, 7, &leader.commit(8))), 14);
    cluster.advance(30);
    assert_eq!(code(&client.call_on(3, Api::Heartbeat, 3, &leader.heartbeat())), 0, "the old generation stands");
    assert_eq!(commit_code(&client.call_on(3, Api::OffsetCommit, 7, &leader.commit(8))), 0);
    assert_eq!(cluster.group("g").unwrap().members.len(), 1);
    // its death is no different
    cluster.kill(2).advance(9_000);
    assert_eq!(cluster.coordinator("g"), Some(1));
    cluster.advance(30);
    assert_eq!(code(&client.call(Api::Heartbeat, 3, &leader.heartbeat())), 0);
    leader.generation = 9;
    assert_eq!(code(&client.call(Api::Heartbeat, 3, &leader.heartbeat())), 22);
}

#[test]
fn a_killed_coordinator_forgets_who_was_joining() {
    let (cluster, mut client) = cluster();
    let leader = stable(&mut client);
    let mut other = member();
    other.joined(&client.call_on(1, Api::JoinGroup, 5, &other.join()));
    client.request(1, Api::JoinGroup, 5, &other.join());
    cluster.kill(1).advance(1_000).restart(1).advance(30);
    assert!(client.read(0).is_err());
    client.connect(0, 1);
    assert_eq!(code(&client.call(Api::Heartbeat, 3, &leader.heartbeat())), 0);
    assert_eq!(parse(&client.call(Api::JoinGroup, 5, &other.join())).code, 25);
}

#[test]
fn static_members_are_missed_only_after_their_session() {
    let (cluster, mut client) = cluster();
    let mut a = member();
    a.instance = Some("a");
    a.session = 60_000;
    a.joined(&client.call(Api::JoinGroup, 5, &a.join()));
    assert_eq!((a.generation, cluster.millis()), (1, 3_000), "no id is required first, the delay is");
    client.call(Api::SyncGroup, 3, &a.sync(&[(&a.id, b"all")]));
    cluster.advance(59_000);
    let mut back = member();
    (back.instance, back.session) = (Some("a"), 60_000);
    let joined = back.joined(&client.call(Api::JoinGroup, 5, &back.join()));
    assert_eq!((joined.code, joined.generation, &joined.leader), (0, 1, &a.id));
    assert_eq!(client.call(Api::SyncGroup, 3, &back.sync(&[]))[10..], *b"all");
    assert_eq!(code(&client.call(Api::Heartbeat, 3, &a.heartbeat())), 82);
    assert_eq!(commit_code(&client.call(Api::OffsetCommit, 7, &a.commit(1))), 82);
    assert_eq!(code(&client.call(Api::LeaveGroup, 2, &a.leave())), 25);
    cluster.advance(59_999);
    assert_eq!(cluster.group("g").unwrap().phase, GroupPhase::Stable);
    cluster.advance(1);
    assert_eq!(cluster.group("g").unwrap().phase, GroupPhase::Empty);
}

#[test]
fn simple_consumers_commit_while_there_are_no_members() {
    let (cluster, mut client) = cluster();
    let simple = member();
    assert_eq!(commit_code(&client.call(Api::OffsetCommit, 7, &simple.commit(3))), 0);
    let mut stranger = member();
    (stranger.id, stranger.generation) = ("x".into(), 1);
    assert_eq!(commit_code(&client.call(Api::OffsetCommit, 7, &stranger.commit(4))), 25);
    stable(&mut client);
    assert_eq!(commit_code(&client.call(Api::OffsetCommit, 7, &simple.commit(4))), 25);
    assert_eq!(cluster.committed_offset("g", "t", 0), Some(3));
    assert_eq!(commit_code(&client.call_on(3, Api::OffsetCommit, 7, &simple.commit(4))), 16);
}
