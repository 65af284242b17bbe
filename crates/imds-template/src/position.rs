//! From bytes to lines and columns, as people count them.

use std::fmt;

/// A place in a source: line and column, both from 1, the column in characters. A byte order mark isn't counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct Position {
    /// The line, from 1.
    pub line: u64,
    /// The column in characters, from 1.
    pub column: u64,
}

/// `LINE:COLUMN`.
impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// Counts lines and columns while a source goes by, in one pass.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counter {
    here: Position,
    started: bool,
}

impl Counter {
    /// At the start of a source.
    pub(crate) const fn new() -> Self {
        Self { here: Position { line: 1, column: 1 }, started: false }
    }

    /// Where the counter stands.
    pub(crate) const fn here(&self) -> Position {
        self.here
    }

    /// Goes on over these bytes. A character may be cut anywhere; a byte that begins none counts as nothing.
    pub(crate) fn pass(&mut self, mut bytes: &[u8]) {
        if !self.started && !bytes.is_empty() {
            self.started = true;
            bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
        }
        if let Some(last) = memchr::memrchr(b'\n', bytes) {
            self.here.line += memchr::memchr_iter(b'\n', bytes).count() as u64;
            self.here.column = 1;
            bytes = bytes.get(last + 1..).unwrap_or_default();
        }
        self.here.column += bytes.iter().filter(|byte| (**byte as i8) >= -0x40).count() as u64;
    }
}

/// Finds the positions of offsets that come in ascending order, in one pass over the source.
#[derive(Debug)]
pub(crate) struct Locator<'s> {
    source: &'s str,
    passed: usize,
    counter: Counter,
}

impl<'s> Locator<'s> {
    /// For this source.
    pub(crate) const fn new(source: &'s str) -> Self {
        Self { source, passed: 0, counter: Counter::new() }
    }

    /// The position of an offset in bytes. One that lies before the last one asked for costs a new start.
    pub(crate) fn locate(&mut self, offset: usize) -> Position {
        let offset = offset.min(self.source.len());
        if offset < self.passed {
            *self = Self::new(self.source);
        }
        self.counter.pass(self.source.as_bytes().get(self.passed..offset).unwrap_or_default());
        self.passed = offset;
        self.counter.here()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_characters_and_a_byte_order_mark_is_none() {
        let source = "\u{feff}äö x\r\ny 😀 z\n";
        let mut locator = Locator::new(source);
        for (what, line, column) in [('x', 1, 4), ('y', 2, 1), ('z', 2, 5)] {
            let offset = source.find(what).unwrap();
            assert_eq!(locator.locate(offset), Position { line, column }, "{what}");
        }
        assert_eq!(locator.locate(3), Position { line: 1, column: 1 }, "backwards");
        assert_eq!(locator.locate(usize::MAX), Position { line: 3, column: 1 }, "beyond the end");
    }

    #[test]
    fn passing_in_pieces_is_passing_at_once() {
        let source = "\u{feff}ä\n😀b\r\nc".as_bytes();
        for cut in 3..=source.len() {
            let (first, second) = source.split_at(cut);
            let mut counter = Counter::new();
            counter.pass(first);
            counter.pass(second);
            assert_eq!(counter.here(), Position { line: 3, column: 2 }, "cut at {cut}");
        }
    }
}
