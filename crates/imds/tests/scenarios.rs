//! Every ready-made machine, read whole: by its firmware, by probing alone, and told. The expected documents were
//! derived from the scenarios' own documents and the vendors' pages, not from this crate's output.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::path::PathBuf;

use harness::{Way, client, fake, json, scenario, start};
use imds::{Confidence, ErrorKind, Field, Reading};
use imds_fake::Scenario;
use serde_json::Value;

mod harness;

/// Scenarios whose service gives nothing away, with tests of their own below.
const REFUSING: [&str; 2] = ["aws-disabled", "aws-hop-limit-v2-required"];

/// The node of an EKS cluster: a machine that no ready-made scenario is.
const EKS: &str = r#"
name = "eks"
summary = "spot-asg as a node of an EKS cluster"
cloud = "aws"
base = "spot-asg"

[set]
"meta-data/tags/instance/eks:cluster-name" = "shop-prod"
"#;

fn scenarios() -> Vec<Scenario> {
    let mut scenarios = Scenario::all();
    scenarios.push(Scenario::from_toml(EKS).unwrap());
    scenarios
}

fn name_of(scenario: &Scenario) -> String {
    format!("{}-{}", scenario.cloud(), scenario.name())
}

fn expected_dir() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/expected")
}

fn expected(name: &str) -> Value {
    let file = expected_dir().join(format!("{name}.json"));
    let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// Says field by field what differs: whole documents side by side are unreadable.
fn assert_same(found: &Value, expected: &Value, what: &str) {
    let members = |value: &Value| value.as_object().cloned().unwrap_or_default();
    let (found, expected) = (members(found), members(expected));
    let names: BTreeSet<&String> = found.keys().chain(expected.keys()).collect();
    let different: Vec<String> = names
        .into_iter()
        .filter(|name| found.get(*name) != expected.get(*name))
        .map(|name| format!("{name}: {:?}, expected {:?}", found.get(name), expected.get(name)))
        .collect();
    assert!(different.is_empty(), "{what}:\n{}", different.join("\n"));
}

async fn every_scenario_of(cloud: &str, way: Way) {
    let mut tested = 0;
    let mut running = tokio::task::JoinSet::new();
    for scenario in scenarios().into_iter().filter(|scenario| scenario.cloud().name() == cloud) {
        let name = name_of(&scenario);
        if REFUSING.contains(&name.as_str()) {
            continue;
        }
        tested += 1;
        running.spawn(async move {
            let fake = start(scenario.clone()).await;
            let client = client(&fake, &scenario, way);
            let metadata = client.read(Field::ALL).await.unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_same(&json(&metadata), &expected(&name), &format!("{name}, {way:?}"));
            let verdict = client.detect().await;
            assert_eq!(
                (verdict.outcome.to_string().as_str(), verdict.confidence),
                (fake.cloud().name(), Confidence::Certain),
                "{name}: {verdict:?}"
            );
        });
    }
    while let Some(ended) = running.join_next().await {
        ended.unwrap();
    }
    assert!(tested > 1, "{cloud} has scenarios");
}

macro_rules! every_scenario {
    ($($test:ident: $cloud:literal, $way:ident;)+) => {
        $(
            #[tokio::test]
            async fn $test() {
                every_scenario_of($cloud, Way::$way).await;
            }
        )+
    };
}

every_scenario! {
    aws_by_its_firmware: "aws", Firmware;
    aws_by_probing_alone: "aws", Probing;
    aws_told: "aws", Told;
    azure_by_its_firmware: "azure", Firmware;
    azure_by_probing_alone: "azure", Probing;
    azure_told: "azure", Told;
    gcp_by_its_firmware: "gcp", Firmware;
    gcp_by_probing_alone: "gcp", Probing;
    gcp_told: "gcp", Told;
    digitalocean_by_its_firmware: "digitalocean", Firmware;
    digitalocean_by_probing_alone: "digitalocean", Probing;
    digitalocean_told: "digitalocean", Told;
}

#[test]
fn every_scenario_has_its_expected_document_and_none_is_left_over() {
    let scenarios: BTreeSet<String> =
        scenarios().iter().map(name_of).filter(|name| !REFUSING.contains(&name.as_str())).collect();
    let files: BTreeSet<String> = std::fs::read_dir(expected_dir())
        .unwrap()
        .filter_map(|entry| Some(entry.unwrap().file_name().to_str()?.strip_suffix(".json")?.to_owned()))
        .collect();
    assert_eq!(scenarios, files);
}

#[test]
fn every_field_that_a_cloud_serves_is_seen_in_a_scenario() {
    for cloud in imds::clouds().iter().filter(|cloud| !cloud.fields.is_empty()) {
        let seen: BTreeSet<String> = scenarios()
            .iter()
            .filter(|scenario| scenario.cloud().name() == cloud.name.as_str())
            .map(name_of)
            .filter(|name| !REFUSING.contains(&name.as_str()))
            .flat_map(|name| expected(&name).as_object().unwrap().keys().cloned().collect::<Vec<_>>())
            .collect();
        let unseen: Vec<&str> =
            cloud.fields.iter().map(|field| field.name()).filter(|field| !seen.contains(*field)).collect();
        assert_eq!(unseen, [""; 0], "{}", cloud.name);
        let unlisted: Vec<&String> = seen
            .iter()
            .filter(|name| *name != "schema" && !cloud.fields.iter().any(|field| field.name() == *name))
            .collect();
        assert!(unlisted.is_empty(), "{}: served but not listed: {unlisted:?}", cloud.name);
    }
}

/// What a service that refuses everything leaves: every field but the cloud failed this way, the rest as firmware says.
fn assert_refused(metadata: &imds::Metadata, kind: ErrorKind, known: &[(Field, &str)], what: &str) {
    assert_eq!(metadata.failure().map(imds::Error::kind), Some(kind), "{what}");
    for (field, reading) in metadata.readings() {
        match known.iter().find(|(known, _)| *known == field) {
            Some((_, value)) => assert_eq!(metadata.text(field), Some(*value), "{what}: {field}"),
            None => match reading {
                Reading::Failed(error) => {
                    assert_eq!(error.kind(), kind, "{what}: {field}: {error}");
                    assert!(error.remedy().is_some(), "{what}: {field}: {error}");
                }
                // The field table has no place for it on AWS, so nothing was asked.
                Reading::Absent { .. } => assert_eq!(field, Field::ResourceGroup, "{what}"),
                other => panic!("{what}: {field}: {other:?}"),
            },
        }
    }
}

#[tokio::test]
async fn a_service_that_is_switched_off_is_recognised_and_says_so() {
    for way in Way::ALL {
        let scenario = scenario("aws:disabled");
        let fake = start(scenario.clone()).await;
        let client = client(&fake, &scenario, way);
        let verdict = client.detect().await;
        // Without firmware only the Server header of the refusals speaks for AWS.
        let confidence = if way == Way::Probing { Confidence::Likely } else { Confidence::Certain };
        assert_eq!(
            (verdict.outcome.to_string().as_str(), verdict.confidence),
            ("aws", confidence),
            "{way:?}"
        );
        let metadata = client.read(Field::ALL).await.unwrap();
        let mut known = vec![(Field::Cloud, "aws")];
        if way == Way::Firmware {
            known.extend([(Field::InstanceId, "i-0fedcba9876543210"), (Field::InstanceType, "m6i.xlarge")]);
        }
        assert_refused(&metadata, ErrorKind::Disabled, &known, &format!("{way:?}"));
        let remedy = metadata.failure().unwrap().remedy().unwrap();
        assert!(remedy.contains("--http-endpoint enabled"), "{remedy}");
    }
}

#[tokio::test]
async fn a_hop_limit_that_hides_the_token_is_suspected_by_name() {
    for way in Way::ALL {
        let scenario = scenario("aws:hop-limit-v2-required");
        let fake = start(scenario.clone()).await;
        let client = client(&fake, &scenario, way);
        let verdict = client.detect().await;
        let confidence = if way == Way::Probing { Confidence::Likely } else { Confidence::Certain };
        assert_eq!(
            (verdict.outcome.to_string().as_str(), verdict.confidence),
            ("aws", confidence),
            "{way:?}"
        );
        let metadata = client.read(Field::ALL).await.unwrap();
        let mut known = vec![(Field::Cloud, "aws")];
        if way == Way::Firmware {
            known.extend([(Field::InstanceId, "i-0fedcba9876543210"), (Field::InstanceType, "m6i.xlarge")]);
        }
        assert_refused(&metadata, ErrorKind::HopLimit, &known, &format!("{way:?}"));
        let remedy = metadata.failure().unwrap().remedy().unwrap();
        assert!(remedy.contains("--http-put-response-hop-limit 2"), "{remedy}");
    }
}

#[tokio::test]
async fn the_snapshot_says_how_the_service_was_spoken_to() {
    for (spec, protocol, warned) in [
        ("aws:plain", Some("IMDSv2"), false),
        ("aws:imdsv2-required", Some("IMDSv2"), false),
        ("aws:v1-only", Some("IMDSv1"), true),
        ("aws:hop-limit", Some("IMDSv1"), true),
        ("azure:plain", Some("api-version 2025-04-07"), false),
        ("azure:stack", Some("api-version 2019-11-01"), false),
        ("azure:stack-2018", Some("api-version 2018-10-01"), false),
        ("gcp:plain", None, false),
        ("digitalocean:plain", None, false),
    ] {
        let fake = fake(spec).await;
        let metadata = harness::read_all(&fake).await;
        assert_eq!(metadata.protocol(), protocol, "{spec}");
        assert_eq!(!metadata.warnings().is_empty(), warned, "{spec}: {:?}", metadata.warnings());
    }
}

#[tokio::test]
async fn tags_that_are_switched_off_are_absent_with_the_remedy() {
    let fake = fake("aws:tags-off").await;
    let metadata = harness::read_all(&fake).await;
    for field in [Field::Tags, Field::InstanceName, Field::ScalingGroup, Field::ClusterName] {
        let Some(Reading::Absent { remedy: Some(remedy) }) = metadata.reading(field) else {
            panic!("{field}: {:?}", metadata.reading(field));
        };
        assert!(remedy.contains("--instance-metadata-tags enabled"), "{field}: {remedy}");
    }
}
