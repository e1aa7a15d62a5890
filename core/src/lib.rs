//! A Kafka consumer in fixed memory: no heap, no threads, no clock and no sockets of its own.
//!
//! A [`Consumer`] is made of four things: memory, a configuration, a way to wait and 32 random bytes.
//!
//! ```
//! use nanokafka::{Config, Consumer, Error, Event, Instant, Record, Resources, Seed, Superloop, TopicPartition, Transport};
//!
//! /// All memory: 8 partitions, 2 connections, a window of 4 KB. `Resources::new()` is `const` and all zero, for a static.
//! type Memory = Resources<8, 2, 4096>;
//!
//! fn consume(memory: &mut Memory, net: &mut impl Transport, seed: Seed) -> Result<(), Error> {
//!     let config = Config::new("192.168.1.10:9092").client_id("pump-7");
//!     let mut consumer = Consumer::<Superloop>::new(memory.storage(), config, Superloop, seed)?;
//!     consumer.assign(&[TopicPartition::new("settings", 0)])?;
//!     loop {
//!         let now = uptime();
//!         match consumer.poll(now, net)? {
//!             Some(Event::Records(records)) => records.for_each(|record| apply(&record)),
//!             Some(_) => {}
//!             None => sleep(now.until(consumer.next_timeout(now))), // or until a byte has moved
//!         }
//!     }
//! }
//! # fn uptime() -> Instant { Instant::from_millis(0) }
//! # fn apply(_: &Record<'_>) {}
//! # fn sleep(_: core::time::Duration) {}
//! ```
//!
//! # Three ways to wait
//!
//! The same methods by the same names, over one drive loop. A transport's crate names the types, so no signature of an
//! application has the parameter `IO`.
//!
//! | `IO` | `poll` | needs |
//! |---|---|---|
//! | [`Async<T>`] | a future, for any executor; dropping it loses nothing | [`Transport`] and [`Clock`] |
//! | [`Blocking<T>`] | returns an event, or `None` after a timeout | those and [`Block`] |
//! | [`Superloop`] | returns at once; the transport is lent to each call | [`Transport`], and `now` with each call |
//!
//! # What a poll brings
//!
//! [`Event`] is an enum without `Drop`: an arm that ignores its payload frees the consumer. [`Records`] is an iterator over
//! complete records of one partition, in the window where they arrived. The position moves with each record taken; what a
//! loop leaves over is lent again. While a record is held one can commit, seek, pause and keep the membership alive.
//!
//! A record that does not fit the window comes as [`LargeRecord`], whose value is read in chunks. One of which nothing is
//! read is followed by [`Event::Skipped`]. Other policies: [`LargeRecords`].
//!
//! # Memory
//!
//! [`Resources`] is all of it, but for the sockets' buffers. Batches and answers of any size pass through the window. Other
//! limits are constants: [`BROKERS`], [`HOST_BYTES`], [`NAME_BYTES`], [`MEMBER_ID_BYTES`], [`SEND_BUFFER`],
//! [`RECEIVE_BUFFER`], [`MIN_WINDOW`]. Exceeding one is an [`Error::Capacity`] that says which, needed and have.
//!
//! # Errors
//!
//! By who must act: see [`Error`]. What can be retried is retried inside; after an error that is not
//! [fatal](Error::is_fatal) the consumer is polled again.
//!
//! # Features
//!
//! None is on by default.
//!
//! | feature | brings | needs |
//! |---|---|---|
//! | `group` | [`subscribe`](Consumer::subscribe): consumer groups, classic protocol, range assignor | |
//! | `group-sticky` | `group`; round robin, sticky and cooperative sticky [assignors](Assignor), incremental rebalances | |
//! | `group-consumer` | `group`; [`GroupProtocol::Consumer`], the protocol of KIP-848 | |
//! | `crc-table-1k` | CRC-32C by a table of 1 KB instead of 64 bytes | |
//! | `json`, `postcard` | values as types of `serde` | |
//! | `defmt` | `defmt::Format` for what users see, as errors and events' payloads | |
//! | `log` | what happens to connections, group and positions, by the crate `log` | |
//! | `alloc` | `Storage::boxed` | a heap |
//! | `std` | `alloc`; CRC-32C by hardware, `std::io::Read` for [`LargeRecord`], `Seed::from_os` | std |
#![cfg_attr(not(any(test, feature = "std")), no_std)]
#![forbid(unsafe_code)]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(any(test, feature = "std"))]
extern crate std;

#[macro_use]
mod fmt;

mod cluster;
mod commit;
mod config;
mod connection;
mod consumer;
mod deserialize;
mod drive;
mod error;
mod event;
mod fetch;
#[cfg(any(feature = "fuzzing", all(test, feature = "group-consumer")))]
#[doc(hidden)]
pub mod fuzzing;
#[cfg(all(test, feature = "group-consumer"))]
mod golden;
#[cfg(feature = "group")]
mod group;
mod partitions;
mod policy;
mod resources;
mod seed;
mod state;
mod strings;
mod time;
mod transport;
mod wire;

pub use cluster::nodes::{BROKERS, HOST_BYTES};
pub use config::{Assignor, Config, GroupProtocol, LargeRecords, OffsetReset};
pub use connection::SEND_BUFFER;
pub use consumer::large_record::LargeRecord;
pub use consumer::records::{Header, Headers, Record, Records, TimestampType};
pub use consumer::{Async, Blocking, Consumer, Superloop, Tend};
#[cfg(feature = "postcard")]
pub use deserialize::Postcard;
pub use deserialize::{Deserialize, DeserializeError, FormatError, Uuid};
#[cfg(feature = "json")]
pub use deserialize::{Json, JSON_DEPTH};
pub use error::{
    Api, BrokerError, Capacity, Codec, ConfigError, ConnectError, Error, PartitionError, PartitionErrorKind,
    ProtocolError, ProtocolErrorKind, Resource, TopicName, UsageError,
};
pub use event::{Event, PartitionOffset, Partitions, Skipped, TopicPartition, Truncated};
pub use policy::{Decision, FailedRecord, RetryPolicy, RetryState};
pub use resources::{Resources, Storage, MIN_WINDOW};
pub use seed::Seed;
pub use state::{Control, MEMBER_ID_BYTES, NAME_BYTES, RECEIVE_BUFFER};
pub use time::Instant;
pub use transport::{Block, Clock, ConnectionId, Transport, TransportError, TransportErrorKind};
pub use wire::error_code::ErrorCode;
