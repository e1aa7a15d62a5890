//! JSON (RFC 8259) by `serde-json-core`.
use super::{Deserialize, DeserializeError, FormatError};
use serde_json_core::de::Error;

/// How deep objects and arrays in [`Json`] may be nested. Skipping what a type does not name recurses, so without a
/// limit 4 KB of `[` would overflow a stack. A level costs about 50 bytes of it on a Cortex-M4, optimised.
pub const JSON_DEPTH: usize = 32;

/// A value in JSON, deserialized by serde without a heap. White space may surround it, nothing else.
///
/// `T` may borrow: a `&str` field is a piece of the record. Text with escapes cannot be borrowed; it goes into an owning
/// type (`heapless::String`), through `SCRATCH` bytes on the stack. Every string with escapes must fit them unescaped,
/// also one in a field that `T` does not have.
///
/// Keys of maps must be `&str` or `heapless::String`: for other types the library panics.
///
/// ```
/// use nanokafka::{Deserialize, Json};
///
/// #[derive(serde::Deserialize)]
/// struct Person<'a> {
///     name: &'a str,
///     age: u8,
/// }
///
/// let value = br#"{"name":"hello :: 3","age":3}"#;
/// let Json(person) = <Json<Person>>::deserialize(Some(value))?;
/// assert_eq!((person.name, person.age), ("hello :: 3", 3));
/// # Ok::<(), nanokafka::DeserializeError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Json<T, const SCRATCH: usize = 128>(pub T);

impl<'a, T: serde::Deserialize<'a>, const SCRATCH: usize> Deserialize<'a> for Json<T, SCRATCH> {
    fn deserialize(bytes: Option<&'a [u8]>) -> Result<Self, DeserializeError> {
        let json = bytes.ok_or(DeserializeError::Null)?;
        check_nesting(json).map_err(DeserializeError::Json)?;
        // Not `from_slice`: it hands out escapes as they are written.
        match serde_json_core::from_slice_escaped(json, &mut [0; SCRATCH]) {
            Ok((value, _)) => Ok(Json(value)),
            Err(error) => Err(DeserializeError::Json(condense(error, SCRATCH))),
        }
    }
}

/// At most [`JSON_DEPTH`] levels.
///
/// The library does not look at a number or word that it skips: in `{"a":x"[` it would not take the quote for one, and
/// a scan that did would no longer know what is inside a string. So this also checks what stands before a quote, a
/// bracket or a colon; where that is right, both see the same strings.
fn check_nesting(json: &[u8]) -> Result<(), FormatError> {
    let (mut depth, mut in_string, mut escaped) = (0usize, false, false);
    let mut before = b','; // the last byte outside strings that is not white space
    for &byte in json {
        if in_string {
            in_string = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
            continue;
        }
        match byte {
            b' ' | b'\n' | b'\t' | b'\r' => continue,
            b'"' | b'[' | b'{' if !matches!(before, b',' | b':' | b'[' | b'{') => return Err(FormatError::Syntax),
            b'"' => in_string = true,
            b'[' | b'{' if depth == JSON_DEPTH => return Err(FormatError::Depth { have: JSON_DEPTH }),
            b'[' | b'{' => depth = depth.saturating_add(1),
            b']' | b'}' => depth = depth.saturating_sub(1),
            b':' if before != b'"' => return Err(FormatError::Syntax),
            _ => {}
        }
        before = byte;
    }
    Ok(())
}

fn condense(error: Error, scratch: usize) -> FormatError {
    match error {
        Error::EofWhileParsingList
        | Error::EofWhileParsingObject
        | Error::EofWhileParsingString
        | Error::EofWhileParsingNumber
        | Error::EofWhileParsingValue => FormatError::End,
        Error::TrailingCharacters => FormatError::Trailing,
        Error::InvalidType | Error::InvalidNumber | Error::CustomError => FormatError::Mismatch,
        Error::InvalidEscapeSequence => FormatError::Escape,
        Error::EscapedStringIsTooLong => FormatError::Scratch { have: scratch },
        Error::AnyIsUnsupported | Error::BytesIsUnsupported => FormatError::Unsupported,
        _ => FormatError::Syntax,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::cell::Cell;
    use serde::de::IgnoredAny;
    use std::{format, vec::Vec};

    type Text = heapless::String<16>;

    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Person<'a> {
        name: &'a str,
        age: u8,
    }

    fn read<'a, T: serde::Deserialize<'a>>(json: &'a [u8]) -> Result<T, FormatError> {
        match Json::<T>::deserialize(Some(json)) {
            Ok(Json(value)) => Ok(value),
            Err(DeserializeError::Json(error)) => Err(error),
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn objects_borrow_and_skip_what_they_do_not_name() {
        let person = Ok(Person { name: "hello :: 3", age: 3 });
        assert_eq!(read(br#"{"name":"hello :: 3","age":3}"#), person);
        assert_eq!(read(b" \r\n\t{ \"age\" : 3 , \"name\" : \"hello :: 3\" } \n"), person);
        assert_eq!(read(br#"{"a":[1,{"b":"]"},null],"name":"hello :: 3","c":-1.5e3,"age":3}"#), person);
        assert_eq!(Json::<Person<'_>>::deserialize(None), Err(DeserializeError::Null));
        assert_eq!(Option::<Json<u8>>::deserialize(None), Ok(None));
        assert_eq!(read::<Option<u8>>(b"null"), Ok(None));
    }

    #[test]
    fn errors_tell_the_sender_from_the_type() {
        let whole = br#"{"name":"hello","age":3}"#;
        for end in 0..whole.len() {
            assert!(matches!(read::<Person<'_>>(&whole[..end]), Err(FormatError::End)), "cut at {end}");
        }
        assert_eq!(read::<u8>(b"1 2"), Err(FormatError::Trailing));
        assert_eq!(read::<u8>(b"1\0"), Err(FormatError::Trailing));
        assert_eq!(read::<(u8, u8)>(b"[1,2,3]"), Err(FormatError::Trailing));
        assert_eq!(read::<u8>(b"256"), Err(FormatError::Mismatch));
        assert_eq!(read::<u8>(b"\"1\""), Err(FormatError::Mismatch));
        assert_eq!(read::<Person<'_>>(br#"{"age":3}"#), Err(FormatError::Mismatch));
        assert_eq!(read::<bool>(b"trve"), Err(FormatError::Syntax));
        assert_eq!(read::<Person<'_>>(br#"{"age":3,}"#), Err(FormatError::Syntax));
        assert_eq!(read::<&str>(b"\"\xff\""), Err(FormatError::Syntax));
        assert_eq!(read::<Text>(br#""0123456789abcdefg""#), Err(FormatError::Mismatch));
    }

    #[test]
    fn escapes_are_undone_or_refused_but_never_passed_on() {
        assert_eq!(read::<Text>(br#""a\"b\\\u00fc\n""#).as_deref(), Ok("a\"b\\ü\n"));
        assert_eq!(read::<&str>(br#""a\"b""#), Err(FormatError::Mismatch));
        assert_eq!(read::<Text>(br#""\q""#), Err(FormatError::Escape));
        assert_eq!(read::<Text>(br#""\ud83d\ude00""#), Err(FormatError::Escape));
        let json = format!("[\"\\n{}\"]", "x".repeat(8));
        let fits = Json::<(Text,), 9>::deserialize(Some(json.as_bytes()));
        assert_eq!(fits.unwrap().0 .0.len(), 9);
        let tight = Json::<(Text,), 8>::deserialize(Some(json.as_bytes()));
        assert_eq!(tight, Err(DeserializeError::Json(FormatError::Scratch { have: 8 })));
    }

    #[test]
    fn nesting_is_bounded() {
        let nested = |depth: usize| format!("{}0{}", "[".repeat(depth), "]".repeat(depth));
        assert!(read::<IgnoredAny>(nested(JSON_DEPTH).as_bytes()).is_ok());
        let too_deep = Err(FormatError::Depth { have: JSON_DEPTH });
        assert_eq!(check_nesting(nested(JSON_DEPTH + 1).as_bytes()), too_deep);
        assert_eq!(check_nesting(&[b'['; 1 << 20]), too_deep);
        assert_eq!(check_nesting("{\"a\":".repeat(JSON_DEPTH + 1).as_bytes()), too_deep);
        // Side by side, or in strings, as many as one likes.
        assert_eq!(check_nesting(format!("[{}[]]", "[[]],".repeat(1000)).as_bytes()), Ok(()));
        assert_eq!(check_nesting(format!("\"{}\\\"{0}\"", "[".repeat(1000)).as_bytes()), Ok(()));
    }

    /// A quote where the library skips a word would hide brackets from the scan.
    #[test]
    fn brackets_cannot_hide_behind_a_misplaced_quote() {
        let deep = "[".repeat(1000);
        for head in [r#"{"a":x" , ",":"#, r#"{"a":x:" , ",":"#, r#"{"a":x[" , ",":"#, r#"{"a":1 "","b":"#, r#"["\\""#] {
            let json = format!("{head}{deep}");
            assert!(matches!(check_nesting(json.as_bytes()), Err(FormatError::Syntax | FormatError::Depth { .. })));
        }
    }

    std::thread_local! {
        /// How deep the library is, and was at most.
        static LEVEL: Cell<(usize, usize)> = const { Cell::new((0, 0)) };
    }

    /// Ignores any value, as serde does with unknown fields, and counts levels.
    struct Probe;

    impl<'de> serde::Deserialize<'de> for Probe {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            let (level, deepest) = LEVEL.get();
            LEVEL.set((level + 1, deepest.max(level)));
            deserializer.deserialize_ignored_any(Probe)?;
            LEVEL.set((level, LEVEL.get().1));
            Ok(Probe)
        }
    }

    impl<'de> serde::de::Visitor<'de> for Probe {
        type Value = ();
        fn expecting(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
            f.write_str("anything")
        }
        fn visit_unit<E>(self) -> Result<(), E> {
            Ok(())
        }
        fn visit_str<E>(self, _: &str) -> Result<(), E> {
            Ok(())
        }
        fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
            while seq.next_element::<Probe>()?.is_some() {}
            Ok(())
        }
        fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
            while map.next_entry::<IgnoredAny, Probe>()?.is_some() {}
            Ok(())
        }
    }

    /// The library never goes deeper than the scan saw.
    #[test]
    fn scan_and_library_agree_on_noise() {
        /// The deepest level the scan sees, by asking it about ever more brackets in front.
        fn scanned(json: &[u8]) -> Option<usize> {
            (0..=JSON_DEPTH).rev().find_map(|front| {
                let mut padded = std::vec![b'['; front];
                padded.extend_from_slice(json);
                check_nesting(&padded).is_ok().then_some(JSON_DEPTH - front)
            })
        }

        let mut random = crate::seed::Random::new();
        random.seed(&crate::Seed::new([3; 32]));
        let alphabet = b"[[{{\"\"\"::,,]}x1\\ ";
        let mut compared = 0;
        for _ in 0..300_000 {
            let length = 1 + (random.next() >> 32) as usize % 14;
            let json: Vec<u8> =
                (0..length).map(|_| alphabet[(random.next() >> 32) as usize % alphabet.len()]).collect();
            let Some(scanned) = scanned(&json) else { continue };
            LEVEL.set((0, 0));
            let _ = serde_json_core::from_slice_escaped::<Probe>(&json, &mut [0; 16]);
            let (_, deepest) = LEVEL.get();
            assert!(deepest <= scanned, "{}: {deepest} > {scanned}", json.escape_ascii());
            compared += usize::from(deepest > 1);
        }
        assert!(compared > 1000, "{compared}");
    }
}
