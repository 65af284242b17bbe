//! What stands between two nodes: white space, comments, commas.

/// The first byte from `from` on that is neither white space nor part of a comment.
pub(in crate::format) fn skip(source: &str, from: usize) -> usize {
    let bytes = source.as_bytes();
    let mut at = from;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b' ' | b'\t' | b'\n' | b'\r' => at += 1,
            b'#' => at = line_end(source, at),
            // A byte order mark may start any document.
            0xef if source.get(at..).is_some_and(|rest| rest.starts_with('\u{feff}')) => at += 3,
            _ => break,
        }
    }
    at
}

/// The first byte from `from` on that is neither a space nor a tab.
pub(in crate::format) fn skip_blanks(source: &str, from: usize) -> usize {
    let rest = source.as_bytes().get(from..).unwrap_or_default();
    from + rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count()
}

/// Where the word that starts at `at` ends: at white space.
pub(in crate::format) fn word_end(source: &str, at: usize) -> usize {
    let rest = source.as_bytes().get(at..).unwrap_or_default();
    at + rest.iter().take_while(|byte| !byte.is_ascii_whitespace()).count()
}

/// Where the line that `at` is on ends, before its line break.
pub(in crate::format) fn line_end(source: &str, at: usize) -> usize {
    let rest = source.as_bytes().get(at..).unwrap_or_default();
    at + memchr::memchr2(b'\n', b'\r', rest).unwrap_or(rest.len())
}

/// Where the line after the one that `at` is on starts, or the source ends.
pub(in crate::format) fn next_line(source: &str, at: usize) -> usize {
    let end = line_end(source, at);
    end + break_length(source, end)
}

/// How long the line break at `at` is: 0 where there is none.
pub(in crate::format) fn break_length(source: &str, at: usize) -> usize {
    match source.as_bytes().get(at..).unwrap_or_default() {
        [b'\r', b'\n', ..] => 2,
        [b'\r' | b'\n', ..] => 1,
        _ => 0,
    }
}

/// Where the line that `at` is on starts; the first one after its byte order mark.
pub(in crate::format) fn line_start(source: &str, at: usize) -> usize {
    let head = source.as_bytes().get(..at).unwrap_or_default();
    let mark = if head.starts_with("\u{feff}".as_bytes()) { 3 } else { 0 };
    memchr::memrchr2(b'\n', b'\r', head).map_or(mark, |index| index + 1)
}

/// How many characters stand on the line before `at`.
pub(in crate::format) fn column(source: &str, at: usize) -> usize {
    let head = source.get(line_start(source, at)..at).unwrap_or_default();
    head.chars().count()
}

/// Is there nothing but white space on the line before `at`?
pub(in crate::format) fn starts_line(source: &str, at: usize) -> bool {
    let head = source.get(line_start(source, at)..at).unwrap_or_default();
    head.chars().all(|character| matches!(character, ' ' | '\t'))
}
