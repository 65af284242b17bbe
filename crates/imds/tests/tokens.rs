//! AWS session tokens against real HTTP: shared, renewed, refused, lost on the way, and what follows.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod scripted;
mod service;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use imds::model::{Error, ErrorKind, Metadata};
use imds::{Client, Field};
use imds_fake::{Fake, Fault, FaultKind};
use scripted::TTL;
use service::{client, fake, told};

const ID: &[Field] = &[Field::InstanceId];

fn client_of(fake: &Fake) -> Client {
    client(told("aws", &fake.url(), &[]))
}

fn count(fake: &Fake, method: &str) -> usize {
    fake.requests().iter().filter(|request| request.method() == method).count()
}

fn error(metadata: &Metadata) -> Error {
    metadata.value(Field::InstanceId).unwrap_err()
}

fn status(code: u16) -> FaultKind {
    FaultKind::Status { code, retry_after: None, body: None }
}

async fn instance_id(scenario: &str) -> String {
    let fake = fake(scenario, &[]).await;
    client_of(&fake).read(ID).await.unwrap().text(Field::InstanceId).unwrap().to_owned()
}

#[tokio::test]
async fn a_token_serves_many_reads() {
    let fake = fake("aws:imdsv2-required", &[]).await;
    let client = client_of(&fake);
    for _ in 0..3 {
        let metadata = client.read(&[Field::InstanceId, Field::Hostname, Field::Tags]).await.unwrap();
        assert!(metadata.text(Field::Hostname).is_some());
        assert_eq!(metadata.protocol(), Some("IMDSv2"));
        assert!(metadata.warnings().is_empty(), "{:?}", metadata.warnings());
    }
    assert_eq!(count(&fake, "PUT"), 1);
    assert!(fake.requests().iter().all(|request| request.method() == "PUT" || request.sent_token()));
}

#[tokio::test]
async fn one_value_takes_two_requests() {
    let fake = fake("aws", &[]).await;
    client_of(&fake).read(ID).await.unwrap();
    assert_eq!((count(&fake, "PUT"), count(&fake, "GET")), (1, 1));
}

/// As if this much time had gone by, without waiting for it.
async fn later(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

#[tokio::test]
async fn a_token_is_renewed_before_its_end() {
    let fake = fake("aws:imdsv2-required", &[]).await;
    let client = client_of(&fake);
    client.read(ID).await.unwrap();
    // A life of six hours, of which two minutes and a half, then one and a half, are left.
    later(Duration::from_secs(6 * 3600 - 150)).await;
    client.read(ID).await.unwrap();
    assert_eq!((count(&fake, "PUT"), count(&fake, "GET")), (1, 2));
    later(Duration::from_secs(60)).await;
    client.read(ID).await.unwrap();
    assert_eq!((count(&fake, "PUT"), count(&fake, "GET")), (2, 3), "nobody had to be refused first");
}

#[tokio::test]
async fn a_token_of_a_short_life_is_renewed_in_its_last_tenth() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&asked);
    let url = scripted::serve(move |method, _| {
        seen.lock().unwrap().push(method.to_owned());
        match method {
            "PUT" => (200, "X-aws-ec2-metadata-token-ttl-seconds: 1000\r\n", b"AQAEAGood==".to_vec()),
            _ => (200, "", br#"{"instanceId":"i-0123456789abcdef0","accountId":"1","region":"r"}"#.to_vec()),
        }
    })
    .await;
    let client = client(told("aws", &url, &[]));
    for (passed, expected) in [(0, "PUT GET"), (850, "GET"), (100, "PUT GET"), (850, "GET"), (100, "PUT GET")]
    {
        later(Duration::from_secs(passed)).await;
        let metadata = client.read(ID).await.unwrap();
        assert_eq!(metadata.text(Field::InstanceId), Some("i-0123456789abcdef0"));
        assert_eq!(std::mem::take(&mut *asked.lock().unwrap()).join(" "), expected);
    }
}

#[tokio::test]
async fn a_revoked_token_is_renewed_once_and_the_value_is_the_new_one() {
    let fake = fake("aws:imdsv2-required", &[]).await;
    let client = client_of(&fake);
    client.read(ID).await.unwrap();
    fake.revoke_tokens();
    fake.set("meta-data/instance-id", "i-00000000000000002").unwrap();
    let metadata = client.read(ID).await.unwrap();
    assert_eq!(metadata.text(Field::InstanceId), Some("i-00000000000000002"));
    assert_eq!((count(&fake, "PUT"), count(&fake, "GET")), (2, 3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_that_are_revoked_in_the_middle_of_reads_do_no_harm() {
    let fake = fake("aws:imdsv2-required", &["delay=10ms"]).await;
    let client = client_of(&fake);
    let reads: Vec<_> = (0..4)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.read(Field::ALL).await.unwrap() })
        })
        .collect();
    for revoked_after in [3, 20] {
        while fake.requests().len() < revoked_after {
            tokio::task::yield_now().await;
        }
        fake.revoke_tokens();
    }
    for read in reads {
        let metadata = read.await.unwrap();
        for (field, reading) in metadata.readings() {
            assert_eq!(reading.error(), None, "{field}");
        }
        assert!(metadata.text(Field::InstanceId).is_some_and(|id| id.starts_with("i-")));
    }
    assert!(count(&fake, "PUT") <= 5, "{} tokens for two revocations", count(&fake, "PUT"));
}

#[tokio::test]
async fn a_service_that_refuses_every_token_is_asked_three_times() {
    let fake = fake("aws", &[]).await;
    fake.inject(Fault::new(status(401)).method("GET"));
    let metadata = client_of(&fake).read(ID).await.unwrap();
    assert_eq!(error(&metadata).kind(), ErrorKind::Unauthorized);
    assert_eq!((count(&fake, "PUT"), count(&fake, "GET")), (3, 3));

    let everything = service::fake("aws", &[]).await;
    everything.inject(Fault::new(status(401)).method("GET"));
    let metadata = client_of(&everything).read(Field::ALL).await.unwrap();
    assert_eq!(metadata.failure().map(Error::kind), Some(ErrorKind::Unauthorized));
    let documents: std::collections::BTreeSet<_> =
        everything.requests().iter().map(|request| request.path().to_owned()).collect();
    assert!(count(&everything, "GET") <= 3 * documents.len());
    assert!(count(&everything, "PUT") <= 1 + 2 * documents.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parallel_reads_share_one_token() {
    let fake = fake("aws:imdsv2-required", &["delay=30ms:/latest/api/token"]).await;
    let client = client_of(&fake);
    let reads: Vec<_> = (0..8)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.read(&[Field::InstanceId, Field::Hostname]).await.unwrap() })
        })
        .collect();
    for read in reads {
        assert!(read.await.unwrap().text(Field::Hostname).is_some());
    }
    assert_eq!(count(&fake, "PUT"), 1);
}

#[tokio::test]
async fn a_service_that_is_switched_off_is_not_asked_further() {
    for scenario in ["aws", "aws:disabled"] {
        let fake = fake(scenario, &[]).await;
        if scenario == "aws" {
            fake.inject(Fault::new(status(403)).method("PUT"));
        }
        let metadata = client_of(&fake).read(Field::ALL).await.unwrap();
        let error = error(&metadata);
        assert_eq!(error.kind(), ErrorKind::Disabled, "{error}");
        assert!(error.remedy().is_some_and(|remedy| remedy.contains("--http-endpoint enabled")));
        assert_eq!(metadata.failure().map(Error::kind), Some(ErrorKind::Disabled));
        assert_eq!((count(&fake, "PUT"), count(&fake, "GET")), (1, 0));
    }
}

#[tokio::test]
async fn a_service_that_knows_no_tokens_is_asked_without_and_the_user_hears_of_it() {
    let expected = instance_id("aws").await;
    for code in [400, 404, 405] {
        let fake = fake("aws", &[]).await;
        fake.inject(Fault::new(status(code)).method("PUT"));
        let client = client_of(&fake);
        let metadata = client.read(Field::ALL).await.unwrap();
        assert_eq!(metadata.text(Field::InstanceId), Some(&*expected));
        assert_eq!(metadata.protocol(), Some("IMDSv1"));
        assert_eq!(metadata.warnings().len(), 1, "{:?}", metadata.warnings());
        assert!(
            metadata.warnings()[0].contains("IMDSv1") && metadata.warnings()[0].contains(&code.to_string())
        );
        assert!(fake.requests().iter().all(|request| !request.sent_token()));
        client.read(ID).await.unwrap();
        assert_eq!(count(&fake, "PUT"), 1, "it is remembered");
    }
}

#[tokio::test]
async fn where_tokens_are_required_and_not_given_it_is_said() {
    for forbidden in [false, true] {
        let fake = fake("aws:imdsv2-required", &[]).await;
        fake.inject(Fault::new(status(405)).method("PUT"));
        let mut builder = told("aws", &fake.url(), &[]);
        if forbidden {
            builder = builder.no_imdsv1();
        }
        let metadata = client(builder).read(ID).await.unwrap();
        assert_eq!(error(&metadata).kind(), ErrorKind::Unauthorized, "{}", error(&metadata));
        assert_eq!(count(&fake, "GET"), usize::from(!forbidden));
    }
}

#[tokio::test]
async fn a_token_that_is_lost_on_the_way_costs_a_second_once() {
    let expected = instance_id("aws:hop-limit").await;
    for faults in [&[][..], &["drop-token"]] {
        let scenario = if faults.is_empty() { "aws:hop-limit" } else { "aws" };
        let fake = fake(scenario, faults).await;
        let started = Instant::now();
        let metadata = client_of(&fake).read(Field::ALL).await.unwrap();
        let elapsed = started.elapsed();
        assert!(
            elapsed >= Duration::from_millis(900) && elapsed < Duration::from_millis(2500),
            "{elapsed:?}"
        );
        assert_eq!(metadata.text(Field::InstanceId), Some(&*expected));
        assert_eq!(metadata.protocol(), Some("IMDSv1"));
        assert!(metadata.warnings()[0].contains("no token came within 1s"), "{:?}", metadata.warnings());
        assert_eq!(count(&fake, "PUT"), 1);
    }
}

#[tokio::test]
async fn without_imdsv1_a_lost_token_is_a_hop_limit_and_costs_a_second_in_all() {
    for by_variable in [false, true] {
        let fake = fake("aws:hop-limit", &[]).await;
        let variable = [("AWS_EC2_METADATA_V1_DISABLED", "true")];
        let builder = match by_variable {
            true => told("aws", &fake.url(), &variable),
            false => told("aws", &fake.url(), &[]).no_imdsv1(),
        };
        let started = Instant::now();
        let metadata = client(builder).read(Field::ALL).await.unwrap();
        assert!(started.elapsed() < Duration::from_millis(2500), "{:?}", started.elapsed());
        for field in [Field::InstanceId, Field::Tags, Field::Interfaces, Field::Hostname] {
            let error = metadata.value(field).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::HopLimit, "{field}: {error}");
            assert!(error.remedy().is_some_and(|remedy| remedy.contains("--http-put-response-hop-limit 2")));
        }
        assert_eq!(metadata.failure().map(Error::kind), Some(ErrorKind::HopLimit));
        assert_eq!((count(&fake, "PUT"), count(&fake, "GET")), (1, 0));
    }
}

#[tokio::test]
async fn a_lost_token_where_imdsv1_is_refused_is_a_hop_limit() {
    let fake = fake("aws:hop-limit-v2-required", &[]).await;
    let metadata = client_of(&fake).read(ID).await.unwrap();
    assert_eq!(error(&metadata).kind(), ErrorKind::HopLimit, "{}", error(&metadata));
    assert_eq!((count(&fake, "PUT"), count(&fake, "GET")), (1, 1));
}

#[tokio::test]
async fn a_token_service_that_fails_is_tried_again() {
    let expected = instance_id("aws:imdsv2-required").await;
    for fault in ["500", "503", "429", "429=0", "408", "reset", "close"] {
        let fake = fake("aws:imdsv2-required", &[&format!("{fault}:/latest/api/token:2")]).await;
        let metadata = client_of(&fake).read(ID).await.unwrap();
        assert_eq!(metadata.text(Field::InstanceId), Some(&*expected), "{fault}");
        assert_eq!((count(&fake, "PUT"), count(&fake, "GET")), (3, 1), "{fault}");
        assert_eq!(metadata.protocol(), Some("IMDSv2"));
    }
}

#[tokio::test]
async fn a_token_service_that_goes_on_failing_ends_in_its_error() {
    for (fault, kind) in [
        ("500", ErrorKind::ServerError),
        ("503", ErrorKind::ServerError),
        ("429", ErrorKind::Throttled),
        ("reset", ErrorKind::Unreachable),
        ("429=60", ErrorKind::Throttled),
    ] {
        let fake = fake("aws", &[&format!("{fault}:/latest/api/token")]).await;
        let metadata = client_of(&fake).read(ID).await.unwrap();
        assert_eq!(error(&metadata).kind(), kind, "{fault}");
        assert_eq!(error(&metadata).path(), Some("/latest/api/token"), "{fault}");
        let tries = if fault == "429=60" { 1 } else { 4 };
        assert_eq!((count(&fake, "PUT"), count(&fake, "GET")), (tries, 0), "{fault}");
    }
}

/// A host that gives this for a token, and an identity document to who asks for anything else.
async fn serve(token: Vec<u8>) -> String {
    let identity = br#"{"instanceId":"i-0123456789abcdef0","accountId":"1","region":"r"}"#;
    let answer = move |method: &str, _: &str| match method {
        "PUT" => (200, TTL, token.clone()),
        _ => (200, "", identity.to_vec()),
    };
    scripted::serve(answer).await
}

#[tokio::test]
async fn what_is_no_token_is_never_sent() {
    let good = client(told("aws", &serve(b"AQAEAGood==\n".to_vec()).await, &[])).read(ID).await.unwrap();
    assert_eq!(good.text(Field::InstanceId), Some("i-0123456789abcdef0"));
    for (body, kind) in [
        (b"".to_vec(), ErrorKind::Malformed),
        (b" \r\n".to_vec(), ErrorKind::Malformed),
        (b"<html>hello</html>".to_vec(), ErrorKind::Malformed),
        (b"two words".to_vec(), ErrorKind::Malformed),
        (b"a\r\nX-Injected: b".to_vec(), ErrorKind::Malformed),
        (b"a\x00b\x1b[31m".to_vec(), ErrorKind::Malformed),
        (b"\xff\xfe\xfd".to_vec(), ErrorKind::Malformed),
        ("tökén".as_bytes().to_vec(), ErrorKind::Malformed),
        (vec![b'A'; 5 * 1024], ErrorKind::TooLarge),
    ] {
        let shown = String::from_utf8_lossy(&body).into_owned();
        let metadata = client(told("aws", &serve(body).await, &[])).read(ID).await.unwrap();
        let error = error(&metadata);
        assert_eq!(error.kind(), kind, "{shown:?}");
        assert_eq!(error.path(), Some("/latest/api/token"));
        let told = format!("{error} {error:?}");
        assert!(shown.trim().is_empty() || !told.contains(shown.trim()), "{told}");
    }
}

#[tokio::test]
async fn a_token_without_a_life_is_no_token() {
    let fake = fake("aws", &[]).await;
    let body = Some("AQAEAFg0c2Vzc2lvbi10b2tlbg==".to_owned());
    fake.inject(Fault::new(FaultKind::Status { code: 200, retry_after: None, body }).method("PUT"));
    let metadata = client_of(&fake).read(ID).await.unwrap();
    assert_eq!(error(&metadata).kind(), ErrorKind::Malformed);
    assert!(!error(&metadata).to_string().contains("AQAEAF"));
    assert_eq!(count(&fake, "GET"), 0);
}

#[tokio::test]
async fn the_variables_of_the_sdks_set_time_and_tries() {
    let fake = fake("aws:hop-limit", &[]).await;
    let variables = [("AWS_METADATA_SERVICE_TIMEOUT", "2")];
    let started = Instant::now();
    let metadata = client(told("aws", &fake.url(), &variables).no_imdsv1()).read(ID).await.unwrap();
    assert!(started.elapsed() >= Duration::from_millis(1900), "{:?}", started.elapsed());
    assert_eq!(error(&metadata).kind(), ErrorKind::HopLimit);

    // The time is one for every request.
    let slow = service::fake("aws", &["delay=2300ms:/latest/dynamic"]).await;
    let variables = [("AWS_METADATA_SERVICE_TIMEOUT", "4")];
    let metadata = client(told("aws", &slow.url(), &variables)).read(ID).await.unwrap();
    assert!(metadata.text(Field::InstanceId).is_some(), "{metadata:?}");

    for tries in [1, 2, 6] {
        let fake = service::fake("aws", &["503"]).await;
        let text = tries.to_string();
        let variables = [("AWS_METADATA_SERVICE_NUM_ATTEMPTS", &*text)];
        let metadata = client(told("aws", &fake.url(), &variables)).read(ID).await.unwrap();
        assert_eq!(error(&metadata).kind(), ErrorKind::ServerError);
        assert_eq!(fake.requests().len(), tries);
    }
}

#[tokio::test]
async fn a_variable_switches_the_service_off_before_anything_is_asked() {
    let fake = fake("aws", &[]).await;
    let variables = [("AWS_EC2_METADATA_DISABLED", "true")];
    let metadata = client(told("aws", &fake.url(), &variables)).read(ID).await.unwrap();
    assert_eq!(error(&metadata).kind(), ErrorKind::Disabled);
    assert!(error(&metadata).to_string().contains("AWS_EC2_METADATA_DISABLED"));
    assert_eq!(fake.connections(), 0);
}
