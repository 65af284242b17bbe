//! Whether a file without some of its entries says of all the others what it said.
//!
//! Taking entries out is done in the source's bytes, where what stands behind an entry can come to mean something else:
//! the text of a block scalar, the value of another key. Here the parser tells what is there before and after.

use std::collections::{HashMap, HashSet};

use granit_parser::{Event, Parser, StructureStyle};

use super::{Scalar, place};

/// Does the result say what the source says without the entries of these scalars? A scalar with a `${` in it may say
/// anything.
pub(super) fn stays(source: &str, dropped: &[&Scalar], result: &str) -> bool {
    let dropped = dropped.iter().filter_map(|scalar| place(scalar)).map(|place| place.scalar).collect();
    match (events(source, &dropped), events(result, &HashSet::new())) {
        (Some(before), Some(after)) => {
            before.len() == after.len() && before.iter().zip(&after).all(|(one, other)| alike(one, other))
        }
        _ => false,
    }
}

/// A mapping or sequence that is being read.
struct Frame {
    mapping: bool,
    /// `[key: value]`: it is itself an item of the sequence around it.
    pair: bool,
    /// The next node is a value of the mapping.
    at_value: bool,
    /// How many events there were before its last entry.
    entry: usize,
    /// Its only entry goes, and it does with that.
    gone: bool,
}

/// What a source says, without the entries whose values are the scalars with these numbers, with anchors numbered anew.
/// None if it doesn't parse.
fn events<'s>(source: &'s str, dropped: &HashSet<usize>) -> Option<Vec<Event<'s>>> {
    let options = granit_parser::options! { block_scalar_eof_without_line_feed: true };
    let mut events = Vec::new();
    let mut stack: Vec<Frame> = Vec::new();
    let mut scalars = 0;
    for event in Parser::new_from_str_with_options(source, options) {
        let (event, span) = event.ok()?;
        if event.is_node()
            && let Some(frame) = stack.last_mut()
        {
            if !frame.at_value {
                frame.entry = events.len();
            }
            frame.at_value = frame.mapping && !frame.at_value;
        }
        match &event {
            Event::Scalar(..) => {
                scalars += 1;
                match stack.last_mut().filter(|_| dropped.contains(&scalars)) {
                    Some(frame) if frame.pair => frame.gone = true,
                    Some(frame) => {
                        events.truncate(frame.entry);
                        continue;
                    }
                    None => {}
                }
            }
            Event::MappingStart(style, ..) | Event::SequenceStart(style, ..) => {
                let mapping = matches!(event, Event::MappingStart(..));
                let brace = span.slice(source).is_some_and(|text| text.starts_with('{'));
                let pair = mapping && *style == StructureStyle::Flow && !brace;
                stack.push(Frame { mapping, pair, at_value: false, entry: events.len() + 1, gone: false });
            }
            Event::MappingEnd | Event::SequenceEnd if stack.pop().is_some_and(|frame| frame.gone) => {
                events.truncate(stack.last().map_or(0, |frame| frame.entry));
                continue;
            }
            _ => {}
        }
        events.push(event);
    }
    number(&mut events);
    Some(events)
}

/// Numbers the anchors in the order in which they stand.
fn number(events: &mut [Event<'_>]) {
    let mut numbers = HashMap::new();
    for event in events {
        match event {
            Event::Scalar(_, _, anchor, _)
            | Event::SequenceStart(_, anchor, _)
            | Event::MappingStart(_, anchor, _)
                if *anchor > 0 =>
            {
                let next = numbers.len() + 1;
                *anchor = *numbers.entry(*anchor).or_insert(next);
            }
            // Where the anchor is gone, the number is one that no anchor has.
            Event::Alias(anchor) => *anchor = numbers.get(anchor).copied().unwrap_or_default(),
            _ => {}
        }
    }
}

/// Do both say the same? What lost its entries may have got brackets.
fn alike(one: &Event<'_>, other: &Event<'_>) -> bool {
    match (one, other) {
        (Event::Scalar(text, _, anchor, tag), Event::Scalar(_, _, other_anchor, other_tag))
            if text.contains("${") =>
        {
            (anchor, tag) == (other_anchor, other_tag)
        }
        (Event::SequenceStart(_, anchor, tag), Event::SequenceStart(_, other_anchor, other_tag))
        | (Event::MappingStart(_, anchor, tag), Event::MappingStart(_, other_anchor, other_tag)) => {
            (anchor, tag) == (other_anchor, other_tag)
        }
        (one, other) => one == other,
    }
}
