//! Members of a group whose broker assigns its partitions (KIP-848): nothing is lost or read twice when they move, and only
//! those that move are given up.

use nanokafka::{Config, Error, ErrorCode, GroupProtocol, OffsetReset, PartitionOffset, TopicPartition, UsageError};
use nanokafka_brokers::mock::rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use nanokafka_brokers::mock::rdkafka::ClientConfig;
use nanokafka_brokers::{Cluster, Kafka, RELEASE};
use nanokafka_real::faults::whole;
use nanokafka_real::members::{check_committed, check_ranges, settle, wait, Member};
use nanokafka_real::{consumer, kafka, poll_until, quiet, read, send, sized, take, topic, unique};
use nanokafka_real::{Ledger, Outcome, SOON};
use nanokafka_std::blocking::{Consumer, Event};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// From the log's start. How often is the broker's business.
fn config<'a>(bootstrap: &'a str, group: &'a str) -> Config<'a> {
    Config::new(bootstrap)
        .group_id(group)
        .group_protocol(GroupProtocol::Consumer)
        .auto_offset_reset(OffsetReset::Earliest)
        .enable_auto_commit(true)
}

#[test]
fn one_member_joins_seeks_commits_and_leaves_at_once() -> Outcome {
    let (topic, group) = (topic("alone", 4, "")?, unique("group"));
    let config = config(kafka().bootstrap(), &group).enable_auto_commit(false);
    let mut ledger = Ledger::default();
    for partition in 0..4 {
        send(&mut ledger, &topic, partition, 5, 100, 0)?;
    }
    let mut consumer = consumer(config, 4096)?;
    consumer.subscribe(&[&topic])?;
    read(&mut consumer, &mut ledger)?;
    assert_eq!(consumer.assignment().len(), 4);
    consumer.commit_sync()?;
    check_committed(&group, &topic, &ledger)?;
    let first = TopicPartition::new(&topic, 0);
    consumer.seek(first, 3)?;
    assert_eq!(take(&mut consumer, 2)?, [(0, 3), (0, 4)]);
    consumer.commit_offsets(&[PartitionOffset::new(&topic, 0).offset(2)])?;
    let mut committed = [PartitionOffset::new(&topic, 0)];
    consumer.committed(&mut committed)?;
    assert_eq!(committed[0].offset, Some(2));
    assert!(kafka().admin(&format!("group {group}"))?.starts_with("Stable"));
    consumer.close()?;
    assert!(kafka().admin(&format!("group {group}"))?.starts_with("Empty"));
    Ok(())
}

fn grows_and_shrinks(assignor: &str) -> Outcome {
    let (topic, group) = (topic("grows", 6, "")?, unique("group"));
    let config = config(kafka().bootstrap(), &group).group_remote_assignor(assignor);
    let mut ledger = Ledger::default();
    let mut members = Vec::new();
    for each in [6, 3, 2] {
        members.push(Member::new(config, &topic)?);
        settle(&mut members, &topic, &mut ledger, each)?;
    }
    match assignor {
        // neighbours belong together, and who is whose neighbour is decided by random member ids
        "range" => check_ranges(&members),
        // what did not move was never given up
        _ => {
            let first = &members[0];
            assert!(first.assigned == 1 && (2..=4).contains(&first.revoked), "{} {}", first.assigned, first.revoked);
        }
    }
    for each in [3, 6] {
        members.remove(0).consumer.close()?;
        settle(&mut members, &topic, &mut ledger, each)?;
    }
    members.remove(0).consumer.close()?;
    check_committed(&group, &topic, &ledger)?;
    assert!(kafka().admin(&format!("group {group}"))?.starts_with("Empty"), "all have left");
    Ok(())
}

#[test]
fn a_group_grows_from_one_to_three_and_shrinks_to_one() -> Outcome {
    grows_and_shrinks("")
}

#[test]
fn so_it_does_with_an_assignor_of_its_choice() -> Outcome {
    grows_and_shrinks("range")
}

#[test]
fn a_static_member_that_comes_back_is_not_noticed() -> Outcome {
    let (topic, group) = (topic("static", 2, "")?, unique("group"));
    let config = config(kafka().bootstrap(), &group);
    let mut ledger = Ledger::default();
    let mut other = Member::new(config.group_instance_id("other"), &topic)?;
    let mut device = Member::new(config.group_instance_id("device"), &topic)?;
    wait("a partition for each", || {
        other.turn(&mut ledger)?;
        device.turn(&mut ledger)?;
        Ok(other.owned.len() == 1 && device.owned.len() == 1)
    })?;
    let (owned, before) = (device.owned.clone(), (other.assigned, other.revoked));
    device.consumer.close()?;
    let mut device = Member::new(config.group_instance_id("device"), &topic)?;
    wait("its partition", || {
        other.turn(&mut ledger)?;
        device.turn(&mut ledger)?;
        Ok(!device.owned.is_empty())
    })?;
    assert_eq!(device.owned, owned);
    assert_eq!((other.assigned, other.revoked), before, "the other member notices nothing");
    // one that vanishes holds the id until its session ends
    drop(device);
    let start = Instant::now();
    let mut device = Member::new(config.group_instance_id("device"), &topic)?;
    wait("its partition again", || {
        other.turn(&mut ledger)?;
        device.turn(&mut ledger)?;
        Ok(!device.owned.is_empty())
    })?;
    println!("after a crash the instance is back after {:?}", start.elapsed());
    Ok(())
}

/// A member that the group has given up is not polled meanwhile, and its application commits before it hears of it.
#[test]
fn a_member_that_was_given_up_loses_its_partitions_and_commits_nothing() -> Outcome {
    let (topic, group) = (topic("fenced", 1, "")?, unique("group"));
    let config = config(kafka().bootstrap(), &group).enable_auto_commit(false);
    send(&mut Ledger::default(), &topic, 0, 5, 10, 0)?;
    let mut zombie = consumer(config, 4096)?;
    zombie.subscribe(&[&topic])?;
    assert_eq!(take(&mut zombie, 2)?, [(0, 0), (0, 1)]);
    std::thread::sleep(Duration::from_secs(5)); // its session has 3
    let mut other = consumer(config, 4096)?;
    other.subscribe(&[&topic])?;
    assert_eq!(take(&mut other, 4)?, [(0, 0), (0, 1), (0, 2), (0, 3)]);
    other.commit_sync()?;
    match zombie.commit_sync() {
        Err(Error::Broker(error)) => {
            let refused = [ErrorCode::UNKNOWN_MEMBER_ID, ErrorCode::FENCED_MEMBER_EPOCH, ErrorCode::ILLEGAL_GENERATION];
            assert!(refused.contains(&error.code) && !error.fatal, "{error:?}");
        }
        other => panic!("{other:?}"),
    }
    poll_until(&mut zombie, "Event::Lost", SOON, |event| match event.expect("nothing fails") {
        Event::Lost(partitions) => {
            assert!(partitions.eq([TopicPartition::new(&topic, 0)]));
            Some(())
        }
        Event::Records(mut records) => panic!("{:?}", records.next().map(|record| record.offset())),
        _ => None,
    });
    other.close()?;
    assert_eq!(take(&mut zombie, 1)?, [(0, 4)], "from what the other has committed");
    Ok(zombie.close()?)
}

#[test]
fn who_does_not_poll_for_too_long_loses_the_partitions_and_gets_them_again() -> Outcome {
    let (topic, group) = (topic("late", 1, "")?, unique("group"));
    let config = config(kafka().bootstrap(), &group).max_poll_interval(Duration::from_secs(1));
    let config = config.enable_auto_commit(false);
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
    assert!(kafka().admin(&format!("group {group}"))?.starts_with("Empty"), "it has said so");
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
fn heartbeats_go_on_while_a_record_is_worked_on() -> Outcome {
    let (topic, group) = (topic("slow", 1, "")?, unique("group"));
    let config = config(kafka().bootstrap(), &group).enable_auto_commit(false);
    let mut ledger = Ledger::default();
    send(&mut ledger, &topic, 0, 3, 10, 0)?;
    let mut member = Member::new(config, &topic)?;
    wait("the partition", || {
        if member.owned.is_empty() {
            member.turn(&mut Ledger::default())?;
        }
        Ok(!member.owned.is_empty())
    })?;
    let mut event = member.consumer.poll(SOON)?.expect("records");
    let Event::Records(records) = &mut event else { panic!("records come first") };
    let record = records.next().expect("three in one batch");
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(5) {
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
fn a_topic_that_grows_and_one_that_is_made_anew() -> Outcome {
    let (topic, group) = (topic("anew", 1, "")?, unique("group"));
    let mut member = Member::new(config(kafka().bootstrap(), &group), &topic)?;
    let mut ledger = Ledger::default();
    send(&mut ledger, &topic, 0, 3, 10, 0)?;
    wait("the first partition", || {
        member.turn(&mut ledger)?;
        Ok(ledger.left() == 0)
    })?;
    kafka().admin(&format!("partitions {topic} 2"))?;
    wait("the second partition", || {
        member.turn(&mut ledger)?;
        Ok(member.owned.len() == 2)
    })?;
    assert_eq!(member.revoked, 0);
    kafka().admin(&format!("delete {topic}"))?;
    wait("no partition", || {
        match member.turn(&mut ledger) {
            // it is told that the topic is gone
            Ok(()) | Err(Error::Broker(_)) => {}
            Err(error) => return Err(error.into()),
        }
        // and the commit after it is over, which by names would count for the new topic
        Ok(member.owned.is_empty() && member.consumer.assignment().len() == 0)
    })?;
    kafka().admin(&format!("create {topic} 1 1"))?;
    let mut ledger = Ledger::default();
    send(&mut ledger, &topic, 0, 5, 10, 0)?;
    wait("the new topic from its start", || {
        match member.turn(&mut ledger) {
            Ok(()) | Err(Error::Broker(_)) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(ledger.left() == 0)
    })?;
    Ok(member.consumer.close()?)
}

#[test]
fn a_static_member_changes_from_topics_to_a_pattern_and_back() -> Outcome {
    let (first, second, group) = (topic("kind-a", 1, "")?, topic("kind-b", 1, "")?, unique("group"));
    let mut consumer = consumer(config(kafka().bootstrap(), &group).group_instance_id("kind"), 4096)?;
    for kind in ["topics", "pattern", "topics"] {
        consumer.unsubscribe();
        let wanted = match kind {
            "topics" => consumer.subscribe(&[&first]).map(|()| &first)?,
            _ => consumer.subscribe_pattern(&second).map(|()| &second)?,
        };
        poll_until(&mut consumer, kind, SOON, |event| {
            event.expect("nothing fails");
            Some(())
        });
        // the broker looks for what matches in its own time
        let until = std::time::Instant::now() + Duration::from_secs(7);
        while std::time::Instant::now() < until {
            let _ = consumer.poll(Duration::from_millis(100))?;
        }
        let owned: Vec<_> = consumer.control().assignment().map(|partition| partition.topic.to_owned()).collect();
        assert_eq!(owned, [wanted.as_str()], "{kind}");
    }
    Ok(consumer.close()?)
}

#[test]
fn topics_by_a_pattern_that_the_broker_evaluates() -> Outcome {
    let (first, group) = (topic("pattern-a", 2, "")?, unique("group"));
    let other = topic("nopattern", 1, "")?;
    let config = config(kafka().bootstrap(), &group);
    let mut consumer = consumer(config, 4096)?;
    assert_eq!(consumer.subscribe_pattern(""), Err(UsageError::Pattern.into()));
    consumer.subscribe_pattern("pattern-.*")?;
    assert_eq!(consumer.subscribe(&["t"]), Err(UsageError::SubscriptionType.into()));
    let mut owned: BTreeSet<(String, i32)> = BTreeSet::new();
    let mut until = |consumer: &mut Consumer<'_>, count: usize| {
        poll_until(consumer, "partitions by a pattern", SOON, |event| {
            match event.expect("nothing fails") {
                Event::Assigned(partitions) => owned.extend(partitions.map(|p| (p.topic.to_owned(), p.partition))),
                Event::Revoked(partitions) | Event::Lost(partitions) => panic!("{partitions:?}"),
                _ => {}
            }
            (owned.len() == count).then_some(())
        });
        owned.clone()
    };
    assert_eq!(until(&mut consumer, 2), [(first.clone(), 0), (first.clone(), 1)].into());
    let mut ledger = Ledger::default();
    send(&mut ledger, &first, 0, 3, 10, 0)?;
    read(&mut consumer, &mut ledger)?;
    let second = topic("pattern-b", 1, "")?;
    let all = until(&mut consumer, 3);
    assert!(all.contains(&(second.clone(), 0)) && !all.iter().any(|(topic, _)| *topic == other));
    let mut ledger = Ledger::default();
    send(&mut ledger, &second, 0, 3, 10, 0)?;
    read(&mut consumer, &mut ledger)?;
    consumer.close()?;

    let mut consumer = nanokafka_real::consumer(config, 4096)?;
    consumer.subscribe_pattern("pattern-(")?;
    let error = poll_until(&mut consumer, "the refusal", SOON, |event| event.err());
    let Error::Broker(error) = error else { panic!("{error}") };
    assert!(error.code == ErrorCode::INVALID_REGULAR_EXPRESSION && error.fatal, "{error:?}");
    Ok(())
}

#[test]
fn what_the_broker_refuses_for_good_is_fatal() -> Outcome {
    let (topic, group) = (topic("refused", 1, "")?, unique("group"));
    let mut consumer = consumer(config(kafka().bootstrap(), &group).group_remote_assignor("nosuch"), 4096)?;
    consumer.subscribe(&[&topic])?;
    let error = poll_until(&mut consumer, "the refusal", SOON, |event| event.err());
    let Error::Broker(error) = error else { panic!("{error}") };
    assert!(error.code == ErrorCode::UNSUPPORTED_ASSIGNOR && error.fatal, "{error:?}");
    Ok(())
}

#[test]
fn more_partitions_than_fit_are_left_to_others() -> Outcome {
    let (topic, group) = (topic("many", 4, "")?, unique("group"));
    let mut small = sized(config(kafka().bootstrap(), &group), 3, 2, 4096)?;
    small.subscribe(&[&topic])?;
    let error = poll_until(&mut small, "the refusal", SOON, |event| match event {
        Ok(Event::Assigned(partitions)) => {
            assert_eq!(partitions.len(), 0); // before the broker has computed anything
            None
        }
        Ok(_) => None,
        Err(error) => Some(error),
    });
    let Error::Capacity(capacity) = error else { panic!("{error}") };
    assert_eq!((capacity.needed, capacity.have), (4, 3));
    quiet(&mut small, Duration::from_millis(300));
    assert!(kafka().admin(&format!("group {group}"))?.starts_with("Empty"));
    Ok(())
}

#[test]
fn a_group_shared_with_librdkafka() -> Outcome {
    let (topic, group) = (topic("mixed", 4, "")?, unique("group"));
    let config = config(kafka().bootstrap(), &group);
    let mut ledger = Ledger::default();
    let theirs: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", kafka().bootstrap())
        .set("group.id", &group)
        .set("group.protocol", "consumer")
        .set("auto.offset.reset", "earliest")
        .set("enable.auto.commit", "false")
        .create()?;
    theirs.subscribe(&[&topic])?;
    let assigned = || theirs.assignment().map(|list| list.count()).unwrap_or(0);
    wait("all partitions for librdkafka", || {
        let _ = theirs.poll(Duration::from_millis(10));
        Ok(assigned() == 4)
    })?;
    let mut ours = Member::new(config, &topic)?;
    wait("two for each", || {
        let _ = theirs.poll(Duration::from_millis(10));
        ours.turn(&mut ledger)?;
        Ok(assigned() == 2 && ours.owned.len() == 2)
    })?;
    for partition in 0..4 {
        send(&mut ledger, &topic, partition, 10, 10, 0)?;
    }
    let mut their_count = 0;
    wait("all records", || {
        if let Some(message) = theirs.poll(Duration::from_millis(10)) {
            theirs.commit_message(&message?, CommitMode::Sync)?;
            their_count += 1;
        }
        ours.turn(&mut ledger)?;
        Ok(ledger.left() == 20 && their_count == 20)
    })?;
    drop(theirs);
    wait("all partitions for us", || {
        ours.turn(&mut ledger)?;
        Ok(ours.owned.len() == 4)
    })?;
    Ok(ours.consumer.close()?)
}

/// A group of the classic protocol changes over one member at a time, and back.
#[test]
fn a_live_group_changes_over_to_the_protocol_and_back() -> Outcome {
    let (topic, group) = (topic("upgrade", 6, "")?, unique("group"));
    let next = config(kafka().bootstrap(), &group);
    let classic = next.group_protocol(GroupProtocol::Classic).heartbeat_interval(Duration::from_millis(200));
    let mut ledger = Ledger::default();
    let mut members = vec![Member::new(classic, &topic)?, Member::new(classic, &topic)?];
    settle(&mut members, &topic, &mut ledger, 3)?;
    for config in [next, next, classic, classic] {
        members.push(Member::new(config, &topic)?);
        settle(&mut members, &topic, &mut ledger, 2)?;
        members.remove(0).consumer.close()?;
        settle(&mut members, &topic, &mut ledger, 3)?;
        println!("{}", kafka().admin(&format!("group {group}"))?);
    }
    members.into_iter().try_for_each(|member| member.consumer.close())?;
    check_committed(&group, &topic, &ledger)
}

/// It dies twice, and comes back.
#[test]
fn a_group_outlives_its_coordinator() -> Outcome {
    // nobody polls while a node starts
    let mut cluster = Cluster::start(3, RELEASE, &[("group.consumer.session.timeout.ms", "30000")])?;
    cluster.admin("create t 1,2,3;2,3,1;3,1,2 0")?;
    cluster.admin("producer p acks=all")?;
    let bootstrap = cluster.bootstrap().to_owned();
    let config =
        config(&bootstrap, "g").request_timeout(Duration::from_secs(2)).fetch_max_wait(Duration::from_millis(500));
    let mut ledger = Ledger::default();
    let mut members: Vec<_> = (0..2).map(|_| Member::new(config, "t")).collect::<Result<_, _>>()?;
    wait("partitions for both", || {
        members.iter_mut().try_for_each(|member| member.turn(&mut ledger))?;
        Ok(members.iter().all(|member| !member.owned.is_empty())
            && members.iter().map(|m| m.owned.len()).sum::<usize>() == 3)
    })?;
    let before: Vec<_> = members.iter().map(|member| (member.assigned, member.revoked)).collect();
    let mut number = 0;
    for _ in 0..2 {
        let coordinator: usize = cluster.admin("coordinator g")?.parse()?;
        cluster.kill(coordinator)?;
        let start = Instant::now();
        for partition in 0..3 {
            cluster.admin(&format!("send p t {partition} 20 100 {number}"))?;
            ledger.sent(partition, 20, 100, number);
        }
        number += 20;
        wait("all records", || {
            members.iter_mut().try_for_each(|member| member.turn(&mut ledger))?;
            Ok(ledger.left() == 0)
        })?;
        println!("read on after {:?}", start.elapsed());
        cluster.restart(coordinator)?;
        whole(&cluster, "__consumer_offsets", 3)?;
    }
    let after: Vec<_> = members.iter().map(|member| (member.assigned, member.revoked)).collect();
    assert_eq!(after, before, "a coordinator that dies is no rebalance");
    Ok(())
}

#[test]
fn a_broker_without_the_protocol_is_told_or_fallen_back_from() -> Outcome {
    let kafka = Kafka::start(1, RELEASE, &[("group.coordinator.rebalance.protocols", "classic")])?;
    for command in ["create t 2 1", "producer p", "send p t 0 5 10"] {
        kafka.admin(command)?;
    }
    let config = config(kafka.bootstrap(), "g");
    let mut strict = consumer(config, 4096)?;
    strict.subscribe(&["t"])?;
    let error = poll_until(&mut strict, "the refusal", SOON, |event| event.err());
    let Error::Broker(error) = error else { panic!("{error}") };
    assert!(error.code == ErrorCode::UNSUPPORTED_VERSION && error.fatal, "{error:?}");
    let mut auto = consumer(config.group_protocol(GroupProtocol::Auto), 4096)?;
    auto.subscribe(&["t"])?;
    assert_eq!(take(&mut auto, 5)?.len(), 5);
    assert!(kafka.admin("group g")?.starts_with("Stable"));
    auto.commit_sync()?;
    assert_eq!(kafka.admin("committed g")?, "{t-0=5}");
    Ok(auto.close()?)
}

#[test]
fn auto_takes_the_protocol_where_it_is() -> Outcome {
    let (topic, group) = (topic("auto", 1, "")?, unique("group"));
    let mut consumer = consumer(config(kafka().bootstrap(), &group).group_protocol(GroupProtocol::Auto), 4096)?;
    consumer.subscribe(&[&topic])?;
    send(&mut Ledger::default(), &topic, 0, 1, 10, 0)?;
    assert_eq!(take(&mut consumer, 1)?, [(0, 0)]);
    let described = kafka().admin(&format!("group {group}"))?;
    assert!(described.starts_with("Stable assignor=uniform"), "an assignor of the broker: {described}");
    Ok(consumer.close()?)
}
