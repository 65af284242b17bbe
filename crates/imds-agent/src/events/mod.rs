//! What happens to this machine: spot interruptions, rebalance recommendations, maintenance, changes of its scaling group.
//!
//! Off unless it is switched on, because asking has consequences: Azure's first request switches its scheduled events on,
//! and from then on even a restart from the portal waits for an approval or its time.
//!
//! ```text
//!  service ──► source ──► read ──► board ──► API, metrics (what is now, what changes)
//!            one a path   pure      │  ▲
//!                                   ▼  └── kept: what was known before the agent was started anew
//!                              owed to hooks ──► acknowledge
//! ```
//!
//! | module | holds |
//! |---|---|
//! | [`event`] | [`Event`]: one form for what every cloud says |
//! | [`time`] | the ways in which clouds write times |
//! | [`read`] | from an answer to events, one reader for each path; pure |
//! | [`board`] | [`Board`]: what is known now, what changed, what hooks haven't heard yet |
//! | `kept` | the same on disk, so that nothing is told twice |
//! | `source` | asking one path again and again |
//! | [`watch`](mod@watch) | which paths are asked, and when that changes |
//! | [`acknowledge`] | telling Azure that this machine is ready |

pub mod acknowledge;
pub mod board;
pub mod event;
mod kept;
pub mod read;
mod source;
pub mod time;
pub mod watch;

use std::path::PathBuf;
use std::time::Duration;

pub use board::{Board, Health, Snapshot, Ticket};
pub use event::{Action, Event, Kind, State};
pub use watch::{Watch, watch};

/// What is watched, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// The kinds that are wanted; all where none is named. A path that tells of no wanted kind isn't asked.
    pub kinds: Vec<Kind>,
    /// Whether an event that concerns this machine alone is acknowledged once every hook for it has succeeded.
    pub acknowledge: bool,
    /// How often is asked, and how long is waited.
    pub pace: Pace,
}

impl Options {
    /// Whether events of this kind are wanted.
    #[must_use]
    pub fn wants(&self, kind: Kind) -> bool {
        self.kinds.is_empty() || self.kinds.contains(&kind)
    }
}

/// Where what is known outlives the agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keeping {
    /// The file. Its directory has to exist.
    pub path: PathBuf,
    /// Which machine this is: what was kept on another is dropped.
    pub machine: String,
    /// Which boot this is: what hooks weren't told before another, they aren't owed any more.
    pub boot: String,
    /// Whether firmware tells this machine from all others: where it doesn't, another boot may be another machine's.
    pub unique: bool,
}

/// How often is asked, and how long is waited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// The time between two requests to a path, in place of what its vendor recommends.
    pub every: Option<Duration>,
    /// How long a request that waits for a change waits.
    pub wait: Duration,
    /// The shortest time between two requests to a path that waits, however fast it answers.
    pub least: Duration,
    /// The time between two requests to a path that should wait, but says that there is nothing.
    pub absent: Duration,
    /// How long an answer may take.
    pub answer: Duration,
    /// How long the first answer of a path may take that is switched on by being asked.
    pub first_answer: Duration,
    /// The pause after a first failure; each further one doubles it.
    pub first_pause: Duration,
    /// The longest pause after failures.
    pub longest_pause: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            every: None,
            // What Google's own guest agent waits.
            wait: Duration::from_secs(60),
            least: Duration::from_secs(1),
            absent: Duration::from_secs(30),
            answer: Duration::from_secs(5),
            // "up to two minutes" (Azure: Scheduled Events), and what it takes to get there.
            first_answer: Duration::from_secs(125),
            first_pause: Duration::from_secs(1),
            // Notices are given 30 seconds to 2 minutes ahead: a longer silence would miss them.
            longest_pause: Duration::from_secs(60),
        }
    }
}

impl Pace {
    /// The pause after so many failures in a row of a path that is asked so often; less a fifth at most, by `chance`, which
    /// lies in 0..1, so that machines that failed together don't come back together.
    #[must_use]
    pub fn pause(&self, failures: u32, every: Duration, chance: f64) -> Duration {
        let doubled = self.first_pause.saturating_mul(1 << failures.saturating_sub(1).min(16));
        let pause = doubled.min(self.longest_pause).max(every);
        pause.mul_f64(1.0 - 0.2 * chance.clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_never_fall_below_the_usual_time() {
        let pace = Pace::default();
        let pauses = |every| -> Vec<u64> {
            let every = Duration::from_secs(every);
            (1..=8).map(|failures| pace.pause(failures, every, 0.0).as_secs()).collect()
        };
        assert_eq!(pauses(1), [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(pauses(5), [5, 5, 5, 8, 16, 32, 60, 60]);
        assert_eq!(pauses(600)[7], 600);
        assert_eq!(pace.pause(u32::MAX, Duration::ZERO, 1.0), Duration::from_secs(48));
    }

    #[test]
    fn no_kind_named_means_all() {
        let all = Options::default();
        let one = Options { kinds: vec![Kind::Rebalance], ..Options::default() };
        assert!(all.wants(Kind::Scaling) && one.wants(Kind::Rebalance) && !one.wants(Kind::Scaling));
    }
}
