//! Hetzner Cloud: single values beside a document of all of them, an empty value that is quotes, and private networks.

use crate::harness::{Way, client, fake, read_all, scenario, told};
use imds::{ErrorKind, Field, Source};

#[tokio::test]
async fn single_values_are_asked_for_and_never_the_document_of_all() {
    let fake = fake("hetzner:private-network").await;
    read_all(&fake).await;
    for request in fake.requests() {
        let last = request.path_only().rsplit('/').next().unwrap();
        let asked_for =
            ["instance-id", "hostname", "region", "availability-zone", "public-ipv4", "private-networks"];
        assert!(asked_for.contains(&last), "{}", request.path());
    }
}

#[tokio::test]
async fn without_a_public_address_the_first_private_network_is_the_primary_one() {
    for nothing in ["", "''", " "] {
        let fake = fake("hetzner:private-network").await;
        fake.set("metadata/public-ipv4", nothing).unwrap();
        let metadata = read_all(&fake).await;
        for (field, value) in [
            (Field::PrivateIpv4, Some("10.0.0.2")),
            (Field::Mac, Some("86:00:00:98:40:6e")),
            (Field::NetworkId, Some("4124728")),
            (Field::PublicIpv4, None),
        ] {
            assert_eq!(metadata.text(field), value, "{nothing:?} {field}");
            let alone = told(&fake).read(&[field]).await.unwrap();
            assert_eq!(alone.text(field), value, "{nothing:?} {field} alone");
            assert!(alone.reading(field).is_some_and(|it| it.error().is_none()), "{nothing:?} {alone:?}");
        }
        assert_eq!(metadata.interfaces().len(), 2, "{nothing:?}");
    }
}

#[tokio::test]
async fn firmware_knows_the_id_where_the_service_fails() {
    let scenario = scenario("hetzner");
    let fake = fake("hetzner").await;
    fake.inject("503".parse().unwrap());
    let metadata = client(&fake, &scenario, Way::Firmware).read(&[Field::InstanceId]).await.unwrap();
    assert!(matches!(
        metadata.reading(Field::InstanceId),
        Some(imds::Reading::Known { source: Source::Firmware(file), .. }) if file.ends_with("product_serial")
    ));
    assert_eq!(metadata.text(Field::InstanceId), Some("45678901"));
}

#[tokio::test]
async fn the_document_of_all_values_is_refused_for_what_is_in_it() {
    let fake = fake("hetzner:private-network").await;
    let client = told(&fake);
    for path in [
        "/hetzner/v1/metadata",
        "/hetzner/v1/metadata/",
        "/hetzner/v1//Metadata",
        "/hetzner/v1/metadata/vendor_data",
        "/hetzner/v1/metadata/public-keys",
        "/hetzner/v1/userdata",
        "/latest/user-data",
    ] {
        assert_eq!(client.raw(path, false).await.unwrap_err().kind(), ErrorKind::Secret, "{path}");
    }
    assert!(fake.requests().is_empty());
    assert_eq!(client.raw("/hetzner/v1/metadata/region", false).await.unwrap(), b"eu-central");
    let whole = String::from_utf8(client.raw("/hetzner/v1/metadata", true).await.unwrap()).unwrap();
    assert!(whole.contains("vendor_data") && whole.contains("db-1"), "{whole}");
}
