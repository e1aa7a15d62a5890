//! What a poll brings.
use crate::consumer::large_record::LargeRecord;
use crate::consumer::records::Records;
use crate::partitions::Slot;
use crate::{strings, Error};

/// What a poll brings. No `Drop`, so a match arm that does not use its payload leaves the consumer free.
#[non_exhaustive]
pub enum Event<'c, IO> {
    /// Records of one partition.
    Records(Records<'c, IO>),
    /// A record larger than the window (`LargeRecords::Stream`). Read its value; one of which nothing is read is followed
    /// by [`Event::Skipped`].
    LargeRecord(LargeRecord<'c, IO>),
    /// The group gave us these partitions, in addition to those we have; possibly none. Positions follow; `seek` overrides
    /// them. Unless the rebalance is cooperative we have no others: all were revoked before. One that changes nothing for us
    /// is not told.
    Assigned(Partitions<'c>),
    /// The group wants these partitions back: all, or in a cooperative rebalance (KIP-429) those that move while the others
    /// go on. They are ours until the next `poll`: commit now what must not be read again. With `enable.auto.commit` the
    /// next `poll` commits by itself.
    Revoked(Partitions<'c>),
    /// These partitions, all we had, are somebody else's already: nothing of them can be committed.
    Lost(Partitions<'c>),
    /// The log of a partition is read to its end; nothing is lost by sleeping now. Again after more records came.
    EndOfPartition(TopicPartition<'c>),
    /// The log was truncated below the position (an unclean leader election, KIP-320): offsets from `to` to `from` were
    /// handed out and no longer exist; others take their place.
    Truncated(Truncated<'c>),
    /// A record was passed over because of its size: `LargeRecords::Skip`, or nobody read it.
    Skipped(Skipped<'c>),
    /// The result of a `commit_async`.
    CommitCompleted(Result<(), Error>),
}

/// One partition of a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct TopicPartition<'a> {
    /// The topic's name.
    pub topic: &'a str,
    /// The partition's number, from 0.
    pub partition: i32,
}

impl<'a> TopicPartition<'a> {
    /// `partition` of `topic`.
    pub const fn new(topic: &'a str, partition: i32) -> Self {
        TopicPartition { topic, partition }
    }
}

impl core::fmt::Display for TopicPartition<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}

/// An offset of a partition: what to commit, or a question and its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct PartitionOffset<'a> {
    /// The topic's name.
    pub topic: &'a str,
    /// The partition's number.
    pub partition: i32,
    /// The offset: of the next record, not of the last one. `None`: there is none.
    pub offset: Option<i64>,
    /// `offsets_for_times`: the time asked for, then the time of the record found; milliseconds since 1970.
    pub timestamp: i64,
    /// Leader epoch of the record before the offset, -1 unknown.
    pub leader_epoch: i32,
    /// Kept by the broker beside a committed offset: by default at most 4,096 bytes, and never more than 32,767.
    pub metadata: &'a str,
}

impl<'a> PartitionOffset<'a> {
    /// A question about `partition` of `topic`.
    pub const fn new(topic: &'a str, partition: i32) -> Self {
        PartitionOffset { topic, partition, offset: None, timestamp: -1, leader_epoch: -1, metadata: "" }
    }

    /// With an offset to commit: of the next record to be read.
    pub const fn offset(mut self, offset: i64) -> Self {
        self.offset = Some(offset);
        self
    }

    /// With a time to look for, milliseconds since 1970.
    pub const fn timestamp(mut self, timestamp: i64) -> Self {
        self.timestamp = timestamp;
        self
    }

    /// With metadata to commit.
    pub const fn metadata(mut self, metadata: &'a str) -> Self {
        self.metadata = metadata;
        self
    }
}

/// See [`Event::Truncated`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Truncated<'c> {
    /// Whose log.
    pub partition: TopicPartition<'c>,
    /// The position before.
    pub from: i64,
    /// Where the logs diverged: the position now.
    pub to: i64,
}

/// See [`Event::Skipped`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Skipped<'c> {
    /// Whose record.
    pub partition: TopicPartition<'c>,
    /// Its offset.
    pub offset: i64,
    /// Its bytes, headers included.
    pub size: u32,
}

/// Partitions, ordered by topic.
#[derive(Clone)]
pub struct Partitions<'c> {
    pub(crate) slots: &'c [Slot],
    pub(crate) names: &'c [u8],
    /// Those with this flag; 0 all.
    pub(crate) only: u16,
}

impl Partitions<'_> {
    fn lists(&self, slot: &Slot) -> bool {
        slot.flags & self.only == self.only
    }
}

impl<'c> Iterator for Partitions<'c> {
    type Item = TopicPartition<'c>;

    fn next(&mut self) -> Option<TopicPartition<'c>> {
        let at = self.slots.iter().position(|slot| self.lists(slot))?;
        let (slot, rest) = self.slots.get(at..)?.split_first()?;
        self.slots = rest;
        Some(TopicPartition::new(strings::name(self.names, slot.topic), slot.partition))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let count = self.slots.iter().filter(|slot| self.lists(slot)).count();
        (count, Some(count))
    }
}

impl ExactSizeIterator for Partitions<'_> {}

impl core::fmt::Debug for Partitions<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_list().entries(self.clone()).finish()
    }
}
