//! Akamai, once Linode.

use imds_fake::{Fake, SECRET_MARKER, Scenario};
use serde_json::json;

use crate::client::{Reply, ask};

const TTL: &str = "Metadata-Token-Expiry-Seconds";
const TOKEN: &str = "Metadata-Token";
const JSON: (&str, &str) = ("Accept", "application/json");

async fn start(name: &str) -> (Fake, String) {
    let fake = Fake::start(Scenario::parse(&format!("akamai:{name}")).unwrap()).await.unwrap();
    let token = ask(fake.addr(), "PUT", "/v1/token", &[(TTL, "3600")]).await.text().to_owned();
    (fake, token)
}

async fn get(fake: &Fake, token: &str, path: &str) -> Reply {
    ask(fake.addr(), "GET", path, &[(TOKEN, token), JSON]).await
}

#[tokio::test]
async fn everything_wants_a_token() {
    let (fake, token) = start("plain").await;
    assert!(token.contains(SECRET_MARKER));
    for path in ["/v1/instance", "/v1/user-data", "/v1/nothing", "/"] {
        for headers in [&[][..], &[(TOKEN, "invented")]] {
            let reply = ask(fake.addr(), "GET", path, headers).await;
            assert_eq!(
                (reply.status, reply.header("content-type")),
                (401, Some("application/json")),
                "{path}"
            );
            assert!(reply.json()["errors"][0]["reason"].is_string(), "{path}");
        }
    }
    for ttl in [&[][..], &[(TTL, "0")], &[(TTL, "86401")], &[(TTL, "soon")]] {
        let reply = ask(fake.addr(), "PUT", "/v1/token", ttl).await;
        assert_eq!((reply.status, &reply.json()["errors"][0]["field"]), (400, &json!(TTL)), "{ttl:?}");
    }
    assert_eq!(ask(fake.addr(), "GET", "/v1/token", &[(TTL, "60")]).await.status, 405);
    let listed = ask(fake.addr(), "PUT", "/v1/token", &[(TTL, "86400"), JSON]).await.json();
    let listed = listed.as_array().unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(get(&fake, listed[0].as_str().unwrap(), "/v1/instance").await.status, 200);
    fake.revoke_tokens();
    assert_eq!(get(&fake, &token, "/v1/instance").await.status, 401);
}

#[tokio::test]
async fn json_is_for_those_who_ask_for_it() {
    let (fake, token) = start("plain").await;
    let reply = get(&fake, &token, "/v1/instance").await;
    assert_eq!((reply.status, reply.header("content-type")), (200, Some("application/json")));
    assert_eq!(reply.json()["specs"]["memory"], 4096);
    let network = get(&fake, &token, "/v1/network").await.json();
    assert_eq!(network["ipv4"]["public"], json!(["203.0.113.14/32"]));
    let lines = ask(fake.addr(), "GET", "/v1/instance", &[(TOKEN, &token)]).await;
    assert_eq!(lines.header("content-type"), Some("text/plain; charset=utf-8"));
    for line in ["id: 87654321", "label: web-ord-1", "specs.vcpus: 2", "tags: prod", "tags: web:blue"] {
        assert!(lines.text().lines().any(|known| known == line), "{line}: {}", lines.text());
    }
    for path in ["/v1/instance/id", "/v1/nothing", "/v2/instance", "/latest/meta-data/"] {
        let reply = get(&fake, &token, path).await;
        assert_eq!(
            (reply.status, &reply.json()["errors"][0]["reason"]),
            (404, &json!("Not Found")),
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_machine_may_lack_an_image_and_user_data() {
    let (fake, token) = start("no-image").await;
    let instance = get(&fake, &token, "/v1/instance").await.json();
    assert_eq!((&instance["image"], &instance["tags"]), (&json!(null), &json!([])));
    assert_eq!(get(&fake, &token, "/v1/user-data").await.status, 404);
    fake.set("instance.label", "other").unwrap();
    fake.set("instance/tags", "[\"x\"]").unwrap();
    let instance = get(&fake, &token, "/v1/instance").await.json();
    assert_eq!((&instance["label"], &instance["tags"]), (&json!("other"), &json!(["x"])));
    assert!(fake.set("instance/hostname", "x").is_err());
}

#[tokio::test]
async fn dropped_replies_concern_the_token_only() {
    let (fake, token) = start("plain").await;
    fake.inject("drop-token".parse().unwrap());
    assert_eq!(get(&fake, &token, "/v1/instance").await.status, 200);
    let mut connection = crate::client::Connection::open(fake.addr()).await;
    let asked = connection.ask("PUT", "/v1/token", &[(TTL, "60")]);
    assert!(tokio::time::timeout(std::time::Duration::from_millis(50), asked).await.is_err());
    assert!(fake.requests().iter().any(imds_fake::Recorded::sent_token));
}
