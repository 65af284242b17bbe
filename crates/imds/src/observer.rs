//! Who is told about every request to a metadata service: for metrics.
//!
//! An observer is a value that is handed to [`ConfigBuilder::observer`](crate::ConfigBuilder::observer). It learns how a
//! request ended and how long it took, and nothing of what was asked or answered.

use std::fmt;
use std::time::Duration;

use imds_model::CloudName;

/// Is told about requests. Called while a request's caller waits, so it has to be quick.
pub trait Observer: Send + Sync + fmt::Debug {
    /// A request ended.
    fn requested(&self, request: &Observed<'_>);

    /// A request will be made again, because a try of it failed.
    fn retried(&self, cloud: &CloudName);
}

/// One request, tokens and probes among them.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Observed<'a> {
    /// The cloud whose service was asked.
    pub cloud: &'a CloudName,
    /// How it ended.
    pub outcome: RequestOutcome,
    /// From the moment it was wanted to its answer or failure; connecting is a part of it.
    pub elapsed: Duration,
}

impl<'a> Observed<'a> {
    /// A request, put together.
    #[must_use]
    pub fn new(cloud: &'a CloudName, outcome: RequestOutcome, elapsed: Duration) -> Self {
        Self { cloud, outcome, elapsed }
    }
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RequestOutcome {
    /// With this status.
    Answered(u16),
    /// No connection or no answer in time.
    TimedOut,
    /// No connection: refused, unreachable, forbidden by the host or by the network policy.
    NotConnected,
    /// The connection went away, or what came is no answer.
    Malformed,
}
