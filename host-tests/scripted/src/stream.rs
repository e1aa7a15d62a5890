//! The client's side of connections, inside the cluster: slots, wakers, grains and cuts of one net.
use crate::cluster::State;
use crate::connection::Readable;
use crate::faults::{Cut, Direction};
use crate::history::Connect;
use crate::net::Stats;
use crate::random::Random;
use crate::serve::Target;
use nanokafka::{ConnectionId, TransportError, TransportErrorKind};
use std::collections::{BTreeMap, BTreeSet};
use std::task::{Context, Poll, Waker};

#[derive(Default)]
pub(crate) enum Slot {
    #[default]
    Closed,
    Connecting {
        host: String,
        port: u16,
        at: u64,
        target: Target,
    },
    Open {
        id: u64,
        host: String,
        port: u16,
    },
    /// Our FIN is acknowledged at this time.
    Closing {
        at: u64,
    },
}

/// How calls are cut into small ones.
#[derive(Default)]
pub(crate) struct Shaping {
    pub(crate) grain: Option<usize>,
    /// Every how many calls one is answered `Pending` and woken at once.
    pub(crate) every: Option<u64>,
    /// By connection and kind of call: a loop that calls in a fixed pattern must get through everywhere.
    pub(crate) calls: BTreeMap<(usize, &'static str), u64>,
    pub(crate) random: Option<Random>,
    /// Positions in the bytes read by this net before which one `Pending` is inserted, ascending.
    pub(crate) pauses: Vec<u64>,
    pub(crate) cut: Option<Cut>,
}

pub(crate) struct NetState {
    pub(crate) slots: Vec<Slot>,
    pub(crate) wakers: Vec<Option<Waker>>,
    pub(crate) timer: Option<(u64, Waker)>,
    pub(crate) shaping: Shaping,
    pub(crate) stats: Stats,
    /// Nodes that were sent ApiVersions.
    pub(crate) negotiated: BTreeSet<i32>,
    pub(crate) storm: (u64, u32),
}

impl NetState {
    pub(crate) fn new(connections: usize) -> Self {
        NetState {
            slots: (0..connections).map(|_| Slot::Closed).collect(),
            wakers: vec![None; connections],
            timer: None,
            shaping: Shaping::default(),
            stats: Stats::default(),
            negotiated: BTreeSet::new(),
            storm: (0, 0),
        }
    }

    /// Whether somebody was waiting.
    pub(crate) fn wake(&mut self, index: usize) -> bool {
        let waker = self.wakers.get_mut(index).and_then(Option::take);
        waker.map(Waker::wake).is_some()
    }

    pub(crate) fn next_event(&self, now: u64) -> Option<u64> {
        let slots = self.slots.iter().filter_map(|slot| match slot {
            Slot::Connecting { at, .. } | Slot::Closing { at } if *at != u64::MAX && *at > now => Some(*at),
            _ => None,
        });
        slots.min()
    }

    pub(crate) fn deadline(&self) -> Option<u64> {
        self.timer.as_ref().map(|(at, _)| *at)
    }

    /// Wakes who waits for this time.
    pub(crate) fn wake_due(&mut self, now: u64) -> bool {
        let mut any = false;
        for (slot, waker) in self.slots.iter().zip(&mut self.wakers) {
            if let (Slot::Connecting { at, .. } | Slot::Closing { at }, true) = (slot, waker.is_some()) {
                if *at <= now {
                    any = true;
                    waker.take().into_iter().for_each(Waker::wake);
                }
            }
        }
        if self.timer.as_ref().is_some_and(|(at, _)| *at <= now) {
            self.timer.take().into_iter().for_each(|(_, waker)| waker.wake());
        }
        any
    }

    /// Whether this call is to be answered `Pending`; then the caller has been woken.
    pub(crate) fn inserts_pending(&mut self, cx: &Context<'_>, index: usize, call: &'static str) -> bool {
        let shaping = &mut self.shaping;
        let every = shaping.every.is_some_and(|every| {
            let calls = shaping.calls.entry((index, call)).or_default();
            *calls += 1;
            (*calls - 1).is_multiple_of(every)
        });
        let chance = shaping.random.as_mut().is_some_and(|random| random.below(4) == 0);
        if every || chance {
            self.stats.inserted_pendings += 1;
            cx.waker().wake_by_ref();
        }
        every || chance
    }

    /// The most bytes of one call.
    fn grain(&mut self) -> usize {
        let grain = self.shaping.grain.unwrap_or(usize::MAX);
        match &mut self.shaping.random {
            None => grain,
            Some(random) => grain.min(1 << random.below(12)),
        }
    }
}

impl State {
    /// The contract of `Transport` is broken; the test fails when the cluster is dropped.
    pub(crate) fn misuse(&mut self, net: usize, id: ConnectionId, what: &str) -> TransportError {
        self.violation(format!("net {net} connection {}: {what}", id.index()));
        TransportError::new(TransportErrorKind::Other)
    }

    /// The number of an open connection; everything else is misuse.
    pub(crate) fn open(&mut self, net: usize, id: ConnectionId, what: &str) -> Result<u64, TransportError> {
        match self.nets[net].slots.get(id.index()) {
            Some(Slot::Open { id, .. }) => Ok(*id),
            _ => Err(self.misuse(net, id, &format!("{what} without a connection"))),
        }
    }

    /// The client's end is gone. What it has written still arrives.
    pub(crate) fn release(&mut self, net: usize, index: usize) {
        if let Slot::Open { id, .. } = std::mem::take(&mut self.nets[net].slots[index]) {
            if let Some(connection) = self.connections.get_mut(&id) {
                connection.client_gone = true;
                self.dirty.push(id);
            }
        }
        self.nets[net].wakers[index] = None;
    }

    fn lost(&mut self, net: usize, id: ConnectionId) -> TransportError {
        self.note(format!("net {net} connection {}: reset", id.index()));
        self.release(net, id.index());
        self.progress += 1;
        TransportError::new(TransportErrorKind::Reset)
    }

    /// Scripted ends whose byte has passed: the net's own takes down the connection that is in use.
    pub(crate) fn spring_cuts(&mut self, net: usize, index: usize, number: u64) {
        let NetState { shaping, stats, .. } = &mut self.nets[net];
        let due = shaping.cut.filter(|cut| cut.is_due(stats.read, stats.written));
        if due.is_some() {
            shaping.cut = None;
        }
        let now = self.now;
        let Some(connection) = self.connections.get_mut(&number) else { return };
        let was_over = connection.is_over();
        connection.spring_cut(now);
        if let Some(cut) = due {
            connection.cut_off(now, cut.end);
        }
        if connection.is_over() && !was_over {
            self.note(format!("net {net} connection {index}: cut"));
            self.wake(net, index);
        }
    }
}

impl State {
    pub(crate) fn begin_connect(&mut self, net: usize, index: usize, host: &str, port: u16) {
        let target = self.target(host, port);
        let at = match &target {
            Target::Blackhole => u64::MAX,
            Target::Nobody(TransportErrorKind::Name | TransportErrorKind::Unreachable) => self.now,
            _ => self.now + 2 * self.settings.latency_ms,
        };
        let now = self.now;
        let state = &mut self.nets[net];
        state.stats.connects += 1;
        state.storm = if state.storm.0 == now { (now, state.storm.1 + 1) } else { (now, 1) };
        if state.storm.1 == 100 {
            self.violation(format!("net {net}: 100 attempts to connect within one millisecond"));
        }
        self.note(format!("net {net} connection {index} connects to {host}:{port}: {target:?}"));
        let reached = matches!(target, Target::Broker(_));
        self.history.connects.push(Connect { at: now, net, connection: index, host: host.into(), port, reached });
        self.nets[net].slots[index] = Slot::Connecting { host: host.into(), port, at, target };
    }

    pub(crate) fn read(
        &mut self,
        net: usize,
        id: ConnectionId,
        number: u64,
        cx: &Context<'_>,
        buf: &mut [u8],
    ) -> Poll<Result<usize, TransportError>> {
        let now = self.now;
        let Some(connection) = self.connections.get_mut(&number) else { return Poll::Ready(Err(self.lost(net, id))) };
        let n = match connection.readable(now) {
            Readable::Nothing => return Poll::Pending,
            Readable::Fin => return Poll::Ready(Ok(0)),
            Readable::Reset => return Poll::Ready(Err(self.lost(net, id))),
            Readable::Bytes(n) => n,
        };
        let state = &mut self.nets[net];
        let mut n = n.min(buf.len()).min(state.grain());
        if let Some(cut) = state.shaping.cut {
            let room = cut.room(Direction::ToClient, state.stats.read, state.stats.written);
            n = n.min(room.try_into().unwrap_or(usize::MAX));
        }
        if let Some(&pause) = state.shaping.pauses.first() {
            let room = pause.saturating_sub(state.stats.read);
            if room == 0 {
                state.shaping.pauses.remove(0);
                state.stats.inserted_pendings += 1;
                self.progress += 1;
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            n = n.min(room.try_into().unwrap_or(usize::MAX));
        }
        if n == 0 {
            return Poll::Pending;
        }
        state.stats.read += n as u64;
        let full = connection.unread > self.settings.socket_send_buffer;
        connection.take(&mut buf[..n], now);
        if full && connection.unread <= self.settings.socket_send_buffer {
            self.dirty.push(number);
        }
        Poll::Ready(Ok(n))
    }

    pub(crate) fn write(
        &mut self,
        net: usize,
        id: ConnectionId,
        number: u64,
        buf: &[u8],
    ) -> Poll<Result<usize, TransportError>> {
        let (now, latency) = (self.now, self.settings.latency_ms);
        let Some(connection) = self.connections.get_mut(&number) else { return Poll::Ready(Err(self.lost(net, id))) };
        let Some(n) = connection.writable(now) else { return Poll::Ready(Err(self.lost(net, id))) };
        let state = &mut self.nets[net];
        let mut n = n.min(buf.len()).min(state.grain());
        if let Some(cut) = state.shaping.cut {
            let room = cut.room(Direction::ToBroker, state.stats.read, state.stats.written);
            n = n.min(room.try_into().unwrap_or(usize::MAX));
        }
        if n == 0 {
            return Poll::Pending;
        }
        state.stats.written += n as u64;
        connection.write(&buf[..n], now, latency);
        if connection.has_request() {
            self.dirty.push(number);
        }
        Poll::Ready(Ok(n))
    }
}
