//! Tencent Cloud: a service that is known by its name, and MAC addresses in upper case.

use crate::harness::{client_of, fake, machine, read_all, told};
use imds::machine::MemoryFiles;
use imds::{ErrorKind, Field};

#[tokio::test]
async fn its_known_address_stands_in_where_the_name_cannot_be_looked_up() {
    // Only loopback may be reached, so that nobody is asked for the name and the address is refused.
    let client = client_of(machine(MemoryFiles::new(), &[]).cloud("tencent", "--cloud"));
    let metadata = client.read(&[Field::InstanceId]).await.unwrap();
    let error = metadata.value(Field::InstanceId).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NetworkForbidden, "{error}");
    assert_eq!(error.path(), Some("169.254.0.23"), "{error}");
}

#[tokio::test]
async fn the_primary_interface_is_the_one_whose_mac_the_service_says() {
    let fake = fake("tencent").await;
    let below = "meta-data/network/interfaces/macs/52:54:00:00:00:0F";
    for (leaf, value) in [
        ("mac", "52:54:00:00:00:0F"),
        ("primary-local-ipv4", "172.17.9.9"),
        ("local-ipv4s/172.17.9.10/local-ipv4", "172.17.9.10"),
        ("local-ipv4s/172.17.9.9/local-ipv4", "172.17.9.9"),
        ("vpc-id", "vpc-1nv3nt3d"),
        ("subnet-id", "subnet-0th3r"),
    ] {
        fake.set(&format!("{below}/{leaf}"), value).unwrap();
    }
    let metadata = read_all(&fake).await;
    let seen: Vec<(Option<&str>, Vec<&str>, Option<&str>)> = metadata
        .interfaces()
        .iter()
        .map(|it| {
            let addresses = it.private_ipv4s.iter().map(String::as_str).collect();
            (it.mac.as_deref(), addresses, it.subnet_id.as_deref())
        })
        .collect();
    assert_eq!(
        seen,
        [
            (Some("52:54:00:ab:cd:01"), vec!["172.17.0.17"], Some("subnet-1nv3nt3d")),
            (Some("52:54:00:00:00:0f"), vec!["172.17.9.9", "172.17.9.10"], Some("subnet-0th3r")),
        ]
    );
    for field in [Field::PrivateIpv4, Field::PublicIpv4, Field::Mac, Field::NetworkId, Field::SubnetId] {
        let alone = told(&fake).read(&[field]).await.unwrap();
        assert!(alone.text(field).is_some() && alone.text(field) == metadata.text(field), "{field}");
    }
}

#[tokio::test]
async fn a_way_of_billing_that_is_not_known_stays_as_it_is() {
    let fake = fake("tencent").await;
    fake.set("meta-data/payment/charge-type", "CDHPAID").unwrap();
    assert_eq!(read_all(&fake).await.text(Field::Lifecycle), Some("CDHPAID"));
}

#[tokio::test]
async fn credentials_and_user_data_are_refused_below_every_version_and_below_none() {
    let fake = fake("tencent").await;
    let client = told(&fake);
    for path in [
        "/latest/meta-data/cam/security-credentials/web-role",
        "/2017-09-19/meta-data/cam/",
        "/meta-data/cam/security-credentials/web-role",
        "/latest/user-data",
        "/1.0/user-data",
    ] {
        assert_eq!(client.raw(path, false).await.unwrap_err().kind(), ErrorKind::Secret, "{path}");
    }
    assert!(fake.requests().is_empty());
    assert_eq!(client.raw("/meta-data/placement/zone", false).await.unwrap(), b"ap-guangzhou-3");
}
