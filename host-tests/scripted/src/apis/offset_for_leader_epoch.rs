//! OffsetForLeaderEpoch v3 (KIP-320). In the answer, `error_code` stands before `partition`.
use super::TOPIC_AUTHORIZATION_FAILED;
use crate::broker::Call;
use crate::cluster::State;
use crate::wire::{Malformed, Reader, Writer};
use nanokafka::Api;

/// OffsetForLeaderEpoch.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct OffsetForLeaderEpochRequest {
    pub replica_id: i32,
    pub topics: Vec<(String, Vec<EpochPartition>)>,
}

/// One partition of an OffsetForLeaderEpoch.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct EpochPartition {
    pub partition: i32,
    pub current_leader_epoch: i32,
    pub leader_epoch: i32,
}

impl OffsetForLeaderEpochRequest {
    pub(super) fn decode(body: &mut Reader) -> Result<Self, Malformed> {
        Ok(OffsetForLeaderEpochRequest {
            replica_id: body.i32()?,
            topics: body.array(|body| {
                let partition = |body: &mut Reader| {
                    Ok(EpochPartition {
                        partition: body.i32()?,
                        current_leader_epoch: body.i32()?,
                        leader_epoch: body.i32()?,
                    })
                };
                Ok((body.str()?, body.array(partition)?))
            })?,
        })
    }

    pub(super) fn suspicious(&self) -> Option<String> {
        if self.replica_id != -1 {
            return Some(format!("replica id {}", self.replica_id));
        }
        let all = || self.topics.iter().flat_map(|(topic, all)| all.iter().map(move |one| (&topic[..], one)));
        if let Some((topic, one)) = all().find(|(_, one)| one.leader_epoch < 0) {
            return Some(format!("{topic} {one:?}"));
        }
        super::repeated(all().map(|(topic, one)| (topic, one.partition)))
    }
}

impl State {
    pub(crate) fn offset_for_leader_epoch(&mut self, call: &Call, request: &OffsetForLeaderEpochRequest) -> Writer {
        let injected = self.faults.code(Api::OffsetForLeaderEpoch);
        let mut out = Writer::throttled();
        out.count(request.topics.len());
        for (topic, partitions) in request.topics.iter().rev() {
            out.str(topic).count(partitions.len());
            for one in partitions {
                let scripted =
                    injected.or_else(|| self.faults.partition_code(Api::OffsetForLeaderEpoch, topic, one.partition));
                let found = match scripted {
                    Some(code) => Err(code),
                    None if self.denied_topics.contains(topic) => Err(TOPIC_AUTHORIZATION_FAILED),
                    None => self
                        .leader_of(call.node, topic, one.partition, one.current_leader_epoch)
                        .map(|log| log.end_of_epoch(one.leader_epoch)),
                };
                let (code, (epoch, end)) = match found {
                    Ok(found) => (0, found),
                    Err(code) => (code, (-1, -1)),
                };
                out.code(code).i32(one.partition).i32(epoch).i64(end);
            }
        }
        out
    }
}
