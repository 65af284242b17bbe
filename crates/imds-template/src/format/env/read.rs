//! The lines of an env file, and what each value says.

use std::ops::Range;

use super::{Part, Quote, Style};
use crate::format::{self, Origins, ParseError, Scalar};

const NO_ASSIGNMENT: &str = "the line isn't KEY=value";
const BLANK_BEFORE: &str = "a blank follows the =, which a shell takes for an empty value";
const BLANK_INSIDE: &str = "the value has a blank and no quotes";
const QUOTE_INSIDE: &str = "the quotes begin inside a word, which systemd takes for a part of the value";

/// The values that hold a `${`.
pub(super) fn scalars(source: &str) -> Result<Vec<Scalar>, ParseError> {
    let mut scalars = Vec::new();
    let mut at = if source.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    while at < source.len() {
        let start = at;
        let value = Value::read(source, at)?;
        at = value.end;
        if value.text.contains("${") {
            scalars.push(Scalar {
                span: value.span,
                text: value.text,
                origins: value.origins,
                style: format::Style::Env(Style { parts: value.parts }),
                entry: Some(start..at),
            });
        }
    }
    Ok(scalars)
}

/// A value while it is read.
struct Value<'s> {
    source: &'s str,
    at: usize,
    text: String,
    origins: Origins,
    parts: Vec<Part>,
    span: Range<usize>,
    /// Behind the line break that ends its last line.
    end: usize,
    /// Up to here no `}` ends what a `${` begins.
    unclosed: usize,
}

impl<'s> Value<'s> {
    /// The value of the line that starts here; without text if the line has none.
    fn read(source: &'s str, start: usize) -> Result<Self, ParseError> {
        let mut value = Self {
            source,
            at: start,
            text: String::new(),
            origins: Origins::default(),
            parts: Vec::new(),
            span: start..start,
            end: start,
            unclosed: start,
        };
        value.skip_blanks();
        match value.byte(0) {
            Some(b'#' | b';' | b'\n') | None => {}
            Some(_) if value.key() => {
                let before = value.at;
                value.skip_blanks();
                let blank = value.at > before;
                value.span.start = value.at;
                value.word()?;
                value.span.end = value.at;
                if blank {
                    value.refuse(BLANK_BEFORE);
                }
                value.tail();
            }
            Some(_) => {
                value.span.start = value.at;
                value.rest_of_line(NO_ASSIGNMENT);
            }
        }
        let rest = source.as_bytes().get(value.at..).unwrap_or_default();
        value.end = memchr::memchr(b'\n', rest).map_or(source.len(), |line| value.at + line + 1);
        Ok(value)
    }

    fn byte(&self, ahead: usize) -> Option<u8> {
        self.source.as_bytes().get(self.at + ahead).copied()
    }

    fn skip_blanks(&mut self) {
        while matches!(self.byte(0), Some(b' ' | b'\t')) {
            self.at += 1;
        }
    }

    /// Whether the line ends here; a carriage return belongs to the line break behind it.
    fn at_line_end(&self) -> bool {
        matches!((self.byte(0), self.byte(1)), (None | Some(b'\n'), _) | (Some(b'\r'), Some(b'\n') | None))
    }

    /// Passes over `KEY=` or `export KEY=`, if it stands here.
    fn key(&mut self) -> bool {
        let start = self.at;
        let is_key = |byte: u8| !byte.is_ascii_whitespace() && !matches!(byte, b'=' | b'"' | b'\'' | b'$');
        if self.source.get(start..).is_some_and(|rest| rest.starts_with("export")) {
            self.at += "export".len();
            let word_end = self.at;
            self.skip_blanks();
            if self.at == word_end {
                self.at = start;
            }
        }
        let key = self.at;
        while self.byte(0).is_some_and(is_key) {
            self.at += 1;
        }
        if self.at > key && self.byte(0) == Some(b'=') {
            self.at += 1;
            return true;
        }
        self.at = start;
        false
    }

    /// Takes these bytes as they are.
    fn take(&mut self, length: usize) {
        self.origins.push(self.text.len(), self.at);
        self.text.push_str(self.source.get(self.at..self.at + length).unwrap_or_default());
        self.at += length;
    }

    /// Goes on with the character behind a backslash.
    fn unescape(&mut self) {
        self.origins.push(self.text.len(), self.at);
        let char = self.source.get(self.at + 1..).and_then(|rest| rest.chars().next());
        self.at += 1 + char.map_or(0, char::len_utf8);
        self.text.extend(char);
        self.origins.push(self.text.len(), self.at);
    }

    /// Ends a part that began at these offsets of the text and the source.
    fn part(&mut self, (text, source): (usize, usize), quote: Quote) {
        self.parts.push(Part { text: text..self.text.len(), source: source..self.at, quote });
    }

    fn refuse(&mut self, why: &'static str) {
        for part in &mut self.parts {
            part.quote = Quote::Refused(why);
        }
    }

    /// Everything up to the first blank outside quotes.
    fn word(&mut self) -> Result<(), ParseError> {
        let (mut bare, mut torn) = (false, false);
        while !self.at_line_end() {
            let start = (self.text.len(), self.at);
            match self.byte(0) {
                Some(b' ' | b'\t') => break,
                Some(quote @ (b'"' | b'\'')) => {
                    let kind = match (bare, quote) {
                        (true, _) => Quote::Refused(QUOTE_INSIDE),
                        (false, b'"') => Quote::Double,
                        (false, _) => Quote::Single,
                    };
                    if self.quoted(quote) {
                        self.part(start, kind);
                    } else if bare {
                        torn = true;
                        self.bare(true);
                        self.part(start, Quote::None);
                    } else {
                        return Err(ParseError::new(self.at, "the quote isn't closed"));
                    }
                }
                _ => {
                    bare = true;
                    self.bare(false);
                    self.part(start, Quote::None);
                }
            }
        }
        if torn {
            self.refuse(QUOTE_INSIDE);
        }
        Ok(())
    }

    /// A quoted part, or nothing if its quote isn't closed.
    fn quoted(&mut self, quote: u8) -> bool {
        let rest = self.source.as_bytes().get(self.at + 1..).unwrap_or_default();
        let close = match quote {
            b'\'' => memchr::memchr(b'\'', rest),
            _ => memchr::memchr2_iter(b'"', b'\\', rest)
                .scan(0, |free, at| {
                    // The second of two characters behind a backslash isn't one that counts.
                    let counts = at >= *free;
                    if counts && rest.get(at) == Some(&b'\\') {
                        *free = at + 2;
                    }
                    Some((counts, at))
                })
                .find(|(counts, at)| *counts && rest.get(*at) == Some(&b'"'))
                .map(|(_, at)| at),
        };
        let Some(close) = close else { return false };
        self.at += 1;
        let end = self.at + close;
        while self.at < end {
            let rest = self.source.as_bytes().get(self.at..end).unwrap_or_default();
            let run =
                if quote == b'"' { memchr::memchr(b'\\', rest).unwrap_or(rest.len()) } else { rest.len() };
            self.take(run);
            if self.at < end {
                match self.byte(1) {
                    Some(b'"' | b'\\' | b'`' | b'$') => self.unescape(),
                    Some(b'\n') => self.at += 2,
                    _ => self.take(1),
                }
            }
        }
        self.at = end + 1;
        true
    }

    /// An unquoted part. A placeholder is one piece of it, with the blanks in its default; so it is to a shell.
    fn bare(&mut self, mut quote_is_plain: bool) {
        while !self.at_line_end() {
            match (self.byte(0), self.byte(1)) {
                (Some(b'"' | b'\''), _) if !quote_is_plain => break,
                (Some(b' ' | b'\t'), _) => break,
                (Some(b'\\'), Some(b'\n')) => self.at += 2,
                (Some(b'\\'), Some(_)) => self.unescape(),
                (Some(b'$'), Some(b'{')) => {
                    let length = self.expansion();
                    self.take(length);
                }
                _ => {
                    let char = self.source.get(self.at..).and_then(|rest| rest.chars().next());
                    self.take(char.map_or(1, char::len_utf8));
                }
            }
            quote_is_plain = false;
        }
    }

    /// The length of `${…}` up to its end on this line; of the `${` alone if it has none.
    fn expansion(&mut self) -> usize {
        if self.at < self.unclosed {
            return 2;
        }
        let rest = self.source.as_bytes().get(self.at..).unwrap_or_default();
        let mut quoted = false;
        let mut bytes = rest.iter().enumerate().skip(2);
        while let Some((at, byte)) = bytes.next() {
            match byte {
                b'\n' => {
                    self.unclosed = self.at + at;
                    return 2;
                }
                b'\\' => drop(bytes.next()),
                b'"' if quoted || rest.get(at - 1) == Some(&b':') => quoted = !quoted,
                b'}' if !quoted => return at + 1,
                _ => {}
            }
        }
        self.unclosed = self.source.len();
        2
    }

    /// What follows the value on its line: nothing or a comment; anything else belongs to the value for some readers.
    fn tail(&mut self) {
        let blanks = self.at;
        self.skip_blanks();
        if self.at_line_end() || self.byte(0) == Some(b'#') {
            return;
        }
        self.at = blanks;
        self.refuse(BLANK_INSIDE);
        self.rest_of_line(BLANK_INSIDE);
        self.span.end = self.at;
    }

    fn rest_of_line(&mut self, why: &'static str) {
        let start = (self.text.len(), self.at);
        let rest = self.source.as_bytes().get(self.at..).unwrap_or_default();
        let length = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        self.take(length);
        self.part(start, Quote::Refused(why));
        self.span.end = self.at;
    }
}
