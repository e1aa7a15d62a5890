//! Topics that come, go and grow while they are consumed.

use nanokafka::{Config, Error, TopicPartition};
use nanokafka_real::{config, consumer, kafka, partitions, poll_until, quiet, read, send, topic, unique};
use nanokafka_real::{Ledger, Outcome, SOON};
use nanokafka_std::blocking::Event;
use std::time::{Duration, Instant};

/// Looks at the cluster often.
fn watchful<'a>(group: &'a str) -> Config<'a> {
    config(kafka().bootstrap()).group_id(group).metadata_max_age(Duration::from_millis(300))
}

#[test]
fn a_topic_is_created_after_subscribe() -> Outcome {
    let (name, group) = (unique("later"), unique("group"));
    let mut consumer = consumer(watchful(&group), 4096)?;
    consumer.subscribe(&[&name])?;
    quiet(&mut consumer, Duration::from_millis(700));
    kafka().admin(&format!("create {name} 2 1"))?;
    let start = Instant::now();
    let mut ledger = Ledger::default();
    for partition in [0, 1] {
        send(&mut ledger, &name, partition, 10, 10, 0)?;
    }
    read(&mut consumer, &mut ledger)?;
    println!("a new topic was read after {:?}", start.elapsed());
    assert!(start.elapsed() < Duration::from_secs(5));
    Ok(consumer.close()?)
}

#[test]
fn a_topic_is_created_after_assign_and_its_absence_is_told_once() -> Outcome {
    let name = unique("absent");
    let mut consumer = consumer(watchful(""), 4096)?;
    consumer.assign(&partitions(&name, 1))?;
    let error = poll_until(&mut consumer, "the error", SOON, |event| event.err());
    let said = error.to_string();
    assert!(matches!(error, Error::Broker(_)) && !error.is_fatal(), "{error:?}");
    assert!(said.contains(&name) && said.contains("UNKNOWN_TOPIC_OR_PARTITION"), "{said}");
    quiet(&mut consumer, Duration::from_secs(1));
    kafka().admin(&format!("create {name} 1 1"))?;
    let mut ledger = Ledger::default();
    send(&mut ledger, &name, 0, 10, 10, 0)?;
    let start = Instant::now();
    read(&mut consumer, &mut ledger)?;
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    Ok(consumer.close()?)
}

#[test]
fn a_topic_is_deleted_and_created_again() -> Outcome {
    for member in [false, true] {
        let (topic, group) = (topic("again", 1, "")?, unique("group"));
        let mut consumer = consumer(watchful(&group), 4096)?;
        if member {
            consumer.subscribe(&[&topic])?;
        } else {
            consumer.assign(&partitions(&topic, 1))?;
        }
        let mut ledger = Ledger::default();
        send(&mut ledger, &topic, 0, 10, 10, 0)?;
        read(&mut consumer, &mut ledger)?;
        kafka().admin(&format!("delete {topic}"))?;
        quiet(&mut consumer, Duration::from_millis(500));
        kafka().admin(&format!("create {topic} 1 1"))?;
        // fewer records than before: the position is behind the new log's end
        let mut ledger = Ledger::default();
        send(&mut ledger, &topic, 0, 5, 10, 100)?;
        let start = Instant::now();
        read(&mut consumer, &mut ledger)?;
        println!("a topic made anew was read after {:?}", start.elapsed());
        consumer.close()?;
    }
    Ok(())
}

#[test]
fn partitions_are_added_to_a_subscribed_topic() -> Outcome {
    let (topic, group) = (topic("more", 1, "")?, unique("group"));
    let mut consumer = consumer(watchful(&group), 4096)?;
    consumer.subscribe(&[&topic])?;
    let mut ledger = Ledger::default();
    send(&mut ledger, &topic, 0, 10, 10, 0)?;
    read(&mut consumer, &mut ledger)?;
    consumer.commit_sync()?;
    kafka().admin(&format!("partitions {topic} 3"))?;
    let start = Instant::now();
    for partition in [0, 1, 2] {
        send(&mut ledger, &topic, partition, 10, 10, 10)?;
    }
    let mut owned = 1;
    poll_until(&mut consumer, "the new partitions", SOON, |event| {
        match event.expect("nothing fails") {
            Event::Assigned(partitions) => owned = partitions.len(),
            Event::Revoked(_) => owned = 0,
            Event::Records(records) if owned == 3 => records.for_each(|record| ledger.consumed(&record)),
            _ => {}
        }
        (owned == 3 && ledger.left() == 0).then_some(())
    });
    println!("new partitions were read after {:?}", start.elapsed());
    Ok(consumer.close()?)
}

#[test]
fn a_quota_is_honoured_without_a_word() -> Outcome {
    let (topic, client) = (topic("quota", 1, "")?, unique("slow"));
    let mut ledger = Ledger::default();
    for first in 0..40 {
        send(&mut ledger, &topic, 0, 10, 1000, first * 10)?;
    }
    kafka().admin(&format!("quota client-id {client} consumer_byte_rate=100000"))?;
    let mut consumer =
        consumer(config(kafka().bootstrap()).client_id(&client).max_partition_fetch_bytes(50_000), 4096)?;
    consumer.assign(&[TopicPartition::new(&topic, 0)])?;
    let start = Instant::now();
    read(&mut consumer, &mut ledger)?;
    let took = start.elapsed();
    println!("400 KB at 100 KB/s took {took:?}");
    // the quota's window forgives the first second or two
    assert!((Duration::from_millis(1500)..Duration::from_secs(15)).contains(&took), "{took:?}");
    // and the next client is not slowed down
    Ok(consumer.close()?)
}
