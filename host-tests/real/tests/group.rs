//! Members of a group: who owns what, and that nothing is lost or read twice when it changes.

use nanokafka::{Assignor, Capacity, Error, Resource, Resources, Seed, TopicPartition};
use nanokafka_brokers::mock::rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use nanokafka_brokers::mock::rdkafka::ClientConfig;
use nanokafka_brokers::wait_for;
use nanokafka_real::members::{check_committed, check_ranges, settle, wait, Member};
use nanokafka_real::{config, consumer, kafka, poll_until, quiet, read, send, take, topic, unique};
use nanokafka_real::{Ledger, Outcome, SOON};
use nanokafka_std::blocking::{Consumer, Event, Tcp};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

#[test]
fn a_group_grows_from_one_to_three_and_shrinks_to_one() -> Outcome {
    let (topic, group) = (topic("grows", 6, "")?, unique("group"));
    let config = config(kafka().bootstrap()).group_id(&group).enable_auto_commit(true);
    let mut ledger = Ledger::default();
    let mut members = Vec::new();
    for each in [6, 3, 2] {
        members.push(Member::new(config, &topic)?);
        settle(&mut members, &topic, &mut ledger, each)?;
        check_ranges(&members);
    }
    for each in [3, 6] {
        members.remove(0).consumer.close()?;
        settle(&mut members, &topic, &mut ledger, each)?;
        check_ranges(&members);
    }
    members.remove(0).consumer.close()?;
    // the next one begins where the last one ended, everywhere
    check_committed(&group, &topic, &ledger)?;
    assert!(kafka().admin(&format!("group {group}"))?.starts_with("Empty"), "all have left");
    Ok(())
}

#[test]
fn a_member_that_vanishes_is_replaced_when_its_session_ends() -> Outcome {
    let (topic, group) = (topic("vanishes", 2, "")?, unique("group"));
    let config = config(kafka().bootstrap()).group_id(&group).session_timeout(Duration::from_secs(1));
    let mut ledger = Ledger::default();
    let (mut first, mut second) = (Member::new(config, &topic)?, Member::new(config, &topic)?);
    wait("a partition for each", || {
        first.turn(&mut ledger)?;
        second.turn(&mut ledger)?;
        Ok(first.owned.len() == 1 && second.owned.len() == 1)
    })?;
    for partition in [0, 1] {
        send(&mut ledger, &topic, partition, 10, 10, 0)?;
    }
    wait("its records", || {
        second.turn(&mut ledger)?;
        Ok(ledger.left() == 10)
    })?;
    second.consumer.commit_sync()?;
    drop(first);
    let gone = Instant::now();
    wait("the other's records", || {
        second.turn(&mut ledger)?;
        Ok(second.owned.len() == 2 && ledger.left() == 0)
    })?;
    println!("the partitions of a vanished member came after {:?}", gone.elapsed());
    assert!(gone.elapsed() > Duration::from_millis(500), "it was not closed");
    Ok(second.consumer.close()?)
}

#[test]
fn a_slow_application_keeps_its_membership_alive() -> Outcome {
    let (topic, group) = (topic("slow", 1, "")?, unique("group"));
    let config = config(kafka().bootstrap()).group_id(&group).session_timeout(Duration::from_secs(1));
    let mut ledger = Ledger::default();
    send(&mut ledger, &topic, 0, 3, 10, 0)?;
    let mut member = Member::new(config, &topic)?;
    poll_until(&mut member.consumer, "the partition", SOON, |event| {
        matches!(event, Ok(Event::Assigned(_))).then_some(())
    });
    let mut event = member.consumer.poll(SOON)?.expect("records");
    let Event::Records(records) = &mut event else { panic!("records come first") };
    let record = records.next().expect("three in one batch");
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(3) {
        std::thread::sleep(Duration::from_millis(100));
        records.keep_alive();
    }
    assert!(kafka().admin(&format!("group {group}"))?.starts_with("Stable"));
    records.commit_sync(&record)?;
    ledger.consumed(&record);
    read(&mut member.consumer, &mut ledger)?;
    Ok(member.consumer.close()?)
}

#[test]
fn who_does_not_poll_for_too_long_loses_the_partitions_and_gets_them_again() -> Outcome {
    let (topic, group) = (topic("late", 1, "")?, unique("group"));
    let config = config(kafka().bootstrap()).group_id(&group).max_poll_interval(Duration::from_secs(1));
    send(&mut Ledger::default(), &topic, 0, 3, 10, 0)?;
    let mut consumer = consumer(config, 4096)?;
    consumer.subscribe(&[&topic])?;
    assert_eq!(take(&mut consumer, 1)?, [(0, 0)]);
    consumer.commit_sync()?;
    let mut event = consumer.poll(SOON)?.expect("records");
    let Event::Records(records) = &mut event else { panic!("the rest of the batch comes next") };
    assert_eq!(records.next().map(|record| record.offset()), Some(1));
    for _ in 0..15 {
        std::thread::sleep(Duration::from_millis(100));
        records.keep_alive();
    }
    assert!(records.next().is_none(), "they are somebody else's by now");
    let mut lost = false;
    let offset = poll_until(&mut consumer, "records again", SOON, |event| match event.expect("nothing fails") {
        Event::Lost(partitions) => {
            lost = partitions.eq([TopicPartition::new(&topic, 0)]);
            None
        }
        Event::Records(mut records) => records.next().map(|record| record.offset()),
        _ => None,
    });
    assert!(lost, "told before anything else");
    assert_eq!(offset, 1, "from the committed offset");
    Ok(consumer.close()?)
}

#[test]
fn a_group_shared_with_librdkafka() -> Outcome {
    shared_with_librdkafka(&[Assignor::Range], "range")
}

#[test]
fn a_group_shared_with_librdkafka_round_robin() -> Outcome {
    shared_with_librdkafka(&[Assignor::RoundRobin], "roundrobin")
}

#[test]
fn a_group_shared_with_librdkafka_cooperative_sticky() -> Outcome {
    shared_with_librdkafka(&[Assignor::CooperativeSticky], "cooperative-sticky")
}

fn shared_with_librdkafka(assignors: &[Assignor], name: &str) -> Outcome {
    let (topic, group) = (topic("mixed", 4, "")?, unique("group"));
    let other = || -> Result<BaseConsumer, _> {
        ClientConfig::new()
            .set("bootstrap.servers", kafka().bootstrap())
            .set("group.id", &group)
            .set("auto.offset.reset", "earliest")
            .set("partition.assignment.strategy", name)
            .set("heartbeat.interval.ms", "200")
            .create()
    };
    let config = config(kafka().bootstrap()).group_id(&group).partition_assignment_strategy(assignors);
    let mut ledger = Ledger::default();
    // each of them leads once
    for we_lead in [true, false] {
        let theirs = other()?;
        let assigned = || theirs.assignment().map(|list| list.count()).unwrap_or(0);
        if !we_lead {
            theirs.subscribe(&[&topic])?;
            wait("all for librdkafka", || {
                theirs.poll(Duration::from_millis(20));
                Ok(assigned() == 4)
            })?;
        }
        let mut ours = Member::new(config, &topic)?;
        if we_lead {
            wait("all for us", || {
                ours.turn(&mut ledger)?;
                Ok(ours.owned.len() == 4)
            })?;
            theirs.subscribe(&[&topic])?;
        }
        wait("two partitions for each", || {
            ours.turn(&mut ledger)?;
            theirs.poll(Duration::from_millis(5));
            Ok(ours.owned.len() == 2 && assigned() == 2)
        })?;
        let list = theirs.assignment()?;
        let theirs_own: BTreeSet<_> = list.elements().iter().map(|element| element.partition()).collect();
        assert!(ours.owned.is_disjoint(&theirs_own), "{:?} {theirs_own:?}", ours.owned);
        let (mut our_records, mut their_records) = (0, 0);
        for partition in 0..4 {
            kafka().admin(&format!("send p {topic} {partition} 5 10"))?;
        }
        wait("ten records for each", || {
            if let Some(Event::Records(records)) = ours.consumer.poll(Duration::from_millis(5))? {
                our_records += records.count();
            }
            their_records += usize::from(matches!(theirs.poll(Duration::from_millis(5)), Some(Ok(_))));
            Ok(our_records == 10 && their_records == 10)
        })?;
        ours.consumer.commit_sync()?;
        theirs.commit_consumer_state(CommitMode::Sync)?;
        ours.consumer.close()?;
    }
    Ok(())
}

#[test]
fn who_cannot_lead_resigns_with_the_numbers_and_follows() -> Outcome {
    let (topic, group) = (topic("small", 2, "")?, unique("group"));
    let config = config(kafka().bootstrap()).group_id(&group);
    let mut resources = Box::new(Resources::<4, 2, 4096>::new());
    let mut small = Consumer::new(resources.storage(), config, Tcp::new(2)?, Seed::from_os()?)?;
    small.subscribe(&[&topic])?;
    poll_until(&mut small, "all partitions", SOON, |event| matches!(event, Ok(Event::Assigned(_))).then_some(()));
    let mut large = Member::new(config, &topic)?;
    let (start, mut told, mut owned) = (Instant::now(), None, 2);
    while owned != 1 || large.owned.len() != 1 {
        assert!(start.elapsed() < SOON, "one partition for each, not {owned} and {}", large.owned.len());
        match small.poll(Duration::from_millis(5)) {
            Ok(Some(Event::Assigned(partitions))) => owned = partitions.len(),
            Ok(Some(Event::Revoked(_) | Event::Lost(_))) => owned = 0,
            Ok(_) => {}
            Err(error) => told = Some(error),
        }
        large.turn(&mut Ledger::default())?;
    }
    let told = told.expect("it was elected: it came first");
    assert!(matches!(told, Error::Capacity(Capacity { what: Resource::GroupMemory, needed: 1.., have: 0 })), "{told}");
    assert!(told.to_string().contains("Storage::group_memory"), "{told}");
    small.close()?;
    Ok(large.consumer.close()?)
}

#[test]
fn a_static_member_comes_back_without_a_rebalance() -> Outcome {
    let (topic, group) = (topic("static", 2, "")?, unique("group"));
    let config = config(kafka().bootstrap()).group_id(&group);
    let mut ledger = Ledger::default();
    let mut other = Member::new(config.group_instance_id("other"), &topic)?;
    let mut first = Member::new(config.group_instance_id("device-1"), &topic)?;
    let start = Instant::now();
    while first.owned.len() != 1 || other.owned.len() != 1 {
        assert!(start.elapsed() < SOON, "one partition for each");
        other.turn(&mut ledger)?;
        first.turn(&mut ledger)?;
    }
    let owned = first.owned.clone();
    first.consumer.close()?;
    let mut again = Member::new(config.group_instance_id("device-1"), &topic)?;
    let start = Instant::now();
    while again.owned.is_empty() {
        assert!(start.elapsed() < SOON, "its old partition");
        again.turn(&mut ledger)?;
        // `turn` would fail at an event that is not allowed: here none is
        let event = other.consumer.poll(Duration::from_millis(1))?;
        assert!(matches!(event, None | Some(Event::EndOfPartition(_))), "the other member notices nothing");
    }
    assert_eq!(again.owned, owned);
    Ok(())
}

#[test]
fn a_second_process_with_the_same_instance_id_fences_the_first() -> Outcome {
    let (topic, group) = (topic("fenced", 1, "")?, unique("group"));
    let config = config(kafka().bootstrap()).group_id(&group).group_instance_id("device-1");
    let mut first = Member::new(config, &topic)?;
    wait("the partition", || {
        first.turn(&mut Ledger::default())?;
        Ok(!first.owned.is_empty())
    })?;
    let mut second = Member::new(config, &topic)?;
    wait("the partition again", || {
        second.turn(&mut Ledger::default())?;
        Ok(!second.owned.is_empty())
    })?;
    let error = poll_until(&mut first.consumer, "the error", SOON, |event| event.err());
    assert!(error.is_fatal() && error.to_string().contains("FENCED_INSTANCE_ID"), "{error}");
    Ok(())
}

#[test]
fn without_a_group_id_one_is_invented() -> Outcome {
    let topic = topic("invented", 1, "")?;
    let mut ledger = Ledger::default();
    send(&mut ledger, &topic, 0, 3, 10, 0)?;
    let mut consumer = consumer(config(kafka().bootstrap()), 4096)?;
    consumer.subscribe(&[&topic])?;
    read(&mut consumer, &mut ledger)?;
    let group = consumer.control().group_id().to_owned();
    assert!(group.starts_with("nanokafka-"), "{group}");
    consumer.commit_sync()?;
    assert_eq!(kafka().admin(&format!("committed {group}"))?, format!("{{{topic}-0=3}}"));
    Ok(consumer.close()?)
}

#[test]
fn the_subscription_changes() -> Outcome {
    let (one, two, group) = (topic("one", 1, "")?, topic("two", 1, "")?, unique("group"));
    let mut ledgers = [Ledger::default(), Ledger::default()];
    send(&mut ledgers[0], &one, 0, 5, 10, 0)?;
    send(&mut ledgers[1], &two, 0, 5, 10, 0)?;
    let mut consumer = consumer(config(kafka().bootstrap()).group_id(&group), 4096)?;
    consumer.subscribe(&[&one])?;
    read(&mut consumer, &mut ledgers[0])?;
    consumer.commit_sync()?;
    consumer.subscribe(&[&two, &one])?;
    read(&mut consumer, &mut ledgers[1])?;
    assert_eq!(consumer.control().assignment().len(), 2);
    consumer.commit_sync()?;
    consumer.subscribe(&[&two])?;
    poll_until(&mut consumer, "one partition", SOON, |event| match event.expect("nothing fails") {
        Event::Assigned(partitions) => partitions.eq([TopicPartition::new(&two, 0)]).then_some(()),
        _ => None,
    });
    quiet(&mut consumer, Duration::from_millis(300));
    consumer.unsubscribe();
    quiet(&mut consumer, Duration::from_millis(300));
    wait_for("the member to leave", SOON, || Ok(kafka().admin(&format!("group {group}"))?.starts_with("Empty")))?;
    Ok(())
}
