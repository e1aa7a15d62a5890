//! How each platform waits for a question to be answered.
use nanokafka::{Block, Clock, ConnectionId, Transport, TransportError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// Far more than anything here takes; a loaded machine must not fail a test.
pub const LONG: Duration = Duration::from_secs(60);

pub trait Platform {
    type Tcp: Transport;

    fn tcp(&mut self) -> &mut Self::Tcp;

    /// Asks until the answer is ready, sleeping in between as the platform's front end would; `None` after `within`.
    fn ask<R>(
        &mut self,
        within: Duration,
        question: impl FnMut(&mut Self::Tcp, &mut Context<'_>) -> Poll<R>,
    ) -> Option<R>;

    fn connect(&mut self, id: ConnectionId, host: &str, port: u16) -> Result<(), TransportError> {
        self.ask(LONG, |tcp, cx| tcp.poll_connect(cx, id, host, port)).expect("connects or fails")
    }

    fn read(&mut self, id: ConnectionId, buf: &mut [u8]) -> Result<usize, TransportError> {
        self.ask(LONG, |tcp, cx| tcp.poll_read(cx, id, buf)).expect("reads or fails")
    }

    fn write_all(&mut self, id: ConnectionId, mut buf: &[u8]) -> Result<(), TransportError> {
        while !buf.is_empty() {
            let taken = self.ask(LONG, |tcp, cx| tcp.poll_write(cx, id, buf)).expect("writes or fails")?;
            buf = &buf[taken..];
        }
        Ok(())
    }

    fn read_exact(&mut self, id: ConnectionId, bytes: usize) -> Result<Vec<u8>, TransportError> {
        let mut buf = vec![0; bytes];
        let mut filled = 0;
        while filled < bytes {
            match self.read(id, &mut buf[filled..])? {
                0 => panic!("the end after {filled} of {bytes} bytes"),
                n => filled += n,
            }
        }
        Ok(buf)
    }

    fn close(&mut self, id: ConnectionId) {
        self.ask(LONG, |tcp, cx| tcp.poll_close(cx, id)).expect("closes")
    }
}

pub struct Blocking(nanokafka_std::blocking::Tcp);

impl Blocking {
    pub fn new(connections: usize) -> Self {
        Blocking(nanokafka_std::blocking::Tcp::new(connections).unwrap())
    }
}

impl Platform for Blocking {
    type Tcp = nanokafka_std::blocking::Tcp;

    fn tcp(&mut self) -> &mut Self::Tcp {
        &mut self.0
    }

    fn ask<R>(
        &mut self,
        within: Duration,
        mut question: impl FnMut(&mut Self::Tcp, &mut Context<'_>) -> Poll<R>,
    ) -> Option<R> {
        let deadline = self.0.now().after(within);
        loop {
            match question(&mut self.0, &mut Context::from_waker(Waker::noop())) {
                Poll::Ready(answer) => return Some(answer),
                Poll::Pending if self.0.now() >= deadline => return None,
                Poll::Pending => self.0.block(deadline).unwrap(),
            }
        }
    }
}

#[cfg(feature = "tokio")]
pub struct Tokio(tokio::runtime::Runtime, nanokafka_std::tokio::Tcp);

#[cfg(feature = "tokio")]
impl Tokio {
    pub fn new(connections: usize) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Tokio(runtime, nanokafka_std::tokio::Tcp::new(connections))
    }
}

#[cfg(feature = "tokio")]
impl Platform for Tokio {
    type Tcp = nanokafka_std::tokio::Tcp;

    fn tcp(&mut self) -> &mut Self::Tcp {
        &mut self.1
    }

    fn ask<R>(
        &mut self,
        within: Duration,
        mut question: impl FnMut(&mut Self::Tcp, &mut Context<'_>) -> Poll<R>,
    ) -> Option<R> {
        let Tokio(runtime, tcp) = self;
        let answer = std::future::poll_fn(|cx| question(tcp, cx));
        runtime.block_on(async { tokio::time::timeout(within, answer).await.ok() })
    }
}
