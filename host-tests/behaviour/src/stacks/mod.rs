//! Two smoltcp stacks back to back, in one thread and in virtual time: [`Port::cable`] has two ends. At the far one is a
//! [`World`] with [`Brokers`], at the near one the transport in question: here a [`NearEnd`] of `nanokafka-smoltcp`, and for
//! another stack whatever sends and receives frames at a [`Port`].
mod cable;
mod client;
mod names;
mod peer;
mod platforms;
mod stack;
mod world;

pub use cable::Port;
pub use client::{LoopClient, NearEnd};
pub use peer::Peer;
pub use platforms::{Brokers, Cable, Fair, Foul, Near, OverCable, Smoltcp, FAR, NAME, NEAR, PORTS};
pub use stack::{Stack, StackListener, StackStream, Weather};
pub use world::{Timely, World};

use nanokafka::Instant;

/// Both stacks and the cluster count the same milliseconds.
fn smoltcp(time: Instant) -> smoltcp::time::Instant {
    smoltcp::time::Instant::from_millis(time.as_millis() as i64)
}

/// Rounded up: asked earlier, a timer does nothing.
fn nanokafka(time: smoltcp::time::Instant) -> Instant {
    Instant::from_millis((time.total_micros().max(0) as u64).div_ceil(1_000))
}
