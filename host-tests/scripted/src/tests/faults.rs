//! Brokers that die, stall, answer nonsense, and requests that are nonsense themselves.
use super::client::{body, fetch, Client};
use crate::{batch, Api, Cluster, Connecting, End, Profile, ALWAYS};
use nanokafka::TransportErrorKind;

fn metadata(topic: &str) -> Vec<u8> {
    body(|out| {
        out.count(1).str(topic).bool(false);
    })
}

#[test]
fn addresses_where_no_broker_is() {
    let cluster = Cluster::new(1);
    let mut client = Client::new(&cluster);
    let kind = |client: &mut Client, host: &str, port| client.try_connect(0, host, port).map_err(|e| e.kind);
    assert_eq!(kind(&mut client, "nowhere", 9092), Err(TransportErrorKind::Name));
    assert_eq!(kind(&mut client, "b1", 9093), Err(TransportErrorKind::Refused));
    cluster.connecting("b1", 9092, Connecting::Refused, 2).connecting("b1", 9092, Connecting::Unreachable, 1);
    for expected in [TransportErrorKind::Refused, TransportErrorKind::Refused, TransportErrorKind::Unreachable] {
        assert_eq!(kind(&mut client, "b1", 9092), Err(expected));
    }
    assert_eq!(kind(&mut client, "b1", 9092), Ok(()));
    cluster.connecting("web", 80, Connecting::Foreign(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()), ALWAYS);
    client.try_connect(1, "web", 80).unwrap();
    client.request(1, Api::ApiVersions, 0, &[]);
    assert_eq!(client.read(1).unwrap()[..4], *b"HTTP");
    cluster.connecting("mute", 1, Connecting::Silent, 1);
    client.try_connect(2, "mute", 1).unwrap();
    client.request(2, Api::ApiVersions, 0, &[]);
    cluster.advance(100_000);
    assert!(client.read(2).unwrap().is_empty());
    assert_eq!(cluster.connects().len(), 8);
}

#[test]
fn a_killed_broker_is_named_until_its_session_ends() {
    let cluster = Cluster::new(2);
    cluster.replicated_topic("t", 1, 2);
    cluster.set_coordinator("g", 1);
    let mut client = Client::new(&cluster);
    client.connect(0, 1).connect(1, 2);
    cluster.kill(1);
    assert_eq!(client.read(0).unwrap_err().kind, TransportErrorKind::Reset);
    assert_eq!(client.try_connect(0, "b1", 9092).unwrap_err().kind, TransportErrorKind::Refused);
    assert_eq!((cluster.partition("t", 0).leader(), cluster.coordinator("g")), (1, Some(1)));
    let named = client.call_on(1, Api::Metadata, 7, &metadata("t"));
    assert_eq!(named[4..8], [0, 0, 0, 2]);
    cluster.advance(9_000);
    let named = client.call_on(1, Api::Metadata, 7, &metadata("t"));
    assert_eq!(named[4..8], [0, 0, 0, 1]);
    let log = cluster.partition("t", 0);
    assert_eq!((log.leader(), log.leader_epoch(), cluster.coordinator("g")), (2, 1, Some(2)));
    cluster.restart(1);
    client.connect(0, 1);
    assert_eq!(log.leader(), 2);
}

#[test]
fn a_broker_without_a_successor() {
    let cluster = Cluster::new(2);
    cluster.topic("t", 2);
    let mut client = Client::new(&cluster);
    client.connect(0, 2);
    cluster.kill(1).advance(9_000);
    let answer = client.call(Api::Metadata, 7, &metadata("t"));
    // error 5, partition 0, no leader, the epoch already raised
    let partition = answer.windows(14).any(|bytes| bytes == [0, 5, 0, 0, 0, 0, 255, 255, 255, 255, 0, 0, 0, 1]);
    assert!(partition, "{answer:02x?}");
    cluster.restart(1);
    assert_eq!((cluster.partition("t", 0).leader(), cluster.partition("t", 0).leader_epoch()), (1, 2));
}

#[test]
fn brokers_come_and_go() {
    let cluster = Cluster::new(1);
    cluster.topic("t", 1);
    cluster.add_broker(7).partition("t", 0).elect(7);
    let mut client = Client::new(&cluster);
    client.connect(0, 7);
    cluster.remove_broker(1);
    let answer = client.call(Api::Metadata, 7, &metadata("t"));
    assert_eq!(answer[4..12], [0, 0, 0, 1, 0, 0, 0, 7]);
    cluster.readdress(7, "elsewhere", 1);
    assert!(client.try_connect(1, "b7", 9092).is_err() && client.try_connect(1, "elsewhere", 1).is_ok());
}

#[test]
fn a_paused_broker_answers_later() {
    let cluster = Cluster::new(1);
    let mut client = Client::new(&cluster);
    client.connect(0, 1);
    cluster.pause(1);
    client.request(0, Api::ApiVersions, 0, &[]);
    cluster.advance(5_000);
    assert!(client.read(0).unwrap().is_empty());
    cluster.resume(1);
    assert!(!client.read(0).unwrap().is_empty());
}

#[test]
fn answers_on_demand() {
    let cluster = Cluster::new(1);
    cluster.topic("t", 1);
    let mut client = Client::new(&cluster);
    client.connect(0, 1);
    let request = metadata("t");
    let right = client.call(Api::Metadata, 7, &request);
    cluster.answer_raw(Api::Metadata, b"HTTP/1.1").answer_body(Api::Metadata, b"xyz");
    client.request(0, Api::Metadata, 7, &request);
    assert_eq!(client.read(0).unwrap(), b"HTTP/1.1");
    assert_eq!(client.call(Api::Metadata, 7, &request), b"xyz");
    cluster.mutate_body(Api::Metadata, 1, |_, body| body.extend(b"more"));
    assert_eq!(client.call(Api::Metadata, 7, &request).len(), right.len() + 4);
    cluster.mutate(Api::Metadata, 1, |_, frame| frame[7] ^= 1);
    let correlation_id = client.request(0, Api::Metadata, 7, &request);
    assert_eq!(client.frame(0).unwrap()[4..8], (correlation_id ^ 1).to_be_bytes());
    cluster.fail(Api::Metadata, 3, 1).delay(Api::Metadata, 40, 1).throttle(Api::Metadata, 300, 1);
    let failed = client.call(Api::Metadata, 7, &request);
    assert_eq!(cluster.millis(), 40);
    assert_eq!(failed[..4], 300i32.to_be_bytes());
    assert!(failed.len() < right.len());
    assert_eq!(client.call(Api::Metadata, 7, &request), right);
    assert_eq!(cluster.millis(), 340, "muted for the throttle time");
    cluster.end_instead(Api::Metadata, End::Fin);
    client.request(0, Api::Metadata, 7, &request);
    assert!(client.frame(0).is_none());
}

#[test]
fn a_request_is_not_read_before_the_one_before_it_was_answered() {
    let cluster = Cluster::new(1);
    cluster.topic("t", 1);
    let mut client = Client::new(&cluster);
    client.connect(0, 1);
    client.request(0, Api::Fetch, 11, &fetch("t", 0, 500, 1, 1000));
    client.request(0, Api::Metadata, 7, &metadata("t"));
    assert_eq!((cluster.count(Api::Fetch), cluster.count(Api::Metadata)), (1, 0));
    cluster.advance(499);
    assert!(client.read(0).unwrap().is_empty());
    client.frame(0).unwrap();
    client.frame(0).unwrap();
    assert_eq!((cluster.millis(), cluster.requests_of(Api::Metadata)[0].at), (500, 500));
    // an answer that does not fit the socket's buffer holds the next request back as well
    cluster.partition("t", 0).append(batch().fill(1, 300_000));
    client.request(0, Api::Fetch, 11, &fetch("t", 0, 500, 1, 1000));
    client.request(0, Api::Metadata, 7, &metadata("t"));
    assert_eq!(cluster.count(Api::Metadata), 1);
    client.frame(0).unwrap();
    assert_eq!(cluster.count(Api::Metadata), 2);
}

#[test]
fn the_test_acts_before_a_request_is_handled() {
    let cluster = Cluster::new(1);
    cluster.topic("t", 1);
    let mut client = Client::new(&cluster);
    client.connect(0, 1);
    cluster.when(Api::Metadata, 2, |cluster| {
        cluster.topic("t", 5);
    });
    let sizes = [0; 3].map(|_| client.call(Api::Metadata, 7, &metadata("t")).len());
    assert!(sizes[0] < sizes[1] && sizes[1] == sizes[2], "{sizes:?}");
    assert_eq!(cluster.count(Api::Metadata), 3);
}

#[test]
fn nonsense_is_a_violation_and_closes() {
    let frames: [(&str, &[u8]); 5] = [
        ("is not one of a consumer", &[0, 0, 0, 10, 3, 231, 0, 0, 0, 0, 0, 1, 0, 0]),
        ("outside what the broker advertises", &[0, 0, 0, 10, 0, 1, 0, 3, 0, 0, 0, 1, 0, 0]),
        ("array of 2147483647 elements", &[0, 0, 0, 14, 0, 3, 0, 7, 0, 0, 0, 1, 0, 0, 127, 255, 255, 255]),
        ("bytes after the end", &[0, 0, 0, 16, 0, 3, 0, 7, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9]),
        ("a request of", b"GET / HTTP/1.1"),
    ];
    for (why, frame) in frames {
        let cluster = Cluster::new(1);
        let mut client = Client::new(&cluster);
        client.connect(0, 1).send(0, frame).unwrap();
        assert!(client.frame(0).is_none());
        let violations = cluster.take_violations();
        assert!(violations.len() == 1 && violations[0].contains(why), "{violations:?}");
    }
    let cluster = Cluster::new(1);
    let mut client = Client::new(&cluster);
    client.try_connect(0, "b1", 9092).unwrap();
    client.call(Api::Metadata, 7, &metadata("t"));
    assert!(cluster.take_violations()[0].contains("before any ApiVersions"));
}

#[test]
fn profiles() {
    let cluster = Cluster::new(1);
    let mut client = Client::new(&cluster);
    for (profile, entries) in [(Profile::kafka_4_3(), 75), (Profile::kafka_2_8(), 56), (Profile::kafka_2_1(), 43)] {
        cluster.profile(profile);
        client.connect(0, 1);
        let answer = client.call(Api::ApiVersions, 0, &[]);
        assert_eq!(answer.len(), 6 + 6 * entries);
    }
    cluster.profile(Profile::kafka_4_3().with(Api::Fetch, Some((12, 18))).with(Api::Heartbeat, None));
    assert_eq!(client.call(Api::ApiVersions, 0, &[]).len(), 6 + 6 * 74);
}

#[test]
fn idle_connections_end() {
    let cluster = Cluster::new(1);
    let mut client = Client::new(&cluster);
    client.connect(0, 1);
    cluster.advance(599_999);
    assert!(client.read(0).unwrap().is_empty() && client.net.open_connections() == 1);
    cluster.advance(1);
    assert!(client.frame(0).is_none());
}
