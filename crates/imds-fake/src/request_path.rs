//! Reading request targets: percent-encoding, path segments, query pairs. Nothing here can fail on odd input; what
//! can't be decoded is kept as it came.

/// Decodes `%XX`; stray percent signs stay, invalid UTF-8 becomes U+FFFD.
pub(crate) fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((&first, tail)) = rest.split_first() {
        if first == b'%'
            && let [high, low, after @ ..] = tail
            && let (Some(high), Some(low)) = (hex(*high), hex(*low))
        {
            decoded.push(high * 16 + low);
            rest = after;
        } else {
            decoded.push(first);
            rest = tail;
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// The decoded segments of a path, and whether it ended with a slash. `None` for paths no service has: without a
/// leading slash, with empty inner segments, with `.` or `..`, or with an encoded slash.
pub(crate) fn segments(path: &str) -> Option<(Vec<String>, bool)> {
    let inner = path.strip_prefix('/')?;
    if inner.is_empty() {
        return Some((Vec::new(), true));
    }
    let (inner, slash) = match inner.strip_suffix('/') {
        Some(inner) => (inner, true),
        None => (inner, false),
    };
    let mut segments = Vec::new();
    for raw in inner.split('/') {
        let segment = decode(raw);
        if segment.is_empty() || segment == "." || segment == ".." || segment.contains('/') {
            return None;
        }
        segments.push(segment);
    }
    Some((segments, slash))
}

/// The decoded segments of a path as services see it that make paths normal first: empty and `.` segments count for
/// nothing, `..` takes one back.
pub(crate) fn normalised(path: &str) -> Vec<String> {
    let mut segments: Vec<String> = Vec::new();
    for segment in decode(path).split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            name => segments.push(name.to_owned()),
        }
    }
    segments
}

/// Decoded name and value pairs of a query, `+` meaning a space.
pub(crate) fn query_pairs(query: &str) -> Vec<(String, String)> {
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(&name.replace('+', " ")), decode(&value.replace('+', " ")))
        })
        .collect()
}

/// Text that can stand in an HTML page.
pub(crate) fn html(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decoding_keeps_what_it_cannot_read() {
        assert_eq!(decode("a%3Db%2"), "a=b%2");
        assert_eq!(decode("%zz%C3%A9%"), "%zzé%");
        assert_eq!(decode("%FF"), "\u{fffd}");
    }

    #[test]
    fn paths_no_service_has_are_refused() {
        assert_eq!(segments("/"), Some((vec![], true)));
        assert_eq!(segments("/a/b%20c/"), Some((vec!["a".into(), "b c".into()], true)));
        for odd in ["", "*", "//", "/a//b", "/a/../b", "/a/%2e%2e/b", "/a%2Fb", "/."] {
            assert_eq!(segments(odd), None, "{odd}");
        }
    }

    #[test]
    fn normal_paths_stay_below_the_root() {
        for (path, names) in [("/a//b/./c/", "a b c"), ("/a/../../b%2Fc", "b c"), ("//", ""), ("*", "*")] {
            assert_eq!(normalised(path).join(" "), names, "{path}");
        }
    }

    #[test]
    fn queries_are_decoded_in_order() {
        let pairs = query_pairs("a=1&b&&c=x+y%26z&a=2");
        let expected = [("a", "1"), ("b", ""), ("c", "x y&z"), ("a", "2")];
        assert_eq!(pairs, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }
}
