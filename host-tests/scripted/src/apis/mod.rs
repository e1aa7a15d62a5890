//! One file per Kafka API: what a request says and what a broker answers (`clients/src/main/resources/common/message`).
mod api_versions;
mod consumer_group_heartbeat;
mod fetch;
mod find_coordinator;
mod heartbeat;
mod join_group;
mod leave_group;
mod list_offsets;
mod metadata;
mod offset_commit;
mod offset_fetch;
mod offset_for_leader_epoch;
mod sync_group;

pub use consumer_group_heartbeat::ConsumerGroupHeartbeatRequest;
pub(crate) use fetch::WaitingFetch;
pub use fetch::{FetchPartition, FetchRequest};
pub use find_coordinator::FindCoordinatorRequest;
pub use heartbeat::HeartbeatRequest;
pub use join_group::JoinGroupRequest;
pub use leave_group::LeaveGroupRequest;
pub use list_offsets::{ListOffsetsPartition, ListOffsetsRequest};
pub use metadata::MetadataRequest;
pub use offset_commit::{OffsetCommitPartition, OffsetCommitRequest};
pub use offset_fetch::OffsetFetchRequest;
pub use offset_for_leader_epoch::{EpochPartition, OffsetForLeaderEpochRequest};
pub use sync_group::SyncGroupRequest;

use crate::wire::{Malformed, Reader};
use nanokafka::Api;

pub(crate) const UNKNOWN_TOPIC_OR_PARTITION: i16 = 3;
pub(crate) const NOT_LEADER_OR_FOLLOWER: i16 = 6;
pub(crate) const TOPIC_AUTHORIZATION_FAILED: i16 = 29;
pub(crate) const GROUP_AUTHORIZATION_FAILED: i16 = 30;
pub(crate) const INVALID_REQUEST: i16 = 42;

/// The APIs of the profile, with the versions that are decoded here.
const APIS: [(Api, i16, i16); 16] = [
    (Api::Fetch, 10, 11),
    (Api::ListOffsets, 4, 5),
    (Api::Metadata, 5, 7),
    (Api::OffsetCommit, 6, 7),
    (Api::OffsetFetch, 5, 7),
    (Api::FindCoordinator, 1, 2),
    (Api::JoinGroup, 3, 5),
    (Api::Heartbeat, 1, 3),
    (Api::LeaveGroup, 1, 2),
    (Api::SyncGroup, 1, 3),
    (Api::ApiVersions, 0, 0),
    (Api::OffsetForLeaderEpoch, 3, 3),
    // of members of KIP-848
    (Api::ConsumerGroupHeartbeat, 0, 1),
    (Api::Metadata, 12, 12),
    (Api::OffsetCommit, 9, 9),
    (Api::OffsetFetch, 9, 9),
];

/// A decoded request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[allow(missing_docs)]
pub enum Request {
    ApiVersions,
    ConsumerGroupHeartbeat(ConsumerGroupHeartbeatRequest),
    Fetch(FetchRequest),
    FindCoordinator(FindCoordinatorRequest),
    Heartbeat(HeartbeatRequest),
    JoinGroup(JoinGroupRequest),
    LeaveGroup(LeaveGroupRequest),
    ListOffsets(ListOffsetsRequest),
    Metadata(MetadataRequest),
    OffsetCommit(OffsetCommitRequest),
    OffsetFetch(OffsetFetchRequest),
    OffsetForLeaderEpoch(OffsetForLeaderEpochRequest),
    SyncGroup(SyncGroupRequest),
}

pub(crate) fn api_of(key: i16) -> Option<Api> {
    APIS.iter().map(|&(api, ..)| api).find(|&api| api as i16 == key)
}

pub(crate) fn is_decoded(api: Api, version: i16) -> bool {
    APIS.iter().any(|&(a, min, max)| a == api && (min..=max).contains(&version))
}

/// Flexible versions of the profile have tagged fields in both headers.
pub(crate) fn is_flexible(api: Api, version: i16) -> bool {
    match api {
        Api::ConsumerGroupHeartbeat => true,
        Api::Metadata => version >= 9,
        Api::OffsetCommit => version >= 8,
        Api::OffsetFetch => version >= 6,
        _ => false,
    }
}

impl Request {
    /// The body of a request whose version [`is_decoded`].
    pub(crate) fn decode(api: Api, version: i16, body: &mut Reader) -> Result<Request, Malformed> {
        let request = match api {
            Api::ApiVersions => Request::ApiVersions,
            Api::ConsumerGroupHeartbeat => {
                Request::ConsumerGroupHeartbeat(ConsumerGroupHeartbeatRequest::decode(version, body)?)
            }
            Api::Fetch => Request::Fetch(FetchRequest::decode(version, body)?),
            Api::FindCoordinator => Request::FindCoordinator(FindCoordinatorRequest::decode(body)?),
            Api::Heartbeat => Request::Heartbeat(HeartbeatRequest::decode(version, body)?),
            Api::JoinGroup => Request::JoinGroup(JoinGroupRequest::decode(version, body)?),
            Api::LeaveGroup => Request::LeaveGroup(LeaveGroupRequest::decode(body)?),
            Api::ListOffsets => Request::ListOffsets(ListOffsetsRequest::decode(body)?),
            Api::Metadata => Request::Metadata(MetadataRequest::decode(version, body)?),
            Api::OffsetCommit => Request::OffsetCommit(OffsetCommitRequest::decode(version, body)?),
            Api::OffsetFetch => Request::OffsetFetch(OffsetFetchRequest::decode(version, body)?),
            Api::OffsetForLeaderEpoch => Request::OffsetForLeaderEpoch(OffsetForLeaderEpochRequest::decode(body)?),
            Api::SyncGroup => Request::SyncGroup(SyncGroupRequest::decode(version, body)?),
            _ => return Err(format!("{api:?} is not decoded here")),
        };
        body.end()?;
        Ok(request)
    }

    /// What no sensible client asks although a broker would answer.
    pub(crate) fn suspicious(&self) -> Option<String> {
        match self {
            Request::ConsumerGroupHeartbeat(request) => request.suspicious(),
            Request::Fetch(request) => request.suspicious(),
            Request::ListOffsets(request) => request.suspicious(),
            Request::Metadata(request) => request.suspicious(),
            Request::OffsetCommit(request) => request.suspicious(),
            Request::OffsetFetch(request) => request.suspicious(),
            Request::OffsetForLeaderEpoch(request) => request.suspicious(),
            Request::JoinGroup(request) => request.suspicious(),
            _ => None,
        }
    }
}

/// Topics of a request, each once, partitions each once.
pub(crate) fn repeated<'a>(topics: impl IntoIterator<Item = (&'a str, i32)>) -> Option<String> {
    let mut seen = std::collections::BTreeSet::new();
    topics.into_iter().find(|entry| !seen.insert(*entry)).map(|(topic, partition)| format!("{topic}-{partition} twice"))
}

/// 1 to 249 of letters, digits, `.`, `_`, `-`, and neither `.` nor `..`.
pub(crate) fn is_legal_topic(name: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    !name.is_empty() && name.len() <= 249 && name != "." && name != ".." && name.bytes().all(legal)
}
