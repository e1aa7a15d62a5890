//! The near end of the cable: an embassy-net stack, the transport over it, and an executor for both.
use super::time;
use crate::stacks::{Port, Timely, Weather, World, NEAR};
use crate::{Executor, CONNECTIONS};
use embassy_net::driver::{self, Capabilities, Driver, LinkState};
use embassy_net::{ConfigV4, Ipv4Address, Ipv4Cidr, Runner, StackResources, StaticConfigV4};
use nanokafka::Instant;
use nanokafka_embassy::{Names, SocketBuffers, Tcp};
use smoltcp::phy::{Device, FaultInjector, Medium};
use std::cell::RefCell;
use std::future::Future;
use std::pin::{pin, Pin};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::task::{Context, Poll, Wake};
use std::time::Duration;

/// An end of a cable, as a network device of embassy's.
struct Cable(FaultInjector<Port>);

fn now() -> smoltcp::time::Instant {
    smoltcp::time::Instant::from_micros(embassy_time::Instant::now().as_micros() as i64)
}

impl Driver for Cable {
    type RxToken<'a> = Token<<FaultInjector<Port> as Device>::RxToken<'a>>;
    type TxToken<'a> = Token<<FaultInjector<Port> as Device>::TxToken<'a>>;

    fn receive(&mut self, _: &mut Context<'_>) -> Option<(Self::RxToken<'_>, Self::TxToken<'_>)> {
        let (rx, tx) = self.0.receive(now())?;
        Some((Token(rx), Token(tx)))
    }

    fn transmit(&mut self, _: &mut Context<'_>) -> Option<Self::TxToken<'_>> {
        self.0.transmit(now()).map(Token)
    }

    fn link_state(&mut self, _: &mut Context<'_>) -> LinkState {
        LinkState::Up
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.max_transmission_unit = self.0.capabilities().max_transmission_unit;
        capabilities
    }

    fn hardware_address(&self) -> driver::HardwareAddress {
        match self.0.capabilities().medium {
            Medium::Ethernet => driver::HardwareAddress::Ethernet([2, 0, 0, 0, 0, NEAR.octets()[3]]),
            Medium::Ip => driver::HardwareAddress::Ip,
        }
    }
}

/// smoltcp's token as embassy's.
struct Token<T>(T);

impl<T: smoltcp::phy::RxToken> driver::RxToken for Token<T> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, read: F) -> R {
        self.0.consume(|frame| read(&mut frame.to_vec()))
    }
}

impl<T: smoltcp::phy::TxToken> driver::TxToken for Token<T> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, write: F) -> R {
        self.0.consume(length, write)
    }
}

/// An embassy-net stack, and what drives it. What it borrows is leaked: it is as static as on a device.
pub struct NearEnd<W> {
    world: Rc<RefCell<World<W>>>,
    runner: Runner<'static, Cable>,
    /// For sockets of its own.
    pub stack: embassy_net::Stack<'static>,
    port: Port,
    /// Of the task, so far.
    pub polls: usize,
}

/// A segment and a half; and less than a request.
const RECEIVE: usize = 2_048;
const SEND: usize = 256;

impl<W: Timely> NearEnd<W> {
    /// `seed` decides which local ports are used.
    pub fn new(world: Rc<RefCell<World<W>>>, port: Port, weather: Weather, servers: &[Ipv4Address], seed: u64) -> Self {
        time::reset();
        time::pass(world.borrow().now);
        let mut device = FaultInjector::new(port.clone(), 0x1234_5678 ^ weather.seed << 8);
        device.set_corrupt_chance(weather.corrupt);
        device.set_drop_chance(weather.drop);
        let resources = Box::leak(Box::new(StackResources::<{ CONNECTIONS + 1 }>::new()));
        let mut config = embassy_net::Config::default();
        let dns_servers = servers.iter().copied().collect();
        config.ipv4 = ConfigV4::Static(StaticConfigV4 { address: Ipv4Cidr::new(NEAR, 24), gateway: None, dns_servers });
        let (stack, runner) = embassy_net::new(Cable(device), config, resources, seed);
        NearEnd { world, runner, stack, port, polls: 0 }
    }

    /// The transport in question, with [`CONNECTIONS`] and a resolver.
    pub fn tcp(&self) -> Tcp<'static> {
        let control = Box::leak(Box::new(SocketBuffers::<RECEIVE, SEND>::new()));
        let fetch = Box::leak(Box::new([const { SocketBuffers::<RECEIVE, SEND>::new() }; CONNECTIONS - 1]));
        let names: &Names<2> = Box::leak(Box::default());
        let resolve = Box::leak(Box::new(names.resolve(self.stack)));
        Tcp::new(self.stack, control, fetch).names(names, Pin::static_mut(resolve))
    }

    /// Virtual.
    pub fn now(&self) -> Instant {
        self.world.borrow().now
    }

    /// The stack's task: works on everything that has arrived and is due.
    fn network(&mut self, cx: &mut Context<'_>) {
        let _ = pin!(self.runner.run()).poll(cx); // has no state of its own
        while self.port.next_arrival() <= self.now() {
            // a frame that was lost in the device ended the poll before
            let _ = pin!(self.runner.run()).poll(cx);
        }
    }
}

/// A task was woken.
struct Woken(AtomicBool);

impl Woken {
    fn new() -> Arc<Self> {
        Arc::new(Woken(AtomicBool::new(true)))
    }

    fn take(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// More polls than these without time going on is a livelock.
const POLLS_AT_ONCE: u32 = 100_000;

impl<W: Timely> Executor for NearEnd<W> {
    fn run<F: Future>(&mut self, within: Duration, future: F) -> Option<F::Output> {
        time::pass(self.now()); // it may have gone on without us
        let until = self.now().after(within);
        let mut future = pin!(future);
        let (network, task) = (Woken::new(), Woken::new());
        let (network_waker, task_waker) = (network.clone().into(), task.clone().into());
        loop {
            let mut polls = 0;
            while task.take() {
                self.polls += 1;
                if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&task_waker)) {
                    return Some(output);
                }
                // a frame may have arrived also when the stack was not woken
                while network.take() {
                    self.network(&mut Context::from_waker(&network_waker));
                }
                polls += 1;
                assert!(polls < POLLS_AT_ONCE, "livelock at {} ms", self.now().as_millis());
            }
            if self.now() >= until {
                return None;
            }
            // the far end answers first, so that its frames are seen
            self.world.borrow_mut().far_end();
            let next = time::next().min(self.port.next_arrival());
            self.world.borrow_mut().pass(next, until);
            time::pass(self.now());
            self.network(&mut Context::from_waker(&network_waker));
        }
    }
}
