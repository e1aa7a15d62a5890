//! Long polls, limits, epochs and redirections.
use super::client::{body, fetch, Client};
use crate::{batch, marker, Api, Cluster, Marker};

/// Header of a Fetch v11 answer about one partition of topic `t`: throttle, error, session, count, name, count, index.
const HEAD: usize = 4 + 2 + 4 + 4 + 3 + 4 + 4;

fn code(answer: &[u8]) -> i16 {
    i16::from_be_bytes([answer[HEAD], answer[HEAD + 1]])
}

fn high_watermark(answer: &[u8]) -> i64 {
    i64::from_be_bytes(answer[HEAD + 2..HEAD + 10].try_into().unwrap())
}

/// Of an answer with isolation level 0.
fn records(answer: &[u8]) -> &[u8] {
    &answer[HEAD + 2 + 24 + 4 + 4 + 4..]
}

fn one() -> (Cluster, Client) {
    let cluster = Cluster::new(1);
    cluster.topic("t", 1);
    let mut client = Client::new(&cluster);
    client.connect(0, 1);
    (cluster, client)
}

#[test]
fn a_long_poll_ends_with_its_time() {
    let (cluster, mut client) = one();
    let answer = client.call(Api::Fetch, 11, &fetch("t", 0, 500, 1, 1000));
    assert_eq!((cluster.millis(), code(&answer), records(&answer).len()), (500, 0, 0));
}

#[test]
fn a_long_poll_ends_with_data() {
    let (cluster, mut client) = one();
    cluster.at(200, |cluster| {
        cluster.partition("t", 0).append(batch().record(b"k", b"v"));
    });
    let answer = client.call(Api::Fetch, 11, &fetch("t", 0, 500, 1, 1000));
    assert_eq!((cluster.millis(), high_watermark(&answer)), (200, 1));
    assert_eq!(records(&answer), cluster.partition("t", 0).bytes());
}

#[test]
fn min_bytes_are_waited_for_and_never_more_than_max_bytes() {
    let (cluster, mut client) = one();
    let log = cluster.partition("t", 0);
    log.append(batch().fill(1, 100));
    let size = log.bytes().len() as i32;
    let answer = client.call(Api::Fetch, 11, &fetch("t", 0, 500, size + 1, 10_000));
    assert_eq!((cluster.millis(), records(&answer).len()), (500, size as usize));
    client.call(Api::Fetch, 11, &fetch("t", 0, 500, size + 1, size));
    assert_eq!(cluster.millis(), 500, "clamped to max_bytes");
}

#[test]
fn errors_end_the_wait_but_unknown_partitions_do_not() {
    let (cluster, mut client) = one();
    let answer = client.call(Api::Fetch, 11, &fetch("t", 5, 500, 1, 1000));
    assert_eq!((cluster.millis(), code(&answer), high_watermark(&answer)), (0, 1, -1));
    let two = body(|out| {
        out.i32(-1).i32(500).i32(1).i32(1000).i8(0).i32(0).i32(-1).count(1).str("t").count(2);
        out.i32(9).i32(-1).i64(0).i64(-1).i32(1000);
        out.i32(0).i32(-1).i64(0).i64(-1).i32(1000);
        out.count(0).str("");
    });
    let answer = client.call(Api::Fetch, 11, &two);
    assert_eq!(cluster.millis(), 500);
    assert_eq!(answer[14..18], [0, 1, b't', 0], "the unknown one comes last");
    assert_eq!(answer.len(), 14 + 3 + 4 + 2 * 42);
    assert_eq!(answer[14 + 3 + 4 + 42..][..6], [0, 0, 0, 9, 0, 3]);
    let answer = client.call(Api::Fetch, 11, &fetch("u", 0, 500, 1, 1000));
    assert_eq!((cluster.millis(), code(&answer)), (500, 3), "nothing readable at all: at once");
}

#[test]
fn epochs_and_leaders() {
    let cluster = Cluster::new(2);
    cluster.topic("t", 1);
    let log = cluster.partition("t", 0);
    log.append(batch().fill(3, 10));
    log.elect(2).elect(1);
    let mut client = Client::new(&cluster);
    client.connect(0, 1).connect(1, 2);
    let at_epoch = |epoch: i32| {
        let mut request = fetch("t", 0, 500, 1, 1000);
        request[40..44].copy_from_slice(&epoch.to_be_bytes());
        request
    };
    let epochs = [(-1, 0), (0, 74), (2, 0), (3, 75)];
    for (epoch, expected) in epochs {
        assert_eq!(code(&client.call(Api::Fetch, 11, &at_epoch(epoch))), expected, "epoch {epoch}");
    }
    log.replicas([1]);
    assert_eq!(code(&client.call_on(1, Api::Fetch, 11, &at_epoch(2))), 6);
    log.replicas([1, 2]);
    assert_eq!(code(&client.call_on(1, Api::Fetch, 11, &at_epoch(2))), 0, "a follower serves v11");
    let v10 = &at_epoch(2)[..at_epoch(2).len() - 2];
    assert_eq!(code(&client.call_on(1, Api::Fetch, 10, v10)), 6, "but not v10");
    // a leader that moves away ends a long poll
    client.request(0, Api::Fetch, 11, &fetch("t", 3, 60_000, 1, 1000));
    log.replicas([1]);
    assert_eq!(cluster.long_polls(), 1);
    log.replicas([2]).elect(2);
    assert_eq!(cluster.long_polls(), 0);
    assert_eq!(code(&client.frame(0).unwrap()[8..]), 6);
    // ListOffsets and OffsetForLeaderEpoch
    let list = |epoch: i32, time: i64| {
        body(|out| {
            out.i32(-1).i8(0).count(1).str("t").count(1).i32(0).i32(epoch).i64(time);
        })
    };
    let answer =
        |epoch, time, client: &mut Client| client.call_on(1, Api::ListOffsets, 5, &list(epoch, time))[15..].to_vec();
    let found = |code: i16, time: i64, offset: i64, epoch: i32| {
        body(|out| {
            out.i32(0).i16(code).i64(time).i64(offset).i32(epoch);
        })
    };
    assert_eq!(answer(3, -1, &mut client), found(0, -1, 3, 3));
    assert_eq!(answer(-1, -2, &mut client), found(0, -1, 0, 0));
    assert_eq!(answer(1, -2, &mut client), found(74, -1, -1, -1));
    assert_eq!(answer(-1, 1, &mut client), found(0, 1_767_225_600_000, 0, 0));
    assert_eq!(answer(-1, i64::MAX, &mut client), found(0, -1, -1, -1));
}

#[test]
fn a_redirected_fetch_answers_at_once() {
    let cluster = Cluster::new(2);
    cluster.replicated_topic("t", 1, 2);
    cluster.rack(1, "a").rack(2, "b");
    let mut client = Client::new(&cluster);
    client.connect(0, 1);
    let mut request = fetch("t", 0, 500, 1, 1000);
    request.truncate(request.len() - 2);
    request.extend([0, 1, b'b']);
    let answer = client.call(Api::Fetch, 11, &request);
    assert_eq!((cluster.millis(), &answer[HEAD + 2 + 24 + 4..]), (0, &[0, 0, 0, 2, 0, 0, 0, 0][..]));
}

#[test]
fn read_committed() {
    let (cluster, mut client) = one();
    let log = cluster.partition("t", 0);
    for id in [5, 6] {
        log.append(batch().fill(2, 10).producer(id, 0, 0).transactional());
    }
    log.append(marker(Marker::Abort, 5));
    let committed = |offset| {
        let mut request = fetch("t", offset, 500, 1, 1000);
        request[16] = 1;
        request
    };
    let answer = client.call(Api::Fetch, 11, &committed(0));
    let stable = i64::from_be_bytes(answer[HEAD + 10..HEAD + 18].try_into().unwrap());
    assert_eq!((high_watermark(&answer), stable), (5, 2));
    assert_eq!(answer[HEAD + 26..HEAD + 30], [0, 0, 0, 1], "one aborted transaction");
    assert_eq!(cluster.millis(), 0);
    client.call(Api::Fetch, 11, &committed(2));
    assert_eq!(cluster.millis(), 500, "at the last stable offset it waits");
    client.call(Api::Fetch, 11, &committed(3));
    assert_eq!(cluster.millis(), 500, "above it does not");
}

#[test]
fn a_quota_empties_answers_and_mutes() {
    let (cluster, mut client) = one();
    cluster.configure(|settings| settings.fetch_quota = Some(1000));
    cluster.partition("t", 0).append(batch().fill(1, 15_000));
    let answer = client.call(Api::Fetch, 11, &fetch("t", 0, 500, 1, 100_000));
    assert_eq!(answer.len(), 14, "no partition");
    let throttle = i32::from_be_bytes(answer[..4].try_into().unwrap()) as u64;
    assert!((5_000..5_300).contains(&throttle), "{throttle}");
    client.call(
        Api::Metadata,
        7,
        &body(|out| {
            out.count(0).bool(false);
        }),
    );
    assert_eq!(cluster.millis(), throttle);
}
