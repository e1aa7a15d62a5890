//! A proxy in front of a broker that counts what each client sends and receives.

use std::collections::HashMap;
use std::io::{Error, Read, Result, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, OnceLock};

/// IPv4 and TCP without options.
const HEADERS: u64 = 40;

/// Listens as long as the process lives.
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// Known only after the broker has been told where the proxy is.
    upstream: OnceLock<String>,
    /// Of each client id.
    wire: Mutex<HashMap<String, u64>>,
}

impl Proxy {
    /// On a free port of 127.0.0.1. Connections wait for [`forward_to`](Self::forward_to).
    pub fn start() -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let this = Proxy { port: listener.local_addr()?.port(), shared: Arc::default() };
        let shared = this.shared.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let shared = shared.clone();
                std::thread::spawn(move || shared.connection(client));
            }
        });
        Ok(this)
    }

    /// `host:port` of the proxy.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Where the broker is.
    pub fn forward_to(&self, upstream: &str) {
        // set once: a proxy has one broker
        let _ = self.shared.upstream.set(upstream.to_owned());
    }

    /// Bytes on the wire until now of clients with this id, both ways: payload, and 40 bytes of headers for each message
    /// and for the acknowledgement of each.
    pub fn wire(&self, client_id: &str) -> u64 {
        let wire = self.shared.wire.lock().unwrap_or_else(|poison| poison.into_inner());
        wire.get(client_id).copied().unwrap_or(0)
    }
}

impl Shared {
    fn connection(self: Arc<Self>, mut client: TcpStream) -> Result<()> {
        let mut server = TcpStream::connect(self.upstream.wait())?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let mut first = [0; 1024];
        let n = client.read(&mut first)?;
        let id = client_id(&first[..n]).ok_or_else(|| Error::other("not a request of Kafka"))?;
        server.write_all(&first[..n])?;
        self.count(&id, n);
        let (back, forth) = ((server.try_clone()?, client.try_clone()?), (client, server));
        let this = self.clone();
        let of = id.clone();
        std::thread::spawn(move || this.copy(&of, back.0, back.1));
        self.copy(&id, forth.0, forth.1);
        Ok(())
    }

    fn copy(&self, id: &str, mut from: TcpStream, mut to: TcpStream) {
        let mut buffer = [0; 65_536];
        while let Ok(n @ 1..) = from.read(&mut buffer) {
            self.count(id, n);
            if to.write_all(&buffer[..n]).is_err() {
                break;
            }
        }
        // the other side has gone already, or goes now
        let _ = to.shutdown(Shutdown::Both);
    }

    fn count(&self, id: &str, bytes: usize) {
        let mut wire = self.wire.lock().unwrap_or_else(|poison| poison.into_inner());
        *wire.entry(id.to_owned()).or_default() += bytes as u64 + 2 * HEADERS;
    }
}

/// `size i32 | API i16 | version i16 | correlation i32 | client id: length i16, bytes`
fn client_id(request: &[u8]) -> Option<String> {
    let length = u16::from_be_bytes(*request.get(12..)?.first_chunk()?);
    Some(String::from_utf8_lossy(request.get(14..14 + usize::from(length))?).into_owned())
}
