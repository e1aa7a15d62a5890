//! The classic group coordinator: one group's members, generations and committed offsets
//! (KIP-62 timeouts, KIP-134 initial delay, KIP-345 static members, KIP-394 member ids). The other protocol is in `consumer`.
pub(crate) mod consumer;
mod join;
pub(crate) mod member;
mod offsets;

use crate::broker::Call;
use crate::random::Random;
use crate::settings::Settings;
use consumer::ConsumerGroup;
pub(crate) use member::Member;
pub use offsets::Committed;
use std::collections::{BTreeMap, BTreeSet};

pub(crate) const UNKNOWN_MEMBER_ID: i16 = 25;
pub(crate) const REBALANCE_IN_PROGRESS: i16 = 27;
pub(crate) const ILLEGAL_GENERATION: i16 = 22;
pub(crate) const FENCED_INSTANCE_ID: i16 = 82;
pub(crate) const NOT_COORDINATOR: i16 = 16;
pub(crate) const UNSUPPORTED_VERSION: i16 = 35;
pub(crate) const GROUP_ID_NOT_FOUND: i16 = 69;

/// What a group is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupPhase {
    /// No members; perhaps committed offsets.
    Empty,
    /// Waiting for JoinGroup of all members.
    PreparingRebalance,
    /// Waiting for the leader's SyncGroup.
    CompletingRebalance,
    /// Everybody knows what it owns.
    Stable,
}

/// What a JoinGroup is answered with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Joined {
    pub(crate) error: i16,
    pub(crate) generation: i32,
    pub(crate) protocol: String,
    pub(crate) leader: String,
    pub(crate) member_id: String,
    /// Member id, instance id, metadata; for the leader only.
    pub(crate) members: Vec<(String, Option<String>, Vec<u8>)>,
}

impl Joined {
    pub(crate) fn error(error: i16, member_id: &str) -> Self {
        Joined { error, generation: -1, member_id: member_id.into(), ..Joined::default() }
    }
}

/// An answer to a request that may have waited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    Join(Joined),
    Sync(i16, Vec<u8>),
}

/// What every step of a group is told and where it leaves its answers.
pub(crate) struct Turn<'a> {
    pub(crate) now: u64,
    pub(crate) settings: &'a Settings,
    pub(crate) random: &'a mut Random,
    pub(crate) catalog: consumer::Catalog,
    pub(crate) replies: Vec<(Call, Reply)>,
}

/// Membership: what is written to `__consumer_offsets` when a generation is complete, and read by the next coordinator.
#[derive(Clone, Default)]
struct Written {
    generation: i32,
    protocol_type: Option<String>,
    protocol: String,
    leader: Option<String>,
    members: Vec<Member>,
}

pub(crate) struct Group {
    pub(crate) phase: GroupPhase,
    pub(crate) generation: i32,
    protocol_type: Option<String>,
    pub(crate) protocol: String,
    pub(crate) leader: Option<String>,
    pub(crate) members: Vec<Member>,
    /// Ids given with MEMBER_ID_REQUIRED and not used yet, with the time they are forgotten.
    pending: BTreeMap<String, u64>,
    join_deadline: Option<u64>,
    /// While the initial delay runs: how much longer it may be extended.
    initial: Option<u64>,
    /// Somebody joined since the initial delay began.
    grew: bool,
    sync_deadline: Option<u64>,
    unsynced: BTreeSet<String>,
    written: Written,
    pub(crate) offsets: BTreeMap<(String, i32), Committed>,
    /// The members are of KIP-848; all but the offsets is theirs then.
    pub(crate) consumer: Option<Box<ConsumerGroup>>,
}

impl Group {
    pub(crate) fn new() -> Self {
        Group {
            consumer: None,
            phase: GroupPhase::Empty,
            generation: 0,
            protocol_type: None,
            protocol: String::new(),
            leader: None,
            members: vec![],
            pending: BTreeMap::new(),
            join_deadline: None,
            initial: None,
            grew: false,
            sync_deadline: None,
            unsynced: BTreeSet::new(),
            written: Written::default(),
            offsets: BTreeMap::new(),
        }
    }

    /// A member of KIP-848 joins. Classic members come along, or the group stays what it is.
    pub(crate) fn become_consumer(&mut self, turn: &mut Turn) {
        if self.consumer.is_some() {
            return;
        }
        if self.members.is_empty() {
            self.consumer = Some(Box::default());
        } else if let Some(group) = ConsumerGroup::of_classic(self.generation, &self.members, turn) {
            for member in std::mem::take(&mut self.members) {
                let (join, sync) = (member.awaiting_join, member.awaiting_sync);
                let again = Joined::error(REBALANCE_IN_PROGRESS, &member.id);
                turn.replies.extend(join.map(|call| (call, Reply::Join(again))));
                turn.replies.extend(sync.map(|call| (call, Reply::Sync(REBALANCE_IN_PROGRESS, vec![]))));
            }
            let offsets = std::mem::take(&mut self.offsets);
            *self = Group { consumer: Some(Box::new(group)), offsets, ..Group::new() };
        }
    }

    /// With its last member of KIP-848 gone the group is that of the classic ones, who must rebalance.
    pub(crate) fn maybe_become_classic(&mut self, turn: &mut Turn) {
        let Some(consumer) = &self.consumer else { return };
        let Some(members) = consumer.to_classic(turn) else { return };
        let (generation, offsets) = (consumer.epoch, std::mem::take(&mut self.offsets));
        let (leader, protocol_type) = (Some(members[0].id.clone()), Some("consumer".into()));
        *self =
            Group { phase: GroupPhase::Stable, generation, leader, protocol_type, members, offsets, ..Group::new() };
        self.protocol = self.elect_protocol();
        // not written before all have joined: a coordinator that is lost meanwhile would be followed by one for which all is
        // well, though nobody has the partitions of the member that is gone
        self.prepare_rebalance(turn);
    }

    fn position(&self, member_id: &str) -> Option<usize> {
        self.members.iter().position(|member| member.id == member_id)
    }

    /// Who asks: fenced when another id holds its instance id, unknown when it is no member (KIP-345).
    fn validate(&self, member_id: &str, instance: Option<&str>) -> Result<usize, i16> {
        if let Some(instance) = instance {
            let holder = self.members.iter().find(|member| member.instance.as_deref() == Some(instance));
            match holder {
                None => return Err(UNKNOWN_MEMBER_ID),
                Some(holder) if holder.id != member_id => return Err(FENCED_INSTANCE_ID),
                Some(_) => {}
            }
        }
        self.position(member_id).ok_or(UNKNOWN_MEMBER_ID)
    }

    pub(crate) fn heartbeat(
        &mut self,
        member_id: &str,
        instance: Option<&str>,
        generation: i32,
        turn: &Turn,
    ) -> Result<(), i16> {
        if let Some(consumer) = &mut self.consumer {
            return consumer.classic_heartbeat(member_id, generation, turn);
        }
        let at = self.validate(member_id, instance)?;
        if generation != self.generation {
            return Err(ILLEGAL_GENERATION);
        }
        self.members[at].refresh(turn.now);
        match self.phase {
            GroupPhase::Empty => Err(UNKNOWN_MEMBER_ID),
            GroupPhase::PreparingRebalance => Err(REBALANCE_IN_PROGRESS),
            GroupPhase::CompletingRebalance if turn.settings.heartbeat_during_sync_is_27 => Err(REBALANCE_IN_PROGRESS),
            GroupPhase::CompletingRebalance | GroupPhase::Stable => Ok(()),
        }
    }

    /// SyncGroup: a follower waits for the leader's one, everybody else is answered at once.
    pub(crate) fn sync(&mut self, call: Call, request: &crate::apis::SyncGroupRequest, turn: &mut Turn) {
        if let Some(consumer) = &mut self.consumer {
            let answer = consumer.classic_sync(&request.member_id, request.generation_id, turn);
            let (code, assignment) = answer.map_or_else(|code| (code, vec![]), |assignment| (0, assignment));
            return turn.replies.push((call, Reply::Sync(code, assignment)));
        }
        let at = match self.validate(&request.member_id, request.group_instance_id.as_deref()) {
            Ok(_) if request.generation_id != self.generation => Err(ILLEGAL_GENERATION),
            other => other,
        };
        let at = match (at, self.phase) {
            (Ok(at), GroupPhase::CompletingRebalance | GroupPhase::Stable) => at,
            (Ok(_), GroupPhase::PreparingRebalance) => {
                return turn.replies.push((call, Reply::Sync(REBALANCE_IN_PROGRESS, vec![])));
            }
            (Ok(_), GroupPhase::Empty) => return turn.replies.push((call, Reply::Sync(UNKNOWN_MEMBER_ID, vec![]))),
            (Err(code), _) => return turn.replies.push((call, Reply::Sync(code, vec![]))),
        };
        self.unsynced.remove(&request.member_id);
        self.members[at].refresh(turn.now);
        if self.phase == GroupPhase::Stable {
            return turn.replies.push((call, Reply::Sync(0, self.members[at].assignment.clone())));
        }
        self.members[at].awaiting_sync = Some(call);
        if self.leader.as_deref() != Some(&request.member_id) {
            return;
        }
        for member in &mut self.members {
            let given = request.assignments.iter().find(|(id, _)| *id == member.id);
            member.assignment = given.map_or(vec![], |(_, assignment)| assignment.clone());
            if let Some(call) = member.awaiting_sync.take() {
                member.refresh(turn.now);
                turn.replies.push((call, Reply::Sync(0, member.assignment.clone())));
            }
        }
        self.phase = GroupPhase::Stable;
        self.write();
    }

    /// LeaveGroup v2, by member id (also a static member's current one).
    pub(crate) fn leave(&mut self, member_id: &str, turn: &mut Turn) -> Result<(), i16> {
        if let Some(consumer) = &mut self.consumer {
            consumer.classic_leave(member_id)?;
            self.maybe_become_classic(turn);
            return Ok(());
        }
        if self.pending.remove(member_id).is_some() {
            self.complete_join_if_all_here(turn);
            return Ok(());
        }
        let at = self.position(member_id).ok_or(UNKNOWN_MEMBER_ID)?;
        self.remove(at, turn);
        Ok(())
    }

    /// A member is gone: the others must rebalance.
    fn remove(&mut self, at: usize, turn: &mut Turn) {
        let member = self.members.remove(at);
        self.unsynced.remove(&member.id);
        if self.leader.as_deref() == Some(&member.id) {
            self.leader = self.members.first().map(|member| member.id.clone());
        }
        if let Some(call) = member.awaiting_join {
            turn.replies.push((call, Reply::Join(Joined::error(UNKNOWN_MEMBER_ID, &member.id))));
        }
        if let Some(call) = member.awaiting_sync {
            turn.replies.push((call, Reply::Sync(UNKNOWN_MEMBER_ID, vec![])));
        }
        match self.phase {
            GroupPhase::PreparingRebalance => self.complete_join_if_all_here(turn),
            GroupPhase::CompletingRebalance | GroupPhase::Stable => self.prepare_rebalance(turn),
            GroupPhase::Empty => {}
        }
    }

    /// Timeouts that have passed.
    pub(crate) fn advance(&mut self, turn: &mut Turn) {
        if let Some(consumer) = &mut self.consumer {
            consumer.advance(turn);
            self.maybe_become_classic(turn);
        }
        let before = self.pending.len();
        self.pending.retain(|_, deadline| *deadline > turn.now);
        if self.pending.len() < before {
            self.complete_join_if_all_here(turn);
        }
        while let Some(at) = self.members.iter().position(|m| m.expires().is_some_and(|at| at <= turn.now)) {
            self.remove(at, turn);
        }
        if self.join_deadline.is_some_and(|deadline| deadline <= turn.now) {
            match self.initial {
                Some(left) if self.grew && left > 0 => {
                    let delay = left.min(turn.settings.initial_rebalance_delay_ms);
                    (self.initial, self.grew) = (Some(left - delay), false);
                    self.join_deadline = Some(turn.now + delay);
                }
                _ => self.complete_join(turn),
            }
        }
        if self.sync_deadline.is_some_and(|deadline| deadline <= turn.now) {
            self.sync_deadline = None;
            let unsynced = std::mem::take(&mut self.unsynced);
            if !unsynced.is_empty() {
                // all at once: the first removal alone would already begin the next rebalance
                self.members.retain(|member| !unsynced.contains(&member.id));
                if self.leader.as_ref().is_some_and(|leader| unsynced.contains(leader)) {
                    self.leader = self.members.first().map(|member| member.id.clone());
                }
                self.prepare_rebalance(turn);
            }
        }
    }

    pub(crate) fn next_event(&self) -> Option<u64> {
        let members = self.members.iter().filter_map(Member::expires);
        let consumer = self.consumer.as_ref().and_then(|group| group.next_event());
        let members = members.chain(consumer);
        members.chain(self.pending.values().copied()).chain(self.join_deadline).chain(self.sync_deadline).min()
    }

    /// Remembers the generation as the offsets topic does.
    fn write(&mut self) {
        self.written = Written {
            generation: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            leader: self.leader.clone(),
            members: self.members.clone(),
        };
    }

    /// This node is no longer the coordinator: whoever waits is told so (a dead node's connections are gone anyway).
    pub(crate) fn unload(&mut self, turn: &mut Turn) {
        for member in &mut self.members {
            if let Some(call) = member.awaiting_join.take() {
                turn.replies.push((call, Reply::Join(Joined::error(NOT_COORDINATOR, ""))));
            }
            if let Some(call) = member.awaiting_sync.take() {
                turn.replies.push((call, Reply::Sync(NOT_COORDINATOR, vec![])));
            }
        }
        let written = self.written.clone();
        let consumer = self.consumer.take(); // every change of it is written
        let offsets = std::mem::take(&mut self.offsets);
        let phase = if written.members.is_empty() { GroupPhase::Empty } else { GroupPhase::Stable };
        *self = Group {
            phase,
            generation: written.generation,
            protocol_type: written.protocol_type.clone(),
            protocol: written.protocol.clone(),
            leader: written.leader.clone(),
            members: written.members.clone(),
            written,
            offsets,
            consumer,
            ..Group::new()
        };
        for member in &mut self.members {
            (member.awaiting_join, member.awaiting_sync) = (None, None);
            member.refresh(turn.now);
        }
    }

    /// The new coordinator has read the group: everybody's session begins anew.
    pub(crate) fn load(&mut self, now: u64, settings: &Settings) {
        if let Some(consumer) = &mut self.consumer {
            consumer.load(now, settings.consumer_session_timeout_ms);
        }
        self.members.iter_mut().for_each(|member| member.refresh(now));
    }
}
