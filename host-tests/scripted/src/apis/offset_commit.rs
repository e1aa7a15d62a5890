//! OffsetCommit v6 and v7: v7 adds the instance id (KIP-345). v9: flexible, with the epochs of members of KIP-848.
use super::{TOPIC_AUTHORIZATION_FAILED, UNKNOWN_TOPIC_OR_PARTITION};
use crate::broker::Call;
use crate::cluster::State;
use crate::group::consumer::CommitRule;
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
        if version >= 8 {
            return OffsetCommitRequest::decode_flexible(body);
        }
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

    fn decode_flexible(body: &mut Reader) -> Result<Self, Malformed> {
        let partition = |body: &mut Reader| {
            let partition = OffsetCommitPartition {
                partition: body.i32()?,
                offset: body.i64()?,
                leader_epoch: body.i32()?,
                metadata: body.compact_nullable_str()?,
            };
            body.tags()?;
            Ok(partition)
        };
        let request = OffsetCommitRequest {
            group_id: body.compact_str()?,
            generation_id: body.i32()?,
            member_id: body.compact_str()?,
            group_instance_id: body.compact_nullable_str()?,
            topics: body.compact_array(|body| {
                let topic = (body.compact_str()?, body.compact_array(partition)?);
                body.tags()?;
                Ok(topic)
            })?,
        };
        body.tags()?;
        Ok(request)
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
        let mut topics = vec![];
        for (topic, partitions) in &request.topics {
            let mut codes = vec![];
            for one in partitions {
                let id = self.topic_ids.get(topic).copied().unwrap_or_default();
                let may = whole.as_ref().map_err(|code| *code).and_then(|rule| rule.check((id, one.partition)));
                codes.push((one.partition, may.err().unwrap_or_else(|| self.commit_one(call, request, topic, one))));
            }
            topics.push((topic, codes));
        }
        let mut out = Writer::throttled();
        if call.version < 8 {
            out.array(topics, |out, (topic, codes)| {
                out.str(topic).array(codes, |out, (partition, code)| _ = out.i32(partition).code(code));
            });
            return out;
        }
        out.compact_array(topics, |out, (topic, codes)| {
            out.compact_str(topic);
            out.compact_array(codes, |out, (partition, code)| _ = out.i32(partition).code(code).uvarint(0)).uvarint(0);
        });
        out.uvarint(0);
        out
    }

    fn may_commit(&mut self, call: &Call, request: &OffsetCommitRequest) -> Result<CommitRule, i16> {
        self.is_coordinator(call.node, &request.group_id)?;
        if let Some(consumer) = self.groups.get(&request.group_id).and_then(|group| group.consumer.as_ref()) {
            return consumer.may_commit(call.version, &request.member_id, request.generation_id);
        }
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
        .map(|()| CommitRule::Any)
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
