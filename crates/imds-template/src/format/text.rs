//! Text: values go in as they are. Any size, in one pass.

use std::fmt;
use std::io::{self, Read, Write};
use std::ops::Range;

use super::{Origins, Scalar, Style};
use crate::grammar::{Found, Grammar};
use crate::placeholder::{Piece, piece};
use crate::position::Counter;
use crate::resolve::{Decision, StandIn, decide};
use crate::{Errors, Missing, Problem, Values};

/// How much is read at once.
const CHUNK: usize = 256 * 1024;

/// A piece of the source, taken for a scalar of its own.
pub(crate) fn scalar(source: &str, range: Range<usize>) -> Scalar {
    Scalar {
        text: source.get(range.clone()).unwrap_or_default().to_owned(),
        origins: Origins::verbatim(range.start),
        span: range,
        style: Style::Text,
        entry: None,
    }
}

/// Why entries of text can't be dropped.
pub(crate) fn no_entries() -> Problem {
    Problem::usage("text has no entries that could be dropped")
        .with_remedy(Some("name the file's format, or choose error, keep or empty".to_owned()))
}

/// Resolves the placeholders of text while it goes by: one pass, memory bounded by the largest placeholder. What isn't
/// UTF-8 goes by untouched. Values are looked up as their placeholders come. Reads are large, writes may be small.
///
/// ```
/// use imds_model::{CloudName, Metadata};
/// use imds_template::{Grammar, Missing, resolve_stream};
/// let (mut input, mut output) = (&b"on ${cloud:Region:-some shore}"[..], Vec::new());
/// resolve_stream(&mut input, &mut output, &Metadata::new(CloudName::AWS), Missing::Error, &Grammar::default()).unwrap();
/// assert_eq!(output, b"on some shore");
/// ```
///
/// # Errors
/// [`StreamError::Unresolved`] with every problem at once, as [`Template::resolve`](crate::Template::resolve) and
/// [`Template::parse`](crate::Template::parse) have them: what was written until then has to be thrown away. And what
/// reading and writing fail with.
pub fn resolve_stream(
    reader: &mut dyn Read,
    writer: &mut dyn Write,
    values: &dyn Values,
    missing: Missing,
    grammar: &Grammar,
) -> Result<Vec<StandIn>, StreamError> {
    if missing == Missing::Drop {
        return Err(StreamError::Unresolved(no_entries().into()));
    }
    let mut stream = Stream { writer, counter: Counter::new(), problems: Vec::new(), stand_ins: Vec::new() };
    let mut buffer = Vec::new();
    loop {
        let wanted = CHUNK as u64;
        let read = (&mut *reader).take(wanted).read_to_end(&mut buffer).map_err(StreamError::Read)?;
        let last = (read as u64) < wanted;
        let done = stream.process(&buffer, last, values, missing, grammar)?;
        if last {
            break;
        }
        buffer.drain(..done);
    }
    match Errors::of(stream.problems) {
        Some(errors) => Err(StreamError::Unresolved(errors)),
        None => Ok(stream.stand_ins),
    }
}

struct Stream<'w> {
    writer: &'w mut dyn Write,
    counter: Counter,
    problems: Vec<Problem>,
    stand_ins: Vec<StandIn>,
}

impl Stream<'_> {
    /// Writes what can be judged, and says how much of the buffer that was.
    fn process(
        &mut self,
        buffer: &[u8],
        last: bool,
        values: &dyn Values,
        missing: Missing,
        grammar: &Grammar,
    ) -> Result<usize, StreamError> {
        let mut done = 0;
        while let Some(found) = grammar.find(buffer, done) {
            let range = match &found {
                Found::Cut { start, known } if last && *known => *start..buffer.len(),
                Found::Cut { .. } if last => break,
                Found::Cut { start, .. } => {
                    self.copy(buffer.get(done..*start))?;
                    return Ok(*start);
                }
                Found::Escape { range } | Found::Placeholder { range, .. } | Found::Broken { range, .. } => {
                    range.clone()
                }
            };
            self.copy(buffer.get(done..range.start))?;
            let here = self.counter.here();
            let written = buffer.get(range.clone()).unwrap_or_default();
            match piece(found, buffer, || here) {
                Ok(Piece::Escape) => self.write(written.get(1..).unwrap_or_default())?,
                Ok(Piece::Placeholder(placeholder)) => {
                    match decide(&placeholder, values, missing, &mut self.stand_ins) {
                        Ok(Decision::Text(text)) => self.write(text.as_bytes())?,
                        Ok(Decision::Keep | Decision::Drop) => self.write(written)?,
                        Err(problem) => self.problems.push(problem),
                    }
                }
                Err(problem) => self.problems.push(problem),
            }
            self.counter.pass(written);
            done = range.end;
        }
        // The sign of an escape or a placeholder may be cut by the end of the buffer.
        let rest = buffer.get(done..).unwrap_or_default();
        let held = if last { 0 } else { rest.iter().rev().take(2).take_while(|byte| **byte == b'$').count() };
        self.copy(rest.get(..rest.len() - held))?;
        Ok(buffer.len() - held)
    }

    fn copy(&mut self, bytes: Option<&[u8]>) -> Result<(), StreamError> {
        let bytes = bytes.unwrap_or_default();
        self.counter.pass(bytes);
        self.write(bytes)
    }

    /// After a problem nothing is written any more: the rest is read for further problems only.
    fn write(&mut self, bytes: &[u8]) -> Result<(), StreamError> {
        if !self.problems.is_empty() {
            return Ok(());
        }
        self.writer.write_all(bytes).map_err(StreamError::Write)
    }
}

/// Why a stream couldn't be resolved.
#[derive(Debug)]
#[non_exhaustive]
pub enum StreamError {
    /// Reading failed.
    Read(io::Error),
    /// Writing failed.
    Write(io::Error),
    /// Placeholders can't be read or have no value.
    Unresolved(Errors),
}

impl fmt::Display for StreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(error) => write!(f, "the source can't be read: {error}"),
            Self::Write(error) => write!(f, "the result can't be written: {error}"),
            Self::Unresolved(errors) => errors.fmt(f),
        }
    }
}

impl std::error::Error for StreamError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Read(error) | Self::Write(error) => Some(error),
            Self::Unresolved(errors) => errors.source(),
        }
    }
}
