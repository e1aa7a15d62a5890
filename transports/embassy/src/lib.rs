//! [nanokafka] on [embassy-net](embassy_net): its TCP sockets, its DNS, and embassy-time's clock. No heap, no task of its own.
//!
//! ```
//! use core::pin::pin;
//! use embassy_net::Stack;
//! use nanokafka_embassy::nanokafka::{Config, Error, Resources, Seed};
//! use nanokafka_embassy::{Consumer, Event, Names, SocketBuffers, Tcp};
//! use static_cell::ConstStaticCell;
//!
//! // 8 partitions, 2 connections, a window of 4 KB; all of it zero, so it lies in `.bss`
//! static RESOURCES: ConstStaticCell<Resources<8, 2, 4096>> = ConstStaticCell::new(Resources::new());
//! static CONTROL: ConstStaticCell<SocketBuffers<1024, 512>> = ConstStaticCell::new(SocketBuffers::new());
//! static FETCH: ConstStaticCell<[SocketBuffers<4096, 512>; 1]> = ConstStaticCell::new([SocketBuffers::new()]);
//!
//! // an `#[embassy_executor::task]`, beside the one that runs the network
//! async fn consume(stack: Stack<'static>, seed: Seed) -> Result<(), Error> {
//!     let names = Names::<2>::new();
//!     let resolve = pin!(names.resolve(stack)); // not a task: the transport polls it
//!     let tcp = Tcp::new(stack, CONTROL.take(), FETCH.take()).names(&names, resolve);
//!     let config = Config::new("broker.local:9092").group_id("pumps");
//!     let mut consumer = Consumer::new(RESOURCES.take().storage(), config, tcp, seed)?;
//!     consumer.subscribe(&["settings"])?;
//!     loop {
//!         match turn(&mut consumer).await {
//!             Err(error) if error.is_fatal() => return Err(error),
//!             _ => {} // what can be retried is retried inside
//!         }
//!     }
//! }
//!
//! async fn turn(consumer: &mut Consumer<'_>) -> Result<(), Error> {
//!     if let Event::Records(mut records) = consumer.poll().await? {
//!         while let Some(record) = records.next() {
//!             records.keep_alive(apply(record.value())).await; // heartbeats go on beside it
//!             records.commit_sync(&record).await?;
//!         }
//!     }
//!     Ok(())
//! }
//!
//! async fn apply(_setting: Option<&[u8]>) {}
//! ```
//!
//! # What the network stack needs
//!
//! `StackResources<N>`: one socket for each connection, one for DNS (feature `dns`), one for DHCP, and the application's own.
//! With too few of them [`Tcp::new`] panics, inside embassy-net, which has no way to ask first.
//!
//! A connection's receive buffer is its read-ahead: what a broker sends while the application works. The rate over a link is
//! at most that buffer for each round trip. 512 bytes are enough to send: a request of any size leaves in pieces.
//!
//! Addresses of a family that the stack does not have end in `TransportErrorKind::Unreachable`, names that do not
//! resolve in `Name`. Of a name's addresses the next one is taken each time, IPv4 if the stack has it; embassy-net keeps only
//! one unless `SMOLTCP_DNS_MAX_RESULT_COUNT` says otherwise.
//!
//! While a connection is tried to a host of the own network that is switched off, no other host of that network can be found,
//! as embassy-net's smoltcp sends one ARP request a second and always the same
//! ([smoltcp-rs/smoltcp#1101](https://github.com/smoltcp-rs/smoltcp/issues/1101)): until the consumer gives it up, after
//! `socket.connection.setup.timeout.ms`. Connections that are open go on; brokers behind a router are not concerned.
#![no_std]
#![forbid(unsafe_code)]

mod aliases;
#[cfg(feature = "dns")]
mod names;

pub use aliases::{Consumer, Event, LargeRecord, Records};
pub use embassy_net;
#[cfg(feature = "dns")]
pub use names::Names;
pub use nanokafka;

use core::future::Future;
use core::net::IpAddr;
use core::pin::pin;
use core::task::{ready, Context, Poll};
use embassy_net::tcp::{ConnectError, State, TcpSocket};
use embassy_net::{IpAddress, IpEndpoint, Stack};
use embassy_time::{Duration, Timer};
use nanokafka::{Clock, ConnectionId, Instant, Transport, TransportError, TransportErrorKind};

/// Connections of one [`Tcp`]; each takes 24 bytes of it on a 32-bit target, used or not.
pub const MAX_CONNECTIONS: usize = 8;

/// Memory of one connection's socket: `RX` bytes that arrived and are not read, `TX` bytes that are not acknowledged.
pub struct SocketBuffers<const RX: usize, const TX: usize> {
    rx: [u8; RX],
    tx: [u8; TX],
}

impl<const RX: usize, const TX: usize> SocketBuffers<RX, TX> {
    /// All zero: a static of it is `.bss`. Sizes of zero do not compile.
    pub const fn new() -> Self {
        const { assert!(RX > 0 && TX > 0, "a socket needs room in both directions") }
        SocketBuffers { rx: [0; RX], tx: [0; TX] }
    }
}

impl<const RX: usize, const TX: usize> Default for SocketBuffers<RX, TX> {
    fn default() -> Self {
        Self::new()
    }
}

/// TCP connections and the clock of one consumer.
///
/// `TcpSocket` has no poll functions, but its `read`, `write` and `flush` are futures without a state of their own: each poll
/// asks the socket and leaves the waker there. So they are made for one poll and dropped. `connect` begins in its first
/// poll, and from then on the socket's state tells.
pub struct Tcp<'a> {
    stack: Stack<'a>,
    slots: [Option<Slot<'a>>; MAX_CONNECTIONS],
    #[cfg(feature = "dns")]
    resolver: Option<names::Resolver<'a>>,
}

struct Slot<'a> {
    socket: TcpSocket<'a>,
    phase: Phase,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Not the consumer's; the socket may still be ending an earlier connection.
    Free,
    /// The RST may leave until then: connecting anew would take its place.
    Aborted(embassy_time::Instant),
    /// That lookup is ours.
    #[cfg(feature = "dns")]
    Resolving(usize),
    Connecting,
    Open,
}

/// The network's task needs one turn to send an RST.
const RST_TIME: Duration = Duration::from_millis(10);

/// Asked for bytes where no connection is open: after an error, or before `poll_connect` was ready.
const NOT_OPEN: TransportError = TransportError::new(TransportErrorKind::Reset);

/// A connection number that is not below `connections()`.
const NO_SUCH_CONNECTION: TransportError = TransportError::new(TransportErrorKind::Other);

const UNREACHABLE: TransportError = TransportError::new(TransportErrorKind::Unreachable);

const NAME: TransportError = TransportError::new(TransportErrorKind::Name);

impl<'a> Tcp<'a> {
    /// One connection over `control`, for the group and the metadata, and `N` over `fetch`, for records: together as many as the
    /// consumer's resources have, at most [`MAX_CONNECTIONS`], or it does not compile. Hosts must be addresses unless
    /// [`names`](Self::names) follows.
    ///
    /// # Panics
    /// In embassy-net, when the stack has no room for that many sockets.
    pub fn new<const CRX: usize, const CTX: usize, const RX: usize, const TX: usize, const N: usize>(
        stack: Stack<'a>,
        control: &'a mut SocketBuffers<CRX, CTX>,
        fetch: &'a mut [SocketBuffers<RX, TX>; N],
    ) -> Self {
        const { assert!(N < MAX_CONNECTIONS, "more connections than MAX_CONNECTIONS") }
        let slot = |rx: &'a mut [u8], tx: &'a mut [u8]| {
            let mut socket = TcpSocket::new(stack, rx, tx);
            // a request leaves in pieces, and the last one must not wait until the others are acknowledged
            socket.set_nagle_enabled(false);
            Slot { socket, phase: Phase::Free }
        };
        let mut slots = [const { None }; MAX_CONNECTIONS];
        let control = core::iter::once(slot(&mut control.rx, &mut control.tx));
        let fetch = fetch.iter_mut().map(|buffers| slot(&mut buffers.rx, &mut buffers.tx));
        for (place, slot) in slots.iter_mut().zip(control.chain(fetch)) {
            *place = Some(slot);
        }
        Tcp {
            stack,
            slots,
            #[cfg(feature = "dns")]
            resolver: None,
        }
    }

    /// Hosts may be names: `resolve` is the pinned future of [`Names::resolve`], and polled from here.
    #[cfg(feature = "dns")]
    pub fn names<const N: usize>(
        mut self,
        names: &'a Names<N>,
        resolve: core::pin::Pin<&'a mut (dyn Future<Output = ()> + 'a)>,
    ) -> Self {
        self.resolver = Some(names::Resolver::new(names, resolve));
        self
    }

    fn slot(&mut self, id: ConnectionId) -> Result<&mut Slot<'a>, TransportError> {
        self.slots.get_mut(id.index()).and_then(Option::as_mut).ok_or(NO_SUCH_CONNECTION)
    }

    fn poll_address(
        &mut self,
        cx: &mut Context<'_>,
        id: ConnectionId,
        host: &str,
    ) -> Poll<Result<IpAddress, TransportError>> {
        match host.parse() {
            #[cfg(feature = "proto-ipv4")]
            Ok(IpAddr::V4(address)) if self.stack.config_v4().is_some() => {
                return Poll::Ready(Ok(IpAddress::Ipv4(address)))
            }
            // without an address of its own the stack would send from the loopback's
            #[cfg(feature = "proto-ipv6")]
            Ok(IpAddr::V6(address)) if self.stack.config_v6().is_some() => {
                return Poll::Ready(Ok(IpAddress::Ipv6(address)))
            }
            Ok(_) => return Poll::Ready(Err(UNREACHABLE)),
            Err(_) => {}
        }
        #[cfg(feature = "dns")]
        if let (Some(resolver), Some(Some(slot))) = (&mut self.resolver, self.slots.get_mut(id.index())) {
            let asked = match slot.phase {
                Phase::Resolving(lookup) => Some(lookup),
                _ => resolver.ask(host)?,
            };
            // all of them taken: whoever has an answer wakes us
            let Some(lookup) = asked else { return Poll::Pending };
            slot.phase = Phase::Resolving(lookup);
            let found = ready!(resolver.poll_answer(cx, lookup));
            slot.phase = Phase::Free;
            return Poll::Ready(found.ok_or(NAME));
        }
        let _ = (cx, id);
        Poll::Ready(Err(NAME))
    }
}

impl<'a> Slot<'a> {
    /// Ready when the RST of an aborted connection has left, or is forgotten: to a neighbour that is gone it never leaves, and
    /// smoltcp would ask for that one's hardware address for ever, and for no other one.
    fn poll_reset(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Phase::Aborted(until) = self.phase else { return Poll::Ready(()) };
        if once(cx, self.socket.flush()).is_pending() {
            if embassy_time::Instant::now() < until {
                let _ = once(cx, Timer::at(until));
                return Poll::Pending;
            }
            // the only way to reset a socket; nothing else runs in between
            let _ = once(cx, self.socket.accept(1));
            self.socket.close();
        }
        self.phase = Phase::Free;
        Poll::Ready(())
    }

    fn transfer<R>(
        &mut self,
        io: impl FnOnce(&mut TcpSocket<'a>) -> Poll<Result<R, embassy_net::tcp::Error>>,
    ) -> Poll<Result<R, TransportError>> {
        if self.phase != Phase::Open {
            return Poll::Ready(Err(NOT_OPEN));
        }
        Poll::Ready(ready!(io(&mut self.socket)).map_err(|_| {
            self.abort();
            TransportError::new(TransportErrorKind::Reset)
        }))
    }

    fn abort(&mut self) {
        self.socket.abort();
        self.phase = Phase::Aborted(embassy_time::Instant::now().saturating_add(RST_TIME));
    }
}

/// Polls a future that has no state of its own: nothing is lost with it.
fn once<F: Future>(cx: &mut Context<'_>, future: F) -> Poll<F::Output> {
    pin!(future).poll(cx)
}

impl Transport for Tcp<'_> {
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
        ready!(slot.poll_reset(cx));
        if !matches!(slot.phase, Phase::Connecting | Phase::Open) {
            let address = ready!(self.poll_address(cx, id, host))?;
            let slot = self.slot(id)?;
            slot.socket.abort(); // what an earlier connection has left, TIME-WAIT for instance
            slot.phase = Phase::Connecting;
            if let Poll::Ready(Err(error)) = once(cx, slot.socket.connect(IpEndpoint::new(address, port))) {
                slot.phase = Phase::Free;
                return Poll::Ready(Err(TransportError::new(match error {
                    ConnectError::NoRoute => TransportErrorKind::Unreachable,
                    ConnectError::ConnectionReset => TransportErrorKind::Refused,
                    ConnectError::TimedOut => TransportErrorKind::TimedOut,
                    ConnectError::InvalidState => TransportErrorKind::Other,
                })));
            }
        }
        let slot = self.slot(id)?;
        match (slot.phase, slot.socket.state()) {
            (Phase::Connecting, State::SynSent | State::SynReceived) => {
                let _ = once(cx, slot.socket.wait_write_ready()); // for the waker; the stack connects without us
                Poll::Pending
            }
            (Phase::Connecting, State::Closed) => {
                slot.phase = Phase::Free;
                Poll::Ready(Err(TransportError::new(TransportErrorKind::Refused)))
            }
            _ => {
                slot.phase = Phase::Open;
                Poll::Ready(Ok(()))
            }
        }
    }

    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        id: ConnectionId,
        buf: &mut [u8],
    ) -> Poll<Result<usize, TransportError>> {
        // not `wait_read_ready`: at the peer's end it is never ready
        self.slot(id)?.transfer(|socket| once(cx, socket.read(buf)))
    }

    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        id: ConnectionId,
        buf: &[u8],
    ) -> Poll<Result<usize, TransportError>> {
        self.slot(id)?.transfer(|socket| once(cx, socket.write(buf)))
    }

    /// Ready when the peer has acknowledged the FIN.
    fn poll_close(&mut self, cx: &mut Context<'_>, id: ConnectionId) -> Poll<()> {
        let Ok(slot) = self.slot(id) else { return Poll::Ready(()) };
        match slot.phase {
            Phase::Open => {
                slot.phase = Phase::Free;
                slot.socket.close();
            }
            Phase::Free => {}
            _ => {
                self.abort(id);
                return Poll::Ready(());
            }
        }
        once(cx, slot.socket.flush()).map(drop)
    }

    fn abort(&mut self, id: ConnectionId) {
        if let Some(Some(slot)) = self.slots.get_mut(id.index()) {
            #[cfg(feature = "dns")]
            if let (Phase::Resolving(lookup), Some(resolver)) = (slot.phase, &self.resolver) {
                resolver.give_up(lookup);
            }
            slot.abort();
        }
    }
}

impl Clock for Tcp<'_> {
    fn now(&mut self) -> Instant {
        Time.now()
    }

    fn poll_until(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        for slot in self.slots.iter_mut().flatten() {
            let _ = slot.poll_reset(cx); // also of connections that nobody wants any more
        }
        Time.poll_until(cx, deadline)
    }
}

/// embassy-time's clock, for transports that have none.
#[derive(Clone, Copy, Debug, Default)]
pub struct Time;

impl Clock for Time {
    fn now(&mut self) -> Instant {
        Instant::from_millis(embassy_time::Instant::now().as_millis())
    }

    fn poll_until(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        if self.now() >= deadline {
            return Poll::Ready(());
        }
        // beyond the range of the timer is never
        if let Some(deadline) = embassy_time::Instant::try_from_millis(deadline.as_millis()) {
            let _ = once(cx, Timer::at(deadline)); // tells the time driver, which needs no future to wake us
        }
        Poll::Pending
    }
}
