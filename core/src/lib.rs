//! A Kafka consumer in fixed memory: see the [README](https://github.com/nanokafka/nanokafka).
#![cfg_attr(not(any(test, feature = "std")), no_std)]
#![forbid(unsafe_code)]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(any(test, feature = "std"))]
extern crate std;

#[macro_use]
mod fmt;

mod config;
mod deserialize;
mod error;
mod policy;
mod seed;
mod time;
mod transport;
mod wire;

pub use config::{Config, LargeRecords, OffsetReset};
#[cfg(feature = "postcard")]
pub use deserialize::Postcard;
pub use deserialize::{Deserialize, DeserializeError, FormatError, Uuid};
#[cfg(feature = "json")]
pub use deserialize::{Json, JSON_DEPTH};
pub use error::{
    Api, BrokerError, Capacity, Codec, ConfigError, ConnectError, Error, PartitionError, PartitionErrorKind,
    ProtocolError, ProtocolErrorKind, Resource, TopicName, UsageError,
};
pub use policy::{Decision, FailedRecord, RetryPolicy, RetryState};
pub use seed::Seed;
pub use time::Instant;
pub use transport::{Block, Clock, ConnectionId, Transport, TransportError, TransportErrorKind};
pub use wire::error_code::ErrorCode;

/// Longest member id that is kept.
pub const MEMBER_ID_BYTES: usize = 128;
