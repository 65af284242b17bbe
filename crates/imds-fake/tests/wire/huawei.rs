//! Huawei Cloud and Open Telekom Cloud.

use imds_fake::{Fake, Scenario};

use crate::client::ask;

const TOKEN: &str = "/meta-data/latest/api/token";
const TTL: (&str, &str) = ("X-Metadata-Token-Ttl-Seconds", "21600");

async fn fake(spec: &str) -> Fake {
    Fake::start(Scenario::parse(spec).unwrap()).await.unwrap()
}

#[tokio::test]
async fn both_formats_have_the_vendors_extras() {
    let fake = fake("huawei").await;
    let meta = ask(fake.addr(), "GET", "/openstack/latest/meta_data.json", &[]).await.json();
    assert_eq!(meta["meta"]["metering.resourcespeccode"], "s6.large.2.linux");
    assert_eq!((&meta["meta"]["charging_mode"], meta.get("region_id")), (&"0".into(), None));
    let network = ask(fake.addr(), "GET", "/openstack/latest/network_data.json", &[]).await.json();
    assert_eq!(network["qos"]["instance_max_bandwidth"], 1500);
    let address = ask(fake.addr(), "GET", "/latest/meta-data/public-ipv4", &[]).await;
    assert_eq!(address.text(), "198.51.100.101");
    let files = ask(fake.addr(), "GET", "/openstack/latest", &[]).await;
    assert_eq!(files.text(), "meta_data.json\nuser_data\npassword\nnetwork_data.json\nsecuritykey");
    let keys = ask(fake.addr(), "GET", "/openstack/latest/securitykey", &[]).await;
    assert!(keys.json()["credential"]["securitytoken"].is_string());
}

#[tokio::test]
async fn tokens_are_unknown_accepted_or_wanted() {
    for (spec, status) in [("huawei", 404), ("huawei:open-telekom", 405)] {
        let fake = fake(spec).await;
        assert_eq!(ask(fake.addr(), "PUT", TOKEN, &[TTL]).await.status, status, "{spec}");
        let with_any = [("X-Metadata-Token", "invented")];
        assert_eq!(
            ask(fake.addr(), "GET", "/latest/meta-data/hostname", &with_any).await.status,
            200,
            "{spec}"
        );
    }
    for (spec, without) in [("huawei:spot", 200), ("huawei:token-required", 401)] {
        let fake = fake(spec).await;
        assert_eq!(ask(fake.addr(), "GET", "/openstack", &[]).await.status, without, "{spec}");
        for lifetime in ["0", "21601", "x"] {
            let refused = ask(fake.addr(), "PUT", TOKEN, &[("X-Metadata-Token-Ttl-Seconds", lifetime)]).await;
            assert_eq!(refused.status, 400, "{spec} {lifetime}");
        }
        assert_eq!(ask(fake.addr(), "GET", TOKEN, &[TTL]).await.status, 405, "{spec}");
        let issued = ask(fake.addr(), "PUT", TOKEN, &[TTL]).await;
        assert_eq!(issued.status, 200, "{spec}");
        let carried = [("X-Metadata-Token", issued.text())];
        let path = "/openstack/latest/meta_data.json";
        assert_eq!(
            ask(fake.addr(), "GET", path, &carried).await.json()["region_id"],
            "eu-west-101",
            "{spec}"
        );
        assert!(fake.requests().last().unwrap().sent_token());
        fake.revoke_tokens();
        assert_eq!(ask(fake.addr(), "GET", path, &carried).await.status, 401, "{spec}");
    }
}

#[tokio::test]
async fn a_machine_without_an_agency_has_no_keys() {
    let fake = fake("huawei:open-telekom").await;
    let keys = ask(fake.addr(), "GET", "/openstack/latest/securitykey", &[]).await;
    assert_eq!((keys.status, keys.text()), (401, "Please configure Cloud Service Agency first"));
    let meta = ask(fake.addr(), "GET", "/openstack/latest/meta_data.json", &[]).await.json();
    assert_eq!(
        (&meta["availability_zone"], &meta["hostname"]),
        (&"eu-de-01".into(), &"otc-batch-3.novalocal".into())
    );
    assert_eq!(
        ask(fake.addr(), "GET", "/latest/meta-data/hostname", &[]).await.text(),
        "otc-batch-3.novalocal"
    );
    let network = ask(fake.addr(), "GET", "/openstack/latest/network_data.json", &[]).await.json();
    assert_eq!(network["networks"][0]["ip_address"], "192.168.0.42");
}
