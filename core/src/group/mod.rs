//! The classic group protocol (KIP-62, KIP-394, KIP-345): join, sync, heartbeat, leave. What changes the application's
//! partitions happens inside `poll` only. Eager: all are given up before joining again.
//!
//! ```text
//! heartbeat says 27 ──▶ rejoin ──poll──▶ Announce ──Event::Revoked──▶ Announced ──poll──▶ Committing ──▶ JoinGroup ──▶ SyncGroup
//! 22, 25, session over ──▶ lost ──poll──▶ Announce ──Event::Lost────▶ Announced ──poll──────────────────▶ JoinGroup ..
//! ```
//! Cooperative (KIP-429): only what the new assignment lacks is given up, and then the group spreads that in a second round.
//!
//! ```text
//! heartbeat says 27 ──▶ rejoin ──poll──▶ JoinGroup ──▶ SyncGroup ──▶ synced ──poll──▶ Event::Assigned what is new
//!                                ▲                              └──▶ Announce ──Event::Revoked what is gone──▶ Announced
//!                                └── Committing ◀──poll────────────────────────────────────────────────────────────┘
//! ```
//! Meanwhile the application may hold records: an assignment that arrives waits behind the table, and what is revoked stays
//! in it, marked, until the `poll` after the one that said so.
#[cfg(feature = "group-sticky")]
mod assign;
mod classic;
mod lead;
mod members;
#[cfg(feature = "group-consumer")]
pub(crate) mod next_gen;
#[cfg(all(test, feature = "group-sticky"))]
mod proof;
mod range;
mod saved;
#[cfg(feature = "group-sticky")]
mod sticky;

use crate::cluster::Job;
use crate::partitions::{self, Slot};
use crate::state::{topic, Control, Mode, Parked, State, MEMBER_ID_BYTES};
use crate::wire::encode::Partitions;
use crate::wire::join_group;
use crate::wire::primitives::copy;
#[cfg(feature = "group-sticky")]
use crate::Assignor;
use crate::{strings, Api, Capacity, ErrorCode, Instant, Resource};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Phase {
    /// Not a member, or about to join again.
    Out,
    /// JoinGroup is out; the broker answers when all members have joined.
    Joining,
    /// Joined; SyncGroup is to be sent or out.
    Syncing,
    /// A saved membership is taken up; a Heartbeat asks whether it still holds.
    Returning,
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
#[repr(C)] // the small fields first, where short instructions reach them
pub(crate) struct Group {
    pub phase: Phase,
    pub handover: Handover,
    /// The partitions are lost already: nothing of them is committed.
    pub lost: bool,
    /// Join again at the next `poll`.
    pub rejoin: bool,
    /// An assignment waits behind the table until nothing is lent.
    synced: bool,
    /// `Event::Assigned` is due.
    pub assigned: bool,
    /// LeaveGroup is to be sent, or is out.
    pub leaving: bool,
    /// Leave as soon as no commit is out.
    pub closing: bool,
    /// A broker's final word; nothing is tried any more.
    pub fatal: bool,
    member_len: u8,
    /// The assignor that the group has chosen: its place in our list plus 1, 0 none of ours.
    assignor: u8,
    /// We are the group's leader.
    pub leads: bool,
    /// We cannot lead before the records that are lent are given back.
    postponed: bool,
    /// The assignment names topics that are not subscribed.
    strange: bool,
    /// How many partitions are remembered behind the assigned ones: who leads them, which of them we had, and which are
    /// [`Slot::GIVEN`] by an assignment that is not taken yet.
    pub cached: u16,
    /// Entry of the topic that is being read of a member's claims, plus 1.
    #[cfg(feature = "group-sticky")]
    claimed_topic: u16,
    invented: [u8; INVENTED],
    pub generation: i32,
    /// The one in which we got what we have, or had before we joined again, plus 1; 0 we have nothing.
    owned: i32,
    /// Of the answer that is being read.
    answer: i32,
    /// How many members the assignment is to be computed for; 0 none.
    pub members: u32,
    /// Bytes of other members in the group memory, and bytes they need.
    memory_used: usize,
    memory_needed: usize,
    /// Names or partitions that did not fit.
    names_needed: usize,
    partitions_needed: usize,
    #[cfg(feature = "group-consumer")]
    pub next: next_gen::NextGen,
    /// The leader withheld partitions and rebalances again by then. Before that whoever had them does, but a static member may
    /// have died between the two, and who comes back in its place does not know that there is something to give up.
    #[cfg(feature = "group-sticky")]
    second_round: Instant,
    pub job: Job,
    /// Since when another member holds our instance id; 0 it does not.
    #[cfg(feature = "group-consumer")]
    unreleased_since: Instant,
    pub heartbeat_at: Instant,
    /// Without an answer until then the membership is over.
    pub session_ends: Instant,
    /// The last `poll`.
    pub polled: Instant,
    pub handover_ends: Instant,
    /// Of the member that is being read.
    #[cfg(feature = "group-sticky")]
    pub claims: crate::wire::claims::Claims,
    member: [u8; MEMBER_ID_BYTES],
}

impl Group {
    pub const NEW: Group = Group {
        phase: Phase::Out,
        handover: Handover::None,
        lost: false,
        #[cfg(feature = "group-consumer")]
        next: next_gen::NextGen::NEW,
        #[cfg(feature = "group-consumer")]
        unreleased_since: Instant::from_millis(0),
        rejoin: false,
        synced: false,
        assigned: false,
        leaving: false,
        closing: false,
        fatal: false,
        member_len: 0,
        member: [0; MEMBER_ID_BYTES],
        invented: [0; INVENTED],
        generation: 0,
        owned: 0,
        answer: 0,
        assignor: 0,
        leads: false,
        postponed: false,
        strange: false,
        members: 0,
        memory_used: 0,
        memory_needed: 0,
        names_needed: 0,
        partitions_needed: 0,
        cached: 0,
        #[cfg(feature = "group-sticky")]
        claims: crate::wire::claims::Claims::NEW,
        #[cfg(feature = "group-sticky")]
        claimed_topic: 0,
        #[cfg(feature = "group-sticky")]
        second_round: Instant::NEVER,
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
    pub fn invent_id(&mut self, random: u64) {
        copy(&mut self.invented, b"nanokafka-");
        hexadecimal(self.invented.get_mut(10..).unwrap_or_default(), random);
    }

    /// Generation for requests of a member; -1 for a consumer that only commits.
    pub fn generation(&self) -> i32 {
        match self.phase {
            Phase::Syncing | Phase::Returning | Phase::Stable => self.generation,
            _ => -1,
        }
    }

    pub(super) fn set_member_id(&mut self, id: &str) -> Result<(), Capacity> {
        match self.member.get_mut(..id.len()) {
            Some(room) => {
                copy(room, id.as_bytes());
                self.member_len = id.len() as u8;
                Ok(())
            }
            None => Err(Capacity { what: Resource::MemberId, needed: id.len(), have: MEMBER_ID_BYTES }),
        }
    }
}

impl State {
    /// The coordinator has said that we are a member.
    fn is_known_until(&mut self, end: Instant) {
        (self.group.session_ends, self.known_until) = (end, end.as_millis() as u32);
    }

    fn is_known(&self, now: Instant) -> bool {
        (self.known_until.wrapping_sub(now.as_millis() as u32) as i32) > 0
    }
}

/// As many digits as there is room for.
fn hexadecimal(digits: &mut [u8], mut random: u64) {
    for digit in digits {
        *digit = match (random & 15) as u8 {
            low @ ..=9 => b'0'.saturating_add(low),
            high => b'a'.saturating_add(high.saturating_sub(10)),
        };
        random >>= 4;
    }
}

impl Control<'_> {
    /// The group speaks the protocol of KIP-848.
    #[cfg(not(feature = "group-consumer"))]
    pub(crate) fn is_next_gen(&self) -> bool {
        false
    }

    #[cfg(not(feature = "group-consumer"))]
    fn may_be_known(&self) -> bool {
        false
    }

    /// Whether partitions are kept while the group rebalances. Java's rule: only if every assignor that is offered can do so.
    /// Where the broker assigns it is always so.
    pub(crate) fn cooperates(&self) -> bool {
        #[cfg(feature = "group-sticky")]
        let can = self.config.partition_assignment_strategy.iter().all(|ours| *ours == Assignor::CooperativeSticky);
        #[cfg(not(feature = "group-sticky"))]
        let can = false;
        can || self.is_next_gen()
    }

    /// The one that the group has chosen.
    #[cfg(feature = "group-sticky")]
    fn assignor(&self) -> Option<Assignor> {
        let place = self.state.group.assignor.checked_sub(1)?;
        self.config.partition_assignment_strategy.get(usize::from(place)).copied()
    }

    /// Before each `poll`: what the application was told takes effect.
    pub(crate) fn group_enter_poll(&mut self, now: Instant) {
        self.state.group.polled = now;
        if self.state.group.handover != Handover::Announced {
            return;
        }
        let dirty = self.slots().iter().any(|slot| slot.is(Slot::REVOKED) && slot.is(Slot::DIRTY));
        let commits = dirty && self.commits_automatically();
        // also a `commit_async` of the application's, which would end with the ownership
        if !self.state.group.lost && (commits || self.state.commit.is_open()) {
            self.state.group.handover = Handover::Committing;
            // the group waits for us no longer than this
            self.state.group.handover_ends = now.after(self.config.max_poll_interval.min(self.config.request_timeout));
            if commits {
                self.want_commit();
            }
        } else {
            self.end_ownership();
        }
    }

    fn end_ownership(&mut self) {
        let lost = self.state.group.lost;
        if lost || !self.cooperates() {
            // who leads them is worth remembering: most come back
            self.state.group.cached = self.state.slots_used;
            for slot in self.slots_mut() {
                slot.flags = if lost { 0 } else { Slot::CLAIMED };
                (slot.position, slot.epoch) = (-1, -1);
            }
            self.clear_slots();
        } else {
            self.change_slots(&mut |slots, used| partitions::retain(slots, used, |slot| !slot.is(Slot::REVOKED)));
            self.drop_unused_names();
        }
        #[cfg(feature = "group-consumer")]
        if self.is_next_gen() && !lost {
            self.state.group.handover = Handover::None;
            self.state.group.beat_now();
            return;
        }
        let group = &mut self.state.group;
        (group.handover, group.lost, group.phase) = (Handover::None, false, Phase::Out);
        group.rejoin = false; // heartbeats went on, and what they said is being done
        group.job.want();
    }

    /// Adds or removes some; what is being read and lent stays with its partition.
    fn change_slots(&mut self, change: &mut dyn FnMut(&mut [Slot], &mut u16)) {
        let key = |at: Option<usize>| at.and_then(|at| self.slot(at)).map(|slot| (slot.topic, slot.partition));
        let lent = self.state.lent_slot.checked_sub(1).map(usize::from);
        let (read, lent) = (key(self.state.stream.slot()), key(lent));
        change(self.table, &mut self.state.slots_used);
        let place = |key: Option<(u16, i32)>| {
            key.and_then(|(topic, partition)| partitions::find(self.slots(), topic, partition).ok())
        };
        let (read, lent) = (place(read), place(lent));
        self.state.stream.set_slot(read);
        self.state.lent_slot = lent.map_or(0, |lent| (lent as u16).saturating_add(1));
        self.state.first_slot = 0;
        self.tables_changed();
        self.state.plan = true;
    }

    /// Marks those that the application has to give up, and lets it be told.
    fn revoke(&mut self, which: impl Fn(&[u8], &Slot) -> bool) -> bool {
        let slots = self.table.get_mut(..self.state.slots_used.into()).unwrap_or_default();
        let mut any = false;
        for slot in slots.iter_mut().filter(|slot| which(&self.names, slot)) {
            slot.set(Slot::REVOKED);
            any = true;
        }
        if any {
            self.state.group.handover = Handover::Announce;
            self.state.plan = true;
        }
        any
    }

    /// The group rebalances: joins again, when what it must not join with is given up.
    fn prepare_to_join(&mut self) {
        self.state.group.rejoin = false;
        let all = !self.cooperates();
        let unwanted = |names: &[u8], slot: &Slot| strings::flags(names, slot.topic) & topic::SUBSCRIBED == 0;
        if !self.revoke(|names, slot| all || unwanted(names, slot)) {
            self.state.group.phase = Phase::Out;
            self.state.group.job.want();
        }
    }

    /// Takes the assignment that waits behind the table.
    fn take_assignment(&mut self) {
        let moved = self.revoke(|_, slot| !slot.is(Slot::GIVEN));
        self.slots_mut().iter_mut().for_each(|slot| slot.clear(Slot::ADDED)); // of what is kept nothing is told
        let first = usize::from(self.state.slots_used);
        // a broker that assigns repeats what is new when it hears that the rest is given up
        let later = moved && self.is_next_gen();
        let end = first.saturating_add(self.state.group.cached.into());
        self.change_slots(&mut |table, used| {
            for at in (first..end).filter(|_| !later) {
                let Some(given) = table.get(at).filter(|slot| slot.is(Slot::GIVEN) && slot.partition >= 0) else {
                    continue;
                };
                let &Slot { topic, partition, leader, leader_epoch, position, epoch, .. } = given;
                let placed = Slot { leader, leader_epoch, position, epoch, ..Slot::new(topic, partition) };
                let slot = Slot { flags: Slot::ADDED, ..placed };
                let assigned = table.get(..usize::from(*used)).unwrap_or_default();
                if let Err(place) = partitions::find(assigned, topic, partition) {
                    // the table grows over one that was looked at
                    partitions::insert(table, used, place, slot);
                }
            }
        });
        for at in 0..self.slots().len() {
            // a position that was saved
            if let Some(&Slot { position: position @ 0.., epoch, phase: partitions::Phase::Committed, .. }) =
                self.slot(at)
            {
                self.start_at(at, position, epoch);
            }
        }
        let added = usize::from(self.state.slots_used) > first;
        #[cfg(feature = "group-consumer")]
        if added && self.is_next_gen() {
            self.state.group.beat_now();
        }
        let eager = !self.cooperates();
        let group = &mut self.state.group;
        info!("group: generation {}, {} partitions", group.generation, self.state.slots_used);
        // as in Java what is revoked is followed by what is new, be it nothing; the first one is told in any case
        group.assigned = added || moved || eager || group.owned == 0;
        (group.synced, group.cached, group.owned) = (false, 0, group.generation.saturating_add(1));
        if !self.state.group.leads {
            self.forget_group_topics();
        }
        if self.slots().iter().any(|slot| slot.leader < 0) {
            self.state.cluster.metadata.want();
        }
    }

    /// Nothing is fetched or handed out: partitions change hands, all of them.
    pub(crate) fn partitions_rest(&self) -> bool {
        let group = &self.state.group;
        let changing = group.phase != Phase::Stable || group.handover != Handover::None || group.rejoin;
        self.state.mode == Mode::Subscribed && (group.lost || changing && !self.cooperates())
    }

    /// Whether the coordinator must hear from us: a member, also one that has to learn something before its SyncGroup, or one that
    /// keeps its partitions while it is about to join again.
    fn has_session(&self) -> bool {
        let group = &self.state.group;
        match group.phase {
            Phase::Stable => true,
            Phase::Syncing => !self.is_syncing(),
            Phase::Out => self.state.slots_used > 0 && !group.lost,
            _ => false,
        }
    }

    /// SyncGroup is out.
    fn is_syncing(&self) -> bool {
        self.links.first().is_some_and(|link| link.awaiting().api == Api::SyncGroup as i16)
    }

    /// What time does to a membership. `polling`: the application waits in `poll`.
    pub(crate) fn group_tick(&mut self, polling: bool, now: Instant) {
        if self.state.mode != Mode::Subscribed {
            return;
        }
        #[cfg(feature = "group-consumer")]
        if polling {
            self.ask_for_assignment();
        }
        let has_session = self.has_session();
        let leaves = self.config.group_instance_id.is_empty() || self.is_next_gen();
        let group = &mut self.state.group;
        if polling {
            group.polled = now; // a poll that waits is a poll
        }
        if has_session {
            if now >= group.session_ends {
                // whoever could not reach the coordinator for so long is no member any more
                self.state.cluster.lose_coordinator();
                self.lose_membership(false);
            } else if now >= group.polled.after(self.config.max_poll_interval) {
                group.leaving = leaves;
                self.lose_membership(false);
            }
        }
        #[cfg(feature = "group-sticky")]
        if self.state.group.phase == Phase::Stable && now >= self.state.group.second_round {
            self.state.group.second_round = Instant::NEVER;
            self.state.group.rejoin = true;
        }
        if polling {
            self.hand_over(now);
        }
        let phase = self.state.group.phase;
        // a consumer that closes ends a join that is out, but begins none
        let rebalances = if self.state.group.closing { phase == Phase::Out } else { phase != Phase::Stable };
        if rebalances && self.state.commit.job.wanted && !self.state.commit.in_flight {
            // as Java: the application polls, and commits again. What is committed by itself waits for the next time
            let lost = self.state.group.lost;
            self.refuse_commit(if lost { ErrorCode::ILLEGAL_GENERATION } else { ErrorCode::REBALANCE_IN_PROGRESS });
        }
        if self.state.group.closing && !self.state.commit.is_open() {
            self.state.group.closing = false;
            self.leave_group();
        }
    }

    fn hand_over(&mut self, now: Instant) {
        let commit_open = self.state.commit.is_open();
        let group = &self.state.group;
        match group.handover {
            Handover::None if group.synced && !group.assigned => self.take_assignment(),
            Handover::None if group.rejoin && group.phase == Phase::Stable => self.prepare_to_join(),
            Handover::Committing if !commit_open || now >= group.handover_ends => self.end_ownership(),
            _ => {}
        }
    }

    /// The partitions belong to somebody else by now.
    pub(crate) fn lose_membership(&mut self, forget_id: bool) {
        let owns = self.state.slots_used > 0;
        let forgets = forget_id && !self.is_next_gen();
        let group = &mut self.state.group;
        warn!("group: membership of generation {} lost", group.generation);
        group.phase = Phase::Out;
        (group.rejoin, group.synced, group.assigned) = (false, false, false);
        group.owned = 0;
        if forgets {
            group.member_len = 0;
        }
        group.job.want();
        if owns && !group.lost {
            (group.handover, group.lost) = (Handover::Announce, true);
        }
        self.give_up_commit();
        self.state.plan = true;
    }

    /// Leaves, so that another member gets what we cannot have or do, and joins again after a while.
    pub(crate) fn resign(&mut self, failures: u8, now: Instant) {
        self.lose_membership(false);
        let group = &mut self.state.group;
        group.leaving = true;
        #[cfg(feature = "group-consumer")]
        {
            group.next.for_good = true;
        }
        group.job.failures = failures;
        self.retry(Api::JoinGroup, now);
        self.forget_group_topics();
    }

    /// What a commit's answer says about the membership.
    pub(crate) fn group_commit_error(&mut self, code: ErrorCode) {
        if self.state.mode != Mode::Subscribed {
            return;
        }
        match code {
            ErrorCode::REBALANCE_IN_PROGRESS => self.state.group.rejoin |= self.state.group.phase == Phase::Stable,
            ErrorCode::ILLEGAL_GENERATION => self.lose_membership(false),
            ErrorCode::UNKNOWN_MEMBER_ID => self.lose_membership(true),
            #[cfg(feature = "group-consumer")]
            ErrorCode::FENCED_MEMBER_EPOCH if self.is_next_gen() => self.lose_membership(true),
            ErrorCode::FENCED_INSTANCE_ID => {
                self.lose_membership(true);
                self.state.group.fatal = true;
                // nobody waits for an automatic commit, and nothing comes after this
                self.refused(Api::OffsetCommit, code, true);
                self.state.parked = Parked::Error(self.told());
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

    /// Those behind the assigned ones, and how many of them are in use.
    fn remembered(&mut self) -> (&mut [Slot], &mut u16) {
        let State { slots_used, group, .. } = &mut *self.state;
        (self.table.get_mut(usize::from(*slots_used)..).unwrap_or_default(), &mut group.cached)
    }

    /// An assignment is about to be read.
    fn forget_given(&mut self) {
        self.table.iter_mut().for_each(|slot| slot.clear(Slot::GIVEN));
        self.state.group.partitions_needed = 0;
    }

    /// Notes a partition of the assignment. It moves nothing, as records may be lent.
    fn give(&mut self, topic: u16, partition: i32) {
        let slots = self.slots_mut();
        if let Some(slot) = partitions::find(slots, topic, partition).ok().and_then(|at| slots.get_mut(at)) {
            return slot.set(Slot::GIVEN);
        }
        let (rest, cached) = self.remembered();
        let known =
            rest.iter_mut().take((*cached).into()).find(|slot| (slot.topic, slot.partition) == (topic, partition));
        let given = Slot { flags: Slot::GIVEN, ..Slot::new(topic, partition) };
        if let Some(slot) = known {
            if slot.is(Slot::GIVEN) {
                return; // twice in one assignment
            }
            slot.set(Slot::GIVEN);
        } else if let Some(place) = rest.get_mut(usize::from(*cached)) {
            *place = given;
            *cached = cached.saturating_add(1);
        } else if let Some(place) = rest.iter_mut().find(|slot| !slot.is(Slot::GIVEN)) {
            *place = given;
        }
        self.state.group.partitions_needed = self.state.group.partitions_needed.saturating_add(1);
    }

    /// Before an answer names them anew.
    pub(crate) fn forget_leaders(&mut self) {
        let group = &self.state.group;
        if self.state.slots_used == 0 && !group.synced && group.phase != Phase::Returning {
            let (rest, cached) = self.remembered();
            partitions::retain(rest, cached, |slot| slot.is(Slot::CLAIMED));
        }
    }

    /// Remembers the leader of a partition that may be assigned to us: it saves a Metadata request after the assignment.
    pub(crate) fn remember_leader(&mut self, topic: u16, partition: i32, leader: i32, epoch: i32) {
        let joins = self.state.mode == Mode::Subscribed
            && self.state.group.phase != Phase::Stable
            && self.state.slots_used == 0;
        if !joins {
            return;
        }
        let (rest, cached) = self.remembered();
        let known =
            rest.iter().take((*cached).into()).position(|slot| (slot.topic, slot.partition) == (topic, partition));
        match rest.get_mut(known.unwrap_or((*cached).into())) {
            Some(slot) if known.is_some() => (slot.leader, slot.leader_epoch) = (leader, epoch),
            Some(slot) => {
                *slot = Slot { leader, leader_epoch: epoch, ..Slot::new(topic, partition) };
                *cached = cached.saturating_add(1);
            }
            None => {}
        }
    }

    /// What JoinGroup says of the partitions that we have or had.
    pub(crate) fn claimed(&self) -> join_group::Claimed<impl Partitions<'_>> {
        let used = usize::from(self.state.slots_used);
        let (slots, rest) = self.table.split_at_checked(used).unwrap_or_default();
        let rest = rest.get(..self.state.group.cached.into()).unwrap_or_default();
        join_group::Claimed {
            owned: self.by_topic(slots, 0),
            given_up: self.by_topic(rest, Slot::CLAIMED),
            generation: self.state.group.owned.saturating_sub(1),
        }
    }

    fn by_topic<'a>(&'a self, slots: &'a [Slot], flag: u16) -> impl Partitions<'a> {
        strings::entries(&self.names, self.state.names_used)
            .map(move |topic| {
                let mine = slots
                    .iter()
                    .filter(move |slot| slot.topic == topic && slot.flags & flag == flag && slot.partition >= 0);
                (strings::name(&self.names, topic), mine.map(|slot| slot.partition as u32))
            })
            .filter(|(_, partitions)| partitions.clone().next().is_some())
    }
}

impl Control<'_> {
    /// What the application must hear, once.
    pub(crate) fn group_notice(&mut self) -> Option<crate::drive::Ready> {
        let cooperates = self.cooperates();
        let group = &mut self.state.group;
        // what is taken back at once is still told first, but what was kept until now is given up first, as in Java
        if !(cooperates && group.handover != Handover::None) && core::mem::take(&mut group.assigned) {
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
        if self.has_session() {
            next = group.session_ends.min(group.polled.after(self.config.max_poll_interval));
        }
        #[cfg(feature = "group-sticky")]
        if group.phase == Phase::Stable {
            next = next.min(group.second_round);
        }
        if polling && group.handover == Handover::Committing {
            next = next.min(group.handover_ends);
        }
        if polling && group.synced && group.handover == Handover::None {
            next = Instant::from_millis(0); // it came while the application did something else
        }
        next
    }

    /// The subscription is new or has changed.
    pub(crate) fn enter_group(&mut self) {
        let (next_gen, sent) = (self.is_next_gen(), self.is_syncing());
        let group = &mut self.state.group;
        group.fatal = false;
        if group.phase == Phase::Syncing && !sent {
            group.phase = Phase::Out; // the topics of the members that are to be led are known by what was subscribed
        }
        if group.phase == Phase::Out {
            group.job.want();
            #[cfg(feature = "group-consumer")]
            {
                group.unreleased_since = Instant::from_millis(0);
            }
        } else if next_gen {
            #[cfg(feature = "group-consumer")]
            group.beat_now();
        } else {
            group.rejoin = true; // a join that is out says what was subscribed before
        }
    }

    /// `unsubscribe` and `close`: a dynamic member says good-bye, a static one comes back within its session.
    pub(crate) fn leave_group(&mut self) {
        let statically = !self.config.group_instance_id.is_empty();
        let known = match self.is_next_gen() {
            true => self.may_be_known(),
            false => !statically && self.state.group.member_len > 0,
        };
        let group = &mut self.state.group;
        group.leaving |= known; // a good-bye that is due stays so
        (group.phase, group.cached, group.owned) = (Phase::Out, 0, 0);
        (group.handover, group.lost, group.rejoin) = (Handover::None, false, false);
        (group.synced, group.assigned) = (false, false);
    }

    /// `close`: the commit that is out needs the membership, so the good-bye comes after it.
    pub(crate) fn leave_after_commit(&mut self) {
        self.state.group.closing = self.state.mode == Mode::Subscribed;
    }

    /// LeaveGroup was answered.
    pub(crate) fn group_left(&mut self) {
        self.state.group.leaving = false;
        if !self.is_next_gen() {
            self.state.group.member_len = 0;
        }
    }
}
