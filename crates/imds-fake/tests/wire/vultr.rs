//! Vultr.

use imds_fake::{Fake, Scenario};

use crate::client::{Reply, ask};

async fn start(name: &str) -> Fake {
    Fake::start(Scenario::parse(&format!("vultr:{name}")).unwrap()).await.unwrap()
}

async fn get(fake: &Fake, path: &str) -> Reply {
    ask(fake.addr(), "GET", path, &[]).await
}

#[tokio::test]
async fn the_document_and_the_trees_say_the_same() {
    let fake = start("plain").await;
    let document = get(&fake, "/v1.json").await;
    assert_eq!((document.status, document.header("content-type")), (200, Some("application/json")));
    assert_eq!(document.json()["instance-v2-id"], "3f2b1c0d-1111-4222-8333-944455556666");
    let rows = [
        ("/v1/hostname", "web-ams-1"),
        ("/v1/instanceid", "51234567"),
        ("/v1/region/regioncode", "AMS"),
        ("/v1/interfaces/", "0/\n1/"),
        ("/v1/interfaces/1/network-type", "private"),
        ("/v1/interfaces/0/ipv4/address", "203.0.113.71"),
        ("/v1/interfaces/1/ipv4/gateway", ""),
        ("/v1/user-defined", "prod\nteam:web"),
        ("/v1/bgp/ipv4/my-asn", ""),
        ("/latest/meta-data/", "hostname\ninstance-id\nlocal-hostname\nlocal-ipv4\npublic-ipv4"),
        ("/latest/meta-data/instance-id", "51234567"),
        ("/latest/meta-data/local-ipv4", "10.1.112.3"),
    ];
    for (path, value) in rows {
        let reply = get(&fake, path).await;
        assert_eq!((reply.status, reply.text()), (200, value), "{path}");
    }
    for path in ["/v1/plan", "/v2/hostname", "/latest/meta-data/ami-id", "/v1/interfaces/2/mac"] {
        assert_eq!(get(&fake, path).await.status, 404, "{path}");
    }
    assert_eq!(ask(fake.addr(), "POST", "/v1.json", &[]).await.status, 405);
}

#[tokio::test]
async fn vendor_data_is_for_cloud_init() {
    let fake = start("plain").await;
    let key = [("Metadata-Token", "cloudinit")];
    assert_eq!(get(&fake, "/v1/vendor-data").await.status, 404);
    assert_eq!(get(&fake, "/v1.json").await.json().get("vendor-data"), None);
    assert_eq!(ask(fake.addr(), "GET", "/v1/vendor-data", &key).await.status, 200);
    assert!(ask(fake.addr(), "GET", "/v1.json", &key).await.json()["vendor-data"].is_string());
}

#[tokio::test]
async fn machines_differ() {
    let fake = start("public-only").await;
    assert_eq!(get(&fake, "/v1/interfaces/").await.text(), "0/");
    assert_eq!(get(&fake, "/v1/interfaces/0/ipv4/additional/1/address").await.text(), "203.0.113.91");
    assert_eq!(get(&fake, "/v1/user-data").await.text(), "");
    let metal = Scenario::parse("vultr:bare-metal").unwrap();
    assert!(metal.firmware().values().all(|content| !content.contains("Vultr")));
    let fake = Fake::start(metal).await.unwrap();
    assert_eq!(get(&fake, "/v1/instance-v2-id").await.status, 404);
    fake.set("v1/hostname", "metal-2").unwrap();
    assert_eq!(get(&fake, "/v1.json").await.json()["hostname"], "metal-2");
    assert!(fake.set("plan", "x").is_err());
}
