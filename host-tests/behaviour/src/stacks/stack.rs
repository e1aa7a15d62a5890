//! A smoltcp stack at one end of a cable, and its sockets as the gateway wants them.
use super::{nanokafka, smoltcp, Port};
use crate::{Listener, Stream};
use ::nanokafka::Instant;
use ::smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use ::smoltcp::phy::{Device, FaultInjector, Medium};
use ::smoltcp::socket::tcp::{RecvError, Socket, SocketBuffer, State};
use ::smoltcp::wire::{EthernetAddress, HardwareAddress, IpCidr, Ipv4Address};
use std::cell::RefCell;
use std::io::{Error, ErrorKind, Read, Write};
use std::rc::Rc;

/// What happens to frames. Each stack loses some that it sends and some that it gets: a round trip passes four times, so
/// that 5 per cent cost a fifth of all round trips.
#[derive(Clone, Copy, Debug, Default)]
pub struct Weather {
    /// Per cent that are lost.
    pub drop: u8,
    /// Per cent in which one bit is wrong when they arrive.
    pub corrupt: u8,
    /// Milliseconds under way.
    pub delay: u64,
    /// Which frames.
    pub seed: u32,
}

impl Weather {
    /// That loses packets.
    pub fn losing(seed: u32) -> Self {
        Weather { drop: 5, corrupt: 0, delay: 5, seed }
    }

    /// That changes bits.
    pub fn corrupting(seed: u32) -> Self {
        Weather { drop: 0, corrupt: 10, delay: 5, seed }
    }
}

/// A stack with one address.
pub struct Stack {
    /// Of the stack.
    pub interface: Interface,
    /// The end of the cable, in the weather.
    pub device: FaultInjector<Port>,
    /// Of the stack.
    pub sockets: SocketSet<'static>,
    port: Port,
    /// Sockets that nobody holds, until they are closed.
    orphans: Vec<SocketHandle>,
}

impl Stack {
    /// In a network of 24 bits.
    pub fn new(port: Port, address: Ipv4Address, weather: Weather) -> Self {
        let seed = address.octets()[3];
        let mut device = FaultInjector::new(port.clone(), 0x1234_5678 ^ weather.seed << 8 ^ u32::from(seed));
        device.set_corrupt_chance(weather.corrupt);
        device.set_drop_chance(weather.drop);
        let hardware = match device.capabilities().medium {
            Medium::Ethernet => HardwareAddress::Ethernet(EthernetAddress([2, 0, 0, 0, 0, seed])),
            Medium::Ip => HardwareAddress::Ip,
        };
        let mut config = Config::new(hardware);
        config.random_seed = seed.into();
        let mut interface = Interface::new(config, &mut device, smoltcp(Instant::from_millis(0)));
        interface.update_ip_addrs(|addresses| {
            addresses.push(IpCidr::new(address.into(), 24)).expect("room for one address");
        });
        Stack { interface, device, sockets: SocketSet::new(vec![]), port, orphans: vec![] }
    }

    /// A TCP socket with buffers of these sizes.
    pub fn socket(&mut self, receive: usize, send: usize) -> SocketHandle {
        self.sockets.add(Socket::new(SocketBuffer::new(vec![0; receive]), SocketBuffer::new(vec![0; send])))
    }

    /// Works on everything that has arrived and is due.
    pub fn poll(&mut self, now: Instant) {
        self.orphans.retain(|&handle| {
            let socket = self.sockets.get::<Socket>(handle);
            let gone = socket.state() == State::Closed && socket.remote_endpoint().is_none();
            if gone {
                self.sockets.remove(handle);
            }
            !gone
        });
        self.interface.poll(smoltcp(now), &mut self.device, &mut self.sockets);
        while self.port.next_arrival() <= now {
            // a frame that was lost in the device ended the poll before
            self.interface.poll(smoltcp(now), &mut self.device, &mut self.sockets);
        }
    }

    /// When to poll again.
    pub fn next(&mut self, now: Instant) -> Instant {
        let timer = self.interface.poll_at(smoltcp(now), &self.sockets).map_or(Instant::NEVER, nanokafka);
        timer.min(self.port.next_arrival())
    }
}

/// So many connections may come at once.
const BACKLOG: usize = 4;
const BUFFER: usize = 4_096;

/// A port of a stack at which connections are accepted.
pub struct StackListener {
    stack: Rc<RefCell<Stack>>,
    port: u16,
    backlog: Vec<SocketHandle>,
}

impl StackListener {
    /// Listens from now on.
    pub fn new(stack: Rc<RefCell<Stack>>, port: u16) -> Self {
        let mut listener = StackListener { stack, port, backlog: vec![] };
        listener.fill();
        listener
    }

    fn fill(&mut self) {
        let mut stack = self.stack.borrow_mut();
        while self.backlog.len() < BACKLOG {
            let handle = stack.socket(BUFFER, BUFFER);
            stack.sockets.get_mut::<Socket>(handle).listen(self.port).expect("a new socket and a port");
            self.backlog.push(handle);
        }
    }
}

impl Listener for StackListener {
    type Stream = StackStream;

    fn accept(&mut self) -> Option<StackStream> {
        let accepted = {
            let stack = self.stack.borrow();
            let state = |handle| stack.sockets.get::<Socket>(handle).state();
            self.backlog.iter().position(|&handle| !matches!(state(handle), State::Listen | State::SynReceived))?
        };
        let handle = self.backlog.remove(accepted);
        self.fill();
        Some(StackStream { stack: self.stack.clone(), handle })
    }
}

/// A connection of a stack.
pub struct StackStream {
    stack: Rc<RefCell<Stack>>,
    handle: SocketHandle,
}

impl StackStream {
    /// Bytes that can be written.
    pub fn room(&self) -> usize {
        self.with(|socket| socket.send_capacity() - socket.send_queue())
    }

    fn with<R>(&self, act: impl FnOnce(&mut Socket<'static>) -> R) -> R {
        act(self.stack.borrow_mut().sockets.get_mut(self.handle))
    }
}

impl Read for StackStream {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        match self.with(|socket| socket.recv_slice(buf)) {
            Ok(0) => Err(ErrorKind::WouldBlock.into()),
            Ok(read) => Ok(read),
            Err(RecvError::Finished) => Ok(0),
            Err(RecvError::InvalidState) => Err(ErrorKind::ConnectionReset.into()),
        }
    }
}

impl Write for StackStream {
    fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
        match self.with(|socket| socket.send_slice(buf)) {
            Ok(0) => Err(ErrorKind::WouldBlock.into()),
            Ok(taken) => Ok(taken),
            Err(error) => Err(Error::new(ErrorKind::ConnectionReset, error)),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Stream for StackStream {
    fn finish(&mut self) {
        self.with(Socket::close);
    }

    fn reset(self) {
        self.with(Socket::abort);
    }
}

impl Drop for StackStream {
    fn drop(&mut self) {
        self.with(Socket::close);
        self.stack.borrow_mut().orphans.push(self.handle);
    }
}
