//! Google Cloud: "About predefined metadata keys", "Monitor and plan for a host maintenance event". Yandex Cloud's service
//! has the second of these keys, too ("Maintenance policies").

use serde_json::Value as Json;

use super::{Place, described, readable};
use crate::events::{Action, Event, Kind, State, time};

/// `TRUE` once the machine is being taken back; `FALSE` as long as it isn't.
pub(super) fn preempted(place: &Place<'_>, text: &str) -> Result<Vec<Event>, String> {
    match text.trim() {
        "FALSE" => Ok(Vec::new()),
        "TRUE" => Ok(vec![place.event("preempted", Kind::Interruption, State::Started)]),
        other => Err(format!("{:?} is neither TRUE nor FALSE", readable(other))),
    }
}

/// `NONE`, or what is about to happen.
pub(super) fn maintenance_event(place: &Place<'_>, text: &str) -> Result<Vec<Event>, String> {
    let word = text.trim();
    if word == "NONE" {
        return Ok(Vec::new());
    }
    if word.is_empty() || word.len() > 100 || !word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return Err(format!("{:?} is no maintenance event", readable(word)));
    }
    let action = match word {
        "MIGRATE_ON_HOST_MAINTENANCE" => Some(Action::Migrate),
        "TERMINATE_ON_HOST_MAINTENANCE" => Some(Action::Terminate),
        _ => None,
    };
    let event = place.event(format!("maintenance-event-{word}"), Kind::Maintenance, State::Scheduled);
    Ok(vec![Event { action, description: described(Some(word)), ..event }])
}

/// An object, or one `key value` a line; the keys are spelled in one of three ways.
pub(super) fn upcoming_maintenance(place: &Place<'_>, text: &str) -> Result<Vec<Event>, String> {
    let members = members(text)?;
    let member = |name: &str| {
        let found = members.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    };
    let Some(start) = member("windowstarttime").or_else(|| member("latestwindowstarttime")) else {
        // Without a window there is nothing that comes up.
        return Ok(Vec::new());
    };
    let state = match member("maintenancestatus") {
        Some("COMPLETE") => return Ok(Vec::new()),
        Some("ONGOING") => State::Started,
        _ => State::Scheduled,
    };
    let not_before = time::parse(start);
    let said = [
        ("type", member("type")),
        ("reasons", member("maintenancereasons")),
        ("can reschedule", member("canreschedule")),
    ];
    let said: Vec<String> =
        said.iter().filter_map(|(what, value)| Some(format!("{what}: {}", (*value)?))).collect();
    Ok(vec![Event {
        not_before,
        deadline: member("latestwindowstarttime").and_then(time::parse).max(not_before),
        description: described(Some(&said.join(", "))),
        ..place.event(format!("upcoming-maintenance-{start}"), Kind::Maintenance, state)
    }])
}

/// The members, their keys in lower case and without what separates words.
fn members(text: &str) -> Result<Vec<(String, String)>, String> {
    let plain = |key: &str| key.to_lowercase().replace(['_', '-'], "");
    if text.trim_start().starts_with('{') {
        let object: serde_json::Map<String, Json> = super::json(text)?;
        let value = |value: &Json| match value {
            Json::String(text) => text.clone(),
            Json::Array(items) => {
                let words =
                    items.iter().map(|item| item.as_str().map_or_else(|| item.to_string(), str::to_owned));
                words.collect::<Vec<_>>().join(" ")
            }
            other => other.to_string(),
        };
        return Ok(object.iter().map(|(key, of)| (plain(key), value(of))).collect());
    }
    let pair = |line: &str| {
        let (key, value) = line.split_once(' ')?;
        Some((plain(key), value.trim().to_owned()))
    };
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    let pairs: Option<Vec<_>> = lines.map(pair).collect();
    pairs.ok_or_else(|| "the answer is neither an object nor `key value` lines".to_owned())
}

#[cfg(test)]
mod tests {
    use imds::CloudName;

    use super::*;

    const PLACE: Place<'_> = Place { cloud: &CloudName::GCP, path: "/p", own_name: None };

    #[test]
    fn preemption() {
        assert_eq!(preempted(&PLACE, "FALSE").unwrap(), []);
        let event = preempted(&PLACE, "TRUE\n").unwrap().remove(0);
        assert_eq!((event.kind, event.state), (Kind::Interruption, State::Started));
    }

    #[test]
    fn maintenance() {
        assert_eq!(maintenance_event(&PLACE, "NONE").unwrap(), []);
        let read = |word: &str| maintenance_event(&PLACE, word).unwrap().remove(0);
        assert_eq!(read("MIGRATE_ON_HOST_MAINTENANCE").action, Some(Action::Migrate));
        assert_eq!(read("TERMINATE_ON_HOST_MAINTENANCE").action, Some(Action::Terminate));
        assert_eq!((read("SHRINK").action, read("SHRINK").description.as_deref()), (None, Some("SHRINK")));
        assert!(maintenance_event(&PLACE, "<html>").is_err());
    }

    #[test]
    fn all_spellings_of_upcoming_maintenance_say_the_same() {
        let text = "can_reschedule false\nlatest_window_start_time 2031-07-29T15:19:53+00:00\nmaintenance_status PENDING\n\
                    type SCHEDULED\nwindow_end_time 2031-07-29T18:19:52+00:00\nwindow_start_time 2031-07-29T14:19:57+00:00\n";
        let snake = r#"{"can_reschedule": "false", "latest_window_start_time": "2031-07-29T15:19:53+00:00",
            "maintenance_status": "PENDING", "type": "SCHEDULED", "window_start_time": "2031-07-29T14:19:57+00:00"}"#;
        let camel = r#"{"canReschedule": "false", "latestWindowStartTime": "2031-07-29T15:19:53+00:00",
            "maintenanceStatus": "PENDING", "type": "SCHEDULED", "windowStartTime": "2031-07-29T14:19:57+00:00"}"#;
        let events = upcoming_maintenance(&PLACE, text).unwrap();
        assert_eq!(events[0].not_before.map(time::text).as_deref(), Some("2031-07-29T14:19:57Z"));
        assert_eq!(events[0].deadline.map(time::text).as_deref(), Some("2031-07-29T15:19:53Z"));
        assert_eq!(events[0].state, State::Scheduled);
        assert_eq!(events[0].description.as_deref(), Some("type: SCHEDULED, can reschedule: false"));
        for other in [snake, camel, &camel.replace("canR", "can-r")] {
            assert_eq!(upcoming_maintenance(&PLACE, other).unwrap(), events, "{other}");
        }
        let ongoing = upcoming_maintenance(&PLACE, &snake.replace("PENDING", "ONGOING")).unwrap();
        assert_eq!((ongoing[0].state, &ongoing[0].id), (State::Started, &events[0].id));
        assert_eq!(upcoming_maintenance(&PLACE, &snake.replace("PENDING", "COMPLETE")).unwrap(), []);
        assert_eq!(upcoming_maintenance(&PLACE, "{}").unwrap(), []);
        assert!(upcoming_maintenance(&PLACE, "<html>").is_err());
    }
}
