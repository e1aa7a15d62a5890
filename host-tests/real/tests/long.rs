//! The same for longer: a million and a half records, and ten losses of each kind.

use nanokafka_real::faults::{leaders, three_processes, whole, Work, RECOVERY};
use nanokafka_real::{config, consumer, kafka, partitions, produce_mixed, read, topic, unique, Outcome, SOON};
use std::time::Duration;

#[test]
fn a_million_and_a_half_records_through_each_window() -> Outcome {
    for round in 0..5 {
        let topic = topic(&format!("round-{round}"), 12, "")?;
        let produced = produce_mixed(kafka().bootstrap(), &topic, 12, 300_000)?;
        for window in [1024, 4096, 65_536, 1 << 20] {
            let mut ledger = produced.clone();
            let mut consumer = consumer(config(kafka().bootstrap()), window)?;
            consumer.assign(&partitions(&topic, 12))?;
            read(&mut consumer, &mut ledger)?;
            consumer.close()?;
        }
        kafka().admin(&format!("delete {topic}"))?;
    }
    Ok(())
}

/// Kills, freezes and moves leaders in turn, whichever node leads.
#[test]
fn thirty_losses() -> Outcome {
    let mut cluster = three_processes()?;
    cluster.admin("create warm 1 3")?;
    cluster.admin("commit warm warm 0 0")?;
    let bootstrap = cluster.bootstrap().to_owned();
    let mut recoveries = Vec::new();
    for round in 0..30 {
        let (topic, group) = (unique("loss"), unique("group"));
        cluster.admin(&format!("create {topic} 1,2,3;2,3,1;3,1,2 0 message.timestamp.type=LogAppendTime"))?;
        nanokafka_brokers::wait_for(
            "leaders",
            SOON,
            || Ok(leaders(&cluster, &topic).unwrap_or_default() == [1, 2, 3]),
        )?;
        let node = round / 3 % 3 + 1;
        let next = node % 3 + 1;
        let config = config(&bootstrap)
            .group_id(&group)
            .enable_auto_commit(true)
            .request_timeout(Duration::from_secs(2))
            .fetch_max_wait(Duration::from_millis(500))
            .heartbeat_interval(Duration::from_secs(1));
        let affected = [node as i32 - 1];
        let work = Work { topic: &topic, partitions: 3, affected: &affected, connections: 2 + round % 3 };
        let kind = ["kill", "freeze", "move"][round % 3];
        let recovery = work.survive(
            config,
            &mut cluster,
            |cluster| match kind {
                "kill" => cluster.kill(node),
                "freeze" => cluster.stop(node),
                _ => {
                    let last = 6 - node - next;
                    cluster.admin(&format!("reassign {topic} {} {next},{node},{last}", node - 1))?;
                    cluster.admin(&format!("elect preferred {topic} {}", node - 1)).map(|_| ())
                }
            },
            |cluster| Ok(leaders(cluster, &topic)?.get(node - 1).is_some_and(|&id| id > 0 && id != node as i32)),
        )?;
        println!("recovery {round}: {kind} of node {node}: {recovery:?}");
        recoveries.push(recovery);
        match kind {
            "kill" => cluster.restart(node)?,
            "freeze" => cluster.cont(node)?,
            _ => {}
        }
        whole(&cluster, &topic, 3)?;
        whole(&cluster, "__consumer_offsets", 3)?;
        cluster.admin(&format!("delete {topic}"))?;
    }
    recoveries.sort();
    println!("recoveries: median {:?}, longest {:?}", recoveries[15], recoveries[29]);
    assert!(recoveries[29] <= RECOVERY, "{recoveries:?}");
    Ok(())
}
