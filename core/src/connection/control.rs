//! The control connection: what is asked next on it, of whom, and when. One place decides both what is sent and when to wake
//! for it, so that no deadline passes without effect.
use super::{Phase, CONTROL};
use crate::cluster::nodes::BOOTSTRAP;
use crate::connection::failure::Failure;
use crate::drive::Op;
#[cfg(feature = "group")]
use crate::group;
use crate::state::{Control, Mode};
#[cfg(feature = "group-consumer")]
use crate::ProtocolErrorKind;
use crate::{Api, Instant};
use core::time::Duration;

/// What is due, and from when.
#[derive(Clone, Copy)]
pub(crate) struct Due {
    pub at: Instant,
    pub api: Api,
}

impl Control<'_> {
    /// The most urgent request: of those that are due the first in this order, otherwise the next that will be.
    pub(crate) fn due(&self, op: &Op<'_, '_>, now: Instant) -> Option<Due> {
        let state = &*self.state;
        let mut best: Option<Due> = None;
        let mut consider = |wanted: bool, at: Instant, api: Api| {
            let at = at.max(now);
            if wanted && best.is_none_or(|best| at < best.at) {
                best = Some(Due { at, api });
            }
        };
        let commit = &state.commit;
        #[cfg(feature = "group")]
        let (member, stable) = {
            let group = &state.group;
            let member = state.mode == Mode::Subscribed && !group.fatal;
            let stable = group.phase == group::Phase::Stable;
            consider(group.leaving, Instant::from_millis(0), Api::LeaveGroup);
            consider(member && stable, group.heartbeat_at, Api::Heartbeat);
            let syncs = group.phase == group::Phase::Syncing && !self.leads_without_knowing();
            consider(member && syncs, Instant::from_millis(0), Api::SyncGroup);
            (member, stable)
        };
        #[cfg(not(feature = "group"))]
        let (member, stable) = (false, false);
        let speaks = state.mode != Mode::Subscribed || member && stable;
        consider(commit.job.wanted && speaks, commit.job.not_before, Api::OffsetCommit);
        let metadata = &state.cluster.metadata;
        // while a record borrows one of their names, nothing could be noted of topics
        let asks = state.mode != Mode::Nothing && self.names.is_exclusive();
        let refresh = if metadata.wanted { metadata.not_before } else { state.cluster.refresh_at };
        consider(asks, refresh, Api::Metadata);
        #[cfg(feature = "group")]
        {
            let group = &state.group;
            let joins = group.phase == group::Phase::Out && group.handover == group::Handover::None && !group.leaving;
            consider(member && group.phase == group::Phase::Returning, group.job.not_before, Api::Heartbeat);
            consider(member && joins && matches!(op, Op::Event), group.job.not_before, Api::JoinGroup);
        }
        let committed = matches!(op, Op::Committed(_)) && !commit.answered || speaks && self.wants_committed();
        consider(committed, commit.fetch.not_before, Api::OffsetFetch);
        let best = best?;
        #[cfg(feature = "group-consumer")]
        let best = Due { api: if self.is_next_gen() { group::next_gen::api(best.api) } else { best.api }, ..best };
        if needs_coordinator(best.api) && state.cluster.coordinator().is_none() {
            return Some(Due { at: best.at.max(state.cluster.find.not_before), api: Api::FindCoordinator });
        }
        Some(best)
    }

    /// Connects, moves to another node, or sends what is due.
    pub(crate) fn plan_control(&mut self, op: &mut Op<'_, '_>, now: Instant) -> Result<bool, Failure> {
        let Some(due) = self.due(op, now).filter(|due| due.at <= now) else { return Ok(false) };
        let coordinator = self.state.cluster.coordinator();
        let Some(link) = self.links.first() else { return Ok(false) };
        let (phase, node, not_before) = (link.phase, link.node, link.not_before);
        match phase {
            Phase::Down if now >= not_before => {
                let again = node != 0
                    && link.failures == 0
                    && (node == BOOTSTRAP || self.state.cluster.nodes.get(node).is_some_and(|n| n.used));
                let target = match coordinator {
                    Some(coordinator) => coordinator,
                    None if again => node,
                    None => self.control_target(),
                };
                let deadline = now.after(self.config.socket_connection_setup_timeout);
                if let Some(link) = self.links.first_mut() {
                    (link.phase, link.node, link.deadline) = (Phase::Connecting, target, deadline);
                }
                return Ok(true);
            }
            Phase::Up if link.is_idle() => {}
            _ => return Ok(false),
        }
        let close = |this: &mut Self, not_before| {
            let deadline = now.after(this.config.reconnect_backoff_max);
            if let Some(link) = this.links.first_mut() {
                (link.phase, link.deadline, link.not_before) = (Phase::Closing, deadline, not_before);
            }
            Ok(true)
        };
        if now < not_before {
            // throttled; the broker mutes this connection only, and a heartbeat cannot wait for long
            let patient = now.after(self.config.heartbeat_interval) >= not_before;
            return if patient || due.api == Api::Metadata { Ok(false) } else { close(self, now) };
        }
        let Some(versions) = self.state.cluster.nodes.get(node).filter(|node| node.asked).map(|node| node.versions)
        else {
            return self.send(CONTROL, Api::ApiVersions, 0, op, now).map(|()| true);
        };
        if needs_coordinator(due.api) && coordinator.is_some_and(|coordinator| coordinator != node) {
            return close(self, now);
        }
        #[cfg(feature = "group-consumer")]
        let version = if self.is_next_gen() && self.state.mode != Mode::Assigned {
            versions.newest(due.api)
        } else {
            versions.get(due.api)
        };
        #[cfg(not(feature = "group-consumer"))]
        let version = versions.get(due.api);
        let Some(version) = version else {
            #[cfg(feature = "group-consumer")]
            if due.api == Api::ConsumerGroupHeartbeat && self.fall_back() {
                return Ok(true);
            }
            // asked before a group was needed: ask again, and say what is missing
            if let Some(node) = self.state.cluster.nodes.get_mut(node) {
                node.asked = false;
            }
            return Ok(true);
        };
        match due.api {
            Api::OffsetCommit if !self.state.commit.positions && !matches!(op, Op::CommitOffsets(_)) => {
                // its caller has gone, and the list with it; the commit before it is over
                let commit = &mut self.state.commit;
                (commit.explicit, commit.finished) = (false, true);
                self.state.awaited = false;
                self.state.commit.job.done();
                return Ok(true);
            }
            Api::OffsetCommit if !self.list_commit() => {
                self.state.commit.job.done();
                (self.state.commit.finished, self.state.commit.code) = (true, 0);
                return Ok(true);
            }
            Api::OffsetFetch => {
                self.state.commit.queried = matches!(op, Op::Committed(_)) && !self.state.commit.answered;
                self.list_committed();
            }
            #[cfg(feature = "group")]
            Api::Heartbeat => self.state.group.heartbeat_at = now.after(self.config.heartbeat_interval),
            #[cfg(feature = "group-sticky")]
            Api::SyncGroup => self.compute_assignments(now)?,
            #[cfg(feature = "group-consumer")]
            Api::ConsumerGroupHeartbeat if version == 0 && self.subscribed_pattern().is_some() => {
                return Err(self.mismatch(due.api, ProtocolErrorKind::Version(1, 1, 0, 0)));
            }
            #[cfg(feature = "group-consumer")]
            Api::ConsumerGroupHeartbeat => self.begin_beat(now),
            #[cfg(feature = "group")]
            Api::JoinGroup => self.state.group.phase = group::Phase::Joining,
            _ => {}
        }
        self.send(CONTROL, due.api, version, op, now).map(|()| true)
    }
}

/// An answer for which nothing is lent takes no longer, unless its broker is gone. Twice as long after each that did.
const PATIENCE: Duration = Duration::from_secs(1);

impl Control<'_> {
    /// From when on records are lent: not while an answer is on its way that nothing could be noted of then, if it is about what the last
    /// one could not be noted of. Of a consumer that is always busy every answer comes while records are lent.
    pub(crate) fn lends_from(&self, op: &Op<'_, '_>) -> Instant {
        let link = self.links.first().filter(|_| matches!(op, Op::Event));
        let Some(link) = link else { return Instant::from_millis(0) };
        let counts = match Api::from_key(link.awaiting().api) {
            #[cfg(feature = "group")]
            Some(Api::Metadata) if self.leads_without_knowing() => true,
            Some(Api::Metadata) => self.state.cluster.unnoted > 0,
            #[cfg(feature = "group-consumer")]
            Some(Api::ConsumerGroupHeartbeat) => self.brings_names(),
            _ => false,
        };
        if counts {
            link.sent_at.after(PATIENCE.saturating_mul(1 << self.state.cluster.unnoted.min(5)))
        } else {
            Instant::from_millis(0)
        }
    }
}

fn needs_coordinator(api: Api) -> bool {
    !matches!(api, Api::Metadata | Api::FindCoordinator | Api::ApiVersions)
}
