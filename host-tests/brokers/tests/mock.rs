//! The mock cluster does what the harness promises of it, seen through librdkafka's own consumer.

use nanokafka_brokers::mock::{ApiKey, Mock, Producer, Record, CUT};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaResult;
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::mocking::MockCoordinator;
use rdkafka::{ClientConfig, TopicPartitionList};
use std::time::{Duration, Instant};

#[test]
fn records_arrive_as_sent() -> KafkaResult<()> {
    let mock = Mock::start(3)?;
    mock.create_topic("t", 4)?;
    let sent = Record {
        topic: "t",
        partition: 2,
        key: Some(b"key"),
        value: None,
        headers: &[("a", Some(b"1")), ("b", None)],
        timestamp: Some(1_700_000_000_123),
    };
    mock.producer().send(&sent)?;
    mock.producer().flush()?;
    // a lost connection is retried: both errors are used up, and nothing is lost
    mock.push_errors(ApiKey::Produce, &[6, CUT]);
    let other = Producer::new(&mock.bootstrap(), &[("linger.ms", "0"), ("compression.type", "gzip")])?;
    other.send(&Record { value: Some(b"second"), key: None, headers: &[], ..sent })?;
    other.flush()?;

    let consumer = consumer(&mock)?;
    let mut assignment = TopicPartitionList::new();
    assignment.add_partition_offset("t", 2, rdkafka::Offset::Beginning)?;
    consumer.assign(&assignment)?;
    let first = next(&consumer)?;
    assert_eq!((first.offset(), first.key(), first.payload()), (0, Some(&b"key"[..]), None));
    assert_eq!(first.timestamp().to_millis(), Some(1_700_000_000_123));
    let headers: Vec<_> = first.headers().expect("two").iter().map(|header| (header.key, header.value)).collect();
    assert_eq!(headers, [("a", Some(&b"1"[..])), ("b", None)]);
    let second = next(&consumer)?;
    assert_eq!((second.offset(), second.key(), second.payload()), (1, None, Some(&b"second"[..])));
    Ok(())
}

#[test]
fn a_group_forms_without_the_initial_delay() -> KafkaResult<()> {
    let mock = Mock::start(1)?;
    mock.create_topic("t", 1)?;
    mock.producer().send(&Record { topic: "t", ..Record::default() })?;
    mock.producer().flush()?;
    let consumer = consumer(&mock)?;
    let start = Instant::now();
    consumer.subscribe(&["t"])?;
    next(&consumer)?;
    // 3 s with the delay
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    Ok(())
}

#[test]
fn a_broker_goes_down_and_its_leader_and_coordinator_move() -> KafkaResult<()> {
    let mock = Mock::start(2)?;
    mock.create_topic("t", 1)?;
    let control = mock.control();
    control.partition_leader("t", 0, Some(1))?;
    control.coordinator(MockCoordinator::Group("g".into()), 1)?;
    control.broker_round_trip_time(-1, Duration::from_millis(20))?;
    mock.producer().send(&Record { topic: "t", ..Record::default() })?;
    mock.producer().flush()?;

    control.broker_down(1)?;
    control.partition_leader("t", 0, Some(2))?;
    control.coordinator(MockCoordinator::Group("g".into()), 2)?;
    let consumer = consumer(&mock)?;
    consumer.subscribe(&["t"])?;
    assert_eq!(next(&consumer)?.offset(), 0);

    Ok(())
}

#[test]
fn a_failed_delivery_is_reported_once() -> KafkaResult<()> {
    let mock = Mock::start(1)?;
    mock.create_topic("t", 1)?;
    // MESSAGE_TOO_LARGE is not retried
    mock.push_errors(ApiKey::Produce, &[10]);
    mock.producer().send(&Record { topic: "t", ..Record::default() })?;
    assert!(mock.producer().flush().is_err());
    mock.producer().send(&Record { topic: "t", ..Record::default() })?;
    mock.producer().flush()
}

/// `poll` also returns when it has seen to something else.
fn next(consumer: &BaseConsumer) -> KafkaResult<BorrowedMessage<'_>> {
    let start = Instant::now();
    loop {
        match consumer.poll(Duration::from_secs(1)) {
            Some(Ok(record)) => return Ok(record),
            // a lost connection, which librdkafka mends
            Some(Err(error)) if start.elapsed() > Duration::from_secs(30) => return Err(error),
            Some(Err(_)) => {}
            None => assert!(start.elapsed() < Duration::from_secs(30), "a record within 30 s"),
        }
    }
}

fn consumer(mock: &Mock) -> KafkaResult<BaseConsumer> {
    ClientConfig::new()
        .set("bootstrap.servers", mock.bootstrap())
        .set("group.id", "g")
        .set("auto.offset.reset", "earliest")
        .create()
}
