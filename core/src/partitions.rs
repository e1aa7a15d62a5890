//! The table of assigned partitions: 48 bytes each, ordered by topic and number.

/// What a partition needs before it can be fetched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Phase {
    /// Its committed offset (OffsetFetch).
    #[default]
    Committed,
    /// The log's start or end (ListOffsets): see [`Slot::LATEST`].
    Reset,
    /// Whether the log was truncated below its position (OffsetForLeaderEpoch, KIP-320).
    Validate,
    /// Nothing.
    Ready,
    /// The application: an error was reported, `seek` ends it.
    Rest,
}

/// One assigned partition. `acked <= position` but after a seek; all offsets are the next one, not the last.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)] // the small fields first, where short instructions reach them
pub(crate) struct Slot {
    /// Entry in the topics' arena.
    pub topic: u16,
    pub flags: u16,
    pub phase: Phase,
    /// The connection whose newest Fetch lists it; 0 none.
    pub link: u8,
    /// Index of the node that its records are fetched from instead of the leader's (KIP-392); 0 none.
    pub replica: u8,
    /// Refreshes in a row that named an older leader epoch.
    pub older_epochs: u8,
    pub partition: i32,
    /// Node id, -1 unknown.
    pub leader: i32,
    /// -1 unknown.
    pub leader_epoch: i32,
    /// Leader epoch of the last batch, -1 unknown.
    pub epoch: i32,
    /// The next offset to be lent.
    pub position: i64,
    /// What may be committed.
    pub acked: i64,
    /// -1 unknown.
    pub high_watermark: i64,
}

impl Slot {
    /// No flag: all slots.
    pub const ANY: u16 = 0;
    /// The application wants nothing of it now.
    pub const PAUSED: u16 = 1;
    /// A seek came after the requests that are out: their records of this partition are dropped.
    pub const STALE: u16 = 2;
    /// `acked` moved since it was last committed.
    pub const DIRTY: u16 = 4;
    /// Listed by the OffsetCommit that is out.
    pub const COMMITTING: u16 = 8;
    /// Listed by the OffsetFetch that is out.
    pub const FETCHING_OFFSET: u16 = 16;
    /// Listed by the request that the connection `link` writes or has written last.
    pub const LISTED: u16 = 32;
    /// Reset to the end, not to the start.
    pub const LATEST: u16 = 64;
    /// The end of the log was reported.
    pub const END_REPORTED: u16 = 128;
    /// The leader is not trusted: wait for fresh metadata.
    pub const LEADERLESS: u16 = 256;
    /// Fetch or ListOffsets said that the topic or the epoch is unknown: an older epoch in metadata is a re-created topic.
    pub const DOUBTED: u16 = 512;
    /// A query of the application about its offsets is open.
    pub const QUERIED: u16 = 1024;
    /// The application was not told yet: that it has come to its log's end, or where it rests, mostly that it has no offset
    /// to begin at.
    pub const UNTOLD: u16 = 2048;
    /// The ListOffsets that lists it asks for the application, not for its position.
    pub const ASKED: u16 = 4096;
    /// The assignment that was taken last has brought it.
    pub const ADDED: u16 = 8192;
    /// Named by the assignment that is being read or was read last, or behind the table by its successor's.
    #[cfg_attr(not(feature = "group"), allow(dead_code))]
    pub const GIVEN: u16 = 16384;
    /// The group wants it back: nothing of it is handed out any more.
    pub const REVOKED: u16 = 32768;
    /// Of a remembered one behind the table, for which nothing is ever listed: we had it until we joined again.
    #[cfg(feature = "group")]
    pub const CLAIMED: u16 = Self::LISTED;

    /// Without a position.
    pub fn new(topic: u16, partition: i32) -> Self {
        Slot {
            topic,
            partition,
            high_watermark: -1,
            leader: -1,
            leader_epoch: -1,
            epoch: -1,
            position: -1,
            acked: -1,
            ..Slot::default()
        }
    }

    pub const NEW: Slot = Slot {
        topic: 0,
        flags: 0,
        phase: Phase::Committed,
        link: 0,
        replica: 0,
        older_epochs: 0,
        partition: 0,
        position: 0,
        acked: 0,
        high_watermark: 0,
        leader: 0,
        leader_epoch: 0,
        epoch: 0,
    };

    /// The topic has only so many partitions.
    pub fn is_beyond(&self, partitions: u32) -> bool {
        self.partition as u32 >= partitions && (self.leader < 0 || self.is(Self::LEADERLESS))
    }

    pub const fn is(&self, flag: u16) -> bool {
        self.flags & flag != 0
    }

    pub fn set(&mut self, flag: u16) {
        self.flags |= flag;
    }

    pub fn clear(&mut self, flag: u16) {
        self.flags &= !flag;
    }

    /// What may be committed is now `offset`.
    #[inline]
    pub fn acknowledge(&mut self, offset: i64) {
        if self.acked != offset {
            self.acked = offset;
            self.set(Self::DIRTY);
        }
    }

    /// The position passes over offsets that hold nothing to hand out. They need no acknowledgement of their own.
    pub fn advance(&mut self, next: i64) {
        if next > self.position {
            if self.acked == self.position {
                self.acknowledge(next);
            }
            self.position = next;
        }
    }

    /// A new position, by the application's or the reset policy's will: what is on its way is void.
    pub fn jump(&mut self, position: i64) {
        self.position = position;
        self.set(Self::STALE);
        self.clear(Self::END_REPORTED | Self::UNTOLD);
        self.phase = Phase::Ready;
    }
}

/// The slot of a partition, or where it belongs.
pub(crate) fn find(slots: &[Slot], topic: u16, partition: i32) -> Result<usize, usize> {
    slots.binary_search_by(|slot| (slot.topic, slot.partition).cmp(&(topic, partition)))
}

/// Puts `slot` at `at` of the first `used` slots; false when the table is full.
pub(crate) fn insert(slots: &mut [Slot], used: &mut u16, at: usize, slot: Slot) -> bool {
    let Some(table) = slots.get_mut(at..usize::from(*used).saturating_add(1)) else { return false };
    let mut carried = slot;
    for place in table {
        core::mem::swap(place, &mut carried);
    }
    *used = used.saturating_add(1);
    true
}

/// Keeps what `keep` says, in front and in order. Swaps, as a copy would bring `memmove` into the image.
pub(crate) fn retain(slots: &mut [Slot], used: &mut u16, keep: impl Fn(&Slot) -> bool) {
    let mut kept = 0;
    for at in 0..usize::from(*used) {
        if slots.get(at).is_some_and(&keep) {
            if let Ok([place, slot]) = slots.get_disjoint_mut([kept, at]) {
                core::mem::swap(place, slot);
            }
            kept = kept.saturating_add(1);
        }
    }
    *used = kept as u16;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_48_bytes_and_stays_sorted() {
        assert_eq!(core::mem::size_of::<Slot>(), 48);
        let (mut slots, mut used) = ([Slot::NEW; 5], 0);
        for (topic, partition) in [(9, 1), (0, 7), (9, 0), (0, 2)] {
            let at = find(&slots[..usize::from(used)], topic, partition).unwrap_err();
            assert!(insert(&mut slots, &mut used, at, Slot::new(topic, partition)));
        }
        let order = |slots: &[Slot]| slots.iter().map(|s| (s.topic, s.partition)).collect::<std::vec::Vec<_>>();
        assert_eq!(order(&slots[..4]), [(0, 2), (0, 7), (9, 0), (9, 1)]);
        assert_eq!(find(&slots[..4], 9, 0), Ok(2));
        retain(&mut slots, &mut used, |slot| slot.partition != 7);
        assert_eq!(order(&slots[..usize::from(used)]), [(0, 2), (9, 0), (9, 1)]);
        assert!(insert(&mut slots, &mut used, 3, Slot::new(9, 2)) && insert(&mut slots, &mut used, 4, Slot::new(9, 3)));
        assert!(!insert(&mut slots, &mut used, 5, Slot::new(9, 4)), "full");
    }

    #[test]
    fn passing_over_nothing_keeps_what_is_not_acknowledged() {
        let mut slot = Slot { position: 5, acked: 5, ..Slot::new(0, 0) };
        slot.advance(8);
        assert_eq!((slot.position, slot.acked, slot.is(Slot::DIRTY)), (8, 8, true));
        slot.position = 9; // lent, not acknowledged
        slot.advance(12);
        assert_eq!((slot.position, slot.acked), (12, 8));
        slot.advance(3);
        assert_eq!(slot.position, 12);
    }
}
