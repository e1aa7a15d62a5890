//! Real brokers in one JVM.

use crate::jars::{is_old, Jars};
use crate::process::Process;
use crate::site::Site;
use crate::{wait_for, KafkaBox, DEADLINE, RELEASE};
use std::io::Result;
use std::sync::Mutex;

/// One or three real nodes in one JVM, on 127.0.0.1. Dropping it ends them.
///
/// Node ids count from 1. May be shared between tests, in a `LazyLock` for example; commands wait for each other.
pub struct Kafka {
    // fields are dropped in this order: the processes before their folder
    admin: Mutex<KafkaBox>,
    _old: Option<Process>,
    bootstrap: String,
    _site: Site,
}

impl Kafka {
    /// One node of the current release.
    pub fn single() -> Result<Self> {
        Self::start(1, RELEASE, &[])
    }

    /// Three nodes of the current release; topics have three replicas unless `create` says otherwise.
    pub fn three() -> Result<Self> {
        Self::start(3, RELEASE, &[])
    }

    /// One or three nodes of any release from 3.9, or one node of a 2.x from 2.1 with its ZooKeeper.
    ///
    /// `properties` are added to each node's; `@ID@` in a value stands for the node's id.
    pub fn start(nodes: u16, release: &str, properties: &[(&str, &str)]) -> Result<Self> {
        let jars = Jars::of(release)?;
        let site = Site::reserve()?;
        let bootstrap = site.bootstrap(nodes);
        let log = site.dir.join("log");
        let files =
            (1..=nodes).map(|node| site.configure(node, nodes, release, properties)).collect::<Result<Vec<_>>>()?;
        if !is_old(release) {
            let mut admin = KafkaBox::start(&jars, &bootstrap, &files, Some(log))?;
            admin.ready()?;
            return Ok(Kafka { admin: admin.into(), _old: None, bootstrap, _site: site });
        }

        let mut java = jars.java(256);
        java.arg("StdinGuard")
            .arg("org.apache.zookeeper.server.quorum.QuorumPeerMain")
            .arg(site.configure_zookeeper()?);
        let mut old = Process::start(java.arg("kafka.Kafka").args(files), Some(log))?;
        let mut admin = KafkaBox::admin(&bootstrap)?;
        // the port opens a second before requests are answered
        wait_for("a broker of Kafka 2.x", DEADLINE, || match old.child.try_wait()? {
            Some(status) => Err(old.error(format_args!("broker did not start: {status}"))),
            None => Ok(admin.run("nodes").is_ok_and(|nodes| nodes == "1")),
        })?;
        Ok(Kafka { admin: admin.into(), _old: Some(old), bootstrap, _site: site })
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
}
