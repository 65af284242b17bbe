//! Which outcomes are tried again, and when.
//!
//! | outcome | again? |
//! |---|---|
//! | no connection, connection reset or closed without an answer | yes |
//! | 408, 429, 5xx | yes, not before `Retry-After` where it is said |
//! | 410 | yes where the cloud calls it temporary (Azure), until the deadline |
//! | 404 | only for a document that may come late, on a machine that has just started |
//! | no answer in time, too large, malformed, any other status | no |
//!
//! Four tries in all (410 apart). The pause is drawn evenly between nothing and a bound that doubles from 100 ms to
//! 2 s ("full jitter"), so that a thousand machines that failed together don't come back together.

use std::time::Duration;

/// How many times something is tried in all.
pub(crate) const TRIES: u32 = 4;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// How a try ended, as far as trying again is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// No connection.
    NotConnected,
    /// The connection went away without an answer.
    Reset,
    /// No answer in time.
    TimedOut,
    /// Something that won't get better.
    Hopeless,
    /// An answer with this status.
    Status(u16),
}

/// What is known of the request's circumstances.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Circumstances {
    /// The cloud calls 410 temporary.
    pub(crate) gone_is_temporary: bool,
    /// The document may come late and the machine has just started.
    pub(crate) may_come_late: bool,
}

/// Whether to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Again {
    /// No.
    No,
    /// Yes, within the number of tries.
    Yes,
    /// Yes, for as long as there is time.
    UntilDeadline,
}

/// The table above.
pub(crate) fn again(ending: Ending, circumstances: Circumstances) -> Again {
    match ending {
        Ending::NotConnected | Ending::Reset | Ending::Status(408 | 429 | 500..=599) => Again::Yes,
        Ending::Status(404) if circumstances.may_come_late => Again::Yes,
        Ending::Status(410) if circumstances.gone_is_temporary => Again::UntilDeadline,
        Ending::TimedOut | Ending::Hopeless | Ending::Status(_) => Again::No,
    }
}

/// The pause before try `tries_done + 1`. `chance` lies in 0..=1.
pub(crate) fn pause(tries_done: u32, chance: f64) -> Duration {
    let doublings = tries_done.saturating_sub(1).min(16);
    let bound = FIRST_PAUSE.saturating_mul(1 << doublings).min(LONGEST_PAUSE);
    bound.mul_f64(chance.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_holds_row_by_row() {
        let plain = Circumstances::default();
        let azure = Circumstances { gone_is_temporary: true, may_come_late: false };
        let young = Circumstances { gone_is_temporary: true, may_come_late: true };
        for (ending, circumstances, expected) in [
            (Ending::NotConnected, plain, Again::Yes),
            (Ending::Reset, plain, Again::Yes),
            (Ending::TimedOut, plain, Again::No),
            (Ending::Hopeless, plain, Again::No),
            (Ending::Status(408), plain, Again::Yes),
            (Ending::Status(429), plain, Again::Yes),
            (Ending::Status(500), plain, Again::Yes),
            (Ending::Status(503), plain, Again::Yes),
            (Ending::Status(599), plain, Again::Yes),
            (Ending::Status(410), plain, Again::No),
            (Ending::Status(410), azure, Again::UntilDeadline),
            (Ending::Status(404), azure, Again::No),
            (Ending::Status(404), young, Again::Yes),
            (Ending::Status(400), young, Again::No),
            (Ending::Status(401), young, Again::No),
            (Ending::Status(403), young, Again::No),
            (Ending::Status(302), young, Again::No),
        ] {
            assert_eq!(again(ending, circumstances), expected, "{ending:?} {circumstances:?}");
        }
    }

    #[test]
    fn pauses_grow_to_their_bound_and_never_beyond() {
        let longest: Vec<u128> = (1..=8).map(|tries| pause(tries, 1.0).as_millis()).collect();
        assert_eq!(longest, [100, 200, 400, 800, 1600, 2000, 2000, 2000]);
        assert_eq!(pause(3, 0.5), Duration::from_millis(200));
        assert_eq!(pause(3, 0.0), Duration::ZERO);
        assert_eq!(pause(u32::MAX, 7.0), LONGEST_PAUSE);
    }
}
