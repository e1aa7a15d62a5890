//! The group protocol of KIP-848: one request, ConsumerGroupHeartbeat, joins, stays, takes and leaves. The broker computes the
//! assignment and hands a partition out only when its owner has let it go, so nothing rests but what moves:
//!
//! ```text
//! poll ──▶ join, epoch 0 ──▶ assignment: what is new ──Event::Assigned──▶ "this is what I own"
//! heartbeat brings an assignment with less ──▶ Announce ──Event::Revoked──▶ Announced ──poll──▶ Committing ──▶ "this is what I own"
//! 110, 25 ──▶ lost ──poll──▶ Announce ──Event::Lost──▶ Announced ──poll──▶ join, epoch 0
//! ```
//!
//! An assignment is taken as the classic protocol's cooperative ones. What cannot be taken (a topic's id is not known, something else has
//! to be given up first, the answer broke off) is not kept but asked for again, by a heartbeat that says everything: the broker answers
//! that with all of the assignment.
use super::{hexadecimal, Group, Phase};
use crate::connection::failure::Failure;
use crate::connection::CONTROL;
use crate::partitions::Slot;
use crate::state::{topic, Control, Parked, State};
use crate::time::millis;
use crate::wire::consumer_group_heartbeat::{self as heartbeat, Item};
use crate::wire::encode::Encoder;
use crate::wire::primitives::{TopicId, NO_ID};
use crate::{strings, Api, Capacity, ErrorCode, GroupProtocol, Instant, Resource};
use core::time::Duration;

/// How long another member may hold our instance id: longer than a broker waits for one that was cut off, 45 s unless told otherwise.
const UNRELEASED: Duration = Duration::from_secs(60);

/// What a heartbeat is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Beat {
    /// Nothing has changed.
    Short,
    /// All that the broker may not know.
    Full,
    Join,
    Leave,
}

#[derive(Debug)]
pub(crate) struct NextGen {
    /// `auto`, and the coordinator has the classic protocol only.
    pub fallen_back: bool,
    /// Of the request that is out.
    sent: Beat,
    /// The next heartbeat says everything.
    full: bool,
    /// The assignment has changed and was not taken.
    ask: bool,
    /// The answer that is being read brings an assignment, which is taken.
    takes: bool,
    /// The last assignment has a topic whose name is not known.
    unresolved: bool,
    /// A static member leaves as any other.
    pub for_good: bool,
    /// Milliseconds between two heartbeats, by the broker.
    interval: u32,
}

impl NextGen {
    pub const NEW: NextGen = NextGen {
        fallen_back: false,
        sent: Beat::Short,
        full: false,
        ask: false,
        takes: false,
        unresolved: false,
        for_good: false,
        interval: 0,
    };
}

/// Which API stands for one of the classic protocol.
pub(crate) fn api(classic: Api) -> Api {
    match classic {
        Api::JoinGroup | Api::Heartbeat | Api::LeaveGroup => Api::ConsumerGroupHeartbeat,
        other => other,
    }
}

impl Group {
    /// At once, and with everything.
    pub(crate) fn beat_now(&mut self) {
        self.next.full = true;
        self.heartbeat_at = Instant::from_millis(0);
    }

    /// A member names itself (KIP-1082): 128 random bits in hexadecimal.
    fn name_itself(&mut self, random: [u64; 2]) {
        for (half, random) in self.member.chunks_mut(16).zip(random) {
            hexadecimal(half, random);
        }
        self.member_len = 32;
    }
}

impl Control<'_> {
    /// The group speaks this protocol, as far as is known.
    pub(crate) fn is_next_gen(&self) -> bool {
        self.config.group_protocol != GroupProtocol::Classic && !self.state.group.next.fallen_back
    }

    /// The coordinator may have us as a member: it said so, or its answer to a join was lost.
    pub(super) fn may_be_known(&self) -> bool {
        self.state.group.phase != Phase::Out || self.state.group.next.sent == Beat::Join
    }

    /// The coordinator lacks the protocol. False: nothing else is allowed.
    pub(crate) fn fall_back(&mut self) -> bool {
        let group = &mut self.state.group;
        group.next.fallen_back = self.config.group_protocol == GroupProtocol::Auto;
        if group.next.fallen_back {
            info!("group: the coordinator has the classic protocol only");
            group.member_len = 0; // there the broker names its members
        }
        group.next.fallen_back
    }

    /// A heartbeat is about to be written.
    pub(crate) fn begin_beat(&mut self, now: Instant) {
        let State { group, random, .. } = &mut *self.state;
        if group.member_len == 0 {
            group.name_itself([random.next(), random.next()]);
        }
        group.next.sent = match group.phase {
            _ if group.leaving => Beat::Leave,
            Phase::Stable if core::mem::take(&mut group.next.full) => Beat::Full,
            Phase::Stable => Beat::Short,
            _ => {
                (group.phase, group.next.full, group.next.for_good) = (Phase::Joining, false, false);
                Beat::Join
            }
        };
        group.heartbeat_at = now.after_millis(group.next.interval.into());
    }

    pub(crate) fn encode_beat(&self, e: &mut Encoder<'_>, version: i16) {
        let (config, group) = (self.config, &self.state.group);
        let statically = !config.group_instance_id.is_empty();
        let epoch = match group.next.sent {
            Beat::Join => 0,
            // it will be back within its session, unless others are to have what it cannot
            Beat::Leave if statically && !group.next.for_good => -2,
            Beat::Leave => -1,
            Beat::Short | Beat::Full => group.generation,
        };
        heartbeat::head(e, self.consumer_group(), group.member_id(), epoch, config.group_instance_id);
        if matches!(group.next.sent, Beat::Join | Beat::Full) {
            let pattern = self.subscribed_pattern().map_or("", |at| strings::name(&self.names, at));
            heartbeat::all(e, version, config, pattern, self.subscribed_topics());
            self.topics_of(e, CONTROL, Slot::ANY, &|e, slot| {
                e.i32(slot.partition);
            });
        } else {
            heartbeat::nothing(e, version);
        }
        e.tags();
    }

    /// The answer is to the membership that we have, or to the join that it waits for.
    fn beat_counts(&self) -> bool {
        let group = &self.state.group;
        match group.next.sent {
            Beat::Short | Beat::Full => group.phase == Phase::Stable,
            Beat::Join => group.phase == Phase::Joining,
            Beat::Leave => false,
        }
    }

    #[inline(never)] // in the walk of all answers it would cost more
    pub(crate) fn beat_item(&mut self, item: Item<'_>, now: Instant) {
        let takes = self.state.group.next.takes;
        match item {
            Item::Head { throttle, error } => {
                self.throttle(CONTROL, throttle, now);
                self.inbox(CONTROL).error = error;
                self.state.group.next.takes = false;
            }
            Item::Member { epoch, interval, assignment } => {
                if self.inbox(CONTROL).error != 0 || !self.beat_counts() {
                    return;
                }
                let usual = millis(self.config.heartbeat_interval) as u32;
                let interval = if interval > 0 { interval as u32 } else { usual };
                let group = &mut self.state.group;
                group.answer = epoch;
                group.next.interval = interval;
                if assignment {
                    group.next.takes = true;
                    (group.synced, group.next.unresolved, group.names_needed) = (false, false, 0);
                    self.topics().clear_flags(topic::ASSIGNED);
                    self.forget_given();
                }
            }
            // a record borrows one of the names
            Item::Topic(_) if takes && self.subscribed_pattern().is_some() && !self.names.is_exclusive() => {
                self.leave_assignment();
            }
            Item::Topic(id) if takes => {
                let entry = self.topic_by_id(id).or_else(|| self.expect_topic(id));
                self.inbox(CONTROL).topic = entry.map_or(0, |at| at.saturating_add(1));
                let named = entry.is_some_and(|at| !strings::name(&self.names, at).is_empty());
                self.state.group.next.unresolved |= !named;
                if let Some(at) = entry.filter(|_| self.subscribed_pattern().is_some()) {
                    let flags = strings::flags(&self.names, at);
                    self.topics().set_flags(at, flags | topic::ASSIGNED);
                }
            }
            Item::Partition(partition) if takes && partition >= 0 => {
                let topic = self.inbox(CONTROL).topic.checked_sub(1);
                if let Some(topic) = topic.filter(|&at| !strings::name(&self.names, at).is_empty()) {
                    self.give(topic, partition);
                }
            }
            Item::Topic(_) | Item::Partition(_) | Item::Part => {}
        }
    }

    fn topic_by_id(&self, id: &TopicId) -> Option<u16> {
        let mut entries = strings::entries(&self.names, self.state.names_used);
        entries.find(|&at| strings::id(&self.names, at) == id && *id != NO_ID)
    }

    /// A topic that only the broker knows to match the pattern: an entry without a name, which Metadata asks for by its id.
    fn expect_topic(&mut self, id: &TopicId) -> Option<u16> {
        self.subscribed_pattern()?;
        match self.topics().append("") {
            Ok(at) => {
                self.topics().set_id(at, id);
                Some(at)
            }
            Err(needed) => {
                self.state.group.names_needed = needed;
                None
            }
        }
    }

    /// The rest of an assignment is not taken: what it would have named is not known.
    fn leave_assignment(&mut self) {
        self.forget_given();
        let group = &mut self.state.group;
        (group.next.takes, group.next.ask) = (false, true);
        self.state.cluster.unnoted = self.state.cluster.unnoted.saturating_add(1);
    }

    /// The answer may name topics that are to be noted.
    pub(crate) fn brings_names(&self) -> bool {
        self.state.group.next.sent == Beat::Full && self.subscribed_pattern().is_some()
    }

    /// All of the answer is read.
    pub(crate) fn beat_done(&mut self, now: Instant) -> Result<(), Failure> {
        if self.state.group.next.sent == Beat::Leave {
            self.group_left(); // whatever it says: who cannot leave is forgotten when the session ends
            return Ok(());
        }
        if !self.beat_counts() {
            return Ok(());
        }
        match ErrorCode(self.inbox(CONTROL).error) {
            ErrorCode::NONE => self.beat_answered(now),
            code => self.beat_refused(code, now),
        }
    }

    fn beat_answered(&mut self, now: Instant) -> Result<(), Failure> {
        let (have, names) = (self.table.len(), self.names.len());
        let needed = self.slots().len().saturating_add(self.state.group.partitions_needed);
        let shrinks = self.slots().iter().any(|slot| !slot.is(Slot::GIVEN));
        let sent = self.links.first().map_or(now, |link| link.sent_at);
        let State { group, cluster, commit, plan, .. } = &mut *self.state;
        if group.phase == Phase::Joining {
            commit.auto_at = Instant::from_millis(0);
        }
        (group.phase, group.generation) = (Phase::Stable, group.answer);
        // how long the broker waits it does not say: as long as brokers do that were told nothing else
        group.session_ends = sent.after(self.config.session_timeout);
        group.unreleased_since = Instant::from_millis(0);
        group.job.done();
        *plan = true;
        if !core::mem::take(&mut group.next.takes) {
            return Ok(());
        }
        if !shrinks && (needed > have || group.names_needed > names) {
            // somebody with more room gets them
            let capacity = if needed > have {
                Capacity { what: Resource::Partitions, needed, have }
            } else {
                Capacity { what: Resource::Names, needed: group.names_needed, have: names }
            };
            self.want_of_room(now);
            return Err(self.full(capacity));
        }
        group.synced = true;
        cluster.unnoted = group.next.unresolved.into();
        if group.next.unresolved {
            cluster.metadata.want();
            cluster.metadata.not_before = now;
        }
        Ok(())
    }

    /// Leaves until a session later.
    fn want_of_room(&mut self, now: Instant) {
        self.resign(0, now);
        self.state.group.job.not_before = now.after(self.config.session_timeout);
    }

    fn beat_refused(&mut self, code: ErrorCode, now: Instant) -> Result<(), Failure> {
        warn!("group: heartbeat: {}", code);
        let State { group, cluster, .. } = &mut *self.state;
        let joining = group.phase == Phase::Joining;
        let unreleased_since =
            if group.unreleased_since == Instant::from_millis(0) { now } else { group.unreleased_since };
        let mut told = Ok(());
        match code {
            // (69: those who were left have taken the group back to the classic protocol since our session ended, or it was deleted)
            ErrorCode::FENCED_MEMBER_EPOCH | ErrorCode::UNKNOWN_MEMBER_ID | ErrorCode::GROUP_ID_NOT_FOUND
                if !joining =>
            {
                self.lose_membership(false);
                return Ok(());
            }
            ErrorCode::NOT_COORDINATOR | ErrorCode::COORDINATOR_NOT_AVAILABLE => cluster.lose_coordinator(),
            ErrorCode::FENCED_MEMBER_EPOCH
            | ErrorCode::UNKNOWN_MEMBER_ID
            | ErrorCode::COORDINATOR_LOAD_IN_PROGRESS
            | ErrorCode::REQUEST_TIMED_OUT
            | ErrorCode::UNKNOWN_SERVER_ERROR => {}
            // the one before us was cut off: its session has to end, which this protocol leaves to the broker
            ErrorCode::UNRELEASED_INSTANCE_ID if now < unreleased_since.after(UNRELEASED) => {
                group.unreleased_since = unreleased_since;
            }
            ErrorCode::TOPIC_AUTHORIZATION_FAILED => {
                told = Err(self.refused(Api::ConsumerGroupHeartbeat, code, false));
            }
            ErrorCode::UNSUPPORTED_VERSION if self.fall_back() => {
                let group = &mut self.state.group;
                group.phase = Phase::Out;
                group.job.want();
                return Ok(());
            }
            code => {
                self.lose_membership(false);
                self.state.group.fatal = true;
                return Err(self.refused(Api::ConsumerGroupHeartbeat, code, true));
            }
        }
        self.beat_again(now);
        told
    }

    /// No answer, or none that helps: what the broker knows of us is not known.
    fn beat_again(&mut self, now: Instant) {
        self.retry(Api::JoinGroup, now);
        let group = &mut self.state.group;
        if group.phase == Phase::Joining {
            group.phase = Phase::Out;
        } else {
            group.next.full = true;
            group.heartbeat_at = group.job.not_before;
            group.job.wanted = false;
        }
    }

    /// The request that was out got no answer.
    pub(super) fn beat_lost(&mut self, now: Instant) {
        if self.state.group.next.sent == Beat::Leave {
            self.group_left();
        } else if self.beat_counts() {
            if self.state.group.next.takes {
                self.leave_assignment();
            }
            self.beat_again(now);
        }
    }

    /// An assignment that could not be taken is asked for in a poll.
    pub(super) fn ask_for_assignment(&mut self) {
        let group = &mut self.state.group;
        if group.next.ask && group.phase == Phase::Stable {
            group.next.ask = false;
            group.beat_now();
        }
    }

    /// Metadata says a topic's id. One that we own partitions of keeps the id that we own them by: a topic that was deleted and
    /// made anew is another one, and the group will say so.
    #[inline(never)]
    pub(crate) fn note_topic_id(&mut self, name: &str, id: &TopicId, now: Instant) {
        // (while a record borrows one of the names nothing can be noted: Metadata is asked again)
        if name.is_empty() || *id == NO_ID || !self.names.is_exclusive() {
            return;
        }
        let nameless = self.topic_by_id(id).filter(|&at| strings::name(&self.names, at).is_empty());
        if let Some(nameless) = nameless {
            let have = self.names.len();
            match self.topics().insert(name) {
                Ok(entry) => self.topics().set_flags(entry, topic::ASSIGNED),
                Err(needed) => {
                    self.want_of_room(now);
                    let capacity = Capacity { what: Resource::Names, needed, have };
                    self.state.parked = Parked::Error(capacity.into());
                }
            }
            self.topics().set_flags(nameless, 0);
            self.drop_unused_names();
        }
        let Some(entry) = strings::find(&self.names, self.state.names_used, name) else { return };
        let owned = self.slots().iter().any(|slot| slot.topic == entry);
        if owned || strings::id(&self.names, entry) == id {
            return;
        }
        self.topics().set_id(entry, id);
        let group = &mut self.state.group;
        if core::mem::take(&mut group.next.unresolved) {
            group.next.ask = true;
        }
    }

    /// Metadata has not said all ids that the assignment needs.
    pub(crate) fn wants_topic_ids(&self) -> bool {
        self.state.group.phase == Phase::Stable && self.state.group.next.unresolved
    }
}
