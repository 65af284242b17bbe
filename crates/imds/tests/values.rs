//! Values that bite: what vendors really send, and what careless readers make of it.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeSet;

use harness::{fake, json, read_all, scenario, start};
use imds::{ErrorKind, Field, Metadata, Reading};
use imds_fake::{Fake, SECRET_MARKER, Scenario};
use serde_json::{Map, Value, json};

#[expect(dead_code, reason = "every service here is told")]
mod harness;

const IDENTITY: &str = "dynamic/instance-identity/document";

/// What every single value here is about: a fake of `spec` in which these values are set, read whole.
async fn with(spec: &str, values: &[(&str, &str)]) -> Metadata {
    let fake = fake(spec).await;
    for (path, value) in values {
        fake.set(path, value).unwrap_or_else(|error| panic!("{path}: {error}"));
    }
    read_all(&fake).await
}

fn fails(fake: &Fake, fault: &str) {
    fake.inject(fault.parse().unwrap());
}

fn is_absent(metadata: &Metadata, field: Field) -> bool {
    matches!(metadata.reading(field), Some(Reading::Absent { .. }))
}

fn failed_as(metadata: &Metadata, field: Field) -> Option<ErrorKind> {
    match metadata.reading(field) {
        Some(Reading::Failed(error)) => Some(error.kind()),
        _ => None,
    }
}

/// The document that a scenario's service sends, to be bent.
async fn sent(spec: &str, path: &str) -> Value {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let fake = fake(spec).await;
    let mut stream = tokio::net::TcpStream::connect(fake.addr()).await.unwrap();
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: fake\r\nMetadata: true\r\nMetadata-Flavor: Google\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    serde_json::from_str(body).unwrap()
}

/// Every cloud's documents: scenario, request, and the name by which the fake takes another one.
const DOCUMENTS: [(&str, &str, &str); 5] = [
    ("aws:plain", "/latest/dynamic/instance-identity/document", IDENTITY),
    ("azure:vmss-uniform-spot", "/metadata/instance?api-version=2025-04-07", "instance"),
    ("azure:plain", "/metadata/loadbalancer?api-version=2025-04-07", "loadbalancer"),
    ("gcp:spot-regional-group", "/computeMetadata/v1/?recursive=true", "computeMetadata/v1"),
    ("digitalocean:plain", "/metadata/v1.json", "metadata/v1.json"),
];

/// JSON with the members of every object in the opposite order.
fn reversed(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let members: Vec<String> = members
                .iter()
                .rev()
                .map(|(name, value)| format!("{}:{}", json!(name), reversed(value)))
                .collect();
            format!("{{{}}}", members.join(" , "))
        }
        Value::Array(items) => {
            format!("[{}]", items.iter().map(reversed).collect::<Vec<_>>().join(","))
        }
        other => other.to_string(),
    }
}

/// JSON in which every object has members that nobody knows.
fn extended(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let mut more: Map<String, Value> =
                members.iter().map(|(name, value)| (name.clone(), extended(value))).collect();
            more.insert("aNewMember".to_owned(), json!({"of": ["some", {"shape": null}], "n": 1.5e300}));
            more.insert("zz".to_owned(), json!(""));
            Value::Object(more)
        }
        Value::Array(items) => items.iter().map(extended).collect(),
        other => other.clone(),
    }
}

#[tokio::test]
async fn the_order_of_members_means_nothing() {
    for (spec, request, name) in DOCUMENTS {
        let expected = json(&read_all(&fake(spec).await).await);
        let document = sent(spec, request).await;
        assert_eq!(json(&with(spec, &[(name, &reversed(&document))]).await), expected, "{spec} {name}");
    }
}

#[tokio::test]
async fn members_that_nobody_knows_are_passed_over() {
    for (spec, request, name) in DOCUMENTS {
        // Google's attributes are text by text, and its lists are asked for below their paths.
        if spec.starts_with("gcp") {
            continue;
        }
        let expected = json(&read_all(&fake(spec).await).await);
        let document = extended(&sent(spec, request).await).to_string();
        assert_eq!(json(&with(spec, &[(name, &document)]).await), expected, "{spec} {name}");
    }
    let interfaces =
        sent("gcp:plain", "/computeMetadata/v1/instance/network-interfaces/?recursive=true").await;
    let fake = fake("gcp:plain").await;
    let expected = json(&read_all(&fake).await);
    let path = "/computeMetadata/v1/instance/network-interfaces/";
    answer(&fake, path, &extended(&interfaces).to_string());
    assert_eq!(json(&read_all(&fake).await), expected);
}

/// Has the service say this, whatever is asked below the path.
fn answer(fake: &Fake, path: &str, body: &str) {
    let kind = imds_fake::FaultKind::Status { code: 200, retry_after: None, body: Some(body.to_owned()) };
    fake.inject(imds_fake::Fault::new(kind).path(path));
}

/// The pointers of all members of a document, lists' items included.
fn pointers(value: &Value, at: &str, found: &mut Vec<String>) {
    let members: Vec<(String, &Value)> = match value {
        Value::Object(members) => members.iter().map(|(name, value)| (name.clone(), value)).collect(),
        Value::Array(items) => items.iter().enumerate().map(|(i, value)| (i.to_string(), value)).collect(),
        _ => Vec::new(),
    };
    for (name, value) in members {
        let pointer = format!("{at}/{name}");
        pointers(value, &pointer, found);
        found.push(pointer);
    }
}

fn without(document: &Value, pointer: &str) -> Value {
    let mut document = document.clone();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    match document.pointer_mut(parent).unwrap() {
        Value::Object(members) => drop(members.remove(name)),
        Value::Array(items) => drop(items.remove(name.parse().unwrap())),
        _ => panic!("{pointer}"),
    }
    document
}

#[tokio::test]
async fn a_missing_member_is_an_absent_value_and_nothing_else() {
    for (spec, request, name) in DOCUMENTS.into_iter().filter(|(spec, ..)| !spec.starts_with("gcp")) {
        let document = sent(spec, request).await;
        let fake = fake(spec).await;
        let mut all = Vec::new();
        pointers(&document, "", &mut all);
        for pointer in all {
            let short = without(&document, &pointer);
            // An empty document is a stranger's.
            if short.as_object().is_some_and(Map::is_empty) || pointer == "/compute" {
                continue;
            }
            let nameless_tag = pointer.starts_with("/compute/tagsList/") && pointer.ends_with("/name");
            // AWS's fake keeps its identity document whole.
            if spec.starts_with("aws") {
                fake.clear_faults();
                answer(&fake, request, &short.to_string());
            } else {
                fake.set(name, &short.to_string()).unwrap();
            }
            let metadata = read_all(&fake).await;
            let found = json(&metadata);
            let failed: Vec<&String> =
                found.get("errors").and_then(Value::as_object).into_iter().flat_map(Map::keys).collect();
            let expected: &[&str] = if nameless_tag { &["tags"] } else { &[] };
            assert_eq!(failed, expected, "{spec} without {pointer}");
            assert_eq!(found["cloud"], fake.cloud().name(), "{spec} without {pointer}");
            assert!(found.as_object().unwrap().len() > 8, "{spec} without {pointer}: {found}");
        }
    }
}

/// Where each text field of Azure's document lies, and what else is made of it.
const AZURE_MEMBERS: [(&str, &[Field]); 14] = [
    ("/compute/vmId", &[Field::InstanceId]),
    ("/compute/name", &[Field::InstanceName]),
    ("/compute/vmSize", &[Field::InstanceType]),
    ("/compute/storageProfile/imageReference/id", &[Field::ImageId]),
    ("/compute/location", &[Field::Region]),
    ("/compute/zone", &[Field::Zone]),
    ("/compute/physicalZone", &[Field::ZoneId]),
    ("/compute/subscriptionId", &[Field::AccountId]),
    ("/compute/resourceGroupName", &[Field::ResourceGroup, Field::ClusterName, Field::Platform]),
    ("/compute/resourceId", &[Field::ResourceId, Field::ProviderId]),
    ("/compute/vmScaleSetName", &[Field::ScalingGroup]),
    ("/compute/osProfile/computerName", &[Field::Hostname]),
    ("/compute/priority", &[Field::Lifecycle]),
    ("/compute/azEnvironment", &[Field::Partition]),
];

/// Exactly these fields failed, as malformed; everything else is as it was.
fn assert_malformed(found: &Metadata, before: &Metadata, fields: &[Field], what: &str) {
    for (field, reading) in found.readings() {
        if fields.contains(&field) {
            assert_eq!(failed_as(found, field), Some(ErrorKind::Malformed), "{what}: {field}: {reading:?}");
        } else {
            let before = before.reading(field).and_then(Reading::value);
            assert_eq!(reading.value(), before, "{what}: {field}: {reading:?}");
            assert_eq!(reading.error(), None, "{what}: {field}");
        }
    }
    assert_eq!(found.failure(), None, "{what}");
}

#[tokio::test]
async fn a_value_of_the_wrong_kind_fails_its_own_field_only() {
    let (spec, request, name) = DOCUMENTS[1];
    let document = sent(spec, request).await;
    let fake = fake(spec).await;
    let before = read_all(&fake).await;
    let interfaces: &[Field] =
        &[Field::Interfaces, Field::PrivateIpv4, Field::PublicIpv4, Field::Ipv6, Field::Mac];
    let others: [(&str, &[Field]); 8] = [
        ("/compute/tagsList/0/name", &[Field::Tags]),
        ("/network/interface", interfaces),
        ("/network/interface/0/ipv4/ipAddress", interfaces),
        ("/network/interface/1/macAddress", interfaces),
        ("/network/interface/0/ipv4/ipAddress/0/privateIpAddress", interfaces),
        ("/compute/storageProfile/osDisk/name", &[Field::Disks]),
        ("/compute/storageProfile/dataDisks", &[Field::Disks]),
        ("/compute/storageProfile/dataDisks/0/managedDisk/id", &[Field::Disks]),
    ];
    for (pointer, fields) in AZURE_MEMBERS.iter().chain(&others) {
        for wrong in [json!({"unexpected": "object"}), json!([["unexpected"]])] {
            let mut bent = document.clone();
            *bent.pointer_mut(pointer).unwrap() = wrong.clone();
            fake.set(name, &bent.to_string()).unwrap();
            assert_malformed(&read_all(&fake).await, &before, fields, &format!("{pointer} = {wrong}"));
        }
    }
}

#[tokio::test]
async fn a_value_of_the_wrong_kind_fails_its_own_field_only_elsewhere() {
    let aws = [
        ("/instanceId", &[Field::InstanceId, Field::ResourceId, Field::ProviderId][..]),
        ("/imageId", &[Field::ImageId]),
        ("/accountId", &[Field::AccountId, Field::ResourceId]),
        ("/architecture", &[Field::Architecture]),
        ("/availabilityZone", &[Field::Zone, Field::ProviderId]),
    ];
    let digitalocean = [
        ("/droplet_id", &[Field::InstanceId][..]),
        ("/region", &[Field::Region, Field::Zone]),
        ("/hostname", &[Field::InstanceName, Field::Hostname]),
    ];
    for ((spec, request, name), members) in [(DOCUMENTS[0], &aws[..]), (DOCUMENTS[4], &digitalocean[..])] {
        let document = sent(spec, request).await;
        let fake = fake(spec).await;
        let before = read_all(&fake).await;
        for (pointer, fields) in members {
            let mut bent = document.clone();
            *bent.pointer_mut(pointer).unwrap() = json!({"unexpected": ["object"]});
            answer(&fake, request, &bent.to_string());
            assert_malformed(
                &read_all(&fake).await,
                &before,
                fields,
                &format!("{spec}: {pointer} of {name}"),
            );
            fake.clear_faults();
        }
    }
    let fake = fake("gcp:plain").await;
    let before = read_all(&fake).await;
    let path = "/computeMetadata/v1/instance/network-interfaces/";
    for wrong in [r#"[{"ip": {"v4": "10.0.0.1"}}]"#, r#"[{"mac": [["42:01:0a:80:00:09"]]}]"#, r#"["eth0"]"#] {
        answer(&fake, path, wrong);
        let fields = [
            Field::Interfaces,
            Field::PrivateIpv4,
            Field::PublicIpv4,
            Field::Ipv6,
            Field::Mac,
            Field::NetworkId,
        ];
        assert_malformed(&read_all(&fake).await, &before, &fields, wrong);
        fake.clear_faults();
    }
}

#[tokio::test]
async fn ids_keep_every_digit() {
    let aws = with("aws:plain", &[("dynamic/instance-identity/document/accountId", "000000000042")]).await;
    assert_eq!(aws.text(Field::AccountId), Some("000000000042"));
    assert_eq!(
        aws.text(Field::ResourceId),
        Some("arn:aws:ec2:eu-west-1:000000000042:instance/i-0fedcba9876543210")
    );
    assert_eq!(json(&aws)["account_id"], json!("000000000042"), "a string, or the zeros are lost later");
    for id in ["9007199254740993", "9223372036854775808", "18446744073709551615", "7"] {
        let gcp = with("gcp:plain", &[("instance/id", id)]).await;
        assert_eq!(json(&gcp)["instance_id"], json!(id));
        let droplet = with("digitalocean:plain", &[("id", id)]).await;
        assert_eq!(json(&droplet)["instance_id"], json!(id));
    }
}

#[tokio::test]
async fn the_region_is_never_cut_from_the_zone_where_the_service_says_it() {
    let metadata = read_all(&fake("aws:local-zone").await).await;
    assert_eq!(metadata.text(Field::Region), Some("us-west-2"));
    assert_eq!(metadata.text(Field::Zone), Some("us-west-2-lax-1a"));
    assert_eq!(metadata.text(Field::ProviderId), Some("aws:///us-west-2-lax-1a/i-0f1e2d3c4b5a69788"));
    let document = sent("aws:plain", "/latest/dynamic/instance-identity/document").await;
    let mut document = document;
    document["availabilityZone"] = json!("eu-west-1-wl1-lon-wlz-1");
    let fake = fake("aws:plain").await;
    answer(&fake, "/latest/dynamic/instance-identity/document", &document.to_string());
    let metadata = read_all(&fake).await;
    assert_eq!(metadata.text(Field::Region), Some("eu-west-1"));
    assert_eq!(metadata.text(Field::Zone), Some("eu-west-1-wl1-lon-wlz-1"));
}

#[tokio::test]
async fn of_several_host_names_the_first_is_the_host_name() {
    for (value, expected) in [
        ("ip-10-0-0-1.corp.example ip-10-0-0-1.ec2.internal", Some("ip-10-0-0-1.corp.example")),
        ("  spaced.example\tother.example ", Some("spaced.example")),
        ("one.example", Some("one.example")),
    ] {
        let metadata = with("aws:plain", &[("meta-data/hostname", value)]).await;
        assert_eq!(metadata.text(Field::Hostname), expected, "{value:?}");
    }
}

#[tokio::test]
async fn tags_are_kept_to_the_letter() {
    let values = [
        ("empty", ""),
        ("quotes", r#"a "b" 'c' `d`"#),
        ("slashes", "/a//b/../c/"),
        ("markup", "<none>"),
        ("braces", r#"{"json": [1]}"#),
        ("list", "[a, b]"),
        ("placeholder", "${aws:InstanceId}"),
        ("spaces", "  two  "),
        ("lines", "one\ntwo"),
        ("unicode", "Zoë 東京 🚀"),
        ("unknown", "UNKNOWN"),
    ];
    let fakes = fake("aws:plain").await;
    for (key, value) in values {
        fakes.set(&format!("meta-data/tags/instance/{key}"), value).unwrap();
    }
    let aws = read_all(&fakes).await;
    let fakes = fake("azure:plain").await;
    for (key, value) in values {
        fakes.set(&format!("tags.{key}"), value).unwrap();
    }
    let azure = read_all(&fakes).await;
    for (key, value) in values {
        assert_eq!(aws.tag(key), Some(value), "aws: {key}: {:?}", aws.reading(Field::Tags));
        assert_eq!(azure.tag(key), Some(value), "azure: {key}");
    }
}

#[tokio::test]
async fn keys_that_need_encoding_are_asked_for_and_kept() {
    for key in ["a=b,c@d", "+plus", "team.cost:center", "...", "x_y-z~"] {
        let metadata = with("aws:plain", &[(&format!("meta-data/tags/instance/{key}"), "here")]).await;
        assert_eq!(metadata.tag(key), Some("here"), "{key}");
    }
}

/// EC2 tells no tags with such keys. Azure tells a list of keys and values, and a text beside it in which colons and semicolons
/// part them: reading that would tear these keys.
#[tokio::test]
async fn keys_with_spaces_slashes_and_semicolons_are_whole() {
    let keys = ["cost center", "team/web", "a;b", "a:b", "a;b:c / d"];
    let fake = fake("azure:plain").await;
    for key in keys {
        fake.set(&format!("tags.{key}"), &format!("{key};{key}:1")).unwrap();
    }
    let metadata = read_all(&fake).await;
    for key in keys {
        assert_eq!(metadata.tag(key), Some(&*format!("{key};{key}:1")), "{key}");
    }
    for part in ["a", "b", "team", "b:c / d"] {
        assert_eq!(metadata.tag(part), None, "{part}");
    }
}

#[tokio::test]
async fn a_tag_that_vanished_is_left_out_and_one_that_cannot_be_read_fails_all() {
    let fake = fake("aws:spot-asg").await;
    fails(&fake, "404:/latest/meta-data/tags/instance/empty");
    let metadata = read_all(&fake).await;
    assert_eq!(metadata.tag("empty"), None);
    assert_eq!(metadata.tag("path"), Some("/srv/data/a b"));
    fake.clear_faults();
    fails(&fake, "403:/latest/meta-data/tags/instance/empty");
    let metadata = read_all(&fake).await;
    assert_eq!(
        failed_as(&metadata, Field::Tags),
        Some(ErrorKind::Disabled),
        "half the tags look like all of them"
    );
    assert_eq!(metadata.text(Field::InstanceId), Some("i-0a1b2c3d4e5f67890"));
}

#[tokio::test]
async fn the_partition_is_read_and_part_of_the_name() {
    for partition in ["aws-cn", "aws-us-gov", "aws-iso-e"] {
        let metadata = with("aws:plain", &[("meta-data/services/partition", partition)]).await;
        assert_eq!(metadata.text(Field::Partition), Some(partition));
        let name = metadata.text(Field::ResourceId).unwrap();
        assert!(name.starts_with(&format!("arn:{partition}:ec2:")), "{name}");
    }
}

#[tokio::test]
async fn azures_clouds_have_one_spelling() {
    for (sent, expected) in [
        ("AZUREPUBLICCLOUD", "AzurePublicCloud"),
        ("azurepubliccloud", "AzurePublicCloud"),
        ("AzurePublicCloud", "AzurePublicCloud"),
        ("AZUREUSGOVERNMENTCLOUD", "AzureUSGovernmentCloud"),
        ("azurechinacloud", "AzureChinaCloud"),
        ("AzureGermanCloud", "AzureGermanCloud"),
        ("USNat", "USNat"),
        ("AzureStack", "AzureStack"),
    ] {
        let metadata = with("azure:plain", &[("compute.azEnvironment", sent)]).await;
        assert_eq!(metadata.text(Field::Partition), Some(expected), "{sent}");
    }
    for (sent, expected) in [
        ("Regular", "on-demand"),
        ("Spot", "spot"),
        ("SPOT", "spot"),
        ("Low", "spot"),
        ("Reserved", "Reserved"),
    ] {
        let metadata = with("azure:plain", &[("compute.priority", sent)]).await;
        assert_eq!(metadata.text(Field::Lifecycle), Some(expected), "{sent}");
    }
}

fn azure_of(version: &str) -> Scenario {
    let text = format!(
        "summary = \"an older host\"\ncloud = \"azure\"\nbase = \"vmss-uniform-spot\"\n[azure]\nversions = [\"{version}\"]"
    );
    Scenario::from_toml(&text).unwrap()
}

#[tokio::test]
async fn what_an_older_version_lacks_is_absent_and_never_guessed() {
    // First version with each value, by Microsoft's page on the service.
    let since = [
        (Field::Zone, "2017-12-01"),
        (Field::ScalingGroup, "2017-12-01"),
        (Field::Partition, "2018-10-01"),
        (Field::ResourceId, "2019-03-11"),
        (Field::ProviderId, "2019-03-11"),
        (Field::Disks, "2019-06-01"),
        (Field::Tags, "2019-06-04"),
        (Field::Lifecycle, "2020-12-01"),
        (Field::ZoneId, "2023-11-15"),
    ];
    for version in [
        "2017-12-01",
        "2018-02-01",
        "2018-10-01",
        "2019-03-11",
        "2019-06-01",
        "2019-06-04",
        "2019-11-01",
        "2020-10-01",
        "2020-12-01",
        "2021-12-13",
        "2023-11-15",
        "2025-04-07",
    ] {
        let metadata = read_all(&start(azure_of(version)).await).await;
        assert_eq!(metadata.protocol(), Some(format!("api-version {version}").as_str()));
        assert_eq!(json(&metadata).get("errors"), None, "{version}");
        for (field, first) in since {
            assert_eq!(
                is_absent(&metadata, field),
                version < first,
                "{version}: {field}: {:?}",
                metadata.reading(field)
            );
        }
        assert_eq!(
            metadata.text(Field::InstanceId),
            Some("c0ffee00-1234-4abc-8def-0123456789ab"),
            "{version}"
        );
        assert_eq!(metadata.text(Field::PrivateIpv4), Some("10.40.1.7"), "{version}");
        // The load balancer's addresses are told since 2020-10-01.
        let public = (version >= "2020-10-01").then_some("203.0.113.50");
        assert_eq!(metadata.text(Field::PublicIpv4), public, "{version}");
    }
}

#[tokio::test]
async fn an_interface_without_addresses_is_an_interface() {
    let azure = read_all(&fake("azure:vmss-flex-zone").await).await;
    assert_eq!(azure.interfaces().len(), 2);
    assert_eq!(azure.text(Field::Mac), Some("60:45:bd:0a:0b:0d"), "the first that has an IPv4 address");
    assert_eq!(azure.interfaces()[1].mac.as_deref(), Some("60:45:bd:0a:0b:0c"));
    assert!(azure.interfaces()[1].private_ipv4s.is_empty());

    let fake = fake("aws:spot-asg").await;
    let mac = "meta-data/network/interfaces/macs/02:7f:6e:5d:4c:3b";
    for leaf in ["local-ipv4s", "subnet-id", "security-groups"] {
        fake.remove(&format!("{mac}/{leaf}")).unwrap();
    }
    let aws = read_all(&fake).await;
    assert_eq!(aws.interfaces().len(), 2);
    assert_eq!(aws.text(Field::PrivateIpv4), Some("172.31.64.9"));
    assert!(aws.interfaces()[1].private_ipv4s.is_empty());
    assert_eq!(
        serde_json::to_value(&aws.interfaces()[1]).unwrap(),
        json!({"mac": "02:7f:6e:5d:4c:3b", "network_id": "vpc-0a0b0c0d0e0f01234"})
    );
}

#[tokio::test]
async fn macs_and_ipv6_addresses_have_one_spelling() {
    for mac in ["000d3a1b2c3d", "00-0D-3A-1B-2C-3D", "00:0d:3a:1B:2C:3D", "000D.3A1B.2C3D"] {
        let metadata = with("azure:plain", &[("network.interface.0.macAddress", mac)]).await;
        assert_eq!(metadata.text(Field::Mac), Some("00:0d:3a:1b:2c:3d"), "{mac}");
    }
    let path = "meta-data/network/interfaces/macs/0e:5d:4c:3b:2a:19/ipv6s";
    for (sent, expected) in [
        ("2001:0DB8:0012:3400:0000:0000:0000:A1B2", "2001:db8:12:3400::a1b2"),
        ("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"),
        ("2001:db8:0:1:1:1:1:1/128", "2001:db8:0:1:1:1:1:1"),
        ("[::ffff:192.0.2.1]", "::ffff:192.0.2.1"),
    ] {
        let metadata = with("aws:spot-asg", &[(path, sent)]).await;
        assert_eq!(metadata.text(Field::Ipv6), Some(expected), "{sent}");
        assert_eq!(metadata.interfaces()[0].ipv6s, [expected], "{sent}");
    }
    let droplet = read_all(&fake("digitalocean:plain").await).await;
    assert_eq!(droplet.text(Field::Ipv6), Some("2001:db8:3:d0::abc:1001"));
}

#[tokio::test]
async fn a_public_address_may_be_the_load_balancers_alone() {
    let fake = fake("azure:plain").await;
    assert_eq!(read_all(&fake).await.text(Field::PublicIpv4), Some("203.0.113.20"));
    // One that leads elsewhere isn't ours.
    let other = r#"{"loadbalancer": {"publicIpAddresses": [
        {"frontendIpAddress": "203.0.113.21", "privateIpAddress": "10.50.0.5"},
        {"frontendIpAddress": "[2001:db8::1]", "privateIpAddress": "10.50.0.4"}]}}"#;
    fake.set("loadbalancer", other).unwrap();
    assert!(is_absent(&read_all(&fake).await, Field::PublicIpv4));
}

#[tokio::test]
async fn a_load_balancer_that_fails_takes_only_the_public_address_with_it() {
    let fake = fake("azure:plain").await;
    fails(&fake, "500:/metadata/loadbalancer");
    let metadata = read_all(&fake).await;
    assert_eq!(failed_as(&metadata, Field::PublicIpv4), Some(ErrorKind::ServerError));
    assert_eq!(metadata.text(Field::PrivateIpv4), Some("10.50.0.4"));
    assert_eq!(metadata.text(Field::Mac), Some("00:22:48:0a:1b:2c"));
    assert!(is_absent(&metadata, Field::Ipv6));
    let interfaces = metadata.reading(Field::Interfaces).unwrap();
    assert!(interfaces.value().is_some());
    assert_eq!(interfaces.error().map(imds::Error::kind), Some(ErrorKind::ServerError));
    assert_eq!(metadata.failure(), None);
    let errors = json(&metadata)["errors"].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(errors, ["interfaces", "public_ipv4"]);
    // An address that the interface itself has is there all the same.
    let fake = harness::fake("azure:stack").await;
    fails(&fake, "500:/metadata/loadbalancer");
    assert_eq!(read_all(&fake).await.text(Field::PublicIpv4), Some("192.0.2.80"));
}

#[tokio::test]
async fn without_a_load_balancer_the_public_address_is_absent() {
    let fake = fake("azure:plain").await;
    fake.remove("loadbalancer").unwrap();
    let metadata = read_all(&fake).await;
    assert!(is_absent(&metadata, Field::PublicIpv4));
    assert_eq!(metadata.reading(Field::Interfaces).unwrap().error(), None);
    assert_eq!(json(&metadata).get("errors"), None);
}

#[tokio::test]
async fn images_are_named_by_id_else_by_their_four_parts_and_never_by_the_machine() {
    let marketplace = read_all(&fake("azure:plain").await).await;
    assert_eq!(
        marketplace.text(Field::ImageId),
        Some("canonical:0001-com-ubuntu-server-jammy:22_04-lts-gen2:22.04.203105010")
    );
    let fake = fake("azure:plain").await;
    let mut document = sent("azure:plain", "/metadata/instance?api-version=2025-04-07").await;
    let compute = document["compute"].as_object_mut().unwrap();
    compute.remove("storageProfile");
    compute.insert("sku".to_owned(), json!(""));
    fake.set("instance", &document.to_string()).unwrap();
    assert!(is_absent(&read_all(&fake).await, Field::ImageId), "three parts name no image");
}

#[tokio::test]
async fn a_cluster_is_named_only_where_its_resource_group_says_it_plainly() {
    for (group, cluster, platform) in [
        ("MC_rg_shop_westeurope", Some("shop"), "aks"),
        ("mc_rg_shop_westeurope", Some("shop"), "aks"),
        // A node of some cluster, whichever way the name is split.
        ("MC_my_rg_my_shop_westeurope", None, "aks"),
        ("MC_rg__westeurope", None, "vm"),
        ("MC_westeurope", None, "vm"),
        ("rg-shop", None, "vm"),
        ("my_MC_rg_shop_westeurope", None, "vm"),
    ] {
        let metadata = with("azure:plain", &[("compute.resourceGroupName", group)]).await;
        assert_eq!(metadata.text(Field::ClusterName), cluster, "{group}");
        assert_eq!(metadata.text(Field::Platform), Some(platform), "{group}");
    }
}

#[tokio::test]
async fn a_group_is_a_managed_instance_group_or_none() {
    for (created_by, group) in [
        ("projects/1/zones/us-central1-f/instanceGroupManagers/web", Some("web")),
        ("projects/1/regions/us-central1/instanceGroupManagers/web-mig", Some("web-mig")),
        ("terraform", None),
        ("projects/1/zones/us-central1-f/instances/web", None),
    ] {
        let metadata = with("gcp:plain", &[("instance/attributes/created-by", created_by)]).await;
        assert_eq!(metadata.text(Field::ScalingGroup), group, "{created_by}");
    }
}

/// Every text in a document, with its place.
fn texts(value: &Value, at: &str, found: &mut Vec<(String, String)>) {
    match value {
        Value::String(text) => found.push((at.to_owned(), text.clone())),
        Value::Array(items) => items.iter().for_each(|item| texts(item, at, found)),
        Value::Object(members) => {
            for (name, value) in members {
                texts(value, &format!("{at}/{name}"), found);
            }
        }
        _ => {}
    }
}

#[tokio::test]
async fn nothing_is_empty_unknown_or_secret_in_any_scenario() {
    for scenario in Scenario::all() {
        let name = format!("{}:{}", scenario.cloud(), scenario.name());
        let fake = start(scenario).await;
        let metadata = read_all(&fake).await;
        let document = serde_json::to_value(metadata.document(true)).unwrap();
        let mut found = Vec::new();
        texts(&document, "", &mut found);
        for (at, text) in found.iter().filter(|(at, _)| !at.starts_with("/tags/")) {
            assert!(!text.is_empty() && !text.eq_ignore_ascii_case("unknown"), "{name}: {at}: {text:?}");
            assert_eq!(text.trim(), text, "{name}: {at}");
        }
        let printed = format!("{metadata:?} {metadata:#?} {document}");
        assert!(!printed.contains(SECRET_MARKER), "{name}: {printed}");
        // A session token is got with PUT.
        let requests = fake.requests().into_iter().filter(|request| request.method() == "GET");
        let asked: BTreeSet<String> = requests.map(|it| it.path_only().to_ascii_lowercase()).collect();
        for secret in [
            "user-data",
            "/iam/",
            "credentials",
            "managed-ssh-keys",
            "/identity/",
            "/token",
            "pkcs7",
            "attested",
        ] {
            // Yandex's document names the image; the signatures beside it are what proves an identity.
            let leak = asked
                .iter()
                .find(|path| path.contains(secret) && !path.ends_with("/vendor/identity/document"));
            assert_eq!(leak, None, "{name}");
        }
    }
}

#[tokio::test]
async fn secret_members_are_dropped_in_any_spelling_and_at_any_depth() {
    let mut document = sent("azure:plain", "/metadata/instance?api-version=2025-04-07").await;
    let compute = document["compute"].as_object_mut().unwrap();
    compute.insert("USERDATA".to_owned(), json!(SECRET_MARKER));
    compute.insert("nested".to_owned(), json!({"CustomData": [SECRET_MARKER], "publickeys": SECRET_MARKER}));
    let fake = fake("azure:plain").await;
    fake.set("instance", &document.to_string()).unwrap();
    let metadata = read_all(&fake).await;
    assert_eq!(metadata.text(Field::InstanceName), Some("shop-1"));
    assert!(!format!("{metadata:?}").contains(SECRET_MARKER));
}

#[tokio::test]
async fn the_primary_interface_is_the_one_with_device_number_0() {
    // The listing begins with the other one.
    let metadata = read_all(&start(scenario("aws:spot-asg")).await).await;
    let macs: Vec<_> =
        metadata.interfaces().iter().filter_map(|interface| interface.mac.as_deref()).collect();
    assert_eq!(macs, ["0e:5d:4c:3b:2a:19", "02:7f:6e:5d:4c:3b"]);
    // What is read alone, from its own path, is the same.
    for field in [Field::PrivateIpv4, Field::PublicIpv4, Field::Ipv6, Field::Mac] {
        let alone = harness::told(&fake("aws:spot-asg").await).read(&[field]).await.unwrap();
        assert_eq!(alone.text(field), metadata.text(field), "{field}");
    }
}

#[tokio::test]
async fn an_id_of_an_interface_that_is_of_several_lines_is_none() {
    let place = "meta-data/network/interfaces/macs/06:1a:2b:3c:4d:5e/subnet-id";
    let metadata = with("aws:plain", &[(place, "subnet\r0123abcd4567ef890")]).await;
    assert_eq!(failed_as(&metadata, Field::Interfaces), Some(ErrorKind::Malformed));
    assert_eq!(failed_as(&metadata, Field::SubnetId), Some(ErrorKind::Malformed));
}

#[tokio::test]
async fn of_several_interfaces_only_what_they_have_is_asked_for() {
    let fake = fake("aws:spot-asg").await;
    let metadata = read_all(&fake).await;
    assert_eq!(metadata.interfaces().len(), 2);
    let requests = fake.requests();
    let missed: Vec<&str> =
        requests.iter().map(imds_fake::Recorded::path_only).filter(|path| path.contains("/macs/")).collect();
    assert!(missed.iter().any(|path| path.ends_with("/0e:5d:4c:3b:2a:19/")), "{missed:?}");
    for path in &missed {
        let leaf = path.strip_prefix("/latest/").unwrap();
        assert!(leaf.ends_with('/') || fake.remove(leaf).is_ok(), "{path} isn't there");
    }
    assert!(!requests.iter().any(|request| request.path_only().ends_with("/block-device-mapping/ami")));
}

#[tokio::test]
async fn interfaces_that_list_nothing_are_asked_for_everything() {
    let fake = fake("aws:spot-asg").await;
    let whole = read_all(&fake).await;
    fails(&fake, "404:/latest/meta-data/network/interfaces/macs/0e:5d:4c:3b:2a:19/:1");
    let metadata = read_all(&fake).await;
    assert_eq!(metadata.interfaces(), whole.interfaces());
    fake.clear_faults();
    fails(&fake, "403:/latest/meta-data/network/interfaces/macs/0e:5d:4c:3b:2a:19/:1");
    assert_eq!(failed_as(&read_all(&fake).await, Field::Interfaces), Some(ErrorKind::Disabled));
}
