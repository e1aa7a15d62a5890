//! The contract of [`Transport`] over smoltcp's sockets. They leave no wakers: the superloop comes back by itself.
use crate::{Net, Phase, Slot, State};
use core::net::Ipv6Addr;
use core::task::{ready, Context, Poll};
use nanokafka::{ConnectionId, Transport, TransportError, TransportErrorKind as Kind};
use smoltcp::iface::{Interface, SocketHandle, SocketSet};
use smoltcp::socket::dns::{self, GetQueryResultError};
use smoltcp::socket::tcp::{self, RecvError};
use smoltcp::socket::AnySocket;
use smoltcp::wire::{DnsQueryType, IpAddress};

/// Asked for bytes where no connection is open: after an error, or before `poll_connect` was ready.
const NOT_OPEN: TransportError = TransportError::new(Kind::Reset);

/// A connection number that is not below `connections()`, or one whose socket the application has taken out of the set.
const NO_SUCH_CONNECTION: TransportError = TransportError::new(Kind::Other);

/// As `SocketSet::get_mut`, which panics.
fn find<'a, 's, S: AnySocket<'s>>(sockets: &'a mut SocketSet<'s>, handle: SocketHandle) -> Option<&'a mut S> {
    let (_, socket) = sockets.iter_mut().find(|(of, _)| *of == handle)?;
    S::downcast_mut(socket)
}

/// One connection and what it needs.
struct Link<'a, 's> {
    slot: &'a mut Slot,
    state: &'a mut State,
    interface: &'a mut Interface,
    sockets: &'a mut SocketSet<'s>,
}

impl<'s> Link<'_, 's> {
    fn socket(&mut self) -> Result<&mut tcp::Socket<'s>, TransportError> {
        find(self.sockets, self.slot.handle).ok_or(NO_SUCH_CONNECTION)
    }

    fn names(&mut self) -> Option<&mut dns::Socket<'s>> {
        find(self.sockets, self.state.names?)
    }

    fn open(&mut self) -> Result<&mut tcp::Socket<'s>, TransportError> {
        match self.slot.phase {
            Phase::Open => self.socket(),
            _ => Err(NOT_OPEN),
        }
    }

    /// The error, after which the connection is none any more.
    fn fail(&mut self, kind: Kind) -> TransportError {
        self.slot.phase = Phase::Closed;
        TransportError::new(kind)
    }

    fn poll_connect(&mut self, host: &str, port: u16) -> Poll<Result<(), TransportError>> {
        match self.slot.phase {
            Phase::Open => return Poll::Ready(Ok(())),
            Phase::Connecting => {}
            Phase::Resolving(_) => {
                let address = ready!(self.poll_name())?;
                self.connect(address, port)?;
            }
            Phase::Aborted => {
                // connecting anew would take the place of the RST, which leaves at the end of this turn
                self.slot.phase = Phase::Closed;
                return Poll::Pending;
            }
            Phase::Closed | Phase::Closing => match host.parse::<IpAddress>() {
                Ok(address) => self.connect(address, port)?,
                Err(()) if host.parse::<Ipv6Addr>().is_ok() => return Poll::Ready(Err(self.fail(Kind::Unreachable))),
                Err(()) => {
                    self.query(host)?;
                    return Poll::Pending;
                }
            },
        }
        match self.socket()?.state() {
            tcp::State::SynSent | tcp::State::SynReceived => Poll::Pending,
            tcp::State::Closed => Poll::Ready(Err(self.fail(Kind::Refused))),
            _ => {
                self.slot.phase = Phase::Open;
                Poll::Ready(Ok(()))
            }
        }
    }

    /// Not inlined: smoltcp puts the packet together on the stack, 1.3 KB that whoever connects to an address need not have.
    #[inline(never)]
    fn query(&mut self, host: &str) -> Result<(), TransportError> {
        let names = self.state.names.and_then(|names| find::<dns::Socket>(self.sockets, names));
        let query = names.and_then(|names| names.start_query(self.interface.context(), host, DnsQueryType::A).ok());
        match query {
            Some(query) => {
                self.slot.phase = Phase::Resolving(query);
                Ok(())
            }
            None => Err(self.fail(Kind::Name)),
        }
    }

    fn poll_name(&mut self) -> Poll<Result<IpAddress, TransportError>> {
        let Phase::Resolving(query) = self.slot.phase else { return Poll::Ready(Err(NOT_OPEN)) };
        let addresses = match self.names().map(|names| names.get_query_result(query)) {
            Some(Err(GetQueryResultError::Pending)) => return Poll::Pending,
            Some(Ok(addresses)) => addresses,
            _ => return Poll::Ready(Err(self.fail(Kind::Name))),
        };
        // one that does not answer is not the first the next time
        self.state.attempts = self.state.attempts.wrapping_add(1);
        let in_turn = self.state.attempts.checked_rem(addresses.len()).and_then(|index| addresses.get(index));
        Poll::Ready(in_turn.copied().ok_or_else(|| self.fail(Kind::Name)))
    }

    /// From a new local port: the old connection may be in TIME-WAIT here or anywhere on its way down at the peer.
    fn connect(&mut self, address: IpAddress, port: u16) -> Result<(), TransportError> {
        // smoltcp would take ::1 for the source where the interface has no IPv6 address
        let reachable = self.interface.ip_addrs().iter().any(|own| own.address().version() == address.version());
        self.state.port = self.state.port.wrapping_add(1) | 0xc000;
        let (local, interface) = (self.state.port, &mut *self.interface);
        let socket = find::<tcp::Socket>(self.sockets, self.slot.handle).ok_or(NO_SUCH_CONNECTION)?;
        socket.abort();
        // a request is written at once; what is left of it must not wait for the acknowledgement of its first part
        socket.set_nagle_enabled(false);
        if reachable && socket.connect(interface.context(), (address, port), local).is_ok() {
            self.slot.phase = Phase::Connecting;
            Ok(())
        } else {
            Err(self.fail(Kind::Unreachable))
        }
    }

    fn abort(&mut self) {
        if let Phase::Resolving(query) = self.slot.phase {
            if let Some(names) = self.names() {
                names.cancel_query(query);
            }
        }
        self.slot.phase = Phase::Closed;
        if let Ok(socket) = self.socket() {
            socket.abort();
            if socket.remote_endpoint().is_some() {
                self.slot.phase = Phase::Aborted;
            }
        }
    }

    fn poll_close(&mut self) -> Poll<()> {
        match self.slot.phase {
            Phase::Open | Phase::Closing => self.slot.phase = Phase::Closing,
            Phase::Closed | Phase::Aborted => return Poll::Ready(()),
            Phase::Resolving(_) | Phase::Connecting => {
                self.abort();
                return Poll::Ready(());
            }
        }
        if let Ok(socket) = self.socket() {
            socket.close();
            if matches!(socket.state(), tcp::State::FinWait1 | tcp::State::Closing | tcp::State::LastAck) {
                return Poll::Pending;
            }
        }
        self.slot.phase = Phase::Closed;
        Poll::Ready(())
    }
}

impl<'s, D: ?Sized> Net<'_, 's, D> {
    fn link(&mut self, id: ConnectionId) -> Result<Link<'_, 's>, TransportError> {
        let slot = self.slots.get_mut(id.index()).ok_or(NO_SUCH_CONNECTION)?;
        Ok(Link { slot, state: self.state, interface: self.interface, sockets: self.sockets })
    }
}

impl<D: ?Sized> Net<'_, '_, D> {
    /// An RST that could not leave is not kept. Its ARP requests to a neighbour that is gone would be all that smoltcp ever
    /// sends, so nobody else's address could be learned; a peer that lives is told when it sends something.
    pub(crate) fn forget_resets(&mut self) {
        for slot in self.slots.iter() {
            if let Some(socket) = find::<tcp::Socket>(self.sockets, slot.handle) {
                let forgotten = socket.state() == tcp::State::Closed && socket.remote_endpoint().is_some();
                // the only way to reset a socket; nothing is polled in between
                if forgotten && socket.listen(1).is_ok() {
                    socket.close();
                }
            }
        }
    }
}

impl<D: ?Sized> Transport for Net<'_, '_, D> {
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
        self.link(id)?.poll_connect(host, port)
    }

    fn poll_read(
        &mut self,
        _: &mut Context<'_>,
        id: ConnectionId,
        buf: &mut [u8],
    ) -> Poll<Result<usize, TransportError>> {
        let mut link = self.link(id)?;
        match link.open()?.recv_slice(buf) {
            Ok(0) => Poll::Pending,
            Ok(read) => Poll::Ready(Ok(read)),
            Err(RecvError::Finished) => Poll::Ready(Ok(0)),
            Err(RecvError::InvalidState) => Poll::Ready(Err(link.fail(Kind::Reset))),
        }
    }

    fn poll_write(&mut self, _: &mut Context<'_>, id: ConnectionId, buf: &[u8]) -> Poll<Result<usize, TransportError>> {
        let mut link = self.link(id)?;
        match link.open()?.send_slice(buf) {
            Ok(0) => Poll::Pending,
            Ok(taken) => Poll::Ready(Ok(taken)),
            Err(_) => Poll::Ready(Err(link.fail(Kind::Reset))),
        }
    }

    fn poll_close(&mut self, _: &mut Context<'_>, id: ConnectionId) -> Poll<()> {
        self.link(id).map_or(Poll::Ready(()), |mut link| link.poll_close())
    }

    fn abort(&mut self, id: ConnectionId) {
        if let Ok(mut link) = self.link(id) {
            link.abort();
        }
    }
}
