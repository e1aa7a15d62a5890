//! A batch of Fetch's answer: whether its records may be lent, which of them are there, and its verdict.
//!
//! One that fits the window is checked before its first record is lent. A larger one is checked as it passes: its records are lent before
//! the verdict, and what may be committed stays where the batch began until the verdict is good.
use super::stream::{At, Step};
use crate::connection::failure::Failure;
use crate::drive::Ready;
use crate::error::PartitionErrorKind;
use crate::partitions::{Phase, Slot};
use crate::state::Control;
use crate::wire::batch::{self, Batch, CRC_START, HEADER};
use crate::wire::crc32c::Crc32c;
use crate::wire::primitives::{be_i8, item, varint, varlong, Stop};
use crate::wire::record;
use nom::Parser;

/// What stands at the front of the window's input, where a batch begins.
enum Judged {
    /// So many bytes are needed to tell.
    More(u32),
    /// It holds the position. With the CRC of what is there of it: all, if it fits the window.
    Good(Batch, Crc32c),
    /// All of it, so many bytes, is before the position.
    Before(u32),
    /// The broker cut it to the size of its answer: the position says where to go on.
    Cut,
    /// Nothing of it can be handed out; behind it is this offset.
    Bad(i64, PartitionErrorKind),
}

impl Control<'_> {
    fn judge(&self, window: &[u8], position: i64) -> Judged {
        let stream = &self.state.stream;
        let [_, inbox] = &self.state.inboxes;
        let input = inbox.input(window);
        if stream.field < 17 {
            return Judged::Cut;
        }
        let (offset, size, magic) = match item(batch::entry(input)) {
            Ok((_, entry)) => entry,
            Err(Stop::More) => return Judged::More(17),
            Err(Stop::Bad) => return Judged::Bad(position, PartitionErrorKind::Malformed),
        };
        match magic {
            // only the last batch may be cut; the first comes whole (KIP-74), or we would ask for it for ever
            _ if size > stream.field && stream.first_batch => {
                return Judged::Bad(position, PartitionErrorKind::Malformed)
            }
            _ if size > stream.field => return Judged::Cut,
            2 => {}
            ..2 if offset < position => return Judged::Before(size),
            _ => return Judged::Bad(offset.saturating_add(1).max(position), PartitionErrorKind::Magic(magic)),
        }
        let head = match item(batch::batch(input)) {
            Ok((_, head)) => head,
            Err(Stop::More) if size >= HEADER => return Judged::More(HEADER),
            Err(_) => return Judged::Bad(position, PartitionErrorKind::Malformed),
        };
        let next = head.next_offset();
        if next <= position {
            return Judged::Before(size);
        }
        let fits = head.size as usize <= window.len();
        if fits && input.len() < size as usize {
            return Judged::More(size);
        }
        let mut crc = Crc32c::new();
        if self.config.check_crcs {
            let end = if fits { size } else { HEADER };
            crc.update(input.get(CRC_START..end as usize).unwrap_or_default());
            if fits && crc.value() != head.crc {
                return Judged::Bad(next, PartitionErrorKind::Corrupt);
            }
        }
        match head.codec() {
            Some(codec) => Judged::Bad(next, PartitionErrorKind::Codec(codec)),
            None => Judged::Good(head, crc),
        }
    }

    pub(super) fn batch(&mut self, window: &[u8]) -> Result<Step, Failure> {
        if self.state.stream.field == 0 {
            self.check_end();
            self.state.stream.at = At::Partition;
            return Ok(Step::Moved);
        }
        let Some((index, slot)) = self.wanted() else {
            self.drop_unwanted();
            return Ok(Step::Moved);
        };
        let position = slot.position;
        match self.judge(window, position) {
            Judged::More(n) => return Ok(Step::More(n)),
            Judged::Good(head, crc) => self.enter_batch(window, index, head, crc),
            Judged::Before(size) => {
                let stream = &mut self.state.stream;
                (stream.skip, stream.field) = (size, stream.field.saturating_sub(size));
            }
            Judged::Cut => {
                self.abandon_partition();
                self.look_ahead();
            }
            Judged::Bad(next, kind) => return Err(self.refuse(index, position, next, kind)),
        }
        self.state.stream.first_batch = false;
        Ok(Step::Moved)
    }

    fn enter_batch(&mut self, window: &[u8], index: usize, head: Batch, crc: Crc32c) {
        self.window().consume(HEADER);
        let stream = &mut self.state.stream;
        (stream.batch, stream.crc, stream.at) = (head, crc, At::Records);
        (stream.batch_left, stream.field) = (head.size.saturating_sub(HEADER), stream.field.saturating_sub(head.size));
        (stream.streaming, stream.judged_later) = (head.size as usize > window.len(), -1);
        (stream.fruitful, stream.malformed, stream.commit_wanted) = (true, false, false);
        self.look_ahead();
        self.state.first_slot = (index as u16).saturating_add(1);
        if let Some(slot) = self.slot_mut(index) {
            slot.epoch = head.leader_epoch;
            slot.clear(Slot::END_REPORTED);
        }
    }

    /// With the answer's last batch the next Fetch may leave.
    fn look_ahead(&mut self) {
        self.state.stream.ahead = self.state.stream.is_last_batch(0);
        self.state.plan |= self.state.stream.ahead;
    }

    pub(super) fn records(&mut self, window: &mut [u8]) -> Result<Step, Failure> {
        let stream = &self.state.stream;
        let (left, head, streaming, broken) = (stream.batch_left, stream.batch, stream.streaming, stream.malformed);
        if let (0, Some((index, slot))) = (left, self.current()) {
            // the verdict is due also on what was paused behind its last record
            if slot.phase == Phase::Ready && !slot.is(Slot::STALE) {
                return self.batch_done(index);
            }
        }
        let Some((index, slot)) = self.wanted() else {
            self.drop_unwanted();
            return Ok(Step::Moved);
        };
        let position = slot.position;
        if head.control() {
            self.state.stream.skip = left;
            return Ok(Step::Moved);
        }
        let input = self.window().input(window);
        let mine = input.get(..input.len().min(left as usize)).unwrap_or_default();
        let bad =
            |this: &mut Self| Err(this.refuse(index, position, head.next_offset(), PartitionErrorKind::Malformed));
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

    /// After the last record of a batch that fits the window: the records of the next one of its partition, if they are there
    /// and nothing is to be said about either. They are lent together, as a poll for each small batch would cost more than
    /// its records. `None`: the next poll goes on.
    #[inline(never)]
    pub(crate) fn next_batch<'w>(&mut self, window: &'w [u8]) -> Option<(Batch, &'w [u8])> {
        let stream = &self.state.stream;
        let over = stream.at == At::Records && !stream.streaming && stream.taken == stream.batch_left;
        let (index, _) = self.wanted().filter(|_| over)?;
        self.release_lent(window);
        self.batch_done(index).ok()?;
        let position = self.slot(index)?.position;
        let input = self.window().input(window);
        let (_, (_, size, _)) = item(batch::entry(input)).ok()?;
        // the answer's last one is lent by a poll, which asks for more first
        if self.state.news || self.state.stream.is_last_batch(size) || size as usize > window.len() {
            return None;
        }
        let Judged::Good(head, crc) = self.judge(window, position) else { return None };
        if head.control() {
            return None;
        }
        self.enter_batch(window, index, head, crc);
        let lent = self.state.stream.batch_left;
        self.state.stream.lent = lent;
        self.window().input(window).get(..lent as usize).map(|records| (head, records))
    }

    /// The batch has passed.
    pub(super) fn batch_done(&mut self, index: usize) -> Result<Step, Failure> {
        let stream = &mut self.state.stream;
        stream.at = At::Batch;
        let (head, judged_later) = (stream.batch, stream.judged_later);
        let wanted = core::mem::take(&mut stream.commit_wanted);
        let verdict = !core::mem::replace(&mut stream.streaming, false)
            || !self.config.check_crcs
            || stream.crc.value() == head.crc;
        let Some(slot) = self.slot_mut(index) else { return Ok(Step::Moved) };
        if !verdict {
            let at = slot.acked;
            return Err(self.refuse(index, at, head.next_offset(), PartitionErrorKind::Corrupt));
        }
        if judged_later >= 0 {
            slot.acknowledge(judged_later);
        }
        slot.advance(head.next_offset());
        if wanted {
            self.want_commit();
        }
        self.check_end();
        Ok(Step::Moved)
    }

    /// The partition's position may have come to the end of its log.
    fn check_end(&mut self) {
        let Some(slot) = self.state.stream.slot().and_then(|slot| self.slot_mut(slot)) else { return };
        if slot.phase != Phase::Ready {
            return;
        }
        let at_end = slot.high_watermark >= 0 && slot.position >= slot.high_watermark;
        if !at_end {
            slot.clear(Slot::END_REPORTED | Slot::UNTOLD);
        } else if !slot.is(Slot::END_REPORTED) {
            slot.set(Slot::END_REPORTED | Slot::UNTOLD);
            (self.state.news, self.state.stream.fruitful) = (true, true);
        }
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
