//! Secrets: not asked for, not shown, not logged, whatever the scenario and whatever goes wrong.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod service;

use std::error::Error as _;
use std::fmt::{self, Write as _};
use std::sync::{Mutex, Once};

use imds::model::{Error, ErrorKind, Metadata};
use imds::{Client, Field};
use imds_fake::{Fake, SECRET_MARKER, Scenario};
use service::{client, fake, told};
use tracing::field::{Field as Name, Visit};

/// Everything that was logged in this process, at every level.
static LOGGED: Mutex<String> = Mutex::new(String::new());

/// Writes down every event and span of every crate.
struct Log;

struct Line<'a>(&'a mut String);

impl Visit for Line<'_> {
    fn record_debug(&mut self, name: &Name, value: &dyn fmt::Debug) {
        let _ = write!(self.0, " {name}={value:?}");
    }
}

impl tracing::Subscriber for Log {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, span: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        let mut log = LOGGED.lock().unwrap();
        span.record(&mut Line(&mut log));
        log.push('\n');
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, values: &tracing::span::Record<'_>) {
        values.record(&mut Line(&mut LOGGED.lock().unwrap()));
    }
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        let mut log = LOGGED.lock().unwrap();
        let _ = write!(log, "{} {}", event.metadata().level(), event.metadata().target());
        event.record(&mut Line(&mut log));
        log.push('\n');
    }
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

fn log_everything() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| tracing::subscriber::set_global_default(Log).unwrap());
}

/// What was logged so far; never what could only be a secret.
fn assert_log_is_clean(who: &str) {
    let log = LOGGED.lock().unwrap();
    let line = log.lines().find(|line| line.contains(SECRET_MARKER));
    assert_eq!(line, None, "{who}");
}

fn told_of(error: &Error) -> String {
    let mut text = format!("{error} {error:?} {error:#?} {:?}", error.remedy());
    let mut cause = error.source();
    while let Some(error) = cause {
        let _ = write!(text, " {error} {error:?}");
        cause = error.source();
    }
    text + &serde_json::to_string(error).unwrap()
}

/// Every form in which a snapshot and its client can be seen.
fn shown(client: &Client, metadata: &Metadata) -> String {
    let mut text = format!("{client:?} {client:#?} {metadata:?} {:?}", metadata.warnings());
    text += &serde_json::to_string_pretty(&metadata.document(true)).unwrap();
    for (_, reading) in metadata.readings() {
        text += &reading.error().map(told_of).unwrap_or_default();
    }
    text
}

fn assert_clean(text: &str, who: &str) {
    let at = text.find(SECRET_MARKER);
    let around = at.map(|at| text.get(at.saturating_sub(80)..at + 40));
    assert_eq!(around, None, "{who}");
}

/// Parts of paths that give secrets, in lower case.
const SECRET_PARTS: [&str; 20] = [
    "user-data",
    "userdata",
    "user_data",
    "vendor-data",
    "customdata",
    "/iam",
    "identity-credentials",
    "managed-ssh-keys",
    "public-keys",
    "publickeys",
    "ssh-keys",
    "sshkeys",
    "service-accounts",
    "startup",
    "attested",
    "/metadata/identity",
    "auth-token",
    "pkcs7",
    "signature",
    "rsa2048",
];

fn assert_asked_for_no_secret(fake: &Fake, who: &str) {
    for request in fake.requests() {
        let path = request.path().to_ascii_lowercase();
        let part = SECRET_PARTS.iter().find(|part| path.contains(*part));
        assert_eq!(part, None, "{who}: {path}");
        // Of GCP's attributes, and what holds them, only named ones.
        let (bare, query) = path.split_once('?').unwrap_or((&path, ""));
        if fake.cloud().name() == "gcp" {
            if let Some((_, attribute)) = bare.split_once("/attributes") {
                let named = ["/created-by", "/cluster-name", "/cluster-location"];
                assert!(named.contains(&attribute), "{who}: {path}");
            }
            let holds_attributes =
                ["/computemetadata/v1", "/computemetadata/v1/instance", "/computemetadata/v1/project"];
            assert!(
                !query.contains("recursive") || !holds_attributes.contains(&bare.trim_end_matches('/')),
                "{who}: {path}"
            );
        }
    }
}

/// Paths whose answers are open, or hold secrets that are dropped.
fn open_paths(cloud: &str) -> &'static [&'static str] {
    match cloud {
        "aws" => &[
            "/",
            "/latest/",
            "/latest/meta-data/",
            "/latest/meta-data/instance-id",
            "/latest/dynamic/instance-identity/document",
            "/latest/meta-data/tags/instance/",
            "/latest/nothing",
        ],
        "azure" => &[
            "/metadata/instance",
            "/metadata/instance/",
            "/metadata/instance?format=json",
            "/metadata/instance/compute",
            "/metadata/instance/compute?format=text",
            "/metadata/instance/compute/vmId?format=text",
            "/metadata/instance/compute/osProfile",
            "/metadata/instance/network",
            "/metadata/loadbalancer",
            "/metadata/versions",
            "/Metadata/Instance/Compute",
        ],
        "gcp" => &[
            "/",
            "/computeMetadata/v1/",
            "/computeMetadata/v1/?recursive=true",
            "/computeMetadata/v1/?recursive=true&alt=text",
            "/computeMetadata/v1/?recursive=true&alt=json",
            "/computeMetadata/v1/instance/?recursive=true",
            "/computeMetadata/v1/instance/?recursive=true&alt=text",
            "/computeMetadata/v1/instance/?recursive=TRUE&alt=text",
            "/computeMetadata/v1/instance/?%72ecursive=true&alt=text",
            "/computeMetadata/v1/project/?recursive=true",
            "/computeMetadata/v1/instance/id",
            "/computeMetadata/v1/instance/service-accounts/",
            "/computeMetadata/v1/instance/service-accounts/?recursive=true",
            "/computeMetadata/v1/instance/service-accounts/default/?recursive=true&alt=text",
        ],
        "digitalocean" => {
            &["/metadata/", "/metadata/v1/", "/metadata/v1.json", "/metadata/v1.json/", "/metadata/v1/id"]
        }
        other => unreachable!("{other}"),
    }
}

#[tokio::test]
async fn no_scenario_shows_a_secret_in_any_form() {
    log_everything();
    for scenario in Scenario::all() {
        let cloud = scenario.cloud().name();
        let who = format!("{cloud}:{}", scenario.name());
        let fake = Fake::start(scenario).await.unwrap();
        for name in [cloud, "?"] {
            let client = client(told(name, &fake.url(), &[]));
            match client.read(Field::ALL).await {
                Ok(metadata) => assert_clean(&shown(&client, &metadata), &who),
                Err(error) => assert_clean(&told_of(&error), &who),
            }
            let (verdict, verified) = client.verify().await;
            assert_clean(&format!("{verdict:?} {}", serde_json::to_string(&verdict).unwrap()), &who);
            assert_clean(&verified.err().as_ref().map(told_of).unwrap_or_default(), &who);
        }
        assert_asked_for_no_secret(&fake, &who);
        assert_log_is_clean(&who);
    }
    assert!(LOGGED.lock().unwrap().contains("path=\"/latest/api/token\""), "the log is listened to");
}

#[tokio::test]
async fn what_goes_wrong_shows_no_secret_either() {
    log_everything();
    let mut running = tokio::task::JoinSet::new();
    for scenario in ["aws:imdsv2-required", "azure:vmss-uniform-spot", "gcp:gke", "digitalocean"] {
        for fault in [
            "401",
            "403",
            "404:/latest/meta-data",
            "429=0",
            "500",
            "truncate",
            "bad-json",
            "binary",
            "redirect",
            "huge",
            "connection-close",
            "reset",
        ] {
            running.spawn(async move {
                let fake = fake(scenario, &[]).await;
                let client = client(told(fake.cloud().name(), &fake.url(), &[]));
                // With a token in hand.
                client.read(&[Field::InstanceId]).await.unwrap();
                fake.inject(fault.parse().unwrap());
                let who = format!("{scenario} {fault}");
                assert_clean(&shown(&client, &client.read(Field::ALL).await.unwrap()), &who);
                assert_asked_for_no_secret(&fake, &who);
                for path in open_paths(fake.cloud().name()).iter().take(3) {
                    match client.raw(path, false).await {
                        Ok(answer) => assert_clean(&String::from_utf8_lossy(&answer), &who),
                        Err(error) => assert_clean(&told_of(&error), &who),
                    }
                }
            });
        }
    }
    while let Some(ended) = running.join_next().await {
        ended.unwrap();
    }
    assert_log_is_clean("after every fault");
}

#[tokio::test]
async fn open_paths_are_answered_without_the_secrets_in_them() {
    log_everything();
    for cloud in ["aws", "azure", "gcp", "digitalocean"] {
        let fake = fake(cloud, &[]).await;
        let client = client(told(cloud, &fake.url(), &[]));
        let mut answered = 0;
        for path in open_paths(cloud) {
            match client.raw(path, false).await {
                Ok(answer) => {
                    answered += 1;
                    assert_clean(&String::from_utf8_lossy(&answer), &format!("{cloud} {path}"));
                }
                Err(error) => assert_clean(&told_of(&error), path),
            }
        }
        assert!(answered >= 4, "{cloud}: {answered}");
    }
    assert_log_is_clean("after raw");
}

#[tokio::test]
async fn documents_that_hold_secrets_are_shown_without_them_and_whole_where_allowed() {
    log_everything();
    for (cloud, path, kept) in [
        ("azure", "/metadata/instance", "vmId"),
        ("azure", "/metadata/instance/compute", "vmId"),
        ("gcp", "/computeMetadata/v1/?recursive=true", "machineType"),
        ("gcp", "/computeMetadata/v1/instance/?recursive=true&alt=json", "machineType"),
        ("digitalocean", "/metadata/v1.json", "droplet_id"),
    ] {
        let fake = fake(cloud, &[]).await;
        let client = client(told(cloud, &fake.url(), &[]));
        let redacted = String::from_utf8(client.raw(path, false).await.unwrap()).unwrap();
        assert_clean(&redacted, path);
        assert!(redacted.contains(kept), "{path}: {redacted}");
        let parsed: serde_json::Value = serde_json::from_str(&redacted).unwrap();
        assert!(parsed.is_object(), "{path}");
        let whole = String::from_utf8(client.raw(path, true).await.unwrap()).unwrap();
        assert!(whole.contains(SECRET_MARKER) && whole.contains(kept), "{path}");
    }
    assert_log_is_clean("after documents");
}

/// One path of each kind that gives a secret.
const SECRETS: [(&str, &str); 12] = [
    ("aws", "/latest/user-data"),
    ("aws", "/latest/meta-data/iam/security-credentials/"),
    ("aws", "/latest/meta-data/public-keys/0/openssh-key"),
    ("aws", "/latest/dynamic/instance-identity/pkcs7"),
    ("azure", "/metadata/identity/oauth2/token?resource=https://management.azure.com/"),
    ("azure", "/metadata/attested/document"),
    ("azure", "/metadata/instance/compute/userData?format=text"),
    ("gcp", "/computeMetadata/v1/instance/service-accounts/default/token"),
    ("gcp", "/computeMetadata/v1/instance/attributes/startup-script"),
    ("gcp", "/computeMetadata/v1/project/attributes/?recursive=true"),
    ("digitalocean", "/metadata/v1/user-data"),
    ("digitalocean", "/metadata/v1/public-keys"),
];

/// The same path as people, proxies and attackers write it.
fn spellings(path: &str) -> Vec<String> {
    let (bare, query) = match path.split_once('?') {
        Some((bare, query)) => (bare, format!("?{query}")),
        None => (path, String::new()),
    };
    let last = bare.trim_end_matches('/').rfind('/').unwrap();
    let (above, below) = bare.split_at(last);
    let encoded = |text: &str| -> String { text.bytes().map(|byte| format!("%{byte:02x}")).collect() };
    let twice = encoded(below.trim_start_matches('/')).replace('%', "%25");
    let first = below.get(1..2).unwrap();
    let respelled = [
        bare.to_owned(),
        bare.replace('/', "//"),
        bare.replace('/', "/./"),
        bare.replace('/', "\\"),
        format!("\\{}", bare.get(1..).unwrap()),
        format!("/x/..{bare}"),
        format!("/..{bare}"),
        format!("/%2e%2e{bare}"),
        format!("{above}/x/..{below}"),
        format!("{above}/x/%2E%2e{below}"),
        format!("{above}%2f{}", below.get(1..).unwrap()),
        format!("{above}%5C{}", below.get(1..).unwrap()),
        format!("{above}%252F{}", below.get(1..).unwrap()),
        format!("{above}/{}", encoded(below.trim_start_matches('/'))),
        format!("{above}/{twice}"),
        format!("{above}/{}{}", encoded(first), below.get(2..).unwrap()),
        bare.to_ascii_uppercase(),
        format!("{}/", bare.trim_end_matches('/')),
        format!("{}//", bare.trim_end_matches('/')),
        format!("{};a=b", bare.trim_end_matches('/')),
        format!("{above};a=b{below}"),
        format!("{}%20", bare.trim_end_matches('/')),
        format!("{}/.", bare.trim_end_matches('/')),
    ];
    respelled.into_iter().map(|path| path + &query).collect()
}

#[tokio::test]
async fn secret_paths_are_refused_in_every_spelling_before_anything_is_sent() {
    log_everything();
    for (cloud, path) in SECRETS {
        let fake = fake(cloud, &[]).await;
        let client = client(told(cloud, &fake.url(), &[]));
        for spelling in spellings(path) {
            let error = client.raw(&spelling, false).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Secret, "{cloud} {spelling}: {error}");
            assert!(error.remedy().is_some_and(|remedy| remedy.contains("--allow-secret")), "{spelling}");
        }
        assert_eq!(fake.connections(), 0, "{cloud} {path}");
    }
}

#[tokio::test]
async fn a_spelling_that_is_not_understood_is_refused_before_anything_is_sent() {
    for cloud in ["aws", "azure", "gcp", "digitalocean"] {
        let fake = fake(cloud, &[]).await;
        let client = client(told(cloud, &fake.url(), &[]));
        for path in [
            "latest/user-data",
            "http://169.254.169.254/latest/user-data",
            "//[::1]://latest",
            "/latest/user-data#x",
            "/latest/user%2",
            "/latest/%zz",
            "/latest/%c0%af",
            "/latest/user-data\r\nX-Injected: 1",
            "/latest/user-data%0d%0aX-Injected:%201",
            "/latest/a%00b",
            "",
        ] {
            let error = client.raw(path, true).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Usage, "{cloud} {path:?}: {error}");
        }
        assert_eq!(fake.connections(), 0, "{cloud}");
    }
}

#[tokio::test]
async fn who_means_it_gets_the_secret_and_the_log_does_not() {
    log_everything();
    for (cloud, path) in SECRETS {
        let fake = fake(cloud, &[]).await;
        let client = client(told(cloud, &fake.url(), &[]));
        let answer = client.raw(path, true).await;
        let answer = answer.unwrap_or_else(|error| unreachable!("{cloud} {path}: {error}"));
        let text = String::from_utf8_lossy(&answer);
        let listing = path.ends_with('/');
        assert!(listing || text.contains(SECRET_MARKER), "{cloud} {path}: {text}");
        assert_clean(&format!("{client:?}"), path);
    }
    assert_log_is_clean("after secrets were asked for");
}

#[tokio::test]
async fn a_document_that_no_longer_parses_is_not_shown() {
    for fault in ["truncate", "bad-json", "deep-json"] {
        for (cloud, path) in [
            ("azure", "/metadata/instance"),
            ("gcp", "/computeMetadata/v1/?recursive=true"),
            ("digitalocean", "/metadata/v1.json"),
        ] {
            let fake = fake(cloud, &[&format!("{fault}:/")]).await;
            let error = client(told(cloud, &fake.url(), &[])).raw(path, false).await.unwrap_err();
            assert!(
                matches!(error.kind(), ErrorKind::Secret | ErrorKind::Unreachable | ErrorKind::Malformed),
                "{cloud} {fault}: {error}"
            );
            assert_clean(&told_of(&error), path);
        }
    }
}
