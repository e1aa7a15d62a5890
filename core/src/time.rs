//! Time is an argument: milliseconds of a monotonic clock whose zero means nothing.
use core::time::Duration;

/// Milliseconds since an arbitrary start. Never goes backwards; wraps after 584 million years.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Instant(u64);

impl Instant {
    /// Later than anything: "no deadline".
    pub const NEVER: Instant = Instant(u64::MAX);

    /// From milliseconds.
    pub const fn from_millis(millis: u64) -> Self {
        Instant(millis)
    }

    /// In milliseconds.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// `self + after`, saturating at [`NEVER`](Self::NEVER).
    #[inline(never)] // of some forty places, each would have a copy
    pub const fn after(self, after: Duration) -> Self {
        Instant(self.0.saturating_add(millis(after)))
    }

    /// The same in milliseconds.
    pub(crate) const fn after_millis(self, after: u64) -> Self {
        Instant(self.0.saturating_add(after))
    }

    /// How long from `self` until `later`; zero if that is past.
    pub const fn until(self, later: Instant) -> Duration {
        Duration::from_millis(later.0.saturating_sub(self.0))
    }
}

/// Whole milliseconds, saturating; `Duration::as_millis` brings a 128-bit division into the image.
#[inline(never)]
pub(crate) const fn millis(duration: Duration) -> u64 {
    duration.as_secs().saturating_mul(1000).saturating_add(duration.subsec_millis() as u64)
}

/// Milliseconds as Kafka writes them, at most `i32::MAX`.
pub(crate) const fn millis_i32(duration: Duration) -> i32 {
    let millis = millis(duration);
    if millis > i32::MAX as u64 {
        i32::MAX
    } else {
        millis as i32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn saturates_at_both_ends() {
        assert_eq!(Instant::NEVER.after(Duration::from_secs(1)), Instant::NEVER);
        assert_eq!(Instant::from_millis(5).until(Instant::from_millis(3)), Duration::ZERO);
        assert_eq!(millis_i32(Duration::MAX), i32::MAX);
        assert_eq!(Instant::from_millis(5).after(Duration::from_micros(2_999)), Instant::from_millis(7));
    }
}
