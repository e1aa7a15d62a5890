//! A consumer's way into the cluster: nanokafka's [`Transport`] and [`Clock`] over virtual time.
use crate::cluster::State;
use crate::connection::{Connection, Readable};
use crate::control::{Cluster, Shared};
use crate::faults::{Cut, End};
use crate::random::Random;
use crate::serve::Target;
use crate::stream::{NetState, Shaping, Slot};
use nanokafka::{Api, Block, Clock, ConnectionId, Instant, Transport, TransportError, TransportErrorKind};
use std::cell::RefMut;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::task::{Context, Poll};

/// One consumer's transport and clock. A handle: clones are the same net, so a test can keep one and hand out another.
#[derive(Clone)]
pub struct Net {
    shared: Rc<Shared>,
    net: usize,
}

/// What a net has carried.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Attempts to connect.
    pub connects: usize,
    /// Bytes the consumer has read.
    pub read: u64,
    /// Bytes the consumer has written.
    pub written: u64,
    /// `Pending` answers that were inserted although something could have been done.
    pub inserted_pendings: u64,
    /// Requests by API key.
    pub requests: BTreeMap<i16, usize>,
}

impl Stats {
    /// Requests of one API.
    pub fn count(&self, api: Api) -> usize {
        self.requests.get(&(api as i16)).copied().unwrap_or(0)
    }
}

impl Net {
    pub(crate) fn new(shared: Rc<Shared>, connections: usize) -> Self {
        let net = {
            let mut state = shared.state.borrow_mut();
            state.nets.push(NetState::new(connections));
            state.nets.len() - 1
        };
        Net { shared, net }
    }

    fn state(&self) -> RefMut<'_, State> {
        self.shared.state.borrow_mut()
    }

    fn shaping<R>(&self, change: impl FnOnce(&mut Shaping) -> R) -> R {
        change(&mut self.state().nets[self.net].shaping)
    }

    /// Its number in requests and in the log.
    pub fn index(&self) -> usize {
        self.net
    }

    /// The cluster it leads into.
    pub fn cluster(&self) -> Cluster {
        Cluster::of(self.shared.clone())
    }

    /// At most so many bytes in one read or write.
    pub fn grain(&self, bytes: usize) -> &Self {
        self.shaping(|shaping| shaping.grain = Some(bytes.max(1)));
        self
    }

    /// Of each connection's reads, writes and connects, every `n`-th is answered `Pending` and woken at once; with [`grain`](Self::grain) 1 and `n` = 2, one before
    /// every byte. `n` = 1 would never let anything pass and is taken as 2.
    pub fn pending_every(&self, n: u64) -> &Self {
        self.shaping(|shaping| shaping.every = Some(n.max(2)));
        self
    }

    /// Grains of random size and `Pending` at random, from a seed.
    pub fn jitter(&self, seed: u64) -> &Self {
        self.shaping(|shaping| shaping.random = Some(Random::new(seed)));
        self
    }

    /// One `Pending` exactly before each of these positions in the bytes this net reads.
    pub fn pause_at(&self, positions: impl IntoIterator<Item = u64>) -> &Self {
        let mut positions: Vec<_> = positions.into_iter().collect();
        positions.sort_unstable();
        self.shaping(|shaping| shaping.pauses = positions);
        self
    }

    /// Resets the connection on which the net's byte number `after` passes, counted over all its connections and both
    /// directions from now on. Once.
    pub fn cut_after(&self, after: u64) -> &Self {
        let stats = self.stats();
        self.cut(Cut { direction: crate::Direction::Both, after: stats.read + stats.written + after, end: End::Reset })
    }

    /// Ends the connection in use once so many bytes of the net have passed since it was made. Once.
    pub fn cut(&self, cut: Cut) -> &Self {
        self.shaping(|shaping| shaping.cut = Some(cut));
        self
    }

    /// Whether a cut is still to come.
    pub fn is_cut_pending(&self) -> bool {
        self.shaping(|shaping| shaping.cut.is_some())
    }

    /// Back to whole reads and writes; a cut that has not come yet is forgotten.
    pub fn smooth(&self) -> &Self {
        self.shaping(|shaping| *shaping = Shaping::default());
        self
    }

    /// What has been carried so far.
    pub fn stats(&self) -> Stats {
        self.state().nets[self.net].stats.clone()
    }

    /// Changes whenever bytes or connections have moved, or a `Pending` was inserted.
    pub fn activity(&self) -> u64 {
        let stats = &self.state().nets[self.net].stats;
        stats.read + stats.written + stats.inserted_pendings + stats.connects as u64
    }

    /// What its clock was armed with last and has not come yet; `NEVER` if nothing.
    pub fn deadline(&self) -> Instant {
        self.state().nets[self.net].deadline().map_or(Instant::NEVER, Instant::from_millis)
    }

    /// Connections that are open or being opened.
    pub fn open_connections(&self) -> usize {
        let state = self.state();
        state.nets[self.net].slots.iter().filter(|slot| !matches!(slot, Slot::Closed | Slot::Closing { .. })).count()
    }

    /// Bytes that have arrived and were not read.
    pub fn unread(&self, connection: usize) -> usize {
        let mut state = self.state();
        let now = state.now;
        let Slot::Open { id, .. } = state.nets[self.net].slots[connection] else { return 0 };
        match state.connections.get_mut(&id).map(|connection| connection.readable(now)) {
            Some(Readable::Bytes(n)) => n,
            _ => 0,
        }
    }

    fn poll_io(
        &self,
        cx: &Context<'_>,
        id: ConnectionId,
        call: &'static str,
        act: impl FnOnce(&mut State, u64) -> Poll<Result<usize, TransportError>>,
    ) -> Poll<Result<usize, TransportError>> {
        let mut state = self.state();
        let connection = match state.open(self.net, id, call) {
            Ok(connection) => connection,
            Err(error) => return Poll::Ready(Err(error)),
        };
        if state.nets[self.net].inserts_pending(cx, id.index(), call) {
            state.progress += 1;
            return Poll::Pending;
        }
        state.spring_cuts(self.net, id.index(), connection);
        let polled = act(&mut state, connection);
        match &polled {
            Poll::Pending => state.nets[self.net].wakers[id.index()] = Some(cx.waker().clone()),
            Poll::Ready(Ok(n)) if *n > 0 => state.progress += 1,
            Poll::Ready(_) => {}
        }
        let busy = !state.dirty.is_empty();
        drop(state);
        if busy {
            self.shared.settle();
        }
        if let Poll::Ready(Ok(_)) = polled {
            // the byte that a cut waits for has passed, and was heard at the other end
            self.state().spring_cuts(self.net, id.index(), connection);
        }
        polled
    }
}

impl Transport for Net {
    fn connections(&self) -> usize {
        self.state().nets[self.net].slots.len()
    }

    fn poll_connect(
        &mut self,
        cx: &mut Context<'_>,
        id: ConnectionId,
        host: &str,
        port: u16,
    ) -> Poll<Result<(), TransportError>> {
        let (net, index) = (self.net, id.index());
        let mut state = self.state();
        let now = state.now;
        if index >= state.nets[net].slots.len() {
            return Poll::Ready(Err(state.misuse(net, id, "poll_connect beyond connections()")));
        }
        match &state.nets[net].slots[index] {
            Slot::Open { host: to, port: on, .. } | Slot::Connecting { host: to, port: on, .. }
                if to != host || *on != port =>
            {
                let what = format!("poll_connect to {host}:{port} although {to}:{on} was neither aborted nor closed");
                return Poll::Ready(Err(state.misuse(net, id, &what)));
            }
            Slot::Open { .. } => return Poll::Ready(Ok(())),
            Slot::Connecting { .. } => {}
            Slot::Closed | Slot::Closing { .. } => state.begin_connect(net, index, host, port),
        }
        if state.nets[net].inserts_pending(cx, index, "poll_connect") {
            state.progress += 1;
            return Poll::Pending;
        }
        let Slot::Connecting { at, target, .. } = &state.nets[net].slots[index] else { return Poll::Pending };
        if *at > now {
            state.nets[net].wakers[index] = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let target = target.clone();
        state.progress += 1;
        state.nets[net].slots[index] = Slot::Closed;
        if let Target::Nobody(kind) = target {
            return Poll::Ready(Err(TransportError::new(kind)));
        }
        if matches!(target, Target::Broker(node) if !state.broker(node).alive) {
            return Poll::Ready(Err(TransportError::new(TransportErrorKind::Refused)));
        }
        let connection = state.accept(net, index, &target);
        state.nets[net].slots[index] = Slot::Open { id: connection, host: host.into(), port };
        Poll::Ready(Ok(()))
    }

    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        id: ConnectionId,
        buf: &mut [u8],
    ) -> Poll<Result<usize, TransportError>> {
        let net = self.net;
        self.poll_io(cx, id, "poll_read", |state, number| {
            if buf.is_empty() {
                return Poll::Ready(Err(state.misuse(net, id, "poll_read into an empty buffer")));
            }
            state.read(net, id, number, cx, buf)
        })
    }

    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        id: ConnectionId,
        buf: &[u8],
    ) -> Poll<Result<usize, TransportError>> {
        let net = self.net;
        self.poll_io(cx, id, "poll_write", |state, number| {
            if buf.is_empty() {
                return Poll::Ready(Err(state.misuse(net, id, "poll_write of nothing")));
            }
            state.write(net, id, number, buf)
        })
    }

    fn poll_close(&mut self, cx: &mut Context<'_>, id: ConnectionId) -> Poll<()> {
        let (net, index) = (self.net, id.index());
        let mut state = self.state();
        let now = state.now;
        let latency = state.settings.latency_ms;
        if let Some(Slot::Open { id: number, .. }) = state.nets[net].slots.get(index) {
            let number = *number;
            // a peer that says nothing acknowledges nothing
            let stalled = |c: &Connection| matches!(c.end, Some((_, End::Stall)));
            let at = match state.connections.get(&number) {
                Some(connection) if stalled(connection) => u64::MAX,
                _ => now + 2 * latency,
            };
            state.note(format!("net {net} connection {index}: closed by the consumer"));
            state.release(net, index);
            state.nets[net].slots[index] = Slot::Closing { at };
            state.progress += 1;
        }
        let polled = match state.nets[net].slots.get(index) {
            Some(Slot::Closing { at }) if *at > now => {
                state.nets[net].wakers[index] = Some(cx.waker().clone());
                Poll::Pending
            }
            Some(_) => {
                state.nets[net].slots[index] = Slot::Closed;
                Poll::Ready(())
            }
            None => {
                state.misuse(net, id, "poll_close beyond connections()");
                Poll::Ready(())
            }
        };
        drop(state);
        self.shared.settle();
        polled
    }

    fn abort(&mut self, id: ConnectionId) {
        let mut state = self.state();
        if id.index() >= state.nets[self.net].slots.len() {
            state.misuse(self.net, id, "abort beyond connections()");
            return;
        }
        if !matches!(state.nets[self.net].slots[id.index()], Slot::Closed) {
            state.note(format!("net {} connection {}: aborted by the consumer", self.net, id.index()));
        }
        state.release(self.net, id.index());
        drop(state);
        self.shared.settle();
    }
}

impl Clock for Net {
    fn now(&mut self) -> Instant {
        Instant::from_millis(self.state().now)
    }

    fn poll_until(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        let mut state = self.state();
        let net = self.net;
        if deadline.as_millis() <= state.now {
            state.nets[net].timer = None;
            return Poll::Ready(());
        }
        state.nets[net].timer = Some((deadline.as_millis(), cx.waker().clone()));
        Poll::Pending
    }
}

/// For the blocking front end: sleeping is a jump of virtual time.
impl Block for Net {
    fn block(&mut self, deadline: Instant) -> Result<(), TransportError> {
        let cluster = self.cluster();
        assert!(cluster.tick(deadline), "asleep for ever at {} ms", cluster.millis());
        Ok(())
    }
}
