//! [nanokafka] on std: TCP sockets and names of the operating system, and Java's configuration files.
//!
//! | module | for |
//! |---|---|
//! | [`blocking`] | a thread that polls: the consumer sleeps in the operating system's poller |
//! | `tokio` (feature `tokio`) | a task: the consumer's futures are `Send` |
//! | [`properties`] | `consumer.properties` files and `key=value` pairs with Java's names |
//!
//! The crate's folder `examples` has a program of 30 lines for each of the first two:
//!
//! ```text
//! cargo run -p nanokafka-std --example blocking localhost:9092 readings
//! cargo run -p nanokafka-std --features tokio --example tokio localhost:9092 readings
//! ```
//!
//! Both transports resolve names themselves, without blocking, and try all addresses of a name, IPv4 and IPv6, in the
//! order the resolver gives. One that hangs until the consumer gives up (`socket.connection.setup.timeout.ms`) is the last
//! to be tried the next time. Sockets have `TCP_NODELAY`; their buffers are left to the kernel, which tunes them.
//!
//! # Coming from Java
//!
//! | Java | nanokafka |
//! |---|---|
//! | `poll(Duration)`: records of many partitions | `poll`: one `Event`; `Event::Records` is of one partition and borrowed from the window |
//! | `record.value()` by a deserializer | `record.value_as::<T>()`: `&str`, integers, floats, UUID, JSON, your own; `value()` is bytes |
//! | `ConsumerRebalanceListener` | `Event::Assigned`, `Revoked`, `Lost`; what is revoked stays ours until the next `poll` |
//! | `commitSync()`, `commitAsync(callback)` | `commit_sync`, `commit_async` and `Event::CommitCompleted` |
//! | `commitSync(Map.of(partition, offset + 1))` | `records.commit_sync(&record)`, the + 1 is ours; `commit_offsets` takes Java's offsets |
//! | `seek`, `seekToBeginning`, `seekToEnd`, `position` | `seek`, `seek_to_beginning`, `seek_to_end`, `position`: no I/O, `None` while it is not known |
//! | `committed`, `offsetsForTimes`, `beginningOffsets`, `endOffsets` | the same in snake case, filling in a slice; the last three for assigned partitions |
//! | `wakeup()` | drop the future of `poll`: nothing is lost |
//! | `close(Duration)` | `close`: at most 5 s |
//! | `partitionsFor`, metrics, interceptors | none |
#![forbid(unsafe_code)]

mod aliases;
pub mod blocking;
mod dial;
pub mod properties;
#[cfg(feature = "tokio")]
pub mod tokio;

pub use ::nanokafka;
use ::nanokafka::{TransportError, TransportErrorKind};
use std::io::{Error, ErrorKind, Read};
use std::net::{Shutdown, TcpStream};

/// A [`ConnectionId`](nanokafka::ConnectionId) is one byte: more connections could not be named.
const MAX_CONNECTIONS: usize = 256;

/// The part of a window that one read may fill: 128 KB are still in the processor's cache when they are decoded, which takes a
/// tenth less CPU time than a megabyte at once.
fn at_once(buf: &mut [u8]) -> &mut [u8] {
    let most = buf.len().min(128 << 10);
    &mut buf[..most]
}

/// Asked for bytes where no connection is open: after an error, or before `poll_connect` was ready.
const NOT_OPEN: TransportError = TransportError::new(TransportErrorKind::Reset);

/// A connection number that is not below `connections()`.
const NO_SUCH_CONNECTION: TransportError = TransportError::new(TransportErrorKind::Other);

fn transport_error(error: &Error) -> TransportError {
    let kind = match error.kind() {
        ErrorKind::ConnectionRefused => TransportErrorKind::Refused,
        ErrorKind::ConnectionReset
        | ErrorKind::ConnectionAborted
        | ErrorKind::BrokenPipe
        | ErrorKind::NotConnected
        | ErrorKind::UnexpectedEof => TransportErrorKind::Reset,
        ErrorKind::TimedOut => TransportErrorKind::TimedOut,
        ErrorKind::HostUnreachable
        | ErrorKind::NetworkUnreachable
        | ErrorKind::NetworkDown
        | ErrorKind::AddrNotAvailable => TransportErrorKind::Unreachable,
        _ => TransportErrorKind::Other,
    };
    TransportError { kind, code: error.raw_os_error().unwrap_or(0) }
}

/// Closes in order, without waiting: the kernel sends what it has and the FIN behind it, also when the process has ended.
///
/// What arrived and was not read is read first, because a socket that is closed over it sends RST instead, which takes
/// along what we wrote last. Bounded (256 KB) for a peer that writes faster than this reads; it gets its RST.
fn finish(mut stream: TcpStream) {
    let _ = stream.shutdown(Shutdown::Write); // fails where the connection is broken already
    let mut unread = [0; 4096];
    for _ in 0..64 {
        if !matches!(stream.read(&mut unread), Ok(1..)) {
            break; // empty (the socket does not block), ended or broken
        }
    }
}

/// The examples of the README compile.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
