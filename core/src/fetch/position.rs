//! Where a partition goes on: committed offsets, the reset policy, the application's seeks, and the check after a change of
//! leader that the log was not truncated below it (KIP-320).
use crate::config::OffsetReset;
use crate::connection::failure::Failure;
use crate::drive::Op;
use crate::error::{PartitionError, PartitionErrorKind};
use crate::partitions::{Phase, Slot};
use crate::state::{Control, Parked};
use crate::wire::answer::{Item, Row};
use crate::{Api, ErrorCode, Instant};

impl Control<'_> {
    /// The partition is told and rests until a `seek`.
    pub(crate) fn rest(&mut self, slot: usize, offset: i64, next: i64, kind: PartitionErrorKind) -> Failure {
        let (topic, partition) = self.short_name(slot);
        if let Some(slot) = self.slot_mut(slot) {
            slot.phase = Phase::Rest;
            slot.clear(Slot::UNTOLD);
        }
        self.state.plan = true;
        self.tell(PartitionError { topic, partition, offset, next, kind }.into())
    }

    /// A position found in the log or in a commit: nothing was handed out from there yet, nothing is to be committed.
    pub(crate) fn start_at(&mut self, slot: usize, offset: i64, epoch: i32) {
        self.state.plan = true;
        let Some(slot) = self.slot_mut(slot) else { return };
        (slot.position, slot.acked, slot.epoch) = (offset, offset, epoch);
        // within the leader's own epoch nothing can have been truncated
        let moved = epoch >= 0 && slot.leader_epoch >= 0 && epoch != slot.leader_epoch;
        slot.phase = if moved { Phase::Validate } else { Phase::Ready };
        slot.clear(Slot::END_REPORTED | Slot::UNTOLD);
    }

    /// Without a valid position: by the policy.
    pub(crate) fn reset_position(&mut self, slot: usize, why: PartitionErrorKind) -> Result<(), Failure> {
        let policy = self.config.auto_offset_reset;
        info!("{:?}: no valid position, {:?}: {:?}", self.short_name(slot), why, policy);
        self.state.plan = true;
        let Some(entry) = self.slot_mut(slot) else { return Ok(()) };
        entry.epoch = -1;
        match policy {
            OffsetReset::None => {
                let at = entry.position;
                return Err(self.rest(slot, at, at, why));
            }
            OffsetReset::Latest => entry.set(Slot::LATEST),
            OffsetReset::Earliest => entry.clear(Slot::LATEST),
        }
        entry.phase = Phase::Reset;
        Ok(())
    }

    /// One item of ListOffsets.
    pub(crate) fn offsets_item(
        &mut self,
        link: usize,
        item: Item<'_>,
        op: &mut Op<'_, '_>,
        now: Instant,
    ) -> Result<(), Failure> {
        match item {
            Item::Throttle(millis) => self.throttle(link, millis, now),
            Item::Topic(name) => self.enter_topic(link, name),
            Item::Row(row) => return self.offsets_row(link, row, op, now),
            Item::Error(_) | Item::Part => {}
        }
        Ok(())
    }

    fn offsets_row(&mut self, link: usize, row: Row, op: &mut Op<'_, '_>, now: Instant) -> Result<(), Failure> {
        let Some(found) = self.row_slot(link, row.partition) else { return Ok(()) };
        let Some(slot) = self.slot(found).copied() else { return Ok(()) };
        if row.error != 0 {
            return self.partition_error(found, Api::ListOffsets, ErrorCode(row.error), now);
        }
        if !slot.is(Slot::LISTED) {
            return Ok(()); // nobody waits for it any more
        }
        if slot.is(Slot::ASKED) {
            let topic = self.topic_name(slot.topic);
            if let Op::Offsets(wanted) = op {
                for entry in wanted.iter_mut().filter(|entry| entry.topic == topic && entry.partition == row.partition)
                {
                    entry.offset = Some(row.offset).filter(|&offset| offset >= 0);
                    (entry.timestamp, entry.leader_epoch) = (row.timestamp, row.epoch);
                }
            }
            if let Some(slot) = self.slot_mut(found) {
                slot.clear(Slot::QUERIED | Slot::ASKED);
            }
        } else if slot.phase == Phase::Reset && !slot.is(Slot::STALE) && row.offset >= 0 {
            // the epoch of an offset from the log needs no validation
            self.start_at(found, row.offset, -1);
        }
        Ok(())
    }

    /// One item of OffsetForLeaderEpoch.
    pub(crate) fn epochs_item(&mut self, link: usize, item: Item<'_>, now: Instant) -> Result<(), Failure> {
        match item {
            Item::Throttle(millis) => self.throttle(link, millis, now),
            Item::Topic(name) => self.enter_topic(link, name),
            Item::Row(row) => {
                let Some(found) = self.row_slot(link, row.partition) else { return Ok(()) };
                if row.error != 0 {
                    // never a reason to reset: an error says nothing about the log
                    return self.partition_error(found, Api::OffsetForLeaderEpoch, ErrorCode(row.error), now);
                }
                return self.validated(found, row);
            }
            Item::Error(_) | Item::Part => {}
        }
        Ok(())
    }

    fn validated(&mut self, found: usize, row: Row) -> Result<(), Failure> {
        let policy = self.config.auto_offset_reset;
        let room = matches!(self.state.parked, Parked::Nothing); // otherwise asked again when what is parked was told
        let Some(slot) = self.slot_mut(found).filter(|slot| slot.phase == Phase::Validate && room) else {
            return Ok(());
        };
        if row.offset >= slot.position && row.epoch >= 0 {
            slot.phase = Phase::Ready;
            return Ok(());
        }
        let from = slot.position;
        if row.offset < 0 || row.epoch < 0 {
            // the leader has no such epoch: nothing tells where the logs diverged
            return self.reset_position(found, PartitionErrorKind::Truncated);
        }
        if policy == OffsetReset::None {
            return Err(self.rest(found, from, row.offset, PartitionErrorKind::Truncated));
        }
        slot.jump(row.offset);
        slot.acked = slot.acked.min(row.offset);
        slot.epoch = row.epoch;
        let (topic, partition) = (slot.topic, slot.partition);
        self.state.parked = Parked::Truncated { topic, partition, from, to: row.offset };
        Ok(())
    }

    /// A partition's error in Fetch, ListOffsets or OffsetForLeaderEpoch.
    pub(crate) fn partition_error(
        &mut self,
        found: usize,
        api: Api,
        code: ErrorCode,
        now: Instant,
    ) -> Result<(), Failure> {
        let Some(slot) = self.slot_mut(found) else { return Ok(()) };
        if api == Api::Fetch && core::mem::take(&mut slot.replica) != 0 {
            self.state.plan = true;
            return Ok(()); // a follower lags behind: only what the leader says counts
        }
        match code {
            ErrorCode::OFFSET_OUT_OF_RANGE if api == Api::Fetch => {
                if slot.phase == Phase::Ready && !slot.is(Slot::STALE) {
                    return self.reset_position(found, PartitionErrorKind::OutOfRange);
                }
            }
            ErrorCode::CORRUPT_MESSAGE | ErrorCode::UNSUPPORTED_COMPRESSION_TYPE | ErrorCode::INVALID_RECORD
                if api == Api::Fetch =>
            {
                let at = slot.position;
                return Err(self.rest(found, at, at, PartitionErrorKind::Fetch(code)));
            }
            _ => {
                // it moved, it is moving, or its broker is behind or ahead of what we know
                slot.set(Slot::LEADERLESS);
                if matches!(code, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION | ErrorCode::UNKNOWN_LEADER_EPOCH) {
                    slot.set(Slot::DOUBTED);
                }
                debug!("{:?}: {:?} answered {}", self.short_name(found), api, code);
                self.doubt_metadata(now);
                self.state.plan = true;
                if matches!(
                    code,
                    ErrorCode::TOPIC_AUTHORIZATION_FAILED
                        | ErrorCode::UNSUPPORTED_VERSION
                        | ErrorCode::INVALID_REQUEST
                        | ErrorCode::UNSUPPORTED_FOR_MESSAGE_FORMAT
                ) {
                    // told at each try, as only somebody else can help
                    return Err(self.refused_for(found, api, code, false));
                }
            }
        }
        Ok(())
    }

    /// The topic whose rows come next, for the answer on `link`.
    pub(crate) fn enter_topic(&mut self, link: usize, name: &str) {
        let entry = crate::strings::find(&self.names, self.state.names_used, name);
        self.inbox(link).topic = entry.map_or(0, |entry| entry.saturating_add(1));
    }

    /// The slot of a row, for the answer on `link`.
    pub(crate) fn row_slot(&mut self, link: usize, partition: i32) -> Option<usize> {
        let topic = self.inbox(link).topic.checked_sub(1)?;
        crate::partitions::find(self.slots(), topic, partition).ok()
    }
}
