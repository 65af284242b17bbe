//! One request and what becomes of it, free of sockets: what the clouds' pure functions take and give.

use std::borrow::Cow;
use std::time::Duration;

use hyper::body::Bytes;

use crate::request_path;

/// A request as a service sees it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked {
    pub(crate) method: String,
    /// As sent, still percent-encoded, without the query.
    pub(crate) path: String,
    pub(crate) query: String,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// The client's end of the connection; some services trust ports below 1024 only.
    pub(crate) peer_port: u16,
    /// ETag that a long poll compares with, once the service has named it.
    pub(crate) known_etag: Option<String>,
    /// A long poll whose time is up: answer with what there is.
    pub(crate) wait_over: bool,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn is_read(&self) -> bool {
        self.method == "GET" || self.method == "HEAD"
    }

    /// Decoded name and value pairs of the query, in order.
    pub(crate) fn query_pairs(&self) -> Vec<(String, String)> {
        request_path::query_pairs(&self.query)
    }
}

/// What a service does with a request.
#[derive(Debug)]
pub(crate) enum Outcome {
    Answer(Answer),
    /// The reply never arrives.
    Silence,
    /// A long poll: ask again when the data changed, or when the time is up.
    Wait {
        etag: String,
        timeout: Option<Duration>,
    },
}

impl From<Answer> for Outcome {
    fn from(answer: Answer) -> Self {
        Outcome::Answer(answer)
    }
}

/// A whole reply.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(Cow<'static, str>, String)>,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn new(status: u16, content_type: &str, body: impl Into<Bytes>) -> Self {
        Self { status, headers: vec![("content-type".into(), content_type.to_owned())], body: body.into() }
    }

    /// Plain text, as most services send values, listings and words of refusal.
    pub(crate) fn text(status: u16, body: impl Into<Bytes>) -> Self {
        Self::new(status, "text/plain; charset=utf-8", body)
    }

    /// JSON, without blanks.
    pub(crate) fn json(status: u16, body: &serde_json::Value) -> Self {
        Self::new(status, "application/json", body.to_string())
    }

    pub(crate) fn with(mut self, name: impl Into<Cow<'static, str>>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }
}

/// The standard phrase for a status, `Not Found` for 404.
pub(crate) fn phrase(status: u16) -> &'static str {
    hyper::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or("Error")
}
