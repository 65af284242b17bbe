//! `DigitalOcean`.

use imds_fake::{Fake, Scenario};
use serde_json::json;

use crate::client::ask;

#[tokio::test]
async fn the_document_and_the_tree_say_the_same() {
    let fake = Fake::start(Scenario::parse("digitalocean").unwrap()).await.unwrap();
    let document = ask(fake.addr(), "GET", "/metadata/v1.json", &[]).await;
    assert_eq!((document.status, document.header("content-type")), (200, Some("application/json")));
    assert_eq!(document.json()["droplet_id"], 412_345_678);
    assert_eq!(document.json()["interfaces"]["public"][0]["anchor_ipv4"]["ip_address"], "10.19.0.5");
    let rows = [
        ("id", "412345678"),
        ("hostname", "web-fra-1"),
        ("region", "fra1"),
        ("interfaces/", "private/\npublic/"),
        ("interfaces/public/0/ipv4/address", "203.0.113.120"),
        ("interfaces/public/0/ipv6/cidr", "64"),
        ("interfaces/private/0/mac", "5e:01:02:03:04:05"),
        ("reserved_ip/ipv4/ip_address", "203.0.113.200"),
        ("reserved_ip/ipv4/active", "true"),
        ("dns/nameservers", "67.207.67.3\n67.207.67.2"),
        ("tags/", "prod\nteam:web"),
        ("features/dhcp_enabled", "true"),
    ];
    for (path, value) in rows {
        let reply = ask(fake.addr(), "GET", &format!("/metadata/v1/{path}"), &[]).await;
        assert_eq!((reply.status, reply.text()), (200, value), "{path}");
    }
    let top = ask(fake.addr(), "GET", "/metadata/v1/", &[]).await;
    assert!(top.text().starts_with("auth-token\ndns/\nfeatures/\nfloating_ip/\nhostname\nid\ninterfaces/\n"));
    assert_eq!(ask(fake.addr(), "GET", "/metadata/v1/size", &[]).await.status, 404);
    assert_eq!(ask(fake.addr(), "GET", "/latest/meta-data/", &[]).await.status, 404);
    assert_eq!(ask(fake.addr(), "POST", "/metadata/v1.json", &[]).await.status, 405);
}

#[tokio::test]
async fn a_private_droplet_has_no_public_branch_and_null_tags() {
    let mut scenario = Scenario::parse("digitalocean:private-only").unwrap();
    scenario.set("id", "412000000").unwrap();
    assert_eq!(scenario.firmware()["product_serial"], "412000000");
    assert!(scenario.set("droplet_id", "x").is_err());
    assert!(scenario.set("size", "x").is_err());
    let fake = Fake::start(scenario).await.unwrap();
    let document = ask(fake.addr(), "GET", "/metadata/v1.json", &[]).await.json();
    assert_eq!((&document["tags"], &document["droplet_id"]), (&json!(null), &json!(412_000_000)));
    assert_eq!(ask(fake.addr(), "GET", "/metadata/v1/interfaces", &[]).await.text(), "private/");
    assert_eq!(ask(fake.addr(), "GET", "/metadata/v1/tags/", &[]).await.status, 404);
    fake.set("tags", "[\"x\"]").unwrap();
    fake.set("interfaces/private/0/ipv4/address", "10.0.0.1").unwrap();
    assert_eq!(ask(fake.addr(), "GET", "/metadata/v1/tags/", &[]).await.text(), "x");
    let document = ask(fake.addr(), "GET", "/metadata/v1.json", &[]).await.json();
    assert_eq!(document["interfaces"]["private"][0]["ipv4"]["ip_address"], "10.0.0.1");
}
