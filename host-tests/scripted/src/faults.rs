//! What goes wrong on demand. Every fault is consumed in the order given; nothing here is random.
use nanokafka::Api;
use std::collections::{BTreeMap, VecDeque};

/// For faults that never wear off: as often as anybody asks.
pub const ALWAYS: usize = usize::MAX;

/// How a stream ends or stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// RST: both sides see an error, unread bytes are lost.
    Reset,
    /// FIN: an orderly end from the broker.
    Fin,
    /// No further byte passes in either direction, and nobody is told.
    Stall,
}

/// Which bytes of a connection are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Those the client reads.
    ToClient,
    /// Those the client writes.
    ToBroker,
    /// Both together.
    Both,
}

/// `end` once `after` bytes have passed in `direction`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// What is counted.
    pub direction: Direction,
    /// Bytes that still pass; 0 ends it before the first.
    pub after: u64,
    /// What happens then.
    pub end: End,
}

impl Cut {
    /// A cut once the client has read `after` bytes.
    pub fn read(after: u64, end: End) -> Self {
        Cut { direction: Direction::ToClient, after, end }
    }

    /// A cut once the client has written `after` bytes.
    pub fn written(after: u64, end: End) -> Self {
        Cut { direction: Direction::ToBroker, after, end }
    }

    /// Bytes that may still pass in one direction, of the `(read, written)` so far.
    pub(crate) fn room(&self, direction: Direction, read: u64, written: u64) -> u64 {
        let passed = match (self.direction, direction) {
            (Direction::Both, _) => read + written,
            (Direction::ToClient, Direction::ToClient) => read,
            (Direction::ToBroker, Direction::ToBroker) => written,
            _ => return u64::MAX,
        };
        self.after.saturating_sub(passed)
    }

    pub(crate) fn is_due(&self, read: u64, written: u64) -> bool {
        match self.direction {
            Direction::Both => read + written >= self.after,
            Direction::ToClient => read >= self.after,
            Direction::ToBroker => written >= self.after,
        }
    }
}

/// What becomes of attempts to connect to an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Connecting {
    /// RST to the SYN.
    Refused,
    /// No route, at once.
    Unreachable,
    /// The name does not resolve.
    NoSuchName,
    /// The SYN is lost, for ever.
    Blackhole,
    /// Accepted, then silence.
    Silent,
    /// Not Kafka: whatever is sent, these bytes come back, once, and then FIN.
    Foreign(Vec<u8>),
}

/// Changes an answer: gets its version and the whole frame, with size prefix and header.
pub(crate) type Mutation = Box<dyn FnMut(i16, &mut Vec<u8>)>;

/// Bytes in place of an answer.
pub(crate) enum Instead {
    /// Written as they are.
    Raw(Vec<u8>),
    /// The size prefix and the correlation id are put before it.
    Body(Vec<u8>),
    /// Never answered: the connection stays muted.
    Nothing,
    /// The connection ends in place of the answer.
    End(End),
}

#[derive(Default)]
pub(crate) struct Faults {
    codes: BTreeMap<i16, VecDeque<(i16, usize)>>,
    partition_codes: BTreeMap<(i16, String, i32), VecDeque<(i16, usize)>>,
    throttles: BTreeMap<i16, VecDeque<(i32, usize)>>,
    delays: BTreeMap<i16, VecDeque<(i32, usize)>>,
    instead: BTreeMap<i16, VecDeque<Instead>>,
    mutations: BTreeMap<i16, VecDeque<(Mutation, usize)>>,
    /// By node; the next connection takes the first.
    pub(crate) cuts: BTreeMap<i32, VecDeque<Cut>>,
    pub(crate) connecting: BTreeMap<(String, u16), VecDeque<(Connecting, usize)>>,
}

/// The first of a queue of (what, how often).
fn next<T: Clone>(queue: Option<&mut VecDeque<(T, usize)>>) -> Option<T> {
    let queue = queue?;
    let (first, left) = queue.front_mut()?;
    let taken = first.clone();
    if *left != ALWAYS {
        *left -= 1;
        if *left == 0 {
            queue.pop_front();
        }
    }
    Some(taken)
}

impl Faults {
    pub(crate) fn add_code(&mut self, api: Api, code: i16, times: usize) {
        if times > 0 {
            self.codes.entry(api as i16).or_default().push_back((code, times));
        }
    }

    pub(crate) fn add_partition_code(&mut self, api: Api, topic: &str, partition: i32, code: i16, times: usize) {
        if times > 0 {
            self.partition_codes.entry((api as i16, topic.into(), partition)).or_default().push_back((code, times));
        }
    }

    pub(crate) fn add_throttle(&mut self, api: Api, millis: i32, times: usize) {
        if times > 0 {
            self.throttles.entry(api as i16).or_default().push_back((millis, times));
        }
    }

    pub(crate) fn add_delay(&mut self, api: Api, millis: i32, times: usize) {
        if times > 0 {
            self.delays.entry(api as i16).or_default().push_back((millis, times));
        }
    }

    pub(crate) fn add_instead(&mut self, api: Api, instead: Instead) {
        self.instead.entry(api as i16).or_default().push_back(instead);
    }

    pub(crate) fn add_mutation(&mut self, api: Api, mutation: Mutation, times: usize) {
        if times > 0 {
            self.mutations.entry(api as i16).or_default().push_back((mutation, times));
        }
    }

    pub(crate) fn put_code_first(&mut self, api: Api, code: i16) {
        self.codes.entry(api as i16).or_default().push_front((code, 1));
    }

    pub(crate) fn put_instead_first(&mut self, api: Api, instead: Instead) {
        self.instead.entry(api as i16).or_default().push_front(instead);
    }

    /// No fault is left. Cuts of open connections stay.
    pub(crate) fn clear(&mut self) {
        *self = Faults::default();
    }

    pub(crate) fn code(&mut self, api: Api) -> Option<i16> {
        next(self.codes.get_mut(&(api as i16)))
    }

    pub(crate) fn has_partition_code(&self, api: Api, topic: &str, partition: i32) -> bool {
        !self.partition_codes.is_empty()
            && self
                .partition_codes
                .get(&(api as i16, topic.to_string(), partition))
                .is_some_and(|queue| !queue.is_empty())
    }

    pub(crate) fn partition_code(&mut self, api: Api, topic: &str, partition: i32) -> Option<i16> {
        if self.partition_codes.is_empty() {
            return None;
        }
        next(self.partition_codes.get_mut(&(api as i16, topic.to_string(), partition)))
    }

    pub(crate) fn throttle(&mut self, api: Api) -> Option<i32> {
        next(self.throttles.get_mut(&(api as i16)))
    }

    pub(crate) fn delay(&mut self, api: Api) -> Option<u64> {
        next(self.delays.get_mut(&(api as i16))).map(|millis| millis.max(0) as u64)
    }

    pub(crate) fn instead(&mut self, api: Api) -> Option<Instead> {
        self.instead.get_mut(&(api as i16))?.pop_front()
    }

    /// Whether anything was changed.
    pub(crate) fn mutate(&mut self, api: Api, version: i16, frame: &mut Vec<u8>) -> bool {
        let Some(queue) = self.mutations.get_mut(&(api as i16)) else { return false };
        let Some((mutation, left)) = queue.front_mut() else { return false };
        mutation(version, frame);
        if *left != ALWAYS {
            *left -= 1;
            if *left == 0 {
                queue.pop_front();
            }
        }
        true
    }

    pub(crate) fn cut(&mut self, node: i32) -> Option<Cut> {
        self.cuts.get_mut(&node)?.pop_front()
    }

    pub(crate) fn connecting(&mut self, host: &str, port: u16) -> Option<Connecting> {
        if self.connecting.is_empty() {
            return None;
        }
        next(self.connecting.get_mut(&(host.to_string(), port)))
    }
}
