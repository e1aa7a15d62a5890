//! Bytes: leaves, items, requests. `IResult` does not leave this module's parsers: machines call [`primitives::item`].
//! One file for each Kafka API: the non-flexible profile that brokers from 2.1 on understand, and for KIP-848 a few flexible versions.
pub(crate) mod answer;
pub(crate) mod api_versions;
pub(crate) mod batch;
#[cfg(feature = "group-sticky")]
pub(crate) mod claims;
#[cfg(feature = "group-consumer")]
pub(crate) mod consumer_group_heartbeat;
pub(crate) mod crc32c;
pub(crate) mod encode;
pub(crate) mod error_code;
pub(crate) mod fetch;
pub(crate) mod find_coordinator;
#[cfg(feature = "group")]
pub(crate) mod heartbeat;
#[cfg(feature = "group")]
pub(crate) mod join_group;
pub(crate) mod list_offsets;
pub(crate) mod metadata;
pub(crate) mod offset_commit;
pub(crate) mod offset_fetch;
pub(crate) mod offset_for_leader_epoch;
pub(crate) mod primitives;
pub(crate) mod record;
#[cfg(feature = "group")]
pub(crate) mod sync_group;

use crate::Api;
use primitives::Flexible;

/// Versions with lengths as varints and tagged fields (KIP-482), of those that we speak.
pub(crate) const fn flexible(api: Api, version: i16) -> Flexible {
    Flexible::new(version >= 9 && !matches!(api, Api::Fetch) || matches!(api, Api::ConsumerGroupHeartbeat))
}

/// How OffsetCommit, SyncGroup and Heartbeat begin: who speaks. `instance` is `None` in versions without it.
fn member_head(e: &mut encode::Encoder<'_>, group: &str, generation: i32, member: &str, instance: Option<&str>) {
    e.str(group);
    e.i32(generation).str(member);
    if let Some(instance) = instance {
        e.nullable(instance);
    }
}
