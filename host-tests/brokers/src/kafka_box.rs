//! The Rust side of `KafkaBox.java`, and of `kfaked`: a command is a line in, its answer a line out.

use crate::jars::Jars;
use crate::process::Process;
use crate::{DEADLINE, RELEASE};
use std::io::{BufRead, BufReader, Error, Result, Write};
use std::path::PathBuf;
use std::process::{ChildStdin, Command};
use std::sync::mpsc::{channel, Receiver, RecvTimeoutError};

/// A process that administers brokers, and may hold some.
///
/// ```text
/// nodes                                     ids of the live brokers
/// create T 3 2 k=v …                        create T 1,2,3;2,3,1 0 k=v …  (replica lists)     delete T
/// partitions T 6                            leader T → id p:leader/isr=…                      ends T P → first end
/// reassign T P 2,3,1                        elect preferred|unclean T P                       truncate-before T P OFFSET
/// config topic|broker|group NAME k=v k2= …  quota client-id|user NAME consumer_byte_rate=20000 …
/// scram USER SCRAM-SHA-256 PASSWORD [ITER]  acl ALLOW|DENY User:bob TOPIC|GROUP NAME READ     unacl …
/// group G   committed G   coordinator G     commit G T P OFFSET                               delete-group G
/// producer ID k=v …                         send ID T P|- COUNT BYTES [FIRST] → lowest highest offset      close ID
/// txn-init ID   txn-begin ID   txn-commit ID   txn-abort ID
/// down N   up N                             a node of this JVM, orderly
/// ```
/// `send` writes key = number and value = `number:xxx…`, so that completeness and order show in the data. `-` stands
/// for any partition, or a broker configuration's empty name.
pub struct KafkaBox {
    process: Process,
    /// `None` once an answer did not come: the next one would belong to another command.
    commands: Option<ChildStdin>,
    answers: Receiver<String>,
}

impl KafkaBox {
    /// Administers the brokers at `bootstrap` (`host:port,…`), Kafka 2.1 or newer.
    pub fn admin(bootstrap: &str) -> Result<Self> {
        let mut this = Self::start(&Jars::of(RELEASE)?, bootstrap, &[], None)?;
        this.ready()?;
        Ok(this)
    }

    /// Starts a JVM with one broker per properties file, without waiting for [`ready`](Self::ready).
    pub(crate) fn start(jars: &Jars, bootstrap: &str, files: &[PathBuf], log: Option<PathBuf>) -> Result<Self> {
        let mut java = jars.java(128 + 128 * files.len());
        java.arg(format!("-Dbootstrap={bootstrap}")).arg("KafkaBox").args(files);
        Self::over(&mut java, log)
    }

    /// Starts a program that takes commands.
    pub(crate) fn over(program: &mut Command, log: Option<PathBuf>) -> Result<Self> {
        let mut process = Process::start(program, log)?;
        let commands = process.child.stdin.take();
        let lines = BufReader::new(process.child.stdout.take().expect("piped")).lines();
        // a thread, because a pipe has no read timeout; it ends with the program
        let (sender, answers) = channel();
        std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Ok(KafkaBox { process, commands, answers })
    }

    /// Waits until all brokers of this process have left their startup, and returns what it has to say then.
    pub(crate) fn ready(&mut self) -> Result<String> {
        let answer = self.answer()?;
        let told =
            answer.strip_prefix("READY").ok_or_else(|| self.process.error(format!("did not start: {answer}")))?;
        Ok(told.trim_start().to_owned())
    }

    /// Runs one command and returns what follows `ok` in its answer; `err …` is an error, as is no answer in 90 s.
    pub fn run(&mut self, command: &str) -> Result<String> {
        let pipe = self.commands.as_mut().ok_or_else(|| Error::other("an earlier command has not been answered"))?;
        writeln!(pipe, "{command}")?;
        let answer = self.answer().map_err(|e| Error::other(format!("{command}: {e}")))?;
        match answer.split_once(' ').unwrap_or((&answer, "")) {
            ("ok", rest) => Ok(rest.to_owned()),
            _ => Err(Error::other(format!("{command}: {answer}"))),
        }
    }

    /// `STOP` or `CONT`.
    pub(crate) fn signal(&self, signal: &str) -> Result<()> {
        self.process.signal(signal)
    }

    /// Ends it in good order.
    pub(crate) fn stop(mut self) -> Result<()> {
        self.run("stop")?;
        self.process.child.wait().map(|_| ())
    }

    fn answer(&mut self) -> Result<String> {
        self.answers.recv_timeout(DEADLINE).map_err(|error| {
            self.commands = None;
            self.process.error(match error {
                RecvTimeoutError::Timeout => "it does not answer",
                RecvTimeoutError::Disconnected => "it has ended",
            })
        })
    }
}
