//! postcard, <https://postcard.jamesmunns.com/wire-format>.
use super::{Deserialize, DeserializeError, FormatError};
use ::postcard::Error;

/// A value in postcard's format, deserialized by serde without a heap; it may borrow from the record. Bytes behind the
/// message are ignored, as by postcard itself: that is how a newer sender may add fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Postcard<T>(pub T);

impl<'a, T: serde::Deserialize<'a>> Deserialize<'a> for Postcard<T> {
    fn deserialize(bytes: Option<&'a [u8]>) -> Result<Self, DeserializeError> {
        ::postcard::from_bytes(bytes.ok_or(DeserializeError::Null)?)
            .map(Postcard)
            .map_err(|error| DeserializeError::Postcard(condense(&error)))
    }
}

fn condense(error: &Error) -> FormatError {
    match error {
        Error::DeserializeUnexpectedEnd => FormatError::End,
        Error::SerdeDeCustom => FormatError::Mismatch,
        Error::WontImplement | Error::NotYetImplemented => FormatError::Unsupported,
        _ => FormatError::Syntax,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Reading<'a> {
        sensor: &'a str,
        tenths: i16,
        valid: bool,
    }

    // Length 2, "t1", zigzag varint 430, true.
    const BYTES: [u8; 6] = [2, b't', b'1', 0xae, 0x03, 1];

    fn read<'a, T: serde::Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, DeserializeError> {
        Postcard::deserialize(Some(bytes)).map(|Postcard(value)| value)
    }

    #[test]
    fn golden_bytes() {
        assert_eq!(read(&BYTES), Ok(Reading { sensor: "t1", tenths: 215, valid: true }));
        assert_eq!(read(&[2, b't', b'1', 0xae, 3, 1, 99]), Ok(Reading { sensor: "t1", tenths: 215, valid: true }));
        assert_eq!(Postcard::<u8>::deserialize(None), Err(DeserializeError::Null));
    }

    #[test]
    fn errors_tell_what() {
        for end in 0..BYTES.len() {
            let cut = read::<Reading<'_>>(&BYTES[..end]);
            assert_eq!(cut, Err(DeserializeError::Postcard(FormatError::End)), "cut at {end}");
        }
        assert_eq!(read::<bool>(&[2]), Err(DeserializeError::Postcard(FormatError::Syntax)));
        assert_eq!(read::<&str>(&[1, 0xff]), Err(DeserializeError::Postcard(FormatError::Syntax)));
        // A length of 4 GB.
        assert!(read::<&[u8]>(&[0xff, 0xff, 0xff, 0xff, 0x0f]).is_err());
        assert!(read::<heapless::Vec<(), 4>>(&[0xff, 0xff, 0xff, 0xff, 0x0f]).is_err());
    }
}
