//! One connection: connecting, requests going out, frames coming in. Counters and enums, never borrows; the bytes of an
//! answer lie in a buffer that is lent to it: the control connection has one of its own, the others share the window.
use crate::error::ProtocolErrorKind;
use crate::wire::primitives::copy;
use crate::{ConnectionId, Instant, Transport, TransportError, TransportErrorKind};
use core::task::{Context, Poll};

pub(crate) mod answers;
pub(crate) mod control;
pub(crate) mod failure;
pub(crate) mod inbox;
pub(crate) mod requests;

/// Bytes of a connection's send buffer. A request of any size leaves through it.
pub const SEND_BUFFER: usize = 264;

/// The connection for everything but records.
pub(crate) const CONTROL: usize = 0;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Phase {
    Down,
    Connecting,
    Up,
    /// FIN is on its way, because another node is wanted.
    Closing,
}

/// A request whose answer is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pending {
    /// API key, 0 for none: Produce is not ours.
    pub api: i16,
    pub version: i16,
    /// The correlation id.
    pub id: i32,
}

impl Pending {
    pub const NONE: Pending = Pending { api: 0, version: 0, id: 0 };
}

/// `sent <= out <= tx.len()`; `head_len <= 8`.
#[derive(Debug)]
#[repr(C)] // the small fields first, where short instructions reach them
pub(crate) struct Link {
    pub phase: Phase,
    /// Index of the node it is for, from 1; 0 none.
    pub node: u8,
    head_len: u8,
    /// Which state of the tables the request was begun over: it is written in several fills.
    pub tables: u8,
    /// It has fetched since it was made.
    pub visited: bool,
    /// The Fetch that is out waits as long as any may: it left while no leader waited for the connection.
    pub patient: bool,
    /// Answers given up in a row, as they stalled while another one waited.
    pub stalls: u8,
    /// In a row.
    pub failures: u8,
    /// Bytes of the request in `tx`, and how many of them are sent.
    out: u16,
    sent: u16,
    /// The slot that the request begins with.
    pub first_slot: u16,
    /// Milliseconds that throttled answers without any partition have cost in a row.
    pub starved: u16,
    /// Of the frame being read, bytes that have not arrived.
    pub left: u32,
    pub correlation: i32,
    /// Bytes of the request that are to be written into `tx`, of so many.
    pub unwritten: u32,
    pub size: u32,
    head: [u8; 8],
    /// In the order of their answers: at most one ahead of the one being answered.
    pub pending: [Pending; 2],
    /// Not before: reconnecting, or the next request after a throttle.
    pub not_before: Instant,
    /// The answer, the connect or the close is late from here on.
    pub deadline: Instant,
    pub sent_at: Instant,
    /// Since when it cannot be made or does not last, or was last reported so.
    pub failing_since: Instant,
    pub tx: [u8; SEND_BUFFER],
}

impl Link {
    /// All zero.
    pub const NEW: Link = Link {
        phase: Phase::Down,
        node: 0,
        failures: 0,
        head_len: 0,
        head: [0; 8],
        left: 0,
        pending: [Pending::NONE; 2],
        correlation: 0,
        out: 0,
        sent: 0,
        unwritten: 0,
        first_slot: 0,
        tables: 0,
        size: 0,
        not_before: Instant::from_millis(0),
        deadline: Instant::from_millis(0),
        sent_at: Instant::from_millis(0),
        failing_since: Instant::from_millis(0),
        visited: false,
        starved: 0,
        patient: false,
        stalls: 0,
        tx: [0; SEND_BUFFER],
    };

    /// The request whose answer comes next.
    pub fn awaiting(&self) -> Pending {
        let [first, _] = self.pending;
        first
    }

    pub fn is_idle(&self) -> bool {
        self.phase == Phase::Up && self.awaiting().api == 0
    }

    /// One request is being answered and no other is out.
    pub fn may_send_ahead(&self) -> bool {
        let [_, second] = self.pending;
        self.phase == Phase::Up && second.api == 0 && self.unwritten == 0 && self.sent == self.out
    }

    /// The versions of this node are being asked for.
    pub fn asks_versions(&self, node: u8) -> bool {
        self.node == node && self.awaiting().api == crate::Api::ApiVersions as i16
    }

    /// The answer has begun to arrive.
    pub fn is_answered(&self) -> bool {
        self.head_len > 0
    }

    /// The frame's head is there.
    pub fn has_head(&self) -> bool {
        self.head_len == 8
    }

    /// Notes a request whose frame has `size` bytes, size included; the caller fills `tx`.
    pub fn begin(&mut self, api: i16, version: i16, size: u32, now: Instant, deadline: Instant) {
        self.correlation = self.correlation.wrapping_add(1);
        let request = Pending { api, version, id: self.correlation };
        let [first, second] = &mut self.pending;
        if first.api == 0 {
            *first = request;
            self.deadline = deadline;
        } else {
            *second = request;
        }
        (self.unwritten, self.size, self.out, self.sent, self.sent_at) = (size, size, 0, 0, now);
    }

    /// The newest request.
    pub fn newest(&self) -> Pending {
        match self.pending {
            [first, Pending { api: 0, .. }] => first,
            [_, second] => second,
        }
    }

    /// The next bytes of the request.
    pub fn fill(&mut self, bytes: &[u8]) {
        copy(&mut self.tx, bytes);
        (self.out, self.sent) = (bytes.len() as u16, 0);
        self.unwritten = self.unwritten.saturating_sub(bytes.len() as u32);
    }

    pub fn wants_filling(&self) -> bool {
        self.unwritten > 0 && self.sent == self.out
    }

    /// The answer is over; the next one may wait already.
    pub fn answered(&mut self, deadline: Instant) {
        let [first, second] = &mut self.pending;
        *first = core::mem::replace(second, Pending::NONE);
        (self.head_len, self.left, self.deadline) = (0, 0, deadline);
    }

    /// Forgets everything but its node, its failures and its correlation ids.
    pub fn reset(&mut self) {
        (self.phase, self.head_len, self.left, self.pending) = (Phase::Down, 0, 0, [Pending::NONE; 2]);
        (self.out, self.sent, self.unwritten) = (0, 0, 0);
    }

    /// Writes what is in `tx`. `true`: something moved.
    pub fn pump_out<T: Transport + ?Sized>(
        &mut self,
        id: ConnectionId,
        net: &mut T,
        cx: &mut Context<'_>,
    ) -> Result<bool, TransportError> {
        match self.tx.get(self.sent.into()..self.out.into()) {
            Some(rest) if !rest.is_empty() => {
                let Poll::Ready(n) = net.poll_write(cx, id, rest) else { return Ok(false) };
                let n = n?;
                self.sent = self.sent.saturating_add(n as u16).min(self.out);
                Ok(n > 0)
            }
            _ => Ok(false),
        }
    }

    /// Reads the eight bytes in front of an answer: its size and its correlation id.
    pub fn pump_head<T: Transport + ?Sized>(
        &mut self,
        id: ConnectionId,
        net: &mut T,
        cx: &mut Context<'_>,
    ) -> Result<bool, Broken> {
        let Some(room) = self.head.get_mut(self.head_len.into()..).filter(|room| !room.is_empty()) else {
            return Ok(false);
        };
        let Poll::Ready(n) = net.poll_read(cx, id, room) else { return Ok(false) };
        let n = n?;
        if n == 0 {
            // a TLS alert is one byte shorter than what we wait for
            return Err(match self.head {
                [0x15, 0x03, ..] if self.head_len == 7 => Broken::Protocol(ProtocolErrorKind::Tls),
                _ => Broken::Closed,
            });
        }
        self.head_len = self.head_len.saturating_add(n as u8).min(8);
        if self.head_len == 8 {
            let [a, b, c, d, e, f, g, h] = self.head;
            let size = i32::from_be_bytes([a, b, c, d]);
            if i32::from_be_bytes([e, f, g, h]) != self.awaiting().id || !(4..=MAX_FRAME).contains(&size) {
                return Err(Broken::Protocol(match (a, b) {
                    (b'H', b'T') => ProtocolErrorKind::Http,
                    (0x15, 0x03) => ProtocolErrorKind::Tls,
                    _ if !(4..=MAX_FRAME).contains(&size) => ProtocolErrorKind::FrameSize(size),
                    _ => ProtocolErrorKind::CorrelationId,
                }));
            }
            self.left = size as u32 - 4;
        }
        Ok(true)
    }
}

/// Larger frames are taken for another protocol: a broker's `fetch.max.bytes` and `max.message.bytes` stay far below.
const MAX_FRAME: i32 = 1 << 30;

/// How a connection ended.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Broken {
    Transport(TransportError),
    /// In order, by the peer.
    Closed,
    Protocol(ProtocolErrorKind),
    /// An answer is late.
    Timeout,
}

impl From<TransportError> for Broken {
    fn from(error: TransportError) -> Self {
        Broken::Transport(error)
    }
}

impl Broken {
    pub fn transport(self) -> TransportError {
        match self {
            Broken::Transport(error) => error,
            Broken::Closed | Broken::Protocol(_) => TransportError::new(TransportErrorKind::Reset),
            Broken::Timeout => TransportError::new(TransportErrorKind::TimedOut),
        }
    }
}
