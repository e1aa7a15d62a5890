//! The front end of a loop that does not wait: the same methods with the time and the transport as arguments.
use super::{committed, finish, turn, Superloop, CLOSE_TIMEOUT};
use crate::drive::{Op, Ready};
use crate::partitions::Slot;
use crate::wire::crc32c::Crc32c;
use crate::wire::list_offsets::{EARLIEST, LATEST};
use crate::{Consumer, Error, Event, Instant, PartitionOffset, Transport};
use core::task::{Context, Poll, Waker};

/// Tells a question that goes on from another one.
fn fingerprint(offsets: &[PartitionOffset<'_>], timestamp: i64) -> u32 {
    let mut crc = Crc32c::new();
    crc.update(&timestamp.to_be_bytes());
    for entry in offsets {
        crc.update(entry.topic.as_bytes());
        crc.update(&entry.partition.to_be_bytes());
    }
    crc.value() | 1 // 0 is none
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
        let commit = &mut self.storage.state.commit;
        let explicit = commit.explicit || commit.sent_explicit;
        self.storage.state.awaited &= !explicit;
        self.storage.state.polled = true;
        self.enter_poll(now);
        let (mut control, window, _) = self.halves();
        let ready = turn(&mut control, Some(window), net, now, &mut Op::Event)?;
        Ok(ready.map(|ready| self.lend(ready)))
    }

    /// When to call again though no byte has moved: what was called last and is not ready yet, or else `poll`.
    pub fn next_timeout(&mut self, now: Instant) -> Instant {
        let control = self.control();
        let state = &*control.state;
        if state.polled {
            return control.next_timeout(&Op::Event, false, now);
        }
        if state.close_at != Instant::from_millis(0) {
            let next = if control.has_left() { Instant::NEVER } else { control.next_timeout(&Op::Leave, true, now) };
            return next.min(state.close_at);
        }
        if state.awaited {
            return control.next_timeout(&Op::Commit, true, now);
        }
        match state.question {
            0 => control.next_timeout(&Op::Event, false, now),
            _ if control.any(Slot::QUERIED) => control.next_timeout(&Op::Offsets(&mut []), false, now),
            _ => control.next_timeout(&Op::Committed(&mut []), true, now),
        }
    }

    fn run<T: Transport + ?Sized>(
        &mut self,
        now: Instant,
        net: &mut T,
        op: &mut Op<'_, '_>,
        lend_window: bool,
    ) -> Poll<Result<Ready, Error>> {
        let (mut control, window, _) = self.halves();
        control.state.polled = false;
        match turn(&mut control, Some(window).filter(|_| lend_window), net, now, op) {
            Ok(Some(ready)) => Poll::Ready(Ok(ready)),
            Ok(None) => Poll::Pending,
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    /// Commits what was handed out; call it until it is ready, which it is not while no broker answers. What is handed out by a
    /// `poll` in between is not in it.
    ///
    /// # Errors
    /// [`Error::Broker`] when the broker refuses.
    pub fn commit_sync<T: Transport + ?Sized>(&mut self, now: Instant, net: &mut T) -> Poll<Result<(), Error>> {
        self.commit(now, net, None)
    }

    /// Commits these offsets, of any partitions; call it until it is ready, and nothing else before: a `poll` gives it up.
    ///
    /// # Errors
    /// As [`commit_sync`](Self::commit_sync); [`UsageError::Negative`](crate::UsageError::Negative) also for an entry without an offset.
    pub fn commit_offsets<T: Transport + ?Sized>(
        &mut self,
        now: Instant,
        net: &mut T,
        offsets: &[PartitionOffset<'_>],
    ) -> Poll<Result<(), Error>> {
        self.commit(now, net, Some(offsets))
    }

    fn commit<T: Transport + ?Sized>(
        &mut self,
        now: Instant,
        net: &mut T,
        explicit: Option<&[PartitionOffset<'_>]>,
    ) -> Poll<Result<(), Error>> {
        if !self.storage.state.awaited {
            if let Err(error) = self.ask_commit(explicit) {
                return Poll::Ready(Err(error));
            }
        }
        let mut op = explicit.map_or(Op::Commit, Op::CommitOffsets);
        let result = self.run(now, net, &mut op, false);
        let result = result.map(|ready| committed(&mut self.control(), Some(ready?)));
        self.storage.state.awaited = result.is_pending();
        result
    }

    /// Fills in the offsets that the group has committed, of any partitions; call it until it is ready.
    ///
    /// # Errors
    /// [`UsageError::NoGroup`](crate::UsageError::NoGroup), [`Error::Broker`].
    pub fn committed<T: Transport + ?Sized>(
        &mut self,
        now: Instant,
        net: &mut T,
        offsets: &mut [PartitionOffset<'_>],
    ) -> Poll<Result<(), Error>> {
        if let Err(error) = self.control().needs_group() {
            return Poll::Ready(Err(error));
        }
        self.question(fingerprint(offsets, 0));
        let answer = self.run(now, net, &mut Op::Committed(offsets), false);
        self.answer(answer)
    }

    /// Fills in the offsets behind the last records of assigned partitions; call it until it is ready.
    ///
    /// # Errors
    /// [`UsageError::NotAssigned`](crate::UsageError::NotAssigned).
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
    /// [`UsageError::NotAssigned`](crate::UsageError::NotAssigned).
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
    /// [`UsageError::NotAssigned`](crate::UsageError::NotAssigned).
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
        if self.question(fingerprint(offsets, timestamp.unwrap_or(0))) {
            if let Err(error) = self.ask_offsets(offsets, timestamp) {
                return self.answer(Poll::Ready(Err(error)));
            }
        }
        let answer = self.run(now, net, &mut Op::Offsets(offsets), true);
        self.answer(answer)
    }

    /// Whether this is another question than the one that is open, which is forgotten then.
    fn question(&mut self, fingerprint: u32) -> bool {
        let other = self.storage.state.question != fingerprint;
        if other {
            self.forget_question();
            self.storage.state.question = fingerprint;
        }
        other
    }

    fn answer(&mut self, answer: Poll<Result<Ready, Error>>) -> Poll<Result<(), Error>> {
        if answer.is_ready() {
            self.forget_question();
            self.storage.state.question = 0;
        }
        answer.map(|result| result.map(|_| ()))
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
        closed.map(|()| control.last_commit())
    }
}
