//! The query of a request to Google's metadata server.

use std::time::Duration;

use crate::exchange::Asked;

/// How the answer is wanted.
#[derive(Debug, Default)]
pub(super) struct Query {
    pub(super) recursive: bool,
    pub(super) alt: Option<Alt>,
    pub(super) wait: bool,
    pub(super) last_etag: Option<String>,
    pub(super) timeout: Option<Duration>,
    pub(super) audience: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Alt {
    Json,
    Text,
}

pub(super) fn read(asked: &Asked) -> Result<Query, &'static str> {
    let mut query = Query::default();
    let flag = |value: &str| ["true", "on", "yes", "1"].iter().any(|yes| value.eq_ignore_ascii_case(yes));
    for (name, value) in asked.query_pairs() {
        match name.as_str() {
            "recursive" => query.recursive = flag(&value),
            "wait_for_change" => query.wait = flag(&value),
            "last_etag" => query.last_etag = Some(value),
            "timeout_sec" => {
                let seconds = value.parse().map_err(|_| "timeout_sec has to be a number.")?;
                query.timeout = Some(Duration::from_secs(seconds));
            }
            "alt" => {
                query.alt = Some(match value.as_str() {
                    "json" => Alt::Json,
                    "text" => Alt::Text,
                    _ => return Err("alt has to be json or text."),
                });
            }
            "audience" => query.audience = value,
            _ => {}
        }
    }
    Ok(query)
}
