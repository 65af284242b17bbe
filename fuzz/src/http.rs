//! HTTP answers read by the letter of RFC 9112, and by nothing else: what is in the least unusual is not understood.

/// An answer that can be read in one way only.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer<'a> {
    /// The status.
    pub status: u16,
    /// The headers, as they are spelled.
    pub headers: Vec<(&'a str, &'a str)>,
    /// The body, out of its chunks.
    pub body: Vec<u8>,
    /// What stands behind it; nothing where the body ends with the connection.
    pub rest: Option<&'a [u8]>,
}

impl Answer<'_> {
    /// The only value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        let (_, value) = values.next()?;
        values.next().is_none().then_some(*value)
    }
}

/// Reads an answer to a GET whose connection ends behind `bytes`. Nothing where it can be understood in several ways or
/// in none.
pub fn read(bytes: &[u8]) -> Option<Answer<'_>> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(bytes.get(..end)?).ok()?;
    let after = bytes.get(end + 4..)?;
    let mut lines = head.split("\r\n");
    let status = status(lines.next()?)?;
    let headers = lines.map(header).collect::<Option<Vec<_>>>()?;
    let sent = |name: &str| headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name)).count();
    let value = |name: &str| {
        headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| *value)
    };
    // As many as any client takes, and none that changes how the rest is read.
    let unusual = headers.len() > 90
        || head.len() > 4096
        || sent("content-length") + sent("transfer-encoding") > 1
        || sent("upgrade") > 0
        || sent("connection") > 1
        || value("connection").is_some_and(|value| !matches!(value, "close" | "keep-alive"));
    if unusual {
        return None;
    }
    let bodyless = matches!(status, 204 | 304);
    let (body, rest) = match (value("transfer-encoding"), value("content-length")) {
        (None, None) if bodyless => (Vec::new(), Some(after)),
        _ if bodyless => return None,
        (Some("chunked"), _) => chunks(after)?,
        (Some(_), _) => return None,
        (None, Some(length)) => {
            let decimal = !length.is_empty() && length.bytes().all(|byte| byte.is_ascii_digit());
            let length: usize = length.parse().ok().filter(|_| decimal && length.len() < 10)?;
            let (body, rest) = after.split_at_checked(length)?;
            (body.to_vec(), Some(rest))
        }
        (None, None) => (after.to_vec(), None),
    };
    Some(Answer { status, headers, body, rest })
}

fn status(line: &str) -> Option<u16> {
    let rest = line.strip_prefix("HTTP/1.1 ")?;
    let (code, reason) = rest.split_once(' ')?;
    let plain = code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_digit());
    let readable = reason.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    code.parse().ok().filter(|code| plain && readable && (200..600).contains(code))
}

fn header(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.split_once(':')?;
    let value = value.trim_matches(' ');
    let token = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let readable = value.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    (token && readable).then_some((name, value))
}

/// Chunks without extensions and trailers.
fn chunks(mut bytes: &[u8]) -> Option<(Vec<u8>, Option<&[u8]>)> {
    let mut body = Vec::new();
    loop {
        let end = bytes.windows(2).position(|pair| pair == b"\r\n")?;
        let size = std::str::from_utf8(bytes.get(..end)?).ok()?;
        let hex = !size.is_empty() && size.len() < 7 && size.bytes().all(|byte| byte.is_ascii_hexdigit());
        let size = usize::from_str_radix(size, 16).ok().filter(|_| hex)?;
        bytes = bytes.get(end + 2..)?;
        let (chunk, rest) = bytes.split_at_checked(size)?;
        body.extend_from_slice(chunk);
        bytes = rest.strip_prefix(b"\r\n")?;
        if size == 0 {
            return Some((body, Some(bytes)));
        }
    }
}
