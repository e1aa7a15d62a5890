//! The transport's contract, wakers, grains and counters.
use super::client::{body, fetch, noop, Client};
use crate::{batch, Api, Cluster, Cut, End};
use nanokafka::{Clock, ConnectionId, Instant, Transport, TransportErrorKind};
use std::future::poll_fn;
use std::task::Poll;

#[test]
fn one_byte_at_a_time_with_a_pending_before_each() {
    let cluster = Cluster::new(1);
    cluster.topic("t", 3);
    let mut client = Client::new(&cluster);
    client.connect(0, 1);
    let request = body(|out| {
        out.count(1).str("t").bool(false);
    });
    let whole = client.call(Api::Metadata, 7, &request);
    client.net.grain(1).pending_every(2);
    let before = client.net.stats();
    assert_eq!(client.call(Api::Metadata, 7, &request), whole);
    let after = client.net.stats();
    assert_eq!(after.read - before.read, whole.len() as u64 + 8);
    assert!(after.inserted_pendings >= after.read - before.read + after.written - before.written);
    assert_eq!((after.count(Api::Metadata), after.connects), (2, 1));
    client.net.smooth().jitter(7);
    assert_eq!(client.call(Api::Metadata, 7, &request), whole);
    client.net.smooth();
    let read = client.net.stats().read;
    client.net.pause_at([read + 3, read + 9]);
    assert_eq!(client.call(Api::Metadata, 7, &request), whole);
    assert_eq!(cluster.millis(), 0);
}

#[test]
fn a_cut_after_every_byte() {
    let request = body(|out| {
        out.count(1).str("t").bool(false);
    });
    let session = |after: Option<u64>| {
        let cluster = Cluster::new(1);
        cluster.topic("t", 3);
        let mut client = Client::new(&cluster);
        client.connect(0, 1);
        after.map(|after| client.net.cut_after(after));
        let frame = [&[0, 0, 0, 21][..], &[0, 3, 0, 7, 0, 0, 0, 9, 0, 3], b"mcu", &request].concat();
        let answer = client.send(0, &frame).and_then(|()| client.read(0));
        assert!(!client.net.is_cut_pending());
        (answer, cluster.count(Api::Metadata), frame.len())
    };
    let (whole, _, request_size) = session(None);
    let size = whole.unwrap().len();
    for after in 0..(request_size + size) as u64 {
        let (answer, received, _) = session(Some(after));
        assert_eq!(answer.unwrap_err().kind, TransportErrorKind::Reset, "{after}");
        assert_eq!(received == 1, after >= request_size as u64, "{after}");
    }
}

#[test]
fn cuts_of_one_connection() {
    let cluster = Cluster::new(1);
    let mut client = Client::new(&cluster);
    cluster.cut_next(1, Cut::read(10, End::Fin)).cut_next(1, Cut::written(5, End::Reset));
    assert_eq!(client.try_connect(0, "b1", 9092), Ok(()));
    client.request(0, Api::ApiVersions, 0, &[]);
    assert_eq!(client.read(0).unwrap().len(), 10);
    assert_eq!(client.net.poll_read(&mut noop(), ConnectionId::new(0), &mut [0]), Poll::Ready(Ok(0)));
    assert_eq!(client.try_connect(1, "b1", 9092), Ok(()));
    assert_eq!(client.send(1, &[0, 0, 0, 9, 0, 18, 0, 0]).unwrap_err().kind, TransportErrorKind::Reset);
    assert_eq!(client.try_connect(1, "b1", 9092), Ok(()), "the next one is whole");
    client.request(1, Api::ApiVersions, 0, &[]);
    assert!(client.read(1).unwrap().len() > 10);
}

#[test]
fn latency_and_bandwidth() {
    let cluster = Cluster::new(1);
    cluster.configure(|settings| settings.latency_ms = 25);
    let mut client = Client::new(&cluster);
    client.connect(0, 1);
    assert_eq!(cluster.millis(), 100, "two round trips");
    cluster.topic("t", 1).append(0, batch().fill(1, 10_000));
    cluster.configure(|settings| settings.bandwidth = Some(100));
    client.call(Api::Fetch, 11, &fetch("t", 0, 0, 0, 100));
    assert!((250..260).contains(&cluster.millis()), "{} ms", cluster.millis());
}

#[test]
fn futures_are_polled_only_when_woken() {
    let cluster = Cluster::new(1);
    cluster.configure(|settings| settings.latency_ms = 10);
    cluster.topic("t", 1);
    let mut net = cluster.net(1);
    let id = ConnectionId::new(0);
    let frame = [&[0, 0, 0, 13][..], &[0, 18, 0, 0, 0, 0, 0, 1, 0, 3], b"mcu"].concat();
    let polls = cluster.block_on(async {
        poll_fn(|cx| net.poll_connect(cx, id, "b1", 9092)).await.unwrap();
        poll_fn(|cx| net.poll_write(cx, id, &frame)).await.unwrap();
        let mut polls = 0;
        let mut buf = [0; 4];
        poll_fn(|cx| {
            polls += 1;
            net.poll_read(cx, id, &mut buf)
        })
        .await
        .unwrap();
        poll_fn(|cx| net.poll_until(cx, Instant::from_millis(1_000))).await;
        poll_fn(|cx| net.poll_close(cx, id)).await;
        polls
    });
    assert_eq!((polls, cluster.millis()), (2, 1_020), "a closing connection waits for its last answer");
}

#[test]
fn misuse_is_a_violation() {
    let cluster = Cluster::new(1);
    let mut net = cluster.net(1);
    let id = ConnectionId::new(0);
    assert!(net.poll_read(&mut noop(), id, &mut [0]).is_ready());
    assert_eq!(net.poll_connect(&mut noop(), id, "b1", 9092), Poll::Ready(Ok(())));
    assert!(matches!(net.poll_connect(&mut noop(), id, "b2", 9092), Poll::Ready(Err(_))));
    assert!(matches!(net.poll_read(&mut noop(), id, &mut []), Poll::Ready(Err(_))));
    assert!(matches!(net.poll_connect(&mut noop(), ConnectionId::new(1), "b1", 9092), Poll::Ready(Err(_))));
    assert_eq!(cluster.take_violations().len(), 4);
}

#[test]
#[should_panic(expected = "violations of the protocol")]
fn violations_fail_the_test() {
    let cluster = Cluster::new(1);
    let mut client = Client::new(&cluster);
    client.connect(0, 1);
    client.request(0, Api::Fetch, 9, &[]);
}
