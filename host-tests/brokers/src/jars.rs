//! The jars of a Kafka release, fetched once into `target/kafka/<release>`.

use crate::kafka_box::KafkaBox;
use crate::process::run;
use crate::site::{home, Site};
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Result;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Whether a release needs ZooKeeper.
pub(crate) fn is_old(release: &str) -> bool {
    release.starts_with("2.")
}

pub(crate) struct Jars {
    class_path: String,
    /// A class-data archive halves the CPU time of a start. It is bound to class path and JDK, and ignored if they
    /// differ.
    archive: Option<String>,
}

impl Jars {
    /// Fetches and compiles what is missing.
    pub(crate) fn of(release: &str) -> Result<Self> {
        let home = home();
        fs::create_dir_all(&home)?;
        let home = home.canonicalize()?;
        // several tests may be the first
        let lock = File::create(home.join("lock"))?;
        lock.lock()?;

        let dir = home.join(release);
        fs::create_dir_all(&dir)?;
        let lib = dir.join("lib");
        make(&lib, |lib| fetch(release, lib))?;

        let (name, source) = match is_old(release) {
            true => ("StdinGuard.java", include_str!("../java/StdinGuard.java")),
            false => ("KafkaBox.java", include_str!("../java/KafkaBox.java")),
        };
        let mut hash = DefaultHasher::new();
        source.hash(&mut hash);
        let hash = hash.finish();
        // a jar: class-data sharing refuses a class path with a folder in it
        let jar = dir.join(format!("box-{hash:016x}.jar"));
        make(&jar, |jar| compile(name, &lib, jar))?;

        let mut jars = Jars { class_path: format!("{}:{}/*", jar.display(), lib.display()), archive: None };
        if !is_old(release) {
            let archive = jar.with_extension("jsa");
            make(&archive, |archive| jars.write_archive(release, archive))?;
            jars.archive = Some(format!("-XX:SharedArchiveFile={}", archive.display()));
        }
        Ok(jars)
    }

    /// `java` with the flags for a quick start and a small footprint; the main class is still to be named.
    pub(crate) fn java(&self, heap_megabytes: usize) -> Command {
        let mut java = Command::new("java");
        java.arg(format!("-Xmx{heap_megabytes}m"))
            .args(["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"])
            // the JVM's own warnings would go to standard output, between the answers
            .args(["-Xlog:disable", "-Xlog:all=warning:stderr"])
            .args(&self.archive)
            .args(["-cp", &self.class_path]);
        java
    }

    /// Runs a broker through its start and the usual commands; the classes it loaded make the archive.
    fn write_archive(&self, release: &str, archive: &Path) -> Result<()> {
        let flag = Some(format!("-XX:ArchiveClassesAtExit={}", archive.display()));
        let jars = Jars { class_path: self.class_path.clone(), archive: flag };
        let site = Site::reserve()?;
        let files = [site.configure(1, 1, release, &[])?];
        let mut broker = KafkaBox::start(&jars, &site.bootstrap(1), &files, Some(site.dir.join("log")))?;
        broker.ready()?;
        for command in ["create t 1 1", "producer p", "send p t 0 1 1", "ends t 0", "commit g t 0 1", "committed g"] {
            broker.run(command)?;
        }
        broker.stop()
    }
}

/// What exists is complete: it is made under another name and then renamed.
fn make(path: &Path, write: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    if path.exists() {
        return Ok(());
    }
    let partial = path.with_extension("partial");
    write(&partial)?;
    fs::rename(&partial, path)
}

fn sources(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(file)
}

fn fetch(release: &str, lib: &Path) -> Result<()> {
    let pom = sources("pom.xml");
    let output = format!("-DoutputDirectory={}", lib.display());
    let kafka = format!("-Dkafka={release}");
    let mut arguments = vec!["-q", "-B", "-f", path(&pom), "dependency:copy-dependencies", &output, &kafka];
    if is_old(release) {
        // 2.1 brings a ZooKeeper that cannot run on today's Java
        arguments.extend(match release.starts_with("2.1.") {
            true => &["-Dscala=2.12", "-P!tools,zk"][..],
            false => &["-P!tools"],
        });
    }
    run("mvn", &arguments)
}

fn compile(name: &str, lib: &Path, jar: &Path) -> Result<()> {
    let classes = jar.with_extension("classes");
    let source = sources("java").join(name);
    let class_path = format!("{}/*", lib.display());
    run("javac", &["-nowarn", "-cp", &class_path, "-d", path(&classes), path(&source)])?;
    run("jar", &["cf", path(jar), "-C", path(&classes), "."])?;
    fs::remove_dir_all(&classes)
}

fn path(path: &Path) -> &str {
    path.to_str().expect("the workspace's path is UTF-8, cargo says so")
}
