//! Fetch v10 and v11: v11 adds the client's rack and the preferred replica (KIP-392). Sessions (KIP-227) are never granted.
use super::{NOT_LEADER_OR_FOLLOWER, TOPIC_AUTHORIZATION_FAILED, UNKNOWN_TOPIC_OR_PARTITION};
use crate::broker::{Call, Outcome};
use crate::cluster::State;
use crate::log::Limits;
use crate::wire::{Malformed, Reader, Writer};
use nanokafka::Api;
use std::rc::Rc;

const OFFSET_OUT_OF_RANGE: i16 = 1;
const FETCH_SESSION_ID_NOT_FOUND: i16 = 70;

/// Fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct FetchRequest {
    pub replica_id: i32,
    pub max_wait_ms: i32,
    pub min_bytes: i32,
    pub max_bytes: i32,
    pub isolation_level: i8,
    pub session_id: i32,
    pub session_epoch: i32,
    pub topics: Vec<(String, Vec<FetchPartition>)>,
    pub forgotten: Vec<(String, Vec<i32>)>,
    pub rack_id: String,
}

/// One partition of a Fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct FetchPartition {
    pub partition: i32,
    pub current_leader_epoch: i32,
    pub fetch_offset: i64,
    pub log_start_offset: i64,
    pub partition_max_bytes: i32,
}

impl FetchRequest {
    pub(super) fn decode(version: i16, body: &mut Reader) -> Result<Self, Malformed> {
        Ok(FetchRequest {
            replica_id: body.i32()?,
            max_wait_ms: body.i32()?,
            min_bytes: body.i32()?,
            max_bytes: body.i32()?,
            isolation_level: body.i8()?,
            session_id: body.i32()?,
            session_epoch: body.i32()?,
            topics: body.array(|body| {
                let partition = |body: &mut Reader| {
                    Ok(FetchPartition {
                        partition: body.i32()?,
                        current_leader_epoch: body.i32()?,
                        fetch_offset: body.i64()?,
                        log_start_offset: body.i64()?,
                        partition_max_bytes: body.i32()?,
                    })
                };
                Ok((body.str()?, body.array(partition)?))
            })?,
            forgotten: body.array(|body| Ok((body.str()?, body.array(Reader::i32)?)))?,
            rack_id: if version >= 11 { body.str()? } else { String::new() },
        })
    }

    pub(super) fn suspicious(&self) -> Option<String> {
        if self.replica_id != -1
            || !(0..=1).contains(&self.isolation_level)
            || self.max_wait_ms < 0
            || self.min_bytes < 0
            || self.max_bytes <= 0
        {
            return Some("a value out of its range".into());
        }
        let wrong = |one: &FetchPartition| {
            one.fetch_offset < 0
                || one.log_start_offset != -1
                || one.partition_max_bytes <= 0
                || one.current_leader_epoch < -1
        };
        if let Some((topic, one)) = self.all().find(|(_, one)| wrong(one)) {
            return Some(format!("{topic} {one:?}"));
        }
        if self.all().next().is_none() {
            return Some("no partition".into());
        }
        super::repeated(self.all().map(|(topic, one)| (topic, one.partition)))
    }

    /// Topic and partition, in the order asked.
    pub fn all(&self) -> impl Iterator<Item = (&str, &FetchPartition)> {
        self.topics.iter().flat_map(|(topic, all)| all.iter().map(move |one| (&topic[..], one)))
    }
}

/// A long poll.
pub(crate) struct WaitingFetch {
    pub(crate) call: Call,
    pub(crate) request: Rc<super::Request>,
    pub(crate) deadline: u64,
}

/// What became of one partition of a Fetch.
struct Read {
    code: i16,
    high_watermark: i64,
    last_stable_offset: i64,
    log_start: i64,
    aborted: Option<Vec<(i64, i64)>>,
    preferred: i32,
    bytes: Vec<u8>,
}

impl Read {
    fn failed(code: i16) -> Self {
        Read {
            code,
            high_watermark: -1,
            last_stable_offset: -1,
            log_start: -1,
            // refused before reading: an empty list; while reading: null
            aborted: matches!(code, UNKNOWN_TOPIC_OR_PARTITION | TOPIC_AUTHORIZATION_FAILED).then(Vec::new),
            preferred: -1,
            bytes: vec![],
        }
    }
}

impl State {
    /// Answers at once, or leaves a long poll (KIP-74 decides how much, `DelayedFetch` when).
    pub(crate) fn fetch(&mut self, call: &Call, decoded: &Rc<super::Request>, deadline: Option<u64>) -> Outcome {
        let super::Request::Fetch(request) = &**decoded else { return Outcome::Close };
        if let Some(code) = if deadline.is_none() { self.faults.code(Api::Fetch) } else { None } {
            return Outcome::Answer(self.failed_fetch(code));
        }
        if request.session_id != 0 && request.session_epoch > 0 {
            return Outcome::Answer(self.failed_fetch(FETCH_SESSION_ID_NOT_FOUND));
        }
        let ends = deadline.unwrap_or(self.now + request.max_wait_ms.max(0) as u64);
        if ends > self.now && request.min_bytes > 0 && self.keeps_waiting(call, request) {
            let waiting = WaitingFetch { call: call.clone(), request: decoded.clone(), deadline: ends };
            return Outcome::LongPoll(waiting);
        }
        Outcome::Answer(self.read_all(call, request))
    }

    fn failed_fetch(&self, code: i16) -> Writer {
        let mut out = Writer::throttled();
        out.code(code).i32(0).count(0);
        out
    }

    /// Neither enough bytes, nor an error that ends the wait. Unknown partitions alone do not end it.
    fn keeps_waiting(&self, call: &Call, request: &FetchRequest) -> bool {
        let mut readable = false;
        let mut bytes = 0;
        let enough = request.min_bytes.min(request.max_bytes).max(1) as usize;
        for (topic, one) in request.all() {
            if self.faults.has_partition_code(Api::Fetch, topic, one.partition) {
                return false;
            }
            match self.readable_from(call, topic, one) {
                Err(UNKNOWN_TOPIC_OR_PARTITION | TOPIC_AUTHORIZATION_FAILED) => {}
                Err(_) => return false,
                Ok(log) => {
                    readable = true;
                    if self.redirect(call.node, request, topic, one.partition) >= 0 {
                        return false;
                    }
                    let committed_only = request.isolation_level == 1;
                    if committed_only && one.fetch_offset > log.last_stable_offset() {
                        return false;
                    }
                    bytes += log.available(one.fetch_offset, committed_only, enough);
                }
            }
        }
        readable && bytes < enough
    }

    fn read_all(&mut self, call: &Call, request: &FetchRequest) -> Writer {
        let mut room = (request.max_bytes.max(0) as usize).min(self.settings.fetch_max_bytes);
        if let Some(quota) = self.settings.fetch_quota {
            room = room.min(quota as usize * 11);
        }
        let (mut at_least_one, mut reads, mut last) = (true, vec![], vec![]);
        for (topic, one) in request.all() {
            let scripted = self.faults.partition_code(Api::Fetch, topic, one.partition);
            let read = match scripted {
                Some(code) => Read::failed(code),
                None => self.read_one(call, request, topic, one, room, at_least_one),
            };
            room = room.saturating_sub(read.bytes.len());
            at_least_one &= read.bytes.is_empty();
            let list = match read.code {
                UNKNOWN_TOPIC_OR_PARTITION | TOPIC_AUTHORIZATION_FAILED => &mut last,
                _ => &mut reads,
            };
            list.push((topic, one.partition, read));
        }
        let size = reads.iter().map(|(_, _, read)| read.bytes.len() + 64).sum();
        if let Some(throttle) = self.fetch_throttle(&call.client_id, size) {
            let mut body = self.failed_fetch(0);
            body.bytes[..4].copy_from_slice(&throttle.to_be_bytes());
            return body;
        }
        // what failed before it was read comes last, so a topic may be listed twice
        reads.extend(last);
        let mut out = Writer { bytes: Vec::with_capacity(size + 64), codes: vec![] };
        out.i32(0).i16(0).i32(0);
        let groups: Vec<_> = reads.chunk_by(|a, b| a.0 == b.0).collect();
        out.array(groups, |out, group| {
            out.str(group[0].0).array(group, |out, (_, partition, read)| write(call.version, *partition, read, out));
        });
        out
    }

    /// The log if this node may read it for this client at this offset.
    fn readable_from(&self, call: &Call, topic: &str, one: &FetchPartition) -> Result<&crate::log::Partition, i16> {
        if self.denied_topics.contains(topic) {
            return Err(TOPIC_AUTHORIZATION_FAILED);
        }
        let log = match self.leader_of(call.node, topic, one.partition, one.current_leader_epoch) {
            // from v11 on followers serve everybody
            Err(NOT_LEADER_OR_FOLLOWER) if call.version >= 11 => self
                .partition(topic, one.partition)
                .filter(|log| log.replicas.contains(&call.node) && log.leader >= 0)
                .ok_or(NOT_LEADER_OR_FOLLOWER)?,
            other => other?,
        };
        if (log.log_start..=log.end).contains(&one.fetch_offset) {
            Ok(log)
        } else {
            Err(OFFSET_OUT_OF_RANGE)
        }
    }

    /// The replica in the client's rack, if the leader is asked and is elsewhere.
    fn redirect(&self, node: i32, request: &FetchRequest, topic: &str, partition: i32) -> i32 {
        let Some(log) = self.partition(topic, partition) else { return -1 };
        if request.rack_id.is_empty() || log.leader != node {
            return -1;
        }
        let near = |b: &&crate::broker::Broker| b.rack.as_deref() == Some(&request.rack_id) && b.registered;
        let mut near = self.brokers.iter().filter(near).map(|broker| broker.node);
        near.find(|other| log.replicas.contains(other)).filter(|&other| other != node).unwrap_or(-1)
    }

    fn read_one(
        &self,
        call: &Call,
        request: &FetchRequest,
        topic: &str,
        one: &FetchPartition,
        room: usize,
        at_least_one: bool,
    ) -> Read {
        let log = match self.readable_from(call, topic, one) {
            Ok(log) => log,
            Err(code) => return Read::failed(code),
        };
        let committed_only = request.isolation_level == 1;
        let preferred = self.redirect(call.node, request, topic, one.partition);
        let aborted = committed_only
            .then(|| log.aborted_from(one.fetch_offset).map(|aborted| (aborted.producer_id, aborted.first)).collect());
        let mut bytes = vec![];
        if preferred < 0 {
            let limit = room.min(one.partition_max_bytes.max(0) as usize);
            log.read(one.fetch_offset, &Limits { bytes: limit, at_least_one, committed_only }, &mut bytes);
        }
        Read {
            code: 0,
            high_watermark: log.high_watermark(),
            last_stable_offset: log.last_stable_offset(),
            log_start: log.log_start,
            aborted,
            preferred,
            bytes,
        }
    }
}

fn write(version: i16, partition: i32, read: &Read, out: &mut Writer) {
    out.i32(partition).code(read.code).i64(read.high_watermark).i64(read.last_stable_offset).i64(read.log_start);
    match &read.aborted {
        None => {
            out.i32(-1);
        }
        Some(aborted) => {
            out.array(aborted, |out, (producer_id, first)| {
                out.i64(*producer_id).i64(*first);
            });
        }
    }
    if version >= 11 {
        out.i32(read.preferred);
    }
    out.bytes(&read.bytes);
}
