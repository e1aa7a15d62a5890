//! Random trouble: the same for the same seed, over when it should be.
use super::client::{body, fetch, Client};
use crate::{batch, Api, Chaos, Cluster};
use nanokafka::{ConnectionId, Instant, Transport};

/// A client that asks brokers in turn for two minutes, and connects again whenever it must.
fn session(seed: u64) -> (String, u64) {
    let cluster = Cluster::new(3);
    cluster.replicated_topic("t", 3, 2).append(0, batch().fill(10, 50));
    cluster.commit("g", "t", 0, 1, 0).chaos(Chaos::everything(seed, 100_000));
    let mut client = Client::new(&cluster);
    let requests = [
        (
            Api::Metadata,
            7,
            body(|out| {
                out.count(1).str("t").bool(false);
            }),
        ),
        (
            Api::FindCoordinator,
            2,
            body(|out| {
                out.str("g").i8(0);
            }),
        ),
        (Api::Fetch, 11, fetch("t", 0, 100, 1, 500)),
        (
            Api::OffsetFetch,
            5,
            body(|out| {
                out.str("g").count(1).str("t").count(1).i32(0);
            }),
        ),
    ];
    let mut connected = [false; 3];
    let mut answers_after_the_end = 0;
    for turn in 0.. {
        let at = turn % 3;
        let id = ConnectionId::new(at as u8);
        if !connected[at] {
            client.net.abort(id);
            connected[at] = client.try_connect(at as u8, &format!("b{}", at + 1), 9092).is_ok();
            if connected[at] {
                let sent = client.try_request(at as u8, Api::ApiVersions, 0, &[]);
                connected[at] = sent.is_ok() && client.frame(at as u8).is_some();
            }
        }
        if connected[at] {
            let (api, version, body) = &requests[turn % requests.len()];
            let sent = client.try_request(at as u8, *api, *version, body);
            connected[at] = sent.is_ok() && client.frame(at as u8).is_some();
            answers_after_the_end += u64::from(connected[at] && cluster.millis() > 115_000);
        }
        cluster.advance(200);
        if cluster.millis() > 120_000 {
            break;
        }
    }
    (cluster.log(), answers_after_the_end)
}

#[test]
fn the_same_seed_is_the_same_session() {
    for seed in 0..10 {
        let (log, answers) = session(seed);
        assert!(answers > 10, "{answers} answers after the end of the trouble\n{log}");
        assert_eq!(session(seed).0, log);
        assert_ne!(session(seed + 100).0, log);
    }
}

#[test]
fn trouble_happens_at_all() {
    let log = session(3).0;
    for what in ["killed", "starts", "leader of t-", "coordinator of g", "Reset by the broker", "errors [", "after "] {
        assert!(log.contains(what), "no {what:?} in\n{log}");
    }
}

#[test]
fn nothing_ever_happens_without_events() {
    let cluster = Cluster::new(1);
    assert!(!cluster.tick(Instant::NEVER));
    assert!(cluster.tick(Instant::from_millis(70)));
    assert_eq!((cluster.millis(), cluster.next_event()), (70, Instant::NEVER));
    cluster.at(100, |cluster| {
        cluster.note("now").at(100, |cluster| {
            cluster.note("and at once");
        });
    });
    assert_eq!(cluster.next_event(), Instant::from_millis(100));
    cluster.advance(1_000);
    assert_eq!(cluster.log(), "     100 ms  now\n     100 ms  and at once\n");
}

#[test]
#[should_panic(expected = "nothing happens")]
fn a_consumer_that_spins_is_noticed() {
    let cluster = Cluster::new(1);
    for _ in 0..20_000 {
        cluster.tick(Instant::from_millis(0));
    }
}
