//! Brokers that die, freeze and come back, leaders that move: nothing is lost, nothing comes twice, nobody is told, and
//! records flow again within 2 s from the moment the cluster could serve them.

use nanokafka::{Config, OffsetReset, TopicPartition};
use nanokafka_brokers::{wait_for, Cluster};
use nanokafka_real::faults::{cluster, leaders, whole, Work, RECOVERY};
use nanokafka_real::{config, consumer, poll_until, quiet, sized, take, unique, Outcome, SOON};
use nanokafka_std::blocking::Event;
use std::io;
use std::time::{Duration, Instant};

/// A topic with replica lists such as `1,2,3;2,3,1`.
fn topic(cluster: &Cluster, name: &str, replicas: &str) -> io::Result<String> {
    let topic = unique(name);
    cluster.admin(&format!("create {topic} {replicas} 0 message.timestamp.type=LogAppendTime"))?;
    let partitions = replicas.split(';').count();
    wait_for("leaders", SOON, || {
        // a node that lags behind does not know the topic
        let leaders = leaders(cluster, &topic).unwrap_or_default();
        Ok(leaders.iter().filter(|&&id| id > 0).count() == partitions)
    })?;
    Ok(topic)
}

/// A silent peer is noticed after 2 s.
fn impatient<'a>(bootstrap: &'a str, group: &'a str) -> Config<'a> {
    config(bootstrap)
        .group_id(group)
        .enable_auto_commit(true)
        .request_timeout(Duration::from_secs(2))
        .fetch_max_wait(Duration::from_millis(500))
        .heartbeat_interval(Duration::from_secs(1))
}

fn check(what: &str, recovery: Duration) {
    println!("recovery: {what}: {recovery:?}");
    assert!(recovery <= RECOVERY, "{what}: {recovery:?}");
}

const THREE: &str = "1,2,3;2,3,1;3,1,2";

#[test]
fn a_leader_is_killed() -> Outcome {
    let mut cluster = cluster();
    let bootstrap = cluster.bootstrap().to_owned();
    for (node, connections) in [(1, 2), (2, 4)] {
        let (topic, group) = (topic(&cluster, "killed", THREE)?, unique("group"));
        let config = impatient(&bootstrap, &group);
        let work = Work { topic: &topic, partitions: 3, affected: &[node as i32 - 1], connections };
        let recovery = work.survive(
            config,
            &mut cluster,
            |cluster| cluster.kill(node),
            |cluster| Ok(leaders(cluster, &topic)?.iter().all(|&leader| leader > 0 && leader != node as i32)),
        )?;
        check(&format!("leader killed, {connections} connections"), recovery);
        cluster.restart(node)?;
        whole(&cluster, &topic, 3)?;
    }
    Ok(())
}

#[test]
fn a_leader_freezes() -> Outcome {
    let mut cluster = cluster();
    let bootstrap = cluster.bootstrap().to_owned();
    let (topic, group) = (topic(&cluster, "frozen", THREE)?, unique("group"));
    let work = Work { topic: &topic, partitions: 3, affected: &[1], connections: 4 };
    let recovery = work.survive(
        impatient(&bootstrap, &group),
        &mut cluster,
        |cluster| cluster.stop(2),
        |cluster| Ok(leaders(cluster, &topic)?.iter().all(|&leader| leader > 0 && leader != 2)),
    )?;
    cluster.cont(2)?;
    check("leader frozen", recovery);
    Ok(())
}

#[test]
fn a_leader_moves() -> Outcome {
    let mut cluster = cluster();
    let bootstrap = cluster.bootstrap().to_owned();
    // within the replicas, and away from a single one
    for (replicas, moved) in [("1,2", "2,1"), ("1,3", "3")] {
        for connections in [2, 4] {
            let (topic, group) = (topic(&cluster, "moves", replicas)?, unique("group"));
            let work = Work { topic: &topic, partitions: 1, affected: &[0], connections };
            let leader: i32 = moved[..1].parse()?;
            let recovery = work.survive(
                impatient(&bootstrap, &group),
                &mut cluster,
                |cluster| {
                    cluster.admin(&format!("reassign {topic} 0 {moved}"))?;
                    if moved.len() > 1 {
                        cluster.admin(&format!("elect preferred {topic} 0"))?;
                    }
                    Ok(())
                },
                |cluster| Ok(leaders(cluster, &topic)? == [leader]),
            )?;
            check(&format!("leader moved from {replicas} to {moved}, {connections} connections"), recovery);
        }
    }
    Ok(())
}

#[test]
fn the_coordinator_is_killed() -> Outcome {
    let mut cluster = cluster();
    let bootstrap = cluster.bootstrap().to_owned();
    let (topic, group) = (topic(&cluster, "coordinator", "1,2,3")?, unique("group"));
    cluster.admin("producer c")?;
    cluster.admin(&format!("send c {topic} 0 100 10"))?;
    let config = impatient(&bootstrap, &group).enable_auto_commit(false);
    let mut consumer = sized(config, 16, 2, 4096)?;
    consumer.subscribe(&[&topic])?;
    take(&mut consumer, 10)?;
    consumer.commit_sync()?;
    let coordinator: usize = cluster.admin(&format!("coordinator {group}"))?.parse()?;
    take(&mut consumer, 10)?;
    cluster.kill(coordinator)?;
    let (shared, group_id) = (&mut *cluster, &group);
    let (healthy, committed) = std::thread::scope(|scope| {
        let healthy = scope.spawn(move || -> io::Result<Instant> {
            wait_for("another coordinator", SOON, || {
                let answer = shared.admin(&format!("coordinator {group_id}"));
                Ok(answer.is_ok_and(|id| id != coordinator.to_string()))
            })?;
            Ok(Instant::now())
        });
        consumer.commit_sync().expect("retried inside");
        let committed = Instant::now();
        (healthy.join().expect("it does not panic"), committed)
    });
    let recovery = committed.saturating_duration_since(healthy?);
    assert_eq!(cluster.admin(&format!("committed {group}"))?, format!("{{{topic}-0=20}}"));
    // the membership goes on as well: no event says otherwise
    let mut offsets = Vec::new();
    poll_until(&mut consumer, "the other records", SOON, |event| {
        match event.expect("nothing fails") {
            Event::Records(records) => offsets.extend(records.map(|record| record.offset())),
            Event::Lost(_) | Event::Revoked(_) => panic!("the group has not changed"),
            _ => {}
        }
        (offsets.len() == 80).then_some(())
    });
    assert!(offsets.into_iter().eq(20..100));
    consumer.close()?;
    cluster.restart(coordinator)?;
    check("coordinator killed, first commit", recovery);
    Ok(())
}

#[test]
fn the_only_broker_is_killed_and_restarted() -> Outcome {
    let mut cluster = Cluster::start(1, nanokafka_brokers::RELEASE, &[])?;
    let bootstrap = cluster.bootstrap().to_owned();
    for connections in [2, 3] {
        let (topic, group) = (topic(&cluster, "only", "1;1")?, unique("group"));
        let work = Work { topic: &topic, partitions: 2, affected: &[0, 1], connections };
        let recovery = work.survive(
            impatient(&bootstrap, &group),
            &mut cluster,
            |cluster| {
                cluster.kill(1)?;
                cluster.restart(1)
            },
            |cluster| Ok(leaders(cluster, &topic)? == [1, 1]),
        )?;
        check("only broker killed and restarted", recovery);
    }
    Ok(())
}

/// Records that were consumed are gone after an unclean election, and others take their offsets.
#[test]
fn a_log_is_truncated() -> Outcome {
    let mut cluster = cluster();
    let bootstrap = cluster.bootstrap().to_owned();
    for policy in [OffsetReset::Earliest, OffsetReset::None] {
        let topic = topic(&cluster, "cut", "1,2")?;
        let (partition, producer) = (TopicPartition::new(&topic, 0), unique("p"));
        cluster.admin(&format!("producer {producer} acks=1 enable.idempotence=false"))?;
        cluster.admin(&format!("producer {producer}-all acks=all"))?;
        cluster.admin(&format!("send {producer}-all {topic} 0 100 10"))?;
        cluster.stop(2)?;
        wait_for("an ISR of one", SOON, || Ok(cluster.admin(&format!("leader {topic}"))?.ends_with("isr=1")))?;
        cluster.admin(&format!("send {producer} {topic} 0 50 10 100"))?;
        let config = impatient(&bootstrap, "").auto_offset_reset(OffsetReset::Earliest);
        let mut consumer = consumer(config.auto_offset_reset(policy), 4096)?;
        consumer.assign(&[partition])?;
        consumer.seek(partition, 0)?;
        assert_eq!(take(&mut consumer, 150)?.last(), Some(&(0, 149)));
        cluster.kill(1)?;
        cluster.cont(2)?;
        wait_for("no leader", SOON, || Ok(leaders(&cluster, &topic)? == [-1]))?;
        cluster.admin(&format!("elect unclean {topic} 0"))?;
        wait_for("the other leader", SOON, || Ok(leaders(&cluster, &topic)? == [2]))?;
        // others in the place of those that are gone, and more
        cluster.admin(&format!("send {producer} {topic} 0 80 10 1000"))?;
        let mut told = None;
        if policy == OffsetReset::None {
            let error = poll_until(&mut consumer, "the error", SOON, |event| event.err());
            let said = error.to_string();
            assert!(
                said.starts_with(&format!("{topic}-0 rests at offset 150: the log was truncated at 100")),
                "{said}"
            );
            quiet(&mut consumer, Duration::from_millis(300));
            consumer.seek(partition, 100)?;
        }
        let mut records = Vec::new();
        poll_until(&mut consumer, "the records of the new leader", SOON, |event| {
            match event.expect("nothing fails") {
                Event::Truncated(what) => told = Some((what.partition.partition, what.from, what.to)),
                Event::Records(lent) => {
                    records.extend(lent.map(|record| (record.offset(), record.key().map(<[u8]>::to_vec))));
                }
                _ => {}
            }
            (records.len() >= 80).then_some(())
        });
        let expected = (0..80).map(|n| (100 + n, Some((1000 + n).to_string().into_bytes())));
        assert!(records.into_iter().eq(expected), "from where the logs diverged");
        if policy == OffsetReset::Earliest {
            assert_eq!(told, Some((0, 150, 100)));
        }
        cluster.restart(1)?;
        whole(&cluster, "__consumer_offsets", 3)?;
    }
    Ok(())
}
