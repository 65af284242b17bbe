//! A service that fails, in typed errors that name the cloud, the path and the remedy.

use std::time::{Duration, Instant};

use imds::{ErrorKind, Field, Reading};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;

use crate::fakes::client;
use crate::service::Cumulus;
use crate::{knowing, reader};

#[tokio::test]
async fn statuses_are_typed_and_fail_alone() {
    for (status, kind) in [
        (401, ErrorKind::Unauthorized),
        (403, ErrorKind::Disabled),
        (302, ErrorKind::Malformed),
        (400, ErrorKind::Malformed),
        (500, ErrorKind::ServerError),
        (503, ErrorKind::ServerError),
        (429, ErrorKind::Throttled),
    ] {
        let cumulus = Cumulus::start().await;
        cumulus.set("/v2/machine", (status, "Retry-After: 3000\r\n", b"no".to_vec()));
        let client = client(knowing("cumulus", &cumulus.url).timeout(Duration::from_millis(1500)));
        let metadata = client.read(&[Field::InstanceId, Field::NetworkId]).await.unwrap();
        let Some(Reading::Failed(error)) = metadata.reading(Field::InstanceId) else {
            panic!("{status}: {metadata:?}");
        };
        assert_eq!((error.kind(), error.path()), (kind, Some("/v2/machine")), "{status}: {error}");
        assert!(
            error.cloud().is_some_and(|cloud| cloud.as_str() == "cumulus") && error.remedy().is_some(),
            "{error}"
        );
        if status != 401 {
            assert_eq!(metadata.text(Field::NetworkId), Some("net-7"), "{status}");
        }
    }
}

#[tokio::test]
async fn a_service_that_is_switched_off_says_what_its_description_advises() {
    let cumulus = Cumulus::start().await;
    cumulus.set("/v2/machine", (403, "", Vec::new()));
    let metadata = reader(&cumulus).read(&[Field::InstanceId]).await.unwrap();
    assert_eq!(metadata.failure().unwrap().remedy(), Some("switch machine data on in the console"));
}

#[tokio::test]
async fn what_is_not_of_its_form_is_malformed() {
    for (path, body, field) in [
        ("/v2/machine", "{\"uuid\": ", Field::InstanceId),
        ("/v2/machine", "<html>welcome</html>", Field::InstanceId),
        ("/v2/machine", "{\"something\":\"else\"}", Field::InstanceId),
        ("/v2/machine", "{\"uuid\":{\"a\":1},\"place\":\"a/b\"}", Field::InstanceId),
        ("/v2/machine", "{\"uuid\":\"two words\",\"place\":\"a/b\"}", Field::InstanceId),
        ("/v2/nics", "[{\"kind\":\"machine\",\"mac\":[[1]]}]", Field::Interfaces),
        ("/v2/volumes", "{\"attached\":[\"vol-1\"]}", Field::Disks),
        ("/v2/network", "<!DOCTYPE html><p>hello", Field::NetworkId),
        ("/v2/labels/", "{\"a\":1}", Field::Tags),
    ] {
        let cumulus = Cumulus::start().await;
        cumulus.set(path, (200, "", body.as_bytes().to_vec()));
        let metadata = reader(&cumulus).read(&[field]).await.unwrap();
        let Some(Reading::Failed(error)) = metadata.reading(field) else {
            panic!("{path} {body}: {metadata:?}")
        };
        assert_eq!(error.kind(), ErrorKind::Malformed, "{path} {body}: {error}");
        assert!(error.path().is_some_and(|place| place.starts_with(path.trim_end_matches('/'))), "{error}");
    }
}

#[tokio::test]
async fn a_failure_that_passes_is_waited_out() {
    let cumulus = Cumulus::start().await;
    cumulus.set("/v2/network", (503, "", Vec::new()));
    let client = reader(&cumulus);
    let repaired = cumulus.clone();
    let repair = async move {
        while !repaired.asked().contains(&"GET /v2/network".to_owned()) {
            tokio::task::yield_now().await;
        }
        repaired.set("/v2/network", (200, "", b"net-8".to_vec()));
    };
    let (metadata, ()) = tokio::join!(client.read(&[Field::NetworkId]), repair);
    assert_eq!(metadata.unwrap().text(Field::NetworkId), Some("net-8"));
}

#[tokio::test]
async fn silence_ends_with_the_deadline() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move { while stream.read_u8().await.is_ok() {} });
        }
    });
    let started = Instant::now();
    let client = client(knowing("cumulus", &url).timeout(Duration::from_millis(300)));
    let metadata = client.read(&[Field::InstanceId]).await.unwrap();
    let kind = metadata.failure().unwrap().kind();
    assert!(matches!(kind, ErrorKind::TimedOut | ErrorKind::HopLimit), "{kind}");
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
}
