//! Fetch's answer as it streams through the window (KIP-74: a batch comes whole however large it is).
//!
//! A batch that fits the window is checked before its first record is lent. A larger one is checked as it passes: its records are lent before
//! the verdict, and what may be committed stays where the batch began until the verdict is good.
use crate::config::LargeRecords;
use crate::connection::failure::Failure;
use crate::connection::Broken;
use crate::drive::Ready;
use crate::error::PartitionErrorKind;
use crate::partitions::{Phase, Slot};
use crate::state::{Control, Parked, State};
use crate::wire::batch::{self, Batch, CRC_START, HEADER};
use crate::wire::crc32c::Crc32c;
use crate::wire::primitives::{be_i8, item, move_down, varint, varlong, Stop};
use crate::wire::{fetch, record};
use crate::{Api, ErrorCode, Instant, ProtocolErrorKind};
use nom::Parser;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum At {
    Top,
    Topic,
    Partition,
    Field,
    Batch,
    Records,
    Value,
    /// The rest of a record larger than the window is dropped; then it counts as handed out.
    Tail,
    End,
}

/// Where we are in an answer. `taken <= lent <= batch_left`.
#[derive(Debug)]
pub(crate) struct Stream {
    at: At,
    /// The batch does not fit the window.
    streaming: bool,
    /// The first batch of the partition is to come.
    first: bool,
    /// The answer brought a batch.
    pub fruitful: bool,
    /// The last batch has begun: the next Fetch may leave.
    pub ahead: bool,
    /// The application met a record that does not parse.
    pub malformed: bool,
    version: u8,
    topics: u32,
    partitions: u32,
    /// Bytes to drop.
    skip: u32,
    /// Bytes of the partition's records behind this batch.
    field: u32,
    pub batch: Batch,
    /// Bytes of this batch's records that are not consumed.
    batch_left: u32,
    crc: Crc32c,
    /// Index of the slot plus 1; 0: nobody wants what comes.
    slot: u16,
    /// Bytes of records that are lent, and how many of them were taken.
    pub lent: u32,
    pub taken: u32,
    /// What was acknowledged of a batch whose verdict is not in; -1 nothing.
    pending: i64,
    /// A record larger than the window: bytes of its head at the window's front, of its value and of its headers to come.
    pub pinned: u32,
    pub value_left: u32,
    tail: u32,
    pub large_offset: i64,
    /// Bytes of a large record of which the application has read none; 0 it has.
    unread: u32,
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
        first: false,
        fruitful: false,
        ahead: false,
        malformed: false,
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
        pending: 0,
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
        self.pending = offset;
    }

    /// The partitions have changed: nobody wants the rest of this one.
    pub fn forget_slot(&mut self) {
        self.slot = 0;
    }

    pub fn slot(&self) -> Option<usize> {
        self.slot.checked_sub(1).map(usize::from)
    }

    pub fn in_value(&self) -> bool {
        self.at == At::Value
    }

    fn is_last(&self) -> bool {
        self.field == 0 && self.partitions == 0 && self.topics == 0
    }
}

fn malformed(_: Stop) -> Failure {
    Failure::Link(Broken::Protocol(ProtocolErrorKind::Malformed))
}

impl Control<'_> {
    /// What the position of a partition will be when all that is being read of it is handed out.
    pub(crate) fn fetch_offset(&self, link: usize, slot: &Slot) -> i64 {
        let stream = &self.state.stream;
        let current = stream.slot().and_then(|current| self.slots().get(current));
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
        if self.config.auto_commit_marks {
            return;
        }
        if let Some(position) =
            self.state.stream.slot().and_then(|slot| self.slots().get(slot)).map(|slot| slot.position)
        {
            self.acknowledge(position);
        }
    }

    /// The CRC of what is lent was checked, or is not to be.
    pub(crate) fn is_judged(&self) -> bool {
        !self.state.stream.streaming || !self.config.check_crcs
    }

    /// Up to `offset` of the partition that is lent.
    pub(crate) fn acknowledge(&mut self, offset: i64) {
        let judged = self.is_judged();
        let State { stream, slots_used, .. } = &mut *self.state;
        if !judged {
            stream.acknowledge_later(offset);
        } else if let Some(slot) =
            stream.slot().filter(|&slot| slot < usize::from(*slots_used)).and_then(|slot| self.table.get_mut(slot))
        {
            slot.acknowledge(offset);
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
        }
        let index = self.wanted().map(|(index, _)| index).filter(|_| self.state.stream.batch_left == 0);
        if let Some(Err(Failure::Error(error))) = index.map(|index| self.batch_done(index)) {
            self.state.parked = Parked::Error(error);
        }
    }

    fn window(&mut self) -> &mut crate::connection::inbox::Inbox {
        self.inbox(usize::MAX)
    }

    /// `n` bytes of the batch's records are consumed.
    fn pass(&mut self, window: &[u8], n: u32) {
        if self.state.stream.streaming && self.config.check_crcs {
            let bytes = self.window().input(window).get(..n as usize).unwrap_or_default();
            self.state.stream.crc.update(bytes);
        }
        self.window().consume(n);
        let stream = &mut self.state.stream;
        stream.batch_left = stream.batch_left.saturating_sub(n);
    }

    /// The partition whose records are being read, if it is still this connection's.
    fn current(&self) -> Option<(usize, &Slot)> {
        let index = self.state.stream.slot()?;
        let slot = self.slots().get(index).filter(|slot| slot.link == self.state.owner)?;
        Some((index, slot))
    }

    /// Whether the current partition's records are still wanted.
    fn wanted(&self) -> Option<(usize, &Slot)> {
        if self.rests() {
            return None; // told that it is revoked: what comes after that is the next owner's
        }
        self.current().filter(|(_, slot)| slot.phase == Phase::Ready && !slot.is(Slot::PAUSED | Slot::STALE))
    }

    /// Drops the rest of the partition's records.
    fn abandon_partition(&mut self, unread: u32) {
        let stream = &mut self.state.stream;
        stream.skip = unread.saturating_add(core::mem::take(&mut stream.field));
        (stream.batch_left, stream.slot, stream.at, stream.streaming) = (0, 0, At::Batch, false);
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
                if let Some(link) = self.links.get_mut(owner) {
                    link.starved = if top.throttle > 0 && top.topics == 0 { link.starved.saturating_add(1) } else { 0 };
                }
                self.state.stream.topics = top.topics;
                self.state.stream.at = At::Topic;
                if top.error != 0 {
                    self.state.cluster.metadata.retry_once(self.config, &mut self.state.random, now);
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
                    Err(stop) => return Err(malformed(stop)),
                };
                let n = input.len().saturating_sub(rest.len());
                self.enter_topic(usize::MAX, name);
                self.window().consume(n as u32);
                let stream = &mut self.state.stream;
                (stream.topics, stream.partitions, stream.at) = (left, partitions, At::Partition);
            }
            At::Partition => return self.partition(window, now),
            At::Field => {
                let version = self.state.stream.version.into();
                let Some(bytes) = self.take(window, |i| fetch::records_length(version, i))? else {
                    return Ok(Step::More(arrived.saturating_add(1)));
                };
                let stream = &mut self.state.stream;
                (stream.field, stream.first, stream.at) = (bytes, true, At::Batch);
            }
            At::Batch => return self.batch(window),
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
            Err(stop) => Err(malformed(stop)),
        }
    }

    fn partition(&mut self, window: &[u8], now: Instant) -> Result<Step, Failure> {
        let Some(left) = self.state.stream.partitions.checked_sub(1) else {
            self.state.stream.at = At::Topic;
            return Ok(Step::Moved);
        };
        let arrived = self.window().len();
        let Some(head) = self.take(window, fetch::partition)? else { return Ok(Step::More(arrived.saturating_add(1))) };
        let found = self.row_slot(usize::MAX, head.index);
        let owner = self.state.owner;
        let stream = &mut self.state.stream;
        (stream.partitions, stream.at) = (left, At::Field);
        stream.skip = head.aborted.saturating_mul(16);
        stream.slot = 0;
        let Some(found) = found else { return Ok(Step::Moved) };
        let Some(slot) = self.slots_mut().get_mut(found).filter(|slot| slot.link == owner && slot.is(Slot::LISTED))
        else {
            return Ok(Step::Moved); // not what was asked for
        };
        if slot.is(Slot::STALE) || slot.phase != Phase::Ready {
            return Ok(Step::Moved);
        }
        if head.error != 0 {
            return match self.partition_error(found, Api::Fetch, ErrorCode(head.error), now) {
                Ok(()) => Ok(Step::Moved),
                Err(error) => Err(Failure::Error(error)),
            };
        }
        slot.high_watermark = head.high_watermark;
        self.state.stream.slot = (found as u16).saturating_add(1);
        Ok(Step::Moved)
    }

    /// The partition's position may have come to the end of its log.
    fn check_end(&mut self) {
        let Some(slot) = self.state.stream.slot().and_then(|slot| {
            let used = usize::from(self.state.slots_used);
            self.table.get_mut(slot).filter(|_| slot < used)
        }) else {
            return;
        };
        let at_end = slot.high_watermark >= 0 && slot.position >= slot.high_watermark && slot.phase == Phase::Ready;
        if !at_end {
            slot.clear(Slot::END_REPORTED | Slot::END);
        } else if !slot.is(Slot::END_REPORTED) {
            slot.set(Slot::END_REPORTED | Slot::END);
            (self.state.ends, self.state.stream.fruitful) = (true, true);
        }
    }

    fn batch(&mut self, window: &[u8]) -> Result<Step, Failure> {
        let field = self.state.stream.field;
        if field == 0 {
            self.check_end();
            self.state.stream.at = At::Partition;
            return Ok(Step::Moved);
        }
        let Some((index, slot)) = self.wanted() else {
            self.abandon_partition(0);
            return Ok(Step::Moved);
        };
        let position = slot.position;
        if field < 17 {
            self.abandon_partition(0); // a cut batch: the position says where to go on
            return Ok(Step::Moved);
        }
        let input = self.window().input(window);
        let (offset, size, magic) = match item(batch::entry(input)) {
            Ok((_, entry)) => entry,
            Err(Stop::More) => return Ok(Step::More(17)),
            Err(_) => {
                self.abandon_partition(0);
                return Err(Failure::Error(self.rest(index, position, position, PartitionErrorKind::Malformed)));
            }
        };
        let first = core::mem::replace(&mut self.state.stream.first, false);
        if size > field {
            // only the last batch may be cut; the first comes whole (KIP-74), or we would ask for it for ever
            self.abandon_partition(0);
            self.state.stream.ahead |= self.state.stream.is_last();
            self.state.plan |= self.state.stream.ahead;
            return match first {
                true => Err(Failure::Error(self.rest(index, position, position, PartitionErrorKind::Malformed))),
                false => Ok(Step::Moved),
            };
        }
        if magic != 2 {
            let next = offset.saturating_add(1);
            if magic < 2 && next <= position {
                (self.state.stream.skip, self.state.stream.field) = (size, field.saturating_sub(size));
                return Ok(Step::Moved);
            }
            self.abandon_partition(0);
            return Err(Failure::Error(self.rest(
                index,
                position,
                next.max(position),
                PartitionErrorKind::Magic(magic),
            )));
        }
        let head = match item(batch::batch(input)) {
            Ok((_, head)) => head,
            Err(Stop::More) if size >= HEADER => {
                self.state.stream.first = first;
                return Ok(Step::More(HEADER));
            }
            Err(_) => {
                self.abandon_partition(0);
                return Err(Failure::Error(self.rest(index, position, position, PartitionErrorKind::Malformed)));
            }
        };
        let next = head.next_offset();
        if next <= position {
            // all of it is before the position
            (self.state.stream.skip, self.state.stream.field) = (size, field.saturating_sub(size));
            return Ok(Step::Moved);
        }
        let fits = head.size as usize <= window.len();
        if fits && input.len() < size as usize {
            self.state.stream.first = first;
            return Ok(Step::More(size));
        }
        let checked = self.config.check_crcs;
        let mut crc = Crc32c::new();
        if checked {
            let end = if fits { size } else { HEADER };
            crc.update(input.get(CRC_START..end as usize).unwrap_or_default());
        }
        if fits && checked && crc.value() != head.crc {
            self.abandon_partition(0);
            return Err(Failure::Error(self.rest(index, position, next, PartitionErrorKind::Corrupt)));
        }
        if let Some(codec) = head.codec() {
            self.abandon_partition(0);
            return Err(Failure::Error(self.rest(index, position, next, PartitionErrorKind::Codec(codec))));
        }
        self.window().consume(HEADER);
        let stream = &mut self.state.stream;
        (stream.batch, stream.batch_left, stream.field) = (head, head.size - HEADER, field.saturating_sub(head.size));
        (stream.streaming, stream.crc, stream.at, stream.pending) = (!fits, crc, At::Records, -1);
        (stream.fruitful, stream.malformed) = (true, false);
        stream.ahead = stream.is_last();
        self.state.plan |= stream.ahead;
        self.state.first = (index as u16).saturating_add(1);
        if let Some(slot) = self.slots_mut().get_mut(index) {
            slot.epoch = head.leader_epoch;
            slot.clear(Slot::END_REPORTED);
        }
        Ok(Step::Moved)
    }

    fn records(&mut self, window: &mut [u8]) -> Result<Step, Failure> {
        let stream = &self.state.stream;
        let (left, head, streaming, broken) = (stream.batch_left, stream.batch, stream.streaming, stream.malformed);
        if let (0, Some((index, slot))) = (left, self.current()) {
            // the verdict is due also on what was paused behind its last record
            if slot.phase == Phase::Ready && !slot.is(Slot::STALE) {
                return self.batch_done(index);
            }
        }
        let Some((index, slot)) = self.wanted() else {
            self.abandon_partition(left);
            return Ok(Step::Moved);
        };
        let position = slot.position;
        if head.control() {
            self.state.stream.skip = left;
            return Ok(Step::Moved);
        }
        let input = self.window().input(window);
        let mine = input.get(..input.len().min(left as usize)).unwrap_or_default();
        let bad = |this: &mut Self| {
            this.abandon_partition(left);
            Err(Failure::Error(this.rest(index, position, head.next_offset(), PartitionErrorKind::Malformed)))
        };
        if broken {
            return bad(self);
        }
        let (body, length) = match item(record::length(mine)) {
            Ok(parsed) => parsed,
            Err(Stop::More) if mine.len() < left as usize => return Ok(Step::More(mine.len() as u32 + 1)),
            Err(_) => return bad(self),
        };
        let whole = mine.len().saturating_sub(body.len()).saturating_add(length);
        if whole > left as usize {
            return bad(self);
        }
        // attributes, timestamp delta, offset delta
        let delta = match item((be_i8, varlong, varint).parse(body)) {
            Ok((_, (_, _, delta))) if (0..=head.last_offset_delta).contains(&delta) => delta,
            Err(Stop::More) if mine.len() < left as usize => return Ok(Step::More(mine.len() as u32 + 1)),
            _ => return bad(self),
        };
        let offset = head.base_offset.saturating_add(delta.into());
        if offset < position {
            self.state.stream.skip = whole as u32; // the batch contains the position and begins before it
            return Ok(Step::Moved);
        }
        let lent = if streaming { whole_records(mine) } else { mine.len() as u32 };
        if lent > 0 {
            self.state.stream.lent = lent;
            return Ok(Step::Ready(Ready::Records));
        }
        if whole <= window.len() {
            return Ok(Step::More(whole as u32));
        }
        self.large(window, index, offset, whole as u32)
    }

    /// A record that does not fit the window stands at the input's front.
    fn large(&mut self, window: &mut [u8], index: usize, offset: i64, whole: u32) -> Result<Step, Failure> {
        match self.config.large_records {
            LargeRecords::Stream => {}
            LargeRecords::Skip => {
                let stream = &mut self.state.stream;
                (stream.skip, stream.at, stream.large_offset) = (whole, At::Tail, offset);
                return Ok(Step::Ready(Ready::Skipped { slot: index as u16, offset, size: whole }));
            }
            LargeRecords::Error => {
                let left = self.state.stream.batch_left;
                self.abandon_partition(left);
                let kind = PartitionErrorKind::RecordTooLarge(whole);
                return Err(Failure::Error(self.rest(index, offset, offset.saturating_add(1), kind)));
            }
        }
        let input = self.window().input(window);
        let arrived = input.len() as u32;
        let parsed = item(record::length(input).and_then(|(body, _)| record::head(body)));
        let (rest, value) = match parsed {
            Ok((rest, head)) => (rest, head.value_len.unwrap_or(0)),
            Err(Stop::More) if input.len() < window.len() => return Ok(Step::More(arrived.saturating_add(1))),
            Err(stop) => {
                let left = self.state.stream.batch_left;
                self.abandon_partition(left);
                let (next, kind) = match stop {
                    Stop::More => (offset.saturating_add(1), PartitionErrorKind::KeyTooLarge(whole)),
                    Stop::Bad => (self.state.stream.batch.next_offset(), PartitionErrorKind::Malformed),
                };
                return Err(Failure::Error(self.rest(index, offset, next, kind)));
            }
        };
        let pinned = arrived.saturating_sub(rest.len() as u32);
        let Some(tail) = whole.checked_sub(pinned).and_then(|n| n.checked_sub(value)) else {
            let left = self.state.stream.batch_left;
            self.abandon_partition(left);
            let next = self.state.stream.batch.next_offset();
            return Err(Failure::Error(self.rest(index, offset, next, PartitionErrorKind::Malformed)));
        };
        if pinned as usize >= window.len() {
            let left = self.state.stream.batch_left;
            self.abandon_partition(left);
            let kind = PartitionErrorKind::KeyTooLarge(pinned);
            return Err(Failure::Error(self.rest(index, offset, offset.saturating_add(1), kind)));
        }
        // the head stays at the window's front, the value passes behind it
        let inbox = self.window();
        move_down(window, 0, inbox.start as usize..inbox.end as usize);
        (inbox.start, inbox.end) = (0, inbox.len());
        self.pass(window, pinned);
        let stream = &mut self.state.stream;
        (stream.pinned, stream.value_left, stream.tail, stream.at) = (pinned, value, tail, At::Value);
        (stream.large_offset, stream.unread) = (offset, whole);
        Ok(Step::Ready(Ready::Large))
    }

    /// The application goes on: what it has not read of the value is dropped.
    fn end_value(&mut self) {
        let stream = &mut self.state.stream;
        stream.skip = core::mem::take(&mut stream.value_left).saturating_add(core::mem::take(&mut stream.tail));
        (stream.pinned, stream.at) = (0, At::Tail);
    }

    /// All of a record larger than the window has passed: it counts as handed out. Not before: if it is the last of its batch
    /// and the connection broke inside it, the next Fetch would begin behind the batch, whose CRC were never judged.
    /// One of which nothing was read was passed over, which is said.
    fn end_large(&mut self) -> Step {
        let stream = &mut self.state.stream;
        let (unread, offset) = (core::mem::take(&mut stream.unread), stream.large_offset);
        stream.at = At::Records;
        let next = stream.large_offset.saturating_add(1);
        let used = usize::from(self.state.slots_used);
        let slot = self.state.stream.slot().filter(|&slot| slot < used).and_then(|slot| self.table.get_mut(slot));
        if let Some(slot) = slot.filter(|slot| !slot.is(Slot::STALE)) {
            slot.position = slot.position.max(next);
        }
        self.acknowledge_lent();
        match self.state.stream.slot() {
            Some(slot) if unread > 0 => Step::Ready(Ready::Skipped { slot: slot as u16, offset, size: unread }),
            _ => Step::Moved,
        }
    }

    /// Value bytes that have arrived.
    pub(crate) fn chunk<'w>(&mut self, window: &'w [u8]) -> &'w [u8] {
        let left = self.state.stream.value_left as usize;
        let bytes = self.window().input(window);
        bytes.get(..bytes.len().min(left)).unwrap_or_default()
    }

    /// The application has read `n` bytes of the chunk.
    pub(crate) fn chunk_read(&mut self, window: &[u8], n: usize) {
        self.pass(window, n as u32);
        let stream = &mut self.state.stream;
        stream.value_left = stream.value_left.saturating_sub(n as u32);
        stream.unread = 0;
    }

    fn batch_done(&mut self, index: usize) -> Result<Step, Failure> {
        let stream = &mut self.state.stream;
        stream.at = At::Batch;
        let (head, pending) = (stream.batch, stream.pending);
        let verdict = !core::mem::replace(&mut stream.streaming, false)
            || !self.config.check_crcs
            || stream.crc.value() == head.crc;
        let Some(slot) = self.slots_mut().get_mut(index) else { return Ok(Step::Moved) };
        if !verdict {
            let at = slot.acked;
            self.abandon_partition(0);
            return Err(Failure::Error(self.rest(index, at, head.next_offset(), PartitionErrorKind::Corrupt)));
        }
        if pending >= 0 {
            slot.acknowledge(pending);
        }
        slot.advance(head.next_offset());
        self.check_end();
        Ok(Step::Moved)
    }
}

/// How many bytes of `input` are whole records.
fn whole_records(input: &[u8]) -> u32 {
    let mut rest = input;
    while let Ok((body, length)) = item(record::length(rest)) {
        match body.get(length..) {
            Some(next) => rest = next,
            None => break,
        }
    }
    input.len().saturating_sub(rest.len()) as u32
}
