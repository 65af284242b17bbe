//! Every ready-made machine, read whole: by its firmware, by probing alone, and told. The expected documents are held to
//! the scenarios' own documents and the vendors' pages, by hand: they change only where those do.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::path::PathBuf;

use harness::{Way, client, fake, json, scenario, start};
use imds::{Confidence, ErrorKind, Field, Outcome, Reading};
use imds_fake::Scenario;
use serde_json::Value;

#[expect(dead_code, reason = "what stands alone has tests of its own")]
mod harness;

/// Scenarios whose service gives nothing away, with tests of their own below.
const REFUSING: [&str; 3] = ["aws-disabled", "aws-hop-limit-v2-required", "ibm-disabled"];

/// Scenarios that by design aren't found to be in their cloud in one of the ways, what is found instead, and why.
const NOT_FOUND: [(&str, Way, Outcome, &str); 3] = [
    (
        "vultr-bare-metal",
        Way::Firmware,
        Outcome::None,
        "its firmware is the maker's; the kernel's command line would tell, which this scenario doesn't lend",
    ),
    (
        "yandex-gce-face-off",
        Way::Probing,
        Outcome::Unknown,
        "what is left has EC2's paths, and neither EC2's documents nor its tokens",
    ),
    ("azure-arc", Way::Firmware, Outcome::None, "it is somebody's own server, wherever it is registered"),
];

/// The node of an EKS cluster: a machine that no ready-made scenario is.
const EKS: &str = r#"
name = "eks"
summary = "spot-asg as a node of an EKS cluster"
cloud = "aws"
base = "spot-asg"

[set]
"meta-data/tags/instance/eks:cluster-name" = "shop-prod"
"#;

/// The member of an instance pool of Oracle's.
const POOL: &str = r#"
name = "pool"
summary = "plain as a member of an instance pool"
cloud = "oracle"
base = "plain"

[set]
"opc/v2/instance/instancePoolId" = "ocid1.instancepool.oc1.eu-frankfurt-1.aaaaaaaa4inventedpool"
"#;

/// A machine of Scaleway's from before private networks.
const PRIVATE_IP: &str = r#"
name = "private-ip"
summary = "plain with a private address of its own"
cloud = "scaleway"
base = "plain"

[set]
private_ip = "10.68.12.34"
"#;

/// Machines of Hetzner's, Vultr's and Exoscale's without a public address.
const HETZNER_PRIVATE: &str = r#"
name = "private-only"
summary = "private-network without a public address"
cloud = "hetzner"
base = "private-network"
remove = ["metadata/public-ipv4"]
"#;
const VULTR_PRIVATE: &str = r#"
name = "private-only"
summary = "an instance with a private interface alone"
cloud = "vultr"
base = "plain"

[documents]
"v1.json" = """
{
  "bgp": {"ipv4": {"my-address": "", "my-asn": ""}},
  "hostname": "db-ams-1",
  "instance-v2-id": "3f2b1c0d-3333-4222-8333-944455556666",
  "instanceid": "51234600",
  "interfaces": [
    {
      "ipv4": {"additional": [], "address": "10.1.112.9", "gateway": "", "netmask": "255.255.240.0"},
      "ipv6": {"additional": [], "network": "", "prefix": ""},
      "mac": "5a:00:03:1b:4e:cc",
      "network-type": "private",
      "network-v2-id": "aaaabbbb-cccc-4ddd-8eee-ffff00001111"
    }
  ],
  "region": {"regioncode": "AMS", "countrycode": "NL"},
  "user-defined": []
}
"""
"#;
const EXOSCALE_PRIVATE: &str = r#"
name = "private"
summary = "plain without a public address"
cloud = "exoscale"
base = "plain"
remove = ["meta-data/public-ipv4"]

[set]
"meta-data/local-ipv4" = "10.0.0.5"
"#;

/// A server of OVHcloud's with properties, on a private network alone.
const OVH_DESCRIBED: &str = r#"
name = "described"
summary = "properties"
cloud = "ovh"
base = "plain"

[set]
"meta-data/local-ipv4" = "10.77.0.30"

[documents]
"openstack/meta_data.json" = """
{
  "uuid": "5e6f7081-9999-4aaa-8bbb-ccddeeff0022",
  "name": "files-gra",
  "hostname": "files-gra",
  "availability_zone": "nova",
  "project_id": "a1b2c3d4e5f60718293a4b5c6d7e8f90",
  "meta": {"team": "files"}
}
"""
"openstack/network_data.json" = """
{
  "links": [{"id": "tap1", "type": "bridge", "ethernet_mac_address": "fa:16:3e:3a:3b:3c"}],
  "networks": [{"id": "network0", "link": "tap1", "network_id": "c3c02fdc-9999-4aaa-8bbb-a90cd62d2d20", "type": "ipv4", "ip_address": "10.77.0.30"}],
  "services": [{"type": "dns", "address": "213.186.33.99"}]
}
"""
"#;

/// A server of Huawei's with an IPv6 address.
const HUAWEI_DUAL_STACK: &str = r#"
name = "dual-stack"
summary = "plain with IPv6"
cloud = "huawei"
base = "plain"

[documents]
"openstack/meta_data.json" = """
{
  "uuid": "ca9e8b7c-1111-4222-8333-f10b4d994d04",
  "availability_zone": "eu-west-101a",
  "hostname": "ecs-web.novalocal",
  "meta": {
    "metering.image_id": "3a64bd37-1111-4222-8333-129db56bc05d",
    "metering.resourcespeccode": "s6.large.2.linux",
    "vpc_id": "3b6c201f-1111-4222-8333-64756e66cb49",
    "charging_mode": "0"
  },
  "project_id": "6e8b0c94265645f39c5abbe63c4113c6",
  "name": "ecs-web"
}
"""
"openstack/network_data.json" = """
{
  "links": [{"id": "tap1", "type": "phy", "ethernet_mac_address": "fa:16:3e:f7:c1:47"}],
  "networks": [
    {"id": "network0", "link": "tap1", "network_id": "3b6c201f-2222-4222-8333-64756e66cb49", "type": "ipv4", "ip_address": "192.168.31.17"},
    {"id": "network1", "link": "tap1", "network_id": "3b6c201f-2222-4222-8333-64756e66cb49", "type": "ipv6_slaac", "ip_address": "2001:db8:31::17"}
  ],
  "services": []
}
"""
"#;

/// A server of UpCloud's without an IPv4 address.
const UPCLOUD_IPV6: &str = r#"
name = "ipv6-only"
summary = "a public interface with IPv6 alone"
cloud = "upcloud"
base = "plain"

[documents]
"metadata/v1.json" = """
{
  "cloud_name": "upcloud",
  "instance_id": "00322b68-3333-4222-8333-faad61922128",
  "hostname": "six.example.test",
  "region": "fi-hel2",
  "network": {"interfaces": [{"index": 1, "type": "public", "mac": "3a:d6:ba:4a:63:24", "network_id": "03000000-1111-4222-8333-eccede02909c",
    "ip_addresses": [{"address": "2001:db8:2817:53:38d6:baff:fe4a:6324", "family": "IPv6"}]}]},
  "storage": {"disks": []},
  "tags": []
}
"""
"#;

/// Machines that no ready-made scenario is.
const MORE: [&str; 9] = [
    UPCLOUD_IPV6,
    EKS,
    POOL,
    PRIVATE_IP,
    HETZNER_PRIVATE,
    VULTR_PRIVATE,
    EXOSCALE_PRIVATE,
    OVH_DESCRIBED,
    HUAWEI_DUAL_STACK,
];

fn scenarios() -> Vec<Scenario> {
    let mut scenarios = Scenario::all();
    scenarios.extend(MORE.map(|scenario| Scenario::from_toml(scenario).unwrap()));
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
        if let Some((.., outcome, why)) = NOT_FOUND.iter().find(|it| it.0 == name && it.1 == way) {
            running.spawn(async move {
                let fake = start(scenario.clone()).await;
                let verdict = client(&fake, &scenario, way).detect().await;
                assert_eq!(verdict.outcome, *outcome, "{name} ({why}): {verdict:?}");
            });
            continue;
        }
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
    assert!(tested > 0, "{cloud} has scenarios");
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
    akamai_by_its_firmware: "akamai", Firmware;
    akamai_by_probing_alone: "akamai", Probing;
    akamai_told: "akamai", Told;
    alibaba_by_its_firmware: "alibaba", Firmware;
    alibaba_by_probing_alone: "alibaba", Probing;
    alibaba_told: "alibaba", Told;
    oracle_by_its_firmware: "oracle", Firmware;
    oracle_by_probing_alone: "oracle", Probing;
    oracle_told: "oracle", Told;
    scaleway_by_its_firmware: "scaleway", Firmware;
    scaleway_by_probing_alone: "scaleway", Probing;
    scaleway_told: "scaleway", Told;
    tencent_by_its_firmware: "tencent", Firmware;
    tencent_by_probing_alone: "tencent", Probing;
    tencent_told: "tencent", Told;
    ibm_by_its_firmware: "ibm", Firmware;
    ibm_by_probing_alone: "ibm", Probing;
    ibm_told: "ibm", Told;
    outscale_by_its_firmware: "outscale", Firmware;
    outscale_by_probing_alone: "outscale", Probing;
    outscale_told: "outscale", Told;
    cloudstack_by_its_firmware: "cloudstack", Firmware;
    cloudstack_by_probing_alone: "cloudstack", Probing;
    cloudstack_told: "cloudstack", Told;
    exoscale_by_its_firmware: "exoscale", Firmware;
    exoscale_by_probing_alone: "exoscale", Probing;
    exoscale_told: "exoscale", Told;
    hetzner_by_its_firmware: "hetzner", Firmware;
    hetzner_by_probing_alone: "hetzner", Probing;
    hetzner_told: "hetzner", Told;
    huawei_by_its_firmware: "huawei", Firmware;
    huawei_by_probing_alone: "huawei", Probing;
    huawei_told: "huawei", Told;
    openstack_by_its_firmware: "openstack", Firmware;
    openstack_by_probing_alone: "openstack", Probing;
    openstack_told: "openstack", Told;
    ovh_by_its_firmware: "ovh", Firmware;
    ovh_by_probing_alone: "ovh", Probing;
    ovh_told: "ovh", Told;
    upcloud_by_its_firmware: "upcloud", Firmware;
    upcloud_by_probing_alone: "upcloud", Probing;
    upcloud_told: "upcloud", Told;
    vultr_by_its_firmware: "vultr", Firmware;
    vultr_by_probing_alone: "vultr", Probing;
    vultr_told: "vultr", Told;
    yandex_by_probing_alone: "yandex", Probing;
    yandex_told: "yandex", Told;
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
async fn a_version_is_negotiated_once() {
    for (spec, version) in [("azure:stack", "2019-11-01"), ("azure:stack-2018", "2018-10-01")] {
        let scenario = scenario(spec);
        let fake = start(scenario.clone()).await;
        let client = client(&fake, &scenario, Way::Told);
        let mut answered = 0;
        let mut refused = Vec::new();
        for _ in 0..3 {
            let metadata = client.read(&[Field::Region]).await.unwrap();
            assert!(metadata.text(Field::Region).is_some(), "{spec}: {metadata:?}");
            let requests = fake.requests();
            let (right, wrong): (Vec<_>, Vec<_>) =
                requests.iter().partition(|request| request.path().contains(version));
            refused.push(wrong.len());
            answered += 1;
            assert_eq!(right.len(), answered, "{spec}");
        }
        assert_eq!(refused, [1, 1, 1], "{spec}: only the first read asked in a version that is unknown here");
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
