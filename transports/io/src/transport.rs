//! The consumer's end of the pipes.
use crate::link::{Phase, Pipes};
use core::future::Future;
use core::pin::{pin, Pin};
use core::task::{ready, Context, Poll};
use nanokafka::{Clock, ConnectionId, Instant, Transport, TransportError, TransportErrorKind};

/// Connections of one [`Io`]; each takes three words of it, used or not.
pub const MAX_CONNECTIONS: usize = 8;

/// The pinned future of [`Pipes::run`].
pub type Runner<'a> = Pin<&'a mut (dyn Future<Output = ()> + 'a)>;

/// Connections over pipes of `N` bytes, and a clock.
pub struct Io<'a, C, const N: usize> {
    clock: C,
    slots: [Option<Slot<'a, N>>; MAX_CONNECTIONS],
}

struct Slot<'a, const N: usize> {
    pipes: &'a Pipes<N>,
    runner: Runner<'a>,
}

/// Asked for bytes where no connection is open: after an error, or before `poll_connect` was ready.
const NOT_OPEN: TransportError = TransportError::new(TransportErrorKind::Reset);

/// A connection number that is not below `connections()`.
const NO_SUCH_CONNECTION: TransportError = TransportError::new(TransportErrorKind::Other);

impl<'a, C, const N: usize> Io<'a, C, N> {
    /// The pipes of each connection and the runner over them, the control connection first: as many as the consumer's resources
    /// have, at most [`MAX_CONNECTIONS`], or it does not compile.
    pub fn new<const CONNECTIONS: usize>(clock: C, connections: [(&'a Pipes<N>, Runner<'a>); CONNECTIONS]) -> Self {
        const { assert!(CONNECTIONS <= MAX_CONNECTIONS, "more connections than MAX_CONNECTIONS") }
        let mut slots = [const { None }; MAX_CONNECTIONS];
        for (place, (pipes, runner)) in slots.iter_mut().zip(connections) {
            *place = Some(Slot { pipes, runner });
        }
        Io { clock, slots }
    }

    fn slot(&mut self, id: ConnectionId) -> Result<&mut Slot<'a, N>, TransportError> {
        self.slots.get_mut(id.index()).and_then(Option::as_mut).ok_or(NO_SUCH_CONNECTION)
    }
}

impl<const N: usize> Slot<'_, N> {
    /// Lets the runner do what it can. Whatever becomes possible afterwards wakes the task.
    fn turn(&mut self, cx: &mut Context<'_>) {
        let _ = self.runner.as_mut().poll(cx); // never ready
    }

    /// A pipe's answer; where that is `Pending`, again after a turn, and then what has become of the connection.
    fn transfer(
        &mut self,
        cx: &mut Context<'_>,
        mut io: impl FnMut(&Pipes<N>, &mut Context<'_>) -> Poll<usize>,
    ) -> Poll<Result<usize, Phase>> {
        if !matches!(self.pipes.phase.get(), Phase::Open | Phase::Ended | Phase::Failed(_)) {
            return Poll::Ready(Err(Phase::Idle));
        }
        let mut moved = io(self.pipes, cx);
        if moved.is_pending() {
            self.turn(cx);
            moved = io(self.pipes, cx);
        }
        match self.pipes.phase.get() {
            Phase::Open => moved.map(Ok),
            over => Poll::Ready(match moved {
                Poll::Ready(n) => Ok(n),
                Poll::Pending => Err(over),
            }),
        }
    }

    /// The connection has failed: it is given back.
    fn failed(&mut self, over: Phase) -> TransportError {
        self.pipes.phase.set(Phase::Idle);
        match over {
            Phase::Failed(error) => error,
            _ => NOT_OPEN,
        }
    }
}

impl<C, const N: usize> Transport for Io<'_, C, N> {
    fn connections(&self) -> usize {
        self.slots.iter().flatten().count()
    }

    fn poll_connect(
        &mut self,
        cx: &mut Context<'_>,
        id: ConnectionId,
        host: &str,
        port: u16,
    ) -> Poll<Result<(), TransportError>> {
        let slot = self.slot(id)?;
        if matches!(slot.pipes.phase.get(), Phase::Idle | Phase::Closing) {
            slot.pipes.ask(host, port).map_err(|_| TransportError::new(TransportErrorKind::Name))?;
        }
        slot.turn(cx);
        match slot.pipes.phase.get() {
            Phase::Open | Phase::Ended => Poll::Ready(Ok(())),
            over @ Phase::Failed(_) => Poll::Ready(Err(slot.failed(over))),
            _ => Poll::Pending,
        }
    }

    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        id: ConnectionId,
        buf: &mut [u8],
    ) -> Poll<Result<usize, TransportError>> {
        let slot = self.slot(id)?;
        Poll::Ready(match ready!(slot.transfer(cx, |pipes, cx| pin!(pipes.rx.read(buf)).poll(cx))) {
            Ok(n) => Ok(n),
            Err(Phase::Ended) => Ok(0),
            Err(over) => Err(slot.failed(over)),
        })
    }

    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        id: ConnectionId,
        buf: &[u8],
    ) -> Poll<Result<usize, TransportError>> {
        let slot = self.slot(id)?;
        let written = ready!(slot.transfer(cx, |pipes, cx| match pipes.phase.get() {
            Phase::Open => pin!(pipes.tx.write(buf)).poll(cx),
            _ => Poll::Pending,
        }));
        let written = written.map_err(|over| slot.failed(over));
        slot.turn(cx); // on their way at once
        Poll::Ready(written)
    }

    /// Ready when the function given to [`Pipes::run`] has closed the stream.
    fn poll_close(&mut self, cx: &mut Context<'_>, id: ConnectionId) -> Poll<()> {
        let Ok(slot) = self.slot(id) else { return Poll::Ready(()) };
        slot.pipes.phase.set(match slot.pipes.phase.get() {
            Phase::Open | Phase::Closing => Phase::Closing,
            _ => Phase::Idle,
        });
        slot.turn(cx);
        match slot.pipes.phase.get() {
            Phase::Idle => Poll::Ready(()),
            _ => Poll::Pending,
        }
    }

    /// The stream is dropped when the consumer is polled next.
    fn abort(&mut self, id: ConnectionId) {
        if let Ok(slot) = self.slot(id) {
            slot.pipes.phase.set(Phase::Idle);
        }
    }
}

impl<C: Clock, const N: usize> Clock for Io<'_, C, N> {
    fn now(&mut self) -> Instant {
        self.clock.now()
    }

    /// The consumer asks this last, so the runners have their turn here, also those of connections that it has no question for: what
    /// they have taken must leave.
    fn poll_until(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        self.slots.iter_mut().flatten().for_each(|slot| slot.turn(cx));
        self.clock.poll_until(cx, deadline)
    }
}
