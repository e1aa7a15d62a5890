//! Metadata v5 to v7: v7 adds leader epochs (KIP-320).
use super::{is_legal_topic, TOPIC_AUTHORIZATION_FAILED, UNKNOWN_TOPIC_OR_PARTITION};
use crate::broker::Call;
use crate::cluster::{PartitionView, State};
use crate::wire::{Malformed, Reader, Writer};
use nanokafka::Api;

const LEADER_NOT_AVAILABLE: i16 = 5;
const INVALID_TOPIC: i16 = 17;

/// Metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct MetadataRequest {
    /// `None` asks for all topics.
    pub topics: Option<Vec<String>>,
    pub allow_auto_topic_creation: bool,
}

impl MetadataRequest {
    pub(super) fn decode(body: &mut Reader) -> Result<Self, Malformed> {
        Ok(MetadataRequest { topics: body.nullable_array(Reader::str)?, allow_auto_topic_creation: body.bool()? })
    }

    pub(super) fn suspicious(&self) -> Option<String> {
        let Some(topics) = &self.topics else { return Some("metadata of all topics".into()) };
        super::repeated(topics.iter().map(|topic| (&topic[..], 0)))
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
            out.array(nodes.iter(), |out, node| {
                out.i32(*node);
            });
        }
    }
}
