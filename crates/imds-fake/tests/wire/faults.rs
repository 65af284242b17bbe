//! Misbehaviour on demand, and robustness against odd clients.

use std::io::ErrorKind;
use std::net::Ipv6Addr;
use std::time::Duration;

use imds_fake::{Fake, Fault, FaultKind, Scenario};

use crate::client::{Connection, Reply, ask};

const PATH: &str = "/latest/meta-data/instance-id";

async fn start() -> Fake {
    Fake::start(Scenario::parse("aws").unwrap()).await.unwrap()
}

async fn with(fault: &str) -> Fake {
    let fake = start().await;
    fake.inject(fault.parse().unwrap());
    fake
}

#[tokio::test]
async fn a_status_strikes_so_often_and_then_no_more() {
    let fake = with("503=7:/latest/meta-data:2").await;
    for _ in 0..2 {
        let reply = ask(fake.addr(), "GET", PATH, &[]).await;
        assert_eq!((reply.status, reply.header("retry-after")), (503, Some("7")));
        assert!(reply.text().contains("503 - Service Unavailable"));
        assert_eq!(ask(fake.addr(), "GET", "/latest/", &[]).await.status, 200, "another path");
    }
    assert_eq!(ask(fake.addr(), "GET", PATH, &[]).await.status, 200);
    let body = Some("no".to_owned());
    fake.inject(Fault::new(FaultKind::Status { code: 418, retry_after: None, body }).method("get"));
    assert_eq!(ask(fake.addr(), "GET", PATH, &[]).await.text(), "no");
    fake.clear_faults();
    assert_eq!(ask(fake.addr(), "GET", PATH, &[]).await.status, 200);
}

#[tokio::test]
async fn connections_end_as_asked() {
    for (fault, kind) in [("reset", ErrorKind::ConnectionReset), ("close", ErrorKind::UnexpectedEof)] {
        let fake = with(&format!("{fault}:{PATH}:1")).await;
        let mut connection = Connection::open(fake.addr()).await;
        assert_eq!(connection.ask("GET", PATH, &[]).await.unwrap_err().kind(), kind, "{fault}");
        assert_eq!(ask(fake.addr(), "GET", PATH, &[]).await.status, 200);
    }
    let fake = with("truncate").await;
    let mut connection = Connection::open(fake.addr()).await;
    let error = connection.ask("GET", PATH, &[]).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset), "{error}");

    let fake = with("connection-close").await;
    let mut connection = Connection::open(fake.addr()).await;
    let reply = connection.ask("GET", PATH, &[]).await.unwrap();
    assert_eq!((reply.status, reply.header("connection")), (200, Some("close")));
    connection.receive(false).await.unwrap_err();
}

#[tokio::test]
async fn bodies_are_spoilt_as_asked() {
    let fake = with("bad-json:/a").await;
    for fault in ["deep-json=2000:/b", "binary:/c", "empty:/d", "huge=1000000:/e", "redirect=/x:/f"] {
        fake.inject(fault.parse().unwrap());
    }
    let body = async |path: &str| ask(fake.addr(), "GET", path, &[]).await;
    assert!(serde_json::from_slice::<serde_json::Value>(&body("/a").await.body).is_err());
    assert_eq!(body("/b").await.body.len(), 4000);
    assert!(std::str::from_utf8(&body("/c").await.body).is_err());
    assert_eq!((body("/d").await.status, body("/d").await.body.len()), (200, 0));
    let huge = body("/e").await;
    assert_eq!((huge.body.len(), huge.header("content-length")), (1_000_000, None));
    let redirect = body("/f").await;
    assert_eq!((redirect.status, redirect.header("location")), (302, Some("/x")));
}

#[tokio::test]
async fn headers_are_spoilt_as_asked() {
    let fake = with("content-type:/latest/meta-data/hostname").await;
    for fault in [
        "header=Server=other:/latest/meta-data/instance-type",
        "no-header=server:/latest/meta-data/ami-id",
        "no-header:/latest/meta-data/mac",
        "duplicate-headers:/latest/meta-data/local-ipv4",
    ] {
        fake.inject(fault.parse().unwrap());
    }
    let reply = async |name: &str| {
        let reply = ask(fake.addr(), "GET", &format!("/latest/meta-data/{name}"), &[]).await;
        assert!(reply.status == 200 && !reply.body.is_empty(), "{name}: {reply:?}");
        reply
    };
    let all = |reply: &Reply, name: &str| -> Vec<String> {
        let named = reply.headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.clone()).collect()
    };
    assert_eq!(all(&reply("hostname").await, "content-type"), ["text/html"]);
    assert_eq!(all(&reply("instance-type").await, "server"), ["EC2ws", "other"]);
    let without_one = reply("ami-id").await;
    assert_eq!(
        (without_one.header("server"), without_one.header("content-type")),
        (None, Some("text/plain"))
    );
    let bare = reply("mac").await;
    assert_eq!((bare.header("server"), bare.header("content-type")), (None, None));
    let twice = reply("local-ipv4").await;
    assert_eq!(all(&twice, "server"), ["EC2ws", "EC2ws"]);
    assert_eq!(all(&twice, "content-length").len(), 1, "what HTTP itself needs stays as it is");
}

#[tokio::test]
async fn another_answers_as_asked() {
    let fake = with("portal:/latest").await;
    let portal = ask(fake.addr(), "GET", PATH, &[]).await;
    assert_eq!((portal.status, portal.header("server")), (200, None));
    assert!(portal.text().contains("<html>"), "{}", portal.text());
    fake.clear_faults();
    fake.inject("foreign=gcp".parse().unwrap());
    let google = [("Metadata-Flavor", "Google")];
    let id = ask(fake.addr(), "GET", "/computeMetadata/v1/instance/id", &google).await;
    assert_eq!((id.text(), id.header("metadata-flavor")), ("9123456789012345678", Some("Google")));
    assert_eq!(ask(fake.addr(), "GET", PATH, &google).await.status, 404);
}

#[tokio::test]
async fn tokens_expire_as_asked() {
    let fake = start().await;
    let ttl = [("X-aws-ec2-metadata-token-ttl-seconds", "60")];
    let token = ask(fake.addr(), "PUT", "/latest/api/token", &ttl).await.text().to_owned();
    let carried = [("X-aws-ec2-metadata-token", token.as_str())];
    assert_eq!(ask(fake.addr(), "GET", PATH, &carried).await.status, 200);
    fake.inject("expired-token:1".parse().unwrap());
    assert_eq!(ask(fake.addr(), "PUT", "/latest/api/token", &ttl).await.status, 200, "carries none");
    assert_eq!(ask(fake.addr(), "GET", PATH, &carried).await.status, 401);
    let token = ask(fake.addr(), "PUT", "/latest/api/token", &ttl).await.text().to_owned();
    let carried = [("X-aws-ec2-metadata-token", token.as_str())];
    assert_eq!(ask(fake.addr(), "GET", PATH, &carried).await.status, 200, "it was once");
}

#[tokio::test]
async fn faults_in_force_are_counted_and_taken_away_one_by_one() {
    let fake = start().await;
    let first = fake.inject("503:/latest:1".parse().unwrap());
    let second = fake.inject("404=3:/latest".parse().unwrap());
    let statuses = async || ask(fake.addr(), "GET", PATH, &[]).await.status;
    assert_eq!((statuses().await, statuses().await, statuses().await), (503, 404, 404));
    let counts: Vec<_> = fake.faults().iter().map(|it| (it.id(), it.struck(), it.fault().left())).collect();
    assert_eq!(counts, [(first, 1, Some(0)), (second, 2, None)]);
    assert!(fake.clear_fault(second) && !fake.clear_fault(second));
    assert_eq!(statuses().await, 200);
    assert_eq!(fake.requests().len(), 4);
    fake.forget_requests();
    assert!(fake.requests().is_empty());
}

#[tokio::test]
async fn time_is_wasted_as_asked() {
    let fake = with("delay=20ms").await;
    let before = tokio::time::Instant::now();
    assert_eq!(ask(fake.addr(), "GET", PATH, &[]).await.status, 200);
    assert!(before.elapsed() >= Duration::from_millis(20));
    fake.clear_faults();
    fake.inject(Fault::new(FaultKind::Slow { bytes: 5, every: Duration::from_millis(1) }));
    assert_eq!(ask(fake.addr(), "GET", PATH, &[]).await.text(), "i-0fedcba9876543210");

    fake.clear_faults();
    fake.inject("stall".parse().unwrap());
    let mut connection = Connection::open(fake.addr()).await;
    let answer = tokio::time::timeout(Duration::from_millis(100), connection.ask("GET", PATH, &[])).await;
    assert!(answer.is_err(), "half an answer, and no end of it: {answer:?}");
    assert!(connection.has_unread(), "half of it came");
}

#[tokio::test]
async fn silence_lasts_until_the_fake_goes() {
    let fake = with("drop-token").await;
    let mut connection = Connection::open(fake.addr()).await;
    let ttl = [("X-aws-ec2-metadata-token-ttl-seconds", "60")];
    let asking = connection.ask("PUT", "/latest/api/token", &ttl);
    let ending = async {
        while fake.requests().is_empty() {
            tokio::task::yield_now().await;
        }
        assert_eq!(ask(fake.addr(), "GET", PATH, &[]).await.status, 200, "other requests are answered");
        drop(fake);
    };
    let (answer, ()) = tokio::join!(asking, ending);
    answer.unwrap_err();
}

#[tokio::test]
async fn a_connection_serves_many_requests() {
    let fake = start().await;
    let mut connection = Connection::open(fake.addr()).await;
    for _ in 0..20 {
        assert_eq!(connection.ask("GET", PATH, &[]).await.unwrap().status, 200);
    }
    let second = Connection::open(fake.addr()).await;
    let mut third = Connection::open(fake.addr()).await;
    third.ask("GET", PATH, &[]).await.unwrap();
    assert_eq!((fake.connections(), fake.peak_connections()), (3, 3));
    drop(second);
}

#[tokio::test]
async fn odd_requests_do_no_harm() {
    for cloud in ["aws", "azure", "gcp", "digitalocean"] {
        let fake = Fake::start(Scenario::parse(cloud).unwrap()).await.unwrap();
        let long = format!("GET / HTTP/1.1\r\nHost: x\r\nX-Long: {}\r\n\r\n", "y".repeat(500_000));
        let odd: &[&[u8]] = &[
            b"GET /latest/%zz/%FF/../..//%2e%2e HTTP/1.1\r\nHost: x\r\nMetadata: true\r\n\r\n",
            b"GET /computeMetadata/v1/instance/?recursive=true&timeout_sec=99999999999999999999 HTTP/1.1\r\nHost: x\r\nMetadata-Flavor: Google\r\n\r\n",
            b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
            b"CONNECT elsewhere:443 HTTP/1.1\r\nHost: x\r\n\r\n",
            b"BREW http://169.254.169.254/metadata/instance?=&&=%&api-version HTTP/1.1\r\nHost: \xff\r\n\r\n",
            b"GET http://169.254.169.254/latest/ HTTP/1.0\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
            long.as_bytes(),
        ];
        for raw in odd {
            let mut connection = Connection::open(fake.addr()).await;
            connection.send(raw).await;
            // Whatever comes (an answer, an end), the server lives on; the TLS greeting is never complete.
            if raw[0] != 0x16 {
                let _ = connection.receive(false).await;
            }
        }
        let root = if cloud == "digitalocean" { "/metadata/v1/" } else { "/" };
        assert!(ask(fake.addr(), "GET", root, &[]).await.status < 500, "{cloud}");
    }
}

#[tokio::test]
async fn it_binds_where_told() {
    let scenario = Scenario::parse("aws").unwrap();
    let Ok(fake) = Fake::bind(scenario, (Ipv6Addr::LOCALHOST, 0).into()).await else {
        // A machine without IPv6 has nothing to show here.
        return;
    };
    assert_eq!(fake.url(), format!("http://[::1]:{}", fake.addr().port()));
    assert_eq!(ask(fake.addr(), "GET", PATH, &[]).await.status, 200);
}
