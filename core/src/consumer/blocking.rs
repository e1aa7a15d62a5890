//! The blocking front end: the same methods over [`wait`](super::wait::wait).
use super::{committed, finish, wait, Blocking, CLOSE_TIMEOUT};
use crate::drive::{Op, Ready};
use crate::wire::list_offsets::{EARLIEST, LATEST};
use crate::{Api, Block, Clock, Consumer, Error, Event, PartitionOffset, Transport};
use core::task::{Context, Waker};
use core::time::Duration;

impl<T: Transport + Clock + Block> Consumer<'_, Blocking<T>> {
    /// The next event, or `None` after `timeout`.
    ///
    /// # Errors
    /// What needs somebody; see each variant of [`Error`]. Go on polling unless it [`is_fatal`](Error::is_fatal).
    pub fn poll(&mut self, timeout: Duration) -> Result<Option<Event<'_, Blocking<T>>>, Error> {
        let now = self.io.0.now();
        self.enter_poll(now);
        let (mut control, window, io) = self.halves();
        let ready = wait(&mut control, Some(window), &mut io.0, &mut Op::Event, now, now.after(timeout))?;
        Ok(ready.map(|ready| self.lend(ready)))
    }

    fn run(&mut self, op: &mut Op<'_, '_>, lend_window: bool) -> Result<Option<Ready>, Error> {
        let now = self.io.0.now();
        let deadline = now.after(self.config.default_api_timeout);
        let (mut control, window, io) = self.halves();
        wait(&mut control, Some(window).filter(|_| lend_window), &mut io.0, op, now, deadline)
    }

    /// Commits what was handed out, and waits for the broker's answer; retries what can be retried.
    ///
    /// # Errors
    /// [`Error::Broker`] when the broker refuses, [`Error::Timeout`] after `default.api.timeout.ms`; it goes on in the background then.
    pub fn commit_sync(&mut self) -> Result<(), Error> {
        self.ask_commit(None)?;
        let ready = self.run(&mut Op::Commit, false)?;
        committed(&mut self.control(), ready)
    }

    /// Commits these offsets, of any partitions.
    ///
    /// # Errors
    /// As [`commit_sync`](Self::commit_sync); [`UsageError::Negative`](crate::UsageError::Negative) also for an entry without an offset.
    pub fn commit_offsets(&mut self, offsets: &[PartitionOffset<'_>]) -> Result<(), Error> {
        self.ask_commit(Some(offsets))?;
        let ready = self.run(&mut Op::CommitOffsets(offsets), false)?;
        committed(&mut self.control(), ready)
    }

    /// Fills in the offsets that the group has committed, of any partitions.
    ///
    /// # Errors
    /// [`UsageError::NoGroup`](crate::UsageError::NoGroup), [`Error::Broker`], [`Error::Timeout`] after `default.api.timeout.ms`.
    pub fn committed(&mut self, offsets: &mut [PartitionOffset<'_>]) -> Result<(), Error> {
        self.control().needs_group()?;
        self.forget_question();
        let result = self.run(&mut Op::Committed(offsets), false);
        self.forget_question();
        wait::in_time(result, Api::OffsetFetch)
    }

    /// Fills in the first offsets of assigned partitions' logs.
    ///
    /// # Errors
    /// [`UsageError::NotAssigned`](crate::UsageError::NotAssigned), [`Error::Timeout`] after `default.api.timeout.ms`.
    pub fn beginning_offsets(&mut self, offsets: &mut [PartitionOffset<'_>]) -> Result<(), Error> {
        self.offsets(offsets, Some(EARLIEST))
    }

    /// Fills in the offsets behind the last records of assigned partitions.
    ///
    /// # Errors
    /// [`UsageError::NotAssigned`](crate::UsageError::NotAssigned), [`Error::Timeout`] after `default.api.timeout.ms`.
    pub fn end_offsets(&mut self, offsets: &mut [PartitionOffset<'_>]) -> Result<(), Error> {
        self.offsets(offsets, Some(LATEST))
    }

    /// Fills in the first offsets whose records are not older than the entries' timestamps, of assigned partitions.
    ///
    /// # Errors
    /// [`UsageError::NotAssigned`](crate::UsageError::NotAssigned), [`Error::Timeout`] after `default.api.timeout.ms`.
    pub fn offsets_for_times(&mut self, offsets: &mut [PartitionOffset<'_>]) -> Result<(), Error> {
        self.offsets(offsets, None)
    }

    fn offsets(&mut self, offsets: &mut [PartitionOffset<'_>], timestamp: Option<i64>) -> Result<(), Error> {
        self.ask_offsets(offsets, timestamp)?;
        let result = self.run(&mut Op::Offsets(offsets), true);
        self.forget_question();
        wait::in_time(result, Api::ListOffsets)
    }

    /// Commits if that is automatic, leaves the group unless the member is static, and ends the connections in order. Takes
    /// at most 5 s.
    ///
    /// # Errors
    /// What the last commit answered.
    pub fn close(mut self) -> Result<(), Error> {
        self.begin_close();
        let now = self.io.0.now();
        let deadline = now.after(CLOSE_TIMEOUT);
        let (mut control, _, Blocking(io)) = self.halves();
        let left = wait(&mut control, None, io, &mut Op::Leave, now, deadline);
        let result = control.last_commit();
        loop {
            let now = io.now();
            if finish(&mut control, io, &mut Context::from_waker(Waker::noop()), now, deadline).is_ready() {
                return left.and(result);
            }
            let _ = io.block(deadline);
        }
    }
}
