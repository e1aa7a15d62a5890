//! Groups that have members of both protocols (online migration of KIP-848).
use super::consumer::{FULL, QUIET};
use super::{heartbeat, sync, Bytes, Script};
use std::time::Duration;

/// All partitions: as many as two and three members can share evenly, so that nobody has to choose who has more.
const ALL: [i32; 6] = [0, 1, 2, 3, 4, 5];
const NONE: Option<(&[u8; 16], &[i32])> = Some((&[0; 16], &[]));

fn topics(body: Bytes, all: &[i32]) -> Bytes {
    if all.is_empty() {
        return body.i32(0);
    }
    all.iter().fold(body.i32(1).str("t").i32(all.len() as i32), |body, &one| body.i32(one))
}

/// `ConsumerProtocolSubscription.json`.
fn subscription(version: i16, owned: &[i32]) -> Vec<u8> {
    let mut body = Bytes::default().i16(version).i32(1).str("t").i32(-1);
    if version >= 1 {
        body = topics(body, owned);
    }
    if version >= 2 {
        body = body.i32(-1);
    }
    if version >= 3 {
        body = body.i16(-1);
    }
    body.0
}

/// `ConsumerProtocolAssignment.json`.
fn assignment(all: &[i32]) -> Vec<u8> {
    topics(Bytes::default().i16(1), all).i32(-1).0
}

fn join(group: &str, id: &str, kind: &str, protocols: &[(&str, &[u8])]) -> Bytes {
    join_within((10_000, 10_000), group, id, kind, protocols)
}

/// With timeouts of session and rebalance.
fn join_within(
    (session, rebalance): (i32, i32),
    group: &str,
    id: &str,
    kind: &str,
    protocols: &[(&str, &[u8])],
) -> Bytes {
    let body = Bytes::default().str(group).i32(session).i32(rebalance).str(id).optional(None).str(kind);
    let body = body.i32(protocols.len() as i32);
    protocols.iter().fold(body, |body, (name, metadata)| body.str(name).bytes(metadata))
}

/// A member of KIP-848: its epoch, and what it was told to have.
struct Held {
    group: &'static str,
    epoch: i32,
    topic: [u8; 16],
    has: Vec<i32>,
}

impl Script<'_> {
    /// The first heartbeat of k.
    fn k_joins(&mut self, what: &str, group: &'static str) -> Held {
        let (epoch, has) = self.beat(what, (group, "k", 0, None), FULL, NONE);
        let (topic, has) = has.unwrap_or_default();
        Held { group, epoch, topic, has }
    }

    /// k says everything, and so is told everything; what it was told before it has.
    fn k_beats(&mut self, what: &str, k: &mut Held) {
        let (epoch, has) = self.beat(what, (k.group, "k", k.epoch, None), FULL, Some((&k.topic, &k.has)));
        if let Some((topic, has)) = has {
            (k.epoch, k.topic, k.has) = (epoch, topic, has);
        }
    }

    fn k_leaves(&mut self, what: &str, group: &str) {
        self.beat(what, (group, "k", -1, None), QUIET, None);
    }

    /// JoinGroup as consumers send it; returns generation and id.
    fn join(&mut self, what: &str, group: &str, id: &str, said: &[u8], new: Option<&'static str>) -> (i32, String) {
        self.send(0, 11, 5, join(group, id, "consumer", &[("range", said)]));
        self.joined_at(what, 0, new)
    }

    /// Both joins of a new member.
    fn enter(&mut self, group: &str, who: &'static str, version: i16) -> (i32, String) {
        let (_, id) = self.join(&format!("{who} gets an id"), group, "", &subscription(version, &[]), Some(who));
        self.join(&format!("{who} joins"), group, &id, &subscription(version, &[]), None)
    }

    /// SyncGroup of the leader of a classic group, who has all.
    fn lead(&mut self, what: &str, group: &str, generation: i32, id: &str) {
        self.send(0, 14, 3, sync(group, generation, id, &[(id, &assignment(&ALL))]));
        self.synced(what, 0);
    }

    /// What a member has now, of which the number is noted: which ones they are is up to the assignor.
    fn share(&mut self, what: &str, group: &str, generation: i32, id: &str) -> Vec<i32> {
        self.send(0, 14, 3, sync(group, generation, id, &[]));
        let mut answer = self.receive(0, false);
        answer.i32();
        let (code, n) = (answer.i16(), answer.i32());
        if n == 0 {
            self.note(what, code);
            return vec![];
        }
        let (version, topics) = (answer.i16(), answer.i32());
        let mut all = vec![];
        for _ in 0..topics {
            answer.str();
            all = (0..answer.i32()).map(|_| answer.i32()).collect();
        }
        let data = answer.i32();
        answer.end();
        self.note(what, (code, version, topics, all.len(), data));
        all
    }

    fn beats(&mut self, what: &str, group: &str, generation: i32, id: &str) {
        self.code(what, 12, 3, heartbeat(group, generation, id, None));
    }

    fn leaves(&mut self, what: &str, group: &str, id: &str) {
        self.code(what, 13, 2, Bytes::default().str(group).str(id));
    }

    /// Targets are a second old at least before there is another; sessions of KIP-848 are of 3 s.
    fn settle(&mut self) {
        self.broker.pass(Duration::from_millis(1_500));
    }
}

/// A classic group gets a member of KIP-848, a second classic one, and loses the former, in good order and otherwise.
pub(super) fn upgraded(script: &mut Script) {
    let (first, c) = script.enter("m", "c", 1);
    script.lead("c has all", "m", first, &c);
    script.beat("heartbeat of a stranger", ("m", "k", 1, None), QUIET, None);
    script.k_leaves("a stranger leaves", "m");
    let mut k = script.k_joins("k joins", "m");
    script.beats("c hears of it", "m", first, &c);
    script.commit("c commits meanwhile", "m", first, &c, None);
    for (what, generation, id) in [
        ("old", first - 1, &c[..]),
        ("future", first + 9, &c),
        ("unknown", first, "x"),
        ("other", k.epoch, "k"),
        ("nobody", -1, ""),
    ] {
        script.beats(&format!("heartbeat, {what}"), "m", generation, id);
        script.commit(&format!("commit, {what}"), "m", generation, id, None);
        script.commit_as(&format!("commit of KIP-848, {what}"), 9, ("m", id), generation);
        script.share(&format!("sync, {what}"), "m", generation, id);
    }
    script.leaves("an unknown one leaves", "m", "x");
    script.share("c syncs meanwhile", "m", first, &c);
    script.k_beats("k waits", &mut k);
    let all = subscription(1, &ALL);
    let (at, _) = script.join("c joins again", "m", &c, &all, None);
    let kept = script.share("c is to give up", "m", at, &c);
    script.beats("and must join again", "m", at, &c);
    script.commit("c commits before", "m", at, &c, None);
    script.k_beats("k waits for it", &mut k);
    let (at, _) = script.join("c has not given up", "m", &c, &all, None);
    script.share("and hears it again", "m", at, &c);
    let half = subscription(1, &kept);
    let (second, _) = script.join("c has given up", "m", &c, &half, None);
    script.share("c keeps", "m", second, &c);
    script.beats("all is well", "m", second, &c);
    script.commit("c commits at the generation before", "m", first, &c, None);
    script.commit("c commits", "m", second, &c, None);
    script.commit_as("c commits with the other version", 9, ("m", &c), second);
    script.k_beats("k has its share", &mut k);
    script.commit_as("k commits", 9, ("m", "k"), k.epoch);
    script.commit("k commits as of old", "m", k.epoch, "k", None);
    script.join("c joins for nothing", "m", &c, &half, None);
    script.share("and keeps", "m", second, &c);

    script.settle();
    script.k_beats("k is still there", &mut k);
    let (at, d) = script.enter("m", "d", 3);
    script.share("d has nothing yet", "m", at, &d);
    script.beats("d waits", "m", at, &d);
    script.beats("c hears of d", "m", second, &c);
    script.settle();
    script.beats("d waits still", "m", at, &d);
    script.k_beats("k hears of d", &mut k);
    script.k_beats("k gives up what it must", &mut k);
    let (at_c, _) = script.join("c joins for d", "m", &c, &half, None);
    let kept = script.share("c has", "m", at_c, &c);
    script.beats("c is told once more", "m", at_c, &c);
    let (at_c, _) = script.join("c gives up what it must", "m", &c, &subscription(1, &kept), None);
    let kept = script.share("c has its share", "m", at_c, &c);
    script.beats("d is told", "m", at, &d);
    let (at, _) = script.join("d joins again", "m", &d, &subscription(3, &[]), None);
    let has = script.share("d has its share", "m", at, &d);
    let lost = kept.iter().chain(&k.has).copied().next().unwrap_or(-1);
    for (what, partition, generation) in [
        ("its partition", has[0], at),
        ("its partition at the generation before", has[0], at - 1),
        ("another's", lost, at),
        ("another's at the generation before", lost, at - 1),
    ] {
        script.commit_of(partition, &format!("d commits {what}"), "m", generation, &d, None);
    }
    for (partition, who) in [(kept[0], "its own"), (has[0], "what d has"), (k.has[0], "what k has")] {
        script.commit_of(partition, &format!("c commits {who} as of long ago"), "m", first, &c, None);
    }
    script.beats("d is well", "m", at, &d);
    script.beats("c is well", "m", at_c, &c);
    script.leaves("d leaves", "m", &d);
    script.beats("d is out", "m", at, &d);
    script.settle();
    script.k_beats("k hears of that", &mut k);
    script.beats("c hears of that", "m", at_c, &c);
    let (at, _) = script.join("c joins without d", "m", &c, &subscription(1, &kept), None);
    let kept = script.share("c shares with k", "m", at, &c);
    script.k_beats("k shares with c", &mut k);
    // its id and generation are as good in the other protocol, which it speaks from then on
    script.beat("c in the other protocol", ("m", &c, at, None), QUIET, None);
    script.beats("c in its own", "m", at, &c);
    script.join("c joins as of old", "m", &c, &subscription(1, &kept), None);
    script.beats("c is back in its own", "m", at, &c);

    // the target is too young for another one
    let (at_e, e) = script.enter("m", "e", 2);
    script.beats("c does not hear of e yet", "m", at, &c);
    script.share("c syncs as if nothing were", "m", at, &c);
    script.share("e has nothing yet", "m", at_e, &e);
    script.settle();
    script.beats("nobody has asked for a target since", "m", at, &c);
    script.k_beats("k asks", &mut k);
    script.beats("c hears of e", "m", at, &c);
    script.beats("e hears that there is a target", "m", at_e, &e);
    script.leaves("e leaves", "m", &e);
    script.settle();
    script.k_beats("k is without e", &mut k);
    let (at, _) = script.join("c joins without e", "m", &c, &subscription(1, &kept), None);
    script.share("c still shares with k", "m", at, &c);

    script.k_leaves("k leaves", "m");
    script.beats("c is told", "m", at, &c);
    script.commit("c commits in the classic group", "m", at, &c, None);
    script.share("c syncs in the classic group", "m", at, &c);
    script.beat("k is out", ("m", "k", k.epoch, None), QUIET, None);
    script.commit_as("k commits when out", 9, ("m", "k"), k.epoch);
    let (at, _) = script.join("c leads", "m", &c, &all, None);
    script.lead("c has all again", "m", at, &c);
    script.beats("all is well again", "m", at, &c);
    script.commit("c commits alone", "m", at, &c, None);
    script.k_joins("k is back", "m");
    script.beats("c hears of k", "m", at, &c);
    script.broker.pass(Duration::from_millis(2_000));
    script.beats("c hears nothing else", "m", at, &c);
    script.broker.pass(Duration::from_millis(2_000));
    script.beats("k was silent", "m", at, &c);
    let (at, _) = script.join("c leads again", "m", &c, &all, None);
    script.lead("c has all once more", "m", at, &c);
    script.k_joins("k comes once more", "m");
    script.leaves("k leaves as of old", "m", "k");
    script.beats("c hears of that, too", "m", at, &c);
    let (at, _) = script.join("c leads to the end", "m", &c, &all, None);
    script.lead("and has all", "m", at, &c);
    script.leaves("c leaves", "m", &c);
    script.k_joins("k comes to an empty group", "m");
}

/// Classic members come to a group of KIP-848.
pub(super) fn joined(script: &mut Script) {
    let mut k = script.k_joins("k joins", "n");
    let said = subscription(1, &[]);
    for (what, kind, protocols) in [
        ("join of another kind", "connect", &[("range", &said[..])][..]),
        ("join of no kind", "", &[("range", &said[..])]),
        ("join without a protocol", "consumer", &[]),
    ] {
        script.send(0, 11, 5, join("n", "", kind, protocols));
        script.joined(what, 0, None);
    }
    for (what, said) in [("no subscription", &b""[..]), ("half a subscription", &said[..5])] {
        let (_, id) = script.join(&format!("an id for {what}"), "n", "", said, Some("bad"));
        script.join(&format!("join with {what}"), "n", &id, said, None);
    }
    for (version, who) in [(0, "c0"), (1, "c1"), (2, "c2"), (3, "c3")] {
        script.settle();
        script.k_beats(&format!("k before {who}"), &mut k);
        let (at, c) = script.enter("n", who, version);
        script.share(&format!("{who} has nothing yet"), "n", at, &c);
        script.beats(&format!("{who} waits"), "n", at, &c);
        script.commit(&format!("{who} commits"), "n", at, &c, None);
        script.settle();
        script.k_beats(&format!("k hears of {who}"), &mut k);
        script.beats(&format!("{who} still waits"), "n", at, &c);
        script.k_beats(&format!("k gives up for {who}"), &mut k);
        script.beats(&format!("{who} is to join"), "n", at, &c);
        script.share(&format!("{who} syncs before"), "n", at, &c);
        let (at, _) = script.join(&format!("{who} joins again"), "n", &c, &subscription(version, &[]), None);
        script.share(&format!("{who} has"), "n", at, &c);
        if version == 0 {
            script.send(0, 11, 5, join("n", "", "consumer", &[("sticky", &said)]));
            script.joined("join with another protocol", 0, None);
            script.send(0, 11, 5, join("n", "", "consumer", &[("sticky", &said), ("range", &said)]));
            script.joined("join with one of two protocols", 0, Some("two"));
        }
        script.leaves(&format!("{who} leaves"), "n", &c);
        script.leaves(&format!("{who} leaves again"), "n", &c);
        script.settle();
        script.k_beats(&format!("k is without {who}"), &mut k);
        script.k_beats(&format!("k has what {who} had"), &mut k);
    }
    script.k_leaves("k leaves", "n");
    script.commit("nobody commits in the empty group", "n", -1, "", None);
    let (at, c) = script.enter("n", "c", 1);
    script.lead("c has all", "n", at, &c);
    let mut k = script.k_joins("k comes", "n");
    script.join("join as an unknown one", "n", "x", &said, None);
    script.leaves("it leaves", "n", "x");
    script.k_beats("k waits", &mut k);
    script.k_leaves("k leaves again", "n");
    script.beats("c is told", "n", at, &c);
    script.leaves("c leaves", "n", &c);
}

/// A rebalance of the classic group is on when a member of KIP-848 comes: who waits in it is told.
pub(super) fn interrupted(script: &mut Script) {
    let said = subscription(1, &[]);
    let (at, c) = script.enter("o", "c", 1);
    script.lead("c has all", "o", at, &c);
    let (_, d) = script.join("d gets an id", "o", "", &said, Some("d"));
    script.send(1, 11, 5, join("o", &d, "consumer", &[("range", &said)]));
    script.settle();
    script.beats("c hears of d", "o", at, &c);
    script.k_joins("k joins while d waits", "o");
    script.joined("d waits no more", 1, None);
    script.beats("c hears of k", "o", at, &c);
    script.beats("d is in", "o", at, &d);
    script.join("d joins again", "o", &d, &said, None);
    script.leaves("d leaves", "o", &d);
    script.k_leaves("k leaves", "o");
    let (at, _) = script.join("c leads", "o", &c, &said, None);
    script.lead("c has all again", "o", at, &c);

    let (_, e) = script.join("e gets an id", "o", "", &said, Some("e"));
    script.send(1, 11, 5, join("o", &e, "consumer", &[("range", &said)]));
    script.settle();
    script.join("c joins with e", "o", &c, &said, None);
    let (at, _) = script.joined_at("e joins", 1, None);
    script.send(1, 14, 3, sync("o", at, &e, &[]));
    script.settle();
    let mut k = script.k_joins("k joins while e syncs", "o");
    script.synced("e waits no more", 1);
    script.beats("e hears of k", "o", at, &e);
    script.share("c syncs too late", "o", at, &c);
    script.join("e joins again", "o", &e, &said, None);
    let (at, _) = script.join("c joins again", "o", &c, &said, None);
    script.share("c has its share", "o", at, &c);
    script.leaves("e leaves", "o", &e);
    script.leaves("c leaves", "o", &c);
    script.settle();
    script.k_beats("k may have all", &mut k);
    script.k_beats("k has all", &mut k);
}

/// Classic members that do not do in time what they are told.
pub(super) fn late(script: &mut Script) {
    let mut k = script.k_joins("k joins", "p");
    let enter = |script: &mut Script, who: &'static str, timeouts| {
        let said = subscription(1, &[]);
        let protocols = [("range", &said[..])];
        script.send(0, 11, 5, join_within(timeouts, "p", "", "consumer", &protocols));
        let id = script.joined(&format!("{who} gets an id"), 0, Some(who));
        script.send(0, 11, 5, join_within(timeouts, "p", &id, "consumer", &protocols));
        script.joined_at(&format!("{who} joins"), 0, None)
    };
    let wait = |script: &mut Script, k: &mut Held| {
        script.broker.pass(Duration::from_millis(1_200));
        script.k_beats("k goes on", k);
    };
    wait(script, &mut k);
    let (at, a) = enter(script, "a", (10_000, 2_000));
    wait(script, &mut k);
    script.beats("a does not sync", "p", at, &a);
    wait(script, &mut k);
    script.beats("a is out, which did not sync", "p", at, &a);
    script.commit("and must not commit", "p", at, &a, None);
    script.share("it syncs now", "p", at, &a);

    wait(script, &mut k);
    wait(script, &mut k);
    let (at, b) = enter(script, "b", (10_000, 2_000));
    script.share("b syncs", "p", at, &b);
    wait(script, &mut k);
    script.k_beats("k gives up for b", &mut k);
    script.beats("b is to join", "p", at, &b);
    wait(script, &mut k);
    script.beats("b does not", "p", at, &b);
    wait(script, &mut k);
    script.beats("b is out, which did not join", "p", at, &b);
    script.join("b joins now", "p", &b, &subscription(1, &[]), None);
    script.leaves("b leaves", "p", &b);

    wait(script, &mut k);
    wait(script, &mut k);
    let (at, c) = enter(script, "c", (3_000, 10_000));
    script.share("c syncs", "p", at, &c);
    wait(script, &mut k);
    script.beats("c is there", "p", at, &c);
    wait(script, &mut k);
    wait(script, &mut k);
    wait(script, &mut k);
    script.beats("c is out, which was silent", "p", at, &c);
    wait(script, &mut k);
    script.k_beats("k has all", &mut k);
}
