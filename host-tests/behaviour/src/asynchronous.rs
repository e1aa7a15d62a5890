//! The async front end, on any executor, also cancelled at every poll.
use crate::{seen, Client, Seen, Sizes, CONNECTIONS};
use nanokafka::{Async, Clock, Config, Consumer, Control, Error, Event, Seed, Storage, TopicPartition, Transport};
use std::future::{poll_fn, Future};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

/// Runs futures of one consumer, and beside them whatever the transport needs (a network stack, a pump).
pub trait Executor {
    /// Polls `future` when it is woken, until it is ready; `None` after `within`.
    fn run<F: Future>(&mut self, within: Duration, future: F) -> Option<F::Output>;
}

/// Polls `future` only when somebody has woken it: whatever else makes the task run, a lost wake-up shows.
pub async fn when_woken<F: Future>(future: F) -> F::Output {
    struct Woken {
        is: AtomicBool,
        task: Waker,
    }
    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.is.store(true, Ordering::Relaxed);
            self.task.wake_by_ref();
        }
    }
    let mut future = pin!(future);
    let task = poll_fn(|cx| Poll::Ready(cx.waker().clone())).await;
    let woken = Arc::new(Woken { is: AtomicBool::new(true), task });
    let waker = woken.clone().into();
    poll_fn(|_| {
        if woken.is.swap(false, Ordering::Relaxed) {
            future.as_mut().poll(&mut Context::from_waker(&waker))
        } else {
            Poll::Pending
        }
    })
    .await
}

/// A consumer over an async transport.
pub struct AsyncClient<T, E> {
    consumer: Consumer<'static, Async<T>>,
    /// Runs it.
    pub executor: E,
    cancels: bool,
}

impl<T: Transport + Clock, E: Executor> AsyncClient<T, E> {
    /// `cancels`: each future is polled once, dropped while it is pending, and made anew when somebody has woken the task.
    pub fn new(sizes: &Sizes, config: Config<'static>, transport: T, executor: E, cancels: bool) -> Self {
        let storage = Storage::boxed(sizes.partitions, CONNECTIONS, sizes.window);
        let consumer = Consumer::new(storage, config, transport, Seed::new([7; 32])).expect("a configuration");
        AsyncClient { consumer, executor, cancels }
    }
}

/// The future's output; if it `cancels`, `None` where it was pending and is gone.
async fn once<F: Future>(cancels: bool, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending if cancels => Poll::Ready(None),
        Poll::Pending => Poll::Pending,
    })
    .await
}

/// Until the waker that a dropped future has left behind is used.
async fn woken() {
    let mut polled = false;
    poll_fn(|_| if std::mem::replace(&mut polled, true) { Poll::Ready(()) } else { Poll::Pending }).await
}

async fn next<T: Transport + Clock>(consumer: &mut Consumer<'static, Async<T>>, cancels: bool) -> Result<Seen, Error> {
    loop {
        match once(cancels, consumer.poll()).await {
            None => {}
            Some(Ok(Event::LargeRecord(mut record))) => {
                let (topic, partition, offset) = (record.topic().to_string(), record.partition(), record.offset());
                let mut value = vec![];
                loop {
                    match once(cancels, record.chunk()).await {
                        Some(chunk) => match chunk? {
                            [] => return Ok(Seen::Large(topic, partition, offset, value)),
                            chunk => value.extend_from_slice(chunk),
                        },
                        None => woken().await,
                    }
                }
            }
            Some(event) => return Ok(seen(event?)),
        }
        woken().await;
    }
}

impl<T: Transport + Clock, E: Executor> Client for AsyncClient<T, E> {
    fn subscribe(&mut self, topics: &[&str]) -> Result<(), Error> {
        self.consumer.subscribe(topics)
    }

    fn assign(&mut self, partitions: &[TopicPartition<'_>]) -> Result<(), Error> {
        self.consumer.assign(partitions)
    }

    fn control(&mut self) -> Control<'_> {
        self.consumer.control()
    }

    fn poll(&mut self, within: Duration) -> Option<Result<Seen, Error>> {
        self.executor.run(within, next(&mut self.consumer, self.cancels))
    }

    /// Cancelled it goes on in the background, and the second attempt is one more commit.
    fn commit_sync(&mut self) -> Result<(), Error> {
        let (consumer, cancels) = (&mut self.consumer, self.cancels);
        let commit = async {
            match once(cancels, consumer.commit_sync()).await {
                Some(result) => result,
                None => consumer.commit_sync().await,
            }
        };
        self.executor.run(Duration::MAX, commit).expect("bounded by `default.api.timeout.ms`")
    }

    fn close(mut self) -> Result<(), Error> {
        self.executor.run(Duration::MAX, self.consumer.close()).expect("bounded")
    }
}
