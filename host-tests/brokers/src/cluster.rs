//! Real brokers as processes, to break.

use crate::jars::Jars;
use crate::site::Site;
use crate::{wait_for, KafkaBox, DEADLINE, RELEASE};
use std::io::{Error, Result};
use std::path::PathBuf;
use std::slice::from_ref;
use std::sync::Mutex;

/// One or three real nodes, each a process of its own, on 127.0.0.1. Dropping it ends them.
///
/// Node ids count from 1. Administration is a process of its own too: it survives every node.
pub struct Cluster {
    // fields are dropped in this order: the processes before their folder
    nodes: Vec<Node>,
    admin: Mutex<KafkaBox>,
    bootstrap: String,
    jars: Jars,
    site: Site,
}

struct Node {
    process: Option<KafkaBox>,
    file: PathBuf,
}

impl Cluster {
    /// Three nodes of the current release; topics have three replicas unless `create` says otherwise.
    pub fn three_processes() -> Result<Self> {
        Self::start(3, RELEASE, &[])
    }

    /// One or three nodes of any release from 3.9.
    ///
    /// `properties` are added to each node's; `@ID@` in a value stands for the node's id.
    pub fn start(nodes: u16, release: &str, properties: &[(&str, &str)]) -> Result<Self> {
        let jars = Jars::of(release)?;
        let site = Site::reserve()?;
        let bootstrap = site.bootstrap(nodes);
        let nodes = (1..=nodes)
            .map(|node| Ok(Node { process: None, file: site.configure(node, nodes, release, properties)? }))
            .collect::<Result<_>>()?;
        let mut admin = KafkaBox::admin(&bootstrap)?;
        // it may ask a frozen node first
        admin.run("client request.timeout.ms=3000")?;
        let mut this = Cluster { nodes, admin: admin.into(), bootstrap, jars, site };
        // all at once: none is ready before it sees a majority
        for node in 1..=this.nodes.len() {
            this.spawn(node)?;
        }
        for node in 1..=this.nodes.len() {
            this.process(node)?.ready()?;
        }
        this.wait_for_all()?;
        Ok(this)
    }

    /// `host:port` of all nodes, separated by commas, whether they run or not.
    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// Runs a command of [`KafkaBox`].
    pub fn admin(&self, command: &str) -> Result<String> {
        // a command that panicked is impossible; poison says nothing here
        self.admin.lock().unwrap_or_else(|poison| poison.into_inner()).run(command)
    }

    /// `kill -9`. The others notice after `broker.session.timeout.ms` (1.5 s here).
    pub fn kill(&mut self, node: usize) -> Result<()> {
        self.process(node)?;
        self.nodes[node - 1].process = None;
        Ok(())
    }

    /// Ends a node in good order: it hands its partitions and groups over first.
    pub fn shut_down(&mut self, node: usize) -> Result<()> {
        self.process(node)?;
        self.nodes[node - 1].process.take().map_or(Ok(()), KafkaBox::stop)
    }

    /// `kill -STOP`: connections stay, and even new ones succeed, but nothing is answered.
    pub fn stop(&mut self, node: usize) -> Result<()> {
        self.process(node)?.signal("STOP")
    }

    /// `kill -CONT`.
    pub fn cont(&mut self, node: usize) -> Result<()> {
        self.process(node)?.signal("CONT")
    }

    /// Starts a node that was ended on the data it has, or kills and starts a running one, and waits until it is registered.
    /// It may take a moment longer until it is back in every ISR.
    pub fn restart(&mut self, node: usize) -> Result<()> {
        self.nodes[node - 1].process = None;
        self.spawn(node)?;
        self.process(node)?.ready().map(drop)
    }

    fn spawn(&mut self, node: usize) -> Result<()> {
        let log = self.site.dir.join(format!("log-{node}"));
        let node = &mut self.nodes[node - 1];
        node.process = Some(KafkaBox::start(&self.jars, &self.bootstrap, from_ref(&node.file), Some(log))?);
        Ok(())
    }

    fn process(&mut self, node: usize) -> Result<&mut KafkaBox> {
        let process = self.nodes[node - 1].process.as_mut();
        process.ok_or_else(|| Error::other(format!("node {node} does not run")))
    }

    fn wait_for_all(&self) -> Result<()> {
        let all: Vec<_> = (1..=self.nodes.len()).map(|node| node.to_string()).collect();
        let all = all.join(" ");
        wait_for("all nodes registered", DEADLINE, || Ok(self.admin("nodes")? == all))
    }
}
