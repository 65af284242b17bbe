//! `docs/metrics.md`, written from what the agent really counts.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::time::Duration;

use imds::CloudName;
use imds::observer::RequestOutcome;

use super::Metrics;
use crate::api::{Announced, route};
use crate::store::View;

const BEFORE: &str = "# Metrics

`imds agent` counts for Prometheus. Off unless `[metrics] listen` is set; then `http://ADDRESS/metrics` answers on loopback, as
OpenMetrics where that is asked for, else in Prometheus' text format. A scraper needs no special header:

```yaml
scrape_configs:
  - job_name: imds
    static_configs:
      - targets: [\"127.0.0.1:9780\"]
```

Alert rules are in [packaging/prometheus](../packaging/prometheus), a dashboard in
[packaging/grafana](../packaging/grafana).

No value of the metadata but the cloud's name is in the numbers, and every label has few values: series don't grow with tags,
paths, callers or time. Those whose labels are known beforehand are there from the start, at zero; those of a cloud come with the
first request to its service, those of a route with its first request.

<!-- written by `cargo run -p imds-agent --example metrics_page > docs/metrics.md` -->

| metric | kind | labels | meaning |
|---|---|---|---|
";

/// One metric, as the text for Prometheus says it.
#[derive(Debug, Default)]
struct Family {
    name: String,
    kind: String,
    meaning: String,
    labels: BTreeMap<String, BTreeSet<String>>,
}

/// The page.
#[must_use]
pub fn page() -> String {
    let metrics = Metrics::default();
    metrics.service_request(&CloudName::AWS, RequestOutcome::Answered(200), Duration::ZERO);
    for name in route::NAMES {
        metrics.answered(name, 200);
    }
    let mut page = BEFORE.to_owned();
    for family in families(&metrics.text(&View::default(), &Announced::default())) {
        let labels: Vec<_> = family.labels.iter().map(|(label, values)| described(label, values)).collect();
        let Family { name, kind, meaning, .. } = family;
        // Writing to a String doesn't fail.
        let _ = writeln!(page, "| `{name}` | {kind} | {} | {meaning} |", labels.join("; "));
    }
    page
}

/// A label with what it may say.
fn described(label: &str, values: &BTreeSet<String>) -> String {
    let values: Vec<_> = values.iter().map(|value| format!("`{value}`")).collect();
    match label {
        "cloud" => "`cloud`: its name, `aws` for example".to_owned(),
        "code" => "`code`: the HTTP status".to_owned(),
        "version" => "`version`: the program's".to_owned(),
        _ => format!("`{label}`: {}", values.join(", ")),
    }
}

/// The families of a text in OpenMetrics' form.
fn families(text: &str) -> Vec<Family> {
    let mut families: Vec<Family> = Vec::new();
    for line in text.lines() {
        if let Some((name, meaning)) = line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' ')) {
            families.push(Family { name: name.to_owned(), meaning: meaning.to_owned(), ..Family::default() });
            continue;
        }
        let Some(family) = families.last_mut() else { continue };
        if let Some((_, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            family.kind = kind.to_owned();
            match kind {
                "counter" => family.name.push_str("_total"),
                "info" => family.name.push_str("_info"),
                _ => {}
            }
        } else if let Some((_, rest)) = line.split_once('{').filter(|_| !line.starts_with('#')) {
            let pairs = rest.split_once('}').map_or("", |(pairs, _)| pairs).split(',');
            for (label, value) in
                pairs.filter_map(|pair| pair.split_once('=')).filter(|(label, _)| *label != "le")
            {
                let value = value.trim_matches('"').to_owned();
                family.labels.entry(label.to_owned()).or_default().insert(value);
            }
        }
    }
    families
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_in_the_repository_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/metrics.md");
        let there = std::fs::read_to_string(path).unwrap();
        assert_eq!(there, page(), "`cargo run -p imds-agent --example metrics_page > docs/metrics.md`");
    }

    #[test]
    fn every_outcome_is_on_the_page() {
        let page = page();
        let others = [RequestOutcome::TimedOut, RequestOutcome::NotConnected, RequestOutcome::Malformed];
        for outcome in (100..=599).map(RequestOutcome::Answered).chain(others) {
            let name = crate::metrics::labels::outcome_name(outcome);
            assert!(page.contains(&format!("`{name}`")), "{name}");
        }
    }
}
