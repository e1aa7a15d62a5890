//! A peer for the contract of a transport alone.
use super::names::NameServer;
use super::{Port, Stack, StackListener, StackStream, Timely, Weather, World, FAR};
use crate::contract::{NAME, PORT};
use crate::{Listener, Stream};
use nanokafka::Instant;
use std::cell::RefCell;
use std::io::{ErrorKind, Read, Write};
use std::rc::Rc;

/// A peer that keeps what it accepts, or sends back what it gets and ends when the other end does; and a name server.
pub struct Peer {
    listener: StackListener,
    names: NameServer,
    echoes: bool,
    streams: Vec<StackStream>,
    /// Bytes.
    pub echoed: usize,
    /// Echoing streams that have ended.
    pub ends: Vec<Result<(), ErrorKind>>,
}

impl Peer {
    /// At this end of a cable.
    pub fn world(far: Port, echoes: bool) -> World<Peer> {
        let mut stack = Stack::new(far, FAR, Weather::default());
        let names = NameServer::new(&mut stack, NAME, FAR);
        let stack = Rc::new(RefCell::new(stack));
        let listener = StackListener::new(stack.clone(), PORT);
        World::new(stack, Peer { listener, names, echoes, streams: vec![], echoed: 0, ends: vec![] })
    }

    /// Writes on the connection that it has accepted last, and ends it.
    pub fn last_words(&mut self, words: &[u8]) {
        self.streams.pop().expect("a connection").write_all(words).expect("room");
    }

    /// Resets it.
    pub fn reset(&mut self) {
        self.streams.pop().expect("a connection").reset();
    }

    /// Takes no more than it can send back: whether something moved, or the end.
    fn echo(stream: &mut StackStream, echoed: &mut usize) -> Result<bool, Result<(), ErrorKind>> {
        let room = stream.room();
        let mut bytes = [0; 100];
        let room = bytes.len().min(room);
        if room == 0 {
            return Ok(false);
        }
        match stream.read(&mut bytes[..room]) {
            Ok(0) => Err(Ok(())),
            Ok(read) => {
                stream.write_all(&bytes[..read]).map_err(|error| Err(error.kind()))?;
                *echoed += read;
                Ok(true)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(Err(error.kind())),
        }
    }
}

impl Timely for Peer {
    fn turn(&mut self, _: Instant, stack: &Rc<RefCell<Stack>>) -> bool {
        let mut moved = self.names.turn(&mut stack.borrow_mut());
        while let Some(stream) = self.listener.accept() {
            self.streams.push(stream);
            moved = true;
        }
        if self.echoes {
            let Peer { streams, echoed, ends, .. } = self;
            streams.retain_mut(|stream| match Peer::echo(stream, echoed) {
                Ok(echo) => {
                    moved |= echo;
                    true
                }
                Err(end) => {
                    ends.push(end);
                    moved = true;
                    false
                }
            });
        }
        moved
    }

    fn next(&self) -> Instant {
        Instant::NEVER
    }
}
