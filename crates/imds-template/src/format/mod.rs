//! The file formats: how each finds its string values and writes them anew.
//!
//! A format turns a source into [`Scalar`]s: the string values that hold a `${`. The core finds the placeholders in each
//! scalar's decoded text, resolves them, and asks the format for the [`Edit`]s that put the result in place. Everything
//! outside the edits is copied byte for byte. Keys are never scalars.
//!
//! | module | format |
//! |---|---|
//! | [`kind`] | [`Format`](kind::Format), the list of formats, and how a file's name tells which |
//! | [`text`] | text of any kind, also as a stream |
//! | [`json`] | JSON, with and without comments |
//! | [`yaml`] | YAML |
//! | [`toml`] | TOML |
//! | [`env`](mod@env) | `KEY=value` lines |
//! | [`list`] | which commas go when entries of a comma-separated list go |

use std::ops::Range;

use memchr::memmem::Finder;

use crate::grammar::SIGN;

pub(crate) mod env;
pub(crate) mod json;
pub(crate) mod kind;
pub(crate) mod list;
#[cfg(test)]
pub(crate) mod testing;
pub(crate) mod text;
pub(crate) mod toml;
pub(crate) mod yaml;

/// The edits in the order of their places; those at the same place in theirs.
pub(crate) fn sort(edits: &mut [Edit]) {
    edits.sort_by_key(|edit| (edit.range.start, edit.range.end));
}

/// A string value of the source that holds at least one `${`.
#[derive(Clone, Debug)]
pub(crate) struct Scalar {
    /// The bytes of the source that [`Format::write`] replaces: with quotes; of a block scalar from its `|` or `>` on.
    pub(crate) span: Range<usize>,
    /// The decoded value.
    pub(crate) text: String,
    /// Where each byte of `text` stands in the source.
    pub(crate) origins: Origins,
    /// What the writer has to know.
    pub(crate) style: Style,
    /// What goes when the entry is dropped: the whole `key: value` or list item, without its comma where entries are
    /// separated by commas ([`Format::removals`] judges those). `None` where nothing can go (a whole document).
    pub(crate) entry: Option<Range<usize>>,
}

/// What the writer of a format has to know of a scalar.
#[derive(Clone, Debug)]
pub(crate) enum Style {
    /// The scalar is a JSON string.
    Json,
    /// The scalar is a value of an env file.
    Env(env::Style),
    /// The scalar is one of YAML's.
    Yaml(yaml::Style),
    /// The scalar is one of TOML's.
    Toml(toml::Style),
}

/// Maps an offset in a scalar's decoded text to one in the source: sorted pairs (in the text, in the source). An offset
/// between two pairs counts on from the nearest earlier one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Origins(pub(crate) Vec<(usize, usize)>);

impl Origins {
    /// The text stands in the source as it is, from `start` on.
    pub(crate) fn verbatim(start: usize) -> Self {
        Self(vec![(0, start)])
    }

    /// From `text` on (an offset in the decoded text), the source is at `source`. Has to be called in order; a pair that
    /// says nothing new is left out.
    pub(crate) fn push(&mut self, text: usize, source: usize) {
        if self.0.is_empty() || self.source(text) != source {
            self.0.push((text, source));
        }
    }

    /// The offset in the source.
    pub(crate) fn source(&self, text: usize) -> usize {
        let after = self.0.partition_point(|(start, _)| *start <= text);
        match after.checked_sub(1).and_then(|index| self.0.get(index)) {
            Some((start, source)) => source.saturating_add(text.saturating_sub(*start)),
            None => text,
        }
    }
}

/// One replacement in a scalar's decoded text: a placeholder or an escape, and what stands there from now on.
#[derive(Clone, Debug)]
pub(crate) struct Fragment {
    /// The bytes of [`Scalar::text`].
    pub(crate) range: Range<usize>,
    /// The new text, decoded.
    pub(crate) new: String,
}

/// One replacement in the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Edit {
    /// The bytes that go.
    pub(crate) range: Range<usize>,
    /// What comes in their place.
    pub(crate) text: String,
}

/// A file format. Implemented by `json::Json`, `yaml::Yaml`, `toml::Toml` and `env::Env`.
pub(crate) trait Format {
    /// The scalars that hold a `${`, in order of position. Also judges whether the source parses at all.
    fn scalars(source: &str) -> Result<Vec<Scalar>, ParseError>;

    /// The scalar anew, as it stands in the source: what replaces [`Scalar::span`].
    fn write(source: &str, scalar: &Scalar, new_text: &str) -> Result<String, WriteError>;

    /// The edits that put the fragments (in order, never empty) in place. Formats in which a part of a scalar can be
    /// replaced alone do that, so that the rest of it keeps its spelling.
    fn render(source: &str, scalar: &Scalar, fragments: &[Fragment]) -> Result<Vec<Edit>, WriteError> {
        let text = Self::write(source, scalar, &apply(&scalar.text, fragments))?;
        Ok(vec![Edit { range: scalar.span.clone(), text }])
    }

    /// The edits that take out the entries of these scalars (in order of position; every one has an entry), so that what
    /// is left parses and has all the other entries. Formats with comma-separated lists, and those in which a list that
    /// lost its last entry has to become `[]`, need to look at all of them together.
    fn removals(source: &str, dropped: &[&Scalar]) -> Vec<Edit> {
        let _ = source;
        let entries = dropped.iter().filter_map(|scalar| scalar.entry.clone());
        entries.map(|range| Edit { range, text: String::new() }).collect()
    }

    /// Does the result, which lost the entries of these scalars, still parse? Formats in which what is left can say
    /// something else without them judge that, too.
    fn rest_stays(source: &str, dropped: &[&Scalar], result: &str) -> bool {
        let _ = (source, dropped);
        Self::scalars(result).is_ok()
    }
}

/// Where the next `${` stands in a source: found once for all the strings up to it.
pub(crate) struct Signs<'s> {
    source: &'s [u8],
    finder: Finder<'static>,
    next: usize,
}

impl<'s> Signs<'s> {
    /// Of this source.
    pub(crate) fn of(source: &'s str) -> Self {
        let mut signs = Self { source: source.as_bytes(), finder: Finder::new(SIGN), next: 0 };
        signs.find(0);
        signs
    }

    fn find(&mut self, at: usize) {
        let found = self.source.get(at..).and_then(|rest| self.finder.find(rest));
        self.next = found.map_or(usize::MAX, |offset| at + offset);
    }

    /// Whether there is one in this range. Ranges have to come in order.
    pub(crate) fn any_in(&mut self, range: &Range<usize>) -> bool {
        if self.next < range.start {
            self.find(range.start);
        }
        self.next < range.end
    }
}

/// The scalar's text with the fragments in place.
pub(crate) fn apply(text: &str, fragments: &[Fragment]) -> String {
    let mut result = String::with_capacity(text.len());
    let mut done = 0;
    for fragment in fragments {
        result.push_str(text.get(done..fragment.range.start).unwrap_or_default());
        result.push_str(&fragment.new);
        done = fragment.range.end;
    }
    result.push_str(text.get(done..).unwrap_or_default());
    result
}

/// The source doesn't parse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ParseError {
    /// Where, in bytes.
    pub(crate) offset: usize,
    /// What is wrong, as a lower-case fragment.
    pub(crate) message: String,
    /// What can be done, where that isn't plain.
    pub(crate) remedy: Option<String>,
}

impl ParseError {
    /// An error without a remedy.
    pub(crate) fn new(offset: usize, message: impl Into<String>) -> Self {
        Self { offset, message: message.into(), remedy: None }
    }

    /// Says what can be done.
    #[must_use]
    pub(crate) fn with_remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }
}

/// The format can't hold the new text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WriteError {
    /// Why, as a lower-case fragment.
    pub(crate) message: String,
    /// What can be done, where something can.
    pub(crate) remedy: Option<String>,
}

impl WriteError {
    /// An error without a remedy.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), remedy: None }
    }

    /// Says what can be done.
    #[must_use]
    pub(crate) fn with_remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }
}
