//! Numbers for Prometheus: how the service answers, how fresh the metadata is, what callers ask.
//!
//! Labels come from small fixed sets, so that nobody can make the text grow, and no value of the metadata but the cloud's
//! name is ever in it: numbers are often readable by people who may not see who owns the machine. [`page`] answers requests
//! for the text, [`reference`](mod@reference) writes `docs/metrics.md`.
//!
//! A series whose labels are known beforehand is there from the start, at zero: Prometheus sees no increase in one that
//! appears with its first event.

mod labels;
pub mod page;
pub mod reference;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use imds::CloudName;
use imds::observer::{Observed, Observer, RequestOutcome};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use self::labels::{OfAnswer, OfCloud, OfEvent, OfHook, OfKind, OfLimit, OfOutcome, OfRequest};
use crate::api::{Announced, route};
use crate::events::{Kind, State};
use crate::store::View;

/// Link-local services answer within a few milliseconds; tokens that never come take seconds.
const LATENCIES: [f64; 10] = [0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0];

const SUCCESS: &str = "success";
const FAILURE: &str = "failure";

/// What a hook was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    /// A command.
    Command,
    /// A webhook.
    Webhook,
}

impl Hook {
    const fn name(self) -> &'static str {
        match self {
            Self::Command => "command",
            Self::Webhook => "webhook",
        }
    }
}

/// Why a connection was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crowd {
    /// Too many are open in all.
    All,
    /// One client holds too many.
    Client,
}

impl Crowd {
    /// The setting in `[limits]` that was reached.
    const fn limit(self) -> &'static str {
        match self {
            Self::All => "connections",
            Self::Client => "per_client",
        }
    }
}

type Real = Gauge<f64, AtomicU64>;

/// Everything that is counted. Cheap to share; counting never waits.
pub struct Metrics {
    registry: Registry,
    service_requests: Family<OfRequest, Counter>,
    service_seconds: Family<OfCloud, Histogram, fn() -> Histogram>,
    service_retries: Family<OfCloud, Counter>,
    refreshes: Family<OfOutcome, Counter>,
    answers: Family<OfAnswer, Counter>,
    connections: Gauge,
    refused: Family<OfLimit, Counter>,
    watchers: Gauge,
    events: Family<OfEvent, Counter>,
    standing: Family<OfKind, Gauge>,
    hooks: Family<OfHook, Counter>,
    ready: Gauge,
    stale: Gauge,
    age: Real,
    failures: Gauge,
    unread: Gauge,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("imds"),
            service_requests: Family::default(),
            service_seconds: Family::new_with_constructor(|| Histogram::new(LATENCIES)),
            service_retries: Family::default(),
            refreshes: Family::default(),
            answers: Family::default(),
            connections: Gauge::default(),
            refused: Family::default(),
            watchers: Gauge::default(),
            events: Family::default(),
            standing: Family::default(),
            hooks: Family::default(),
            ready: Gauge::default(),
            stale: Gauge::default(),
            age: Real::default(),
            failures: Gauge::default(),
            unread: Gauge::default(),
        };
        metrics.register();
        metrics.begin_at_zero();
        metrics
    }
}

impl Metrics {
    fn register(&mut self) {
        let all = &mut self.registry;
        let build = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
        all.register("build", "The program that counts", build);
        let requests = self.service_requests.clone();
        all.register("service_requests", "Requests to metadata services, by how they ended", requests);
        let seconds = self.service_seconds.clone();
        let what = "How long metadata services took to answer";
        all.register_with_unit("service_request_duration", what, Unit::Seconds, seconds);
        let retries = self.service_retries.clone();
        all.register(
            "service_retries",
            "Requests that were made again because an earlier try failed",
            retries,
        );
        all.register("refreshes", "Attempts to read the metadata", self.refreshes.clone());
        all.register("api_requests", "Requests of callers, by route and status", self.answers.clone());
        all.register("connections", "Open connections of callers", self.connections.clone());
        let refused = self.refused.clone();
        all.register("connections_refused", "Connections that were one too many, by the limit", refused);
        all.register("watchers", "Callers that are told of changes", self.watchers.clone());
        all.register("events", "Announcements of events", self.events.clone());
        let what = "Events that are announced and not over";
        all.register("events_standing", what, self.standing.clone());
        all.register("hook_runs", "Runs of hooks, by how they ended", self.hooks.clone());
        all.register("metadata_ready", "1 once metadata is there", self.ready.clone());
        let what = "1 while a value is older than the last attempt to read it";
        all.register("metadata_stale", what, self.stale.clone());
        let what = "Time since the service last answered; since never, NaN";
        all.register_with_unit("metadata_age", what, Unit::Seconds, self.age.clone());
        let what = "Failed attempts since the last success";
        all.register("refresh_failures_in_a_row", what, self.failures.clone());
        let what = "Fields that could not be read in the last attempt";
        all.register("metadata_fields_failed", what, self.unread.clone());
    }

    /// Makes every series whose labels are known beforehand.
    fn begin_at_zero(&self) {
        for outcome in [SUCCESS, FAILURE] {
            drop(self.refreshes.get_or_create(&OfOutcome { outcome }));
            for hook in [Hook::Command, Hook::Webhook] {
                drop(self.hooks.get_or_create(&OfHook { hook: hook.name(), outcome }));
            }
        }
        for crowd in [Crowd::All, Crowd::Client] {
            drop(self.refused.get_or_create(&OfLimit { limit: crowd.limit() }));
        }
        for kind in Kind::ALL.iter().map(|kind| kind.name()) {
            drop(self.standing.get_or_create(&OfKind { kind }));
            for state in State::ALL.iter().map(|state| state.name()) {
                drop(self.events.get_or_create(&OfEvent { kind, state }));
            }
        }
    }

    fn begin_cloud_at_zero(&self, cloud: &CloudName) {
        for outcome in labels::OUTCOMES {
            drop(self.service_requests.get_or_create(&OfRequest { cloud: cloud.to_string(), outcome }));
        }
        drop(self.service_retries.get_or_create(&OfCloud { cloud: cloud.to_string() }));
    }

    /// An attempt to read the metadata ended.
    pub fn refreshed(&self, succeeded: bool) {
        let outcome = if succeeded { SUCCESS } else { FAILURE };
        self.refreshes.get_or_create(&OfOutcome { outcome }).inc();
    }

    /// An event was announced, or told of something new.
    pub fn announced(&self, kind: Kind, state: State) {
        let labels = OfEvent { kind: kind.name(), state: state.name() };
        self.events.get_or_create(&labels).inc();
    }

    /// A hook ran.
    pub fn hook_ran(&self, hook: Hook, succeeded: bool) {
        let outcome = if succeeded { SUCCESS } else { FAILURE };
        self.hooks.get_or_create(&OfHook { hook: hook.name(), outcome }).inc();
    }

    /// A caller was answered. `name` is one of [`route::NAMES`].
    pub fn answered(&self, name: &str, code: u16) {
        let route = route::NAMES.iter().copied().find(|known| *known == name).unwrap_or("other");
        self.answers.get_or_create(&OfAnswer { route, code }).inc();
    }

    /// A connection was refused.
    pub fn refused(&self, crowd: Crowd) {
        self.refused.get_or_create(&OfLimit { limit: crowd.limit() }).inc();
    }

    /// Counts a connection for as long as the value lives.
    #[must_use]
    pub fn connection(&self) -> Present {
        Present::new(&self.connections)
    }

    /// Counts a watcher for as long as the value lives.
    #[must_use]
    pub fn watcher(&self) -> Present {
        Present::new(&self.watchers)
    }

    /// What Prometheus scrapes, in the form of OpenMetrics: all counts, how fresh this view is, and which events stand.
    #[must_use]
    pub fn text(&self, view: &View, events: &Announced) -> String {
        let metadata = view.metadata.as_deref();
        self.ready.set(metadata.is_some().into());
        self.stale.set(metadata.is_some_and(imds::Metadata::is_stale).into());
        self.age.set(view.status.last_success.map_or(f64::NAN, |time| view.age_of(time).as_secs_f64()));
        self.failures.set(view.status.failures.into());
        let unread = metadata.map_or(0, |metadata| {
            metadata.readings().filter(|(_, reading)| reading.error().is_some()).count()
        });
        self.unread.set(unread.try_into().unwrap_or(i64::MAX));
        for kind in Kind::ALL.iter().map(|kind| kind.name()) {
            let standing =
                events.standing.iter().filter(|event| event.get("kind").is_some_and(|of| of == kind));
            let count = standing.count().try_into().unwrap_or(i64::MAX);
            self.standing.get_or_create(&OfKind { kind }).set(count);
        }
        let mut text = String::new();
        // Only a writer that fails could make it fail, and a String doesn't.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

impl Observer for Metrics {
    fn requested(&self, request: &Observed<'_>) {
        let cloud = || request.cloud.to_string();
        if self.service_retries.get(&OfCloud { cloud: cloud() }).is_none() {
            self.begin_cloud_at_zero(request.cloud);
        }
        let outcome = labels::outcome_name(request.outcome);
        self.service_requests.get_or_create(&OfRequest { cloud: cloud(), outcome }).inc();
        let seconds = self.service_seconds.get_or_create(&OfCloud { cloud: cloud() });
        seconds.observe(request.elapsed.as_secs_f64());
    }

    fn retried(&self, cloud: &CloudName) {
        self.service_retries.get_or_create(&OfCloud { cloud: cloud.to_string() }).inc();
    }
}

/// Something that is there while this value lives.
#[derive(Debug)]
pub struct Present(Gauge);

impl Present {
    fn new(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Present {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// For callers that measure a request of their own.
impl Metrics {
    /// As an observer of the library's requests ([`imds::ConfigBuilder::observer`]).
    #[must_use]
    pub fn as_observer(self: &Arc<Self>) -> Arc<dyn Observer> {
        Arc::clone(self) as Arc<dyn Observer>
    }

    /// Counts a request to a service that wasn't made through the library.
    pub fn service_request(&self, cloud: &CloudName, outcome: RequestOutcome, elapsed: Duration) {
        self.requested(&Observed::new(cloud, outcome, elapsed));
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use imds::model::{Reading, Source, Value};
    use imds::{Error, ErrorKind, Field, Metadata};

    use super::*;

    fn view() -> View {
        let mut metadata = Metadata::new(CloudName::AWS);
        for (index, field) in Field::ALL.iter().enumerate().skip(2) {
            let value = match field {
                Field::Tags => Value::Tags([("tag-key".to_owned(), "tag-secret".to_owned())].into()),
                Field::Interfaces | Field::Disks => continue,
                _ => Value::Text(format!("value-{index}-of-the-machine")),
            };
            metadata.set(*field, Reading::known(value, Source::Mock));
        }
        let path = "/latest/meta-data/network/interfaces/macs/06:00:00:00:00:01/vpc-id";
        let error = Error::new(ErrorKind::TimedOut, "no answer").with_path(path);
        metadata.set(Field::Disks, Reading::Failed(error.clone()));
        let mut view = View { metadata: Some(Arc::new(metadata)), ..View::default() };
        view.status.last_success = Some(SystemTime::now() - Duration::from_secs(90));
        view.status.last_error = Some(error);
        view.status.failures = 3;
        view
    }

    /// The value of a line that starts with this name and these labels.
    fn number(text: &str, name: &str) -> f64 {
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
        line.unwrap_or_else(|| panic!("no {name} in\n{text}")).parse().unwrap()
    }

    #[test]
    fn what_happened_is_counted() {
        let metrics = Metrics::default();
        let took = Duration::from_millis(3);
        metrics.service_request(&CloudName::AWS, RequestOutcome::Answered(200), took);
        metrics.service_request(&CloudName::AWS, RequestOutcome::Answered(404), took);
        metrics.retried(&CloudName::AWS);
        metrics.refreshed(true);
        metrics.answered("metadata", 200);
        metrics.answered("/v1/made/up", 404);
        metrics.announced(Kind::Interruption, State::Scheduled);
        metrics.hook_ran(Hook::Webhook, false);
        metrics.refused(Crowd::Client);
        let open = metrics.connection();
        let interruption = serde_json::json!({"kind": "interruption", "id": "value-of-the-event"});
        let events = Announced { standing: vec![interruption], ..Announced::default() };
        let text = metrics.text(&view(), &events);
        for (name, value) in [
            (r#"imds_service_requests_total{cloud="aws",outcome="ok"}"#, 1.0),
            (r#"imds_service_requests_total{cloud="aws",outcome="absent"}"#, 1.0),
            (r#"imds_service_requests_total{cloud="aws",outcome="throttled"}"#, 0.0),
            (r#"imds_service_request_duration_seconds_bucket{le="0.005",cloud="aws"}"#, 2.0),
            (r#"imds_service_request_duration_seconds_bucket{le="0.002",cloud="aws"}"#, 0.0),
            (r#"imds_service_retries_total{cloud="aws"}"#, 1.0),
            (r#"imds_refreshes_total{outcome="success"}"#, 1.0),
            (r#"imds_api_requests_total{route="metadata",code="200"}"#, 1.0),
            (r#"imds_api_requests_total{route="other",code="404"}"#, 1.0),
            (r#"imds_events_total{kind="interruption",state="scheduled"}"#, 1.0),
            (r#"imds_hook_runs_total{hook="webhook",outcome="failure"}"#, 1.0),
            (r#"imds_hook_runs_total{hook="command",outcome="failure"}"#, 0.0),
            (r#"imds_connections_refused_total{limit="per_client"}"#, 1.0),
            (r#"imds_connections_refused_total{limit="connections"}"#, 0.0),
            (r#"imds_events_standing{kind="interruption"}"#, 1.0),
            (r#"imds_events_standing{kind="maintenance"}"#, 0.0),
            (r#"imds_refreshes_total{outcome="failure"}"#, 0.0),
            ("imds_connections", 1.0),
            ("imds_metadata_ready", 1.0),
            ("imds_metadata_stale", 0.0),
            ("imds_refresh_failures_in_a_row", 3.0),
            ("imds_metadata_fields_failed", 1.0),
        ] {
            assert_eq!(number(&text, name), value, "{name}");
        }
        let age = number(&text, "imds_metadata_age_seconds");
        assert!((89.0..100.0).contains(&age), "{age}");
        assert!(text.contains(concat!("imds_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1")));
        drop(open);
        let text = metrics.text(&View::default(), &Announced::default());
        assert_eq!((number(&text, "imds_connections"), number(&text, "imds_metadata_ready")), (0.0, 0.0));
    }

    #[test]
    fn nothing_of_the_metadata_is_in_it() {
        let event = serde_json::json!({"kind": "interruption", "id": "value-1", "resources": ["value-2"]});
        let unknown = serde_json::json!({"kind": "value-3"});
        let events = Announced { standing: vec![event, unknown], ..Announced::default() };
        let text = Metrics::default().text(&view(), &events);
        for identity in ["value-", "tag-", "06:00", "/latest", "no answer"] {
            assert!(!text.contains(identity), "{identity} in\n{text}");
        }
    }
}
