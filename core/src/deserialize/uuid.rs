//! UUIDs as text, RFC 9562 section 4, which is what Java's `UUIDSerializer` writes.
use super::{Deserialize, DeserializeError};
use core::{fmt, str};

/// Characters of the text.
const LENGTH: usize = 36;

/// 16 bytes that name something, as text `123e4567-e89b-12d3-a456-426614174000`.
///
/// Reads upper and lower case, writes lower case like Java. Stricter than Java's `UUID.fromString`, which also takes
/// groups with digits missing.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uuid([u8; 16]);

impl Uuid {
    /// From the bytes in the order of the text.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Uuid(bytes)
    }

    /// In the order of the text.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    fn parse(text: &[u8]) -> Result<Self, DeserializeError> {
        let mut value = 0u128;
        for (at, &byte) in text.iter().enumerate() {
            let digit = char::from(byte).to_digit(16);
            match (is_dash(at), digit) {
                (true, _) if byte == b'-' => {}
                (false, Some(digit)) if at < LENGTH => value = value << 4 | u128::from(digit),
                _ => return Err(DeserializeError::Uuid { valid_up_to: at }),
            }
        }
        match text.len() {
            LENGTH => Ok(Uuid(value.to_be_bytes())),
            valid_up_to => Err(DeserializeError::Uuid { valid_up_to }),
        }
    }
}

const fn is_dash(at: usize) -> bool {
    matches!(at, 8 | 13 | 18 | 23)
}

impl<'a> Deserialize<'a> for Uuid {
    fn deserialize(bytes: Option<&'a [u8]>) -> Result<Self, DeserializeError> {
        Uuid::parse(bytes.ok_or(DeserializeError::Null)?)
    }
}

impl str::FromStr for Uuid {
    type Err = DeserializeError;

    fn from_str(text: &str) -> Result<Self, DeserializeError> {
        Uuid::parse(text.as_bytes())
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [b'-'; LENGTH];
        let places = text.iter_mut().enumerate().filter(|(at, _)| !is_dash(*at));
        let digits = self.0.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        for ((_, place), digit) in places.zip(digits) {
            *place = char::from_digit(digit.into(), 16).map_or(b'0', |digit| digit as u8);
        }
        f.pad(str::from_utf8(&text).unwrap_or_default())
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for Uuid {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "{=[u8; 16]:02x}", self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{format, string::ToString};

    const TEXT: &str = "123e4567-e89b-12d3-a456-426614174000";
    const BYTES: [u8; 16] =
        [0x12, 0x3e, 0x45, 0x67, 0xe8, 0x9b, 0x12, 0xd3, 0xa4, 0x56, 0x42, 0x66, 0x14, 0x17, 0x40, 0x00];

    fn read(bytes: &[u8]) -> Result<Uuid, DeserializeError> {
        Uuid::deserialize(Some(bytes))
    }

    #[test]
    fn what_java_writes_there_and_back() {
        let uuid = read(TEXT.as_bytes()).unwrap();
        assert_eq!(uuid.as_bytes(), &BYTES);
        assert_eq!(uuid, Uuid::from_bytes(BYTES));
        assert_eq!(uuid.to_string(), TEXT);
        assert_eq!(format!("{uuid:?}"), TEXT);
        assert_eq!(format!("{uuid:>40}"), format!("    {TEXT}"));
        assert_eq!(TEXT.to_uppercase().parse(), Ok(uuid));
        for byte in 0..=255 {
            let uuid = Uuid::from_bytes([byte; 16]);
            assert_eq!(uuid.to_string().parse(), Ok(uuid));
        }
    }

    #[test]
    fn the_first_wrong_byte_is_named() {
        for at in 0..LENGTH {
            assert_eq!(read(&TEXT.as_bytes()[..at]), Err(DeserializeError::Uuid { valid_up_to: at }), "cut at {at}");
            for wrong in [b'g', b' ', b'_', 0, 0xff] {
                let mut text = *TEXT.as_bytes().first_chunk::<LENGTH>().unwrap();
                text[at] = wrong;
                assert_eq!(read(&text), Err(DeserializeError::Uuid { valid_up_to: at }), "{wrong} at {at}");
            }
        }
        let dash_for_digit = TEXT.replace('7', "-");
        assert_eq!(read(dash_for_digit.as_bytes()), Err(DeserializeError::Uuid { valid_up_to: 7 }));
        let digit_for_dash = TEXT.replace('-', "0");
        assert_eq!(read(digit_for_dash.as_bytes()), Err(DeserializeError::Uuid { valid_up_to: 8 }));
        for longer in ["0", "-", "\0"] {
            let text = format!("{TEXT}{longer}");
            assert_eq!(read(text.as_bytes()), Err(DeserializeError::Uuid { valid_up_to: LENGTH }));
        }
        // The 16 bytes themselves, as other languages might send them.
        assert!(read(&BYTES).is_err());
    }
}
