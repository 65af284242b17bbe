//! The parser's events, turned into scalars and the entries they stand in.

use std::collections::HashSet;
use std::ops::Range;

use granit_parser::{Event, Parser, ScalarStyle, ScanError, Span, Tag};

use super::decode::{Quotes, decode};
use super::{BlockEnd, Form, Origins, ParseError, Place, Scalar, Style, block, cut, gap};

/// The scalars that hold a `${`.
pub(super) fn scalars(source: &str) -> Result<Vec<Scalar>, ParseError> {
    let options = granit_parser::options! {
        emit_anchor_events: true,
        // As libyaml and what descends from it read the last line of a file.
        block_scalar_eof_without_line_feed: true,
    };
    let mut walk = Walk::new(source);
    for event in Parser::new_from_str_with_options(source, options) {
        let (event, span) = event.map_err(|error| parse_error(source, &error))?;
        walk.event(&event, &span)?;
    }
    Ok(walk.finish())
}

fn parse_error(source: &str, error: &ScanError) -> ParseError {
    let at = error.marker().byte_offset().unwrap_or_default().min(source.len());
    cut::at_error(source, at).unwrap_or_else(|| ParseError::new(at, error.info()))
}

/// A mapping or sequence that is being read.
#[derive(Debug)]
struct Frame {
    /// Tells it from others.
    id: usize,
    mapping: bool,
    flow: bool,
    /// `[key: value]`, a mapping of one pair without braces: it is an item of the sequence around it.
    pair: bool,
    /// It is part of a key.
    in_key: bool,
    /// Where it starts.
    start: usize,
    indentless: bool,
    /// How many entries were begun.
    entries: usize,
    /// The next node is a value of the mapping.
    at_value: bool,
    /// Where the entry that is being read can start at the earliest.
    before: usize,
    /// The last block scalar before that entry.
    block: Option<BlockEnd>,
    /// The first anchor that can be in this entry.
    first_anchor: usize,
    /// Its scalars, by their index.
    scalars: Vec<usize>,
}

/// What a node is to the collection around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Root,
    Key,
    Value,
    Item,
}

struct Walk<'s> {
    source: &'s str,
    scalars: Vec<Scalar>,
    /// The anchors in the entry of each scalar.
    anchors: Vec<Range<usize>>,
    /// The anchors that are referred to.
    aliases: HashSet<usize>,
    stack: Vec<Frame>,
    /// Where the last thing that was read ends.
    end: usize,
    /// The last block scalar.
    block: Option<BlockEnd>,
    /// How many scalars there were, with those that hold no `${`.
    count: usize,
    /// The last anchor.
    anchor: usize,
    collections: usize,
}

impl<'s> Walk<'s> {
    fn new(source: &'s str) -> Self {
        Self {
            source,
            scalars: Vec::new(),
            anchors: Vec::new(),
            aliases: HashSet::new(),
            stack: Vec::new(),
            end: 0,
            block: None,
            count: 0,
            anchor: 0,
            collections: 0,
        }
    }

    fn event(&mut self, event: &Event<'_>, span: &Span) -> Result<(), ParseError> {
        let range = span.byte_range().unwrap_or_default();
        let mut end = range.end;
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.count += 1;
                let role = self.begin(*anchor);
                self.scalar(text, *style, tag.as_deref(), span, role)?;
                end = end.max(span.tag_span().and_then(|tag| tag.byte_range()).map_or(0, |tag| tag.end));
                if role == Role::Value && *style == ScalarStyle::Plain && range.is_empty() {
                    end = self.past_colon(end);
                }
                if matches!(style, ScalarStyle::Literal | ScalarStyle::Folded) {
                    let indentation = span.indent.unwrap_or_default();
                    self.block = Some(BlockEnd { start: range.start, at: self.end.max(end), indentation });
                }
            }
            Event::SequenceStart(_, anchor, _) => self.open(false, *anchor, range),
            Event::MappingStart(_, anchor, _) => self.open(true, *anchor, range),
            Event::SequenceEnd | Event::MappingEnd => self.close(),
            Event::Alias(anchor) => {
                self.begin(0);
                self.aliases.insert(*anchor);
            }
            // Without `---` it has the place of the first node, of which nothing was read yet.
            Event::DocumentStart(false, _) => return Ok(()),
            _ => {}
        }
        self.end = self.end.max(end);
        Ok(())
    }

    /// Where what stands for a value that isn't written ends: past its key's colon, if one is there. In a block mapping a
    /// colon without white space behind it is the first letter of the next key.
    fn past_colon(&self, at: usize) -> usize {
        let flow = self.stack.last().is_some_and(|frame| frame.flow);
        match self.source.as_bytes().get(at..).unwrap_or_default() {
            [b':', rest @ ..] if flow || rest.first().is_none_or(u8::is_ascii_whitespace) => at + 1,
            _ => at,
        }
    }

    /// A node begins.
    fn begin(&mut self, anchor: usize) -> Role {
        let first_anchor = self.anchor + 1;
        self.anchor = self.anchor.max(anchor);
        let Some(frame) = self.stack.last_mut() else { return Role::Root };
        if frame.at_value {
            frame.at_value = false;
            return Role::Value;
        }
        if frame.entries > 0 {
            frame.before = self.end;
        }
        frame.block = self.block;
        frame.entries += 1;
        frame.first_anchor = first_anchor;
        frame.at_value = frame.mapping;
        if frame.mapping { Role::Key } else { Role::Item }
    }

    fn open(&mut self, mapping: bool, anchor: usize, span: Range<usize>) {
        let role = self.begin(anchor);
        let mut start = span.start;
        let bracket = self.source.as_bytes().get(span.start..span.end);
        let brackets = matches!(bracket, Some(b"{" | b"["));
        let parent = self.stack.last();
        let pair = mapping && !brackets && parent.is_some_and(|parent| parent.flow);
        if !mapping && !brackets && role == Role::Value {
            // The event of a sequence that is a value may stand behind its first dash.
            start = dash(self.source, self.end).unwrap_or(start);
        }
        let column = |at| gap::column(self.source, at);
        let indentless = !mapping
            && !brackets
            && parent.is_some_and(|parent| {
                parent.mapping && !parent.flow && column(parent.start) == column(start)
            });
        self.collections += 1;
        let frame = Frame {
            id: self.collections,
            mapping,
            flow: brackets || pair,
            pair,
            in_key: role == Role::Key || parent.is_some_and(|parent| parent.in_key),
            start,
            indentless,
            entries: 0,
            at_value: false,
            before: if brackets { span.end } else { start },
            block: None,
            first_anchor: self.anchor + 1,
            scalars: Vec::new(),
        };
        self.stack.push(frame);
    }

    fn close(&mut self) {
        let Some(frame) = self.stack.pop() else { return };
        for index in frame.scalars {
            if let Some(super::super::Style::Yaml(Style { place: Some(place), .. })) =
                self.scalars.get_mut(index).map(|scalar| &mut scalar.style)
            {
                place.count = frame.entries;
            }
        }
    }

    fn scalar(
        &mut self,
        text: &str,
        style: ScalarStyle,
        tag: Option<&Tag>,
        span: &Span,
        role: Role,
    ) -> Result<(), ParseError> {
        let range = span.byte_range().unwrap_or_default();
        let flow = self.stack.last().is_some_and(|frame| frame.flow);
        let plain = style == ScalarStyle::Plain;
        if let Some(error) = cut::in_flow(self.source, range.end).filter(|_| plain && flow) {
            return Err(error);
        }
        if !text.contains("${") {
            return Ok(());
        }
        let is_key = role == Role::Key;
        if let (true, Some(error)) = (plain, cut::at_end(self.source, range.start, range.end, is_key)) {
            return Err(error);
        }
        if is_key || self.stack.last().is_some_and(|frame| frame.in_key) {
            return Ok(());
        }
        let tag = tag.and_then(|tag| tag.suffix_in_namespace("tag:yaml.org,2002:"));
        if let Some(tag) = tag.filter(|tag| tag != "str") {
            return cut::in_tagged(&tag, text, range.start).map_or(Ok(()), Err);
        }
        let (span, origins, form) = match style {
            ScalarStyle::Literal | ScalarStyle::Folded => {
                let found = block::find(self.source, self.end, span.indent.unwrap_or_default());
                let Some(found) = found.filter(|found| found.text == text) else {
                    return Err(ParseError::new(range.start, "this block scalar can't be rewritten")
                        .with_remedy("write it in quotes or give it a plain layout"));
                };
                self.end = self.end.max(found.span.end);
                (found.span, found.origins, Form::Block(found.block))
            }
            _ => {
                let (origins, form) = flow_scalar(self.source, &range, style, text);
                (range, origins, form)
            }
        };
        let (entry, place, anchors) = self.entry(span.end);
        let style = super::super::Style::Yaml(Style { form, place });
        if let Some(frame) = self.owner() {
            let index = self.scalars.len();
            if let Some(frame) = self.stack.get_mut(frame) {
                frame.scalars.push(index);
            }
        }
        self.anchors.push(anchors);
        self.scalars.push(Scalar { span, text: text.to_owned(), origins, style, entry });
        Ok(())
    }

    /// The frame whose entry a scalar is: not that of a pair without braces, but the one around it.
    fn owner(&self) -> Option<usize> {
        let last = self.stack.len().checked_sub(1)?;
        if self.stack.get(last)?.pair { last.checked_sub(1) } else { Some(last) }
    }

    /// The entry that ends with the value that ends at `end`: its bytes, its place and the anchors in it.
    fn entry(&self, end: usize) -> (Option<Range<usize>>, Option<Place>, Range<usize>) {
        let Some(frame) = self.owner().and_then(|index| self.stack.get(index)) else {
            return (None, None, 0..0);
        };
        let mut start = gap::skip(self.source, frame.before);
        let index = frame.entries.saturating_sub(1);
        if index > 0 && frame.flow && self.source.as_bytes().get(start) == Some(&b',') {
            start = gap::skip(self.source, start + 1);
        }
        let place = Place {
            scalar: self.count,
            collection: frame.id,
            mapping: frame.mapping,
            flow: frame.flow,
            indentless: frame.indentless,
            index,
            count: 0,
            before: frame.before,
            block: frame.block,
        };
        let end = if gap::break_length(self.source, end.wrapping_sub(1)) > 0 { end - 1 } else { end };
        (Some(start..end.max(start)), Some(place), frame.first_anchor..self.anchor + 1)
    }

    fn finish(mut self) -> Vec<Scalar> {
        for (scalar, anchors) in self.scalars.iter_mut().zip(self.anchors) {
            if anchors.into_iter().any(|anchor| self.aliases.contains(&anchor)) {
                scalar.entry = None;
            }
        }
        self.scalars
    }
}

/// The first dash after `from`, apart from the colon, tags and anchors before it.
fn dash(source: &str, from: usize) -> Option<usize> {
    let bytes = source.as_bytes();
    let mut at = gap::skip(source, from);
    loop {
        match bytes.get(at)? {
            b'-' => return Some(at),
            b':' | b'&' | b'!' => at = gap::skip(source, gap::word_end(source, at)),
            _ => return None,
        }
    }
}

/// The origins of a plain or quoted scalar, and how it is written.
fn flow_scalar(source: &str, span: &Range<usize>, style: ScalarStyle, text: &str) -> (Origins, Form) {
    let (quotes, inner) = match style {
        ScalarStyle::SingleQuoted => (Quotes::Single, 1),
        ScalarStyle::DoubleQuoted => (Quotes::Double, 1),
        _ => (Quotes::Plain, 0),
    };
    let decoded = decode(source, span.start + inner, span.end.saturating_sub(inner), quotes);
    match decoded.filter(|(decoded, _)| decoded == text) {
        Some((_, origins)) if quotes == Quotes::Double => (origins, Form::Double),
        Some((_, origins)) => (origins, Form::Anew),
        None => (Origins::verbatim(span.start), Form::Anew),
    }
}
