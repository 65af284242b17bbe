//! `KEY=value` lines, as a shell sources them and systemd's `EnvironmentFile=` reads them.
//!
//! | module | holds |
//! |---|---|
//! | [`read`] | the lines, and what each value says |
//!
//! A placeholder is written in the quotes it stands in. One that stands in none leaves its value unquoted if nothing in
//! the new text needs quotes; otherwise the whole value is quoted. Where a shell and systemd read a value differently
//! (quotes inside a word, blanks in an unquoted value), placeholders are refused, with the advice to quote the value.
//! Line breaks and other control characters but tabs are refused: systemd has no way to write them, or drops the line.
//!
//! Comments aren't touched. What follows a blank and a `#` is a comment to a shell; systemd and docker take it as a part
//! of the value. Docker's `--env-file` knows no quotes at all: for it the values have to be plain.

use std::ops::Range;

use super::{Edit, Format, Fragment, ParseError, Scalar, WriteError, apply};

mod read;

/// The format.
#[derive(Debug)]
pub(crate) struct Env;

/// How a value is written: its parts, one after the other.
#[derive(Clone, Debug, Default)]
pub(crate) struct Style {
    parts: Vec<Part>,
}

/// A part of a value that is quoted in one way.
#[derive(Clone, Debug)]
struct Part {
    /// Its bytes in the decoded value.
    text: Range<usize>,
    /// Its bytes in the source, quotes included.
    source: Range<usize>,
    quote: Quote,
}

/// How a part of a value is quoted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quote {
    None,
    Single,
    Double,
    /// Nothing can be written here, and why.
    Refused(&'static str),
}

const ADVICE: &str = "put the whole value in double quotes";

impl Format for Env {
    fn scalars(source: &str) -> Result<Vec<Scalar>, ParseError> {
        read::scalars(source)
    }

    fn write(_source: &str, _scalar: &Scalar, new_text: &str) -> Result<String, WriteError> {
        if new_text.contains('\'') {
            return Ok(format!("\"{}\"", in_double_quotes(new_text)));
        }
        Ok(format!("'{new_text}'"))
    }

    fn render(source: &str, scalar: &Scalar, fragments: &[Fragment]) -> Result<Vec<Edit>, WriteError> {
        let super::Style::Env(style) = &scalar.style else { return Ok(Vec::new()) };
        let mut edits = Vec::new();
        let mut needs_quotes = false;
        for fragment in fragments {
            check(&fragment.new)?;
            let part = style.parts.partition_point(|part| part.text.end < fragment.range.end);
            let part = style.parts.get(part).filter(|part| part.text.start <= fragment.range.start);
            let Some(part) = part else {
                let error =
                    WriteError::new("the placeholder begins in one kind of quotes and ends in another");
                return Err(error.with_remedy("inside double quotes write \\\" for a quote"));
            };
            let text = match part.quote {
                Quote::Refused(why) => return Err(WriteError::new(why).with_remedy(ADVICE)),
                Quote::Single => fragment.new.replace('\'', "'\"'\"'"),
                Quote::Double => in_double_quotes(&fragment.new),
                Quote::None => {
                    needs_quotes |= !fragment.new.bytes().all(is_plain);
                    fragment.new.clone()
                }
            };
            edits.push(Edit { range: stands_at(source, scalar, &fragment.range), text });
        }
        if has_bare_quotes(source, style, &edits) {
            return Err(WriteError::new("quotes stand in a value that isn't quoted").with_remedy(ADVICE));
        }
        if needs_quotes {
            let text = quoted(source, scalar, style, fragments, &edits)?;
            return Ok(vec![Edit { range: scalar.span.clone(), text }]);
        }
        Ok(edits)
    }
}

/// Whether quotes stand around a placeholder in an unquoted part: without it they might begin to count.
fn has_bare_quotes(source: &str, style: &Style, edits: &[Edit]) -> bool {
    let mut edits = edits.iter().peekable();
    style.parts.iter().any(|part| {
        let mut at = part.source.start;
        let mut holds_edits = false;
        let mut found = false;
        while let Some(edit) = edits.next_if(|edit| edit.range.end <= part.source.end) {
            found |= has_quotes(source.get(at..edit.range.start).unwrap_or_default());
            at = edit.range.end;
            holds_edits = true;
        }
        found |= has_quotes(source.get(at..part.source.end).unwrap_or_default());
        part.quote == Quote::None && holds_edits && found
    })
}

/// Whether there is a quote that no backslash takes its meaning from.
fn has_quotes(text: &str) -> bool {
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' | b'\'' => return true,
            b'\\' => drop(bytes.next()),
            _ => {}
        }
    }
    false
}

/// Where a placeholder stands in the source. Its end is that of its `}`: what follows may be the end of the quotes.
fn stands_at(source: &str, scalar: &Scalar, range: &Range<usize>) -> Range<usize> {
    let last = scalar.origins.source(range.end.saturating_sub(1));
    let is_escaped = source.as_bytes().get(last) == Some(&b'\\');
    scalar.origins.source(range.start)..last + if is_escaped { 2 } else { 1 }
}

/// An unquoted value, with quotes around all of it.
fn quoted(
    source: &str,
    scalar: &Scalar,
    style: &Style,
    fragments: &[Fragment],
    edits: &[Edit],
) -> Result<String, WriteError> {
    let refuse = |why: &str| Err(WriteError::new(why).with_remedy(ADVICE));
    if style.parts.len() > 1 {
        return refuse("the value needs quotes, and only a part of it has them");
    }
    // What stands around the placeholders, as it is written.
    let mut around = Vec::new();
    let mut done = scalar.span.start;
    for edit in edits {
        around.push(source.get(done..edit.range.start).unwrap_or_default());
        done = edit.range.end;
    }
    around.push(source.get(done..scalar.span.end).unwrap_or_default());
    if around.iter().any(|text| text.contains(['\\', '"', '\'', '~'])) {
        return refuse(
            "the value needs quotes, and what else stands in it would mean something else inside them",
        );
    }
    if !around.iter().any(|text| text.contains(['$', '`'])) {
        return Env::write(source, scalar, &apply(&scalar.text, fragments));
    }
    // A shell goes on expanding what it expanded before.
    let mut text = String::from("\"");
    let mut news = fragments.iter();
    for raw in around {
        text.push_str(raw);
        if let Some(fragment) = news.next() {
            text.push_str(&in_double_quotes(&fragment.new));
        }
    }
    text.push('"');
    Ok(text)
}

/// What a shell and systemd both unescape between double quotes.
fn in_double_quotes(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    for char in text.chars() {
        if matches!(char, '"' | '\\' | '`' | '$') {
            result.push('\\');
        }
        result.push(char);
    }
    result
}

/// Whether it stands for itself without quotes, everywhere.
const fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'_' | b'@' | b'%' | b'+' | b'=' | b':' | b',' | b'.' | b'/' | b'-')
}

fn check(text: &str) -> Result<(), WriteError> {
    match text.chars().find(|char| char.is_ascii_control() && *char != '\t') {
        Some('\n') => Err(WriteError::new("the value has a line break, which an env file can't hold")),
        Some(char) => {
            let message =
                format!("the value has the control character {char:?}, which an env file can't hold");
            Err(WriteError::new(message))
        }
        None => Ok(()),
    }
}
