//! One TCP connection between a net and a broker, as bytes with times of arrival.
use crate::apis::WaitingFetch;
use crate::faults::{Cut, Direction, End};
use std::collections::VecDeque;

/// Bytes that arrive at a time.
struct Chunk {
    at: u64,
    bytes: Vec<u8>,
    read: usize,
}

/// What a broker does for a connection at the moment. It reads no further request before it has answered (FIFO).
pub(crate) enum Work {
    Idle,
    /// The answer comes from a group, or never.
    Waits,
    LongPoll(Box<WaitingFetch>),
    /// An answer that is held back.
    Delayed {
        at: u64,
        frame: Vec<u8>,
        mute: u64,
    },
}

pub(crate) struct Connection {
    pub(crate) net: usize,
    pub(crate) index: usize,
    pub(crate) node: i32,
    to_broker: VecDeque<Chunk>,
    pub(crate) request: Vec<u8>,
    to_client: VecDeque<Chunk>,
    pub(crate) unread: usize,
    pub(crate) work: Work,
    pub(crate) muted_until: u64,
    pub(crate) last_active: u64,
    /// By the client.
    pub(crate) read: u64,
    pub(crate) written: u64,
    cut: Option<Cut>,
    pub(crate) end: Option<(u64, End)>,
    /// The client has closed or aborted; what is under way to the broker still arrives.
    pub(crate) client_gone: bool,
    /// Nobody ever answers here.
    pub(crate) silent: bool,
    pub(crate) foreign: Option<Vec<u8>>,
    /// The test has been told of the request that comes next.
    pub(crate) announced: bool,
}

/// What a client finds when it reads.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Readable {
    Bytes(usize),
    Nothing,
    Fin,
    Reset,
}

impl Connection {
    pub(crate) fn new(net: usize, index: usize, node: i32, now: u64, cut: Option<Cut>) -> Self {
        Connection {
            net,
            index,
            node,
            to_broker: VecDeque::new(),
            request: vec![],
            to_client: VecDeque::new(),
            unread: 0,
            work: Work::Idle,
            muted_until: 0,
            last_active: now,
            read: 0,
            written: 0,
            cut,
            end: None,
            client_gone: false,
            silent: false,
            foreign: None,
            announced: false,
        }
    }

    pub(crate) fn stalled(&self) -> bool {
        matches!(self.end, Some((_, End::Stall)))
    }

    /// The scripted end, when its byte has passed.
    pub(crate) fn spring_cut(&mut self, now: u64) {
        if let Some(cut) = self.cut.filter(|cut| cut.is_due(self.read, self.written)) {
            self.cut = None;
            self.cut_off(now, cut.end);
        }
    }

    /// Ends the connection from the broker's side or on the way.
    pub(crate) fn end(&mut self, at: u64, end: End) {
        if !matches!(self.end, Some((_, End::Reset | End::Stall))) {
            self.end = Some((at, end));
        }
        if end == End::Reset {
            self.request.clear();
        }
    }

    /// Ends it here: what has not been read does not arrive any more.
    pub(crate) fn cut_off(&mut self, now: u64, end: End) {
        self.end(now, end);
        self.to_client.clear();
        self.unread = 0;
    }

    pub(crate) fn is_over(&self) -> bool {
        self.end.is_some()
    }

    pub(crate) fn readable(&mut self, now: u64) -> Readable {
        self.spring_cut(now);
        match self.end {
            Some((at, End::Reset)) if at <= now => return Readable::Reset,
            Some((_, End::Stall)) => return Readable::Nothing,
            _ => {}
        }
        let arrived = self.to_client.iter().take_while(|chunk| chunk.at <= now);
        let bytes: usize = arrived.map(|chunk| chunk.bytes.len() - chunk.read).sum();
        let room = self.cut.map_or(u64::MAX, |cut| cut.room(Direction::ToClient, self.read, self.written));
        match bytes.min(room.try_into().unwrap_or(usize::MAX)) {
            0 => match self.end {
                Some((at, End::Fin)) if at <= now && self.to_client.is_empty() => Readable::Fin,
                _ => Readable::Nothing,
            },
            n => Readable::Bytes(n),
        }
    }

    /// Takes bytes that are [`Readable::Bytes`].
    pub(crate) fn take(&mut self, buf: &mut [u8], now: u64) {
        let mut filled = 0;
        while filled < buf.len() {
            let Some(chunk) = self.to_client.front_mut() else { break };
            let n = (buf.len() - filled).min(chunk.bytes.len() - chunk.read);
            buf[filled..filled + n].copy_from_slice(&chunk.bytes[chunk.read..chunk.read + n]);
            filled += n;
            chunk.read += n;
            if chunk.read == chunk.bytes.len() {
                self.to_client.pop_front();
            }
        }
        self.read += filled as u64;
        self.unread -= filled;
        self.last_active = now;
    }

    /// How many bytes the client's side takes now; `None` is a reset.
    pub(crate) fn writable(&mut self, now: u64) -> Option<usize> {
        self.spring_cut(now);
        match self.end {
            Some((at, End::Reset)) if at <= now => None,
            // the socket buffer still takes something
            Some((_, End::Stall)) => Some(65_536usize.saturating_sub(self.request.len())),
            _ => {
                let room = self.cut.map_or(u64::MAX, |cut| cut.room(Direction::ToBroker, self.read, self.written));
                Some(room.try_into().unwrap_or(usize::MAX))
            }
        }
    }

    pub(crate) fn write(&mut self, bytes: &[u8], now: u64, latency: u64) {
        self.written += bytes.len() as u64;
        if self.is_over() {
            if self.stalled() {
                self.request.extend_from_slice(bytes);
            }
            return;
        }
        self.last_active = now;
        match self.to_broker.back_mut() {
            Some(chunk) if chunk.at == now + latency => chunk.bytes.extend_from_slice(bytes),
            None if latency == 0 => self.request.extend_from_slice(bytes),
            _ => self.to_broker.push_back(Chunk { at: now + latency, bytes: bytes.to_vec(), read: 0 }),
        }
    }

    /// What has reached the broker.
    pub(crate) fn arrive(&mut self, now: u64) {
        while self.to_broker.front().is_some_and(|chunk| chunk.at <= now) {
            let chunk = self.to_broker.pop_front().expect("there is a front");
            if !self.is_over() {
                self.request.extend_from_slice(&chunk.bytes);
            }
        }
    }

    /// The next whole request, if the broker would read it now.
    pub(crate) fn next_request(&mut self, now: u64, send_buffer: usize) -> Option<Vec<u8>> {
        let ready = matches!(self.work, Work::Idle)
            && !self.silent
            && !self.is_over()
            && self.muted_until <= now
            && self.unread <= send_buffer;
        let size = self.request_size()?;
        if !ready || self.request.len() < size {
            return None;
        }
        let rest = self.request.split_off(size);
        Some(std::mem::replace(&mut self.request, rest))
    }

    /// Something whole (or a foreign client's first bytes) is there for the broker to look at.
    pub(crate) fn has_request(&self) -> bool {
        let foreign = self.foreign.is_some() && !self.request.is_empty();
        foreign || self.request_size().is_some_and(|size| self.request.len() >= size)
    }

    /// With its prefix; 4 when the prefix is not a size a broker accepts, so that it is looked at.
    fn request_size(&self) -> Option<usize> {
        let size = i32::from_be_bytes(*self.request.first_chunk()?);
        Some(if (0..=104_857_600).contains(&size) { size as usize + 4 } else { 4 })
    }

    /// Bytes for the client, which arrive from `at` on, `bandwidth` of them each millisecond.
    pub(crate) fn send(&mut self, bytes: Vec<u8>, at: u64, bandwidth: Option<usize>) {
        self.unread += bytes.len();
        let at = self.to_client.back().map_or(at, |last| last.at.max(at));
        match bandwidth {
            None => self.to_client.push_back(Chunk { at, bytes, read: 0 }),
            Some(bandwidth) => {
                for (i, bytes) in bytes.chunks(bandwidth.max(1)).enumerate() {
                    self.to_client.push_back(Chunk { at: at + 1 + i as u64, bytes: bytes.to_vec(), read: 0 });
                }
            }
        }
    }

    /// When something will happen here by itself, later than `now`.
    pub(crate) fn next_event(&self, now: u64, idle: u64) -> Option<u64> {
        let mut next = u64::MAX;
        let mut at = |at: u64| {
            if at > now {
                next = next.min(at);
            }
        };
        self.to_broker.front().into_iter().for_each(|chunk| at(chunk.at));
        if let Some(chunk) = self.to_client.iter().find(|chunk| chunk.at > now) {
            at(chunk.at);
        }
        match self.end {
            Some((_, End::Stall)) => {}
            Some((end, _)) => at(end),
            None => {
                match &self.work {
                    Work::LongPoll(waiting) => at(waiting.deadline),
                    Work::Delayed { at: then, .. } => at(*then),
                    Work::Idle if !self.silent => at(self.last_active + idle),
                    _ => {}
                }
                at(self.muted_until);
            }
        }
        (next != u64::MAX).then_some(next)
    }

    /// Something new is there for a client that sleeps: bytes or an end that came with the last step of time.
    pub(crate) fn arrived_between(&self, before: u64, now: u64) -> bool {
        let new = |at: u64| at > before && at <= now;
        self.to_client.iter().any(|chunk| new(chunk.at)) || self.end.is_some_and(|(at, _)| new(at))
    }

    pub(crate) fn is_done(&self) -> bool {
        self.client_gone && (self.to_broker.is_empty() || self.is_over())
    }
}
