//! `nanokafka-embassy` in virtual time: an embassy-net stack at the near end of the cable, [`stacks`](crate::stacks) at the
//! far one.
mod near_end;
mod time;

pub use near_end::NearEnd;

use crate::stacks::{Brokers, Port, Weather, World, FAR, NAME, PORTS};
use crate::{AsyncClient, Ends, Platform, Sizes, BROKERS};
use nanokafka::Config;
use nanokafka_embassy::Tcp;
use nanokafka_scripted::Cluster;
use smoltcp::phy::Medium;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

/// Both ends.
struct Link {
    near: Port,
    weather: Weather,
    cancels: bool,
    world: Rc<RefCell<World<Brokers>>>,
    clients: u64,
}

impl Link {
    fn new(medium: Medium, weather: Weather, cancels: bool) -> Self {
        let [near, far] = Port::cable(medium, weather.delay);
        Link { near, weather, cancels, world: Rc::new(RefCell::new(Brokers::world(far, weather))), clients: 0 }
    }

    fn near_end(&mut self) -> NearEnd<Brokers> {
        self.clients += 1;
        NearEnd::new(self.world.clone(), self.near.clone(), self.weather, &[FAR], self.clients * 1_000)
    }
}

/// In fair weather, over Ethernet.
pub struct Fair(Link);

impl Fair {
    /// Frames take so many milliseconds; whether every future is cancelled wherever it waits.
    pub fn new(delay: u64, cancels: bool) -> Self {
        Fair(Link::new(Medium::Ethernet, Weather { delay, ..Weather::default() }, cancels))
    }
}

/// In foul weather, over IP packets, and every future is cancelled wherever it waits.
pub struct Foul(Link);

impl Foul {
    /// In this weather, which a failing test prints.
    pub fn new(weather: Weather) -> Self {
        println!("{weather:?}");
        Foul(Link::new(Medium::Ip, weather, true))
    }
}

macro_rules! platform {
    ($($name:ident: $loses:expr;)*) => {
        $(impl Platform for $name {
            type Client = AsyncClient<Tcp<'static>, NearEnd<Brokers>>;
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
                let near = self.0.near_end();
                AsyncClient::new(sizes, config, near.tcp(), near, self.0.cancels)
            }
        })*
    };
}

platform! {
    Fair: false;
    Foul: true;
}
