//! Counts what passes a transport.

use nanokafka::{Block, Clock, ConnectionId, Instant, Transport, TransportError};
use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::task::{Context, Poll};

/// A transport whose traffic is counted.
pub struct Meter<T> {
    inner: T,
    counts: Rc<RefCell<Counts>>,
    /// Of each connection: bytes of its unfinished request.
    written: [Vec<u8>; 2],
}

/// Since the beginning.
#[derive(Default)]
pub struct Counts {
    /// Bytes.
    received: u64,
    /// API keys, in order.
    requests: Vec<i16>,
}

impl<T> Meter<T> {
    /// Nothing counted yet.
    pub fn new(inner: T) -> Self {
        Meter { inner, counts: Rc::default(), written: Default::default() }
    }

    /// What it will count.
    pub fn counts(&self) -> Rc<RefCell<Counts>> {
        self.counts.clone()
    }
}

/// `received=BYTES requests=API,API,…`
impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let requests: Vec<_> = self.requests.iter().map(i16::to_string).collect();
        write!(f, "received={} requests={}", self.received, requests.join(","))
    }
}

impl<T: Transport> Transport for Meter<T> {
    fn connections(&self) -> usize {
        self.inner.connections()
    }

    fn poll_connect(
        &mut self,
        cx: &mut Context<'_>,
        id: ConnectionId,
        host: &str,
        port: u16,
    ) -> Poll<Result<(), TransportError>> {
        self.inner.poll_connect(cx, id, host, port)
    }

    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        id: ConnectionId,
        buf: &mut [u8],
    ) -> Poll<Result<usize, TransportError>> {
        let read = self.inner.poll_read(cx, id, buf);
        if let Poll::Ready(Ok(n)) = read {
            self.counts.borrow_mut().received += n as u64;
        }
        read
    }

    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        id: ConnectionId,
        buf: &[u8],
    ) -> Poll<Result<usize, TransportError>> {
        let wrote = self.inner.poll_write(cx, id, buf);
        if let Poll::Ready(Ok(n)) = wrote {
            let pending = &mut self.written[id.index()];
            pending.extend_from_slice(&buf[..n]);
            // size, API key, …
            while let Some(&[a, b, c, d, high, low]) = pending.first_chunk() {
                let size = 4 + u32::from_be_bytes([a, b, c, d]) as usize;
                if pending.len() < size {
                    break;
                }
                pending.drain(..size);
                self.counts.borrow_mut().requests.push(i16::from_be_bytes([high, low]));
            }
        }
        wrote
    }

    fn poll_close(&mut self, cx: &mut Context<'_>, id: ConnectionId) -> Poll<()> {
        self.inner.poll_close(cx, id)
    }

    fn abort(&mut self, id: ConnectionId) {
        self.written[id.index()].clear();
        self.inner.abort(id);
    }
}

impl<T: Clock> Clock for Meter<T> {
    fn now(&mut self) -> Instant {
        self.inner.now()
    }

    fn poll_until(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        self.inner.poll_until(cx, deadline)
    }
}

impl<T: Block> Block for Meter<T> {
    fn block(&mut self, deadline: Instant) -> Result<(), TransportError> {
        self.inner.block(deadline)
    }
}
