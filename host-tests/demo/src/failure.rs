//! What failed, and what to do about it.

use nanokafka::{DeserializeError, Error, ErrorCode, TransportErrorKind};
use std::fmt::{self, Display};
use std::io;

#[derive(Debug)]
pub struct Failure {
    what: String,
    remedy: String,
}

impl Failure {
    pub fn new(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Failure { what: what.into(), remedy: remedy.into() }
    }

    /// Says where it happened.
    pub fn at(self, place: impl Display) -> Self {
        Failure { what: format!("{place}: {}", self.what), ..self }
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "failed: {}\nremedy: {}", self.what, self.remedy)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let remedy = match error {
            Error::Transport(error) => match error.cause.kind {
                TransportErrorKind::Name => {
                    "see how that name is spelled and whether this machine can resolve it; the brokers may advertise it \
                     (advertised.listeners)"
                }
                _ => {
                    "start a broker that listens there, or name another with --bootstrap HOST:PORT; without arguments \
                     the demo brings its own"
                }
            },
            Error::Protocol(_) | Error::Timeout(_) => {
                "see whether that is the port of a Kafka broker's PLAINTEXT listener, and whether the broker is healthy"
            }
            Error::Broker(error) => match error.code {
                ErrorCode::TOPIC_AUTHORIZATION_FAILED => "allow this client to READ and DESCRIBE the topic",
                ErrorCode::GROUP_AUTHORIZATION_FAILED => "allow this client to READ the groups, all begin with topic-",
                _ => "see the broker's log; --fresh keeps clear of topics and groups that exist already",
            },
            Error::Partition(_) => "--fresh keeps clear of records that others have produced",
            _ => "a bug of the demo: report it",
        };
        Failure::new(error.to_string(), remedy)
    }
}

impl From<DeserializeError> for Failure {
    fn from(error: DeserializeError) -> Self {
        Failure::new(
            format!("a record that the demo has not produced: {error}"),
            "--fresh makes topics of its own, with a random suffix",
        )
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
            Some(inner) => (*inner).into(),
            None if error.kind() == io::ErrorKind::BrokenPipe => {
                Failure::new("nobody reads standard output any more", "let the reader read to the end")
            }
            None => {
                Failure::new(error.to_string(), "see the limits of this process (ulimit -a), file descriptors first")
            }
        }
    }
}
