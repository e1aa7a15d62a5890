//! [nanokafka] on [smoltcp]: no executor, no heap, one loop that never blocks.
//!
//! The interface, the device and the sockets are the application's. [`Connections`] knows which of the sockets are the
//! consumer's; [`Connections::on`] borrows all of them as [`Net`], for one call or for good. [`Net::turn`] moves packets,
//! does something with the consumer and moves packets again; [`Net::poll_delay`] says how long the chip may sleep.
//!
//! ```
//! use nanokafka::{Config, Error, Instant, Resources, Seed, Superloop, TopicPartition};
//! use nanokafka_smoltcp::{Connections, Consumer, Event};
//! use smoltcp::iface::{Interface, SocketSet, SocketStorage};
//! use smoltcp::phy::Device;
//! use smoltcp::socket::{dns, tcp};
//! use smoltcp::wire::IpAddress;
//!
//! fn consume(interface: &mut Interface, device: &mut impl Device, seed: Seed, port: u16) -> Result<(), Error> {
//!     let mut buffers = [[0; 4096]; 4]; // statics, on a device
//!     let [control_rx, control_tx, fetch_rx, fetch_tx] = buffers.each_mut().map(|buffer| &mut buffer[..]);
//!     let (mut storage, mut queries) = ([SocketStorage::EMPTY; 3], [const { None }; 2]);
//!     let mut sockets = SocketSet::new(&mut storage[..]);
//!     let control = sockets.add(tcp::Socket::new(tcp::SocketBuffer::new(control_rx), tcp::SocketBuffer::new(control_tx)));
//!     let fetch = sockets.add(tcp::Socket::new(tcp::SocketBuffer::new(fetch_rx), tcp::SocketBuffer::new(fetch_tx)));
//!     let names = sockets.add(dns::Socket::new(&[IpAddress::v4(192, 168, 1, 1)], &mut queries[..]));
//!     let mut connections = Connections::new([control, fetch], port).names(names);
//!     let mut net = connections.on(interface, device, &mut sockets);
//!
//!     let mut memory = Resources::<8, 2, 4096>::new(); // a static, too
//!     let config = Config::new("kafka.example.org:9092").client_id("pump-7");
//!     let mut consumer = Consumer::new(memory.storage(), config, Superloop, seed)?;
//!     consumer.assign(&[TopicPartition::new("settings", 0)])?;
//!     loop {
//!         let now = uptime();
//!         match net.turn(now, |net| consumer.poll(now, net))? {
//!             Some(Event::Records(records)) => records.for_each(|record| apply(record.value())),
//!             Some(_) => {}
//!             None => sleep(net.poll_delay(now, consumer.next_timeout(now))), // or until a packet comes
//!         }
//!     }
//! }
//! # fn uptime() -> Instant { Instant::from_millis(0) }
//! # fn apply(_: Option<&[u8]>) {}
//! # fn sleep(_: core::time::Duration) {}
//! ```
//!
//! Everything else that takes `(now, net)` is wrapped the same way: `net.turn(now, |net| consumer.commit_sync(now, net))`,
//! while records are held also `net.turn(now, |net| records.keep_alive(now, net))`. Other sockets in the set are moved
//! along, and are at hand as [`Net::sockets`].
//!
//! # Memory
//! On 32 bits a `SocketStorage` is 336 bytes, a DNS query 304, `Connections<2>` 40; the sockets' buffers come on top. The
//! receive buffer is the read-ahead: while one answer is worked on, it fills with the next. Half a kilobyte is enough to
//! send from. A receive buffer below the path's segment size (1,460 bytes on Ethernet) works and is slow.
//!
//! # Names
//! Brokers' names are resolved by a DNS socket of the set, which should have a query slot for each connection; addresses
//! need none, and without that socket a name is a [`Name`](TransportErrorKind::Name) error. Names are asked for IPv4
//! addresses. An IPv6 address works with smoltcp's feature `proto-ipv6` on an interface that has one, and is
//! [`Unreachable`](TransportErrorKind::Unreachable) otherwise.
//!
//! # What smoltcp does not do
//! * It sends one ARP request a second, and while a socket waits for a neighbour that is switched off always the same one
//!   ([smoltcp-rs/smoltcp#1101](https://github.com/smoltcp-rs/smoltcp/issues/1101)). Until the consumer gives up on that broker
//!   (`socket.connection.setup.timeout.ms`), it cannot connect to other hosts of the own network that were not heard of
//!   in the last minute. Connections that are open go on; brokers behind a router are not concerned.
//! * It does not tell a connect for which there is no route: that is a timeout, not an error at once.
#![no_std]
#![forbid(unsafe_code)]

mod transport;

use core::time::Duration;
pub use nanokafka;
use nanokafka::{Instant, Superloop};
use smoltcp::iface::{Interface, SocketHandle, SocketSet};
use smoltcp::phy::Device;
use smoltcp::socket::dns::QueryHandle;
#[cfg(doc)]
use {nanokafka::TransportErrorKind, smoltcp::socket};

/// The consumer of a superloop.
pub type Consumer<'r> = nanokafka::Consumer<'r, Superloop>;
/// What its `poll` returns.
pub type Event<'c> = nanokafka::Event<'c, Superloop>;
/// Records of one partition.
pub type Records<'c> = nanokafka::Records<'c, Superloop>;
/// A record larger than the window; its value is read in chunks.
pub type LargeRecord<'c> = nanokafka::LargeRecord<'c, Superloop>;

/// Which sockets of the application's set are the consumer's, and what they are doing.
pub struct Connections<const N: usize> {
    slots: [Slot; N],
    state: State,
}

struct Slot {
    handle: SocketHandle,
    phase: Phase,
}

/// What all connections share.
struct State {
    names: Option<SocketHandle>,
    /// Where the next connection begins: 49,152 to 65,535.
    port: u16,
    /// Counts connections, so that they take a name's addresses in turn.
    attempts: usize,
}

#[derive(Clone, Copy)]
enum Phase {
    /// Not ours to use; the socket may still be in TIME-WAIT.
    Closed,
    /// Given up, and the RST that says so has not left yet.
    Aborted,
    Resolving(QueryHandle),
    Connecting,
    Open,
    /// The FIN is not acknowledged yet.
    Closing,
}

impl<const N: usize> Connections<N> {
    /// `handles` are of [TCP sockets](socket::tcp::Socket), one for each connection: as many as `Resources` has, at least
    /// two. They are the consumer's alone from now on. `port` is random: local ports count up from there, and a device
    /// that restarts should not meet what its peers remember of the last time.
    pub fn new(handles: [SocketHandle; N], port: u16) -> Self {
        let state = State { names: None, port, attempts: 0 };
        Connections { slots: handles.map(|handle| Slot { handle, phase: Phase::Closed }), state }
    }

    /// Resolves names with this [DNS socket](socket::dns::Socket), which the application may use as well. It should have a
    /// query slot for each connection: a query that finds none fails.
    pub fn names(mut self, socket: SocketHandle) -> Self {
        self.state.names = Some(socket);
        self
    }

    /// The transport, for as long as these are lent.
    pub fn on<'n, 's, D: Device + ?Sized>(
        &'n mut self,
        interface: &'n mut Interface,
        device: &'n mut D,
        sockets: &'n mut SocketSet<'s>,
    ) -> Net<'n, 's, D> {
        Net { interface, device, sockets, slots: &mut self.slots, state: &mut self.state }
    }
}

/// The network stack and the consumer's connections: the [`Transport`](nanokafka::Transport) that is lent to the
/// consumer's methods.
pub struct Net<'n, 's, D: ?Sized> {
    /// The application's interface.
    pub interface: &'n mut Interface,
    /// The application's device.
    pub device: &'n mut D,
    /// The application's sockets, the consumer's among them.
    pub sockets: &'n mut SocketSet<'s>,
    slots: &'n mut [Slot],
    state: &'n mut State,
}

impl<D: Device + ?Sized> Net<'_, '_, D> {
    /// Takes in what has arrived, does `work` and sends what that has written, without waiting for anything. All packets
    /// that the device has are worked on: how long that takes is bounded where the device's queue is.
    pub fn turn<R>(&mut self, now: Instant, work: impl FnOnce(&mut Self) -> R) -> R {
        self.drive(now);
        let result = work(self);
        self.drive(now);
        self.forget_resets();
        result
    }

    fn drive(&mut self, now: Instant) {
        self.interface.poll(time(now), self.device, self.sockets);
    }

    /// How long until the next [`turn`](Self::turn) is due though no packet comes: the stack's timers or `timeout`, which is
    /// `next_timeout` of the consumer, or of the records that are held. Early is harmless; late delays retransmissions and
    /// heartbeats.
    pub fn poll_delay(&mut self, now: Instant, timeout: Instant) -> Duration {
        let stack = self.interface.poll_delay(time(now), self.sockets);
        stack.map_or(Duration::MAX, Duration::from).min(now.until(timeout))
    }
}

fn time(now: Instant) -> smoltcp::time::Instant {
    smoltcp::time::Instant::from_millis_const(now.as_millis() as i64)
}
