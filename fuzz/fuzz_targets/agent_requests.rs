//! Requests to the agent, byte by byte on one connection: every answer is whole and documented, nobody sees what is not for
//! him, and over TCP nobody is heard who may speak for a web page or for somebody elsewhere.
//!
//! An input is a byte that says who asks, and what he sends.
#![no_main]

use std::sync::Arc;
use std::time::Duration;

use imds::model::{CloudName, Confidence, Outcome, Reading, Source, Tags, Value};
use imds::{Field, Metadata, Verdict};
use imds_agent::api::{Access, Announcements, Caller, Who};
use imds_agent::metrics::Metrics;
use imds_agent::server::connection::serve;
use imds_agent::server::face::{Face, Rules};
use imds_agent::server::stream::Sources;
use imds_agent::server::{ApiFace, Guard, Limits, MetricsFace};
use imds_agent::store::Store;
use imds_fuzz::http;
use libfuzzer_sys::fuzz_target;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::watch;

/// Stands in every private value.
const PRIVATE: &str = "Pr1vate";
const HOST: &str = "127.0.0.1:8181";
/// What `openapi.json` has, and what HTTP itself needs.
const STATUSES: [u16; 12] = [200, 304, 400, 403, 404, 405, 406, 413, 414, 431, 501, 503];

struct House {
    runtime: tokio::runtime::Runtime,
    /// Local processes, TCP, a process that sees public fields only, metrics.
    faces: [(Arc<dyn Face>, Caller); 4],
    stopping: watch::Sender<bool>,
}

thread_local! {
    static HOUSE: House = House::default();
}

impl Default for House {
    fn default() -> Self {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let (store, announcements) = (Arc::new(Store::default()), Arc::new(Announcements::default()));
        store.update(|view| {
            view.metadata = Some(Arc::new(metadata()));
            let outcome = Outcome::Cloud(CloudName::AWS);
            let verdict = Verdict::new(outcome, Confidence::Certain, Vec::new(), 0, Duration::from_millis(1));
            view.verdict = Some(Arc::new(verdict));
        });
        announcements
            .replace(vec![serde_json::json!({"id": format!("{PRIVATE}-event"), "state": "scheduled"})]);
        let sources = Arc::new(Sources { store, announcements });
        let metrics = Arc::new(Metrics::default());
        let address = HOST.parse().unwrap();
        let face = |access: Access, guard| -> Arc<dyn Face> {
            Arc::new(ApiFace::new(
                Arc::new(Rules::new(access)),
                Arc::clone(&sources),
                guard,
                Arc::clone(&metrics),
            ))
        };
        let somebody = || Caller::Process { uid: 1000, gids: vec![1000] };
        let public = Access { public: vec![Who::Everybody], private: vec![Who::Root, Who::Group(5)] };
        let guard = Guard::of_metrics(address, &[]);
        let numbers = MetricsFace::new(Arc::clone(&sources), guard, Arc::clone(&metrics));
        let faces = [
            (face(Access::default(), None), somebody()),
            (face(Access::default(), Some(Guard::of_api(address, &[]))), Caller::Loopback),
            (face(public, None), somebody()),
            (Arc::new(numbers) as Arc<dyn Face>, Caller::Loopback),
        ];
        Self { runtime, faces, stopping: watch::Sender::new(false) }
    }
}

fn metadata() -> Metadata {
    let mut metadata = Metadata::new(CloudName::AWS);
    let private = |what: &str| format!("{PRIVATE}-{what}");
    for (field, text) in [
        (Field::Cloud, "aws".to_owned()),
        (Field::Region, "eu-west-1".to_owned()),
        (Field::InstanceType, "m5.large".to_owned()),
        (Field::InstanceId, private("id")),
        (Field::Hostname, private("host")),
    ] {
        metadata.set(field, Reading::known(Value::Text(text), Source::Mock));
    }
    let tags: Tags = [("Name", "n"), ("a/b c", ""), ("ü", "ö")]
        .map(|(key, value)| (key.to_owned(), format!("{PRIVATE}-{value}")))
        .into();
    metadata.set(Field::Tags, Reading::known(Value::Tags(tags), Source::Mock));
    metadata.set(Field::ResourceGroup, Reading::absent());
    metadata
}

fuzz_target!(|data: &[u8]| {
    let [who, request @ ..] = data else { return };
    let who = usize::from(*who % 4);
    HOUSE.with(|house| {
        let answer = house.runtime.block_on(talk(house, who, request));
        judge(who, request, &answer);
    });
});

/// What is answered until the connection ends, or nothing more comes for an hour.
async fn talk(house: &House, who: usize, request: &[u8]) -> Vec<u8> {
    let (near, mut far) = tokio::io::duplex(64 * 1024);
    let (face, caller) = &house.faces[who];
    let limits = Limits::default();
    let served = serve(near, caller.clone(), Arc::clone(face), &limits, house.stopping.subscribe());
    let mut answer = Vec::new();
    let asking = async {
        // Whoever is shown out early can't write the rest.
        let _ = far.write_all(request).await;
        let _ = far.shutdown().await;
        let _ = tokio::time::timeout(Duration::from_secs(20), far.read_to_end(&mut answer)).await;
        drop(far);
    };
    let both = async { tokio::join!(served, asking) };
    tokio::time::timeout(Duration::from_secs(3600), both).await.expect("no connection lives for ever");
    answer
}

fn judge(who: usize, request: &[u8], bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let asked = String::from_utf8_lossy(request);
    // What is asked may be told again in an error.
    if who >= 2 && !asked.contains('1') {
        assert!(!text.contains(PRIVATE), "{text}");
    }
    if bytes.is_empty() {
        return;
    }
    let status = text.strip_prefix("HTTP/1.1 ").or_else(|| text.strip_prefix("HTTP/1.0 "));
    let status: u16 = status.and_then(|rest| rest.get(..3)?.parse().ok()).unwrap_or_else(|| panic!("{text}"));
    assert!(STATUSES.contains(&status), "{text}");
    if status == 200 && (who == 1 || who == 3) {
        meant(&asked, who == 1);
    }
    // Old clients are answered in their own version, and those who ask for heads get no bodies.
    if asked.trim_start().starts_with("HEAD")
        || !text.starts_with("HTTP/1.1")
        || text.contains("text/event-stream")
    {
        return;
    }
    let Some(answer) = http::read(bytes) else { panic!("this isn't an answer: {text}") };
    let body = std::str::from_utf8(&answer.body).expect("everything here is text");
    match answer.header("content-type") {
        Some("application/json") => {
            drop(serde_json::from_str::<serde_json::Value>(body).expect("JSON is JSON"))
        }
        Some(kind) => assert!(
            kind.starts_with("text/plain") || kind.starts_with("application/openmetrics-text"),
            "{kind}"
        ),
        None => assert!(body.is_empty(), "{text}"),
    }
    if answer.status >= 400 && !body.is_empty() {
        assert!(
            body.contains("\"error\"") || body.contains("\"message\""),
            "an error says what is wrong: {text}"
        );
    }
}

/// The first head was meant for here, by whoever sent it.
fn meant(asked: &str, needs_header: bool) {
    let asked = asked.trim_start_matches(['\r', '\n']);
    let mut lines = asked.lines();
    let line = lines.next().unwrap_or_default();
    assert!(line.starts_with("GET /") || line.starts_with("HEAD /"), "{line:?}");
    let headers: Vec<(String, &str)> = lines
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim_matches([' ', '\t'])))
        .collect();
    let of = |name: &str| -> Vec<&str> {
        headers.iter().filter(|(known, _)| known == name).map(|(_, value)| *value).collect()
    };
    assert_eq!(of("host"), [HOST], "{asked}");
    for name in
        ["origin", "via", "forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "sec-fetch-site"]
    {
        assert!(of(name).is_empty(), "{asked}");
    }
    if needs_header {
        assert!(matches!(of("metadata")[..], [value] if value.eq_ignore_ascii_case("true")), "{asked}");
    }
}
