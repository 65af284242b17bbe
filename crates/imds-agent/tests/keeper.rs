//! The keeper on real HTTP: whatever the service does, the store says what is true, and never less than it knew.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use imds::machine::{Environment, MemoryFiles};
use imds::{ConfigBuilder, ErrorKind, Field, Metadata, Network, Outcome, Reading, RefreshPolicy};
use imds_agent::clock::{Clock, Moment};
use imds_agent::config::Config;
use imds_agent::store::View;
use imds_agent::worker::{Settings, Worker};
use imds_agent::{keeper, state};
use imds_fake::{Fake, Scenario};

/// Longer than any test takes that doesn't fail.
const PATIENCE: Duration = Duration::from_secs(20);
const ID: &str = "i-0fedcba9876543210";

fn scenario(spec: &str) -> Scenario {
    Scenario::parse(spec).unwrap()
}

async fn fake(spec: &str) -> Fake {
    Fake::start(scenario(spec)).await.unwrap()
}

/// A machine with its own identity, and with the firmware of a scenario if one is given.
fn machine(uuid: &str, boot: &str, firmware: Option<&str>) -> MemoryFiles {
    let files = MemoryFiles::new()
        .with("/sys/class/dmi/id/product_uuid", format!("{uuid}\n"))
        .with("/proc/sys/kernel/random/boot_id", format!("{boot}\n"));
    let Some(spec) = firmware else { return files };
    scenario(spec).firmware().iter().fold(files, |files, (name, content)| {
        files.with(&format!("/sys/class/dmi/id/{name}"), format!("{content}\n"))
    })
}

const UUID: &str = "ec2e1916-9099-7caf-fd21-012345abcdef";

fn client(files: MemoryFiles, address: SocketAddr) -> ConfigBuilder {
    imds::Config::builder(Environment::default())
        .files(Arc::new(files))
        .network(Network::Loopback)
        .endpoint(&format!("http://{address}"), "--endpoint")
        .timeout(Duration::from_millis(500))
        .probe_timeout(Duration::from_millis(200))
}

/// What would be seconds and minutes are milliseconds here: the pauses are a pure function of the settings, tested there.
fn settings(client: ConfigBuilder, state: Option<&Path>) -> Settings {
    let mut config = Config::default();
    config.agent.state = state.map(Path::to_owned);
    config.refresh = RefreshPolicy::every(Duration::from_millis(40));
    config.refresh.first_retry = Duration::from_millis(5);
    Settings::new(config, client.build().unwrap())
}

/// A worker that keeps, and writes its state where it has one.
fn start(settings: Settings) -> Worker {
    start_with(settings, Arc::new(Moment::now))
}

fn start_with(settings: Settings, clock: Clock) -> Worker {
    let mut worker = Worker::with_clock(settings, clock);
    worker.spawn("keeper", keeper::keep(worker.context()));
    worker.spawn("state", state::follow(worker.context()));
    worker
}

/// The first view that is so.
async fn until(worker: &Worker, so: impl Fn(&View) -> bool) -> Arc<View> {
    let store = worker.context().store;
    let mut revisions = store.revisions();
    let wait = async {
        loop {
            let view = store.view();
            if so(&view) {
                return view;
            }
            revisions.changed().await.unwrap();
        }
    };
    match tokio::time::timeout(PATIENCE, wait).await {
        Ok(view) => view,
        Err(_) => panic!("it never came to that: {:?}", store.view()),
    }
}

fn id(view: &View) -> Option<String> {
    view.metadata.as_ref()?.text(Field::InstanceId).map(str::to_owned)
}

fn is_well(view: &View) -> bool {
    view.metadata.is_some() && view.status.last_error.is_none()
}

/// An address of loopback where nobody listens, for as long as nobody binds it.
async fn silent_address() -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap()
}

#[tokio::test]
async fn a_service_that_comes_up_late_is_found_and_the_start_does_not_wait_for_it() {
    let address = silent_address().await;
    let started = Instant::now();
    let worker = start(settings(client(machine(UUID, "b", None), address), None));
    assert!(started.elapsed() < Duration::from_millis(500), "{:?}", started.elapsed());
    let early = until(&worker, |view| view.status.failures >= 3).await;
    assert_eq!(early.verdict.as_ref().unwrap().outcome, Outcome::Unknown);
    assert_eq!(early.status.last_error.as_ref().unwrap().kind(), ErrorKind::Unknown);
    assert!(early.metadata.is_none() && early.status.last_success.is_none());
    assert!(early.status.next_try > early.status.last_try, "it says when it will ask again");
    let fake = Fake::bind(scenario("aws"), address).await.unwrap();
    let view = until(&worker, is_well).await;
    assert_eq!(id(&view).as_deref(), Some(ID));
    assert_eq!(view.verdict.as_ref().unwrap().outcome.to_string(), "aws");
    assert_eq!(view.status.failures, 0);
    assert!(view.status.last_success.is_some() && !view.metadata.as_ref().unwrap().is_stale());
    drop(fake);
    assert!(worker.stop(PATIENCE).await.is_empty());
}

#[tokio::test]
async fn a_service_that_dies_loses_no_value_and_its_return_is_noticed() {
    let fake = fake("azure:vmss-uniform-spot").await;
    let files = machine(UUID, "b", Some("azure:vmss-uniform-spot"));
    let worker = start(settings(client(files, fake.addr()), None));
    let before = until(&worker, is_well).await;
    let known = before.metadata.clone().unwrap();
    for fault in ["reset", "503", "bad-json", "403", "empty"] {
        fake.inject(fault.parse().unwrap());
        // The second failure in a row was asked for after the fault was there.
        let down = until(&worker, |view| view.status.failures >= 2).await;
        let stale = down.metadata.clone().unwrap();
        assert!(stale.is_stale() && down.status.last_error.is_some(), "{fault}");
        for (field, reading) in known.readings() {
            assert_eq!(stale.reading(field).and_then(Reading::value), reading.value(), "{fault}: {field}");
        }
        assert_eq!(before.verdict.as_ref().unwrap().outcome, down.verdict.as_ref().unwrap().outcome);
        fake.clear_faults();
        let well = until(&worker, is_well).await;
        assert!(!well.metadata.as_ref().unwrap().is_stale(), "{fault}");
    }
    assert!(worker.stop(PATIENCE).await.is_empty());
}

#[tokio::test]
async fn what_firmware_knows_is_told_while_the_service_does_not_answer() {
    let address = silent_address().await;
    let worker = start(settings(client(machine(UUID, "b", Some("aws")), address), None));
    let view = until(&worker, |view| view.status.failures > 0).await;
    assert_eq!(view.verdict.as_ref().unwrap().outcome.to_string(), "aws");
    let metadata = view.metadata.as_ref().unwrap();
    assert_eq!(metadata.text(Field::InstanceId), Some(ID));
    assert!(metadata.reading(Field::InstanceId).unwrap().error().is_some(), "and it is called doubtful");
    assert!(metadata.value(Field::Region).is_err_and(|error| !error.is_absent()));
    assert!(!view.status.from_state && view.status.last_success.is_none());
    assert!(worker.stop(PATIENCE).await.is_empty());
}

#[tokio::test]
async fn off_cloud_it_says_so_and_sends_nothing() {
    let fake = fake("aws").await;
    let client = client(machine(UUID, "b", None), fake.addr()).cloud("none", "--cloud");
    let worker = start(settings(client, None));
    let view = until(&worker, |view| view.status.failures >= 3).await;
    assert_eq!(view.verdict.as_ref().unwrap().outcome, Outcome::None);
    assert_eq!(view.status.last_error.as_ref().unwrap().kind(), ErrorKind::NoCloud);
    assert!(view.metadata.is_none() && fake.requests().is_empty());
    assert!(worker.stop(PATIENCE).await.is_empty());
}

/// Runs until the state is on disk, and gives what was known.
async fn leave_state(state: &Path, files: MemoryFiles, fake: &Fake) -> Arc<Metadata> {
    let worker = start(settings(client(files, fake.addr()), Some(state)));
    let view = until(&worker, is_well).await;
    assert!(worker.stop(PATIENCE).await.is_empty());
    view.metadata.clone().unwrap()
}

#[tokio::test]
async fn a_restart_without_the_service_knows_what_was_known_and_calls_it_old() {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path().join("state.json");
    let fake = fake("aws").await;
    let files = || machine(UUID, "b", Some("aws"));
    let known = leave_state(&state, files(), &fake).await;
    fake.inject("reset".parse().unwrap());
    let worker = start(settings(client(files(), fake.addr()), Some(&state)));
    let at_once = worker.context().store.view();
    assert!(at_once.status.from_state && at_once.verdict.is_none(), "known before anybody was asked");
    let unasked = at_once.metadata.as_ref().unwrap().value(Field::Lifecycle);
    assert!(
        unasked.is_ok() || unasked.is_err_and(|error| !error.is_absent()),
        "nobody has said that there is none"
    );
    for view in [at_once, until(&worker, |view| view.status.failures >= 2).await] {
        let kept = view.metadata.as_ref().unwrap();
        assert!(kept.is_stale() && view.status.from_state);
        for (field, reading) in known.readings().filter(|(_, reading)| reading.value().is_some()) {
            let Some(Reading::Known { value, read_at, trouble, .. }) = kept.reading(field) else {
                panic!("{field} was lost")
            };
            let Reading::Known { read_at: first, .. } = reading else { panic!("known") };
            assert_eq!(Some(value), reading.value(), "{field}");
            // These two are the verdict's to say, which needs no service.
            if !matches!(field, Field::Cloud | Field::Platform) {
                assert_eq!(read_at, first, "{field}");
                assert!(trouble.is_some(), "{field} is taken for fresh");
            }
        }
    }
    fake.clear_faults();
    let view = until(&worker, is_well).await;
    assert!(!view.status.from_state && !view.metadata.as_ref().unwrap().is_stale());
    assert!(worker.stop(PATIENCE).await.is_empty());
}

#[tokio::test]
async fn a_new_boot_keeps_the_ids_and_another_machine_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path().join("state.json");
    let fake = fake("gcp").await;
    let known = leave_state(&state, machine(UUID, "b", None), &fake).await;
    let restored = |uuid, boot| {
        let worker = Worker::new(settings(client(machine(uuid, boot, None), fake.addr()), Some(&state)));
        worker.context().store.view().metadata.clone()
    };
    let next = restored(UUID, "c").unwrap();
    let left: Vec<Field> = Field::ALL.iter().copied().filter(|field| next.value(*field).is_ok()).collect();
    assert_eq!(left, state::KEPT_OVER_BOOTS);
    assert_eq!(next.text(Field::InstanceId), known.text(Field::InstanceId));
    assert!(restored("ec2e1916-9099-7caf-fd21-012345abcde0", "b").is_none(), "a cloned image");
    assert!(restored("00000000-0000-0000-0000-000000000000", "c").is_none(), "nobody in particular");
}

#[tokio::test]
async fn another_instance_behind_the_same_firmware_gets_none_of_the_old_values() {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path().join("state.json");
    let fake = fake("aws").await;
    leave_state(&state, machine(UUID, "b", None), &fake).await;
    fake.set("meta-data/instance-id", "i-00000000000000002").unwrap();
    // The tags of the new instance can't be read: those of the old one mustn't stand in.
    fake.inject("403:/latest/meta-data/tags".parse().unwrap());
    let worker = start(settings(client(machine(UUID, "b", None), fake.addr()), Some(&state)));
    assert!(worker.context().store.view().metadata.as_ref().unwrap().tags().is_some());
    let view = until(&worker, |view| view.status.last_success.is_some()).await;
    assert_eq!(id(&view).as_deref(), Some("i-00000000000000002"));
    assert!(view.metadata.as_ref().unwrap().tags().is_none());
    assert!(worker.stop(PATIENCE).await.is_empty());
}

#[tokio::test]
async fn another_cloud_gets_none_of_the_old_values_and_their_file_goes() {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path().join("state.json");
    let fake = fake("aws").await;
    leave_state(&state, machine(UUID, "b", None), &fake).await;
    assert!(state.exists());
    let client = client(machine(UUID, "b", None), fake.addr()).cloud("none", "--cloud");
    let worker = start(settings(client, Some(&state)));
    let view = until(&worker, |view| view.status.failures > 0).await;
    assert!(view.metadata.is_none() && !view.status.from_state);
    assert!(worker.stop(PATIENCE).await.is_empty());
    assert!(!state.exists());
}

#[tokio::test]
async fn a_state_that_cannot_be_used_or_written_stops_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let broken = directory.path().join("state.json");
    std::fs::write(&broken, "{").unwrap();
    let fake = fake("digitalocean").await;
    for path in [&broken, Path::new("/dev/full"), Path::new("/proc/imds/state.json"), directory.path()] {
        let worker = start(settings(client(machine(UUID, "b", None), fake.addr()), Some(path)));
        assert!(worker.context().store.view().metadata.is_none(), "{}", path.display());
        until(&worker, is_well).await;
        assert!(worker.stop(PATIENCE).await.is_empty(), "{}", path.display());
    }
    let worker = Worker::new(settings(client(machine(UUID, "b", None), fake.addr()), Some(&broken)));
    assert!(worker.context().store.view().metadata.is_some(), "the broken one was replaced");
}

#[tokio::test]
async fn new_settings_take_the_place_of_the_old_and_another_endpoint_is_another_machine() {
    let (first, second) = (fake("aws").await, fake("gcp").await);
    let files = || machine(UUID, "b", None);
    let worker = start(settings(client(files(), first.addr()), None));
    assert_eq!(id(&*until(&worker, is_well).await).as_deref(), Some(ID));
    second.inject("reset".parse().unwrap());
    worker.change(settings(client(files(), second.addr()), None));
    let view = until(&worker, |view| view.metadata.is_none() && view.status.failures > 0).await;
    assert_ne!(view.verdict.as_ref().unwrap().outcome.to_string(), "aws", "what was known was of the other");
    second.clear_faults();
    let view = until(&worker, is_well).await;
    assert_eq!(view.verdict.as_ref().unwrap().outcome.to_string(), "gcp");
    assert!(worker.stop(PATIENCE).await.is_empty());
}

#[tokio::test]
async fn a_clock_that_is_set_makes_nothing_older_or_younger() {
    /// A clock that a test can set.
    #[derive(Default)]
    struct Set(AtomicU64, Mutex<Option<SystemTime>>);
    let set = Arc::new(Set::default());
    let clock: Clock = {
        let set = Arc::clone(&set);
        Arc::new(move || {
            let now = Moment::now();
            let years = Duration::from_secs(set.0.load(Ordering::Relaxed));
            Moment { wall: now.wall + years, ..now }
        })
    };
    let fake = fake("aws").await;
    let files = machine(UUID, "b", Some("aws"));
    let worker = start_with(settings(client(files, fake.addr()), None), Arc::clone(&clock));
    let before = until(&worker, is_well).await;
    let read_at = |view: &View| match view.metadata.as_ref().unwrap().reading(Field::AccountId) {
        Some(Reading::Known { read_at, .. }) => *read_at,
        other => panic!("{other:?}"),
    };
    *set.1.lock().unwrap() = Some(read_at(&before));
    let ahead = 3 * 365 * 86_400;
    set.0.store(ahead, Ordering::Relaxed);
    let after =
        until(&worker, |view| view.moment.wall > before.moment.wall + Duration::from_secs(ahead / 2)).await;
    let moved = read_at(&after).duration_since(set.1.lock().unwrap().unwrap()).unwrap();
    assert!(moved.as_secs().abs_diff(ahead) <= 2, "{moved:?}");
    let age = after.moment.wall_at(clock()).duration_since(read_at(&after)).unwrap();
    assert!(age < PATIENCE, "three years old all of a sudden: {age:?}");
    assert!(worker.stop(PATIENCE).await.is_empty());
}
