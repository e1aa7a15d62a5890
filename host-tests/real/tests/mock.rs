//! Errors that a broker answers, one API at a time: what passes is nobody's business, what does not is told.

use nanokafka::{Config, Error};
use nanokafka_brokers::mock::rdkafka::types::RDKafkaRespErr;
use nanokafka_brokers::mock::{ApiKey, Mock, Record, CUT};
use nanokafka_real::{config, consumer, partitions, poll_until, read, Ledger, Outcome, SOON};
use nanokafka_std::blocking::{Consumer, Event};
use std::time::Duration;

/// A cluster with a topic `t` of two partitions.
fn start() -> Result<(Mock, String), Box<dyn std::error::Error>> {
    let mock = Mock::start(2)?;
    mock.create_topic("t", 2)?;
    let bootstrap = mock.bootstrap();
    Ok((mock, bootstrap))
}

fn produce(mock: &Mock, ledger: &mut Ledger) -> Outcome {
    for number in 0..20 {
        let value = number.to_string();
        let record = Record { topic: "t", partition: number % 2, value: Some(value.as_bytes()), ..Record::default() };
        mock.producer().send(&record)?;
        ledger.produced(&record);
    }
    Ok(mock.producer().flush()?)
}

fn quick(bootstrap: &str) -> Config<'_> {
    config(bootstrap)
        .group_id("g")
        .session_timeout(Duration::from_secs(2))
        .metadata_max_age(Duration::from_millis(300))
        .request_timeout(Duration::from_secs(2))
        .fetch_max_wait(Duration::from_millis(100))
}

/// The codes are answered while a member starts, and again while it reads and commits.
fn survives(api: ApiKey, codes: &[i32]) -> Outcome {
    let (mock, bootstrap) = start()?;
    let mut ledger = Ledger::default();
    produce(&mock, &mut ledger)?;
    mock.push_errors(api, codes);
    let mut consumer = consumer(quick(&bootstrap), 4096)?;
    consumer.subscribe(&["t"])?;
    read(&mut consumer, &mut ledger)?;
    consumer.commit_sync()?;
    mock.push_errors(api, codes);
    for _ in 0..3 {
        produce(&mock, &mut ledger)?;
        read(&mut consumer, &mut ledger)?;
        consumer.commit_sync()?;
        // long enough for heartbeats and for a look at the cluster
        idle(&mut consumer, Duration::from_millis(400));
    }
    Ok(consumer.close()?)
}

fn idle(consumer: &mut Consumer<'_>, time: Duration) {
    let end = std::time::Instant::now() + time;
    while let Some(left) = end.checked_duration_since(std::time::Instant::now()) {
        match consumer.poll(left) {
            Ok(Some(Event::Records(records))) => panic!("nothing is left of {}", records.topic_partition()),
            Ok(_) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn metadata() -> Outcome {
    // UNKNOWN_SERVER_ERROR is not pushed: the mock puts it into the topic, where brokers never answer it
    survives(ApiKey::Metadata, &[5, 5, CUT])
}

#[test]
fn find_coordinator() -> Outcome {
    survives(ApiKey::FindCoordinator, &[15, 14, 15, CUT])
}

#[test]
fn join_group() -> Outcome {
    survives(ApiKey::JoinGroup, &[14, 15, 16, 25, 27, CUT])
}

#[test]
fn sync_group() -> Outcome {
    survives(ApiKey::SyncGroup, &[27, 16, 22, 15, CUT])
}

#[test]
fn heartbeat() -> Outcome {
    survives(ApiKey::Heartbeat, &[14, 15, 16, CUT])
}

#[test]
fn offset_fetch() -> Outcome {
    survives(ApiKey::OffsetFetch, &[14, 15, 16, CUT])
}

#[test]
fn offset_commit() -> Outcome {
    survives(ApiKey::OffsetCommit, &[14, 15, 16, 7, CUT])
}

#[test]
fn list_offsets() -> Outcome {
    survives(ApiKey::ListOffsets, &[6, 5, 3, 78, CUT])
}

#[test]
fn fetch() -> Outcome {
    survives(ApiKey::Fetch, &[6, 5, 3, 9, 56, 74, 75, CUT])
}

#[test]
fn a_membership_that_is_over_begins_again() -> Outcome {
    for code in [22, 25, 27] {
        let (mock, bootstrap) = start()?;
        let mut ledger = Ledger::default();
        produce(&mock, &mut ledger)?;
        let mut consumer = consumer(quick(&bootstrap), 4096)?;
        consumer.subscribe(&["t"])?;
        read(&mut consumer, &mut ledger)?;
        consumer.commit_sync()?;
        mock.push_errors(ApiKey::Heartbeat, &[code]);
        let (mut given_up, mut assigned) = (false, false);
        poll_until(&mut consumer, "the partitions again", SOON, |event| {
            match event.expect("nothing fails") {
                Event::Revoked(partitions) if code == 27 => given_up = partitions.len() == 2,
                Event::Lost(partitions) if code != 27 => given_up = partitions.len() == 2,
                Event::Assigned(partitions) => assigned = partitions.len() == 2,
                _ => {}
            }
            (given_up && assigned).then_some(())
        });
        produce(&mock, &mut ledger)?;
        read(&mut consumer, &mut ledger)?;
    }
    Ok(())
}

/// What is final is told with API and code, by `poll` or by the call that waited.
#[test]
fn what_is_final_is_told() -> Outcome {
    let cases = [
        (ApiKey::JoinGroup, 30, "the broker answered JoinGroup with GROUP_AUTHORIZATION_FAILED", true),
        (ApiKey::JoinGroup, 26, "the broker answered JoinGroup with INVALID_SESSION_TIMEOUT", true),
        (ApiKey::JoinGroup, 23, "the broker answered JoinGroup with INCONSISTENT_GROUP_PROTOCOL", true),
        (ApiKey::SyncGroup, 30, "the broker answered SyncGroup with GROUP_AUTHORIZATION_FAILED", true),
        (ApiKey::Heartbeat, 30, "the broker answered Heartbeat with GROUP_AUTHORIZATION_FAILED", true),
        (ApiKey::FindCoordinator, 30, "the broker answered FindCoordinator with GROUP_AUTHORIZATION_FAILED", true),
        (ApiKey::OffsetFetch, 30, "the broker answered OffsetFetch with GROUP_AUTHORIZATION_FAILED", true),
        (ApiKey::ListOffsets, 29, "the broker answered ListOffsets with TOPIC_AUTHORIZATION_FAILED (29) for t-", false),
        (ApiKey::Fetch, 29, "the broker answered Fetch with TOPIC_AUTHORIZATION_FAILED (29) for t-", false),
        (ApiKey::Fetch, 2, "rests at offset 0: the broker answered CORRUPT_MESSAGE (2)", false),
    ];
    for (api, code, text, fatal) in cases {
        let (mock, bootstrap) = start()?;
        produce(&mock, &mut Ledger::default())?;
        mock.push_errors(api, &[code]);
        let mut consumer = consumer(quick(&bootstrap), 4096)?;
        consumer.subscribe(&["t"])?;
        let error = poll_until(&mut consumer, text, SOON, |event| event.err());
        let said = error.to_string();
        assert!(said.contains(text), "{api:?} {code}: {said}");
        assert_eq!(error.is_fatal(), fatal, "{api:?} {code}: {said}");
    }
    Ok(())
}

#[test]
fn a_topic_that_is_refused_is_told_and_read_once_it_is_allowed() -> Outcome {
    let (mock, bootstrap) = start()?;
    let mut ledger = Ledger::default();
    produce(&mock, &mut ledger)?;
    mock.control().topic_error("t", RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED)?;
    let mut consumer = consumer(quick(&bootstrap), 4096)?;
    consumer.assign(&partitions("t", 2))?;
    let error = poll_until(&mut consumer, "the refusal", SOON, |event| event.err());
    assert_eq!(error.to_string(), "the broker answered Metadata with TOPIC_AUTHORIZATION_FAILED (29) for topic t");
    assert!(!error.is_fatal());
    mock.control().topic_error("t", RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR)?;
    Ok(read(&mut consumer, &mut ledger)?)
}

#[test]
fn a_refused_commit_is_told_to_who_waits_for_it() -> Outcome {
    for (code, name) in
        [(30, "GROUP_AUTHORIZATION_FAILED"), (29, "TOPIC_AUTHORIZATION_FAILED"), (22, "ILLEGAL_GENERATION")]
    {
        let (mock, bootstrap) = start()?;
        let mut ledger = Ledger::default();
        produce(&mock, &mut ledger)?;
        let mut consumer = consumer(quick(&bootstrap), 4096)?;
        consumer.subscribe(&["t"])?;
        read(&mut consumer, &mut ledger)?;
        mock.push_errors(ApiKey::OffsetCommit, &[code]);
        let error = consumer.commit_sync().expect_err("refused");
        assert!(matches!(error, Error::Broker(_)), "{error:?}");
        let said = error.to_string();
        assert!(said.starts_with(&format!("the broker answered OffsetCommit with {name}")), "{said}");
    }
    Ok(())
}

#[test]
fn a_broker_goes_down_and_comes_back() -> Outcome {
    let (mock, bootstrap) = start()?;
    let mut ledger = Ledger::default();
    let mut consumer = consumer(quick(&bootstrap), 4096)?;
    consumer.assign(&partitions("t", 2))?;
    for round in 0..3 {
        produce(&mock, &mut ledger)?;
        read(&mut consumer, &mut ledger)?;
        let control = mock.control();
        control.broker_down(1 + round % 2)?;
        idle(&mut consumer, Duration::from_millis(500));
        control.broker_up(1 + round % 2)?;
    }
    produce(&mock, &mut ledger)?;
    Ok(read(&mut consumer, &mut ledger)?)
}
