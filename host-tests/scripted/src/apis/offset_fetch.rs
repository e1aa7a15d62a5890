//! OffsetFetch v5, v7 (flexible) whose `require_stable` waits for transactional commits (KIP-447), and v9 for members of KIP-848,
//! which name themselves.
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
    /// Its id and epoch.
    pub member: Option<(String, i32)>,
}

impl OffsetFetchRequest {
    pub(super) fn decode(version: i16, body: &mut Reader) -> Result<Self, Malformed> {
        if version < 6 {
            let group_id = body.str()?;
            let topics = body.nullable_array(|body| Ok((body.str()?, body.array(Reader::i32)?)))?;
            return Ok(OffsetFetchRequest { group_id, topics, require_stable: false, member: None });
        }
        if version >= 8 {
            return OffsetFetchRequest::decode_groups(body);
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
        Ok(OffsetFetchRequest { group_id, topics, require_stable, member: None })
    }

    /// The profile asks about one group.
    fn decode_groups(body: &mut Reader) -> Result<Self, Malformed> {
        let mut groups = body.compact_array(|body| {
            let (group_id, member_id, epoch) = (body.compact_str()?, body.compact_nullable_str()?, body.i32()?);
            let topics = body.compact_nullable_array(|body| {
                let topic = (body.compact_str()?, body.compact_array(Reader::i32)?);
                body.tags()?;
                Ok(topic)
            })?;
            body.tags()?;
            let member = member_id.map(|id| (id, epoch));
            Ok(OffsetFetchRequest { group_id, topics, require_stable: false, member })
        })?;
        let require_stable = body.bool()?;
        body.tags()?;
        match (groups.pop(), groups.len()) {
            (Some(group), 0) => Ok(OffsetFetchRequest { require_stable, ..group }),
            (_, more) => Err(format!("{more} groups more than one")),
        }
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
        let top = top.and_then(|()| self.may_fetch_offsets(request));
        let asked = request.topics.clone().unwrap_or_else(|| self.committed_topics(&request.group_id));
        let mut topics: Vec<(String, Vec<(i32, Answer)>)> = vec![];
        if top.is_ok() {
            for (topic, partitions) in asked {
                let answers = partitions.iter().map(|&one| (one, self.committed(request, &topic, one))).collect();
                topics.push((topic, answers));
            }
        }
        write(call.version, &request.group_id, &topics, top.err().unwrap_or(0))
    }

    fn may_fetch_offsets(&self, request: &OffsetFetchRequest) -> Result<(), i16> {
        let consumer = self.groups.get(&request.group_id).and_then(|group| group.consumer.as_ref());
        match (consumer, &request.member) {
            (Some(consumer), Some((id, epoch))) => consumer.may_fetch(id, *epoch),
            _ => Ok(()),
        }
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

fn write(version: i16, group: &str, topics: &[(String, Vec<(i32, Answer)>)], error: i16) -> Writer {
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
    if version >= 8 {
        out.uvarint(2).compact_str(group);
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
    if version >= 8 {
        out.uvarint(0);
    }
    out
}
