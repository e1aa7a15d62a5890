//! Bytes: leaves, items, requests. `IResult` does not leave this module's parsers: machines call [`primitives::item`].
//! One file for each Kafka API, all of Kafka's non-flexible profile that brokers from 2.1 on understand.
pub(crate) mod answer;
pub(crate) mod api_versions;
pub(crate) mod batch;
#[cfg(feature = "group-sticky")]
pub(crate) mod claims;
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

/// How OffsetCommit, SyncGroup and Heartbeat begin: who speaks. `instance` is `None` in versions without it.
fn member_head(e: &mut encode::Encoder<'_>, group: &str, generation: i32, member: &str, instance: Option<&str>) {
    e.str(group);
    e.i32(generation).str(member);
    if let Some(instance) = instance {
        e.nullable(instance);
    }
}
