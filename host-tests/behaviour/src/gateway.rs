//! The cluster in memory behind real bytes: what comes in at a listener goes to a broker, through a net of the cluster.
use nanokafka::{ConnectionId, Transport};
use nanokafka_scripted::{Cluster, Net};
use std::io::{ErrorKind, Read, Write};
use std::task::{Context, Poll, Waker};

/// Where a broker accepts connections.
pub trait Listener {
    /// What it accepts.
    type Stream: Stream;

    /// The next connection, if there is one.
    fn accept(&mut self) -> Option<Self::Stream>;
}

/// A connection, as the broker's side has it. Reads and writes do not block: [`ErrorKind::WouldBlock`]. Dropped, it ends
/// in order, after its last byte.
pub trait Stream: Read + Write {
    /// FIN, after the last byte that was written; reading goes on.
    fn finish(&mut self);

    /// RST.
    fn reset(self);
}

/// How connections ended that the brokers did not end themselves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ends {
    /// By the consumer's FIN.
    pub fin: usize,
    /// By an error.
    pub reset: usize,
}

/// At most so many connections in the life of a gateway at the same time.
const CONNECTIONS: u8 = 64;
/// Bytes that wait for a stream to take them.
const BUFFER: usize = 8_192;

/// The brokers' side.
pub struct Gateway<L: Listener> {
    /// The cluster, for tests.
    pub cluster: Cluster,
    net: Net,
    brokers: Vec<(String, u16, L)>,
    links: Vec<Link<L::Stream>>,
    /// So far.
    pub ends: Ends,
}

struct Link<S> {
    id: ConnectionId,
    broker: usize,
    stream: S,
    /// Read from the stream and not taken by the broker.
    to_broker: Vec<u8>,
    /// From the broker and not taken by the stream.
    to_client: Vec<u8>,
    /// The broker has ended it, and our FIN was sent.
    finished: bool,
}

enum Turn {
    Idle,
    Moved,
    Ended(Option<End>),
}

/// What the consumer did.
enum End {
    Fin,
    Reset,
}

impl<L: Listener> Gateway<L> {
    /// Broker `b1` is at the first address and listener, and so on; an address is what brokers advertise.
    pub fn new(brokers: Vec<(String, u16, L)>) -> Self {
        let cluster = Cluster::new(brokers.len());
        cluster.configure(|settings| settings.initial_rebalance_delay_ms = 0);
        for (node, (host, port, _)) in (1..).zip(&brokers) {
            cluster.readdress(node, host, *port);
        }
        let net = cluster.net(CONNECTIONS.into());
        Gateway { cluster, net, brokers, links: vec![], ends: Ends::default() }
    }

    /// Moves what can be moved; whether anything was. The caller lets the cluster's time pass.
    pub fn turn(&mut self) -> bool {
        let mut moved = false;
        for (broker, (.., listener)) in self.brokers.iter_mut().enumerate() {
            while let Some(stream) = listener.accept() {
                let free = |id: &ConnectionId| self.links.iter().all(|link| link.id != *id);
                let id = (0..CONNECTIONS).map(ConnectionId::new).find(free).expect("a free connection");
                self.links.push(Link { id, broker, stream, to_broker: vec![], to_client: vec![], finished: false });
                moved = true;
            }
        }
        let mut index = 0;
        while let Some(link) = self.links.get_mut(index) {
            let (host, port, _) = &self.brokers[link.broker];
            match link.turn(&mut self.net, host, *port) {
                Turn::Idle => index += 1,
                Turn::Moved => (moved, index) = (true, index + 1),
                Turn::Ended(end) => {
                    moved = true;
                    let link = self.links.remove(index);
                    match end {
                        Some(End::Fin) => self.ends.fin += 1,
                        Some(End::Reset) => self.ends.reset += 1,
                        None => {}
                    }
                    match end {
                        // what it has written is still read
                        Some(End::Fin) => {
                            let _ = self.net.poll_close(&mut Context::from_waker(Waker::noop()), link.id);
                        }
                        _ => self.net.abort(link.id),
                    }
                    if end.is_none() && !link.finished {
                        link.stream.reset();
                    }
                }
            }
        }
        moved
    }
}

impl<S: Stream> Link<S> {
    fn turn(&mut self, net: &mut Net, host: &str, port: u16) -> Turn {
        let cx = &mut Context::from_waker(Waker::noop());
        let mut moved = false;
        if !self.finished {
            match net.poll_connect(cx, self.id, host, port) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(_)) => return Turn::Ended(None),
                Poll::Pending => return Turn::Idle,
            }
        }
        let mut bytes = [0; BUFFER];
        if self.to_broker.is_empty() {
            match self.stream.read(&mut bytes) {
                Ok(0) => return Turn::Ended(Some(End::Fin).filter(|_| !self.finished)),
                Ok(_) if self.finished => moved = true,
                Ok(n) => self.to_broker.extend_from_slice(&bytes[..n]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => return Turn::Ended(Some(End::Reset)),
            }
        }
        if !self.to_broker.is_empty() {
            match net.poll_write(cx, self.id, &self.to_broker) {
                Poll::Ready(Ok(n)) => {
                    self.to_broker.drain(..n);
                    moved = true;
                }
                Poll::Ready(Err(_)) => return Turn::Ended(None),
                Poll::Pending => {}
            }
        }
        if self.to_client.is_empty() && !self.finished {
            match net.poll_read(cx, self.id, &mut bytes) {
                Poll::Ready(Ok(0)) => {
                    self.stream.finish();
                    (self.finished, moved) = (true, true);
                }
                Poll::Ready(Ok(n)) => self.to_client.extend_from_slice(&bytes[..n]),
                Poll::Ready(Err(_)) => return Turn::Ended(None),
                Poll::Pending => {}
            }
        }
        if !self.to_client.is_empty() {
            match self.stream.write(&self.to_client) {
                Ok(n) => {
                    self.to_client.drain(..n);
                    moved = true;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => return Turn::Ended(Some(End::Reset)),
            }
        }
        if moved {
            Turn::Moved
        } else {
            Turn::Idle
        }
    }
}
