//! The cluster of `scripted` is a model of Kafka: the same requests of group members get the same answers from both.
//!
//! Requests are written here byte by byte, so that neither core's encoder nor the model's reader decides what they are. Of
//! answers all is compared but what each broker invents: member ids are called by who they are, and partitions that an
//! assignor chooses are counted.
mod classic;
mod consumer;
mod mixed;

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
    /// Bytes that need not be text.
    fn escaped(&mut self, n: usize) -> String {
        self.1 += n;
        self.0[self.1 - n..self.1].escape_ascii().to_string()
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
        self.joined_at(what, connection, new).1
    }

    /// Also returns the generation.
    fn joined_at(&mut self, what: &str, connection: usize, new: Option<&'static str>) -> (i32, String) {
        let mut answer = self.receive(connection, false);
        answer.i32();
        let (code, generation, protocol, leader, id) =
            (answer.i16(), answer.i32(), answer.str(), answer.str(), answer.str());
        self.ids.extend(new.filter(|_| !id.is_empty()).map(|new| (id.clone(), new)));
        let members = answer.i32();
        let mut listed: Vec<String> = (0..members)
            .map(|_| {
                let (id, instance, n) = (answer.str(), answer.str(), answer.i32());
                format!("{} {instance} {n} {}", self.who(&id), answer.escaped(n as usize))
            })
            .collect();
        listed.sort();
        answer.end();
        let (leader, who) = (self.who(&leader), self.who(&id));
        self.note(what, (code, generation, protocol, leader, who, listed));
        (generation, id)
    }

    fn synced(&mut self, what: &str, connection: usize) {
        let mut answer = self.receive(connection, false);
        answer.i32();
        let (code, n) = (answer.i16(), answer.i32());
        let assignment = answer.escaped(n as usize);
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

    fn commit_of(
        &mut self,
        partition: i32,
        what: &str,
        group: &str,
        generation: i32,
        id: &str,
        instance: Option<&str>,
    ) {
        let body = Bytes::default().str(group).i32(generation).str(id).optional(instance).i32(1).str("t").i32(1);
        let mut answer = self.call(8, 7, body.i32(partition).i64(5).i32(-1).str(""));
        answer.i32();
        let (topics, topic, partitions) = (answer.i32(), answer.str(), answer.i32());
        assert_eq!(answer.i32(), partition);
        let code = answer.i16();
        answer.end();
        self.note(what, (topics, topic, partitions, code));
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

fn answers(broker: &mut dyn Broker, steps: impl Fn(&mut Script)) -> Vec<String> {
    let mut script = Script { broker, number: 0, seen: vec![], ids: vec![] };
    for connection in 0..3 {
        script.send(connection, 18, 0, Bytes::default());
        script.receive(connection, false);
    }
    for group in ["g", "s", "k", "l", "m", "n", "o", "p"] {
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
    kafka.admin("create t 6 1").expect("a topic");
    let connect = || TcpStream::connect(kafka.bootstrap()).expect("it listens");
    let real = answers(&mut Real(vec![connect(), connect(), connect()]), &steps);
    let cluster = Cluster::new(1);
    cluster.topic("t", 6);
    cluster.configure(|settings| {
        (settings.initial_rebalance_delay_ms, settings.consumer_session_timeout_ms) = (0, 3_000);
    });
    let net = cluster.net(3);
    let model = answers(&mut Model(cluster.clone(), net), &steps);
    let differ: Vec<_> = real.iter().zip(&model).filter(|(real, model)| real != model).collect();
    let lines: Vec<_> = differ.iter().map(|(real, model)| format!("Kafka {real}\nmodel {model}")).collect();
    assert!(differ.is_empty(), "{} of {} differ:\n{}", differ.len(), real.len(), lines.join("\n"));
    assert_eq!(real.len(), model.len());
    println!("{} answers are the same", real.len());
}

#[test]
fn a_classic_group_answers_as_the_model_does() {
    compare(classic::group);
}

#[test]
fn a_group_whose_broker_assigns_answers_as_the_model_does() {
    compare(consumer::group);
}

#[test]
fn a_classic_group_that_becomes_a_mixed_one_answers_as_the_model_does() {
    compare(mixed::upgraded);
}

#[test]
fn a_mixed_group_answers_as_the_model_does() {
    compare(mixed::joined);
}

#[test]
fn a_rebalance_that_ends_in_a_mixed_group_answers_as_the_model_does() {
    compare(mixed::interrupted);
}

#[test]
fn late_members_of_a_mixed_group_are_answered_as_by_the_model() {
    compare(mixed::late);
}
