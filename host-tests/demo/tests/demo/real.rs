//! On a real Apache Kafka.

use crate::fetch::batches;
use crate::{assert_failed, assert_printed, demo, records};
use nanokafka_brokers::Kafka;
use std::io::Result;

#[test]
fn does_the_same_again_and_again() -> Result<()> {
    let kafka = Kafka::single()?;
    for run in 1..=2 {
        assert_printed(&records(&["--bootstrap", kafka.bootstrap()]), "", run);
    }

    // part 4 was about one batch of 1 MB, and a record of 900 KB
    let batches = batches(kafka.bootstrap(), "topic-large-01")?;
    let counts: Vec<_> = batches.iter().map(|batch| batch.1).collect();
    assert_eq!(counts, [1000, 1, 1000, 1]);
    assert!((1_000_000..1_048_588).contains(&batches[0].0), "{batches:?}");
    assert!(batches[1].0 > 900_000, "{batches:?}");

    // somebody has committed for the group what it has not read
    kafka.admin("commit topic-partition_01 topic-partition-04 0 3")?;
    let output = demo(&["--bootstrap", kafka.bootstrap()]);
    assert_failed(&output, &["records of topic-partition-04 are missing", "--fresh"]);

    // a topic of that name is there, and another one
    kafka.admin("delete topic-04")?;
    kafka.admin("create topic-04 3 1")?;
    let output = demo(&["--bootstrap", kafka.bootstrap()]);
    assert_failed(&output, &["topic-04 has 3 partitions, the demo needs 4", "--fresh"]);
    let fresh = records(&["--fresh", "--bootstrap", kafka.bootstrap()]);
    let suffix = fresh[0].strip_prefix("topic = topic-04").and_then(|rest| rest.split("::").next()).expect("a record");
    assert_printed(&fresh, suffix, 1);
    Ok(())
}

#[test]
fn may_not_create_topics() -> Result<()> {
    let kafka = Kafka::start(
        1,
        nanokafka_brokers::RELEASE,
        &[
            ("authorizer.class.name", "org.apache.kafka.metadata.authorizer.StandardAuthorizer"),
            ("allow.everyone.if.no.acl.found", "true"),
        ],
    )?;
    kafka.admin("acl ALLOW User:* CLUSTER kafka-cluster ALL")?;
    kafka.admin("create topic-04 4 1")?;
    kafka.admin("acl DENY User:* CLUSTER kafka-cluster CREATE")?;
    for topic in ["topic-04", "topic-partition-04"] {
        kafka.admin(&format!("acl ALLOW User:* TOPIC {topic} ALL"))?;
        kafka.admin(&format!("acl DENY User:* TOPIC {topic} CREATE"))?;
    }
    // the first topic exists, and the first part is through
    let output = demo(&["--bootstrap", kafka.bootstrap()]);
    assert_failed(&output, &["creating topic-partition-04: ", "allow this client to CREATE topics"]);
    assert_eq!(output.stdout.iter().filter(|&&byte| byte == b'\n').count(), 8);
    Ok(())
}

/// More leaders than connections, and each part's partitions on different brokers.
#[test]
fn three_brokers() -> Result<()> {
    let kafka = Kafka::three()?;
    for run in 1..=2 {
        assert_printed(&records(&["--bootstrap", kafka.bootstrap()]), "", run);
    }
    Ok(())
}

#[test]
fn brings_its_own() {
    assert_printed(&records(&["--kafka"]), "", 1);
}
