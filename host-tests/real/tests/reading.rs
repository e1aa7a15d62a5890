//! Every record, exactly once, in order, byte for byte, however small the window.

use nanokafka::{Config, Error, LargeRecords, PartitionErrorKind, TopicPartition};
use nanokafka_brokers::mock::{Producer, Record};
use nanokafka_real::{config, consumer, kafka, partitions, poll_until, produce_mixed, quiet, read, sized, take, topic};
use nanokafka_real::{Ledger, Outcome, SOON};
use nanokafka_std::blocking::{Consumer, Event, LargeRecord};
use std::io::Read;
use std::sync::LazyLock;

/// Records of 0 B to 32 KB with and without key, value and headers, in 12 partitions.
static MIXED: LazyLock<(String, Ledger)> = LazyLock::new(|| {
    let topic = topic("mixed", 12, "").expect("a topic");
    let ledger = produce_mixed(kafka().bootstrap(), &topic, 12, 300_000).expect("records");
    (topic, ledger)
});

fn mixed(window: usize) -> Outcome {
    let (topic, ledger) = &*MIXED;
    let mut ledger = ledger.clone();
    let mut consumer = consumer(config(kafka().bootstrap()), window)?;
    consumer.assign(&partitions(topic, 12))?;
    read(&mut consumer, &mut ledger)?;
    Ok(consumer.close()?)
}

#[test]
fn mixed_records_through_4_kb() -> Outcome {
    mixed(4096)
}

#[test]
fn mixed_records_through_64_kb() -> Outcome {
    mixed(65_536)
}

#[test]
fn mixed_records_through_1_mb() -> Outcome {
    mixed(1 << 20)
}

#[test]
fn a_thousand_partitions_and_each_ones_end() -> Outcome {
    let topic = topic("thousand", 1000, "")?;
    let producer = Producer::new(kafka().bootstrap(), &[])?;
    let mut produced = Ledger::default();
    for number in 0..3000 {
        let value = number.to_string();
        let value = Some(value.as_bytes());
        let record = Record { topic: &topic, partition: number % 1000, value, ..Record::default() };
        producer.send(&record)?;
        produced.produced(&record);
    }
    producer.flush()?;
    for window in [4096, 65_536] {
        let mut ledger = produced.clone();
        let mut consumer = sized(config(kafka().bootstrap()), 1000, 2, window)?;
        consumer.assign(&partitions(&topic, 1000))?;
        let mut ends = 0;
        poll_until(&mut consumer, "all records and ends", SOON, |event| {
            match event.expect("nothing fails") {
                Event::Records(records) => records.for_each(|record| ledger.consumed(&record)),
                Event::EndOfPartition(_) => ends += 1,
                _ => {}
            }
            (ledger.left() == 0 && ends == 1000).then_some(())
        });
        for partition in partitions(&topic, 1000) {
            assert_eq!((consumer.position(partition), consumer.lag(partition)), (Some(3), Some(0)), "{partition}");
        }
        consumer.close()?;
    }
    Ok(())
}

#[test]
fn a_batch_many_times_the_window() -> Outcome {
    let topic = topic("batch", 1, "")?;
    let ledger = one_batch(&topic, &[100; 9000])?;
    for window in [256, 4096] {
        let mut consumer = consumer(config(kafka().bootstrap()), window)?;
        consumer.assign(&partitions(&topic, 1))?;
        read(&mut consumer, &mut ledger.clone())?;
        // begins inside the batch, and leaves the loop at every record
        consumer.seek(TopicPartition::new(&topic, 0), 8990)?;
        for offset in 8990..9000 {
            assert_eq!(take(&mut consumer, 1)?, [(0, offset)]);
        }
        consumer.close()?;
    }
    Ok(())
}

/// Sizes of a batch whose third record does not fit a window of 4 KB.
const LARGE: [usize; 5] = [10, 1000, 700_000, 20, 30];

#[test]
fn a_large_record_is_read_in_chunks_where_they_arrive() -> Outcome {
    let topic = topic("chunks", 1, "")?;
    let mut ledger = one_batch(&topic, &LARGE)?;
    let mut consumer = assigned(config(kafka().bootstrap()), &topic)?;
    // `read` takes the chunks
    Ok(read(&mut consumer, &mut ledger)?)
}

#[test]
fn a_large_record_is_an_io_reader() -> Outcome {
    let topic = topic("reader", 1, "")?;
    let mut ledger = one_batch(&topic, &LARGE)?;
    let mut consumer = assigned(config(kafka().bootstrap()), &topic)?;
    poll_until(&mut consumer, "the batch", SOON, |event| {
        match event.expect("nothing fails") {
            Event::Records(records) => records.for_each(|record| ledger.consumed(&record)),
            Event::LargeRecord(mut record) => {
                assert_eq!((record.offset(), record.remaining()), (2, LARGE[2]));
                let key = record.key().map(<[u8]>::to_vec);
                let mut value = Vec::new();
                record.read_to_end(&mut value).expect("nothing fails");
                assert_eq!(record.remaining(), 0);
                ledger.consumed_large(0, 2, key.as_deref(), &value);
            }
            _ => {}
        }
        (ledger.left() == 0).then_some(())
    });
    Ok(())
}

#[test]
fn a_large_record_left_half_read_is_passed_over() -> Outcome {
    let topic = topic("half", 1, "")?;
    one_batch(&topic, &LARGE)?;
    let mut consumer = assigned(config(kafka().bootstrap()), &topic)?;
    assert_eq!(take(&mut consumer, 2)?, [(0, 0), (0, 1)]);
    let large = |record: &mut LargeRecord<'_>| {
        let mut head = [0; 10_000];
        record.read_exact(&mut head).expect("nothing fails");
        record.offset()
    };
    let offset = poll_until(&mut consumer, "the large record", SOON, |event| match event.expect("nothing fails") {
        Event::LargeRecord(mut record) => Some(large(&mut record)),
        _ => None,
    });
    assert_eq!(offset, 2);
    assert_eq!(take(&mut consumer, 2)?, [(0, 3), (0, 4)]);
    Ok(())
}

#[test]
fn a_large_record_is_skipped_and_said_so() -> Outcome {
    let topic = topic("skip", 1, "")?;
    one_batch(&topic, &LARGE)?;
    let mut consumer = assigned(config(kafka().bootstrap()).large_records(LargeRecords::Skip), &topic)?;
    let (mut offsets, mut skipped) = (Vec::new(), None);
    poll_until(&mut consumer, "the batch", SOON, |event| {
        match event.expect("nothing fails") {
            Event::Records(records) => offsets.extend(records.map(|record| record.offset())),
            Event::Skipped(what) => skipped = Some((what.partition.to_string(), what.offset, what.size)),
            _ => {}
        }
        (offsets.len() == 4).then_some(())
    });
    assert_eq!(offsets, [0, 1, 3, 4]);
    let (partition, offset, size) = skipped.expect("told");
    assert_eq!((partition, offset), (format!("{topic}-0"), 2));
    assert!((LARGE[2] as u32..LARGE[2] as u32 + 50).contains(&size), "{size}");
    Ok(())
}

#[test]
fn a_large_record_is_an_error_and_the_partition_rests_before_it() -> Outcome {
    let topic = topic("error", 1, "")?;
    one_batch(&topic, &LARGE)?;
    let partition = TopicPartition::new(&topic, 0);
    let mut consumer = assigned(config(kafka().bootstrap()).large_records(LargeRecords::Error), &topic)?;
    assert_eq!(take(&mut consumer, 2)?, [(0, 0), (0, 1)]);
    let error = poll_until(&mut consumer, "the error", SOON, |event| event.err());
    let Error::Partition(error) = error else { panic!("{error}") };
    assert!(matches!(error.kind, PartitionErrorKind::RecordTooLarge(700_000..)), "{error:?}");
    assert_eq!((error.topic.as_str(), error.partition, error.offset, error.next), (&*topic, 0, 2, 3));
    assert_eq!(consumer.position(partition), Some(2));
    // it says so once, and waits
    quiet(&mut consumer, std::time::Duration::from_millis(300));
    consumer.seek(partition, error.next)?;
    assert_eq!(take(&mut consumer, 2)?, [(0, 3), (0, 4)]);
    Ok(())
}

fn assigned<'r>(config: Config<'r>, topic: &str) -> Result<Consumer<'r>, Error> {
    let mut consumer = consumer(config, 4096)?;
    consumer.assign(&partitions(topic, 1))?;
    Ok(consumer)
}

/// One batch of records whose values have these sizes.
fn one_batch(topic: &str, sizes: &[usize]) -> Result<Ledger, Box<dyn std::error::Error>> {
    let properties = [("linger.ms", "500"), ("batch.size", "1000000"), ("batch.num.messages", "10000")];
    let producer = Producer::new(kafka().bootstrap(), &properties)?;
    let mut ledger = Ledger::default();
    for (number, &size) in sizes.iter().enumerate() {
        let (key, value) = (number.to_string(), vec![number as u8; size]);
        let record = Record { topic, key: Some(key.as_bytes()), value: Some(&value), ..Record::default() };
        producer.send(&record)?;
        ledger.produced(&record);
    }
    producer.flush()?;
    Ok(ledger)
}
