//! JSON, with and without comments (`//`, `/* */`) and commas behind last entries.
//!
//! | module | holds |
//! |---|---|
//! | [`events`] | the source as a stream of events, judged while it goes by |
//! | [`string`] | what a string says, and how text is written as one |
//!
//! Only the placeholders inside a string are replaced: the rest of it keeps its escapes as they are spelled.

use super::Signs;
use super::list::List;
use super::{Edit, Format, Fragment, ParseError, Scalar, Style, WriteError};
use events::{Event, Events};

pub(crate) mod events;
pub(crate) mod string;

/// The format.
#[derive(Debug)]
pub(crate) struct Json;

impl Format for Json {
    fn scalars(source: &str) -> Result<Vec<Scalar>, ParseError> {
        let mut scalars = Vec::new();
        let mut events = Events::new(source);
        let mut signs = Signs::of(source);
        // Where the entry starts that the next value belongs to: at its key, if it has one.
        let mut key = None;
        while let Some(event) = events.next()? {
            match event {
                Event::Key(range) => key = Some(range.start),
                Event::String { range, spelled } => {
                    let start = key.take().unwrap_or(range.start);
                    let marked = signs.any_in(&range);
                    if !(spelled || marked) {
                        continue;
                    }
                    let entry = (events.depth() > 0).then_some(start..range.end);
                    match string::decode(source, &range) {
                        (Some(text), origins) if text.contains("${") => {
                            scalars.push(Scalar { span: range, text, origins, style: Style::Json, entry });
                        }
                        (None, _) if marked => {
                            return Err(ParseError::new(
                                range.start,
                                "half a surrogate pair stands in the string",
                            ));
                        }
                        _ => {}
                    }
                }
                Event::Open | Event::Close | Event::Other(_) | Event::Comma(_) => key = None,
            }
        }
        Ok(scalars)
    }

    fn write(_source: &str, _scalar: &Scalar, new_text: &str) -> Result<String, WriteError> {
        Ok(string::encode(new_text))
    }

    fn render(_source: &str, scalar: &Scalar, fragments: &[Fragment]) -> Result<Vec<Edit>, WriteError> {
        let edits = fragments.iter().map(|fragment| {
            let start = scalar.origins.source(fragment.range.start);
            let end = scalar.origins.source(fragment.range.end);
            let mut text = String::with_capacity(fragment.new.len());
            string::escape(&fragment.new, &mut text);
            Edit { range: start..end, text }
        });
        Ok(edits.collect())
    }

    fn removals(source: &str, dropped: &[&Scalar]) -> Vec<Edit> {
        let starts = dropped.iter().filter_map(|scalar| scalar.entry.as_ref()).map(|entry| entry.start);
        removals(source, starts)
    }
}

/// The edits that take out the entries that start at these offsets, in ascending order.
pub(crate) fn removals(source: &str, starts: impl Iterator<Item = usize>) -> Vec<Edit> {
    let mut starts = starts.peekable();
    let mut edits = Vec::new();
    let mut lists: Vec<List> = Vec::new();
    let mut key = None;
    let mut events = Events::new(source);
    // The source was parsed before, so that the end of the events is the end of the source.
    while let Ok(Some(event)) = events.next() {
        match event {
            Event::Key(range) => key = Some(range.start),
            Event::String { range, .. } | Event::Other(range) => {
                let start = key.take().unwrap_or(range.start);
                let goes = starts.next_if_eq(&start).is_some();
                if let Some(list) = lists.last_mut() {
                    list.entry(start..range.end, goes);
                }
            }
            Event::Open => {
                key = None;
                if let Some(list) = lists.last_mut() {
                    list.entry(0..0, false);
                }
                lists.push(List::default());
            }
            Event::Comma(at) => {
                if let Some(list) = lists.last_mut() {
                    list.comma(source, at, &mut edits);
                }
            }
            Event::Close => {
                if let Some(list) = lists.pop() {
                    list.end(source, &mut edits);
                }
            }
        }
    }
    edits
}
