//! Scaleway. What takes a privileged port is tested beside the code.

use imds_fake::{Fake, Scenario};
use serde_json::json;

use crate::client::{Reply, ask};

async fn start(name: &str) -> Fake {
    Fake::start(Scenario::parse(&format!("scaleway:{name}")).unwrap()).await.unwrap()
}

async fn get(fake: &Fake, path: &str) -> Reply {
    ask(fake.addr(), "GET", path, &[]).await
}

#[tokio::test]
async fn the_document_is_json_or_shell_variables() {
    let fake = start("plain").await;
    let document = get(&fake, "/conf?format=json").await;
    assert_eq!((document.status, document.header("content-type")), (200, Some("application/json")));
    let document = document.json();
    assert_eq!((&document["zone"], &document["private_ip"]), (&json!("fr-par-1"), &json!(null)));
    let variables = get(&fake, "/conf").await;
    assert_eq!(variables.header("content-type"), Some("text/plain; charset=utf-8"));
    for line in [
        "COMMERCIAL_TYPE=PRO2-S",
        "PUBLIC_IP_ADDRESS=203.0.113.88",
        "LOCATION_ZONE_ID=fr-par-1",
        "PRIVATE_IP=",
        "TAGS=2",
        "TAGS_0='env=prod'",
        "TAGS_1='team web'",
        "VOLUMES_0_SIZE=20000000000",
    ] {
        assert!(variables.text().lines().any(|known| known == line), "{line}: {}", variables.text());
    }
    for path in ["/", "/conf/id", "/latest/meta-data/instance-id"] {
        assert_eq!(get(&fake, path).await.status, 404, "{path}");
    }
    assert_eq!(ask(fake.addr(), "PUT", "/conf", &[]).await.status, 405);
}

#[tokio::test]
async fn an_ordinary_port_reads_no_user_data() {
    let fake = start("plain").await;
    for path in ["/user_data?format=json", "/user_data/cloud-init", "/vendor_data/cloud-init", "/user_data/x"]
    {
        assert_eq!(get(&fake, path).await.status, 403, "{path}");
    }
}

#[tokio::test]
async fn addresses_differ_between_machines() {
    let fake = start("private-nic-only").await;
    let document = get(&fake, "/conf?format=json").await.json();
    let none = (&json!(null), &json!([]), &json!([]));
    assert_eq!((&document["public_ip"], &document["public_ips_v4"], &document["tags"]), none);
    assert_eq!(document["private_nics"].as_array().unwrap().len(), 1);
    let fake = start("many-ips").await;
    let document = get(&fake, "/conf?format=json").await.json();
    let families: Vec<_> =
        document["public_ips"].as_array().unwrap().iter().map(|ip| &ip["family"]).collect();
    assert_eq!(families, ["inet", "inet", "inet6", "inet6"]);
    fake.set("zone", "nl-ams-3").unwrap();
    let document = get(&fake, "/conf?format=json").await.json();
    assert_eq!(document["location"]["zone_id"], "nl-ams-3");
    assert!(fake.set("size", "x").is_err());
}
