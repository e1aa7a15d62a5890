//! The contract of `nanokafka::Transport`, against a second stack at the other end of a cable, in virtual time.
use nanokafka::{ConnectionId, Instant, Transport, TransportError, TransportErrorKind as Kind};
use nanokafka_behaviour::stacks::{
    NameServer, NearEnd, Port, Stack, StackListener, StackStream, Timely, Weather, World,
};
use nanokafka_behaviour::stacks::{FAR, NAME, NEAR};
use nanokafka_behaviour::{Listener, Stream};
use smoltcp::phy::Medium;
use std::cell::RefCell;
use std::io::{ErrorKind, Read, Write};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

const A: ConnectionId = ConnectionId::new(0);
const B: ConnectionId = ConnectionId::new(1);
const PORT: u16 = 9_092;
const LONG: Duration = Duration::from_secs(60);

/// A peer that keeps what it accepts, or sends back what it gets and ends when the other end does.
struct Peer {
    listener: StackListener,
    names: NameServer,
    echoes: bool,
    streams: Vec<StackStream>,
    echoed: usize,
    /// Echoing streams that have ended.
    ends: Vec<Result<(), ErrorKind>>,
}

impl Timely for Peer {
    fn turn(&mut self, _: Instant, stack: &Rc<RefCell<Stack>>) -> bool {
        let mut moved = self.names.turn(&mut stack.borrow_mut());
        while let Some(stream) = self.listener.accept() {
            self.streams.push(stream);
            moved = true;
        }
        if self.echoes {
            self.streams.retain_mut(|stream| {
                let mut bytes = [0; 100];
                let end = match stream.read(&mut bytes) {
                    Ok(0) => Ok(()),
                    Ok(read) => {
                        // buffers are larger than anything here is
                        stream.write_all(&bytes[..read]).unwrap();
                        self.echoed += read;
                        moved = true;
                        return true;
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => return true,
                    Err(error) => Err(error.kind()),
                };
                self.ends.push(end);
                moved = true;
                false
            });
        }
        moved
    }

    fn next(&self) -> Instant {
        Instant::NEVER
    }
}

/// Both ends.
struct Link {
    near: NearEnd<Peer>,
    far: Rc<RefCell<World<Peer>>>,
}

impl Link {
    fn new(echoes: bool) -> Self {
        let [near, far] = Port::cable(Medium::Ethernet, 1);
        let mut stack = Stack::new(far, FAR, Weather::default());
        let names = NameServer::new(&mut stack, NAME, FAR);
        let stack = Rc::new(RefCell::new(stack));
        let listener = StackListener::new(stack.clone(), PORT);
        let peer = Peer { listener, names, echoes, streams: vec![], echoed: 0, ends: vec![] };
        let far = Rc::new(RefCell::new(World::new(stack, peer)));
        let stack = Stack::new(near, NEAR, Weather::default());
        Link { near: NearEnd::new(far.clone(), stack, &[FAR.into()], 60_000), far }
    }

    fn connect(&mut self, id: ConnectionId, host: &str, port: u16) -> Result<(), TransportError> {
        self.near.ask(LONG, |_, net| net.poll_connect(&mut cx(), id, host, port)).expect("connects or fails")
    }

    fn connected(&mut self, id: ConnectionId) {
        self.connect(id, "10.0.0.1", PORT).unwrap();
    }

    fn read(&mut self, id: ConnectionId, buf: &mut [u8]) -> Result<usize, TransportError> {
        self.near.ask(LONG, |_, net| net.poll_read(&mut cx(), id, buf)).expect("reads or fails")
    }

    fn write(&mut self, id: ConnectionId, bytes: &[u8]) -> Result<usize, TransportError> {
        self.near.ask(LONG, |_, net| net.poll_write(&mut cx(), id, bytes)).expect("writes or fails")
    }

    fn close(&mut self, id: ConnectionId) {
        self.near.ask(LONG, |_, net| net.poll_close(&mut cx(), id)).expect("closes");
    }

    /// Lets the peer do something with the connection it has accepted last.
    fn peer<R>(&mut self, act: impl FnOnce(&mut Vec<StackStream>) -> R) -> R {
        act(&mut self.far.borrow_mut().work.streams)
    }

    /// Both ends do what they can for a while.
    fn pass(&mut self, time: Duration) {
        assert!(self.near.ask(time, |_, _| Poll::<()>::Pending).is_none());
    }

    fn echoes_on(&mut self, id: ConnectionId) {
        assert_eq!(self.write(id, b"hello"), Ok(5));
        let mut bytes = [0; 8];
        assert_eq!(self.read(id, &mut bytes), Ok(5));
        assert_eq!(&bytes[..5], b"hello");
    }
}

fn cx() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

fn kind<R: std::fmt::Debug>(result: Result<R, TransportError>) -> Kind {
    result.unwrap_err().kind
}

#[test]
fn echoes_and_closes_in_order() {
    let mut link = Link::new(true);
    link.connected(A);
    link.connected(A); // ready again
    link.echoes_on(A);
    assert_eq!(link.write(A, b"good bye"), Ok(8));
    link.close(A);
    link.close(A);
    link.pass(Duration::from_millis(10));
    assert_eq!(link.far.borrow().work.ends, [Ok(())]);
    assert_eq!(link.far.borrow().work.echoed, 13);
    assert_eq!(kind(link.read(A, &mut [0; 8])), Kind::Reset, "closed is closed");
}

#[test]
fn close_is_ready_when_the_fin_is_acknowledged_and_not_before() {
    let mut link = Link::new(true);
    link.connected(A);
    let closes = |link: &mut Link| link.near.turn(|_, net| net.poll_close(&mut cx(), A));
    assert_eq!(closes(&mut link), Poll::Pending);
    assert_eq!(closes(&mut link), Poll::Pending);
    let asked = link.near.now();
    link.close(A);
    assert_eq!(asked.until(link.near.now()), Duration::from_millis(2), "a round trip");
}

/// Nagle's algorithm would keep the second part for a round trip.
#[test]
fn a_request_in_two_parts_leaves_at_once() {
    let mut link = Link::new(true);
    link.connected(A);
    assert_eq!(link.write(A, b"hel"), Ok(3));
    assert_eq!(link.write(A, b"lo"), Ok(2));
    link.pass(Duration::from_millis(1));
    link.far.borrow_mut().far_end();
    assert_eq!(link.far.borrow().work.echoed, 5);
}

#[test]
fn a_connection_is_made_anew_while_the_old_socket_is_in_time_wait() {
    let mut link = Link::new(true);
    for _ in 0..5 {
        link.connected(A);
        link.echoes_on(A);
        link.close(A);
    }
    link.pass(Duration::from_millis(10));
    assert_eq!(link.far.borrow().work.ends, [Ok(()); 5]);
    assert!(link.near.now() < Instant::from_millis(1_000), "nothing was waited for");
}

#[test]
fn the_peers_end_is_zero_bytes_again_and_again_after_the_last_bytes() {
    let mut link = Link::new(false);
    link.connected(A);
    link.pass(Duration::from_millis(10));
    link.peer(|streams| {
        let mut stream = streams.pop().unwrap();
        stream.write_all(b"last words").unwrap();
    });
    let mut bytes = [0; 6];
    assert_eq!(link.read(A, &mut bytes), Ok(6));
    assert_eq!(link.read(A, &mut bytes), Ok(4));
    for _ in 0..3 {
        assert_eq!(link.read(A, &mut bytes), Ok(0));
    }
    link.close(A);
}

#[test]
fn a_reset_is_an_error_and_the_connection_can_be_made_anew() {
    let mut link = Link::new(false);
    for _ in 0..3 {
        link.connected(A);
        link.pass(Duration::from_millis(10));
        link.peer(|streams| streams.pop().unwrap().reset());
        assert_eq!(kind(link.read(A, &mut [0; 8])), Kind::Reset);
        assert_eq!(kind(link.write(A, &[0; 8])), Kind::Reset);
    }
}

#[test]
fn a_refusal_is_an_error_and_the_connection_can_be_made_anew() {
    let mut link = Link::new(true);
    for _ in 0..3 {
        assert_eq!(kind(link.connect(A, "10.0.0.1", 1)), Kind::Refused);
    }
    link.connected(A);
    link.echoes_on(A);
}

#[test]
fn an_abort_is_told_to_the_peer_although_a_connection_is_made_anew_at_once() {
    let mut link = Link::new(true);
    link.connected(A);
    link.echoes_on(A);
    link.near.turn(|_, net| {
        net.abort(A);
        assert!(net.poll_connect(&mut cx(), A, "10.0.0.1", PORT).is_pending());
    });
    link.connected(A);
    link.echoes_on(A);
    assert_eq!(link.far.borrow().work.ends, [Err(ErrorKind::ConnectionReset)]);
}

/// Asks for five seconds, in vain.
fn hangs(link: &mut Link, id: ConnectionId, host: &str) -> bool {
    link.near.ask(Duration::from_secs(5), |_, net| net.poll_connect(&mut cx(), id, host, PORT)).is_none()
}

#[test]
fn a_connect_that_hangs_holds_nobody_up_and_can_be_aborted() {
    let mut link = Link::new(true);
    // no route leads there
    assert!(hangs(&mut link, A, "192.0.2.1"));
    link.connected(B);
    link.echoes_on(B);
    assert!(hangs(&mut link, A, "192.0.2.1"));
    link.near.turn(|_, net| net.abort(A));
    link.connected(A);
    link.echoes_on(A);
    link.near.turn(|_, net| net.abort(A));
    assert!(hangs(&mut link, A, "192.0.2.1"));
    link.close(A);
    link.connected(A);
}

/// smoltcp sends one ARP request a second, and always the same one while somebody waits for it (smoltcp-rs/smoltcp#1101).
#[test]
fn a_neighbour_that_is_switched_off_holds_others_up_no_longer_than_it_is_tried() {
    let mut link = Link::new(true);
    assert!(hangs(&mut link, A, "10.0.0.77"));
    link.near.turn(|_, net| net.abort(A));
    let given_up = link.near.now();
    link.connected(B);
    assert!(given_up.until(link.near.now()) < Duration::from_secs(2));
    assert!(hangs(&mut link, A, "10.0.0.77"));
    link.echoes_on(B);
}

#[test]
fn a_connection_nobody_reads_holds_nobody_up() {
    let mut link = Link::new(true);
    link.connected(A);
    link.connected(B);
    // both of its buffers and both of the peer's fill up
    while link.near.turn(|_, net| net.poll_write(&mut cx(), A, &[1; 100])).is_ready()
        && link.near.now().as_millis() < 50
    {
        link.pass(Duration::from_millis(2));
    }
    for _ in 0..100 {
        link.echoes_on(B);
    }
}

#[test]
fn bytes_survive_tiny_buffers_both_ways() {
    const BYTES: usize = 100_000;
    let mut link = Link::new(true);
    link.connected(A);
    let sent: Vec<u8> = (0..BYTES as u32).map(|i| (i * 7 + i / 251) as u8).collect();
    let (mut got, mut taken) = (vec![], 0);
    while got.len() < BYTES {
        let (size, end) = (1 + got.len() % 7, BYTES.min(taken + 1 + taken % 5));
        link.near
            .ask(LONG, |_, net| {
                let mut moved = false;
                if taken < BYTES {
                    if let Poll::Ready(n) = net.poll_write(&mut cx(), A, &sent[taken..end]) {
                        taken += n.unwrap();
                        moved = true;
                    }
                }
                let mut buf = [0; 8];
                if let Poll::Ready(n) = net.poll_read(&mut cx(), A, &mut buf[..size]) {
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
}

#[test]
fn a_name_is_resolved() {
    let mut link = Link::new(true);
    for _ in 0..3 {
        link.connect(A, NAME, PORT).unwrap();
        link.echoes_on(A);
        link.close(A);
    }
}

#[test]
fn what_is_no_name_and_no_address_is_a_name_that_does_not_resolve() {
    let mut link = Link::new(true);
    let long = "long.".repeat(100);
    for host in ["nowhere.invalid", "", ".", "a..b", "10.0.0", "10.0.0.1.", "10.0.0.256", &long, "\0", "ü"] {
        assert_eq!(kind(link.connect(A, host, PORT)), Kind::Name, "{host:?}");
    }
    link.connected(A);
}

/// On a stack that has no IPv6, or none configured (`--features smoltcp/proto-ipv6`); and what no broker should advertise.
#[test]
fn an_address_that_cannot_be_reached_is_an_error_and_never_a_panic() {
    let mut link = Link::new(true);
    for host in ["::1", "fe80::1", "2001:db8::1", "::", "::ffff:10.0.0.1", "0.0.0.0"] {
        assert_eq!(kind(link.connect(A, host, PORT)), Kind::Unreachable, "{host}");
    }
    assert_eq!(kind(link.connect(A, "10.0.0.1", 0)), Kind::Unreachable);
    for host in ["255.255.255.255", "224.0.0.1", "127.0.0.1", "10.0.0.0", "10.0.0.255", "10.0.0.2", "8.8.8.8"] {
        let question = Duration::from_secs(5);
        let answer = link.near.ask(question, |_, net| net.poll_connect(&mut cx(), A, host, PORT));
        assert!(!matches!(answer, Some(Ok(()))), "{host}");
        link.near.turn(|_, net| net.abort(A));
    }
    link.connected(A);
}

#[test]
fn aborted_queries_leave_their_slots() {
    let mut link = Link::new(true);
    for _ in 0..100 {
        let asked = link.near.turn(|_, net| net.poll_connect(&mut cx(), A, "nowhere.invalid", PORT));
        assert!(asked.is_pending());
        link.near.turn(|_, net| net.abort(A));
    }
    link.connect(A, NAME, PORT).unwrap();
}

#[test]
fn an_unknown_connection_is_an_error() {
    let mut link = Link::new(true);
    let unknown = ConnectionId::new(3);
    assert_eq!(link.near.net().connections(), 3);
    assert_eq!(kind(link.connect(unknown, "10.0.0.1", PORT)), Kind::Other);
    assert_eq!(kind(link.read(unknown, &mut [0])), Kind::Other);
    assert_eq!(kind(link.write(unknown, &[0])), Kind::Other);
    link.close(unknown);
    link.near.turn(|_, net| net.abort(unknown));
}

#[test]
fn a_connection_that_is_not_open_is_an_error() {
    let mut link = Link::new(true);
    assert_eq!(kind(link.read(A, &mut [0])), Kind::Reset);
    assert_eq!(kind(link.write(A, &[0])), Kind::Reset);
    link.close(A);
    link.near.turn(|_, net| net.abort(A));
}

#[test]
fn the_chip_may_sleep_until_the_earlier_of_the_stacks_timer_and_the_consumers() {
    let mut link = Link::new(true);
    let now = Instant::from_millis(0);
    assert_eq!(link.near.net().poll_delay(now, Instant::from_millis(700)), Duration::from_millis(700));
    assert!(link.near.turn(|_, net| net.poll_connect(&mut cx(), A, "10.0.0.77", PORT)).is_pending());
    // nobody answers the ARP request: smoltcp asks again after a second
    assert_eq!(link.near.net().poll_delay(now, Instant::from_millis(700)), Duration::from_millis(700));
    assert_eq!(link.near.net().poll_delay(now, Instant::NEVER), Duration::from_secs(1));
}
