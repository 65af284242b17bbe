//! Events from the services themselves: the fakes tell of them, and the board hears.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::time::Duration;

use imds::machine::{Environment, MemoryFiles};
use imds::{Client, CloudName, Config, Field, Metadata, Network, Reading, Source, Value};
use imds_agent::events::acknowledge::acknowledge;
use imds_agent::events::read::{Place, Reader};
use imds_agent::events::{Action, Board, Event, Kind, Options, Pace, Snapshot, State, Watch, time, watch};
use imds_agent::store::Store;
use imds_fake::{Fake, Scenario};
use tokio::task::JoinHandle;

/// Long enough for a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(60);

fn quick() -> Options {
    let pace = Pace {
        every: Some(Duration::from_millis(5)),
        wait: Duration::from_secs(30),
        least: Duration::from_millis(1),
        absent: Duration::from_millis(5),
        first_pause: Duration::from_millis(1),
        longest_pause: Duration::from_millis(10),
        ..Pace::default()
    };
    Options { pace, ..Options::default() }
}

/// A fake, and an agent's part that watches it.
struct House {
    fake: Fake,
    client: Client,
    board: Arc<Board>,
    watching: JoinHandle<()>,
}

impl Drop for House {
    fn drop(&mut self) {
        self.watching.abort();
    }
}

impl House {
    async fn of(scenario: &str, name: Option<&str>, options: Options) -> Self {
        let fake = Fake::start(Scenario::parse(scenario).unwrap()).await.unwrap();
        let config = Config::builder(Environment::default())
            .files(Arc::new(MemoryFiles::new()))
            .network(Network::Loopback)
            .endpoint(&fake.url(), "--endpoint")
            .cloud(fake.cloud().name(), "--cloud")
            .build()
            .unwrap();
        let client = Client::new(config);
        let store = Arc::new(Store::default());
        let mut metadata = Metadata::new(CloudName::new(fake.cloud().name()).unwrap());
        if let Some(name) = name {
            metadata.set(Field::InstanceName, Reading::known(Value::Text(name.to_owned()), Source::Mock));
        }
        store.update(|view| view.metadata = Some(Arc::new(metadata)));
        let board = Arc::new(Board::default());
        let watching =
            tokio::spawn(watch(Watch { client: client.clone(), store, board: Arc::clone(&board), options }));
        Self { fake, client, board, watching }
    }

    /// The first snapshot of which this holds.
    async fn until(&self, holds: impl Fn(&Snapshot) -> bool) -> Arc<Snapshot> {
        let mut snapshots = self.board.snapshots();
        let found = tokio::time::timeout(PATIENCE, snapshots.wait_for(|snapshot| holds(snapshot))).await;
        let found = found.unwrap_or_else(|_| unreachable_state(&self.board));
        Arc::clone(&found.unwrap())
    }

    fn asked(&self, path: &str) -> usize {
        self.fake.requests().iter().filter(|request| request.path_only() == path).count()
    }
}

#[expect(clippy::panic, reason = "a test fails by panicking")]
fn unreachable_state<T>(board: &Board) -> T {
    panic!("it doesn't come to this; what is known: {:#?}", board.snapshot())
}

fn all_answered(snapshot: &Snapshot) -> bool {
    !snapshot.sources.is_empty() && snapshot.sources.iter().all(|source| source.last_answer.is_some())
}

fn find(snapshot: &Snapshot, kind: Kind) -> Event {
    snapshot.events.iter().find(|event| event.kind == kind).expect("there is such an event").clone()
}

#[tokio::test]
async fn aws_tells_of_everything_at_once_and_of_its_end() {
    let house = House::of("aws:spot-notice", None, quick()).await;
    let snapshot = house.until(all_answered).await;
    let spot = find(&snapshot, Kind::Interruption);
    assert_eq!((spot.action, spot.state), (Some(Action::Terminate), State::Scheduled));
    assert_eq!(spot.deadline.map(time::text).as_deref(), Some("2031-05-06T07:08:09Z"));
    let reboot = find(&snapshot, Kind::Maintenance);
    assert_eq!(
        (reboot.id.as_str(), reboot.action),
        ("instance-event-0a1b2c3d4e5f60718", Some(Action::Reboot))
    );
    assert_eq!(find(&snapshot, Kind::Scaling).action, Some(Action::Terminate));
    assert_eq!(find(&snapshot, Kind::Rebalance).state, State::Scheduled);
    assert_eq!(snapshot.events.len(), 4);

    let mut changes = house.board.changes();
    house.fake.remove("meta-data/spot/instance-action").unwrap();
    let ended = tokio::time::timeout(PATIENCE, changes.recv()).await.unwrap().unwrap();
    assert_eq!((ended.id, ended.state), (spot.id, State::Cancelled), "its time hadn't come");
    assert_eq!(house.board.snapshot().events.len(), 3);
}

#[tokio::test]
async fn where_nothing_happens_nothing_is_told_and_tokens_are_used() {
    let house = House::of("aws:imdsv2-required", None, quick()).await;
    let snapshot = house.until(all_answered).await;
    assert_eq!(snapshot.events, []);
    assert!(snapshot.sources.iter().all(|source| source.last_error.is_none()), "{snapshot:#?}");
    assert_eq!(house.asked("/latest/api/token"), 1);
}

#[tokio::test]
async fn only_paths_of_wanted_kinds_are_asked() {
    let options = Options { kinds: vec![Kind::Interruption], ..quick() };
    let house = House::of("aws:spot-notice", None, options).await;
    let snapshot = house.until(all_answered).await;
    assert_eq!(snapshot.sources.len(), 1);
    assert_eq!(snapshot.events.len(), 1);
    assert_eq!(house.asked("/latest/meta-data/events/maintenance/scheduled"), 0);
}

#[tokio::test]
async fn azure_is_asked_only_once_the_machine_has_a_name_and_tells_of_its_own_events() {
    let house = House::of("azure:vmss-uniform-spot", Some("WEB-vmss_3"), quick()).await;
    let snapshot = house.until(all_answered).await;
    assert_eq!(find(&snapshot, Kind::Interruption).resources, ["web-vmss_3"]);
    let freeze = find(&snapshot, Kind::Maintenance);
    assert_eq!((freeze.state, freeze.duration), (State::Started, Some(Duration::from_secs(9))));

    let other = House::of("azure:vmss-uniform-spot", Some("web-vmss_7"), quick()).await;
    assert_eq!(other.until(all_answered).await.events, []);

    let nameless = House::of("azure:vmss-uniform-spot", None, quick()).await;
    nameless.until(|snapshot| !snapshot.sources.is_empty()).await;
    tokio::task::yield_now().await;
    assert_eq!(nameless.fake.requests().len(), 0, "being asked switches the feature on");
}

#[tokio::test]
async fn azure_s_events_are_acknowledged_only_when_wanted_and_only_this_machine_s() {
    let house = House::of("azure:vmss-uniform-spot", Some("web-vmss_3"), quick()).await;
    let snapshot = house.until(all_answered).await;
    let (ours, shared) = (find(&snapshot, Kind::Interruption), find(&snapshot, Kind::Maintenance));
    let wanted = Options { acknowledge: true, ..quick() };
    let posts =
        |house: &House| house.fake.requests().iter().filter(|request| request.method() == "POST").count();

    assert!(!acknowledge(&house.client, &house.board, &quick(), &ours).await.unwrap());
    assert!(!acknowledge(&house.client, &house.board, &wanted, &shared).await.unwrap());
    // Somebody claims that it is this machine's alone: what the service told counts.
    let forged = Event { acknowledgeable: true, resources: Vec::new(), state: State::Scheduled, ..shared };
    assert!(!acknowledge(&house.client, &house.board, &wanted, &forged).await.unwrap());
    let unknown = Event { id: "0".to_owned(), ..ours.clone() };
    assert!(!acknowledge(&house.client, &house.board, &wanted, &unknown).await.unwrap());
    assert_eq!(posts(&house), 0);

    assert!(acknowledge(&house.client, &house.board, &wanted, &ours).await.unwrap());
    assert_eq!(posts(&house), 1);
    let begun = house.until(|snapshot| find(snapshot, Kind::Interruption).state == State::Started).await;
    assert!(!find(&begun, Kind::Interruption).acknowledgeable);
    assert!(!acknowledge(&house.client, &house.board, &wanted, &ours).await.unwrap(), "it has begun");
}

#[tokio::test]
async fn google_is_waited_for_and_heard_at_once() {
    let options = Options { pace: Pace { every: None, ..quick().pace }, ..quick() };
    let house = House::of("gcp:spot-regional-group", None, options).await;
    let preempted = "/computeMetadata/v1/instance/preempted";
    house
        .until(|snapshot| snapshot.sources.iter().any(|it| it.path == preempted && it.last_answer.is_some()))
        .await;
    house.fake.set("instance/preempted", "TRUE").unwrap();
    let snapshot = house.until(|snapshot| !snapshot.events.is_empty()).await;
    assert_eq!((snapshot.events[0].kind, snapshot.events[0].state), (Kind::Interruption, State::Started));
    house.fake.set("instance/maintenance-event", "MIGRATE_ON_HOST_MAINTENANCE").unwrap();
    let snapshot = house.until(|snapshot| snapshot.events.len() == 2).await;
    assert_eq!(find(&snapshot, Kind::Maintenance).action, Some(Action::Migrate));
    house.fake.set("instance/maintenance-event", "NONE").unwrap();
    house.until(|snapshot| snapshot.events.len() == 1).await;
    let asked: Vec<String> = house
        .fake
        .requests()
        .iter()
        .filter(|it| it.path_only() == preempted)
        .map(|it| it.path().to_owned())
        .collect();
    assert!(asked[0].contains("last_etag=NONE") && asked[0].contains("timeout_sec=30"), "{asked:?}");
    assert!(asked.iter().skip(1).all(|query| !query.contains("NONE")), "{asked:?}");
    assert!(asked.len() <= 4, "a request that waits isn't repeated without need: {asked:?}");
}

#[tokio::test]
async fn yandex_tells_of_maintenance_as_google_does() {
    let house = House::of("yandex:maintenance", None, quick()).await;
    let snapshot = house.until(|snapshot| !snapshot.events.is_empty()).await;
    assert_eq!(
        (snapshot.events[0].kind, snapshot.events[0].action),
        (Kind::Maintenance, Some(Action::Migrate))
    );
    assert_eq!(snapshot.events[0].cloud.as_str(), "yandex");
}

#[tokio::test]
async fn what_alibaba_and_tencent_answer_is_read() {
    for (scenario, path, expected) in [
        ("alibaba:spot-notice", "/latest/meta-data/instance/spot/termination-time", "2031-04-07T17:03:00Z"),
        ("tencent:spot-notice", "/latest/meta-data/spot/termination-time", "2031-08-18T04:05:33Z"),
    ] {
        let fake = Fake::start(Scenario::parse(scenario).unwrap()).await.unwrap();
        let cloud = CloudName::new(fake.cloud().name()).unwrap();
        let body = plain_get(&fake, path).await;
        let place = Place { cloud: &cloud, path, own_name: None };
        let events = Reader::of(&cloud, path).unwrap().read(&place, body.as_bytes()).unwrap();
        assert_eq!((events[0].kind, events[0].action), (Kind::Interruption, Some(Action::Terminate)));
        assert_eq!(events[0].not_before.map(time::text).as_deref(), Some(expected), "{scenario}");
    }
}

async fn plain_get(fake: &Fake, path: &str) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut stream = tokio::net::TcpStream::connect(fake.addr()).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", fake.addr());
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains(" 200 "), "{head}");
    body.to_owned()
}

#[tokio::test]
async fn a_service_that_fails_is_asked_again_and_says_so_and_ends_nothing() {
    let house = House::of("aws:spot-notice", None, quick()).await;
    house.until(all_answered).await;
    let path = "/latest/meta-data/spot/instance-action";
    house.fake.inject("403:/latest/meta-data/spot:3".parse().unwrap());
    let failing = |snapshot: &Snapshot| snapshot.sources.iter().any(|it| it.path == path && it.failures > 0);
    let snapshot = house.until(failing).await;
    assert_eq!(snapshot.events.len(), 4, "an error is no end");
    let source = snapshot.sources.iter().find(|it| it.path == path).unwrap();
    assert!(source.last_error.is_some());
    house.until(|snapshot| !failing(snapshot)).await;
}

#[tokio::test]
async fn nonsense_is_an_error_and_ends_nothing() {
    let house = House::of("aws:spot-notice", None, quick()).await;
    house.until(all_answered).await;
    house.fake.set("meta-data/spot/instance-action", "<html>maintenance</html>").unwrap();
    let path = "/latest/meta-data/spot/instance-action";
    let snapshot = house.until(|it| it.sources.iter().any(|it| it.path == path && it.failures > 0)).await;
    assert_eq!(snapshot.events.len(), 4);
}

#[tokio::test]
async fn nothing_but_a_path_of_events_is_ever_told_anything() {
    let house = House::of("azure:vmss-uniform-spot", Some("web-vmss_3"), quick()).await;
    let told =
        house.client.tell_event(&CloudName::AZURE, "/metadata/instance", "{}", Duration::from_secs(5)).await;
    assert_eq!(told.unwrap_err().kind(), imds::ErrorKind::Usage);
}
