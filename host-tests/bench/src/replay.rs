//! A broker that knows one topic and repeats one batch: all of its work is done before the client asks.

use nanokafka_scripted::batch;
use std::io::{ErrorKind, Read, Result, Write};
use std::net::{TcpListener, TcpStream};

/// The topic that it has.
pub const TOPIC: &str = "replayed";

/// Java's default `batch.size`.
pub const BATCH: usize = 16_384;

/// Of a partition in an answer, whoever asks: librdkafka's default `max.partition.fetch.bytes`.
const PARTITION_BYTES: usize = 1 << 20;

/// `(api, lowest version, highest version)`: what a client of today needs to read without a group. librdkafka wants to
/// hear of Produce (0) before it believes in batches of magic 2.
const APIS: [(i16, i16, i16); 6] = [(0, 3, 7), (1, 4, 11), (2, 1, 5), (3, 0, 7), (10, 0, 2), (18, 0, 0)];

/// `UNSUPPORTED_VERSION`.
const UNSUPPORTED_VERSION: i16 = 35;
/// `COORDINATOR_NOT_AVAILABLE`: there are no groups here, but librdkafka's consumer insists on one.
const NO_COORDINATOR: i16 = 15;

/// The log of every partition, and the answer to every request about it.
#[derive(Clone)]
pub struct Replay {
    partitions: i32,
    port: u16,
    batch: Vec<u8>,
    /// Records of a batch.
    pub per_batch: i64,
    /// Offset behind the last record.
    pub end: i64,
}

impl Replay {
    /// Partitions of `records` records each, at least, with values of `size` bytes in batches of [`BATCH`] bytes.
    pub fn new(partitions: i32, size: usize, records: i64) -> Self {
        let encoded = |n| batch().fill(n, size).encode(0, 0);
        let n = (1..).take_while(|&n| encoded(n).len() <= BATCH).last().expect("a record is smaller than a batch");
        let per_batch = n as i64;
        let batches = (records + per_batch - 1) / per_batch;
        Replay { partitions, port: 1, batch: encoded(n), per_batch, end: batches * per_batch }
    }

    /// One batch, as at offset 0.
    pub fn batch(&self) -> &[u8] {
        &self.batch
    }

    /// Appends the answer to a request, both without their sizes. Nothing is appended where there is nothing to say: a
    /// fetch at the end of the log waits for ever.
    pub fn answer(&self, request: &[u8], out: &mut Vec<u8>) {
        let start = out.len();
        let mut request = Reader(request);
        let (api, version, correlation) = (request.i16(), request.i16(), request.take(4));
        let client_id = request.i16();
        request.take(client_id.max(0) as usize);
        out.extend_from_slice(correlation);
        match api {
            1 => {
                if !self.fetch(&mut request, version, out) {
                    out.truncate(start);
                }
            }
            2 => self.list_offsets(&mut request, version, out),
            3 => self.metadata(version, out),
            10 => {
                match version {
                    0 => put(out, &[&NO_COORDINATOR.to_be_bytes()]),
                    _ => put(out, &[&0i32.to_be_bytes(), &NO_COORDINATOR.to_be_bytes(), &(-1i16).to_be_bytes()]),
                }
                put(out, &[&(-1i32).to_be_bytes(), &0i16.to_be_bytes(), &(-1i32).to_be_bytes()]);
            }
            18 => {
                let error = if version > 0 { UNSUPPORTED_VERSION } else { 0 };
                put(out, &[&error.to_be_bytes(), &(APIS.len() as i32).to_be_bytes()]);
                for (api, lowest, highest) in APIS {
                    put(out, &[&api.to_be_bytes(), &lowest.to_be_bytes(), &highest.to_be_bytes()]);
                }
            }
            other => panic!("API {other} is not replayed"),
        }
    }

    fn metadata(&self, version: i16, out: &mut Vec<u8>) {
        if version >= 3 {
            put(out, &[&0i32.to_be_bytes()]);
        }
        put(out, &[&1i32.to_be_bytes(), &1i32.to_be_bytes()]);
        string(out, "127.0.0.1");
        put(out, &[&i32::from(self.port).to_be_bytes()]);
        if version >= 1 {
            put(out, &[&(-1i16).to_be_bytes()]); // rack
        }
        if version >= 2 {
            string(out, "replay"); // cluster
        }
        if version >= 1 {
            put(out, &[&1i32.to_be_bytes()]); // controller
        }
        put(out, &[&1i32.to_be_bytes(), &0i16.to_be_bytes()]);
        string(out, TOPIC);
        if version >= 1 {
            put(out, &[&[0]]); // not internal
        }
        put(out, &[&self.partitions.to_be_bytes()]);
        for partition in 0..self.partitions {
            put(out, &[&0i16.to_be_bytes(), &partition.to_be_bytes(), &1i32.to_be_bytes()]);
            if version >= 7 {
                put(out, &[&0i32.to_be_bytes()]); // leader epoch
            }
            for _replicas_then_isr in 0..2 {
                put(out, &[&1i32.to_be_bytes(), &1i32.to_be_bytes()]);
            }
            if version >= 5 {
                put(out, &[&0i32.to_be_bytes()]); // offline replicas
            }
        }
    }

    /// v1 to v5, of one topic.
    fn list_offsets(&self, request: &mut Reader<'_>, version: i16, out: &mut Vec<u8>) {
        request.take(if version >= 2 { 5 } else { 4 }); // replica, isolation level
        let partitions = request.topic();
        if version >= 2 {
            put(out, &[&0i32.to_be_bytes()]);
        }
        put(out, &[&1i32.to_be_bytes()]);
        string(out, TOPIC);
        put(out, &[&partitions.to_be_bytes()]);
        for _ in 0..partitions {
            let partition = request.i32();
            if version >= 4 {
                request.take(4);
            }
            let offset = if request.i64() == -2 { 0 } else { self.end };
            put(out, &[&partition.to_be_bytes(), &0i16.to_be_bytes(), &(-1i64).to_be_bytes(), &offset.to_be_bytes()]);
            if version >= 4 {
                put(out, &[&0i32.to_be_bytes()]);
            }
        }
    }

    /// v4 to v11, of one topic. False if no partition has anything to say.
    fn fetch(&self, request: &mut Reader<'_>, version: i16, out: &mut Vec<u8>) -> bool {
        // replica, max wait, min bytes, max bytes, isolation level; session and its epoch
        request.take(17 + if version >= 7 { 8 } else { 0 });
        let topics = request.i32();
        if topics == 0 {
            return false;
        }
        let partitions = request.topic_row();
        put(out, &[&0i32.to_be_bytes()]);
        if version >= 7 {
            put(out, &[&0i16.to_be_bytes(), &0i32.to_be_bytes()]);
        }
        put(out, &[&1i32.to_be_bytes()]);
        string(out, TOPIC);
        put(out, &[&partitions.to_be_bytes()]);
        let mut something = false;
        for _ in 0..partitions {
            let partition = request.i32();
            if version >= 9 {
                request.take(4); // leader epoch
            }
            let offset = request.i64();
            request.take(if version >= 5 { 12 } else { 4 }); // log start, size
            let rest = (self.end - offset) / self.per_batch;
            let batches = rest.clamp(0, (PARTITION_BYTES / self.batch.len()) as i64);
            put(out, &[&partition.to_be_bytes(), &0i16.to_be_bytes(), &self.end.to_be_bytes()]);
            put(out, &[&self.end.to_be_bytes()]);
            if version >= 5 {
                put(out, &[&0i64.to_be_bytes()]);
            }
            put(out, &[&0i32.to_be_bytes()]); // aborted transactions
            if version >= 11 {
                put(out, &[&(-1i32).to_be_bytes()]); // preferred replica
            }
            put(out, &[&(batches as i32 * self.batch.len() as i32).to_be_bytes()]);
            let first = offset - offset % self.per_batch;
            for batch in 0..batches {
                let base = first + batch * self.per_batch;
                put(out, &[&base.to_be_bytes(), &self.batch[8..]]); // not covered by the CRC
            }
            something |= batches > 0;
        }
        something
    }

    /// Listens on a free port of 127.0.0.1, for as long as the process lives, and returns `host:port`.
    pub fn serve(mut self) -> Result<String> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let address = listener.local_addr()?;
        self.port = address.port();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let this = self.clone();
                std::thread::spawn(move || this.connection(stream));
            }
        });
        Ok(address.to_string())
    }

    fn connection(&self, mut stream: TcpStream) -> Result<()> {
        stream.set_nodelay(true)?;
        let (mut request, mut answer) = (vec![], vec![]);
        loop {
            let mut size = [0; 4];
            stream.read_exact(&mut size)?;
            request.resize(u32::from_be_bytes(size) as usize, 0);
            stream.read_exact(&mut request)?;
            answer.clear();
            frame(&mut answer, |out| self.answer(&request, out));
            if !answer.is_empty() {
                stream.write_all(&answer).or_else(|error| match error.kind() {
                    ErrorKind::BrokenPipe | ErrorKind::ConnectionReset => Ok(()),
                    _ => Err(error),
                })?;
            }
        }
    }
}

/// Appends what `write` appends, with its size before it; nothing if that is nothing.
pub fn frame(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    write(out);
    let size = out.len() - start - 4;
    match size {
        0 => out.truncate(start),
        _ => out[start..start + 4].copy_from_slice(&(size as u32).to_be_bytes()),
    }
}

fn put(out: &mut Vec<u8>, fields: &[&[u8]]) {
    fields.iter().for_each(|field| out.extend_from_slice(field));
}

fn string(out: &mut Vec<u8>, text: &str) {
    put(out, &[&(text.len() as i16).to_be_bytes(), text.as_bytes()]);
}

/// Panics where a request is cut: both clients are known to send whole ones.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, n: usize) -> &'a [u8] {
        let (head, rest) = self.0.split_at(n);
        self.0 = rest;
        head
    }

    fn i16(&mut self) -> i16 {
        i16::from_be_bytes(self.take(2).try_into().expect("two bytes"))
    }

    fn i32(&mut self) -> i32 {
        i32::from_be_bytes(self.take(4).try_into().expect("four bytes"))
    }

    fn i64(&mut self) -> i64 {
        i64::from_be_bytes(self.take(8).try_into().expect("eight bytes"))
    }

    /// The number of topics, which must be 1, its name, and the number of its partitions.
    fn topic(&mut self) -> i32 {
        assert_eq!(self.i32(), 1, "topics");
        self.topic_row()
    }

    fn topic_row(&mut self) -> i32 {
        let name = self.i16();
        self.take(name as usize);
        self.i32()
    }
}
