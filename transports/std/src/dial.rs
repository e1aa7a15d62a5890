//! From a host and a port to one stream: resolve, then try address after address.
//! How a lookup and an attempt are made differs between the platforms; what must be remembered in between does not.
use crate::transport_error;
use nanokafka::{TransportError, TransportErrorKind};
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::task::{ready, Poll};
use std::vec::IntoIter;

/// What a platform does for [`Dial`]. `Pending` as in [`Transport`](nanokafka::Transport): somebody will be woken.
pub(crate) trait Dialer {
    /// A name query under way. Dropping it gives it up.
    type Lookup;
    /// A half-open connection. Dropping it gives it up.
    type Attempt;
    /// An open connection.
    type Stream;

    fn lookup(&mut self, host: &str, port: u16) -> io::Result<Self::Lookup>;
    fn poll_lookup(&mut self, lookup: &mut Self::Lookup) -> Poll<io::Result<Vec<SocketAddr>>>;
    fn attempt(&mut self, address: SocketAddr) -> io::Result<Self::Attempt>;
    fn poll_attempt(&mut self, attempt: &mut Self::Attempt) -> Poll<io::Result<Self::Stream>>;
}

/// One connection on its way.
pub(crate) struct Dial<L, A> {
    lookup: Option<Lookup<L>>,
    attempt: Option<Attempt<A>>,
    /// The address that was being tried when the consumer lost patience. The next round begins behind it, or a name
    /// whose first address swallows packets would never be reached at its second.
    hung: Option<SocketAddr>,
}

/// It survives [`Dial::abort`]: a resolver that needs longer than the consumer waits gets to answer in the end, and one
/// that never answers is asked once, not once per attempt.
struct Lookup<L> {
    host: String,
    port: u16,
    query: L,
}

struct Attempt<A> {
    half_open: A,
    address: SocketAddr,
    rest: IntoIter<SocketAddr>,
}

impl<L, A> Dial<L, A> {
    pub const fn new() -> Self {
        Dial { lookup: None, attempt: None, hung: None }
    }

    /// Starts or continues. After an error, `abort` or a stream the next call starts anew.
    pub fn poll<D>(&mut self, dialer: &mut D, host: &str, port: u16) -> Poll<Result<D::Stream, TransportError>>
    where
        D: Dialer<Lookup = L, Attempt = A>,
    {
        let mut attempt = match self.attempt.take() {
            Some(attempt) => attempt,
            None => {
                let addresses = ready!(self.addresses(dialer, host, port))?;
                next(dialer, addresses.into_iter(), ErrorKind::AddrNotAvailable.into())?
            }
        };
        loop {
            match dialer.poll_attempt(&mut attempt.half_open) {
                Poll::Pending => {
                    self.attempt = Some(attempt);
                    return Poll::Pending;
                }
                Poll::Ready(Ok(stream)) => return Poll::Ready(Ok(stream)),
                Poll::Ready(Err(error)) => attempt = next(dialer, attempt.rest, error)?,
            }
        }
    }

    pub fn abort(&mut self) {
        if let Some(attempt) = self.attempt.take() {
            self.hung = Some(attempt.address);
        }
    }

    /// In the order in which they are to be tried; at least one.
    fn addresses<D>(&mut self, dialer: &mut D, host: &str, port: u16) -> Poll<Result<Vec<SocketAddr>, TransportError>>
    where
        D: Dialer<Lookup = L>,
    {
        if let Ok(literal) = host.parse::<IpAddr>() {
            return Poll::Ready(Ok(vec![SocketAddr::new(literal, port)]));
        }
        let lookup = match &mut self.lookup {
            Some(lookup) if lookup.host == host && lookup.port == port => lookup,
            other => {
                let query = dialer.lookup(host, port).map_err(|error| transport_error(&error))?;
                other.insert(Lookup { host: host.to_owned(), port, query })
            }
        };
        let answer = ready!(dialer.poll_lookup(&mut lookup.query));
        self.lookup = None;
        let code = answer.as_ref().err().and_then(io::Error::raw_os_error).unwrap_or(0);
        let mut addresses = answer.unwrap_or_default();
        if addresses.is_empty() {
            return Poll::Ready(Err(TransportError { kind: TransportErrorKind::Name, code }));
        }
        if let Some(hung) = self.hung.take().and_then(|hung| addresses.iter().position(|&address| address == hung)) {
            addresses.rotate_left(hung + 1);
        }
        Poll::Ready(Ok(addresses))
    }
}

/// The first attempt that can be started; the last error if there is none.
fn next<D: Dialer>(
    dialer: &mut D,
    mut rest: IntoIter<SocketAddr>,
    mut error: io::Error,
) -> Result<Attempt<D::Attempt>, TransportError> {
    while let Some(address) = rest.next() {
        match dialer.attempt(address) {
            Ok(half_open) => return Ok(Attempt { half_open, address, rest }),
            Err(e) => error = e,
        }
    }
    Err(transport_error(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A world where port 1 hangs, port 2 refuses, port 3 has no route from here and the others connect.
    #[derive(Default)]
    struct World {
        resolved: Option<Vec<SocketAddr>>,
        lookups: usize,
        tried: Vec<u16>,
    }

    impl Dialer for World {
        type Lookup = ();
        type Attempt = SocketAddr;
        type Stream = u16;

        fn lookup(&mut self, host: &str, _: u16) -> io::Result<()> {
            assert!(host.parse::<IpAddr>().is_err(), "a literal is not resolved");
            self.lookups += 1;
            Ok(())
        }

        fn poll_lookup(&mut self, (): &mut ()) -> Poll<io::Result<Vec<SocketAddr>>> {
            self.resolved.clone().map_or(Poll::Pending, |list| Poll::Ready(Ok(list)))
        }

        fn attempt(&mut self, address: SocketAddr) -> io::Result<SocketAddr> {
            self.tried.push(address.port());
            match address.port() {
                3 => Err(ErrorKind::NetworkUnreachable.into()),
                _ => Ok(address),
            }
        }

        fn poll_attempt(&mut self, address: &mut SocketAddr) -> Poll<io::Result<u16>> {
            match address.port() {
                1 => Poll::Pending,
                2 => Poll::Ready(Err(ErrorKind::ConnectionRefused.into())),
                port => Poll::Ready(Ok(port)),
            }
        }
    }

    fn world(ports: &[u16]) -> World {
        let resolved = ports.iter().map(|&port| SocketAddr::new([127, 0, 0, 1].into(), port)).collect();
        World { resolved: Some(resolved), ..World::default() }
    }

    fn failed(kind: TransportErrorKind) -> Poll<Result<u16, TransportError>> {
        Poll::Ready(Err(TransportError::new(kind)))
    }

    #[test]
    fn tries_the_addresses_in_the_order_of_the_resolver() {
        let (mut world, mut dial) = (world(&[3, 2, 8, 9]), Dial::new());
        assert_eq!(dial.poll(&mut world, "broker", 9092), Poll::Ready(Ok(8)));
        assert_eq!(world.tried, [3, 2, 8]);
    }

    #[test]
    fn fails_with_the_last_error_and_starts_anew() {
        let (mut world, mut dial) = (world(&[3, 2]), Dial::new());
        assert_eq!(dial.poll(&mut world, "broker", 9092), failed(TransportErrorKind::Refused));
        assert_eq!(dial.poll(&mut world, "broker", 9092), failed(TransportErrorKind::Refused));
        assert_eq!((world.tried, world.lookups), (vec![3, 2, 3, 2], 2));
    }

    #[test]
    fn an_address_that_hangs_is_the_last_of_the_next_round() {
        let (mut world, mut dial) = (world(&[1, 8]), Dial::new());
        assert_eq!(dial.poll(&mut world, "broker", 9092), Poll::Pending);
        dial.abort();
        assert_eq!(dial.poll(&mut world, "broker", 9092), Poll::Ready(Ok(8)));
        assert_eq!(dial.poll(&mut world, "broker", 9092), Poll::Pending, "the resolver's order again");
        assert_eq!(world.tried, [1, 8, 1]);
    }

    #[test]
    fn a_literal_is_not_resolved() {
        let (mut world, mut dial) = (World::default(), Dial::new());
        assert_eq!(dial.poll(&mut world, "127.0.0.1", 8), Poll::Ready(Ok(8)));
        assert_eq!(dial.poll(&mut world, "::1", 9), Poll::Ready(Ok(9)));
    }

    #[test]
    fn a_slow_resolver_is_asked_once_and_answers_the_next_attempt() {
        let (mut world, mut dial) = (World::default(), Dial::new());
        assert_eq!(dial.poll(&mut world, "broker", 9092), Poll::Pending);
        dial.abort();
        assert_eq!(dial.poll(&mut world, "broker", 9092), Poll::Pending);
        assert_eq!(world.lookups, 1);
        world.resolved = Some(vec![SocketAddr::new([127, 0, 0, 1].into(), 8)]);
        assert_eq!(dial.poll(&mut world, "broker", 9092), Poll::Ready(Ok(8)));
        world.resolved = None;
        assert_eq!(dial.poll(&mut world, "other", 9092), Poll::Pending, "another host is another question");
        assert_eq!(dial.poll(&mut world, "other", 9093), Poll::Pending, "and another port");
        assert_eq!(world.lookups, 3);
    }

    #[test]
    fn a_name_without_addresses_does_not_resolve() {
        let (mut world, mut dial) = (world(&[]), Dial::new());
        assert_eq!(dial.poll(&mut world, "broker", 9092), failed(TransportErrorKind::Name));
    }
}
