//! What clouds announce to their machines: each in the words and at the place of its service.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use crate::clouds::Service;
use crate::exchange::{Asked, Outcome};
use crate::{Cloud, Error};

/// What is announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EventKind {
    /// The machine is taken back: spot notices, preemption.
    Interruption,
    /// The machine may be taken back before long (AWS).
    Rebalance,
    /// The host will be worked on.
    Maintenance,
    /// The scaling group wants the machine to end (AWS).
    Scaling,
}

impl EventKind {
    /// All kinds.
    pub const ALL: &'static [Self] = &[Self::Interruption, Self::Rebalance, Self::Maintenance, Self::Scaling];

    /// As it is written in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Interruption => "interruption",
            Self::Rebalance => "rebalance",
            Self::Maintenance => "maintenance",
            Self::Scaling => "scaling",
        }
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for EventKind {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        let known = || Self::ALL.iter().map(|kind| kind.name());
        let kind = Self::ALL.iter().copied().find(|kind| kind.name() == name);
        kind.ok_or_else(|| Error::unknown("event", name, known()))
    }
}

/// An event to be announced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    kind: EventKind,
    at: SystemTime,
}

impl Event {
    /// An event two minutes from now.
    #[must_use]
    pub fn new(kind: EventKind) -> Self {
        Self { kind, at: SystemTime::now() + Duration::from_secs(120) }
    }

    /// When it will happen.
    #[must_use]
    pub fn at(mut self, time: SystemTime) -> Self {
        self.at = time;
        self
    }
}

/// Puts the event where the service announces it. Sources: AWS "Spot Instance interruption notices", "EC2 instance rebalance
/// recommendations", "Scheduled events"; Azure "Scheduled Events"; Google "Preemptible VM instances", "Host maintenance
/// events"; Alibaba and Tencent "Spot instances"; Yandex "Maintenance policies".
pub(crate) fn announce(service: &mut dyn Service, cloud: Cloud, event: &Event) -> Result<(), Error> {
    let time = humantime::format_rfc3339_seconds(event.at).to_string();
    let values: Vec<(&str, String)> = match (cloud, event.kind) {
        (Cloud::Aws, EventKind::Interruption) => vec![
            ("meta-data/spot/instance-action", json!({"action": "terminate", "time": time}).to_string()),
            ("meta-data/spot/termination-time", time),
        ],
        (Cloud::Aws, EventKind::Rebalance) => {
            vec![("meta-data/events/recommendations/rebalance", json!({"noticeTime": time}).to_string())]
        }
        (Cloud::Aws, EventKind::Maintenance) => {
            vec![("meta-data/events/maintenance/scheduled", aws_maintenance(event.at))]
        }
        (Cloud::Aws, EventKind::Scaling) => {
            vec![("meta-data/autoscaling/target-lifecycle-state", "Terminated".to_owned())]
        }
        (Cloud::Azure, EventKind::Interruption | EventKind::Maintenance) => {
            vec![("scheduledevents", azure_document(service, event))]
        }
        (Cloud::Gcp, EventKind::Interruption) => vec![("instance/preempted", "TRUE".to_owned())],
        (Cloud::Gcp | Cloud::Yandex, EventKind::Maintenance) => {
            vec![("instance/maintenance-event", "MIGRATE_ON_HOST_MAINTENANCE".to_owned())]
        }
        (Cloud::Alibaba, EventKind::Interruption) => {
            vec![("meta-data/instance/spot/termination-time", time)]
        }
        // Local to UTC+8, without saying so.
        (Cloud::Tencent, EventKind::Interruption) => {
            let local = humantime::format_rfc3339_seconds(event.at + Duration::from_secs(8 * 3600));
            let local = local.to_string().replace('T', " ");
            vec![("meta-data/spot/termination-time", local.trim_end_matches('Z').to_owned())]
        }
        (cloud, kind) => {
            return Err(Error::event(kind.name(), format!("{} announces none of that kind", cloud.title())));
        }
    };
    values.iter().try_for_each(|(path, value)| service.set(path, value))
}

fn aws_maintenance(at: SystemTime) -> String {
    // `21 Jan 2031 09:00:43 GMT`: the date of HTTP without its day of the week.
    let spelled = |time: SystemTime| httpdate::fmt_http_date(time).split_off(5);
    json!([{
        "NotBefore": spelled(at),
        "Code": "system-reboot",
        "Description": "scheduled reboot",
        "EventId": "instance-event-0f1e2d3c4b5a69788",
        "NotAfter": spelled(at + Duration::from_secs(1000)),
        "State": "active",
    }])
    .to_string()
}

/// The document with one more event, about this machine.
fn azure_document(service: &mut dyn Service, event: &Event) -> String {
    let name = read(service, "/metadata/instance", "api-version=2021-02-01");
    let name = name.pointer("/compute/name").and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut document = read(service, "/metadata/scheduledevents", "api-version=2020-07-01");
    let incarnation = document.get("DocumentIncarnation").and_then(Value::as_i64).unwrap_or(0) + 1;
    let mut events = document.get_mut("Events").and_then(Value::as_array_mut).cloned().unwrap_or_default();
    let (kind, seconds, description) = match event.kind {
        EventKind::Interruption => ("Preempt", -1, ""),
        _ => (
            "Freeze",
            9,
            "Virtual machine is being paused because of a memory-preserving Live Migration operation.",
        ),
    };
    events.push(json!({
        "EventId": format!("C7061BAC-AFDC-4513-B24B-{incarnation:012}"),
        "EventType": kind,
        "ResourceType": "VirtualMachine",
        "Resources": [name],
        "EventStatus": "Scheduled",
        "NotBefore": httpdate::fmt_http_date(event.at),
        "Description": description,
        "EventSource": "Platform",
        "DurationInSeconds": seconds,
    }));
    json!({"DocumentIncarnation": incarnation, "Events": events}).to_string()
}

/// A document of the service as a client gets it.
fn read(service: &mut dyn Service, path: &str, query: &str) -> Value {
    let asked = Asked {
        method: "GET".to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        headers: vec![("metadata".to_owned(), "true".to_owned())],
        ..Asked::default()
    };
    match service.answer(&asked) {
        Outcome::Answer(answer) => serde_json::from_slice(&answer.body).unwrap_or_default(),
        Outcome::Silence | Outcome::Wait { .. } => Value::Null,
    }
}
