//! Ten ports and a folder for one start.

use crate::jars::is_old;
use std::fs::{self, File, OpenOptions};
use std::io::{Error, Result};
use std::net::TcpListener;
use std::path::{Path, PathBuf};

/// `target/kafka` of the workspace.
pub(crate) fn home() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/kafka")
}

/// Ports `base..base + 10` and the folder `dir` are ours until drop.
pub(crate) struct Site {
    base: u16,
    pub(crate) dir: PathBuf,
    /// Locked for as long as this process lives: the lock needs no clean-up, however the process ends.
    _lock: File,
}

impl Site {
    pub(crate) fn reserve() -> Result<Self> {
        // below the ephemeral range (32768), or an outgoing connection may sit on a port
        let (base, lock) = (21000..31000)
            .step_by(10)
            .find_map(|base| Some((base, lock(base)?)))
            .ok_or_else(|| Error::other("no free block of ten ports from 21000 to 31000 on 127.0.0.1"))?;
        let dir = home().join(format!("run/{base}"));
        // what a process that was killed left behind
        if dir.exists() {
            fs::remove_dir_all(&dir)?;
        }
        fs::create_dir_all(&dir)?;
        Ok(Site { base, dir: dir.canonicalize()?, _lock: lock })
    }

    /// Clients' port of a node (1 to 3).
    pub(crate) fn port(&self, node: u16) -> u16 {
        self.base + node
    }

    /// Bootstrap list of nodes 1 to `nodes`.
    pub(crate) fn bootstrap(&self, nodes: u16) -> String {
        let hosts: Vec<_> = (1..=nodes).map(|node| format!("127.0.0.1:{}", self.port(node))).collect();
        hosts.join(",")
    }

    /// Writes the node's properties file: the templates, then `properties`, then placeholders filled in.
    pub(crate) fn configure(
        &self,
        node: u16,
        nodes: u16,
        release: &str,
        properties: &[(&str, &str)],
    ) -> Result<PathBuf> {
        assert!((1..=3).contains(&node), "three nodes have ports, not node {node}");
        let mut text = include_str!("../templates/node.properties").to_owned();
        text += match is_old(release) {
            true => include_str!("../templates/zookeeper.properties"),
            false => include_str!("../templates/kraft.properties"),
        };
        for (key, value) in properties {
            text += &format!("{key}={value}\n");
        }
        let voters: Vec<_> = (1..=nodes).map(|id| format!("{id}@127.0.0.1:{}", self.port(id + 6))).collect();
        let text = self
            .fill_in(&text, node)
            .replace("@NODES@", &nodes.to_string())
            .replace("@PORT@", &self.port(node).to_string())
            .replace("@VOTERS@", &voters.join(","));
        let file = self.dir.join(format!("{node}.properties"));
        fs::write(&file, text)?;
        Ok(file)
    }

    /// Writes the configuration of the ZooKeeper that belongs to node 1.
    pub(crate) fn configure_zookeeper(&self) -> Result<PathBuf> {
        let file = self.dir.join("zoo.cfg");
        fs::write(&file, self.fill_in(include_str!("../templates/zoo.cfg"), 1))?;
        Ok(file)
    }

    fn fill_in(&self, text: &str, node: u16) -> String {
        text.replace("@ID@", &node.to_string())
            .replace("@CPORT@", &self.port(node + 6).to_string())
            .replace("@DIR@", &self.dir.join(format!("data-{node}")).to_string_lossy())
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let _ = fs::remove_dir_all(&self.dir);
        }
    }
}

/// The lock of a block of ports, if nobody holds it and nobody listens there: the broker of a process that was killed
/// takes a second to see it.
fn lock(base: u16) -> Option<File> {
    let file = std::env::temp_dir().join(format!("nanokafka-ports-{base}.lock"));
    let lock = OpenOptions::new().write(true).create(true).truncate(false).open(file).ok()?;
    lock.try_lock().ok()?;
    (base..base + 10).all(|port| TcpListener::bind(("127.0.0.1", port)).is_ok()).then_some(lock)
}
