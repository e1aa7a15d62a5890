//! Record batches v2 and legacy message sets as producers and log cleaners leave them (KIP-98, KIP-534).
use crate::wire::Writer;

/// Attribute bits of a batch.
const LOG_APPEND_TIME: i16 = 1 << 3;
const TRANSACTIONAL: i16 = 1 << 4;
const CONTROL: i16 = 1 << 5;
const DELETE_HORIZON: i16 = 1 << 6;

/// One record, to be built and to be compared with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// Within the partition; counted from the batch's base while building.
    pub offset: i64,
    /// Milliseconds; what a consumer reports.
    pub timestamp: i64,
    /// `None` is null.
    pub key: Option<Vec<u8>>,
    /// `None` is a tombstone.
    pub value: Option<Vec<u8>>,
    /// In order, repeated names included.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

/// An empty record with null key and value.
pub fn record() -> Record {
    Record { offset: -1, timestamp: i64::MIN, ..Record::default() }
}

impl Record {
    /// Sets the key.
    pub fn key(mut self, key: impl AsRef<[u8]>) -> Self {
        self.key = Some(key.as_ref().to_vec());
        self
    }

    /// Sets the value.
    pub fn value(mut self, value: impl AsRef<[u8]>) -> Self {
        self.value = Some(value.as_ref().to_vec());
        self
    }

    /// Adds a header.
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.into(), Some(value.as_ref().to_vec())));
        self
    }

    /// Adds a header whose value is null.
    pub fn null_header(mut self, name: &str) -> Self {
        self.headers.push((name.into(), None));
        self
    }

    /// Sets the timestamp; otherwise it is the batch's.
    pub fn timestamp(mut self, millis: i64) -> Self {
        self.timestamp = millis;
        self
    }

    /// Leaves a gap before this record: its offset is the batch's base plus `delta`.
    pub fn delta(mut self, delta: i64) -> Self {
        self.offset = delta;
        self
    }
}

/// What is appended at once: a record batch of magic 2, a legacy message set, or bytes of one's own.
#[derive(Clone, Debug)]
pub struct Batch {
    pub(crate) records: Vec<Record>,
    pub(crate) base_offset: Option<i64>,
    pub(crate) last_offset_delta: Option<i32>,
    pub(crate) leader_epoch: Option<i32>,
    pub(crate) producer_id: i64,
    producer_epoch: i16,
    sequence: i32,
    timestamp: i64,
    append_time: Option<i64>,
    attributes: i16,
    magic: i8,
    opaque: Option<Vec<u8>>,
    records_count: Option<i32>,
    wrong_crc: bool,
    marker: Option<Marker>,
    patches: Vec<(usize, Vec<u8>)>,
}

/// How a transaction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marker {
    /// Its records are not to be delivered to read_committed consumers.
    Abort,
    /// Its records stand.
    Commit,
}

/// An empty batch of magic 2, to be filled.
pub fn batch() -> Batch {
    Batch {
        records: vec![],
        base_offset: None,
        last_offset_delta: None,
        leader_epoch: None,
        producer_id: -1,
        producer_epoch: -1,
        sequence: -1,
        timestamp: 1_767_225_600_000,
        append_time: None,
        attributes: 0,
        magic: 2,
        opaque: None,
        records_count: None,
        wrong_crc: false,
        marker: None,
        patches: vec![],
    }
}

/// The control batch that ends a producer's transaction.
pub fn marker(marker: Marker, producer_id: i64) -> Batch {
    let kind = [0, 0, 0, u8::from(marker == Marker::Commit)];
    batch().with(record().key(kind).value([0; 6])).producer(producer_id, 0, -1).transactional().control(marker)
}

impl Batch {
    /// Adds a record with this key and value.
    pub fn record(self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.with(record().key(key).value(value))
    }

    /// Adds a record.
    pub fn with(mut self, mut record: Record) -> Self {
        if record.offset < 0 {
            record.offset = self.records.last().map_or(0, |last| last.offset + 1);
        }
        if record.timestamp == i64::MIN {
            record.timestamp = self.timestamp;
        }
        self.records.push(record);
        self
    }

    /// Adds `n` records with keys `k<i>` and values of `size` bytes that differ.
    pub fn fill(mut self, n: usize, size: usize) -> Self {
        for _ in 0..n {
            let i = self.records.len();
            self = self.record(format!("k{i}"), (0..size).map(|at| (at * 31 + i * 7) as u8).collect::<Vec<_>>());
        }
        self
    }

    /// Base timestamp, and that of records added from here on without one.
    pub fn timestamp(mut self, millis: i64) -> Self {
        self.timestamp = millis;
        self
    }

    /// The broker's time: every record has this timestamp, whatever its producer said.
    pub fn log_append_time(mut self, millis: i64) -> Self {
        self.attributes |= LOG_APPEND_TIME;
        self.append_time = Some(millis);
        self
    }

    /// An idempotent producer's numbers.
    pub fn producer(mut self, id: i64, epoch: i16, sequence: i32) -> Self {
        (self.producer_id, self.producer_epoch, self.sequence) = (id, epoch, sequence);
        self
    }

    /// Part of its producer's open transaction.
    pub fn transactional(mut self) -> Self {
        self.attributes |= TRANSACTIONAL;
        self
    }

    pub(crate) fn control(mut self, marker: Marker) -> Self {
        self.attributes |= CONTROL;
        self.marker = Some(marker);
        self
    }

    /// The log cleaner's delete horizon (KIP-534): deltas are then relative to the horizon.
    pub fn delete_horizon(mut self, millis: i64) -> Self {
        self.attributes |= DELETE_HORIZON;
        self.timestamp = millis;
        self
    }

    /// Where the batch begins, after a gap that compaction left; otherwise at the log's end.
    pub fn at(mut self, base_offset: i64) -> Self {
        self.base_offset = Some(base_offset);
        self
    }

    /// The last offset the batch ever had, when compaction removed the records at its end (or all of them).
    pub fn last_offset_delta(mut self, delta: i32) -> Self {
        self.last_offset_delta = Some(delta);
        self
    }

    /// The leader's epoch at the append; otherwise the partition's current one.
    pub fn leader_epoch(mut self, epoch: i32) -> Self {
        self.leader_epoch = Some(epoch);
        self
    }

    /// Codec bits (1 gzip, 2 snappy, 3 lz4, 4 zstd, 5 to 7 reserved) over bytes nobody looks into; `records_count` and
    /// offsets stay those of the records added.
    pub fn codec(mut self, codec: u8, compressed: impl AsRef<[u8]>) -> Self {
        self.attributes |= i16::from(codec & 7);
        self.opaque = Some(compressed.as_ref().to_vec());
        self
    }

    /// Bytes after the batch header in place of the records; the CRC covers them.
    pub fn raw_records(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.opaque = Some(bytes.as_ref().to_vec());
        self
    }

    /// A `records_count` that need not be true.
    pub fn records_count(mut self, count: i32) -> Self {
        self.records_count = Some(count);
        self
    }

    /// One bit of the checksum is wrong.
    pub fn wrong_crc(mut self) -> Self {
        self.wrong_crc = true;
        self
    }

    /// 0 or 1: a legacy message set (no compression, no headers). Others only change the magic byte.
    pub fn magic(mut self, magic: i8) -> Self {
        self.magic = magic;
        self
    }

    /// Overwrites bytes of the finished batch, from `at` on, after the checksum was made.
    pub fn patch(mut self, at: usize, bytes: impl AsRef<[u8]>) -> Self {
        self.patches.push((at, bytes.as_ref().to_vec()));
        self
    }

    pub(crate) fn last_delta(&self) -> i64 {
        let last = self.records.last().map_or(0, |record| record.offset);
        self.last_offset_delta.map_or(last, i64::from)
    }

    pub(crate) fn is_transactional(&self) -> bool {
        self.attributes & TRANSACTIONAL != 0
    }

    pub(crate) fn ends(&self) -> Option<Marker> {
        self.marker
    }

    pub(crate) fn max_timestamp(&self) -> i64 {
        self.append_time.or_else(|| self.records.iter().map(|record| record.timestamp).max()).unwrap_or(-1)
    }

    /// What a consumer of this batch is given, once it is at `base`. Nothing of a control batch or of opaque bytes.
    pub(crate) fn delivered(&self, base: i64) -> Vec<Record> {
        if self.marker.is_some() || self.opaque.is_some() {
            return vec![];
        }
        let delivered = |record: &Record| Record {
            offset: base + record.offset,
            timestamp: self.append_time.unwrap_or(record.timestamp),
            ..record.clone()
        };
        self.records.iter().map(delivered).collect()
    }

    /// The bytes in the log, as the broker stores them.
    pub fn encode(&self, base: i64, leader_epoch: i32) -> Vec<u8> {
        let mut bytes = if self.magic < 2 { self.encode_legacy(base) } else { self.encode_v2(base, leader_epoch) };
        for (at, patch) in &self.patches {
            bytes[*at..*at + patch.len()].copy_from_slice(patch);
        }
        bytes
    }

    fn encode_v2(&self, base: i64, leader_epoch: i32) -> Vec<u8> {
        let mut records = Writer::default();
        match &self.opaque {
            Some(opaque) => {
                records.raw(opaque);
            }
            None => self.records.iter().for_each(|record| self.encode_record(record, &mut records)),
        }
        let base_timestamp = if self.records.is_empty() && self.attributes & DELETE_HORIZON == 0 {
            -1
        } else if self.attributes & DELETE_HORIZON != 0 {
            self.timestamp
        } else {
            self.records.first().map_or(self.timestamp, |first| first.timestamp)
        };
        let mut tail = Writer::default();
        tail.i16(self.attributes).i32(self.last_delta() as i32).i64(base_timestamp).i64(self.max_timestamp());
        tail.i64(self.producer_id).i16(self.producer_epoch).i32(self.sequence);
        tail.i32(self.records_count.unwrap_or(self.records.len() as i32)).raw(&records.bytes);
        let crc = crc32c::crc32c(&tail.bytes) ^ u32::from(self.wrong_crc);
        let mut batch = Writer::default();
        batch
            .i64(base)
            .i32(tail.bytes.len() as i32 + 9)
            .i32(leader_epoch)
            .i8(self.magic)
            .i32(crc as i32)
            .raw(&tail.bytes);
        batch.bytes
    }

    fn encode_record(&self, record: &Record, out: &mut Writer) {
        let base_timestamp = if self.attributes & DELETE_HORIZON != 0 {
            self.timestamp
        } else {
            self.records.first().map_or(self.timestamp, |first| first.timestamp)
        };
        let mut body = Writer::default();
        body.i8(0).varint(record.timestamp - base_timestamp).varint(record.offset);
        for field in [&record.key, &record.value] {
            nullable(&mut body, field.as_deref());
        }
        body.varint(record.headers.len() as i64);
        for (name, value) in &record.headers {
            nullable(&mut body, Some(name.as_bytes()));
            nullable(&mut body, value.as_deref());
        }
        out.varint(body.bytes.len() as i64).raw(&body.bytes);
    }

    /// Entries of magic 0 and 1: offset, size, CRC-32 (IEEE), magic, attributes, timestamp from 1 on, key, value.
    fn encode_legacy(&self, base: i64) -> Vec<u8> {
        let mut out = Writer::default();
        for record in &self.records {
            let mut body = Writer::default();
            body.i8(self.magic).i8((self.attributes & 0xf) as i8);
            if self.magic == 1 {
                body.i64(record.timestamp);
            }
            for field in [&record.key, &record.value] {
                match field {
                    Some(field) => body.bytes(field),
                    None => body.i32(-1),
                };
            }
            let crc = crc32(&body.bytes) ^ u32::from(self.wrong_crc);
            out.i64(base + record.offset).i32(body.bytes.len() as i32 + 4).i32(crc as i32).raw(&body.bytes);
        }
        out.bytes
    }
}

fn nullable(out: &mut Writer, field: Option<&[u8]>) {
    match field {
        Some(field) => out.varint(field.len() as i64).raw(field),
        None => out.varint(-1),
    };
}

/// CRC-32 (IEEE), bit by bit: legacy batches of tests are short.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| (crc >> 1) ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crc_32_of_the_check_string() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn an_emptied_batch_has_49_bytes_after_its_length() {
        let bytes = batch().last_offset_delta(1).encode(0, 0);
        assert_eq!((bytes.len(), &bytes[8..12], &bytes[23..27]), (61, &[0, 0, 0, 49][..], &[0, 0, 0, 1][..]));
        assert_eq!(&bytes[27..43], [0xff; 16]);
    }
}
