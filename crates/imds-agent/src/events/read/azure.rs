//! Azure: "Scheduled Events for Linux VMs in Azure".

use std::time::Duration;

use serde::Deserialize;

use super::{Place, described, json, readable};
use crate::events::{Action, Event, Kind, State, time};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Document {
    events: Vec<Scheduled>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Scheduled {
    event_id: String,
    event_type: String,
    #[serde(default)]
    resources: Vec<String>,
    event_status: String,
    #[serde(default)]
    not_before: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    duration_in_seconds: Option<i64>,
}

/// Everything that happens to the machines of one placement group. What doesn't happen to this machine is left out.
pub(super) fn scheduled_events(place: &Place<'_>, text: &str) -> Result<Vec<Event>, String> {
    let document: Document = json(text)?;
    let own = place
        .own_name
        .ok_or("this machine's name isn't known, so nobody can say which events are its own")?;
    // Resource Manager compares names without regard to case.
    let is_own = |name: &String| name.eq_ignore_ascii_case(own);
    let ours = document.events.into_iter().filter(|event| event.resources.iter().any(is_own));
    let event = |event: Scheduled| {
        let state = if event.event_status == "Started" { State::Started } else { State::Scheduled };
        let action = match &*event.event_type {
            "Freeze" => Some(Action::Freeze),
            "Reboot" => Some(Action::Reboot),
            "Redeploy" => Some(Action::Redeploy),
            // A spot machine is deleted or stopped, as its owner chose; it isn't said which.
            "Preempt" => None,
            "Terminate" => Some(Action::Terminate),
            _ => None,
        };
        let kind = if event.event_type == "Preempt" { Kind::Interruption } else { Kind::Maintenance };
        // Empty once it has started.
        let not_before = time::parse(&event.not_before);
        let text = match event.description.trim() {
            "" => event.event_type.clone(),
            description => format!("{}: {description}", event.event_type),
        };
        let alone = event.resources.iter().all(is_own);
        Event {
            action,
            not_before,
            deadline: not_before,
            // -1: unknown, or it makes no sense.
            duration: event
                .duration_in_seconds
                .and_then(|seconds| u64::try_from(seconds).ok())
                .map(Duration::from_secs),
            resources: event.resources.iter().map(|name| readable(name)).collect(),
            description: described(Some(&text)),
            acknowledgeable: alone && state == State::Scheduled,
            ..place.event(event.event_id, kind, state)
        }
    };
    Ok(ours.map(event).collect())
}

/// What acknowledges an event: it may start now.
#[must_use]
pub fn approval(event: &Event) -> Vec<u8> {
    serde_json::json!({ "StartRequests": [{ "EventId": event.id }] }).to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use imds::CloudName;

    use super::*;

    const TEXT: &str = r#"{
      "DocumentIncarnation": 7,
      "Events": [
        { "EventId": "4D7E0B51-2C1A-4A5B-9B7E-0F6C1D2E3A4B", "EventType": "Preempt", "ResourceType": "VirtualMachine",
          "Resources": ["web-vmss_3"], "EventStatus": "Scheduled", "NotBefore": "Tue, 06 May 2031 07:08:39 GMT",
          "Description": "", "EventSource": "Platform", "DurationInSeconds": -1 },
        { "EventId": "A1B2C3D4-1111-2222-3333-444455556666", "EventType": "Freeze", "ResourceType": "VirtualMachine",
          "Resources": ["web-vmss_1", "web-vmss_3"], "EventStatus": "Scheduled", "NotBefore": "Tue, 06 May 2031 08:08:39 GMT",
          "Description": "Host server is undergoing maintenance.", "EventSource": "Platform", "DurationInSeconds": 9 },
        { "EventId": "B1B2C3D4-1111-2222-3333-444455556666", "EventType": "Reboot", "ResourceType": "VirtualMachine",
          "Resources": ["WEB-VMSS_3"], "EventStatus": "Started", "NotBefore": "" }
      ]
    }"#;

    fn read(own: &str) -> Vec<Event> {
        let place =
            Place { cloud: &CloudName::AZURE, path: "/metadata/scheduledevents", own_name: Some(own) };
        scheduled_events(&place, TEXT).unwrap()
    }

    #[test]
    fn only_this_machine_s_events_are_told() {
        let ids = |own: &str| -> Vec<String> {
            read(own).into_iter().map(|event| event.id[..2].to_owned()).collect()
        };
        assert_eq!(ids("web-vmss_3"), ["4D", "A1", "B1"]);
        assert_eq!(ids("web-vmss_1"), ["A1"]);
        assert_eq!(ids("web-vmss_33"), Vec::<String>::new());
    }

    #[test]
    fn what_happens_to_others_too_or_has_begun_isnt_this_machine_s_to_acknowledge() {
        let events = read("web-vmss_3");
        let acknowledgeable: Vec<bool> = events.iter().map(|event| event.acknowledgeable).collect();
        assert_eq!(acknowledgeable, [true, false, false]);
        assert_eq!(events[1].resources, ["web-vmss_1", "web-vmss_3"]);
    }

    #[test]
    fn types_times_and_durations() {
        let events = read("web-vmss_3");
        assert_eq!((events[0].kind, events[0].action, events[0].duration), (Kind::Interruption, None, None));
        assert_eq!(events[0].not_before.map(time::text).as_deref(), Some("2031-05-06T07:08:39Z"));
        assert_eq!((events[1].kind, events[1].action), (Kind::Maintenance, Some(Action::Freeze)));
        assert_eq!(events[1].duration, Some(Duration::from_secs(9)));
        assert_eq!(events[1].description.as_deref(), Some("Freeze: Host server is undergoing maintenance."));
        assert_eq!((events[2].state, events[2].not_before), (State::Started, None));
    }

    #[test]
    fn without_a_name_nothing_is_anybody_s() {
        let place = Place { cloud: &CloudName::AZURE, path: "/metadata/scheduledevents", own_name: None };
        assert!(scheduled_events(&place, TEXT).is_err());
    }

    #[test]
    fn an_approval_names_one_event() {
        let event = read("web-vmss_3").remove(0);
        assert_eq!(
            String::from_utf8(approval(&event)).unwrap(),
            r#"{"StartRequests":[{"EventId":"4D7E0B51-2C1A-4A5B-9B7E-0F6C1D2E3A4B"}]}"#
        );
    }
}
