//! IBM Cloud VPC.

use imds_fake::{Fake, SECRET_MARKER, Scenario};
use serde_json::Value;

use crate::client::{Connection, Reply, ask};

const FLAVOUR: (&str, &str) = ("Metadata-Flavor", "ibm");
const NEW: &str = "2025-08-26";

async fn fake(spec: &str) -> Fake {
    Fake::start(Scenario::parse(spec).unwrap()).await.unwrap()
}

async fn put(fake: &Fake, target: &str, headers: &[(&str, &str)], body: &str) -> Reply {
    Connection::open(fake.addr()).await.ask_with("PUT", target, headers, body).await.unwrap()
}

async fn token(fake: &Fake) -> String {
    let reply =
        put(fake, &format!("/identity/v1/token?version={NEW}"), &[FLAVOUR], "{\"expires_in\": 60}").await;
    format!("Bearer {}", reply.json()["access_token"].as_str().unwrap())
}

/// Status, code and the name of what is wrong.
fn refusal(reply: &Reply) -> (u16, String, Value) {
    assert_eq!(reply.header("content-type"), Some("application/json"));
    let body = reply.json();
    assert_eq!(
        (&body["status_code"], body["trace"].as_str().map(str::len)),
        (&reply.status.into(), Some(36))
    );
    let error = &body["errors"][0];
    (reply.status, error["code"].as_str().unwrap().to_owned(), error["target"]["name"].clone())
}

#[tokio::test]
async fn tokens_are_asked_for_in_json() {
    let fake = fake("ibm").await;
    let path = format!("/identity/v1/token?version={NEW}");
    let reply = put(&fake, &path, &[FLAVOUR], "{\"expires_in\": 3600}").await;
    let body = reply.json();
    assert_eq!((reply.status, &body["expires_in"]), (200, &3600.into()));
    assert!(body["access_token"].as_str().unwrap().contains(SECRET_MARKER));
    let (created, expires) = (body["created_at"].as_str().unwrap(), body["expires_at"].as_str().unwrap());
    assert!(created < expires && created.len() == "2031-03-06T19:24:02.000Z".len(), "{created} {expires}");
    assert_eq!(put(&fake, &path, &[FLAVOUR], "{}").await.json()["expires_in"], 300);

    let rows = [
        (path.as_str(), None, "{}", 400, "missing_value", "Metadata-Flavor"),
        (path.as_str(), Some("Google"), "{}", 400, "invalid_value", "Metadata-Flavor"),
        (path.as_str(), Some("ibm"), "{\"expires_in\": 4}", 400, "invalid_value", "expires_in"),
        (path.as_str(), Some("ibm"), "{\"expires_in\": \"60\"}", 400, "invalid_value", "expires_in"),
        (path.as_str(), Some("ibm"), "{\"ttl\": 60}", 400, "unknown_field", "ttl"),
        ("/identity/v1/token", Some("ibm"), "{}", 400, "missing_value", "version"),
        ("/identity/v1/token?version=latest", Some("ibm"), "{}", 400, "invalid_value", "version"),
        ("/identity/v1/token?version=2022-02-28", Some("ibm"), "{}", 400, "invalid_value", "version"),
        ("/identity/v1/token?version=9999-01-01", Some("ibm"), "{}", 400, "invalid_value", "version"),
    ];
    for (target, flavour, body, status, code, name) in rows {
        let headers: Vec<(&str, &str)> =
            flavour.map(|flavour| ("Metadata-Flavor", flavour)).into_iter().collect();
        let reply = put(&fake, target, &headers, body).await;
        assert_eq!(refusal(&reply), (status, code.to_owned(), name.into()), "{target} {body}");
    }
    assert_eq!(refusal(&put(&fake, &path, &[FLAVOUR], "").await).1, "invalid_request");
}

#[tokio::test]
async fn the_version_decides_which_path_has_tokens() {
    let fake = fake("ibm").await;
    let rows = [
        ("/instance_identity/v1/token?version=2022-03-01", 200),
        ("/instance_identity/v1/token?version=2025-08-25", 200),
        ("/instance_identity/v1/token?version=2025-08-26", 404),
        ("/identity/v1/token?version=2025-08-25", 404),
        ("/identity/v1/token?version=2025-08-26", 200),
    ];
    for (target, status) in rows {
        assert_eq!(put(&fake, target, &[FLAVOUR], "{}").await.status, status, "{target}");
    }
}

#[tokio::test]
async fn documents_want_a_token_and_a_version() {
    let fake = fake("ibm").await;
    let token = token(&fake).await;
    let authorized = [("Authorization", token.as_str())];
    let get = async |path: &str| {
        ask(fake.addr(), "GET", &format!("/metadata/v1/{path}?version=2022-03-01"), &authorized).await
    };
    let instance = get("instance").await.json();
    assert_eq!((&instance["name"], &instance["zone"]["name"]), (&"api-1".into(), &"us-south-1".into()));
    assert_eq!(instance["network_interfaces"][1]["primary_ipv4_address"], "10.240.128.5");
    let nic = "instance/network_interfaces/0717-7ca88dfb-8962-469d-b1de-1dd56f4c3275";
    assert_eq!(get(nic).await.json()["subnet"]["name"], "subnet-a");
    let floating = get(&format!("{nic}/floating_ips")).await.json();
    assert_eq!(floating["floating_ips"][0]["address"], "192.0.2.11");
    assert_eq!(
        refusal(&get("instance/network_interfaces/0717-none").await),
        (404, "not_found".to_owned(), Value::Null)
    );
    assert_eq!(refusal(&get("instance/tags").await).0, 404);

    let path = "/metadata/v1/instance?version=2022-03-01";
    assert_eq!(
        refusal(&ask(fake.addr(), "GET", path, &[]).await),
        (401, "unauthenticated".to_owned(), Value::Null)
    );
    let bare = token.strip_prefix("Bearer ").unwrap();
    assert_eq!(ask(fake.addr(), "GET", path, &[("Authorization", bare)]).await.status, 401);
    assert_eq!(refusal(&ask(fake.addr(), "GET", "/metadata/v1/instance", &authorized).await).2, "version");
    assert_eq!(ask(fake.addr(), "GET", "/latest/meta-data/", &[]).await.status, 404);
    let iam = format!("/identity/v1/iam_tokens?version={NEW}");
    assert_eq!(ask(fake.addr(), "POST", &iam, &[]).await.status, 401);
    assert!(ask(fake.addr(), "POST", &iam, &authorized).await.text().contains(SECRET_MARKER));
    let older = "/instance_identity/v1/iam_token?version=2022-03-01";
    assert!(ask(fake.addr(), "POST", older, &authorized).await.text().contains(SECRET_MARKER));
    fake.revoke_tokens();
    assert_eq!(get("instance").await.status, 401);
}

#[tokio::test]
async fn a_service_that_is_off_refuses_all() {
    let fake = fake("ibm:disabled").await;
    let reply = put(&fake, &format!("/identity/v1/token?version={NEW}"), &[FLAVOUR], "{}").await;
    assert_eq!(refusal(&reply), (403, "unauthorized".to_owned(), Value::Null));
    assert_eq!(ask(fake.addr(), "GET", "/metadata/v1/instance?version=2022-03-01", &[]).await.status, 403);
}

#[tokio::test]
async fn addresses_stand_in_different_places() {
    for (spec, place, address) in [
        ("ibm:new-shape", "/network_interfaces/0/primary_ip/address", "10.243.0.7"),
        ("ibm:attachments", "/network_attachments/0/primary_ip/address", "10.251.64.4"),
    ] {
        let fake = fake(spec).await;
        let token = token(&fake).await;
        let path = format!("/metadata/v1/instance?version={NEW}");
        let instance = ask(fake.addr(), "GET", &path, &[("Authorization", &token)]).await.json();
        assert_eq!(instance.pointer(place).unwrap(), address, "{spec}");
        let older = instance["network_interfaces"][0].get("primary_ipv4_address").is_some();
        assert_eq!(older, spec == "ibm:attachments");
    }
}

#[tokio::test]
async fn what_says_the_same_changes_together() {
    let fake = fake("ibm").await;
    fake.set("instance/id", "0717_new").unwrap();
    fake.set("instance/primary_network_interface/primary_ipv4_address", "10.240.64.12").unwrap();
    assert!(fake.set("instance/tags", "x").is_err());
    let token = token(&fake).await;
    let get = async |path: &str| {
        let target = format!("/metadata/v1/{path}?version=2022-03-01");
        ask(fake.addr(), "GET", &target, &[("Authorization", &token)]).await.json()
    };
    let instance = get("instance").await;
    assert!(instance["crn"].as_str().unwrap().ends_with("::instance:0717_new"));
    assert_eq!(instance["network_interfaces"][0]["primary_ipv4_address"], "10.240.64.12");
    let nics = get("instance/network_interfaces").await;
    assert_eq!(nics["network_interfaces"][0]["primary_ipv4_address"], "10.240.64.12");
}
