//! The contract of `nanokafka::Transport`: embassy-net at one end of a cable, a peer at the other, in virtual time.
use nanokafka::{Clock, ConnectionId, Instant, Transport, TransportErrorKind};
use nanokafka_behaviour::contract::{Ask, Link, OnCable, HOST, NAME, PORT};
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

contract!(Ends, on a cable);

const A: ConnectionId = ConnectionId::new(0);
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

impl OnCable for Ends {
    fn now(&self) -> Instant {
        self.near.now()
    }
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
