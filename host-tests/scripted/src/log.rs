//! One partition: its log, who leads it, and what a broker reads from it (KIP-74, KIP-98, KIP-320).
use crate::batch::{Batch, Marker, Record};
use std::collections::BTreeMap;

/// One batch as it lies in the log.
pub(crate) struct Stored {
    pub(crate) base: i64,
    pub(crate) last: i64,
    pub(crate) epoch: i32,
    pub(crate) bytes: Vec<u8>,
    pub(crate) records: Vec<Record>,
    segment: u32,
    producer_id: i64,
    transactional: bool,
    max_timestamp: i64,
}

/// A finished, aborted transaction.
pub(crate) struct Aborted {
    pub(crate) producer_id: i64,
    pub(crate) first: i64,
    /// The marker's offset.
    pub(crate) last: i64,
}

pub(crate) struct Partition {
    /// −1: nobody.
    pub(crate) leader: i32,
    pub(crate) epoch: i32,
    pub(crate) replicas: Vec<i32>,
    pub(crate) log_start: i64,
    pub(crate) end: i64,
    /// Held back below the end, or following it.
    pub(crate) held_high_watermark: Option<i64>,
    pub(crate) batches: Vec<Stored>,
    pub(crate) aborted: Vec<Aborted>,
    open_transactions: BTreeMap<i64, i64>,
    /// Leader epochs and where each began.
    epochs: Vec<(i32, i64)>,
    segment: u32,
}

/// How much a read may return.
pub(crate) struct Limits {
    pub(crate) bytes: usize,
    /// The first batch comes whole, however large (KIP-74).
    pub(crate) at_least_one: bool,
    pub(crate) committed_only: bool,
}

impl Partition {
    pub(crate) fn new(leader: i32) -> Self {
        Partition {
            leader,
            epoch: 0,
            replicas: vec![leader],
            log_start: 0,
            end: 0,
            held_high_watermark: None,
            batches: vec![],
            aborted: vec![],
            open_transactions: BTreeMap::new(),
            epochs: vec![(0, 0)],
            segment: 0,
        }
    }

    pub(crate) fn append(&mut self, batch: &Batch) -> i64 {
        let base = batch.base_offset.unwrap_or(self.end);
        assert!(base >= self.end, "a batch at {base} in a log that ends at {}", self.end);
        let last = base + batch.last_delta();
        let epoch = batch.leader_epoch.unwrap_or(self.epoch);
        self.note_epoch(epoch, base);
        self.batches.push(Stored {
            base,
            last,
            epoch,
            bytes: batch.encode(base, epoch),
            records: batch.delivered(base),
            segment: self.segment,
            producer_id: batch.producer_id,
            transactional: batch.is_transactional(),
            max_timestamp: batch.max_timestamp(),
        });
        self.end = last + 1;
        match batch.ends() {
            None if batch.is_transactional() => {
                self.open_transactions.entry(batch.producer_id).or_insert(base);
            }
            Some(marker) => {
                let first = self.open_transactions.remove(&batch.producer_id);
                if let (Some(first), Marker::Abort) = (first, marker) {
                    self.aborted.push(Aborted { producer_id: batch.producer_id, first, last });
                }
            }
            None => {}
        }
        base
    }

    /// Batches of magic 2 as somebody else wrote them, offsets and epochs included.
    pub(crate) fn append_encoded(&mut self, mut bytes: &[u8]) {
        while bytes.len() >= 61 {
            let i64_at = |at: usize| i64::from_be_bytes(bytes[at..at + 8].try_into().expect("eight bytes"));
            let i32_at = |at: usize| i32::from_be_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
            let (base, length) = (i64_at(0), i32_at(8) as usize + 12);
            assert!(bytes.len() >= length && bytes[16] == 2, "not a whole batch of magic 2 at offset {base}");
            let attributes = bytes[22];
            let mut batch = crate::batch().at(base).leader_epoch(i32_at(12)).last_offset_delta(i32_at(23));
            batch = batch.producer(i64_at(43), 0, 0);
            if attributes & 0x10 != 0 {
                batch = batch.transactional();
            }
            if attributes & 0x20 != 0 {
                let abort = control_type(&bytes[61..length]) == 0;
                batch = batch.control(if abort { Marker::Abort } else { Marker::Commit });
            }
            self.append(&batch);
            let stored = self.batches.last_mut().expect("just appended");
            (stored.bytes, stored.max_timestamp) = (bytes[..length].to_vec(), i64_at(35));
            bytes = &bytes[length..];
        }
        assert!(bytes.is_empty(), "{} bytes after the last batch", bytes.len());
    }

    pub(crate) fn high_watermark(&self) -> i64 {
        self.held_high_watermark.map_or(self.end, |held| held.min(self.end))
    }

    /// Where read_committed ends: the first offset of the first open transaction.
    pub(crate) fn last_stable_offset(&self) -> i64 {
        self.open_transactions
            .values()
            .copied()
            .min()
            .map_or(self.high_watermark(), |first| first.min(self.high_watermark()))
    }

    pub(crate) fn roll(&mut self) {
        self.segment += 1;
    }

    /// A new leader's first act: its epoch begins at the end of its log.
    pub(crate) fn elect(&mut self, leader: i32) {
        self.leader = leader;
        self.epoch += 1;
        if leader >= 0 {
            if !self.replicas.contains(&leader) {
                self.replicas.push(leader);
            }
            self.note_epoch(self.epoch, self.end);
        }
    }

    /// Entries ascend in both parts; a later one replaces what it contradicts.
    fn note_epoch(&mut self, epoch: i32, start: i64) {
        if self.epochs.last().is_some_and(|&(last, _)| last == epoch) {
            return;
        }
        while self.epochs.last().is_some_and(|&(e, s)| e >= epoch || s >= start) {
            self.epochs.pop();
        }
        self.epochs.push((epoch, start));
    }

    /// Drops everything from `to` on (whole batches: the one containing `to` goes too) as an unclean election does.
    pub(crate) fn truncate(&mut self, to: i64) {
        self.batches.retain(|batch| batch.last < to);
        self.aborted.retain(|aborted| aborted.last < to);
        self.open_transactions.retain(|_, first| *first < to);
        self.end = self.batches.last().map_or(to.min(self.end), |batch| batch.last + 1);
        self.epochs.retain(|&(_, start)| start < self.end || start == 0);
    }

    /// The largest epoch not above `epoch` and the offset where it ended (KIP-320); (−1, −1) when there is none.
    pub(crate) fn end_of_epoch(&self, epoch: i32) -> (i32, i64) {
        let Some(&(newest, _)) = self.epochs.last() else { return (-1, -1) };
        if epoch < 0 || epoch > newest {
            (-1, -1)
        } else if epoch == newest {
            (epoch, self.end)
        } else {
            let next = self.epochs.iter().position(|&(e, _)| e > epoch).unwrap_or(0);
            let found = next.checked_sub(1).map_or(epoch, |at| self.epochs[at].0);
            (found, self.epochs[next].1)
        }
    }

    /// The epoch of the leader that wrote `offset`, or −1.
    pub(crate) fn epoch_at(&self, offset: i64) -> i32 {
        self.epochs.iter().rev().find(|&&(_, start)| start <= offset).map_or(-1, |&(epoch, _)| epoch)
    }

    /// The first record at or after `timestamp`: its timestamp, offset and epoch.
    pub(crate) fn offset_for_time(&self, timestamp: i64, end: i64) -> Option<(i64, i64, i32)> {
        let batches = self.batches.iter().filter(|batch| batch.max_timestamp >= timestamp && batch.base < end);
        batches
            .filter_map(|batch| {
                let found = |record: &&Record| record.timestamp >= timestamp && record.offset >= self.log_start;
                match batch.records.iter().find(found) {
                    Some(record) => Some((record.timestamp, record.offset, batch.epoch)),
                    None if batch.records.is_empty() => Some((batch.max_timestamp, batch.base, batch.epoch)),
                    None => None,
                }
            })
            .next()
    }

    fn end_for(&self, committed_only: bool) -> i64 {
        if committed_only {
            self.last_stable_offset()
        } else {
            self.high_watermark()
        }
    }

    /// What can be read from `offset` on, in one segment and whole batches.
    fn readable(&self, offset: i64, committed_only: bool) -> impl Iterator<Item = &Stored> {
        let first = self.batches.partition_point(|batch| batch.last < offset);
        let end = self.end_for(committed_only);
        let segment = self.batches.get(first).map(|batch| batch.segment);
        self.batches[first..].iter().take_while(move |batch| batch.last < end && Some(batch.segment) == segment)
    }

    pub(crate) fn available(&self, offset: i64, committed_only: bool, limit: usize) -> usize {
        let mut sum = 0;
        for batch in self.readable(offset, committed_only) {
            sum += batch.bytes.len();
            if sum >= limit {
                break;
            }
        }
        sum.min(limit)
    }

    /// The bytes of one Fetch answer: cut at the limit, but never so that the first batch is the cut one.
    pub(crate) fn read(&self, offset: i64, limits: &Limits, out: &mut Vec<u8>) {
        let mut room = limits.bytes;
        for (i, batch) in self.readable(offset, limits.committed_only).enumerate() {
            if i == 0 && batch.bytes.len() > room {
                if !limits.at_least_one {
                    return;
                }
                room = batch.bytes.len();
            }
            let n = batch.bytes.len().min(room);
            out.extend_from_slice(&batch.bytes[..n]);
            room -= n;
            if room == 0 {
                return;
            }
        }
    }

    /// Aborted transactions a read_committed consumer needs to know about from `offset` on.
    pub(crate) fn aborted_from(&self, offset: i64) -> impl Iterator<Item = &Aborted> {
        let end = self.last_stable_offset();
        self.aborted.iter().filter(move |aborted| aborted.last >= offset && aborted.first < end)
    }

    /// What a consumer that begins at `offset` must be given, in order.
    pub(crate) fn expected(&self, offset: i64, committed_only: bool) -> Vec<Record> {
        let end = self.end_for(committed_only);
        let aborted = |batch: &Stored| {
            committed_only
                && batch.transactional
                && self
                    .aborted
                    .iter()
                    .any(|a| a.producer_id == batch.producer_id && a.first <= batch.base && batch.base <= a.last)
        };
        let batches = self.batches.iter().filter(|batch| batch.last < end && !aborted(batch));
        batches.flat_map(|batch| &batch.records).filter(|record| record.offset >= offset).cloned().collect()
    }
}

/// Of a marker's only record: length, attributes, two deltas and the key's length are varints or one byte; the key is a
/// version and a type.
fn control_type(record: &[u8]) -> u8 {
    let mut at = 0;
    for field in 0..5 {
        while field != 1 && record.get(at).is_some_and(|byte| byte & 0x80 != 0) {
            at += 1;
        }
        at += 1;
    }
    record.get(at + 3).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::{batch, marker};

    fn three() -> Partition {
        let mut log = Partition::new(1);
        for _ in 0..3 {
            log.append(&batch().fill(2, 10));
        }
        log
    }

    fn read(log: &Partition, offset: i64, bytes: usize, at_least_one: bool) -> usize {
        let mut out = vec![];
        log.read(offset, &Limits { bytes, at_least_one, committed_only: false }, &mut out);
        out.len()
    }

    #[test]
    fn the_first_batch_is_whole_and_the_last_is_cut() {
        let log = three();
        let batch = log.batches[0].bytes.len();
        assert_eq!(read(&log, 0, 0, true), batch);
        assert_eq!(read(&log, 0, batch - 1, false), 0);
        assert_eq!(read(&log, 1, batch + 4, false), batch + 4);
        assert_eq!(read(&log, 2, usize::MAX, false), 2 * batch);
        assert_eq!(read(&log, 6, usize::MAX, true), 0);
    }

    #[test]
    fn a_read_ends_with_its_segment_and_at_the_high_watermark() {
        let mut log = three();
        let batch = log.batches[0].bytes.len();
        log.roll();
        log.append(&crate::batch().fill(2, 10));
        assert_eq!(read(&log, 0, usize::MAX, true), 3 * batch);
        log.held_high_watermark = Some(4);
        assert_eq!(read(&log, 0, usize::MAX, true), 2 * batch);
    }

    #[test]
    fn epochs_end_where_the_next_begins() {
        let mut log = three();
        log.elect(2);
        assert_eq!((log.end_of_epoch(0), log.end_of_epoch(1), log.end_of_epoch(2)), ((0, 6), (1, 6), (-1, -1)));
        log.append(&batch().fill(1, 1));
        log.truncate(3);
        assert_eq!(log.end, 2, "whole batches go");
        log.elect(1);
        assert_eq!((log.end_of_epoch(0), log.end_of_epoch(1), log.end_of_epoch(2)), ((0, 2), (0, 2), (2, 2)));
        assert_eq!(log.end_of_epoch(-1), (-1, -1));
    }

    #[test]
    fn transactions() {
        let mut log = Partition::new(1);
        let of = |id| batch().fill(2, 3).producer(id, 0, 0).transactional();
        log.append(&of(7));
        log.append(&of(8));
        log.append(&marker(Marker::Abort, 7));
        assert_eq!((log.last_stable_offset(), log.high_watermark()), (2, 5));
        log.append(&marker(Marker::Commit, 8));
        log.append(&batch().fill(1, 3));
        assert_eq!(log.last_stable_offset(), 7);
        let offsets = |committed| log.expected(0, committed).iter().map(|r| r.offset).collect::<Vec<_>>();
        assert_eq!((offsets(true), offsets(false)), (vec![2, 3, 6], vec![0, 1, 2, 3, 6]));
        assert_eq!(log.aborted_from(0).count(), 1);
        assert_eq!(log.aborted_from(5).count(), 0);
    }
}
