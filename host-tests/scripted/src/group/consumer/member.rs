//! One member: what it may have, what it must give up, and how it gets from one target to the next.
use super::assignor::Assignor;
use super::{Catalog, IdPartition, FENCED_MEMBER_EPOCH, LEAVES_FOR_A_WHILE};
use crate::apis::{ConsumerGroupHeartbeatRequest, JoinGroupRequest};
use crate::group::Turn;
use regex::Regex;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It has its target, or all of it that there is for it.
    Stable,
    /// It must say that it has given something up.
    Unrevoked,
    /// Others must.
    Unreleased,
}

pub(super) struct Member {
    pub(super) id: String,
    pub(super) instance: Option<String>,
    pub(super) epoch: i32,
    previous_epoch: i32,
    pub(super) state: State,
    pub(super) assignor: Option<Assignor>,
    pub(super) names: BTreeSet<String>,
    /// Topics of a regular expression are known from this time on.
    regex: Option<(Regex, u64)>,
    pub(super) rebalance_ms: u64,
    /// What it was told that it may have.
    pub(super) assigned: BTreeSet<IdPartition>,
    /// Since which epoch.
    pub(super) since: BTreeMap<IdPartition, i32>,
    /// What it was told to give up, and has not said so.
    revoking: BTreeSet<IdPartition>,
    session_ends: u64,
    revoked_by: Option<u64>,
    /// The last JoinGroup of a member of the classic protocol.
    pub(super) classic: Option<JoinGroupRequest>,
    /// When the next one must be here, once it was told so.
    join_by: Option<u64>,
    /// When the SyncGroup after it must be here.
    sync_by: Option<u64>,
}

impl Member {
    pub(super) fn new(id: String, instance: Option<String>) -> Self {
        Member {
            id,
            instance,
            epoch: 0,
            previous_epoch: 0,
            state: State::Stable,
            assignor: None,
            names: BTreeSet::new(),
            regex: None,
            rebalance_ms: 0,
            assigned: BTreeSet::new(),
            since: BTreeMap::new(),
            revoking: BTreeSet::new(),
            session_ends: 0,
            revoked_by: None,
            classic: None,
            join_by: None,
            sync_by: None,
        }
    }

    /// Nobody else may have these.
    pub(super) fn held(&self) -> BTreeSet<IdPartition> {
        &self.assigned | &self.revoking
    }

    pub(super) fn refresh(&mut self, now: u64, session_ms: u64) {
        let classic = self.classic.as_ref().map(|request| request.session_timeout_ms.max(0) as u64);
        self.session_ends = now + classic.unwrap_or(session_ms);
    }

    pub(super) fn expires(&self) -> u64 {
        let timeouts = [self.revoked_by, self.join_by, self.sync_by];
        timeouts.into_iter().flatten().fold(self.session_ends, u64::min)
    }

    /// A classic member is told to join again.
    pub(super) fn must_join(&mut self, now: u64) {
        self.join_by.get_or_insert(now + self.rebalance_ms);
    }

    /// Its JoinGroup is here.
    pub(super) fn has_joined(&mut self, now: u64) {
        (self.join_by, self.sync_by) = (None, Some(now + self.rebalance_ms));
    }

    /// Its SyncGroup, too.
    pub(super) fn has_synced(&mut self) {
        self.sync_by = None;
    }

    /// It speaks the newer protocol from now on.
    pub(super) fn leave_classic(&mut self) {
        (self.classic, self.join_by, self.sync_by) = (None, None, None);
    }

    /// Another node has read the group, and knows no time from before.
    pub(super) fn load(&mut self, now: u64, session_ms: u64) {
        self.refresh(now, session_ms);
        (self.join_by, self.sync_by) = (None, None);
        self.revoked_by = self.revoked_by.map(|_| now + self.rebalance_ms);
    }

    pub(super) fn leave_for_a_while(&mut self) {
        (self.epoch, self.state, self.revoked_by) = (LEAVES_FOR_A_WHILE, State::Stable, None);
        self.revoking.clear();
    }

    /// The current epoch, or the one before from somebody who has lost an answer: then it must say what it has.
    pub(super) fn validate(&self, epoch: i32, owned: Option<&BTreeSet<IdPartition>>) -> Result<(), i16> {
        let lost_answer = epoch == self.previous_epoch && owned.is_some_and(|owned| owned.is_subset(&self.assigned));
        if epoch == self.epoch || epoch < self.epoch && lost_answer {
            Ok(())
        } else {
            Err(FENCED_MEMBER_EPOCH)
        }
    }

    /// Takes over what is said; whether it subscribes to something else now.
    pub(super) fn subscribe(
        &mut self,
        request: &ConsumerGroupHeartbeatRequest,
        regex: Option<Regex>,
        turn: &Turn,
    ) -> bool {
        if let Ok(timeout @ 0..) = u64::try_from(request.rebalance_timeout_ms) {
            self.rebalance_ms = timeout;
        }
        if let Some(name) = &request.server_assignor {
            self.assignor = Assignor::named(name);
        }
        let mut changed = false;
        if let Some(names) = &request.subscribed_topic_names {
            let names: BTreeSet<String> = names.iter().cloned().collect();
            changed |= names != self.names;
            self.names = names;
        }
        if request.subscribed_topic_regex.is_some() {
            let text = |regex: Option<&Regex>| regex.map(|regex| regex.as_str().to_string());
            if text(regex.as_ref()) != text(self.regex.as_ref().map(|(regex, _)| regex)) {
                changed = true;
                self.regex = regex.map(|regex| (regex, turn.now + turn.settings.regex_ms));
            }
        }
        changed
    }

    pub(super) fn topics(&self, now: u64, catalog: &Catalog) -> BTreeSet<String> {
        let regex = self.regex.as_ref().filter(|(_, from)| *from <= now);
        let matched = catalog.keys().filter(|name| regex.is_some_and(|(regex, _)| regex.is_match(name)));
        self.names.iter().chain(matched).cloned().collect()
    }

    /// `owned` is what the member says that it has, `taken` what others hold.
    pub(super) fn reconcile(
        &mut self,
        target_epoch: i32,
        target: &BTreeSet<IdPartition>,
        owned: Option<&BTreeSet<IdPartition>>,
        taken: &BTreeSet<IdPartition>,
        now: u64,
    ) {
        let mut reached = self.epoch;
        match self.state {
            State::Stable if self.epoch == target_epoch => return,
            State::Stable | State::Unreleased => {}
            State::Unrevoked => {
                // only a list says that they are given up
                if owned.is_none_or(|owned| !owned.is_disjoint(&self.revoking)) {
                    return;
                }
                reached += 1;
            }
        }
        let keep: BTreeSet<_> = self.assigned.intersection(target).copied().collect();
        let revoking: BTreeSet<_> = self.assigned.difference(&keep).copied().collect();
        let wanted: BTreeSet<_> = target.difference(&keep).copied().collect();
        let free: BTreeSet<_> = wanted.difference(taken).copied().collect();
        let still_has = owned.is_none_or(|owned| !owned.is_disjoint(&revoking));
        let before = self.epoch;
        if !revoking.is_empty() && still_has {
            (self.state, self.assigned, self.revoking) = (State::Unrevoked, keep, revoking);
            self.epoch = reached;
            self.revoked_by = Some(now + self.rebalance_ms);
        } else {
            self.state = if free.len() < wanted.len() { State::Unreleased } else { State::Stable };
            (self.assigned, self.epoch) = (&keep | &free, target_epoch);
            self.revoking.clear();
            self.revoked_by = None;
        }
        if self.epoch != before {
            self.previous_epoch = before;
        }
        let held = self.held();
        self.since.retain(|partition, _| held.contains(partition));
        for partition in &self.assigned {
            self.since.entry(*partition).or_insert(self.epoch);
        }
    }
}
