//! `nanokafka-embassy` in virtual time: an embassy-net stack at the near end of the cable, [`stacks`](crate::stacks) at the
//! far one.
mod near_end;
mod time;

pub use near_end::NearEnd;

use crate::stacks::{Brokers, Cable, Near, FAR};
use crate::{AsyncClient, Sizes};
use nanokafka::Config;
use nanokafka_embassy::Tcp;

/// `nanokafka-embassy`.
pub struct Embassy {
    /// Whether every future is cancelled wherever it waits.
    pub cancels: bool,
}

impl Near for Embassy {
    type Client = AsyncClient<Tcp<'static>, NearEnd<Brokers>>;

    fn client(&self, cable: &Cable, ports: u16, sizes: &Sizes, config: Config<'static>) -> Self::Client {
        let near = NearEnd::new(cable.world.clone(), cable.near.clone(), cable.weather, &[FAR], ports.into());
        AsyncClient::new(sizes, config, near.tcp(), near, self.cancels)
    }
}
