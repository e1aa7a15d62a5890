//! ListOffsets v4 and v5 (identical bytes; v5 may answer 78).
use super::{INVALID_REQUEST, TOPIC_AUTHORIZATION_FAILED};
use crate::broker::Call;
use crate::cluster::State;
use crate::wire::{Malformed, Reader, Writer};
use nanokafka::Api;

const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const UNSUPPORTED_VERSION: i16 = 35;

/// ListOffsets.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct ListOffsetsRequest {
    pub replica_id: i32,
    pub isolation_level: i8,
    pub topics: Vec<(String, Vec<ListOffsetsPartition>)>,
}

/// One partition of a ListOffsets.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct ListOffsetsPartition {
    pub partition: i32,
    pub current_leader_epoch: i32,
    /// −1 latest, −2 earliest, or milliseconds.
    pub timestamp: i64,
}

impl ListOffsetsRequest {
    pub(super) fn decode(body: &mut Reader) -> Result<Self, Malformed> {
        Ok(ListOffsetsRequest {
            replica_id: body.i32()?,
            isolation_level: body.i8()?,
            topics: body.array(|body| {
                let partition = |body: &mut Reader| {
                    Ok(ListOffsetsPartition {
                        partition: body.i32()?,
                        current_leader_epoch: body.i32()?,
                        timestamp: body.i64()?,
                    })
                };
                Ok((body.str()?, body.array(partition)?))
            })?,
        })
    }

    pub(super) fn suspicious(&self) -> Option<String> {
        if self.replica_id != -1 || !(0..=1).contains(&self.isolation_level) {
            return Some(format!("replica id {}, isolation level {}", self.replica_id, self.isolation_level));
        }
        let all = || self.topics.iter().flat_map(|(topic, all)| all.iter().map(move |one| (&topic[..], one)));
        if let Some((topic, one)) = all().find(|(_, one)| one.timestamp < EARLIEST || one.current_leader_epoch < -1) {
            return Some(format!("{topic} {one:?}"));
        }
        super::repeated(all().map(|(topic, one)| (topic, one.partition)))
    }
}

impl State {
    /// Topics come back in another order than asked.
    pub(crate) fn list_offsets(&mut self, call: &Call, request: &ListOffsetsRequest) -> Writer {
        let injected = self.faults.code(Api::ListOffsets);
        let committed_only = request.isolation_level == 1;
        let mut out = Writer::throttled();
        out.count(request.topics.len());
        for (topic, partitions) in request.topics.iter().rev() {
            out.str(topic).count(partitions.len());
            for one in partitions {
                let scripted = injected.or_else(|| self.faults.partition_code(Api::ListOffsets, topic, one.partition));
                let found = match scripted {
                    Some(code) => Err(code),
                    None => self.list_one(call.node, topic, one, committed_only),
                };
                let (code, (timestamp, offset, epoch)) = match found {
                    Ok(found) => (0, found),
                    Err(code) => (code, (-1, -1, -1)),
                };
                out.i32(one.partition).code(code).i64(timestamp).i64(offset).i32(epoch);
            }
        }
        out
    }

    /// Timestamp, offset, leader epoch.
    fn list_one(
        &self,
        node: i32,
        topic: &str,
        one: &ListOffsetsPartition,
        committed_only: bool,
    ) -> Result<(i64, i64, i32), i16> {
        if self.denied_topics.contains(topic) {
            return Err(TOPIC_AUTHORIZATION_FAILED);
        }
        let log = self.leader_of(node, topic, one.partition, one.current_leader_epoch)?;
        let end = if committed_only { log.last_stable_offset() } else { log.high_watermark() };
        match one.timestamp {
            LATEST => Ok((-1, end, log.epoch)),
            EARLIEST => Ok((-1, log.log_start, log.epoch_at(log.log_start))),
            timestamp if timestamp >= 0 => Ok(log.offset_for_time(timestamp, end).unwrap_or((-1, -1, -1))),
            i64::MIN..=-7 => Err(INVALID_REQUEST),
            _ => Err(UNSUPPORTED_VERSION),
        }
    }
}
