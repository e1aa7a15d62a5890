//! Metadata v5 to v7: v7 adds leader epochs (KIP-320). v12: flexible, with ids (KIP-516).
use super::{is_legal_topic, TOPIC_AUTHORIZATION_FAILED, UNKNOWN_TOPIC_OR_PARTITION};
use crate::broker::Call;
use crate::cluster::{PartitionView, State};
use crate::group::consumer::TopicId;
use crate::wire::{Malformed, Reader, Writer};
use nanokafka::Api;

const LEADER_NOT_AVAILABLE: i16 = 5;
const INVALID_TOPIC: i16 = 17;
const UNKNOWN_TOPIC_ID: i16 = 100;

/// Metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct MetadataRequest {
    /// `None` asks for all topics.
    pub topics: Option<Vec<String>>,
    /// Topics that are asked for by id.
    pub ids: Vec<TopicId>,
    pub allow_auto_topic_creation: bool,
}

impl MetadataRequest {
    pub(super) fn decode(version: i16, body: &mut Reader) -> Result<Self, Malformed> {
        if version < 9 {
            let topics = body.nullable_array(Reader::str)?;
            return Ok(MetadataRequest { topics, ids: vec![], allow_auto_topic_creation: body.bool()? });
        }
        let asked = body.compact_nullable_array(|body| {
            let (id, name) = (body.uuid()?, body.compact_nullable_str()?);
            body.tags()?;
            match name {
                None if id == [0; 16] => Err("a topic without id and name".into()),
                name => Ok((id, name)),
            }
        })?;
        let names =
            |asked: &Vec<(TopicId, Option<String>)>| asked.iter().filter_map(|(_, name)| name.clone()).collect();
        let topics = asked.as_ref().map(names);
        let ids = asked.iter().flatten().filter(|(_, name)| name.is_none()).map(|(id, _)| *id).collect();
        let request = MetadataRequest { topics, ids, allow_auto_topic_creation: body.bool()? };
        body.bool()?; // authorized operations
        body.tags()?;
        Ok(request)
    }

    pub(super) fn suspicious(&self) -> Option<String> {
        let Some(topics) = &self.topics else { return Some("metadata of all topics".into()) };
        let ids = self.ids.iter().collect::<std::collections::BTreeSet<_>>();
        let twice = (ids.len() < self.ids.len()).then(|| "an id twice".into());
        twice.or(super::repeated(topics.iter().map(|topic| (&topic[..], 0))))
    }
}

impl State {
    pub(crate) fn metadata(&mut self, call: &Call, request: &MetadataRequest) -> Writer {
        let injected = self.faults.code(Api::Metadata);
        let mut names: Vec<String> = request.topics.clone().unwrap_or_else(|| self.topics.keys().cloned().collect());
        // existing ones first, then those the client may not see, then those that are not there
        let rank = |name: &String| match (self.denied_topics.contains(name), self.topics.contains_key(name)) {
            (true, _) => 1,
            (false, true) => 0,
            (false, false) => 2,
        };
        names.sort_by_key(rank);
        names.dedup();
        if call.version >= 9 {
            return self.metadata_with_ids(call, request, names, injected);
        }
        let mut out = Writer::throttled();
        let brokers: Vec<_> = self.brokers.iter().filter(|broker| broker.registered).collect();
        out.array(brokers, |out, broker| {
            let (host, port) = &broker.advertised;
            out.i32(broker.node).str(host).i32(i32::from(*port)).nullable_str(broker.rack.as_deref());
        });
        let controller = call.node; // differs from broker to broker, and means nothing
        out.nullable_str(Some(&self.settings.cluster_id)).i32(controller).count(names.len());
        for name in names {
            let error = match injected {
                Some(code) => code,
                None => self.topic_error(&name, request.allow_auto_topic_creation),
            };
            out.code(error).str(&name).bool(false);
            let partitions = if error == 0 { self.view(call.node, &name) } else { vec![] };
            out.count(partitions.len());
            for (index, view) in partitions.into_iter().enumerate() {
                self.write_partition(call.version, &name, index as i32, &view, &mut out);
            }
        }
        out
    }

    fn metadata_with_ids(
        &mut self,
        call: &Call,
        request: &MetadataRequest,
        names: Vec<String>,
        injected: Option<i16>,
    ) -> Writer {
        let mut out = Writer::throttled();
        let brokers: Vec<_> = self.brokers.iter().filter(|broker| broker.registered).collect();
        out.compact_array(brokers, |out, broker| {
            let (host, port) = &broker.advertised;
            out.i32(broker.node).compact_str(host).i32(i32::from(*port));
            out.compact_nullable_str(broker.rack.as_deref()).uvarint(0);
        });
        out.compact_nullable_str(Some(&self.settings.cluster_id)).i32(call.node);
        out.uvarint((names.len() + request.ids.len()) as u64 + 1);
        let by_name = names.into_iter().map(|name| (Some(name), None));
        let by_id = request.ids.iter().map(|id| {
            let found = self.topic_ids.iter().find(|(_, known)| *known == id);
            (found.map(|(name, _)| name.clone()), Some(*id))
        });
        let asked: Vec<_> = by_name.chain(by_id.collect::<Vec<_>>()).collect();
        for (name, id) in asked {
            let error = match (&name, injected) {
                (_, Some(code)) => code,
                (None, None) => UNKNOWN_TOPIC_ID,
                (Some(name), None) => self.topic_error(name, request.allow_auto_topic_creation),
            };
            let view = name.as_ref().filter(|_| error == 0).map(|name| self.view(call.node, name)).unwrap_or_default();
            let known = name.as_ref().filter(|_| error == 0).map(|name| self.topic_ids[name]);
            // who asks by id does not hear the name of what it may not see
            let shown = name.filter(|_| error == 0 || id.is_none());
            out.code(error).compact_nullable_str(shown.as_deref());
            out.raw(&id.or(known).unwrap_or_default()).bool(false).uvarint(view.len() as u64 + 1);
            for (index, view) in view.into_iter().enumerate() {
                let name = shown.clone().unwrap_or_default();
                self.write_partition(call.version, &name, index as i32, &view, &mut out);
            }
            out.i32(i32::MIN).uvarint(0);
        }
        out.uvarint(0);
        out
    }

    fn topic_error(&mut self, name: &str, create: bool) -> i16 {
        if !is_legal_topic(name) {
            INVALID_TOPIC
        } else if self.denied_topics.contains(name) {
            TOPIC_AUTHORIZATION_FAILED
        } else if self.topics.contains_key(name) {
            0
        } else if let (true, Some(partitions)) = (create, self.settings.auto_create_partitions) {
            let at = self.now + self.settings.auto_create_ms;
            self.creations.entry(name.into()).or_insert((at, partitions));
            self.settings.auto_create_error
        } else {
            UNKNOWN_TOPIC_OR_PARTITION
        }
    }

    fn write_partition(&mut self, version: i16, topic: &str, index: i32, view: &PartitionView, out: &mut Writer) {
        let injected = self.faults.partition_code(Api::Metadata, topic, index);
        let up = |node: &i32| self.brokers.iter().any(|broker| broker.node == *node && broker.registered);
        let leaderless = view.leader < 0 || !up(&view.leader);
        let error = injected.unwrap_or(if leaderless { LEADER_NOT_AVAILABLE } else { 0 });
        let leader = if leaderless || injected == Some(LEADER_NOT_AVAILABLE) { -1 } else { view.leader };
        out.code(error).i32(index).i32(leader);
        if version >= 7 {
            out.i32(view.epoch);
        }
        let (isr, offline): (Vec<i32>, Vec<i32>) = view.replicas.iter().partition(|node| up(node));
        for nodes in [&view.replicas, if leaderless { &[][..] } else { &isr[..] }.to_vec().as_ref(), &offline] {
            let write = |out: &mut Writer, node: &i32| _ = out.i32(*node);
            if version >= 9 {
                out.compact_array(nodes.iter(), write);
            } else {
                out.array(nodes.iter(), write);
            }
        }
        if version >= 9 {
            out.uvarint(0);
        }
    }
}
