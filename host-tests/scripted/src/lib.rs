//! A Kafka cluster in memory and virtual time, for nanokafka's tests: no socket, no clock, nothing random that does not
//! come from a seed. It is a second reading of the protocol, from the broker's side: it decodes requests by itself, and
//! whatever a client may not send, or a transport may not be asked, fails the test.
//!
//! ```
//! use nanokafka::{Config, Consumer, Event, OffsetReset, Seed, Storage, Superloop, TopicPartition};
//! use nanokafka_scripted::{Api, Cluster, batch};
//!
//! let cluster = Cluster::new(3); // b1:9092, b2:9092, b3:9092
//! cluster.topic("sensors", 4).append(0, batch().record(b"boiler", b"71.5").record(b"cellar", b"12"));
//! cluster.fail(Api::Metadata, 5, 2); // the first two answers: LEADER_NOT_AVAILABLE
//! cluster.when(Api::Fetch, 1, |cluster| {
//!     cluster.partition("sensors", 0).elect(2); // the leader moves under the first Fetch
//! });
//!
//! let mut net = cluster.net(2); // transport and clock of one consumer, with two connections
//! net.grain(1); // one byte at a time
//! let config = Config::new("b1:9092").auto_offset_reset(OffsetReset::Earliest);
//! let mut consumer = Consumer::<Superloop>::new(Storage::boxed(1, 2, 512), config, Superloop, Seed::new([1; 32]))?;
//! consumer.assign(&[TopicPartition::new("sensors", 0)])?;
//! let mut offsets = vec![];
//! while offsets.len() < 2 {
//!     match consumer.poll(cluster.now(), &mut net)? {
//!         Some(Event::Records(records)) => offsets.extend(records.map(|record| record.offset())),
//!         Some(_) => {}
//!         // nothing to do: time jumps to whatever happens next
//!         None => assert!(cluster.tick(consumer.next_timeout(cluster.now()))),
//!     }
//! }
//! assert_eq!(offsets, [0, 1]);
//! assert_eq!(cluster.requests_of(Api::Fetch)[0].node, 1);
//! assert_eq!(cluster.requests_of(Api::Fetch).last().map(|fetch| fetch.node), Some(2));
//! # Ok::<(), nanokafka::Error>(())
//! ```
//!
//! # Who drives
//! * A superloop: [`Cluster::tick`] whenever every consumer has nothing to do, with the earliest of their timeouts.
//! * Futures: [`Cluster::block_on`], [`Cluster::run`] poll only what was woken; [`poll_once`] and [`Cluster::sleep`] make
//!   every await point a place to cancel.
//! * The blocking front end: [`Net`] is a `Block`, and sleeping is a jump.
//!
//! Time stands still otherwise. Brokers answer within the same millisecond unless [`Settings::latency_ms`],
//! [`Cluster::delay`] or [`Settings::bandwidth`] say otherwise.
//!
//! # What is a violation
//! A request that is malformed, has trailing bytes, a version that the broker does not advertise or that is not of the
//! profile, or values no client should send (offsets below 0, a partition twice, all topics); a request to a node that
//! was never asked its versions; a [`Transport`](nanokafka::Transport) used against its contract; a hundred attempts to
//! connect within one millisecond. Tests that provoke one take it back with [`Cluster::take_violations`].
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
    ConsumerGroupHeartbeatRequest, EpochPartition, FetchPartition, FetchRequest, FindCoordinatorRequest,
    HeartbeatRequest, JoinGroupRequest, LeaveGroupRequest, ListOffsetsPartition, ListOffsetsRequest, MetadataRequest,
    OffsetCommitPartition, OffsetCommitRequest, OffsetFetchRequest, OffsetForLeaderEpochRequest, Request,
    SyncGroupRequest,
};
pub use batch::{batch, marker, record, Batch, Marker, Record};
pub use chaos::Chaos;
pub use control::Cluster;
pub use drive::poll_once;
pub use faults::{Connecting, Cut, Direction, End, ALWAYS};
pub use group::consumer::TopicId;
pub use group::{Committed, GroupPhase};
pub use groups::{GroupView, MemberView};
pub use history::{Accepted, Answered, Connect, Received};
pub use nanokafka::Api;
pub use net::{Net, Stats};
pub use random::Random;
pub use settings::{Profile, Settings};
pub use topic::{Partition, Topic};
