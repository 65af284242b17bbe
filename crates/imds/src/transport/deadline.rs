//! The time that is left.

use std::time::Duration;

use tokio::time::Instant;

/// How long Azure may answer 410 while the host's agent is updated (Microsoft's page on the service).
const GONE_PATIENCE: Duration = Duration::from_secs(70);

/// A point in time after which nobody waits any more.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline {
    at: Instant,
    gone_at: Instant,
}

impl Deadline {
    /// So long from now.
    pub(crate) fn after(time: Duration) -> Self {
        let at = Instant::now() + time;
        Self { at, gone_at: at }
    }

    /// The same, but 410 is waited out for as long as it can last. For callers that nobody waits for.
    pub(crate) fn patient(time: Duration) -> Self {
        let now = Instant::now();
        Self { at: now + time, gone_at: now + time.max(GONE_PATIENCE) }
    }

    /// What is left; zero once it is over.
    pub(crate) fn left(self) -> Duration {
        self.at.saturating_duration_since(Instant::now())
    }

    /// The deadline that holds once a service said that it is gone for now.
    pub(crate) fn when_gone(self) -> Self {
        Self { at: self.gone_at, gone_at: self.gone_at }
    }
}
