//! Requests: written item by item, so that a request of any size leaves through a small send buffer.
//! The same function runs once to count and then once for each fill of the buffer; items of earlier fills are passed over.
use super::primitives::copy;
use crate::Api;

/// One pass over a request's items.
pub(crate) struct Encoder<'a> {
    buf: &'a mut [u8],
    counting: bool,
    /// Bytes put; when counting without limit, otherwise at most `buf.len()` after each item.
    len: usize,
    /// Items that were written, in this pass and before it.
    written: u32,
    items: u32,
    full: bool,
    /// Bytes of the largest item.
    largest: usize,
}

impl<'a> Encoder<'a> {
    /// To learn the size.
    pub fn count() -> Self {
        Encoder { buf: &mut [], counting: true, len: 0, written: 0, items: 0, full: false, largest: 0 }
    }

    /// To write the items after the first `written`, as many as fit `buf`.
    pub fn fill(buf: &'a mut [u8], written: u32) -> Self {
        Encoder { buf, counting: false, len: 0, written, items: 0, full: false, largest: 0 }
    }

    /// `(bytes, items written, bytes of the largest item)`.
    pub fn end(self) -> (usize, u32, usize) {
        (self.len, self.written, self.largest)
    }

    /// Bytes that are written together or not at all.
    pub fn item(&mut self, write: impl FnOnce(&mut Self)) {
        self.items = self.items.saturating_add(1);
        if self.full || (!self.counting && self.items <= self.written) {
            return;
        }
        let before = self.len;
        write(self);
        self.largest = self.largest.max(self.len.saturating_sub(before));
        if self.counting {
        } else if self.len > self.buf.len() {
            (self.len, self.full) = (before, true);
        } else {
            self.written = self.items;
        }
    }

    /// The header of a request whose frame has `size` bytes after the size itself.
    pub fn header(&mut self, size: u32, api: Api, version: i16, correlation: i32, client_id: &str) {
        self.item(|e| {
            e.i32(size as i32).i16(api as i16).i16(version).i32(correlation).str(client_id);
        });
    }

    fn put(&mut self, bytes: &[u8]) -> &mut Self {
        let end = self.len.saturating_add(bytes.len());
        if let Some(room) = self.buf.get_mut(self.len..end) {
            copy(room, bytes);
        }
        self.len = end;
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
    /// A string of at most 32,767 bytes: what is longer was refused before.
    pub fn str(&mut self, s: &str) -> &mut Self {
        self.i16(s.len() as i16).put(s.as_bytes())
    }
    /// A string whose empty form is null.
    pub fn nullable(&mut self, s: &str) -> &mut Self {
        match s {
            "" => self.i16(-1),
            s => self.str(s),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(e: &mut Encoder<'_>) {
        e.header(39, Api::Metadata, 7, 5, "mcu");
        for name in ["alpha", "beta", "gamma"] {
            e.item(|e| {
                e.str(name);
            });
        }
        e.item(|e| {
            e.nullable("").i8(1);
        });
    }

    #[test]
    fn leaves_through_any_buffer_that_holds_the_largest_item() {
        let mut counted = Encoder::count();
        request(&mut counted);
        let (size, _, largest) = counted.end();
        let mut whole = [0xaa; 64];
        let mut e = Encoder::fill(&mut whole, 0);
        request(&mut e);
        assert_eq!(e.end(), (size, 5, largest));
        for room in largest..size {
            let (mut bytes, mut written) = (std::vec::Vec::new(), 0);
            while bytes.len() < size {
                let mut buf = std::vec![0x55; room];
                let mut e = Encoder::fill(&mut buf, written);
                request(&mut e);
                let (len, items, _) = e.end();
                assert!(len > 0, "no progress with {room} bytes");
                (bytes, written) = ([&bytes[..], &buf[..len]].concat(), items);
            }
            assert_eq!(bytes, whole[..size]);
        }
    }
}
