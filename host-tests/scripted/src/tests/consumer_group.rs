//! The coordinator of groups of KIP-848: epochs, targets, who waits for whom, and what is refused.
use super::client::{body, Client};
use crate::wire::Reader;
use crate::{Api, Cluster, TopicId};
use std::collections::BTreeSet;

/// A member as it would keep its own state.
#[derive(Clone)]
struct Member {
    id: &'static str,
    instance: Option<&'static str>,
    epoch: i32,
    owned: BTreeSet<(TopicId, i32)>,
    assignor: Option<&'static str>,
}

/// What a heartbeat was answered.
#[derive(Debug, Default, PartialEq, Eq)]
struct Beat {
    code: i16,
    member_id: Option<String>,
    epoch: i32,
    interval: i32,
    assignment: Option<BTreeSet<(TopicId, i32)>>,
}

fn parse(answer: &[u8]) -> Beat {
    let reader = &mut Reader::new(answer);
    reader.i32().unwrap();
    let code = reader.i16().unwrap();
    reader.compact_nullable_str().unwrap();
    let member_id = reader.compact_nullable_str().unwrap();
    let (epoch, interval) = (reader.i32().unwrap(), reader.i32().unwrap());
    let assignment = (reader.i8().unwrap() == 1).then(|| {
        let topics = reader.compact_array(|body| {
            let topic = (body.uuid()?, body.compact_array(Reader::i32)?);
            body.tags()?;
            Ok(topic)
        });
        reader.tags().unwrap();
        topics.unwrap().into_iter().flat_map(|(id, all)| all.into_iter().map(move |one| (id, one))).collect()
    });
    reader.tags().unwrap();
    reader.end().unwrap();
    Beat { code, member_id, epoch, interval, assignment }
}

/// The fields of a request; what is not set has not changed.
#[derive(Clone, Default)]
struct Said {
    timeout: Option<i32>,
    names: Option<Vec<&'static str>>,
    regex: Option<&'static str>,
    owned: Option<BTreeSet<(TopicId, i32)>>,
}

impl Member {
    fn new(id: &'static str) -> Self {
        Member { id, instance: None, epoch: 0, owned: BTreeSet::new(), assignor: None }
    }

    fn request(&self, said: &Said) -> Vec<u8> {
        body(|out| {
            out.compact_str("g").compact_str(self.id).i32(self.epoch);
            out.compact_nullable_str(self.instance).compact_nullable_str(None).i32(said.timeout.unwrap_or(-1));
            match &said.names {
                None => _ = out.uvarint(0),
                Some(names) => _ = out.compact_array(names, |out, name| _ = out.compact_str(name)),
            }
            out.compact_nullable_str(said.regex).compact_nullable_str(self.assignor);
            match &said.owned {
                None => _ = out.uvarint(0),
                Some(owned) => {
                    out.compact_array(owned, |out, (id, one)| _ = out.raw(id).uvarint(2).i32(*one).uvarint(0));
                }
            }
            out.uvarint(0);
        })
    }

    fn say(&mut self, client: &mut Client, said: &Said) -> Beat {
        let beat = parse(&client.call(Api::ConsumerGroupHeartbeat, 1, &self.request(said)));
        if beat.code == 0 {
            self.epoch = beat.epoch;
        }
        beat
    }

    fn join(&mut self, client: &mut Client) -> Beat {
        self.epoch = 0;
        let owned = Some(BTreeSet::new());
        let beat = self.say(client, &Said { timeout: Some(8_000), names: Some(vec!["t"]), owned, ..Said::default() });
        self.owned = beat.assignment.clone().unwrap_or_default();
        beat
    }

    /// Nothing has changed.
    fn beat(&mut self, client: &mut Client) -> Beat {
        self.say(client, &Said::default())
    }

    /// Takes what it is given and says so.
    fn take(&mut self, client: &mut Client, assignment: Option<BTreeSet<(TopicId, i32)>>) -> Beat {
        self.owned = assignment.expect("an assignment");
        self.say(client, &Said { owned: Some(self.owned.clone()), ..Said::default() })
    }

    fn leave(&mut self, client: &mut Client, epoch: i32) -> Beat {
        self.epoch = epoch;
        self.beat(client)
    }
}

fn cluster() -> (Cluster, Client) {
    let cluster = Cluster::new(2);
    cluster.topic("t", 4);
    let mut client = Client::new(&cluster);
    client.connect(0, 1).connect(1, 1).connect(2, 1).connect(3, 2);
    (cluster, client)
}

fn partitions(cluster: &Cluster, all: impl IntoIterator<Item = i32>) -> BTreeSet<(TopicId, i32)> {
    let id = cluster.topic_id("t");
    all.into_iter().map(|one| (id, one)).collect()
}

#[test]
fn an_assignment_is_said_when_it_changes_and_when_everything_is_said() {
    let (cluster, mut client) = cluster();
    let mut a = Member::new("a");
    let joined = a.join(&mut client);
    assert_eq!(joined.assignment, Some(partitions(&cluster, 0..4)));
    assert_eq!((joined.code, joined.member_id.as_deref(), joined.interval), (0, Some("a"), 5_000));
    let quiet = a.beat(&mut client);
    assert_eq!((quiet.code, quiet.epoch, quiet.assignment), (0, joined.epoch, None));
    let owned = Some(a.owned.clone());
    let full = Said { timeout: Some(8_000), names: Some(vec!["t"]), owned, ..Said::default() };
    assert_eq!(a.say(&mut client, &full).assignment, Some(partitions(&cluster, 0..4)));
}

#[test]
fn a_partition_is_given_on_when_it_was_let_go() {
    let (cluster, mut client) = cluster();
    let (mut a, mut b) = (Member::new("a"), Member::new("b"));
    let first = a.join(&mut client);
    let joined = b.join(&mut client);
    assert_eq!((joined.assignment, joined.epoch), (Some(BTreeSet::new()), first.epoch), "the target is a second old");
    assert_eq!(a.beat(&mut client).assignment, None);
    cluster.advance(1_000);
    let told = a.beat(&mut client);
    assert_eq!(
        (told.assignment.as_ref().map(BTreeSet::len), told.epoch),
        (Some(2), first.epoch),
        "behind: it must give up"
    );
    let kept = told.assignment.clone().unwrap();
    assert_eq!(b.beat(&mut client).assignment, None, "all of it is still held");
    assert_eq!(a.beat(&mut client).epoch, first.epoch, "nothing was said of what it has");
    assert_eq!(b.beat(&mut client).assignment, None);
    let reached = a.take(&mut client, told.assignment);
    assert_eq!((reached.epoch > first.epoch, reached.assignment), (true, None));
    let given = b.beat(&mut client);
    assert_eq!(given.assignment, Some(&partitions(&cluster, 0..4) - &kept));
    assert_eq!(b.epoch, a.epoch);
}

#[test]
fn who_does_not_let_go_in_time_is_removed() {
    let (cluster, mut client) = cluster();
    let (mut a, mut b) = (Member::new("a"), Member::new("b"));
    a.join(&mut client);
    b.join(&mut client);
    cluster.advance(1_000);
    a.beat(&mut client);
    cluster.advance(7_999);
    assert_eq!(a.beat(&mut client).code, 0);
    cluster.advance(1);
    assert_eq!(a.beat(&mut client).code, 25);
    cluster.advance(1_000);
    assert_eq!(b.beat(&mut client).assignment, Some(partitions(&cluster, 0..4)));
    assert_eq!(a.join(&mut client).code, 0, "and may come back");
}

#[test]
fn a_silent_member_is_removed_after_its_session() {
    let (cluster, mut client) = cluster();
    let (mut a, mut b) = (Member::new("a"), Member::new("b"));
    a.join(&mut client);
    cluster.advance(44_999);
    assert_eq!(a.beat(&mut client).code, 0);
    cluster.advance(44_999);
    assert_eq!(a.beat(&mut client).code, 0, "every heartbeat begins a session");
    cluster.advance(45_000);
    assert_eq!(a.beat(&mut client).code, 25);
    assert_eq!(b.join(&mut client).assignment, Some(partitions(&cluster, 0..4)));
}

#[test]
fn a_lost_answer_is_forgiven_to_who_says_what_it_has() {
    let (cluster, mut client) = cluster();
    let (mut a, mut b) = (Member::new("a"), Member::new("b"));
    let first = a.join(&mut client).epoch;
    b.join(&mut client);
    cluster.advance(1_000);
    let told = a.beat(&mut client);
    a.take(&mut client, told.assignment);
    assert!(a.epoch > first);
    for (epoch, owned, code) in [
        (first, Some(a.owned.clone()), 0),
        (first, None, 110),
        (first, Some(partitions(&cluster, 0..4)), 110),
        (first + 99, Some(a.owned.clone()), 110),
    ] {
        let mut late = Member { epoch, ..a.clone() };
        let beat = late.say(&mut client, &Said { owned, ..Said::default() });
        assert_eq!(beat.code, code);
        assert_eq!(beat.epoch, if code == 0 { a.epoch } else { 0 });
    }
}

#[test]
fn a_static_member_comes_back_to_what_it_had() {
    let (cluster, mut client) = cluster();
    let mut a = Member { instance: Some("i"), ..Member::new("a") };
    let mut b = Member::new("b");
    let first = a.join(&mut client);
    assert_eq!(a.leave(&mut client, -2), Beat { member_id: Some("a".into()), epoch: -2, ..Beat::default() });
    b.join(&mut client);
    let mut again = Member { instance: Some("i"), ..Member::new("c") };
    let back = again.join(&mut client);
    assert_eq!((back.assignment, back.epoch), (first.assignment, first.epoch), "another id, the same partitions");
    a.epoch = first.epoch;
    assert_eq!(a.beat(&mut client).code, 82, "the old id is fenced");
    let mut newcomer = Member { instance: Some("i"), ..Member::new("d") };
    assert_eq!(newcomer.join(&mut client).code, 111, "the instance is there");
    again.leave(&mut client, -2);
    cluster.advance(45_000);
    assert_eq!(cluster.group("g").map(|group| group.members.len()), Some(0), "it has not come back");
}

#[test]
fn what_is_refused() {
    let (cluster, mut client) = cluster();
    let mut a = Member::new("a");
    assert_eq!(Member { epoch: 3, ..a.clone() }.beat(&mut client).code, 69, "no such group");
    assert_eq!(Member { epoch: -1, ..a.clone() }.beat(&mut client).code, 69);
    a.join(&mut client);
    let good = Said { timeout: Some(8_000), names: Some(vec!["t"]), owned: Some(BTreeSet::new()), ..Said::default() };
    let owned = Some(partitions(&cluster, 0..1));
    let new = Member::new("n");
    for (member, said, code) in [
        (new.clone(), Said { timeout: None, ..good.clone() }, 42),
        (new.clone(), Said { names: None, ..good.clone() }, 42),
        (new.clone(), Said { owned: None, ..good.clone() }, 42),
        (new.clone(), Said { owned, ..good.clone() }, 42),
        (Member { instance: Some(""), ..new.clone() }, good.clone(), 42),
        (Member { id: "", ..new.clone() }, good.clone(), 42),
        (Member { epoch: -2, ..new.clone() }, Said::default(), 42),
        (Member { epoch: -3, ..new.clone() }, Said::default(), 42),
        (Member { assignor: Some("sticky"), ..new.clone() }, good.clone(), 112),
        (new.clone(), Said { names: None, regex: Some("t("), ..good.clone() }, 128),
        (Member { epoch: 5, ..new.clone() }, Said::default(), 25),
        (Member { epoch: -1, ..new.clone() }, Said::default(), 25),
    ] {
        let beat = member.clone().say(&mut client, &said);
        assert_eq!(beat, Beat { code, ..Beat::default() }, "epoch {} as {:?}", member.epoch, member.id);
    }
    assert_eq!(cluster.group("g").map(|group| group.members.len()), Some(1), "nobody was let in");
    cluster.configure(|settings| settings.consumer_max_size = 1);
    assert_eq!(new.clone().join(&mut client).code, 81);
    cluster.deny_topic("t", true);
    assert_eq!(a.join(&mut client).code, 29);
    cluster.deny_group("g", true);
    assert_eq!(a.beat(&mut client).code, 30);
    cluster.deny_group("g", false).move_coordinator("g", 2, 0);
    assert_eq!(a.beat(&mut client).code, 16);
}

/// A flexible OffsetCommit of `t`-0; its code.
fn commit(client: &mut Client, member: &str, epoch: i32) -> i16 {
    let request = body(|out| {
        out.compact_str("g").i32(epoch).compact_str(member).compact_nullable_str(None);
        out.uvarint(2)
            .compact_str("t")
            .uvarint(2)
            .i32(0)
            .i64(7)
            .i32(-1)
            .compact_str("")
            .uvarint(0)
            .uvarint(0)
            .uvarint(0);
    });
    let answer = client.call(Api::OffsetCommit, 9, &request);
    i16::from_be_bytes([answer[12], answer[13]])
}

/// An OffsetFetch v9 of `t`-0: the group's code, and the offset if there is one.
fn fetch(client: &mut Client, member: Option<&str>, epoch: i32) -> (i16, Option<i64>) {
    let request = body(|out| {
        out.uvarint(2).compact_str("g").compact_nullable_str(member).i32(epoch);
        out.uvarint(2).compact_str("t").uvarint(2).i32(0).uvarint(0).uvarint(0).bool(true).uvarint(0);
    });
    let answer = client.call(Api::OffsetFetch, 9, &request);
    let reader = &mut Reader::new(&answer);
    reader.i32().unwrap();
    let groups = reader.compact_array(|body| {
        let name = body.compact_str()?;
        let topics = body.compact_array(|body| {
            let name = body.compact_str()?;
            let rows = body.compact_array(|body| {
                let row = (body.i32()?, body.i64()?, body.i32()?, body.compact_str()?, body.i16()?);
                body.tags()?;
                Ok(row.1)
            })?;
            body.tags()?;
            Ok((name, rows))
        })?;
        let code = body.i16()?;
        body.tags()?;
        Ok((name, topics, code))
    });
    reader.tags().unwrap();
    reader.end().unwrap();
    let (_, topics, code) = groups.unwrap().remove(0);
    (code, topics.first().map(|(_, rows)| rows[0]))
}

#[test]
fn commits_name_an_epoch_at_which_the_partition_was_there() {
    let (cluster, mut client) = cluster();
    let (mut a, mut b) = (Member::new("a"), Member::new("b"));
    let first = a.join(&mut client).epoch;
    b.join(&mut client);
    cluster.advance(1_000);
    let told = a.beat(&mut client);
    a.take(&mut client, told.assignment);
    b.beat(&mut client);
    let (owner, other) = if a.owned.contains(&(cluster.topic_id("t"), 0)) { (&a, &b) } else { (&b, &a) };
    assert_eq!(commit(&mut client, owner.id, owner.epoch), 0);
    assert_eq!(commit(&mut client, other.id, other.epoch), 0, "nobody asks who has it");
    assert_eq!(commit(&mut client, owner.id, owner.epoch + 1), 113);
    assert_eq!(commit(&mut client, "x", owner.epoch), 25);
    assert_eq!(commit(&mut client, "", -1), 25, "there are members");
    assert_eq!(commit(&mut client, "a", first), if owner.id == "a" { 0 } else { 113 }, "KIP-1251");
    let classic = body(|out| {
        out.str("g").i32(a.epoch).str("a").nullable_str(None);
        out.count(1).str("t").count(1).i32(0).i64(9).i32(0).nullable_str(Some(""));
    });
    let answer = client.call(Api::OffsetCommit, 7, &classic);
    assert_eq!(i16::from_be_bytes([answer[19], answer[20]]), 35);
    assert_eq!(fetch(&mut client, Some("a"), a.epoch), (0, Some(7)));
    assert_eq!(fetch(&mut client, Some("a"), a.epoch - 1), (113, None));
    assert_eq!(fetch(&mut client, Some("x"), a.epoch), (25, None));
    assert_eq!(fetch(&mut client, None, -1), (0, Some(7)));
}

#[test]
fn most_wishes_choose_the_assignor() {
    let (cluster, mut client) = cluster();
    let mut a = Member { assignor: Some("range"), ..Member::new("a") };
    let mut b = Member { assignor: Some("range"), ..Member::new("b") };
    b.join(&mut client);
    a.join(&mut client);
    cluster.advance(1_000);
    let told = b.beat(&mut client);
    assert_eq!(told.assignment, Some(partitions(&cluster, 2..4)));
    b.take(&mut client, told.assignment);
    assert_eq!(a.beat(&mut client).assignment, Some(partitions(&cluster, 0..2)));
}

/// Topics of Metadata v12: code, name, id and number of partitions.
fn metadata(client: &mut Client, name: Option<&str>, id: TopicId) -> (i16, Option<String>, TopicId, usize) {
    let request = body(|out| {
        out.uvarint(2).raw(&id).compact_nullable_str(name).uvarint(0).bool(false).bool(false).uvarint(0);
    });
    let answer = client.call(Api::Metadata, 12, &request);
    let reader = &mut Reader::new(&answer);
    reader.i32().unwrap();
    let broker = |body: &mut Reader| {
        let broker = (body.i32()?, body.compact_str()?, body.i32()?, body.compact_nullable_str()?);
        body.tags()?;
        Ok(broker)
    };
    assert_eq!(reader.compact_array(broker).unwrap().len(), 2);
    reader.compact_nullable_str().unwrap();
    reader.i32().unwrap();
    let topics = reader.compact_array(|body| {
        let topic = (body.i16()?, body.compact_nullable_str()?, body.uuid()?);
        body.bool()?;
        let partitions = body.compact_array(|body| {
            let partition = (body.i16()?, body.i32()?, body.i32()?, body.i32()?);
            for _ in 0..3 {
                body.compact_array(Reader::i32)?;
            }
            body.tags()?;
            Ok(partition)
        })?;
        body.i32()?;
        body.tags()?;
        Ok((topic.0, topic.1, topic.2, partitions.len()))
    });
    reader.tags().unwrap();
    reader.end().unwrap();
    topics.unwrap().remove(0)
}

#[test]
fn topics_have_ids() {
    let (cluster, mut client) = cluster();
    let id = cluster.topic_id("t");
    assert_eq!(metadata(&mut client, Some("t"), [0; 16]), (0, Some("t".into()), id, 4));
    assert_eq!(metadata(&mut client, None, id), (0, Some("t".into()), id, 4));
    assert_eq!(metadata(&mut client, None, [9; 16]), (100, None, [9; 16], 0));
    assert_eq!(metadata(&mut client, Some("u"), [0; 16]), (3, Some("u".into()), [0; 16], 0));
    cluster.deny_topic("t", true);
    assert_eq!(metadata(&mut client, None, id), (29, None, id, 0));
    cluster.deny_topic("t", false).delete_topic("t");
    cluster.topic("t", 1);
    assert_ne!(cluster.topic_id("t"), id, "another topic of the same name");
    assert_eq!(metadata(&mut client, None, id).0, 100);
}

#[test]
fn topics_come_and_match_later() {
    let (cluster, mut client) = cluster();
    let mut a = Member::new("a");
    a.join(&mut client);
    cluster.topic("t", 6);
    cluster.advance(1_000);
    assert_eq!(a.beat(&mut client).assignment, Some(partitions(&cluster, 0..6)));
    let mut b = Member::new("b");
    a.leave(&mut client, -1);
    let said = Said { timeout: Some(1), regex: Some("t.*"), owned: Some(BTreeSet::new()), ..Said::default() };
    assert_eq!(b.say(&mut client, &said).assignment, Some(BTreeSet::new()), "found out later");
    cluster.advance(1_000);
    b.beat(&mut client);
    cluster.advance(1_000);
    let found = b.beat(&mut client);
    assert_eq!(
        cluster.group("g").unwrap().members[0].assigned(),
        Some(vec![("t".into(), (0..6).collect())]),
        "{found:?}"
    );
}

#[test]
fn members_survive_a_move_and_their_group_turns_classic_when_they_are_gone() {
    let (cluster, mut client) = cluster();
    let mut a = Member::new("a");
    let epoch = a.join(&mut client).epoch;
    cluster.advance(40_000).move_coordinator("g", 2, 0).advance(40_000);
    let answer = client.call_on(3, Api::ConsumerGroupHeartbeat, 1, &a.request(&Said::default()));
    assert_eq!((parse(&answer).code, parse(&answer).epoch), (0, epoch), "the session began anew");
    let join = body(|out| {
        out.str("g")
            .i32(10_000)
            .i32(8_000)
            .str("m")
            .nullable_str(None)
            .str("consumer")
            .count(1)
            .str("range")
            .bytes(b"m");
    });
    let code = |answer: &[u8]| i16::from_be_bytes([answer[4], answer[5]]);
    assert_eq!(code(&client.call_on(3, Api::JoinGroup, 5, &join)), -1, "what it says of topics is read at once");
    a.epoch = -1;
    client.call_on(3, Api::ConsumerGroupHeartbeat, 1, &a.request(&Said::default()));
    assert_eq!(code(&client.call_on(3, Api::JoinGroup, 5, &join)), 25);
}
