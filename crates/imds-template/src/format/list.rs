//! Which commas go when entries of a comma-separated list go.
//!
//! An entry takes the comma behind it with it. The last entry has none, so it takes the one behind the last entry that
//! stays. A list that ended in a comma goes on doing so. An entry that has its lines to itself takes them whole.

use std::ops::Range;

use super::Edit;

/// One list, while its entries go by.
#[derive(Clone, Debug, Default)]
pub(crate) struct List {
    /// The comma behind the last entry that stays, and where the first entry behind it starts, which is to go.
    kept_comma: Option<(usize, Option<usize>)>,
    /// The entry that waits for its comma, if it is to go.
    waiting: Option<Range<usize>>,
}

impl List {
    /// An entry: its bytes, and whether it is to go.
    pub(crate) fn entry(&mut self, range: Range<usize>, goes: bool) {
        match &mut self.kept_comma {
            Some((_, next)) if goes => *next = next.or(Some(range.start)),
            kept_comma => *kept_comma = kept_comma.filter(|_| goes),
        }
        self.waiting = goes.then_some(range);
    }

    /// A comma at this offset.
    pub(crate) fn comma(&mut self, source: &str, at: usize, edits: &mut Vec<Edit>) {
        match self.waiting.take() {
            Some(entry) => edits.push(removal(source, entry.start..at + 1, false)),
            None => self.kept_comma = Some((at, None)),
        }
    }

    /// The end of the list.
    pub(crate) fn end(self, source: &str, edits: &mut Vec<Edit>) {
        let Some(entry) = self.waiting else { return };
        edits.push(removal(source, entry, true));
        if let Some((comma, next)) = self.kept_comma {
            let is_blank = |next: &usize| {
                source
                    .get(comma + 1..*next)
                    .is_some_and(|between| between.bytes().all(|byte| byte == b' ' || byte == b'\t'))
            };
            let end = next.filter(is_blank).unwrap_or(comma + 1);
            edits.push(Edit { range: comma..end, text: String::new() });
        }
    }
}

/// Takes a range out, with the blanks that only it needed.
fn removal(source: &str, range: Range<usize>, last: bool) -> Edit {
    let before = source.get(..range.start).unwrap_or_default();
    let after = source.get(range.end..).unwrap_or_default();
    let bare_before = before.trim_end_matches([' ', '\t']);
    let bare_after = after.trim_start_matches([' ', '\t']);
    let line_end = ["\n", "\r\n"].into_iter().find(|end| bare_after.starts_with(end));
    let range = match line_end {
        Some(end) if bare_before.ends_with('\n') => {
            bare_before.len()..source.len() - bare_after.len() + end.len()
        }
        _ if last => bare_before.len()..range.end,
        _ => range.start..source.len() - bare_after.len(),
    };
    Edit { range, text: String::new() }
}
