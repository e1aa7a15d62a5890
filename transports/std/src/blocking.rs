//! A thread that polls: non-blocking sockets, and the operating system's poller to sleep in.
//!
//! Readiness is edge-triggered, so each connection remembers what the last event and the last answer of the kernel said:
//! a socket that was found empty is not asked again until an event speaks of it. Where the caller is busy with one
//! connection and never sleeps, events are collected at most once per millisecond, so the others go on.
pub use crate::aliases::blocking::{Consumer, Event, LargeRecord, Records};
use crate::dial::{Dial, Dialer};
use crate::{at_once, finish, transport_error, MAX_CONNECTIONS, NOT_OPEN, NO_SUCH_CONNECTION};
use mio::event::Event as PollerEvent;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll as Poller, Registry, Token, Waker as Wake};
use nanokafka::{Block, Clock, ConnectionId, Instant, Transport, TransportError};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::mpsc::{sync_channel, Receiver, TryRecvError};
use std::sync::Arc;
use std::task::{ready, Context, Poll};
use std::time::Duration;

/// TCP connections, the clock and the sleep of one blocking consumer.
///
/// A name is resolved on a thread of its own that ends with the answer; there is at most one for each connection unless
/// hosts change meanwhile.
pub struct Tcp {
    poller: Poller,
    events: Events,
    wake: Arc<Wake>,
    slots: Vec<Slot>,
    zero: std::time::Instant,
    /// What the clock answered last.
    now: Instant,
    /// When events were collected last: `collected <= now`.
    collected: Instant,
    /// Questions about connections that are not ready.
    questions: u8,
    /// An answer `Pending` may be out of date, and nobody has been told: `block` must not sleep.
    moved: bool,
}

/// The token of the resolver threads; the others are the numbers of the connections.
const WAKE: Token = Token(usize::MAX);

struct Slot {
    stream: Option<TcpStream>,
    dial: Dial<Receiver<io::Result<Vec<SocketAddr>>>, Option<TcpStream>>,
    ready: Readiness,
}

/// What is worth trying, a set of [`READ`], [`WRITE`] and [`ENDED`].
/// Invariant: where `Pending` was answered, the bit in question is not set.
type Readiness = u8;
const READ: Readiness = 1;
const WRITE: Readiness = 2;
/// The peer's end or an error has come. No event will follow it, so a read is worth trying until it tells.
const ENDED: Readiness = 4;
/// Of a connection that does not exist: trying is an error, and says so.
const FREE: Readiness = READ | WRITE;

fn readiness(event: &PollerEvent) -> Readiness {
    let bit = |set, bit| if set { bit } else { 0 };
    bit(event.is_readable(), READ)
        | bit(event.is_writable() || event.is_write_closed(), WRITE)
        | bit(event.is_read_closed(), READ | ENDED)
        | bit(event.is_error(), READ | WRITE | ENDED)
}

impl Tcp {
    /// For that many connections, at most 256. Sockets are made when the consumer connects.
    ///
    /// # Errors
    /// What the operating system answers when it has no file descriptor left for a poller.
    pub fn new(connections: usize) -> io::Result<Self> {
        let poller = Poller::new()?;
        let wake = Arc::new(Wake::new(poller.registry(), WAKE)?);
        let connections = connections.min(MAX_CONNECTIONS);
        Ok(Tcp {
            poller,
            events: Events::with_capacity(connections + 1),
            wake,
            slots: (0..connections).map(|_| Slot { stream: None, dial: Dial::new(), ready: FREE }).collect(),
            zero: std::time::Instant::now(),
            now: Instant::default(),
            collected: Instant::default(),
            questions: 0,
            moved: false,
        })
    }

    /// Takes what the poller has, after at most `timeout`.
    fn collect(&mut self, timeout: Option<Duration>) -> Result<(), TransportError> {
        match self.poller.poll(&mut self.events, timeout) {
            Err(error) if error.kind() == ErrorKind::Interrupted => self.moved = true,
            Err(error) => return Err(transport_error(&error)),
            Ok(()) => {
                for event in &self.events {
                    let Some(slot) = self.slots.get_mut(event.token().0) else {
                        self.moved = true; // WAKE: a name was resolved
                        continue;
                    };
                    self.moved |= readiness(event) & !slot.ready != 0;
                    slot.ready |= readiness(event);
                }
            }
        }
        self.collected = self.now();
        Ok(())
    }

    /// The connection `id`, as soon as `wanted` is worth a system call.
    fn worth(&mut self, id: ConnectionId, wanted: Readiness) -> Poll<Result<&mut Slot, TransportError>> {
        let slot = self.slots.get(id.index()).ok_or(NO_SUCH_CONNECTION)?;
        if slot.ready & wanted == 0 {
            // The front end asks the clock once per turn, which makes this check almost free. A caller with another clock
            // is served by looking at ours now and then.
            self.questions = self.questions.wrapping_add(1);
            if self.questions.is_multiple_of(16) {
                self.now();
            }
            if self.now == self.collected {
                return Poll::Pending;
            }
            self.collect(Some(Duration::ZERO))?;
        }
        match self.slots.get_mut(id.index()) {
            Some(slot) if slot.ready & wanted != 0 => Poll::Ready(Ok(slot)),
            _ => Poll::Pending,
        }
    }
}

impl Slot {
    fn release(&mut self) -> Option<TcpStream> {
        self.dial.abort();
        self.ready = FREE;
        self.stream.take() // dropping it closes it, and the poller forgets it
    }

    /// One attempt to read or write.
    fn transfer(
        &mut self,
        direction: Readiness,
        mut io: impl FnMut(&mut TcpStream) -> io::Result<usize>,
    ) -> Poll<Result<usize, TransportError>> {
        let Some(stream) = &mut self.stream else { return Poll::Ready(Err(NOT_OPEN)) };
        let result = loop {
            match io(stream) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                result => break result,
            }
        };
        match result {
            Ok(bytes) => Poll::Ready(Ok(bytes)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                self.ready &= !direction;
                Poll::Pending
            }
            Err(error) => {
                self.release();
                Poll::Ready(Err(transport_error(&error)))
            }
        }
    }
}

/// Lends [`Dial`] what it needs of a [`Tcp`].
struct Sockets<'t> {
    registry: &'t Registry,
    wake: &'t Arc<Wake>,
    token: Token,
    ready: &'t mut Readiness,
}

impl Dialer for Sockets<'_> {
    type Lookup = Receiver<io::Result<Vec<SocketAddr>>>;
    type Attempt = Option<TcpStream>; // until it is handed over
    type Stream = TcpStream;

    fn lookup(&mut self, host: &str, port: u16) -> io::Result<Self::Lookup> {
        let (answer, lookup) = sync_channel(1);
        let (host, wake) = (host.to_owned(), self.wake.clone());
        std::thread::Builder::new().name("kafka-resolver".into()).spawn(move || {
            // Both fail only when the consumer is gone.
            let _ = answer.send((host.as_str(), port).to_socket_addrs().map(Iterator::collect));
            let _ = wake.wake();
        })?;
        Ok(lookup)
    }

    fn poll_lookup(&mut self, lookup: &mut Self::Lookup) -> Poll<io::Result<Vec<SocketAddr>>> {
        match lookup.try_recv() {
            Ok(answer) => Poll::Ready(answer),
            Err(TryRecvError::Empty) => Poll::Pending,
            Err(TryRecvError::Disconnected) => Poll::Ready(Err(io::Error::other("the resolver's thread died"))),
        }
    }

    fn attempt(&mut self, address: SocketAddr) -> io::Result<Self::Attempt> {
        let mut stream = TcpStream::connect(address)?;
        *self.ready = 0;
        self.registry.register(&mut stream, self.token, Interest::READABLE | Interest::WRITABLE)?;
        Ok(Some(stream))
    }

    fn poll_attempt(&mut self, attempt: &mut Self::Attempt) -> Poll<io::Result<TcpStream>> {
        // A half-open socket becomes writable in the end, whether it connected or failed.
        if *self.ready & WRITE == 0 {
            return Poll::Pending;
        }
        let Some(stream) = attempt.as_ref() else { return Poll::Ready(Err(ErrorKind::NotConnected.into())) };
        match stream.take_error().and_then(|error| error.map_or_else(|| stream.peer_addr(), Err)) {
            Ok(_) => {
                let _ = stream.set_nodelay(true); // fails where the peer has left already; reading will tell
                Poll::Ready(attempt.take().ok_or_else(|| ErrorKind::NotConnected.into()))
            }
            Err(error) if matches!(error.kind(), ErrorKind::NotConnected | ErrorKind::WouldBlock) => {
                *self.ready &= !WRITE; // a spurious event
                Poll::Pending
            }
            Err(error) => Poll::Ready(Err(error)),
        }
    }
}

/// A read that fills only a part of the buffer has emptied the socket, and what comes later is a new edge: epoll(7), on
/// reading until EAGAIN. Relied on only where it is documented.
const SHORT_READ_IS_DRAINED: bool = cfg!(any(target_os = "linux", target_os = "android"));

impl Transport for Tcp {
    fn connections(&self) -> usize {
        self.slots.len()
    }

    fn poll_connect(
        &mut self,
        _: &mut Context<'_>,
        id: ConnectionId,
        host: &str,
        port: u16,
    ) -> Poll<Result<(), TransportError>> {
        if self.slots.get(id.index()).is_some_and(|slot| slot.stream.is_some()) {
            return Poll::Ready(Ok(()));
        }
        ready!(self.worth(id, WRITE))?; // true before the first attempt, and while a name is being resolved
        let Some(Slot { stream, dial, ready }) = self.slots.get_mut(id.index()) else {
            return Poll::Ready(Err(NO_SUCH_CONNECTION));
        };
        let (registry, token) = (self.poller.registry(), Token(id.index()));
        let dialed = ready!(dial.poll(&mut Sockets { registry, wake: &self.wake, token, ready }, host, port));
        Poll::Ready(match dialed {
            Ok(open) => {
                *stream = Some(open);
                Ok(())
            }
            Err(error) => {
                *ready = FREE;
                Err(error)
            }
        })
    }

    fn poll_read(
        &mut self,
        _: &mut Context<'_>,
        id: ConnectionId,
        buf: &mut [u8],
    ) -> Poll<Result<usize, TransportError>> {
        let buf = at_once(buf);
        let slot = ready!(self.worth(id, READ))?;
        let bytes = ready!(slot.transfer(READ, |stream| stream.read(buf)))?;
        if SHORT_READ_IS_DRAINED && (1..buf.len()).contains(&bytes) && slot.ready & ENDED == 0 {
            slot.ready &= !READ;
        }
        Poll::Ready(Ok(bytes))
    }

    fn poll_write(&mut self, _: &mut Context<'_>, id: ConnectionId, buf: &[u8]) -> Poll<Result<usize, TransportError>> {
        ready!(self.worth(id, WRITE))?.transfer(WRITE, |stream| stream.write(buf))
    }

    /// Ready at once: the kernel sends the last byte and the FIN without us.
    fn poll_close(&mut self, _: &mut Context<'_>, id: ConnectionId) -> Poll<()> {
        if let Some(stream) = self.slots.get_mut(id.index()).and_then(Slot::release) {
            finish(stream.into());
        }
        Poll::Ready(())
    }

    fn abort(&mut self, id: ConnectionId) {
        self.slots.get_mut(id.index()).map(Slot::release);
    }
}

impl Clock for Tcp {
    fn now(&mut self) -> Instant {
        self.now = Instant::from_millis(0).after(self.zero.elapsed());
        self.now
    }

    fn poll_until(&mut self, _: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        if self.now() >= deadline {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}

impl Block for Tcp {
    /// Events of connections that are known to be ready do not end the sleep: nobody was told to wait for them.
    fn block(&mut self, deadline: Instant) -> Result<(), TransportError> {
        while !std::mem::take(&mut self.moved) {
            let deadline = (deadline != Instant::NEVER).then(|| Duration::from_millis(deadline.as_millis()));
            // The poller rounds up to its own resolution, so the clock has reached the deadline after the sleep.
            let left = deadline.map(|deadline| deadline.saturating_sub(self.zero.elapsed()));
            self.collect(left)?;
            if left.is_some_and(|left| left.is_zero()) {
                self.moved = false;
                break;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, TcpListener};
    use std::task::Waker;
    use std::thread::{sleep, spawn};

    const fn assert_send<T: Send>() {}
    const _: () = assert_send::<Tcp>();

    const A: ConnectionId = ConnectionId::new(0);
    const B: ConnectionId = ConnectionId::new(1);
    /// Far more than anything here takes; a loaded machine must not fail a test.
    const LONG: Duration = Duration::from_secs(60);

    fn read(tcp: &mut Tcp, id: ConnectionId, buf: &mut [u8]) -> Poll<Result<usize, TransportError>> {
        tcp.poll_read(&mut Context::from_waker(Waker::noop()), id, buf)
    }

    /// Both connections, and their other ends.
    fn connected() -> (Tcp, [std::net::TcpStream; 2]) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut tcp = Tcp::new(2).unwrap();
        let deadline = tcp.now().after(LONG);
        let peers = [A, B].map(|id| {
            while tcp.poll_connect(&mut Context::from_waker(Waker::noop()), id, "127.0.0.1", port).is_pending() {
                tcp.block(deadline).unwrap();
                assert!(tcp.now() < deadline);
            }
            listener.accept().unwrap().0
        });
        while tcp.block(Instant::default()).is_ok() && tcp.moved {}
        (tcp, peers)
    }

    /// Nagle's algorithm would hold a small request back until the one before it is acknowledged, 40 ms later.
    #[test]
    fn small_requests_leave_at_once() {
        let (tcp, _peers) = connected();
        assert!(tcp.slots.iter().all(|slot| slot.stream.as_ref().unwrap().nodelay().unwrap()));
    }

    #[test]
    fn block_ends_at_the_deadline_and_does_not_spin() {
        let (mut tcp, _peers) = connected();
        assert!(read(&mut tcp, A, &mut [0; 8]).is_pending());
        let deadline = tcp.now().after(Duration::from_millis(50));
        let mut sleeps = 0;
        while tcp.now() < deadline {
            tcp.block(deadline).unwrap();
            sleeps += 1;
        }
        assert!(sleeps <= 2, "{sleeps}");
    }

    #[test]
    fn the_clock_is_ready_from_the_deadline_on() {
        let mut tcp = Tcp::new(1).unwrap();
        let cx = &mut Context::from_waker(Waker::noop());
        let deadline = tcp.now().after(Duration::from_millis(20));
        assert!(tcp.poll_until(cx, Instant::NEVER).is_pending());
        while tcp.poll_until(cx, deadline).is_pending() {
            tcp.block(deadline).unwrap();
        }
        assert!(tcp.now() >= deadline);
    }

    #[test]
    fn block_ends_when_bytes_come() {
        let (mut tcp, [mut peer, _other]) = connected();
        let writer = spawn(move || {
            sleep(Duration::from_millis(50));
            peer.write_all(b"hello").unwrap();
            peer
        });
        let deadline = tcp.now().after(LONG);
        while read(&mut tcp, A, &mut [0; 8]).is_pending() {
            tcp.block(deadline).unwrap();
            assert!(tcp.now() < deadline);
        }
        writer.join().unwrap();
    }

    #[test]
    fn block_does_not_sleep_over_an_event_that_a_question_collected() {
        // read A: Pending - bytes for A come - read B: collects the event of A, Pending - block: A has been told Pending
        let (mut tcp, [mut peer, _other]) = connected();
        assert!(read(&mut tcp, A, &mut [0; 8]).is_pending());
        peer.write_all(b"hello").unwrap();
        sleep(Duration::from_millis(20));
        tcp.now();
        assert!(read(&mut tcp, B, &mut [0; 8]).is_pending());
        assert!(tcp.moved, "the event was collected");
        let start = tcp.now();
        tcp.block(start.after(LONG)).unwrap();
        assert!(start.until(tcp.now()) < LONG);
        assert_eq!(read(&mut tcp, A, &mut [0; 8]), Poll::Ready(Ok(5)));
    }

    #[test]
    fn block_sleeps_on_while_bytes_come_that_nobody_asked_for() {
        let (mut tcp, [mut peer, _other]) = connected();
        peer.write_all(b"hello").unwrap();
        let deadline = tcp.now().after(LONG);
        while tcp.slots[0].ready & READ == 0 {
            tcp.block(deadline).unwrap();
        }
        let writer = spawn(move || {
            for _ in 0..10 {
                sleep(Duration::from_millis(5));
                peer.write_all(b"hello").unwrap();
            }
            peer
        });
        assert!(read(&mut tcp, B, &mut [0; 8]).is_pending());
        let deadline = tcp.now().after(Duration::from_millis(100));
        tcp.block(deadline).unwrap();
        assert!(tcp.now() >= deadline);
        writer.join().unwrap();
    }

    #[test]
    fn events_are_collected_although_the_caller_never_sleeps() {
        for asks_the_clock in [true, false] {
            let (mut tcp, [mut peer, _other]) = connected();
            assert!(read(&mut tcp, A, &mut [0; 8]).is_pending());
            peer.write_all(b"hello").unwrap();
            let start = std::time::Instant::now();
            while read(&mut tcp, A, &mut [0; 8]).is_pending() {
                if asks_the_clock {
                    tcp.now();
                }
                assert!(start.elapsed() < LONG);
            }
        }
    }

    #[test]
    fn a_socket_that_was_emptied_is_not_asked_again_before_an_event() {
        let (mut tcp, [mut peer, _other]) = connected();
        peer.write_all(b"hello").unwrap();
        let deadline = tcp.now().after(LONG);
        while tcp.slots[0].ready & READ == 0 {
            tcp.block(deadline).unwrap();
        }
        assert_eq!(read(&mut tcp, A, &mut [0; 3]), Poll::Ready(Ok(3)));
        assert_eq!(tcp.slots[0].ready & READ, READ, "a full buffer says nothing");
        assert_eq!(read(&mut tcp, A, &mut [0; 3]), Poll::Ready(Ok(2)));
        assert_eq!(tcp.slots[0].ready & READ == 0, SHORT_READ_IS_DRAINED);
        assert!(read(&mut tcp, A, &mut [0; 3]).is_pending());
        assert_eq!(tcp.slots[0].ready & READ, 0);
        peer.write_all(b"hello").unwrap();
        while read(&mut tcp, A, &mut [0; 8]).is_pending() {
            tcp.block(deadline).unwrap();
        }
    }
}
