//! Requests in one line each, with what one looks for in the log of a failing test.
use crate::apis::Request;
use std::fmt;

/// `name` of bytes that are a Subscription or an Assignment: what it says, else how long it is.
fn blob(bytes: &[u8]) -> String {
    let mut reader = crate::wire::Reader::new(bytes);
    let mut topics = || -> Result<Vec<String>, String> {
        reader.i16()?;
        reader.array(|body| body.str())
    };
    match topics() {
        Ok(topics) => format!("[{}] in {} bytes", topics.join(" "), bytes.len()),
        Err(_) => format!("{} bytes", bytes.len()),
    }
}

fn assignment(bytes: &[u8]) -> String {
    let mut reader = crate::wire::Reader::new(bytes);
    let mut topics = || -> Result<Vec<String>, String> {
        reader.i16()?;
        reader.array(|body| Ok(format!("{}{:?}", body.str()?, body.array(crate::wire::Reader::i32)?)))
    };
    topics().map_or_else(|_| format!("{} bytes", bytes.len()), |topics| topics.join(" "))
}

fn list<T>(f: &mut fmt::Formatter<'_>, items: impl IntoIterator<Item = T>, one: impl Fn(T) -> String) -> fmt::Result {
    items.into_iter().try_for_each(|item| write!(f, " {}", one(item)))
}

fn instance(instance: &Option<String>) -> String {
    instance.as_ref().map_or(String::new(), |instance| format!(" instance {instance}"))
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Request::ApiVersions => write!(f, "ApiVersions"),
            Request::Metadata(request) => match &request.topics {
                None => write!(f, "Metadata of all topics"),
                Some(topics) => {
                    write!(f, "Metadata {topics:?}")?;
                    list(f, &request.ids, |id| format!("id {}", id[15]))
                }
            },
            Request::ConsumerGroupHeartbeat(request) => {
                let (group, epoch, id) = (&request.group_id, request.member_epoch, &request.member_id);
                write!(f, "ConsumerGroupHeartbeat {group} epoch {epoch} as {id:?}{}", instance(&request.instance_id))?;
                list(f, &request.subscribed_topic_names, |names| format!("names {names:?}"))?;
                list(f, &request.subscribed_topic_regex, |regex| format!("regex {regex:?}"))?;
                list(f, &request.topic_partitions, |owned| {
                    let topics = owned.iter().map(|(id, all)| format!("id {}{all:?}", id[15]));
                    format!("has [{}]", topics.collect::<Vec<_>>().join(" "))
                })
            }
            Request::FindCoordinator(request) => write!(f, "FindCoordinator {}", request.key),
            Request::JoinGroup(request) => {
                let (id, timeouts) = (&request.member_id, (request.session_timeout_ms, request.rebalance_timeout_ms));
                write!(f, "JoinGroup {} as {id:?}{}", request.group_id, instance(&request.group_instance_id))?;
                write!(f, " session {} rebalance {} ms", timeouts.0, timeouts.1)?;
                list(f, &request.protocols, |(name, metadata)| format!("{name} {}", blob(metadata)))
            }
            Request::SyncGroup(request) => {
                let (group, generation, id) = (&request.group_id, request.generation_id, &request.member_id);
                write!(f, "SyncGroup {group} generation {generation} as {id}{}", instance(&request.group_instance_id))?;
                list(f, &request.assignments, |(id, bytes)| format!("{id}: {};", assignment(bytes)))
            }
            Request::Heartbeat(request) => {
                let (group, generation, id) = (&request.group_id, request.generation_id, &request.member_id);
                write!(f, "Heartbeat {group} generation {generation} as {id}{}", instance(&request.group_instance_id))
            }
            Request::LeaveGroup(request) => write!(f, "LeaveGroup {} as {}", request.group_id, request.member_id),
            Request::OffsetCommit(request) => {
                let (group, generation, id) = (&request.group_id, request.generation_id, &request.member_id);
                write!(f, "OffsetCommit {group} generation {generation} as {id:?}")?;
                list(
                    f,
                    request.topics.iter().flat_map(|(topic, all)| all.iter().map(move |one| (topic, one))),
                    |(topic, one)| format!("{topic}-{}@{} (epoch {})", one.partition, one.offset, one.leader_epoch),
                )
            }
            Request::OffsetFetch(request) => {
                write!(f, "OffsetFetch {}", request.group_id)?;
                list(f, request.topics.iter().flatten(), |(topic, all)| format!("{topic}{all:?}"))
            }
            Request::ListOffsets(request) => {
                write!(f, "ListOffsets")?;
                list(
                    f,
                    request.topics.iter().flat_map(|(topic, all)| all.iter().map(move |one| (topic, one))),
                    |(topic, one)| {
                        format!("{topic}-{} at {} (epoch {})", one.partition, one.timestamp, one.current_leader_epoch)
                    },
                )
            }
            Request::OffsetForLeaderEpoch(request) => {
                write!(f, "OffsetForLeaderEpoch")?;
                list(
                    f,
                    request.topics.iter().flat_map(|(topic, all)| all.iter().map(move |one| (topic, one))),
                    |(topic, one)| {
                        let (asked, current) = (one.leader_epoch, one.current_leader_epoch);
                        format!("{topic}-{} epoch {asked} (now {current})", one.partition)
                    },
                )
            }
            Request::Fetch(request) => {
                let (wait, min, max) = (request.max_wait_ms, request.min_bytes, request.max_bytes);
                write!(f, "Fetch wait {wait} ms, {min} to {max} bytes")?;
                if request.isolation_level == 1 {
                    write!(f, ", committed")?;
                }
                list(f, request.all(), |(topic, one)| {
                    let (offset, epoch) = (one.fetch_offset, one.current_leader_epoch);
                    format!("{topic}-{}@{offset} (epoch {epoch})", one.partition)
                })
            }
        }
    }
}
