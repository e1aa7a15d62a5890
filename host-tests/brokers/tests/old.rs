//! Old releases: KRaft before the current group protocol, and ZooKeeper.

use nanokafka_brokers::Kafka;
use std::io::Result;

#[test]
fn kafka_3_9_takes_records() -> Result<()> {
    takes_records("3.9.1")
}

#[test]
fn kafka_2_8_takes_records() -> Result<()> {
    takes_records("2.8.2")
}

#[test]
fn kafka_2_1_takes_records() -> Result<()> {
    takes_records("2.1.1")
}

fn takes_records(release: &str) -> Result<()> {
    let kafka = Kafka::start(1, release, &[])?;
    kafka.admin("create t 1 1")?;
    kafka.admin("producer p")?;
    assert_eq!(kafka.admin("send p t 0 10 100")?, "0 9");
    assert_eq!(kafka.admin("ends t 0")?, "0 10");
    Ok(())
}
