//! Writing a string anew. What is written has only the escapes that TOML 1.0 knows, whatever the source has.

use toml_parser::Source;
use toml_parser::decoder::Encoding;
use toml_parser::lexer::TokenKind;

use super::{Fragment, Kind, Scalar, decode};

/// The text as a basic string on one line.
pub(super) fn basic(text: &str) -> String {
    let mut result = String::with_capacity(text.len().saturating_add(2));
    result.push('"');
    push_escaped(&mut result, text);
    result.push('"');
    result
}

/// The string with the fragments in place, of its own kind or of the nearest that can hold the new text. None where that
/// would read differently: the caller then writes a basic string.
pub(super) fn render(
    source: &str,
    scalar: &Scalar,
    kind: Kind,
    fragments: &[Fragment],
    new_text: &str,
) -> Option<String> {
    let kinds: &[Kind] = match kind {
        Kind::Basic => &[Kind::Basic],
        Kind::Literal => &[Kind::Literal],
        Kind::MultilineBasic => &[Kind::MultilineBasic],
        Kind::MultilineLiteral => &[Kind::MultilineLiteral, Kind::MultilineBasic],
    };
    kinds.iter().find_map(|target| {
        let result = attempt(source, scalar, kind, *target, fragments)?;
        reads_as(&result, new_text).then_some(result)
    })
}

fn attempt(
    source: &str,
    scalar: &Scalar,
    kind: Kind,
    target: Kind,
    fragments: &[Fragment],
) -> Option<String> {
    let quotes = match target {
        Kind::Basic => "\"",
        Kind::Literal => "'",
        Kind::MultilineBasic => "\"\"\"",
        Kind::MultilineLiteral => "'''",
    };
    let inner = decode::inner(source, &scalar.span, kind)?;
    let carriage_returns = source.get(scalar.span.clone())?.contains('\r');
    let mut result = String::from(quotes);
    // The line break after the opening quotes.
    let mut part = source.get(scalar.span.start + quotes.len()..inner.start)?;
    let mut done = 0;
    for fragment in fragments.iter().map(Some).chain([None]) {
        result.push_str(part);
        let end = fragment.map_or(scalar.text.len(), |fragment| fragment.range.start);
        let kept = source
            .get(scalar.origins.source(done)..scalar.origins.source(end).max(scalar.origins.source(done)));
        let kept = if done == end { "" } else { kept? };
        if target == kind {
            result.push_str(kept);
        } else {
            // Of a literal string: what is in it stands for itself.
            result.push_str(&kept.replace('\\', "\\\\").replace('"', "\\\""));
        }
        let Some(fragment) = fragment else { break };
        match target {
            Kind::Basic => push_escaped(&mut result, &fragment.new),
            Kind::MultilineBasic => push_lines(&mut result, &fragment.new, carriage_returns),
            Kind::Literal | Kind::MultilineLiteral => {
                let lines = target == Kind::MultilineLiteral && !carriage_returns;
                let held =
                    |character| (lines && character == '\n') || character == '\t' || !needs_escape(character);
                if !fragment.new.chars().all(held) {
                    return None;
                }
                result.push_str(&fragment.new);
            }
        }
        done = fragment.range.end;
        part = "";
    }
    result.push_str(quotes);
    Some(result)
}

/// Is this one string, and does it read as this text?
fn reads_as(string: &str, text: &str) -> bool {
    let source = Source::new(string);
    let mut tokens = source.lex();
    let Some(token) = tokens.next() else { return false };
    let encoding = match token.kind() {
        TokenKind::LiteralString => Encoding::LiteralString,
        TokenKind::MlLiteralString => Encoding::MlLiteralString,
        TokenKind::BasicString => Encoding::BasicString,
        TokenKind::MlBasicString => Encoding::MlBasicString,
        _ => return false,
    };
    let mut error = None;
    let mut decoded = String::new();
    let raw = toml_parser::Raw::new_unchecked(string, Some(encoding), token.span());
    let _ = raw.decode_scalar(&mut decoded, &mut error);
    token.span().end() == string.len() && error.is_none() && decoded == text
}

/// Does the character need an escape? Control characters do; those that look like nothing or like a line break get one.
fn needs_escape(character: char) -> bool {
    matches!(character,
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

fn push_escaped(result: &mut String, text: &str) {
    for character in text.chars() {
        push_character(result, character);
    }
}

/// Line feeds as they are, unless the lines of this string end in `\r\n`: some readers turn that into `\n` and some don't.
/// White space behind other white space is escaped: it would be lost after a backslash at a line's end or the first quotes.
fn push_lines(result: &mut String, text: &str, carriage_returns: bool) {
    let exposed = result.ends_with(['\n', ' ', '\t']) || result == "\"\"\"";
    for (index, character) in text.char_indices() {
        match character {
            ' ' if index == 0 && exposed => result.push_str("\\u0020"),
            '\n' if !carriage_returns && (index > 0 || !exposed) => result.push('\n'),
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
        '\u{8}' => result.push_str("\\b"),
        '\u{c}' => result.push_str("\\f"),
        other if needs_escape(other) => result.push_str(&format!("\\u{:04X}", u32::from(other))),
        other => result.push(other),
    }
}
