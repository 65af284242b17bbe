//! The text for Prometheus, at `/metrics`.

use hyper::body::Bytes;
use hyper::{Method, Response, StatusCode, Uri};

use super::Metrics;
use crate::api::Refusal;
use crate::api::answer::{refused, whole};
use crate::store::View;

/// What Prometheus knows the text by (OpenMetrics 1.0).
const KIND: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Answers a request that its listener's guard has let in.
#[must_use]
pub fn answer(method: &Method, uri: &Uri, metrics: &Metrics, view: &View) -> Response<Bytes> {
    match uri.path() {
        "/metrics" => whole(method, StatusCode::OK, KIND, metrics.text(view).into()),
        _ => refused(method, &Refusal::unknown("there is only /metrics here", None), false),
    }
}
