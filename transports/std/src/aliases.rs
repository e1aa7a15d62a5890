//! The consumer's types with this crate's transports in them, so that no signature of an application names a transport.

/// For `blocking`.
pub mod blocking {
    use crate::blocking::Tcp;
    use nanokafka::Blocking;

    /// The consumer of a thread that polls.
    pub type Consumer<'r> = nanokafka::Consumer<'r, Blocking<Tcp>>;
    /// What its `poll` returns.
    pub type Event<'c> = nanokafka::Event<'c, Blocking<Tcp>>;
    /// Records of one partition.
    pub type Records<'c> = nanokafka::Records<'c, Blocking<Tcp>>;
    /// A record larger than the window; its value is read through [`std::io::Read`].
    pub type LargeRecord<'c> = nanokafka::LargeRecord<'c, Blocking<Tcp>>;
}

/// For `tokio`.
#[cfg(feature = "tokio")]
pub mod tokio {
    use crate::tokio::Tcp;
    use nanokafka::Async;

    /// The consumer of a task.
    pub type Consumer<'r> = nanokafka::Consumer<'r, Async<Tcp>>;
    /// What its `poll` returns.
    pub type Event<'c> = nanokafka::Event<'c, Async<Tcp>>;
    /// Records of one partition.
    pub type Records<'c> = nanokafka::Records<'c, Async<Tcp>>;
    /// A record larger than the window; its value is read in chunks.
    pub type LargeRecord<'c> = nanokafka::LargeRecord<'c, Async<Tcp>>;
}
