//! What cloud-init found when the machine booted: evidence, and a source for when the service can't be asked.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use harness::{client_of, fake, machine};
use imds::machine::MemoryFiles;
use imds::model::{EvidenceSource, Source, Strength};
use imds::{Client, Confidence, ErrorKind, Field, Network, Outcome, Reading, Verdict};

#[expect(dead_code, reason = "most of it is for ready-made machines")]
mod harness;

const PATH: &str = "/run/cloud-init/instance-data.json";

/// Instance data as cloud-init 24.4 writes it for everybody to read, shortened.
fn instance_data(cloud: &str) -> String {
    format!(
        r#"{{
 "base64_encoded_keys": [],
 "merged_cfg": "redacted for non-root user",
 "sensitive_keys": ["combined_cloud_config", "merged_cfg", "security-credentials", "userdata", "vendordata"],
 "userdata": "redacted for non-root user",
 "v1": {{
  "_beta_keys": ["subplatform"],
  "availability-zone": "eu-west-1b",
  "availability_zone": "eu-west-1b",
  "cloud-name": "{cloud}",
  "cloud_name": "{cloud}",
  "instance-id": "i-0fedcba9876543210",
  "instance_id": "i-0fedcba9876543210",
  "local-hostname": "ip-10-20-30-40",
  "local_hostname": "ip-10-20-30-40",
  "region": "eu-west-1",
  "subplatform": "metadata (http://169.254.169.254)"
 }}
}}"#
    )
}

fn booted(cloud: &str) -> MemoryFiles {
    MemoryFiles::new().with(PATH, instance_data(cloud))
}

fn of_cloud_init(verdict: &Verdict) -> Vec<(Option<String>, Strength)> {
    let pieces = verdict.evidence.iter().filter(|piece| piece.detail.starts_with(PATH));
    pieces
        .inspect(|piece| assert_eq!(piece.source, EvidenceSource::File, "{piece:?}"))
        .map(|piece| (piece.supports.as_ref().map(ToString::to_string), piece.strength))
        .collect()
}

fn offline(files: MemoryFiles) -> Client {
    client_of(machine(files, &[]).network(Network::Off))
}

#[tokio::test]
async fn what_cloud_init_found_makes_a_cloud_likely_and_its_service_makes_it_certain() {
    let verdict = offline(booted("aws")).detect().await;
    assert_eq!((verdict.outcome.to_string().as_str(), verdict.confidence), ("aws", Confidence::Likely));
    assert_eq!(of_cloud_init(&verdict), [(Some("aws".to_owned()), Strength::Strong)]);
    let aws = fake("aws").await;
    let verdict = client_of(machine(booted("aws"), &[]).endpoint(&aws.url(), "--endpoint")).detect().await;
    assert_eq!((verdict.outcome.to_string().as_str(), verdict.confidence), ("aws", Confidence::Certain));
    assert!(
        aws.requests().iter().all(|request| request.path().starts_with("/latest/")),
        "only the suspect is asked"
    );
}

#[tokio::test]
async fn every_cloud_is_known_by_the_name_that_cloud_init_gives_it() {
    // As cloud-init's sources name themselves (`v1.cloud_name`).
    let names = BTreeMap::from([
        ("akamai", "akamai"),
        ("alibaba", "aliyun"),
        ("aws", "aws"),
        ("azure", "azure"),
        ("cloudstack", "cloudstack"),
        ("digitalocean", "digitalocean"),
        ("exoscale", "exoscale"),
        ("gcp", "gce"),
        ("hetzner", "hetzner"),
        ("ibm", "ibmcloud"),
        ("openstack", "openstack"),
        ("oracle", "oracle"),
        ("outscale", "outscale"),
        ("scaleway", "scaleway"),
        ("upcloud", "upcloud"),
        ("vultr", "vultr"),
    ]);
    let known: Vec<String> = imds::clouds().into_iter().map(|cloud| cloud.name.to_string()).collect();
    for (cloud, name) in names {
        assert!(known.contains(&cloud.to_owned()), "{cloud}");
        for spelled in [name.to_owned(), name.to_uppercase()] {
            let verdict = offline(booted(&spelled)).detect().await;
            assert_eq!(verdict.outcome.to_string(), cloud, "{spelled}: {verdict:?}");
        }
    }
}

#[tokio::test]
async fn a_name_that_is_no_cloud_s_is_told_and_names_nothing() {
    for name in ["nocloud", "none", "lxd", "configdrive", "mars"] {
        let verdict = offline(booted(name)).detect().await;
        assert_eq!(verdict.outcome, Outcome::Unknown, "{name}");
        assert_eq!(of_cloud_init(&verdict), [(None, Strength::Weak)], "{name}");
    }
}

#[tokio::test]
async fn what_is_no_instance_data_is_no_evidence() {
    for content in [
        "",
        "{",
        "null",
        "[]",
        "\"aws\"",
        "{\"v1\": null}",
        "{\"v1\": []}",
        "{\"v1\": {}}",
        "{\"cloud_name\": \"aws\"}",
    ]
    .into_iter()
    .chain(["{\"v1\": {\"cloud_name\": [\"aws\"]}}", "{\"v1\": {\"cloud_name\": \"\"}}", "\u{0}\u{1}"])
    {
        let verdict = offline(MemoryFiles::new().with(PATH, content)).detect().await;
        assert_eq!(verdict.outcome, Outcome::Unknown, "{content:?}");
        assert!(of_cloud_init(&verdict).is_empty(), "{content:?}: {verdict:?}");
    }
    let binary = MemoryFiles::new().with(PATH, [b"{\"v1\":{\"cloud_name\":\"\xff\"}}".to_vec()].concat());
    assert!(of_cloud_init(&offline(binary).detect().await).is_empty());
}

#[tokio::test]
async fn what_the_service_cannot_be_asked_for_comes_from_there() {
    let metadata = offline(booted("aws")).read(Field::ALL).await.unwrap();
    for (field, value) in [
        (Field::InstanceId, "i-0fedcba9876543210"),
        (Field::Region, "eu-west-1"),
        (Field::Zone, "eu-west-1b"),
        (Field::Hostname, "ip-10-20-30-40"),
    ] {
        let Some(Reading::Known { source, trouble, .. }) = metadata.reading(field) else {
            panic!("{field}: {metadata:?}")
        };
        assert_eq!(metadata.text(field), Some(value));
        assert_eq!(*source, Source::File(PATH.to_owned()), "{field}");
        assert_eq!(trouble.as_ref().map(imds::Error::kind), Some(ErrorKind::NetworkForbidden), "{field}");
    }
    let Some(Reading::Failed(error)) = metadata.reading(Field::AccountId) else { panic!("{metadata:?}") };
    assert_eq!(error.kind(), ErrorKind::NetworkForbidden);
    assert_eq!(metadata.failure().map(imds::Error::kind), Some(ErrorKind::NetworkForbidden));
}

#[tokio::test]
async fn the_service_s_own_word_precedes() {
    let aws = fake("aws").await;
    let stale = instance_data("aws").replace("i-0fedcba9876543210", "i-0000000000000000f");
    let files = MemoryFiles::new().with(PATH, stale);
    let client = client_of(machine(files, &[]).endpoint(&aws.url(), "--endpoint"));
    let metadata = client.read(&[Field::InstanceId]).await.unwrap();
    assert_eq!(metadata.text(Field::InstanceId), Some("i-0fedcba9876543210"));
}

#[tokio::test]
async fn another_cloud_s_instance_data_gives_nothing() {
    for told in ["azure", "gcp"] {
        let client = client_of(machine(booted("aws"), &[]).network(Network::Off).cloud(told, "--cloud"));
        let metadata = client.read(&[Field::InstanceId, Field::Region]).await.unwrap();
        for field in [Field::InstanceId, Field::Region] {
            assert!(
                matches!(metadata.reading(field), Some(Reading::Failed(_))),
                "{told} {field}: {metadata:?}"
            );
        }
    }
}
