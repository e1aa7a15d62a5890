//! embassy-time's clock: virtual, and each thread, so each test, has its own.
use embassy_time_driver::{Driver, TICK_HZ};
use nanokafka::Instant;
use std::cell::{Cell, RefCell};
use std::task::Waker;

struct Virtual;

embassy_time_driver::time_driver_impl!(static CLOCK: Virtual = Virtual);

thread_local! {
    static NOW: Cell<u64> = const { Cell::new(0) };
    static ALARMS: RefCell<Vec<(u64, Waker)>> = const { RefCell::new(vec![]) };
}

impl Driver for Virtual {
    fn now(&self) -> u64 {
        NOW.get()
    }

    /// As embassy's executors do: a task has one alarm, the earliest.
    fn schedule_wake(&self, at: u64, waker: &Waker) {
        ALARMS.with_borrow_mut(|alarms| match alarms.iter_mut().find(|(_, other)| other.will_wake(waker)) {
            Some((earliest, _)) => *earliest = at.min(*earliest),
            None => alarms.push((at, waker.clone())),
        })
    }
}

const TICKS_PER_MILLISECOND: u64 = TICK_HZ / 1_000;

/// Begins anew, for another stack.
pub(super) fn reset() {
    NOW.set(0);
    ALARMS.take();
}

/// It is `now`: who wanted to be woken is.
pub(super) fn pass(now: Instant) {
    NOW.set(now.as_millis().saturating_mul(TICKS_PER_MILLISECOND));
    let due = ALARMS.with_borrow_mut(|alarms| alarms.extract_if(.., |(at, _)| *at <= NOW.get()).collect::<Vec<_>>());
    due.into_iter().for_each(|(_, waker)| waker.wake());
}

/// When the next one wants to be woken; `NEVER` when nobody does.
pub(super) fn next() -> Instant {
    let next = ALARMS.with_borrow(|alarms| alarms.iter().map(|(at, _)| *at).min());
    next.map_or(Instant::NEVER, |at| Instant::from_millis(at.div_ceil(TICKS_PER_MILLISECOND)))
}
