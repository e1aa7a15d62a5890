//! The contract of [`Transport`] alone, without a consumer: scenarios over whatever has a peer to talk to.
use nanokafka::{ConnectionId, Instant, Transport, TransportError, TransportErrorKind as Kind};
use std::io::ErrorKind;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// Both ends: the transport with [`CONNECTIONS`](crate::CONNECTIONS) at the near one, and at the far one a peer.
pub trait Link: Sized {
    /// `echoes`: the peer sends back what it gets and ends when the near end does; otherwise it does what it is told.
    fn new(echoes: bool) -> Self;

    /// Asks until the answer is ready, again whenever the task is woken; `None` after `within`.
    fn ask<R>(
        &mut self,
        within: Duration,
        question: impl FnMut(&mut dyn Transport, &mut Context<'_>) -> Poll<R>,
    ) -> Option<R>;

    /// How many bytes were echoed.
    fn echoed(&self) -> usize;

    /// How echoing connections have ended.
    fn ends(&self) -> Vec<Result<(), ErrorKind>>;

    /// The peer writes on the connection that it has accepted last, and ends it.
    fn last_words(&mut self, words: &[u8]);

    /// The peer resets it.
    fn reset(&mut self);
}

/// Over a cable in virtual time, a millisecond each way, to [`stacks`](crate::stacks).
pub trait OnCable: Link {
    /// Virtual.
    fn now(&self) -> Instant;
}

/// Where the peer accepts connections.
pub const HOST: &str = "10.0.0.1";
/// A name of [`HOST`].
pub const NAME: &str = "brokers.test";
/// Of the peer.
pub const PORT: u16 = 9_092;
/// Nobody listens there.
pub const CLOSED_PORT: u16 = 1;
/// Connecting to it hangs: no route leads there.
pub const STUCK_HOST: &str = "192.0.2.1";

const A: ConnectionId = ConnectionId::new(0);
const B: ConnectionId = ConnectionId::new(1);

/// Far more than anything here takes; a loaded machine must not fail a test.
const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(20);

/// A test of each scenario over the [`Link`], and of each that needs [`OnCable`].
#[macro_export]
macro_rules! contract {
    ($link:ty, on a cable) => {
        $crate::contract! { $link }
        $crate::contract! { $link =>
            close_is_ready_when_the_fin_is_acknowledged_and_not_before,
            small_writes_do_not_wait_for_acknowledgements,
            an_abort_is_told_to_the_peer_although_a_connection_is_made_anew_at_once,
            a_neighbour_that_is_switched_off_holds_others_up_no_longer_than_it_is_tried,
            an_address_that_cannot_be_reached_is_an_error_and_never_a_panic,
        }
    };
    ($link:ty) => {
        $crate::contract! { $link =>
            echoes_and_closes_in_order,
            a_connection_is_made_anew_at_once,
            a_connection_is_made_anew_although_the_peer_has_not_ended_the_old_one,
            only_the_last_waker_counts,
            the_peers_end_is_zero_bytes_again_and_again_after_the_last_bytes,
            a_reset_is_an_error_and_the_connection_can_be_made_anew,
            a_refusal_is_an_error_and_the_connection_can_be_made_anew,
            a_connect_that_hangs_holds_nobody_up_and_can_be_aborted,
            a_connection_nobody_reads_holds_nobody_up,
            what_was_taken_arrives_without_a_further_call,
            bytes_survive_tiny_buffers_both_ways,
            a_name_is_resolved,
            what_is_no_name_and_no_address_is_a_name_that_does_not_resolve,
            name_queries_can_be_aborted,
            an_unknown_connection_is_an_error,
            a_connection_that_is_not_open_is_an_error,
        }
    };
    ($link:ty => $($scenario:ident),* $(,)?) => {
        $(#[test]
        fn $scenario() {
            $crate::contract::$scenario::<$link>()
        })*
    };
}

/// Short for a question that is asked until it is answered.
#[allow(missing_docs)]
pub trait Ask: Link {
    fn connect(&mut self, id: ConnectionId, host: &str, port: u16) -> Result<(), TransportError> {
        self.ask(LONG, |transport, cx| transport.poll_connect(cx, id, host, port)).expect("connects or fails")
    }

    fn connected(&mut self, id: ConnectionId) {
        self.connect(id, HOST, PORT).unwrap();
    }

    fn hangs(&mut self, id: ConnectionId, host: &str) -> bool {
        let within = Duration::from_secs(5);
        self.ask(within, |transport, cx| transport.poll_connect(cx, id, host, PORT)).is_none()
    }

    fn read(&mut self, id: ConnectionId, buf: &mut [u8]) -> Result<usize, TransportError> {
        self.ask(LONG, |transport, cx| transport.poll_read(cx, id, buf)).expect("reads or fails")
    }

    fn write(&mut self, id: ConnectionId, bytes: &[u8]) -> Result<usize, TransportError> {
        self.ask(LONG, |transport, cx| transport.poll_write(cx, id, bytes)).expect("writes or fails")
    }

    fn write_all(&mut self, id: ConnectionId, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let taken = self.write(id, bytes).unwrap();
            bytes = &bytes[taken..];
        }
    }

    fn read_exact(&mut self, id: ConnectionId, bytes: usize) -> Vec<u8> {
        let mut buf = vec![0; bytes];
        let mut filled = 0;
        while filled < bytes {
            let read = self.read(id, &mut buf[filled..]).unwrap();
            assert_ne!(read, 0, "the end after {filled} of {bytes} bytes");
            filled += read;
        }
        buf
    }

    fn close(&mut self, id: ConnectionId) {
        self.ask(LONG, |transport, cx| transport.poll_close(cx, id)).expect("closes");
    }

    fn abort(&mut self, id: ConnectionId) {
        self.ask(LONG, |transport, _| {
            transport.abort(id);
            Poll::Ready(())
        });
    }

    /// Both ends do what they can for a while, and nobody asks anything.
    fn pass(&mut self, time: Duration) {
        assert!(self.ask(time, |_, _| Poll::<()>::Pending).is_none());
    }

    fn echoes_on(&mut self, id: ConnectionId) {
        self.write_all(id, b"hello");
        assert_eq!(self.read_exact(id, 5), b"hello");
    }
}

impl<L: Link> Ask for L {}

fn kind<R: std::fmt::Debug>(result: Result<R, TransportError>) -> Kind {
    result.unwrap_err().kind
}

#[allow(missing_docs)]
pub fn echoes_and_closes_in_order<L: Link>() {
    let mut link = L::new(true);
    link.connected(A);
    link.connected(A); // ready again
    link.echoes_on(A);
    link.write_all(A, b"good bye");
    link.close(A);
    link.close(A);
    link.pass(SHORT);
    assert_eq!((link.ends(), link.echoed()), (vec![Ok(())], 13));
    assert_eq!(kind(link.read(A, &mut [0; 8])), Kind::Reset, "closed is closed");
}

/// In TIME-WAIT, and after an abort, of which the peer is told.
#[allow(missing_docs)]
pub fn a_connection_is_made_anew_at_once<L: Link>() {
    let mut link = L::new(true);
    for _ in 0..5 {
        link.connected(A);
        link.echoes_on(A);
        link.close(A);
    }
    for ends in 6..10 {
        link.connected(A);
        link.echoes_on(A);
        let pending = |transport: &mut dyn Transport, cx: &mut Context<'_>| {
            transport.abort(A);
            Poll::Ready(transport.poll_connect(cx, A, HOST, PORT).is_pending())
        };
        assert_eq!(link.ask(LONG, pending), Some(true));
        link.connected(A);
        link.echoes_on(A);
        assert_eq!(link.ends().len(), ends);
    }
}

#[allow(missing_docs)]
pub fn a_connection_is_made_anew_although_the_peer_has_not_ended_the_old_one<L: Link>() {
    let mut link = L::new(false);
    for _ in 0..3 {
        link.connected(A);
        link.close(A);
        link.pass(SHORT);
    }
}

/// Whoever asked before has been dropped.
#[allow(missing_docs)]
pub fn only_the_last_waker_counts<L: Link>() {
    fn twice<L: Link, R>(link: &mut L, mut ask: impl FnMut(&mut dyn Transport, &mut Context<'_>) -> Poll<R>) -> R {
        let dropped = &mut Context::from_waker(Waker::noop());
        let answer = link.ask(LONG, |transport, cx| match ask(transport, dropped) {
            Poll::Ready(answer) => Poll::Ready(answer),
            Poll::Pending => ask(transport, cx),
        });
        answer.expect("is woken")
    }
    let mut link = L::new(true);
    for _ in 0..3 {
        twice(&mut link, |transport, cx| transport.poll_connect(cx, A, NAME, PORT)).unwrap();
        link.write_all(A, b"hello");
        let read = twice(&mut link, |transport, cx| transport.poll_read(cx, A, &mut [0; 8]));
        assert!(read.unwrap() > 0);
        for _ in 0..30 {
            let written = twice(&mut link, |transport, cx| {
                // what comes back must not fill up
                while transport.poll_read(&mut Context::from_waker(Waker::noop()), A, &mut [0; 100]).is_ready() {}
                transport.poll_write(cx, A, &[1; 500])
            });
            assert!(written.unwrap() > 0);
        }
        twice(&mut link, |transport, cx| transport.poll_close(cx, A));
    }
}

#[allow(missing_docs)]
pub fn the_peers_end_is_zero_bytes_again_and_again_after_the_last_bytes<L: Link>() {
    for time in [Duration::ZERO, SHORT] {
        let mut link = L::new(false);
        link.connected(A);
        link.pass(SHORT);
        link.last_words(b"last words");
        link.pass(time);
        assert_eq!(link.read_exact(A, 10), b"last words");
        for _ in 0..3 {
            assert_eq!(link.read(A, &mut [0; 8]), Ok(0));
        }
        link.close(A);
        link.connected(A);
    }
}

#[allow(missing_docs)]
pub fn a_reset_is_an_error_and_the_connection_can_be_made_anew<L: Link>() {
    let mut link = L::new(false);
    for time in [Duration::ZERO, SHORT, SHORT] {
        link.connected(A);
        link.pass(SHORT);
        link.reset();
        link.pass(time);
        assert_eq!(kind(link.read(A, &mut [0; 8])), Kind::Reset);
        assert_eq!(kind(link.write(A, &[0; 8])), Kind::Reset);
    }
}

#[allow(missing_docs)]
pub fn a_refusal_is_an_error_and_the_connection_can_be_made_anew<L: Link>() {
    let mut link = L::new(true);
    for _ in 0..3 {
        assert_eq!(kind(link.connect(A, HOST, CLOSED_PORT)), Kind::Refused);
    }
    link.connected(A);
    link.echoes_on(A);
}

#[allow(missing_docs)]
pub fn a_connect_that_hangs_holds_nobody_up_and_can_be_aborted<L: Link>() {
    let mut link = L::new(true);
    assert!(link.hangs(A, STUCK_HOST));
    link.connected(B);
    link.echoes_on(B);
    assert!(link.hangs(A, STUCK_HOST));
    link.abort(A);
    link.connected(A);
    link.echoes_on(A);
    link.abort(A);
    assert!(link.hangs(A, STUCK_HOST));
    link.close(A);
    link.connected(A);
}

#[allow(missing_docs)]
pub fn a_connection_nobody_reads_holds_nobody_up<L: Link>() {
    let mut link = L::new(true);
    link.connected(A);
    link.connected(B);
    let mut written = 0;
    while let Some(taken) = link.ask(SHORT, |transport, cx| transport.poll_write(cx, A, &[1; 100])) {
        written += taken.unwrap();
        assert!(written < 1 << 20, "the buffers never fill");
    }
    for _ in 0..100 {
        link.echoes_on(B);
    }
    // and its bytes are still there
    assert!(link.read_exact(A, written).iter().all(|&byte| byte == 1));
}

#[allow(missing_docs)]
pub fn what_was_taken_arrives_without_a_further_call<L: Link>() {
    let mut link = L::new(true);
    link.connected(A);
    let mut taken = 0;
    for _ in 0..3 {
        taken += link.write(A, &[1; 400]).unwrap();
    }
    link.pass(SHORT);
    assert_eq!(link.echoed(), taken);
}

#[allow(missing_docs)]
pub fn bytes_survive_tiny_buffers_both_ways<L: Link>() {
    const BYTES: usize = 100_000;
    let mut link = L::new(true);
    link.connected(A);
    let sent: Vec<u8> = (0..BYTES as u32).map(|i| (i * 7 + i / 251) as u8).collect();
    let (mut got, mut taken) = (vec![], 0);
    while got.len() < BYTES {
        // both directions in one question, as the drive loop has them: neither may starve the other
        let (size, end) = (1 + got.len() % 7, BYTES.min(taken + 1 + taken % 5));
        let question = |transport: &mut dyn Transport, cx: &mut Context<'_>| {
            let mut moved = Poll::Pending;
            if taken < BYTES {
                if let Poll::Ready(n) = transport.poll_write(cx, A, &sent[taken..end]) {
                    taken += n.unwrap();
                    moved = Poll::Ready(());
                }
            }
            let mut buf = [0; 8];
            if let Poll::Ready(n) = transport.poll_read(cx, A, &mut buf[..size]) {
                got.extend_from_slice(&buf[..n.unwrap()]);
                moved = Poll::Ready(());
            }
            moved
        };
        link.ask(LONG, question).expect("moves on");
    }
    assert!(got == sent);
}

#[allow(missing_docs)]
pub fn a_name_is_resolved<L: Link>() {
    let mut link = L::new(true);
    for _ in 0..3 {
        link.connect(A, NAME, PORT).unwrap();
        link.echoes_on(A);
        link.close(A);
    }
}

#[allow(missing_docs)]
pub fn what_is_no_name_and_no_address_is_a_name_that_does_not_resolve<L: Link>() {
    let mut link = L::new(true);
    let long = "long.".repeat(100);
    for host in ["nowhere.invalid", "", ".", "a..b", "10.0.0", "10.0.0.1.", "10.0.0.256", &long, "\0", "ü"] {
        assert_eq!(kind(link.connect(A, host, PORT)), Kind::Name, "{host:?}");
    }
    link.connected(A);
}

#[allow(missing_docs)]
pub fn name_queries_can_be_aborted<L: Link>() {
    let mut link = L::new(true);
    for round in 0..100 {
        let asked = link.ask(LONG, |transport, cx| Poll::Ready(transport.poll_connect(cx, A, "nowhere.invalid", PORT)));
        assert_eq!(asked, Some(Poll::Pending));
        link.abort(A);
        if round % 10 == 0 {
            // the answer to that is not the answer to this
            link.connect(A, NAME, PORT).unwrap();
            link.echoes_on(A);
            link.close(A);
        }
    }
}

#[allow(missing_docs)]
pub fn an_unknown_connection_is_an_error<L: Link>() {
    let mut link = L::new(true);
    let unknown = ConnectionId::new(crate::CONNECTIONS as u8);
    assert_eq!(link.ask(LONG, |transport, _| Poll::Ready(transport.connections())), Some(crate::CONNECTIONS));
    assert_eq!(kind(link.connect(unknown, HOST, PORT)), Kind::Other);
    assert_eq!(kind(link.read(unknown, &mut [0])), Kind::Other);
    assert_eq!(kind(link.write(unknown, &[0])), Kind::Other);
    link.close(unknown);
    link.abort(unknown);
}

#[allow(missing_docs)]
pub fn a_connection_that_is_not_open_is_an_error<L: Link>() {
    let mut link = L::new(true);
    assert_eq!(kind(link.read(A, &mut [0])), Kind::Reset);
    assert_eq!(kind(link.write(A, &[0])), Kind::Reset);
    link.close(A);
    link.abort(A);
}

#[allow(missing_docs)]
pub fn close_is_ready_when_the_fin_is_acknowledged_and_not_before<L: OnCable>() {
    let mut link = L::new(true);
    link.connected(A);
    let asked = link.now();
    for _ in 0..2 {
        assert_eq!(link.ask(LONG, |transport, cx| Poll::Ready(transport.poll_close(cx, A))), Some(Poll::Pending));
    }
    link.close(A);
    assert_eq!(asked.until(link.now()), Duration::from_millis(2), "a round trip");
}

/// Nagle's algorithm would keep all but the first for a round trip.
#[allow(missing_docs)]
pub fn small_writes_do_not_wait_for_acknowledgements<L: OnCable>() {
    let mut link = L::new(true);
    link.connected(A);
    let begun = link.now();
    for _ in 0..10 {
        assert_eq!(link.write(A, b"a"), Ok(1));
        link.pass(Duration::ZERO); // the stack has its turn
    }
    while link.echoed() < 10 {
        link.pass(Duration::from_millis(1));
    }
    assert!(begun.until(link.now()) < Duration::from_millis(3), "more than one way");
}

#[allow(missing_docs)]
pub fn an_abort_is_told_to_the_peer_although_a_connection_is_made_anew_at_once<L: OnCable>() {
    let mut link = L::new(true);
    link.connected(A);
    link.echoes_on(A);
    link.abort(A);
    link.connected(A);
    link.echoes_on(A);
    assert_eq!(link.ends(), [Err(ErrorKind::ConnectionReset)]);
}

/// smoltcp sends one ARP request a second, and always the same one while somebody waits for it (smoltcp-rs/smoltcp#1101).
#[allow(missing_docs)]
pub fn a_neighbour_that_is_switched_off_holds_others_up_no_longer_than_it_is_tried<L: OnCable>() {
    let mut link = L::new(true);
    assert!(link.hangs(A, "10.0.0.77"));
    link.abort(A);
    let given_up = link.now();
    link.connected(B);
    assert!(given_up.until(link.now()) < Duration::from_secs(2));
    assert!(link.hangs(A, "10.0.0.77"));
    link.echoes_on(B);
}

/// On a stack that has no IPv6, or none configured; and what no broker should advertise.
#[allow(missing_docs)]
pub fn an_address_that_cannot_be_reached_is_an_error_and_never_a_panic<L: OnCable>() {
    let mut link = L::new(true);
    for host in ["::1", "fe80::1", "2001:db8::1", "::", "::ffff:10.0.0.1", "0.0.0.0"] {
        assert_eq!(kind(link.connect(A, host, PORT)), Kind::Unreachable, "{host}");
    }
    assert_eq!(kind(link.connect(A, HOST, 0)), Kind::Unreachable);
    for host in ["255.255.255.255", "224.0.0.1", "127.0.0.1", "10.0.0.0", "10.0.0.255", "10.0.0.2", "8.8.8.8"] {
        let within = Duration::from_secs(5);
        let answer = link.ask(within, |transport, cx| transport.poll_connect(cx, A, host, PORT));
        assert!(!matches!(answer, Some(Ok(()))), "{host}");
        link.abort(A);
    }
    link.connected(A);
}
