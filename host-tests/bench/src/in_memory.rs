//! A transport without a network: what is written is answered by the replay.

use crate::replay::{frame, Replay};
use nanokafka::{ConnectionId, Transport, TransportError};
use std::task::{Context, Poll};

/// Connections to a [`Replay`].
pub struct InMemory {
    replay: Replay,
    connections: [Connection; 2],
}

#[derive(Default)]
struct Connection {
    /// Of a request that has not arrived whole.
    request: Vec<u8>,
    answer: Vec<u8>,
    /// `read <= answer.len()`
    read: usize,
}

impl InMemory {
    /// Two connections.
    pub fn new(replay: Replay) -> Self {
        InMemory { replay, connections: Default::default() }
    }
}

impl Transport for InMemory {
    fn connections(&self) -> usize {
        self.connections.len()
    }

    fn poll_connect(
        &mut self,
        _: &mut Context<'_>,
        _: ConnectionId,
        _: &str,
        _: u16,
    ) -> Poll<Result<(), TransportError>> {
        Poll::Ready(Ok(()))
    }

    fn poll_read(
        &mut self,
        _: &mut Context<'_>,
        id: ConnectionId,
        buf: &mut [u8],
    ) -> Poll<Result<usize, TransportError>> {
        let connection = &mut self.connections[id.index()];
        let there = &connection.answer[connection.read..];
        let n = there.len().min(buf.len());
        if n == 0 {
            return Poll::Pending;
        }
        buf[..n].copy_from_slice(&there[..n]);
        connection.read += n;
        if connection.read == connection.answer.len() {
            connection.answer.clear();
            connection.read = 0;
        }
        Poll::Ready(Ok(n))
    }

    fn poll_write(&mut self, _: &mut Context<'_>, id: ConnectionId, buf: &[u8]) -> Poll<Result<usize, TransportError>> {
        let Connection { request, answer, .. } = &mut self.connections[id.index()];
        request.extend_from_slice(buf);
        while let Some((size, rest)) = request.split_first_chunk() {
            let size = u32::from_be_bytes(*size) as usize;
            let Some(body) = rest.get(..size) else { break };
            frame(answer, |out| self.replay.answer(body, out));
            request.drain(..4 + size);
        }
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_close(&mut self, _: &mut Context<'_>, _: ConnectionId) -> Poll<()> {
        Poll::Ready(())
    }

    fn abort(&mut self, id: ConnectionId) {
        self.connections[id.index()] = Connection::default();
    }
}
