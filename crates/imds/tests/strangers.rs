//! Hosts that answer on the service's address and are no service: never taken for a cloud, never for a value.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod scripted;
mod service;

use std::time::{Duration, Instant};

use imds::model::{CloudName, ErrorKind, EvidenceSource, Metadata, Outcome, Reading, Source};
use imds::{Client, Field};
use imds_fake::{Behaviour, Stranger};
use scripted::{Answer, TTL};
use service::{client, fake, told};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

const CLOUDS: [&str; 4] = ["aws", "azure", "gcp", "digitalocean"];
/// Clouds that ask whoever answers at an endpoint that was given.
const CANDIDATES: usize = 20;
/// Long enough for a body of 64 MiB to begin, short enough for a host that never answers.
const TIMEOUT: Duration = Duration::from_millis(1500);

fn behaviours() -> Vec<Behaviour> {
    vec![
        Behaviour::Hello,
        Behaviour::Ok,
        Behaviour::Status(204),
        Behaviour::Status(400),
        Behaviour::Status(401),
        Behaviour::Status(403),
        Behaviour::Status(404),
        Behaviour::Status(407),
        Behaviour::Status(410),
        Behaviour::Status(429),
        Behaviour::Status(500),
        Behaviour::Status(511),
        Behaviour::Redirect("http://127.0.0.1:9/login".to_owned()),
        Behaviour::Huge,
        Behaviour::TruncatedJson,
        Behaviour::DeepJson,
        Behaviour::Binary,
        Behaviour::Empty,
        Behaviour::Silent,
        Behaviour::Close,
    ]
}

/// Plain text, whatever is asked for.
fn says(text: &str) -> Answer {
    (200, "Content-Type: text/plain\r\n", text.as_bytes().to_vec())
}

/// A host that says this to everybody.
async fn host(text: &'static str) -> String {
    scripted::serve(move |_, _| says(text)).await
}

fn client_of(cloud: &str, url: &str) -> Client {
    client(told(cloud, url, &[]).timeout(TIMEOUT))
}

/// Nothing that the stranger said became a value: every value comes from what the user told.
fn assert_nothing_believed(metadata: &Metadata, who: &str) {
    for (field, reading) in metadata.readings() {
        if let Reading::Known { value, source, .. } = reading {
            assert!(
                matches!(field, Field::Cloud | Field::Platform)
                    && matches!(source, Source::Told(_) | Source::Derived(_)),
                "{who}: {field} is {value:?} from {source}"
            );
        }
    }
}

#[tokio::test]
async fn none_is_found_to_be_a_cloud() {
    let mut strangers: Vec<Stranger> = Vec::new();
    let mut all: Vec<(String, String)> = Vec::new();
    for behaviour in behaviours() {
        strangers.push(Stranger::start(behaviour.clone()).await.unwrap());
        all.push((format!("{behaviour:?}"), strangers.last().unwrap().url()));
    }
    for body in
        ["{}", "[]", "null", "12345", "\"OK\"", r#"{"status":"ok"}"#, r#"{"compute":{}}"#, "i-12345678"]
    {
        all.push((body.to_owned(), host(body).await));
    }
    for (who, url) in &all {
        let started = Instant::now();
        let verdict = client(told("?", url, &[])).detect().await;
        assert_eq!(verdict.outcome, Outcome::Unknown, "{who}: {verdict:?}");
        assert!(started.elapsed() < Duration::from_millis(2500), "{who}: {:?}", started.elapsed());
        assert!(
            verdict.evidence.iter().any(|it| it.source == EvidenceSource::Probe),
            "{who}: it says what it saw"
        );
        for piece in verdict.evidence.iter().filter(|it| it.source == EvidenceSource::Probe) {
            assert_eq!(piece.supports, None, "{who}: {piece:?}");
            assert!(!piece.detail.contains(['\n', '\r', '\u{1b}']), "{who}: {piece:?}");
        }
    }
    for stranger in strangers {
        let asked = stranger.requests().len();
        // Two tries each; two of them have a second document by which they can be known.
        assert!(asked <= 2 * (CANDIDATES + 2), "a stranger isn't bothered for long: {asked} requests");
    }
}

#[tokio::test]
async fn reading_without_a_verdict_says_that_it_is_unknown() {
    for behaviour in [Behaviour::Hello, Behaviour::Status(403), Behaviour::Close] {
        let stranger = Stranger::start(behaviour.clone()).await.unwrap();
        let error = client(told("?", &stranger.url(), &[])).read(Field::ALL).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unknown, "{behaviour:?}");
        assert!(error.remedy().is_some_and(|remedy| remedy.contains("--cloud")));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn told_to_be_a_cloud_it_still_gives_no_value() {
    let mut running = tokio::task::JoinSet::new();
    for (cloud, behaviour) in
        CLOUDS.iter().flat_map(|cloud| behaviours().into_iter().map(move |it| (*cloud, it)))
    {
        running.spawn(async move {
            let who = format!("{cloud} {behaviour:?}");
            let stranger = Stranger::start(behaviour.clone()).await.unwrap();
            let started = Instant::now();
            let metadata = client_of(cloud, &stranger.url()).read(Field::ALL).await.unwrap();
            assert!(
                started.elapsed() < TIMEOUT * 2 + Duration::from_secs(1),
                "{who}: {:?}",
                started.elapsed()
            );
            assert_nothing_believed(&metadata, &who);
            if behaviour == Behaviour::Status(404) && cloud != "gcp" {
                assert_eq!(metadata.failure(), None, "{who}");
                return;
            }
            for field in [Field::InstanceId, Field::Region, Field::Interfaces] {
                let absent = behaviour == Behaviour::Status(404);
                match metadata.reading(field) {
                    Some(Reading::Failed(error)) => {
                        assert_eq!(error.cloud().map(CloudName::as_str), Some(cloud), "{who} {field}");
                        assert!(!error.to_string().contains('\n'), "{who} {field}: {error}");
                    }
                    other => assert!(absent, "{who} {field}: {other:?}"),
                }
            }
            let (verdict, confirmed) = client_of(cloud, &stranger.url()).verify().await;
            assert_eq!(verdict.cloud().map(CloudName::as_str), Some(cloud), "{who}: what was told holds");
            assert!(confirmed.is_err(), "{who}");
        });
    }
    while let Some(ended) = running.join_next().await {
        ended.unwrap();
    }
}

#[tokio::test]
async fn what_it_says_in_plain_words_is_no_value() {
    for text in ["OK", "hello.example", "10.0.0.1", "i-12345678", "ok\nok2\n"] {
        // With a token of sorts, and without any: a plain web server looks like IMDSv1.
        for put in [200, 404, 405, 501] {
            let url = scripted::serve(move |method, _| match method {
                "PUT" if put != 200 => (put, "", Vec::new()),
                _ => says(text),
            });
            let url = url.await;
            for cloud in CLOUDS {
                let who = format!("{cloud}: PUT {put}, else {text:?}");
                let metadata = client_of(cloud, &url).read(Field::ALL).await.unwrap();
                assert_nothing_believed(&metadata, &who);
                let single = client_of(cloud, &url).read(&[Field::Hostname]).await.unwrap();
                assert_nothing_believed(&single, &who);
                assert!(single.value(Field::Hostname).is_err(), "{who}");
            }
        }
    }
}

#[tokio::test]
async fn json_of_something_else_is_malformed() {
    for text in ["{}", "[]", "null", "true", "12345", "\"OK\"", r#"{"status":"ok","code":200}"#, "[[1],[2]]"]
    {
        let url = scripted::serve(move |method, _| match method {
            "PUT" => (405, "", Vec::new()),
            _ => says(text),
        });
        let url = url.await;
        for cloud in CLOUDS {
            let metadata = client_of(cloud, &url).read(Field::ALL).await.unwrap();
            assert_nothing_believed(&metadata, &format!("{cloud}: {text}"));
            let error = metadata.value(Field::InstanceId).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Malformed, "{cloud}: {text}: {error}");
        }
    }
}

#[tokio::test]
async fn a_clone_without_tokens_that_identifies_itself_is_believed() {
    // Says nothing of EC2 in its headers, but holds to its documents.
    let clone = scripted::serve(|method, path| match (method, path) {
        ("GET", "/latest/dynamic/instance-identity/document") => {
            says(r#"{"instanceId":"i-0a1b2c3d","accountId":"000000000000","region":"home-1"}"#)
        }
        ("GET", "/latest/meta-data/hostname") => says("clone.example"),
        _ => (404, "", Vec::new()),
    });
    let clone = clone.await;
    for fields in [&[Field::Hostname][..], &[Field::InstanceId, Field::Hostname]] {
        let metadata = client_of("aws", &clone).read(fields).await.unwrap();
        assert_eq!(metadata.text(Field::Hostname), Some("clone.example"));
        let id = fields.contains(&Field::InstanceId).then_some("i-0a1b2c3d");
        assert_eq!(metadata.text(Field::InstanceId), id);
    }

    // Without the identity document, which old clones lack, nothing speaks against it.
    let old = scripted::serve(|method, path| match (method, path) {
        ("GET", "/latest/meta-data/hostname") => says("old.example"),
        _ => (404, "", Vec::new()),
    });
    let metadata = client_of("aws", &old.await).read(&[Field::Hostname]).await.unwrap();
    assert_eq!(metadata.text(Field::Hostname), Some("old.example"));
}

/// A service with tokens that says this at one path below `/latest/meta-data/`, and has nothing else.
async fn leaf(at: &'static str, text: &'static str) -> String {
    let answer = move |method: &str, path: &str| match path.strip_prefix("/latest/meta-data/") {
        _ if method == "PUT" => (200, TTL, b"AQAEAGood==".to_vec()),
        Some(path) if path == at => says(text),
        _ => (404, "", Vec::new()),
    };
    scripted::serve(answer).await
}

#[tokio::test]
async fn addresses_and_identifiers_are_held_to_their_syntax() {
    for (field, path, good, bad) in [
        (Field::PrivateIpv4, "local-ipv4", "10.0.0.9", "10.0.0.999"),
        (Field::PublicIpv4, "public-ipv4", "198.51.100.7", "n/a"),
        (Field::Ipv6, "ipv6", "2001:db8::9", "fe80"),
        (Field::Mac, "mac", "06:00:00:00:00:09", "06:00:00:00:00"),
        (Field::Hostname, "hostname", "ip-10-0-0-9", "{\"error\":"),
        (Field::ZoneId, "placement/availability-zone-id", "use1-az9", "two words"),
        (Field::Lifecycle, "instance-life-cycle", "spot", "a [b]"),
        (Field::Partition, "services/partition", "aws-cn", "a\tb"),
    ] {
        let metadata = client_of("aws", &leaf(path, good).await).read(&[field]).await.unwrap();
        assert_eq!(metadata.text(field), Some(good), "{field}");
        let metadata = client_of("aws", &leaf(path, bad).await).read(&[field]).await.unwrap();
        let error = metadata.value(field).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed, "{field} {bad:?}: {error}");
        assert!(!error.to_string().contains(bad), "{error}");
    }
    for (field, path, sent, spelled) in [
        (Field::Mac, "mac", "06:AB:CD:EF:00:01\n", "06:ab:cd:ef:00:01"),
        (Field::Ipv6, "ipv6", "2001:0DB8:0:0:0:0:0:1", "2001:db8::1"),
    ] {
        let metadata = client_of("aws", &leaf(path, sent).await).read(&[field]).await.unwrap();
        assert_eq!(metadata.text(field), Some(spelled));
    }
}

#[tokio::test]
async fn a_listing_of_interfaces_that_are_none_fails_the_interfaces() {
    const MACS: &str = "network/interfaces/macs/";
    for text in ["OK", "<html>", "{\"a\":1}", "eth0/\neth1/", "../../user-data/"] {
        let url = leaf(MACS, text).await;
        let metadata = client_of("aws", &url).read(&[Field::Interfaces]).await.unwrap();
        let error = metadata.value(Field::Interfaces).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed, "{text:?}: {error}");
    }
}

#[tokio::test]
async fn a_name_in_a_listing_leads_nowhere_else() {
    for name in ["../../user-data", "..", ".", "a/b", "a%2f..%2fb", "x?y=1", "x#y", "a\\b"] {
        let asked: &'static std::sync::Mutex<Vec<String>> = Box::leak(Box::default());
        let url = scripted::serve(move |method, path| {
            asked.lock().unwrap().push(path.to_owned());
            match path.strip_prefix("/latest/meta-data/tags/instance/") {
                _ if method == "PUT" => (200, TTL, b"AQAEAGood==".to_vec()),
                Some("") => says(name),
                Some(_) => says("value"),
                None => (404, "", Vec::new()),
            }
        });
        let metadata = client_of("aws", &url.await).read(&[Field::Tags]).await.unwrap();
        assert!(metadata.reading(Field::Tags).is_some());
        for path in asked.lock().unwrap().iter().filter(|path| *path != "/latest/api/token") {
            let below = path.strip_prefix("/latest/meta-data/tags/instance/");
            let below = below.unwrap_or_else(|| unreachable!("{name:?}: {path}"));
            assert!(!below.contains(['/', '?', '#', '\\']) && below != "..", "{name:?}: {path}");
        }
    }
}

/// A host that says this as soon as somebody connects, and closes.
async fn banner(bytes: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            // Reading first, so that closing is no reset that overtakes what was said.
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(&bytes).await;
        }
    });
    url
}

#[tokio::test]
async fn what_is_no_http_is_malformed_and_no_panic() {
    let endless_header = [b"HTTP/1.1 200 OK\r\nX: ".to_vec(), vec![b'x'; 1 << 20]].concat();
    let many_headers = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: y\r\n".repeat(5000)).into_bytes();
    for bytes in [
        b"SSH-2.0-OpenSSH_9.9\r\n".to_vec(),
        b"\x15\x03\x01\x00\x02\x02\x50".to_vec(),
        b"220 mail.example ESMTP\r\n".to_vec(),
        b"HTTP/9.9 200 OK\r\n\r\n".to_vec(),
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n".to_vec(),
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab".to_vec(),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n".to_vec(),
        endless_header,
        many_headers,
    ] {
        let shown = String::from_utf8_lossy(bytes.get(..40.min(bytes.len())).unwrap()).into_owned();
        let url = banner(bytes).await;
        for cloud in CLOUDS {
            let started = Instant::now();
            let metadata = client_of(cloud, &url).read(&[Field::InstanceId]).await.unwrap();
            let error = metadata.value(Field::InstanceId).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Malformed, "{cloud} {shown:?}: {error} {error:?}");
            assert!(started.elapsed() < Duration::from_secs(1), "{cloud} {shown:?}: tried once");
        }
        assert_eq!(client(told("?", &url, &[])).detect().await.outcome, Outcome::Unknown, "{shown:?}");
    }
}

#[tokio::test]
async fn old_http_without_a_length_is_read_to_its_end() {
    let url = banner(
        b"HTTP/1.0 200 OK\r\nMetadata-Flavor: Google\r\nContent-Type: application/text\r\n\r\n1234567890"
            .to_vec(),
    );
    let metadata = client_of("gcp", &url.await).read(&[Field::InstanceId]).await.unwrap();
    assert_eq!(metadata.text(Field::InstanceId), Some("1234567890"));
}

#[tokio::test]
async fn the_service_itself_passes_the_same_checks() {
    for cloud in CLOUDS {
        let fake = fake(cloud, &[]).await;
        for name in [cloud, "?"] {
            let metadata = client_of(name, &fake.url()).read(Field::ALL).await.unwrap();
            assert!(metadata.text(Field::InstanceId).is_some(), "{cloud}");
            assert!(
                metadata.readings().all(|(_, reading)| reading.error().is_none()),
                "{cloud}: {metadata:?}"
            );
        }
    }
}
