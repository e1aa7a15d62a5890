//! One connection: the pipes, and the runner at their far end.
use crate::transport_error;
use core::cell::Cell;
use core::future::{poll_fn, Future};
use core::pin::pin;
use core::task::Poll;
use embassy_futures::select::{select, Either};
use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use embassy_sync::pipe::Pipe;
use embedded_io_async::{Read, Write};
use heapless::String;
use nanokafka::TransportError;

/// Bytes of the longest host.
const HOST_BYTES: usize = 255;

/// The pipes of one connection, `N` bytes each way. The runner has buffers of the same sizes: together about `4 * N + 800`
/// bytes and what the streams take.
///
/// They are no read-ahead and need not be large: `N` bounds what one read or write of the stream moves.
pub struct Pipes<const N: usize> {
    pub(crate) rx: Pipe<NoopRawMutex, N>,
    pub(crate) tx: Pipe<NoopRawMutex, N>,
    host: Cell<String<HOST_BYTES>>,
    port: Cell<u16>,
    pub(crate) phase: Cell<Phase>,
}

/// Who polls the runner has changed it before, or looks at it afterwards: no wakers are needed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Phase {
    /// No connection. What the runner still holds it drops.
    Idle,
    /// The runner has not begun yet.
    Asked,
    Opening,
    Open,
    /// By us: what is in `tx` leaves first.
    Closing,
    /// By the peer, in order. What is in `rx` has arrived.
    Ended,
    Failed(TransportError),
}

impl<const N: usize> Pipes<N> {
    /// Empty.
    pub const fn new() -> Self {
        const { assert!(N > 0, "nothing could ever pass") }
        Pipes {
            rx: Pipe::new(),
            tx: Pipe::new(),
            host: Cell::new(String::new()),
            port: Cell::new(0),
            phase: Cell::new(Phase::Idle),
        }
    }

    /// The runner: for ever opens connections when the consumer wants one. To be pinned beside the consumer and given to
    /// [`Io::new`](crate::Io::new), which polls it; it lives as long as the consumer.
    ///
    /// `connect` resolves, opens a stream, shakes hands, and then calls [`Link::carry`] with its halves. When that returns `Ok` it
    /// closes the stream. Its errors before `carry` are those of connecting. It is dropped, wherever it is, when the
    /// consumer gives the connection up, and called anew for the next one. Only then.
    pub async fn run(&self, mut connect: impl AsyncFnMut(&Link<'_, N>) -> Result<(), TransportError>) {
        loop {
            poll_fn(|_| if self.phase.get() == Phase::Asked { Poll::Ready(()) } else { Poll::Pending }).await;
            self.phase.set(Phase::Opening);
            let link = Link { pipes: self, host: self.host.take(), port: self.port.get() };
            let mut connection = pin!(connect(&link));
            poll_fn(|cx| {
                // given up, and perhaps wanted anew already
                if matches!(self.phase.get(), Phase::Idle | Phase::Asked) {
                    return Poll::Ready(());
                }
                connection.as_mut().poll(cx).map(|result| {
                    self.phase.set(match self.phase.get() {
                        Phase::Closing => Phase::Idle,
                        Phase::Opening | Phase::Open => over(result),
                        known => known,
                    })
                })
            })
            .await;
        }
    }

    pub(crate) fn ask(&self, host: &str, port: u16) -> Result<(), heapless::CapacityError> {
        self.host.set(String::try_from(host)?);
        self.port.set(port);
        self.rx.clear();
        self.tx.clear();
        self.phase.set(Phase::Asked);
        Ok(())
    }
}

impl<const N: usize> Default for Pipes<N> {
    fn default() -> Self {
        Self::new()
    }
}

/// A connection that the consumer wants.
pub struct Link<'p, const N: usize> {
    pipes: &'p Pipes<N>,
    host: String<HOST_BYTES>,
    port: u16,
}

impl<const N: usize> Link<'_, N> {
    /// A name or an address literal, as brokers advertise it.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Of the broker.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Carries bytes between the stream and the consumer, who sees the connection as open from now on. `Ok` when either side has
    /// ended it in order; when it was the consumer, everything is written and flushed.
    ///
    /// # Errors
    /// The stream's, as [`transport_error`] has them.
    ///
    /// # Cancel safety
    /// None: bytes that the stream has given and the consumer has not taken are lost with it. Await it and nothing else.
    pub async fn carry(&self, mut reader: impl Read, mut writer: impl Write) -> Result<(), TransportError> {
        let Pipes { rx, tx, phase, .. } = self.pipes;
        phase.set(Phase::Open);
        let reading = async {
            let mut buf = [0; N];
            loop {
                match reader.read(&mut buf).await {
                    Ok(0) => return Ok(()),
                    Ok(n) => rx.write_all(buf.get(..n).unwrap_or_default()).await,
                    Err(error) => return Err(transport_error(&error)),
                }
            }
        };
        let writing = async {
            let mut buf = [0; N];
            loop {
                let n = poll_fn(|cx| match pin!(tx.read(&mut buf)).poll(cx) {
                    Poll::Pending if phase.get() == Phase::Closing => Poll::Ready(0),
                    taken => taken,
                })
                .await;
                if n == 0 {
                    return Ok(());
                }
                let mut sent = writer.write_all(buf.get(..n).unwrap_or_default()).await;
                if sent.is_ok() && tx.is_empty() {
                    sent = writer.flush().await;
                }
                sent.map_err(|error| transport_error(&error))?;
            }
        };
        // whichever ends, the connection is over, so that nothing is lost with the other
        let (Either::First(result) | Either::Second(result)) = select(reading, writing).await;
        if phase.get() == Phase::Open {
            phase.set(over(result)); // told now, whatever closing the stream takes
        }
        result
    }
}

fn over(result: Result<(), TransportError>) -> Phase {
    match result {
        Ok(()) => Phase::Ended,
        Err(error) => Phase::Failed(error),
    }
}
