//! The cluster of `scripted` is a model of Kafka: the same requests of group members get the same answers from both.
//!
//! Requests are written here byte by byte, so that neither core's encoder nor the model's reader decides what they are. Of
//! answers all is compared but what each broker invents: member ids are called by who they are, epochs by their order.
use nanokafka::{ConnectionId, Instant, Transport};
use nanokafka_scripted::{Cluster, Net};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// Somebody who answers requests, on several connections.
trait Broker {
    fn write(&mut self, connection: usize, bytes: &[u8]);
    fn read(&mut self, connection: usize, bytes: &mut [u8]);
    /// Time passes.
    fn pass(&mut self, time: Duration);
}

struct Model(Cluster, Net);

impl Broker for Model {
    fn write(&mut self, connection: usize, mut bytes: &[u8]) {
        let (id, mut cx) = (ConnectionId::new(connection as u8), Context::from_waker(Waker::noop()));
        assert_eq!(self.1.poll_connect(&mut cx, id, "b1", 9092), Poll::Ready(Ok(())));
        while !bytes.is_empty() {
            let Poll::Ready(Ok(n)) = self.1.poll_write(&mut cx, id, bytes) else { panic!("not taken") };
            bytes = &bytes[n..];
        }
    }

    fn read(&mut self, connection: usize, bytes: &mut [u8]) {
        let (id, mut cx, mut filled) = (ConnectionId::new(connection as u8), Context::from_waker(Waker::noop()), 0);
        while filled < bytes.len() {
            match self.1.poll_read(&mut cx, id, &mut bytes[filled..]) {
                Poll::Ready(Ok(n)) if n > 0 => filled += n,
                Poll::Pending => assert!(self.0.tick(Instant::NEVER), "never answered"),
                ended => panic!("{ended:?}:\n{}", self.0.log()),
            }
        }
    }

    fn pass(&mut self, time: Duration) {
        self.0.advance(time.as_millis() as u64);
    }
}

struct Real(Vec<TcpStream>);

impl Broker for Real {
    fn write(&mut self, connection: usize, bytes: &[u8]) {
        self.0[connection].write_all(bytes).expect("taken");
    }

    fn read(&mut self, connection: usize, bytes: &mut [u8]) {
        self.0[connection].read_exact(bytes).expect("an answer");
    }

    fn pass(&mut self, time: Duration) {
        std::thread::sleep(time);
    }
}

/// Bytes of a request.
#[derive(Clone, Default)]
struct Bytes(Vec<u8>);

impl Bytes {
    fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }
    fn i8(self, value: i8) -> Self {
        self.raw(&value.to_be_bytes())
    }
    fn i16(self, value: i16) -> Self {
        self.raw(&value.to_be_bytes())
    }
    fn i32(self, value: i32) -> Self {
        self.raw(&value.to_be_bytes())
    }
    fn i64(self, value: i64) -> Self {
        self.raw(&value.to_be_bytes())
    }
    fn str(self, text: &str) -> Self {
        self.i16(text.len() as i16).raw(text.as_bytes())
    }
    fn optional(self, text: Option<&str>) -> Self {
        match text {
            Some(text) => self.str(text),
            None => self.i16(-1),
        }
    }
    fn bytes(self, bytes: &[u8]) -> Self {
        self.i32(bytes.len() as i32).raw(bytes)
    }
    /// A compact string of less than 127 bytes; null is length 0.
    fn short(self, text: Option<&str>) -> Self {
        let length = text.map_or(0, |text| text.len() as i8 + 1);
        self.i8(length).raw(text.unwrap_or_default().as_bytes())
    }
}

/// What an answer says, from front to back.
struct Answer(Vec<u8>, usize);

impl Answer {
    fn raw<const N: usize>(&mut self) -> [u8; N] {
        self.1 += N;
        self.0[self.1 - N..self.1].try_into().expect("N bytes")
    }
    fn i8(&mut self) -> i8 {
        i8::from_be_bytes(self.raw())
    }
    fn i16(&mut self) -> i16 {
        i16::from_be_bytes(self.raw())
    }
    fn i32(&mut self) -> i32 {
        i32::from_be_bytes(self.raw())
    }
    fn i64(&mut self) -> i64 {
        i64::from_be_bytes(self.raw())
    }
    fn text(&mut self, n: usize) -> String {
        self.1 += n;
        String::from_utf8(self.0[self.1 - n..self.1].to_vec()).expect("text")
    }
    fn str(&mut self) -> String {
        let n = self.i16();
        self.text(n.max(0) as usize)
    }
    /// A compact string; null is empty. A broker's words may take more than 127 bytes.
    fn short(&mut self) -> String {
        let mut n = self.i8() as usize & 0xff;
        if n >= 0x80 {
            n = (n & 0x7f) + ((self.i8() as usize) << 7);
        }
        self.text(n.saturating_sub(1))
    }
    fn end(&self) {
        assert_eq!(self.1, self.0.len(), "bytes are left");
    }
}

/// A client that writes down what it is answered.
struct Script<'b> {
    broker: &'b mut dyn Broker,
    number: i32,
    seen: Vec<String>,
    /// Ids that the broker has made, and who they are.
    ids: Vec<(String, &'static str)>,
}

impl Script<'_> {
    fn send(&mut self, connection: usize, api: i16, version: i16, body: Bytes) {
        self.number += 1;
        let flexible = matches!((api, version), (68, _) | (3, 9..) | (8, 8..) | (9, 6..));
        let head = Bytes::default().i16(api).i16(version).i32(self.number).str("model");
        let head = if flexible { head.i8(0) } else { head };
        let frame = head.raw(&body.0).0;
        self.broker.write(connection, &Bytes::default().bytes(&frame).0);
    }

    fn receive(&mut self, connection: usize, flexible: bool) -> Answer {
        let mut size = [0; 4];
        self.broker.read(connection, &mut size);
        let mut bytes = vec![0; u32::from_be_bytes(size) as usize];
        self.broker.read(connection, &mut bytes);
        Answer(bytes, 4 + usize::from(flexible))
    }

    fn call(&mut self, api: i16, version: i16, body: Bytes) -> Answer {
        self.send(0, api, version, body);
        let flexible = matches!((api, version), (68, _) | (8, 8..) | (9, 6..));
        self.receive(0, flexible)
    }

    fn note(&mut self, what: &str, seen: impl std::fmt::Debug) {
        self.seen.push(format!("{what}: {seen:?}"));
    }

    fn who(&self, id: &str) -> String {
        self.ids.iter().find(|(known, _)| known == id).map_or(id.to_string(), |(_, who)| (*who).to_string())
    }

    /// Notes a code, a generation, and who is meant; returns the id.
    fn joined(&mut self, what: &str, connection: usize, new: Option<&'static str>) -> String {
        let mut answer = self.receive(connection, false);
        answer.i32();
        let (code, generation, protocol, leader, id) =
            (answer.i16(), answer.i32(), answer.str(), answer.str(), answer.str());
        self.ids.extend(new.map(|new| (id.clone(), new)));
        let members = answer.i32();
        let mut listed: Vec<String> = (0..members)
            .map(|_| {
                let (id, instance, n) = (answer.str(), answer.str(), answer.i32());
                format!("{} {instance} {n} {}", self.who(&id), answer.text(n as usize))
            })
            .collect();
        listed.sort();
        answer.end();
        let (leader, who) = (self.who(&leader), self.who(&id));
        self.note(what, (code, generation, protocol, leader, who, listed));
        id
    }

    fn synced(&mut self, what: &str, connection: usize) {
        let mut answer = self.receive(connection, false);
        answer.i32();
        let (code, n) = (answer.i16(), answer.i32());
        let assignment = answer.text(n as usize);
        answer.end();
        self.note(what, (code, assignment));
    }

    /// The code of a Heartbeat or LeaveGroup.
    fn code(&mut self, what: &str, api: i16, version: i16, body: Bytes) {
        let mut answer = self.call(api, version, body);
        answer.i32();
        let code = answer.i16();
        answer.end();
        self.note(what, code);
    }

    fn commit(&mut self, what: &str, group: &str, generation: i32, id: &str, instance: Option<&str>) {
        self.commit_of(0, what, group, generation, id, instance);
    }

    fn commit_of(&mut self, of: i32, what: &str, group: &str, generation: i32, id: &str, instance: Option<&str>) {
        let body = Bytes::default().str(group).i32(generation).str(id).optional(instance).i32(1).str("t").i32(1);
        let mut answer = self.call(8, 7, body.i32(of).i64(5).i32(-1).str(""));
        answer.i32();
        let seen = (answer.i32(), answer.str(), answer.i32(), answer.i32() == of, answer.i16());
        answer.end();
        self.note(what, seen);
    }

    fn committed(&mut self, what: &str, group: &str) {
        let mut answer = self.call(9, 5, Bytes::default().str(group).i32(1).str("t").i32(1).i32(0));
        answer.i32();
        answer.i32();
        let seen = (answer.str(), answer.i32(), answer.i32(), answer.raw::<8>(), answer.i32(), answer.str());
        let codes = (answer.i16(), answer.i16());
        answer.end();
        self.note(what, (seen, codes));
    }
}

fn join(group: &str, id: &str, instance: Option<&str>, session: i32, kind: &str, protocol: &str) -> Bytes {
    let body = Bytes::default().str(group).i32(session).i32(10_000).str(id).optional(instance).str(kind);
    body.i32(1).str(protocol).bytes(b"meta")
}

fn heartbeat(group: &str, generation: i32, id: &str, instance: Option<&str>) -> Bytes {
    Bytes::default().str(group).i32(generation).str(id).optional(instance)
}

fn sync(group: &str, generation: i32, id: &str, assignments: &[(&str, &[u8])]) -> Bytes {
    let body = heartbeat(group, generation, id, None).i32(assignments.len() as i32);
    assignments.iter().fold(body, |body, (id, bytes)| body.str(id).bytes(bytes))
}

/// A group of two dynamic members, and one of a static one.
fn classic(script: &mut Script) {
    script.code("heartbeat in no group", 12, 3, heartbeat("g", 1, "x", None));
    script.code("leave no group", 13, 2, Bytes::default().str("g").str("x"));
    script.commit("commit of a generation in no group", "g", 5, "x", None);
    script.committed("nothing committed", "g");
    script.commit("commit of nobody in no group", "g", -1, "", None);
    script.committed("committed by nobody", "g");
    for (what, group, session, kind, id) in [
        ("join without a group", "", 10_000, "consumer", ""),
        ("join for too short", "g", 1, "consumer", ""),
        ("join as an unknown one", "g", 10_000, "consumer", "x"),
    ] {
        script.send(0, 11, 5, join(group, id, None, session, kind, "range"));
        script.joined(what, 0, None);
    }
    script.send(0, 11, 5, join("g", "", None, 10_000, "consumer", "range"));
    let a = script.joined("a gets an id", 0, Some("a"));
    script.code("heartbeat with it", 12, 3, heartbeat("g", -1, &a, None));
    script.send(0, 11, 5, join("g", &a, None, 10_000, "consumer", "range"));
    script.joined("a joins", 0, None);
    script.code("heartbeat before the sync", 12, 3, heartbeat("g", 1, &a, None));
    script.commit("commit before the sync", "g", 1, &a, None);
    script.send(0, 14, 3, sync("g", 1, &a, &[(&a, b"all")]));
    script.synced("a syncs", 0);
    for (what, generation, id) in
        [("right", 1, &a[..]), ("old", 0, &a), ("future", 2, &a), ("unknown", 1, "x"), ("nobody", -1, "")]
    {
        script.code(&format!("heartbeat, {what}"), 12, 3, heartbeat("g", generation, id, None));
        script.commit(&format!("commit, {what}"), "g", generation, id, None);
        script.send(0, 14, 3, sync("g", generation, id, &[]));
        script.synced(&format!("sync, {what}"), 0);
    }
    script.send(0, 11, 5, join("g", "", None, 10_000, "other", "range"));
    script.joined("join of another kind", 0, None);
    script.send(0, 11, 5, join("g", "", None, 10_000, "consumer", "sticky"));
    script.joined("join with another protocol", 0, None);

    script.send(1, 11, 5, join("g", "", None, 10_000, "consumer", "range"));
    let b = script.joined("b gets an id", 1, Some("b"));
    script.send(1, 11, 5, join("g", &b, None, 10_000, "consumer", "range"));
    script.broker.pass(Duration::from_millis(1_500));
    script.code("a hears of it", 12, 3, heartbeat("g", 1, &a, None));
    script.commit("a commits meanwhile", "g", 1, &a, None);
    script.send(0, 14, 3, sync("g", 1, &a, &[]));
    script.synced("a syncs meanwhile", 0);
    script.send(0, 11, 5, join("g", &a, None, 10_000, "consumer", "range"));
    script.joined("a joins again", 0, None);
    script.joined("b joins", 1, None);
    script.send(1, 14, 3, sync("g", 2, &b, &[]));
    script.send(0, 14, 3, sync("g", 2, &a, &[(&a, b"left"), (&b, b"right")]));
    script.synced("a has", 0);
    script.synced("b has", 1);
    script.send(1, 11, 5, join("g", &b, None, 10_000, "consumer", "range"));
    script.joined("b joins again, as a follower", 1, None);
    script.code("b leaves", 13, 2, Bytes::default().str("g").str(&b));
    script.code("b leaves again", 13, 2, Bytes::default().str("g").str(&b));
    script.code("b is out", 12, 3, heartbeat("g", 2, &b, None));
    script.commit("b commits", "g", 2, &b, None);
    script.code("a hears of that", 12, 3, heartbeat("g", 2, &a, None));
    script.send(0, 11, 5, join("g", &a, None, 10_000, "consumer", "range"));
    script.joined("a is alone", 0, None);
    script.send(0, 14, 3, sync("g", 3, &a, &[]));
    script.synced("a forgets itself", 0);
    script.code("a leaves", 13, 2, Bytes::default().str("g").str(&a));
    script.commit("nobody commits in the empty group", "g", -1, "", None);

    script.send(0, 11, 5, join("s", "", Some("i"), 10_000, "consumer", "range"));
    let old = script.joined("a static member", 0, Some("old"));
    script.send(0, 14, 3, heartbeat("s", 1, &old, Some("i")).i32(1).str(&old).bytes(b"all"));
    script.synced("it has", 0);
    script.send(0, 11, 5, join("s", "", Some("i"), 10_000, "consumer", "range"));
    let new = script.joined("it is back", 0, Some("new"));
    script.code("its old id", 12, 3, heartbeat("s", 1, &old, Some("i")));
    script.commit("its old id commits", "s", 1, &old, Some("i"));
    script.code("its new id", 12, 3, heartbeat("s", 1, &new, Some("i")));
    script.code("another instance", 12, 3, heartbeat("s", 1, &new, Some("j")));
    script.send(0, 14, 3, heartbeat("s", 1, &new, Some("i")).i32(0));
    script.synced("it has again", 0);
}

/// What a heartbeat of KIP-848 says: timeout, names (`"-"` is null), regular expression, assignor.
type Said<'a> = (i32, &'a str, Option<&'a str>, Option<&'a str>);
const FULL: Said = (8_000, "t", None, None);
const QUIET: Said = (-1, "-", None, None);

/// A topic's id and its partitions.
type Assignment = ([u8; 16], Vec<i32>);

impl Script<'_> {
    /// `owned`: a topic's id and partitions, or nothing at all; `None` is null. Returns epoch and assignment.
    fn beat(
        &mut self,
        what: &str,
        (group, id, epoch, instance): (&str, &str, i32, Option<&str>),
        (timeout, names, regex, assignor): Said,
        owned: Option<(&[u8; 16], &[i32])>,
    ) -> (i32, Option<Assignment>) {
        let body = Bytes::default().short(Some(group)).short(Some(id)).i32(epoch).short(instance).short(None);
        let body = body.i32(timeout);
        let body = if names == "-" { body.i8(0) } else { body.i8(2).short(Some(names)) };
        let body = body.short(regex).short(assignor);
        let body = match owned {
            None => body.i8(0),
            Some((_, [])) => body.i8(1),
            Some((topic, all)) => {
                let topic = body.i8(2).raw(topic).i8(all.len() as i8 + 1);
                all.iter().fold(topic, |body, &one| body.i32(one)).i8(0)
            }
        };
        let mut answer = self.call(68, 1, body.i8(0));
        answer.i32();
        let code = answer.i16();
        answer.short(); // in the broker's words
        let (who, epoch, interval) = (answer.short(), answer.i32(), answer.i32());
        let mut assignment = None;
        if answer.i8() == 1 {
            let topics = answer.i8() - 1;
            assert!(topics <= 1, "there is one topic");
            let mut topic = ([0; 16], vec![]);
            for _ in 0..topics {
                topic.0 = answer.raw();
                topic.1 = (0..answer.i8() - 1).map(|_| answer.i32()).collect();
                topic.1.sort_unstable();
                answer.i8();
            }
            answer.i8();
            assignment = Some(topic);
        }
        answer.i8();
        answer.end();
        let sign = epoch.signum() * i32::from(epoch >= 0) + epoch.min(0);
        let n = assignment.as_ref().map(|(_, all)| all.len());
        self.note(what, (code, self.who(&who), sign, interval > 0, n));
        (epoch, assignment)
    }

    fn commit_as(&mut self, what: &str, version: i16, id: &str, epoch: i32) {
        let body = Bytes::default().short(Some("k")).i32(epoch).short(Some(id)).short(None).i8(2).short(Some("t"));
        let body = body.i8(2).i32(0).i64(5).i32(-1).short(Some("")).i8(0).i8(0).i8(0);
        let mut answer = self.call(8, version, body);
        answer.i32();
        let seen = (answer.i8(), answer.short(), answer.i8(), answer.i32(), answer.i16());
        self.note(what, seen);
    }
}

/// Two members of a group of KIP-848, and what is refused.
fn consumer(script: &mut Script) {
    let none: Option<(&[u8; 16], &[i32])> = Some((&[0; 16], &[]));
    script.beat("heartbeat in no group", ("k", "a", 3, None), QUIET, None);
    script.beat("leave no group", ("k", "a", -1, None), QUIET, None);
    let (first, all) = script.beat("a joins", ("k", "a", 0, None), FULL, none);
    let (topic, all) = all.expect("an assignment");
    script.beat("a has nothing to say", ("k", "a", first, None), QUIET, None);
    script.beat("a says everything", ("k", "a", first, None), FULL, Some((&topic, &all)));
    for (what, who, said, owned) in [
        ("no timeout", ("k", "n", 0, None), (-1, "t", None, None), none),
        ("no names", ("k", "n", 0, None), (8_000, "-", None, None), none),
        ("no list", ("k", "n", 0, None), FULL, None),
        ("a list", ("k", "n", 0, None), FULL, Some((&topic, &all[..1]))),
        ("no id", ("k", "", 0, None), FULL, none),
        ("an empty instance", ("k", "n", 0, Some("")), FULL, none),
        ("a dynamic one for a while", ("k", "n", -2, None), QUIET, None),
        ("what is no epoch", ("k", "n", -3, None), QUIET, None),
        ("no assignor", ("k", "n", 0, None), (8_000, "t", None, Some("sticky")), none),
        ("no expression", ("k", "n", 0, None), (8_000, "-", Some("t("), None), none),
        ("an unknown member", ("k", "n", 1, None), QUIET, None),
        ("an unknown member leaves", ("k", "n", -1, None), QUIET, None),
        ("an epoch to come", ("k", "a", first + 9, None), QUIET, None),
    ] {
        script.beat(what, who, said, owned);
    }
    script.commit_as("a commits", 9, "a", first);
    script.commit_as("a commits at an epoch to come", 9, "a", first + 9);
    script.commit_as("an unknown member commits", 9, "n", first);
    script.commit("a commits as of old", "k", first, "a", None);
    script.commit("nobody commits", "k", -1, "", None);

    // sessions are of 3 s there, and targets a second old at least
    script.broker.pass(Duration::from_millis(1_500));
    script.beat("a is still there", ("k", "a", first, None), QUIET, None);
    script.beat("b joins", ("k", "b", 0, None), FULL, none);
    script.broker.pass(Duration::from_millis(1_500));
    let (behind, kept) = script.beat("a is to give up", ("k", "a", first, None), QUIET, None);
    assert_eq!(behind, first, "until it says that it has: {:?}", script.seen);
    let (_, kept) = kept.expect("an assignment");
    let (b, _) = script.beat("b waits", ("k", "b", first, None), QUIET, None);
    let (second, _) = script.beat("a has given up", ("k", "a", first, None), QUIET, Some((&topic, &kept)));
    script.beat("b has its share", ("k", "b", b, None), QUIET, None);
    script.beat("a's answer was lost", ("k", "a", first, None), QUIET, Some((&topic, &kept)));
    script.beat("and it does not say what it has", ("k", "a", first, None), QUIET, None);
    script.commit_as("a commits at the epoch before", 9, "a", first);
    script.beat("b leaves", ("k", "b", -1, None), QUIET, None);
    script.beat("b is out", ("k", "b", second, None), QUIET, None);
    script.commit_as("b commits", 9, "b", second);

    let (epoch, _) = script.beat("a static one joins", ("l", "s", 0, Some("i")), FULL, none);
    script.beat("another with its instance", ("l", "z", 0, Some("i")), FULL, none);
    script.beat("it leaves for a while", ("l", "s", -2, Some("i")), QUIET, None);
    script.beat("it is back under another id", ("l", "u", 0, Some("i")), FULL, none);
    script.beat("its old id", ("l", "s", epoch, Some("i")), QUIET, None);
    script.beat("its old id leaves", ("l", "s", -1, Some("i")), QUIET, None);
    script.beat("an instance that is not there", ("l", "u", epoch, Some("j")), QUIET, None);
}

/// `array of (topic, array of partition)`, of the one topic.
fn partitions(body: Bytes, all: &[i32]) -> Bytes {
    let body = body.i32(i32::from(!all.is_empty()));
    let body = if all.is_empty() { body } else { body.str("t").i32(all.len() as i32) };
    all.iter().fold(body, |body, &one| body.i32(one))
}

/// JoinGroup of a member of Java's, which says what it has.
fn subscribe(group: &str, id: &str, kind: &str, protocol: &str, has: &[i32]) -> Bytes {
    let metadata = partitions(Bytes::default().i16(1).i32(1).str("t").i32(-1), has).0;
    let body = Bytes::default().str(group).i32(10_000).i32(10_000).str(id).optional(None).str(kind);
    body.i32(1).str(protocol).bytes(&metadata)
}

impl Script<'_> {
    /// Notes who joined, and whether it leads how many; returns id and generation.
    fn joins(&mut self, what: &str, body: Bytes, new: Option<&'static str>) -> (String, i32) {
        let mut answer = self.call(11, 5, body);
        answer.i32();
        let (code, generation, protocol, leader, id) =
            (answer.i16(), answer.i32(), answer.str(), answer.str(), answer.str());
        self.ids.extend(new.map(|new| (id.clone(), new)));
        let (who, leader, members) = (self.who(&id), self.who(&leader), answer.i32());
        self.note(what, (code, generation.signum(), protocol, leader, who, members));
        (id, generation)
    }

    /// Notes how many partitions there are; returns them.
    fn syncs(&mut self, what: &str, body: Bytes) -> Vec<i32> {
        let mut answer = self.call(14, 3, body);
        answer.i32();
        let (code, n, mut all) = (answer.i16(), answer.i32(), vec![]);
        if n > 0 {
            answer.i16();
            for _ in 0..answer.i32() {
                answer.str();
                all.extend((0..answer.i32()).map(|_| answer.i32()).collect::<Vec<_>>());
            }
        }
        self.note(what, (code, all.len()));
        all
    }
}

/// Members of both protocols in one group: one that was classic before, and one that becomes so.
fn mixed(script: &mut Script) {
    let none: Option<(&[u8; 16], &[i32])> = Some((&[0; 16], &[]));
    let (c, _) = script.joins("c gets an id", subscribe("k", "", "consumer", "range", &[]), Some("c"));
    let c = &c[..];
    let (_, old) = script.joins("c leads", subscribe("k", c, "consumer", "range", &[]), None);
    let all = partitions(Bytes::default().i16(0), &[0, 1, 2, 3]).i32(-1).0;
    script.syncs("c has all", sync("k", old, c, &[(c, &all)]));
    let (k, _) = script.beat("k joins", ("k", "k", 0, None), FULL, none);
    for (what, generation) in [("now", old), ("before", old - 1), ("in future", old + 9)] {
        script.code(&format!("c's heartbeat, {what}"), 12, 3, heartbeat("k", generation, c, None));
        script.commit(&format!("c commits, {what}"), "k", generation, c, None);
        script.syncs(&format!("c syncs, {what}"), sync("k", generation, c, &[]));
    }
    for (what, kind, protocol) in [("another kind", "other", "range"), ("another protocol", "consumer", "sticky")] {
        script.joins(what, subscribe("k", "", kind, protocol, &[]), None);
    }
    script.code("a heartbeat of k in the other protocol", 12, 3, heartbeat("k", k, "k", None));
    script.beat("c in the other protocol", ("k", c, old, None), QUIET, None);
    let (_, first) = script.joins("c joins again", subscribe("k", c, "consumer", "range", &[0, 1, 2, 3]), None);
    let kept = script.syncs("c is to give up", sync("k", first, c, &[]));
    script.code("c has not yet", 12, 3, heartbeat("k", first, c, None));
    script.beat("k waits", ("k", "k", k, None), QUIET, None);
    let (_, second) = script.joins("c has", subscribe("k", c, "consumer", "range", &kept), None);
    script.syncs("c keeps the rest", sync("k", second, c, &[]));
    script.code("c is settled", 12, 3, heartbeat("k", second, c, None));
    script.beat("k has its share", ("k", "k", k, None), QUIET, None);
    script.commit("c commits", "k", second, c, None);
    script.commit_of(kept[0], "c commits as before", "k", old, c, None);
    let given = (0..4).find(|partition| !kept.contains(partition)).expect("k has some");
    script.commit_of(given, "c commits as before what it gave up", "k", old, c, None);
    script.commit_as("k commits", 9, "k", k);
    script.commit("k commits as of old", "k", k, "k", None);
    script.beat("k leaves", ("k", "k", -1, None), QUIET, None);
    script.code("c hears of that", 12, 3, heartbeat("k", second, c, None));
    script.commit("c commits meanwhile", "k", second, c, None);
    script.beat("k is out", ("k", "k", k, None), QUIET, None);
    let (_, third) = script.joins("c is alone", subscribe("k", c, "consumer", "range", &kept), None);
    script.code("c has to sync", 12, 3, heartbeat("k", third, c, None));
    script.syncs("c has all again", sync("k", third, c, &[(c, &all)]));
    script.code("c goes on", 12, 3, heartbeat("k", third, c, None));
    script.commit("c commits alone", "k", third, c, None);
    script.code("c leaves", 13, 2, Bytes::default().str("k").str(c));

    let (m, had) = script.beat("m joins", ("l", "m", 0, None), FULL, none);
    let (topic, _) = had.expect("an assignment");
    let (d, _) = script.joins("d gets an id", subscribe("l", "", "consumer", "range", &[]), Some("d"));
    let d = &d[..];
    script.broker.pass(Duration::from_millis(1_500));
    script.beat("m goes on", ("l", "m", m, None), QUIET, None);
    let (_, first) = script.joins("d joins", subscribe("l", d, "consumer", "range", &[]), None);
    script.syncs("d has nothing", sync("l", first, d, &[]));
    script.code("d waits", 12, 3, heartbeat("l", first, d, None));
    let (_, kept) = script.beat("m is to give up", ("l", "m", m, None), QUIET, None);
    let (_, kept) = kept.expect("an assignment");
    let (m, _) = script.beat("m has", ("l", "m", m, None), QUIET, Some((&topic, &kept)));
    script.code("d hears of it", 12, 3, heartbeat("l", first, d, None));
    let (_, second) = script.joins("d joins again", subscribe("l", d, "consumer", "range", &[]), None);
    let share = script.syncs("d has its share", sync("l", second, d, &[]));
    script.code("d is settled", 12, 3, heartbeat("l", second, d, None));
    script.joins("d joins for nothing", subscribe("l", d, "consumer", "range", &share), None);
    script.commit("d commits", "l", second, d, None);
    script.code("d leaves", 13, 2, Bytes::default().str("l").str(d));
    script.code("d is out", 12, 3, heartbeat("l", second, d, None));
    script.commit("d commits once more", "l", second, d, None);
    script.broker.pass(Duration::from_millis(1_500));
    script.beat("m has all", ("l", "m", m, None), QUIET, None);
    script.beat("m leaves", ("l", "m", -1, None), QUIET, None);
    script.joins("d is back", subscribe("l", "", "consumer", "range", &[]), Some("d again"));

    script.beat("x joins", ("s", "x", 0, None), FULL, none);
    let (_, first) = script.joins("one that names itself", subscribe("s", "y", "consumer", "range", &[]), None);
    script.code("y waits", 12, 3, heartbeat("s", first, "y", None));
    script.syncs("y has nothing", sync("s", first, "y", &[]));
    script.code("x leaves by the other protocol", 13, 2, Bytes::default().str("s").str("x"));
    script.code("y hears of that", 12, 3, heartbeat("s", first, "y", None));
}

fn answers(broker: &mut dyn Broker, steps: impl Fn(&mut Script)) -> Vec<String> {
    let mut script = Script { broker, number: 0, seen: vec![], ids: vec![] };
    for connection in 0..2 {
        script.send(connection, 18, 0, Bytes::default());
        script.receive(connection, false);
    }
    for group in ["g", "s", "k", "l"] {
        // a new cluster needs a moment until somebody coordinates, and has read what there is to be read
        let found = (0..100).any(|_| {
            let mut found = script.call(10, 2, Bytes::default().str(group).i8(0));
            let mut read = script.call(9, 5, Bytes::default().str(group).i32(0));
            found.i32();
            read.i64();
            let found = (found.i16(), read.i16()) == (0, 0);
            script.broker.pass(Duration::from_millis(if found { 0 } else { 100 }));
            found
        });
        assert!(found, "nobody coordinates {group}");
    }
    steps(&mut script);
    script.seen
}

fn compare(steps: impl Fn(&mut Script)) {
    let kafka = nanokafka_brokers::Kafka::single().expect("the JDK starts a broker");
    kafka.admin("create t 4 1").expect("a topic");
    let connect = || TcpStream::connect(kafka.bootstrap()).expect("it listens");
    let real = answers(&mut Real(vec![connect(), connect()]), &steps);
    let cluster = Cluster::new(1);
    cluster.topic("t", 4);
    cluster.configure(|settings| settings.initial_rebalance_delay_ms = 0);
    let net = cluster.net(2);
    let model = answers(&mut Model(cluster.clone(), net), &steps);
    let differ: Vec<_> = real.iter().zip(&model).filter(|(real, model)| real != model).collect();
    let lines: Vec<_> = differ.iter().map(|(real, model)| format!("Kafka {real}\nmodel {model}")).collect();
    assert!(differ.is_empty(), "{} of {} differ:\n{}", differ.len(), real.len(), lines.join("\n"));
    assert_eq!(real.len(), model.len());
    println!("{} answers are the same", real.len());
}

#[test]
fn a_classic_group_answers_as_the_model_does() {
    compare(classic);
}

#[test]
fn a_group_whose_broker_assigns_answers_as_the_model_does() {
    compare(consumer);
}

#[test]
fn a_group_of_both_protocols_answers_as_the_model_does() {
    compare(mixed);
}
