//! Keys and values as types: what Java's serializers write, borrowed from the record where that is possible.
use core::fmt;

#[cfg(feature = "json")]
mod json;
#[cfg(feature = "postcard")]
mod postcard;
mod uuid;

#[cfg(feature = "json")]
pub use json::{Json, JSON_DEPTH};
#[cfg(feature = "postcard")]
pub use postcard::Postcard;
pub use uuid::Uuid;

/// A key, a value or a header's value as a type. The counterpart of Java's `Deserializer`; it may borrow from the record.
///
/// | type | written by Java's | bytes |
/// |---|---|---|
/// | `&[u8]` | `ByteArraySerializer`, `BytesSerializer`, `ByteBufferSerializer` | any |
/// | `&str` | `StringSerializer` | UTF-8, its default encoding |
/// | [`i16`], [`i32`], [`i64`] | `ShortSerializer`, `IntegerSerializer`, `LongSerializer` | 2, 4, 8, big-endian |
/// | [`f32`], [`f64`] | `FloatSerializer`, `DoubleSerializer` | 4, 8, IEEE 754, big-endian |
/// | [`bool`] | `BooleanSerializer` | 1: 0 or 1 |
/// | [`Uuid`] | `UUIDSerializer` | 36 characters |
/// | `()` | `VoidSerializer` | null |
/// | [`Option<T>`] | all of them | null, or those of `T` |
/// | `Json<T>`, feature `json` | anything that writes JSON | UTF-8 |
/// | `Postcard<T>`, feature `postcard` | | postcard's wire format |
///
/// Null (a record without a key, a tombstone) is an error unless the type is an [`Option`] or `()`. An empty key or value
/// is not null: empty bytes, an empty string, too short for everything else.
///
/// ```
/// use nanokafka::{Deserialize, DeserializeError};
///
/// #[derive(Debug, PartialEq)]
/// struct Celsius(f32);
///
/// impl<'a> Deserialize<'a> for Celsius {
///     fn deserialize(bytes: Option<&'a [u8]>) -> Result<Self, DeserializeError> {
///         i16::deserialize(bytes).map(|tenths| Celsius(f32::from(tenths) / 10.0))
///     }
/// }
///
/// assert_eq!(Celsius::deserialize(Some(&[0, 215])), Ok(Celsius(21.5)));
/// assert_eq!(Option::<Celsius>::deserialize(None), Ok(None));
/// ```
pub trait Deserialize<'a>: Sized {
    /// From the bytes as the record has them; `None` is Kafka's null.
    ///
    /// # Errors
    /// The bytes are not a `Self`. The record is unharmed and can be read as something else.
    fn deserialize(bytes: Option<&'a [u8]>) -> Result<Self, DeserializeError>;
}

/// Why bytes are not what they were asked to be. The record stays readable, the position is not touched: skip the
/// record, or treat it as failed (see [`RetryState`](crate::RetryState); trying again gives the same error).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum DeserializeError {
    /// Null. Ask for an [`Option`] where that is allowed.
    Null,
    /// Something where only null is allowed.
    NotNull {
        /// Bytes there are.
        have: usize,
    },
    /// A type of fixed size, and another number of bytes.
    Length {
        /// Bytes of the type.
        needed: usize,
        /// Bytes there are.
        have: usize,
    },
    /// A boolean that is neither 0 nor 1 but this.
    Bool(u8),
    /// Text that is not UTF-8.
    Utf8 {
        /// Bytes before the first wrong one.
        valid_up_to: usize,
    },
    /// Not 8, 4, 4, 4 and 12 hexadecimal digits with dashes between.
    Uuid {
        /// Bytes before the first wrong, missing or superfluous one: at most 36.
        valid_up_to: usize,
    },
    /// Not the JSON that was asked for.
    Json(FormatError),
    /// Not the postcard message that was asked for.
    Postcard(FormatError),
}

/// Why a value in a described format is not what its type asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum FormatError {
    /// The bytes end inside the value.
    End,
    /// Something follows: behind the value, or more elements than the type takes.
    Trailing,
    /// Not the format at all.
    Syntax,
    /// The format, but not this type: another kind of value, a missing field, a number out of range, a capacity of the
    /// type exceeded, borrowed text (`&str`) that holds an escape.
    Mismatch,
    /// An escape of a JSON string that is not one, or one half of a surrogate pair (not supported by `serde-json-core`).
    Escape,
    /// A JSON string with escapes is longer than the `SCRATCH` of `Json`.
    Scratch {
        /// Its bytes.
        have: usize,
    },
    /// JSON nested deeper than `JSON_DEPTH`.
    Depth {
        /// Levels allowed.
        have: usize,
    },
    /// The type asks for something that the format's library cannot do: any value, bytes in JSON.
    Unsupported,
}

impl fmt::Display for DeserializeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            DeserializeError::Null => f.write_str("null where a value is needed"),
            DeserializeError::NotNull { have } => write!(f, "{have} bytes where null is needed"),
            DeserializeError::Length { needed, have } => write!(f, "{needed} bytes needed, have {have}"),
            DeserializeError::Bool(byte) => write!(f, "not a boolean: {byte}"),
            DeserializeError::Utf8 { valid_up_to } => write!(f, "not UTF-8 after byte {valid_up_to}"),
            DeserializeError::Uuid { valid_up_to } => write!(f, "not a UUID after byte {valid_up_to}"),
            DeserializeError::Json(error) => write!(f, "JSON: {error}"),
            DeserializeError::Postcard(error) => write!(f, "postcard: {error}"),
        }
    }
}

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            FormatError::End => f.write_str("ends inside the value"),
            FormatError::Trailing => f.write_str("more than the value"),
            FormatError::Syntax => f.write_str("malformed"),
            FormatError::Mismatch => f.write_str("not of the type that was asked for"),
            FormatError::Escape => f.write_str("unknown escape in a string"),
            FormatError::Scratch { have } => write!(f, "a string with escapes exceeds {have} bytes"),
            FormatError::Depth { have } => write!(f, "nested deeper than {have} levels"),
            FormatError::Unsupported => f.write_str("cannot hold what the type asks for"),
        }
    }
}

impl core::error::Error for DeserializeError {}
impl core::error::Error for FormatError {}

impl<'a> Deserialize<'a> for &'a [u8] {
    fn deserialize(bytes: Option<&'a [u8]>) -> Result<Self, DeserializeError> {
        bytes.ok_or(DeserializeError::Null)
    }
}

impl<'a> Deserialize<'a> for &'a str {
    fn deserialize(bytes: Option<&'a [u8]>) -> Result<Self, DeserializeError> {
        core::str::from_utf8(bytes.ok_or(DeserializeError::Null)?)
            .map_err(|error| DeserializeError::Utf8 { valid_up_to: error.valid_up_to() })
    }
}

impl<'a, T: Deserialize<'a>> Deserialize<'a> for Option<T> {
    fn deserialize(bytes: Option<&'a [u8]>) -> Result<Self, DeserializeError> {
        bytes.map(|bytes| T::deserialize(Some(bytes))).transpose()
    }
}

impl<'a> Deserialize<'a> for () {
    fn deserialize(bytes: Option<&'a [u8]>) -> Result<Self, DeserializeError> {
        match bytes {
            None => Ok(()),
            Some(bytes) => Err(DeserializeError::NotNull { have: bytes.len() }),
        }
    }
}

impl<'a> Deserialize<'a> for bool {
    fn deserialize(bytes: Option<&'a [u8]>) -> Result<Self, DeserializeError> {
        match exact(bytes)? {
            [0] => Ok(false),
            [1] => Ok(true),
            [other] => Err(DeserializeError::Bool(other)),
        }
    }
}

macro_rules! big_endian {
    ($($number:ty),+) => {$(
        impl<'a> Deserialize<'a> for $number {
            fn deserialize(bytes: Option<&'a [u8]>) -> Result<Self, DeserializeError> {
                exact(bytes).map(<$number>::from_be_bytes)
            }
        }
    )+};
}

big_endian!(i16, i32, i64, f32, f64);

/// All the bytes of a type of fixed size.
fn exact<const N: usize>(bytes: Option<&[u8]>) -> Result<[u8; N], DeserializeError> {
    let bytes = bytes.ok_or(DeserializeError::Null)?;
    bytes.try_into().map_err(|_| DeserializeError::Length { needed: N, have: bytes.len() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    fn read<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, DeserializeError> {
        T::deserialize(Some(bytes))
    }

    #[test]
    fn what_java_writes() {
        assert_eq!(read::<i16>(&[0x01, 0x02]), Ok(258));
        assert_eq!(read::<i16>(&[0x80, 0x00]), Ok(i16::MIN));
        assert_eq!(read::<i32>(&[0, 0, 0, 0x2a]), Ok(42));
        assert_eq!(read::<i32>(&[0xff, 0xff, 0xff, 0xd6]), Ok(-42));
        assert_eq!(read::<i64>(&[0, 0, 0, 0, 0, 0, 0, 0x2a]), Ok(42));
        assert_eq!(read::<i64>(&[0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]), Ok(i64::MAX));
        assert_eq!(read::<f32>(&[0x3f, 0xc0, 0, 0]), Ok(1.5));
        assert_eq!(read::<f64>(&[0x3f, 0xf8, 0, 0, 0, 0, 0, 0]), Ok(1.5));
        assert_eq!(read::<f64>(&[0xc0, 0x8f, 0x40, 0, 0, 0, 0, 0]), Ok(-1000.0));
        // Double.doubleToLongBits: every NaN becomes this one.
        assert!(read::<f64>(&[0x7f, 0xf8, 0, 0, 0, 0, 0, 0]).is_ok_and(f64::is_nan));
        assert_eq!((read::<bool>(&[0]), read::<bool>(&[1])), (Ok(false), Ok(true)));
        assert_eq!(read::<bool>(&[2]), Err(DeserializeError::Bool(2)));
        assert_eq!(read::<&str>("Grüße".as_bytes()), Ok("Grüße"));
        assert_eq!(read::<&[u8]>(&[0xff, 0]), Ok(&[0xff, 0][..]));
    }

    #[test]
    fn every_wrong_length_is_named() {
        fn check<T: for<'a> Deserialize<'a> + core::fmt::Debug + PartialEq>() {
            let needed = size_of::<T>();
            for have in 0..=20 {
                let result = read::<T>(&[0u8; 20][..have]);
                if have == needed {
                    assert!(result.is_ok());
                } else {
                    assert_eq!(result, Err(DeserializeError::Length { needed, have }));
                }
            }
        }
        check::<bool>();
        check::<i16>();
        check::<i32>();
        check::<i64>();
        check::<f32>();
        check::<f64>();
    }

    #[test]
    fn null_is_not_empty() {
        assert_eq!(<&[u8]>::deserialize(None), Err(DeserializeError::Null));
        assert_eq!(<&str>::deserialize(None), Err(DeserializeError::Null));
        assert_eq!(i32::deserialize(None), Err(DeserializeError::Null));
        assert_eq!(bool::deserialize(None), Err(DeserializeError::Null));
        assert_eq!(Uuid::deserialize(None), Err(DeserializeError::Null));
        assert_eq!(<()>::deserialize(None), Ok(()));
        assert_eq!(read::<()>(&[]), Err(DeserializeError::NotNull { have: 0 }));
        assert_eq!(Option::<&str>::deserialize(None), Ok(None));
        assert_eq!(read::<Option<&str>>(b""), Ok(Some("")));
        assert_eq!(read::<Option<i32>>(&[1]), Err(DeserializeError::Length { needed: 4, have: 1 }));
    }

    #[test]
    fn text_is_borrowed_and_wrong_text_says_where() {
        let bytes = *b"abc\xff";
        assert_eq!(read::<&str>(&bytes), Err(DeserializeError::Utf8 { valid_up_to: 3 }));
        let text: &str = read(&bytes[..3]).unwrap();
        assert_eq!(text.as_ptr(), bytes.as_ptr());
        // Cut inside a character.
        assert_eq!(read::<&str>(&"aü".as_bytes()[..2]), Err(DeserializeError::Utf8 { valid_up_to: 1 }));
    }

    #[test]
    fn errors_are_small_and_speak() {
        assert!(size_of::<DeserializeError>() <= 3 * size_of::<usize>());
        assert_eq!(DeserializeError::Length { needed: 4, have: 1 }.to_string(), "4 bytes needed, have 1");
        assert_eq!(DeserializeError::Json(FormatError::End).to_string(), "JSON: ends inside the value");
    }
}
