//! Real brokers do what the harness promises of them.

use nanokafka_brokers::{wait_for, Cluster, Kafka};
use std::io::Result;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(30);

#[test]
fn a_single_node_takes_records() -> Result<()> {
    let kafka = Kafka::start(1, nanokafka_brokers::RELEASE, &[("broker.rack", "shelf-@ID@")])?;
    kafka.admin("create t 1 1")?;
    kafka.admin("producer p")?;
    assert_eq!(kafka.admin("send p t 0 10 100")?, "0 9");
    assert_eq!(kafka.admin("ends t 0")?, "0 10");
    let error = kafka.admin("ends absent 0").expect_err("no such topic").to_string();
    assert!(error.contains("UnknownTopicOrPartition"), "{error}");
    Ok(())
}

#[test]
fn a_leader_moves_between_nodes_of_one_process() -> Result<()> {
    let kafka = Kafka::three()?;
    kafka.admin("create t 1,2,3 0")?;
    wait_for("leader 1", SOON, || Ok(kafka.admin("leader t")?.contains(" 0:1/isr=1,2,3")))?;
    kafka.admin("reassign t 0 2,1,3")?;
    kafka.admin("elect preferred t 0")?;
    wait_for("leader 2", SOON, || Ok(kafka.admin("leader t")?.contains(" 0:2/")))
}

#[test]
fn nodes_are_killed_restarted_and_frozen() -> Result<()> {
    let mut cluster = Cluster::three_processes()?;
    cluster.admin("create t 1,2,3 0")?;
    cluster.admin("producer p acks=all")?;
    cluster.admin("send p t 0 10 100")?;

    cluster.kill(1)?;
    wait_for("another leader", SOON, || {
        let leader = cluster.admin("leader t")?;
        Ok(leader.contains(" 0:2/") || leader.contains(" 0:3/"))
    })?;
    assert!(cluster.stop(1).is_err(), "a killed node cannot be stopped");
    cluster.restart(1)?;
    wait_for("node 1 in the ISR", SOON, || Ok(isr(&cluster)?.contains('1')))?;

    cluster.stop(3)?;
    wait_for("node 3 out of the ISR", SOON, || Ok(!isr(&cluster)?.contains('3')))?;
    cluster.cont(3)?;
    wait_for("node 3 back in the ISR", SOON, || Ok(isr(&cluster)?.contains('3')))?;
    assert_eq!(cluster.admin("ends t 0")?, "0 10");
    Ok(())
}

/// In-sync replicas of partition 0.
fn isr(cluster: &Cluster) -> Result<String> {
    let leader = cluster.admin("leader t")?;
    Ok(leader.rsplit_once("isr=").map(|(_, isr)| isr.to_owned()).unwrap_or_default())
}
