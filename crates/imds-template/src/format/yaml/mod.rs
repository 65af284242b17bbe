//! YAML: string values by their spans, everything else byte for byte.
//!
//! | module | holds |
//! |---|---|
//! | [`walk`] | the parser's events, turned into scalars and the entries they stand in |
//! | [`cut`] | placeholders that YAML itself would cut in two |
//! | [`decode`] | what plain and quoted scalars say, and where each byte of it stands |
//! | [`block`] | block scalars: literal and folded, every chomping and indentation indicator |
//! | [`quote`] | writing a double-quoted scalar |
//! | [`gap`] | what stands between two nodes: white space, comments, commas |
//! | [`removal`] | taking out whole entries |
//! | [`rest`] | whether the others say what they said |
//!
//! Touched are values that are strings: untagged, or tagged `!!str` or with a tag of the application's own. Keys, anchors,
//! tags, aliases, comments and directives stay as they are. A plain, single- or double-quoted scalar that holds a
//! placeholder comes out double-quoted. What a double-quoted one has around its placeholders keeps its spelling: escapes,
//! line breaks. A block scalar stays one where it can hold the new text; where it can't (control characters, a first line
//! that starts with a space, trailing line breaks that its chomping indicator takes away, nothing at all), it becomes a
//! double-quoted scalar, which can hold anything.
//!
//! A block mapping or sequence that loses its last entry becomes `{}` or `[]`, because an empty one would read as null.
//! An entry whose anchor some alias needs can't be dropped, nor one without which the others would say something else.

use super::{Edit, Format, Fragment, Origins, ParseError, Scalar, WriteError, apply};

mod block;
mod cut;
mod decode;
pub(in crate::format) mod gap;
mod quote;
pub(in crate::format) mod removal;
mod rest;
mod walk;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod trees;

/// The format.
#[derive(Debug)]
pub(crate) struct Yaml;

/// What the writer has to know of a YAML scalar.
#[derive(Clone, Debug)]
pub(crate) struct Style {
    /// How the scalar is written.
    form: Form,
    /// Where it stands in the mapping or sequence around it; none for a whole document.
    place: Option<Place>,
}

/// How a scalar is written.
#[derive(Clone, Debug)]
enum Form {
    /// Plain or single-quoted, or so unusual that nothing of its spelling is kept: written anew as a whole.
    Anew,
    /// Double-quoted, and every byte of its text is known in the source: what is around the placeholders keeps its spelling.
    Double,
    /// A block scalar.
    Block(block::Block),
}

/// Where a value stands in the collection around it.
#[derive(Clone, Debug)]
struct Place {
    /// Which scalar of the file the value is, from 1.
    scalar: usize,
    /// Tells the collections of a file apart.
    collection: usize,
    /// Is it a mapping?
    mapping: bool,
    /// Is it written with brackets and commas?
    flow: bool,
    /// Is it a sequence whose dashes stand below the first letter of its own key?
    indentless: bool,
    /// Which entry of it, from 0.
    index: usize,
    /// How many entries it has.
    count: usize,
    /// Where the entry before it ends at the latest, or the collection starts.
    before: usize,
    /// The last block scalar that stands before it.
    block: Option<BlockEnd>,
}

/// Where a block scalar ends that something may come to stand behind.
#[derive(Clone, Copy, Debug)]
struct BlockEnd {
    /// Where its text starts.
    start: usize,
    /// Behind its last line, and the white space after that.
    at: usize,
    /// How many spaces stand before each line; 0 where none has any text.
    indentation: usize,
}

impl Format for Yaml {
    fn scalars(source: &str) -> Result<Vec<Scalar>, ParseError> {
        walk::scalars(source)
    }

    fn write(_source: &str, scalar: &Scalar, new_text: &str) -> Result<String, WriteError> {
        let form = form(scalar);
        Ok(match form {
            Some(Form::Block(block)) => block.quoted(new_text),
            _ => quote::quoted(new_text),
        })
    }

    fn render(source: &str, scalar: &Scalar, fragments: &[Fragment]) -> Result<Vec<Edit>, WriteError> {
        let new_text = apply(&scalar.text, fragments);
        let kept = match form(scalar) {
            Some(Form::Double) => quote::render(source, scalar, fragments, &new_text),
            Some(Form::Block(block)) => block.render(source, scalar, fragments, &new_text),
            _ => None,
        };
        let text = match kept {
            Some(text) => text,
            None => Self::write(source, scalar, &new_text)?,
        };
        Ok(vec![Edit { range: scalar.span.clone(), text }])
    }

    fn removals(source: &str, dropped: &[&Scalar]) -> Vec<Edit> {
        removal::removals(source, dropped)
    }

    fn rest_stays(source: &str, dropped: &[&Scalar], result: &str) -> bool {
        rest::stays(source, dropped, result)
    }
}

/// How the scalar is written, if it is YAML's.
fn form(scalar: &Scalar) -> Option<&Form> {
    match &scalar.style {
        super::Style::Yaml(style) => Some(&style.form),
        _ => None,
    }
}

/// The place of the scalar, if it is YAML's and has one.
fn place(scalar: &Scalar) -> Option<&Place> {
    match &scalar.style {
        super::Style::Yaml(style) => style.place.as_ref(),
        _ => None,
    }
}
