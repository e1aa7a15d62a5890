//! A membership that outlasts the memory of its member.
use crate::client::{Client, Seen, Weather, SMALL};
use nanokafka::{Config, Error, OffsetReset, Resource, UsageError};
use nanokafka_scripted::{batch, Api, Cluster};
use std::time::Duration;

const CONFIG: Config<'static> = Config::new("b1:9092")
    .group_id("g")
    .group_instance_id("device-7")
    .session_timeout(Duration::from_secs(600))
    .enable_auto_commit(false)
    .auto_offset_reset(OffsetReset::Earliest);

/// A member read and committed what there was of "t" and "u", and fell asleep: what it saved.
fn asleep(cluster: &Cluster) -> Vec<u8> {
    cluster.configure(|settings| settings.initial_rebalance_delay_ms = 0);
    for topic in ["t", "u"] {
        cluster.topic(topic, 2).append(0, batch().fill(3, 10)).append(1, batch().fill(3, 10));
    }
    let mut client = Client::new(cluster, Weather::Fair, &SMALL, CONFIG);
    client.subscribe(&["t", "u"]);
    read(&mut client, 12);
    client.commit_async();
    client.until(10_000, |seen| matches!(seen, Seen::Committed(Ok(()))));
    let mut buffer = [0; 256];
    client.control().save_membership(&mut buffer).unwrap().to_vec()
}

/// So many records: topic, partition and offset of each.
fn read(client: &mut Client, count: usize) -> Vec<(String, i32, i64)> {
    let mut all = vec![];
    client.until(60_000, |seen| {
        if let Seen::Records(topic, partition, records) = seen {
            all.extend(records.iter().map(|record| (topic.clone(), *partition, record.offset)));
        }
        all.len() >= count
    });
    all.sort();
    all
}

/// One more record in each partition, and who wakes up reads just these.
fn wakes(cluster: &Cluster, client: &mut Client) {
    for topic in ["t", "u"] {
        cluster.topic(topic, 2).append(0, batch().fill(1, 10)).append(1, batch().fill(1, 10));
    }
    let fresh = ["t", "u"].map(|topic| [0, 1].map(|partition| (topic.to_string(), partition, 3)));
    assert_eq!(read(client, 4), fresh.concat());
}

fn apis(cluster: &Cluster, before: usize) -> Vec<Api> {
    cluster.requests().iter().skip(before).map(|received| received.api).collect()
}

#[test]
fn who_wakes_up_within_its_session_goes_on_with_its_fifth_request() {
    for weather in [Weather::Fair, Weather::Bytes, Weather::CancelledBytes] {
        let cluster = Cluster::new(1);
        let saved = asleep(&cluster);
        cluster.advance(500_000);
        let before = cluster.requests().len();
        let mut client = Client::new(&cluster, weather, &SMALL, CONFIG);
        client.restore(&["u", "t"], &saved).unwrap();
        wakes(&cluster, &mut client);
        let asked = apis(&cluster, before);
        let first = asked.iter().position(|&api| api == Api::Fetch).unwrap();
        use Api::{ApiVersions, FindCoordinator, Heartbeat, Metadata};
        assert_eq!(asked[..first], [ApiVersions, Metadata, FindCoordinator, Heartbeat], "{weather:?}");
        assert!(!asked.iter().any(|api| matches!(api, Api::JoinGroup | Api::SyncGroup | Api::OffsetFetch)));
        client.commit_async();
        client.until(10_000, |seen| matches!(seen, Seen::Committed(Ok(()))));
        assert_eq!(cluster.committed_offset("g", "u", 1), Some(4));
    }
}

/// Whatever the coordinator says of the membership, each record comes once.
#[test]
fn a_membership_that_holds_no_more_is_joined_anew() {
    for code in [-1, 7, 14, 15, 16, 22, 25, 27] {
        let cluster = Cluster::new(1);
        let saved = asleep(&cluster);
        cluster.fail(Api::Heartbeat, code, 1);
        let mut client = Client::new(&cluster, Weather::Fair, &SMALL, CONFIG);
        client.restore(&["t", "u"], &saved).unwrap();
        wakes(&cluster, &mut client);
        let joins = cluster.count(Api::JoinGroup) > 1;
        assert_eq!(joins, matches!(code, 22 | 25 | 27), "{code}: {}", cluster.log());
    }
    for code in [30, 82] {
        let cluster = Cluster::new(1);
        let saved = asleep(&cluster);
        cluster.fail(Api::Heartbeat, code, 1);
        let mut client = Client::new(&cluster, Weather::Fair, &SMALL, CONFIG);
        client.restore(&["t", "u"], &saved).unwrap();
        let told = client.next_before(cluster.millis() + 60_000);
        assert!(matches!(told, Some(Err(error)) if error.is_fatal()), "{told:?}");
    }
}

#[test]
fn who_sleeps_for_longer_than_its_session_joins() {
    let cluster = Cluster::new(1);
    let saved = asleep(&cluster);
    cluster.advance(700_000);
    let mut client = Client::new(&cluster, Weather::Fair, &SMALL, CONFIG);
    client.restore(&["t", "u"], &saved).unwrap();
    wakes(&cluster, &mut client);
}

/// Another member has read on and committed: what was saved is out of date.
#[test]
fn a_membership_that_is_over_leaves_the_positions_to_the_group() {
    for code in [0, 22, 25, 27] {
        let cluster = Cluster::new(1);
        let saved = asleep(&cluster);
        cluster.advance(700_000);
        for topic in ["t", "u"] {
            cluster.topic(topic, 2).append(0, batch().fill(3, 10)).append(1, batch().fill(3, 10));
            cluster.commit("g", topic, 0, 6, -1).commit("g", topic, 1, 6, -1);
            cluster.topic(topic, 2).append(0, batch().fill(1, 10)).append(1, batch().fill(1, 10));
        }
        if code != 0 {
            cluster.fail(Api::Heartbeat, code, 1);
        }
        let mut client = Client::new(&cluster, Weather::Fair, &SMALL, CONFIG);
        client.restore(&["t", "u"], &saved).unwrap();
        let fresh = ["t", "u"].map(|topic| [0, 1].map(|partition| (topic.to_string(), partition, 6)));
        assert_eq!(read(&mut client, 4), fresh.concat(), "{code}");
    }
}

#[test]
fn other_topics_are_joined_with() {
    let cluster = Cluster::new(1);
    let saved = asleep(&cluster);
    let mut client = Client::new(&cluster, Weather::Fair, &SMALL, CONFIG);
    client.restore(&["t"], &saved).unwrap();
    cluster.topic("t", 2).append(0, batch().fill(1, 10));
    assert_eq!(read(&mut client, 1), [("t".to_string(), 0, 3)]);
}

#[test]
fn damaged_bytes_and_those_of_others_are_refused() {
    let cluster = Cluster::new(1);
    let saved = asleep(&cluster);
    let refused = Err(Error::Usage(UsageError::Membership));
    let client = |config| Client::new(&cluster, Weather::Fair, &SMALL, config);
    let mut ours = client(CONFIG);
    for length in 0..saved.len() {
        assert_eq!(ours.restore(&["t", "u"], &saved[..length]), refused, "{length} bytes");
    }
    for at in 0..saved.len() {
        let mut changed = saved.clone();
        changed[at] ^= 4;
        assert_eq!(ours.restore(&["t", "u"], &changed), refused, "byte {at}");
    }
    let configs = [
        CONFIG.group_id("h"),
        CONFIG.group_instance_id("device-8"),
        CONFIG.group_id("gd").group_instance_id("evice-7"),
    ];
    for config in configs {
        assert_eq!(client(config).restore(&["t", "u"], &saved), refused);
    }
    assert_eq!(ours.restore(&["t", "u"], &saved), Ok(()));
}

#[test]
fn what_there_is_no_room_or_no_membership_for_is_said() {
    let cluster = Cluster::new(1);
    let mut client = Client::new(&cluster, Weather::Fair, &SMALL, CONFIG);
    client.subscribe(&["t"]);
    let not_yet = client.control().save_membership(&mut [0; 64]).unwrap_err();
    assert_eq!(not_yet, Error::Usage(UsageError::NotAMember));
    let saved = asleep(&Cluster::new(1));
    let cluster = Cluster::new(1);
    cluster.topic("t", 2);
    let mut client = Client::new(&cluster, Weather::Fair, &SMALL, CONFIG);
    client.subscribe(&["t"]);
    client.until(10_000, |seen| matches!(seen, Seen::Assigned(_)));
    for length in 0..=saved.len() {
        let mut buffer = vec![0; length];
        match client.control().save_membership(&mut buffer) {
            Ok(saved) => assert!(saved.len() <= length),
            Err(Error::Capacity(capacity)) => {
                assert_eq!((capacity.what, capacity.have), (Resource::Membership, length));
                assert!(capacity.needed > length);
            }
            Err(error) => panic!("{error}"),
        }
    }
    let again = client.restore(&["t"], &saved).unwrap_err();
    assert_eq!(again, Error::Usage(UsageError::SubscriptionType));
}
