//! Fetch's answer as it streams through the window (KIP-74: a batch comes whole however large it is).
use crate::connection::failure::Failure;
use crate::connection::inbox::Inbox;
use crate::connection::Link;
use crate::drive::{Ready, STARVED};
use crate::error::PartitionErrorKind;
use crate::partitions::{Phase, Slot};
use crate::state::{Control, Parked, State};
use crate::wire::batch::Batch;
use crate::wire::crc32c::Crc32c;
use crate::wire::fetch;
use crate::wire::primitives::{item, Stop};
use crate::{Api, Error, ErrorCode, Instant};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum At {
    Top,
    Topic,
    Partition,
    Field,
    Batch,
    /// The rest of a partition's records is dropped: nobody wants them.
    Unwanted,
    Records,
    Value,
    /// The rest of a record larger than the window is dropped; then it counts as handed out.
    Tail,
    End,
}

/// Passing over fewer bytes takes no longer than a new connection, on a link of 10 Mbit/s and 50 ms.
const QUICKLY_SKIPPED: u32 = 64 << 10;

/// Where we are in an answer. `taken <= lent <= batch_left`.
#[derive(Debug)]
#[repr(C)] // the small fields first, where short instructions reach them
pub(crate) struct Stream {
    pub(super) at: At,
    /// The batch does not fit the window.
    pub(super) streaming: bool,
    /// The partition's first batch is to come.
    pub(super) first_batch: bool,
    /// The answer brought a batch.
    pub fruitful: bool,
    /// The last batch has begun: the next Fetch may leave.
    pub ahead: bool,
    /// The application met a record that does not parse.
    pub malformed: bool,
    /// A commit was asked for that waits for the verdict.
    pub(super) commit_wanted: bool,
    version: u8,
    /// Index of the slot plus 1; 0: nobody wants what comes.
    slot: u16,
    topics: u32,
    partitions: u32,
    /// Bytes to drop.
    pub(super) skip: u32,
    /// Bytes of the partition's records behind this batch.
    pub(super) field: u32,
    /// Bytes of this batch's records that are not consumed.
    pub(super) batch_left: u32,
    /// Bytes of records that are lent, and how many of them were taken.
    pub lent: u32,
    pub taken: u32,
    /// A record larger than the window: bytes of its head at the window's front, of its value and of its headers to come.
    pub pinned: u32,
    pub value_left: u32,
    pub(super) tail: u32,
    /// Bytes of a large record of which the application has read none; 0 it has.
    pub unread: u32,
    /// What was acknowledged of a batch whose verdict is not in; -1 nothing.
    pub(super) judged_later: i64,
    pub large_offset: i64,
    pub(super) crc: Crc32c,
    pub batch: Batch,
}

/// What a step came to.
pub(crate) enum Step {
    Moved,
    /// So many bytes are needed from where the window's input starts.
    More(u32),
    Ready(Ready),
    /// The answer is over.
    End,
}

impl Stream {
    pub const NEW: Stream = Stream {
        at: At::Top,
        streaming: false,
        first_batch: false,
        fruitful: false,
        ahead: false,
        malformed: false,
        commit_wanted: false,
        version: 0,
        topics: 0,
        partitions: 0,
        skip: 0,
        field: 0,
        batch: Batch::NEW,
        batch_left: 0,
        crc: Crc32c::new(),
        slot: 0,
        lent: 0,
        taken: 0,
        judged_later: 0,
        pinned: 0,
        value_left: 0,
        tail: 0,
        large_offset: 0,
        unread: 0,
    };

    /// For the next answer.
    pub fn reset(&mut self) {
        *self = Stream::NEW;
    }

    pub fn begin(&mut self, version: i16) {
        self.reset();
        self.version = version as u8;
    }

    /// Up to `offset`, once the verdict on the batch is good.
    pub fn acknowledge_later(&mut self, offset: i64) {
        self.judged_later = offset;
    }

    /// The table has changed: this is where the partition stands now, if it is still there.
    pub fn set_slot(&mut self, slot: Option<usize>) {
        self.slot = slot.map_or(0, |slot| (slot as u16).saturating_add(1));
    }

    pub fn slot(&self) -> Option<usize> {
        self.slot.checked_sub(1).map(usize::from)
    }

    pub fn in_value(&self) -> bool {
        self.at == At::Value
    }

    /// Behind the batch of `size` bytes that begins here, nothing else comes.
    pub(super) fn is_last_batch(&self, size: u32) -> bool {
        self.field <= size && self.partitions == 0 && self.topics == 0
    }
}

impl Control<'_> {
    /// What the position of a partition will be when all that is being read of it is handed out.
    pub(crate) fn fetch_offset(&self, link: usize, slot: &Slot) -> i64 {
        let stream = &self.state.stream;
        let current = stream.slot().and_then(|current| self.slot(current));
        match current {
            Some(current)
                if usize::from(self.state.owner) == link
                    && (current.topic, current.partition) == (slot.topic, slot.partition)
                    && matches!(stream.at, At::Records | At::Value | At::Tail) =>
            {
                slot.position.max(stream.batch.next_offset())
            }
            _ => slot.position,
        }
    }

    /// What was handed out up to here is done with, if that is how the application commits.
    pub(crate) fn acknowledge_lent(&mut self) {
        let lent = self.state.lent_slot.checked_sub(1).and_then(|slot| self.slot(usize::from(slot)));
        if let (Some(position), false) = (lent.map(|slot| slot.position), self.config.auto_commit_marks) {
            self.acknowledge(position);
        }
        if !matches!(self.state.stream.at, At::Value | At::Tail) {
            self.state.lent_slot = 0;
        }
    }

    /// Notes what is being lent; it outlives the connection it came from.
    pub(crate) fn note_lent(&mut self) {
        let State { stream, lent_slot, lent_judged, .. } = &mut *self.state;
        (*lent_slot, *lent_judged) = (stream.slot, !stream.streaming || !self.config.check_crcs);
    }

    /// Up to `offset` of the partition that is lent: at once, or with the verdict.
    #[inline]
    pub(crate) fn acknowledge(&mut self, offset: i64) {
        let State { stream, lent_slot, lent_judged, .. } = &mut *self.state;
        let slot = lent_slot.checked_sub(1).and_then(|slot| self.table.get_mut(usize::from(slot)));
        match slot {
            Some(slot) if *lent_judged => slot.acknowledge(offset),
            Some(_) => stream.acknowledge_later(offset),
            None => {}
        }
    }

    /// A commit of what is lent is asked for: it is sent with the verdict, if that is not in.
    ///
    /// # Errors
    /// The batch was found corrupt with its last record.
    pub(crate) fn commit_with_verdict(&mut self) -> Result<(), Error> {
        self.state.stream.commit_wanted = !self.state.lent_judged;
        let lent = self.state.lent_slot.checked_sub(1).map(|slot| self.short_name(slot.into()));
        match self.state.parked {
            Parked::Error(Error::Partition(error)) if lent == Some((error.topic, error.partition)) => {
                self.state.parked = Parked::Nothing;
                Err(error.into())
            }
            _ => Ok(()),
        }
    }

    /// The batch that is being read is dropped before its CRC is judged. Where all of it was handed out, the next Fetch would
    /// begin behind it: so its last record is handed out again, and with it comes the verdict.
    pub(crate) fn drop_verdict(&mut self) {
        let stream = &self.state.stream;
        let (unjudged, next) = (stream.streaming && self.config.check_crcs, stream.batch.next_offset());
        let slot = stream.slot().and_then(|slot| self.slot_mut(slot));
        if let Some(slot) = slot.filter(|slot| unjudged && slot.position == next && !slot.is(Slot::STALE)) {
            slot.position = next.saturating_sub(1);
            slot.set(Slot::STALE); // also for a Fetch that has left ahead
        }
    }

    /// The application is done with what was lent: what it took leaves the window.
    pub(crate) fn release_lent(&mut self, window: &[u8]) {
        let stream = &mut self.state.stream;
        if stream.lent > 0 {
            let taken = core::mem::take(&mut stream.taken);
            stream.lent = 0;
            self.pass(window, taken);
        }
    }

    /// Nothing is lent any more. What was taken counts, and of a batch larger than the window that was taken to its end
    /// the verdict is given now: a commit need not wait for the next poll.
    pub(crate) fn settle(&mut self, window: &[u8]) {
        self.acknowledge_lent();
        self.release_lent(window);
        if self.state.stream.at == At::Value {
            self.end_value();
        }
        if !matches!(self.state.stream.at, At::Records | At::Tail) || !self.state.stream.streaming {
            return;
        }
        let n = self.state.stream.skip.min(self.window().len());
        self.state.stream.skip -= n;
        self.pass(window, n);
        let stream = &self.state.stream;
        if stream.at == At::Tail {
            if stream.skip > 0 || stream.unread > 0 {
                return; // more is to pass, or something is to be said: the next poll does both
            }
            self.end_large();
        } else if self.state.stream.batch_left == 0 {
            self.judge_passed();
        }
    }

    /// The last record of a batch larger than the window was taken: all its bytes are there, so the verdict is given while
    /// nothing has come between that would drop it: a new assignment, another leader, a lost connection.
    #[inline]
    pub(crate) fn judge_taken(&mut self, window: &[u8]) {
        let stream = &self.state.stream;
        if stream.streaming && stream.taken == stream.batch_left {
            self.release_lent(window);
            self.state.lent_judged = self.judge_passed();
        }
    }

    /// The verdict of a batch larger than the window all of which has passed. `false`: it is bad, which the next poll says, or
    /// it has to wait until that poll has said something else.
    #[inline(never)]
    pub(super) fn judge_passed(&mut self) -> bool {
        let room = matches!(self.state.parked, Parked::Nothing);
        // due also on what was paused or has another leader behind its last record
        let due = |&index: &usize| {
            let slot = self.slot(index);
            room && slot
                .is_some_and(|slot| matches!(slot.phase, Phase::Ready | Phase::Validate) && !slot.is(Slot::STALE))
        };
        let Some(index) = self.state.stream.slot().filter(due) else { return false };
        let good = self.batch_done(index).is_ok();
        if !good {
            self.state.parked = Parked::Error(self.told());
        }
        good
    }

    pub(super) fn window(&mut self) -> &mut Inbox {
        let [_, window] = &mut self.state.inboxes;
        window
    }

    /// `n` bytes of the batch's records are consumed.
    pub(super) fn pass(&mut self, window: &[u8], n: u32) {
        if self.state.stream.streaming && self.config.check_crcs {
            let bytes = self.window().input(window).get(..n as usize).unwrap_or_default();
            self.state.stream.crc.update(bytes);
        }
        self.window().consume(n);
        let stream = &mut self.state.stream;
        stream.batch_left = stream.batch_left.saturating_sub(n);
    }

    /// The partition whose records are being read, if it is still this connection's.
    pub(super) fn current(&self) -> Option<(usize, &Slot)> {
        let index = self.state.stream.slot()?;
        let slot = self.slot(index).filter(|slot| slot.link == self.state.owner)?;
        Some((index, slot))
    }

    /// Whether the current partition's records are still wanted.
    pub(super) fn wanted(&self) -> Option<(usize, &Slot)> {
        if self.rests() {
            return None; // told that it is revoked: what comes after that is the next owner's
        }
        self.current().filter(|(_, slot)| slot.is_fetchable() && !slot.is(Slot::STALE))
    }

    /// Records of the current partition are dropped unread: those on their way behind them are void.
    pub(crate) fn void_current(&mut self) {
        if let Some(slot) = self.state.stream.slot().and_then(|slot| self.slot_mut(slot)) {
            slot.set(Slot::STALE);
        }
    }

    /// Drops the rest of the partition's records.
    pub(super) fn abandon_partition(&mut self) {
        self.drop_verdict();
        let stream = &mut self.state.stream;
        stream.skip = stream.batch_left.saturating_add(core::mem::take(&mut stream.field));
        (stream.batch_left, stream.slot, stream.at, stream.streaming) = (0, 0, At::Batch, false);
    }

    /// The same because of what the records are: the partition rests.
    pub(super) fn refuse(&mut self, slot: usize, offset: i64, next: i64, kind: PartitionErrorKind) -> Failure {
        self.abandon_partition();
        self.rest(slot, offset, next, kind)
    }

    /// The same because of what the application or the group did. They are asked for again once they are wanted: a Fetch that has left
    /// ahead asks for what is behind them.
    pub(super) fn drop_unwanted(&mut self) {
        self.drop_verdict();
        if self.current().is_some() {
            self.void_current();
        }
        self.abandon_partition();
        self.state.stream.at = At::Unwanted;
        self.state.plan = true;
    }

    /// So many bytes that nobody wants are still to come on this connection that a new one brings what is wanted sooner. Not
    /// where the records claim more bytes than the answer has: that is told when it ends.
    pub(crate) fn is_in_the_way(&self, link: &Link) -> bool {
        let State { stream, inboxes: [_, window], .. } = &*self.state;
        let coming = link.left.saturating_add(window.len());
        let unwanted = match stream.at {
            At::Unwanted => true,
            // (when only its leader has changed it is passed over, or it would be told again)
            At::Tail => stream.slot().and_then(|slot| self.slot(slot)).is_none_or(|slot| slot.is(Slot::STALE)),
            _ => false,
        };
        unwanted && (QUICKLY_SKIPPED..=coming).contains(&stream.skip)
    }

    /// One item of the answer in the window.
    pub(crate) fn stream_step(&mut self, window: &mut [u8], now: Instant) -> Result<Step, Failure> {
        let arrived = self.window().len();
        if self.state.stream.skip > 0 {
            let n = self.state.stream.skip.min(arrived);
            if n == 0 {
                return Ok(Step::More(1));
            }
            self.state.stream.skip -= n;
            if matches!(self.state.stream.at, At::Records | At::Tail) {
                self.pass(window, n);
            } else {
                self.window().consume(n);
            }
            return Ok(Step::Moved);
        }
        match self.state.stream.at {
            At::Top => {
                let Some(top) = self.take(window, fetch::top)? else {
                    return Ok(Step::More(arrived.saturating_add(1)));
                };
                let owner = usize::from(self.state.owner);
                self.throttle(owner, top.throttle, now);
                if let Some(link) = self.link_mut(owner) {
                    let cost = top.throttle.clamp(0, i32::from(STARVED)) as u16;
                    link.starved = if cost > 0 && top.topics == 0 { link.starved.saturating_add(cost) } else { 0 };
                }
                self.state.stream.topics = top.topics;
                self.state.stream.at = At::Topic;
                if top.error != 0 {
                    self.doubt_metadata(now);
                }
            }
            At::Topic => {
                let Some(left) = self.state.stream.topics.checked_sub(1) else {
                    self.state.stream.at = At::End;
                    return Ok(Step::Moved);
                };
                let input = self.window().input(window);
                let (rest, (name, partitions)) = match item(fetch::topic(input)) {
                    Ok(parsed) => parsed,
                    Err(Stop::More) => return Ok(Step::More(arrived.saturating_add(1))),
                    Err(Stop::Bad) => return Err(self.malformed()),
                };
                let n = input.len().saturating_sub(rest.len());
                self.enter_topic(self.state.owner.into(), name);
                self.window().consume(n as u32);
                let stream = &mut self.state.stream;
                (stream.topics, stream.partitions, stream.at) = (left, partitions, At::Partition);
            }
            At::Partition => return self.partition(window, now),
            At::Field => {
                let version = self.state.stream.version.into();
                let Some((replica, bytes)) = self.take(window, |i| fetch::records_length(version, i))? else {
                    return Ok(Step::More(arrived.saturating_add(1)));
                };
                if replica >= 0 {
                    self.redirect(replica, now);
                }
                let stream = &mut self.state.stream;
                (stream.field, stream.first_batch, stream.at) = (bytes, true, At::Batch);
            }
            At::Batch | At::Unwanted => return self.batch(window),
            At::Records => return self.records(window),
            At::Value => self.end_value(),
            At::Tail => return Ok(self.end_large()),
            At::End => return Ok(Step::End),
        }
        Ok(Step::Moved)
    }

    /// Parses and consumes; `None`: not all there.
    fn take<T>(
        &mut self,
        window: &[u8],
        parse: impl Fn(&[u8]) -> crate::wire::primitives::Parsed<'_, T>,
    ) -> Result<Option<T>, Failure> {
        let input = self.window().input(window);
        match item(parse(input)) {
            Ok((rest, parsed)) => {
                let n = input.len().saturating_sub(rest.len());
                self.window().consume(n as u32);
                Ok(Some(parsed))
            }
            Err(Stop::More) => Ok(None),
            Err(Stop::Bad) => Err(self.malformed()),
        }
    }

    fn partition(&mut self, window: &[u8], now: Instant) -> Result<Step, Failure> {
        let Some(left) = self.state.stream.partitions.checked_sub(1) else {
            self.state.stream.at = At::Topic;
            return Ok(Step::Moved);
        };
        let arrived = self.window().len();
        let Some(head) = self.take(window, fetch::partition)? else { return Ok(Step::More(arrived.saturating_add(1))) };
        let found = self.row_slot(self.state.owner.into(), head.index);
        let owner = self.state.owner;
        let stream = &mut self.state.stream;
        (stream.partitions, stream.at) = (left, At::Field);
        stream.skip = head.aborted.saturating_mul(16);
        stream.slot = 0;
        let Some(found) = found else { return Ok(Step::Moved) };
        let Some(slot) = self.slot_mut(found).filter(|slot| slot.link == owner && slot.is(Slot::LISTED)) else {
            return Ok(Step::Moved); // not what was asked for
        };
        if slot.is(Slot::STALE) || slot.phase != Phase::Ready {
            return Ok(Step::Moved);
        }
        if head.error != 0 {
            return self.partition_error(found, Api::Fetch, ErrorCode(head.error), now).map(|()| Step::Moved);
        }
        slot.high_watermark = head.high_watermark;
        self.state.stream.slot = (found as u16).saturating_add(1);
        Ok(Step::Moved)
    }
}
