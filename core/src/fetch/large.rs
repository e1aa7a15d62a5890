//! A record larger than the window: its head stays at the window's front while its value passes behind it.
use super::stream::{At, Step};
use crate::config::LargeRecords;
use crate::connection::failure::Failure;
use crate::drive::Ready;
use crate::error::PartitionErrorKind;
use crate::partitions::Slot;
use crate::state::Control;
use crate::wire::primitives::{item, move_down, Stop};
use crate::wire::record;

impl Control<'_> {
    /// A record that does not fit the window stands at the input's front.
    pub(super) fn large(&mut self, window: &mut [u8], index: usize, offset: i64, whole: u32) -> Result<Step, Failure> {
        match self.config.large_records {
            LargeRecords::Stream => {}
            LargeRecords::Skip => {
                self.note_lent(); // it counts as handed out
                let stream = &mut self.state.stream;
                (stream.skip, stream.at, stream.large_offset) = (whole, At::Tail, offset);
                return Ok(Step::Ready(Ready::Skipped { slot: index as u16, offset, size: whole }));
            }
            LargeRecords::Error => {
                let kind = PartitionErrorKind::RecordTooLarge(whole);
                return Err(self.refuse(index, offset, offset.saturating_add(1), kind));
            }
        }
        let input = self.window().input(window);
        let arrived = input.len() as u32;
        let parsed = item(record::length(input).and_then(|(body, _)| record::head(body)));
        let (rest, value) = match parsed {
            Ok((rest, head)) => (rest, head.value_len.unwrap_or(0)),
            Err(Stop::More) if input.len() < window.len() => return Ok(Step::More(arrived.saturating_add(1))),
            Err(stop) => {
                let (next, kind) = match stop {
                    Stop::More => (offset.saturating_add(1), PartitionErrorKind::KeyTooLarge(whole)),
                    Stop::Bad => (self.state.stream.batch.next_offset(), PartitionErrorKind::Malformed),
                };
                return Err(self.refuse(index, offset, next, kind));
            }
        };
        let pinned = arrived.saturating_sub(rest.len() as u32);
        let Some(tail) = whole.checked_sub(pinned).and_then(|n| n.checked_sub(value)) else {
            let next = self.state.stream.batch.next_offset();
            return Err(self.refuse(index, offset, next, PartitionErrorKind::Malformed));
        };
        if pinned as usize >= window.len() {
            let kind = PartitionErrorKind::KeyTooLarge(pinned);
            return Err(self.refuse(index, offset, offset.saturating_add(1), kind));
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
    pub(super) fn end_value(&mut self) {
        let stream = &mut self.state.stream;
        stream.skip = core::mem::take(&mut stream.value_left).saturating_add(core::mem::take(&mut stream.tail));
        (stream.pinned, stream.at) = (0, At::Tail);
    }

    /// All of a record larger than the window has passed: it counts as handed out. Not before: if it is the last of its batch
    /// and the connection broke inside it, the next Fetch would begin behind the batch, whose CRC were never judged.
    /// One of which nothing was read was passed over, which is said.
    pub(super) fn end_large(&mut self) -> Step {
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
        let slot = self.state.stream.slot();
        if self.state.stream.batch_left == 0 {
            self.judge_passed();
        }
        match slot {
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
}
