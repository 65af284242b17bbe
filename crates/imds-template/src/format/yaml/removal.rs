//! Taking out whole entries, so that what is left parses and has all the others.

use std::collections::BTreeMap;
use std::ops::Range;

use super::gap::{line_end, line_start, next_line, skip, skip_blanks, starts_line};
use super::{Edit, Place, Scalar, place};
use crate::format::list::List;

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
    for entries in collections.values() {
        match entries.first() {
            Some(first) if first.place.flow => {
                let entries =
                    entries.iter().map(|entry| (entry.range.clone(), entry.place.index, entry.place.before));
                listed(source, entries, &mut edits);
            }
            Some(first) if entries.len() == first.place.count => emptied(source, entries, &mut edits),
            _ => block(source, entries, &mut edits),
        }
    }
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

/// The comma that comes next, if nothing but white space, comments and a colon without a value stand before it.
fn comma(source: &str, from: usize) -> Option<usize> {
    let bytes = source.as_bytes();
    let mut at = skip(source, from);
    if bytes.get(at) == Some(&b':') {
        at = skip(source, at + 1);
    }
    (bytes.get(at) == Some(&b',')).then_some(at)
}

/// All the entries of a block collection go: `{}` or `[]` stays.
fn emptied(source: &str, entries: &[Entry<'_>], edits: &mut Vec<Edit>) {
    let mut entries = entries.iter();
    if let Some(first) = entries.next() {
        // The dash of a sequence may stand below its own key, a bracket may not.
        let space = if first.place.indentless { " " } else { "" };
        let brackets = if first.place.mapping { "{}" } else { "[]" };
        let end = line_end(source, first.range.end);
        edits.push(Edit { range: first.range.start..end, text: format!("{space}{brackets}") });
    }
    edits.extend(entries.map(|entry| delete(lines(source, entry))));
}

/// Some of the entries of a block collection go, with their lines.
fn block(source: &str, entries: &[Entry<'_>], edits: &mut Vec<Edit>) {
    let mut compact: Option<(usize, usize)> = None;
    for entry in entries {
        let lines = lines(source, entry);
        match &mut compact {
            Some((last, end)) if *last + 1 == entry.place.index => {
                (*last, *end) = (entry.place.index, lines.end);
            }
            // `- key: value`: the next entry moves up to the dash.
            None if !starts_line(source, entry.range.start) => compact = Some((entry.place.index, lines.end)),
            _ => edits.push(delete(lines)),
        }
    }
    if let (Some((_, end)), Some(first)) = (compact, entries.first()) {
        let mut next = end;
        while skip_blanks(source, next) == line_end(source, next) && next_line(source, next) > next {
            next = next_line(source, next);
        }
        edits.push(delete(first.range.start..skip_blanks(source, next)));
    }
}

/// The lines of an entry. Behind a block scalar the blank ones that follow go, too: they would become a part of it.
fn lines(source: &str, entry: &Entry<'_>) -> Range<usize> {
    let mut end = next_line(source, entry.range.end);
    let before = entry.place.before;
    if before > 0 && starts_line(source, before) {
        while skip_blanks(source, end) == line_end(source, end) && next_line(source, end) > end {
            end = next_line(source, end);
        }
    }
    line_start(source, entry.range.start)..end
}

fn delete(range: Range<usize>) -> Edit {
    Edit { range, text: String::new() }
}

/// The edits in order of position, without overlaps, and without blanks left between two that only delete.
pub(in crate::format) fn in_order(source: &str, mut edits: Vec<Edit>) -> Vec<Edit> {
    edits.sort_by_key(|edit| (edit.range.start, edit.range.end));
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
