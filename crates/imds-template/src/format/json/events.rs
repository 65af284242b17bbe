//! The source as a stream of events, judged while it goes by. No recursion, one pass.

use std::ops::Range;

use crate::format::ParseError;

/// How deep values may be nested.
pub(crate) const MAX_DEPTH: usize = 1024;

/// Something that stands in a JSON source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// `{` or `[`.
    Open,
    /// `}` or `]`.
    Close,
    /// The key of a member, with its quotes.
    Key(Range<usize>),
    /// A string that is a value, with its quotes; `spelled` where characters of it may be written as their numbers.
    String {
        /// Its bytes.
        range: Range<usize>,
        /// Whether there is a `\u` in it: no other escape stands for what a placeholder begins with.
        spelled: bool,
    },
    /// A number, `true`, `false` or `null`.
    Other(Range<usize>),
    /// A comma.
    Comma(usize),
}

/// What may come next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expect {
    Value,
    ValueOrEnd,
    KeyOrEnd,
    Colon,
    CommaOrEnd,
    Nothing,
}

/// The events of a source.
#[derive(Debug)]
pub(crate) struct Events<'s> {
    bytes: &'s [u8],
    at: usize,
    /// Whether each open value is an object.
    open: Vec<bool>,
    expect: Expect,
}

impl<'s> Events<'s> {
    /// A byte order mark is passed over.
    pub(crate) fn new(source: &'s str) -> Self {
        let at = if source.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
        Self { bytes: source.as_bytes(), at, open: Vec::new(), expect: Expect::Value }
    }

    /// How many values are open.
    pub(crate) fn depth(&self) -> usize {
        self.open.len()
    }

    fn byte(&self, ahead: usize) -> Option<u8> {
        self.bytes.get(self.at + ahead).copied()
    }

    fn rest(&self) -> &'s [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// The next event; `None` at the end of a whole document.
    pub(crate) fn next(&mut self) -> Result<Option<Event>, ParseError> {
        loop {
            self.skip_blanks()?;
            let Some(byte) = self.byte(0) else {
                return match self.expect {
                    Expect::Nothing => Ok(None),
                    _ => Err(self.unexpected("the source ends too early")),
                };
            };
            let event = match (self.expect, byte) {
                (Expect::Nothing, _) => return Err(self.unexpected("something follows the document")),
                (Expect::Value | Expect::ValueOrEnd, b'{' | b'[') => self.open(byte == b'{')?,
                (Expect::ValueOrEnd, b']') | (Expect::KeyOrEnd, b'}') => self.close(),
                (Expect::Value | Expect::ValueOrEnd, b'"') => {
                    let (range, spelled) = self.string()?;
                    self.after_value();
                    Event::String { range, spelled }
                }
                (Expect::Value | Expect::ValueOrEnd, _) => {
                    let range = self.word()?;
                    self.after_value();
                    Event::Other(range)
                }
                (Expect::KeyOrEnd, b'"') => {
                    self.expect = Expect::Colon;
                    Event::Key(self.string()?.0)
                }
                (Expect::KeyOrEnd, _) => return Err(self.unexpected("a quoted key or } was expected")),
                (Expect::Colon, b':') => {
                    self.at += 1;
                    self.expect = Expect::Value;
                    continue;
                }
                (Expect::Colon, _) => return Err(self.unexpected("a colon was expected")),
                (Expect::CommaOrEnd, b',') => {
                    self.at += 1;
                    let object = self.open.last() == Some(&true);
                    self.expect = if object { Expect::KeyOrEnd } else { Expect::ValueOrEnd };
                    Event::Comma(self.at - 1)
                }
                (Expect::CommaOrEnd, b'}') if self.open.last() == Some(&true) => self.close(),
                (Expect::CommaOrEnd, b']') if self.open.last() == Some(&false) => self.close(),
                (Expect::CommaOrEnd, _) => return Err(self.unexpected("a comma or the end was expected")),
            };
            return Ok(Some(event));
        }
    }

    fn unexpected(&self, message: &str) -> ParseError {
        ParseError::new(self.at, message)
    }

    fn open(&mut self, object: bool) -> Result<Event, ParseError> {
        if self.open.len() >= MAX_DEPTH {
            return Err(self.unexpected("nested too deeply: 1024 levels at most"));
        }
        self.at += 1;
        self.open.push(object);
        self.expect = if object { Expect::KeyOrEnd } else { Expect::ValueOrEnd };
        Ok(Event::Open)
    }

    fn close(&mut self) -> Event {
        self.at += 1;
        self.open.pop();
        self.after_value();
        Event::Close
    }

    fn after_value(&mut self) {
        self.expect = if self.open.is_empty() { Expect::Nothing } else { Expect::CommaOrEnd };
    }

    fn skip_blanks(&mut self) -> Result<(), ParseError> {
        loop {
            let is_blank = |byte: &&u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
            self.at += self.rest().iter().take_while(is_blank).count();
            if self.byte(0) != Some(b'/') {
                return Ok(());
            }
            match self.byte(1) {
                Some(b'/') => {
                    self.at += memchr::memchr2(b'\n', b'\r', self.rest()).unwrap_or(self.rest().len());
                }
                Some(b'*') => {
                    let body = self.bytes.get(self.at + 2..).unwrap_or_default();
                    match memchr::memmem::find(body, b"*/") {
                        Some(end) => self.at += 2 + end + 2,
                        None => return Err(self.unexpected("the comment has no end")),
                    }
                }
                _ => return Ok(()),
            }
        }
    }

    /// A string, with its quotes, and whether characters of it are written as their numbers.
    fn string(&mut self) -> Result<(Range<usize>, bool), ParseError> {
        let start = self.at;
        let mut spelled = false;
        self.at += 1;
        loop {
            self.at += plain(self.rest());
            match self.byte(0) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok((start..self.at, spelled));
                }
                Some(b'\\') => {}
                // An end that is missing is worth more than what stands before it.
                Some(_) if memchr::memchr2(b'"', b'\\', self.rest()).is_some() => {
                    return Err(self
                        .unexpected("a control character stands in the string")
                        .with_remedy("escape it: \\n for a line break, \\t for a tab, \\u0000 and so on"));
                }
                _ => return Err(ParseError::new(start, "the string has no end")),
            }
            let escape = match self.byte(1) {
                Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => 2,
                Some(b'u') if (2..6).all(|ahead| self.byte(ahead).is_some_and(|b| b.is_ascii_hexdigit())) => {
                    spelled = true;
                    6
                }
                _ => return Err(self.unexpected("no such escape")),
            };
            self.at += escape;
        }
    }

    /// A number or a literal.
    fn word(&mut self) -> Result<Range<usize>, ParseError> {
        let is_part = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
        let length = self.rest().iter().take_while(is_part).count();
        let word = self.rest().get(..length).unwrap_or_default();
        if matches!(word, b"true" | b"false" | b"null") || is_number(word) {
            let start = self.at;
            self.at += length;
            return Ok(start..self.at);
        }
        Err(self.unexpected("a value was expected"))
    }
}

/// How many bytes stand before the first quote, backslash or control character. Eight at a time: most strings are too short
/// for a search to be worth its start.
fn plain(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::MAX / 0xff;
    const HIGHEST: u64 = ONES << 7;
    let (eights, rest) = bytes.as_chunks::<8>();
    for (index, eight) in eights.iter().enumerate() {
        let word = u64::from_le_bytes(*eight);
        // The highest bit of every byte that is less than this; the lowest such bit is right, others may be wrong.
        let below = |word: u64, least: u64| word.wrapping_sub(ONES * least) & !word & HIGHEST;
        let special = below(word, 0x20)
            | below(word ^ (ONES * u64::from(b'"')), 1)
            | below(word ^ (ONES * u64::from(b'\\')), 1);
        if special != 0 {
            return index * 8 + special.trailing_zeros() as usize / 8;
        }
    }
    let special = |byte: &u8| *byte < 0x20 || matches!(byte, b'"' | b'\\');
    eights.len() * 8 + rest.iter().position(special).unwrap_or(rest.len())
}

/// Whether it is a number of RFC 8259.
fn is_number(word: &[u8]) -> bool {
    let digits = |rest: &[u8]| rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let mut rest = word.strip_prefix(b"-").unwrap_or(word);
    let whole = digits(rest);
    if whole == 0 || (whole > 1 && rest.first() == Some(&b'0')) {
        return false;
    }
    rest = rest.get(whole..).unwrap_or_default();
    if let Some(fraction) = rest.strip_prefix(b".") {
        let length = digits(fraction);
        if length == 0 {
            return false;
        }
        rest = fraction.get(length..).unwrap_or_default();
    }
    if let Some((b'e' | b'E', exponent)) = rest.split_first() {
        let exponent = match exponent.split_first() {
            Some((b'+' | b'-', unsigned)) => unsigned,
            _ => exponent,
        };
        return !exponent.is_empty() && digits(exponent) == exponent.len();
    }
    rest.is_empty()
}
