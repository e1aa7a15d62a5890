//! A Kafka cluster in memory and virtual time, for nanokafka's tests: no socket, no clock, nothing random that does not
//! come from a seed. It is a second reading of the protocol, from the broker's side: it decodes requests by itself, and
//! whatever a client may not send, or a transport may not be asked, fails the test.
//!
//! ```
//! use nanokafka_scripted::{Api, Cluster, batch};
//!
//! let cluster = Cluster::new(1);
//! cluster.topic("sensors", 4).append(0, batch().record(b"boiler", b"71.5").record(b"cellar", b"12"));
//! cluster.fail(Api::Metadata, 5, 2); // the first two answers: LEADER_NOT_AVAILABLE
//! let net = cluster.net(2); // transport and clock of a consumer
//! net.grain(1);
//! // … drive a consumer: `while consumer.poll(cluster.now(), &mut net)… { cluster.tick(consumer.next_timeout()); }`
//! assert_eq!(cluster.partition("sensors", 0).high_watermark(), 2);
//! assert_eq!(cluster.count(Api::Metadata), 0);
//! ```
#![forbid(unsafe_code)]

mod apis;
mod batch;
mod broker;
mod chaos;
mod cluster;
mod connection;
mod control;
mod coordinator;
mod display;
mod drive;
mod faults;
mod group;
mod groups;
mod history;
mod log;
mod net;
mod quota;
mod random;
mod releases;
mod serve;
mod settings;
mod stream;
#[cfg(test)]
mod tests;
mod topic;
mod wire;

pub use apis::{
    EpochPartition, FetchPartition, FetchRequest, FindCoordinatorRequest, HeartbeatRequest, JoinGroupRequest,
    LeaveGroupRequest, ListOffsetsPartition, ListOffsetsRequest, MetadataRequest, OffsetCommitPartition,
    OffsetCommitRequest, OffsetFetchRequest, OffsetForLeaderEpochRequest, Request, SyncGroupRequest,
};
pub use batch::{batch, marker, record, Batch, Marker, Record};
pub use chaos::Chaos;
pub use control::Cluster;
pub use drive::poll_once;
pub use faults::{Connecting, Cut, Direction, End, ALWAYS};
pub use group::{Committed, GroupPhase};
pub use groups::{GroupView, MemberView};
pub use history::{Answered, Connect, Received};
pub use nanokafka::Api;
pub use net::{Net, Stats};
pub use settings::{Profile, Settings};
pub use topic::{Partition, Topic};
