//! Errors by who must act. `Copy`, no generics, no borrows: a topic's name is inline and cut after 31 bytes.
use crate::{ErrorCode, TransportError};
use core::fmt;

/// What went wrong. Whatever can be retried is retried inside, with backoff; what arrives here needs somebody.
/// After every error the consumer may be polled again unless [`is_fatal`](Self::is_fatal).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Error {
    /// The programmer: this configuration cannot work. State: there is no consumer. Remedy: the reason names the key.
    Config(ConfigError),
    /// The programmer: this call does not fit the consumer's state. State: unchanged.
    Usage(UsageError),
    /// Sizing: something does not fit. State: what was there before is kept. Remedy: the numbers.
    Capacity(Capacity),
    /// The operator: a broker refused. State: see [`BrokerError`]; positions are kept.
    Broker(BrokerError),
    /// A partition cannot go on by itself. State: it rests, the others go on. Remedy: `seek` it, or skip with
    /// `seek(next)`.
    Partition(PartitionError),
    /// Bytes that are not Kafka. State: the connection was dropped and is made again with backoff; positions are kept.
    Protocol(ProtocolError),
    /// No connection. State: being retried with backoff; reported because it has lasted.
    Transport(ConnectError),
    /// The broker did not answer in time. State: a background operation goes on, a waited-for one was given up.
    Timeout(Api),
}

impl Error {
    /// Going on cannot help: drop the consumer, change something, make a new one.
    pub const fn is_fatal(&self) -> bool {
        match self {
            Error::Config(_) | Error::Capacity(Capacity { what: Resource::Connections, .. }) => true,
            Error::Broker(error) => error.fatal,
            _ => false,
        }
    }
}

/// Kafka's APIs, as far as a consumer speaks them; the value is the API key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
#[repr(i16)]
pub enum Api {
    /// Records, from partitions' leaders.
    Fetch = 1,
    /// First, last and timed offsets, from partitions' leaders.
    ListOffsets = 2,
    /// Brokers, topics, and who leads what.
    Metadata = 3,
    /// Keeps a group's offsets.
    OffsetCommit = 8,
    /// Reads a group's offsets.
    OffsetFetch = 9,
    /// Which broker keeps a group.
    FindCoordinator = 10,
    /// Becomes a member, or starts a rebalance.
    JoinGroup = 11,
    /// Stays a member, and learns of rebalances.
    Heartbeat = 12,
    /// Ends a membership.
    LeaveGroup = 13,
    /// Brings the assignment, or from the leader takes it.
    SyncGroup = 14,
    /// Which versions of all these a broker speaks.
    ApiVersions = 18,
    /// Where a leader's epoch ended: whether the log was truncated (KIP-320).
    OffsetForLeaderEpoch = 23,
    /// All of a membership in the group protocol of KIP-848.
    ConsumerGroupHeartbeat = 68,
}

impl Api {
    pub(crate) const fn from_key(key: i16) -> Option<Self> {
        Some(match key {
            1 => Api::Fetch,
            2 => Api::ListOffsets,
            3 => Api::Metadata,
            8 => Api::OffsetCommit,
            9 => Api::OffsetFetch,
            10 => Api::FindCoordinator,
            11 => Api::JoinGroup,
            12 => Api::Heartbeat,
            13 => Api::LeaveGroup,
            14 => Api::SyncGroup,
            18 => Api::ApiVersions,
            23 => Api::OffsetForLeaderEpoch,
            #[cfg(feature = "group-consumer")]
            68 => Api::ConsumerGroupHeartbeat,
            _ => return None,
        })
    }
}

/// Why [`Consumer::new`](crate::Consumer::new) refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct ConfigError {
    /// The Java name of the key.
    pub key: &'static str,
    /// What it must be.
    pub must: &'static str,
}

/// A call that cannot be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum UsageError {
    /// The partition is not assigned to this consumer.
    NotAssigned(TopicName, i32),
    /// `subscribe` and `assign` exclude each other: `unsubscribe` first.
    SubscriptionType,
    /// This needs `group.id`.
    NoGroup,
    /// The name is empty, longer than 249 bytes, `.` or `..`, or holds other characters than letters, digits, `.`, `_`, `-`.
    TopicName(TopicName),
    /// A negative partition or offset.
    Negative(i64),
    /// Bytes of a commit's metadata: more than the 32,767 of a string on the wire.
    Metadata(usize),
    /// `subscribe_pattern` needs 1 to 255 bytes and `group.protocol=consumer`.
    Pattern,
    /// `subscribe` needs the crate's feature `group`.
    NoGroupFeature,
    /// There is no membership to save: none yet, or the group rebalances.
    NotAMember,
    /// The bytes are no membership that was saved with this `group.id` and `group.instance.id`, or they are damaged.
    Membership,
}

/// `needed > have` of `what`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Capacity {
    /// Which resource.
    pub what: Resource,
    /// Units needed.
    pub needed: usize,
    /// Units there are.
    pub have: usize,
}

/// What can be too small, and where its size comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Resource {
    /// Partitions: `PARTITIONS` of [`Resources`](crate::Resources).
    Partitions,
    /// Connections: `CONNECTIONS` of [`Resources`](crate::Resources), or of the transport.
    Connections,
    /// Bytes of the window: `WINDOW` of [`Resources`](crate::Resources).
    Window,
    /// Bytes for topic names: [`NAME_BYTES`](crate::NAME_BYTES) for each of `PARTITIONS`.
    Names,
    /// Brokers that lead assigned partitions or coordinate: [`BROKERS`](crate::BROKERS).
    Brokers,
    /// Bytes for brokers' host names: [`HOST_BYTES`](crate::HOST_BYTES).
    Hosts,
    /// Bytes of [`Storage::group_memory`](crate::Storage::group_memory), needed to lead a group of several members.
    GroupMemory,
    /// Bytes of a member id: [`MEMBER_ID_BYTES`](crate::MEMBER_ID_BYTES).
    MemberId,
    /// Bytes for `Control::save_membership` (feature `group`).
    Membership,
    /// Bytes of a single field of an answer on the control connection: [`RECEIVE_BUFFER`](crate::RECEIVE_BUFFER).
    ReceiveBuffer,
}

/// A broker's refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct BrokerError {
    /// The API that was asked.
    pub api: Api,
    /// The answer. [`ErrorCode::INCONSISTENT_GROUP_PROTOCOL`] is also said of a leader that chose an assignor which was not
    /// offered, or goes on assigning topics that are not subscribed to.
    pub code: ErrorCode,
    /// The topic it is about, empty when it is about none.
    pub topic: TopicName,
    /// The partition it is about, negative when it is about none.
    pub partition: i32,
    /// See [`Error::is_fatal`].
    pub fatal: bool,
}

/// Why a partition rests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct PartitionError {
    /// Its topic.
    pub topic: TopicName,
    /// Its number.
    pub partition: i32,
    /// Where it rests.
    pub offset: i64,
    /// Where it would go on: `seek` there to skip what cannot be read. Equal to `offset` when skipping does not help.
    pub next: i64,
    /// What it met there.
    pub kind: PartitionErrorKind,
}

/// What a partition met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum PartitionErrorKind {
    /// `auto.offset.reset` is none and there is no committed offset.
    NoOffset,
    /// `auto.offset.reset` is none and the offset is not in the log (any more).
    OutOfRange,
    /// `auto.offset.reset` is none and the log was cut below the position (KIP-320); `next` is where the logs diverged.
    Truncated,
    /// The CRC-32C of the batch that starts at `offset` is wrong. Records of a batch larger than the window were lent already.
    Corrupt,
    /// A batch whose records do not parse.
    Malformed,
    /// A batch compressed with this codec.
    Codec(Codec),
    /// A record larger than the window, and the policy is to refuse it: bytes.
    RecordTooLarge(u32),
    /// The key of the record is larger than the window: bytes.
    KeyTooLarge(u32),
    /// Message format 0 or 1, written by Kafka before 0.11.
    Magic(i8),
    /// The broker answered the fetch with this code.
    Fetch(ErrorCode),
}

/// Compression codecs by their number in a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Codec {
    /// 1.
    Gzip,
    /// 2.
    Snappy,
    /// 3.
    Lz4,
    /// 4.
    Zstd,
    /// A number that Kafka has not given yet.
    Unknown(u8),
}

/// Bytes that are not what the protocol says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct ProtocolError {
    /// The request whose answer it was.
    pub api: Api,
    /// Bytes of the answer that had been understood.
    pub position: u32,
    /// What was wrong.
    pub kind: ProtocolErrorKind,
}

/// How an answer is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum ProtocolErrorKind {
    /// A field is malformed, or the answer ends inside it.
    Malformed,
    /// Bytes follow the answer's last field.
    TrailingBytes(u32),
    /// The frame's size is negative or above 1 GB.
    FrameSize(i32),
    /// The answer is to another request.
    CorrelationId,
    /// The peer speaks HTTP.
    Http,
    /// The peer speaks TLS: wrong port, or `security.protocol` is missing.
    Tls,
    /// The broker closed the connection instead of answering: usually a listener that wants TLS or SASL, or an unknown version.
    Closed,
    /// No common version: `(ours, ours, broker's, broker's)`, each lowest and highest.
    Version(i16, i16, i16, i16),
}

/// A connection that cannot be made or does not last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct ConnectError {
    /// The host, cut after 31 bytes; for bootstrap the last one that was tried.
    pub host: TopicName,
    /// The port.
    pub port: u16,
    /// What the transport said last.
    pub cause: TransportError,
}

impl ConnectError {
    /// Not about a host: the platform cannot wait.
    pub(crate) const fn local(cause: TransportError) -> Self {
        ConnectError { host: TopicName::NONE, port: 0, cause }
    }
}

/// Up to 31 bytes of a name, inline; a longer one ends in `~`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TopicName {
    len: u8,
    bytes: [u8; 31],
}

impl TopicName {
    pub(crate) const NONE: TopicName = TopicName { len: 0, bytes: [0; 31] };

    pub(crate) fn new(name: &str) -> Self {
        let mut this = TopicName::NONE;
        let cut = name.len() > this.bytes.len();
        let mut end = name.len().min(this.bytes.len() - usize::from(cut));
        while !name.is_char_boundary(end) {
            end -= 1;
        }
        for (to, from) in this.bytes.iter_mut().zip(name.as_bytes().iter().take(end)) {
            *to = *from;
        }
        if let (true, Some(mark)) = (cut, this.bytes.get_mut(end)) {
            *mark = b'~';
            end += 1;
        }
        this.len = end as u8;
        this
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        self.bytes.get(..self.len.into()).and_then(|bytes| core::str::from_utf8(bytes).ok()).unwrap_or_default()
    }
}

impl fmt::Display for TopicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for TopicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for TopicName {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "{=str}", self.as_str());
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Config(e) => write!(f, "configuration: {} must be {}", e.key, e.must),
            Error::Usage(e) => e.fmt(f),
            Error::Capacity(e) => write!(f, "too small: {}: needed {}, have {}", e.what, e.needed, e.have),
            Error::Broker(e) => {
                write!(f, "the broker answered {:?} with {}", e.api, e.code)?;
                match (e.topic.as_str(), e.partition) {
                    ("", _) => Ok(()),
                    (topic, ..=-1) => write!(f, " for topic {topic}"),
                    (topic, partition) => write!(f, " for {topic}-{partition}"),
                }
            }
            Error::Partition(e) => e.fmt(f),
            Error::Protocol(e) => write!(f, "not Kafka: answer to {:?}, byte {}: {}", e.api, e.position, e.kind),
            Error::Transport(e) => write!(f, "no connection to {}:{}: {}", e.host, e.port, e.cause),
            Error::Timeout(api) => {
                write!(f, "no answer to {api:?} in time (request.timeout.ms, default.api.timeout.ms)")
            }
        }
    }
}

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UsageError::NotAssigned(topic, partition) => {
                write!(f, "{topic}-{partition} is not assigned to this consumer")
            }
            UsageError::SubscriptionType => f.write_str("subscribe and assign exclude each other: unsubscribe first"),
            UsageError::NoGroup => f.write_str("this needs group.id"),
            UsageError::TopicName(name) => {
                write!(f, "'{name}' is no topic name: 1 to 249 letters, digits, '.', '_' or '-', but not '.' or '..'")
            }
            UsageError::Negative(n) => write!(f, "{n} is no partition or offset: it is negative"),
            UsageError::Metadata(bytes) => write!(f, "metadata of {bytes} bytes: a commit has room for 32767"),
            UsageError::Pattern => f.write_str("subscribe_pattern needs 1 to 255 bytes and group.protocol=consumer"),
            UsageError::NotAMember => f.write_str("not a member of the group now: poll until partitions are assigned"),
            UsageError::Membership => f.write_str(
                "the saved membership is damaged, or of another group.id or group.instance.id: subscribe instead",
            ),
            UsageError::NoGroupFeature => f.write_str("subscribe needs the feature `group` of the crate nanokafka"),
        }
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Resource::Partitions => "partitions (PARTITIONS of Resources, or of Storage::boxed)",
            Resource::Connections => "connections (CONNECTIONS of Resources, and as many of the transport)",
            Resource::Window => "bytes of the window (WINDOW of Resources, or of Storage::boxed)",
            Resource::Names => "bytes for topic names (NAME_BYTES for each of PARTITIONS)",
            Resource::Brokers => "brokers (BROKERS)",
            Resource::Hosts => "bytes for host names (HOST_BYTES)",
            Resource::GroupMemory => "bytes to lead a group with (Storage::group_memory)",
            Resource::MemberId => "bytes of a member id (MEMBER_ID_BYTES)",
            Resource::Membership => "bytes for a saved membership",
            Resource::ReceiveBuffer => "bytes of one field of an answer (RECEIVE_BUFFER)",
        })
    }
}

impl fmt::Display for PartitionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{} rests at offset {}: ", self.topic, self.partition, self.offset)?;
        match self.kind {
            PartitionErrorKind::NoOffset => f.write_str("no committed offset, and auto.offset.reset is none"),
            PartitionErrorKind::OutOfRange => {
                f.write_str("the offset is not in the log, and auto.offset.reset is none")
            }
            PartitionErrorKind::Truncated => {
                write!(f, "the log was truncated at {}, and auto.offset.reset is none", self.next)
            }
            PartitionErrorKind::Corrupt => f.write_str("the CRC of the batch is wrong"),
            PartitionErrorKind::Malformed => f.write_str("the batch is malformed"),
            PartitionErrorKind::Codec(codec) => {
                write!(f, "the batch is compressed with {codec:?}, which is not built in")
            }
            PartitionErrorKind::RecordTooLarge(n) => write!(f, "a record of {n} bytes does not fit the window"),
            PartitionErrorKind::KeyTooLarge(n) => write!(f, "a record's key of {n} bytes does not fit the window"),
            PartitionErrorKind::Magic(n) => write!(f, "message format {n} (before Kafka 0.11) is not supported"),
            PartitionErrorKind::Fetch(code) => write!(f, "the broker answered {code}"),
        }?;
        match self.next {
            next if next > self.offset => write!(f, "; seek to {next} to skip it"),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for ProtocolErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProtocolErrorKind::Malformed => f.write_str("malformed"),
            ProtocolErrorKind::TrailingBytes(n) => write!(f, "{n} bytes too many"),
            ProtocolErrorKind::FrameSize(n) => write!(f, "a frame of {n} bytes"),
            ProtocolErrorKind::CorrelationId => f.write_str("an answer to another request"),
            ProtocolErrorKind::Http => f.write_str("the peer is an HTTP server: wrong port"),
            ProtocolErrorKind::Tls => f.write_str("the peer speaks TLS: wrong port, or TLS is not configured"),
            ProtocolErrorKind::Closed => {
                f.write_str("the connection was closed instead: a listener that wants TLS or SASL, or no Kafka at all")
            }
            ProtocolErrorKind::Version(min, max, their_min, their_max) => {
                write!(f, "no common version: we speak {min} to {max}, the broker {their_min} to {their_max}")
            }
        }
    }
}

macro_rules! wraps {
    ($($variant:ident($t:ty)),*) => {$(
        impl From<$t> for Error {
            fn from(error: $t) -> Self {
                Error::$variant(error)
            }
        }
    )*};
}
wraps!(
    Config(ConfigError),
    Usage(UsageError),
    Capacity(Capacity),
    Broker(BrokerError),
    Partition(PartitionError),
    Protocol(ProtocolError)
);

impl core::error::Error for Error {}

impl embedded_io_async::Error for Error {
    fn kind(&self) -> embedded_io_async::ErrorKind {
        match self {
            Error::Timeout(_) => embedded_io_async::ErrorKind::TimedOut,
            Error::Protocol(_) | Error::Partition(_) => embedded_io_async::ErrorKind::InvalidData,
            Error::Transport(_) => embedded_io_async::ErrorKind::ConnectionReset,
            _ => embedded_io_async::ErrorKind::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cut_at_a_character_and_marked() {
        assert_eq!(TopicName::new("sensors").as_str(), "sensors");
        assert_eq!(TopicName::new(&"a".repeat(31)).as_str(), "a".repeat(31));
        assert_eq!(TopicName::new(&"a".repeat(32)).as_str(), "a".repeat(30) + "~");
        assert_eq!(TopicName::new(&("a".repeat(29) + "éé")).as_str(), "a".repeat(29) + "~");
    }

    #[test]
    fn says_what_where_and_what_to_do() {
        let error = PartitionError {
            topic: TopicName::new("sensors"),
            partition: 3,
            offset: 42,
            next: 57,
            kind: PartitionErrorKind::Codec(Codec::Zstd),
        };
        let text = "sensors-3 rests at offset 42: the batch is compressed with Zstd, which is not built in; seek to 57 to skip it";
        assert_eq!(std::format!("{}", Error::Partition(error)), text);
        assert!(core::mem::size_of::<Error>() <= 64);
    }
}
