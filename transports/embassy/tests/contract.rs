//! The contract of `nanokafka::Transport`: embassy-net at one end of a cable, a peer at the other, in virtual time.
use nanokafka::{Clock, ConnectionId, Instant, Transport, TransportErrorKind};
use nanokafka_behaviour::contract::{Ask, Link, HOST, NAME, PORT};
use nanokafka_behaviour::embassy::NearEnd;
use nanokafka_behaviour::stacks::{Peer, Port, Weather, World, FAR};
use nanokafka_behaviour::{contract, Executor};
use nanokafka_embassy::{Names, SocketBuffers, Tcp, Time};
use smoltcp::phy::Medium;
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io::ErrorKind;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

contract!(Ends);

const A: ConnectionId = ConnectionId::new(0);
const B: ConnectionId = ConnectionId::new(1);
const LONG: Duration = Duration::from_secs(60);

/// Both.
struct Ends {
    tcp: Tcp<'static>,
    near: NearEnd<Peer>,
    far: Rc<RefCell<World<Peer>>>,
}

fn ends(echoes: bool) -> (NearEnd<Peer>, Rc<RefCell<World<Peer>>>) {
    let [near, far] = Port::cable(Medium::Ethernet, 1);
    let far = Rc::new(RefCell::new(Peer::world(far, echoes)));
    (NearEnd::new(far.clone(), near, Weather::default(), &[FAR], 7), far)
}

impl Link for Ends {
    fn new(echoes: bool) -> Self {
        let (near, far) = ends(echoes);
        Ends { tcp: near.tcp(), near, far }
    }

    /// The front end asks the clock last.
    fn ask<R>(
        &mut self,
        within: Duration,
        mut question: impl FnMut(&mut dyn Transport, &mut Context<'_>) -> Poll<R>,
    ) -> Option<R> {
        let Ends { tcp, near, .. } = self;
        let asked = poll_fn(|cx| {
            let answer = question(tcp, cx);
            if answer.is_pending() {
                let _ = tcp.poll_until(cx, Instant::NEVER);
            }
            answer
        });
        near.run(within, asked)
    }

    fn echoed(&self) -> usize {
        self.far.borrow().work.echoed
    }

    fn ends(&self) -> Vec<Result<(), ErrorKind>> {
        self.far.borrow().work.ends.clone()
    }

    fn last_words(&mut self, words: &[u8]) {
        self.far.borrow_mut().work.last_words(words)
    }

    fn reset(&mut self) {
        self.far.borrow_mut().work.reset()
    }
}

#[test]
fn close_is_ready_when_the_fin_is_acknowledged_and_not_before() {
    let mut link = Ends::new(true);
    link.connected(A);
    let closes = |link: &mut Ends| link.ask(LONG, |tcp, cx| Poll::Ready(tcp.poll_close(cx, A)));
    let asked = link.near.now();
    assert_eq!(closes(&mut link), Some(Poll::Pending));
    assert_eq!(closes(&mut link), Some(Poll::Pending));
    link.close(A);
    assert_eq!(asked.until(link.near.now()), Duration::from_millis(2), "a round trip");
}

#[test]
fn an_abort_is_told_to_the_peer_although_a_connection_is_made_anew_at_once() {
    let mut link = Ends::new(true);
    link.connected(A);
    link.echoes_on(A);
    link.abort(A);
    link.connected(A);
    link.echoes_on(A);
    assert_eq!(link.ends(), [Err(ErrorKind::ConnectionReset)]);
}

/// smoltcp sends one ARP request a second, and always the same one while somebody waits for it (smoltcp-rs/smoltcp#1101).
#[test]
fn a_neighbour_that_is_switched_off_holds_others_up_no_longer_than_it_is_tried() {
    let mut link = Ends::new(true);
    assert!(link.hangs(A, "10.0.0.77"));
    link.abort(A);
    let given_up = link.near.now();
    link.connected(B);
    assert!(given_up.until(link.near.now()) < Duration::from_secs(2));
    assert!(link.hangs(A, "10.0.0.77"));
    link.echoes_on(B);
}

/// On a stack that has no IPv6 address, compiled with and without it; and what no broker should advertise.
#[test]
fn an_address_that_cannot_be_reached_is_an_error_and_never_a_panic() {
    let mut link = Ends::new(true);
    for host in ["::1", "fe80::1", "2001:db8::1", "::", "::ffff:10.0.0.1", "0.0.0.0"] {
        assert_eq!(link.connect(A, host, PORT).unwrap_err().kind, TransportErrorKind::Unreachable, "{host}");
    }
    assert_eq!(link.connect(A, HOST, 0).unwrap_err().kind, TransportErrorKind::Unreachable);
    for host in ["255.255.255.255", "224.0.0.1", "127.0.0.1", "10.0.0.0", "10.0.0.255", "10.0.0.2", "8.8.8.8"] {
        let within = Duration::from_secs(5);
        let answer = link.ask(within, |tcp, cx| tcp.poll_connect(cx, A, host, PORT));
        assert!(!matches!(answer, Some(Ok(()))), "{host}");
        link.abort(A);
    }
    link.connected(A);
}

/// Two lookups for three connections.
#[test]
fn names_are_resolved_at_the_same_time_and_those_left_over_in_turn() {
    let mut link = Ends::new(true);
    let ids = [0, 1, 2].map(ConnectionId::new);
    let mut answers = [None; 3];
    let all = link.ask(LONG, |tcp, cx| {
        for (id, answer) in ids.iter().zip(&mut answers) {
            if answer.is_none() {
                if let Poll::Ready(result) = tcp.poll_connect(cx, *id, NAME, PORT) {
                    *answer = Some(result);
                }
            }
        }
        if answers.iter().all(Option::is_some) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    });
    assert_eq!((all, answers), (Some(()), [Some(Ok(())); 3]));
    for id in ids {
        link.echoes_on(id);
    }
}

#[test]
fn a_name_that_waits_for_its_turn_is_woken() {
    let mut link = Ends::new(true);
    let [a, b, c] = [0, 1, 2].map(ConnectionId::new);
    let mut nowhere = 0;
    let resolved = link.ask(LONG, |tcp, cx| {
        // at first it has its turn last, and then it is asked first
        let resolved = if nowhere == 0 { Poll::Pending } else { tcp.poll_connect(cx, c, NAME, PORT) };
        for id in [a, b] {
            if let Poll::Ready(result) = tcp.poll_connect(cx, id, "nowhere.invalid", PORT) {
                assert_eq!(result.unwrap_err().kind, TransportErrorKind::Name);
            }
        }
        nowhere += 1;
        resolved
    });
    assert_eq!(resolved, Some(Ok(())));
}

#[test]
fn small_writes_do_not_wait_for_acknowledgements() {
    let mut link = Ends::new(true);
    link.connected(A);
    let begun = link.near.now();
    for _ in 0..10 {
        assert_eq!(link.write(A, b"a"), Ok(1));
        link.pass(Duration::ZERO); // the stack has its turn
    }
    while link.echoed() < 10 {
        link.pass(Duration::from_millis(1));
    }
    assert!(begun.until(link.near.now()) < Duration::from_millis(3), "more than one way");
}

#[test]
fn without_a_resolver_a_name_does_not_resolve() {
    let (mut near, _far) = ends(true);
    let (mut control, mut fetch) = (SocketBuffers::<512, 256>::new(), [SocketBuffers::<512, 256>::new()]);
    let mut tcp = Tcp::new(near.stack, &mut control, &mut fetch);
    let connected = near.run(LONG, poll_fn(|cx| tcp.poll_connect(cx, A, NAME, PORT)));
    assert_eq!(connected.unwrap().unwrap_err().kind, TransportErrorKind::Name);
    assert_eq!(near.run(LONG, poll_fn(|cx| tcp.poll_connect(cx, A, HOST, PORT))), Some(Ok(())));
}

#[test]
fn what_is_borrowed_needs_not_be_static_and_sockets_are_given_back() {
    let (mut near, _far) = ends(true);
    for _ in 0..3 {
        // the stack has room for these and the name server's, no more
        let (mut control, mut fetch) =
            (SocketBuffers::<512, 256>::new(), [const { SocketBuffers::<512, 256>::new() }; 2]);
        let names = Names::<1>::new();
        let resolve = pin!(names.resolve(near.stack));
        let mut tcp = Tcp::new(near.stack, &mut control, &mut fetch).names(&names, resolve);
        assert_eq!(near.run(LONG, poll_fn(|cx| tcp.poll_connect(cx, A, NAME, PORT))), Some(Ok(())));
    }
}

#[test]
fn the_clock_wakes_at_the_deadline_given_last_and_does_not_spin() {
    let (mut near, _far) = ends(true);
    let woken = Cell::new(0);
    let deadline = Instant::from_millis(30);
    let slept = near.run(
        LONG,
        poll_fn(|cx| {
            woken.set(woken.get() + 1);
            assert!(Time.poll_until(cx, Instant::NEVER).is_pending());
            assert!(Time.poll_until(cx, Instant::from_millis(1 << 40)).is_pending());
            Time.poll_until(cx, deadline)
        }),
    );
    assert_eq!((slept, near.now()), (Some(()), deadline));
    assert!(woken.get() <= 3, "{woken:?}");
}
