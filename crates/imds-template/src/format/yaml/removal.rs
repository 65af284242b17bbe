//! Taking out whole entries, so that what is left parses and has all the others.

use std::collections::BTreeMap;
use std::ops::Range;

use super::gap::{column, line_end, line_start, next_line, skip, skip_blanks, starts_line};
use super::{BlockEnd, Edit, Place, Scalar, place};
use crate::format::list::List;
use crate::format::sort;

/// An entry that goes.
struct Entry<'a> {
    range: Range<usize>,
    place: &'a Place,
}

/// The edits that take these scalars' entries out.
pub(super) fn removals(source: &str, dropped: &[&Scalar]) -> Vec<Edit> {
    let mut collections: BTreeMap<usize, Vec<Entry<'_>>> = BTreeMap::new();
    for scalar in dropped {
        if let (Some(range), Some(place)) = (scalar.entry.clone(), place(scalar)) {
            collections.entry(place.collection).or_default().push(Entry { range, place });
        }
    }
    let mut edits = Vec::new();
    let mut whole = Vec::new();
    for entries in collections.values() {
        match entries.first() {
            Some(first) if first.place.flow => {
                let entries =
                    entries.iter().map(|entry| (entry.range.clone(), entry.place.index, entry.place.before));
                listed(source, entries, &mut edits);
            }
            Some(first) if entries.len() == first.place.count => {
                whole.extend(emptied(source, entries, &mut edits));
            }
            _ => whole.extend(block(source, entries, &mut edits)),
        }
    }
    whole.sort_by_key(|entry| entry.range.start);
    lines(source, &whole, &mut edits);
    in_order(source, edits)
}

/// Entries with commas between them, each with its bytes, its index and where the entry before it ends at the latest.
pub(in crate::format) fn listed(
    source: &str,
    entries: impl Iterator<Item = (Range<usize>, usize, usize)>,
    edits: &mut Vec<Edit>,
) {
    let mut list = List::default();
    let mut next = 0;
    for (range, index, before) in entries {
        if index > next {
            // The one before it stays.
            list.entry(before..before, false);
            if let Some(comma) = comma(source, before) {
                list.comma(source, comma, edits);
            }
        }
        let after = comma(source, range.end);
        list.entry(range, true);
        if let Some(comma) = after {
            list.comma(source, comma, edits);
        }
        next = index + 1;
    }
    list.end(source, edits);
}

/// The comma that comes next, if nothing but white space and comments stand before it.
fn comma(source: &str, from: usize) -> Option<usize> {
    let at = skip(source, from);
    (source.as_bytes().get(at) == Some(&b',')).then_some(at)
}

/// All the entries of a block collection go: `{}` or `[]` stays. Returns those that go with their lines.
fn emptied<'e>(source: &str, entries: &'e [Entry<'e>], edits: &mut Vec<Edit>) -> Vec<&'e Entry<'e>> {
    let mut entries = entries.iter();
    if let Some(first) = entries.next() {
        // The dash of a sequence may stand below its own key, a bracket may not.
        let space = if first.place.indentless { " " } else { "" };
        let brackets = if first.place.mapping { "{}" } else { "[]" };
        let end = line_end(source, first.range.end);
        edits.push(Edit { range: first.range.start..end, text: format!("{space}{brackets}") });
    }
    entries.collect()
}

/// Some of the entries of a block collection go. Returns those that go with their lines.
fn block<'e>(source: &str, entries: &'e [Entry<'e>], edits: &mut Vec<Edit>) -> Vec<&'e Entry<'e>> {
    let mut compact: Option<&Entry<'_>> = None;
    let mut whole = Vec::new();
    for entry in entries {
        match compact {
            Some(last) if last.place.index + 1 == entry.place.index => compact = Some(entry),
            // `- key: value`: the next entry moves up to the dash.
            None if !starts_line(source, entry.range.start) => compact = Some(entry),
            _ => whole.push(entry),
        }
    }
    if let (Some(last), Some(first)) = (compact, entries.first()) {
        let next = past_blank_lines(source, next_line(source, last.range.end));
        edits.push(delete(first.range.start..skip_blanks(source, next)));
    }
    whole
}

/// The lines of these entries, which are in order of position, go.
///
/// What comes to stand behind a block scalar must not become a part of it: blank lines, which go, too, and comments that
/// are indented as its text is, which go if they are indented more than the entry.
fn lines(source: &str, entries: &[&Entry<'_>], edits: &mut Vec<Edit>) {
    let is_blank =
        |range: Range<usize>| source.get(range).is_none_or(|between| between.trim_ascii().is_empty());
    // Where the last ones end, and the block scalar that they stood behind.
    let mut last: (usize, Option<BlockEnd>) = (0, None);
    for entry in entries {
        let start = line_start(source, entry.range.start);
        let block = match entry.place.block {
            // That one stays, or it is what the last ones stood behind.
            Some(block) if last.0 <= block.start => is_blank(block.at..start).then_some(block),
            _ => last.1.filter(|_| is_blank(last.0..start)),
        };
        let mut end = next_line(source, entry.range.end);
        if let Some(block) = block {
            let deep = block.indentation.max(column(source, entry.range.start) + 1);
            end = past_lines_of(source, end, deep);
        }
        edits.push(delete(start..end));
        last = (end, block);
    }
}

/// Past the blank lines, and those of comments, that a block scalar before them would take for its own.
fn past_lines_of(source: &str, from: usize, indentation: usize) -> usize {
    let mut end = from;
    loop {
        end = past_blank_lines(source, end);
        let at = skip_blanks(source, end);
        let lead = source.get(end..at).unwrap_or_default();
        let is_deep = lead.len() >= indentation || lead.contains('\t');
        if source.as_bytes().get(at) != Some(&b'#') || !is_deep {
            return end;
        }
        end = next_line(source, at);
    }
}

/// The first line from this one on that isn't blank, or the last one, if it has no end.
fn past_blank_lines(source: &str, from: usize) -> usize {
    let mut at = from;
    while skip_blanks(source, at) == line_end(source, at) && next_line(source, at) > at {
        at = next_line(source, at);
    }
    at
}

fn delete(range: Range<usize>) -> Edit {
    Edit { range, text: String::new() }
}

/// The edits in order of position, without overlaps, and without blanks left between two that only delete.
pub(in crate::format) fn in_order(source: &str, mut edits: Vec<Edit>) -> Vec<Edit> {
    sort(&mut edits);
    let mut result: Vec<Edit> = Vec::with_capacity(edits.len());
    for edit in edits {
        match result.last_mut() {
            Some(last)
                if edit.range.start < last.range.end
                    || (last.text.is_empty()
                        && edit.text.is_empty()
                        && skip_blanks(source, last.range.end) >= edit.range.start) =>
            {
                last.range.end = last.range.end.max(edit.range.end);
                last.text.push_str(&edit.text);
            }
            _ => result.push(edit),
        }
    }
    result
}
