//! Why a request isn't answered with what it asked for.

use std::time::Duration;

use hyper::StatusCode;
use imds::{Error, ErrorKind};
use serde_json::{Value as Json, json};

/// A refusal, with the status and the body that tell it: `{"error": {"kind", "message", "remedy"?}}`.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    status: StatusCode,
    body: Json,
    /// When to ask again, where that may help.
    retry_after: Option<Duration>,
    is_method: bool,
}

impl Refusal {
    fn new(status: StatusCode, kind: &str, message: &str, remedy: Option<&str>) -> Self {
        let mut error = json!({ "kind": kind, "message": message });
        if let (Some(remedy), Some(members)) = (remedy, error.as_object_mut()) {
            members.insert("remedy".to_owned(), remedy.into());
        }
        Self { status, body: json!({ "error": error }), retry_after: None, is_method: false }
    }

    /// The request itself can't be understood.
    #[must_use]
    pub fn bad_request(message: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", message, None)
    }

    /// A body came with the request.
    #[must_use]
    pub fn body() -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "bad_request", "requests have no body here", None)
    }

    /// Another method than GET and HEAD.
    #[must_use]
    pub fn method() -> Self {
        let refusal = Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method_not_allowed",
            "only GET and HEAD are known",
            None,
        );
        Self { is_method: true, ..refusal }
    }

    /// No such path or field.
    #[must_use]
    pub fn unknown(message: &str, remedy: Option<&str>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "unknown", message, remedy)
    }

    /// The caller may not see it.
    #[must_use]
    pub fn denied(what: &str) -> Self {
        let message = format!("{what} isn't for this caller");
        let remedy = "the section [access] of the agent's configuration says who may see what";
        Self::new(StatusCode::FORBIDDEN, "denied", &message, Some(remedy))
    }

    /// The way in which it was asked is refused, whoever asks.
    #[must_use]
    pub fn forbidden(message: &str, remedy: Option<&str>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "denied", message, remedy)
    }

    /// Nothing is known yet.
    #[must_use]
    pub fn not_ready(retry_after: Duration) -> Self {
        let remedy = "ask again later; /readyz tells how things stand";
        let refusal = Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "not_ready",
            "the metadata isn't there yet",
            Some(remedy),
        );
        Self { retry_after: Some(retry_after), ..refusal }
    }

    /// Too many connections.
    #[must_use]
    pub fn busy() -> Self {
        let refusal =
            Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", "too many connections are open", None);
        Self { retry_after: Some(Duration::from_secs(1)), ..refusal }
    }

    /// The machine is in no cloud.
    #[must_use]
    pub fn no_cloud() -> Self {
        let (kind, message) = (ErrorKind::NoCloud.name(), "this machine is in no cloud");
        Self::new(StatusCode::NOT_FOUND, kind, message, Some("/v1/verdict tells the reasons"))
    }

    /// The value doesn't exist, or couldn't be read and no earlier one stands in.
    #[must_use]
    pub fn of(error: &Error) -> Self {
        let status = if error.is_absent() { StatusCode::NOT_FOUND } else { StatusCode::BAD_GATEWAY };
        Self::new(status, error.kind().name(), &error.to_string(), error.remedy())
    }

    /// The status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The body.
    #[must_use]
    pub fn body_text(&self) -> String {
        self.body.to_string()
    }

    /// Headers that belong to it, beside those of every answer.
    pub(crate) fn headers(&self) -> Vec<(hyper::header::HeaderName, String)> {
        let retry =
            self.retry_after.map(|after| (hyper::header::RETRY_AFTER, after.as_secs().max(1).to_string()));
        let allow = self.is_method.then(|| (hyper::header::ALLOW, "GET, HEAD".to_owned()));
        retry.into_iter().chain(allow).collect()
    }
}
