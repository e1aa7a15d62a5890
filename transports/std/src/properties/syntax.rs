//! The syntax of `java.util.Properties.load(Reader)`: logical lines, separators, escapes.
use super::PropertiesError;

/// A key and its value, as they stand in the text.
pub(super) struct Entry {
    pub key: String,
    pub value: String,
    /// The first line of the entry, from 1; none if it did not come from a file.
    pub line: Option<usize>,
}

pub(super) fn parse(text: &str) -> Result<Vec<Entry>, PropertiesError> {
    let mut entries = vec![];
    let mut logical = String::new();
    let mut first = 0;
    let mut lines = natural_lines(text.strip_prefix('\u{feff}').unwrap_or(text)).enumerate().peekable();
    while let Some((index, line)) = lines.next() {
        let line = line.trim_start_matches(is_blank);
        if logical.is_empty() {
            first = index + 1;
            if line.is_empty() || line.starts_with(['#', '!']) {
                continue;
            }
        }
        logical.push_str(line);
        let continues = line.bytes().rev().take_while(|&byte| byte == b'\\').count() % 2 == 1;
        if continues {
            logical.pop();
        }
        if (!continues || lines.peek().is_none()) && !logical.is_empty() {
            entries.push(entry(&logical, first)?);
            logical.clear();
        }
    }
    Ok(entries)
}

/// Lines end with `\n`, `\r` or `\r\n`.
fn natural_lines(text: &str) -> impl Iterator<Item = &str> {
    text.split('\n').flat_map(|line| line.strip_suffix('\r').unwrap_or(line).split('\r'))
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\x0c')
}

/// The key ends at the first `=`, `:` or blank that is not escaped; blanks and one `=` or `:` come before the value.
fn entry(logical: &str, line: usize) -> Result<Entry, PropertiesError> {
    let mut escaped = false;
    let end = logical.find(|c| {
        let ends = !escaped && (is_blank(c) || matches!(c, '=' | ':'));
        escaped = c == '\\' && !escaped;
        ends
    });
    let (key, rest) = logical.split_at(end.unwrap_or(logical.len()));
    let rest = rest.trim_start_matches(is_blank);
    let value = rest.strip_prefix(['=', ':']).unwrap_or(rest).trim_start_matches(is_blank);
    let unescape = |text| unescape(text).map_err(|what| PropertiesError::Syntax { line, what });
    Ok(Entry { key: unescape(key)?, value: unescape(value)?, line: Some(line) })
}

/// `\t \n \r \f`, `\uXXXX` in UTF-16 (a character beyond it is a pair of them); any other character stands for itself.
fn unescape(text: &str) -> Result<String, &'static str> {
    let mut units = Vec::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        let c = match c {
            '\\' => match chars.next() {
                None => break,
                Some('t') => '\t',
                Some('n') => '\n',
                Some('r') => '\r',
                Some('f') => '\x0c',
                Some('u') => {
                    let hex = chars.as_str().get(..4).filter(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()));
                    let unit = hex.and_then(|hex| u16::from_str_radix(hex, 16).ok());
                    units.push(unit.ok_or("\\u needs four hexadecimal digits")?);
                    chars.nth(3);
                    continue;
                }
                Some(c) => c,
            },
            c => c,
        };
        units.extend_from_slice(c.encode_utf16(&mut [0; 2]));
    }
    String::from_utf16(&units).map_err(|_| "half of a surrogate pair")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Vec<(String, String)> {
        parse(text).unwrap().into_iter().map(|entry| (entry.key, entry.value)).collect()
    }

    fn pair(text: &str) -> (String, String) {
        let pairs = pairs(text);
        assert_eq!(pairs.len(), 1, "{text:?}: {pairs:?}");
        pairs[0].clone()
    }

    fn owned(key: &str, value: &str) -> (String, String) {
        (key.to_owned(), value.to_owned())
    }

    #[test]
    fn separators() {
        for text in ["a=b", "a:b", "a b", "a = b", "a : b", "a\tb", "a\x0cb", "  a  b", "a\t=\tb", "a=  b"] {
            assert_eq!(pair(text), owned("a", "b"), "{text:?}");
        }
        assert_eq!(pair("a==b"), owned("a", "=b"));
        assert_eq!(pair("a = : b"), owned("a", ": b"));
        assert_eq!(pair("a b=c"), owned("a", "b=c"));
        assert_eq!(pair("a"), owned("a", ""));
        assert_eq!(pair("a="), owned("a", ""));
        assert_eq!(pair("=b"), owned("", "b"));
        assert_eq!(pair("a=b "), owned("a", "b "), "blanks behind the value belong to it");
    }

    #[test]
    fn escapes() {
        assert_eq!(pair(r"a=\t\n\r\f\\"), owned("a", "\t\n\r\x0c\\"));
        assert_eq!(pair(r"a=\b\q\'\"), owned("a", "bq'"));
        assert_eq!(pair(r"a\=\:\ \#=b"), owned("a=: #", "b"));
        assert_eq!(pair(r"a\\=b"), owned("a\\", "b"));
        assert_eq!(pair(r"\u0061\u003d=\u00e4\u20AC"), owned("a=", "ä€"));
        assert_eq!(pair(r"a=\ud83d\ude00 \uD83D\uDE00"), owned("a", "😀 😀"));
        assert_eq!(pair("a=ä€😀"), owned("a", "ä€😀"));
    }

    #[test]
    fn bad_escapes_name_their_line() {
        for (text, line) in
            [("a=\\u12", 1), ("\n\na=\\u12g4", 3), ("a=b\nc=\\\n\\u+123", 2), ("a=\\ud83d", 1), ("\\ude00=b", 1)]
        {
            match parse(text).err() {
                Some(PropertiesError::Syntax { line: found, .. }) => assert_eq!(found, line, "{text:?}"),
                other => panic!("{text:?}: {other:?}"),
            }
        }
        assert!(parse("a=\\u12€").is_err(), "the escape ends inside a character");
    }

    #[test]
    fn comments_and_blank_lines() {
        assert_eq!(pairs("# a=b\n! c=d\n\n \t\x0c\n  # e=f \\\ng=#h !i\n"), [owned("g", "#h !i")]);
        assert!(pairs("").is_empty());
        assert!(pairs("#").is_empty());
    }

    #[test]
    fn line_ends_and_continuations() {
        assert_eq!(
            pairs("a=1\nb=2\rc=3\r\nd=4"),
            [("a", "1"), ("b", "2"), ("c", "3"), ("d", "4")].map(|(k, v)| owned(k, v))
        );
        for end in ["\n", "\r", "\r\n"] {
            let text = ["servers=a:1,\\", "  \tb:2,\\", "# c:3", "x=y"].join(end);
            assert_eq!(pairs(&text), [owned("servers", "a:1,b:2,# c:3"), owned("x", "y")], "{text:?}");
        }
        assert_eq!(pairs("a=1\\\\\nb=2"), [owned("a", "1\\"), owned("b", "2")]);
        assert_eq!(pairs("a=1\\\\\\\nb=2"), [owned("a", "1\\b=2")]);
        assert_eq!(pairs("a=1\\\n\nb=2"), [owned("a", "1"), owned("b", "2")], "a blank line ends a continuation");
        assert_eq!(pairs("a=1\\"), [owned("a", "1")]);
        assert_eq!(pairs("a\\\nb=1"), [owned("ab", "1")]);
        assert_eq!(pairs("\\\n# c\na=1"), [owned("a", "1")]);
        assert!(pairs("\\").is_empty(), "to Java an empty key, which is nobody's");
    }

    #[test]
    fn lines_are_counted_and_a_byte_order_mark_is_passed_over() {
        let lines: Vec<_> = parse("\u{feff}a=1\n#\n\nb=2\\\n3\nc=4").unwrap().into_iter().map(|e| e.line).collect();
        assert_eq!(lines, [Some(1), Some(4), Some(6)]);
        assert_eq!(pair("\u{feff}a=1"), owned("a", "1"));
    }
}
