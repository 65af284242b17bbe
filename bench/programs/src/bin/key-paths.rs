//! The paths whose cost `.ci/instructions` watches: `key-paths NAME` goes one of them, with inputs that never change.
//!
//! Callgrind counts only what happens inside [`measured`], on the thread that calls it: a service that is asked runs on another
//! one. Each path is gone once before, so that what is set up once for all isn't counted.
#![expect(clippy::unwrap_used, reason = "a measurement fails by panicking")]

use std::fmt::Write as _;
use std::hint::black_box;
use std::sync::Arc;
use std::sync::mpsc;

use imds::machine::{Environment, MemoryFiles};
use imds::{Client, Config, Field, LiveProvider, Network};
use imds_fake::{Fake, Scenario};
use imds_model::{CloudName, Metadata, Outcome, Reading, Source, Value};
use imds_template::{Format, Missing, Template};
use tokio::runtime::{Builder, Runtime};

/// How many tags the EC2 instance has besides its own, each a document.
const TAGS: usize = 20;
/// How large the template is, in bytes.
const TEMPLATE: usize = 1_000_000;

fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("detect-by-firmware") => detect(),
        Some("one-value") => read("aws", 0, &[Field::InstanceId]),
        Some("aws-documents") => read("aws", TAGS, Field::ALL),
        Some("azure-document") => read("azure", 0, Field::ALL),
        Some("resolve-text") => resolve(Format::Text),
        Some("resolve-json") => resolve(Format::Json),
        Some("provider-read-1000") => provider_reads(),
        _ => std::process::exit(2),
    }
}

/// What callgrind looks at.
#[inline(never)]
fn measured(path: &mut dyn FnMut()) {
    path();
}

/// Goes the path once for warmth and once for the count.
fn count(mut path: impl FnMut()) {
    path();
    measured(&mut path);
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn detect() {
    let files = [
        ("sys_vendor", "Amazon EC2"),
        ("product_name", "m6i.xlarge"),
        ("board_asset_tag", "i-0fedcba9876543210"),
    ]
    .iter()
    .fold(MemoryFiles::new(), |files, (name, value)| {
        files.with(&format!("/sys/class/dmi/id/{name}"), format!("{value}\n"))
    });
    let files = Arc::new(files);
    let runtime = runtime();
    count(|| {
        let config = Config::builder(Environment::default()).files(files.clone()).network(Network::Loopback);
        let verdict = runtime.block_on(Client::new(config.build().unwrap()).detect());
        assert_eq!(verdict.outcome, Outcome::Cloud(CloudName::AWS));
        black_box(verdict);
    });
}

/// From a service on a thread of its own, by a new client each time.
fn read(cloud: &'static str, tags: usize, fields: &[Field]) {
    let url = service(cloud, tags);
    let runtime = runtime();
    count(|| {
        let metadata = runtime.block_on(client(cloud, &url).read(fields)).unwrap();
        assert!(metadata.text(Field::InstanceId).is_some());
        black_box(metadata);
    });
}

fn client(cloud: &str, url: &str) -> Client {
    let config = Config::builder(Environment::default())
        .cloud(cloud, "the measurement")
        .endpoint(url, "the measurement")
        .files(Arc::new(MemoryFiles::new()))
        .network(Network::Loopback);
    Client::new(config.build().unwrap())
}

/// A fake with so many tags, until the process ends; its URL.
fn service(cloud: &'static str, tags: usize) -> String {
    let (send, receive) = mpsc::channel();
    std::thread::spawn(move || {
        runtime().block_on(async {
            let mut scenario = Scenario::parse(cloud).unwrap();
            for number in 0..tags {
                let path = format!("meta-data/tags/instance/key-{number}");
                scenario.set(&path, &format!("value {number}")).unwrap();
            }
            let fake = Fake::start(scenario).await.unwrap();
            send.send(fake.url()).unwrap();
            std::future::pending::<()>().await;
        });
    });
    receive.recv().unwrap()
}

fn resolve(format: Format) {
    let mut source = String::from(if format == Format::Json { "[\n" } else { "" });
    while source.len() < TEMPLATE {
        // One line in twenty has a placeholder.
        for line in 0..20 {
            let host = if line == 0 { "${cloud:InstanceId}" } else { "db.example.com" };
            match format {
                Format::Json => {
                    writeln!(source, r#"{{"host": "{host}", "port": 5432, "labels": ["a", "b"]}},"#)
                }
                _ => writeln!(source, "server_name {host}; set $cache public; # as it was"),
            }
            .unwrap();
        }
    }
    source.push_str(if format == Format::Json { "{}]\n" } else { "" });
    let mut metadata = Metadata::new(CloudName::AWS);
    let id = Value::Text("i-0123456789abcdef0".to_owned());
    metadata.set(Field::InstanceId, Reading::known(id, Source::Mock));
    count(|| {
        let template = Template::parse(&source, format).unwrap();
        black_box(template.resolve(&metadata, Missing::Error).unwrap());
    });
}

fn provider_reads() {
    let url = service("aws", 0);
    let provider = runtime().block_on(LiveProvider::start(client("aws", &url))).unwrap();
    let mut reader = provider.reader();
    count(|| {
        for _ in 0..1000 {
            black_box(reader.snapshot().text(Field::InstanceId));
        }
    });
}
