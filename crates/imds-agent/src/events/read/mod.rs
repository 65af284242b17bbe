//! From what a service answers at a path to events. One reader for each path; every one is a pure function.
//!
//! | path | reader |
//! |---|---|
//! | `…/spot/instance-action`, `…/rebalance`, `…/maintenance/scheduled`, `…/target-lifecycle-state` | `aws` |
//! | `/metadata/scheduledevents` | `azure` |
//! | `…/preempted`, `…/maintenance-event`, `…/upcoming-maintenance` | `google`, which Yandex imitates |
//! | `…/spot/termination-time` | `spot`: Alibaba, Tencent |
//!
//! An answer that can't be understood is an error, never "nothing happens": a notice that is missed because its form
//! changed would be missed silently.

mod aws;
mod azure;
mod google;
mod spot;

use imds::CloudName;

use super::{Event, Kind, State};

pub use azure::approval;

/// How many events one answer can tell of; more are not a machine's.
const MOST: usize = 64;
/// How long a text of a service's can be that is kept.
const LONGEST: usize = 512;

/// Where an answer comes from.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The cloud.
    pub cloud: &'a CloudName,
    /// The path that was asked.
    pub path: &'a str,
    /// What the machine is called by its cloud, where that matters.
    pub own_name: Option<&'a str>,
}

impl Place<'_> {
    fn event(&self, id: impl Into<String>, kind: Kind, state: State) -> Event {
        Event {
            id: readable(&id.into()),
            cloud: self.cloud.clone(),
            kind,
            action: None,
            state,
            not_before: None,
            deadline: None,
            duration: None,
            resources: Vec::new(),
            source: self.path.to_owned(),
            description: None,
            acknowledgeable: false,
        }
    }
}

type Read = fn(&Place<'_>, &str) -> Result<Vec<Event>, String>;

/// What makes events of a path's answers.
#[derive(Clone, Copy)]
pub struct Reader {
    read: Read,
    /// Whether the answer tells of other machines, too, so that this one's name has to be known.
    pub needs_name: bool,
    /// Whether being asked switches the source on, which takes its time.
    pub is_switched_on: bool,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").field("needs_name", &self.needs_name).finish_non_exhaustive()
    }
}

impl Reader {
    /// The reader of a path's answers; none for a path that nobody here understands.
    #[must_use]
    pub fn of(cloud: &CloudName, path: &str) -> Option<Self> {
        let path = path.split('?').next().unwrap_or_default().trim_end_matches('/');
        let plain = |read: Read| Some(Self { read, needs_name: false, is_switched_on: false });
        let ends = |end: &str| path.ends_with(end);
        if ends("/spot/instance-action") {
            plain(aws::instance_action)
        } else if ends("/events/recommendations/rebalance") {
            plain(aws::rebalance)
        } else if ends("/events/maintenance/scheduled") {
            plain(aws::scheduled)
        } else if ends("/autoscaling/target-lifecycle-state") {
            plain(aws::lifecycle)
        } else if ends("/metadata/scheduledevents") {
            Some(Self { read: azure::scheduled_events, needs_name: true, is_switched_on: true })
        } else if ends("/instance/preempted") {
            plain(google::preempted)
        } else if ends("/instance/maintenance-event") {
            plain(google::maintenance_event)
        } else if ends("/instance/upcoming-maintenance") {
            plain(google::upcoming_maintenance)
        } else if ends("/spot/termination-time") {
            plain(if cloud.as_str() == "tencent" { spot::termination_in_china } else { spot::termination })
        } else {
            None
        }
    }

    /// The events in an answer.
    ///
    /// # Errors
    /// Why it can't be understood, as a lower-case fragment.
    pub fn read(&self, place: &Place<'_>, body: &[u8]) -> Result<Vec<Event>, String> {
        let text = std::str::from_utf8(body).map_err(|_| "the answer isn't text".to_owned())?;
        let events = (self.read)(place, text)?;
        if events.len() > MOST {
            return Err(format!("the answer tells of {} events", events.len()));
        }
        Ok(events)
    }
}

/// A text of a service's in one line that can be logged and put into an environment, and isn't long.
fn readable(text: &str) -> String {
    text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST).collect()
}

/// The same, where an empty one says nothing.
fn described(text: Option<&str>) -> Option<String> {
    text.map(readable).filter(|text| !text.is_empty())
}

fn json<'a, T: serde::Deserialize<'a>>(text: &'a str) -> Result<T, String> {
    serde_json::from_str(text).map_err(|error| format!("the answer isn't what it should be: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(cloud: &str, path: &str, body: &[u8]) -> Result<Vec<Event>, String> {
        let cloud = CloudName::new(cloud).unwrap();
        let place = Place { cloud: &cloud, path, own_name: Some("web-1") };
        Reader::of(&cloud, path).unwrap().read(&place, body)
    }

    #[test]
    fn every_path_that_a_cloud_tells_of_has_a_reader() {
        let client =
            imds::Client::new(imds::Config::builder(imds::machine::Environment::default()).build().unwrap());
        let mut paths = 0;
        for cloud in imds::clouds() {
            let cloud = cloud.name;
            for path in client.event_paths(&cloud) {
                assert!(Reader::of(&cloud, &path.path).is_some(), "{cloud} {}", path.path);
                paths += 1;
            }
        }
        assert!(paths >= 9, "{paths}");
        assert!(Reader::of(&CloudName::AWS, "/latest/meta-data/instance-id").is_none());
    }

    #[test]
    fn what_cant_be_understood_is_an_error_and_never_a_panic() {
        let long = "x".repeat(100_000);
        for path in [
            "/latest/meta-data/spot/instance-action",
            "/latest/meta-data/events/recommendations/rebalance",
            "/latest/meta-data/events/maintenance/scheduled",
            "/metadata/scheduledevents?api-version=2020-07-01",
            "/computeMetadata/v1/instance/preempted",
            "/latest/meta-data/instance/spot/termination-time",
        ] {
            for body in [
                "",
                "<html>",
                "{",
                "{\"Events\": 3}",
                "[1]",
                "\"x\"",
                "{\"action\": 1}",
                "404 - Not Found",
                &long,
            ] {
                assert!(read("aws", path, body.as_bytes()).is_err(), "{path} {body:.20}");
            }
            assert!(read("aws", path, b"\xff\xfe").is_err(), "{path}");
        }
    }

    #[test]
    fn texts_of_a_service_are_short_and_in_one_line() {
        let body = format!("Odd\n\u{1b}[31m{}", "x".repeat(10_000));
        let events = read("aws", "/latest/meta-data/autoscaling/target-lifecycle-state", body.as_bytes());
        let error = events.unwrap_err();
        assert!(error.len() < 1000 && !error.contains(char::is_control), "{error}");
    }

    #[test]
    fn more_events_than_a_machine_can_have_are_refused() {
        let one = r#"{"EventId":"e-N","Code":"system-reboot"}"#;
        let many = |count: usize| -> String {
            let all: Vec<String> = (0..count).map(|number| one.replace('N', &number.to_string())).collect();
            format!("[{}]", all.join(","))
        };
        let path = "/latest/meta-data/events/maintenance/scheduled";
        assert_eq!(read("aws", path, many(MOST).as_bytes()).unwrap().len(), MOST);
        assert!(read("aws", path, many(MOST + 1).as_bytes()).is_err());
    }
}
