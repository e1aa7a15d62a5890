//! The consumer's types with this crate's transport in them, so that no signature of an application names a transport.
use crate::Tcp;
use nanokafka::Async;

/// The consumer of an embassy task.
pub type Consumer<'r> = nanokafka::Consumer<'r, Async<Tcp<'r>>>;
/// What its `poll` returns.
pub type Event<'c, 'r> = nanokafka::Event<'c, Async<Tcp<'r>>>;
/// Records of one partition.
pub type Records<'c, 'r> = nanokafka::Records<'c, Async<Tcp<'r>>>;
/// A record larger than the window; its value is read in chunks.
pub type LargeRecord<'c, 'r> = nanokafka::LargeRecord<'c, Async<Tcp<'r>>>;
