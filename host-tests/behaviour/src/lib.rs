//! What every transport must show: the same scenarios over each of them, against the cluster of `nanokafka-scripted`
//! behind real bytes.
//!
//! # A new transport
//! Implement [`Platform`]: where the brokers are, and how a consumer is made over the transport. Most of it is here:
//!
//! | what | from where |
//! |---|---|
//! | brokers behind sockets of the operating system, in real time | [`Sockets`] |
//! | brokers behind a smoltcp stack and a cable in memory, in virtual time | [`stacks`] |
//! | the near end of that cable with embassy-net | [`embassy`] |
//! | brokers behind streams in memory, in virtual time, for `nanokafka-io` | [`pipes`] |
//! | brokers behind sockets of anything else | [`Gateway`] over your [`Listener`] and [`Stream`] |
//! | a client for an async transport | [`AsyncClient`], with an [`Executor`]; it can cancel at every poll |
//! | a client for a blocking transport | [`BlockingClient`] |
//!
//! Then `nanokafka_behaviour::on_each_platform! { my_name: [MyPlatform::new()] }` in a file of `tests` makes a test of each
//! scenario.
#![forbid(unsafe_code)]

mod asynchronous;
mod blocking;
pub mod contract;
pub mod embassy;
mod gateway;
pub mod pipes;
pub mod scenarios;
mod seen;
mod sockets;
pub mod stacks;
mod std_platforms;

pub use asynchronous::{when_woken, AsyncClient, Executor};
pub use blocking::BlockingClient;
pub use gateway::{Ends, Gateway, Listener, Stream};
use nanokafka::{Config, Control, Error, TopicPartition};
use nanokafka_scripted::Cluster;
pub use seen::{seen, Seen};
pub use sockets::Sockets;
use std::time::Duration;
pub use std_platforms::{Blocking, Tokio, TokioCancelled};

/// Brokers of every cluster; `b1` is the first of [`Platform::addresses`].
pub const BROKERS: usize = 2;

/// Connections of every consumer.
pub const CONNECTIONS: usize = 3;

/// A world with a cluster of [`BROKERS`] brokers, empty at first, reached over the transport in question.
pub trait Platform {
    /// The consumer over the transport.
    type Client: Client;

    /// Of the brokers: address literal and port, which they also advertise.
    fn addresses(&self) -> [(String, u16); BROKERS];

    /// A name that resolves to the address of all brokers.
    const NAME: &'static str;

    /// Whether packets are lost on the way: news of a connection's end may not arrive, and `close` may run out of time.
    const LOSES: bool = false;

    /// Does something with the cluster.
    fn cluster<R: Send + 'static>(&mut self, act: impl FnOnce(&Cluster) -> R + Send + 'static) -> R;

    /// How the connections ended so far, as the brokers' side saw it.
    fn ends(&mut self) -> Ends;

    /// Lets time pass on the brokers' side.
    fn wait(&mut self, time: Duration);

    /// A new consumer.
    fn client(&mut self, sizes: &Sizes, config: Config<'static>) -> Self::Client;
}

/// A consumer, its front end hidden: events are owned.
pub trait Client {
    /// See [`Consumer::subscribe`](nanokafka::Consumer::subscribe).
    fn subscribe(&mut self, topics: &[&str]) -> Result<(), Error>;

    /// See [`Consumer::assign`](nanokafka::Consumer::assign).
    fn assign(&mut self, partitions: &[TopicPartition<'_>]) -> Result<(), Error>;

    /// What does no I/O.
    fn control(&mut self) -> Control<'_>;

    /// The next event, taken whole: all records, the whole value of a large one. `None` when there is none `within`.
    fn poll(&mut self, within: Duration) -> Option<Result<Seen, Error>>;

    /// See `commit_sync` of the front ends.
    fn commit_sync(&mut self) -> Result<(), Error>;

    /// See `close` of the front ends.
    fn close(self) -> Result<(), Error>;
}

/// Of a consumer.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Partitions.
    pub partitions: usize,
    /// Bytes of the window.
    pub window: usize,
}

/// A test of each scenario on each platform: `name: platforms`, separated by commas. The platforms are an array or any other
/// iterator, made anew for each scenario.
#[macro_export]
macro_rules! on_each_platform {
    ($($name:ident: $platforms:expr),* $(,)?) => {
        $(mod $name {
            use super::*;
            $crate::each_scenario!($platforms);
        })*
    };
}
