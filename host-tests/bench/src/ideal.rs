//! The least that reading record batches can cost: their CRC, and each record once, in place.

/// One record.
pub struct Record<'a> {
    /// Within the partition.
    pub offset: i64,
    /// Milliseconds.
    pub timestamp: i64,
    /// `None` is null.
    pub key: Option<&'a [u8]>,
    /// `None` is null.
    pub value: Option<&'a [u8]>,
    /// Their number and they, not parsed.
    pub headers: &'a [u8],
}

/// Records of one batch of magic 2, with a good checksum.
pub struct Records<'a> {
    bytes: &'a [u8],
    base_offset: i64,
    base_timestamp: i64,
}

/// Splits the first batch off `bytes`.
///
/// ```text
/// base offset i64 | length i32 | epoch i32 | magic i8 | crc u32 | attributes i16 | last delta i32 | base timestamp i64
/// max timestamp i64 | producer id i64, epoch i16, sequence i32 | count i32 | records
/// ```
pub fn batch(bytes: &[u8]) -> Option<(Records<'_>, &[u8])> {
    let base_offset = i64::from_be_bytes(*bytes.first_chunk()?);
    let length = u32::from_be_bytes(*bytes.get(8..)?.first_chunk()?) as usize;
    let (batch, rest) = bytes.split_at_checked(12 + length)?;
    let crc = u32::from_be_bytes(*batch.get(17..)?.first_chunk()?);
    let covered = batch.get(21..)?;
    if batch[16] != 2 || crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, covered) as u32 != crc {
        return None;
    }
    let base_timestamp = i64::from_be_bytes(*covered.get(6..)?.first_chunk()?);
    Some((Records { bytes: covered.get(40..)?, base_offset, base_timestamp }, rest))
}

impl<'a> Iterator for Records<'a> {
    type Item = Record<'a>;

    fn next(&mut self) -> Option<Record<'a>> {
        let length = varlong(&mut self.bytes)?;
        let (mut record, rest) = self.bytes.split_at_checked(usize::try_from(length).ok()?)?;
        self.bytes = rest;
        let (_attributes, fields) = record.split_first()?;
        record = fields;
        let timestamp = self.base_timestamp + varlong(&mut record)?;
        let offset = self.base_offset + varlong(&mut record)?;
        let key = nullable(&mut record)?;
        let value = nullable(&mut record)?;
        Some(Record { offset, timestamp, key, value, headers: record })
    }
}

fn nullable<'a>(bytes: &mut &'a [u8]) -> Option<Option<&'a [u8]>> {
    let Ok(length) = usize::try_from(varlong(bytes)?) else { return Some(None) };
    let (field, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(Some(field))
}

/// Zigzag LEB128.
fn varlong(bytes: &mut &[u8]) -> Option<i64> {
    let (mut raw, mut shift) = (0u64, 0);
    loop {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        raw |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some((raw >> 1) as i64 ^ -((raw & 1) as i64));
        }
        shift += 7;
        if shift > 63 {
            return None;
        }
    }
}

#[cfg(test)]
mod tests {
    use nanokafka_scripted::{batch, record};

    #[test]
    fn reads_what_a_batch_holds_and_refuses_a_wrong_checksum() {
        let bytes = batch().record("k", "v").with(record().value(vec![7; 300])).encode(5, 0);
        let two = [&bytes[..], &bytes].concat();
        let (records, rest) = super::batch(&two).expect("a batch");
        let records: Vec<_> = records.collect();
        assert_eq!(rest, bytes);
        assert_eq!(records.iter().map(|record| record.offset).collect::<Vec<_>>(), [5, 6]);
        assert_eq!((records[0].key, records[0].value), (Some(&b"k"[..]), Some(&b"v"[..])));
        assert_eq!((records[1].key, records[1].value.map(<[u8]>::len)), (None, Some(300)));
        assert_eq!(records[1].headers, [0]);
        assert!(super::batch(&batch().record("k", "v").wrong_crc().encode(0, 0)).is_none());
        assert!(super::batch(&bytes[..bytes.len() - 1]).is_none());
    }
}
