//! What happened, for assertions and for the log of a failing test.
use crate::apis::Request;
use nanokafka::Api;
use std::fmt;
use std::rc::Rc;

/// A request as a broker received it.
#[derive(Clone, Debug)]
pub struct Received {
    /// Virtual milliseconds, when its last byte had arrived and the broker began with it.
    pub at: u64,
    /// Which [`Net`](crate::Net) it came from.
    pub net: usize,
    /// Which of the net's connections.
    pub connection: usize,
    /// The broker's id.
    pub node: i32,
    /// The API.
    pub api: Api,
    /// Its version.
    pub version: i16,
    /// From the header.
    pub correlation_id: i32,
    /// From the header; null is empty.
    pub client_id: Rc<str>,
    /// Decoded.
    pub request: Rc<Request>,
    /// `None` while it waits, and for ever when its connection ended first.
    pub answer: Option<Answered>,
}

/// How a request was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// When the answer left the broker.
    pub at: u64,
    /// With size prefix and header.
    pub bytes: usize,
    /// Error codes in it other than 0, each once; not those of scripted bytes.
    pub codes: Vec<i16>,
    /// Milliseconds of `throttle_time_ms`.
    pub throttle_ms: i32,
    /// Whether a script replaced or changed the bytes.
    pub scripted: bool,
}

/// One partition of a commit that the coordinator has taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// Virtual milliseconds.
    pub at: u64,
    /// Which net it came from.
    pub net: usize,
    /// The group.
    pub group: String,
    /// The member's id; empty from who is none.
    pub member_id: String,
    /// The member's generation or epoch; -1 from who is none.
    pub generation: i32,
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The next offset to be read.
    pub offset: i64,
    /// What was committed before.
    pub before: Option<i64>,
}

/// An attempt to connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connect {
    /// Virtual milliseconds.
    pub at: u64,
    /// Which net.
    pub net: usize,
    /// Which of its connections.
    pub connection: usize,
    /// The name asked for.
    pub host: String,
    /// The port asked for.
    pub port: u16,
    /// Whether a broker listens there.
    pub reached: bool,
}

/// Everything that is worth a line.
#[derive(Clone, Debug)]
pub(crate) enum Entry {
    Request(usize),
    Note(u64, String),
}

#[derive(Default)]
pub(crate) struct History {
    pub(crate) requests: Vec<Received>,
    pub(crate) entries: Vec<Entry>,
    pub(crate) violations: Vec<String>,
    pub(crate) connects: Vec<Connect>,
    pub(crate) accepted: Vec<Accepted>,
}

impl History {
    pub(crate) fn note(&mut self, at: u64, text: String) {
        self.entries.push(Entry::Note(at, text));
    }

    pub(crate) fn violation(&mut self, at: u64, text: String) {
        self.note(at, format!("VIOLATION {text}"));
        self.violations.push(format!("{at} ms: {text}"));
    }

    pub(crate) fn received(&mut self, request: Received) -> usize {
        self.requests.push(request);
        self.entries.push(Entry::Request(self.requests.len() - 1));
        self.requests.len() - 1
    }
}

impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.entries.iter().try_for_each(|entry| writeln!(f, "{}", self.line(entry)))
    }
}

impl History {
    /// The end of the log, for a failing test.
    pub(crate) fn tail(&self) -> String {
        let from = self.entries.len().saturating_sub(200);
        let lines: Vec<String> = self.entries[from..].iter().map(|entry| self.line(entry)).collect();
        format!("the cluster's log, last {} of {} lines:\n{}", lines.len(), self.entries.len(), lines.join("\n"))
    }

    fn line(&self, entry: &Entry) -> String {
        match entry {
            Entry::Note(at, text) => format!("{at:>8} ms  {text}"),
            Entry::Request(index) => self.requests[*index].to_string(),
        }
    }
}

impl fmt::Display for Received {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:>8} ms  net {} connection {} > node {}: #{} v{} {}",
            self.at, self.net, self.connection, self.node, self.correlation_id, self.version, self.request
        )?;
        match &self.answer {
            None => write!(f, " .. no answer"),
            Some(answer) => {
                write!(f, " .. {} bytes", answer.bytes)?;
                if !answer.codes.is_empty() {
                    write!(f, ", errors {:?}", answer.codes)?;
                }
                if answer.at > self.at {
                    write!(f, " after {} ms", answer.at - self.at)?;
                }
                if answer.throttle_ms > 0 {
                    write!(f, ", throttle {} ms", answer.throttle_ms)?;
                }
                if answer.scripted {
                    write!(f, ", scripted")?;
                }
                Ok(())
            }
        }
    }
}
