//! What a transport over a stack is tried on, in all weathers; and `nanokafka-smoltcp` there.
use super::client::{LoopClient, NearEnd};
use super::names::NameServer;
use super::{Port, Stack, StackListener, Timely, Weather, World};
use crate::{Client, Ends, Gateway, Platform, Sizes, BROKERS};
use nanokafka::{Config, Instant};
use nanokafka_scripted::Cluster;
use smoltcp::phy::Medium;
use smoltcp::wire::Ipv4Address;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

/// Of all brokers, and of the name server.
pub const FAR: Ipv4Address = Ipv4Address::new(10, 0, 0, 1);
/// Of the consumer, in a network of 24 bits.
pub const NEAR: Ipv4Address = Ipv4Address::new(10, 0, 0, 2);
/// Of the brokers.
pub const PORTS: [u16; BROKERS] = [9_092, 9_093];
/// Of [`FAR`].
pub const NAME: &str = "brokers.test";

/// The cluster and a name server at the far end.
pub struct Brokers {
    /// To the cluster.
    pub gateway: Gateway<StackListener>,
    names: NameServer,
}

impl Brokers {
    /// At this end of a cable.
    pub fn world(far: Port, weather: Weather) -> World<Brokers> {
        let mut stack = Stack::new(far, FAR, weather);
        let names = NameServer::new(&mut stack, NAME, FAR);
        let stack = Rc::new(RefCell::new(stack));
        let listen = |port| (FAR.to_string(), port, StackListener::new(stack.clone(), port));
        let gateway = Gateway::new(PORTS.map(listen).into());
        World::new(stack, Brokers { gateway, names })
    }
}

impl Timely for Brokers {
    fn turn(&mut self, now: Instant, stack: &Rc<RefCell<Stack>>) -> bool {
        self.gateway.cluster.advance_to(now);
        let answered = self.names.turn(&mut stack.borrow_mut());
        self.gateway.turn() || answered
    }

    fn next(&self) -> Instant {
        self.gateway.cluster.next_event()
    }
}

/// What stands at the near end of the cable.
pub trait Near {
    /// The consumer over it.
    type Client: Client;

    /// A consumer whose local ports begin at `ports`.
    fn client(&self, cable: &Cable, ports: u16, sizes: &Sizes, config: Config<'static>) -> Self::Client;
}

/// Both ends of a cable, and the weather in between.
pub struct Cable {
    /// The near end's.
    pub near: Port,
    /// Of both.
    pub weather: Weather,
    /// At the far end.
    pub world: Rc<RefCell<World<Brokers>>>,
}

/// A platform over a cable that loses packets or does not.
pub struct OverCable<N, const LOSES: bool> {
    near: N,
    cable: Cable,
    clients: u16,
}

/// In fair weather, over Ethernet.
pub type Fair<N> = OverCable<N, false>;

/// In foul weather, over IP packets: on Ethernet a frame's checksum, which no cable here makes, is all that guards ARP.
pub type Foul<N> = OverCable<N, true>;

impl<N> Fair<N> {
    /// Frames take so many milliseconds.
    pub fn new(near: N, delay: u64) -> Self {
        OverCable::over(near, Medium::Ethernet, Weather { delay, ..Weather::default() })
    }
}

impl<N> Foul<N> {
    /// In this weather, which a failing test prints.
    pub fn new(near: N, weather: Weather) -> Self {
        println!("{weather:?}");
        OverCable::over(near, Medium::Ip, weather)
    }
}

impl<N, const LOSES: bool> OverCable<N, LOSES> {
    fn over(near: N, medium: Medium, weather: Weather) -> Self {
        let [here, far] = Port::cable(medium, weather.delay);
        let world = Rc::new(RefCell::new(Brokers::world(far, weather)));
        OverCable { near, cable: Cable { near: here, weather, world }, clients: 0 }
    }
}

impl<N: Near, const LOSES: bool> Platform for OverCable<N, LOSES> {
    type Client = N::Client;
    const NAME: &'static str = NAME;
    const LOSES: bool = LOSES;

    fn addresses(&self) -> [(String, u16); BROKERS] {
        PORTS.map(|port| (FAR.to_string(), port))
    }

    fn cluster<R: Send + 'static>(&mut self, act: impl FnOnce(&Cluster) -> R + Send + 'static) -> R {
        act(&self.cable.world.borrow().work.gateway.cluster)
    }

    fn ends(&mut self) -> Ends {
        self.cable.world.borrow().work.gateway.ends
    }

    fn wait(&mut self, time: Duration) {
        let mut world = self.cable.world.borrow_mut();
        let until = world.now.after(time);
        world.wait(until);
    }

    fn client(&mut self, sizes: &Sizes, config: Config<'static>) -> Self::Client {
        self.clients += 1;
        self.near.client(&self.cable, self.clients * 1_000, sizes, config)
    }
}

/// `nanokafka-smoltcp`.
pub struct Smoltcp;

impl Near for Smoltcp {
    type Client = LoopClient<Brokers>;

    fn client(&self, cable: &Cable, ports: u16, sizes: &Sizes, config: Config<'static>) -> Self::Client {
        let stack = Stack::new(cable.near.clone(), NEAR, cable.weather);
        LoopClient::new(sizes, config, NearEnd::new(cable.world.clone(), stack, &[FAR.into()], ports))
    }
}
