//! A cloud that the user described in TOML, and nothing else: found, read and refused as the built-in ones are. And the
//! other way round: built-in descriptions, printed and read back, do what they did.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../conformance/mod.rs"]
mod conformance;
#[path = "../service/mod.rs"]
mod fakes;
#[path = "../scripted/mod.rs"]
mod scripted;

mod exported;
mod faults;
mod secrets;
mod service;

use std::sync::Arc;
use std::time::Duration;

use fakes::{client, told};
use imds::machine::MemoryFiles;
use imds::otel::Names;
use imds::{Client, Confidence, ConfigBuilder, Field, Metadata, Outcome, Reading, Value};
use service::Cumulus;

/// The description.
pub(crate) const CUMULUS: &str = include_str!("cumulus.toml");

/// A machine of Cumulus by its firmware.
fn firmware() -> MemoryFiles {
    MemoryFiles::new()
        .with("/sys/class/dmi/id/sys_vendor", "Cumulus Hosting AG\n")
        .with("/sys/class/dmi/id/product_name", "cu2.large\n")
}

/// A configuration that knows Cumulus, and was told that this is it (`?` has it found).
pub(crate) fn knowing(cloud: &str, url: &str) -> ConfigBuilder {
    told(cloud, url, &[]).describe(CUMULUS, "cumulus.toml")
}

/// A client that was told that this is Cumulus.
pub(crate) fn reader(cumulus: &Cumulus) -> Client {
    client(knowing("cumulus", &cumulus.url))
}

async fn read_all(client: &Client) -> Metadata {
    client.read(Field::ALL).await.unwrap()
}

fn json(metadata: &Metadata) -> serde_json::Value {
    serde_json::to_value(metadata.document(false)).unwrap()
}

fn expected() -> serde_json::Value {
    serde_json::from_str(include_str!("cumulus.json")).unwrap()
}

#[tokio::test]
async fn it_passes_the_suite_of_the_built_in_clouds() {
    let start = async || Cumulus::start().await;
    conformance::sends_what_is_wanted("cumulus", &start().await, "X-Cumulus-Source", "machine").await;
    conformance::renews_its_session("cumulus", &start().await, "X-Cumulus-Session").await;
    conformance::loses_only_what_is_taken_away("cumulus", start).await;
}

#[tokio::test]
async fn it_is_named_by_its_firmware_without_a_request() {
    let cumulus = Cumulus::start().await;
    let client = client(knowing("?", &cumulus.url).files(Arc::new(firmware())));
    let verdict = client.detect().await;
    assert_eq!((verdict.outcome.to_string().as_str(), verdict.confidence), ("cumulus", Confidence::Certain));
    assert_eq!((verdict.requests, cumulus.asked().len()), (0, 0));
    assert_eq!(json(&read_all(&client).await), expected());
}

#[tokio::test]
async fn it_is_found_by_asking() {
    let cumulus = Cumulus::start().await;
    let client = client(knowing("?", &cumulus.url));
    let verdict = client.detect().await;
    assert_eq!(
        (verdict.outcome.to_string().as_str(), verdict.confidence),
        ("cumulus", Confidence::Certain),
        "{verdict:?}"
    );
    assert_eq!(json(&read_all(&client).await), expected());
}

#[tokio::test]
async fn it_is_read_where_it_was_told() {
    let cumulus = Cumulus::start().await;
    let client = reader(&cumulus);
    assert_eq!(json(&read_all(&client).await), expected());
    assert_eq!(client.volume_id("/dev/sda").await.unwrap_err().kind(), imds::ErrorKind::Absent);
}

#[tokio::test]
async fn the_boot_loader_cloud_init_and_its_own_variable_lead_to_it() {
    let cumulus = Cumulus::start().await;
    let loader = MemoryFiles::new().with("/proc/cmdline", "quiet ignition.platform.id=cumulus\n");
    let variables = [("CUMULUS_METADATA_URL", cumulus.url.as_str()), ("IMDS_NETWORK", "loopback")];
    let environment =
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let builder =
        imds::Config::builder(environment).describe(CUMULUS, "cumulus.toml").files(Arc::new(loader));
    assert_eq!(json(&read_all(&client(builder)).await), expected());
    let instance_data = r#"{"v1":{"cloud_name":"cumulus","platform":"cumulus"}}"#;
    let files = MemoryFiles::new().with("/run/cloud-init/instance-data.json", instance_data);
    let verdict = client(knowing("?", &cumulus.url).files(Arc::new(files))).detect().await;
    assert_eq!(verdict.outcome.to_string(), "cumulus");
    assert!(verdict.evidence.iter().any(|piece| piece.detail.contains("cloud-init")), "{verdict:?}");
}

#[tokio::test]
async fn nothing_of_it_is_known_without_its_description() {
    let cumulus = Cumulus::start().await;
    let builder = told("?", &cumulus.url, &[]).files(Arc::new(firmware()));
    let verdict = client(builder).detect().await;
    assert_eq!(verdict.outcome, Outcome::Unknown);
    let error = told("cumulus", &cumulus.url, &[]).build().unwrap_err();
    assert_eq!(error.path(), Some("--cloud"));
    // What isn't permitted isn't found either.
    let only_aws = knowing("?", &cumulus.url).clouds(&["aws".to_owned()], "--clouds");
    assert_eq!(client(only_aws).detect().await.outcome, Outcome::Unknown);
}

#[tokio::test]
async fn a_stranger_that_answers_everything_is_not_taken_for_it() {
    let stranger =
        scripted::serve(|_, _| (200, scripted::TTL, b"{\"uuid\":\"yes\",\"place\":\"here\"}".to_vec())).await;
    let verdict = client(knowing("?", &stranger)).detect().await;
    assert_eq!(verdict.outcome, Outcome::Unknown, "{verdict:?}");
}

#[tokio::test]
async fn a_value_that_is_not_there_is_absent_and_the_others_stay() {
    let cumulus = Cumulus::start().await;
    cumulus.remove("/v2/cluster");
    cumulus.change("/v2/machine", "\"cpu\":\"arm64\",", "");
    cumulus.change("/v2/machine", "\"fqdn\":\"web-1.example.net\",", "\"fqdn\":\"\",");
    let metadata = read_all(&reader(&cumulus)).await;
    for field in [Field::ClusterName, Field::Architecture, Field::ResourceGroup, Field::ScalingGroup] {
        assert!(matches!(metadata.reading(field), Some(Reading::Absent { .. })), "{field}: {metadata:?}");
    }
    assert_eq!(metadata.text(Field::Platform), Some("vm"));
    assert_eq!(metadata.text(Field::Hostname), Some("web"));
    assert_eq!(metadata.text(Field::InstanceId), Some("7b0d2e4c-31f5-4c8a-9f60-0c1d2e3f4a5b"));
    cumulus.remove("/v2/labels/");
    let metadata = read_all(&reader(&cumulus)).await;
    let Some(Reading::Absent { remedy: Some(remedy) }) = metadata.reading(Field::Tags) else {
        panic!("{:?}", metadata.reading(Field::Tags));
    };
    assert!(remedy.contains("in the console"), "{remedy}");
}

#[tokio::test]
async fn one_value_costs_one_request_and_its_session() {
    let cumulus = Cumulus::start().await;
    let client = reader(&cumulus);
    client.read(&[Field::InstanceId]).await.unwrap();
    client.read(&[Field::Region, Field::Zone, Field::ProviderId]).await.unwrap();
    assert_eq!(cumulus.asked(), ["PUT /v2/session", "GET /v2/machine", "GET /v2/machine"]);
}

#[tokio::test]
async fn a_session_that_ended_is_renewed_once() {
    let cumulus = Cumulus::start().await;
    let client = reader(&cumulus);
    read_all(&client).await;
    assert_eq!(cumulus.count("PUT"), 1);
    cumulus.end_sessions();
    assert_eq!(json(&read_all(&client).await), expected());
    assert_eq!(cumulus.count("PUT"), 2);
}

#[tokio::test]
async fn telemetry_has_the_names_of_its_description() {
    let cumulus = Cumulus::start().await;
    let client = reader(&cumulus);
    let metadata = read_all(&client).await;
    let attributes = client.configuration().resource_attributes(&metadata, Names::Current);
    let of =
        |name: &str| attributes.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str());
    assert_eq!(of("cloud.provider"), Some("cumulus_hosting"));
    assert_eq!(of("cloud.platform"), Some("cumulus_kubernetes"));
    assert_eq!(of("cloud.region"), Some("nord"));
    let nameless = CUMULUS.replace("provider = \"cumulus_hosting\"\n", "");
    let client = fakes::client(told("cumulus", &cumulus.url, &[]).describe(&nameless, "cumulus.toml"));
    let attributes = client.configuration().resource_attributes(&metadata, Names::Current);
    assert_eq!(attributes.first(), Some(&("cloud.provider", "cumulus".to_owned())));
}

#[tokio::test]
async fn firmware_knows_what_its_description_says_when_nobody_answers() {
    // A port that nobody listens on: it was free a moment ago, and is asked by this test alone.
    let builder = told("?", "http://127.0.0.1:9", &[]).describe(CUMULUS, "cumulus.toml");
    let builder = builder.files(Arc::new(firmware())).timeout(Duration::from_millis(500));
    let metadata = read_all(&client(builder)).await;
    assert_eq!(metadata.text(Field::InstanceType), Some("cu2.large"));
    assert!(matches!(metadata.reading(Field::Region), Some(Reading::Failed(_))), "{metadata:?}");
    assert!(metadata.failure().unwrap().cloud().is_some_and(|cloud| cloud.as_str() == "cumulus"));
}

#[test]
fn the_catalog_knows_it() {
    let config = knowing("cumulus", "http://127.0.0.1:9").build().unwrap();
    let cumulus = config.cloud_named("cumulus", "test").unwrap();
    assert!(!cumulus.built_in && cumulus.has_signature);
    assert_eq!(cumulus.found_by, ["boot loader", "firmware", "cloud-init", "service"]);
    assert_eq!(cumulus.events, ["maintenance"]);
    let served: Vec<String> =
        expected().as_object().unwrap().keys().filter(|key| *key != "schema").cloned().collect();
    let mut listed: Vec<String> = cumulus.fields.iter().map(ToString::to_string).collect();
    listed.sort();
    assert_eq!(listed, served);
    let page = cumulus.page();
    for part in [
        "# Cumulus Hosting (`cumulus`)",
        "`/v2/machine#/uuid`",
        "`X-Cumulus-Source: machine`",
        "`PUT /v2/session`",
        "every 30 s",
    ] {
        assert!(page.contains(part), "{part}:\n{page}");
    }
    assert!(cumulus.export().unwrap_err().message().contains("isn't built in"));
    assert!(config.path_class("/v2/keys/ssh").is_ok_and(|class| class == imds::model::Class::Secret));
}

#[test]
fn files_and_directories_are_read_in_the_order_of_their_names() {
    let folder = std::env::temp_dir().join(format!("imds-user-cloud-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.join(name), text).unwrap();
    write("1-cumulus.toml", CUMULUS);
    write("2-stratus.toml", "name = \"stratus\"\ntitle = \"Stratus\"\nbased_on = \"cumulus\"\n");
    write(".1-cumulus.toml", "what an editor left");
    write("notes.txt", "not a description");
    let build = |path: std::path::PathBuf| imds::Config::builder(Default::default()).cloud_file(path).build();
    let names: Vec<String> = build(folder.clone())
        .unwrap()
        .clouds()
        .iter()
        .filter(|cloud| !cloud.built_in)
        .map(|it| it.name.to_string())
        .collect();
    assert_eq!(names, ["cumulus", "stratus"]);
    let alone = build(folder.join("2-stratus.toml")).unwrap_err();
    let place = format!("{}:3:12", folder.join("2-stratus.toml").display());
    assert_eq!(alone.path(), Some(place.as_str()), "{alone}");
    let missing = build(folder.join("3.toml")).unwrap_err();
    assert_eq!(missing.kind(), imds::ErrorKind::Usage);
    assert!(missing.path().is_some_and(|path| path.ends_with("3.toml")), "{missing}");
    std::fs::remove_dir_all(&folder).unwrap();
}

/// What people copy first.
#[test]
fn the_file_in_the_documentation_can_be_read() {
    let page = include_str!("../../../../docs/cloud-files.md");
    let text = page.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let config = told("cumulus", "http://127.0.0.1:9", &[]).describe(text, "cloud-files.md").build().unwrap();
    assert!(config.cloud_named("cumulus", "test").unwrap().fields.contains(&Field::ProviderId));
}

/// Lists are there, so that a test of them can't pass on nothing.
#[tokio::test]
async fn lists_are_whole() {
    let cumulus = Cumulus::start().await;
    let metadata = read_all(&reader(&cumulus)).await;
    assert!(matches!(metadata.value(Field::Interfaces), Ok(Value::Interfaces(list)) if list.len() == 2));
    assert!(matches!(metadata.value(Field::Disks), Ok(Value::Disks(list)) if list.len() == 2));
    // A part of a list that fails fails the list, and nothing else.
    cumulus.set("/v2/labels/team", (500, "", Vec::new()));
    let metadata = read_all(&reader(&cumulus)).await;
    assert!(matches!(metadata.reading(Field::Tags), Some(Reading::Failed(_))), "{metadata:?}");
    assert_eq!(metadata.text(Field::NetworkId), Some("net-7"));
}

/// What people call a machine is no part of a template.
#[tokio::test]
async fn a_value_that_looks_like_a_part_stays_as_it_is() {
    let answer =
        |_: &str, _: &str| (200, "", br#"{"id":"m-1","name":"{region}-1","place":"north"}"#.to_vec());
    let url = scripted::serve(answer).await;
    let lab = r#"
        name = "lab"
        title = "The lab"
        [service]
        ipv4 = "192.0.2.1"
        [documents]
        machine = { path = "/v1/machine", format = "json" }
        [fields]
        instance_id = "machine#/id"
        instance_name = "machine#/name"
        region = "machine#/place"
        resource_id = { derive = "lab:{instance_name}:{region}:{instance_id}" }
    "#;
    let client = client(told("lab", &url, &[]).describe(lab, "lab.toml"));
    let metadata = client.read(&[Field::ResourceId]).await.unwrap();
    assert_eq!(metadata.text(Field::ResourceId), Some("lab:{region}-1:north:m-1"), "{metadata:?}");
}

/// Found by the fuzz target `documents`: text is of one line, whoever gave the name.
#[tokio::test]
async fn a_name_of_two_lines_is_none() {
    let answer = |_: &str, _: &str| (200, "", br#"{"uuid":"m-1","label":"web\nsecond"}"#.to_vec());
    let url = scripted::serve(answer).await;
    let lab = r#"
        name = "lab"
        title = "The lab"
        [service]
        ipv4 = "192.0.2.1"
        [documents]
        machine = { path = "/v1/machine", format = "json" }
        [fields]
        instance_id = "machine#/uuid"
        instance_name = "machine#/label"
    "#;
    let client = client(told("lab", &url, &[]).describe(lab, "lab.toml"));
    let metadata = client.read(&[Field::InstanceId, Field::InstanceName]).await.unwrap();
    assert_eq!(metadata.text(Field::InstanceId), Some("m-1"));
    let Some(Reading::Failed(error)) = metadata.reading(Field::InstanceName) else { panic!("{metadata:?}") };
    assert!(error.message().contains("one line"), "{error}");
}
