//! TOML: string values by their spans, everything else byte for byte.
//!
//! | module | holds |
//! |---|---|
//! | [`walk`] | the parser's events, turned into scalars and the entries they stand in |
//! | [`decode`] | what the four kinds of strings say, and where each byte of it stands |
//! | [`write`] | writing a string anew |
//!
//! Touched are values that are strings; keys, of whatever quoting, never are. A basic string (`"…"`, `"""…"""`) stays what
//! it is and keeps its spelling around the placeholders: escapes, line breaks, lines that end in a backslash. A literal
//! string (`'…'`, `'''…'''`) stays one where it can hold the new text, and becomes a basic one where it can't (quotes,
//! control characters). A multi-line string stays on its lines.
//!
//! An entry that is dropped takes its line with it, or its comma in an array or inline table; what it leaves empty stays:
//! `[]`, `{}`, a table's header. Judged is the syntax; that a key isn't defined twice is left to who reads the result.

use std::collections::BTreeMap;
use std::ops::Range;

use super::yaml::gap::{line_start, next_line};
use super::yaml::removal::{in_order, listed};
use super::{Edit, Format, Fragment, Origins, ParseError, Scalar, WriteError, apply};

mod decode;
mod walk;
mod write;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

/// The format.
#[derive(Debug)]
pub(crate) struct Toml;

/// What the writer has to know of a TOML string.
#[derive(Clone, Debug)]
pub(crate) struct Style {
    /// How the string is quoted.
    kind: Kind,
    /// Where the value stands in the array or inline table around it; none on a line of its own.
    place: Option<Place>,
}

/// The four kinds of strings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// `"…"`
    Basic,
    /// `'…'`
    Literal,
    /// `"""…"""`
    MultilineBasic,
    /// `'''…'''`
    MultilineLiteral,
}

/// Where a value stands in an array or inline table.
#[derive(Clone, Debug)]
struct Place {
    /// Tells the arrays and inline tables of a file apart.
    list: usize,
    /// Which entry of it, from 0.
    index: usize,
    /// Where the entry before it ends, or the list starts.
    before: usize,
}

impl Format for Toml {
    fn scalars(source: &str) -> Result<Vec<Scalar>, ParseError> {
        walk::scalars(source)
    }

    fn write(_source: &str, _scalar: &Scalar, new_text: &str) -> Result<String, WriteError> {
        Ok(write::basic(new_text))
    }

    fn render(source: &str, scalar: &Scalar, fragments: &[Fragment]) -> Result<Vec<Edit>, WriteError> {
        let new_text = apply(&scalar.text, fragments);
        let kept =
            style(scalar).and_then(|style| write::render(source, scalar, style.kind, fragments, &new_text));
        let text = match kept {
            Some(text) => text,
            None => Self::write(source, scalar, &new_text)?,
        };
        Ok(vec![Edit { range: scalar.span.clone(), text }])
    }

    fn removals(source: &str, dropped: &[&Scalar]) -> Vec<Edit> {
        let mut lists: BTreeMap<usize, Vec<(Range<usize>, usize, usize)>> = BTreeMap::new();
        let mut edits = Vec::new();
        for scalar in dropped {
            let Some(range) = scalar.entry.clone() else { continue };
            match style(scalar).and_then(|style| style.place.as_ref()) {
                Some(place) => lists.entry(place.list).or_default().push((range, place.index, place.before)),
                None => {
                    let range = line_start(source, range.start)..next_line(source, range.end);
                    edits.push(Edit { range, text: String::new() });
                }
            }
        }
        for entries in lists.into_values() {
            listed(source, entries.into_iter(), &mut edits);
        }
        in_order(source, edits)
    }
}

/// The scalar's style, if it is TOML's.
fn style(scalar: &Scalar) -> Option<&Style> {
    match &scalar.style {
        super::Style::Toml(style) => Some(style),
        _ => None,
    }
}
