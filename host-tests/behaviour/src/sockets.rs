//! Brokers behind sockets of the operating system, on a thread of their own, in real time.
use crate::{Ends, Gateway, Listener, Stream, BROKERS};
use nanokafka::Instant;
use nanokafka_scripted::Cluster;
use socket2::SockRef;
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::{channel, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

type Command = Box<dyn FnOnce(&Gateway<TcpListener>) + Send>;

/// A gateway on 127.0.0.1. Its cluster's time is real; it ends, and judges, when this is dropped.
pub struct Sockets {
    commands: Option<Sender<Command>>,
    thread: Option<JoinHandle<()>>,
    ports: [u16; BROKERS],
}

impl Sockets {
    /// With [`BROKERS`] brokers on free ports.
    pub fn new() -> Self {
        let listeners = [(); BROKERS].map(|()| {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
            listener.set_nonblocking(true).expect("a listener that does not block");
            listener
        });
        let ports = listeners.each_ref().map(|listener| listener.local_addr().expect("bound").port());
        let (commands, orders) = channel::<Command>();
        let thread = std::thread::spawn(move || {
            let brokers = listeners.into_iter().zip(ports).map(|(listener, port)| (HOST.into(), port, listener));
            let mut gateway = Gateway::new(brokers.collect());
            let start = std::time::Instant::now();
            loop {
                gateway.cluster.advance_to(Instant::from_millis(start.elapsed().as_millis() as u64));
                let pause = if gateway.turn() { Duration::ZERO } else { Duration::from_millis(1) };
                match orders.recv_timeout(pause) {
                    Ok(command) => command(&gateway),
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => return,
                }
            }
        });
        Sockets { commands: Some(commands), thread: Some(thread), ports }
    }

    /// Of the brokers.
    pub fn addresses(&self) -> [(String, u16); BROKERS] {
        self.ports.map(|port| (HOST.into(), port))
    }

    /// Does something with the cluster, on its thread.
    pub fn cluster<R: Send + 'static>(&self, act: impl FnOnce(&Cluster) -> R + Send + 'static) -> R {
        self.with(|gateway| act(&gateway.cluster))
    }

    /// How connections ended so far.
    pub fn ends(&self) -> Ends {
        self.with(|gateway| gateway.ends)
    }

    fn with<R: Send + 'static>(&self, act: impl FnOnce(&Gateway<TcpListener>) -> R + Send + 'static) -> R {
        let (answer, result) = channel();
        let command: Command = Box::new(move |gateway| {
            let _ = answer.send(act(gateway)); // the test may have ended
        });
        let _ = self.commands.as_ref().map(|commands| commands.send(command));
        result.recv().expect("the brokers' thread has panicked")
    }
}

impl Default for Sockets {
    fn default() -> Self {
        Sockets::new()
    }
}

impl Drop for Sockets {
    fn drop(&mut self) {
        self.commands = None;
        let ended = self.thread.take().map(JoinHandle::join);
        if let (Some(Err(panic)), false) = (ended, std::thread::panicking()) {
            std::panic::resume_unwind(panic); // violations of the protocol
        }
    }
}

const HOST: &str = "127.0.0.1";

impl Listener for TcpListener {
    type Stream = TcpStream;

    fn accept(&mut self) -> Option<TcpStream> {
        let (stream, _) = TcpListener::accept(self).ok()?;
        stream.set_nonblocking(true).and_then(|()| stream.set_nodelay(true)).ok()?;
        Some(stream)
    }
}

impl Stream for TcpStream {
    fn finish(&mut self) {
        let _ = self.shutdown(Shutdown::Write); // fails where the consumer has reset it
    }

    fn reset(self) {
        let _ = SockRef::from(&self).set_linger(Some(Duration::ZERO));
    }
}
