//! What plain and quoted scalars say, and where in the source each byte of it stands.
//!
//! The parser gives the text of a scalar, but not where its parts come from. The result here is compared with the
//! parser's; where they differ, the parser is right and the scalar's parts have no known places.

use super::Origins;
use super::gap::break_length;

/// How a scalar is quoted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quotes {
    /// Not at all.
    Plain,
    /// `'…'`, in which `''` is the only escape.
    Single,
    /// `"…"`.
    Double,
}

/// Decodes the scalar at these bytes of the source, without its quotes. None for an escape that YAML doesn't know.
pub(super) fn decode(source: &str, start: usize, end: usize, quotes: Quotes) -> Option<(String, Origins)> {
    let source = source.get(..end)?;
    let mut text = String::with_capacity(end.saturating_sub(start));
    let mut origins = Origins::verbatim(start);
    let mut at = start;
    // White space up to here is no white space before a line break: it was escaped.
    let mut fixed = 0;
    loop {
        let rest = source.get(at..)?;
        let run = rest.bytes().position(|byte| match byte {
            b'\n' | b'\r' => true,
            b'\'' => quotes == Quotes::Single,
            b'\\' => quotes == Quotes::Double,
            _ => false,
        });
        text.push_str(rest.get(..run.unwrap_or(rest.len()))?);
        let Some(run) = run else { break };
        at += run;
        origins.push(text.len(), at);
        match source.as_bytes().get(at)? {
            b'\n' | b'\r' => {
                let white = text.trim_end_matches([' ', '\t']).len().max(fixed);
                let first = at - (text.len() - white);
                text.truncate(white);
                while origins.0.last().is_some_and(|(offset, _)| *offset >= white) {
                    origins.0.pop();
                }
                origins.push(white, first);
                at = fold(source, at, &mut text, true);
                fixed = text.len();
            }
            b'\'' => {
                text.push('\'');
                at += 2;
            }
            _ => {
                let length = break_length(source, at + 1);
                if length > 0 {
                    at = fold(source, at + 1, &mut text, false);
                } else {
                    at = escape(source, at + 1, &mut text)?;
                }
                fixed = text.len();
            }
        }
        origins.push(text.len(), at);
    }
    origins.push(text.len(), end);
    Some((text, origins))
}

/// Reads one line break, the empty lines after it, and the white space before the next text. One break is a space (or
/// nothing, where it was escaped); each empty line is a line feed.
fn fold(source: &str, from: usize, text: &mut String, space: bool) -> usize {
    let mut at = from;
    let mut breaks = 0;
    loop {
        let length = break_length(source, at);
        if length == 0 {
            break;
        }
        breaks += 1;
        at = super::gap::skip_blanks(source, at + length);
    }
    if breaks == 1 && space {
        text.push(' ');
    }
    text.extend(std::iter::repeat_n('\n', usize::saturating_sub(breaks, 1)));
    at
}

/// Reads an escape, after its backslash. Returns where it ends.
fn escape(source: &str, at: usize, text: &mut String) -> Option<usize> {
    let character = source.get(at..)?.chars().next()?;
    let after = at + character.len_utf8();
    let digits = match character {
        'x' => 2,
        'u' => 4,
        'U' => 8,
        _ => {
            text.push(named(character)?);
            return Some(after);
        }
    };
    let code = |from: usize| u32::from_str_radix(source.get(from..from + digits)?, 16).ok();
    let end = after + digits;
    match (code(after)?, source.get(end..end + 2)) {
        // As in JSON, of which YAML is a superset.
        (high @ 0xd800..=0xdbff, Some("\\u")) if digits == 4 => {
            let low = code(end + 2).filter(|low| matches!(low, 0xdc00..=0xdfff))?;
            text.push(char::from_u32(0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00))?);
            Some(end + 6)
        }
        (code, _) => {
            text.push(char::from_u32(code)?);
            Some(end)
        }
    }
}

/// What an escape of one letter stands for.
fn named(character: char) -> Option<char> {
    Some(match character {
        '0' => '\0',
        'a' => '\u{7}',
        'b' => '\u{8}',
        't' | '\t' => '\t',
        'n' => '\n',
        'v' => '\u{b}',
        'f' => '\u{c}',
        'r' => '\r',
        'e' => '\u{1b}',
        ' ' => ' ',
        '"' => '"',
        '/' => '/',
        '\\' => '\\',
        'N' => '\u{85}',
        '_' => '\u{a0}',
        'L' => '\u{2028}',
        'P' => '\u{2029}',
        _ => return None,
    })
}
