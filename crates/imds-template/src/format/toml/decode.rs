//! What a string says, and where in the source each byte of it stands.
//!
//! The parser gives the text of a string, but not where its parts come from. The result here is compared with the parser's.

use std::ops::Range;

use super::{Kind, Origins};
use crate::format::yaml::gap::break_length;

/// The bytes between the quotes, without the line break that follows the opening ones of a multi-line string.
pub(super) fn inner(source: &str, span: &Range<usize>, kind: Kind) -> Option<Range<usize>> {
    let quotes = match kind {
        Kind::Basic | Kind::Literal => 1,
        Kind::MultilineBasic | Kind::MultilineLiteral => 3,
    };
    let start = span.start + quotes;
    let start = if quotes == 3 { start + break_length(source, start) } else { start };
    let end = span.end.checked_sub(quotes)?;
    (start <= end).then_some(start..end)
}

/// Decodes the string at these bytes of the source. None for an escape that TOML doesn't know.
pub(super) fn decode(source: &str, span: &Range<usize>, kind: Kind) -> Option<(String, Origins)> {
    let inner = inner(source, span, kind)?;
    let content = source.get(inner.clone())?;
    if matches!(kind, Kind::Literal | Kind::MultilineLiteral) {
        return Some((content.to_owned(), Origins::verbatim(inner.start)));
    }
    let mut text = String::with_capacity(content.len());
    let mut origins = Origins::verbatim(inner.start);
    let mut at = 0;
    while let Some(length) = memchr::memchr(b'\\', content.as_bytes().get(at..)?) {
        text.push_str(content.get(at..at + length)?);
        at += length + 1;
        origins.push(text.len(), inner.start + at - 1);
        at = escape(content, at, &mut text)?;
        origins.push(text.len(), inner.start + at);
    }
    text.push_str(content.get(at..)?);
    origins.push(text.len(), inner.end);
    Some((text, origins))
}

/// Reads an escape, after its backslash. Returns where it ends.
fn escape(content: &str, at: usize, text: &mut String) -> Option<usize> {
    let character = content.get(at..)?.chars().next()?;
    let after = at + character.len_utf8();
    let digits = match character {
        'x' => 2,
        'u' => 4,
        'U' => 8,
        ' ' | '\t' | '\r' | '\n' => {
            // A line that ends in a backslash goes on at the next text.
            let rest = content.get(at..)?;
            return Some(content.len() - rest.trim_start_matches([' ', '\t', '\r', '\n']).len());
        }
        _ => {
            text.push(match character {
                'b' => '\u{8}',
                't' => '\t',
                'n' => '\n',
                'f' => '\u{c}',
                'r' => '\r',
                'e' => '\u{1b}',
                '"' => '"',
                '\\' => '\\',
                _ => return None,
            });
            return Some(after);
        }
    };
    let code = u32::from_str_radix(content.get(after..after + digits)?, 16).ok()?;
    text.push(char::from_u32(code)?);
    Some(after + digits)
}
