//! Time, and the far end of the cable.
use super::Stack;
use nanokafka::Instant;
use std::cell::RefCell;
use std::rc::Rc;

/// What the far end does with its sockets.
pub trait Timely {
    /// Does what can be done now; whether that was anything.
    fn turn(&mut self, now: Instant, stack: &Rc<RefCell<Stack>>) -> bool;

    /// When it will do something by itself; `NEVER` when it will not.
    fn next(&self) -> Instant;
}

/// The far end: a stack, and what works on it. Time goes on when both ends have nothing to do.
pub struct World<W> {
    /// Virtual.
    pub now: Instant,
    /// The far end's.
    pub stack: Rc<RefCell<Stack>>,
    /// On the far end.
    pub work: W,
    /// Steps since time has gone on.
    still: u32,
}

/// More steps than these without time going on is a livelock.
const STEPS_AT_ONCE: u32 = 100_000;

impl<W: Timely> World<W> {
    /// At time 0.
    pub fn new(stack: Rc<RefCell<Stack>>, work: W) -> Self {
        World { now: Instant::from_millis(0), stack, work, still: 0 }
    }

    /// The near end has done what it can, and wants to do something at `next`: the far end works, and time goes on to
    /// what happens next, at most to `until`.
    pub fn pass(&mut self, next: Instant, until: Instant) {
        self.far_end();
        let far = self.stack.borrow_mut().next(self.now);
        self.go_on(next.min(far).min(self.work.next()).min(until));
    }

    /// Lets time pass while nobody is at the near end.
    pub fn wait(&mut self, until: Instant) {
        while self.now < until {
            self.pass(until, until);
        }
    }

    /// The far end does what it can.
    pub fn far_end(&mut self) {
        loop {
            self.stack.borrow_mut().poll(self.now);
            if !self.work.turn(self.now, &self.stack) {
                return;
            }
        }
    }

    fn go_on(&mut self, next: Instant) {
        self.still = if next > self.now { 0 } else { self.still + 1 };
        assert!(self.still < STEPS_AT_ONCE, "livelock at {} ms", self.now.as_millis());
        self.now = self.now.max(next);
    }
}
