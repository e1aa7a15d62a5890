//! Where reading goes on: resets, seeks, pauses, questions about offsets; and that a long poll delays none of it.

use nanokafka::{Error, OffsetReset, PartitionErrorKind, PartitionOffset, TopicPartition, UsageError};
use nanokafka_brokers::mock::{Producer, Record};
use nanokafka_real::{config, consumer, kafka, partitions, poll_until, quiet, read, send, take, topic, unique};
use nanokafka_real::{Ledger, Outcome, SOON};
use nanokafka_std::blocking::{Consumer, Event};
use std::time::{Duration, Instant};

/// A topic with one partition and the records 0 to 10.
fn ten(name: &str) -> std::io::Result<String> {
    let topic = topic(name, 1, "")?;
    send(&mut Ledger::default(), &topic, 0, 10, 10, 0)?;
    Ok(topic)
}

fn first_offset(consumer: &mut Consumer<'_>) -> Result<i64, Error> {
    Ok(take(consumer, 1)?[0].1)
}

/// With the policy, a committed offset or none, and a log that begins at 4: the first offset, or the error.
fn first_by_policy(policy: OffsetReset, committed: Option<i64>) -> Result<i64, Box<dyn std::error::Error>> {
    let (topic, group) = (ten("policy")?, unique("group"));
    let partition = TopicPartition::new(&topic, 0);
    if let Some(offset) = committed {
        kafka().admin(&format!("commit {group} {topic} 0 {offset}"))?;
    }
    kafka().admin(&format!("truncate-before {topic} 0 4"))?;
    let mut consumer = consumer(config(kafka().bootstrap()).group_id(&group).auto_offset_reset(policy), 4096)?;
    consumer.assign(&[partition])?;
    if policy == OffsetReset::Latest && committed.is_none_or(|offset| offset < 4) {
        quiet(&mut consumer, Duration::from_millis(500));
        assert_eq!(consumer.position(partition), Some(10));
        send(&mut Ledger::default(), &topic, 0, 1, 10, 10)?;
    }
    Ok(first_offset(&mut consumer)?)
}

#[test]
fn without_a_committed_offset_the_policy_decides() -> Outcome {
    assert_eq!(first_by_policy(OffsetReset::Earliest, None)?, 4);
    assert_eq!(first_by_policy(OffsetReset::Latest, None)?, 10);
    Ok(())
}

#[test]
fn a_committed_offset_in_the_log_needs_no_policy() -> Outcome {
    for policy in [OffsetReset::Earliest, OffsetReset::Latest, OffsetReset::None] {
        assert_eq!(first_by_policy(policy, Some(6))?, 6, "{policy:?}");
    }
    Ok(())
}

#[test]
fn a_committed_offset_that_fell_out_of_the_log() -> Outcome {
    assert_eq!(first_by_policy(OffsetReset::Earliest, Some(2))?, 4);
    assert_eq!(first_by_policy(OffsetReset::Latest, Some(2))?, 10);
    Ok(())
}

#[test]
fn without_a_policy_it_is_an_error_that_names_the_partition() -> Outcome {
    let cases = [
        (None, PartitionErrorKind::NoOffset, "no committed offset, and auto.offset.reset is none"),
        (Some(2), PartitionErrorKind::OutOfRange, "the offset is not in the log, and auto.offset.reset is none"),
    ];
    for (committed, kind, text) in cases {
        let (topic, group) = (ten("nowhere")?, unique("group"));
        let partition = TopicPartition::new(&topic, 0);
        if let Some(offset) = committed {
            kafka().admin(&format!("commit {group} {topic} 0 {offset}"))?;
        }
        kafka().admin(&format!("truncate-before {topic} 0 4"))?;
        let config = config(kafka().bootstrap()).group_id(&group).auto_offset_reset(OffsetReset::None);
        let mut consumer = consumer(config, 4096)?;
        consumer.assign(&[partition])?;
        let error = poll_until(&mut consumer, "the error", SOON, |event| event.err());
        let Error::Partition(what) = error else { panic!("{error}") };
        assert_eq!((what.topic.as_str(), what.partition, what.kind), (&*topic, 0, kind));
        let said = error.to_string();
        assert!(said.starts_with(&format!("{topic}-0 rests")) && said.contains(text), "{said}");
        // said once; it waits for a seek
        quiet(&mut consumer, Duration::from_millis(300));
        consumer.seek(partition, 7)?;
        assert_eq!(first_offset(&mut consumer)?, 7);
    }
    Ok(())
}

#[test]
fn the_log_start_passes_the_position_while_reading() -> Outcome {
    let topic = ten("overtaken")?;
    let partition = TopicPartition::new(&topic, 0);
    let mut consumer = consumer(config(kafka().bootstrap()), 4096)?;
    consumer.assign(&[partition])?;
    take(&mut consumer, 10)?;
    send(&mut Ledger::default(), &topic, 0, 10, 10, 10)?;
    consumer.seek(partition, 3)?;
    kafka().admin(&format!("truncate-before {topic} 0 12"))?;
    assert_eq!(first_offset(&mut consumer)?, 12);
    Ok(())
}

#[test]
fn seeks() -> Outcome {
    let topic = ten("seeks")?;
    let partition = TopicPartition::new(&topic, 0);
    let mut consumer = consumer(config(kafka().bootstrap()), 4096)?;
    consumer.assign(&[partition])?;
    for offset in [5, 9, 0, 3] {
        consumer.seek(partition, offset)?;
        assert_eq!(consumer.position(partition), Some(offset));
        assert_eq!(first_offset(&mut consumer)?, offset);
        assert_eq!(consumer.position(partition), Some(offset + 1));
        assert_eq!(consumer.lag(partition), Some(9 - offset));
    }
    consumer.seek_to_beginning(partition)?;
    assert_eq!(first_offset(&mut consumer)?, 0);
    consumer.seek_to_end(partition)?;
    quiet(&mut consumer, Duration::from_millis(300));
    assert_eq!(consumer.position(partition), Some(10));
    send(&mut Ledger::default(), &topic, 0, 1, 10, 10)?;
    assert_eq!(first_offset(&mut consumer)?, 10);
    // behind the end: by the policy, earliest
    consumer.seek(partition, 1_000_000)?;
    assert_eq!(first_offset(&mut consumer)?, 0);
    Ok(())
}

#[test]
fn a_seek_while_records_are_lent_ends_the_loop() -> Outcome {
    let topic = ten("lent")?;
    let mut consumer = consumer(config(kafka().bootstrap()), 4096)?;
    consumer.assign(&partitions(&topic, 1))?;
    let mut event = consumer.poll(SOON)?.expect("records");
    let Event::Records(records) = &mut event else { panic!("records come first") };
    assert_eq!(records.next().map(|record| record.offset()), Some(0));
    records.seek(6)?;
    assert!(records.next().is_none());
    assert_eq!(first_offset(&mut consumer)?, 6);
    Ok(())
}

#[test]
fn what_is_paused_waits_and_loses_nothing() -> Outcome {
    let topic = topic("pause", 2, "")?;
    let (mut ledger, [paused, other]) = (Ledger::default(), [0, 1].map(|p| TopicPartition::new(&topic, p)));
    send(&mut ledger, &topic, 0, 10, 10, 0)?;
    let mut consumer = consumer(config(kafka().bootstrap()), 4096)?;
    consumer.assign(&[paused, other])?;
    // in the middle of a batch
    poll_until(&mut consumer, "three records", SOON, |event| match event.expect("nothing fails") {
        Event::Records(mut records) => {
            (0..3).for_each(|_| ledger.consumed(&records.next().expect("ten in one batch")));
            records.pause();
            assert!(records.next().is_none());
            Some(())
        }
        _ => None,
    });
    send(&mut ledger, &topic, 1, 10, 10, 0)?;
    poll_until(&mut consumer, "the other partition", SOON, |event| {
        if let Event::Records(records) = event.expect("nothing fails") {
            assert_eq!(records.topic_partition(), other, "partition 0 is paused");
            records.for_each(|record| ledger.consumed(&record));
        }
        (ledger.left() == 7).then_some(())
    });
    quiet(&mut consumer, Duration::from_millis(300));
    assert_eq!(consumer.position(paused), Some(3));
    consumer.resume(paused)?;
    Ok(read(&mut consumer, &mut ledger)?)
}

#[test]
fn questions_about_offsets() -> Outcome {
    let topic = topic("questions", 3, "")?;
    let producer = Producer::new(kafka().bootstrap(), &[])?;
    for number in 0..10 {
        let record = Record { topic: &topic, timestamp: Some(1_700_000_000_000 + number * 1000), ..Record::default() };
        producer.send(&record)?;
    }
    producer.flush()?;
    send(&mut Ledger::default(), &topic, 1, 5, 10, 0)?;
    kafka().admin(&format!("truncate-before {topic} 1 2"))?;
    let mut consumer = consumer(config(kafka().bootstrap()), 4096)?;
    consumer.assign(&partitions(&topic, 3))?;
    let mut offsets = [2, 0, 1].map(|partition| PartitionOffset::new(&topic, partition));
    consumer.beginning_offsets(&mut offsets)?;
    assert_eq!(offsets.map(|entry| entry.offset), [Some(0), Some(0), Some(2)]);
    consumer.end_offsets(&mut offsets)?;
    assert_eq!(offsets.map(|entry| entry.offset), [Some(0), Some(10), Some(5)]);
    // between two records, at the first, behind the last, in an empty partition
    for (partition, time, expected) in [
        (0, 1_700_000_004_500, Some((5, 1_700_000_005_000))),
        (0, 0, Some((0, 1_700_000_000_000))),
        (0, 1_700_000_009_001, None),
        (2, 0, None),
    ] {
        let mut question = [PartitionOffset::new(&topic, partition).timestamp(time)];
        consumer.offsets_for_times(&mut question)?;
        let [answer] = question;
        assert_eq!(answer.offset.map(|offset| (offset, answer.timestamp)), expected, "{partition} {time}");
    }
    // in the middle of reading
    assert_eq!(take(&mut consumer, 4)?.len(), 4);
    consumer.end_offsets(&mut offsets)?;
    assert_eq!(offsets.map(|entry| entry.offset), [Some(0), Some(10), Some(5)]);
    assert_eq!(take(&mut consumer, 9)?.len(), 9);

    let absent = &mut [PartitionOffset::new(&topic, 7)];
    let error = consumer.end_offsets(absent).expect_err("not assigned");
    assert_eq!(error.to_string(), format!("{topic}-7 is not assigned to this consumer"));
    Ok(())
}

#[test]
fn the_end_of_a_partition_is_told_at_once_and_again_after_more_records() -> Outcome {
    let topic = ten("end")?;
    let partition = TopicPartition::new(&topic, 0);
    let mut ledger = Ledger::default();
    ledger.sent(0, 10, 10, 0);
    let mut consumer = consumer(config(kafka().bootstrap()).fetch_max_wait(Duration::from_secs(30)), 4096)?;
    consumer.assign(&[partition])?;
    for count in 1..4 {
        let mut ends = 0;
        poll_until(&mut consumer, "the end", Duration::from_secs(10), |event| {
            match event.expect("nothing fails") {
                Event::Records(records) => records.for_each(|record| ledger.consumed(&record)),
                Event::EndOfPartition(at) => {
                    assert_eq!((at, ledger.left()), (partition, 0));
                    ends += 1;
                }
                _ => {}
            }
            (ends == 1).then_some(())
        });
        assert_eq!(consumer.lag(partition), Some(0));
        poll_nothing(&mut consumer);
        send(&mut ledger, &topic, 0, 10, 10, count * 10)?;
    }
    read(&mut consumer, &mut ledger)?;
    // and from the end on, where nothing is read
    consumer.seek_to_end(partition)?;
    poll_until(&mut consumer, "the end", Duration::from_secs(10), |event| {
        matches!(event, Ok(Event::EndOfPartition(_))).then_some(())
    });
    Ok(())
}

/// Not even an event.
fn poll_nothing(consumer: &mut Consumer<'_>) {
    assert!(matches!(consumer.poll(Duration::from_millis(300)), Ok(None)), "nothing has happened");
}

/// Repetitions of a measurement; the median is what counts, since the machine is shared.
const TIMES: usize = 5;

/// What a long poll must not delay anything by.
const DELAY: Duration = Duration::from_millis(100);

/// Runs `act` on a consumer whose Fetch waits for 30 s, and measures how long it takes until a record comes.
fn delay(
    name: &str,
    mut prepare: impl FnMut(&mut Consumer<'_>, &str),
    mut act: impl FnMut(&mut Consumer<'_>, &str),
) -> Outcome {
    let topic = topic(name, 2, "")?;
    for partition in [0, 1] {
        send(&mut Ledger::default(), &topic, partition, 1, 10, 0)?;
    }
    let mut consumer = consumer(config(kafka().bootstrap()).fetch_max_wait(Duration::from_secs(30)), 4096)?;
    let mut times = Vec::new();
    for _ in 0..TIMES {
        prepare(&mut consumer, &topic);
        idle(&mut consumer);
        let start = Instant::now();
        act(&mut consumer, &topic);
        take(&mut consumer, 1)?;
        times.push(start.elapsed());
    }
    check(name, times);
    let start = Instant::now();
    idle(&mut consumer);
    consumer.close()?;
    assert!(start.elapsed() < Duration::from_secs(2));
    Ok(())
}

/// Reads to the end, and on until a long poll is out.
fn idle(consumer: &mut Consumer<'_>) {
    while let Some(event) = consumer.poll(Duration::from_millis(150)).expect("nothing fails") {
        if let Event::Records(records) = event {
            records.for_each(|_| {});
        }
    }
}

fn check(what: &str, mut times: Vec<Duration>) {
    times.sort();
    println!("{what}: {times:?}");
    assert!(times[TIMES / 2] < DELAY, "{what}: {times:?}");
}

#[test]
fn a_long_poll_does_not_delay_a_seek() -> Outcome {
    let all = |consumer: &mut Consumer<'_>, topic: &str| consumer.assign(&partitions(topic, 2)).expect("fits");
    delay("long-seek", all, |consumer, topic| {
        consumer.seek(TopicPartition::new(topic, 0), 0).expect("assigned");
    })
}

#[test]
fn a_long_poll_does_not_delay_a_seek_to_the_beginning() -> Outcome {
    let all = |consumer: &mut Consumer<'_>, topic: &str| consumer.assign(&partitions(topic, 2)).expect("fits");
    delay("long-beginning", all, |consumer, topic| {
        consumer.seek_to_beginning(TopicPartition::new(topic, 0)).expect("assigned");
    })
}

#[test]
fn a_long_poll_does_not_delay_a_resume() -> Outcome {
    let pause = |consumer: &mut Consumer<'_>, topic: &str| {
        consumer.assign(&partitions(topic, 2)).expect("fits");
        consumer.pause(TopicPartition::new(topic, 0)).expect("assigned");
        consumer.seek(TopicPartition::new(topic, 0), 0).expect("assigned");
    };
    delay("long-resume", pause, |consumer, topic| {
        consumer.resume(TopicPartition::new(topic, 0)).expect("assigned");
    })
}

#[test]
fn a_long_poll_does_not_delay_a_new_assignment() -> Outcome {
    let one = |consumer: &mut Consumer<'_>, topic: &str| consumer.assign(&partitions(topic, 1)).expect("fits");
    delay("long-assign", one, |consumer, topic| consumer.assign(&partitions(topic, 2)).expect("fits"))
}

#[test]
fn a_long_poll_does_not_delay_questions() -> Outcome {
    let topic = ten("long-question")?;
    let mut consumer = consumer(config(kafka().bootstrap()).fetch_max_wait(Duration::from_secs(30)), 4096)?;
    consumer.assign(&partitions(&topic, 1))?;
    let mut times = Vec::new();
    for _ in 0..TIMES {
        idle(&mut consumer);
        let start = Instant::now();
        let mut question = [PartitionOffset::new(&topic, 0)];
        consumer.end_offsets(&mut question)?;
        times.push(start.elapsed());
        assert_eq!(question[0].offset, Some(10));
    }
    check("long-question", times);
    Ok(())
}

#[test]
fn a_long_poll_does_not_delay_closing() -> Outcome {
    let topic = ten("long-close")?;
    let mut times = Vec::new();
    for member in [false, true, false, true, true] {
        let group = unique("group");
        let config = config(kafka().bootstrap()).group_id(&group).fetch_max_wait(Duration::from_secs(30));
        let mut consumer = consumer(config.enable_auto_commit(true), 4096)?;
        if member {
            consumer.subscribe(&[&topic])?;
        } else {
            consumer.assign(&partitions(&topic, 1))?;
        }
        take(&mut consumer, 10)?;
        idle(&mut consumer);
        let start = Instant::now();
        consumer.close()?;
        times.push(start.elapsed());
        assert_eq!(kafka().admin(&format!("committed {group}"))?, format!("{{{topic}-0=10}}"));
    }
    check("long-close", times);
    Ok(())
}

#[test]
fn commands_that_do_not_fit_the_assignment() -> Outcome {
    let topic = ten("usage")?;
    let (partition, other) = (TopicPartition::new(&topic, 0), TopicPartition::new(&topic, 1));
    let mut consumer = consumer(config(kafka().bootstrap()).group_id("usage"), 4096)?;
    consumer.assign(&[partition])?;
    let results = [consumer.seek(other, 0), consumer.pause(other), consumer.resume(other), consumer.seek_to_end(other)];
    for result in results {
        assert!(matches!(result, Err(Error::Usage(UsageError::NotAssigned(_, 1)))), "{result:?}");
    }
    assert_eq!((consumer.position(other), consumer.lag(other)), (None, None));
    assert_eq!(consumer.seek(partition, -1), Err(Error::Usage(UsageError::Negative(-1))));
    assert_eq!(consumer.subscribe(&[&topic]), Err(Error::Usage(UsageError::SubscriptionType)));
    consumer.subscribe(&[])?; // of nothing, as `unsubscribe`
    consumer.subscribe(&[&topic])?;
    consumer.assign(&[])?;
    consumer.subscribe(&[&topic])?;
    assert_eq!(consumer.assign(&[partition]), Err(Error::Usage(UsageError::SubscriptionType)));
    assert_eq!(first_offset(&mut consumer)?, 0);
    Ok(consumer.close()?)
}
