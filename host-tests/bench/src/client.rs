//! What the tasks ask of either client.

use std::collections::HashMap;
use std::fmt::Debug;
use std::str::FromStr;
use std::time::Duration;

/// `key=value` arguments of a program.
pub struct Options(HashMap<String, String>);

impl Options {
    /// From arguments like `topic=t`.
    pub fn parse(arguments: impl Iterator<Item = String>) -> Self {
        let pair = |argument: String| {
            let (key, value) = argument.split_once('=').unwrap_or_else(|| panic!("{argument}: key=value"));
            (key.to_owned(), value.to_owned())
        };
        Options(arguments.map(pair).collect())
    }

    /// Its value, if it was given.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// A number, or `default`.
    pub fn number<T: FromStr<Err: Debug>>(&self, key: &str, default: T) -> T {
        self.text(key).map_or(default, crate::tasks::parse)
    }

    /// Where to connect.
    pub fn bootstrap(&self) -> &str {
        self.text("bootstrap").expect("bootstrap=HOST:PORT")
    }

    /// What to read.
    pub fn topic(&self) -> &str {
        self.text("topic").expect("topic=NAME")
    }

    /// How many partitions of it, from 0.
    pub fn partitions(&self) -> i32 {
        self.number("partitions", 1)
    }
}

/// A consumer, of this project or librdkafka's.
///
/// It is a member of `group`, if that is given, or reads partitions by assignment, from the earliest offset unless
/// `start=latest`.
pub trait Client {
    /// Connects as soon as it is polled.
    fn new(options: &'static Options) -> Self;

    /// Waits for at most `timeout`, hands out keys and values, and returns how many.
    fn poll(&mut self, timeout: Duration, each: impl FnMut(&[u8], &[u8])) -> u64;

    /// To the log's start again, if that costs nothing but itself.
    fn rewind(&mut self) -> bool;

    /// Ends, so that its next life finds what it may go on with.
    fn sleep(self)
    where
        Self: Sized,
    {
    }

    /// Anything else it counts, as `key=value`.
    fn notes(&self) -> String {
        String::new()
    }
}
