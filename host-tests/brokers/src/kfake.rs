//! franz-go's broker: Kafka's protocol as another author reads it.

use crate::process::run;
use crate::site::{home, Site};
use crate::KafkaBox;
use std::io::Result;
use std::process::Command;
use std::sync::Mutex;

/// Three brokers of [kfake](https://github.com/twmb/franz-go/tree/master/pkg/kfake) in one process, on 127.0.0.1 and without
/// disks. Dropping it ends them.
///
/// Node ids count from 0. Where [`KafkaBox`] administers the cluster as any other, what no request can ask for is asked of the
/// process itself.
pub struct Kfake {
    // fields are dropped in this order: the processes before their folder
    admin: Mutex<KafkaBox>,
    process: Mutex<KafkaBox>,
    bootstrap: String,
    _site: Site,
}

impl Kfake {
    /// Builds it, which the first time fetches franz-go, and starts it.
    pub fn start() -> Result<Self> {
        let site = Site::reserve()?;
        let program = home().canonicalize()?.join("kfaked");
        let output = program.to_str().expect("the workspace's path is UTF-8, cargo says so");
        run("go", &["-C", concat!(env!("CARGO_MANIFEST_DIR"), "/kfaked"), "build", "-o", output, "."])?;
        let mut process = KafkaBox::over(&mut Command::new(program), Some(site.dir.join("log")))?;
        let bootstrap = process.ready()?;
        let admin = KafkaBox::admin(&bootstrap)?.into();
        Ok(Kfake { admin, process: process.into(), bootstrap, _site: site })
    }

    /// `host:port` of all nodes, separated by commas.
    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// Runs a command of [`KafkaBox`].
    pub fn admin(&self, command: &str) -> Result<String> {
        // a command that panicked is impossible; poison says nothing here
        self.admin.lock().unwrap_or_else(|poison| poison.into_inner()).run(command)
    }

    /// Runs a command of the process:
    ///
    /// ```text
    /// move T P NODE     leader T P → id       a partition's leader
    /// rehash            coordinator G → id    every group may have another coordinator
    /// ```
    pub fn tell(&self, command: &str) -> Result<String> {
        self.process.lock().unwrap_or_else(|poison| poison.into_inner()).run(command)
    }
}
