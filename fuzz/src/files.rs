//! Files of a machine as an input: each behind a byte `0xff`, its path in a line and then its content.

/// The files, by path.
pub fn split(data: &[u8]) -> Vec<(&str, &[u8])> {
    let parts = data.split(|byte| *byte == 0xff);
    let file = |part| {
        let (path, content): (&[u8], &[u8]) = cut(part)?;
        let path = std::str::from_utf8(path).ok()?;
        path.starts_with('/').then_some((path, content))
    };
    parts.filter_map(file).collect()
}

fn cut(part: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = part.iter().position(|byte| *byte == b'\n')?;
    Some((part.get(..end)?, part.get(end + 1..)?))
}
