//! OffsetFetch v5, and v7 (flexible) whose `require_stable` waits for transactional commits (KIP-447).
use super::TOPIC_AUTHORIZATION_FAILED;
use crate::broker::Call;
use crate::cluster::State;
use crate::wire::{Malformed, Reader, Writer};
use nanokafka::Api;

const UNSTABLE_OFFSET_COMMIT: i16 = 88;

/// OffsetFetch.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct OffsetFetchRequest {
    pub group_id: String,
    /// `None` asks for all partitions of the group.
    pub topics: Option<Vec<(String, Vec<i32>)>>,
    pub require_stable: bool,
}

impl OffsetFetchRequest {
    pub(super) fn decode(version: i16, body: &mut Reader) -> Result<Self, Malformed> {
        if version < 6 {
            let group_id = body.str()?;
            let topics = body.nullable_array(|body| Ok((body.str()?, body.array(Reader::i32)?)))?;
            return Ok(OffsetFetchRequest { group_id, topics, require_stable: false });
        }
        let group_id = body.compact_str()?;
        let topics = body.compact_nullable_array(|body| {
            let name = body.compact_str()?;
            let partitions = body.compact_nullable_array(Reader::i32)?.ok_or("null partition_indexes")?;
            body.tags()?;
            Ok((name, partitions))
        })?;
        let require_stable = if version >= 7 { body.bool()? } else { false };
        body.tags()?;
        Ok(OffsetFetchRequest { group_id, topics, require_stable })
    }

    pub(super) fn suspicious(&self) -> Option<String> {
        let Some(topics) = &self.topics else { return Some("committed offsets of all topics".into()) };
        super::repeated(topics.iter().flat_map(|(topic, all)| all.iter().map(move |one| (&topic[..], *one))))
    }
}

/// (offset, leader epoch, metadata, error) of one partition.
type Answer = (i64, i32, String, i16);

impl State {
    pub(crate) fn offset_fetch(&mut self, call: &Call, request: &OffsetFetchRequest) -> Writer {
        let injected = self.faults.code(Api::OffsetFetch).map_or(Ok(()), Err);
        let top = injected.and_then(|()| self.is_coordinator(call.node, &request.group_id));
        let asked = request.topics.clone().unwrap_or_else(|| self.committed_topics(&request.group_id));
        let mut topics: Vec<(String, Vec<(i32, Answer)>)> = vec![];
        if top.is_ok() {
            for (topic, partitions) in asked {
                let answers = partitions.iter().map(|&one| (one, self.committed(request, &topic, one))).collect();
                topics.push((topic, answers));
            }
        }
        write(call.version, &topics, top.err().unwrap_or(0))
    }

    fn committed_topics(&self, group: &str) -> Vec<(String, Vec<i32>)> {
        let mut topics: Vec<(String, Vec<i32>)> = vec![];
        for (topic, partition) in self.groups.get(group).iter().flat_map(|group| group.offsets.keys()) {
            match topics.last_mut() {
                Some((last, partitions)) if last == topic => partitions.push(*partition),
                _ => topics.push((topic.clone(), vec![*partition])),
            }
        }
        topics
    }

    /// Unknown groups, topics and partitions all look like "nothing committed".
    fn committed(&mut self, request: &OffsetFetchRequest, topic: &str, partition: i32) -> Answer {
        let none = |code| (-1, -1, String::new(), code);
        if let Some(code) = self.faults.partition_code(Api::OffsetFetch, topic, partition) {
            return none(code);
        }
        if self.denied_topics.contains(topic) {
            return none(TOPIC_AUTHORIZATION_FAILED);
        }
        let group = self.groups.get(&request.group_id);
        match group.and_then(|group| group.offsets.get(&(topic.to_string(), partition))) {
            None => none(0),
            Some(committed) if committed.unstable && request.require_stable => none(UNSTABLE_OFFSET_COMMIT),
            Some(committed) => (committed.offset, committed.leader_epoch, committed.metadata.clone(), 0),
        }
    }
}

fn write(version: i16, topics: &[(String, Vec<(i32, Answer)>)], error: i16) -> Writer {
    let mut out = Writer::throttled();
    if version < 6 {
        out.array(topics, |out, (topic, partitions)| {
            out.str(topic).array(partitions, |out, (partition, (offset, epoch, metadata, code))| {
                out.i32(*partition).i64(*offset).i32(*epoch).nullable_str(Some(metadata)).code(*code);
            });
        });
        out.code(error);
        return out;
    }
    out.uvarint(topics.len() as u64 + 1);
    for (topic, partitions) in topics {
        out.compact_str(topic).uvarint(partitions.len() as u64 + 1);
        for (partition, (offset, epoch, metadata, code)) in partitions {
            out.i32(*partition).i64(*offset).i32(*epoch).compact_str(metadata).code(*code).uvarint(0);
        }
        out.uvarint(0);
    }
    out.code(error).uvarint(0);
    out
}
