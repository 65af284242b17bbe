//! Hooks: events on the board, an executor at the other end of a pipe, commands and webhooks for real.

#![cfg(unix)]
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use imds::machine::{Environment, MemoryFiles};
use imds::{Client, CloudName, Config, Field, Metadata, Network, Reading, Source, Value};
use imds_agent::events::{Board, Event, Kind, Options, State};
use imds_agent::executor::protocol::{Debts, PathValue, Tried, Values};
use imds_agent::executor::{Link, LinkError, Plan, serve};
use imds_agent::hooks::{Action, Dispatch, Hook, Notice, Pace, Results, Webhook, dispatch, signature};
use imds_agent::store::Store;
use imds_fake::{Fake, Scenario};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

const PATIENCE: Duration = Duration::from_secs(60);

fn event(id: &str, state: State) -> Event {
    let text = format!(
        r#"{{"id":"{id}","cloud":"aws","kind":"interruption","action":"terminate","state":"{state}","source":"/events"}}"#
    );
    serde_json::from_str(&text).unwrap()
}

fn hook(name: &str, action: Action) -> Hook {
    Hook {
        name: name.to_owned(),
        kinds: Vec::new(),
        states: Vec::new(),
        action,
        timeout: PATIENCE,
        retry_for: PATIENCE,
    }
}

fn shell(script: &str, path: &Path) -> Action {
    let words = ["/bin/sh", "-c", script, path.to_str().unwrap()];
    Action::Command(words.map(str::to_owned).to_vec())
}

fn webhook(url: &str) -> Webhook {
    Webhook {
        url: url.to_owned(),
        headers: Vec::new(),
        template: None,
        secret_file: None,
        root_certificates: None,
    }
}

fn plan(hooks: &[Hook]) -> Result<Plan, Vec<String>> {
    Plan::new(Vec::new(), None, None, hooks.to_vec(), imds_template::Grammar::default(), Network::Loopback)
}

/// A link to an executor in this process.
fn link(hooks: &[Hook]) -> Link {
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    let hooks = hooks.to_vec();
    tokio::spawn(async move { serve(theirs, Box::new(move || plan(&hooks))).await });
    Link::new(ours)
}

/// Tells a test what hooks came to.
struct Told(mpsc::UnboundedSender<(String, bool, u32)>);

impl Results for Told {
    fn hook_ended(&self, hook: &Hook, succeeded: bool, tries: u32, _: Duration) {
        self.0.send((hook.name.clone(), succeeded, tries)).unwrap();
    }
}

struct House {
    board: Arc<Board>,
    results: mpsc::UnboundedReceiver<(String, bool, u32)>,
    dispatching: tokio::task::JoinHandle<()>,
}

impl Drop for House {
    fn drop(&mut self) {
        self.dispatching.abort();
    }
}

fn client(builder: impl FnOnce(imds::ConfigBuilder) -> imds::ConfigBuilder) -> Client {
    let files = Arc::new(MemoryFiles::new());
    let config = Config::builder(Environment::default()).files(files).network(Network::Loopback);
    Client::new(builder(config).build().unwrap())
}

impl House {
    async fn with(hooks: Vec<Hook>, client: Client, options: Options) -> Self {
        let link = link(&hooks);
        let plan = link.plan().await.unwrap().plan;
        let store = Arc::new(Store::default());
        let mut metadata = Metadata::new(CloudName::AWS);
        metadata.set(Field::InstanceId, Reading::known(Value::Text("i-0".to_owned()), Source::Mock));
        store.update(|view| view.metadata = Some(Arc::new(metadata)));
        let board = Arc::new(Board::default());
        let (sender, results) = mpsc::unbounded_channel();
        let dispatching = tokio::spawn(dispatch(Dispatch {
            board: Arc::clone(&board),
            store,
            hooks: Arc::new(hooks),
            executor: Some((link, plan)),
            results: Arc::new(Told(sender)),
            client,
            options,
            pace: Pace {
                first_pause: Duration::from_millis(1),
                longest_pause: Duration::from_millis(10),
                ..Pace::default()
            },
        }));
        Self { board, results, dispatching }
    }

    async fn of(hooks: Vec<Hook>) -> Self {
        Self::with(hooks, client(|builder| builder), Options::default()).await
    }

    async fn result(&mut self) -> (String, bool, u32) {
        tokio::time::timeout(PATIENCE, self.results.recv()).await.expect("a hook ends").unwrap()
    }
}

/// A receiver of posts that answers with these statuses, one after the other, and the last one for ever.
struct Receiver {
    url: String,
    posts: Arc<Mutex<Vec<(String, String)>>>,
}

impl Receiver {
    async fn answering(answers: &'static [&'static str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook?x=1", listener.local_addr().unwrap());
        let posts: Arc<Mutex<Vec<(String, String)>>> = Arc::default();
        let kept = Arc::clone(&posts);
        tokio::spawn(async move {
            for turn in 0.. {
                let (mut stream, _) = listener.accept().await.unwrap();
                let post = read_post(&mut stream).await;
                kept.lock().unwrap().push(post);
                let answer = answers.get(turn).or(answers.last()).unwrap();
                let answer = format!("HTTP/1.1 {answer}\r\nContent-Length: 0\r\n\r\n");
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        Self { url, posts }
    }

    fn posts(&self) -> Vec<(String, String)> {
        self.posts.lock().unwrap().clone()
    }
}

async fn read_post(stream: &mut tokio::net::TcpStream) -> (String, String) {
    let mut text = String::new();
    loop {
        let mut piece = [0; 1024];
        let length = stream.read(&mut piece).await.unwrap();
        text.push_str(std::str::from_utf8(piece.get(..length).unwrap()).unwrap());
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let wanted = head
            .lines()
            .find_map(|line| line.to_lowercase().strip_prefix("content-length: ").map(str::to_owned));
        if wanted.and_then(|wanted| wanted.parse().ok()) == Some(body.len()) {
            return (head.to_owned(), body.to_owned());
        }
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (key, value) = line.split_once(": ")?;
        key.eq_ignore_ascii_case(name).then_some(value)
    })
}

#[tokio::test]
async fn a_command_finds_the_event_and_is_tried_until_it_works() {
    let folder = tempfile::tempdir().unwrap();
    // The first two tries fail.
    let script = "echo x >> \"$0/tries\"; [ $(wc -l < \"$0/tries\") -ge 3 ] || exit 1; \
                  cat > \"$0/event.new\"; env > \"$0/env\"; mv \"$0/event.new\" \"$0/event\"";
    let mut house = House::of(vec![hook("drain", shell(script, folder.path()))]).await;
    house.board.observe("/events", vec![event("e-1", State::Scheduled)], SystemTime::now());
    assert_eq!(house.result().await, ("drain".to_owned(), true, 3));
    let notice: Notice =
        serde_json::from_slice(&std::fs::read(folder.path().join("event")).unwrap()).unwrap();
    assert_eq!(
        (notice.event, notice.machine["instance_id"].as_str()),
        (event("e-1", State::Scheduled), "i-0")
    );
    let environment = std::fs::read_to_string(folder.path().join("env")).unwrap();
    for line in [
        "IMDS_EVENT_ID=e-1",
        "IMDS_EVENT_KIND=interruption",
        "IMDS_EVENT_STATE=scheduled",
        "IMDS_EVENT_ACTION=terminate",
    ] {
        assert!(environment.lines().any(|it| it == line), "{environment}");
    }
    assert!(!environment.contains("CARGO"), "nothing of ours is handed on: {environment}");
}

#[tokio::test]
async fn only_hooks_that_are_about_it_hear_of_an_event() {
    let folder = tempfile::tempdir().unwrap();
    let touch = |name: &str| shell("touch \"$0\"", &folder.path().join(name));
    let started = Hook { states: vec![State::Started], ..hook("started", touch("started")) };
    let rebalance = Hook { kinds: vec![Kind::Rebalance], ..hook("rebalance", touch("rebalance")) };
    let mut house = House::of(vec![started, rebalance, hook("all", touch("all"))]).await;
    house.board.observe("/events", vec![event("e-1", State::Scheduled)], SystemTime::now());
    assert_eq!(house.result().await.0, "all");
    house.board.observe("/events", vec![event("e-1", State::Started)], SystemTime::now());
    let mut names = [house.result().await.0, house.result().await.0];
    names.sort();
    assert_eq!(names, ["all", "started"]);
    assert!(!folder.path().join("rebalance").exists());
}

#[tokio::test]
async fn a_webhook_posts_what_it_should_signed_and_again_when_told() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key");
    std::fs::write(&key, "Jefe\n").unwrap();
    let receiver = Receiver::answering(&["503 Busy\r\nRetry-After: 0", "429 Slow down", "204 Fine"]).await;
    let webhook = Webhook {
        headers: vec![("X-Team".to_owned(), "platform".to_owned())],
        secret_file: Some(key),
        ..webhook(&receiver.url)
    };
    let mut house = House::of(vec![hook("post", Action::Webhook(webhook))]).await;
    house.board.observe("/events", vec![event("e-1", State::Scheduled)], SystemTime::now());
    assert_eq!(house.result().await, ("post".to_owned(), true, 3));
    let posts = receiver.posts();
    let (head, body) = posts.last().unwrap();
    assert!(head.starts_with("POST /hook?x=1 HTTP/1.1\r\n"), "{head}");
    assert_eq!(header(head, "X-Imds-Signature"), Some(&*signature::sign(b"Jefe", body.as_bytes())));
    assert_eq!(header(head, "Content-Type"), Some("application/json"));
    assert_eq!(header(head, "X-Team"), Some("platform"));
    assert!(header(head, "User-Agent").unwrap().starts_with("imds/"));
    assert_eq!(serde_json::from_str::<Notice>(body).unwrap().event.id, "e-1");
}

#[tokio::test]
async fn a_webhook_posts_the_user_s_own_text() {
    let folder = tempfile::tempdir().unwrap();
    let template = folder.path().join("chat.json");
    std::fs::write(&template, r#"{"text": "${event:action} of ${machine:instance_id}"}"#).unwrap();
    let receiver = Receiver::answering(&["200 OK"]).await;
    let webhook = Webhook { template: Some(template), ..webhook(&receiver.url) };
    let mut house = House::of(vec![hook("chat", Action::Webhook(webhook))]).await;
    house.board.observe("/events", vec![event("e-1", State::Scheduled)], SystemTime::now());
    assert!(house.result().await.1);
    assert_eq!(receiver.posts()[0].1, r#"{"text":"terminate of i-0"}"#);
}

#[tokio::test]
async fn a_refusal_and_a_redirect_are_not_tried_again() {
    for answer in [&["403 No"][..], &["302 Found\r\nLocation: http://127.0.0.1:1/"][..]] {
        let receiver = Receiver::answering(answer).await;
        let mut house = House::of(vec![hook("post", Action::Webhook(webhook(&receiver.url)))]).await;
        house.board.observe("/events", vec![event("e-1", State::Scheduled)], SystemTime::now());
        assert_eq!(house.result().await, ("post".to_owned(), false, 1), "{answer:?}");
        assert_eq!(receiver.posts().len(), 1);
    }
}

#[tokio::test]
async fn nobody_is_tried_beyond_the_time() {
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let short = Hook {
        retry_for: Duration::from_millis(40),
        ..hook("gone", Action::Webhook(webhook(&format!("http://{gone}/"))))
    };
    let mut house = House::of(vec![short]).await;
    house.board.observe("/events", vec![event("e-1", State::Scheduled)], SystemTime::now());
    let (name, succeeded, tries) = house.result().await;
    assert!(name == "gone" && !succeeded && tries > 1, "{tries}");
}

/// What is coming can be heard only after something else was.
const LATE: &str = "[ $IMDS_EVENT_STATE != scheduled ] || [ -e \"$0/late\" ] || { touch \"$0/failed\"; exit 1; }; \
                    echo $IMDS_EVENT_STATE >> \"$0/heard\"; touch \"$0/late\"";

async fn comes_to_be(path: &Path) {
    let waited = async {
        while !path.exists() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waited).await.expect("it comes to be");
}

#[tokio::test]
async fn nobody_is_told_what_is_coming_once_more_is_known() {
    for later in [vec![], vec![event("e-1", State::Started)]] {
        let folder = tempfile::tempdir().unwrap();
        let mut house = House::of(vec![hook("drain", shell(LATE, folder.path()))]).await;
        house.board.observe("/events", vec![event("e-1", State::Scheduled)], SystemTime::now());
        comes_to_be(&folder.path().join("failed")).await;
        let heard = if later.is_empty() { "cleared\n" } else { "started\n" };
        house.board.observe("/events", later, SystemTime::now());
        let mut worked = [house.result().await.1, house.result().await.1];
        worked.sort_unstable();
        assert_eq!(worked, [false, true]);
        assert_eq!(std::fs::read_to_string(folder.path().join("heard")).unwrap(), heard);
    }
}

#[tokio::test]
async fn whoever_hears_only_what_is_coming_is_told_until_it_is_over() {
    let folder = tempfile::tempdir().unwrap();
    let drain = Hook { states: vec![State::Scheduled], ..hook("drain", shell(LATE, folder.path())) };
    let mut house = House::of(vec![drain]).await;
    house.board.observe("/events", vec![event("e-1", State::Scheduled)], SystemTime::now());
    comes_to_be(&folder.path().join("failed")).await;
    house.board.observe("/events", vec![event("e-1", State::Started)], SystemTime::now());
    std::fs::write(folder.path().join("late"), "").unwrap();
    assert!(house.result().await.1);
    assert_eq!(std::fs::read_to_string(folder.path().join("heard")).unwrap(), "scheduled\n");
}

#[tokio::test]
async fn azure_is_told_again_after_an_outage() {
    let fake = Fake::start(Scenario::parse("azure:vmss-uniform-spot").unwrap()).await.unwrap();
    // More than one request of the client makes of itself.
    fake.inject("503:/metadata/scheduledevents:9".parse().unwrap());
    let client = client(|builder| builder.endpoint(&fake.url(), "--endpoint").cloud("azure", "--cloud"));
    let options = Options { acknowledge: true, ..Options::default() };
    let house = House::with(Vec::new(), client, options).await;
    let ours = Event {
        id: "4D7E0B51-2C1A-4A5B-9B7E-0F6C1D2E3A4B".to_owned(),
        cloud: CloudName::AZURE,
        source: "/metadata/scheduledevents?api-version=2020-07-01".to_owned(),
        acknowledgeable: true,
        not_before: Some(SystemTime::now() + PATIENCE),
        ..event("", State::Scheduled)
    };
    house.board.observe(&ours.source, vec![ours.clone()], SystemTime::now());
    let posts = || fake.requests().iter().filter(|request| request.method() == "POST").count();
    tokio::time::timeout(PATIENCE, async {
        while posts() < 10 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await
    .expect("it is acknowledged when the service is back");
}

#[tokio::test]
async fn azure_hears_that_the_machine_is_ready_only_after_every_hook_has_worked() {
    let folder = tempfile::tempdir().unwrap();
    for (works, expected) in [(false, 0), (true, 1)] {
        let fake = Fake::start(Scenario::parse("azure:vmss-uniform-spot").unwrap()).await.unwrap();
        let client = client(|builder| builder.endpoint(&fake.url(), "--endpoint").cloud("azure", "--cloud"));
        let options = Options { acknowledge: true, ..Options::default() };
        let fine = hook("fine", shell("exit 0", folder.path()));
        let other = Hook {
            retry_for: Duration::ZERO,
            ..hook("other", shell(if works { "exit 0" } else { "exit 1" }, folder.path()))
        };
        let mut house = House::with(vec![fine, other], client, options).await;
        let ours = Event {
            id: "4D7E0B51-2C1A-4A5B-9B7E-0F6C1D2E3A4B".to_owned(),
            cloud: CloudName::AZURE,
            source: "/metadata/scheduledevents?api-version=2020-07-01".to_owned(),
            acknowledgeable: true,
            ..event("", State::Scheduled)
        };
        house.board.observe(&ours.source, vec![ours.clone()], SystemTime::now());
        let mut worked = [house.result().await, house.result().await].map(|(name, worked, _)| (name, worked));
        worked.sort();
        assert_eq!(worked, [("fine".to_owned(), true), ("other".to_owned(), works)]);
        // What follows the hooks is done when the next event's hooks are.
        let next = Event { id: "next".to_owned(), acknowledgeable: false, ..ours.clone() };
        let posts = || fake.requests().iter().filter(|request| request.method() == "POST").count();
        if expected == 1 {
            tokio::time::timeout(PATIENCE, async {
                while posts() == 0 {
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
            })
            .await
            .expect("it is acknowledged");
        } else {
            house.board.observe(&ours.source, vec![ours.clone(), next], SystemTime::now());
            house.result().await;
        }
        assert_eq!(posts(), expected);
    }
}

#[tokio::test]
async fn the_executor_does_what_the_configuration_fixed_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let started =
        Hook { states: vec![State::Started], ..hook("x", shell("touch \"$0\"", &folder.path().join("ran"))) };
    let here = link(std::slice::from_ref(&started));
    let notice = Notice::new(event("e-1", State::Started), None);
    let summary = here.plan().await.unwrap();
    assert_eq!((summary.hooks, summary.files), (1, 0));
    let refused = |tried: Result<Tried, LinkError>| match tried {
        Err(LinkError::Refused(why)) => why,
        other => format!("not refused: {other:?}"),
    };
    assert!(refused(here.hook(summary.plan, 1, &notice).await).contains("no hook 1"));
    let scheduled = Notice::new(event("e-1", State::Scheduled), None);
    assert!(refused(here.hook(summary.plan, 0, &scheduled).await).contains("isn't about this"));
    let other = link(&[hook("y", shell("exit 0", folder.path()))]).plan().await.unwrap();
    assert!(refused(here.hook(other.plan, 0, &notice).await).contains("another configuration"));
    let values = Values {
        metadata: serde_json::Map::new(),
        paths: [("/x".to_owned(), PathValue::Value("y".to_owned()))].into(),
    };
    let foreign = here.files(other.plan, values.clone(), Debts::default()).await.unwrap_err();
    assert!(foreign.to_string().contains("another configuration"), "{foreign}");
    assert!(
        here.files(summary.plan, values, Debts::default())
            .await
            .unwrap_err()
            .to_string()
            .contains("no metadata document")
    );
    assert!(!folder.path().join("ran").exists());
    assert_eq!(here.hook(summary.plan, 0, &notice).await, Ok(Tried::Done));
    assert!(folder.path().join("ran").exists());
}

#[tokio::test]
async fn a_mistake_in_a_configuration_that_is_read_again_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let template = folder.path().join("t.json");
    std::fs::write(&template, "{}").unwrap();
    let webhook = Webhook { template: Some(template.clone()), ..webhook("http://127.0.0.1:1/") };
    let here = link(&[hook("post", Action::Webhook(webhook))]);
    let before = here.plan().await.unwrap();
    assert_eq!(here.reload().await.unwrap().plan, before.plan);
    std::fs::write(&template, "{").unwrap();
    let Err(LinkError::Invalid(wrong)) = here.reload().await else { unreachable!("it is refused") };
    assert!(wrong[0].starts_with("post: ") && wrong[0].contains("isn't JSON"), "{wrong:?}");
    assert_eq!(here.plan().await.unwrap().plan, before.plan);
    std::fs::write(&template, "[]").unwrap();
    assert_ne!(here.reload().await.unwrap().plan, before.plan);
}

#[tokio::test]
async fn the_worker_hears_when_the_executor_is_gone() {
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    let here = Link::new(ours);
    drop(theirs);
    tokio::time::timeout(PATIENCE, here.gone()).await.unwrap();
    assert_eq!(here.plan().await, Err(LinkError::Gone));
}

#[cfg(feature = "tls")]
#[tokio::test]
async fn over_tls_only_who_can_prove_to_be_it_is_posted_to() {
    use tokio_rustls::rustls::crypto::ring;
    use tokio_rustls::rustls::pki_types::PrivateKeyDer;
    use tokio_rustls::rustls::{ServerConfig, pki_types::PrivatePkcs8KeyDer};

    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let roots = folder.path().join("roots.pem");
    std::fs::write(&roots, made.cert.pem()).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let server = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(server));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}/", listener.local_addr().unwrap().port());
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut piece = [0; 4096];
            if stream.read(&mut piece).await.is_ok() {
                let _ = stream.write_all(b"HTTP/1.1 204 Fine\r\nContent-Length: 0\r\n\r\n").await;
            }
        }
    });
    let trusting = Webhook { root_certificates: Some(roots), ..webhook(&url) };
    let mut house = House::of(vec![hook("tls", Action::Webhook(trusting))]).await;
    house.board.observe("/events", vec![event("e-1", State::Scheduled)], SystemTime::now());
    assert_eq!(house.result().await, ("tls".to_owned(), true, 1));
    let mut house = House::of(vec![hook("tls", Action::Webhook(webhook(&url)))]).await;
    house.board.observe("/events", vec![event("e-1", State::Scheduled)], SystemTime::now());
    assert_eq!(house.result().await, ("tls".to_owned(), false, 1));
}
