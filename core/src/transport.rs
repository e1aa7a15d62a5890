//! What a platform gives: byte streams by number, a clock, and (only for the blocking front end) a way to sleep.
//! The contract is in the doc comments; every implementation in `transports` follows it without storing a future.
use crate::Instant;
use core::task::{Context, Poll};

/// Which of the consumer's connections: `0` is the control connection, `1..` are for fetching.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct ConnectionId(pub(crate) u8);

impl ConnectionId {
    /// The connection with this index: `index < connections()`.
    pub const fn new(index: u8) -> Self {
        ConnectionId(index)
    }

    /// For tables of connections.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// Byte streams to brokers, by connection number.
///
/// * `Pending` means: nothing happened, nothing was taken, and the waker of `cx` will be woken when trying again is worth
///   it. Only the last waker counts. A caller that sleeps by other means passes [`Waker::noop`](core::task::Waker::noop).
/// * Every call is a fresh question. The caller may ask again with other arguments, or never: dropping whatever future it
///   was asked from costs nothing, because progress (a half-open connect, a running name query) lives in the transport.
/// * After an error the connection is gone: the transport has released what it held, and the next `poll_connect` starts anew.
/// * Connections are independent: none may block another, and no call may block the thread.
pub trait Transport {
    /// How many connections can be open at once.
    fn connections(&self) -> usize;

    /// Starts or continues connecting to `host` (a name or an address literal, as brokers advertise it). `Ready(Ok)` once
    /// the stream carries bytes, for TLS after the handshake. The same arguments are given until it is ready or aborted.
    fn poll_connect(
        &mut self,
        cx: &mut Context<'_>,
        id: ConnectionId,
        host: &str,
        port: u16,
    ) -> Poll<Result<(), TransportError>>;

    /// Reads at least one byte into a `buf` that is not empty; `Ready(Ok(0))` is the peer's orderly end.
    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        id: ConnectionId,
        buf: &mut [u8],
    ) -> Poll<Result<usize, TransportError>>;

    /// Takes at least one byte of a `buf` that is not empty. Taken bytes are sent without a further call.
    fn poll_write(&mut self, cx: &mut Context<'_>, id: ConnectionId, buf: &[u8])
        -> Poll<Result<usize, TransportError>>;

    /// Closes in order (FIN after the last byte, close_notify for TLS); `Ready` when nothing is left to do or to wait for.
    /// The consumer bounds the wait and then calls [`abort`](Self::abort).
    fn poll_close(&mut self, cx: &mut Context<'_>, id: ConnectionId) -> Poll<()>;

    /// Gives the connection up at once, in any state, also while connecting.
    fn abort(&mut self, id: ConnectionId);
}

/// Time, for the front ends; the protocol core takes `now` as an argument.
pub trait Clock {
    /// The time now.
    fn now(&mut self) -> Instant;

    /// `Ready` from `deadline` on; before that `Pending`, and the waker will be woken at `deadline`. Only the last deadline
    /// counts; an early wake is allowed, a late one delays heartbeats.
    fn poll_until(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<()>;
}

/// Sleeping, for the blocking front end only.
pub trait Block {
    /// Returns when a connection for which `Pending` was answered may have progressed, or at `deadline`; early is allowed.
    fn block(&mut self, deadline: Instant) -> Result<(), TransportError>;
}

/// Why a connection ended: what to do about it, and the platform's own number for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct TransportError {
    /// The kind, the same on every platform.
    pub kind: TransportErrorKind,
    /// `errno`, a TLS alert, or 0.
    pub code: i32,
}

/// Kinds of transport errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum TransportErrorKind {
    /// The name did not resolve.
    Name,
    /// Nobody listens there.
    Refused,
    /// The peer or the network cut the connection, or it ended inside a response.
    Reset,
    /// The stack gave up waiting.
    TimedOut,
    /// No route or no address.
    Unreachable,
    /// The TLS handshake or a record failed.
    Tls,
    /// Anything else; see `code`.
    Other,
}

impl core::fmt::Display for TransportError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self.kind {
            TransportErrorKind::Name => "the name does not resolve",
            TransportErrorKind::Refused => "connection refused",
            TransportErrorKind::Reset => "connection lost",
            TransportErrorKind::TimedOut => "timed out",
            TransportErrorKind::Unreachable => "no route or no address",
            TransportErrorKind::Tls => "TLS failed",
            TransportErrorKind::Other => "transport failed",
        })?;
        match self.code {
            0 => Ok(()),
            code => write!(f, " (code {code})"),
        }
    }
}

impl core::error::Error for TransportError {}

impl TransportError {
    /// Without a platform code.
    pub const fn new(kind: TransportErrorKind) -> Self {
        TransportError { kind, code: 0 }
    }
}

impl<T: Transport + ?Sized> Transport for &mut T {
    fn connections(&self) -> usize {
        (**self).connections()
    }
    fn poll_connect(
        &mut self,
        cx: &mut Context<'_>,
        id: ConnectionId,
        host: &str,
        port: u16,
    ) -> Poll<Result<(), TransportError>> {
        (**self).poll_connect(cx, id, host, port)
    }
    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        id: ConnectionId,
        buf: &mut [u8],
    ) -> Poll<Result<usize, TransportError>> {
        (**self).poll_read(cx, id, buf)
    }
    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        id: ConnectionId,
        buf: &[u8],
    ) -> Poll<Result<usize, TransportError>> {
        (**self).poll_write(cx, id, buf)
    }
    fn poll_close(&mut self, cx: &mut Context<'_>, id: ConnectionId) -> Poll<()> {
        (**self).poll_close(cx, id)
    }
    fn abort(&mut self, id: ConnectionId) {
        (**self).abort(id)
    }
}

/// A transport and a clock of different origin make a platform.
impl<A: Transport, C> Transport for (A, C) {
    fn connections(&self) -> usize {
        self.0.connections()
    }
    fn poll_connect(
        &mut self,
        cx: &mut Context<'_>,
        id: ConnectionId,
        host: &str,
        port: u16,
    ) -> Poll<Result<(), TransportError>> {
        self.0.poll_connect(cx, id, host, port)
    }
    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        id: ConnectionId,
        buf: &mut [u8],
    ) -> Poll<Result<usize, TransportError>> {
        self.0.poll_read(cx, id, buf)
    }
    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        id: ConnectionId,
        buf: &[u8],
    ) -> Poll<Result<usize, TransportError>> {
        self.0.poll_write(cx, id, buf)
    }
    fn poll_close(&mut self, cx: &mut Context<'_>, id: ConnectionId) -> Poll<()> {
        self.0.poll_close(cx, id)
    }
    fn abort(&mut self, id: ConnectionId) {
        self.0.abort(id)
    }
}

impl<A, C: Clock> Clock for (A, C) {
    fn now(&mut self) -> Instant {
        self.1.now()
    }
    fn poll_until(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        self.1.poll_until(cx, deadline)
    }
}
