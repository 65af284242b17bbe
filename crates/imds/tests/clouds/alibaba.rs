//! Alibaba Cloud: tokens that only hardened instances want, tags that are off by default, and interfaces without numbers.

use crate::harness::{client_of, fake, machine, read_all, scenario, start, told};
use imds::machine::MemoryFiles;
use imds::{ErrorKind, Field, Reading};
use serde_json::json;

fn methods(fake: &imds_fake::Fake, method: &str) -> usize {
    fake.requests().iter().filter(|request| request.method() == method).count()
}

#[tokio::test]
async fn a_token_is_used_where_one_can_be_had_and_done_without_where_not() {
    for (spec, fault, protocol) in [
        ("alibaba", None, "security hardening mode"),
        ("alibaba:hardened", None, "security hardening mode"),
        ("alibaba", Some("404:/latest/api/token"), "normal mode"),
        ("alibaba", Some("405:/latest/api/token"), "normal mode"),
        ("alibaba", Some("drop-token"), "normal mode"),
    ] {
        let fake = fake(spec).await;
        if let Some(fault) = fault {
            fake.inject(fault.parse().unwrap());
        }
        let metadata = read_all(&fake).await;
        assert_eq!(metadata.text(Field::InstanceId), Some("i-bp14inventedinstance1"), "{spec} {fault:?}");
        assert_eq!(metadata.protocol(), Some(protocol), "{spec} {fault:?}");
        // Most instances are in normal mode, so that nobody needs to hear of it.
        assert_eq!(metadata.warnings(), [""; 0], "{spec} {fault:?}");
        assert_eq!(methods(&fake, "PUT"), 1, "{spec} {fault:?}");
    }
}

#[tokio::test]
async fn a_hardened_instance_without_a_token_says_what_to_look_at() {
    let fake = fake("alibaba:hardened").await;
    fake.inject("drop-token".parse().unwrap());
    let metadata = told(&fake).read(&[Field::InstanceId]).await.unwrap();
    let error = metadata.value(Field::InstanceId).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Disabled, "{error}");
    for option in ["HttpEndpoint", "HttpTokens", "HttpPutResponseHopLimit"] {
        assert!(error.remedy().is_some_and(|remedy| remedy.contains(option)), "{option}: {error:?}");
    }
}

#[tokio::test]
async fn who_wants_no_request_without_a_token_gets_none() {
    let fake = fake("alibaba").await;
    fake.inject("404:/latest/api/token".parse().unwrap());
    let builder =
        machine(MemoryFiles::new(), &[]).endpoint(&fake.url(), "--endpoint").cloud("alibaba", "--cloud");
    let metadata = client_of(builder.no_imdsv1()).read(&[Field::InstanceId]).await.unwrap();
    assert_eq!(metadata.value(Field::InstanceId).unwrap_err().kind(), ErrorKind::Unauthorized);
    assert_eq!(methods(&fake, "GET"), 0);
}

#[tokio::test]
async fn tags_that_are_off_are_absent_with_the_remedy() {
    let fake = fake("alibaba").await;
    let metadata = read_all(&fake).await;
    let Some(Reading::Absent { remedy: Some(remedy) }) = metadata.reading(Field::Tags) else {
        panic!("{:?}", metadata.reading(Field::Tags));
    };
    assert!(remedy.contains("--InstanceMetadataTags enabled"), "{remedy}");
}

#[tokio::test]
async fn the_primary_interface_is_the_one_whose_mac_the_service_says() {
    let scenario = scenario("alibaba");
    let fake = start(scenario).await;
    let whole = told(&fake).raw("/latest/meta-data/all", true).await.unwrap();
    let mut whole: serde_json::Value = serde_json::from_slice(&whole).unwrap();
    // Before the other one, however listings are ordered.
    let second = json!({
        "network-interface-id": "eni-bp14inventedeni0002",
        "primary-ip-address": "172.16.200.7",
        "private-ipv4s": "[\"172.16.200.8\",\"172.16.200.7\"]",
        "vpc-id": "vpc-bp14inventedvpc0002",
        "vswitch-id": "vsw-bp14inventedvsw0002",
    });
    let macs = whole.pointer_mut("/network/interfaces/macs").and_then(|macs| macs.as_object_mut()).unwrap();
    macs.insert("00:16:3e:00:00:07".to_owned(), second);
    fake.set("meta-data/all", &whole.to_string()).unwrap();
    let metadata = read_all(&fake).await;
    let seen: Vec<(Option<&str>, Vec<&str>)> = metadata
        .interfaces()
        .iter()
        .map(|it| (it.mac.as_deref(), it.private_ipv4s.iter().map(String::as_str).collect()))
        .collect();
    assert_eq!(
        seen,
        [
            (Some("00:16:3e:14:59:58"), vec!["172.16.101.40", "172.16.101.41"]),
            (Some("00:16:3e:00:00:07"), vec!["172.16.200.7", "172.16.200.8"]),
        ]
    );
    // However they are read: all together, or each alone.
    for field in [Field::PrivateIpv4, Field::Mac, Field::NetworkId, Field::SubnetId, Field::Ipv6] {
        let alone = told(&fake).read(&[field]).await.unwrap();
        assert!(alone.text(field).is_some() && alone.text(field) == metadata.text(field), "{field}");
    }
}

#[tokio::test]
async fn credentials_and_user_data_are_refused_and_the_whole_tree_is_shown_without_keys() {
    let fake = fake("alibaba").await;
    let client = told(&fake);
    for path in [
        "/latest/meta-data/ram/security-credentials/web-role",
        "/2016-01-01/meta-data/ram/",
        "/latest/user-data",
        "/latest/vendor-data",
        "/latest/dynamic/instance-identity/pkcs7?audience=x",
        "/latest/meta-data/public-keys/0/openssh-key",
        "/latest/api/token",
    ] {
        assert_eq!(client.raw(path, false).await.unwrap_err().kind(), ErrorKind::Secret, "{path}");
    }
    assert!(fake.requests().is_empty());
    let shown = String::from_utf8(client.raw("/2016-01-01/meta-data/all", false).await.unwrap()).unwrap();
    assert!(shown.contains("i-bp14inventedinstance1") && !shown.contains("ssh-rsa"), "{shown}");
}
