//! Everything that is not lent: the machines' counters, and [`Control`], the view of it that outlives a lent record.
use crate::cluster::Cluster;
use crate::commit::Commit;
use crate::connection::failure::Cause;
use crate::connection::inbox::Inbox;
use crate::connection::Link;
use crate::fetch::stream::Stream;
#[cfg(feature = "group")]
use crate::group::Group;
use crate::partitions::{self, Slot};
use crate::seed::Random;
use crate::strings::{self, Strings};
use crate::{Config, Error, Instant, TopicName};

/// Bytes of the control connection's receive buffer: the longest field of an answer other than Fetch must fit it.
pub const RECEIVE_BUFFER: usize = 320;

/// Longest member id that is kept.
pub const MEMBER_ID_BYTES: usize = 128;

/// Bytes for topic names and what is known of each topic, for each partition: a name needs six more than its length.
pub const NAME_BYTES: usize = 32;

/// What the application wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Mode {
    Nothing,
    Assigned,
    #[cfg_attr(not(feature = "group"), allow(dead_code))]
    Subscribed,
}

/// All zero when new, so that the static it lies in needs no flash.
#[derive(Debug)]
#[repr(C)] // the small fields first, where short instructions reach them
pub(crate) struct State {
    pub mode: Mode,
    /// The connection whose answer is in the window; 0 none.
    pub owner: u8,
    /// A superloop called `poll` last.
    pub polled: bool,
    /// It calls `commit_sync` until it has its result.
    pub awaited: bool,
    /// Of what was lent last the CRC was checked, or is not to be.
    pub lent_judged: bool,
    /// Counts changes of the tables of slots and of names.
    pub tables: u8,
    /// Something changed that may call for other requests.
    pub plan: bool,
    /// The drive loop stopped for others' sake, not for want of work.
    pub busy: bool,
    /// Records until the clock is read again.
    pub tend_in: u8,
    /// So many were passed over before.
    pub quick: u8,
    /// Leaders are not told our rack.
    pub rackless: bool,
    /// A partition is [`Slot::UNTOLD`].
    pub news: bool,
    /// The connection whose answer was in the window last.
    pub served: u8,
    /// Answers without records in a row.
    pub barren: u8,
    pub slots_used: u16,
    pub names_used: u16,
    /// Slot of what was lent last, plus 1.
    pub lent_slot: u16,
    /// The slot after the last that brought records: the next Fetch begins there.
    pub first_slot: u16,
    /// The group has a leader, by the last answer to JoinGroup.
    #[cfg(feature = "group")]
    pub led: bool,
    /// What a superloop has asked and goes on asking; 0 nothing.
    pub question: u32,
    /// `session_ends` by what the coordinator has said of the membership, whatever it may have held since: the low 32 bits.
    #[cfg(feature = "group")]
    pub known_until: u32,
    pub stream: Stream,
    /// Of the control connection, and of the window.
    pub inboxes: [Inbox; 2],
    pub commit: Commit,
    /// When planning is worth it though nothing changed.
    pub plan_at: Instant,
    /// Last time a blocking consumer tended its connections between two records.
    pub tended: Instant,
    /// Until then partitions are fetched from followers, and `rackless` holds; 0: none is.
    pub follow_until: Instant,
    /// Since when we wait for bytes of the window's answer; never: for none, or the application had the window since the last ones.
    pub silent_since: Instant,
    /// A superloop's `close` ends here; 0 it has not begun.
    pub close_at: Instant,
    pub random: Random,
    #[cfg(feature = "group")]
    pub group: Group,
    pub cluster: Cluster,
    pub parked: Parked,
    /// Of a [`Failure`](crate::connection::failure::Failure) that is on its way.
    pub cause: Cause,
}

/// An error that arose while the application waited for something else. Not an `Option`: its `None` would not be all zero.
#[derive(Clone, Copy, Debug)]
#[repr(u8)]
pub(crate) enum Parked {
    Nothing,
    Error(Error),
    Truncated { topic: u16, partition: i32, from: i64, to: i64 },
}

/// The arena of topic names: shared while a record borrows one of them, and then nothing is added or noted.
pub(crate) enum Names<'c> {
    Exclusive(&'c mut [u8]),
    Shared(&'c [u8]),
}

impl<'c> Names<'c> {
    /// For as long as a record may be held.
    pub fn share(self) -> &'c [u8] {
        match self {
            Names::Exclusive(bytes) => bytes,
            Names::Shared(bytes) => bytes,
        }
    }

    pub fn is_exclusive(&self) -> bool {
        matches!(self, Names::Exclusive(_))
    }

    fn reborrow(&mut self) -> Names<'_> {
        match self {
            Names::Exclusive(bytes) => Names::Exclusive(bytes),
            Names::Shared(bytes) => Names::Shared(bytes),
        }
    }
}

impl core::ops::Deref for Names<'_> {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        match self {
            Names::Exclusive(bytes) => bytes,
            Names::Shared(bytes) => bytes,
        }
    }
}

impl State {
    /// The table of slots has changed: what is read for one of them has no place any more.
    pub fn forget_lent(&mut self) {
        self.stream.set_slot(None);
        self.lent_slot = 0;
    }

    pub const NEW: State = State {
        cluster: Cluster::NEW,
        commit: Commit::NEW,
        #[cfg(feature = "group")]
        group: Group::NEW,
        stream: Stream::NEW,
        inboxes: [Inbox::NEW; 2],
        random: Random::new(),
        mode: Mode::Nothing,
        slots_used: 0,
        names_used: 0,
        owner: 0,
        polled: false,
        awaited: false,
        question: 0,
        #[cfg(feature = "group")]
        known_until: 0,
        #[cfg(feature = "group")]
        led: false,
        lent_slot: 0,
        lent_judged: false,
        first_slot: 0,
        tables: 0,
        plan: false,
        busy: false,
        plan_at: Instant::from_millis(0),
        follow_until: Instant::from_millis(0),
        rackless: false,
        tended: Instant::from_millis(0),
        tend_in: 0,
        quick: 0,
        silent_since: Instant::from_millis(0),
        news: false,
        served: 0,
        barren: 0,
        parked: Parked::Nothing,
        cause: Cause::Nothing,
        close_at: Instant::from_millis(0),
    };
}

/// Flags of a topic's entry. Its number is how many partitions it has, 0 unknown.
pub(crate) mod topic {
    /// The application subscribed to it.
    pub const SUBSCRIBED: u8 = 1;
    /// Metadata does not know it, and the application was told.
    pub const REPORTED: u8 = 2;
    /// The last Metadata named it without error.
    pub const KNOWN: u8 = 4;
    /// Another member of the group that we lead subscribes to it.
    #[cfg_attr(not(feature = "group"), allow(dead_code))]
    pub const GROUP: u8 = 8;
    /// It matches the pattern that is subscribed to, by what the broker assigns.
    #[cfg_attr(not(feature = "group-consumer"), allow(dead_code))]
    pub const ASSIGNED: u8 = 16;
    /// Metadata does not know it, and that has lasted for a while.
    pub const ABSENT: u8 = 32;
}

/// The control half of a consumer: everything but the bytes that may be lent. Nothing here does I/O; commands take effect
/// as the consumer is driven. Reached by `Consumer::control`, and while records are lent by `Records::control`.
pub struct Control<'c> {
    pub(crate) state: &'c mut State,
    pub(crate) links: &'c mut [Link],
    pub(crate) table: &'c mut [Slot],
    pub(crate) names: Names<'c>,
    /// Receive buffer of the control connection.
    pub(crate) buffer: &'c mut [u8],
    /// For other members of a group that we lead.
    #[cfg_attr(not(feature = "group"), allow(dead_code))]
    pub(crate) memory: &'c mut [u8],
    pub(crate) config: &'c Config<'c>,
}

impl Control<'_> {
    pub(crate) fn reborrow(&mut self) -> Control<'_> {
        Control {
            state: self.state,
            links: self.links,
            table: self.table,
            names: self.names.reborrow(),
            buffer: self.buffer,
            memory: self.memory,
            config: self.config,
        }
    }

    /// The assigned partitions.
    pub(crate) fn slots(&self) -> &[Slot] {
        self.table.get(..self.state.slots_used.into()).unwrap_or_default()
    }

    pub(crate) fn slots_mut(&mut self) -> &mut [Slot] {
        self.table.get_mut(..self.state.slots_used.into()).unwrap_or_default()
    }

    #[inline(never)]
    pub(crate) fn link(&self, index: usize) -> Option<&Link> {
        self.links.get(index)
    }

    #[inline(never)]
    pub(crate) fn link_mut(&mut self, index: usize) -> Option<&mut Link> {
        self.links.get_mut(index)
    }
    pub(crate) fn slot(&self, index: usize) -> Option<&Slot> {
        self.slots().get(index)
    }
    pub(crate) fn slot_mut(&mut self, index: usize) -> Option<&mut Slot> {
        self.slots_mut().get_mut(index)
    }

    /// Whether a partition has one of these flags.
    pub(crate) fn any(&self, flags: u16) -> bool {
        self.slots().iter().any(|slot| slot.is(flags))
    }

    /// Partitions with one flag get the other instead. Whether there was one.
    pub(crate) fn exchange(&mut self, flag: u16, other: u16) -> bool {
        let mut any = false;
        for slot in self.slots_mut().iter_mut().filter(|slot| slot.is(flag)) {
            slot.clear(flag);
            slot.set(other);
            any = true;
        }
        any
    }

    pub(crate) fn find(&self, topic: &str, partition: i32) -> Option<usize> {
        let topic = strings::find(&self.names, self.state.names_used, topic)?;
        partitions::find(self.slots(), topic, partition).ok()
    }

    pub(crate) fn topics(&mut self) -> Strings<'_> {
        let (used, ids) = (&mut self.state.names_used, self.config.has_topic_ids());
        match &mut self.names {
            Names::Exclusive(bytes) => Strings { bytes, used, ids },
            Names::Shared(_) => Strings { bytes: &mut [], used, ids },
        }
    }

    pub(crate) fn topic_name(&self, topic: u16) -> &str {
        strings::name(&self.names, topic)
    }

    pub(crate) fn short_name(&self, slot: usize) -> (TopicName, i32) {
        self.slot(slot)
            .map_or((TopicName::NONE, -1), |slot| (TopicName::new(self.topic_name(slot.topic)), slot.partition))
    }

    /// The partitions belong to somebody else by now.
    pub(crate) fn lost(&self) -> bool {
        #[cfg(feature = "group")]
        return self.state.group.lost;
        #[cfg(not(feature = "group"))]
        false
    }

    /// Requests that are half written cannot be completed.
    pub(crate) fn tables_changed(&mut self) {
        self.state.tables = self.state.tables.wrapping_add(1);
    }

    /// So cannot one of the control connection whose list came from a caller that has gone: the next has another.
    pub(crate) fn abandon_half_written(&mut self) {
        if self.links.first().is_some_and(|link| link.unwritten > 0) {
            self.tables_changed();
        }
    }

    /// Removes every partition, and the names that nobody uses.
    pub(crate) fn clear_slots(&mut self) {
        self.tables_changed();
        self.state.slots_used = 0;
        self.state.forget_lent();
        self.state.first_slot = 0;
        self.drop_unused_names();
        self.state.plan = true;
    }

    /// Entries move, so the topics of slots and of answers that are being read are put right.
    pub(crate) fn drop_unused_names(&mut self) {
        if !self.names.is_exclusive() {
            return; // a record borrows one of them
        }
        let mut at = 0;
        while at < self.state.names_used {
            let used = strings::flags(&self.names, at)
                & (topic::SUBSCRIBED | topic::GROUP | topic::ASSIGNED | strings::PATTERN)
                != 0
                || self.slots().iter().any(|slot| slot.topic == at);
            if used {
                at = strings::behind(&self.names, at);
                continue;
            }
            self.tables_changed();
            let gap = self.topics().remove(at);
            for slot in self.table.iter_mut().filter(|slot| slot.topic >= at) {
                if slot.topic == at {
                    slot.partition = -1; // behind the assigned ones, where leaders are remembered
                } else {
                    slot.topic = slot.topic.saturating_sub(gap);
                }
            }
            match &mut self.state.parked {
                Parked::Truncated { topic, .. } if *topic > at => *topic = topic.saturating_sub(gap),
                Parked::Truncated { topic, .. } if *topic == at => self.state.parked = Parked::Nothing,
                _ => {}
            }
            for inbox in &mut self.state.inboxes {
                inbox.topic = match inbox.topic.checked_sub(1) {
                    Some(topic) if topic > at => inbox.topic.saturating_sub(gap),
                    Some(topic) if topic == at => 0,
                    _ => inbox.topic,
                };
            }
        }
    }
}
