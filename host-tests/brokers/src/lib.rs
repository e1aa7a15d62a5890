//! Brokers for tests, started by the test itself and gone with it.
//!
//! * [`Kafka`]: one or three real nodes in one JVM; up in about 2 s.
//! * [`Cluster`]: real nodes as processes of their own, to be killed, frozen and restarted.
//! * [`KafkaBox`]: administration of any broker, a line in and a line out.
//! * [`Kfake`]: three brokers of a second author, groups included.
//! * `mock` (feature `mock`): librdkafka's mock cluster and a producer; up in milliseconds.
//!
//! All but `mock` need a JDK of at least 17 and Maven, which `cargo xtask setup` installs; [`Kfake`] needs Go as well. The jars are fetched once into
//! `target/kafka`. Every start takes ten ports that nothing else on this machine holds and a folder of its own under
//! `target/kafka/run`, which is kept when the test panics: `log` in it is the broker's. If a test process dies, its
//! brokers see the end of their standard input and halt.
//!
//! ```no_run
//! let kafka = nanokafka_brokers::Kafka::single()?;
//! kafka.admin("create readings 3 1 retention.ms=1000")?;
//! kafka.admin("producer p compression.type=gzip")?;
//! assert_eq!(kafka.admin("send p readings 0 10 100")?, "0 9");
//! println!("connect to {}", kafka.bootstrap());
//! # Ok::<(), std::io::Error>(())
//! ```

mod cluster;
mod jars;
mod kafka;
mod kafka_box;
mod kfake;
#[cfg(feature = "mock")]
pub mod mock;
mod process;
mod site;

pub use cluster::Cluster;
pub use kafka::Kafka;
pub use kafka_box::KafkaBox;
pub use kfake::Kfake;

use std::io::{Error, Result};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

/// The release that tests run against unless they say otherwise.
pub const RELEASE: &str = "4.3.1";

/// Far above what anything here takes on an idle machine (2 s), since start time is CPU time and machines are shared.
const DEADLINE: Duration = Duration::from_secs(90);

/// One node for all tests of a binary, with a producer `p`. It halts when the process ends.
///
/// # Panics
/// If it does not start.
pub fn kafka() -> &'static Kafka {
    static KAFKA: LazyLock<Kafka> = LazyLock::new(|| {
        let kafka = Kafka::single().expect("the JDK starts a broker");
        for command in ["producer p", "create warm 1 1", "commit warm warm 0 0"] {
            kafka.admin(command).expect("a new broker does as it is told");
        }
        kafka
    });
    &KAFKA
}

/// A program of the release that tests run against, by its class, such as `org.apache.kafka.tools.VerifiableConsumer`.
///
/// # Errors
/// The jars cannot be fetched.
pub fn java(class: &str) -> Result<std::process::Command> {
    let mut java = jars::Jars::of(RELEASE)?.java(128);
    java.arg(class);
    Ok(java)
}

/// `name` with a number: no two tests share a topic, a group or a file.
pub fn unique(name: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("{name}-{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

/// Asks every 20 ms until `done` says so; after `limit` an error that names `what`.
pub fn wait_for(what: &str, limit: Duration, mut done: impl FnMut() -> Result<bool>) -> Result<()> {
    let start = Instant::now();
    while !done()? {
        if start.elapsed() > limit {
            return Err(Error::other(format!("not within {limit:?}: {what}")));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}
