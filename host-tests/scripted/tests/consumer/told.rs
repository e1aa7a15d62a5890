//! What the application must hear, found at a moment when it is not polling.
use nanokafka::{
    Async, Config, Consumer, Error, Event, OffsetReset, PartitionErrorKind, PartitionOffset, Seed, Storage, Superloop,
    TopicPartition,
};
use nanokafka_scripted::{batch, Api, Cluster, Net, Profile};
use std::task::Poll;
use std::time::Duration;

const CONFIG: Config<'static> = Config::new("b1:9092").auto_offset_reset(OffsetReset::Earliest);

fn partition(partition: i32) -> TopicPartition<'static> {
    TopicPartition::new("t", partition)
}

/// Partitions of five records each, read to their ends.
fn consumer(cluster: &Cluster, partitions: i32, config: Config<'static>) -> Consumer<'static, Async<Net>> {
    let topic = cluster.topic("t", partitions as usize);
    let mut consumer: Consumer<'_, Async<Net>> =
        Consumer::new(Storage::boxed(8, 2, 512), config, cluster.net(2), Seed::new([5; 32])).unwrap();
    consumer.assign(&(0..partitions).map(partition).collect::<Vec<_>>()).unwrap();
    for partition in 0..partitions {
        topic.append(partition, batch().fill(3, 10)).append(partition, batch().fill(2, 10));
    }
    cluster.block_on(async {
        let mut read = 0;
        while read < 5 * partitions as usize {
            if let Event::Records(records) = consumer.poll().await.unwrap() {
                read += records.count();
            }
        }
    });
    consumer
}

/// The next `count` events other than the ends of partitions, within a minute.
fn events(cluster: &Cluster, consumer: &mut Consumer<'static, Async<Net>>, count: usize) -> Vec<String> {
    cluster.time_limit(cluster.millis() + 60_000);
    cluster.block_on(async {
        let mut told = vec![];
        while told.len() < count {
            told.push(match consumer.poll().await {
                Ok(Event::Truncated(truncated)) => {
                    format!("{} from {} to {}", truncated.partition, truncated.from, truncated.to)
                }
                Ok(Event::EndOfPartition(_)) => continue,
                Ok(Event::Records(records)) => format!("{} records", records.count()),
                Ok(_) => "something else".to_string(),
                Err(error) => error.to_string(),
            });
        }
        told
    })
}

#[test]
fn a_truncation_found_while_offsets_are_asked_for_is_told_by_the_next_poll() {
    for partitions in [1, 2, 3] {
        let cluster = Cluster::new(1);
        let mut consumer = consumer(&cluster, partitions, CONFIG);
        for partition in 0..partitions {
            cluster.partition("t", partition).truncate(3, 1);
        }
        let mut offsets: Vec<_> = (0..partitions).map(|partition| PartitionOffset::new("t", partition)).collect();
        cluster.block_on(consumer.end_offsets(&mut offsets)).unwrap();
        assert!(offsets.iter().all(|entry| entry.offset == Some(3)), "{offsets:?}");
        let mut told = events(&cluster, &mut consumer, partitions as usize);
        told.sort();
        let expected: Vec<_> = (0..partitions).map(|partition| format!("t-{partition} from 5 to 3")).collect();
        assert_eq!(told, expected);
        assert!((0..partitions).all(|n| consumer.position(partition(n)) == Some(3)));
    }
}

#[test]
fn a_truncation_found_by_poll_is_told_at_once_and_below_it_nothing_is_committed() {
    let cluster = Cluster::new(1);
    let mut consumer = consumer(&cluster, 2, CONFIG.group_id("g").enable_auto_commit(false));
    cluster.partition("t", 0).truncate(3, 1);
    assert_eq!(events(&cluster, &mut consumer, 1), ["t-0 from 5 to 3"]);
    cluster.block_on(consumer.commit_sync()).unwrap();
    assert_eq!([0, 1].map(|n| cluster.committed_offset("g", "t", n)), [Some(3), Some(5)]);
}

#[test]
fn every_partition_without_an_offset_is_told() {
    let cluster = Cluster::new(1);
    cluster.topic("t", 3);
    let config = CONFIG.auto_offset_reset(OffsetReset::None);
    let mut consumer: Consumer<'_, Async<Net>> =
        Consumer::new(Storage::boxed(8, 2, 512), config, cluster.net(2), Seed::new([5; 32])).unwrap();
    consumer.assign(&[partition(0), partition(1), partition(2)]).unwrap();
    cluster.block_on(async {
        for n in 0..3 {
            match consumer.poll().await {
                Err(Error::Partition(error)) => {
                    assert_eq!((error.partition, error.kind), (n, PartitionErrorKind::NoOffset));
                }
                Err(error) => panic!("{error}"),
                Ok(_) => panic!("an event"),
            }
        }
    });
}

#[test]
fn a_superloops_commit_sync_is_not_answered_by_the_automatic_commit_before_it() {
    for (interval, wait) in [(50, 200), (50, 50)] {
        let cluster = Cluster::new(1);
        cluster.configure(|settings| settings.latency_ms = 30);
        let topic = cluster.topic("t", 1);
        let mut net = cluster.net(2);
        let config = CONFIG.group_id("g").auto_commit_interval(Duration::from_millis(interval));
        let mut consumer =
            Consumer::<Superloop>::new(Storage::boxed(8, 2, 512), config, Superloop, Seed::new([5; 32])).unwrap();
        consumer.assign(&[partition(0)]).unwrap();
        let mut read = |cluster: &Cluster, count: usize, millis: u64| {
            topic.append(0, batch().fill(count, 10));
            let (mut read, until) = (0, cluster.millis() + millis);
            while read < count || cluster.millis() < until {
                match consumer.poll(cluster.now(), &mut net).unwrap() {
                    Some(Event::Records(records)) => read += records.count(),
                    Some(_) => {}
                    None => assert!(cluster.tick(consumer.next_timeout(cluster.now()))),
                }
            }
        };
        read(&cluster, 3, wait);
        read(&cluster, 2, 0);
        while consumer.commit_sync(cluster.now(), &mut net).map(Result::unwrap) == Poll::Pending {
            assert!(cluster.tick(consumer.next_timeout(cluster.now())));
        }
        assert_eq!(cluster.committed_offset("g", "t", 0), Some(5), "automatically each {interval} ms");
    }
}

/// As Java's, which commits all positions each time: an offset that was listed says nothing about the position.
#[test]
fn positions_are_committed_again_after_an_offset_below_them_was() {
    let cluster = Cluster::new(1);
    let mut consumer = consumer(&cluster, 2, CONFIG.group_id("g").enable_auto_commit(false));
    let committed = || [0, 1].map(|n| cluster.committed_offset("g", "t", n));
    cluster.block_on(consumer.commit_sync()).unwrap();
    cluster.block_on(consumer.commit_offsets(&[PartitionOffset::new("t", 0).offset(2)])).unwrap();
    assert_eq!(committed(), [Some(2), Some(5)]);
    cluster.block_on(consumer.commit_sync()).unwrap();
    assert_eq!(committed(), [Some(5); 2]);
}

#[test]
fn a_question_is_not_answered_with_what_became_of_another_topic() {
    let cluster = Cluster::new(1);
    let mut consumer = consumer(&cluster, 1, CONFIG.group_id("g"));
    cluster.topic("u", 1);
    cluster.commit("g", "t", 0, 4, -1).fail(Api::Metadata, 29, 1);
    consumer.assign(&[partition(0), TopicPartition::new("u", 0)]).unwrap();
    let mut offsets = [PartitionOffset::new("t", 0)];
    cluster.block_on(consumer.committed(&mut offsets)).unwrap();
    assert_eq!(offsets[0].offset, Some(4));
    assert!(events(&cluster, &mut consumer, 1)[0].contains("TOPIC_AUTHORIZATION_FAILED"));
}

/// The code of the answer as a whole, which comes last, says nothing of its partitions.
#[test]
fn an_offset_that_the_broker_refuses_to_tell_is_not_none() {
    let cluster = Cluster::new(1);
    let mut consumer = consumer(&cluster, 2, CONFIG.group_id("g"));
    cluster.commit("g", "t", 0, 4, -1).commit("g", "t", 1, 5, -1);
    cluster.fail_partition(Api::OffsetFetch, "t", 1, 29, 1);
    let mut offsets = [PartitionOffset::new("t", 0), PartitionOffset::new("t", 1)];
    assert!(cluster.block_on(consumer.committed(&mut offsets)).is_err(), "{offsets:?}");
}

#[test]
fn offsets_are_committed_without_an_assignment() {
    let cluster = Cluster::new(1);
    cluster.topic("t", 1);
    let mut consumer: Consumer<'_, Async<Net>> =
        Consumer::new(Storage::boxed(8, 2, 512), CONFIG.group_id("g"), cluster.net(2), Seed::new([5; 32])).unwrap();
    cluster.block_on(consumer.commit_offsets(&[PartitionOffset::new("t", 0).offset(2)])).unwrap();
    assert_eq!(cluster.committed_offset("g", "t", 0), Some(2));
}

/// No poll can mend it, so a loop that goes on after what is not fatal must end.
#[test]
fn a_transport_with_too_few_connections_is_fatal() {
    let cluster = Cluster::new(1);
    let mut consumer: Consumer<'_, Async<Net>> =
        Consumer::new(Storage::boxed(8, 3, 512), CONFIG, cluster.net(2), Seed::new([5; 32])).unwrap();
    consumer.assign(&[partition(0)]).unwrap();
    assert!(cluster.block_on(consumer.poll()).is_err_and(|error| error.is_fatal()));
}

/// Nothing moves when it turns out that there is nothing to ask: the next step must not wait for something that does.
#[test]
fn a_leader_that_cannot_validate_is_fetched_from_at_once() {
    let cluster = Cluster::new(1);
    cluster.profile(Profile::kafka_4_3().with(Api::OffsetForLeaderEpoch, None));
    cluster.topic("t", 1).append(0, batch().fill(3, 10));
    cluster.partition("t", 0).elect(-1).elect(1);
    cluster.commit("g", "t", 0, 1, 0);
    let config = CONFIG.group_id("g").enable_auto_commit(false);
    let mut consumer: Consumer<'_, Async<Net>> =
        Consumer::new(Storage::boxed(8, 2, 512), config, cluster.net(2), Seed::new([5; 32])).unwrap();
    consumer.assign(&[partition(0)]).unwrap();
    assert_eq!(events(&cluster, &mut consumer, 1), ["2 records"]);
    assert!(cluster.millis() < 1_000, "{} ms", cluster.millis());
}
