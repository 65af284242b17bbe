//! The text for Prometheus, at `/metrics`: as OpenMetrics for whoever asks for it, as Prometheus does, else in the older form
//! that every scraper reads.

use std::borrow::Cow;

use hyper::body::Bytes;
use hyper::header::ACCEPT;
use hyper::http::request::Parts;
use hyper::{Response, StatusCode};

use super::Metrics;
use crate::api::answer::{refused, whole};
use crate::api::{Announced, Refusal};
use crate::store::View;

/// OpenMetrics 1.0.
const OPEN: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// Prometheus' text format.
const CLASSIC: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Answers a request that its listener's guard has let in.
#[must_use]
pub fn answer(head: &Parts, metrics: &Metrics, view: &View, events: &Announced) -> Response<Bytes> {
    if head.uri.path() != "/metrics" {
        return refused(&head.method, &Refusal::unknown("there is only /metrics here", None), false);
    }
    let text = metrics.text(view, events);
    let mut accepted = head.headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let (kind, text) = if accepted.any(|accepted| accepted.contains("application/openmetrics-text")) {
        (OPEN, text)
    } else {
        (CLASSIC, classic(&text))
    };
    whole(&head.method, StatusCode::OK, kind, text.into())
}

/// The same in the older form, which names a family as its samples are named, and knows neither units nor an end.
fn classic(open: &str) -> String {
    let mut text = String::with_capacity(open.len());
    let mut lines = open.lines().peekable();
    while let Some(line) = lines.next() {
        let line = if let Some(help) = line.strip_prefix("# HELP ") {
            let (family, what) = help.split_once(' ').unwrap_or((help, ""));
            let next = lines.peek().and_then(|line| line.strip_prefix("# TYPE ")).unwrap_or_default();
            Cow::Owned(format!("# HELP {} {what}", named(family, kind_of(next)).0))
        } else if let Some(described) = line.strip_prefix("# TYPE ") {
            let family = described.split(' ').next().unwrap_or(described);
            let (name, kind) = named(family, kind_of(described));
            Cow::Owned(format!("# TYPE {name} {kind}"))
        } else if line.starts_with("# ") {
            continue;
        } else {
            Cow::Borrowed(line)
        };
        text.push_str(&line);
        text.push('\n');
    }
    text
}

/// `counter` in `imds_refreshes counter`.
fn kind_of(described: &str) -> &str {
    described.split(' ').nth(1).unwrap_or_default()
}

/// What a family of this kind is called in the older form, and its kind there.
fn named<'a>(family: &str, kind: &'a str) -> (String, &'a str) {
    match kind {
        "counter" => (format!("{family}_total"), kind),
        "info" => (format!("{family}_info"), "gauge"),
        _ => (family.to_owned(), kind),
    }
}

#[cfg(test)]
mod tests {
    use hyper::Request;

    use super::*;

    fn scraped(accept: Option<&str>) -> (String, String) {
        let mut request = Request::get("/metrics");
        if let Some(accept) = accept {
            request = request.header(ACCEPT, accept);
        }
        let (head, ()) = request.body(()).unwrap().into_parts();
        let (parts, body) =
            answer(&head, &Metrics::default(), &View::default(), &Announced::default()).into_parts();
        let kind = parts.headers["content-type"].to_str().unwrap().to_owned();
        (kind, String::from_utf8(body.to_vec()).unwrap())
    }

    #[test]
    fn prometheus_gets_open_metrics() {
        // What Prometheus 2.42 sends.
        let accept = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        let (kind, text) = scraped(Some(accept));
        assert_eq!(kind, "application/openmetrics-text; version=1.0.0; charset=utf-8");
        assert!(text.contains("# TYPE imds_refreshes counter\n") && text.ends_with("# EOF\n"), "{text}");
    }

    #[test]
    fn whoever_asks_for_nothing_gets_the_form_that_all_can_read() {
        for accept in [None, Some("*/*"), Some("text/plain")] {
            let (kind, text) = scraped(accept);
            assert_eq!(kind, "text/plain; version=0.0.4; charset=utf-8");
            for line in [
                "# HELP imds_refreshes_total Attempts to read the metadata.",
                "# TYPE imds_refreshes_total counter",
                "imds_refreshes_total{outcome=\"failure\"} 0",
                "# TYPE imds_build_info gauge",
                "# TYPE imds_metadata_age_seconds gauge",
                "imds_metadata_age_seconds NaN",
            ] {
                assert!(text.lines().any(|said| said == line), "{line} in\n{text}");
            }
            assert!(!text.contains("# UNIT") && !text.contains("# EOF"), "{text}");
        }
    }
}
