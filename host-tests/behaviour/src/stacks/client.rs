//! The superloop over the near end of the cable.
use super::{Stack, Timely, World};
use crate::{seen, Client, Seen, Sizes, CONNECTIONS};
use nanokafka::{Config, Control, Error, Event, Instant, Seed, Storage, Superloop, TopicPartition};
use nanokafka_smoltcp::{Connections, Consumer, Net};
use smoltcp::phy::FaultInjector;
use smoltcp::socket::dns;
use smoltcp::wire::IpAddress;
use std::cell::RefCell;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

type NearNet<'n> = Net<'n, 'static, FaultInjector<super::Port>>;

/// The near end: the stack and the consumer's connections in it.
pub struct NearEnd<W> {
    world: Rc<RefCell<World<W>>>,
    stack: Stack,
    connections: Connections<CONNECTIONS>,
    /// Of the superloop, so far.
    pub turns: usize,
}

/// A segment and a half; and less than a request.
const RECEIVE: usize = 2_048;
const SEND: usize = 256;

impl<W: Timely> NearEnd<W> {
    /// With a socket for each connection. `servers` are the name servers, `port` is the first local port.
    pub fn new(world: Rc<RefCell<World<W>>>, mut stack: Stack, servers: &[IpAddress], port: u16) -> Self {
        let handles = [(); CONNECTIONS].map(|()| stack.socket(RECEIVE, SEND));
        // borrowed, as on a device: an owned list would grow
        let queries: &'static mut [_] = Box::leak(Box::new([const { None }; CONNECTIONS]));
        let names = stack.sockets.add(dns::Socket::new(servers, queries));
        NearEnd { world, stack, connections: Connections::new(handles, port).names(names), turns: 0 }
    }

    /// Virtual.
    pub fn now(&self) -> Instant {
        self.world.borrow().now
    }

    /// The transport.
    pub fn net(&mut self) -> NearNet<'_> {
        self.connections.on(&mut self.stack.interface, &mut self.stack.device, &mut self.stack.sockets)
    }

    /// One turn of the superloop.
    pub fn turn<R>(&mut self, work: impl FnOnce(Instant, &mut NearNet<'_>) -> R) -> R {
        self.turns += 1;
        let now = self.now();
        self.net().turn(now, |net| work(now, net))
    }

    /// The superloop sleeps until `timeout`, until the stack wants something, or until `until`.
    pub fn sleep(&mut self, timeout: Instant, until: Instant) {
        let now = self.now();
        let delay = self.net().poll_delay(now, timeout);
        // the far end answers first, so that its frames are seen
        self.world.borrow_mut().far_end();
        let arrival = self.stack.next(now);
        self.world.borrow_mut().pass(now.after(delay).min(arrival), until);
    }

    /// Asks until the answer is ready; `None` after `within`.
    pub fn ask<R>(
        &mut self,
        within: Duration,
        mut question: impl FnMut(Instant, &mut NearNet<'_>) -> Poll<R>,
    ) -> Option<R> {
        let until = self.now().after(within);
        loop {
            if let Poll::Ready(answer) = self.turn(&mut question) {
                return Some(answer);
            }
            if self.now() >= until {
                return None;
            }
            self.sleep(Instant::NEVER, until);
        }
    }
}

/// A consumer in a superloop.
pub struct LoopClient<W> {
    /// What it runs on.
    pub near: NearEnd<W>,
    consumer: Box<Consumer<'static>>,
}

impl<W: Timely> LoopClient<W> {
    /// Over these connections.
    pub fn new(sizes: &Sizes, config: Config<'static>, near: NearEnd<W>) -> Self {
        let storage = Storage::boxed(sizes.partitions, CONNECTIONS, sizes.window);
        let consumer = Consumer::new(storage, config, Superloop, Seed::new([7; 32])).expect("a configuration");
        LoopClient { near, consumer: Box::new(consumer) }
    }
}

impl<W: Timely> Client for LoopClient<W> {
    fn subscribe(&mut self, topics: &[&str]) -> Result<(), Error> {
        self.consumer.subscribe(topics)
    }

    fn assign(&mut self, partitions: &[TopicPartition<'_>]) -> Result<(), Error> {
        self.consumer.assign(partitions)
    }

    fn control(&mut self) -> Control<'_> {
        self.consumer.control()
    }

    fn poll(&mut self, within: Duration) -> Option<Result<Seen, Error>> {
        let LoopClient { near, consumer } = self;
        let until = near.now().after(within);
        loop {
            match near.turn(|now, net| consumer.poll(now, net)) {
                Ok(None) => {}
                Ok(Some(Event::LargeRecord(mut record))) => {
                    let (topic, partition, offset) = (record.topic().to_string(), record.partition(), record.offset());
                    let mut value = vec![];
                    loop {
                        match near.turn(|now, net| record.chunk(now, net).map_ok(<[u8]>::to_vec)) {
                            Poll::Ready(Ok(chunk)) if chunk.is_empty() => {
                                return Some(Ok(Seen::Large(topic, partition, offset, value)));
                            }
                            Poll::Ready(Ok(chunk)) => value.extend(chunk),
                            Poll::Ready(Err(error)) => return Some(Err(error)),
                            Poll::Pending => near.sleep(record.next_timeout(near.now()), Instant::NEVER),
                        }
                    }
                }
                Ok(Some(event)) => return Some(Ok(seen(event))),
                Err(error) => return Some(Err(error)),
            }
            if near.now() >= until {
                return None;
            }
            near.sleep(consumer.next_timeout(near.now()), until);
        }
    }

    fn commit_sync(&mut self) -> Result<(), Error> {
        let LoopClient { near, consumer } = self;
        loop {
            if let Poll::Ready(result) = near.turn(|now, net| consumer.commit_sync(now, net)) {
                return result;
            }
            near.sleep(consumer.next_timeout(near.now()), Instant::NEVER);
        }
    }

    fn close(self) -> Result<(), Error> {
        let LoopClient { mut near, mut consumer } = self;
        loop {
            if let Poll::Ready(result) = near.turn(|now, net| consumer.close(now, net)) {
                return result;
            }
            near.sleep(consumer.next_timeout(near.now()), Instant::NEVER);
        }
    }
}
