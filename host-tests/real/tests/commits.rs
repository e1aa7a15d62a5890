//! What is committed, compared with what the broker's administration says.

use nanokafka::{Config, Error, OffsetReset, PartitionOffset, TopicPartition, UsageError};
use nanokafka_brokers::mock::rdkafka::consumer::{BaseConsumer, Consumer as _};
use nanokafka_brokers::mock::rdkafka::{ClientConfig, TopicPartitionList};
use nanokafka_brokers::mock::{Producer, Record};
use nanokafka_brokers::wait_for;
use nanokafka_real::{config, consumer, kafka, partitions, poll_until, quiet, send, take, topic, unique};
use nanokafka_real::{Ledger, Outcome, SOON};
use nanokafka_std::blocking::{Consumer, Event};
use std::time::Duration;

/// A topic of two partitions with 20 records each, a group, and its configuration.
struct Case {
    topic: String,
    group: String,
}

impl Case {
    fn new(name: &str) -> std::io::Result<Self> {
        let topic = topic(name, 2, "")?;
        let mut ledger = Ledger::default();
        send(&mut ledger, &topic, 0, 20, 10, 0)?;
        send(&mut ledger, &topic, 1, 20, 10, 20)?;
        Ok(Case { topic, group: unique("group") })
    }

    fn config(&self) -> Config<'_> {
        config(kafka().bootstrap()).group_id(&self.group)
    }

    fn partition(&self, partition: i32) -> TopicPartition<'_> {
        TopicPartition::new(&self.topic, partition)
    }

    /// A consumer of partition 0.
    fn consumer<'r>(&'r self, config: Config<'r>) -> Result<Consumer<'r>, Error> {
        let mut consumer = consumer(config, 4096)?;
        consumer.assign(&[self.partition(0)])?;
        Ok(consumer)
    }

    /// Fails unless the broker says that these are the group's offsets.
    fn check(&self, expected: &[(i32, i64)]) -> Outcome {
        let expected: Vec<_> = expected.iter().map(|(p, offset)| format!("{}-{p}={offset}", self.topic)).collect();
        assert_eq!(self.committed()?, format!("{{{}}}", expected.join(", ")));
        Ok(())
    }

    fn committed(&self) -> std::io::Result<String> {
        kafka().admin(&format!("committed {}", self.group))
    }
}

#[test]
fn commit_sync_covers_what_was_handed_out() -> Outcome {
    let case = Case::new("sync")?;
    let mut consumer = case.consumer(case.config())?;
    consumer.commit_sync()?;
    case.check(&[])?;
    assert_eq!(take(&mut consumer, 7)?.last(), Some(&(0, 6)));
    consumer.commit_sync()?;
    case.check(&[(0, 7)])?;
    // nothing new: nothing changes
    consumer.commit_sync()?;
    case.check(&[(0, 7)])?;
    take(&mut consumer, 13)?;
    consumer.commit_sync()?;
    case.check(&[(0, 20)])?;
    consumer.close()?;
    case.check(&[(0, 20)])
}

#[test]
fn commit_async_tells_its_result_as_an_event() -> Outcome {
    let case = Case::new("async")?;
    let mut consumer = case.consumer(case.config())?;
    take(&mut consumer, 5)?;
    consumer.commit_async()?;
    let mut taken = 0;
    poll_until(&mut consumer, "the commit's result", SOON, |event| match event.expect("nothing fails") {
        Event::CommitCompleted(result) => Some(result),
        Event::Records(records) => {
            // one at a time, so that polling does not end before the answer comes
            taken += records.take(1).count();
            None
        }
        _ => None,
    })?;
    case.check(&[(0, 5)])?;
    consumer.close()?;
    case.check(&[(0, 5)])
}

#[test]
fn a_record_is_committed_while_it_is_held() -> Outcome {
    let case = Case::new("held")?;
    let mut consumer = case.consumer(case.config())?;
    let mut event = consumer.poll(SOON)?.expect("records");
    let Event::Records(records) = &mut event else { panic!("records come first") };
    for offset in 0..3 {
        let record = records.next().expect("twenty in one batch");
        assert_eq!(record.offset(), offset);
        records.commit_sync(&record)?;
        case.check(&[(0, offset + 1)])?;
        assert_eq!(record.key(), Some(offset.to_string().as_bytes()), "still there");
    }
    let record = records.next().expect("twenty in one batch");
    records.commit_async(&record)?;
    poll_until(&mut consumer, "the commit's result", SOON, |event| match event.expect("nothing fails") {
        Event::CommitCompleted(result) => Some(result),
        _ => None,
    })?;
    case.check(&[(0, 4)])
}

#[test]
fn explicit_offsets_with_metadata() -> Outcome {
    let case = Case::new("explicit")?;
    let mut consumer = case.consumer(case.config())?;
    assert_eq!(take(&mut consumer, 1)?, [(0, 0)]);
    consumer.commit_offsets(&[
        PartitionOffset::new(&case.topic, 0).offset(11).metadata("reader 7"),
        // not assigned
        PartitionOffset::new(&case.topic, 1).offset(12),
    ])?;
    case.check(&[(0, 11), (1, 12)])?;
    let other: BaseConsumer =
        ClientConfig::new().set("bootstrap.servers", kafka().bootstrap()).set("group.id", &case.group).create()?;
    let mut list = TopicPartitionList::new();
    list.add_partition_range(&case.topic, 0, 1);
    let list = other.committed_offsets(list, SOON)?;
    assert_eq!(list.elements()[0].metadata(), "reader 7");

    let mut offsets = [PartitionOffset::new(&case.topic, 1), PartitionOffset::new(&case.topic, 0)];
    consumer.committed(&mut offsets)?;
    assert_eq!(offsets.map(|entry| entry.offset), [Some(12), Some(11)]);
    // the position is the application's business
    assert_eq!(take(&mut consumer, 1)?, [(0, 1)]);
    Ok(())
}

#[test]
fn committed_knows_what_was_never_committed() -> Outcome {
    let case = Case::new("never")?;
    let mut consumer = case.consumer(case.config())?;
    let mut offsets = [PartitionOffset::new(&case.topic, 0), PartitionOffset::new("no-such-topic", 3)];
    consumer.committed(&mut offsets)?;
    assert_eq!(offsets.map(|entry| entry.offset), [None, None]);
    Ok(())
}

#[test]
fn a_new_consumer_goes_on_where_the_group_was() -> Outcome {
    let case = Case::new("continue")?;
    kafka().admin(&format!("commit {} {} 0 15", case.group, case.topic))?;
    let mut first = case.consumer(case.config())?;
    assert_eq!(take(&mut first, 2)?, [(0, 15), (0, 16)]);
    first.commit_sync()?;
    first.close()?;
    let mut second = consumer(case.config(), 4096)?;
    second.assign(&partitions(&case.topic, 2))?;
    let mut taken = take(&mut second, 23)?;
    taken.sort();
    let expected = (17..20).map(|offset| (0, offset)).chain((0..20).map(|offset| (1, offset)));
    assert_eq!(taken, expected.collect::<Vec<_>>());
    second.commit_sync()?;
    case.check(&[(0, 20), (1, 20)])?;
    second.close()?;
    // as a member of the group, too
    let mut third = consumer(case.config(), 4096)?;
    third.subscribe(&[&case.topic])?;
    let mut assigned = 0;
    poll_until(&mut third, "both ends", SOON, |event| match event.expect("nothing fails") {
        Event::Assigned(partitions) => {
            assigned = partitions.len();
            None
        }
        Event::Records(_) => panic!("all is committed"),
        Event::EndOfPartition(_) => Some(()),
        _ => None,
    });
    assert_eq!(assigned, 2);
    assert_eq!(third.position(case.partition(1)), Some(20));
    Ok(third.close()?)
}

#[test]
fn auto_commit_in_intervals() -> Outcome {
    let case = Case::new("interval")?;
    let config = case.config().enable_auto_commit(true).auto_commit_interval(Duration::from_millis(100));
    let mut consumer = case.consumer(config)?;
    take(&mut consumer, 6)?;
    // the sixth is in hand until the next poll; nothing is asked for in between
    assert_eq!(take(&mut consumer, 1)?, [(0, 6)]);
    let in_hand = || -> std::io::Result<bool> { Ok(case.committed()? == format!("{{{}-0=7}}", case.topic)) };
    assert!(!in_hand()?, "offset 6 is still in hand");
    let end = std::time::Instant::now() + SOON;
    while case.committed()? == "{}" {
        assert!(std::time::Instant::now() < end, "an automatic commit");
        if let Some(Event::Records(mut records)) = consumer.poll(Duration::from_millis(20))? {
            records.next();
        }
    }
    Ok(())
}

#[test]
fn auto_commit_on_close_and_not_of_the_record_in_hand_before() -> Outcome {
    let case = Case::new("close")?;
    let config = case.config().enable_auto_commit(true).auto_commit_interval(Duration::from_millis(50));
    let mut consumer = case.consumer(config)?;
    let mut event = consumer.poll(SOON)?.expect("records");
    let Event::Records(records) = &mut event else { panic!("records come first") };
    assert_eq!(records.next().map(|record| record.offset()), Some(0));
    for _ in 0..30 {
        // commits go on while the application works, but not of what it works on
        records.keep_alive();
        std::thread::sleep(Duration::from_millis(10));
    }
    case.check(&[])?;
    assert_eq!(records.next().map(|record| record.offset()), Some(1));
    let end = std::time::Instant::now() + SOON;
    while case.committed()? == "{}" {
        assert!(std::time::Instant::now() < end, "offset 0 is done with");
        records.keep_alive();
    }
    case.check(&[(0, 1)])?;
    consumer.close()?;
    case.check(&[(0, 2)])
}

/// The result of the commit that is out said nothing about what was handed out since, and the later commit was forgotten.
#[test]
fn a_commit_wanted_while_another_is_out_is_not_forgotten() -> Outcome {
    let case = Case::new("overlap")?;
    for _ in 0..10 {
        let mut consumer = case.consumer(case.config())?;
        consumer.commit_offsets(&[PartitionOffset::new(&case.topic, 0).offset(0)])?;
        let mut event = consumer.poll(SOON)?.expect("records");
        let Event::Records(records) = &mut event else { panic!("records come first") };
        let first = records.next().expect("twenty in one batch");
        records.commit_async(&first)?;
        records.keep_alive();
        std::thread::sleep(Duration::from_millis(1));
        let second = records.next().expect("twenty in one batch");
        records.commit_sync(&second)?;
        case.check(&[(0, 2)])?;
    }
    Ok(())
}

/// The verdict on a batch larger than the window came with the next poll, and the commit did not cover it.
#[test]
fn a_batch_larger_than_the_window_is_committed_when_it_is_taken_to_its_end() -> Outcome {
    let case = Case::new("larger")?;
    let producer = Producer::new(kafka().bootstrap(), &[("linger.ms", "200")])?;
    for _ in 0..100 {
        producer.send(&Record { topic: &case.topic, value: Some(&[7; 100]), ..Record::default() })?;
    }
    // and one that does not fit, alone in its batch
    producer.flush()?;
    producer.send(&Record { topic: &case.topic, value: Some(&[8; 100_000]), ..Record::default() })?;
    producer.flush()?;
    let mut consumer = case.consumer(case.config())?;
    take(&mut consumer, 100)?;
    consumer.commit_sync()?;
    // its first record is not committed before its last is checked
    case.check(&[(0, 20)])?;
    take(&mut consumer, 20)?;
    consumer.commit_sync()?;
    case.check(&[(0, 120)])?;
    poll_until(&mut consumer, "the large record", SOON, |event| match event.expect("nothing fails") {
        Event::LargeRecord(mut record) => {
            Some(std::io::copy(&mut record, &mut std::io::sink()).expect("nothing fails"))
        }
        _ => None,
    });
    consumer.commit_sync()?;
    case.check(&[(0, 121)])?;
    Ok(consumer.close()?)
}

#[test]
fn only_marked_records_are_committed() -> Outcome {
    let case = Case::new("marks")?;
    let mut consumer = case.consumer(case.config().enable_auto_commit(true).auto_commit_marks(true))?;
    let mut event = consumer.poll(SOON)?.expect("records");
    let Event::Records(records) = &mut event else { panic!("records come first") };
    while let Some(record) = records.next() {
        if record.offset() == 8 {
            records.mark(&record);
        }
    }
    consumer.commit_sync()?;
    case.check(&[(0, 9)])?;
    consumer.close()?;
    case.check(&[(0, 9)])
}

#[test]
fn without_auto_commit_closing_commits_nothing() -> Outcome {
    let case = Case::new("none")?;
    let mut consumer = case.consumer(case.config())?;
    take(&mut consumer, 20)?;
    consumer.close()?;
    case.check(&[])
}

#[test]
fn without_a_group_there_is_nothing_to_commit_to() -> Outcome {
    let case = Case::new("groupless")?;
    let mut consumer = case.consumer(config(kafka().bootstrap()).enable_auto_commit(true))?;
    take(&mut consumer, 20)?;
    for result in [consumer.commit_sync(), consumer.commit_async(), consumer.committed(&mut [])] {
        assert_eq!(result, Err(Error::Usage(UsageError::NoGroup)));
    }
    Ok(consumer.close()?)
}

#[test]
fn a_seek_is_what_is_committed_next() -> Outcome {
    let case = Case::new("seek")?;
    let mut consumer = case.consumer(case.config())?;
    take(&mut consumer, 20)?;
    consumer.commit_sync()?;
    case.check(&[(0, 20)])?;
    consumer.seek(case.partition(0), 3)?;
    assert_eq!(take(&mut consumer, 1)?, [(0, 3)]);
    consumer.commit_sync()?;
    case.check(&[(0, 4)])
}

#[test]
fn a_commit_of_a_negative_or_missing_offset_is_refused() -> Outcome {
    let case = Case::new("negative")?;
    let mut consumer = case.consumer(case.config())?;
    let negative = PartitionOffset::new(&case.topic, 0).offset(-2);
    assert_eq!(consumer.commit_offsets(&[negative]), Err(Error::Usage(UsageError::Negative(-2))));
    assert!(consumer.commit_offsets(&[PartitionOffset::new(&case.topic, 0)]).is_err());
    consumer.commit_offsets(&[PartitionOffset::new(&case.topic, 0).offset(2)])?;
    case.check(&[(0, 2)])
}

#[test]
fn the_group_is_asked_before_the_policy() -> Outcome {
    let case = Case::new("policy")?;
    kafka().admin(&format!("commit {} {} 0 20", case.group, case.topic))?;
    let mut consumer = case.consumer(case.config().auto_offset_reset(OffsetReset::Earliest))?;
    quiet(&mut consumer, Duration::from_millis(500));
    assert_eq!(consumer.position(case.partition(0)), Some(20));
    // an empty group may be deleted
    consumer.close()?;
    wait_for("the group to be empty", SOON, || Ok(kafka().admin(&format!("delete-group {}", case.group)).is_ok()))?;
    Ok(())
}
