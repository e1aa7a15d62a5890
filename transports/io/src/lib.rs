//! [nanokafka] over any [`embedded_io_async`] stream, also over those that lose bytes when one of their futures is dropped:
//! TLS streams, modems, UART links. No heap, no task.
//!
//! A consumer's futures may be dropped anywhere, and then it asks anew. Such a stream must never see that. So a *runner*
//! owns it, a future that lives as long as the consumer, and two small pipes lie between them. The runner is no task: it is
//! pinned beside the consumer, and polled whenever the consumer is.
//!
//! ```
//! use core::pin::pin;
//! use embedded_io_async::{Read, Write};
//! use nanokafka_io::nanokafka::{Clock, Config, Error, Event, Resources, Seed, TransportError};
//! use nanokafka_io::{Consumer, Io, Link, Pipes};
//!
//! async fn consume(clock: impl Clock, seed: Seed) -> Result<(), Error> {
//!     let (control, fetch) = (Pipes::new(), Pipes::new());
//!     let (run_control, run_fetch) = (pin!(control.run(connect)), pin!(fetch.run(connect)));
//!     let io = Io::new(clock, [(&control, run_control), (&fetch, run_fetch)]);
//!     let mut resources = Resources::<8, 2, 4096>::new(); // on a device in a static
//!     let config = Config::new("broker.local:9092").group_id("pumps");
//!     let mut consumer = Consumer::new(resources.storage(), config, io, seed)?;
//!     consumer.subscribe(&["settings"])?;
//!     loop {
//!         if let Event::Records(records) = consumer.poll().await? {
//!             for record in records { /* .. */ }
//!         }
//!     }
//! }
//!
//! async fn connect(link: &Link<'_, 256>) -> Result<(), TransportError> {
//!     let (reader, writer) = open(link.host(), link.port()).await?;
//!     link.carry(reader, writer).await?;
//!     Ok(()) // before that the stream could be closed in order: TLS's close_notify
//! }
//!
//! /// A socket of a modem, say, which resolves names itself.
//! async fn open(host: &str, port: u16) -> Result<(impl Read, impl Write), TransportError> {
//! # let _ = (host, port);
//! # struct Nothing;
//! # impl embedded_io_async::ErrorType for Nothing { type Error = core::convert::Infallible; }
//! # impl Read for Nothing { async fn read(&mut self, _: &mut [u8]) -> Result<usize, Self::Error> { Ok(0) } }
//! # impl Write for Nothing {
//! #     async fn write(&mut self, buf: &[u8]) -> Result<usize, Self::Error> { Ok(buf.len()) }
//! #     async fn flush(&mut self) -> Result<(), Self::Error> { Ok(()) }
//! # }
//!     Ok((Nothing, Nothing))
//! }
//! ```
//!
//! What the function given to [`Pipes::run`] makes lies in its own frame, so a TLS session may borrow its socket and its record
//! buffers there, and be split into halves that borrow the session. Halves are needed because an answer is awaited while the next
//! request is written.
//!
//! The clock is part of [`Io`]: whatever the consumer waits for, it asks the clock last, and this is where runners are
//! polled that the consumer has no question for. For embassy it is `nanokafka_embassy::Time`.
#![no_std]
#![forbid(unsafe_code)]

mod link;
mod transport;

pub use embedded_io_async;
pub use link::{Link, Pipes};
pub use nanokafka;
pub use transport::{Io, Runner, MAX_CONNECTIONS};

use embedded_io_async::ErrorKind;
use nanokafka::{Async, TransportError, TransportErrorKind};

/// The consumer over pipes of `N` bytes, with a clock `C`.
pub type Consumer<'r, C, const N: usize> = nanokafka::Consumer<'r, Async<Io<'r, C, N>>>;
/// What its `poll` returns.
pub type Event<'c, 'r, C, const N: usize> = nanokafka::Event<'c, Async<Io<'r, C, N>>>;
/// Records of one partition.
pub type Records<'c, 'r, C, const N: usize> = nanokafka::Records<'c, Async<Io<'r, C, N>>>;
/// A record larger than the window; its value is read in chunks.
pub type LargeRecord<'c, 'r, C, const N: usize> = nanokafka::LargeRecord<'c, Async<Io<'r, C, N>>>;

/// What a stream's error is to the consumer; the code is 0.
pub fn transport_error(error: &impl embedded_io_async::Error) -> TransportError {
    TransportError::new(match error.kind() {
        ErrorKind::ConnectionRefused => TransportErrorKind::Refused,
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe | ErrorKind::NotConnected => {
            TransportErrorKind::Reset
        }
        ErrorKind::TimedOut => TransportErrorKind::TimedOut,
        ErrorKind::AddrNotAvailable => TransportErrorKind::Unreachable,
        _ => TransportErrorKind::Other,
    })
}
