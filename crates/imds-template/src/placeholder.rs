//! A placeholder, as it was found.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use imds_model::{Class, Field};

use crate::grammar::{Found, Grammar, Otherwise, read};
use crate::{Key, Namespace, Position, Problem, ProblemKind};

/// A placeholder: what it asks for, and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Placeholder {
    position: Position,
    /// Shared by all that are written alike: large files say the same thing often.
    meaning: Arc<Meaning>,
}

#[derive(Debug, PartialEq)]
struct Meaning {
    written: String,
    namespace: Namespace,
    name: String,
    key: Key,
    otherwise: Option<Otherwise>,
}

impl Placeholder {
    /// Where its `$` stands.
    #[must_use]
    pub fn position(&self) -> Position {
        self.position
    }

    /// The placeholder, as it was written (in a quoted string: without the string's own escapes).
    #[must_use]
    pub fn as_written(&self) -> &str {
        &self.meaning.written
    }

    /// What stands before the colon.
    #[must_use]
    pub fn namespace(&self) -> &Namespace {
        &self.meaning.namespace
    }

    /// What stands behind the colon, without quotes, default and message: a key, a tag's key or a path.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.meaning.name
    }

    /// What it asks for.
    #[must_use]
    pub fn key(&self) -> &Key {
        &self.meaning.key
    }

    /// The field that has to be read for it; none for a path.
    #[must_use]
    pub fn field(&self) -> Option<Field> {
        self.meaning.key.field()
    }

    /// Who may see the value; for a path ask [`Values::path_class`](crate::Values::path_class).
    #[must_use]
    pub fn class(&self) -> Option<Class> {
        self.meaning.key.class()
    }

    /// What it says is to be done without a value.
    #[must_use]
    pub fn otherwise(&self) -> Option<&Otherwise> {
        self.meaning.otherwise.as_ref()
    }

    /// The default, maybe empty.
    #[must_use]
    pub fn default(&self) -> Option<&str> {
        match &self.meaning.otherwise {
            Some(Otherwise::Default(text)) => Some(text),
            Some(Otherwise::Error(_)) | None => None,
        }
    }
}

/// The text, cut to what fits a message.
pub(crate) fn shortened(text: &str) -> Cow<'_, str> {
    const LONGEST: usize = 80;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()).into(),
        None => text.into(),
    }
}

/// What isn't to be copied as it is.
#[derive(Debug)]
pub(crate) enum Piece {
    /// An escape: its first `$` goes.
    Escape,
    /// A placeholder.
    Placeholder(Placeholder),
}

/// Looks through texts, one after the other.
#[derive(Debug)]
pub(crate) struct Scan<'g> {
    grammar: &'g Grammar,
    known: HashMap<String, Arc<Meaning>>,
    /// What was wrong so far.
    pub(crate) problems: Vec<Problem>,
}

impl<'g> Scan<'g> {
    pub(crate) fn new(grammar: &'g Grammar) -> Self {
        Self { grammar, known: HashMap::new(), problems: Vec::new() }
    }

    /// Everything in a text that isn't to be copied as it is, in order. `locate` tells the position of an offset in the
    /// text and is asked in ascending order.
    pub(crate) fn text(
        &mut self,
        text: &str,
        mut locate: impl FnMut(usize) -> Position,
        mut take: impl FnMut(Range<usize>, Piece),
    ) {
        let mut from = 0;
        while let Some(found) = self.grammar.find(text.as_bytes(), from) {
            let range = match &found {
                Found::Cut { known: false, .. } => return,
                Found::Cut { start, known: true } => *start..text.len(),
                Found::Escape { range } | Found::Placeholder { range, .. } | Found::Broken { range, .. } => {
                    range.clone()
                }
            };
            from = range.end;
            let written = text.get(range.clone()).unwrap_or_default();
            let known = match &found {
                Found::Placeholder { .. } => self.known.get(written),
                _ => None,
            };
            if let Some(meaning) = known {
                let position = locate(range.start);
                take(range, Piece::Placeholder(Placeholder { position, meaning: Arc::clone(meaning) }));
                continue;
            }
            match piece(found, text.as_bytes(), || locate(range.start)) {
                Ok(piece) => {
                    if let Piece::Placeholder(placeholder) = &piece {
                        self.known.insert(written.to_owned(), Arc::clone(&placeholder.meaning));
                    }
                    take(range, piece);
                }
                Err(problem) => self.problems.push(problem),
            }
        }
    }
}

/// Reads one thing that was found in a text that won't go on.
pub(crate) fn piece(
    found: Found,
    text: &[u8],
    position: impl FnOnce() -> Position,
) -> Result<Piece, Problem> {
    match found {
        Found::Escape { .. } => Ok(Piece::Escape),
        Found::Placeholder { range, namespace, key_start, extent } => {
            let position = position();
            let bytes = |range: Range<usize>| std::str::from_utf8(text.get(range).unwrap_or_default());
            let (Ok(written), Ok(body)) = (bytes(range.clone()), bytes(key_start..range.end)) else {
                return Err(Problem::new(ProblemKind::Parse, position, "the placeholder isn't UTF-8"));
            };
            let parts = read(&namespace, body, &extent).map_err(|no| {
                Problem::new(ProblemKind::Parse, position, no.message).with_remedy(no.remedy)
            })?;
            let meaning = Meaning {
                written: written.to_owned(),
                namespace,
                name: parts.name,
                key: parts.key,
                otherwise: parts.otherwise,
            };
            Ok(Piece::Placeholder(Placeholder { position, meaning: Arc::new(meaning) }))
        }
        Found::Broken { problem, .. } => {
            let (message, remedy) = problem.describe();
            Err(Problem::new(ProblemKind::Parse, position(), message).with_remedy(Some(remedy.to_owned())))
        }
        Found::Cut { .. } => {
            let (message, remedy) = crate::grammar::Broken::Unterminated.describe();
            Err(Problem::new(ProblemKind::Parse, position(), message).with_remedy(Some(remedy.to_owned())))
        }
    }
}
