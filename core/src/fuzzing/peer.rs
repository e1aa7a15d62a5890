//! A broker of a few lines on the other side of two connections: bytes in memory, in pieces of any size, no clock.
use crate::connection::Link;
use crate::partitions::Slot;
use crate::resources::Mem;
use crate::state::{State, NAME_BYTES, RECEIVE_BUFFER};
use crate::{ConnectionId, Storage, Transport, TransportError};
use core::task::{Context, Poll};
use std::boxed::Box;
use std::vec;
use std::vec::Vec;

/// What a consumer needs, of any size, on the heap.
pub(crate) struct Memory {
    state: Box<State>,
    buffer: Vec<u8>,
    links: Vec<Link>,
    slots: Vec<Slot>,
    names: Vec<u8>,
    window: Vec<u8>,
    group: Vec<u8>,
}

/// Partitions of [`Memory`].
pub(crate) const PARTITIONS: usize = 16;

impl Memory {
    pub fn new(window: usize) -> Self {
        Memory {
            state: Box::new(State::NEW),
            buffer: vec![0; RECEIVE_BUFFER],
            links: vec![Link::NEW, Link::NEW],
            slots: vec![Slot::NEW; PARTITIONS],
            names: vec![0; PARTITIONS * NAME_BYTES],
            window: vec![0; window],
            group: vec![0; 1024],
        }
    }

    pub fn storage(&mut self) -> Storage<'_> {
        Storage {
            state: Mem::Borrowed(&mut self.state),
            buffer: Mem::Borrowed(&mut self.buffer),
            links: Mem::Borrowed(&mut self.links),
            slots: Mem::Borrowed(&mut self.slots),
            names: Mem::Borrowed(&mut self.names),
            window: Mem::Borrowed(&mut self.window),
            memory: Mem::Borrowed(&mut self.group),
        }
    }
}

/// How an answer arrives. Between two pieces there is one `Pending`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pieces {
    Whole,
    /// In two, after so many bytes.
    Split(usize),
    /// Of so many bytes each.
    Each(usize),
    /// So many bytes, then the end of the connection.
    Cut(usize),
}

#[derive(Default)]
pub(crate) struct Pipe {
    open: bool,
    /// What the consumer wrote and nobody has read.
    written: Vec<u8>,
    to_read: Vec<u8>,
    read: usize,
    pieces: Option<Pieces>,
    paused: bool,
}

impl Pipe {
    /// As after a connect.
    pub fn opened(&mut self) {
        self.open = true;
    }

    /// All that was sent has arrived.
    pub fn is_read(&self) -> bool {
        self.read == self.to_read.len()
    }

    /// The next whole request: its frame without the size.
    fn request(&mut self) -> Option<Vec<u8>> {
        let size = u32::from_be_bytes(self.written.get(..4)?.try_into().ok()?) as usize;
        let frame = self.written.get(4..size + 4)?.to_vec();
        self.written.drain(..size + 4);
        Some(frame)
    }

    fn read(&mut self, buf: &mut [u8]) -> Poll<usize> {
        if core::mem::take(&mut self.paused) {
            return Poll::Pending;
        }
        let rest = self.to_read.len() - self.read;
        let most = match self.pieces {
            Some(Pieces::Cut(at)) if self.read >= at => return Poll::Ready(0),
            Some(Pieces::Cut(at)) => at - self.read,
            Some(Pieces::Split(at)) if self.read < at => at - self.read,
            Some(Pieces::Each(n)) => n - self.read % n,
            _ => rest,
        };
        let n = most.min(rest).min(buf.len());
        if n == 0 {
            return Poll::Pending;
        }
        buf[..n].copy_from_slice(&self.to_read[self.read..self.read + n]);
        self.read += n;
        self.paused = n == most && !matches!(self.pieces, Some(Pieces::Whole | Pieces::Cut(_)) | None);
        Poll::Ready(n)
    }
}

/// Two connections, and what answers on them.
pub(crate) struct Peer<F> {
    pub pipes: [Pipe; 2],
    answer: F,
    /// Bytes or states have moved since this was last cleared.
    pub moved: bool,
}

/// What a request is answered with: a whole frame, and how it arrives. `None`: never.
pub(crate) type Reply = Option<(Vec<u8>, Pieces)>;

impl<F: FnMut(&[u8]) -> Reply> Peer<F> {
    /// `answer` gets requests from their API key on.
    pub fn new(answer: F) -> Self {
        Peer { pipes: Default::default(), answer, moved: false }
    }

    /// On connection `id`, which is up.
    pub fn send(&mut self, id: usize, frame: Vec<u8>, pieces: Pieces) {
        let pipe = &mut self.pipes[id];
        if pipe.read == pipe.to_read.len() {
            (pipe.to_read, pipe.read) = (frame, 0);
            pipe.pieces = Some(pieces);
        } else {
            pipe.to_read.extend(frame); // behind what is on its way, in the same pieces
        }
        (pipe.open, self.moved) = (true, true);
    }
}

impl<F: FnMut(&[u8]) -> Reply> Transport for Peer<F> {
    fn connections(&self) -> usize {
        self.pipes.len()
    }

    fn poll_connect(
        &mut self,
        _: &mut Context<'_>,
        id: ConnectionId,
        _: &str,
        _: u16,
    ) -> Poll<Result<(), TransportError>> {
        self.pipes[id.index()] = Pipe { open: true, ..Pipe::default() };
        self.moved = true;
        Poll::Ready(Ok(()))
    }

    fn poll_read(
        &mut self,
        _: &mut Context<'_>,
        id: ConnectionId,
        buf: &mut [u8],
    ) -> Poll<Result<usize, TransportError>> {
        let pipe = &mut self.pipes[id.index()];
        assert!(pipe.open && !buf.is_empty());
        let before = pipe.paused;
        let read = pipe.read(buf);
        self.moved |= read.is_ready() || before;
        read.map(Ok)
    }

    fn poll_write(&mut self, _: &mut Context<'_>, id: ConnectionId, buf: &[u8]) -> Poll<Result<usize, TransportError>> {
        let pipe = &mut self.pipes[id.index()];
        assert!(pipe.open && !buf.is_empty());
        pipe.written.extend_from_slice(buf);
        self.moved = true;
        while let Some(request) = self.pipes[id.index()].request() {
            if let Some((frame, pieces)) = (self.answer)(&request) {
                self.send(id.index(), frame, pieces);
            }
        }
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_close(&mut self, _: &mut Context<'_>, id: ConnectionId) -> Poll<()> {
        self.abort(id);
        Poll::Ready(())
    }

    fn abort(&mut self, id: ConnectionId) {
        self.pipes[id.index()] = Pipe::default();
        self.moved = true;
    }
}

/// Kafka's frame around a body.
pub(crate) fn frame(correlation: i32, body: &[u8]) -> Vec<u8> {
    [&(body.len() as u32 + 4).to_be_bytes()[..], &correlation.to_be_bytes(), body].concat()
}

/// The correlation id, API key and version of a request.
pub(crate) fn header(request: &[u8]) -> (i16, i16, i32) {
    let i16_at = |at: usize| i16::from_be_bytes([request[at], request[at + 1]]);
    (i16_at(0), i16_at(2), i32::from_be_bytes([request[4], request[5], request[6], request[7]]))
}

/// The body of an answer to ApiVersions: the newest version of everything, `fetch` of Fetch.
pub(crate) fn api_versions(fetch: i16) -> Vec<u8> {
    // Metadata 7 and no more: leader epochs do not count then
    let newest =
        [(1, fetch), (2, 5), (3, 7), (8, 7), (9, 5), (10, 2), (11, 5), (12, 3), (13, 2), (14, 3), (18, 0), (23, 3)];
    let mut body = vec![0, 0, 0, 0, 0, newest.len() as u8];
    for (api, max) in newest {
        for n in [api, 0i16, max] {
            body.extend(n.to_be_bytes());
        }
    }
    body
}

/// The body of an answer to Metadata: broker 1 at `b:1` leads everything.
pub(crate) fn metadata(topics: &[(&str, Vec<i32>)]) -> Vec<u8> {
    let mut body = Vec::new();
    let string = |body: &mut Vec<u8>, s: &str| {
        body.extend((s.len() as i16).to_be_bytes());
        body.extend(s.bytes());
    };
    let ints = |body: &mut Vec<u8>, ints: &[i32]| ints.iter().for_each(|n| body.extend(n.to_be_bytes()));
    ints(&mut body, &[0, 1, 1]);
    string(&mut body, "b");
    ints(&mut body, &[1]);
    body.extend([0xff; 4]); // no rack, no cluster id
    ints(&mut body, &[1, topics.len() as i32]);
    for (name, partitions) in topics {
        body.extend([0, 0]);
        string(&mut body, name);
        body.push(0);
        ints(&mut body, &[partitions.len() as i32]);
        for &partition in partitions {
            body.extend([0, 0]);
            ints(&mut body, &[partition, 1, 0, 0, 0, 0]);
        }
    }
    body
}
