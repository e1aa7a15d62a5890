use crate::platform::{Platform, LONG};
use nanokafka::{ConnectionId, Transport, TransportErrorKind};
use socket2::{Domain, Socket, Type};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::task::Poll;
use std::thread::{sleep, spawn, JoinHandle};
use std::time::Duration;

const A: ConnectionId = ConnectionId::new(0);
const B: ConnectionId = ConnectionId::new(1);

/// A peer on the loopback that does `work` with the first connection it accepts.
fn peer<R: Send + 'static>(work: impl FnOnce(TcpStream) -> R + Send + 'static) -> (u16, JoinHandle<R>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    (listener.local_addr().unwrap().port(), spawn(move || work(listener.accept().unwrap().0)))
}

/// Sends back what it gets, until the end; says how much that was.
fn echo(mut stream: TcpStream) -> u64 {
    std::io::copy(&mut stream.try_clone().unwrap(), &mut stream).unwrap()
}

/// Nobody listens there, nor will as long as the socket lives.
fn closed_port() -> (SocketAddr, Socket) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    (socket.local_addr().unwrap().as_socket().unwrap(), socket)
}

/// A listener that never accepts and whose queue is full, so that connecting to it hangs. Ends with the values.
fn stuck_port() -> (u16, Socket, Vec<TcpStream>) {
    let (address, socket) = closed_port();
    socket.listen(0).unwrap();
    let mut queue = vec![];
    while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(300)) {
        queue.push(stream);
        assert!(queue.len() < 100, "the queue never fills");
    }
    (address.port(), socket, queue)
}

pub fn echoes_and_closes_in_order<P: Platform>(platform: &mut P) {
    let (port, peer) = peer(echo);
    platform.connect(A, "127.0.0.1", port).unwrap();
    platform.connect(A, "127.0.0.1", port).expect("ready again");
    platform.write_all(A, b"hello").unwrap();
    assert_eq!(platform.read_exact(A, 5).unwrap(), b"hello");
    platform.write_all(A, b"good bye").unwrap();
    platform.close(A);
    assert_eq!(peer.join().unwrap(), 13);
    assert!(platform.read(A, &mut [0; 8]).is_err(), "closed is closed");
}

/// A socket closed over unread bytes sends RST, which would take the end of a commit or of LeaveGroup with it.
pub fn close_sends_everything_although_bytes_are_unread<P: Platform>(platform: &mut P) {
    let (port, peer) = peer(|mut stream| {
        stream.write_all(&[7; 10_000]).unwrap();
        sleep(Duration::from_millis(200));
        let mut got = vec![];
        stream.read_to_end(&mut got).map(|_| got.len())
    });
    platform.connect(A, "127.0.0.1", port).unwrap();
    platform.read_exact(A, 1).unwrap();
    sleep(Duration::from_millis(50));
    let written = platform.ask(LONG, |tcp, cx| tcp.poll_write(cx, A, &[1; 1 << 20])).unwrap().unwrap();
    platform.close(A);
    assert_eq!(peer.join().unwrap().unwrap(), written);
}

pub fn the_peers_end_is_zero_bytes_again_and_again<P: Platform>(platform: &mut P) {
    let (port, peer) = peer(drop);
    platform.connect(A, "127.0.0.1", port).unwrap();
    for _ in 0..3 {
        assert_eq!(platform.read(A, &mut [0; 8]), Ok(0));
    }
    platform.close(A);
    peer.join().unwrap();
}

/// Bytes and FIN may come as one event, and a read that takes the bytes does not empty the socket then.
pub fn the_end_behind_the_last_bytes_is_seen<P: Platform>(platform: &mut P) {
    for pause in [0, 20] {
        let (port, peer) = peer(|mut stream| stream.write_all(b"last words").unwrap());
        platform.connect(A, "127.0.0.1", port).unwrap();
        sleep(Duration::from_millis(pause));
        let mut bytes = 0;
        while bytes < 10 {
            bytes += platform.read(A, &mut [0; 100]).unwrap();
        }
        assert_eq!(platform.read(A, &mut [0; 100]), Ok(0));
        platform.close(A);
        peer.join().unwrap();
    }
}

pub fn a_reset_is_an_error_and_the_connection_can_be_made_anew<P: Platform>(platform: &mut P) {
    // closed over unread bytes
    let (port, rude) = peer(|stream| while stream.peek(&mut [0; 8]).unwrap() == 0 {});
    platform.connect(A, "127.0.0.1", port).unwrap();
    platform.write_all(A, b"12345678").unwrap();
    rude.join().unwrap();
    assert_eq!(platform.read(A, &mut [0; 8]).unwrap_err().kind, TransportErrorKind::Reset);
    let (port, peer) = peer(echo);
    platform.connect(A, "127.0.0.1", port).unwrap();
    platform.write_all(A, b"again").unwrap();
    assert_eq!(platform.read_exact(A, 5).unwrap(), b"again");
    platform.close(A);
    peer.join().unwrap();
}

pub fn a_refusal_is_an_error_and_the_connection_can_be_made_anew<P: Platform>(platform: &mut P) {
    let (closed, _socket) = closed_port();
    for _ in 0..2 {
        let error = platform.connect(A, "127.0.0.1", closed.port()).unwrap_err();
        assert_eq!(error.kind, TransportErrorKind::Refused);
        assert_ne!(error.code, 0);
    }
    let (port, peer) = peer(drop);
    platform.connect(A, "127.0.0.1", port).unwrap();
    peer.join().unwrap();
}

/// `localhost` is `127.0.0.1` and, on most machines, `::1`; only one of them listens.
pub fn a_name_is_tried_at_all_its_addresses<P: Platform>(platform: &mut P) {
    let (port, peer) = peer(echo);
    platform.connect(A, "localhost", port).unwrap();
    platform.write_all(A, b"hello").unwrap();
    assert_eq!(platform.read_exact(A, 5).unwrap(), b"hello");
    platform.close(A);
    peer.join().unwrap();
    let (closed, _socket) = closed_port();
    assert_eq!(platform.connect(A, "localhost", closed.port()).unwrap_err().kind, TransportErrorKind::Refused);
}

/// On a machine without IPv6 the connection fails, and that is all there is to see.
pub fn connects_over_ipv6<P: Platform>(platform: &mut P) {
    let Ok(listener) = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)) else {
        platform.connect(A, "::1", 9092).unwrap_err();
        return;
    };
    let port = listener.local_addr().unwrap().port();
    let peer = spawn(move || echo(listener.accept().unwrap().0));
    platform.connect(A, "::1", port).unwrap();
    platform.write_all(A, b"hello").unwrap();
    assert_eq!(platform.read_exact(A, 5).unwrap(), b"hello");
    platform.close(A);
    assert_eq!(peer.join().unwrap(), 5);
}

/// `.invalid` never resolves (RFC 2606); how long that takes is the resolver's business.
pub fn a_name_that_does_not_resolve_holds_nobody_up<P: Platform>(platform: &mut P) {
    let (port, peer) = peer(echo);
    platform.connect(B, "127.0.0.1", port).unwrap();
    let mut turns = 0u32;
    let mut refused = None;
    while refused.is_none() || turns < 10 {
        if refused.is_none() {
            let question = Duration::from_millis(10);
            refused = platform.ask(question, |tcp, cx| tcp.poll_connect(cx, A, "nanokafka.invalid", 9092));
        }
        platform.write_all(B, b"hello").unwrap();
        assert_eq!(platform.read_exact(B, 5).unwrap(), b"hello");
        turns += 1;
        assert!(turns < 6_000, "no answer for a minute");
    }
    assert_eq!(refused.unwrap().unwrap_err().kind, TransportErrorKind::Name);
    platform.close(B);
    peer.join().unwrap();
}

pub fn a_name_query_can_be_aborted<P: Platform>(platform: &mut P) {
    let _ = platform.ask(Duration::ZERO, |tcp, cx| tcp.poll_connect(cx, A, "nanokafka.invalid", 9092));
    platform.tcp().abort(A);
    let (port, peer) = peer(echo);
    platform.connect(A, "127.0.0.1", port).unwrap();
    platform.close(A);
    peer.join().unwrap();
}

pub fn a_stuck_connect_holds_nobody_up_and_can_be_aborted<P: Platform>(platform: &mut P) {
    let (stuck, _socket, _queue) = stuck_port();
    let (port, peer) = peer(echo);
    let connect = platform.ask(Duration::from_millis(50), |tcp, cx| tcp.poll_connect(cx, A, "127.0.0.1", stuck));
    assert_eq!(connect, None);
    platform.connect(B, "127.0.0.1", port).unwrap();
    platform.write_all(B, b"hello").unwrap();
    assert_eq!(platform.read_exact(B, 5).unwrap(), b"hello");
    platform.close(B);
    peer.join().unwrap();
    let connect = platform.ask(Duration::from_millis(50), |tcp, cx| tcp.poll_connect(cx, A, "127.0.0.1", stuck));
    assert_eq!(connect, None);
    platform.tcp().abort(A);
    let (port, peer) = self::peer(drop);
    platform.connect(A, "127.0.0.1", port).unwrap();
    platform.tcp().abort(A);
    peer.join().unwrap();
}

pub fn a_connection_nobody_reads_holds_nobody_up<P: Platform>(platform: &mut P) {
    let (port_a, flood) = peer(|mut stream| while stream.write_all(&[1; 65_536]).is_ok() {});
    let (port_b, peer) = peer(echo);
    platform.connect(A, "127.0.0.1", port_a).unwrap();
    platform.connect(B, "127.0.0.1", port_b).unwrap();
    for _ in 0..100 {
        platform.write_all(B, b"hello").unwrap();
        assert_eq!(platform.read_exact(B, 5).unwrap(), b"hello");
    }
    platform.tcp().abort(A);
    flood.join().unwrap();
    platform.close(B);
    peer.join().unwrap();
}

pub fn bytes_survive_tiny_buffers_both_ways<P: Platform>(platform: &mut P) {
    const BYTES: usize = 300_000;
    let (port, peer) = peer(echo);
    platform.connect(A, "127.0.0.1", port).unwrap();
    let sent: Vec<u8> = (0..BYTES as u32).map(|i| (i * 7 + i / 251) as u8).collect();
    let mut got: Vec<u8> = vec![];
    let mut taken = 0;
    while got.len() < BYTES {
        // both directions in one question, as the drive loop has them: neither may starve the other
        let size = 1 + got.len() % 7;
        let end = BYTES.min(taken + 1 + taken % 5);
        platform
            .ask(LONG, |tcp, cx| {
                let mut moved = false;
                if taken < BYTES {
                    if let Poll::Ready(n) = tcp.poll_write(cx, A, &sent[taken..end]) {
                        taken += n.unwrap();
                        moved = true;
                    }
                }
                let mut buf = [0; 8];
                if let Poll::Ready(n) = tcp.poll_read(cx, A, &mut buf[..size]) {
                    got.extend_from_slice(&buf[..n.unwrap()]);
                    moved = true;
                }
                if moved {
                    Poll::Ready(())
                } else {
                    Poll::Pending
                }
            })
            .expect("moves on");
    }
    assert!(got == sent);
    platform.close(A);
    assert_eq!(peer.join().unwrap(), BYTES as u64);
}

pub fn an_unknown_connection_is_an_error<P: Platform>(platform: &mut P) {
    let unknown = ConnectionId::new(2);
    assert_eq!(platform.tcp().connections(), 2);
    assert_eq!(platform.connect(unknown, "127.0.0.1", 9092).unwrap_err().kind, TransportErrorKind::Other);
    assert_eq!(platform.read(unknown, &mut [0]).unwrap_err().kind, TransportErrorKind::Other);
    assert_eq!(platform.write_all(unknown, &[0]).unwrap_err().kind, TransportErrorKind::Other);
    platform.close(unknown);
    platform.tcp().abort(unknown);
}

pub fn a_connection_that_is_not_open_is_an_error<P: Platform>(platform: &mut P) {
    assert_eq!(platform.read(A, &mut [0]).unwrap_err().kind, TransportErrorKind::Reset);
    assert_eq!(platform.write_all(A, &[0]).unwrap_err().kind, TransportErrorKind::Reset);
    platform.close(A);
    platform.tcp().abort(A);
}
