//! Requests as functions that put bytes: run once to count them, and once for each fill of the send buffer. So a request of any
//! size, with fields of any size, leaves through a small buffer, and nothing is kept but how many of its bytes have left.
use super::primitives::{copy, Flexible};
use crate::Api;

/// One pass over a request.
pub(crate) struct Encoder<'a> {
    /// For the bytes from `skip` on, as many as fit.
    window: &'a mut [u8],
    skip: usize,
    /// Bytes that were put.
    len: usize,
    /// How many of them stand before the last mark that fits.
    marked: usize,
    flexible: Flexible,
}

impl<'a> Encoder<'a> {
    /// To learn the size.
    pub fn count() -> Self {
        Encoder { window: &mut [], skip: 0, len: 0, marked: 0, flexible: Flexible::new(false) }
    }

    /// To write what follows the first `skip` bytes.
    pub fn fill(window: &'a mut [u8], skip: usize) -> Self {
        Encoder { window, skip, len: 0, marked: 0, flexible: Flexible::new(false) }
    }

    /// Bytes of the whole request.
    pub fn size(&self) -> usize {
        self.len
    }

    /// Between two passes what comes next may change, and what comes between two marks leaves in one piece.
    pub fn mark(&mut self) {
        if self.len <= self.end() {
            self.marked = self.len;
        }
    }

    /// Bytes of this pass that may leave. What stands between two marks that are further apart than the window does not change.
    pub fn written(&self) -> usize {
        let end =
            if self.len <= self.end() || self.marked <= self.skip { self.len.min(self.end()) } else { self.marked };
        end.saturating_sub(self.skip)
    }

    fn end(&self) -> usize {
        self.skip.saturating_add(self.window.len())
    }

    /// The header of a request whose frame has `size` bytes after the size itself.
    pub fn header(&mut self, size: u32, api: Api, version: i16, correlation: i32, client_id: &str) {
        self.i32(size as i32).i16(api as i16).i16(version).i32(correlation).str(client_id);
        // the client's id is written the old way in all of them
        self.flexible = super::flexible(api, version);
        self.tags();
    }

    fn put(&mut self, bytes: &[u8]) -> &mut Self {
        let (before, inside) = (self.skip.saturating_sub(self.len), self.len.saturating_sub(self.skip));
        if let (Some(bytes), Some(room)) = (bytes.get(before..), self.window.get_mut(inside..)) {
            copy(room, bytes);
        }
        self.len = self.len.saturating_add(bytes.len());
        self
    }
    pub fn i8(&mut self, n: i8) -> &mut Self {
        self.put(&n.to_be_bytes())
    }
    pub fn i16(&mut self, n: i16) -> &mut Self {
        self.put(&n.to_be_bytes())
    }
    pub fn i32(&mut self, n: i32) -> &mut Self {
        self.put(&n.to_be_bytes())
    }
    pub fn i64(&mut self, n: i64) -> &mut Self {
        self.put(&n.to_be_bytes())
    }
    pub fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.put(bytes)
    }
    /// Whether the request is of a flexible version.
    pub fn is_flexible(&self) -> bool {
        self.flexible.is()
    }
    /// The length of an array.
    pub fn array(&mut self, n: i32) -> &mut Self {
        match self.flexible.is() {
            true => self.length(n as u32),
            false => self.i32(n),
        }
    }
    /// A string of at most 32,767 bytes: what is longer was refused before.
    pub fn str(&mut self, s: &str) -> &mut Self {
        match self.flexible.is() {
            true => self.length(s.len() as u32),
            false => self.i16(s.len() as i16),
        }
        .put(s.as_bytes())
    }
    /// An array of strings.
    #[cfg(feature = "group")]
    #[inline(never)] // each of those who subscribe would have one of its own
    pub fn strings<'s>(&mut self, strings: impl Iterator<Item = &'s str> + Clone) {
        self.array(strings.clone().count() as i32);
        for string in strings {
            self.str(string);
        }
    }
    /// A string whose empty form is null.
    pub fn nullable(&mut self, s: &str) -> &mut Self {
        match s {
            "" => self.null(),
            s => self.str(s),
        }
    }
    /// No string; in flexible versions no array either.
    pub fn null(&mut self) -> &mut Self {
        match self.flexible.is() {
            true => self.i8(0),
            false => self.i16(-1),
        }
    }
    /// No tagged fields, behind each structure of a flexible version.
    pub fn tags(&mut self) -> &mut Self {
        match self.flexible.is() {
            true => self.i8(0),
            false => self,
        }
    }
    /// As flexible versions write it: one more.
    fn length(&mut self, n: u32) -> &mut Self {
        let mut rest = n.saturating_add(1);
        while rest >= 0x80 {
            self.i8((rest | 0x80) as i8);
            rest >>= 7;
        }
        self.i8(rest as i8)
    }
}

/// Topics and partitions of each, as the blobs of a group's members have them.
#[cfg(feature = "group")]
pub(crate) trait Partitions<'a>: Iterator<Item = (&'a str, Self::Of)> + Clone {
    /// Those of one topic.
    type Of: Iterator<Item = u32> + Clone;
}

#[cfg(feature = "group")]
impl<'a, O: Iterator<Item = u32> + Clone, T: Iterator<Item = (&'a str, O)> + Clone> Partitions<'a> for T {
    type Of = O;
}

/// Array of (topic, array of partition), of `count` topics.
#[cfg(feature = "group")]
pub(crate) fn put_partitions<'a>(e: &mut Encoder<'_>, count: i32, topics: impl Partitions<'a>) {
    e.i32(count);
    for (name, partitions) in topics {
        e.str(name).i32(partitions.clone().count() as i32);
        for partition in partitions {
            e.i32(partition as i32);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(e: &mut Encoder<'_>) {
        e.header(36, Api::Metadata, 7, 5, "mcu");
        e.str("alpha").str("beta").str("gamma").nullable("").i8(1);
    }

    #[test]
    fn leaves_through_any_buffer() {
        let mut counted = Encoder::count();
        request(&mut counted);
        let size = counted.size();
        let mut whole = [0xaa; 64];
        request(&mut Encoder::fill(&mut whole, 0));
        assert_eq!((size, &whole[4..12], whole[size]), (40, &[0, 3, 0, 7, 0, 0, 0, 5][..], 0xaa));
        for room in 1..size {
            let mut bytes = std::vec::Vec::new();
            while bytes.len() < size {
                let mut buf = std::vec![0x55; room];
                let mut e = Encoder::fill(&mut buf, bytes.len());
                request(&mut e);
                assert_eq!(e.size(), size);
                let n = e.written();
                bytes.extend_from_slice(&buf[..n]);
            }
            assert_eq!(bytes, whole[..size]);
        }
    }

    #[test]
    fn what_stands_between_marks_leaves_in_one_piece() {
        let rows = |e: &mut Encoder<'_>, n: i64| {
            for _ in 0..4 {
                e.i64(n).mark();
            }
        };
        for room in 8..32 {
            let (mut bytes, mut pass) = (std::vec::Vec::new(), 0);
            while bytes.len() < 32 {
                let mut buf = std::vec![0x55; room];
                let mut e = Encoder::fill(&mut buf, bytes.len());
                rows(&mut e, pass * 0x0101_0101_0101_0101);
                let n = e.written();
                bytes.extend_from_slice(&buf[..n]);
                pass += 1;
            }
            assert!(bytes.chunks(8).all(|row| row.iter().all(|byte| *byte == row[0])), "{room}: {bytes:?}");
        }
    }
}
