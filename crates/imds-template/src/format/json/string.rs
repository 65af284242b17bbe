//! What a JSON string says, and how text is written as one.

use std::fmt::Write;
use std::ops::Range;

use crate::format::Origins;

/// What the string at this range (its quotes included, its escapes already judged) says, and where each byte of that
/// stands. No text where half a surrogate pair stands in it.
pub(crate) fn decode(source: &str, range: &Range<usize>) -> (Option<String>, Origins) {
    let start = range.start + 1;
    let content = source.get(start..range.end.saturating_sub(1)).unwrap_or_default();
    let mut text = String::with_capacity(content.len());
    let mut origins = Origins::verbatim(start);
    let mut at = 0;
    while let Some(run) = content.get(at..).and_then(|rest| memchr::memchr(b'\\', rest.as_bytes())) {
        text.push_str(content.get(at..at + run).unwrap_or_default());
        at += run;
        origins.push(text.len(), start + at);
        let Some((char, length)) = escape_at(content, at) else { return (None, origins) };
        text.push(char);
        at += length;
        origins.push(text.len(), start + at);
    }
    text.push_str(content.get(at..).unwrap_or_default());
    (Some(text), origins)
}

/// The character that the escape at this offset stands for, and the escape's length.
fn escape_at(content: &str, at: usize) -> Option<(char, usize)> {
    let char = match content.as_bytes().get(at + 1)? {
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => {
            let first = unit(content, at)?;
            if (0xdc00..0xe000).contains(&first) {
                return None;
            }
            if !(0xd800..0xdc00).contains(&first) {
                return Some((char::from_u32(first)?, 6));
            }
            let second = unit(content, at + 6).filter(|unit| (0xdc00..0xe000).contains(unit))?;
            return Some((char::from_u32(0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00))?, 12));
        }
        other => char::from(*other),
    };
    Some((char, 2))
}

/// The number in `\uXXXX`.
fn unit(content: &str, at: usize) -> Option<u32> {
    let digits = content.get(at..at + 6)?.strip_prefix("\\u")?;
    u32::from_str_radix(digits, 16).ok()
}

/// The text as a string, with quotes.
pub(crate) fn encode(text: &str) -> String {
    let mut result = String::with_capacity(text.len() + 2);
    result.push('"');
    escape(text, &mut result);
    result.push('"');
    result
}

/// The text as it stands between quotes. Only what JSON demands is escaped.
pub(crate) fn escape(text: &str, result: &mut String) {
    let mut done = 0;
    for (at, byte) in text.bytes().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        result.push_str(text.get(done..at).unwrap_or_default());
        done = at + 1;
        match byte {
            b'"' => result.push_str("\\\""),
            b'\\' => result.push_str("\\\\"),
            0x08 => result.push_str("\\b"),
            0x0c => result.push_str("\\f"),
            b'\n' => result.push_str("\\n"),
            b'\r' => result.push_str("\\r"),
            b'\t' => result.push_str("\\t"),
            control => drop(write!(result, "\\u{control:04x}")),
        }
    }
    result.push_str(text.get(done..).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_escape_is_read_and_every_byte_keeps_its_place() {
        let source = r#""a\"\\\/\b\f\n\r\té\u00e9\ud83d\ude00\u0000z""#;
        let (text, origins) = decode(source, &(0..source.len()));
        let text = text.unwrap();
        assert_eq!(text, "a\"\\/\u{8}\u{c}\n\r\téé😀\0z");
        for (inside, outside) in [("a", "a"), ("\"", r#"\""#), ("\n", r"\n"), ("😀", r"\ud83d"), ("z", "z")]
        {
            let there = source.get(1..).unwrap().find(outside).unwrap() + 1;
            assert_eq!(origins.source(text.find(inside).unwrap()), there, "{inside:?}");
        }
        assert_eq!(origins.source(text.len()), source.len() - 1);
    }

    #[test]
    fn half_a_surrogate_pair_is_no_text() {
        for source in [r#""\ud83d""#, r#""\ude00""#, r#""\ud83dx""#, r#""\ud83d\u0041""#, r#""\ud83d\ud83d""#]
        {
            assert_eq!(decode(source, &(0..source.len())).0, None, "{source}");
        }
    }
}
