//! What an operator would set, and the version ranges of real releases.
use crate::releases::{KAFKA_2_1, KAFKA_2_8, KAFKA_4_3};
use nanokafka::Api;

/// A broker's configuration, for the whole cluster. Change it with [`Cluster::configure`](crate::Cluster::configure).
#[derive(Clone, Debug)]
pub struct Settings {
    /// `cluster.id`.
    pub cluster_id: String,
    /// `group.initial.rebalance.delay.ms`: how long the first rebalance of an empty group waits for more members.
    pub initial_rebalance_delay_ms: u64,
    /// `group.min.session.timeout.ms`.
    pub min_session_timeout_ms: i32,
    /// `group.max.session.timeout.ms`.
    pub max_session_timeout_ms: i32,
    /// `group.max.size`.
    pub group_max_size: usize,
    /// `group.consumer.session.timeout.ms`: of members of KIP-848.
    pub consumer_session_timeout_ms: u64,
    /// `group.consumer.heartbeat.interval.ms`: what they are told.
    pub consumer_heartbeat_interval_ms: u64,
    /// `group.consumer.max.size`.
    pub consumer_max_size: usize,
    /// `group.consumer.assignment.interval.ms`: at least so long between two targets of a group.
    pub assignment_interval_ms: u64,
    /// How long a regular expression matches nothing yet.
    pub regex_ms: u64,
    /// `offset.metadata.max.bytes`.
    pub offset_metadata_max_bytes: usize,
    /// `fetch.max.bytes` of the broker.
    pub fetch_max_bytes: usize,
    /// `connections.max.idle.ms`.
    pub connections_max_idle_ms: u64,
    /// `broker.session.timeout.ms`: how long a killed broker is still named in Metadata, as leader and as coordinator.
    pub broker_session_timeout_ms: u64,
    /// How long a new coordinator reads a group before it answers.
    pub coordinator_load_ms: u64,
    /// How long the first FindCoordinator of a new cluster, which creates the offsets topic, leads to 15.
    pub offsets_topic_ms: u64,
    /// `auto.create.topics.enable`: with this many partitions.
    pub auto_create_partitions: Option<usize>,
    /// How long an automatic creation takes.
    pub auto_create_ms: u64,
    /// Answer to the Metadata request that creates a topic: 3 (KRaft) or 5 (ZooKeeper).
    pub auto_create_error: i16,
    /// Bytes a broker's socket takes before it is read: the next request waits until an answer is down to that.
    pub socket_send_buffer: usize,
    /// `consumer_byte_rate` quota of every client, in bytes per second.
    pub fetch_quota: Option<u64>,
    /// Kafka 2.1 answers 27 to a Heartbeat between JoinGroup and SyncGroup, later ones 0.
    pub heartbeat_during_sync_is_27: bool,
    /// Bytes per millisecond from a broker to a client.
    pub bandwidth: Option<usize>,
    /// Milliseconds a byte travels, each way.
    pub latency_ms: u64,
}

impl Default for Settings {
    /// Those of Kafka 4.3, and a network without delay.
    fn default() -> Self {
        Settings {
            cluster_id: "scripted-cluster-id".into(),
            initial_rebalance_delay_ms: 3_000,
            min_session_timeout_ms: 6_000,
            max_session_timeout_ms: 1_800_000,
            group_max_size: usize::MAX,
            consumer_session_timeout_ms: 45_000,
            consumer_heartbeat_interval_ms: 5_000,
            consumer_max_size: usize::MAX,
            assignment_interval_ms: 1_000,
            regex_ms: 500,
            offset_metadata_max_bytes: 4_096,
            fetch_max_bytes: 57_671_680,
            connections_max_idle_ms: 600_000,
            broker_session_timeout_ms: 9_000,
            coordinator_load_ms: 30,
            offsets_topic_ms: 0,
            auto_create_partitions: None,
            auto_create_ms: 200,
            auto_create_error: 3,
            socket_send_buffer: 102_400,
            fetch_quota: None,
            heartbeat_during_sync_is_27: false,
            bandwidth: None,
            latency_ms: 0,
        }
    }
}

/// Which versions a broker advertises: (key, min, max).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile(Vec<(i16, i16, i16)>);

impl Profile {
    /// Apache Kafka 4.3.
    pub fn kafka_4_3() -> Self {
        Profile(KAFKA_4_3.to_vec())
    }

    /// Apache Kafka 2.8.
    pub fn kafka_2_8() -> Self {
        Profile(KAFKA_2_8.to_vec())
    }

    /// Apache Kafka 2.1: lower versions of seven APIs, no static members, no OffsetForLeaderEpoch v3.
    pub fn kafka_2_1() -> Self {
        Profile(KAFKA_2_1.to_vec())
    }

    /// With this range for one API, or without it.
    pub fn with(mut self, api: Api, range: Option<(i16, i16)>) -> Self {
        self.0.retain(|(key, ..)| *key != api as i16);
        self.0.extend(range.map(|(min, max)| (api as i16, min, max)));
        self.0.sort_unstable();
        self
    }

    pub(crate) fn supports(&self, key: i16, version: i16) -> bool {
        self.0.iter().any(|&(k, min, max)| k == key && (min..=max).contains(&version))
    }

    pub(crate) fn entries(&self) -> &[(i16, i16, i16)] {
        &self.0
    }
}
