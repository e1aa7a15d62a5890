//! `nanokafka-smoltcp`, in all weathers.
use super::client::{LoopClient, NearEnd};
use super::names::NameServer;
use super::{Port, Stack, StackListener, Timely, Weather, World};
use crate::{Ends, Gateway, Platform, Sizes, BROKERS};
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

/// Both ends.
struct Link {
    near: Port,
    weather: Weather,
    world: Rc<RefCell<World<Brokers>>>,
    clients: u16,
}

impl Link {
    fn new(medium: Medium, weather: Weather) -> Self {
        let [near, far] = Port::cable(medium, weather.delay);
        Link { near, weather, world: Rc::new(RefCell::new(Brokers::world(far, weather))), clients: 0 }
    }

    fn near_end(&mut self) -> NearEnd<Brokers> {
        self.clients += 1;
        let stack = Stack::new(self.near.clone(), NEAR, self.weather);
        NearEnd::new(self.world.clone(), stack, &[FAR.into()], self.clients * 1_000)
    }
}

/// In fair weather, over Ethernet.
pub struct Fair(Link);

impl Fair {
    /// Frames take so many milliseconds.
    pub fn new(delay: u64) -> Self {
        Fair(Link::new(Medium::Ethernet, Weather { delay, ..Weather::default() }))
    }
}

/// In foul weather, over IP packets: on Ethernet a frame's checksum, which no cable here makes, is all that guards ARP.
pub struct Foul(Link);

impl Foul {
    /// In this weather, which a failing test prints.
    pub fn new(weather: Weather) -> Self {
        println!("{weather:?}");
        Foul(Link::new(Medium::Ip, weather))
    }
}

macro_rules! platform {
    ($($name:ident: $loses:expr;)*) => {
        $(impl Platform for $name {
            type Client = LoopClient<Brokers>;
            const NAME: &'static str = NAME;
            const LOSES: bool = $loses;

            fn addresses(&self) -> [(String, u16); BROKERS] {
                PORTS.map(|port| (FAR.to_string(), port))
            }

            fn cluster<R: Send + 'static>(&mut self, act: impl FnOnce(&Cluster) -> R + Send + 'static) -> R {
                act(&self.0.world.borrow().work.gateway.cluster)
            }

            fn ends(&mut self) -> Ends {
                self.0.world.borrow().work.gateway.ends
            }

            fn wait(&mut self, time: Duration) {
                let mut world = self.0.world.borrow_mut();
                let until = world.now.after(time);
                world.wait(until);
            }

            fn client(&mut self, sizes: &Sizes, config: Config<'static>) -> Self::Client {
                LoopClient::new(sizes, config, self.0.near_end())
            }
        })*
    };
}

platform! {
    Fair: false;
    Foul: true;
}
