//! Three front ends over one drive loop. Each method is one line or two: what is wanted, and how this front end waits.
mod asynchronous;
mod blocking;
mod control;
pub(crate) mod large_record;
pub(crate) mod records;
mod superloop;
mod wait;

use crate::connection::Phase;
use crate::drive::Ready;
use crate::partitions::Slot;
use crate::resources::MIN_WINDOW;
use crate::state::{Control, Names, State};
use crate::{
    Capacity, Config, ConnectionId, Error, Event, Instant, LargeRecord, PartitionOffset, Partitions, Records, Resource,
    Seed, Skipped, Storage, TopicPartition, Transport, Truncated, UsageError,
};
use core::task::{Context, Poll};
use core::time::Duration;
pub use wait::Tend;
pub(crate) use wait::{step, turn, wait};

/// Waits by waker, on any executor.
pub struct Async<T>(pub(crate) T);

/// Waits by blocking the thread.
pub struct Blocking<T>(pub(crate) T);

/// Does not wait: the caller's loop does, and lends the transport to each call.
pub struct Superloop;

impl<T> From<T> for Async<T> {
    fn from(transport: T) -> Self {
        Async(transport)
    }
}

impl<T> From<T> for Blocking<T> {
    fn from(transport: T) -> Self {
        Blocking(transport)
    }
}

/// A Kafka consumer. `IO` says how it waits; transports name it for you (`nanokafka_std::blocking::Consumer` and so on).
pub struct Consumer<'r, IO> {
    storage: Storage<'r>,
    config: Config<'r>,
    io: IO,
}

/// How long `close` may take: the last commit, leaving the group, and the end of the connections.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

impl<'r, IO> Consumer<'r, IO> {
    /// Does no I/O yet.
    ///
    /// # Errors
    /// [`Error::Config`] names the key that cannot work; [`Error::Capacity`] the part of `storage` that is too small.
    pub fn new(mut storage: Storage<'r>, config: Config<'r>, io: impl Into<IO>, seed: Seed) -> Result<Self, Error> {
        config.validate()?;
        let small = |what, needed, have| {
            if have < needed {
                Err(Error::Capacity(Capacity { what, needed, have }))
            } else {
                Ok(())
            }
        };
        small(Resource::Window, MIN_WINDOW, storage.window.len())?;
        small(Resource::Connections, 2, storage.links.len())?;
        small(Resource::Partitions, 1, storage.slots.len())?;
        let state: &mut State = &mut storage.state;
        *state = State::NEW; // what an earlier consumer left in it
        state.random.seed(&seed);
        #[cfg(feature = "group")]
        {
            let name = state.random.next();
            state.group.invent_id(name);
        }
        for link in storage.links.iter_mut() {
            link.reset();
            (link.node, link.failures, link.not_before) = (0, 0, Instant::from_millis(0));
        }
        Ok(Consumer { storage, config, io: io.into() })
    }

    /// Consumes topics as a member of the group: partitions come with [`Event::Assigned`]. Names are copied. Called again
    /// it replaces the topics, and the group spreads its partitions anew; none are as [`unsubscribe`](Self::unsubscribe).
    ///
    /// # Errors
    /// [`UsageError::TopicName`], [`UsageError::SubscriptionType`] after `assign` or a pattern; [`Resource::Names`]. State: unchanged.
    pub fn subscribe(&mut self, topics: &[&str]) -> Result<(), Error> {
        #[cfg(feature = "group")]
        return self.control().subscribe(topics);
        #[cfg(not(feature = "group"))]
        {
            let _ = topics;
            Err(UsageError::NoGroupFeature.into())
        }
    }

    /// The same with all topics whose whole name matches a pattern, those of the future included: a regular expression of RE2/J,
    /// which the broker evaluates. Copied, and with the names of the topics that come of it in the memory for names.
    ///
    /// # Errors
    /// [`UsageError::Pattern`]; [`UsageError::SubscriptionType`] after `assign` or `subscribe`; [`Resource::Names`]. State: unchanged.
    #[cfg(feature = "group-consumer")]
    pub fn subscribe_pattern(&mut self, pattern: &str) -> Result<(), Error> {
        self.control().subscribe_pattern(pattern)
    }

    /// As [`subscribe`](Self::subscribe), by taking up the membership that [`Control::save_membership`] gave in an earlier life.
    /// If it still holds, its partitions come with [`Event::Assigned`] at their saved positions, without a rebalance; if the
    /// session is over, the group has moved on or the topics are others, the consumer joins as usual.
    ///
    /// # Errors
    /// [`UsageError::Membership`], [`Resource::Partitions`], [`UsageError::SubscriptionType`] where something is subscribed or
    /// assigned already: state unchanged, `subscribe` instead. Otherwise as `subscribe`.
    #[cfg(feature = "group")]
    pub fn restore_membership(&mut self, topics: &[&str], saved: &[u8]) -> Result<(), Error> {
        self.control().restore_membership(topics, saved)
    }

    /// Gives up all partitions and, in the background, the membership. Nothing is committed: `commit_sync` before.
    pub fn unsubscribe(&mut self) {
        self.control().unsubscribe();
    }

    /// Consumes these partitions, without being a member of a group. With `group.id` they begin at its committed offsets.
    /// Called again it replaces the list; partitions that stay keep their positions. None are as [`unsubscribe`](Self::unsubscribe).
    ///
    /// # Errors
    /// [`UsageError::TopicName`], [`UsageError::Negative`], [`UsageError::SubscriptionType`] after `subscribe`;
    /// [`Resource::Partitions`], [`Resource::Names`]. State: unchanged.
    pub fn assign(&mut self, partitions: &[TopicPartition<'_>]) -> Result<(), Error> {
        self.control().assign(partitions)
    }

    /// Everything that does no I/O.
    pub fn control(&mut self) -> Control<'_> {
        self.halves().0
    }

    /// `group.id`; for a subscription without one the id that was invented.
    pub fn group_id(&self) -> &str {
        #[cfg(feature = "group")]
        if self.config.group_id.is_empty() && self.storage.state.mode == crate::state::Mode::Subscribed {
            return self.storage.state.group.invented_id();
        }
        self.config.group_id
    }

    /// The assigned partitions.
    pub fn assignment(&self) -> Partitions<'_> {
        let used = usize::from(self.storage.state.slots_used);
        Partitions { slots: self.storage.slots.get(..used).unwrap_or_default(), names: &self.storage.names, only: 0 }
    }

    /// See [`Control::position`].
    pub fn position(&mut self, partition: TopicPartition<'_>) -> Option<i64> {
        self.control().position(partition)
    }

    /// See [`Control::lag`].
    pub fn lag(&mut self, partition: TopicPartition<'_>) -> Option<i64> {
        self.control().lag(partition)
    }

    /// See [`Control::seek`].
    ///
    /// # Errors
    /// As there.
    pub fn seek(&mut self, partition: TopicPartition<'_>, offset: i64) -> Result<(), Error> {
        self.control().seek(partition, offset)
    }

    /// See [`Control::seek_to_beginning`].
    ///
    /// # Errors
    /// As there.
    pub fn seek_to_beginning(&mut self, partition: TopicPartition<'_>) -> Result<(), Error> {
        self.control().seek_to_beginning(partition)
    }

    /// See [`Control::seek_to_end`].
    ///
    /// # Errors
    /// As there.
    pub fn seek_to_end(&mut self, partition: TopicPartition<'_>) -> Result<(), Error> {
        self.control().seek_to_end(partition)
    }

    /// See [`Control::pause`].
    ///
    /// # Errors
    /// As there.
    pub fn pause(&mut self, partition: TopicPartition<'_>) -> Result<(), Error> {
        self.control().pause(partition)
    }

    /// See [`Control::resume`].
    ///
    /// # Errors
    /// As there.
    pub fn resume(&mut self, partition: TopicPartition<'_>) -> Result<(), Error> {
        self.control().resume(partition)
    }

    /// Commits in the background what was handed out by earlier polls; the result comes as [`Event::CommitCompleted`].
    ///
    /// # Errors
    /// [`UsageError::NoGroup`].
    pub fn commit_async(&mut self) -> Result<(), Error> {
        let (mut control, window, _) = self.halves();
        control.settle(window);
        control.commit_async()
    }

    /// The split that everything rests on: the control half, the bytes that may be lent, and the way to wait.
    fn halves(&mut self) -> (Control<'_>, &mut [u8], &mut IO) {
        let Storage { state, buffer, links, slots, names, window, memory } = &mut self.storage;
        let room = names.len().min(u16::MAX.into()); // entries are found by 16 bits
        let control = Control {
            state,
            links,
            table: slots,
            names: Names::Exclusive(names.get_mut(..room).unwrap_or_default()),
            buffer,
            memory,
            config: &self.config,
        };
        (control, window, &mut self.io)
    }

    /// What the application has taken is acknowledged, and what it was told takes effect.
    #[inline(never)]
    fn enter_poll(&mut self, now: Instant) {
        let (mut control, ..) = self.halves();
        control.acknowledge_lent();
        #[cfg(feature = "group")]
        control.group_enter_poll(now);
        let _ = now;
    }

    /// Turns what is there into a borrow of it.
    fn lend(&mut self, ready: Ready) -> Event<'_, IO> {
        let (mut control, window, io) = self.halves();
        if matches!(ready, Ready::Committed) {
            return Event::CommitCompleted(control.take_commit_result(true));
        }
        if matches!(ready, Ready::Records | Ready::Large) {
            control.note_lent();
        }
        let Control { state, links, table, names, buffer, memory, config } = control;
        let names = names.share();
        let slot = |slot: u16| table.get(usize::from(slot)).copied().unwrap_or(Slot::NEW);
        let partition = |slot: Slot| TopicPartition::new(crate::strings::name(names, slot.topic), slot.partition);
        match ready {
            Ready::Records | Ready::Large | Ready::Chunk | Ready::EndOfValue => {
                let slot = slot(state.stream.slot().unwrap_or(0) as u16);
                let partition = partition(slot);
                let control = Control { state, links, table, names: Names::Shared(names), buffer, memory, config };
                if matches!(ready, Ready::Records) {
                    Event::Records(Records::new(control, io, window, partition))
                } else {
                    Event::LargeRecord(LargeRecord::new(control, io, window, partition))
                }
            }
            Ready::Assigned | Ready::Revoked | Ready::Lost => {
                let slots = table.get(..state.slots_used.into()).unwrap_or_default();
                let partitions = |only| Partitions { slots, names, only };
                match ready {
                    Ready::Assigned => Event::Assigned(partitions(Slot::ADDED)),
                    Ready::Revoked => Event::Revoked(partitions(Slot::REVOKED)),
                    _ => Event::Lost(partitions(0)),
                }
            }
            Ready::End(index) => Event::EndOfPartition(partition(slot(index))),
            Ready::Truncated { slot: index, from, to } => {
                Event::Truncated(Truncated { partition: partition(slot(index)), from, to })
            }
            Ready::Skipped { slot: index, offset, size } => {
                Event::Skipped(Skipped { partition: partition(slot(index)), offset, size })
            }
            Ready::Committed | Ready::Done => Event::CommitCompleted(Ok(())),
        }
    }

    /// Before a question about offsets: all of its partitions must be ours, as their leaders are known.
    fn ask_offsets(&mut self, offsets: &mut [PartitionOffset<'_>], timestamp: Option<i64>) -> Result<(), Error> {
        self.forget_question();
        let (mut control, window, _) = self.halves();
        control.settle(window);
        for entry in offsets.iter() {
            let found = control.find(entry.topic, entry.partition);
            found.ok_or(UsageError::NotAssigned(crate::TopicName::new(entry.topic), entry.partition))?;
        }
        for entry in offsets.iter_mut() {
            entry.timestamp = timestamp.unwrap_or(entry.timestamp.max(0));
            let found = control.find(entry.topic, entry.partition);
            if let Some(slot) = found.and_then(|found| control.slot_mut(found)) {
                slot.set(Slot::QUERIED);
            }
        }
        control.state.plan = true;
        Ok(())
    }

    /// Nobody waits for the answers any more.
    fn forget_question(&mut self) {
        let mut control = self.control();
        for slot in control.slots_mut() {
            // an answer that is still to come is neither the next question's nor a position
            let void = if slot.is(Slot::ASKED) { Slot::ASKED | Slot::LISTED } else { 0 };
            slot.clear(Slot::QUERIED | void);
        }
        control.state.plan = true;
        control.state.commit.answered = false;
        // one that is half written is refused by `fill`; the answer to a whole one is nobody's
        if core::mem::take(&mut control.state.commit.queried) {
            control.abandon_half_written();
        }
    }

    fn ask_commit(&mut self, explicit: Option<&[PartitionOffset<'_>]>) -> Result<(), Error> {
        let (mut control, window, _) = self.halves();
        control.needs_group()?;
        match explicit {
            None => {
                control.settle(window);
                control.want_commit();
            }
            Some(offsets) => {
                for entry in offsets {
                    let (offset, bytes) = (entry.offset.unwrap_or(-1), entry.metadata.len());
                    if offset < 0 {
                        return Err(UsageError::Negative(offset).into());
                    }
                    if bytes > i16::MAX as usize {
                        return Err(UsageError::Metadata(bytes).into());
                    }
                }
                if control.state.commit.sent_explicit {
                    control.abandon_half_written();
                }
                let commit = &mut control.state.commit;
                commit.job.want();
                (commit.explicit, commit.finished) = (true, false);
                #[cfg(feature = "group")]
                if control.state.group.lost {
                    control.give_up_commit(); // the partitions are somebody else's by now
                }
            }
        }
        Ok(())
    }

    fn begin_close(&mut self) {
        let (mut control, window, _) = self.halves();
        control.settle(window);
        if control.commits_automatically() {
            control.want_commit();
        }
        control.state.commit.auto_at = Instant::NEVER;
        #[cfg(feature = "group")]
        control.leave_after_commit();
    }
}

fn committed(control: &mut Control<'_>, ready: Option<Ready>) -> Result<(), Error> {
    match ready {
        Some(_) => control.take_commit_result(false),
        None => Err(Error::Timeout(crate::Api::OffsetCommit)),
    }
}

/// Ends the connections in order, until `deadline`.
fn finish<T: Transport + ?Sized>(
    control: &mut Control<'_>,
    net: &mut T,
    cx: &mut Context<'_>,
    now: Instant,
    deadline: Instant,
) -> Poll<()> {
    let mut pending = false;
    for (index, link) in (0u8..).zip(control.links.iter_mut()) {
        // no short cut: every connection is asked, so every one leaves its waker
        let id = ConnectionId::new(index);
        match link.phase {
            Phase::Down => {}
            Phase::Up | Phase::Closing if now < deadline && net.poll_close(cx, id).is_pending() => {
                (link.phase, pending) = (Phase::Closing, true);
            }
            Phase::Up | Phase::Closing if now < deadline => link.reset(),
            _ => {
                net.abort(id);
                link.reset();
            }
        }
    }
    if pending {
        Poll::Pending
    } else {
        Poll::Ready(())
    }
}
