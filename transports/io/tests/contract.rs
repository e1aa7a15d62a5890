//! The contract of `nanokafka::Transport` over tokio's streams in memory, with readers that lose what they have read when a
//! read is dropped; and what becomes of them without the runner.
use embedded_io_adapters::tokio_1::FromTokio;
use embedded_io_async::{ErrorKind, ErrorType, Read, Write};
use nanokafka::{Clock, ConnectionId, Instant, Transport, TransportError, TransportErrorKind};
use nanokafka_behaviour::contract::{Ask, Link, HOST, NAME, PORT, STUCK_HOST};
use nanokafka_behaviour::pipes::Careless;
use nanokafka_behaviour::{contract, when_woken, CONNECTIONS};
use nanokafka_io::{Io, Pipes};
use std::cell::RefCell;
use std::future::{pending, poll_fn, Future};
use std::pin::{pin, Pin};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{duplex, split, AsyncReadExt, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf};
use tokio::runtime::Runtime;
use tokio::task::LocalSet;
use tokio::time::{sleep, timeout};

contract!(Ends);

const A: ConnectionId = ConnectionId::new(0);
const B: ConnectionId = ConnectionId::new(1);

/// Bytes of a pipe, fewer than anything here is.
const PIPE: usize = 7;
/// Bytes under way in each direction.
const IN_FLIGHT: usize = 1_000;

/// The peer, and what the streams do.
#[derive(Default)]
struct Peer {
    echoes: bool,
    /// Connections that it keeps.
    streams: Vec<DuplexStream>,
    echoed: usize,
    ends: Vec<Result<(), std::io::ErrorKind>>,
    /// What its end becomes at the near end.
    resets: bool,
    /// Streams that were closed in order, by the function of the runner.
    closed: usize,
}

type Shared = Rc<RefCell<Peer>>;

/// A stream in memory knows no reset.
struct Resettable(FromTokio<ReadHalf<DuplexStream>>, Shared);

impl ErrorType for Resettable {
    type Error = ErrorKind;
}

impl Read for Resettable {
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, ErrorKind> {
        match self.0.read(buf).await {
            Ok(0) if self.1.borrow().resets => Err(ErrorKind::ConnectionReset),
            result => result.map_err(|_| ErrorKind::Other),
        }
    }
}

async fn echo(mut stream: DuplexStream, peer: Shared) {
    let mut bytes = [0; 100];
    while let Ok(read @ 1..) = stream.read(&mut bytes).await {
        peer.borrow_mut().echoed += read;
        if stream.write_all(&bytes[..read]).await.is_err() {
            break;
        }
    }
    peer.borrow_mut().ends.push(Ok(()));
}

async fn connect(peer: &Shared, link: &nanokafka_io::Link<'_, PIPE>) -> Result<(), TransportError> {
    sleep(Duration::from_millis(2)).await;
    let failed = |kind| Err(TransportError::new(kind));
    match (link.host(), link.port()) {
        (HOST | NAME, PORT) => {}
        (HOST | NAME, _) => return failed(TransportErrorKind::Refused),
        (STUCK_HOST, _) => pending().await,
        _ => return failed(TransportErrorKind::Name),
    }
    let (near, far) = duplex(IN_FLIGHT);
    if peer.borrow().echoes {
        tokio::task::spawn_local(echo(far, peer.clone()));
    } else {
        peer.borrow_mut().streams.push(far);
    }
    peer.borrow_mut().resets = false;
    let (reader, writer) = split(near);
    let (reader, mut writer) = (Resettable(FromTokio::new(reader), peer.clone()), FromTokio::new(writer));
    // a handshake that leaves its session on the frame of this function
    link.carry(Careless(reader), &mut writer).await?;
    sleep(Duration::from_millis(5)).await; // close_notify, say
    peer.borrow_mut().closed += 1;
    Ok(())
}

struct Ends {
    runtime: Runtime,
    tasks: LocalSet,
    io: Io<'static, Ticks, PIPE>,
    peer: Shared,
}

/// It does not wake: nobody here waits for a deadline.
struct Ticks;

impl Clock for Ticks {
    fn now(&mut self) -> Instant {
        Instant::from_millis(0)
    }

    fn poll_until(&mut self, _: &mut Context<'_>, _: Instant) -> Poll<()> {
        Poll::Pending
    }
}

impl Link for Ends {
    fn new(echoes: bool) -> Self {
        let peer = Rc::new(RefCell::new(Peer { echoes, ..Peer::default() }));
        let connections = [(); CONNECTIONS].map(|()| {
            let peer = peer.clone();
            let pipes: &Pipes<PIPE> = Box::leak(Box::default());
            let runner = pipes.run(async move |link| connect(&peer, link).await);
            let runner: Pin<&mut dyn Future<Output = ()>> = Pin::static_mut(Box::leak(Box::new(runner)));
            (pipes, runner)
        });
        let io = Io::new(Ticks, connections);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        Ends { runtime, tasks: LocalSet::new(), io, peer }
    }

    /// The front end asks the clock last, and may be dropped at any time: nothing is kept from one poll to the next.
    fn ask<R>(
        &mut self,
        within: Duration,
        mut question: impl FnMut(&mut dyn Transport, &mut Context<'_>) -> Poll<R>,
    ) -> Option<R> {
        let io = &mut self.io;
        let asked = poll_fn(|cx| {
            let answer = question(io, cx);
            if answer.is_pending() {
                let _ = io.poll_until(cx, Instant::NEVER);
            }
            answer
        });
        self.tasks.block_on(&self.runtime, async { timeout(within, when_woken(asked)).await.ok() })
    }

    fn echoed(&self) -> usize {
        self.peer.borrow().echoed
    }

    fn ends(&self) -> Vec<Result<(), std::io::ErrorKind>> {
        self.peer.borrow().ends.clone()
    }

    fn last_words(&mut self, words: &[u8]) {
        let mut stream = self.peer.borrow_mut().streams.pop().unwrap();
        self.tasks.block_on(&self.runtime, stream.write_all(words)).unwrap();
    }

    fn reset(&mut self) {
        let mut peer = self.peer.borrow_mut();
        peer.resets = true;
        peer.streams.pop().unwrap();
    }
}

#[test]
fn close_is_ready_when_the_function_has_closed_the_stream() {
    let mut link = Ends::new(true);
    link.connected(A);
    link.echoes_on(A);
    link.write_all(A, b"bye");
    assert_eq!(link.ask(Duration::from_millis(3), |io, cx| io.poll_close(cx, A)), None);
    link.close(A);
    assert_eq!((link.peer.borrow().closed, link.echoed()), (1, 8));
    link.connected(A);
    link.echoes_on(A);
}

#[test]
fn an_abort_drops_the_stream_although_nobody_asks_for_the_connection_any_more() {
    let mut link = Ends::new(true);
    link.connected(A);
    link.connected(B);
    link.abort(A);
    link.echoes_on(B);
    link.pass(Duration::from_millis(10));
    assert_eq!((link.ends(), link.peer.borrow().closed), (vec![Ok(())], 0));
}

#[test]
fn the_peers_end_is_told_before_the_stream_is_closed() {
    let mut link = Ends::new(false);
    link.connected(A);
    link.last_words(b"");
    assert_eq!((link.read(A, &mut [0]), link.peer.borrow().closed), (Ok(0), 0));
    link.pass(Duration::from_millis(10));
    assert_eq!(link.peer.borrow().closed, 1);
}

/// A session over a stream, with record buffers that it borrows, and halves that borrow it: as TLS libraries have them.
struct Session<'b> {
    stream: (ReadHalf<DuplexStream>, WriteHalf<DuplexStream>),
    record: &'b mut [u8],
}

impl Session<'_> {
    fn split(&mut self) -> (Records<'_>, FromTokio<&mut WriteHalf<DuplexStream>>) {
        (Records(FromTokio::new(&mut self.stream.0), self.record), FromTokio::new(&mut self.stream.1))
    }
}

struct Records<'s>(FromTokio<&'s mut ReadHalf<DuplexStream>>, &'s mut [u8]);

impl ErrorType for Records<'_> {
    type Error = std::io::Error;
}

impl Read for Records<'_> {
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, std::io::Error> {
        let read = self.0.read(self.1).await?;
        buf[..read].copy_from_slice(&self.1[..read]);
        Ok(read)
    }
}

#[test]
fn a_session_borrows_what_the_function_owns_again_for_each_connection() {
    let peer = Shared::default();
    let pipes = Pipes::<PIPE>::new();
    let (echoing, mut record) = (peer.clone(), [0; 3]);
    let runner = pin!(pipes.run(async move |link| {
        let (near, far) = duplex(IN_FLIGHT);
        tokio::task::spawn_local(echo(far, echoing.clone()));
        let mut session = Session { stream: split(near), record: &mut record };
        let (reader, writer) = session.split();
        link.carry(reader, writer).await
    }));
    let mut io = Io::new(Ticks, [(&pipes, runner)]);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    LocalSet::new().block_on(&runtime, async {
        for _ in 0..3 {
            poll_fn(|cx| io.poll_connect(cx, A, HOST, PORT)).await.unwrap();
            assert_eq!(poll_fn(|cx| io.poll_write(cx, A, b"hello")).await, Ok(5));
            let mut buf = [0; 8];
            let mut read = 0;
            while read < 5 {
                read += poll_fn(|cx| io.poll_read(cx, A, &mut buf[read..])).await.unwrap();
            }
            assert_eq!(&buf[..5], b"hello");
            io.abort(A);
        }
    });
    assert_eq!(peer.borrow().echoed, 15);
}

/// A future of such a reader that is made for one poll, as others can be.
fn naive<R: Read>(cx: &mut Context<'_>, reader: &mut R, buf: &mut [u8]) -> Poll<Result<usize, R::Error>> {
    pin!(reader.read(buf)).poll(cx)
}

/// Why there is a runner.
#[test]
fn without_the_runner_a_careless_reader_loses_bytes() {
    const BYTES: usize = 100;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let arrived = runtime.block_on(async {
        let (near, mut far) = duplex(IN_FLIGHT);
        far.write_all(&[1; BYTES]).await.unwrap();
        drop(far);
        let mut reader = Careless(FromTokio::new(near));
        let (mut arrived, mut buf) = (0, [0; 10]);
        for _ in 0..1_000 {
            if let Poll::Ready(read) = poll_fn(|cx| Poll::Ready(naive(cx, &mut reader, &mut buf))).await {
                arrived += read.unwrap();
            }
        }
        let late = timeout(Duration::from_secs(1), reader.read(&mut buf)).await;
        assert_eq!(late.unwrap().unwrap(), 0, "the reader is at its end");
        arrived
    });
    assert!(arrived < BYTES);
}

#[test]
fn writers_are_flushed_when_there_is_nothing_more_to_write() {
    /// Sends nothing before it is flushed.
    struct Lazy(Vec<u8>, Shared);
    impl ErrorType for Lazy {
        type Error = ErrorKind;
    }
    impl Write for Lazy {
        async fn write(&mut self, buf: &[u8]) -> Result<usize, ErrorKind> {
            self.0.extend(&buf[..1]);
            Ok(1)
        }
        async fn flush(&mut self) -> Result<(), ErrorKind> {
            self.1.borrow_mut().echoed += std::mem::take(&mut self.0).len();
            Ok(())
        }
    }
    struct Silent;
    impl ErrorType for Silent {
        type Error = ErrorKind;
    }
    impl Read for Silent {
        async fn read(&mut self, _: &mut [u8]) -> Result<usize, ErrorKind> {
            pending().await
        }
    }
    let peer = Shared::default();
    let pipes = Pipes::<PIPE>::new();
    let lazy = peer.clone();
    let runner = pin!(pipes.run(async move |link| link.carry(Silent, Lazy(vec![], lazy.clone())).await));
    let mut io = Io::new(Ticks, [(&pipes, runner)]);
    let cx = &mut Context::from_waker(std::task::Waker::noop());
    assert_eq!(io.poll_connect(cx, A, HOST, PORT), Poll::Ready(Ok(())));
    let mut taken = 0;
    for _ in 0..10 {
        let Poll::Ready(Ok(written)) = io.poll_write(cx, A, b"0123456789") else { panic!("takes") };
        taken += written;
        assert_eq!(peer.borrow().echoed, taken, "left at once");
    }
}
