//! What to do with records one does not want, and with records one cannot process.
//!
//! **Filtering** (Spring's `RecordFilterStrategy`) needs no adapter, because lending a record already moves the position:
//! records that a filter drops count as handed out and are committed like the others. Where the body needs the record
//! only, `for record in records.filter(wanted)`; where it also commits, keeps alive or seeks, `while let Some(record) =
//! records.find(wanted)`, since `Iterator::find` borrows the records for no longer than the call.
//!
//! **Retrying** (Spring's `DefaultErrorHandler`) is [`RetryState`]: it counts and decides, the application seeks.
use crate::time::millis;
use crate::wire::crc32c::Crc32c;
use crate::Instant;
use core::time::Duration;

/// How often and when a record that could not be processed is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct RetryPolicy {
    /// How often a record is tried, the first time included, before it is skipped. Default 10, as Spring's
    /// `DefaultErrorHandler`; 0 means 1; `u32::MAX` at 1 s each outlasts the hardware.
    pub max_attempts: u32,
    /// Wait before the second attempt, in whole milliseconds; doubles with each further one. Default 100 ms; Spring's is 0.
    pub backoff: Duration,
    /// Longest wait. Default 1 s. To outlast it, `max.poll.interval.ms` must be longer.
    pub backoff_max: Duration,
}

impl RetryPolicy {
    /// 10 attempts, 100 ms to 1 s apart.
    pub const DEFAULT: RetryPolicy =
        RetryPolicy { max_attempts: 10, backoff: Duration::from_millis(100), backoff_max: Duration::from_secs(1) };

    /// Before attempt number `attempts + 1`, in milliseconds: a `Duration` from them would bring a 64-bit division along.
    fn wait(&self, attempts: u32) -> u64 {
        let doublings = attempts.saturating_sub(1).min(63);
        millis(self.backoff).saturating_mul(1 << doublings).min(millis(self.backoff_max))
    }
}

impl Default for RetryPolicy {
    fn default() -> Self {
        RetryPolicy::DEFAULT
    }
}

/// What [`RetryState::on_failure`] decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[must_use = "the state only counts: the application seeks, waits and reports"]
pub enum Decision {
    /// Seek back to the record, and do not process it before this time. Either wait here, heartbeats going on
    /// (`Records::keep_alive`), or pause the partition and resume it then, and the others go on.
    RetryAt(Instant),
    /// Go on behind the record, and tell somebody: it is lost to this group once its offset is committed.
    Skip {
        /// How often it was tried.
        attempts: u32,
    },
}

/// The record of a partition that failed last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct FailedRecord {
    /// Its offset.
    pub offset: i64,
    /// How often it has failed: `1 <= attempts < max_attempts`.
    pub attempts: u32,
    /// When it is to be tried again.
    pub not_before: Instant,
}

/// Counts failures, at most one record per partition: all zero when new, 32 bytes per partition.
///
/// `PARTITIONS` is that of [`Resources`](crate::Resources). With fewer, and more partitions failing at once than there is
/// room for, the one whose turn came longest ago is forgotten and counted from one again. Partitions that were given up
/// need no care: they are forgotten in the same way, and remembered if they come back before.
///
/// ```
/// use nanokafka::{Decision, Instant, RetryPolicy, RetryState};
///
/// const POLICY: RetryPolicy = RetryPolicy { max_attempts: 2, ..RetryPolicy::DEFAULT };
/// let mut retries = RetryState::<8>::new();
///
/// // records.seek(17), and wait
/// let now = Instant::from_millis(1_000);
/// let decision = retries.on_failure(&POLICY, "orders", 3, 17, now);
/// assert_eq!(decision, Decision::RetryAt(Instant::from_millis(1_100)));
///
/// // once more, and it fails once more
/// let decision = retries.on_failure(&POLICY, "orders", 3, 17, Instant::from_millis(1_100));
/// assert_eq!(decision, Decision::Skip { attempts: 2 });
/// ```
#[derive(Clone, Debug)]
pub struct RetryState<const PARTITIONS: usize> {
    slots: [Slot; PARTITIONS],
}

/// `attempts == 0`: free, and everything else is meaningless.
#[derive(Clone, Copy, Debug)]
struct Slot {
    /// CRC-32C of the name. Two topics of the same one, failing at the same partition and offset in turns, would share
    /// a count; nothing worse.
    topic: u32,
    partition: i32,
    record: FailedRecord,
}

impl Slot {
    const FREE: Slot = Slot {
        topic: 0,
        partition: 0,
        record: FailedRecord { offset: 0, attempts: 0, not_before: Instant::from_millis(0) },
    };

    fn is(&self, topic: u32, partition: i32) -> bool {
        self.record.attempts > 0 && self.topic == topic && self.partition == partition
    }
}

impl<const PARTITIONS: usize> RetryState<PARTITIONS> {
    /// Nothing has failed.
    pub const fn new() -> Self {
        const { assert!(PARTITIONS > 0, "no room for a failed record") };
        RetryState { slots: [Slot::FREE; PARTITIONS] }
    }

    /// The record at `offset` could not be processed. The same record adds to its count, however early or late; another
    /// one of the partition starts a new count. After [`Decision::Skip`] the record is forgotten.
    pub fn on_failure(
        &mut self,
        policy: &RetryPolicy,
        topic: &str,
        partition: i32,
        offset: i64,
        now: Instant,
    ) -> Decision {
        let topic = hash(topic);
        let before = match self.find(topic, partition) {
            Some(slot) if slot.record.offset == offset => slot.record.attempts,
            _ => 0,
        };
        let attempts = before.saturating_add(1);
        if attempts >= policy.max_attempts {
            self.release(topic, partition);
            return Decision::Skip { attempts };
        }
        let not_before = Instant::from_millis(now.as_millis().saturating_add(policy.wait(attempts)));
        if let Some(slot) = self.place(topic, partition) {
            *slot = Slot { topic, partition, record: FailedRecord { offset, attempts, not_before } };
        }
        Decision::RetryAt(not_before)
    }

    /// The record at `offset` was processed: a failed one at this offset or below is done with. One above is not, as
    /// records before it may be read again after a rebalance. Calling this for every record is cheap; not calling it
    /// only matters if the same record fails again after a seek back.
    pub fn on_success(&mut self, topic: &str, partition: i32, offset: i64) {
        let topic = hash(topic);
        if self.find(topic, partition).is_some_and(|slot| slot.record.offset <= offset) {
            self.release(topic, partition);
        }
    }

    /// What is being retried in a partition: for `resume` at its time, or to know that this is the last attempt.
    pub fn failed(&self, topic: &str, partition: i32) -> Option<FailedRecord> {
        self.find(hash(topic), partition).map(|slot| slot.record)
    }

    fn find(&self, topic: u32, partition: i32) -> Option<&Slot> {
        self.slots.iter().find(|slot| slot.is(topic, partition))
    }

    fn release(&mut self, topic: u32, partition: i32) {
        if let Some(slot) = self.slots.iter_mut().find(|slot| slot.is(topic, partition)) {
            *slot = Slot::FREE;
        }
    }

    /// The partition's own slot, else a free one, else the one that is overdue the longest: it is the least likely to
    /// belong to a partition that is still assigned.
    fn place(&mut self, topic: u32, partition: i32) -> Option<&mut Slot> {
        self.slots
            .iter_mut()
            .min_by_key(|slot| (!slot.is(topic, partition), slot.record.attempts > 0, slot.record.not_before))
    }
}

impl<const PARTITIONS: usize> Default for RetryState<PARTITIONS> {
    fn default() -> Self {
        RetryState::new()
    }
}

fn hash(topic: &str) -> u32 {
    let mut crc = Crc32c::new();
    crc.update(topic.as_bytes());
    crc.value()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    const POLICY: RetryPolicy =
        RetryPolicy { max_attempts: 4, backoff: Duration::from_millis(100), backoff_max: Duration::from_millis(300) };

    const fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    #[test]
    fn backs_off_doubling_to_the_cap_and_then_skips() {
        let mut retries = RetryState::<2>::new();
        let decisions: Vec<Decision> = (0..4).map(|_| retries.on_failure(&POLICY, "t", 0, 7, at(1000))).collect();
        let wait = |millis: u64| Decision::RetryAt(at(1000 + millis));
        assert_eq!(decisions, [wait(100), wait(200), wait(300), Decision::Skip { attempts: 4 }]);
        // Forgotten: who seeks back to it begins anew.
        assert_eq!(retries.failed("t", 0), None);
        assert_eq!(retries.on_failure(&POLICY, "t", 0, 7, at(0)), Decision::RetryAt(at(100)));
    }

    #[test]
    fn another_record_of_the_partition_starts_a_new_count() {
        let mut retries = RetryState::<2>::new();
        for _ in 0..3 {
            assert!(matches!(retries.on_failure(&POLICY, "t", 0, 7, at(0)), Decision::RetryAt(_)));
        }
        assert_eq!(retries.on_failure(&POLICY, "t", 0, 8, at(0)), Decision::RetryAt(at(100)));
        let failed = FailedRecord { offset: 8, attempts: 1, not_before: at(100) };
        assert_eq!(retries.failed("t", 0), Some(failed));
        assert_eq!(retries.on_failure(&POLICY, "t", 0, 7, at(0)), Decision::RetryAt(at(100)));
    }

    /// With one count for all, two bad records in two partitions would reset each other for ever.
    #[test]
    fn partitions_and_topics_count_apart() {
        let mut retries = RetryState::<3>::new();
        for round in 1..=3 {
            for (topic, partition) in [("t", 0), ("t", 1), ("u", 0)] {
                let decision = retries.on_failure(&POLICY, topic, partition, 7, at(0));
                assert!(matches!(decision, Decision::RetryAt(_)), "{topic}-{partition}, {round}");
            }
        }
        for (topic, partition) in [("t", 0), ("t", 1), ("u", 0)] {
            assert_eq!(retries.on_failure(&POLICY, topic, partition, 7, at(0)), Decision::Skip { attempts: 4 });
        }
    }

    #[test]
    fn success_forgets_this_record_and_earlier_ones_only() {
        let mut retries = RetryState::<1>::new();
        let fail = |retries: &mut RetryState<1>| retries.on_failure(&POLICY, "t", 0, 7, at(0));
        assert_eq!(fail(&mut retries), Decision::RetryAt(at(100)));
        for (topic, partition, offset) in [("t", 0, 6), ("t", 1, 7), ("u", 0, 7)] {
            retries.on_success(topic, partition, offset);
            assert!(retries.failed("t", 0).is_some());
        }
        retries.on_success("t", 0, 7);
        assert_eq!(retries.failed("t", 0), None);
        assert_eq!(fail(&mut retries), Decision::RetryAt(at(100)));
        retries.on_success("t", 0, 8);
        assert_eq!(retries.failed("t", 0), None);
        // Nothing failed: nothing happens, also for the partition and offset that a free slot holds.
        retries.on_success("", 0, 0);
        assert_eq!(retries.failed("", 0), None);
    }

    #[test]
    fn the_longest_overdue_makes_room() {
        let mut retries = RetryState::<2>::new();
        let _ = retries.on_failure(&POLICY, "t", 0, 7, at(10));
        let _ = retries.on_failure(&POLICY, "t", 1, 7, at(0));
        let _ = retries.on_failure(&POLICY, "t", 2, 7, at(20));
        assert!(retries.failed("t", 1).is_none());
        assert!(retries.failed("t", 0).is_some() && retries.failed("t", 2).is_some());
        // A free one is preferred, and the own one to that.
        retries.on_success("t", 0, 7);
        let _ = retries.on_failure(&POLICY, "t", 2, 8, at(30));
        let _ = retries.on_failure(&POLICY, "t", 3, 7, at(40));
        assert!(retries.failed("t", 2).is_some() && retries.failed("t", 3).is_some());
    }

    #[test]
    fn extremes_neither_overflow_nor_wait_for_ever() {
        let mut retries = RetryState::<1>::new();
        for max_attempts in [0, 1] {
            let policy = RetryPolicy { max_attempts, ..POLICY };
            assert_eq!(retries.on_failure(&policy, "t", 0, 7, at(0)), Decision::Skip { attempts: 1 });
        }
        let endless = RetryPolicy { max_attempts: u32::MAX, backoff: Duration::MAX, backoff_max: Duration::MAX };
        assert_eq!(retries.on_failure(&endless, "t", -1, i64::MIN, Instant::NEVER), Decision::RetryAt(Instant::NEVER));
        assert_eq!(endless.wait(u32::MAX), u64::MAX);
        let patient = RetryPolicy { max_attempts: u32::MAX, ..POLICY };
        for _ in 0..1000 {
            let decision = retries.on_failure(&patient, "t", 0, i64::MAX, at(0));
            assert!(matches!(decision, Decision::RetryAt(time) if time <= at(300)));
        }
        let at_once = RetryPolicy { backoff: Duration::ZERO, ..POLICY };
        assert_eq!(retries.on_failure(&at_once, "t", 0, 8, at(5)), Decision::RetryAt(at(5)));
        // The cap also holds for the first wait.
        let capped = RetryPolicy { backoff: Duration::from_secs(9), ..POLICY };
        assert_eq!(retries.on_failure(&capped, "t", 0, 9, at(0)), Decision::RetryAt(at(300)));
    }

    #[test]
    fn lies_in_bss() {
        assert_eq!(size_of::<RetryState<8>>(), 8 * 32);
        let Slot { topic, partition, record } = RetryState::<1>::new().slots[0];
        assert_eq!((topic, partition, record.offset, record.attempts, record.not_before), (0, 0, 0, 0, at(0)));
    }
}
