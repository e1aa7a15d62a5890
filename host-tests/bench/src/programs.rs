//! The programs beside this one: started, awaited, and read.

use crate::Error;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// One of the consumers.
#[derive(Clone, Copy, PartialEq)]
pub enum Who {
    /// This project's.
    Nanokafka,
    /// librdkafka's.
    Librdkafka,
}

impl Who {
    fn program(self) -> &'static str {
        match self {
            Who::Nanokafka => "bench-nanokafka",
            Who::Librdkafka => "bench-librdkafka",
        }
    }

    /// Starts a task with its `key=value` options, separated by spaces.
    pub fn start(self, task: &str, options: &str) -> Result<Running, Error> {
        let mut command = program(self.program())?;
        command.arg(task).args(options.split_whitespace());
        Ok(Running(command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?))
    }

    /// Runs a task to its end.
    pub fn run(self, task: &str, options: &str) -> Result<Answer, Error> {
        self.start(task, options)?.answer()
    }

    /// The same under callgrind: instructions of all threads.
    pub fn instructions(self, task: &str, options: &str) -> Result<u64, Error> {
        callgrind(self.program(), &format!("{task} {options}"))
    }
}

/// A task that goes on; killed when dropped.
pub struct Running(Child);

impl Running {
    /// Of the process.
    pub fn id(&self) -> String {
        self.0.id().to_string()
    }

    /// An error if it has ended.
    pub fn goes_on(&mut self) -> Result<(), Error> {
        self.0.try_wait()?.map_or(Ok(()), |status| Err(format!("a task ended with {status}").into()))
    }

    /// Waits for its line.
    pub fn answer(mut self) -> Result<Answer, Error> {
        let mut text = String::new();
        let mut stdout = self.0.stdout.take().ok_or("no standard output")?;
        std::io::Read::read_to_string(&mut stdout, &mut text)?;
        let status = self.0.wait()?;
        match status.success() {
            true => Ok(Answer(text)),
            false => Err(format!("a task ended with {status}").into()),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // fails if it has ended already
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// `key=value key=value`
pub struct Answer(String);

impl Answer {
    /// The text of a key.
    pub fn text(&self, key: &str) -> Result<&str, Error> {
        let value = |pair: &'_ str| pair.strip_prefix(key)?.strip_prefix('=').map(str::len);
        let found = self.0.split_whitespace().find_map(|pair| Some((pair, value(pair)?)));
        let (pair, length) = found.ok_or_else(|| format!("no {key} in {}", self.0))?;
        Ok(&pair[pair.len() - length..])
    }

    /// The number of a key.
    pub fn number(&self, key: &str) -> Result<f64, Error> {
        Ok(self.text(key)?.parse()?)
    }
}

/// Instructions of a program under callgrind.
pub fn callgrind(name: &str, arguments: &str) -> Result<u64, Error> {
    let said = valgrind("--tool=callgrind --callgrind-out-file=/dev/null", name, arguments)?;
    number_after(&said, "Collected :")
}

/// Allocations of a program under memcheck.
pub fn allocations(name: &str, arguments: &str) -> Result<u64, Error> {
    number_after(&valgrind("--tool=memcheck --undef-value-errors=no", name, arguments)?, "total heap usage:")
}

/// Valgrind counts each byte that a `rep` instruction moves; without these glibc copies with vectors.
const VECTORS: &str = "glibc.cpu.x86_rep_movsb_threshold=2000000000:glibc.cpu.x86_rep_stosb_threshold=2000000000";

fn valgrind(tool: &str, name: &str, arguments: &str) -> Result<String, Error> {
    let mut command = Command::new("valgrind");
    command.args(tool.split(' ')).arg(path(name)?).args(arguments.split_whitespace());
    let output = command.env("GLIBC_TUNABLES", VECTORS).stdin(Stdio::null()).output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    match output.status.success() {
        true => Ok(said),
        false => Err(format!("{name} {arguments} under valgrind: {}\n{said}", output.status).into()),
    }
}

/// `==1== total heap usage: 1,234 allocs, …`
fn number_after(text: &str, label: &str) -> Result<u64, Error> {
    let rest = text.split_once(label).ok_or_else(|| format!("no {label} in {text}"))?.1;
    let digits = rest.trim_start().split(|c: char| !c.is_ascii_digit() && c != ',').next().unwrap_or_default();
    Ok(digits.replace(',', "").parse()?)
}

fn program(name: &str) -> Result<Command, Error> {
    Ok(Command::new(path(name)?))
}

fn path(name: &str) -> Result<PathBuf, Error> {
    Ok(std::env::current_exe()?.with_file_name(name))
}
