//! JoinGroup and what it sets in motion, up to the first SyncGroup.
use super::{Group, GroupPhase, Joined, Member, Reply, Turn, FENCED_INSTANCE_ID, REBALANCE_IN_PROGRESS};
use crate::apis::JoinGroupRequest;
use crate::broker::Call;

const INCONSISTENT_GROUP_PROTOCOL: i16 = 23;
const INVALID_GROUP_ID: i16 = 24;
const UNKNOWN_MEMBER_ID: i16 = 25;
const INVALID_SESSION_TIMEOUT: i16 = 26;
const MEMBER_ID_REQUIRED: i16 = 79;
const GROUP_MAX_SIZE_REACHED: i16 = 81;

impl Group {
    /// Answers at once, or when the generation is complete.
    pub(crate) fn join(&mut self, call: Call, request: &JoinGroupRequest, turn: &mut Turn) {
        if let Some(consumer) = self.consumer.as_mut().filter(|consumer| !consumer.is_empty()) {
            let joined = consumer.classic_join(call.version, request, turn);
            return turn.replies.push((call, Reply::Join(joined)));
        }
        self.consumer = None;
        if let Err(code) = self.may_join(request, turn) {
            // only "unknown" and "fenced" name the member again
            let echo = if matches!(code, UNKNOWN_MEMBER_ID | FENCED_INSTANCE_ID) { &request.member_id[..] } else { "" };
            return turn.replies.push((call, Reply::Join(Joined::error(code, echo))));
        }
        if request.member_id.is_empty() {
            self.join_without_id(call, request, turn);
        } else if self.pending.remove(&request.member_id).is_some() {
            self.add(request.member_id.clone(), call, request, turn);
        } else {
            match self.validate(&request.member_id, request.group_instance_id.as_deref()) {
                Ok(at) => self.rejoin(at, call, request, turn),
                Err(code) => turn.replies.push((call, Reply::Join(Joined::error(code, &request.member_id)))),
            }
        }
    }

    fn may_join(&self, request: &JoinGroupRequest, turn: &Turn) -> Result<(), i16> {
        let settings = turn.settings;
        if request.group_id.is_empty() {
            return Err(INVALID_GROUP_ID);
        }
        let session = settings.min_session_timeout_ms..=settings.max_session_timeout_ms;
        if !session.contains(&request.session_timeout_ms) {
            return Err(INVALID_SESSION_TIMEOUT);
        }
        let known = self.position(&request.member_id).is_some();
        let replaces = request.group_instance_id.is_some()
            && self.members.iter().any(|member| member.instance == request.group_instance_id);
        if !known && !replaces && self.members.len() >= settings.group_max_size {
            return Err(GROUP_MAX_SIZE_REACHED);
        }
        if !self.supports(request) {
            return Err(INCONSISTENT_GROUP_PROTOCOL);
        }
        Ok(())
    }

    fn supports(&self, request: &JoinGroupRequest) -> bool {
        if request.protocol_type.is_empty() || request.protocols.is_empty() {
            return false;
        }
        if self.members.is_empty() {
            return true;
        }
        self.protocol_type.as_ref() == Some(&request.protocol_type)
            && request.protocols.iter().any(|(name, _)| {
                let others = self.members.iter().filter(|member| member.id != request.member_id);
                others.clone().all(|member| member.supports(name))
            })
    }

    fn join_without_id(&mut self, call: Call, request: &JoinGroupRequest, turn: &mut Turn) {
        let prefix = request.group_instance_id.as_deref().unwrap_or(&call.client_id);
        let id = format!("{prefix}-{}", turn.random.uuid());
        let holder = |m: &Member| m.instance.is_some() && m.instance == request.group_instance_id;
        if let Some(at) = self.members.iter().position(holder) {
            self.replace_static(at, id, call, request, turn);
        } else if request.group_instance_id.is_none() && call.version >= 4 {
            self.pending.insert(id.clone(), turn.now + request.session_timeout_ms as u64);
            turn.replies.push((call, Reply::Join(Joined::error(MEMBER_ID_REQUIRED, &id))));
        } else {
            self.add(id, call, request, turn);
        }
    }

    fn add(&mut self, id: String, call: Call, request: &JoinGroupRequest, turn: &mut Turn) {
        let mut member = Member::new(id, request, turn.now);
        member.awaiting_join = Some(call);
        if self.leader.is_none() {
            self.leader = Some(member.id.clone());
        }
        self.protocol_type = Some(request.protocol_type.clone());
        self.members.push(member);
        self.grew = true;
        if self.phase == GroupPhase::PreparingRebalance {
            self.complete_join_if_all_here(turn);
        } else {
            self.prepare_rebalance(turn);
        }
    }

    /// A known member asks again: a retry, a changed subscription, or a leader that wants a rebalance.
    fn rejoin(&mut self, at: usize, call: Call, request: &JoinGroupRequest, turn: &mut Turn) {
        let unchanged = self.members[at].protocols == request.protocols;
        let is_leader = self.leader.as_ref() == Some(&request.member_id);
        let answer_now = match self.phase {
            GroupPhase::Empty => {
                return turn.replies.push((call, Reply::Join(Joined::error(UNKNOWN_MEMBER_ID, &request.member_id))));
            }
            GroupPhase::PreparingRebalance => false,
            GroupPhase::CompletingRebalance => unchanged,
            GroupPhase::Stable => unchanged && !is_leader,
        };
        if answer_now {
            self.members[at].refresh(turn.now);
            let members =
                if is_leader && self.phase == GroupPhase::CompletingRebalance { self.listed() } else { vec![] };
            let joined = self.joined(at, members);
            return turn.replies.push((call, Reply::Join(joined)));
        }
        self.members[at].update(request, turn.now);
        self.members[at].awaiting_join = Some(call);
        if self.phase == GroupPhase::PreparingRebalance {
            self.complete_join_if_all_here(turn);
        } else {
            self.prepare_rebalance(turn);
        }
    }

    /// A static member is back under a new id; the old one is fenced. In a stable group nothing else happens (KIP-345).
    fn replace_static(&mut self, at: usize, id: String, call: Call, request: &JoinGroupRequest, turn: &mut Turn) {
        let old = std::mem::replace(&mut self.members[at].id, id.clone());
        let was_leader = self.leader.as_ref() == Some(&old);
        if was_leader {
            self.leader = Some(id.clone());
        }
        if self.unsynced.remove(&old) {
            self.unsynced.insert(id);
        }
        if let Some(waiting) = self.members[at].awaiting_join.take() {
            turn.replies.push((waiting, Reply::Join(Joined::error(FENCED_INSTANCE_ID, &old))));
        }
        if let Some(waiting) = self.members[at].awaiting_sync.take() {
            turn.replies.push((waiting, Reply::Sync(FENCED_INSTANCE_ID, vec![])));
        }
        self.members[at].update(request, turn.now);
        if self.phase == GroupPhase::Stable && self.elect_protocol() == self.protocol {
            let mut joined = self.joined(at, vec![]);
            if was_leader {
                // the old id, so that before JoinGroup v9 the returning leader acts as a follower
                joined.leader = old;
            }
            self.write();
            return turn.replies.push((call, Reply::Join(joined)));
        }
        self.members[at].awaiting_join = Some(call);
        if self.phase == GroupPhase::PreparingRebalance {
            self.complete_join_if_all_here(turn);
        } else {
            self.prepare_rebalance(turn);
        }
    }

    pub(super) fn prepare_rebalance(&mut self, turn: &mut Turn) {
        for member in &mut self.members {
            if let Some(call) = member.awaiting_sync.take() {
                member.refresh(turn.now);
                turn.replies.push((call, Reply::Sync(REBALANCE_IN_PROGRESS, vec![])));
            }
        }
        self.sync_deadline = None;
        self.unsynced.clear();
        let was_empty = self.phase == GroupPhase::Empty;
        self.phase = GroupPhase::PreparingRebalance;
        let limit = self.rebalance_ms();
        if was_empty {
            let delay = turn.settings.initial_rebalance_delay_ms;
            (self.initial, self.grew) = (Some(limit.saturating_sub(delay)), false);
            self.join_deadline = Some(turn.now + delay);
        } else {
            self.initial = None;
            self.join_deadline = Some(turn.now + limit);
            self.complete_join_if_all_here(turn);
        }
    }

    fn rebalance_ms(&self) -> u64 {
        self.members.iter().map(|member| member.rebalance_ms).max().unwrap_or(0)
    }

    pub(super) fn complete_join_if_all_here(&mut self, turn: &mut Turn) {
        let all_here = self.pending.is_empty() && self.members.iter().all(|member| member.awaiting_join.is_some());
        // only time ends the initial delay
        if self.phase == GroupPhase::PreparingRebalance && all_here && self.initial.is_none() {
            self.complete_join(turn);
        }
    }

    /// The next generation: of whoever has joined, and of static members, who may still come back.
    pub(super) fn complete_join(&mut self, turn: &mut Turn) {
        (self.join_deadline, self.initial) = (None, None);
        self.members.retain(|member| member.awaiting_join.is_some() || member.instance.is_some());
        let joined = |member: &&Member| member.awaiting_join.is_some();
        let leader_here = self.members.iter().filter(joined).any(|member| Some(&member.id) == self.leader.as_ref());
        if !leader_here {
            match self.members.iter().find(joined) {
                Some(first) => self.leader = Some(first.id.clone()),
                None if self.members.is_empty() => self.leader = None,
                None => {
                    // only static members that are away: wait on
                    self.join_deadline = Some(turn.now + self.rebalance_ms().max(1));
                    return;
                }
            }
        }
        self.generation += 1;
        if self.members.is_empty() {
            (self.phase, self.protocol) = (GroupPhase::Empty, String::new());
            self.protocol_type = None;
            self.write();
            return;
        }
        self.protocol = self.elect_protocol();
        self.phase = GroupPhase::CompletingRebalance;
        self.sync_deadline = Some(turn.now + self.rebalance_ms());
        self.unsynced = self.members.iter().map(|member| member.id.clone()).collect();
        let listed = self.listed();
        for at in 0..self.members.len() {
            let Some(call) = self.members[at].awaiting_join.take() else { continue };
            self.members[at].new_since = None;
            self.members[at].refresh(turn.now);
            let is_leader = Some(&self.members[at].id) == self.leader.as_ref();
            let joined = self.joined(at, if is_leader { listed.clone() } else { vec![] });
            turn.replies.push((call, Reply::Join(joined)));
        }
    }

    /// Each member votes for the first of its protocols that all have; most votes win.
    pub(super) fn elect_protocol(&self) -> String {
        let common = |name: &String| self.members.iter().all(|member| member.supports(name));
        let votes = self
            .members
            .iter()
            .filter_map(|member| member.protocols.iter().map(|(name, _)| name).find(|name| common(name)));
        let mut counted: Vec<(&String, usize)> = vec![];
        for vote in votes {
            match counted.iter_mut().find(|(name, _)| *name == vote) {
                Some((_, n)) => *n += 1,
                None => counted.push((vote, 1)),
            }
        }
        let best = counted.iter().map(|(_, n)| *n).max();
        counted.iter().find(|(_, n)| Some(*n) == best).map_or(String::new(), |(name, _)| (*name).clone())
    }

    /// The leader's list, in an order that means nothing.
    fn listed(&self) -> Vec<(String, Option<String>, Vec<u8>)> {
        let entry = |m: &Member| (m.id.clone(), m.instance.clone(), m.metadata(&self.protocol));
        let mut listed: Vec<_> = self.members.iter().map(entry).collect();
        listed.sort_by(|a, b| a.0.bytes().rev().cmp(b.0.bytes().rev()));
        listed
    }

    fn joined(&self, at: usize, members: Vec<(String, Option<String>, Vec<u8>)>) -> Joined {
        Joined {
            error: 0,
            generation: self.generation,
            protocol: self.protocol.clone(),
            leader: self.leader.clone().unwrap_or_default(),
            member_id: self.members[at].id.clone(),
            members,
        }
    }
}
