//! When a spot instance of Alibaba's ("Preemptible instances": `instance/spot/termination-time`) or Tencent's ("Spot
//! instances": `spot/termination-time`) is released.

use std::time::{Duration, SystemTime};

use super::{Place, readable};
use crate::events::{Action, Event, Kind, State, time};

/// Tencent's times are those of its clocks, and don't say so.
const CHINA: Duration = Duration::from_secs(8 * 3600);

/// A time with its zone.
pub(super) fn termination(place: &Place<'_>, text: &str) -> Result<Vec<Event>, String> {
    notice(place, text, time::parse(text))
}

/// A time in UTC+8.
pub(super) fn termination_in_china(place: &Place<'_>, text: &str) -> Result<Vec<Event>, String> {
    notice(place, text, time::parse_ahead(text, CHINA))
}

fn notice(place: &Place<'_>, text: &str, at: Option<SystemTime>) -> Result<Vec<Event>, String> {
    let at = at.ok_or_else(|| format!("{:?} is no time", readable(text)))?;
    let event =
        place.event(format!("spot-termination-{}", time::text(at)), Kind::Interruption, State::Scheduled);
    Ok(vec![Event { action: Some(Action::Terminate), not_before: Some(at), deadline: Some(at), ..event }])
}

#[cfg(test)]
mod tests {
    use imds::CloudName;

    use super::*;

    #[test]
    fn both_clouds_times_are_told_in_utc() {
        let alibaba = CloudName::new("alibaba").unwrap();
        let tencent = CloudName::new("tencent").unwrap();
        let place = |cloud| Place { cloud, path: "/p", own_name: None };
        let event = termination(&place(&alibaba), "2031-04-07T17:03:00Z").unwrap().remove(0);
        assert_eq!(event.not_before.map(time::text).as_deref(), Some("2031-04-07T17:03:00Z"));
        let event = termination_in_china(&place(&tencent), "2031-08-18 12:05:33").unwrap().remove(0);
        assert_eq!(event.deadline.map(time::text).as_deref(), Some("2031-08-18T04:05:33Z"));
        assert_eq!(event.id, "spot-termination-2031-08-18T04:05:33Z");
        assert!(termination(&place(&alibaba), "2031-08-18 12:05:33").is_err());
    }
}
