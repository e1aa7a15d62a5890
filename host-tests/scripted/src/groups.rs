//! Groups as a test looks at them.
use crate::cluster::State;
use crate::control::Cluster;
use crate::coordinator::Coordinator;
use crate::group::consumer::{ConsumerGroup, IdPartition, TopicId};
use crate::group::{Committed, GroupPhase};
use crate::wire::Writer;
use std::collections::{BTreeMap, BTreeSet};

/// A group at one moment; one of KIP-848 is `Stable` when every member has its target, and `PreparingRebalance` until then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupView {
    /// What it is doing.
    pub phase: GroupPhase,
    /// Counts completed joins; of KIP-848 the group's epoch.
    pub generation: i32,
    /// The assignor all have agreed on, empty when there is none or the broker's is used.
    pub protocol: String,
    /// The leader's member id.
    pub leader: Option<String>,
    /// In the order they joined.
    pub members: Vec<MemberView>,
}

/// A member at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberView {
    /// Its member id.
    pub id: String,
    /// `group.instance.id`.
    pub instance: Option<String>,
    /// Subscription bytes for the group's protocol.
    pub metadata: Vec<u8>,
    /// Assignment bytes of the last SyncGroup; of KIP-848 what a SyncGroup would say of all that nobody else may have.
    pub assignment: Vec<u8>,
    /// Milliseconds of its session timeout.
    pub session_timeout_ms: u64,
}

impl MemberView {
    /// The assignment's topics and partitions (`ConsumerProtocolAssignment.json`), `None` when the bytes are not one.
    pub fn assigned(&self) -> Option<Vec<(String, Vec<i32>)>> {
        let mut reader = crate::wire::Reader::new(&self.assignment);
        reader.i16().ok()?;
        reader.array(|body| Ok((body.str()?, body.array(crate::wire::Reader::i32)?))).ok()
    }
}

impl Cluster {
    /// The group, if anybody has asked for it.
    pub fn group(&self, group: &str) -> Option<GroupView> {
        let state = self.state();
        let group = state.groups.get(group)?;
        if let Some(consumer) = &group.consumer {
            return Some(state.view_of(consumer));
        }
        let member = |member: &crate::group::Member| MemberView {
            id: member.id.clone(),
            instance: member.instance.clone(),
            metadata: member.metadata(&group.protocol),
            assignment: member.assignment.clone(),
            session_timeout_ms: member.session_ms,
        };
        Some(GroupView {
            phase: group.phase,
            generation: group.generation,
            protocol: group.protocol.clone(),
            leader: group.leader.clone(),
            members: group.members.iter().map(member).collect(),
        })
    }

    /// What is committed for a partition.
    pub fn committed(&self, group: &str, topic: &str, partition: i32) -> Option<Committed> {
        self.state().groups.get(group)?.offsets.get(&(topic.to_string(), partition)).cloned()
    }

    /// The next offset to be read, as committed.
    pub fn committed_offset(&self, group: &str, topic: &str, partition: i32) -> Option<i64> {
        self.committed(group, topic, partition).map(|committed| committed.offset)
    }

    /// Commits as an administrator would.
    pub fn commit(&self, group: &str, topic: &str, partition: i32, offset: i64, leader_epoch: i32) -> &Self {
        let committed = Committed { offset, leader_epoch, metadata: String::new(), unstable: false };
        self.with(|state| state.create_group(group).offsets.insert((topic.into(), partition), committed));
        self
    }

    /// A transactional commit is pending for this partition, or no longer.
    pub fn unstable(&self, group: &str, topic: &str, partition: i32, unstable: bool) -> &Self {
        self.with(|state| {
            let offsets = &mut state.create_group(group).offsets;
            let nothing = Committed { offset: -1, leader_epoch: -1, metadata: String::new(), unstable };
            offsets.entry((topic.into(), partition)).or_insert(nothing).unstable = unstable;
        });
        self
    }

    /// Committed offsets of a group are gone, as after `offsets.retention.minutes`.
    pub fn expire_offsets(&self, group: &str) -> &Self {
        self.with(|state| state.create_group(group).offsets.clear());
        self
    }

    /// Which broker coordinates a group; `None` while nobody does.
    pub fn coordinator(&self, group: &str) -> Option<i32> {
        self.state().coordinator_of(group)
    }

    /// Places a group before anybody uses it.
    pub fn set_coordinator(&self, group: &str, node: i32) -> &Self {
        self.with(|state| {
            let coordinator = Coordinator { node, found_from: 0, loaded_from: 0 };
            state.coordinators.insert(group.into(), coordinator);
        });
        self
    }

    /// Moves a group: the old node answers 16 from now on, FindCoordinator 15 for `unavailable_ms`, then the new node 14
    /// while it reads ([`Settings::coordinator_load_ms`](crate::Settings)). Members, generation and offsets survive as far
    /// as they were written, which is when a generation was complete.
    pub fn move_coordinator(&self, group: &str, node: i32, unavailable_ms: u64) -> &Self {
        self.with(|state| state.move_coordinator(group, node, unavailable_ms));
        self
    }

    /// The group's members are gone as if an administrator had removed them all.
    pub fn forget_members(&self, group: &str) -> &Self {
        self.with(|state| {
            if let Some(known) = state.groups.get_mut(group) {
                let offsets = std::mem::take(&mut known.offsets);
                *known = crate::group::Group::new();
                known.offsets = offsets;
            }
        });
        self
    }
}

impl State {
    fn view_of(&self, group: &ConsumerGroup) -> GroupView {
        let name = |id: &TopicId| self.topic_ids.iter().find(|(_, known)| *known == id).map(|(name, _)| &name[..]);
        let member = |(id, instance, _, held): (&str, Option<&str>, i32, BTreeSet<IdPartition>)| {
            let mut topics: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
            for (topic, partition) in &held {
                if let Some(name) = name(topic) {
                    topics.entry(name).or_default().push(*partition);
                }
            }
            let mut out = Writer::default();
            out.i16(0).array(topics, |out, (name, partitions)| {
                out.str(name).array(partitions, |out, partition| _ = out.i32(partition));
            });
            MemberView {
                id: id.into(),
                instance: instance.map(String::from),
                metadata: vec![],
                assignment: out.bytes,
                session_timeout_ms: self.settings.consumer_session_timeout_ms,
            }
        };
        let phase = match (group.is_empty(), group.is_stable()) {
            (true, _) => GroupPhase::Empty,
            (false, true) => GroupPhase::Stable,
            (false, false) => GroupPhase::PreparingRebalance,
        };
        let members = group.listed().map(member).collect();
        GroupView { phase, generation: group.epoch, protocol: String::new(), leader: None, members }
    }
}
