//! What the doctor hands over.

use std::time::Duration;

use imds_model::error::exit;
use imds_model::{CloudName, Error, Outcome};
use serde::{Serialize, Serializer};

use super::finding::Finding;
use super::step::{Step, StepName, milliseconds};

/// The version of the JSON form.
const SCHEMA: u32 = 1;

/// Whether there is metadata, how asking went, and what is wrong.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Report {
    schema: u32,
    /// Whether the metadata can be read: everything that keeps it away is an error in [`findings`](Self::findings).
    pub works: bool,
    /// Where this machine runs.
    #[serde(serialize_with = "word")]
    pub outcome: Outcome,
    /// The cloud, where one was found.
    pub cloud: Option<CloudName>,
    /// The instance's id, from the service or else from firmware.
    pub instance_id: Option<String>,
    /// How the service was spoken to: `IMDSv2`, `api-version 2021-12-13`.
    pub protocol: Option<String>,
    /// What keeps the metadata away.
    pub error: Option<Error>,
    /// The code with which a command ends: 0 where the metadata works, else by the error's kind.
    pub exit_code: u8,
    /// How long it all took, in milliseconds.
    #[serde(rename = "elapsed_ms", serialize_with = "milliseconds")]
    pub elapsed: Duration,
    /// How asking went.
    pub steps: Vec<Step>,
    /// What is wrong, the gravest first; the first error is the cause.
    pub findings: Vec<Finding>,
}

impl Report {
    pub(super) fn new(
        outcome: Outcome,
        error: Option<Error>,
        steps: Vec<Step>,
        findings: Vec<Finding>,
    ) -> Self {
        Self {
            schema: SCHEMA,
            works: error.is_none(),
            cloud: outcome.cloud().cloned(),
            outcome,
            instance_id: None,
            protocol: None,
            exit_code: error.as_ref().map_or(exit::DONE, |error| error.kind().exit_code()),
            error,
            elapsed: Duration::ZERO,
            steps,
            findings,
        }
    }

    /// How long asking the service for one value took, from the connection on.
    #[must_use]
    pub fn asking_time(&self) -> Duration {
        let asked = self.steps.iter().filter(|step| step.name > StepName::Route);
        asked.map(|step| step.elapsed).sum()
    }
}

fn word<S: Serializer>(outcome: &Outcome, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(outcome)
}
