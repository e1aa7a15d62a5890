//! Three front ends over one drive loop. Each method is one line or two: what is wanted, and how this front end waits.
mod control;
pub(crate) mod large_record;
pub(crate) mod records;
mod wait;

use crate::connection::Phase;
use crate::drive::{Op, Ready};
use crate::partitions::Slot;
use crate::resources::MIN_WINDOW;
use crate::state::{Control, Names, State};
use crate::wire::list_offsets::{EARLIEST, LATEST};
use crate::{
    Block, Capacity, Clock, Config, ConnectionId, Error, Event, Instant, LargeRecord, PartitionOffset, Partitions,
    Records, Resource, Seed, Skipped, Storage, TopicPartition, Transport, Truncated, UsageError,
};
use core::future::poll_fn;
use core::task::{Context, Poll, Waker};
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
    /// it replaces the topics, and the group spreads its partitions anew.
    ///
    /// # Errors
    /// [`UsageError::TopicName`], [`UsageError::SubscriptionType`] after `assign`; [`Resource::Names`]. State: unchanged.
    pub fn subscribe(&mut self, topics: &[&str]) -> Result<(), Error> {
        #[cfg(feature = "group")]
        return self.control().subscribe(topics);
        #[cfg(not(feature = "group"))]
        {
            let _ = topics;
            Err(UsageError::NoGroupFeature.into())
        }
    }

    /// Gives up all partitions and, in the background, the membership. Nothing is committed: `commit_sync` before.
    pub fn unsubscribe(&mut self) {
        self.control().unsubscribe();
    }

    /// Consumes these partitions, without being a member of a group. With `group.id` they begin at its committed offsets.
    /// Called again it replaces the list; partitions that stay keep their positions.
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
        Partitions { slots: self.storage.slots.get(..used).unwrap_or_default(), names: &self.storage.names }
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
        let mut control = self.control();
        control.acknowledge_lent();
        control.commit_async()
    }

    /// The split that everything rests on: the control half, the bytes that may be lent, and the way to wait.
    fn halves(&mut self) -> (Control<'_>, &mut [u8], &mut IO) {
        let Storage { state, buffer, links, slots, names, window, memory } = &mut self.storage;
        let control = Control {
            state,
            links,
            table: slots,
            names: Names::Exclusive(names),
            buffer,
            memory,
            config: &self.config,
        };
        (control, window, &mut self.io)
    }

    /// What the application has taken is acknowledged, and what it was told takes effect.
    fn enter_poll(&mut self, now: Instant) {
        let (mut control, ..) = self.halves();
        control.acknowledge_lent();
        #[cfg(feature = "group")]
        control.group_enter_poll(now);
        let _ = now;
    }

    /// Turns what is there into a borrow of it.
    fn lend(&mut self, ready: Ready) -> Event<'_, IO> {
        let (control, window, io) = self.halves();
        let Control { state, links, table, names, buffer, memory, config } = control;
        let names = names.share();
        let slot = |slot: u16| table.get(usize::from(slot)).copied().unwrap_or(Slot::NEW);
        let partition = |slot: Slot| TopicPartition::new(crate::strings::name(names, slot.topic), slot.partition);
        let partitions = |table: &'_ [Slot]| table.len().min(state.slots_used.into());
        match ready {
            Ready::Records | Ready::Large | Ready::Chunk | Ready::EndOfValue => {
                let slot = slot(state.stream.slot().unwrap_or(0) as u16);
                let partition = partition(slot);
                let [_, inbox] = &state.inboxes;
                let (start, lent) = (inbox.start as usize, state.stream.lent as usize);
                let control = Control { state, links, table, names: Names::Shared(names), buffer, memory, config };
                if matches!(ready, Ready::Records) {
                    let bytes = window.get(start..).and_then(|bytes| bytes.get(..lent)).unwrap_or_default();
                    Event::Records(Records::new(control, io, bytes, partition))
                } else {
                    Event::LargeRecord(LargeRecord::new(control, io, window, partition))
                }
            }
            Ready::Assigned | Ready::Revoked | Ready::Lost => {
                let count = partitions(table);
                let partitions = Partitions { slots: table.get(..count).unwrap_or_default(), names };
                match ready {
                    Ready::Assigned => Event::Assigned(partitions),
                    Ready::Revoked => Event::Revoked(partitions),
                    _ => Event::Lost(partitions),
                }
            }
            Ready::End(index) => Event::EndOfPartition(partition(slot(index))),
            Ready::Truncated { slot: index, from, to } => {
                Event::Truncated(Truncated { partition: partition(slot(index)), from, to })
            }
            Ready::Skipped { slot: index, offset, size } => {
                Event::Skipped(Skipped { partition: partition(slot(index)), offset, size })
            }
            Ready::Committed(result) => Event::CommitCompleted(result),
            Ready::Done => Event::CommitCompleted(Ok(())),
        }
    }

    /// Before a question about offsets: all of its partitions must be ours, as their leaders are known.
    fn ask_offsets(&mut self, offsets: &mut [PartitionOffset<'_>], timestamp: Option<i64>) -> Result<(), Error> {
        let mut control = self.control();
        for entry in offsets.iter() {
            let found = control.find(entry.topic, entry.partition);
            found.ok_or(UsageError::NotAssigned(crate::TopicName::new(entry.topic), entry.partition))?;
        }
        for entry in offsets.iter_mut() {
            entry.timestamp = timestamp.unwrap_or(entry.timestamp.max(0));
            let found = control.find(entry.topic, entry.partition);
            if let Some(slot) = found.and_then(|found| control.slots_mut().get_mut(found)) {
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
    }

    fn ask_commit(&mut self, explicit: Option<&[PartitionOffset<'_>]>) -> Result<(), Error> {
        let mut control = self.control();
        control.needs_group()?;
        match explicit {
            None => {
                control.acknowledge_lent();
                control.want_commit();
            }
            Some(offsets) => {
                for offset in offsets.iter().map(|entry| entry.offset.unwrap_or(-1)) {
                    if offset < 0 {
                        return Err(UsageError::Negative(offset).into());
                    }
                }
                let commit = &mut control.state.commit;
                commit.job.want();
                (commit.explicit, commit.finished) = (true, false);
            }
        }
        Ok(())
    }

    fn begin_close(&mut self) {
        let mut control = self.control();
        control.acknowledge_lent();
        if control.commits_automatically() {
            control.want_commit();
        }
        #[cfg(feature = "group")]
        control.leave_after_commit();
    }
}

fn committed(ready: Option<Ready>) -> Result<(), Error> {
    match ready {
        Some(Ready::Committed(result)) => result,
        Some(_) => Ok(()),
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
            Phase::Up | Phase::Closing if now < deadline && net.poll_close(cx, id).is_pending() => pending = true,
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

impl<T: Transport + Clock> Consumer<'_, Async<T>> {
    /// The next event.
    ///
    /// # Errors
    /// What needs somebody; see each variant of [`Error`]. Go on polling unless it [`is_fatal`](Error::is_fatal).
    ///
    /// # Cancel safety
    /// Dropping it loses nothing, repeats nothing and stops nothing: every byte and every step lives in the consumer or
    /// the transport.
    pub async fn poll(&mut self) -> Result<Event<'_, Async<T>>, Error> {
        let now = self.io.0.now();
        self.enter_poll(now);
        let (mut control, window, io) = self.halves();
        let ready =
            poll_fn(|cx| step(&mut control, Some(&mut *window), &mut io.0, cx, &mut Op::Event, Instant::NEVER)).await?;
        Ok(self.lend(ready.unwrap_or(Ready::Done)))
    }

    async fn run(&mut self, op: &mut Op<'_, '_>, lend_window: bool) -> Result<Option<Ready>, Error> {
        let deadline = self.io.0.now().after(self.config.default_api_timeout);
        let (mut control, window, io) = self.halves();
        poll_fn(|cx| step(&mut control, Some(&mut *window).filter(|_| lend_window), &mut io.0, cx, op, deadline)).await
    }

    /// Commits what was handed out, and waits for the broker's answer; retries what can be retried.
    ///
    /// # Errors
    /// [`Error::Broker`] when the broker refuses, [`Error::Timeout`] after `default.api.timeout.ms`; it goes on in the background then.
    ///
    /// # Cancel safety
    /// Dropping it makes it a [`commit_async`](Self::commit_async).
    pub async fn commit_sync(&mut self) -> Result<(), Error> {
        self.ask_commit(None)?;
        committed(self.run(&mut Op::Commit, false).await?)
    }

    /// Commits these offsets, of any partitions.
    ///
    /// # Errors
    /// As [`commit_sync`](Self::commit_sync); [`UsageError::Negative`] also for an entry without an offset.
    ///
    /// # Cancel safety
    /// Dropping it before the request has left gives it up.
    pub async fn commit_offsets(&mut self, offsets: &[PartitionOffset<'_>]) -> Result<(), Error> {
        self.ask_commit(Some(offsets))?;
        committed(self.run(&mut Op::CommitOffsets(offsets), false).await?)
    }

    /// Fills in the offsets that the group has committed, of any partitions.
    ///
    /// # Errors
    /// [`UsageError::NoGroup`], [`Error::Broker`], [`Error::Timeout`] after `default.api.timeout.ms`.
    ///
    /// # Cancel safety
    /// Dropping it gives the question up.
    pub async fn committed(&mut self, offsets: &mut [PartitionOffset<'_>]) -> Result<(), Error> {
        self.control().needs_group()?;
        let result = self.run(&mut Op::Committed(offsets), false).await;
        self.forget_question();
        wait::in_time(result, crate::Api::OffsetFetch)
    }

    /// Fills in the first offsets of assigned partitions' logs.
    ///
    /// # Errors
    /// [`UsageError::NotAssigned`], [`Error::Timeout`] after `default.api.timeout.ms`.
    ///
    /// # Cancel safety
    /// Dropping it gives the question up.
    pub async fn beginning_offsets(&mut self, offsets: &mut [PartitionOffset<'_>]) -> Result<(), Error> {
        self.offsets(offsets, Some(EARLIEST)).await
    }

    /// Fills in the offsets behind the last records of assigned partitions.
    ///
    /// # Errors
    /// [`UsageError::NotAssigned`], [`Error::Timeout`] after `default.api.timeout.ms`.
    ///
    /// # Cancel safety
    /// Dropping it gives the question up.
    pub async fn end_offsets(&mut self, offsets: &mut [PartitionOffset<'_>]) -> Result<(), Error> {
        self.offsets(offsets, Some(LATEST)).await
    }

    /// Fills in the first offsets whose records are not older than the entries' timestamps, of assigned partitions.
    ///
    /// # Errors
    /// [`UsageError::NotAssigned`], [`Error::Timeout`] after `default.api.timeout.ms`.
    ///
    /// # Cancel safety
    /// Dropping it gives the question up.
    pub async fn offsets_for_times(&mut self, offsets: &mut [PartitionOffset<'_>]) -> Result<(), Error> {
        self.offsets(offsets, None).await
    }

    async fn offsets(&mut self, offsets: &mut [PartitionOffset<'_>], timestamp: Option<i64>) -> Result<(), Error> {
        self.ask_offsets(offsets, timestamp)?;
        let result = self.run(&mut Op::Offsets(offsets), true).await;
        self.forget_question();
        wait::in_time(result, crate::Api::ListOffsets)
    }

    /// Commits if that is automatic, leaves the group unless the member is static, and ends the connections in order. Takes
    /// at most 5 s.
    ///
    /// # Errors
    /// What the last commit answered.
    ///
    /// # Cancel safety
    /// Dropping it leaves the rest undone: the broker notices when the session ends.
    pub async fn close(mut self) -> Result<(), Error> {
        self.begin_close();
        let deadline = self.io.0.now().after(CLOSE_TIMEOUT);
        let (mut control, _, Async(io)) = self.halves();
        let left = poll_fn(|cx| step(&mut control, None, io, cx, &mut Op::Leave, deadline)).await;
        let result = control.take_commit_result().unwrap_or(Ok(()));
        poll_fn(|cx| {
            let now = io.now();
            let closed = finish(&mut control, io, cx, now, deadline);
            if closed.is_pending() && io.poll_until(cx, deadline).is_ready() {
                cx.waker().wake_by_ref();
            }
            closed
        })
        .await;
        left.and(result)
    }
}

impl<T: Transport + Clock + Block> Consumer<'_, Blocking<T>> {
    /// The next event, or `None` after `timeout`.
    ///
    /// # Errors
    /// What needs somebody; see each variant of [`Error`]. Go on polling unless it [`is_fatal`](Error::is_fatal).
    pub fn poll(&mut self, timeout: Duration) -> Result<Option<Event<'_, Blocking<T>>>, Error> {
        let now = self.io.0.now();
        self.enter_poll(now);
        let (mut control, window, io) = self.halves();
        let ready = wait(&mut control, Some(window), &mut io.0, &mut Op::Event, now.after(timeout))?;
        Ok(ready.map(|ready| self.lend(ready)))
    }

    fn run(&mut self, op: &mut Op<'_, '_>, lend_window: bool) -> Result<Option<Ready>, Error> {
        let deadline = self.io.0.now().after(self.config.default_api_timeout);
        let (mut control, window, io) = self.halves();
        wait(&mut control, Some(window).filter(|_| lend_window), &mut io.0, op, deadline)
    }

    /// Commits what was handed out, and waits for the broker's answer; retries what can be retried.
    ///
    /// # Errors
    /// [`Error::Broker`] when the broker refuses, [`Error::Timeout`] after `default.api.timeout.ms`; it goes on in the background then.
    pub fn commit_sync(&mut self) -> Result<(), Error> {
        self.ask_commit(None)?;
        committed(self.run(&mut Op::Commit, false)?)
    }

    /// Commits these offsets, of any partitions.
    ///
    /// # Errors
    /// As [`commit_sync`](Self::commit_sync); [`UsageError::Negative`] also for an entry without an offset.
    pub fn commit_offsets(&mut self, offsets: &[PartitionOffset<'_>]) -> Result<(), Error> {
        self.ask_commit(Some(offsets))?;
        committed(self.run(&mut Op::CommitOffsets(offsets), false)?)
    }

    /// Fills in the offsets that the group has committed, of any partitions.
    ///
    /// # Errors
    /// [`UsageError::NoGroup`], [`Error::Broker`], [`Error::Timeout`] after `default.api.timeout.ms`.
    pub fn committed(&mut self, offsets: &mut [PartitionOffset<'_>]) -> Result<(), Error> {
        self.control().needs_group()?;
        let result = self.run(&mut Op::Committed(offsets), false);
        self.forget_question();
        wait::in_time(result, crate::Api::OffsetFetch)
    }

    /// Fills in the first offsets of assigned partitions' logs.
    ///
    /// # Errors
    /// [`UsageError::NotAssigned`], [`Error::Timeout`] after `default.api.timeout.ms`.
    pub fn beginning_offsets(&mut self, offsets: &mut [PartitionOffset<'_>]) -> Result<(), Error> {
        self.offsets(offsets, Some(EARLIEST))
    }

    /// Fills in the offsets behind the last records of assigned partitions.
    ///
    /// # Errors
    /// [`UsageError::NotAssigned`], [`Error::Timeout`] after `default.api.timeout.ms`.
    pub fn end_offsets(&mut self, offsets: &mut [PartitionOffset<'_>]) -> Result<(), Error> {
        self.offsets(offsets, Some(LATEST))
    }

    /// Fills in the first offsets whose records are not older than the entries' timestamps, of assigned partitions.
    ///
    /// # Errors
    /// [`UsageError::NotAssigned`], [`Error::Timeout`] after `default.api.timeout.ms`.
    pub fn offsets_for_times(&mut self, offsets: &mut [PartitionOffset<'_>]) -> Result<(), Error> {
        self.offsets(offsets, None)
    }

    fn offsets(&mut self, offsets: &mut [PartitionOffset<'_>], timestamp: Option<i64>) -> Result<(), Error> {
        self.ask_offsets(offsets, timestamp)?;
        let result = self.run(&mut Op::Offsets(offsets), true);
        self.forget_question();
        wait::in_time(result, crate::Api::ListOffsets)
    }

    /// Commits if that is automatic, leaves the group unless the member is static, and ends the connections in order. Takes
    /// at most 5 s.
    ///
    /// # Errors
    /// What the last commit answered.
    pub fn close(mut self) -> Result<(), Error> {
        self.begin_close();
        let deadline = self.io.0.now().after(CLOSE_TIMEOUT);
        let (mut control, _, Blocking(io)) = self.halves();
        let left = wait(&mut control, None, io, &mut Op::Leave, deadline);
        let result = control.take_commit_result().unwrap_or(Ok(()));
        loop {
            let now = io.now();
            if finish(&mut control, io, &mut Context::from_waker(Waker::noop()), now, deadline).is_ready() {
                return left.and(result);
            }
            let _ = io.block(deadline);
        }
    }
}

impl Consumer<'_, Superloop> {
    /// Does what can be done now. `None`: call again when bytes have moved or at [`next_timeout`](Self::next_timeout).
    ///
    /// # Errors
    /// What needs somebody; see each variant of [`Error`]. Go on polling unless it [`is_fatal`](Error::is_fatal).
    pub fn poll<T: Transport + ?Sized>(
        &mut self,
        now: Instant,
        net: &mut T,
    ) -> Result<Option<Event<'_, Superloop>>, Error> {
        self.enter_poll(now);
        let (mut control, window, _) = self.halves();
        let ready = turn(&mut control, Some(window), net, now, &mut Op::Event)?;
        Ok(ready.map(|ready| self.lend(ready)))
    }

    /// When to call again though no byte has moved.
    pub fn next_timeout(&mut self, now: Instant) -> Instant {
        self.control().next_timeout(&Op::Event, false, now)
    }

    fn run<T: Transport + ?Sized>(
        &mut self,
        now: Instant,
        net: &mut T,
        op: &mut Op<'_, '_>,
        lend_window: bool,
    ) -> Poll<Result<Ready, Error>> {
        let (mut control, window, _) = self.halves();
        match turn(&mut control, Some(window).filter(|_| lend_window), net, now, op) {
            Ok(Some(ready)) => Poll::Ready(Ok(ready)),
            Ok(None) => Poll::Pending,
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    /// Commits what was handed out; call it until it is ready.
    ///
    /// # Errors
    /// [`Error::Broker`] when the broker refuses.
    pub fn commit_sync<T: Transport + ?Sized>(&mut self, now: Instant, net: &mut T) -> Poll<Result<(), Error>> {
        let open = self.control().state.commit.is_open() || self.control().state.commit.finished;
        if !open {
            if let Err(error) = self.ask_commit(None) {
                return Poll::Ready(Err(error));
            }
        }
        self.run(now, net, &mut Op::Commit, false).map(|result| committed(Some(result?)))
    }

    /// Fills in the offsets that the group has committed, of any partitions; call it until it is ready.
    ///
    /// # Errors
    /// [`UsageError::NoGroup`], [`Error::Broker`].
    pub fn committed<T: Transport + ?Sized>(
        &mut self,
        now: Instant,
        net: &mut T,
        offsets: &mut [PartitionOffset<'_>],
    ) -> Poll<Result<(), Error>> {
        if let Err(error) = self.control().needs_group() {
            return Poll::Ready(Err(error));
        }
        self.run(now, net, &mut Op::Committed(offsets), false).map(|result| result.map(|_| ()))
    }

    /// Fills in the offsets behind the last records of assigned partitions; call it until it is ready.
    ///
    /// # Errors
    /// [`UsageError::NotAssigned`].
    pub fn end_offsets<T: Transport + ?Sized>(
        &mut self,
        now: Instant,
        net: &mut T,
        offsets: &mut [PartitionOffset<'_>],
    ) -> Poll<Result<(), Error>> {
        self.offsets(now, net, offsets, Some(LATEST))
    }

    /// Fills in the first offsets of assigned partitions' logs; call it until it is ready.
    ///
    /// # Errors
    /// [`UsageError::NotAssigned`].
    pub fn beginning_offsets<T: Transport + ?Sized>(
        &mut self,
        now: Instant,
        net: &mut T,
        offsets: &mut [PartitionOffset<'_>],
    ) -> Poll<Result<(), Error>> {
        self.offsets(now, net, offsets, Some(EARLIEST))
    }

    /// Fills in the first offsets whose records are not older than the entries' timestamps, of assigned partitions; call it
    /// until it is ready.
    ///
    /// # Errors
    /// [`UsageError::NotAssigned`].
    pub fn offsets_for_times<T: Transport + ?Sized>(
        &mut self,
        now: Instant,
        net: &mut T,
        offsets: &mut [PartitionOffset<'_>],
    ) -> Poll<Result<(), Error>> {
        self.offsets(now, net, offsets, None)
    }

    fn offsets<T: Transport + ?Sized>(
        &mut self,
        now: Instant,
        net: &mut T,
        offsets: &mut [PartitionOffset<'_>],
        timestamp: Option<i64>,
    ) -> Poll<Result<(), Error>> {
        let asked = self.control().slots().iter().any(|slot| slot.is(Slot::QUERIED));
        if !asked {
            if let Err(error) = self.ask_offsets(offsets, timestamp) {
                return Poll::Ready(Err(error));
            }
        }
        self.run(now, net, &mut Op::Offsets(offsets), true).map(|result| result.map(|_| ()))
    }

    /// Commits if that is automatic, leaves the group unless the member is static, and ends the connections in order; call
    /// it until it is ready, which takes at most 5 s.
    pub fn close<T: Transport + ?Sized>(&mut self, now: Instant, net: &mut T) -> Poll<Result<(), Error>> {
        if self.control().state.close_at == Instant::from_millis(0) {
            self.begin_close();
            self.control().state.close_at = now.after(CLOSE_TIMEOUT);
        }
        let deadline = self.control().state.close_at;
        if now < deadline && self.run(now, net, &mut Op::Leave, false).is_pending() {
            return Poll::Pending;
        }
        let (mut control, ..) = self.halves();
        let closed = finish(&mut control, net, &mut Context::from_waker(Waker::noop()), now, deadline);
        closed.map(|()| control.take_commit_result().unwrap_or(Ok(())))
    }
}
