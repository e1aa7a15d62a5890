//! OffsetCommit v6 and v7: v7 adds the instance id (KIP-345).
use super::{TOPIC_AUTHORIZATION_FAILED, UNKNOWN_TOPIC_OR_PARTITION};
use crate::broker::Call;
use crate::cluster::State;
use crate::group::{Committed, ILLEGAL_GENERATION};
use crate::history::Accepted;
use crate::wire::{Malformed, Reader, Writer};
use nanokafka::Api;

const OFFSET_METADATA_TOO_LARGE: i16 = 12;

/// OffsetCommit.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct OffsetCommitRequest {
    pub group_id: String,
    pub generation_id: i32,
    pub member_id: String,
    pub group_instance_id: Option<String>,
    pub topics: Vec<(String, Vec<OffsetCommitPartition>)>,
}

/// One partition of an OffsetCommit.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct OffsetCommitPartition {
    pub partition: i32,
    pub offset: i64,
    pub leader_epoch: i32,
    pub metadata: Option<String>,
}

impl OffsetCommitRequest {
    pub(super) fn decode(version: i16, body: &mut Reader) -> Result<Self, Malformed> {
        Ok(OffsetCommitRequest {
            group_id: body.str()?,
            generation_id: body.i32()?,
            member_id: body.str()?,
            group_instance_id: if version >= 7 { body.nullable_str()? } else { None },
            topics: body.array(|body| {
                let partition = |body: &mut Reader| {
                    Ok(OffsetCommitPartition {
                        partition: body.i32()?,
                        offset: body.i64()?,
                        leader_epoch: body.i32()?,
                        metadata: body.nullable_str()?,
                    })
                };
                Ok((body.str()?, body.array(partition)?))
            })?,
        })
    }

    pub(super) fn suspicious(&self) -> Option<String> {
        let all = || self.topics.iter().flat_map(|(topic, all)| all.iter().map(move |one| (&topic[..], one)));
        if let Some((topic, one)) = all().find(|(_, one)| one.offset < 0) {
            return Some(format!("offset {} of {topic}-{} is stored by a real broker", one.offset, one.partition));
        }
        if all().next().is_none() {
            return Some("an empty commit".into());
        }
        super::repeated(all().map(|(topic, one)| (topic, one.partition)))
    }
}

impl State {
    pub(crate) fn offset_commit(&mut self, call: &Call, request: &OffsetCommitRequest) -> Writer {
        let whole = self.faults.code(Api::OffsetCommit).map_or_else(|| self.may_commit(call, request), Err);
        let mut out = Writer::throttled();
        out.count(request.topics.len());
        for (topic, partitions) in &request.topics {
            out.str(topic).count(partitions.len());
            for one in partitions {
                let code = match whole {
                    Err(code) => code,
                    Ok(()) => self.commit_one(call, request, topic, one),
                };
                out.i32(one.partition).code(code);
            }
        }
        out
    }

    fn may_commit(&mut self, call: &Call, request: &OffsetCommitRequest) -> Result<(), i16> {
        self.is_coordinator(call.node, &request.group_id)?;
        if !self.groups.contains_key(&request.group_id) {
            if request.generation_id >= 0 {
                return Err(ILLEGAL_GENERATION);
            }
            self.create_group(&request.group_id);
        }
        let instance = request.group_instance_id.as_deref();
        self.with_group(call.node, &request.group_id, |group, turn| {
            group.may_commit(request.generation_id, &request.member_id, instance, turn)
        })?
    }

    fn commit_one(
        &mut self,
        call: &Call,
        request: &OffsetCommitRequest,
        topic: &str,
        one: &OffsetCommitPartition,
    ) -> i16 {
        if let Some(code) = self.faults.partition_code(Api::OffsetCommit, topic, one.partition) {
            return code;
        }
        let metadata = one.metadata.clone().unwrap_or_default();
        if self.denied_topics.contains(topic) {
            TOPIC_AUTHORIZATION_FAILED
        } else if self.partition(topic, one.partition).is_none() {
            UNKNOWN_TOPIC_OR_PARTITION
        } else if metadata.len() > self.settings.offset_metadata_max_bytes {
            OFFSET_METADATA_TOO_LARGE
        } else {
            let committed = Committed { offset: one.offset, leader_epoch: one.leader_epoch, metadata, unstable: false };
            let offsets = &mut self.create_group(&request.group_id).offsets;
            let before = offsets.insert((topic.into(), one.partition), committed).map(|committed| committed.offset);
            self.history.accepted.push(Accepted {
                at: self.now,
                net: self.connections.get(&call.connection).map_or(usize::MAX, |connection| connection.net),
                group: request.group_id.clone(),
                member_id: request.member_id.clone(),
                generation: request.generation_id,
                topic: topic.into(),
                partition: one.partition,
                offset: one.offset,
                before,
            });
            0
        }
    }
}
