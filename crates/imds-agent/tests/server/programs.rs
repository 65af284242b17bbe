//! Programs that ask through the library: an agent as one more source.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use imds::agent::{Agent, AgentUse, Notice};
use imds::machine::Environment;
use imds::model::{CloudName, ErrorKind, Outcome, Reading, Source};
use imds::{Client, Config, Error, Field, LiveProvider, Metadata, Network, Provider};
use imds_agent::api::{Access, Who};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;

use crate::house::{House, generous, metadata, verdict};

/// A client that may ask this agent and nothing else: not even loopback.
fn client(socket: &Path) -> Client {
    let builder = Config::builder(Environment::default()).network(Network::Off);
    Client::new(builder.agent(AgentUse::Socket(socket.to_owned())).build().unwrap())
}

#[tokio::test]
async fn everything_comes_from_the_agent() {
    let house = House::new();
    let client = client(&house.socket);
    assert_eq!(client.detect().await.outcome, Outcome::Cloud(CloudName::AWS));
    let read = client.read(&[Field::Region, Field::InstanceId, Field::Zone]).await.unwrap();
    assert_eq!((read.cloud(), read.text(Field::Region)), (&CloudName::AWS, Some("eu-west-1")));
    assert_eq!(read.value(Field::Zone).unwrap_err().kind(), ErrorKind::Absent);
    assert_eq!(read.reading(Field::Cloud), None, "it wasn't asked for");
    let Some(Reading::Known { source, .. }) = read.reading(Field::InstanceId) else { panic!() };
    assert_eq!(source, &Source::Agent(house.socket.display().to_string()));
    let provider = LiveProvider::start(client).await.unwrap();
    house.store.update(|view| view.metadata = Some(metadata("eu-north-1").into()));
    provider.refresh().await.unwrap();
    // Fixed fields aren't asked for again, whoever is asked.
    assert_eq!(provider.text(Field::InstanceId).as_deref(), Some("i-0123456789abcdef0"));
}

#[tokio::test]
async fn how_old_a_value_is_is_told() {
    let house = House::new();
    let mut old = metadata("eu-west-1");
    old.map_times(|time| time - Duration::from_secs(600));
    let mut now = Metadata::new(CloudName::AWS);
    now.set(Field::Region, Reading::Failed(Error::new(ErrorKind::TimedOut, "no answer")));
    now.keep_last_good(&old);
    house.store.update(|view| view.metadata = Some(Arc::new(now)));
    let read = Agent::at(&house.socket).metadata(Field::ALL).await.unwrap();
    assert!(read.is_stale());
    let Some(Reading::Known { read_at, trouble: Some(trouble), .. }) = read.reading(Field::Region) else {
        panic!()
    };
    assert!(SystemTime::now().duration_since(*read_at).unwrap() >= Duration::from_secs(600));
    assert_eq!(trouble.kind(), ErrorKind::TimedOut);
    assert_eq!(read.failure(), None, "an old answer is an answer");
}

#[tokio::test]
async fn why_an_agent_is_no_help_is_typed() {
    let house = House::with(generous(), Access { private: vec![Who::User(u32::MAX)], ..Access::default() });
    let agent = Agent::at(&house.socket);
    let read = agent.metadata(Field::ALL).await.unwrap();
    assert_eq!(read.value(Field::InstanceId).unwrap_err().kind(), ErrorKind::Disabled);
    assert_eq!(read.text(Field::Region), Some("eu-west-1"));
    house.rules.replace(Access { public: vec![], private: vec![] });
    assert_eq!(agent.metadata(Field::ALL).await.unwrap_err().kind(), ErrorKind::Disabled);
    house.rules.replace(Access::default());
    house.store.update(|view| (view.metadata, view.verdict) = (None, None));
    let error = agent.metadata(Field::ALL).await.unwrap_err();
    assert_eq!((error.kind(), error.is_transient()), (ErrorKind::Unknown, true), "{error}");
    assert_eq!(error.path(), house.socket.to_str());
    house.store.update(|view| view.verdict = Some(Arc::new(verdict(Outcome::None))));
    assert_eq!(client(&house.socket).read(&[Field::Region]).await.unwrap_err().kind(), ErrorKind::NoCloud);
    let nowhere =
        Agent::at(house.socket.with_file_name("nobody.sock")).metadata(Field::ALL).await.unwrap_err();
    assert_eq!(nowhere.kind(), ErrorKind::Unreachable);
    assert!(nowhere.remedy().unwrap().contains("imds agent"));
}

/// Somebody who answers every connection with these bytes, and then stays silent.
fn impostor(socket: PathBuf, answer: Vec<u8>) -> PathBuf {
    let listener = UnixListener::bind(&socket).unwrap();
    tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 1024]).await;
            let _ = stream.write_all(&answer).await;
            kept.push(stream);
        }
    });
    socket
}

#[tokio::test]
async fn whoever_speaks_another_language_is_found_out_in_time() {
    let directory = tempfile::tempdir().unwrap();
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
    let huge = format!("{head}Content-Length: 99999999\r\n\r\n{}", "x".repeat(2 << 20));
    let answers = [
        (String::new(), ErrorKind::TimedOut),
        (format!("{head}Content-Length: 10\r\n\r\n{{"), ErrorKind::TimedOut),
        (huge, ErrorKind::TooLarge),
        (format!("{head}Content-Length: 2\r\n\r\n[]"), ErrorKind::Malformed),
        (format!("{head}Content-Length: 26\r\n\r\n{{\"cloud\":\"aws\",\"region\":1}}"), ErrorKind::Malformed),
        ("SSH-2.0-OpenSSH_9.9\r\n".to_owned(), ErrorKind::Malformed),
        (
            "HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n".to_owned(),
            ErrorKind::Malformed,
        ),
    ];
    for (number, (answer, kind)) in answers.into_iter().enumerate() {
        let short: String = answer.chars().take(80).collect();
        let socket = impostor(directory.path().join(format!("{number}.sock")), answer.into_bytes());
        let agent = Agent::at(socket).within(Duration::from_millis(500));
        assert_eq!(agent.metadata(Field::ALL).await.unwrap_err().kind(), kind, "{short:?}");
    }
}

#[tokio::test]
async fn changes_and_events_reach_programs_and_none_is_told_twice() {
    let house = House::new();
    let agent = Agent::at(&house.socket);
    let mut watching = agent.watch().await.unwrap();
    let Some(Notice::Metadata { metadata: Some(first), .. }) = watching.next().await.unwrap() else {
        panic!()
    };
    assert_eq!(first.text(Field::Region), Some("eu-west-1"));
    house.store.update(|view| view.metadata = Some(metadata("eu-north-1").into()));
    let Some(Notice::Metadata { changed, metadata: Some(second), .. }) = watching.next().await.unwrap()
    else {
        panic!()
    };
    assert_eq!((&*changed, second.text(Field::Region)), (&[Field::Region][..], Some("eu-north-1")));
    let id = watching.last_id().unwrap().to_owned();
    drop(watching);
    let mut watching = agent.watch_since(Some(&id)).await.unwrap();
    house.announcements.replace(vec![json!({ "id": "e-1" })]);
    let Some(Notice::Event(event)) = watching.next().await.unwrap() else {
        panic!("the metadata was told before")
    };
    assert_eq!(event["id"], "e-1");
    house.server.stop(Duration::from_secs(10)).await;
    assert!(watching.next().await.unwrap().is_none(), "the agent ended");
}
