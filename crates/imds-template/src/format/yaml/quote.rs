//! Writing a double-quoted scalar, the one form that can hold any text.

use granit_parser::{Event, Parser};

use super::{Fragment, Scalar};

/// The text as a double-quoted scalar on one line.
pub(super) fn quoted(text: &str) -> String {
    let mut result = String::with_capacity(text.len().saturating_add(2));
    result.push('"');
    push_escaped(&mut result, text);
    result.push('"');
    result
}

/// A double-quoted scalar with the fragments in place and everything between them as it was. None where that would read
/// differently: the caller then writes the scalar on one line.
pub(super) fn render(
    source: &str,
    scalar: &Scalar,
    fragments: &[Fragment],
    new_text: &str,
) -> Option<String> {
    let lines = source.get(scalar.span.clone())?.contains(['\n', '\r']);
    let mut result = String::from("\"");
    let mut done = 0;
    for fragment in fragments {
        result.push_str(kept(source, scalar, done..fragment.range.start)?);
        // White space beside a line break would be folded away.
        let inner = fragment.new.trim_matches([' ', '\t']);
        if lines && inner.len() != fragment.new.len() {
            push_white_escaped(&mut result, &fragment.new);
        } else {
            push_escaped(&mut result, &fragment.new);
        }
        done = fragment.range.end;
    }
    result.push_str(kept(source, scalar, done..scalar.text.len())?);
    result.push('"');
    (!lines || reads_as(&format!("- {result}"), new_text)).then_some(result)
}

/// The bytes of the source that a part of the decoded text comes from.
pub(super) fn kept<'s>(source: &'s str, scalar: &Scalar, range: std::ops::Range<usize>) -> Option<&'s str> {
    if range.is_empty() {
        return Some("");
    }
    source.get(scalar.origins.source(range.start)..scalar.origins.source(range.end))
}

/// Does the last scalar of this document read as this text?
pub(super) fn reads_as(document: &str, text: &str) -> bool {
    let options = granit_parser::options! { block_scalar_eof_without_line_feed: true };
    let mut last = None;
    for event in Parser::new_from_str_with_options(document, options) {
        match event {
            Ok((Event::Scalar(value, ..), _)) => last = Some(value),
            Ok(_) => {}
            Err(_) => return false,
        }
    }
    last.is_some_and(|value| value == text)
}

/// Does the character need an escape? Those that YAML calls non-printable do, and those that YAML 1.1 reads as line breaks.
pub(super) fn needs_escape(character: char) -> bool {
    matches!(character,
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

fn push_escaped(result: &mut String, text: &str) {
    for character in text.chars() {
        push_character(result, character);
    }
}

fn push_white_escaped(result: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            ' ' => result.push_str("\\x20"),
            other => push_character(result, other),
        }
    }
}

fn push_character(result: &mut String, character: char) {
    match character {
        '"' => result.push_str("\\\""),
        '\\' => result.push_str("\\\\"),
        '\n' => result.push_str("\\n"),
        '\r' => result.push_str("\\r"),
        '\t' => result.push_str("\\t"),
        '\0' => result.push_str("\\0"),
        other if needs_escape(other) => {
            let code = u32::from(other);
            result.push_str(&if code < 0x100 { format!("\\x{code:02X}") } else { format!("\\u{code:04X}") });
        }
        other => result.push(other),
    }
}
