//! Kafka's primitive types (KIP-482 for the compact ones), read strictly: a broker's own reading of what a client wrote.
//! Nothing here knows nanokafka's encoder.

/// Why a request is not one; becomes a violation.
pub(crate) type Malformed = String;

/// Reads one request body from front to back.
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Reader { bytes, at: 0 }
    }

    fn take(&mut self, n: usize, what: &str) -> Result<&'a [u8], Malformed> {
        let rest = &self.bytes[self.at..];
        if n > rest.len() {
            return Err(format!("{what} of {n} bytes at byte {}, where {} are left", self.at, rest.len()));
        }
        self.at += n;
        Ok(&rest[..n])
    }

    pub(crate) fn i8(&mut self) -> Result<i8, Malformed> {
        Ok(self.take(1, "i8")?[0] as i8)
    }

    pub(crate) fn i16(&mut self) -> Result<i16, Malformed> {
        Ok(i16::from_be_bytes(self.take(2, "i16")?.try_into().expect("two bytes")))
    }

    pub(crate) fn i32(&mut self) -> Result<i32, Malformed> {
        Ok(i32::from_be_bytes(self.take(4, "i32")?.try_into().expect("four bytes")))
    }

    pub(crate) fn i64(&mut self) -> Result<i64, Malformed> {
        Ok(i64::from_be_bytes(self.take(8, "i64")?.try_into().expect("eight bytes")))
    }

    pub(crate) fn bool(&mut self) -> Result<bool, Malformed> {
        match self.i8()? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(format!("bool is {other} at byte {}", self.at - 1)),
        }
    }

    fn text(&mut self, n: usize) -> Result<String, Malformed> {
        let at = self.at;
        String::from_utf8(self.take(n, "string")?.to_vec()).map_err(|_| format!("string at byte {at} is not UTF-8"))
    }

    pub(crate) fn nullable_str(&mut self) -> Result<Option<String>, Malformed> {
        match self.i16()? {
            -1 => Ok(None),
            n if n < 0 => Err(format!("string length {n} at byte {}", self.at - 2)),
            n => self.text(n as usize).map(Some),
        }
    }

    pub(crate) fn str(&mut self) -> Result<String, Malformed> {
        let at = self.at;
        self.nullable_str()?.ok_or_else(|| format!("null string at byte {at}"))
    }

    pub(crate) fn bytes(&mut self) -> Result<Vec<u8>, Malformed> {
        match self.i32()? {
            n if n < 0 => Err(format!("bytes length {n} at byte {}", self.at - 4)),
            n => Ok(self.take(n as usize, "bytes")?.to_vec()),
        }
    }

    /// An array that may be null; every element takes at least one byte.
    pub(crate) fn nullable_array<T>(
        &mut self,
        element: impl Fn(&mut Self) -> Result<T, Malformed>,
    ) -> Result<Option<Vec<T>>, Malformed> {
        match self.i32()? {
            -1 => Ok(None),
            n if n < 0 || n as usize > self.bytes.len() - self.at => {
                Err(format!("array of {n} elements at byte {}", self.at - 4))
            }
            n => (0..n).map(|_| element(self)).collect::<Result<_, _>>().map(Some),
        }
    }

    pub(crate) fn array<T>(
        &mut self,
        element: impl Fn(&mut Self) -> Result<T, Malformed>,
    ) -> Result<Vec<T>, Malformed> {
        let at = self.at;
        self.nullable_array(element)?.ok_or_else(|| format!("null array at byte {at}"))
    }

    pub(crate) fn uvarint(&mut self) -> Result<u32, Malformed> {
        let (at, mut value) = (self.at, 0u64);
        for shift in 0..5 {
            let byte = self.take(1, "uvarint")?[0];
            value |= u64::from(byte & 0x7f) << (7 * shift);
            if byte & 0x80 == 0 {
                return u32::try_from(value).map_err(|_| format!("uvarint at byte {at} exceeds 32 bits"));
            }
        }
        Err(format!("uvarint at byte {at} has more than 5 bytes"))
    }

    /// A compact length: `None` is null.
    fn compact(&mut self) -> Result<Option<usize>, Malformed> {
        Ok(self.uvarint()?.checked_sub(1).map(|n| n as usize))
    }

    pub(crate) fn compact_str(&mut self) -> Result<String, Malformed> {
        let at = self.at;
        let n = self.compact()?.ok_or_else(|| format!("null string at byte {at}"))?;
        self.text(n)
    }

    pub(crate) fn compact_nullable_str(&mut self) -> Result<Option<String>, Malformed> {
        self.compact()?.map(|n| self.text(n)).transpose()
    }

    pub(crate) fn uuid(&mut self) -> Result<[u8; 16], Malformed> {
        Ok(self.take(16, "uuid")?.try_into().expect("sixteen bytes"))
    }

    pub(crate) fn compact_array<T>(
        &mut self,
        element: impl Fn(&mut Self) -> Result<T, Malformed>,
    ) -> Result<Vec<T>, Malformed> {
        let at = self.at;
        self.compact_nullable_array(element)?.ok_or_else(|| format!("null array at byte {at}"))
    }

    pub(crate) fn compact_nullable_array<T>(
        &mut self,
        element: impl Fn(&mut Self) -> Result<T, Malformed>,
    ) -> Result<Option<Vec<T>>, Malformed> {
        match self.compact()? {
            None => Ok(None),
            Some(n) if n > self.bytes.len() - self.at => Err(format!("array of {n} elements at byte {}", self.at)),
            Some(n) => (0..n).map(|_| element(self)).collect::<Result<_, _>>().map(Some),
        }
    }

    /// A tagged-field section. The profile sends no tagged fields.
    pub(crate) fn tags(&mut self) -> Result<(), Malformed> {
        match self.uvarint()? {
            0 => Ok(()),
            n => Err(format!("{n} tagged fields before byte {}", self.at)),
        }
    }

    /// Nothing may follow. (A real broker ignores trailing bytes; here they are a mistake worth knowing.)
    pub(crate) fn end(&self) -> Result<(), Malformed> {
        match self.bytes.len() - self.at {
            0 => Ok(()),
            n => Err(format!("{n} bytes after the end of the request")),
        }
    }
}

/// Writes a response body.
#[derive(Default)]
pub(crate) struct Writer {
    pub(crate) bytes: Vec<u8>,
    /// Error codes written so far, each once.
    pub(crate) codes: Vec<i16>,
}

impl Writer {
    /// Every response of the profile but ApiVersions begins with `throttle_time_ms`, patched when the answer is sent.
    pub(crate) fn throttled() -> Self {
        Writer { bytes: vec![0; 4], codes: vec![] }
    }

    pub(crate) fn i8(&mut self, value: i8) -> &mut Self {
        self.raw(&value.to_be_bytes())
    }

    pub(crate) fn bool(&mut self, value: bool) -> &mut Self {
        self.i8(value.into())
    }

    pub(crate) fn i16(&mut self, value: i16) -> &mut Self {
        self.raw(&value.to_be_bytes())
    }

    /// An error code: an `i16` that the log names.
    pub(crate) fn code(&mut self, code: i16) -> &mut Self {
        if code != 0 && !self.codes.contains(&code) {
            self.codes.push(code);
        }
        self.i16(code)
    }

    pub(crate) fn i32(&mut self, value: i32) -> &mut Self {
        self.raw(&value.to_be_bytes())
    }

    pub(crate) fn i64(&mut self, value: i64) -> &mut Self {
        self.raw(&value.to_be_bytes())
    }

    pub(crate) fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes.extend_from_slice(bytes);
        self
    }

    pub(crate) fn str(&mut self, value: &str) -> &mut Self {
        self.i16(value.len() as i16).raw(value.as_bytes())
    }

    pub(crate) fn nullable_str(&mut self, value: Option<&str>) -> &mut Self {
        match value {
            Some(value) => self.str(value),
            None => self.i16(-1),
        }
    }

    pub(crate) fn bytes(&mut self, value: &[u8]) -> &mut Self {
        self.i32(value.len() as i32).raw(value)
    }

    pub(crate) fn count(&mut self, n: usize) -> &mut Self {
        self.i32(n as i32)
    }

    pub(crate) fn array<T>(
        &mut self,
        elements: impl IntoIterator<Item = T, IntoIter: ExactSizeIterator>,
        mut write: impl FnMut(&mut Self, T),
    ) -> &mut Self {
        let elements = elements.into_iter();
        self.count(elements.len());
        elements.for_each(|element| write(self, element));
        self
    }

    pub(crate) fn uvarint(&mut self, mut value: u64) -> &mut Self {
        while value >= 0x80 {
            self.bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
        self
    }

    /// Zigzag, as in records.
    pub(crate) fn varint(&mut self, value: i64) -> &mut Self {
        self.uvarint(((value << 1) ^ (value >> 63)) as u64)
    }

    pub(crate) fn compact_str(&mut self, value: &str) -> &mut Self {
        self.uvarint(value.len() as u64 + 1).raw(value.as_bytes())
    }

    pub(crate) fn compact_nullable_str(&mut self, value: Option<&str>) -> &mut Self {
        match value {
            Some(value) => self.compact_str(value),
            None => self.uvarint(0),
        }
    }

    pub(crate) fn compact_array<T>(
        &mut self,
        elements: impl IntoIterator<Item = T, IntoIter: ExactSizeIterator>,
        mut write: impl FnMut(&mut Self, T),
    ) -> &mut Self {
        let elements = elements.into_iter();
        self.uvarint(elements.len() as u64 + 1);
        elements.for_each(|element| write(self, element));
        self
    }
}
