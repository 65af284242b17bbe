//! OpenStack: three lists that refer to each other, a face of EC2's that may be shut, and clouds built on it.

use crate::harness::{Way, client, client_of, fake, machine, read_all, scenario, told};
use imds::machine::MemoryFiles;
use imds::{Confidence, ErrorKind, Field};

/// Two interfaces: DHCP gives the first its address, the second has its own.
const DHCP_FIRST: &str = r#"{
  "links": [
    {"id": "a", "type": "ovs", "ethernet_mac_address": "fa:16:3e:00:00:01"},
    {"id": "b", "type": "ovs", "ethernet_mac_address": "fa:16:3e:00:00:02"}
  ],
  "networks": [
    {"id": "network0", "link": "a", "network_id": "first", "type": "ipv4_dhcp"},
    {"id": "network1", "link": "b", "network_id": "second", "type": "ipv4", "ip_address": "10.5.0.9"}
  ],
  "services": []
}"#;

#[tokio::test]
async fn a_face_that_is_shut_is_no_failure_whatever_its_status() {
    for spec in ["openstack", "ovh"] {
        for status in [400, 401, 403, 404, 405] {
            let fake = fake(spec).await;
            fake.inject(format!("{status}:/latest").parse().unwrap());
            let metadata = read_all(&fake).await;
            for (field, reading) in metadata.readings() {
                assert!(reading.error().is_none(), "{spec} {status} {field}: {reading:?}");
            }
            assert_eq!(metadata.text(Field::InstanceType), None, "{spec} {status}");
            assert!(metadata.text(Field::Mac).is_some(), "{spec} {status}");
        }
        // One that fails is a failure all the same.
        let fake = fake(spec).await;
        fake.inject("500:/latest".parse().unwrap());
        let metadata = told(&fake).read(&[Field::InstanceType]).await.unwrap();
        assert_eq!(metadata.value(Field::InstanceType).unwrap_err().kind(), ErrorKind::ServerError, "{spec}");
    }
}

#[tokio::test]
async fn an_address_is_on_one_interface() {
    let fake = fake("openstack:dhcp-only").await;
    fake.set("network_data.json", DHCP_FIRST).unwrap();
    for (local, of_first) in [("10.5.0.9", None), ("10.4.0.7", Some("10.4.0.7")), ("none", None)] {
        fake.set("meta-data/local-ipv4", local).unwrap();
        // The fake keeps both in step where they said the same.
        fake.set("network_data.json", DHCP_FIRST).unwrap();
        let metadata = read_all(&fake).await;
        assert_eq!(metadata.text(Field::PrivateIpv4), of_first, "{local}: {metadata:?}");
        let second: Vec<&str> = metadata
            .interfaces()
            .iter()
            .skip(1)
            .flat_map(|it| &it.private_ipv4s)
            .map(String::as_str)
            .collect();
        assert_eq!(second, ["10.5.0.9"], "{local}");
    }
}

#[tokio::test]
async fn a_floating_address_is_public_whatever_its_range() {
    let fake = fake("openstack").await;
    fake.set("meta-data/public-ipv4", "172.24.4.10").unwrap();
    let metadata = read_all(&fake).await;
    assert_eq!(metadata.text(Field::PublicIpv4), Some("172.24.4.10"));
    let alone = told(&fake).read(&[Field::PublicIpv4]).await.unwrap();
    assert_eq!(alone.text(Field::PublicIpv4), Some("172.24.4.10"));
    let first = metadata.interfaces().first().unwrap();
    assert_eq!(first.private_ipv4s, ["10.184.0.244"]);
}

#[tokio::test]
async fn a_property_may_have_any_name_and_a_password_is_none() {
    let fake = fake("openstack:plain").await;
    for name in ["keys", "files", "public_keys"] {
        fake.set(&format!("meta_data.json/meta/{name}"), "mine").unwrap();
    }
    fake.set("meta_data.json/meta/admin_pass", "FAKE-SECRET-admin-pass").unwrap();
    let metadata = read_all(&fake).await;
    for name in ["keys", "files", "public_keys"] {
        assert_eq!(metadata.tag(name), Some("mine"), "{name}");
    }
    assert_eq!(metadata.tag("admin_pass"), None);
    let shown = told(&fake).raw("/openstack/latest/meta_data.json", false).await.unwrap();
    let shown = String::from_utf8(shown).unwrap();
    assert!(
        shown.contains("webserver") && !shown.contains("SECRET") && !shown.contains("ssh-ed25519"),
        "{shown}"
    );
}

#[tokio::test]
async fn user_data_and_passwords_are_refused_under_every_root() {
    let fake = fake("openstack").await;
    let client = told(&fake);
    for path in [
        "/openstack/latest/user_data",
        "/openstack/2012-08-10/user_data",
        "/openstack/latest/password",
        "/openstack/latest/vendor_data.json",
        "/openstack/latest/vendor_data2.json",
        "/openstack/content/0000",
        "/latest/user-data",
        "/ec2/latest/user-data",
        "/latest/meta-data/public-keys/0/openssh-key",
        "/ec2/2009-04-04/meta-data/public-keys/0/openssh-key",
    ] {
        assert_eq!(client.raw(path, false).await.unwrap_err().kind(), ErrorKind::Secret, "{path}");
    }
    assert!(fake.requests().is_empty());
}

#[tokio::test]
async fn what_is_built_on_it_is_no_contradiction_to_its_firmware() {
    for (spec, cloud) in [
        ("openstack:plain", "openstack"),
        ("ovh:plain", "ovh"),
        ("huawei:open-telekom", "huawei"),
        ("huawei:plain", "huawei"),
    ] {
        let fake = fake(spec).await;
        let verdict = client(&fake, &scenario(spec), Way::Firmware).detect().await;
        assert_eq!(
            (verdict.outcome.to_string().as_str(), verdict.confidence),
            (cloud, Confidence::Certain),
            "{spec}: {verdict:?}"
        );
    }
}

#[tokio::test]
async fn ovh_is_known_by_its_resolver_and_by_nothing_weaker() {
    let fake = fake("ovh").await;
    let network = told(&fake).raw("/openstack/latest/network_data.json", false).await.unwrap();
    let network = String::from_utf8(network).unwrap();
    assert!(network.contains("213.186.33.99"), "{network}");
    fake.set("network_data.json", &network.replace("213.186.33.99", "192.0.2.53")).unwrap();
    let builder = machine(MemoryFiles::new(), &[]).endpoint(&fake.url(), "--endpoint");
    let verdict = client_of(builder).detect().await;
    assert_eq!(verdict.outcome.to_string(), "openstack", "{verdict:?}");
}
