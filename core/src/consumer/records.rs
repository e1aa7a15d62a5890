//! What is lent. A record borrows the window, not the iterator, so everything else can be asked while it is held.
use crate::consumer::{step, turn, wait, Async, Blocking, Superloop, Tend};
use crate::deserialize::{Deserialize, DeserializeError};
use crate::drive::Op;
use crate::partitions::{Phase, Slot};
use crate::state::Control;
use crate::wire::batch::Batch;
use crate::wire::primitives::{item, varint};
use crate::wire::record;
use crate::{Block, Clock, Error, Instant, TopicPartition, Transport};
use core::future::{poll_fn, Future};
use core::pin::pin;
use core::task::Poll;

/// Complete records of one partition, in the window where they arrived. An iterator; use `while let` where the loop body
/// needs it too (`keep_alive`, `commit_sync`, `seek`). The position moves with each record; records that were not taken are
/// lent again by the next poll. [`Iterator::filter`] and `find` pass over records like any other use.
pub struct Records<'c, IO> {
    control: Control<'c>,
    io: &'c mut IO,
    window: &'c [u8],
    /// Of the current batch, what was not taken.
    bytes: &'c [u8],
    batch: Batch,
    partition: TopicPartition<'c>,
    slot: usize,
    /// The partition's, behind the last record that was taken: another one is a seek's.
    position: i64,
}

/// What a record's timestamp says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum TimestampType {
    /// When the producer made the record.
    CreateTime,
    /// When the broker appended it.
    LogAppendTime,
}

/// One record, borrowed from the window.
#[derive(Clone, Copy, Debug)]
pub struct Record<'c> {
    partition: TopicPartition<'c>,
    offset: i64,
    timestamp: i64,
    timestamp_type: TimestampType,
    leader_epoch: i32,
    key: Option<&'c [u8]>,
    value: Option<&'c [u8]>,
    headers: &'c [u8],
}

impl<'c> Record<'c> {
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

    /// Its offset. Offsets ascend but have gaps.
    pub fn offset(&self) -> i64 {
        self.offset
    }

    /// Milliseconds since 1970; -1 for none.
    pub fn timestamp(&self) -> i64 {
        self.timestamp
    }

    /// Whose time that is.
    pub fn timestamp_type(&self) -> TimestampType {
        self.timestamp_type
    }

    /// Epoch of the leader that appended it, -1 unknown.
    pub fn leader_epoch(&self) -> i32 {
        self.leader_epoch
    }

    /// Its key, `None` for null.
    pub fn key(&self) -> Option<&'c [u8]> {
        self.key
    }

    /// Its value, `None` for a tombstone.
    pub fn value(&self) -> Option<&'c [u8]> {
        self.value
    }

    /// Its key as something.
    ///
    /// # Errors
    /// What is wrong with its bytes.
    pub fn key_as<T: Deserialize<'c>>(&self) -> Result<T, DeserializeError> {
        T::deserialize(self.key)
    }

    /// Its value as something.
    ///
    /// # Errors
    /// What is wrong with its bytes.
    pub fn value_as<T: Deserialize<'c>>(&self) -> Result<T, DeserializeError> {
        T::deserialize(self.value)
    }

    /// Its headers, in order; names may repeat.
    pub fn headers(&self) -> Headers<'c> {
        let (rest, count) = item(varint(self.headers)).unwrap_or_default();
        Headers { rest, left: u32::try_from(count).unwrap_or(0) }
    }
}

/// A record's headers.
#[derive(Clone, Debug)]
pub struct Headers<'c> {
    rest: &'c [u8],
    left: u32,
}

/// One header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header<'c> {
    /// UTF-8, by Kafka's definition; as it came.
    pub key: &'c [u8],
    /// `None` for null.
    pub value: Option<&'c [u8]>,
}

impl<'c> Header<'c> {
    /// Its key as text, empty if it is none.
    pub fn key_str(&self) -> &'c str {
        core::str::from_utf8(self.key).unwrap_or_default()
    }
}

impl<'c> Iterator for Headers<'c> {
    type Item = Header<'c>;

    fn next(&mut self) -> Option<Header<'c>> {
        self.left = self.left.checked_sub(1)?;
        let (rest, (key, value)) = item(record::header(self.rest)).ok()?;
        self.rest = rest;
        Some(Header { key, value })
    }
}

impl<'c, IO> Records<'c, IO> {
    pub(crate) fn new(control: Control<'c>, io: &'c mut IO, window: &'c [u8], partition: TopicPartition<'c>) -> Self {
        let (batch, slot) = (control.state.stream.batch, control.state.stream.slot().unwrap_or(usize::MAX));
        let [_, inbox] = &control.state.inboxes;
        let bytes = inbox.input(window).get(..control.state.stream.lent as usize).unwrap_or_default();
        let position = control.slot(slot).map_or(-1, |slot| slot.position);
        Records { control, io, window, bytes, batch, partition, slot, position }
    }

    /// Their topic.
    pub fn topic(&self) -> &'c str {
        self.partition.topic
    }

    /// Their topic and partition. (A method `partition` would be shadowed by `Iterator`'s.)
    pub fn topic_partition(&self) -> TopicPartition<'c> {
        self.partition
    }

    /// Everything that does no I/O, for any partition.
    pub fn control(&mut self) -> Control<'_> {
        self.control.reborrow()
    }

    /// Goes on at `offset` of this partition; ends the loop.
    ///
    /// # Errors
    /// [`UsageError::Negative`](crate::UsageError).
    pub fn seek(&mut self, offset: i64) -> Result<(), Error> {
        self.control.seek(self.partition, offset)
    }

    /// Hands out nothing more of this partition until it is resumed; ends the loop.
    pub fn pause(&mut self) {
        let _ = self.control.pause(self.partition); // it is assigned, or nothing of it would be lent
    }

    /// Up to and including `record` is done with: with `auto_commit_marks` only this is ever committed.
    pub fn mark(&mut self, record: &Record<'_>) {
        if record.partition == self.partition {
            self.control.acknowledge(record.offset.saturating_add(1));
        }
    }

    /// Commits up to and including `record` in the background. Of a batch larger than the window nothing is committed
    /// before its CRC is checked, at its end.
    ///
    /// # Errors
    /// [`UsageError::NoGroup`](crate::UsageError).
    pub fn commit_async(&mut self, record: &Record<'_>) -> Result<(), Error> {
        self.mark(record);
        self.control.commit_with_verdict()?;
        self.control.commit_async()
    }
}

impl<'c, IO: Tend> Iterator for Records<'c, IO> {
    type Item = Record<'c>;

    #[inline]
    fn next(&mut self) -> Option<Record<'c>> {
        self.io.tend(&mut self.control);
        if self.control.lost() {
            return None; // they belong to somebody else by now
        }
        loop {
            if let Some(record) = self.take() {
                return Some(record);
            }
            if !self.bytes.is_empty() {
                return None;
            }
            (self.batch, self.bytes) = self.control.next_batch(self.window)?;
            self.position = self.control.table.get(self.slot)?.position;
        }
    }
}

impl<'c, IO> Records<'c, IO> {
    /// The batch's next record, with all that taking it means.
    #[inline]
    fn take(&mut self) -> Option<Record<'c>> {
        if self.control.state.stream.lent == 0 && !self.control.state.lent_judged {
            return None; // the connection broke: the batch is read again before its CRC is judged
        }
        let slot = self.control.table.get(self.slot)?;
        if slot.is(Slot::STALE | Slot::PAUSED) || slot.phase != Phase::Ready || slot.position != self.position {
            return None; // a seek or a pause ends the loop; the next poll knows where to go on
        }
        if !self.control.config.auto_commit_marks {
            self.control.acknowledge(self.position);
        }
        let Control { state, table, .. } = &mut self.control;
        let (stream, slot) = (&mut state.stream, table.get_mut(self.slot)?);
        loop {
            let Ok((rest, (head, value, headers))) = item(record::record(self.bytes)) else {
                stream.malformed = !self.bytes.is_empty();
                return None;
            };
            if !(0..=self.batch.last_offset_delta).contains(&head.offset_delta) {
                stream.malformed = true;
                return None;
            }
            stream.taken = stream.lent.wrapping_sub(rest.len() as u32);
            self.bytes = rest;
            let offset = self.batch.base_offset.saturating_add(i64::from(head.offset_delta));
            if offset < slot.position {
                continue;
            }
            slot.position = offset.saturating_add(1);
            self.position = slot.position;
            self.control.judge_taken(self.window);
            let (timestamp, timestamp_type) = match self.batch.log_append_time() {
                true => (self.batch.max_timestamp, TimestampType::LogAppendTime),
                false => (self.batch.base_timestamp.saturating_add(head.timestamp_delta), TimestampType::CreateTime),
            };
            return Some(Record {
                partition: self.partition,
                offset,
                timestamp,
                timestamp_type,
                leader_epoch: self.batch.leader_epoch,
                key: head.key,
                value,
                headers,
            });
        }
    }
}

impl<T: Transport + Clock> Records<'_, Async<T>> {
    /// Runs `work` and keeps the membership alive beside it: heartbeats and commits go on. Does not count as a poll: after
    /// `max.poll.interval.ms` the group gives the partitions to somebody else.
    ///
    /// # Cancel safety
    /// As `work` is.
    pub async fn keep_alive<F: Future>(&mut self, work: F) -> F::Output {
        let mut work = pin!(work);
        poll_fn(|cx| {
            if let Poll::Ready(output) = work.as_mut().poll(cx) {
                return Poll::Ready(output);
            }
            let _ = step(&mut self.control, None, &mut self.io.0, cx, &mut Op::Tend, Instant::NEVER);
            Poll::Pending
        })
        .await
    }

    /// Commits up to and including `record`, and waits for the broker's answer. Of a batch larger than the window nothing
    /// is committed before its CRC is checked, with its last record: for those before it Ok says no more than that the commit is
    /// noted; when the connection breaks before, it goes with the next one.
    ///
    /// # Errors
    /// As `Consumer::commit_sync`.
    ///
    /// # Cancel safety
    /// Dropping it makes it a `commit_async`.
    pub async fn commit_sync(&mut self, record: &Record<'_>) -> Result<(), Error> {
        self.control.needs_group()?;
        self.mark(record);
        self.control.commit_with_verdict()?;
        self.control.want_commit();
        let deadline = self.io.0.now().after(self.control.config.default_api_timeout);
        let ready = poll_fn(|cx| step(&mut self.control, None, &mut self.io.0, cx, &mut Op::Commit, deadline)).await?;
        super::committed(&mut self.control, ready)
    }
}

impl<T: Transport + Clock + Block> Records<'_, Blocking<T>> {
    /// Commits up to and including `record`, and waits for the broker's answer. Of a batch larger than the window nothing
    /// is committed before its CRC is checked, with its last record: for those before it Ok says no more than that the commit is
    /// noted; when the connection breaks before, it goes with the next one.
    ///
    /// # Errors
    /// As `Consumer::commit_sync`.
    pub fn commit_sync(&mut self, record: &Record<'_>) -> Result<(), Error> {
        self.control.needs_group()?;
        self.mark(record);
        self.control.commit_with_verdict()?;
        self.control.want_commit();
        let now = self.io.0.now();
        let deadline = now.after(self.control.config.default_api_timeout);
        let ready = wait(&mut self.control, None, &mut self.io.0, &mut Op::Commit, now, deadline)?;
        super::committed(&mut self.control, ready)
    }

    /// One turn of heartbeats and commits without waiting, for work that is longer than a sixteenth of the session. Taking the next
    /// record does it too, but of those that follow quick ones only each sixteenth.
    pub fn keep_alive(&mut self) {
        self.control.state.tend_in = 0;
        self.io.tend(&mut self.control);
    }
}

impl Records<'_, Superloop> {
    /// One turn of heartbeats and commits.
    ///
    /// # Errors
    /// None yet: what goes wrong is told by the next `poll`.
    pub fn keep_alive<T: Transport + ?Sized>(&mut self, now: Instant, net: &mut T) -> Result<(), Error> {
        turn(&mut self.control, None, net, now, &mut Op::Tend).map(|_| ())
    }

    /// When [`keep_alive`](Self::keep_alive) is due though no byte has moved.
    pub fn next_timeout(&self, now: Instant) -> Instant {
        self.control.next_timeout(&Op::Tend, true, now)
    }
}
