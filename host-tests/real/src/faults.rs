//! A consumer and a producer at work while a cluster is broken, and how long it takes until records flow again.

use crate::{poll_until, sized, Ledger, SOON};
use nanokafka::Config;
use nanokafka_brokers::mock::rdkafka::error::KafkaResult;
use nanokafka_brokers::mock::{Producer, Record};
use nanokafka_brokers::{wait_for, Cluster};
use nanokafka_std::blocking::{Consumer, Event};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{LazyLock, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, SystemTime};

/// From the moment the cluster is healthy again to the first new record.
pub const RECOVERY: Duration = Duration::from_secs(2);

/// Three processes. A follower that meets an error at a leader that is just moving waits for 1 s by default, and until it
/// has a record nobody is given it: that would be measured as ours.
pub fn three_processes() -> io::Result<Cluster> {
    Cluster::start(3, nanokafka_brokers::RELEASE, &[("replica.fetch.backoff.ms", "50")])
}

/// Three processes for all tests of this binary, one test at a time.
pub fn cluster() -> MutexGuard<'static, Cluster> {
    static CLUSTER: LazyLock<Mutex<Cluster>> = LazyLock::new(|| {
        let cluster = three_processes().expect("the JDK starts three brokers");
        cluster.admin("create warm 1 3").expect("a topic");
        cluster.admin("commit warm warm 0 0").expect("a commit");
        cluster.into()
    });
    let mut cluster = CLUSTER.lock().unwrap_or_else(|poison| poison.into_inner());
    // what a test that failed left behind
    for node in 1..=3 {
        if cluster.cont(node).is_err() {
            cluster.restart(node).expect("it starts again");
        }
    }
    whole(&cluster, "__consumer_offsets", 3).expect("all nodes are back");
    cluster
}

/// A topic that is produced to and consumed without a pause.
pub struct Work<'a> {
    /// Has `partitions` partitions and `message.timestamp.type=LogAppendTime`.
    pub topic: &'a str,
    /// How many.
    pub partitions: i32,
    /// The partitions whose records must flow again.
    pub affected: &'a [i32],
    /// Connections of the consumer.
    pub connections: usize,
}

impl Work<'_> {
    /// Runs the consumer as a member of its group through `fault`, until `healthy`, and on until all is read.
    ///
    /// Returns the time from that moment, or from the append of the first record after it if that came later, to this
    /// record's delivery. Records are compared with what was produced; errors and lost partitions fail.
    pub fn survive(
        &self,
        config: Config<'_>,
        cluster: &mut Cluster,
        fault: impl FnOnce(&mut Cluster) -> io::Result<()>,
        healthy: impl Fn(&Cluster) -> io::Result<bool> + Send,
    ) -> Result<Duration, Box<dyn std::error::Error>> {
        let (ledger, stop, moment) = (Mutex::new(Ledger::default()), AtomicBool::new(false), Mutex::new(None));
        let bootstrap = cluster.bootstrap().to_owned();
        let mut consumer = sized(config, 16, self.connections, 65_536)?;
        consumer.subscribe(&[self.topic])?;
        let recovery = thread::scope(|scope| {
            let producing = scope.spawn(|| self.produce(&bootstrap, &ledger, &stop));
            // also when an assertion fails, or the scope would wait for ever
            let _stop = Stop(&stop);
            self.read(&mut consumer, &ledger, "100 records", |state| state.seen >= 100);
            let broken = SystemTime::now();
            fault(cluster).expect("the fault");
            let moment = &moment;
            let waiting = scope.spawn(move || -> io::Result<()> {
                wait_for("a healthy cluster", SOON, || Ok(healthy(cluster).unwrap_or(false)))?;
                *lock(moment) = Some(SystemTime::now());
                println!("healthy after {:?}", broken.elapsed().unwrap_or_default());
                Ok(())
            });
            // new ones from every affected partition
            let mut first: Vec<Option<Duration>> = vec![None; self.affected.len()];
            self.read(&mut consumer, &ledger, "new records", |state| {
                let place = self.affected.iter().position(|&partition| partition == state.partition);
                let (Some(place), Some(healthy)) = (place, *lock(moment)) else { return false };
                if state.appended > broken && state.appended + Duration::from_millis(1) >= healthy {
                    let ready = healthy.max(state.appended);
                    first[place].get_or_insert_with(|| ready.elapsed().unwrap_or_default());
                }
                first.iter().all(Option::is_some)
            });
            waiting.join().expect("it does not panic").expect("the cluster heals");
            stop.store(true, Ordering::Relaxed);
            producing.join().expect("it does not panic").expect("all is delivered");
            first.into_iter().flatten().max().unwrap_or_default()
        });
        self.read(&mut consumer, &ledger, "all records", |_| true);
        consumer.close()?;
        Ok(recovery)
    }

    /// Reads until `done` with a record, or until there is nothing left.
    fn read(
        &self,
        consumer: &mut Consumer<'_>,
        ledger: &Mutex<Ledger>,
        what: &str,
        mut done: impl FnMut(State) -> bool,
    ) {
        let (mut seen, mut finished) = (0, false);
        let complete = || lock(ledger).left() == 0;
        if what == "all records" && complete() {
            return;
        }
        // the administration itself may wait for a broker that is gone
        poll_until(consumer, what, 2 * SOON, |event| {
            match event.unwrap_or_else(|error| panic!("the application hears of it: {error}")) {
                Event::Records(records) => {
                    for record in records {
                        lock(ledger).consumed(&record);
                        seen += 1;
                        let appended = SystemTime::UNIX_EPOCH + Duration::from_millis(record.timestamp() as u64);
                        finished |= done(State { seen, partition: record.partition(), appended });
                    }
                }
                Event::Lost(partitions) => panic!("{partitions:?} lost"),
                _ => {}
            }
            (finished && (what != "all records" || complete())).then_some(())
        });
    }

    /// Produces a record every 5 ms until `stop`.
    fn produce(&self, bootstrap: &str, ledger: &Mutex<Ledger>, stop: &AtomicBool) -> KafkaResult<()> {
        // quick to leave a broker that is silent
        let properties = [
            ("enable.idempotence", "true"),
            ("linger.ms", "0"),
            ("retry.backoff.ms", "50"),
            ("request.timeout.ms", "1000"),
            ("socket.timeout.ms", "2000"),
        ];
        let producer = Producer::new(bootstrap, &properties)?;
        let mut number = 0;
        while !stop.load(Ordering::Relaxed) {
            let value = number.to_string();
            let (partition, value) = (number % self.partitions, Some(value.as_bytes()));
            let record = Record { topic: self.topic, partition, value, ..Record::default() };
            lock(ledger).produced(&record);
            producer.send(&record)?;
            number += 1;
            thread::sleep(Duration::from_millis(5));
        }
        producer.flush()?;
        Ok(())
    }
}

/// A record that was read, and how many there were.
struct State {
    seen: usize,
    partition: i32,
    appended: SystemTime,
}

struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What panicked while it held the lock is told by its own panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poison| poison.into_inner())
}

/// The leader of each partition, -1 for none; by the administration.
pub fn leaders(cluster: &Cluster, topic: &str) -> io::Result<Vec<i32>> {
    let text = cluster.admin(&format!("leader {topic}"))?;
    let leader = |word: &str| word.split_once(':')?.1.split_once('/')?.0.parse().ok();
    Ok(text.split(' ').filter_map(leader).collect())
}

/// Waits until all nodes are up and in every ISR of the topic.
pub fn whole(cluster: &Cluster, topic: &str, nodes: usize) -> io::Result<()> {
    wait_for("all replicas in sync", 3 * SOON, || {
        let text = cluster.admin(&format!("leader {topic}"))?;
        Ok(text
            .split(' ')
            .skip(1)
            .all(|word| word.rsplit('=').next().is_some_and(|isr| isr.split(',').count() == nodes)))
    })
}
