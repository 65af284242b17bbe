//! Text: values go in as they are. Any size, in one pass.

use std::fmt;
use std::io::{self, Read, Write};

use crate::grammar::{Found, Grammar, MAX_PLACEHOLDER};
use crate::placeholder::{Piece, piece};
use crate::position::{Counter, Position};
use crate::resolve::{Decision, StandIn, decide};
use crate::{Errors, Missing, Problem, Values};

/// How much is read at once.
const CHUNK: usize = 256 * 1024;

/// Why entries of text can't be dropped.
pub(crate) fn no_entries() -> Problem {
    Problem::usage("text has no entries that could be dropped")
        .with_remedy(Some("name the file's format, or choose error, keep or empty".to_owned()))
}

/// Resolves the placeholders of text while it goes by: one pass, memory bounded by the largest placeholder. What isn't
/// UTF-8 goes by untouched. Values are looked up as their placeholders come; one that came a short while ago may be taken for
/// those written alike. Reads are large, writes may be small.
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
    let mut stream = Stream {
        writer,
        counter: Counter::new(),
        counted: 0,
        recent: Vec::new(),
        problems: Vec::new(),
        stand_ins: Vec::new(),
    };
    // What is held of one buffer is at most a placeholder that isn't over, and its escape.
    let mut buffer = vec![0; CHUNK + MAX_PLACEHOLDER + 1];
    let mut held = 0;
    loop {
        let free = buffer.get_mut(held..held + CHUNK).unwrap_or_default();
        let read = fill(reader, free).map_err(StreamError::Read)?;
        let filled = held + read;
        let last = read < CHUNK;
        let done =
            stream.process(buffer.get(..filled).unwrap_or_default(), last, values, missing, grammar)?;
        if last {
            break;
        }
        buffer.copy_within(done..filled, 0);
        held = filled - done;
    }
    match Errors::of(stream.problems) {
        Some(errors) => Err(StreamError::Unresolved(errors)),
        None => Ok(stream.stand_ins),
    }
}

/// Reads until the buffer is full or the source ends, and says how much that was.
fn fill(reader: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(free) = buffer.get_mut(filled..).filter(|free| !free.is_empty()) {
        match reader.read(free) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// How many values are remembered, and how long what is written for one may be.
const RECENT: usize = 16;
const LONGEST_RECENT: usize = 256;

/// A placeholder as it was written, and its value.
struct Recent {
    written: Vec<u8>,
    value: String,
}

struct Stream<'w> {
    writer: &'w mut dyn Write,
    /// Stands at `counted`: only a place that is told has to be counted to, and whole buffers are counted fastest.
    counter: Counter,
    /// So much of the buffer has been counted.
    counted: usize,
    /// The first few placeholders that had values: large files say the same thing often.
    recent: Vec<Recent>,
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
        self.counted = 0;
        let mut done = 0;
        let mut at = 0;
        while let Some(dollar) = grammar.sign(buffer, at) {
            if let Some(length) = self.write_recent(buffer, done, dollar)? {
                done = dollar + length;
                at = done;
                continue;
            }
            let Some(found) = grammar.found_at(buffer, done, dollar) else {
                at = dollar + 2;
                continue;
            };
            let range = match &found {
                Found::Cut { start, known } if last && *known => *start..buffer.len(),
                Found::Cut { .. } if last => break,
                Found::Cut { start, .. } => {
                    self.write(buffer.get(done..*start))?;
                    return Ok(self.over(buffer, *start));
                }
                Found::Escape { range } | Found::Placeholder { range, .. } | Found::Broken { range, .. } => {
                    range.clone()
                }
            };
            self.write(buffer.get(done..range.start))?;
            let written = buffer.get(range.clone()).unwrap_or_default();
            match piece(found, buffer, || self.position(buffer, range.start)) {
                Ok(Piece::Escape) => self.write(written.get(1..))?,
                Ok(Piece::Placeholder(placeholder)) => {
                    let before = self.stand_ins.len();
                    match decide(&placeholder, values, missing, &mut self.stand_ins) {
                        Ok(Decision::Text(text)) => {
                            self.write(Some(text.as_bytes()))?;
                            if self.stand_ins.len() == before {
                                self.remember(written, text);
                            }
                        }
                        Ok(Decision::Keep | Decision::Drop) => self.write(Some(written))?,
                        Err(problem) => self.problems.push(problem),
                    }
                }
                Err(problem) => self.problems.push(problem),
            }
            done = range.end;
            at = done;
        }
        // The sign of an escape or a placeholder may be cut by the end of the buffer.
        let rest = buffer.get(done..).unwrap_or_default();
        let held = if last { 0 } else { rest.iter().rev().take(2).take_while(|byte| **byte == b'$').count() };
        self.write(rest.get(..rest.len() - held))?;
        Ok(self.over(buffer, buffer.len() - held))
    }

    /// Writes what isn't written yet up to the `${` at `dollar`, and what that stands for, if its value is remembered. Says
    /// how long the placeholder is.
    fn write_recent(
        &mut self,
        buffer: &[u8],
        done: usize,
        dollar: usize,
    ) -> Result<Option<usize>, StreamError> {
        let Some(rest) = buffer.get(dollar..).filter(|_| self.problems.is_empty()) else { return Ok(None) };
        let Some(recent) = self.recent.iter().find(|recent| rest.starts_with(&recent.written)) else {
            return Ok(None);
        };
        let before = buffer.get(done..dollar).unwrap_or_default();
        if before.last() == Some(&b'$') {
            return Ok(None);
        }
        self.writer.write_all(before).map_err(StreamError::Write)?;
        self.writer.write_all(recent.value.as_bytes()).map_err(StreamError::Write)?;
        Ok(Some(recent.written.len()))
    }

    fn remember(&mut self, written: &[u8], value: String) {
        if self.recent.len() < RECENT && written.len() <= LONGEST_RECENT {
            self.recent.push(Recent { written: written.to_owned(), value });
        }
    }

    /// The position of an offset in the buffer, in ascending order.
    fn position(&mut self, buffer: &[u8], offset: usize) -> Position {
        self.counter.pass(buffer.get(self.counted..offset).unwrap_or_default());
        self.counted = offset;
        self.counter.here()
    }

    /// The buffer is done with up to there.
    fn over(&mut self, buffer: &[u8], done: usize) -> usize {
        self.position(buffer, done);
        done
    }

    /// After a problem nothing is written any more: the rest is read for further problems only.
    fn write(&mut self, bytes: Option<&[u8]>) -> Result<(), StreamError> {
        match bytes {
            Some(bytes) if self.problems.is_empty() => {
                self.writer.write_all(bytes).map_err(StreamError::Write)
            }
            _ => Ok(()),
        }
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
