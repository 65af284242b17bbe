//! Placeholders that YAML itself would cut in two.
//!
//! A plain scalar ends at ` #` and at `: `, and in a flow collection at every brace, bracket and comma. A placeholder that
//! holds one of these isn't one any more when YAML is done with it, so it has to be quoted. These are errors here, at the
//! placeholder's place.

use super::ParseError;
use super::gap::{line_start, skip_blanks};
use crate::grammar::{Found, Grammar};

/// The error for a placeholder that starts at `offset`.
fn cut(offset: usize, by: &str) -> ParseError {
    ParseError::new(offset, format!("YAML ends this placeholder at {by}"))
        .with_remedy("write the value in quotes: \"${…}\"")
}

/// A plain scalar in a flow collection that ends in the middle of `${`.
pub(super) fn in_flow(source: &str, end: usize) -> Option<ParseError> {
    let before = source.as_bytes().get(end.checked_sub(1)?..=end)?;
    (before == b"${").then(|| cut(end - 1, "its brace, because it stands unquoted in a flow collection"))
}

/// A plain scalar whose last placeholder doesn't end before a comment, or, of a key, before its colon.
pub(super) fn at_end(source: &str, start: usize, end: usize, is_key: bool) -> Option<ParseError> {
    let next = skip_blanks(source, end);
    let by = match source.as_bytes().get(next)? {
        b':' if is_key => "the colon after it",
        b'#' if next > end => "the ` #` that starts a comment",
        _ => return None,
    };
    let offset = start + unclosed(source.get(start..end)?)?;
    Some(cut(offset, by))
}

/// The parser stopped at `at`: the placeholder on that line that it stopped in, if there is one.
pub(super) fn at_error(source: &str, at: usize) -> Option<ParseError> {
    if let Some(error) = in_flow(source, at) {
        return Some(error);
    }
    let start = line_start(source, at);
    let offset = start + unclosed(source.get(start..at)?)?;
    Some(cut(
        offset,
        if source.as_bytes().get(at) == Some(&b':') {
            "a colon"
        } else {
            "a character with a meaning of its own"
        },
    ))
}

/// A placeholder in a scalar that its tag declares to be something else than a string.
pub(super) fn in_tagged(tag: &str, text: &str, start: usize) -> Option<ParseError> {
    found(text).any(|found| matches!(found, Found::Placeholder { .. })).then(|| {
        ParseError::new(
            start,
            format!("this placeholder stands in a value that is tagged !!{tag}, which is no string"),
        )
        .with_remedy("leave the tag out, or the placeholder")
    })
}

/// Where the last placeholder starts, if it doesn't end within the text.
fn unclosed(text: &str) -> Option<usize> {
    found(text).find_map(|found| match found {
        Found::Cut { start, known: true } => Some(start),
        _ => None,
    })
}

/// Every placeholder of the built-in clouds, whole or not. (Of clouds that the caller declares, the search for
/// placeholders that follows finds that they have no end.)
fn found(text: &str) -> impl Iterator<Item = Found> {
    let grammar = Grammar::default();
    let mut at = 0;
    std::iter::from_fn(move || {
        let found = grammar.find(text.as_bytes(), at)?;
        at = match &found {
            Found::Escape { range } | Found::Placeholder { range, .. } | Found::Broken { range, .. } => {
                range.end
            }
            Found::Cut { .. } => text.len(),
        };
        Some(found)
    })
}
