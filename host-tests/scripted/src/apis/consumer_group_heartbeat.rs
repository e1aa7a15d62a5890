//! ConsumerGroupHeartbeat v0 and v1 (KIP-848): v1 adds regular expressions, and the client makes the member's id.
use super::{GROUP_AUTHORIZATION_FAILED, TOPIC_AUTHORIZATION_FAILED};
use crate::broker::Call;
use crate::cluster::State;
use crate::group::consumer::{Beat, IdPartition, TopicId};
use crate::group::{Group, GROUP_ID_NOT_FOUND};
use crate::wire::{Malformed, Reader, Writer};
use nanokafka::Api;
use std::collections::{BTreeMap, BTreeSet};

/// ConsumerGroupHeartbeat. What is `None` has not changed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct ConsumerGroupHeartbeatRequest {
    pub group_id: String,
    pub member_id: String,
    /// 0 joins, -1 leaves, -2 leaves for a while.
    pub member_epoch: i32,
    pub instance_id: Option<String>,
    pub rack_id: Option<String>,
    pub rebalance_timeout_ms: i32,
    pub subscribed_topic_names: Option<Vec<String>>,
    pub subscribed_topic_regex: Option<String>,
    pub server_assignor: Option<String>,
    /// What the member has.
    pub topic_partitions: Option<Vec<(TopicId, Vec<i32>)>>,
}

impl ConsumerGroupHeartbeatRequest {
    pub(super) fn decode(version: i16, body: &mut Reader) -> Result<Self, Malformed> {
        let request = ConsumerGroupHeartbeatRequest {
            group_id: body.compact_str()?,
            member_id: body.compact_str()?,
            member_epoch: body.i32()?,
            instance_id: body.compact_nullable_str()?,
            rack_id: body.compact_nullable_str()?,
            rebalance_timeout_ms: body.i32()?,
            subscribed_topic_names: body.compact_nullable_array(Reader::compact_str)?,
            subscribed_topic_regex: if version >= 1 { body.compact_nullable_str()? } else { None },
            server_assignor: body.compact_nullable_str()?,
            topic_partitions: body.compact_nullable_array(|body| {
                let topic = (body.uuid()?, body.compact_array(Reader::i32)?);
                body.tags()?;
                Ok(topic)
            })?,
        };
        body.tags()?;
        Ok(request)
    }

    /// Says everything, so that the answer does, too.
    pub(crate) fn is_full(&self) -> bool {
        let subscribes = self.subscribed_topic_names.is_some() || self.subscribed_topic_regex.is_some();
        self.rebalance_timeout_ms != -1 && subscribes && self.topic_partitions.is_some()
    }

    /// What the member says that it has.
    pub(crate) fn owned(&self) -> Option<BTreeSet<IdPartition>> {
        let topics = self.topic_partitions.as_ref()?;
        Some(topics.iter().flat_map(|(id, all)| all.iter().map(move |&partition| (*id, partition))).collect())
    }

    pub(super) fn suspicious(&self) -> Option<String> {
        let topics = self.topic_partitions.iter().flatten();
        let all = topics.flat_map(|(id, all)| all.iter().map(move |partition| (id, partition))).collect::<Vec<_>>();
        (self.owned().is_some_and(|owned| owned.len() < all.len())).then(|| "a partition twice".into())
    }
}

impl State {
    pub(crate) fn consumer_group_heartbeat(&mut self, call: &Call, request: &ConsumerGroupHeartbeatRequest) -> Writer {
        let injected = self.faults.code(Api::ConsumerGroupHeartbeat).map_or(Ok(()), Err);
        match injected.and_then(|()| self.beat(call, request)) {
            Ok(beat) => write(&Ok(beat)),
            Err(code) => write(&Err(code)),
        }
    }

    fn beat(&mut self, call: &Call, request: &ConsumerGroupHeartbeatRequest) -> Result<Beat, i16> {
        if self.denied_groups.contains(&request.group_id) {
            return Err(GROUP_AUTHORIZATION_FAILED);
        }
        self.is_coordinator(call.node, &request.group_id)?;
        if request.subscribed_topic_names.iter().flatten().any(|name| self.denied_topics.contains(name)) {
            return Err(TOPIC_AUTHORIZATION_FAILED);
        }
        if request.member_epoch == 0 {
            self.create_group(&request.group_id);
            self.with_group(call.node, &request.group_id, Group::become_consumer)?;
        }
        let known = self.groups.get(&request.group_id).is_some_and(|group| group.consumer.is_some());
        if !known {
            return Err(GROUP_ID_NOT_FOUND);
        }
        self.with_group(call.node, &request.group_id, |group, turn| {
            let consumer = group.consumer.as_mut().ok_or(GROUP_ID_NOT_FOUND)?;
            let beat = consumer.heartbeat(call.version, request, turn);
            group.maybe_become_classic(turn);
            beat
        })?
    }
}

fn write(beat: &Result<Beat, i16>) -> Writer {
    let mut out = Writer::throttled();
    let Ok(beat) = beat else {
        let code = *beat.as_ref().err().unwrap_or(&0);
        out.code(code)
            .compact_nullable_str(Some("scripted"))
            .compact_nullable_str(None)
            .i32(0)
            .i32(0)
            .i8(-1)
            .uvarint(0);
        return out;
    };
    out.code(0).compact_nullable_str(None).compact_nullable_str(Some(&beat.member_id));
    out.i32(beat.member_epoch).i32(beat.interval_ms);
    match &beat.assignment {
        None => _ = out.i8(-1),
        Some(assignment) => {
            let mut topics: BTreeMap<TopicId, Vec<i32>> = BTreeMap::new();
            assignment.iter().for_each(|(topic, partition)| topics.entry(*topic).or_default().push(*partition));
            out.i8(1).uvarint(topics.len() as u64 + 1);
            for (topic, partitions) in topics {
                out.raw(&topic).uvarint(partitions.len() as u64 + 1);
                partitions.iter().for_each(|partition| _ = out.i32(*partition));
                out.uvarint(0);
            }
            out.uvarint(0);
        }
    }
    out.uvarint(0);
    out
}
