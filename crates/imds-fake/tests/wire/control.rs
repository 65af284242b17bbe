//! The control API, byte by byte: what it does to the service beside it, and whom it refuses.

use std::sync::Arc;

use imds_fake::{Control, Fake, SECRET_MARKER, Scenario};
use serde_json::{Value, json};

use crate::client::{Connection, Reply, ask};

const ID: &str = "/latest/meta-data/instance-id";

struct Controlled {
    fake: Arc<Fake>,
    control: Control,
}

impl Controlled {
    async fn start(spec: &str) -> Self {
        let fake = Arc::new(Fake::start(Scenario::parse(spec).unwrap()).await.unwrap());
        let control = Control::bind(Arc::clone(&fake), "127.0.0.1:0".parse().unwrap()).await.unwrap();
        Self { fake, control }
    }

    /// A request as it stands on the wire, with what curl would send.
    async fn send(&self, method: &str, path: &str, headers: &str, body: &str) -> Reply {
        let mut connection = Connection::open(self.control.addr()).await;
        let length = body.len();
        connection
            .send(
                format!("{method} {path} HTTP/1.1\r\n{headers}Content-Length: {length}\r\n\r\n{body}")
                    .as_bytes(),
            )
            .await;
        connection.receive(false).await.unwrap()
    }

    async fn call(&self, method: &str, path: &str, body: &str) -> (u16, Value) {
        let reply = self.send(method, path, &format!("Host: {}\r\n", self.control.addr()), body).await;
        assert_eq!(reply.header("content-type"), Some("application/json"), "{method} {path}");
        (reply.status, reply.json())
    }

    async fn get(&self, path: &str) -> Reply {
        ask(self.fake.addr(), "GET", path, &[]).await
    }
}

#[tokio::test]
async fn faults_are_added_listed_counted_and_taken_away() {
    let it = Controlled::start("aws").await;
    assert_eq!(it.call("GET", "/faults", "").await, (200, json!({"faults": []})));
    let (status, added) = it.call("POST", "/faults", "\"503=7:/latest/meta-data:2\"").await;
    let first = json!({"id": 1, "kind": "503=7", "path": "/latest/meta-data", "method": null, "left": 2, "struck": 0});
    assert_eq!((status, added), (201, json!({"faults": [first]})));
    let reply = it.get(ID).await;
    assert_eq!((reply.status, reply.header("retry-after")), (503, Some("7")));
    let more = r#"[{"kind": "418", "path": "/latest/dynamic", "method": "get", "body": "short and stout"}, "hang:/x"]"#;
    let (status, added) = it.call("POST", "/faults", more).await;
    assert_eq!((status, added["faults"].as_array().unwrap().len()), (201, 2));
    let teapot = it.get("/latest/dynamic/instance-identity/document").await;
    assert_eq!((teapot.status, teapot.text()), (418, "short and stout"));
    let (_, all) = it.call("GET", "/faults", "").await;
    assert_eq!((&all["faults"][0]["left"], &all["faults"][0]["struck"]), (&json!(1), &json!(1)));
    assert_eq!(all["faults"][1]["method"], "GET");
    let (status, left) = it.call("DELETE", "/faults/1", "").await;
    assert_eq!((status, left["faults"].as_array().unwrap().len()), (200, 2));
    assert_eq!(it.get(ID).await.status, 200);
    assert_eq!(it.call("DELETE", "/faults/1", "").await.0, 404);
    assert_eq!(it.call("DELETE", "/faults", "").await, (200, json!({"faults": []})));
    assert!(it.fake.faults().is_empty());
}

#[tokio::test]
async fn a_list_with_a_wrong_fault_adds_none() {
    let it = Controlled::start("aws").await;
    for (body, named) in [
        ("[\"503\", \"loud\"]", "unknown kind `loud`"),
        ("503", "a fault is a text"),
        ("{\"path\": \"/x\"}", "`kind`"),
        ("{\"kind\": 503}", "`kind` is a text"),
        ("{\"kind\": \"503\", \"time\": 2}", "unknown member `time`"),
        ("{\"kind\": \"503\", \"times\": -1}", "`times`"),
        ("{\"kind\": \"503\", \"path\": \"x\"}", "slash"),
        ("{\"kind\": \"hang\", \"body\": \"x\"}", "only a status"),
        ("{", "no JSON"),
        ("", "no JSON"),
    ] {
        let (status, answer) = it.call("POST", "/faults", body).await;
        let error = answer["error"].as_str().unwrap();
        assert!(status == 400 && error.contains(named), "{body}: {status} {error}");
    }
    assert!(it.fake.faults().is_empty());
}

#[tokio::test]
async fn requests_are_counted_and_show_no_token() {
    let it = Controlled::start("aws").await;
    let ttl = [("X-aws-ec2-metadata-token-ttl-seconds", "60")];
    let token = ask(it.fake.addr(), "PUT", "/latest/api/token", &ttl).await.text().to_owned();
    let carried = [("X-aws-ec2-metadata-token", token.as_str()), ("User-Agent", "probe/1")];
    for _ in 0..2 {
        ask(it.fake.addr(), "GET", ID, &carried).await;
    }
    let reply = it.send("GET", "/requests", &format!("Host: {}\r\n", it.control.addr()), "").await;
    assert!(!reply.text().contains(SECRET_MARKER), "{}", reply.text());
    let seen = reply.json();
    assert_eq!((&seen["count"], &seen["connections"]), (&json!(3), &json!(3)));
    assert_eq!(seen["by_path"], json!({"/latest/api/token": 1, ID: 2}));
    let last = json!({"method": "GET", "path": ID, "token": true, "user_agent": "probe/1", "connection": 3});
    assert_eq!(seen["requests"][2], last);
    assert_eq!(it.call("DELETE", "/requests", "").await.1["count"], 0);
    assert!(it.fake.requests().is_empty());
}

#[tokio::test]
async fn values_change_and_go() {
    let it = Controlled::start("aws").await;
    let body = r#"{"meta-data/instance-id": "i-00000000000000009", "meta-data/public-ipv4": null}"#;
    let (status, answer) = it.call("POST", "/set", body).await;
    assert_eq!((status, answer), (200, json!({"set": ["meta-data/instance-id", "meta-data/public-ipv4"]})));
    assert_eq!(it.get(ID).await.text(), "i-00000000000000009");
    assert_eq!(it.get("/latest/meta-data/public-ipv4").await.status, 404);
    let (status, answer) = it.call("POST", "/set", r#"{"nowhere": "x"}"#).await;
    assert!(status == 400 && answer["error"].as_str().unwrap().contains("`nowhere`"), "{answer}");
    assert_eq!(it.call("POST", "/set", "[]").await.0, 400);
}

#[tokio::test]
async fn tokens_expire_on_demand() {
    let it = Controlled::start("aws").await;
    let ttl = [("X-aws-ec2-metadata-token-ttl-seconds", "60")];
    let token = ask(it.fake.addr(), "PUT", "/latest/api/token", &ttl).await.text().to_owned();
    let carried = [("X-aws-ec2-metadata-token", token.as_str())];
    assert_eq!(ask(it.fake.addr(), "GET", ID, &carried).await.status, 200);
    assert_eq!(it.call("POST", "/expire-tokens", "").await, (200, json!({})));
    assert_eq!(ask(it.fake.addr(), "GET", ID, &carried).await.status, 401);
}

#[tokio::test]
async fn events_are_announced_where_the_vendor_announces_them() {
    let azure = [("Metadata", "true")];
    let google = [("Metadata-Flavor", "Google")];
    let nothing: [(&str, &str); 0] = [];
    for (cloud, kind, path, headers, marks) in [
        (
            "aws",
            "interruption",
            "/latest/meta-data/spot/instance-action",
            &nothing[..],
            "\"action\":\"terminate\"",
        ),
        (
            "aws",
            "rebalance",
            "/latest/meta-data/events/recommendations/rebalance",
            &nothing[..],
            "noticeTime",
        ),
        (
            "aws",
            "maintenance",
            "/latest/meta-data/events/maintenance/scheduled",
            &nothing[..],
            "system-reboot",
        ),
        (
            "aws",
            "scaling",
            "/latest/meta-data/autoscaling/target-lifecycle-state",
            &nothing[..],
            "Terminated",
        ),
        ("azure", "interruption", "/metadata/scheduledevents?api-version=2020-07-01", &azure[..], "Preempt"),
        ("azure", "maintenance", "/metadata/scheduledevents?api-version=2020-07-01", &azure[..], "Freeze"),
        ("gcp", "interruption", "/computeMetadata/v1/instance/preempted", &google[..], "TRUE"),
        (
            "gcp",
            "maintenance",
            "/computeMetadata/v1/instance/maintenance-event",
            &google[..],
            "MIGRATE_ON_HOST_MAINTENANCE",
        ),
        (
            "yandex",
            "maintenance",
            "/computeMetadata/v1/instance/maintenance-event",
            &google[..],
            "MIGRATE_ON_HOST_MAINTENANCE",
        ),
        ("alibaba", "interruption", "/latest/meta-data/instance/spot/termination-time", &nothing[..], "Z"),
        ("tencent", "interruption", "/latest/meta-data/spot/termination-time", &nothing[..], ":"),
    ] {
        let it = Controlled::start(cloud).await;
        let before = ask(it.fake.addr(), "GET", path, headers).await;
        assert!(before.status == 404 || !before.text().contains(marks), "{cloud}: {before:?}");
        let (status, answer) = it.call("POST", "/events", &format!("{{\"kind\": \"{kind}\"}}")).await;
        assert_eq!((status, answer), (200, json!({"announced": kind})), "{cloud}");
        let after = ask(it.fake.addr(), "GET", path, headers).await;
        assert!(after.status == 200 && after.text().contains(marks), "{cloud}: {after:?}");
    }
}

#[tokio::test]
async fn azures_events_are_about_the_machine_and_pile_up() {
    let it = Controlled::start("azure:vmss-uniform-spot").await;
    let events = async || {
        let path = "/metadata/scheduledevents?api-version=2020-07-01";
        ask(it.fake.addr(), "GET", path, &[("Metadata", "true")]).await.json()
    };
    let before = events().await;
    it.call("POST", "/events", "{\"kind\": \"interruption\", \"in_seconds\": 30}").await;
    let after = events().await;
    assert_eq!(
        after["DocumentIncarnation"].as_i64(),
        before["DocumentIncarnation"].as_i64().map(|it| it + 1)
    );
    let (old, new) = (before["Events"].as_array().unwrap(), after["Events"].as_array().unwrap());
    assert_eq!(new.len(), old.len() + 1);
    assert_eq!(new.last().unwrap()["Resources"], old[0]["Resources"]);
    assert!(new.last().unwrap()["NotBefore"].as_str().unwrap().ends_with(" GMT"), "{new:?}");
}

#[tokio::test]
async fn what_cannot_be_announced_is_refused() {
    let it = Controlled::start("hetzner").await;
    for (body, named) in [
        ("{\"kind\": \"interruption\"}", "Hetzner announces none"),
        ("{\"kind\": \"party\"}", "interruption, rebalance"),
        ("{\"kind\": \"interruption\", \"in_seconds\": 99999999999999}", "`in_seconds`"),
        ("{\"in_seconds\": 1}", "`kind`"),
        ("{\"kind\": \"interruption\", \"when\": 1}", "unknown member `when`"),
    ] {
        let (status, answer) = it.call("POST", "/events", body).await;
        let error = answer["error"].as_str().unwrap();
        assert!(status == 400 && error.contains(named), "{body}: {error}");
    }
}

#[tokio::test]
async fn browsers_and_proxies_are_refused_and_change_nothing() {
    let it = Controlled::start("aws").await;
    let own = format!("Host: {}\r\n", it.control.addr());
    for headers in [
        "Host: evil.example\r\n".to_owned(),
        format!("{own}Host: evil.example\r\n"),
        format!("{own}Origin: null\r\n"),
        format!("{own}Origin: http://{}\r\n", it.control.addr()),
        format!("{own}Sec-Fetch-Mode: no-cors\r\n"),
        format!("{own}X-Forwarded-For: 192.0.2.1\r\n"),
        format!("{own}Forwarded: for=192.0.2.1\r\n"),
        format!("{own}Via: 1.1 proxy\r\n"),
    ] {
        for (method, path, body) in [("POST", "/faults", "\"503\""), ("GET", "/requests", "")] {
            let reply = it.send(method, path, &headers, body).await;
            assert_eq!(reply.status, 403, "{headers}");
            assert!(reply.json()["error"].is_string(), "{headers}");
            assert_eq!(reply.header("access-control-allow-origin"), None);
        }
    }
    assert!(it.fake.faults().is_empty());
    let named = format!("Host: localhost:{}\r\n", it.control.addr().port());
    assert_eq!(it.send("GET", "/", &named, "").await.status, 200);
}

#[tokio::test]
async fn what_there_is_can_be_asked() {
    let it = Controlled::start("gcp").await;
    let (status, about) = it.call("GET", "/", "").await;
    assert_eq!((status, &about["cloud"], &about["url"]), (200, &json!("gcp"), &json!(it.fake.url())));
    for (path, methods) in about["endpoints"].as_object().unwrap() {
        let reply = it.send("PATCH", path, &format!("Host: {}\r\n", it.control.addr()), "").await;
        assert_eq!((reply.status, reply.header("allow")), (405, methods.as_str()), "{path}");
    }
    let (status, answer) = it.call("GET", "/secrets", "").await;
    assert!(status == 404 && answer["error"].as_str().unwrap().contains("/requests"), "{answer}");
    assert_eq!(it.call("GET", "/faults/1", "").await.0, 405);
    assert_eq!(it.call("DELETE", "/faults/x", "").await.0, 404);
    let (status, _) = it.call("POST", "/set", &" ".repeat((1 << 20) + 1)).await;
    assert_eq!(status, 413);
}

#[tokio::test]
async fn it_listens_on_loopback_only() {
    let fake = Arc::new(Fake::start(Scenario::parse("aws").unwrap()).await.unwrap());
    for addr in ["0.0.0.0:0", "192.0.2.1:0", "[::]:0"] {
        let error = Control::bind(Arc::clone(&fake), addr.parse().unwrap()).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput, "{addr}");
    }
}
