//! Virtual time, and loops that drive consumers through it.
use crate::control::Cluster;
use nanokafka::Instant;
use std::future::Future;
use std::pin::{pin, Pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

/// More polls than this without time moving is a livelock.
const POLLS_AT_ONCE: u64 = 10_000_000;
/// So many turns in a row with a timeout that has passed, although nothing moved, is a consumer that spins.
const IDLE_TURNS: u64 = 10_000;

struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Polls a future once and drops it: what cancelling at this point means.
pub fn poll_once<F: Future>(future: F) -> Option<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

impl Cluster {
    /// Virtual time.
    pub fn now(&self) -> Instant {
        Instant::from_millis(self.state().now)
    }

    /// Virtual time in milliseconds.
    pub fn millis(&self) -> u64 {
        self.state().now
    }

    /// Begins at another time than 0. Before anything else.
    pub fn start_at(&self, millis: u64) -> &Self {
        {
            let mut state = self.state();
            state.now = millis;
            state.time_limit = state.time_limit.saturating_add(millis);
        }
        self
    }

    /// Passing this virtual time is a panic; an hour by default.
    pub fn time_limit(&self, millis: u64) -> &Self {
        self.state().time_limit = millis;
        self
    }

    /// When something will happen in the cluster or on the way without anybody's doing: the end of a long poll, of a
    /// session, of a delay. `NEVER` when nothing will.
    pub fn next_event(&self) -> Instant {
        self.state().next_event().map_or(Instant::NEVER, Instant::from_millis)
    }

    /// Lets time pass; everything on the way happens at its time.
    pub fn advance(&self, millis: u64) -> &Self {
        let until = self.millis().saturating_add(millis);
        self.advance_to(Instant::from_millis(until))
    }

    /// As [`advance`](Self::advance), to a moment; nothing when it has passed.
    pub fn advance_to(&self, until: Instant) -> &Self {
        self.shared.settle();
        loop {
            let (now, next) = {
                let state = self.state();
                (state.now, state.next_event())
            };
            if until.as_millis() <= now {
                return self;
            }
            let next = next.filter(|&next| next <= until.as_millis());
            self.state().set_now(next.unwrap_or(until.as_millis()));
            self.shared.settle();
        }
    }

    /// One turn of a superloop's world, to be called whenever every consumer has said that it has nothing to do:
    /// `next_timeout` is the earliest of theirs. While bytes move time stands still, because a consumer may go on at once;
    /// otherwise it jumps to that timeout or to the next event of the cluster, by at least a millisecond.
    /// `false`: nothing will ever happen again.
    pub fn tick(&self, next_timeout: Instant) -> bool {
        self.shared.settle();
        let until = {
            let mut state = self.state();
            if state.progress != state.ticked {
                state.ticked = state.progress;
                state.ticks_at_once += 1;
                state.idle_turns = 0;
                assert!(state.ticks_at_once < POLLS_AT_ONCE, "livelock at {} ms", state.now);
                return true;
            }
            state.ticks_at_once = 0;
            state.idle_turns = if next_timeout.as_millis() <= state.now { state.idle_turns + 1 } else { 0 };
            assert!(state.idle_turns < IDLE_TURNS, "next_timeout has passed, nothing happens");
            let event = state.next_event().unwrap_or(u64::MAX);
            let until = event.min(next_timeout.as_millis());
            if until == u64::MAX {
                return false;
            }
            until.max(state.now + 1)
        };
        self.advance_to(Instant::from_millis(until));
        let mut state = self.state();
        state.ticked = state.progress;
        true
    }

    /// Runs a future to its end. It is polled only when it was woken; while it sleeps, time jumps to the next event or to
    /// its clock's deadline. A panic when nothing could ever wake it.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        let mut output = None;
        self.run(vec![Box::pin(async { output = Some(future.await) })]);
        output.unwrap_or_else(|| unreachable!("run returns when everything has ended"))
    }

    /// Runs several futures side by side until all have ended, as [`block_on`](Self::block_on) does one.
    pub fn run<'a>(&self, futures: Vec<Pin<Box<dyn Future<Output = ()> + 'a>>>) {
        let mut tasks: Vec<_> =
            futures.into_iter().map(|future| (future, Arc::new(Flag(AtomicBool::new(true))))).collect();
        let mut polls_at_once = 0;
        while !tasks.is_empty() {
            let mut woken = false;
            tasks.retain_mut(|(future, flag)| {
                if !flag.0.swap(false, Ordering::Relaxed) {
                    return true;
                }
                woken = true;
                let waker = Waker::from(flag.clone());
                future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending()
            });
            if woken {
                polls_at_once += 1;
                assert!(polls_at_once < POLLS_AT_ONCE, "livelock at {} ms", self.millis());
                continue;
            }
            polls_at_once = 0;
            assert!(self.sleep(), "asleep for ever at {} ms", self.millis());
        }
    }

    /// Jumps to the next event of the cluster or deadline of a net's clock; `false` when there is none.
    pub fn sleep(&self) -> bool {
        self.shared.settle();
        let next = {
            let state = self.state();
            let deadlines = state.nets.iter().filter_map(crate::stream::NetState::deadline);
            let deadlines = deadlines.filter(|&at| at != u64::MAX).map(|at| at.max(state.now));
            deadlines.chain(state.next_event()).min()
        };
        let Some(next) = next else { return false };
        if next > self.millis() {
            self.advance_to(Instant::from_millis(next));
        } else {
            let mut state = self.state();
            let now = state.now;
            state.set_now(now);
        }
        true
    }
}
