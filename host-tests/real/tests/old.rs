//! The main path against older brokers.

use nanokafka::{
    Api, Error, ErrorCode, GroupProtocol, OffsetReset, PartitionOffset, ProtocolErrorKind, TopicPartition,
};
use nanokafka_brokers::{wait_for, Kafka};
use nanokafka_real::{config, consumer, partitions, poll_until, produce_mixed, read, take, Outcome, SOON};

/// Reads, joins, commits, goes on, seeks and asks, on one node of the release.
fn main_path(release: &str) -> Outcome {
    let kafka = Kafka::start(1, release, &[])?;
    kafka.admin("create t 4 1")?;
    wait_for("leaders", SOON, || Ok(kafka.admin("leader t").is_ok_and(|leaders| !leaders.contains(":-1/"))))?;
    let produced = produce_mixed(kafka.bootstrap(), "t", 4, 20_000)?;
    for window in [4096, 65_536] {
        let mut reader = consumer(config(kafka.bootstrap()), window)?;
        reader.assign(&partitions("t", 4))?;
        read(&mut reader, &mut produced.clone())?;
        reader.close()?;
    }

    let config = config(kafka.bootstrap()).group_id("g");
    let mut ledger = produced.clone();
    let mut member = consumer(config.enable_auto_commit(true), 4096)?;
    member.subscribe(&["t"])?;
    read(&mut member, &mut ledger)?;
    let first = TopicPartition::new("t", 0);
    let end = member.position(first).expect("it was read");
    let mut question = [PartitionOffset::new("t", 0)];
    member.end_offsets(&mut question)?;
    assert_eq!(question[0].offset, Some(end));
    member.beginning_offsets(&mut question)?;
    assert_eq!(question[0].offset, Some(0));
    let mut question = [PartitionOffset::new("t", 0).timestamp(1)];
    member.offsets_for_times(&mut question)?;
    assert_eq!(question[0].offset, Some(0));
    member.close()?;
    let expected: Vec<_> = ledger.positions().map(|(partition, offset)| format!("t-{partition}={offset}")).collect();
    assert_eq!(kafka.admin("committed g")?, format!("{{{}}}", expected.join(", ")));

    let mut again = consumer(config.auto_offset_reset(OffsetReset::None), 4096)?;
    again.subscribe(&["t"])?;
    kafka.admin("producer p")?;
    kafka.admin("send p t 0 3 10")?;
    assert_eq!(take(&mut again, 1)?, [(0, end)]);
    again.seek(first, end - 1)?;
    assert_eq!(take(&mut again, 2)?, [(0, end - 1), (0, end)]);
    again.commit_sync()?;
    let mut committed = [PartitionOffset::new("t", 0)];
    again.committed(&mut committed)?;
    assert_eq!(committed[0].offset, Some(end + 1));
    Ok(again.close()?)
}

/// With KIP-848 asked for: the refusal; and with what falls back, a group of the classic protocol.
fn without_the_new_protocol(release: &str) -> Result<Error, Box<dyn std::error::Error>> {
    let kafka = Kafka::start(1, release, &[])?;
    for command in ["create t 1 1", "producer p", "send p t 0 3 10"] {
        kafka.admin(command)?;
    }
    let config = nanokafka::Config::new(kafka.bootstrap()).group_id("g").auto_offset_reset(OffsetReset::Earliest);
    let mut auto = consumer(config.group_protocol(GroupProtocol::Auto), 4096)?;
    auto.subscribe(&["t"])?;
    assert_eq!(take(&mut auto, 3)?.len(), 3);
    auto.commit_sync()?;
    assert_eq!(kafka.admin("committed g")?, "{t-0=3}");
    auto.close()?;
    let mut strict = consumer(config.group_protocol(GroupProtocol::Consumer), 4096)?;
    strict.subscribe(&["t"])?;
    Ok(poll_until(&mut strict, "the refusal", SOON, |event| event.err()))
}

#[test]
fn kafka_3_9_has_the_new_protocol_switched_off() -> Outcome {
    let error = without_the_new_protocol("3.9.1")?;
    let Error::Broker(refused) = error else { panic!("{error}") };
    assert_eq!((refused.api, refused.code), (Api::ConsumerGroupHeartbeat, ErrorCode::UNSUPPORTED_VERSION));
    assert!(refused.fatal);
    Ok(())
}

#[test]
fn kafka_2_8_has_not_the_new_protocol() -> Outcome {
    let error = without_the_new_protocol("2.8.2")?;
    let Error::Protocol(refused) = error else { panic!("{error}") };
    let range = ProtocolErrorKind::Version(0, 1, 0, -1);
    assert_eq!((refused.api, refused.kind), (Api::ConsumerGroupHeartbeat, range));
    Ok(())
}

#[test]
fn kafka_3_9() -> Outcome {
    main_path("3.9.1")
}

#[test]
fn kafka_2_8() -> Outcome {
    main_path("2.8.2")
}

#[test]
fn kafka_2_1() -> Outcome {
    main_path("2.1.1")
}
