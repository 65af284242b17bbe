//! Block scalars: `|` and `>` with every chomping and indentation indicator.
//!
//! The parser gives the text and the indentation, but neither the place of the header nor that of each line; both are
//! found here. A rewritten block is read back in a small document of its own before it is taken.

use std::ops::Range;

use super::gap::{break_length, line_end, line_start, next_line, skip, word_end};
use super::quote::{kept, needs_escape, quoted, reads_as};
use super::{Fragment, Origins, Scalar};

/// What the writer has to know of a block scalar.
#[derive(Clone, Debug)]
pub(super) struct Block {
    /// `|` keeps line breaks, `>` folds them.
    literal: bool,
    /// The indentation indicator.
    indicator: Option<usize>,
    /// How many spaces stand before each line.
    indentation: usize,
    /// What the header says after its indicators: white space and a comment.
    comment: String,
    /// The line break after the header.
    line_break: &'static str,
    /// The line break that the scalar's bytes end with, if they do.
    last_break: &'static str,
    /// Does the header start its line? A quoted scalar needs a space there.
    flush: bool,
}

/// What is done with the line breaks at the end of a block scalar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Chomping {
    /// `-`: they go.
    Strip,
    /// One is kept.
    Clip,
    /// `+`: all are kept.
    Keep,
}

/// A block scalar as it stands in the source.
pub(super) struct Found {
    /// From the header's first byte to the end of the last line that counts.
    pub(super) span: Range<usize>,
    /// The decoded value.
    pub(super) text: String,
    /// Where each byte of it stands.
    pub(super) origins: Origins,
    /// For the writer.
    pub(super) block: Block,
}

/// Finds the block scalar whose header is the first thing after `from`, apart from tags, anchors and indicators.
pub(super) fn find(source: &str, from: usize, indentation: usize) -> Option<Found> {
    let start = header(source, from)?;
    let bytes = source.as_bytes();
    let literal = *bytes.get(start)? == b'|';
    let (mut chomping, mut indicator, mut at) = (Chomping::Clip, None, start + 1);
    loop {
        match bytes.get(at) {
            Some(b'-') => chomping = Chomping::Strip,
            Some(b'+') => chomping = Chomping::Keep,
            Some(digit @ b'1'..=b'9') => indicator = Some(usize::from(digit - b'0')),
            _ => break,
        }
        at += 1;
    }
    let comment_end = line_end(source, at);
    let body = next_line(source, at);
    let lines = lines(source, body, indentation);
    // The lines that count: without those at the end that are empty.
    let last = lines.iter().rposition(|line| !line.is_empty()).map_or(0, |index| index + 1);
    let (mut text, mut origins) = decode(source, body, lines.get(..last)?, literal);
    let end = match (chomping, last.checked_sub(1).and_then(|index| lines.get(index))) {
        (Chomping::Strip, Some(line)) => line.end,
        (Chomping::Clip, Some(line)) => push_break(source, line.end, &mut text, &mut origins),
        (Chomping::Keep, _) => {
            let mut end = body;
            for line in lines.get(last.saturating_sub(1)..)? {
                end = push_break(source, line.end, &mut text, &mut origins);
            }
            end
        }
        (_, None) => return None,
    };
    origins.push(text.len(), end);
    let last_break = line_break(source.get(..end)?);
    let block = Block {
        literal,
        indicator,
        indentation,
        comment: source.get(at..comment_end)?.to_owned(),
        line_break: line_break(source.get(..body)?),
        last_break,
        flush: line_start(source, start) == start,
    };
    Some(Found { span: start..end, text, origins, block })
}

/// The line break that this ends with.
fn line_break(text: &str) -> &'static str {
    ["\r\n", "\n", "\r"].into_iter().find(|line_break| text.ends_with(line_break)).unwrap_or_default()
}

/// Where the header starts: past the indicators, document markers, tags, anchors and comments before it.
fn header(source: &str, from: usize) -> Option<usize> {
    let bytes = source.as_bytes();
    let mut at = skip(source, from);
    loop {
        match bytes.get(at)? {
            b'|' | b'>' => return Some(at),
            b':' | b'-' | b'?' | b'&' | b'!' | b'.' => {
                at = skip(source, word_end(source, at));
            }
            _ => return None,
        }
    }
}

/// The content of each line of the body, without its indentation; up to the first line that is indented less.
fn lines(source: &str, body: usize, indentation: usize) -> Vec<Range<usize>> {
    let mut result = Vec::new();
    let mut at = body;
    while at < source.len() {
        let end = line_end(source, at);
        let bytes = source.as_bytes().get(at..end).unwrap_or_default();
        let spaces = bytes.iter().take(indentation).take_while(|byte| **byte == b' ').count();
        let marker = matches!(bytes, [b'-', b'-', b'-', rest @ ..] | [b'.', b'.', b'.', rest @ ..]
            if matches!(rest, [] | [b' ' | b'\t', ..]));
        if at + spaces < end && (spaces < indentation || marker) {
            break;
        }
        result.push(at + spaces..end);
        at = next_line(source, at);
    }
    result
}

/// The text of the lines that count, without the last line break.
fn decode(source: &str, body: usize, lines: &[Range<usize>], literal: bool) -> (String, Origins) {
    let mut text = String::new();
    let mut origins = Origins::default();
    // The lines since the last one that isn't empty; where and whether that one was indented more.
    let mut previous: Option<(usize, bool)> = None;
    let mut empty = 0;
    for line in lines {
        let content = source.get(line.clone()).unwrap_or_default();
        if literal {
            if let Some((end, _)) = previous {
                origins.push(text.len(), end);
                text.push('\n');
            }
            previous = Some((line.end, false));
        } else if content.is_empty() {
            empty += 1;
            continue;
        } else {
            let spaced = content.starts_with([' ', '\t']);
            origins.push(text.len(), previous.map_or(body, |(end, _)| end));
            match previous {
                None => text.extend(std::iter::repeat_n('\n', empty)),
                Some((_, before)) if before || spaced => text.extend(std::iter::repeat_n('\n', empty + 1)),
                Some(_) if empty == 0 => text.push(' '),
                Some(_) => text.extend(std::iter::repeat_n('\n', empty)),
            }
            empty = 0;
            previous = Some((line.end, spaced));
        }
        origins.push(text.len(), line.start);
        text.push_str(content);
    }
    if let Some((end, _)) = previous {
        origins.push(text.len(), end);
    }
    (text, origins)
}

/// Adds the line break at `at`, if one is there. Returns where it ends.
fn push_break(source: &str, at: usize, text: &mut String, origins: &mut Origins) -> usize {
    let length = break_length(source, at);
    if length > 0 {
        origins.push(text.len(), at);
        text.push('\n');
    }
    at + length
}

impl Block {
    /// The text as a double-quoted scalar in the block's place, with the comment of its header.
    pub(super) fn quoted(&self, text: &str) -> String {
        let space = if self.flush { " " } else { "" };
        format!("{space}{}{}{}", quoted(text), self.comment, self.last_break)
    }

    /// The block with the fragments in place. None where a block can't hold that.
    pub(super) fn render(
        &self,
        source: &str,
        scalar: &Scalar,
        fragments: &[Fragment],
        new_text: &str,
    ) -> Option<String> {
        let first = new_text.trim_start_matches('\n').chars().next()?;
        let guessed = self.indicator.is_none() && matches!(first, ' ' | '\t');
        if self.indentation == 0 || guessed || fragments.iter().any(|fragment| !is_held(&fragment.new)) {
            return None;
        }
        let mut lines = Lines { block: self, result: String::new(), pending: false };
        lines.push_kept(source.get(scalar.span.start..scalar.origins.source(0))?);
        let mut done = 0;
        for fragment in fragments {
            lines.push_kept(kept(source, scalar, done..fragment.range.start)?);
            lines.push_new(&fragment.new);
            done = fragment.range.end;
        }
        lines.push_kept(kept(source, scalar, done..scalar.text.len())?);
        let result = lines.result;
        reads_as(&self.document(&result), new_text).then_some(result)
    }

    /// A document with this block in it, indented as it is in its own.
    fn document(&self, block: &str) -> String {
        match self.indicator.map(|indicator| self.indentation.saturating_sub(indicator)) {
            None | Some(0) => format!("k: {block}"),
            Some(parent) => format!("k:\n{:parent$}k: {block}", ""),
        }
    }
}

/// Can lines without quotes hold this?
fn is_held(text: &str) -> bool {
    !text.chars().any(|character| !matches!(character, '\n' | '\t') && needs_escape(character))
}

/// The lines of a block as they are written.
struct Lines<'b> {
    block: &'b Block,
    result: String,
    /// A new line was begun and its indentation not yet written: an empty line gets none.
    pending: bool,
}

impl Lines<'_> {
    fn indent(&mut self) {
        if std::mem::take(&mut self.pending) {
            self.result.extend(std::iter::repeat_n(' ', self.block.indentation));
        }
    }

    fn push_kept(&mut self, part: &str) {
        if part.starts_with(['\n', '\r']) {
            self.pending = false;
        } else if !part.is_empty() {
            self.indent();
        }
        self.result.push_str(part);
    }

    fn push_new(&mut self, part: &str) {
        for (index, line) in part.split('\n').enumerate() {
            if index > 0 {
                // A folded block needs an empty line where one line break is meant.
                let open = !self.pending && !self.block.literal;
                self.result.push_str(&self.block.line_break.repeat(if open { 2 } else { 1 }));
                self.pending = true;
            }
            if !line.is_empty() {
                self.indent();
                self.result.push_str(line);
            }
        }
    }
}
