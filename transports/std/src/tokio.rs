//! A task on [tokio]: its sockets, its timer, its threads for names. `Send`, so it can be spawned.
//!
//! The consumer is polled inside a runtime with I/O and time enabled; elsewhere tokio panics, and says so.
pub use crate::aliases::tokio::{Consumer, Event, LargeRecord, Records};
use crate::dial::{Dial, Dialer};
use crate::{at_once, finish, transport_error, MAX_CONNECTIONS, NOT_OPEN, NO_SUCH_CONNECTION};
use ::tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use ::tokio::net::{lookup_host, TcpStream};
use ::tokio::time::{sleep_until, Instant as Tick, Sleep};
use nanokafka::{Clock, ConnectionId, Instant, Transport, TransportError};
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{ready, Context, Poll};
use std::time::Duration;

/// TCP connections and the clock of one consumer.
///
/// A name is resolved on tokio's threads for blocking work; there is at most one query for each connection unless hosts
/// change meanwhile.
pub struct Tcp {
    slots: Vec<Slot>,
    zero: Tick,
    /// Made at the first sleep, inside the runtime.
    timer: Option<Pin<Box<Sleep>>>,
}

struct Slot {
    stream: Option<TcpStream>,
    dial: Dial<Boxed<Vec<SocketAddr>>, Boxed<TcpStream>>,
}

type Boxed<R> = Pin<Box<dyn Future<Output = io::Result<R>> + Send + Sync>>;

impl Tcp {
    /// For that many connections, at most 256. Sockets are made when the consumer connects.
    pub fn new(connections: usize) -> Self {
        let slots = (0..connections.min(MAX_CONNECTIONS)).map(|_| Slot { stream: None, dial: Dial::new() });
        Tcp { slots: slots.collect(), zero: Tick::now(), timer: None }
    }

    fn slot(&mut self, id: ConnectionId) -> Result<&mut Slot, TransportError> {
        self.slots.get_mut(id.index()).ok_or(NO_SUCH_CONNECTION)
    }
}

impl Slot {
    fn release(&mut self) -> Option<TcpStream> {
        self.dial.abort();
        self.stream.take()
    }

    fn transfer<R>(
        &mut self,
        io: impl FnOnce(Pin<&mut TcpStream>) -> Poll<io::Result<R>>,
    ) -> Poll<Result<R, TransportError>> {
        let stream = self.stream.as_mut().ok_or(NOT_OPEN)?;
        Poll::Ready(ready!(io(Pin::new(stream))).map_err(|error| {
            self.release();
            transport_error(&error)
        }))
    }
}

/// Lends [`Dial`] the waker.
struct Sockets<'c, 'w>(&'c mut Context<'w>);

impl Dialer for Sockets<'_, '_> {
    type Lookup = Boxed<Vec<SocketAddr>>;
    type Attempt = Boxed<TcpStream>;
    type Stream = TcpStream;

    fn lookup(&mut self, host: &str, port: u16) -> io::Result<Self::Lookup> {
        let host = host.to_owned();
        Ok(Box::pin(async move { Ok(lookup_host((host.as_str(), port)).await?.collect()) }))
    }

    fn poll_lookup(&mut self, lookup: &mut Self::Lookup) -> Poll<io::Result<Vec<SocketAddr>>> {
        lookup.as_mut().poll(self.0)
    }

    fn attempt(&mut self, address: SocketAddr) -> io::Result<Self::Attempt> {
        Ok(Box::pin(TcpStream::connect(address)))
    }

    fn poll_attempt(&mut self, attempt: &mut Self::Attempt) -> Poll<io::Result<TcpStream>> {
        let stream = ready!(attempt.as_mut().poll(self.0))?;
        let _ = stream.set_nodelay(true); // fails where the peer has left already; reading will tell
        Poll::Ready(Ok(stream))
    }
}

impl Transport for Tcp {
    fn connections(&self) -> usize {
        self.slots.len()
    }

    fn poll_connect(
        &mut self,
        cx: &mut Context<'_>,
        id: ConnectionId,
        host: &str,
        port: u16,
    ) -> Poll<Result<(), TransportError>> {
        let slot = self.slot(id)?;
        if slot.stream.is_none() {
            slot.stream = Some(ready!(slot.dial.poll(&mut Sockets(cx), host, port))?);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        id: ConnectionId,
        buf: &mut [u8],
    ) -> Poll<Result<usize, TransportError>> {
        let mut buf = ReadBuf::new(at_once(buf));
        ready!(self.slot(id)?.transfer(|stream| stream.poll_read(cx, &mut buf)))?;
        Poll::Ready(Ok(buf.filled().len()))
    }

    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        id: ConnectionId,
        buf: &[u8],
    ) -> Poll<Result<usize, TransportError>> {
        self.slot(id)?.transfer(|stream| stream.poll_write(cx, buf))
    }

    /// Ready at once: the kernel sends the last byte and the FIN without us.
    fn poll_close(&mut self, _: &mut Context<'_>, id: ConnectionId) -> Poll<()> {
        if let Some(Ok(stream)) = self.slots.get_mut(id.index()).and_then(Slot::release).map(TcpStream::into_std) {
            finish(stream);
        }
        Poll::Ready(())
    }

    fn abort(&mut self, id: ConnectionId) {
        self.slots.get_mut(id.index()).map(Slot::release);
    }
}

/// Longer sleeps are made of several: the timer's range ends somewhere, `Instant::NEVER` does not.
const LONGEST_SLEEP: Duration = Duration::from_secs(86_400);

impl Clock for Tcp {
    fn now(&mut self) -> Instant {
        Instant::from_millis(self.zero.elapsed().as_millis() as u64)
    }

    fn poll_until(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        loop {
            let now = self.now();
            if now >= deadline {
                return Poll::Ready(());
            }
            let end = deadline.min(now.after(LONGEST_SLEEP));
            let at = self.zero + Duration::from_millis(end.as_millis());
            let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(at)));
            if timer.deadline() != at {
                timer.as_mut().reset(at);
            }
            ready!(timer.as_mut().poll(cx));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn assert_send_and_sync<T: Send + Sync>() {}
    const _: () = assert_send_and_sync::<Tcp>();

    /// As over blocking sockets.
    #[test]
    fn small_requests_leave_at_once() {
        let runtime = ::tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        let listener = std::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut tcp = Tcp::new(1);
        let id = ConnectionId::new(0);
        runtime.block_on(std::future::poll_fn(|cx| tcp.poll_connect(cx, id, "127.0.0.1", port))).unwrap();
        assert!(tcp.slot(id).unwrap().stream.as_ref().unwrap().nodelay().unwrap());
    }

    #[test]
    fn the_clock_wakes_at_the_deadline_given_last() {
        let runtime = ::tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let mut tcp = Tcp::new(1);
        let deadline = tcp.now().after(Duration::from_millis(30));
        let mut woken = 0;
        let sleep = std::future::poll_fn(|cx| {
            woken += 1;
            assert!(tcp.poll_until(cx, Instant::NEVER).is_pending());
            assert!(tcp.poll_until(cx, Instant::from_millis(1 << 40)).is_pending());
            tcp.poll_until(cx, deadline)
        });
        // the timeout asks once more before it gives up, so the clock tells who woke us
        let _ = runtime.block_on(async { ::tokio::time::timeout(Duration::from_secs(60), sleep).await });
        assert!((deadline..deadline.after(Duration::from_secs(30))).contains(&tcp.now()));
        assert!(woken <= 10, "{woken}: spins");
    }
}
