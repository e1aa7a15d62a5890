//! A process that never outlives its owner.

use std::fmt::Display;
use std::fs::File;
use std::io::{Error, ErrorKind, Result};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// Runs a program to its end; an error holds what it said.
pub(crate) fn run(program: &str, arguments: &[&str]) -> Result<()> {
    let output =
        Command::new(program).args(arguments).stdin(Stdio::null()).output().map_err(|e| missing(program, e))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(Error::other(format!(
            "{program}: {}\n{}{}",
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        ))),
    }
}

fn missing(program: &str, error: Error) -> Error {
    match error.kind() {
        ErrorKind::NotFound => Error::other(format!(
            "{program} is not installed: the stage of `cargo xtask list` that needs it installs it or says where it is from"
        )),
        _ => error,
    }
}

/// A running program. Dropping it kills it.
pub(crate) struct Process {
    pub(crate) child: Child,
    /// What the program writes to standard error, which is where its logger writes.
    log: Option<PathBuf>,
}

impl Process {
    pub(crate) fn start(command: &mut Command, log: Option<PathBuf>) -> Result<Self> {
        let stderr = match &log {
            Some(log) => File::options().create(true).append(true).open(log)?.into(),
            None => Stdio::null(),
        };
        let child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(stderr)
            // A group of its own: Ctrl-C does not reach it before we are done with it, and if we die while it is
            // stopped, the kernel continues it (an orphaned group), so that it sees the end of its input.
            .process_group(0)
            .spawn()
            .map_err(|e| missing(&command.get_program().to_string_lossy(), e))?;
        Ok(Process { child, log })
    }

    /// An error with the last lines of the log.
    pub(crate) fn error(&self, what: impl Display) -> Error {
        let text = self.log.as_ref().and_then(|log| std::fs::read_to_string(log).ok()).unwrap_or_default();
        let lines: Vec<_> = text.lines().collect();
        let tail = &lines[lines.len().saturating_sub(20)..];
        Error::other(tail.iter().fold(what.to_string(), |all, line| all + "\n  " + line))
    }

    /// `STOP` or `CONT`.
    pub(crate) fn signal(&self, signal: &str) -> Result<()> {
        run("sh", &["-c", &format!("kill -{signal} {}", self.child.id())])
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // works on a stopped process too; its data are removed anyway
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
