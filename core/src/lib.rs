//! A Kafka consumer in fixed memory: see the [README](https://github.com/nanokafka/nanokafka).
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
#[cfg(any(feature = "fuzzing", all(test, feature = "group")))]
#[doc(hidden)]
pub mod fuzzing;
#[cfg(all(test, feature = "group"))]
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
pub use config::{Config, LargeRecords, OffsetReset};
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
