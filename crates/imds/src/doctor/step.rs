//! The steps in which the service is asked, for people and programs to read.

use std::time::Duration;

use imds_model::Error;
use serde::{Serialize, Serializer};

/// What was tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StepName {
    /// Finding out which cloud this is.
    Detect,
    /// Looking up the ways to the service's addresses.
    Route,
    /// Connecting to the service.
    Connect,
    /// Getting a session token.
    Token,
    /// Having the service identify itself.
    Identity,
    /// Reading one value.
    Value,
}

impl StepName {
    /// The name in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Detect => "detect",
            Self::Route => "route",
            Self::Connect => "connect",
            Self::Token => "token",
            Self::Identity => "identity",
            Self::Value => "value",
        }
    }
}

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StepOutcome {
    /// As it should.
    Ok,
    /// It didn't.
    Failed,
    /// It wasn't tried: the service needs no such step, or an earlier one failed.
    Skipped,
}

/// One step, and how it ended.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Step {
    /// What was tried.
    pub name: StepName,
    /// How it ended.
    pub outcome: StepOutcome,
    /// What was found, in words.
    pub detail: String,
    /// How long it took, in milliseconds.
    #[serde(rename = "elapsed_ms", serialize_with = "milliseconds")]
    pub elapsed: Duration,
    /// What went wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Error>,
}

impl Step {
    pub(super) fn ok(name: StepName, detail: impl Into<String>, elapsed: Duration) -> Self {
        Self { name, outcome: StepOutcome::Ok, detail: detail.into(), elapsed, error: None }
    }

    pub(super) fn failed(name: StepName, error: Error, elapsed: Duration) -> Self {
        Self { name, outcome: StepOutcome::Failed, detail: error.to_string(), elapsed, error: Some(error) }
    }

    pub(super) fn skipped(name: StepName, why: &str) -> Self {
        let (detail, elapsed) = (why.to_owned(), Duration::ZERO);
        Self { name, outcome: StepOutcome::Skipped, detail, elapsed, error: None }
    }
}

/// A duration in milliseconds, to the microsecond.
pub(super) fn milliseconds<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64((time.as_secs_f64() * 1e6).round() / 1e3)
}
