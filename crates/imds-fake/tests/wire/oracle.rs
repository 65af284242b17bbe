//! Oracle Cloud Infrastructure.

use imds_fake::{Fake, Scenario};
use serde_json::json;

use crate::client::{Reply, ask};

const KEY: (&str, &str) = ("Authorization", "Bearer Oracle");

async fn start(name: &str) -> Fake {
    Fake::start(Scenario::parse(&format!("oracle:{name}")).unwrap()).await.unwrap()
}

async fn get(fake: &Fake, path: &str) -> Reply {
    ask(fake.addr(), "GET", path, &[KEY]).await
}

#[tokio::test]
async fn version_2_wants_its_header_and_no_trace_of_a_proxy() {
    let fake = start("plain").await;
    for path in ["/opc/v2/instance/", "/opc/v2/", "/opc/v2/nothing"] {
        assert_eq!(ask(fake.addr(), "GET", path, &[]).await.status, 403, "{path}");
        assert_eq!(ask(fake.addr(), "GET", path, &[("Authorization", "Bearer x")]).await.status, 403);
    }
    for name in ["Forwarded", "X-Forwarded-For", "X-Forwarded-Host"] {
        let headers = [KEY, (name, "10.0.0.1")];
        assert_eq!(ask(fake.addr(), "GET", "/opc/v2/instance/", &headers).await.status, 403, "{name}");
    }
    assert_eq!(ask(fake.addr(), "PUT", "/opc/v2/instance/", &[KEY]).await.status, 405);
    let reply = get(&fake, "/opc/v2/instance/").await;
    assert_eq!((reply.status, reply.header("content-type")), (200, Some("application/json")));
    assert_eq!(reply.header("server"), Some("server"));
    assert!(reply.text().contains("\n  \"displayName\" : \"batch-worker-4\",\n"), "{}", reply.text());
    assert!(reply.text().contains("\"ocpus\" : 2.0\n"), "{}", reply.text());
    assert_eq!(reply.json()["definedTags"], json!({ "Operations": { "Owner": "team-a" } }));
}

#[tokio::test]
async fn keys_are_paths() {
    let fake = start("plain").await;
    let rows = [
        ("instance/id", "ocid1.instance.oc1.eu-frankfurt-1.antheljt4inventedinstance"),
        ("instance/timeCreated", "1930000000123"),
        ("instance/regionInfo/regionKey", "FRA"),
        ("instance/freeformTags/Cost%20Center", "42/b"),
        ("vnics/1/macAddr", "02:00:17:0A:1B:2D"),
        ("vnics/0/ipv6Addresses/0", "2001:db8:400d:5dbb:0:1:2:3"),
        ("", "identity/\ninstance/\nvnics/\nvolumeAttachments/"),
    ];
    for (path, value) in rows {
        let path = format!("/opc/v2/{path}");
        for path in [path.trim_end_matches('/'), &format!("{}/", path.trim_end_matches('/'))] {
            let reply = get(&fake, path).await;
            assert_eq!((reply.status, reply.text()), (200, value), "{path}");
            assert_eq!(reply.header("content-type"), Some("text/plain"), "{path}");
        }
    }
    let tags = get(&fake, "/opc/v2/instance/freeformTags/").await.json();
    assert_eq!(tags, json!({ "env": "prod", "Cost Center": "42/b" }));
    assert_eq!(get(&fake, "/opc/v2/vnics/").await.json().as_array().unwrap().len(), 2);
    for path in ["/opc/v2/vnics/2", "/opc/v2/vnics/0/publicIp", "/opc/v2/host/", "/latest/meta-data/"] {
        assert_eq!(get(&fake, path).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn the_legacy_endpoints_are_off_unless_switched_on() {
    let plain = start("plain").await;
    let legacy = start("legacy-v1").await;
    for path in ["/opc/v1/instance/", "/opc/v1/instance/shape", "/openstack/latest/meta_data.json"] {
        assert_eq!(get(&plain, path).await.status, 404, "{path}");
        assert_eq!(ask(legacy.addr(), "GET", path, &[]).await.status, 200, "{path}");
        let forwarded = [("X-Forwarded-For", "10.0.0.1")];
        assert_eq!(ask(legacy.addr(), "GET", path, &forwarded).await.status, 403, "{path}");
    }
    assert_eq!(ask(legacy.addr(), "GET", "/opc/v2/instance/", &[]).await.status, 403);
}

#[tokio::test]
async fn machines_without_ipv4_or_tags_lack_those_keys() {
    let fake = start("ipv6-only").await;
    let vnic = get(&fake, "/opc/v2/vnics/0").await.json();
    assert_eq!((vnic.get("privateIp"), &vnic["subnetCidrBlock"]), (None, &json!("<null>")));
    let fake = start("no-tags").await;
    assert_eq!(get(&fake, "/opc/v2/instance/freeformTags/").await.status, 404);
    assert_eq!(get(&fake, "/opc/v2/instance/region").await.text(), "fra");
    assert_eq!(get(&fake, "/opc/v2/instance/canonicalRegionName").await.text(), "eu-frankfurt-1");
    fake.set("instance/freeformTags/team", "storage").unwrap();
    assert_eq!(get(&fake, "/opc/v2/instance/").await.json()["freeformTags"], json!({ "team": "storage" }));
}

#[tokio::test]
async fn the_region_is_changed_wherever_it_stands() {
    let fake = start("plain").await;
    fake.set("opc/v2/instance/canonicalRegionName", "us-phoenix-1").unwrap();
    let instance = get(&fake, "/opc/v2/instance/").await.json();
    assert_eq!(
        (&instance["region"], &instance["regionInfo"]["regionIdentifier"]),
        (&json!("us-phoenix-1"), &json!("us-phoenix-1"))
    );
    assert!(fake.set("instance/timeCreated", "soon").is_err());
    assert!(fake.set("instance/publicIp", "203.0.113.1").is_err());
}
