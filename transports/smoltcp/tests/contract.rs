//! The contract of `nanokafka::Transport`: smoltcp at one end of a cable, a peer at the other, in virtual time.
use nanokafka::{ConnectionId, Instant, Transport};
use nanokafka_behaviour::contract;
use nanokafka_behaviour::contract::{Link, OnCable, PORT};
use nanokafka_behaviour::stacks::{NearEnd, Peer, Port, Stack, Weather, World, FAR, NEAR};
use smoltcp::phy::Medium;
use std::cell::RefCell;
use std::io::ErrorKind;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

contract!(Ends, on a cable);

/// Both.
struct Ends {
    near: NearEnd<Peer>,
    far: Rc<RefCell<World<Peer>>>,
}

impl Link for Ends {
    fn new(echoes: bool) -> Self {
        let [near, far] = Port::cable(Medium::Ethernet, 1);
        let far = Rc::new(RefCell::new(Peer::world(far, echoes)));
        let stack = Stack::new(near, NEAR, Weather::default());
        Ends { near: NearEnd::new(far.clone(), stack, &[FAR.into()], 60_000), far }
    }

    /// There is no task: the loop comes round.
    fn ask<R>(
        &mut self,
        within: Duration,
        mut question: impl FnMut(&mut dyn Transport, &mut Context<'_>) -> Poll<R>,
    ) -> Option<R> {
        self.near.ask(within, |_, net| question(net, &mut Context::from_waker(Waker::noop())))
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

#[test]
fn the_chip_may_sleep_until_the_earlier_of_the_stacks_timer_and_the_consumers() {
    let mut link = Ends::new(true);
    let now = Instant::from_millis(0);
    assert_eq!(link.near.net().poll_delay(now, Instant::from_millis(700)), Duration::from_millis(700));
    let cx = &mut Context::from_waker(Waker::noop());
    let a = ConnectionId::new(0);
    assert!(link.near.turn(|_, net| net.poll_connect(cx, a, "10.0.0.77", PORT)).is_pending());
    // nobody answers the ARP request: smoltcp asks again after a second
    assert_eq!(link.near.net().poll_delay(now, Instant::from_millis(700)), Duration::from_millis(700));
    assert_eq!(link.near.net().poll_delay(now, Instant::NEVER), Duration::from_secs(1));
}
