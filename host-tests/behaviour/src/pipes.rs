//! `nanokafka-io` over tokio's streams in memory, on a runtime whose time is virtual; also over streams that lose what they
//! have read when a read is dropped.
use crate::{
    when_woken, AsyncClient, Ends, Executor, Gateway, Listener, Platform, Sizes, Stream, BROKERS, CONNECTIONS,
};
use embedded_io_adapters::tokio_1::FromTokio;
use embedded_io_async::{ErrorType, Read};
use nanokafka::{Config, Instant, TransportError, TransportErrorKind};
use nanokafka_io::{Io, Link, Pipes};
use nanokafka_scripted::Cluster;
use nanokafka_std::tokio::Tcp as TokioClock;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::{poll_fn, Future};
use std::io::ErrorKind;
use std::pin::{pin, Pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::io::{split, AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::runtime::Runtime;
use tokio::task::LocalSet;

/// Of all brokers.
const HOST: &str = "10.0.0.1";
/// Of [`HOST`].
const NAME: &str = "brokers.test";
const PORTS: [u16; BROKERS] = [9_092, 9_093];

/// Bytes under way in each direction.
const IN_FLIGHT: usize = 500;

/// Bytes of a pipe: less than a request.
const PIPE: usize = 100;

type Backlog = Rc<RefCell<VecDeque<FarEnd>>>;

/// A reader that takes bytes first and returns them when it is polled next: a read that is dropped in between loses them.
pub struct Careless<R>(pub R);

impl<R: ErrorType> ErrorType for Careless<R> {
    type Error = R::Error;
}

impl<R: Read> Read for Careless<R> {
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, R::Error> {
        let taken = self.0.read(buf).await?;
        tokio::task::yield_now().await;
        Ok(taken)
    }
}

/// The brokers, and the runtime on which everything happens.
pub struct Memory {
    world: Rc<World>,
    cancels: bool,
    careless: bool,
}

struct World {
    runtime: Runtime,
    tasks: LocalSet,
    gateway: Rc<RefCell<Gateway<Backlog>>>,
    backlogs: [Backlog; BROKERS],
}

impl Memory {
    /// `careless`: streams lose bytes when a read is dropped. `cancels`: every future of the consumer is, wherever it waits.
    pub fn new(careless: bool, cancels: bool) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        let backlogs = [(); BROKERS].map(|()| Backlog::default());
        let brokers = backlogs.iter().zip(PORTS).map(|(backlog, port)| (HOST.into(), port, backlog.clone()));
        let gateway = Rc::new(RefCell::new(Gateway::new(brokers.collect())));
        let world = World { runtime: runtime.expect("a runtime"), tasks: LocalSet::new(), gateway, backlogs };
        let gateway = world.gateway.clone();
        world.tasks.spawn_local(async move {
            let start = tokio::time::Instant::now();
            loop {
                gateway.borrow_mut().cluster.advance_to(Instant::from_millis(start.elapsed().as_millis() as u64));
                while gateway.borrow_mut().turn() {}
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        });
        Memory { world: Rc::new(world), cancels, careless }
    }
}

/// What the function of `nanokafka-io` does here: a handshake that takes its time, then the stream.
async fn connect(backlogs: &[Backlog; BROKERS], careless: bool, link: &Link<'_, PIPE>) -> Result<(), TransportError> {
    let failed = |kind| Err(TransportError::new(kind));
    tokio::time::sleep(Duration::from_millis(2)).await;
    if ![HOST, NAME].contains(&link.host()) {
        return failed(TransportErrorKind::Name);
    }
    let Some(broker) = PORTS.iter().position(|&port| port == link.port()) else {
        return failed(TransportErrorKind::Refused);
    };
    let (near, far) = tokio::io::duplex(IN_FLIGHT);
    backlogs[broker].borrow_mut().push_back(FarEnd(far));
    let (reader, writer) = split(near);
    let (reader, writer) = (FromTokio::new(reader), FromTokio::new(writer));
    if careless {
        link.carry(Careless(reader), writer).await
    } else {
        link.carry(reader, writer).await
    }
}

impl Platform for Memory {
    type Client = AsyncClient<Io<'static, TokioClock, PIPE>, Together>;
    const NAME: &'static str = NAME;

    fn addresses(&self) -> [(String, u16); BROKERS] {
        PORTS.map(|port| (HOST.into(), port))
    }

    fn cluster<R: Send + 'static>(&mut self, act: impl FnOnce(&Cluster) -> R + Send + 'static) -> R {
        act(&self.world.gateway.borrow().cluster)
    }

    fn ends(&mut self) -> Ends {
        self.world.gateway.borrow().ends
    }

    fn wait(&mut self, time: Duration) {
        self.world.tasks.block_on(&self.world.runtime, async { tokio::time::sleep(time).await });
    }

    fn client(&mut self, sizes: &Sizes, config: Config<'static>) -> Self::Client {
        let connections = [(); CONNECTIONS].map(|()| {
            let (backlogs, careless) = (self.world.backlogs.clone(), self.careless);
            let pipes: &Pipes<PIPE> = Box::leak(Box::default());
            let runner = pipes.run(async move |link| connect(&backlogs, careless, link).await);
            let runner: Pin<&mut dyn Future<Output = ()>> = Pin::static_mut(Box::leak(Box::new(runner)));
            (pipes, runner)
        });
        let clock = {
            let _runtime = self.world.runtime.enter(); // its time
            TokioClock::new(0)
        };
        AsyncClient::new(
            sizes,
            config,
            Io::new(clock, connections),
            Together { world: self.world.clone(), polls: 0 },
            self.cancels,
        )
    }
}

/// Runs the consumer and the brokers on the runtime of both.
pub struct Together {
    world: Rc<World>,
    /// Of the consumer's task, so far.
    pub polls: usize,
}

impl Executor for Together {
    fn run<F: Future>(&mut self, within: Duration, future: F) -> Option<F::Output> {
        let Together { world, polls } = self;
        let mut future = pin!(future);
        let counted = poll_fn(|cx| {
            *polls += 1;
            future.as_mut().poll(cx)
        });
        let bounded = async { tokio::time::timeout(within, when_woken(counted)).await.ok() };
        world.tasks.block_on(&world.runtime, bounded)
    }
}

impl Listener for Backlog {
    type Stream = FarEnd;

    fn accept(&mut self) -> Option<FarEnd> {
        self.borrow_mut().pop_front()
    }
}

/// The broker's end of a stream. The gateway comes back by itself, so nobody needs to be woken.
pub struct FarEnd(DuplexStream);

impl FarEnd {
    fn poll<R>(
        &mut self,
        io: impl FnOnce(Pin<&mut DuplexStream>, &mut Context<'_>) -> Poll<std::io::Result<R>>,
    ) -> std::io::Result<R> {
        match io(Pin::new(&mut self.0), &mut Context::from_waker(Waker::noop())) {
            Poll::Ready(result) => result,
            Poll::Pending => Err(ErrorKind::WouldBlock.into()),
        }
    }
}

impl std::io::Read for FarEnd {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        let mut buf = ReadBuf::new(buf);
        self.poll(|stream, cx| stream.poll_read(cx, &mut buf))?;
        Ok(buf.filled().len())
    }
}

impl std::io::Write for FarEnd {
    fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
        self.poll(|stream, cx| stream.poll_write(cx, buf))
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Stream for FarEnd {
    fn finish(&mut self) {
        let _ = self.poll(|stream, cx| stream.poll_shutdown(cx));
    }

    /// As its end: streams in memory know no other.
    fn reset(self) {}
}
