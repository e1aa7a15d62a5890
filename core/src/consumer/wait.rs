//! How each front end waits.
use crate::connection::failure::Failure;
use crate::drive::{drive, Op, Ready};
use crate::state::Control;
use crate::{Api, Async, Block, Blocking, Clock, Error, Instant, Superloop, Transport};
use core::task::{Context, Poll, Waker};

/// Async: one poll of the drive loop, with the clock armed for its next deadline. `None` from `deadline` on.
pub(crate) fn step<T: Transport + Clock>(
    control: &mut Control<'_>,
    window: Option<&mut [u8]>,
    io: &mut T,
    cx: &mut Context<'_>,
    op: &mut Op<'_, '_>,
    deadline: Instant,
) -> Poll<Result<Option<Ready>, Error>> {
    let now = io.now();
    let lent = window.is_none();
    if let Poll::Ready(ready) = drive(control, window, io, now, cx, op) {
        return Poll::Ready(told(control, ready).map(Some));
    }
    if now >= deadline {
        return Poll::Ready(Ok(None));
    }
    if io.poll_until(cx, control.next_timeout(op, lent, now).min(deadline)).is_ready() {
        cx.waker().wake_by_ref(); // again, but let the others run: the network stack may be one of them
    }
    Poll::Pending
}

/// Blocking: the same, and the thread sleeps in the transport. `now` was just read: the clock costs as much as many records.
pub(crate) fn wait<T: Transport + Clock + Block>(
    control: &mut Control<'_>,
    mut window: Option<&mut [u8]>,
    io: &mut T,
    op: &mut Op<'_, '_>,
    mut now: Instant,
    deadline: Instant,
) -> Result<Option<Ready>, Error> {
    loop {
        let mut cx = Context::from_waker(Waker::noop());
        if let Poll::Ready(ready) = drive(control, window.as_deref_mut(), io, now, &mut cx, op) {
            return told(control, ready).map(Some);
        }
        if now >= deadline {
            return Ok(None);
        }
        let next = control.next_timeout(op, window.is_none(), now);
        if next > now {
            io.block(deadline.min(next)).map_err(|cause| Error::Transport(crate::ConnectError::local(cause)))?;
        }
        now = io.now();
    }
}

/// Superloop: the same, once.
pub(crate) fn turn<T: Transport + ?Sized>(
    control: &mut Control<'_>,
    window: Option<&mut [u8]>,
    net: &mut T,
    now: Instant,
    op: &mut Op<'_, '_>,
) -> Result<Option<Ready>, Error> {
    match drive(control, window, net, now, &mut Context::from_waker(Waker::noop()), op) {
        Poll::Ready(ready) => told(control, ready).map(Some),
        Poll::Pending => Ok(None),
    }
}

fn told(control: &Control<'_>, ready: Result<Ready, Failure>) -> Result<Ready, Error> {
    ready.map_err(|_| control.told())
}

/// An answer, or that there was none.
pub(crate) fn in_time(result: Result<Option<Ready>, Error>, api: Api) -> Result<(), Error> {
    result?.map(|_| ()).ok_or(Error::Timeout(api))
}

/// Between two records: only a blocking consumer must do something, since it has no other time to.
pub trait Tend {
    #[doc(hidden)]
    fn tend(&mut self, control: &mut Control<'_>);
}

impl<T> Tend for Async<T> {
    fn tend(&mut self, _: &mut Control<'_>) {}
}

impl Tend for Superloop {
    fn tend(&mut self, _: &mut Control<'_>) {}
}

impl<T: Transport + Clock> Tend for Blocking<T> {
    #[inline]
    fn tend(&mut self, control: &mut Control<'_>) {
        match control.state.tend_in.checked_sub(1) {
            Some(left) => control.state.tend_in = left,
            None => self.tend_now(control),
        }
    }
}

/// Without a look at the clock, at most, after twice as many quick ones. So many slow ones may follow before a heartbeat.
const QUICK_RECORDS: u8 = 15;

impl<T: Transport + Clock> Blocking<T> {
    fn tend_now(&mut self, control: &mut Control<'_>) {
        let now = self.0.now();
        let state = &mut *control.state;
        if now == state.tended {
            // once in a millisecond is enough; while records are so quick, the clock costs more than they do
            state.quick = (state.quick << 1 | 1) & QUICK_RECORDS;
            state.tend_in = state.quick;
        } else {
            (state.tended, state.quick) = (now, 0);
            let _ = drive(control, None, &mut self.0, now, &mut Context::from_waker(Waker::noop()), &mut Op::Tend);
        }
    }
}
