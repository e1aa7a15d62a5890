//! The classic group protocol (KIP-62, KIP-394, KIP-345): join, sync, heartbeat, leave. Eager: all partitions are given up
//! before joining again. What changes the application's partitions happens inside `poll` only:
//!
//! ```text
//! heartbeat says 27 ──▶ rejoin ──poll──▶ Announce ──Event::Revoked──▶ Announced ──poll──▶ Committing ──▶ JoinGroup ──▶ SyncGroup
//! 22, 25, session over ──▶ lost ──poll──▶ Announce ──Event::Lost────▶ Announced ──poll──────────────────▶ JoinGroup ..
//! ```
#[cfg(feature = "group-sticky")]
pub mod assign;
mod classic;
mod members;
#[cfg(all(test, feature = "group-sticky"))]
mod proof;
pub(crate) mod range;
#[cfg(feature = "group-sticky")]
mod sticky;

use crate::cluster::{broker_error, Job};
use crate::partitions::{self, Slot};
use crate::state::{topic, Control, Mode, Parked, MEMBER_ID_BYTES};
use crate::wire::primitives::copy;
use crate::{Api, Capacity, Error, ErrorCode, Instant, Resource};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Phase {
    /// Not a member, or about to join again.
    Out,
    /// JoinGroup is out; the broker answers when all members have joined.
    Joining,
    /// Joined; SyncGroup is to be sent or out.
    Syncing,
    Stable,
}

/// How the partitions are given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Handover {
    None,
    /// The application is to be told.
    Announce,
    /// It knows; its next `poll` ends the ownership.
    Announced,
    /// A last commit is on its way.
    Committing,
}

/// Bytes of an invented group id: `nanokafka-` and 16 hexadecimal digits.
const INVENTED: usize = 26;

#[derive(Debug)]
pub(crate) struct Group {
    pub phase: Phase,
    pub handover: Handover,
    /// The partitions are lost already: nothing of them is committed.
    pub lost: bool,
    /// Join again at the next `poll`.
    pub rejoin: bool,
    /// `Event::Assigned` is due.
    pub assigned: bool,
    /// LeaveGroup is to be sent, or is out.
    pub leaving: bool,
    /// Leave as soon as no commit is out.
    pub closing: bool,
    /// A broker's final word; nothing is tried any more.
    pub fatal: bool,
    member_len: u8,
    member: [u8; MEMBER_ID_BYTES],
    invented: [u8; INVENTED],
    pub generation: i32,
    /// Of the answer that is being read.
    answer: i32,
    /// We are the group's leader.
    pub leads: bool,
    /// How many members the assignment is to be computed for; 0 none.
    pub members: u32,
    /// Bytes of other members in the group memory, and bytes they need.
    memory_used: usize,
    memory_needed: usize,
    /// Names or partitions that did not fit.
    names_needed: usize,
    partitions_needed: usize,
    /// Partitions of unassigned slots whose leaders are remembered.
    pub cached: u16,
    pub job: Job,
    pub heartbeat_at: Instant,
    /// Without an answer until then the membership is over.
    pub session_ends: Instant,
    /// The last `poll`.
    pub polled: Instant,
    pub handover_ends: Instant,
}

impl Group {
    pub const NEW: Group = Group {
        phase: Phase::Out,
        handover: Handover::None,
        lost: false,
        rejoin: false,
        assigned: false,
        leaving: false,
        closing: false,
        fatal: false,
        member_len: 0,
        member: [0; MEMBER_ID_BYTES],
        invented: [0; INVENTED],
        generation: 0,
        answer: 0,
        leads: false,
        members: 0,
        memory_used: 0,
        memory_needed: 0,
        names_needed: 0,
        partitions_needed: 0,
        cached: 0,
        job: Job::NEW,
        heartbeat_at: Instant::from_millis(0),
        session_ends: Instant::from_millis(0),
        polled: Instant::from_millis(0),
        handover_ends: Instant::from_millis(0),
    };

    pub fn member_id(&self) -> &str {
        self.member.get(..self.member_len.into()).and_then(|id| core::str::from_utf8(id).ok()).unwrap_or_default()
    }

    pub fn invented_id(&self) -> &str {
        core::str::from_utf8(&self.invented).unwrap_or_default()
    }

    /// For a subscription without `group.id`.
    pub fn invent_id(&mut self, mut random: u64) {
        copy(&mut self.invented, b"nanokafka-");
        for digit in self.invented.iter_mut().skip(10) {
            *digit = match (random & 15) as u8 {
                low @ ..=9 => b'0'.saturating_add(low),
                high => b'a'.saturating_add(high.saturating_sub(10)),
            };
            random >>= 4;
        }
    }

    /// Generation for requests of a member; -1 for a consumer that only commits.
    pub fn generation(&self) -> i32 {
        match self.phase {
            Phase::Syncing | Phase::Stable => self.generation,
            _ => -1,
        }
    }

    pub(super) fn set_member_id(&mut self, id: &str) -> Result<(), Error> {
        match self.member.get_mut(..id.len()) {
            Some(room) => {
                copy(room, id.as_bytes());
                self.member_len = id.len() as u8;
                Ok(())
            }
            None => Err(Capacity { what: Resource::MemberId, needed: id.len(), have: MEMBER_ID_BYTES }.into()),
        }
    }
}

impl Control<'_> {
    /// Before each `poll`: what the application was told takes effect.
    pub(crate) fn group_enter_poll(&mut self, now: Instant) {
        self.state.group.polled = now;
        if self.state.group.handover != Handover::Announced {
            return;
        }
        let dirty = self.slots().iter().any(|slot| slot.is(Slot::DIRTY));
        if !self.state.group.lost && dirty && self.commits_automatically() {
            self.state.group.handover = Handover::Committing;
            // the group waits for us no longer than this
            self.state.group.handover_ends = now.after(self.config.max_poll_interval.min(self.config.request_timeout));
            self.want_commit();
        } else {
            self.end_ownership();
        }
    }

    fn end_ownership(&mut self) {
        // who leads them is worth remembering: most come back
        self.state.group.cached = self.state.slots_used;
        self.clear_slots();
        let group = &mut self.state.group;
        (group.handover, group.lost, group.phase) = (Handover::None, false, Phase::Out);
        group.rejoin = false; // heartbeats went on, and what they said is being done
        group.job.want();
    }

    /// Nothing is fetched or handed out while partitions change hands.
    pub(crate) fn partitions_rest(&self) -> bool {
        let group = &self.state.group;
        self.state.mode == Mode::Subscribed
            && (group.phase != Phase::Stable || group.handover != Handover::None || group.rejoin)
    }

    /// What time does to a membership. `polling`: the application waits in `poll`.
    pub(crate) fn group_tick(&mut self, polling: bool, now: Instant) {
        if self.state.mode != Mode::Subscribed {
            return;
        }
        let group = &mut self.state.group;
        if polling {
            group.polled = now; // a poll that waits is a poll
        }
        if group.phase == Phase::Stable {
            if now >= group.session_ends {
                // whoever could not reach the coordinator for so long is no member any more
                self.state.cluster.lose_coordinator();
                self.lose_membership(false);
            } else if now >= group.polled.after(self.config.max_poll_interval) {
                group.leaving = self.config.group_instance_id.is_empty();
                self.lose_membership(false);
            }
        }
        if polling {
            self.hand_over(now);
        }
        if self.state.group.closing && !self.state.commit.is_open() {
            self.state.group.closing = false;
            self.leave_group();
        }
    }

    fn hand_over(&mut self, now: Instant) {
        let commit_open = self.state.commit.is_open();
        let owns = self.state.slots_used > 0;
        let group = &mut self.state.group;
        match group.handover {
            Handover::None if group.rejoin && group.phase == Phase::Stable => {
                group.rejoin = false;
                if owns {
                    group.handover = Handover::Announce;
                } else {
                    group.phase = Phase::Out;
                    group.job.want();
                }
            }
            Handover::Committing if !commit_open || now >= group.handover_ends => {
                self.end_ownership();
            }
            _ => {}
        }
    }

    /// The partitions belong to somebody else by now.
    pub(crate) fn lose_membership(&mut self, forget_id: bool) {
        let owns = self.state.slots_used > 0;
        let group = &mut self.state.group;
        warn!("group: membership of generation {} lost", group.generation);
        group.phase = Phase::Out;
        group.rejoin = false;
        group.assigned = false;
        if forget_id {
            group.member_len = 0;
        }
        group.job.want();
        if owns {
            (group.handover, group.lost) = (Handover::Announce, true);
        }
        self.give_up_commit();
        self.state.plan = true;
    }

    /// What a commit's answer says about the membership.
    pub(crate) fn group_commit_error(&mut self, code: ErrorCode, _now: Instant) {
        if self.state.mode != Mode::Subscribed {
            return;
        }
        match code {
            ErrorCode::REBALANCE_IN_PROGRESS => self.state.group.rejoin = true,
            ErrorCode::ILLEGAL_GENERATION => self.lose_membership(false),
            ErrorCode::UNKNOWN_MEMBER_ID => self.lose_membership(true),
            ErrorCode::FENCED_INSTANCE_ID => {
                self.lose_membership(true);
                self.state.group.fatal = true;
                // nobody waits for an automatic commit, and nothing comes after this
                self.state.parked = Parked::Error(broker_error(Api::OffsetCommit, code, true).into());
            }
            _ => {}
        }
    }

    /// A topic got partitions: the leader spreads them over the group.
    pub(crate) fn partitions_changed(&mut self) {
        let group = &mut self.state.group;
        if group.phase == Phase::Stable && group.leads {
            group.rejoin = true;
        }
    }

    pub(super) fn forget_group_topics(&mut self) {
        self.topics().clear_flags(topic::GROUP);
        self.drop_unused_names();
    }

    /// Takes a partition of the assignment, with its leader when Metadata named it before.
    pub(super) fn own(&mut self, topic: u16, partition: i32) {
        let slots = self.slots();
        let Err(at) = partitions::find(slots, topic, partition) else { return }; // twice in one assignment
        self.tables_changed();
        let used = self.state.slots_used;
        let group = &mut self.state.group;
        group.partitions_needed = group.partitions_needed.saturating_add(1);
        let cache = self.table.get_mut(used.into()..used.saturating_add(group.cached).into()).unwrap_or_default();
        let mut slot = Slot::new(topic, partition);
        let known = cache.iter().position(|slot| (slot.topic, slot.partition) == (topic, partition));
        if let Some(known) = known.and_then(|known| cache.get(known)) {
            (slot.leader, slot.leader_epoch) = (known.leader, known.leader_epoch);
        }
        // the table grows over the first of the remembered ones: it takes the place of the one that is found
        if let (Some(known), Some(first)) = (known, cache.first().copied()) {
            if let Some(place) = cache.get_mut(known) {
                *place = first;
            }
        }
        let carried = cache.first().copied().filter(|_| known.is_none());
        if !partitions::insert(self.table, &mut self.state.slots_used, at, slot) {
            return;
        }
        let group = &mut self.state.group;
        group.cached = group.cached.saturating_sub(1);
        if let Some(carried) = carried {
            let end = usize::from(self.state.slots_used.saturating_add(group.cached));
            if let Some(place) = self.table.get_mut(end) {
                *place = carried;
                group.cached = group.cached.saturating_add(1);
            }
        }
    }

    /// Before an answer names them anew.
    pub(crate) fn forget_leaders(&mut self) {
        if self.state.slots_used == 0 {
            self.state.group.cached = 0;
        }
    }

    /// Remembers the leader of a partition that may be assigned to us: it saves a Metadata request after the assignment.
    pub(crate) fn remember_leader(&mut self, topic: u16, partition: i32, leader: i32, epoch: i32) {
        let end = usize::from(self.state.slots_used.saturating_add(self.state.group.cached));
        let joins = self.state.mode == Mode::Subscribed
            && self.state.group.phase != Phase::Stable
            && self.state.slots_used == 0;
        if let (true, Some(place)) = (joins, self.table.get_mut(end)) {
            *place = Slot { leader, leader_epoch: epoch, ..Slot::new(topic, partition) };
            self.state.group.cached = self.state.group.cached.saturating_add(1);
        }
    }
}

impl Control<'_> {
    /// What the application must hear, once.
    pub(crate) fn group_notice(&mut self) -> Option<crate::drive::Ready> {
        let group = &mut self.state.group;
        // what is taken back at once is still told first
        if group.phase == Phase::Stable && core::mem::take(&mut group.assigned) {
            return Some(crate::drive::Ready::Assigned);
        }
        if group.handover == Handover::Announce {
            group.handover = Handover::Announced;
            return Some(if group.lost { crate::drive::Ready::Lost } else { crate::drive::Ready::Revoked });
        }
        None
    }

    /// When time alone changes the membership.
    pub(crate) fn group_timeout(&self, polling: bool) -> Instant {
        let group = &self.state.group;
        if self.state.mode != Mode::Subscribed {
            return Instant::NEVER;
        }
        let mut next = Instant::NEVER;
        if group.phase == Phase::Stable {
            next = group.session_ends.min(group.polled.after(self.config.max_poll_interval));
        }
        if polling && group.handover == Handover::Committing {
            next = next.min(group.handover_ends);
        }
        next
    }

    /// The subscription is new or has changed.
    pub(crate) fn enter_group(&mut self) {
        let group = &mut self.state.group;
        group.fatal = false;
        if group.phase == Phase::Out {
            group.job.want();
        } else {
            group.rejoin = true; // a join that is out says what was subscribed before
        }
    }

    /// `unsubscribe` and `close`: a dynamic member says good-bye, a static one comes back within its session.
    pub(crate) fn leave_group(&mut self) {
        let statically = !self.config.group_instance_id.is_empty();
        let group = &mut self.state.group;
        group.leaving = !statically && group.member_len > 0;
        (group.phase, group.cached) = (Phase::Out, 0);
        (group.handover, group.lost, group.rejoin, group.assigned) = (Handover::None, false, false, false);
    }

    /// `close`: the commit that is out needs the membership, so the good-bye comes after it.
    pub(crate) fn leave_after_commit(&mut self) {
        self.state.group.closing = self.state.mode == Mode::Subscribed;
    }

    /// LeaveGroup was answered.
    pub(crate) fn group_left(&mut self) {
        self.state.group.leaving = false;
        self.state.group.member_len = 0;
    }
}
