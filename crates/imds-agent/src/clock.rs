//! Time that survives a clock that is set.
//!
//! Values carry the time of day at which they were read. That clock jumps: a machine without a battery starts in 1970 and
//! learns the date a minute later. So every time of day stands beside a [`Moment`], which also knows a clock that only runs.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// How far two clocks may drift apart before it counts as a jump.
const TOLERANCE: Duration = Duration::from_secs(1);

/// Where moments come from: [`Moment::now`], but for tests.
pub type Clock = Arc<dyn Fn() -> Moment + Send + Sync>;

/// One moment by two clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The time of day, which people and programs set.
    pub wall: SystemTime,
    /// The time since the machine started, sleep included. Nothing sets it.
    pub running: Duration,
}

/// By how much the time of day was set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Jump {
    /// To a later time.
    Forward(Duration),
    /// To an earlier time.
    Back(Duration),
}

impl Moment {
    /// This one.
    #[must_use]
    pub fn now() -> Self {
        Self { wall: SystemTime::now(), running: running() }
    }

    /// The time of day at a later moment, had nobody set the clock in between.
    #[must_use]
    pub fn wall_at(&self, later: Self) -> SystemTime {
        let passed = later.running.saturating_sub(self.running);
        self.wall.checked_add(passed).unwrap_or(self.wall)
    }

    /// By how much the time of day was set until a later moment; nothing for what is only drift.
    #[must_use]
    pub fn jump_to(&self, later: Self) -> Option<Jump> {
        let expected = self.wall_at(later);
        match later.wall.duration_since(expected) {
            Ok(ahead) => (ahead > TOLERANCE).then_some(Jump::Forward(ahead)),
            Err(behind) => (behind.duration() > TOLERANCE).then_some(Jump::Back(behind.duration())),
        }
    }
}

impl Default for Moment {
    fn default() -> Self {
        Self::now()
    }
}

impl Jump {
    /// A time from before the jump, as the clock would have said it had it been right then.
    #[must_use]
    pub fn apply(self, time: SystemTime) -> SystemTime {
        let moved = match self {
            Self::Forward(by) => time.checked_add(by),
            Self::Back(by) => time.checked_sub(by),
        };
        // What lies before 1970 has no written form, and the state couldn't be kept any more.
        moved.unwrap_or(time).max(SystemTime::UNIX_EPOCH)
    }
}

#[cfg(target_os = "linux")]
fn running() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or_default())
}

/// Since this program first asked, where the system doesn't say since when it runs.
#[cfg(not(target_os = "linux"))]
fn running() -> Duration {
    static START: std::sync::LazyLock<std::time::Instant> = std::sync::LazyLock::new(std::time::Instant::now);
    START.elapsed()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(wall: u64, running: u64) -> Moment {
        Moment {
            wall: SystemTime::UNIX_EPOCH + Duration::from_secs(wall),
            running: Duration::from_secs(running),
        }
    }

    #[test]
    fn a_clock_that_is_set_is_noticed_and_drift_is_not() {
        let start = moment(1000, 10);
        assert_eq!(start.jump_to(moment(1060, 70)), None);
        assert_eq!(start.jump_to(moment(1061, 70)), None);
        assert_eq!(start.jump_to(moment(9060, 70)), Some(Jump::Forward(Duration::from_secs(8000))));
        assert_eq!(start.jump_to(moment(60, 70)), Some(Jump::Back(Duration::from_secs(1000))));
        assert_eq!(start.wall_at(moment(9060, 70)), moment(1060, 0).wall);
    }

    #[test]
    fn times_move_with_the_clock_and_never_out_of_range() {
        let time = moment(1000, 0).wall;
        assert_eq!(Jump::Forward(Duration::from_secs(5)).apply(time), moment(1005, 0).wall);
        assert_eq!(Jump::Back(Duration::from_secs(5)).apply(time), moment(995, 0).wall);
        assert_eq!(Jump::Forward(Duration::MAX).apply(time), time);
        assert_eq!(Jump::Back(Duration::MAX).apply(time), time);
        assert_eq!(Jump::Back(Duration::from_secs(1001)).apply(time), SystemTime::UNIX_EPOCH);
    }

    #[test]
    fn the_running_clock_runs() {
        let (first, second) = (Moment::now(), Moment::now());
        assert!(second.running >= first.running && first.running > Duration::ZERO);
    }
}
