//! A client without any logic: bytes out, bytes in.
use crate::wire::Writer;
use crate::{Api, Cluster, Net};
use nanokafka::{ConnectionId, Transport, TransportError};
use std::task::{Context, Poll, Waker};

pub(super) struct Client {
    pub(super) net: Net,
    pub(super) cluster: Cluster,
    pub(super) client_id: &'static str,
    correlation_id: i32,
}

pub(super) fn noop() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

pub(super) fn body(write: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut out = Writer::default();
    write(&mut out);
    out.bytes
}

impl Client {
    pub(super) fn new(cluster: &Cluster) -> Self {
        Client { net: cluster.net(4), cluster: cluster.clone(), client_id: "mcu", correlation_id: 0 }
    }

    /// Connects a connection to a broker and asks ApiVersions.
    pub(super) fn connect(&mut self, connection: u8, node: i32) -> &mut Self {
        assert_eq!(self.try_connect(connection, &format!("b{node}"), 9092), Ok(()));
        self.call_on(connection, Api::ApiVersions, 0, &[]);
        self
    }

    pub(super) fn try_connect(&mut self, connection: u8, host: &str, port: u16) -> Result<(), TransportError> {
        loop {
            match self.net.poll_connect(&mut noop(), ConnectionId::new(connection), host, port) {
                Poll::Ready(result) => return result,
                Poll::Pending => assert!(self.cluster.sleep(), "never connected"),
            }
        }
    }

    pub(super) fn send(&mut self, connection: u8, mut bytes: &[u8]) -> Result<(), TransportError> {
        while !bytes.is_empty() {
            match self.net.poll_write(&mut noop(), ConnectionId::new(connection), bytes) {
                Poll::Ready(n) => bytes = &bytes[n?..],
                Poll::Pending => assert!(self.cluster.tick(nanokafka::Instant::NEVER), "never written"),
            }
        }
        Ok(())
    }

    pub(super) fn request(&mut self, connection: u8, api: Api, version: i16, body: &[u8]) -> i32 {
        self.try_request(connection, api, version, body).unwrap()
    }

    pub(super) fn try_request(
        &mut self,
        connection: u8,
        api: Api,
        version: i16,
        body: &[u8],
    ) -> Result<i32, TransportError> {
        self.correlation_id += 1;
        let mut out = Writer::default();
        out.i16(api as i16).i16(version).i32(self.correlation_id).str(self.client_id);
        if crate::apis::is_flexible(api, version) {
            out.uvarint(0);
        }
        out.raw(body);
        let frame = [&(out.bytes.len() as i32).to_be_bytes()[..], &out.bytes].concat();
        self.send(connection, &frame)?;
        Ok(self.correlation_id)
    }

    /// Whatever can be read now.
    pub(super) fn read(&mut self, connection: u8) -> Result<Vec<u8>, TransportError> {
        let mut bytes = vec![];
        loop {
            let mut buf = [0; 4096];
            match self.net.poll_read(&mut noop(), ConnectionId::new(connection), &mut buf) {
                Poll::Ready(Ok(0)) | Poll::Pending => return Ok(bytes),
                Poll::Ready(Ok(n)) => bytes.extend_from_slice(&buf[..n]),
                Poll::Ready(Err(error)) => return Err(error),
            }
        }
    }

    /// The next whole frame; time passes until it is there. `None`: the peer's end.
    pub(super) fn frame(&mut self, connection: u8) -> Option<Vec<u8>> {
        let mut bytes = vec![];
        let mut need = 4;
        loop {
            let mut buf = vec![0; need - bytes.len()];
            match self.net.poll_read(&mut noop(), ConnectionId::new(connection), &mut buf) {
                Poll::Ready(Ok(0)) | Poll::Ready(Err(_)) => return None,
                Poll::Ready(Ok(n)) => bytes.extend_from_slice(&buf[..n]),
                Poll::Pending => assert!(self.cluster.tick(nanokafka::Instant::NEVER), "never answered"),
            }
            if bytes.len() == 4 {
                need = 4 + u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) as usize;
            }
            if bytes.len() == need {
                return Some(bytes);
            }
        }
    }

    /// The body of the answer, after the correlation id.
    pub(super) fn call_on(&mut self, connection: u8, api: Api, version: i16, body: &[u8]) -> Vec<u8> {
        let correlation_id = self.request(connection, api, version, body);
        let frame = self.frame(connection).expect("an answer");
        assert_eq!(frame[4..8], correlation_id.to_be_bytes());
        frame[8 + usize::from(crate::apis::is_flexible(api, version))..].to_vec()
    }

    pub(super) fn call(&mut self, api: Api, version: i16, body: &[u8]) -> Vec<u8> {
        self.call_on(0, api, version, body)
    }
}

/// A Fetch v11 of one partition, without session.
pub(super) fn fetch(topic: &str, offset: i64, max_wait: i32, min_bytes: i32, max_bytes: i32) -> Vec<u8> {
    body(|out| {
        out.i32(-1).i32(max_wait).i32(min_bytes).i32(max_bytes).i8(0).i32(0).i32(-1);
        out.count(1).str(topic).count(1).i32(0).i32(-1).i64(offset).i64(-1).i32(max_bytes);
        out.count(0).str("");
    })
}
