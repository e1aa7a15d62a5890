//! The transports of `nanokafka-std`.
use crate::{AsyncClient, BlockingClient, Executor, Platform, Sizes, Sockets, CONNECTIONS};
use nanokafka::Config;
use nanokafka_scripted::Cluster;
use nanokafka_std::{blocking, tokio};
use std::future::Future;
use std::time::Duration;

/// What all platforms over sockets of the operating system have in common: their field is a [`Sockets`].
#[macro_export]
macro_rules! over_sockets {
    () => {
        const NAME: &'static str = "localhost";

        fn addresses(&self) -> [(String, u16); $crate::BROKERS] {
            self.0.addresses()
        }

        fn cluster<R: Send + 'static>(&mut self, act: impl FnOnce(&Cluster) -> R + Send + 'static) -> R {
            self.0.cluster(act)
        }

        fn ends(&mut self) -> $crate::Ends {
            self.0.ends()
        }

        fn wait(&mut self, time: std::time::Duration) {
            std::thread::sleep(time);
        }
    };
}

/// `nanokafka_std::blocking`.
pub struct Blocking(pub Sockets);

impl Platform for Blocking {
    type Client = BlockingClient<blocking::Tcp>;
    over_sockets!();

    fn client(&mut self, sizes: &Sizes, config: Config<'static>) -> Self::Client {
        BlockingClient::new(sizes, config, blocking::Tcp::new(CONNECTIONS).expect("a file descriptor"))
    }
}

/// `nanokafka_std::tokio`.
pub struct Tokio(pub Sockets);

impl Platform for Tokio {
    type Client = AsyncClient<tokio::Tcp, Runtime>;
    over_sockets!();

    fn client(&mut self, sizes: &Sizes, config: Config<'static>) -> Self::Client {
        AsyncClient::new(sizes, config, tokio::Tcp::new(CONNECTIONS), Runtime::new(), false)
    }
}

/// `nanokafka_std::tokio`, every future cancelled wherever it waits.
pub struct TokioCancelled(pub Sockets);

impl Platform for TokioCancelled {
    type Client = AsyncClient<tokio::Tcp, Runtime>;
    over_sockets!();

    fn client(&mut self, sizes: &Sizes, config: Config<'static>) -> Self::Client {
        AsyncClient::new(sizes, config, tokio::Tcp::new(CONNECTIONS), Runtime::new(), true)
    }
}

/// tokio's, on the thread of the test.
pub struct Runtime(::tokio::runtime::Runtime);

impl Runtime {
    fn new() -> Self {
        Runtime(::tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime"))
    }
}

impl Executor for Runtime {
    fn run<F: Future>(&mut self, within: Duration, future: F) -> Option<F::Output> {
        self.0.block_on(async { ::tokio::time::timeout(within, future).await.ok() })
    }
}
