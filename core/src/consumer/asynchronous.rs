//! The async front end: each method is what is wanted and a `poll_fn` over [`step`].
use super::{committed, finish, step, wait, Async, CLOSE_TIMEOUT};
use crate::drive::{Op, Ready};
use crate::wire::list_offsets::{EARLIEST, LATEST};
use crate::{Api, Clock, Consumer, Error, Event, Instant, PartitionOffset, Transport};
use core::future::poll_fn;

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
        let ready = self.run(&mut Op::Commit, false).await?;
        committed(&mut self.control(), ready)
    }

    /// Commits these offsets, of any partitions.
    ///
    /// # Errors
    /// As [`commit_sync`](Self::commit_sync); [`UsageError::Negative`](crate::UsageError::Negative) also for an entry without an offset.
    ///
    /// # Cancel safety
    /// Dropping it before the request has left gives it up.
    pub async fn commit_offsets(&mut self, offsets: &[PartitionOffset<'_>]) -> Result<(), Error> {
        self.ask_commit(Some(offsets))?;
        let ready = self.run(&mut Op::CommitOffsets(offsets), false).await?;
        committed(&mut self.control(), ready)
    }

    /// Fills in the offsets that the group has committed, of any partitions.
    ///
    /// # Errors
    /// [`UsageError::NoGroup`](crate::UsageError::NoGroup), [`Error::Broker`], [`Error::Timeout`] after `default.api.timeout.ms`.
    ///
    /// # Cancel safety
    /// Dropping it gives the question up.
    pub async fn committed(&mut self, offsets: &mut [PartitionOffset<'_>]) -> Result<(), Error> {
        self.control().needs_group()?;
        self.forget_question();
        let result = self.run(&mut Op::Committed(offsets), false).await;
        self.forget_question();
        wait::in_time(result, Api::OffsetFetch)
    }

    /// Fills in the first offsets of assigned partitions' logs.
    ///
    /// # Errors
    /// [`UsageError::NotAssigned`](crate::UsageError::NotAssigned), [`Error::Timeout`] after `default.api.timeout.ms`.
    ///
    /// # Cancel safety
    /// Dropping it gives the question up.
    pub async fn beginning_offsets(&mut self, offsets: &mut [PartitionOffset<'_>]) -> Result<(), Error> {
        self.offsets(offsets, Some(EARLIEST)).await
    }

    /// Fills in the offsets behind the last records of assigned partitions.
    ///
    /// # Errors
    /// [`UsageError::NotAssigned`](crate::UsageError::NotAssigned), [`Error::Timeout`] after `default.api.timeout.ms`.
    ///
    /// # Cancel safety
    /// Dropping it gives the question up.
    pub async fn end_offsets(&mut self, offsets: &mut [PartitionOffset<'_>]) -> Result<(), Error> {
        self.offsets(offsets, Some(LATEST)).await
    }

    /// Fills in the first offsets whose records are not older than the entries' timestamps, of assigned partitions.
    ///
    /// # Errors
    /// [`UsageError::NotAssigned`](crate::UsageError::NotAssigned), [`Error::Timeout`] after `default.api.timeout.ms`.
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
        wait::in_time(result, Api::ListOffsets)
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
        let result = control.last_commit();
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
