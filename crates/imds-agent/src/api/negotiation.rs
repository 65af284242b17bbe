//! What a caller's headers ask for: `Accept` and `If-None-Match` (RFC 9110, sections 12.5.1 and 13.1.2).

use hyper::header::{ACCEPT, HeaderMap, IF_NONE_MATCH};

/// How well something suits: the weight that the caller gives it, and how exactly it was named.
type Liking = (u16, u8);

/// Whether the caller would rather have JSON than text. Text is what `curl` and scripts get without asking.
#[must_use]
pub fn wants_json(headers: &HeaderMap) -> bool {
    let accepted: Vec<&str> =
        headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
    let liking = |kind: &str, subtype: &str| -> Liking {
        let ranges = accepted.iter().flat_map(|line| line.split(','));
        // The most exact range that fits decides the weight.
        let fitting = ranges.filter_map(|range| fit(range, kind, subtype));
        fitting.max_by_key(|(_, exactness)| *exactness).unwrap_or((0, 0))
    };
    liking("application", "json") > liking("text", "plain")
}

/// The weight in thousandths and the exactness of a media range that covers this type.
fn fit(range: &str, kind: &str, subtype: &str) -> Option<Liking> {
    let mut parts = range.split(';').map(str::trim);
    let (wanted_kind, wanted_subtype) = parts.next()?.split_once('/')?;
    let exactness = match (wanted_kind, wanted_subtype) {
        ("*", "*") => 1,
        (wanted, "*") if wanted.eq_ignore_ascii_case(kind) => 2,
        (wanted, exact) if wanted.eq_ignore_ascii_case(kind) && exact.eq_ignore_ascii_case(subtype) => 3,
        _ => return None,
    };
    let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
    let weight = weight.and_then(|weight| weight.parse::<f32>().ok()).unwrap_or(1.0).clamp(0.0, 1.0);
    // Lossless enough: a weight has at most three digits after the point.
    Some(((weight * 1000.0) as u16, exactness))
}

/// Whether the caller already has what this tag names.
#[must_use]
pub fn has_already(headers: &HeaderMap, etag: &str) -> bool {
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    headers
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|line| line.split(','))
        .any(|tag| tag.trim() == "*" || opaque(tag) == opaque(etag))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &hyper::header::HeaderName, values: &[&str]) -> HeaderMap {
        values.iter().map(|value| (name.clone(), value.parse().unwrap())).collect()
    }

    #[test]
    fn json_is_for_those_who_like_it_better() {
        for (accept, json) in [
            (&[][..], false),
            (&["*/*"], false),
            (&["application/json"], true),
            (&["Application/JSON"], true),
            (&["text/plain"], false),
            (&["application/*"], true),
            (&["text/plain, application/json"], false),
            (&["text/plain;q=0.5, application/json"], true),
            (&["text/plain", "application/json;q=0.9"], false),
            (&["application/json, */*;q=0.1"], true),
            (&["*/*, application/json"], true),
            (&["application/json;q=0, */*"], false),
            (&["text/html"], false),
            (&["nonsense,;q=x,application/json;q=nan"], true),
        ] {
            assert_eq!(wants_json(&headers(&ACCEPT, accept)), json, "{accept:?}");
        }
    }

    #[test]
    fn a_tag_is_recognised_weak_or_strong_among_others() {
        let has = |values: &[&str]| has_already(&headers(&IF_NONE_MATCH, values), "W/\"a-7\"");
        assert!(has(&["W/\"a-7\""]) && has(&["\"a-7\""]) && has(&["\"x\", W/\"a-7\""]) && has(&["*"]));
        assert!(!has(&[]) && !has(&["\"a-70\""]) && !has(&["a-7"]));
    }
}
