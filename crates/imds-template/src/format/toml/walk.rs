//! The parser's events, turned into scalars and the entries they stand in.

use std::ops::Range;

use toml_parser::decoder::Encoding;
use toml_parser::lexer::{Token, TokenKind};
use toml_parser::parser::{EventReceiver, RecursionGuard, ValidateWhitespace, parse_document};
use toml_parser::{ErrorSink, ParseError as TomlError, Source, Span};

use super::decode::decode;
use super::{Kind, ParseError, Place, Scalar, Style};
use crate::format::Signs;

/// How deep arrays and inline tables may be nested: as in the `toml` crate.
const MAX_DEPTH: u32 = 80;

/// How many tokens are parsed at a time, or as many as one statement has: it bounds the memory.
const BATCH: usize = 4096;

/// The scalars that hold a `${`.
pub(super) fn scalars(source: &str) -> Result<Vec<Scalar>, ParseError> {
    let parsed = Source::new(source);
    let mut walk = Walk {
        source: parsed,
        signs: Signs::of(source),
        scalars: Vec::new(),
        stack: Vec::new(),
        key: None,
        in_header: false,
        lists: 0,
    };
    let mut error = None;
    let mut tokens: Vec<Token> = Vec::with_capacity(BATCH);
    let mut depth = 0_usize;
    for token in parsed.lex() {
        match token.kind() {
            TokenKind::LeftSquareBracket | TokenKind::LeftCurlyBracket => depth += 1,
            TokenKind::RightSquareBracket | TokenKind::RightCurlyBracket => depth = depth.saturating_sub(1),
            _ => {}
        }
        tokens.push(token);
        // A line break outside all brackets ends a statement.
        let complete = token.kind() == TokenKind::Newline && depth == 0;
        if token.kind() == TokenKind::Eof || (complete && tokens.len() >= BATCH) {
            let mut guarded = RecursionGuard::new(&mut walk, MAX_DEPTH);
            parse_document(&tokens, &mut ValidateWhitespace::new(&mut guarded, parsed), &mut error);
            if let Some(error) = error {
                return Err(parse_error(source, &error));
            }
            tokens.clear();
        }
    }
    Ok(walk.scalars)
}

fn parse_error(source: &str, error: &TomlError) -> ParseError {
    let place = error.unexpected().or(error.context()).unwrap_or_default();
    ParseError::new(place.start().min(source.len()), error.description())
}

/// An array or inline table that is being read.
#[derive(Debug)]
struct Frame {
    id: usize,
    array: bool,
    /// How many entries were begun.
    entries: usize,
    /// Where the entry starts that is being read.
    start: usize,
    /// Where the entry before it ends, or the list starts.
    before: usize,
    /// Where the last value ends.
    end: usize,
    /// In an inline table: a key was read whose value isn't over.
    in_entry: bool,
}

impl Frame {
    fn begin(&mut self, start: usize) {
        self.entries += 1;
        self.start = start;
        self.before = self.end;
        self.in_entry = true;
    }
}

struct Walk<'s> {
    source: Source<'s>,
    signs: Signs<'s>,
    scalars: Vec<Scalar>,
    stack: Vec<Frame>,
    /// Where the key starts of the line that is being read.
    key: Option<usize>,
    /// The keys are those of a table's header.
    in_header: bool,
    lists: usize,
}

impl Walk<'_> {
    /// A value begins.
    fn begin(&mut self, span: Span) {
        if let Some(frame) = self.stack.last_mut().filter(|frame| frame.array) {
            frame.begin(span.start());
        }
    }

    /// A value ends.
    fn end(&mut self, span: Span) {
        if let Some(frame) = self.stack.last_mut() {
            frame.end = span.end();
        }
    }

    fn open(&mut self, array: bool, span: Span) {
        self.begin(span);
        self.lists += 1;
        let (id, end) = (self.lists, span.end());
        self.stack.push(Frame { id, array, entries: 0, start: end, before: end, end, in_entry: false });
    }

    fn close(&mut self, span: Span) {
        self.stack.pop();
        self.end(span);
    }

    /// The entry of the value that ends at `end`, and its place.
    fn entry(&self, end: usize) -> (Option<Range<usize>>, Option<Place>) {
        match self.stack.last() {
            Some(frame) => {
                let place =
                    Place { list: frame.id, index: frame.entries.saturating_sub(1), before: frame.before };
                (Some(frame.start..end), Some(place))
            }
            None => (self.key.map(|start| start..end), None),
        }
    }
}

impl EventReceiver for Walk<'_> {
    fn std_table_open(&mut self, _span: Span, _error: &mut dyn ErrorSink) {
        self.in_header = true;
    }

    fn std_table_close(&mut self, _span: Span, _error: &mut dyn ErrorSink) {
        self.in_header = false;
    }

    fn array_table_open(&mut self, _span: Span, _error: &mut dyn ErrorSink) {
        self.in_header = true;
    }

    fn array_table_close(&mut self, _span: Span, _error: &mut dyn ErrorSink) {
        self.in_header = false;
    }

    fn inline_table_open(&mut self, span: Span, _error: &mut dyn ErrorSink) -> bool {
        self.open(false, span);
        true
    }

    fn inline_table_close(&mut self, span: Span, _error: &mut dyn ErrorSink) {
        self.close(span);
    }

    fn array_open(&mut self, span: Span, _error: &mut dyn ErrorSink) -> bool {
        self.open(true, span);
        true
    }

    fn array_close(&mut self, span: Span, _error: &mut dyn ErrorSink) {
        self.close(span);
    }

    fn simple_key(&mut self, span: Span, encoding: Option<Encoding>, error: &mut dyn ErrorSink) {
        if let Some(raw) = self.source.input().get(span.start()..span.end()) {
            toml_parser::Raw::new_unchecked(raw, encoding, span).decode_key(&mut (), error);
        }
        match self.stack.last_mut() {
            Some(frame) if !frame.in_entry => frame.begin(span.start()),
            Some(_) => {}
            None if self.in_header => {}
            None => {
                self.key.get_or_insert(span.start());
            }
        }
    }

    fn scalar(&mut self, span: Span, encoding: Option<Encoding>, error: &mut dyn ErrorSink) {
        self.begin(span);
        self.end(span);
        let range = span.start()..span.end();
        let Some(source) = self.source.input().get(range.clone()) else { return };
        let raw = toml_parser::Raw::new_unchecked(source, encoding, span);
        let kind = match encoding {
            Some(Encoding::BasicString) => Kind::Basic,
            Some(Encoding::LiteralString) => Kind::Literal,
            Some(Encoding::MlBasicString) => Kind::MultilineBasic,
            Some(Encoding::MlLiteralString) => Kind::MultilineLiteral,
            None => {
                let _ = raw.decode_scalar(&mut (), error);
                return;
            }
        };
        // Nothing but an escape in a basic string stands for what a placeholder begins with.
        let escapes = matches!(kind, Kind::Basic | Kind::MultilineBasic) && source.contains('\\');
        if !(self.signs.any_in(&range) || escapes) {
            let _ = raw.decode_scalar(&mut (), error);
            return;
        }
        let mut text = String::new();
        let _ = raw.decode_scalar(&mut text, error);
        if !text.contains("${") {
            return;
        }
        let Some((_, origins)) =
            decode(self.source.input(), &range, kind).filter(|(decoded, _)| *decoded == text)
        else {
            error.report_error(TomlError::new("this string can't be rewritten").with_unexpected(span));
            return;
        };
        let (entry, place) = self.entry(range.end);
        let style = crate::format::Style::Toml(Style { kind, place });
        self.scalars.push(Scalar { span: range, text, origins, style, entry });
    }

    fn value_sep(&mut self, _span: Span, _error: &mut dyn ErrorSink) {
        if let Some(frame) = self.stack.last_mut() {
            frame.in_entry = false;
        }
    }

    fn newline(&mut self, _span: Span, _error: &mut dyn ErrorSink) {
        if self.stack.is_empty() {
            self.key = None;
            self.in_header = false;
        }
    }
}
