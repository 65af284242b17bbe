//! Huawei Cloud: tokens that are being introduced, and Open Telekom Cloud under the same interface.

use crate::harness::{fake, read_all, told};
use imds::{ErrorKind, Field};

#[tokio::test]
async fn tokens_are_used_where_there_are_any() {
    for (spec, protocol) in [
        ("huawei:plain", None),
        ("huawei:open-telekom", None),
        ("huawei:spot", Some("session token")),
        ("huawei:token-required", Some("session token")),
    ] {
        let fake = fake(spec).await;
        let metadata = read_all(&fake).await;
        let puts = fake.requests().iter().filter(|request| request.method() == "PUT").count();
        assert_eq!(puts, 1, "{spec}");
        assert!(metadata.text(Field::InstanceId).is_some() && metadata.warnings().is_empty(), "{spec}");
        if protocol.is_some() {
            assert_eq!(metadata.protocol(), protocol, "{spec}");
        }
    }
}

#[tokio::test]
async fn a_region_is_told_or_is_the_zone_without_its_end() {
    let fake = fake("huawei").await;
    for (zone, region) in [
        ("eu-west-101a", Some("eu-west-101")),
        ("cn-north-4b", Some("cn-north-4")),
        ("eu-de-03", Some("eu-de")),
        ("eu-ch2b", Some("eu-ch2")),
        ("nova", None),
    ] {
        fake.set("meta_data.json/availability_zone", zone).unwrap();
        assert_eq!(read_all(&fake).await.text(Field::Region), region, "{zone}");
    }
    fake.set("meta_data.json/region_id", "cn-east-3").unwrap();
    assert_eq!(read_all(&fake).await.text(Field::Region), Some("cn-east-3"));
}

#[tokio::test]
async fn the_keys_of_the_agency_and_tokens_are_refused() {
    let fake = fake("huawei").await;
    let client = told(&fake);
    for path in [
        "/openstack/latest/securitykey",
        "/meta-data/latest/api/token",
        "/openstack/latest/user_data",
        "/openstack/latest/password",
    ] {
        assert_eq!(client.raw(path, false).await.unwrap_err().kind(), ErrorKind::Secret, "{path}");
    }
    assert!(fake.requests().is_empty());
}
