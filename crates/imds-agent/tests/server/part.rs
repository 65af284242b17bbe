//! The server as the configuration wants it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use imds::ErrorKind;
use imds::agent::Agent;
use imds::machine::{Environment, MemoryFiles};
use imds_agent::api::Announcements;
use imds_agent::config::Config;
use imds_agent::metrics::Metrics;
use imds_agent::server::part;
use imds_agent::systemd::Sockets;
use imds_agent::worker::{Settings, Worker};

use crate::house::{metadata, verdict};

fn settings(socket: &Path) -> Settings {
    let client = imds::Config::builder(Environment::default()).files(Arc::new(MemoryFiles::new()));
    let mut config = Config::default();
    config.agent.state = None;
    config.agent.socket = socket.to_owned();
    Settings::new(config, client.build().unwrap())
}

fn start(worker: &mut Worker, sockets: Sockets) -> Result<(), imds::Error> {
    let (metrics, announcements) = (Arc::new(Metrics::default()), Arc::new(Announcements::default()));
    let bound = part::bind(&worker.context().settings.borrow().config, sockets)?;
    worker.spawn("server", part::start(worker.context(), bound, &metrics, announcements)?);
    Ok(())
}

#[tokio::test]
async fn it_listens_reloads_and_ends_with_the_worker() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("imds.sock");
    let mut worker = Worker::new(settings(&socket));
    start(&mut worker, Sockets::default()).unwrap();
    worker.context().store.update(|view| {
        view.metadata = Some(metadata("eu-west-1").into());
        view.verdict = Some(verdict(imds::Outcome::Cloud(imds::CloudName::AWS)).into());
    });
    let agent = Agent::at(&socket);
    let private = imds::Field::InstanceId;
    assert!(agent.metadata(&[private]).await.unwrap().text(private).is_some());
    let mut other = settings(&socket);
    other.config.access.private = Vec::new();
    worker.change(other);
    let in_force = tokio::time::timeout(Duration::from_secs(10), async {
        while agent.metadata(&[private]).await.unwrap().text(private).is_some() {}
    });
    in_force.await.unwrap();
    let second = start(&mut Worker::new(settings(&socket)), Sockets::default()).unwrap_err();
    assert_eq!((second.kind(), second.path()), (ErrorKind::Usage, Some("agent.socket")), "{second}");
    assert_eq!(worker.stop(Duration::from_secs(10)).await, [""; 0]);
    assert!(!socket.exists());
}

#[tokio::test]
async fn a_socket_of_the_service_manager_takes_the_place_of_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let (given, own) = (directory.path().join("given.sock"), directory.path().join("own.sock"));
    let unix = vec![std::os::unix::net::UnixListener::bind(&given).unwrap()];
    let mut worker = Worker::new(settings(&own));
    start(&mut worker, Sockets { unix, ..Sockets::default() }).unwrap();
    assert_eq!(
        Agent::at(&given).verdict().await.unwrap_err().kind(),
        ErrorKind::Unknown,
        "it answers: not yet"
    );
    assert!(!own.exists());
    worker.stop(Duration::from_secs(10)).await;
    assert!(given.exists(), "it is the service manager's");
}
