//! Which broker coordinates a group, and when it is ready to.
use crate::apis::GROUP_AUTHORIZATION_FAILED;
use crate::cluster::State;
use crate::group::{Group, Turn, NOT_COORDINATOR, UNKNOWN_MEMBER_ID};

/// COORDINATOR_LOAD_IN_PROGRESS.
pub(crate) const LOADING: i16 = 14;

/// One group's coordinator.
#[derive(Clone, Copy)]
pub(crate) struct Coordinator {
    pub(crate) node: i32,
    /// FindCoordinator answers 15 until then.
    pub(crate) found_from: u64,
    /// The node answers 14 until then.
    pub(crate) loaded_from: u64,
}

impl State {
    /// The broker FindCoordinator names; the first one until somebody decides otherwise.
    pub(crate) fn coordinator_of(&self, group: &str) -> Option<i32> {
        match self.coordinators.get(group) {
            Some(known) => (known.found_from <= self.now).then_some(known.node),
            None => self.brokers.iter().find(|broker| broker.registered).map(|broker| broker.node),
        }
    }

    fn node_for(&self, group: &str) -> Option<i32> {
        self.coordinators.get(group).map(|known| known.node).or_else(|| self.coordinator_of(group))
    }

    pub(crate) fn is_coordinator(&self, node: i32, group: &str) -> Result<(), i16> {
        if self.denied_groups.contains(group) {
            return Err(GROUP_AUTHORIZATION_FAILED);
        }
        if self.node_for(group) != Some(node) {
            return Err(NOT_COORDINATOR);
        }
        match self.coordinators.get(group) {
            Some(known) if known.loaded_from > self.now => Err(LOADING),
            _ => Ok(()),
        }
    }

    /// The group, created when it is not there yet. Its coordinator stays where it is.
    pub(crate) fn create_group(&mut self, group: &str) -> &mut Group {
        if !self.coordinators.contains_key(group) {
            if let Some(node) = self.coordinator_of(group) {
                let coordinator = Coordinator { node, found_from: 0, loaded_from: 0 };
                self.coordinators.insert(group.into(), coordinator);
            }
        }
        self.groups.entry(group.into()).or_insert_with(Group::new)
    }

    /// Lets the group's coordinator act, and sends what it answers.
    pub(crate) fn with_group<R>(
        &mut self,
        node: i32,
        group: &str,
        act: impl FnOnce(&mut Group, &mut Turn) -> R,
    ) -> Result<R, i16> {
        self.is_coordinator(node, group)?;
        self.turn(group, act).ok_or(UNKNOWN_MEMBER_ID)
    }

    fn turn<R>(&mut self, group: &str, act: impl FnOnce(&mut Group, &mut Turn) -> R) -> Option<R> {
        let known = self.groups.get_mut(group)?;
        let catalog = self.topics.iter().map(|(name, all)| (name.clone(), (self.topic_ids[name], all.len()))).collect();
        let (settings, random) = (&self.settings, &mut self.random);
        let mut turn = Turn { now: self.now, settings, random, catalog, replies: vec![] };
        let result = act(known, &mut turn);
        let replies = turn.replies;
        self.send_replies(replies);
        Some(result)
    }

    /// `millis` without an answer to FindCoordinator, then the new node, which reads for a while.
    pub(crate) fn move_coordinator(&mut self, group: &str, node: i32, millis: u64) {
        self.create_group(group);
        self.turn(group, Group::unload);
        let found_from = self.now + millis;
        let loaded_from = found_from + self.settings.coordinator_load_ms;
        self.coordinators.insert(group.into(), Coordinator { node, found_from, loaded_from });
        self.note(format!("coordinator of {group} moves to node {node}"));
    }

    /// Groups of a node that was killed: whatever was not written is gone.
    pub(crate) fn forget_unwritten(&mut self, node: i32) {
        for group in self.groups_of(node) {
            self.turn(&group, Group::unload);
        }
    }

    pub(crate) fn groups_of(&self, node: i32) -> Vec<String> {
        let of = self.coordinators.iter().filter(|(_, known)| known.node == node);
        of.map(|(group, _)| group.clone()).collect()
    }

    /// The groups of a node that does not come back in time go to the next one.
    pub(crate) fn fail_over_groups(&mut self, from: i32) {
        let Some(to) = self.brokers.iter().find(|broker| broker.registered).map(|broker| broker.node) else { return };
        for group in self.groups_of(from) {
            self.move_coordinator(&group, to, 0);
        }
    }

    /// Groups whose coordinator runs.
    fn ticking(&self) -> impl Iterator<Item = (&String, &Group)> {
        self.groups.iter().filter(|(name, _)| {
            let known = self.coordinators.get(*name);
            let runs = |node| self.brokers.iter().any(|b| b.node == node && b.alive && !b.paused);
            known.is_none_or(|known| runs(known.node) && known.loaded_from <= self.now)
        })
    }

    /// Whether any timeout of a group was due.
    pub(crate) fn advance_groups(&mut self) -> bool {
        let loaded: Vec<String> = {
            let now = self.now;
            let just = self.coordinators.iter().filter(|(_, known)| known.loaded_from == now && now > 0);
            just.map(|(group, _)| group.clone()).collect()
        };
        for group in loaded {
            let now = self.now;
            if let Some(known) = self.coordinators.get_mut(&group) {
                known.loaded_from = 0; // once
            }
            if let Some(group) = self.groups.get_mut(&group) {
                group.load(now, &self.settings);
            }
        }
        let now = self.now;
        let due = self.ticking().filter(|(_, group)| group.next_event().is_some_and(|at| at <= now));
        let due: Vec<String> = due.map(|(name, _)| name.clone()).collect();
        for group in &due {
            self.turn(group, Group::advance);
        }
        !due.is_empty()
    }

    pub(crate) fn next_group_event(&self) -> Option<u64> {
        let later = self.coordinators.values().flat_map(|known| [known.found_from, known.loaded_from]);
        let later = later.filter(|&at| at > self.now);
        self.ticking().filter_map(|(_, group)| group.next_event()).chain(later).min()
    }
}
