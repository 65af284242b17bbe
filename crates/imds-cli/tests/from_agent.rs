//! Commands that ask a running agent.

#![cfg(all(unix, feature = "agent"))]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use imds::model::{CloudName, Confidence, Outcome, Reading, Source, Value};
use imds::{Field, Metadata, Verdict};
use imds_agent::api::{Access, Announcements, Who};
use imds_agent::metrics::Metrics;
use imds_agent::server::face::Rules;
use imds_agent::server::stream::Sources;
use imds_agent::server::{ApiFace, Limits, Server, socket};
use imds_agent::store::Store;
use serde_json::{Value as Json, json};
use tokio::runtime::Runtime;

/// An agent in this process.
struct Agent {
    store: Arc<Store>,
    announcements: Arc<Announcements>,
    socket: PathBuf,
    /// In this order: first the server ends, then what it ran on, then its files.
    server: Option<Server>,
    runtime: Runtime,
    _file: socket::SocketFile,
    _directory: tempfile::TempDir,
}

fn metadata(region: &str) -> Arc<Metadata> {
    let mut metadata = Metadata::new(CloudName::AZURE);
    for (field, text) in [(Field::Cloud, "azure"), (Field::Region, region), (Field::InstanceId, "vm-1")] {
        metadata.set(field, Reading::known(Value::Text(text.to_owned()), Source::Mock));
    }
    Arc::new(metadata)
}

impl Agent {
    fn new(access: Access) -> Self {
        let runtime = Runtime::new().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("imds.sock");
        let metrics = Arc::new(Metrics::default());
        let (store, announcements) = (Arc::new(Store::default()), Arc::new(Announcements::default()));
        store.update(|view| {
            let outcome = Outcome::Cloud(CloudName::AZURE);
            view.metadata = Some(metadata("westeurope"));
            view.verdict =
                Some(Arc::new(Verdict::new(outcome, Confidence::Certain, Vec::new(), 0, Duration::ZERO)));
        });
        let sources =
            Arc::new(Sources { store: Arc::clone(&store), announcements: Arc::clone(&announcements) });
        let face = ApiFace::new(Arc::new(Rules::new(access)), sources, None, Arc::clone(&metrics));
        let (listener, file) = socket::bind(&socket, 0o666).unwrap();
        let server = Server::new(Limits::default(), metrics);
        let entered = runtime.enter();
        server.listen_unix(listener, Arc::new(face)).unwrap();
        drop(entered);
        let server = Some(server);
        Self { store, announcements, socket, server, runtime, _file: file, _directory: directory }
    }

    /// A command line that asks it.
    fn command(&self, line: &str) -> Command {
        let mut command = imds(line);
        command.arg("--agent").arg(&self.socket);
        command
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            self.runtime.block_on(server.stop(Duration::ZERO));
        }
    }
}

fn imds(line: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_imds"));
    command.args(line.split_whitespace()).env_clear().env("IMDS_NETWORK", "loopback").stdin(Stdio::null());
    command.arg("--config").arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cli/nothing.toml"));
    command
}

fn run(mut command: Command) -> (i32, String, String) {
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn commands_take_what_the_agent_knows() {
    let agent = Agent::new(Access::default());
    assert_eq!(run(agent.command("detect")).1, "azure\n");
    let got = run(agent.command("get region instance_id"));
    assert_eq!((got.0, &*got.1, &*got.2), (0, "westeurope\nvm-1\n", ""));
    let (code, shown, _) = run(agent.command("show --json --sources"));
    let shown: Json = serde_json::from_str(&shown).unwrap();
    assert_eq!((code, &shown["region"]), (0, &json!("westeurope")));
    assert_eq!(shown["sources"]["region"], format!("agent:{}", agent.socket.display()));
    assert_eq!(run(agent.command("get zone")).0, 4, "what it doesn't know isn't there");
}

#[test]
fn what_the_agent_refuses_is_refused() {
    let agent = Agent::new(Access { private: vec![Who::User(u32::MAX)], ..Access::default() });
    let (code, stdout, stderr) = run(agent.command("get instance_id"));
    assert_eq!((code, &*stdout), (5, ""));
    assert!(stderr.contains("[access]"), "{stderr}");
    assert_eq!(run(agent.command("get region")).1, "westeurope\n");
}

#[test]
fn who_may_see_what_is_private_may_see_which_cloud_it_is_of() {
    let agent = Agent::new(Access { public: vec![], ..Access::default() });
    assert_eq!(run(agent.command("detect")).1, "azure\n");
    assert_eq!(run(agent.command("get instance_id region")), (0, "vm-1\nwesteurope\n".into(), String::new()));
}

#[test]
fn an_agent_that_is_named_has_to_be_there_and_alone() {
    let (code, stdout, stderr) = run(imds("show --agent /nonexistent/imds.sock"));
    assert_eq!((code, &*stdout), (6, ""));
    assert!(stderr.contains("/nonexistent/imds.sock") && stderr.contains("imds agent"), "{stderr}");
    let (code, _, stderr) = run(imds("show --agent /x.sock --endpoint http://127.0.0.1:1"));
    assert!(code == 2 && stderr.contains("--endpoint"), "{stderr}");
    assert_eq!(run(imds("show --agent /x.sock --offline")).0, 2);
    let (code, _, stderr) = run(imds("show --agent sometimes"));
    assert!(code == 2 && stderr.contains("auto"), "{stderr}");
    // Never and auto go with everything.
    for line in ["detect --agent never --sysroot /nonexistent", "detect --agent auto --sysroot /nonexistent"]
    {
        assert!(run(imds(line)).2.contains("/nonexistent"), "it is the sysroot that is wrong");
    }
}

#[test]
fn watch_prints_a_line_for_each_change_and_event() {
    let agent = Agent::new(Access::default());
    let mut command = agent.command("watch");
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = || -> Json { serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap() };
    let first = next();
    assert_eq!((&first["type"], &first["metadata"]["region"]), (&json!("metadata"), &json!("westeurope")));
    assert_eq!(first["changed"], json!(["cloud", "instance_id", "region"]));
    agent.store.update(|view| view.metadata = Some(metadata("northeurope")));
    let second = next();
    assert_eq!(
        (&second["changed"], &second["metadata"]["region"]),
        (&json!(["region"]), &json!("northeurope"))
    );
    agent.announcements.replace(vec![json!({ "id": "e-1", "kind": "preempt" })]);
    let event = next();
    assert_eq!((&event["type"], &event["event"]["id"]), (&json!("event"), &json!("e-1")));
    child.kill().unwrap();
    child.wait().unwrap();
}

#[cfg(feature = "fake")]
#[test]
fn watch_asks_the_service_itself_where_there_is_no_agent() {
    let mut command = imds("watch --fake aws --interval 100ms");
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let line = BufReader::new(child.stdout.take().unwrap()).lines().next().expect("a line").unwrap();
    let first: Json = serde_json::from_str(&line).unwrap();
    assert_eq!((&first["type"], &first["metadata"]["cloud"]), (&json!("metadata"), &json!("aws")));
    assert!(first["changed"].as_array().unwrap().contains(&json!("instance_id")));
    child.kill().unwrap();
    child.wait().unwrap();
    let (code, _, stderr) = run(imds("watch --cloud none"));
    assert_eq!(code, 3, "{stderr}");
    assert_eq!(run(imds("watch --fake aws --interval soon")).0, 2);
}
