//! What was produced, and that exactly this is consumed.

use nanokafka::{Header, Record};
use nanokafka_brokers::mock;
use std::collections::BTreeMap;

/// The records of one topic as they were produced; each is crossed off as it is consumed, in order, exactly once.
///
/// Offsets are those of a topic without transactions that was produced to by nobody else: 0, 1, 2 ..
#[derive(Clone, Default)]
pub struct Ledger {
    partitions: BTreeMap<i32, Partition>,
}

#[derive(Clone, Default)]
struct Partition {
    /// By offset.
    produced: Vec<Digest>,
    consumed: usize,
}

/// Of a record: its key and value, and its headers, which do not come with a record larger than the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Digest {
    body: u32,
    headers: u32,
}

impl Ledger {
    /// Notes a record that is sent next to its partition.
    pub fn produced(&mut self, record: &mock::Record<'_>) {
        let headers = record.headers.iter().map(|(key, value)| (key.as_bytes(), *value));
        let digest = Digest { body: body(record.key, record.value), headers: self::headers(headers) };
        self.partitions.entry(record.partition).or_default().produced.push(digest);
    }

    /// Notes what the command `send` of the box makes: `count` records of `bytes`, numbered from `first`.
    pub fn sent(&mut self, partition: i32, count: u64, bytes: usize, first: u64) {
        for number in first..first + count {
            let mut value = format!("{number}:").into_bytes();
            value.resize(value.len().max(bytes), b'x');
            let (key, value) = (number.to_string(), Some(&value[..]));
            let key = Some(key.as_bytes());
            self.produced(&mock::Record { partition, key, value, ..mock::Record::default() });
        }
    }

    /// Crosses a record off.
    ///
    /// # Panics
    /// If it is not the next one of its partition, byte for byte.
    pub fn consumed(&mut self, record: &Record<'_>) {
        let headers = self::headers(record.headers().map(|Header { key, value }| (key, value)));
        self.check(record.partition(), record.offset(), body(record.key(), record.value()), Some(headers));
    }

    /// Crosses a record off whose value came in chunks.
    ///
    /// # Panics
    /// If it is not the next one of its partition.
    pub fn consumed_large(&mut self, partition: i32, offset: i64, key: Option<&[u8]>, value: &[u8]) {
        self.check(partition, offset, body(key, Some(value)), None);
    }

    fn check(&mut self, partition: i32, offset: i64, body: u32, headers: Option<u32>) {
        let entry =
            self.partitions.get_mut(&partition).unwrap_or_else(|| panic!("partition {partition} has no records"));
        assert_eq!(offset, entry.consumed as i64, "the next record of partition {partition}");
        let digest = entry.produced.get(entry.consumed);
        let digest = digest.unwrap_or_else(|| panic!("offset {offset} of partition {partition} was never produced"));
        let same = digest.body == body && headers.is_none_or(|headers| digest.headers == headers);
        assert!(same, "offset {offset} of partition {partition} is not what was produced");
        entry.consumed += 1;
    }

    /// Records that are not crossed off.
    pub fn left(&self) -> usize {
        self.partitions.values().map(|partition| partition.produced.len() - partition.consumed).sum()
    }

    /// The next offset of each partition.
    pub fn positions(&self) -> impl Iterator<Item = (i32, i64)> + '_ {
        self.partitions.iter().map(|(number, partition)| (*number, partition.consumed as i64))
    }
}

/// The digest of a key and a value.
fn body(key: Option<&[u8]>, value: Option<&[u8]>) -> u32 {
    field(field(0, key), value)
}

fn headers<'a>(headers: impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)>) -> u32 {
    headers.fold(0, |digest, (key, value)| field(field(digest, Some(key)), value))
}

/// Null differs from empty, and lengths keep neighbours apart.
fn field(digest: u32, bytes: Option<&[u8]>) -> u32 {
    let length = bytes.map_or(-1, |bytes| bytes.len() as i64);
    let digest = crc32c::crc32c_append(digest, &length.to_be_bytes());
    crc32c::crc32c_append(digest, bytes.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_is_not_empty_and_borders_count() {
        assert_ne!(body(None, None), body(Some(b""), None));
        assert_ne!(body(Some(b"ab"), Some(b"c")), body(Some(b"a"), Some(b"bc")));
        assert_ne!(headers([(&b"a"[..], None)].into_iter()), headers([(&b"a"[..], Some(&b""[..]))].into_iter()));
    }

    #[test]
    #[should_panic(expected = "the next record of partition 0")]
    fn a_gap_is_noticed() {
        let mut ledger = Ledger::default();
        ledger.sent(0, 2, 10, 0);
        ledger.consumed_large(0, 1, Some(b"1"), b"1:xxxxxxxx");
    }

    #[test]
    #[should_panic(expected = "is not what was produced")]
    fn another_value_is_noticed() {
        let mut ledger = Ledger::default();
        ledger.sent(0, 2, 10, 0);
        ledger.consumed_large(0, 0, Some(b"0"), b"0:xxxxxxxx");
        ledger.consumed_large(0, 1, Some(b"1"), b"1:xxxxxxxy");
    }
}
