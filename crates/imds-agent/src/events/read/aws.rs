//! AWS: "Spot Instance interruption notices", "EC2 instance rebalance recommendations", "Scheduled events for your instances",
//! "Retrieve the target lifecycle state through instance metadata".

use serde::Deserialize;

use super::{Place, described, json, readable};
use crate::events::{Action, Event, Kind, State, time};

#[derive(Deserialize)]
struct InstanceAction {
    action: String,
    time: String,
}

/// `{"action": "terminate", "time": "2031-05-06T07:08:09Z"}`. Hibernation has begun when it is told.
pub(super) fn instance_action(place: &Place<'_>, text: &str) -> Result<Vec<Event>, String> {
    let notice: InstanceAction = json(text)?;
    let action = match &*notice.action {
        "terminate" => Some(Action::Terminate),
        "stop" => Some(Action::Stop),
        "hibernate" => Some(Action::Hibernate),
        _ => None,
    };
    let state = if action == Some(Action::Hibernate) { State::Started } else { State::Scheduled };
    let id = format!("spot-{}-{}", notice.action, notice.time);
    let at = time::parse(&notice.time);
    let description = if action.is_none() { described(Some(&notice.action)) } else { None };
    let event = place.event(id, Kind::Interruption, state);
    Ok(vec![Event { action, not_before: at, deadline: at, description, ..event }])
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rebalance {
    notice_time: String,
}

/// `{"noticeTime": "2031-05-06T06:58:09Z"}`: when it was told, not when anything happens.
pub(super) fn rebalance(place: &Place<'_>, text: &str) -> Result<Vec<Event>, String> {
    let notice: Rebalance = json(text)?;
    let description = described(Some(&format!("recommended at {}", notice.notice_time)));
    let event = place.event(format!("rebalance-{}", notice.notice_time), Kind::Rebalance, State::Scheduled);
    Ok(vec![Event { description, ..event }])
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Scheduled {
    event_id: String,
    code: String,
    #[serde(default)]
    state: String,
    #[serde(default)]
    not_before: String,
    #[serde(default)]
    not_before_deadline: String,
    #[serde(default)]
    description: String,
}

/// A list of planned works; the times look like `21 Jan 2031 09:00:43 GMT`.
pub(super) fn scheduled(place: &Place<'_>, text: &str) -> Result<Vec<Event>, String> {
    let works: Vec<Scheduled> = json(text)?;
    let event = |work: Scheduled| {
        let state = match &*work.state {
            "completed" => State::Cleared,
            "canceled" => State::Cancelled,
            _ => State::Scheduled,
        };
        let action = match &*work.code {
            "instance-stop" => Some(Action::Stop),
            "instance-retirement" => Some(Action::Terminate),
            "instance-reboot" | "system-reboot" => Some(Action::Reboot),
            _ => None,
        };
        let not_before = time::parse(&work.not_before);
        let deadline = time::parse(&work.not_before_deadline).or(not_before);
        let text = match work.description.trim() {
            "" => work.code.clone(),
            description => format!("{}: {description}", work.code),
        };
        let event = place.event(work.event_id, Kind::Maintenance, state);
        Event { action, not_before, deadline, description: described(Some(&text)), ..event }
    };
    Ok(works.into_iter().map(event).collect())
}

/// The state that the Auto Scaling group wants: a word. `InService` is what it is while nothing happens.
pub(super) fn lifecycle(place: &Place<'_>, text: &str) -> Result<Vec<Event>, String> {
    let word = text.trim();
    if word == "InService" {
        return Ok(Vec::new());
    }
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == ':' || c == '-';
    if word.is_empty() || word.len() > 64 || !word.chars().all(is_word) {
        return Err(format!("{:?} is no lifecycle state", readable(word)));
    }
    let action = match word.rsplit(':').next() {
        Some("Terminated") => Some(Action::Terminate),
        Some("Stopped") => Some(Action::Stop),
        Some("Hibernated") => Some(Action::Hibernate),
        _ => None,
    };
    let event = place.event(format!("lifecycle-{word}"), Kind::Scaling, State::Scheduled);
    Ok(vec![Event { action, description: described(Some(&format!("the target state is {word}"))), ..event }])
}

#[cfg(test)]
mod tests {
    use imds::CloudName;

    use super::*;

    const PLACE: Place<'_> = Place { cloud: &CloudName::AWS, path: "/p", own_name: None };

    fn at(text: &str) -> Option<std::time::SystemTime> {
        Some(time::parse(text).unwrap())
    }

    #[test]
    fn spot_notices() {
        let read = |action: &str| {
            let text = format!("{{\"action\": \"{action}\", \"time\": \"2031-05-06T07:08:09Z\"}}\n");
            instance_action(&PLACE, &text).unwrap().remove(0)
        };
        let event = read("terminate");
        assert_eq!(
            (event.kind, event.action, event.state),
            (Kind::Interruption, Some(Action::Terminate), State::Scheduled)
        );
        assert_eq!(
            (event.not_before, event.deadline),
            (at("2031-05-06T07:08:09Z"), at("2031-05-06T07:08:09Z"))
        );
        assert_eq!(event.id, "spot-terminate-2031-05-06T07:08:09Z");
        assert_eq!(read("stop").action, Some(Action::Stop));
        assert_eq!(
            (read("hibernate").action, read("hibernate").state),
            (Some(Action::Hibernate), State::Started)
        );
        let new = read("evaporate");
        assert_eq!((new.action, new.description.as_deref()), (None, Some("evaporate")));
    }

    #[test]
    fn scheduled_maintenance() {
        let text = r#"[
          { "NotBefore" : "21 Jan 2031 09:00:43 GMT", "Code" : "system-reboot", "Description" : "scheduled reboot",
            "EventId" : "instance-event-0a1b2c3d4e5f60718", "NotAfter" : "21 Jan 2031 09:17:23 GMT", "State" : "active" },
          { "NotBefore" : "1 Feb 2031 09:00:43 GMT", "NotBeforeDeadline" : "8 Feb 2031 09:00:43 GMT",
            "Code" : "instance-stop", "EventId" : "instance-event-1", "State" : "active" },
          { "NotBefore" : "21 Jan 2031 09:00:43 GMT", "Code" : "instance-retirement", "EventId" : "instance-event-2",
            "Description" : "[Canceled] The instance is running on degraded hardware", "State" : "canceled" },
          { "Code" : "instance-reboot", "EventId" : "instance-event-3", "State" : "completed" }
        ]"#;
        let events = scheduled(&PLACE, text).unwrap();
        assert_eq!(events[0].id, "instance-event-0a1b2c3d4e5f60718");
        assert_eq!((events[0].action, events[0].state), (Some(Action::Reboot), State::Scheduled));
        assert_eq!(events[0].not_before, at("2031-01-21T09:00:43Z"));
        assert_eq!(events[0].deadline, events[0].not_before);
        assert_eq!(events[0].description.as_deref(), Some("system-reboot: scheduled reboot"));
        assert_eq!((events[1].deadline, events[1].action), (at("2031-02-08T09:00:43Z"), Some(Action::Stop)));
        assert_eq!((events[2].state, events[3].state), (State::Cancelled, State::Cleared));
        assert_eq!(scheduled(&PLACE, "[]").unwrap(), []);
    }

    #[test]
    fn recommendations_and_lifecycle() {
        let event = rebalance(&PLACE, r#"{"noticeTime": "2031-05-06T06:58:09Z"}"#).unwrap().remove(0);
        assert_eq!((event.id.as_str(), event.not_before), ("rebalance-2031-05-06T06:58:09Z", None));
        for (word, action) in [
            ("Terminated", Some(Action::Terminate)),
            ("Warmed:Stopped", Some(Action::Stop)),
            ("Warmed:Hibernated", Some(Action::Hibernate)),
            ("Standby", None),
            ("Detached", None),
        ] {
            let event = lifecycle(&PLACE, word).unwrap().remove(0);
            assert_eq!(
                (event.kind, event.action, event.id),
                (Kind::Scaling, action, format!("lifecycle-{word}"))
            );
        }
        assert_eq!(lifecycle(&PLACE, "InService").unwrap(), []);
    }
}
