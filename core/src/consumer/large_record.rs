//! A record that does not fit the window.
use crate::consumer::{step, turn, wait, Async, Blocking, Superloop};
use crate::drive::{Op, Ready};
use crate::state::Control;
use crate::wire::primitives::{copy, item};
use crate::wire::record;
use crate::{Block, Clock, Error, Instant, TopicPartition, Transport};
use core::future::poll_fn;
use core::task::Poll;

/// A record whose value does not fit the window. The value is read in order, in chunks or through
/// [`embedded_io_async::Read`] or `std::io::Read`; what is not read is passed over by the next poll, and the record counts as
/// handed out. Its headers follow the value and are passed over.
///
/// After an error it is lent again, from its start, and also when the connection breaks before its headers have passed. So what
/// is made of it must bear being made twice, as after a rebalance.
pub struct LargeRecord<'c, IO> {
    control: Control<'c>,
    io: &'c mut IO,
    window: &'c mut [u8],
    partition: TopicPartition<'c>,
    offset: i64,
    /// Bytes of the chunk that was lent last, consumed when the next is asked for.
    lent: usize,
    /// Nothing more of it will come.
    failed: Option<Error>,
}

impl<'c, IO> LargeRecord<'c, IO> {
    pub(crate) fn new(
        control: Control<'c>,
        io: &'c mut IO,
        window: &'c mut [u8],
        partition: TopicPartition<'c>,
    ) -> Self {
        let offset = control.state.stream.large_offset;
        LargeRecord { control, io, window, partition, offset, lent: 0, failed: None }
    }

    /// Its topic.
    pub fn topic(&self) -> &'c str {
        self.partition.topic
    }

    /// Its partition.
    pub fn partition(&self) -> i32 {
        self.partition.partition
    }

    /// Both.
    pub fn topic_partition(&self) -> TopicPartition<'c> {
        self.partition
    }

    /// Its offset.
    pub fn offset(&self) -> i64 {
        self.offset
    }

    /// Milliseconds since 1970; -1 for none.
    pub fn timestamp(&self) -> i64 {
        let batch = &self.control.state.stream.batch;
        match batch.log_append_time() {
            true => batch.max_timestamp,
            false => batch.base_timestamp.saturating_add(self.head().map_or(0, |head| head.timestamp_delta)),
        }
    }

    /// Bytes of the value that are not read yet.
    pub fn remaining(&self) -> usize {
        (self.control.state.stream.value_left as usize).saturating_sub(self.lent)
    }

    /// Its key; the head of the record stays in the window while the value passes.
    pub fn key(&self) -> Option<&[u8]> {
        self.head()?.key
    }

    fn head(&self) -> Option<record::Head<'_>> {
        let head = self.window.get(..self.control.state.stream.pinned as usize)?;
        item(record::length(head).and_then(|(rest, _)| record::head(rest))).ok().map(|(_, head)| head)
    }

    /// Everything that does no I/O.
    pub fn control(&mut self) -> Control<'_> {
        self.control.reborrow()
    }

    /// The record is done with: with `auto_commit_marks` only what is marked is ever committed. It is committed once the CRC
    /// of its batch is checked, at the batch's end.
    pub fn mark(&mut self) {
        let next = self.offset().saturating_add(1);
        self.control.acknowledge(next);
    }

    /// What was lent is read.
    ///
    /// # Errors
    /// That of the call before.
    fn consume(&mut self) -> Result<(), Error> {
        let lent = core::mem::take(&mut self.lent);
        if lent > 0 {
            self.control.chunk_read(self.window, lent);
        }
        self.failed.map_or(Ok(()), Err)
    }

    fn read(&mut self, ready: Result<Option<Ready>, Error>) -> Result<Ready, Error> {
        self.failed = ready.err();
        ready.map(|ready| ready.unwrap_or(Ready::EndOfValue))
    }

    fn lend(&mut self, ready: Ready) -> &[u8] {
        if !matches!(ready, Ready::Chunk) {
            return &[];
        }
        let chunk = self.control.chunk(self.window);
        self.lent = chunk.len();
        self.control.state.stream.unread = 0;
        chunk
    }

    fn copy(&mut self, ready: Ready, buf: &mut [u8]) -> usize {
        let chunk = if matches!(ready, Ready::Chunk) { self.control.chunk(self.window) } else { &[] };
        let n = chunk.len().min(buf.len());
        copy(buf, chunk);
        self.control.chunk_read(self.window, n);
        n
    }
}

impl<T: Transport + Clock> LargeRecord<'_, Async<T>> {
    /// The next bytes of the value, where they arrived; empty at its end.
    ///
    /// # Errors
    /// [`Error::Transport`] and the like when the connection broke: the record is lent again by a later poll.
    ///
    /// # Cancel safety
    /// Dropping it reads nothing.
    pub async fn chunk(&mut self) -> Result<&[u8], Error> {
        let ready = self.step().await?;
        Ok(self.lend(ready))
    }

    async fn step(&mut self) -> Result<Ready, Error> {
        self.consume()?;
        let ready = poll_fn(|cx| {
            step(&mut self.control, Some(&mut *self.window), &mut self.io.0, cx, &mut Op::Chunk, Instant::NEVER)
        })
        .await;
        self.read(ready)
    }
}

impl<IO> embedded_io_async::ErrorType for LargeRecord<'_, IO> {
    type Error = Error;
}

impl<T: Transport + Clock> embedded_io_async::Read for LargeRecord<'_, Async<T>> {
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, Error> {
        if buf.is_empty() {
            return Ok(0);
        }
        let ready = self.step().await?;
        Ok(self.copy(ready, buf))
    }
}

impl<T: Transport + Clock + Block> LargeRecord<'_, Blocking<T>> {
    /// The next bytes of the value, where they arrived; empty at its end.
    ///
    /// # Errors
    /// [`Error::Transport`] and the like when the connection broke: the record is lent again by a later poll.
    pub fn chunk(&mut self) -> Result<&[u8], Error> {
        let ready = self.wait()?;
        Ok(self.lend(ready))
    }

    fn wait(&mut self) -> Result<Ready, Error> {
        self.consume()?;
        let now = self.io.0.now();
        let (control, io) = (&mut self.control, &mut self.io.0);
        let ready = wait(control, Some(&mut *self.window), io, &mut Op::Chunk, now, Instant::NEVER);
        self.read(ready)
    }
}

#[cfg(feature = "std")]
impl<T: Transport + Clock + Block> std::io::Read for LargeRecord<'_, Blocking<T>> {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        let ready = self.wait().map_err(std::io::Error::other)?;
        Ok(self.copy(ready, buf))
    }
}

impl LargeRecord<'_, Superloop> {
    /// The next bytes of the value, empty at its end. `Pending`: ask again when bytes have moved or at
    /// [`next_timeout`](Self::next_timeout).
    ///
    /// # Errors
    /// [`Error::Transport`] and the like when the connection broke: the record is lent again by a later poll.
    pub fn chunk<T: Transport + ?Sized>(&mut self, now: Instant, net: &mut T) -> Poll<Result<&[u8], Error>> {
        self.consume()?;
        match turn(&mut self.control, Some(&mut *self.window), net, now, &mut Op::Chunk) {
            Ok(None) => Poll::Pending,
            ready => {
                let ready = self.read(ready)?;
                Poll::Ready(Ok(self.lend(ready)))
            }
        }
    }

    /// When to ask again though no byte has moved.
    pub fn next_timeout(&self, now: Instant) -> Instant {
        self.control.next_timeout(&Op::Chunk, false, now)
    }
}
