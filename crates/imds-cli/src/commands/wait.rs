//! `imds wait`: until the metadata can be had.

use std::time::Duration;

use imds::Error;
use imds::model::{ErrorKind, Metadata, Selector};
use tokio::time::{Instant, sleep, timeout_at};

use super::fields_of;
use crate::exit::{DONE, Ending};
use crate::messages::{Messages, grouped};
use crate::settings::Session;

/// The first pause is at most this long; each further one may be twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// No pause is longer.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// What is missing, by selector, in the order of the command line.
pub(super) type Missing = Vec<(String, Error)>;

/// What one try came to.
#[derive(Debug, PartialEq)]
enum Step {
    /// Everything is there.
    Done,
    /// It can come yet.
    Again(Missing),
    /// Waiting longer changes nothing.
    Never(Missing),
}

pub(super) async fn run(selectors: &[Selector], session: &Session, messages: &Messages) -> Ending {
    match until(selectors, session).await {
        Ok(()) => Ok(DONE),
        Err(missing) => Ok(give_up(missing, messages)),
    }
}

/// Waits as long as the session is patient. The error is what is still missing then, never empty.
pub(super) async fn until(selectors: &[Selector], session: &Session) -> Result<(), Missing> {
    let deadline = Instant::now() + session.patience;
    let fields = fields_of(selectors);
    let mut missing: Missing = Vec::new();
    for round in 0_u32.. {
        let Ok(read) = timeout_at(deadline, session.client.read(&fields)).await else { break };
        match judge(selectors, read) {
            Step::Done => {
                tracing::info!(round, "the metadata is there");
                return Ok(());
            }
            Step::Never(missing) => return Err(missing),
            Step::Again(still) => missing = still,
        }
        let left = deadline.saturating_duration_since(Instant::now());
        let Some(pause) = pause_within(left, pause(round, fastrand::f64())) else { break };
        if let Some((what, error)) = missing.first() {
            tracing::info!(what, %error, ?pause, "not there yet; trying again");
        }
        sleep(pause).await;
    }
    if missing.is_empty() {
        missing.push((
            names(selectors),
            Error::new(ErrorKind::TimedOut, format!("no answer within {:?}", session.patience)),
        ));
    }
    Err(missing)
}

fn names(selectors: &[Selector]) -> String {
    selectors.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Says what is missing, and gives the code of the first of it.
fn give_up(missing: Missing, messages: &Messages) -> u8 {
    let code = missing.first().map_or(DONE, |(_, error)| error.kind().exit_code());
    for (fields, error) in grouped(missing) {
        messages.failed(&fields, &error);
    }
    code
}

/// What a try means for the waiting. A value that firmware lends in place of a service that doesn't answer yet is no
/// reason to stop, unless that service may not be asked at all.
fn judge(selectors: &[Selector], read: Result<Metadata, Error>) -> Step {
    let metadata = match read {
        Ok(metadata) => metadata,
        Err(error) => {
            let missing = vec![(names(selectors), error.clone())];
            return if can_change(error.kind()) { Step::Again(missing) } else { Step::Never(missing) };
        }
    };
    let mut missing = Missing::new();
    for selector in selectors {
        let trouble = metadata.reading(selector.field()).and_then(|reading| reading.error());
        let trouble = trouble.filter(|trouble| trouble.kind() != ErrorKind::NetworkForbidden);
        match (metadata.select(selector), trouble) {
            (Err(error), _) => missing.push((selector.to_string(), error)),
            (Ok(_), Some(trouble)) => missing.push((selector.to_string(), trouble.clone())),
            (Ok(_), None) => {}
        }
    }
    // A cloud that can be named but not read says so with `Absent`, and will go on saying so.
    let hopeless =
        metadata.failure().is_some_and(|failure| failure.is_absent() || !can_change(failure.kind()));
    match (missing.is_empty(), hopeless) {
        (true, _) => Step::Done,
        (false, true) => Step::Never(missing),
        (false, false) => Step::Again(missing),
    }
}

/// Whether the same question can get another answer later. An absent value may yet be set while a machine starts, and a
/// service that is switched off may be switched on.
pub(super) fn can_change(kind: ErrorKind) -> bool {
    !matches!(kind, ErrorKind::NoCloud | ErrorKind::Usage | ErrorKind::Internal | ErrorKind::NetworkForbidden)
}

/// The pause after a round: between half and all of a time that doubles from round to round. `chance` is from 0 to 1.
fn pause(round: u32, chance: f64) -> Duration {
    let longest = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(round)).min(LONGEST_PAUSE);
    longest.mul_f64(0.5 + chance / 2.0)
}

/// Half of the time that is left at most, so that the end of somebody's patience isn't slept away; nothing where too little
/// is left for another try.
fn pause_within(left: Duration, pause: Duration) -> Option<Duration> {
    (left >= FIRST_PAUSE / 2).then(|| pause.min(left / 2))
}

#[cfg(test)]
mod tests {
    use imds::Field;
    use imds::model::{CloudName, Reading, Source, Value};

    use super::*;

    const SELECTORS: [Selector; 2] = [Selector::Field(Field::InstanceId), Selector::Field(Field::Region)];

    fn judged(instance_id: Reading, failure: Option<ErrorKind>) -> Step {
        let mut metadata = Metadata::new(CloudName::AWS);
        metadata.set(Field::Region, Reading::known(Value::Text("r".to_owned()), Source::Mock));
        metadata.set(Field::InstanceId, instance_id);
        metadata.set_failure(failure.map(|kind| Error::new(kind, "failure")));
        judge(&SELECTORS, Ok(metadata))
    }

    fn from_firmware(kind: ErrorKind) -> Reading {
        Reading::Known {
            value: Value::Text("i-1".to_owned()),
            source: Source::Firmware("f".to_owned()),
            read_at: std::time::SystemTime::UNIX_EPOCH,
            trouble: Some(Error::new(kind, "trouble")),
        }
    }

    #[test]
    fn what_a_try_means() {
        use ErrorKind::{Absent, Disabled, NetworkForbidden, TimedOut, Unreachable};
        let known = || Reading::known(Value::Text("i-1".to_owned()), Source::Mock);
        let failed = |kind| Reading::Failed(Error::new(kind, "failed"));
        assert_eq!(judged(known(), None), Step::Done);
        assert_eq!(judged(from_firmware(NetworkForbidden), Some(NetworkForbidden)), Step::Done);
        for step in [
            judged(Reading::absent(), None),
            judged(failed(TimedOut), None),
            judged(failed(Disabled), Some(Disabled)),
            judged(from_firmware(Unreachable), Some(Unreachable)),
        ] {
            let Step::Again(missing) = step else { panic!("{step:?}") };
            assert_eq!(missing.len(), 1);
            assert_eq!(missing[0].0, "instance_id");
        }
        for step in
            [judged(failed(Absent), Some(Absent)), judged(failed(NetworkForbidden), Some(NetworkForbidden))]
        {
            assert!(matches!(step, Step::Never(_)), "{step:?}");
        }
    }

    #[test]
    fn only_a_definite_no_ends_the_wait() {
        let judged = |kind| judge(&SELECTORS, Err(Error::new(kind, "x")));
        for kind in [ErrorKind::NoCloud, ErrorKind::Usage] {
            assert!(matches!(judged(kind), Step::Never(_)), "{kind}");
        }
        assert!(matches!(judged(ErrorKind::Unknown), Step::Again(_)));
    }

    #[test]
    fn no_patience_is_slept_away() {
        let within = |left, pause| {
            pause_within(Duration::from_millis(left), Duration::from_millis(pause)).map(|it| it.as_millis())
        };
        assert_eq!(within(60_000, 5_000), Some(5_000));
        assert_eq!(within(4_000, 5_000), Some(2_000));
        assert_eq!(within(125, 5_000), Some(62));
        assert_eq!(within(124, 10), None);
    }

    #[test]
    fn pauses_grow_to_a_limit() {
        assert_eq!(pause(0, 0.0), Duration::from_millis(125));
        assert_eq!(pause(0, 1.0), Duration::from_millis(250));
        assert_eq!(pause(2, 1.0), Duration::from_secs(1));
        assert_eq!(pause(40, 1.0), LONGEST_PAUSE);
    }
}
