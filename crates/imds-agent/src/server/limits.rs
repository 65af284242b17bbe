//! How much anybody may take.
//!
//! | limit | default | why |
//! |---|---|---|
//! | connections in all | 2048 | a thousand readers at once twice over; at 16 KiB each at worst they cost 32 MiB, a quarter of what the unit may have |
//! | of one client | 1024 | a thousand processes of one user started together are answered, and half of the seats stay for others |
//! | bytes of a head | 16 KiB | what the HTTP servers of this world accept at most is 8 KiB; twice that, for tag keys in paths |
//! | time for a head | 5 s | a local client needs microseconds; a suspended one gets another chance |
//! | time between requests | 1 min | longer than pollers pause; who comes back later connects anew, which costs microseconds |
//!
//! What [`census`](super::census) adds: nobody takes more seats than it leaves, and some are the superuser's.

use std::time::Duration;

use super::census::SEATS_OF_ROOT;

/// Descriptors that aren't for callers: files, the service, logs. And the seats that are counted beside the others.
const KEPT_DESCRIPTORS: u64 = 64 + SEATS_OF_ROOT as u64;
/// The least that hyper can work with.
pub const LEAST_HEADER_BYTES: usize = 8 * 1024;

/// The limits of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Connections in all; one more is told 503 at once.
    pub connections: usize,
    /// Connections of one user; callers over TCP are one together, and those who scrape metrics are another.
    pub per_client: usize,
    /// Bytes of a request's head, at least 8 KiB.
    pub header_bytes: usize,
    /// Time from the first byte of a request to its last.
    pub read_time: Duration,
    /// Time without a request, and without progress in taking an answer.
    pub idle: Duration,
    /// Time between two signs of life to a watcher who has nothing to hear.
    pub heartbeat: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 2048,
            per_client: 1024,
            header_bytes: 16 * 1024,
            read_time: Duration::from_secs(5),
            idle: Duration::from_secs(60),
            heartbeat: Duration::from_secs(15),
        }
    }
}

impl Limits {
    /// The same, as far as this process may have descriptors, so that running out of them is no way to shut others out.
    #[must_use]
    pub fn fitting(self) -> Self {
        let Some(descriptors) = rustix::process::getrlimit(rustix::process::Resource::Nofile).current else {
            return self;
        };
        let room = usize::try_from(descriptors.saturating_sub(KEPT_DESCRIPTORS)).unwrap_or(usize::MAX).max(1);
        if room < self.connections {
            tracing::info!(
                room,
                wanted = self.connections,
                "fewer connections than wanted: RLIMIT_NOFILE is lower"
            );
        }
        Self { connections: self.connections.min(room), ..self }
    }

    /// Raises this process's own limit of descriptors to what it may have, as far as it is needed.
    pub fn make_room(&self) {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        let limit = getrlimit(Resource::Nofile);
        let needed = u64::try_from(self.connections).unwrap_or(u64::MAX).saturating_add(KEPT_DESCRIPTORS);
        if limit.current.is_some_and(|current| current < needed) {
            let current = limit.maximum.map_or(needed, |maximum| maximum.min(needed));
            if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: Some(current), ..limit }) {
                tracing::debug!(%error, "RLIMIT_NOFILE can't be raised");
            }
        }
    }
}
