//! Detection as a user sees it: what was told, what firmware and services say, and what that costs.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use harness::{Way, client, client_of, environment, fake, firmware, machine, scenario, start, told};
use imds::machine::MemoryFiles;
use imds::model::{EvidenceSource, Strength};
use imds::{Client, Confidence, Config, ErrorKind, Field, Network, Outcome, Reading, Verdict};
use imds_fake::{Behaviour, Cloud, Fake, Fault, FaultKind, Stranger};
use serde_json::json;

#[expect(dead_code, reason = "what is read has tests of its own")]
mod harness;

/// Longer than any probe here; far below what a forgotten deadline would take.
const SHORT: Duration = Duration::from_millis(300);

fn dell() -> MemoryFiles {
    MemoryFiles::new().with("/sys/class/dmi/id/sys_vendor", "Dell Inc.\n")
}

fn cmdline(line: &str) -> MemoryFiles {
    MemoryFiles::new().with("/proc/cmdline", format!("BOOT_IMAGE=/vmlinuz ro {line} quiet\n"))
}

fn said(verdict: &Verdict) -> (String, Confidence) {
    (verdict.outcome.to_string(), verdict.confidence)
}

fn certain(name: &str) -> (String, Confidence) {
    (name.to_owned(), Confidence::Certain)
}

fn likely(name: &str) -> (String, Confidence) {
    (name.to_owned(), Confidence::Likely)
}

fn was_probed(verdict: &Verdict) -> bool {
    verdict.evidence.iter().any(|piece| piece.source == EvidenceSource::Probe)
}

fn names() -> Vec<String> {
    Cloud::ALL.iter().map(|cloud| cloud.name().to_owned()).collect()
}

/// Clouds that firmware names for certain. Operators set every string of OpenStack (and OVHcloud's is one) and CloudStack,
/// Yandex's strings aren't known, and IBM's have a single source.
fn decisive() -> Vec<String> {
    let open = ["openstack", "ovh", "cloudstack", "yandex", "ibm"];
    names().into_iter().filter(|name| !open.contains(&name.as_str())).collect()
}

/// A loopback address at which nobody listens.
async fn nobody() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

#[tokio::test]
async fn what_is_told_is_believed_and_nobody_is_asked() {
    let fake = fake("aws").await;
    for (name, expected) in [("gcp", "gcp"), ("none", "none"), ("oracle", "oracle")] {
        let flag = machine(firmware(&scenario("aws")), &[])
            .endpoint(&fake.url(), "--endpoint")
            .cloud(name, "--cloud");
        let variable =
            machine(firmware(&scenario("aws")), &[("IMDS_FORCE_CLOUD", name)]).endpoint(&fake.url(), "x");
        for (builder, origin) in [(flag, "--cloud"), (variable, "IMDS_FORCE_CLOUD")] {
            let verdict = client_of(builder).detect().await;
            assert_eq!(said(&verdict), certain(expected), "{origin}");
            assert_eq!(verdict.requests, 0);
            let [piece] = verdict.evidence.as_slice() else { panic!("{verdict:?}") };
            assert_eq!((piece.source, piece.strength), (EvidenceSource::Told, Strength::Certain));
            assert!(piece.detail.starts_with(origin), "{piece:?}");
        }
    }
    assert!(fake.requests().is_empty());
    let error = machine(MemoryFiles::new(), &[]).cloud("amazon", "--cloud").build().unwrap_err();
    assert_eq!((error.kind(), error.path()), (ErrorKind::Usage, Some("--cloud")));
}

#[test]
fn what_needs_nobodys_answer_needs_no_runtime() {
    let unasked = |builder: imds::config::ConfigBuilder| client_of(builder).detect_unasked();
    for cloud in decisive() {
        let verdict = unasked(machine(firmware(&scenario(&cloud)), &[])).unwrap();
        assert_eq!((said(&verdict), verdict.requests), (certain(&cloud), 0), "{cloud}");
    }
    let verdict = unasked(machine(MemoryFiles::new(), &[]).cloud("none", "--cloud")).unwrap();
    assert_eq!(said(&verdict), certain("none"));
    // A service or an agent has the word.
    assert_eq!(unasked(machine(MemoryFiles::new(), &[])), None);
    let agent = imds::agent::AgentUse::Socket("/no/such/imds.sock".into());
    assert_eq!(unasked(machine(firmware(&scenario("aws")), &[]).agent(agent)), None);
}

#[tokio::test]
async fn the_flag_outweighs_the_variable() {
    let builder = machine(MemoryFiles::new(), &[("IMDS_FORCE_CLOUD", "gcp")]).cloud("azure", "--cloud");
    assert_eq!(said(&client_of(builder).detect().await), certain("azure"));
}

#[tokio::test]
async fn the_boot_loader_may_say_the_platform() {
    for (line, expected) in [
        ("ignition.platform.id=aws", "aws"),
        ("ignition.platform.id=ec2", "aws"),
        ("ignition.platform.id=azure", "azure"),
        ("ignition.platform.id=azurestack", "azure"),
        ("ignition.platform.id=gcp", "gcp"),
        ("ignition.platform.id=digitalocean", "digitalocean"),
        ("coreos.oem.id=ec2", "aws"),
        ("ignition.platform.id=metal", "none"),
        ("ignition.platform.id=qemu", "none"),
    ] {
        let verdict = client_of(machine(cmdline(line), &[])).detect().await;
        assert_eq!(said(&verdict), certain(expected), "{line}");
        assert!(!was_probed(&verdict), "{line}");
    }
    for line in [
        "ignition.platform.id=mars",
        "ignition.platform.id=",
        "ignition.platform.id",
        "x=ignition.platform.id=aws",
    ] {
        let verdict = client_of(machine(cmdline(line), &[])).detect().await;
        assert_eq!(said(&verdict), likely("unknown"), "{line}");
        assert!(was_probed(&verdict), "{line}: an unknown platform is looked for");
    }
    let verdict = client_of(machine(cmdline("ignition.platform.id=mars"), &[])).detect().await;
    assert!(verdict.evidence.iter().any(|piece| piece.detail.contains("=mars")), "{verdict:?}");
}

#[tokio::test]
async fn only_the_clouds_that_are_listed_may_be_found() {
    let listed = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let gcp = listed(&["gcp", "azure"]);
    // By firmware, by the boot loader, by the environment, by asking.
    for files in [firmware(&scenario("aws")), cmdline("ignition.platform.id=aws")] {
        let verdict = client_of(machine(files, &[]).clouds(&gcp, "--clouds")).detect().await;
        assert_eq!(said(&verdict), likely("unknown"), "{verdict:?}");
    }
    let ecs = [("ECS_CONTAINER_METADATA_URI_V4", "http://169.254.170.2/v4/x")];
    let verdict = client_of(machine(MemoryFiles::new(), &ecs).clouds(&gcp, "--clouds")).detect().await;
    assert_eq!(said(&verdict), likely("unknown"), "{verdict:?}");
    let aws = fake("aws").await;
    let builder =
        machine(MemoryFiles::new(), &[]).endpoint(&aws.url(), "--endpoint").clouds(&gcp, "--clouds");
    assert_eq!(said(&client_of(builder.probe_timeout(SHORT)).detect().await), likely("unknown"));
    let asked: Vec<String> = aws.requests().iter().map(|request| request.path().to_owned()).collect();
    assert!(!asked.iter().any(|path| path.starts_with("/latest") || path.ends_with("v1.json")), "{asked:?}");

    let verdict =
        client_of(machine(firmware(&scenario("aws")), &[]).clouds(&listed(&["gcp", "aws"]), "--clouds"));
    assert_eq!(said(&verdict.detect().await), certain("aws"));
    let error =
        machine(MemoryFiles::new(), &[]).clouds(&listed(&["aws", "azur"]), "--clouds").build().unwrap_err();
    assert_eq!((error.kind(), error.remedy()), (ErrorKind::Usage, Some("did you mean azure?")));
}

#[tokio::test]
async fn an_endpoint_given_by_hand_makes_this_machines_firmware_no_evidence() {
    let azure = fake("azure").await;
    // Nothing is said of the files, so they are this machine's own.
    let config =
        Config::builder(environment(&[])).endpoint(&azure.url(), "--endpoint").network(Network::Loopback);
    let verdict = Client::new(config.build().unwrap()).detect().await;
    assert_eq!(said(&verdict), certain("azure"));
    assert!(verdict.evidence.iter().all(|piece| piece.source != EvidenceSource::Firmware), "{verdict:?}");
    let config = Config::builder(environment(&[("IMDS_URL", &azure.url())])).network(Network::Loopback);
    assert_eq!(said(&Client::new(config.build().unwrap()).detect().await), certain("azure"));
    // With files given by hand too, they are the endpoint's machine.
    let before = azure.requests().len();
    let builder = machine(firmware(&scenario("gcp")), &[]).endpoint(&azure.url(), "--endpoint");
    let verdict = client_of(builder).detect().await;
    assert_eq!(said(&verdict), certain("gcp"));
    assert_eq!((verdict.requests, azure.requests().len()), (0, before));
}

#[tokio::test]
async fn decisive_firmware_costs_no_request() {
    for name in decisive() {
        let scenario = scenario(&name);
        let fake = start(scenario.clone()).await;
        let verdict = client(&fake, &scenario, Way::Firmware).detect().await;
        assert_eq!(said(&verdict), certain(&name));
        assert_eq!((verdict.requests, fake.requests().len(), fake.connections()), (0, 0, 0), "{name}");
        assert!(!was_probed(&verdict), "{name}");
    }
}

#[tokio::test]
async fn each_service_is_recognised_as_itself_and_never_as_another() {
    for name in names() {
        let fake = fake(&name).await;
        let client = client(&fake, &scenario(&name), Way::Probing);
        let verdict = client.detect().await;
        assert_eq!(said(&verdict), certain(&name), "{verdict:?}");
        // Whoever was still being asked when the cloud was found may not have heard the question.
        let sent = usize::try_from(verdict.requests).unwrap();
        assert!((fake.requests().len()..fake.requests().len() + 8).contains(&sent), "{name}: {sent}");
        for other in names().into_iter().filter(|other| *other != name) {
            let builder = machine(MemoryFiles::new(), &[])
                .endpoint(&fake.url(), "--endpoint")
                .clouds(std::slice::from_ref(&other), "--clouds")
                .probe_timeout(SHORT);
            let verdict = client_of(builder).detect().await;
            assert_eq!(said(&verdict), likely("unknown"), "{name} taken for {other}: {verdict:?}");
        }
    }
}

#[tokio::test]
async fn the_variables_of_the_vendors_tools_say_whom_to_ask_whatever_the_hardware() {
    for name in ["aws", "gcp"] {
        let fake = fake(name).await;
        for (variable, value) in fake.exports().into_iter().filter(|(variable, _)| variable != "IMDS_URL") {
            let client = client_of(machine(dell(), &[(&variable, &value)]));
            let verdict = client.detect().await;
            assert_eq!(said(&verdict), certain(name), "{variable}: {verdict:?}");
            let metadata = client.read(&[Field::InstanceId]).await.unwrap();
            assert!(metadata.text(Field::InstanceId).is_some(), "{variable}");
        }
    }
    // Nobody there: the hardware's word stands again.
    let dead = nobody().await;
    let verdict = client_of(machine(dell(), &[("AWS_EC2_METADATA_SERVICE_ENDPOINT", &dead)])).detect().await;
    assert_eq!(said(&verdict), likely("none"), "{verdict:?}");
    assert!(was_probed(&verdict));
}

#[tokio::test]
async fn a_variable_can_switch_aws_off() {
    for value in ["true", "TRUE", "True"] {
        let aws = fake("aws").await;
        let variables = [("AWS_EC2_METADATA_DISABLED", value)];
        let builder =
            machine(MemoryFiles::new(), &variables).endpoint(&aws.url(), "--endpoint").probe_timeout(SHORT);
        let verdict = client_of(builder).detect().await;
        assert_eq!(said(&verdict), likely("unknown"), "{verdict:?}");
        assert!(verdict.evidence.iter().any(|piece| piece.detail.contains("AWS_EC2_METADATA_DISABLED")));
        // Others are looked for below the same root, and get tokens of their own at the same path.
        let of_aws = |request: &imds_fake::Recorded| {
            request.header("x-aws-ec2-metadata-token-ttl-seconds").is_some()
                || request.path_only() == "/latest/dynamic/instance-identity/document"
        };
        assert!(!aws.requests().iter().any(of_aws));

        // Firmware still names it, and what firmware knows is known; the service is left alone.
        let builder = machine(firmware(&scenario("aws")), &variables).endpoint(&aws.url(), "--endpoint");
        let before = aws.requests().len();
        let client = client_of(builder);
        assert_eq!(said(&client.detect().await), certain("aws"));
        let metadata = client.read(&[Field::InstanceId, Field::Region]).await.unwrap();
        assert_eq!(metadata.text(Field::InstanceId), Some("i-0fedcba9876543210"));
        let Some(Reading::Failed(error)) = metadata.reading(Field::Region) else { panic!("{metadata:?}") };
        assert_eq!(error.kind(), ErrorKind::Disabled);
        assert_eq!(aws.requests().len(), before);
    }
    let aws = fake("aws").await;
    let variables = [("AWS_EC2_METADATA_DISABLED", "false")];
    let builder = machine(MemoryFiles::new(), &variables).endpoint(&aws.url(), "--endpoint");
    assert_eq!(said(&client_of(builder).detect().await), certain("aws"));
    // Other clouds have nothing to do with it.
    let gcp = fake("gcp").await;
    let variables = [("AWS_EC2_METADATA_DISABLED", "true")];
    let builder = machine(MemoryFiles::new(), &variables).endpoint(&gcp.url(), "--endpoint");
    assert_eq!(said(&client_of(builder).detect().await), certain("gcp"));
}

#[tokio::test]
async fn probing_keeps_to_imdsv2_where_imdsv1_is_forbidden() {
    for forbidden in [true, false] {
        let fake = fake("aws:v1-only").await;
        let variables: &[(&str, &str)] =
            if forbidden { &[("AWS_EC2_METADATA_V1_DISABLED", "true")] } else { &[] };
        let builder =
            machine(MemoryFiles::new(), variables).endpoint(&fake.url(), "--endpoint").probe_timeout(SHORT);
        let verdict = client_of(builder).detect().await;
        let tokenless = fake.requests().iter().any(|request| {
            request.method() == "GET"
                && request.path().starts_with("/latest/dynamic/")
                && !request.sent_token()
        });
        assert_eq!(tokenless, !forbidden, "{verdict:?}");
    }
}

#[tokio::test]
async fn where_nobody_answers_it_is_unknown_and_soon() {
    // Whoever accepts and stays silent, and a listener that never even accepts.
    let silent = Stranger::start(Behaviour::Silent).await.unwrap();
    let deaf = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let deaf_url = format!("http://{}", deaf.local_addr().unwrap());
    for url in [silent.url(), deaf_url] {
        let builder = machine(MemoryFiles::new(), &[]).endpoint(&url, "--endpoint").probe_timeout(SHORT);
        let client = client_of(builder);
        let started = Instant::now();
        let verdict = client.detect().await;
        assert!(started.elapsed() < SHORT + Duration::from_millis(300), "{:?}", started.elapsed());
        assert_eq!(said(&verdict), likely("unknown"), "{verdict:?}");
        assert!(was_probed(&verdict));
    }
    // By default probing takes a second in all.
    let client = client_of(machine(MemoryFiles::new(), &[]).endpoint(&silent.url(), "--endpoint"));
    let started = Instant::now();
    assert_eq!(said(&client.detect().await), likely("unknown"));
    assert!(started.elapsed() < Duration::from_millis(1300), "{:?}", started.elapsed());
    let error = client.read(Field::ALL).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unknown);
}

#[tokio::test]
async fn a_refused_connection_is_unknown_at_once_and_no_request() {
    let builder = machine(MemoryFiles::new(), &[]).endpoint(&nobody().await, "--endpoint");
    let started = Instant::now();
    let verdict = client_of(builder).detect().await;
    assert!(started.elapsed() < Duration::from_millis(500), "{:?}", started.elapsed());
    assert_eq!(said(&verdict), likely("unknown"));
    assert_eq!(verdict.requests, 0);
    assert!(verdict.evidence.iter().any(|piece| piece.detail.contains("no connection")), "{verdict:?}");
}

#[tokio::test]
async fn a_read_ends_within_its_own_time_detection_included() {
    let silent = Stranger::start(Behaviour::Silent).await.unwrap();
    let builder = machine(MemoryFiles::new(), &[]).endpoint(&silent.url(), "--endpoint").timeout(SHORT);
    let started = Instant::now();
    let error = client_of(builder).read(Field::ALL).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unknown);
    assert!(started.elapsed() < SHORT + Duration::from_millis(300), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_service_that_wants_rest_is_asked_again_after_it_and_not_before() {
    let fake = fake("gcp").await;
    fake.inject("429=1::1".parse().unwrap());
    fake.inject("429=1:/computeMetadata:1".parse().unwrap());
    let builder = machine(MemoryFiles::new(), &[]).endpoint(&fake.url(), "--endpoint");
    let client = client_of(builder.clouds(&["gcp".to_owned()], "--clouds").timeout(Duration::from_secs(4)));
    let started = Instant::now();
    let metadata = client.read(&[Field::InstanceId]).await.unwrap();
    assert_eq!(metadata.text(Field::InstanceId), Some("9123456789012345678"));
    assert!(started.elapsed() >= Duration::from_secs(2), "{:?}", started.elapsed());
    // For longer than the caller waits nobody waits.
    fake.inject("429=60".parse().unwrap());
    let builder = machine(MemoryFiles::new(), &[]).endpoint(&fake.url(), "--endpoint").probe_timeout(SHORT);
    let started = Instant::now();
    let error =
        client_of(builder.clouds(&["gcp".to_owned()], "--clouds")).read(Field::ALL).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unknown);
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
}

#[tokio::test]
async fn the_verdict_has_its_stable_json_form() {
    let verdict = client_of(machine(firmware(&scenario("azure")), &[])).detect().await;
    let mut document = serde_json::to_value(&verdict).unwrap();
    let elapsed = document.as_object_mut().unwrap().remove("elapsed_ms").unwrap();
    assert!(elapsed.as_f64().is_some_and(|elapsed| (0.0..1000.0).contains(&elapsed)), "{elapsed}");
    assert_eq!(
        document.pointer("/evidence/0").unwrap(),
        &json!({
            "source": "firmware",
            "detail": "chassis_asset_tag is \"7783-7084-3265-9085-8269-3286-77\": that is Microsoft Azure",
            "supports": "azure",
            "strength": "certain",
        })
    );
    let evidence = document.as_object_mut().unwrap().remove("evidence").unwrap();
    assert_eq!(
        document,
        json!({"outcome": "cloud", "cloud": "azure", "confidence": "certain", "requests": 0})
    );
    // What Hyper-V is, says nothing alone.
    let weak = evidence.as_array().unwrap().last().unwrap();
    assert_eq!((&weak["strength"], &weak["supports"]), (&json!("weak"), &json!(null)));

    for (builder, outcome) in
        [(machine(dell(), &[]), "none"), (machine(MemoryFiles::new(), &[]).network(Network::Off), "unknown")]
    {
        let document = serde_json::to_value(client_of(builder).detect().await).unwrap();
        assert_eq!((&document["outcome"], &document["cloud"]), (&json!(outcome), &json!(null)));
        assert_eq!(document["confidence"], json!("likely"));
        let evidence = document["evidence"].as_array().unwrap();
        assert!(!evidence.is_empty());
        for piece in evidence {
            let members: Vec<&str> = piece.as_object().unwrap().keys().map(String::as_str).collect();
            assert_eq!(members, ["detail", "source", "strength", "supports"], "{piece}");
        }
    }
}

#[tokio::test]
async fn decisive_firmware_can_be_verified() {
    for name in decisive() {
        let scenario = scenario(&name);
        let fake = start(scenario.clone()).await;
        let (verdict, result) = client(&fake, &scenario, Way::Firmware).verify().await;
        result.unwrap();
        assert_eq!(said(&verdict), certain(&name));
        assert!(was_probed(&verdict), "{verdict:?}");
        assert_eq!(usize::try_from(verdict.requests).unwrap(), fake.requests().len(), "{name}");

        let dead = machine(firmware(&scenario), &[]).endpoint(&nobody().await, "--endpoint").timeout(SHORT);
        let (verdict, result) = client_of(dead).verify().await;
        assert_eq!(result.unwrap_err().kind(), ErrorKind::Unreachable, "{name}");
        assert_eq!(said(&verdict), certain(&name), "the cloud is named all the same");
        assert!(was_probed(&verdict), "{verdict:?}");

        // Another cloud's service is not what firmware says.
        let other = if name == "gcp" { "aws" } else { "gcp" };
        let other = harness::fake(other).await;
        let builder = machine(firmware(&scenario), &[]).endpoint(&other.url(), "--endpoint").timeout(SHORT);
        let (verdict, result) = client_of(builder).verify().await;
        assert!(result.is_err(), "{name}");
        assert_eq!(said(&verdict), certain(&name));
    }
    let (verdict, result) = client_of(machine(dell(), &[])).verify().await;
    assert_eq!((said(&verdict), result.is_ok()), (likely("none"), true));
}

#[tokio::test]
async fn a_service_that_identified_itself_needs_no_second_word() {
    let fake = fake("azure").await;
    let client = client(&fake, &scenario("azure"), Way::Probing);
    client.detect().await;
    let asked = fake.requests().len();
    let (_, result) = client.verify().await;
    assert!(result.is_ok());
    assert_eq!(fake.requests().len(), asked);
}

#[tokio::test]
async fn a_strong_sign_is_made_certain_by_its_service() {
    let xen = || MemoryFiles::new().with("/sys/hypervisor/uuid", "ec2e1916-9099-7caf-fd21-012345abcdef\n");
    let fake = fake("aws").await;
    let verdict = client_of(machine(xen(), &[]).endpoint(&fake.url(), "--endpoint")).detect().await;
    assert_eq!(said(&verdict), certain("aws"), "{verdict:?}");
    assert!(
        fake.requests().iter().all(|request| request.path().starts_with("/latest/")),
        "only the suspect is asked"
    );
    let verdict = client_of(machine(xen(), &[]).endpoint(&nobody().await, "--endpoint")).detect().await;
    assert_eq!(said(&verdict), likely("aws"), "{verdict:?}");
}

#[tokio::test]
async fn a_container_is_told_by_its_environment() {
    let address = "http://169.254.170.2/v4/0123";
    for (variables, platform) in [
        (&[("ECS_CONTAINER_METADATA_URI_V4", address)][..], "ecs"),
        (&[("ECS_CONTAINER_METADATA_URI_V4", address), ("AWS_EXECUTION_ENV", "AWS_ECS_FARGATE")], "fargate"),
    ] {
        let dead = nobody().await;
        let verdict =
            client_of(machine(MemoryFiles::new(), variables).endpoint(&dead, "--endpoint")).detect().await;
        assert_eq!(said(&verdict), likely("aws"), "{verdict:?}");
        let fake = fake("aws").await;
        let client = client_of(machine(MemoryFiles::new(), variables).endpoint(&fake.url(), "--endpoint"));
        assert_eq!(said(&client.detect().await), certain("aws"));
        let metadata = client.read(&[Field::Platform, Field::Cloud]).await.unwrap();
        assert_eq!(metadata.text(Field::Platform), Some(platform));
        assert_eq!(metadata.text(Field::Cloud), Some("aws"));
    }
    // Knative sets it on any cluster: it names no cloud, and no platform but Google's.
    let variables = [("K_SERVICE", "shop")];
    let builder = machine(MemoryFiles::new(), &variables).endpoint(&nobody().await, "--endpoint");
    assert_eq!(said(&client_of(builder).detect().await), likely("unknown"));
}

#[tokio::test]
async fn definite_answers_are_kept_and_doubtful_ones_are_not() {
    let azure = fake("azure").await;
    let known = client(&azure, &scenario("azure"), Way::Probing);
    assert_eq!(said(&known.detect().await), certain("azure"));
    let asked = azure.requests().len();
    assert_eq!(said(&known.clone().detect().await), certain("azure"));
    assert_eq!(azure.requests().len(), asked, "no second probe");

    let fake = fake("gcp").await;
    fake.inject(Fault::new(FaultKind::Close));
    let builder = machine(MemoryFiles::new(), &[]).endpoint(&fake.url(), "--endpoint").probe_timeout(SHORT);
    let doubtful = client_of(builder);
    assert_eq!(said(&doubtful.detect().await), likely("unknown"));
    fake.clear_faults();
    assert_eq!(said(&doubtful.detect().await), certain("gcp"), "it is found once it answers");

    // Rented metal may turn out to be a cloud's.
    let metal = client_of(machine(dell(), &[]));
    let verdict = metal.detect().await;
    assert!(!verdict.is_definite() && verdict.outcome == Outcome::None);
}

fn asked(fake: &Fake) -> Vec<String> {
    fake.requests().iter().map(|request| format!("{} {}", request.method(), request.path_only())).collect()
}

#[tokio::test]
async fn one_field_costs_what_the_smallest_client_would_pay() {
    let aws = fake("aws").await;
    told(&aws).read(&[Field::InstanceId]).await.unwrap();
    assert_eq!(asked(&aws), ["PUT /latest/api/token", "GET /latest/dynamic/instance-identity/document"]);
    let azure = fake("azure").await;
    told(&azure).read(&[Field::InstanceId]).await.unwrap();
    assert_eq!(asked(&azure), ["GET /metadata/instance"]);
    let gcp = fake("gcp").await;
    told(&gcp).read(&[Field::InstanceId]).await.unwrap();
    assert_eq!(asked(&gcp), ["GET /computeMetadata/v1/instance/id"]);
    let droplet = fake("digitalocean").await;
    told(&droplet).read(&[Field::InstanceId]).await.unwrap();
    assert_eq!(asked(&droplet), ["GET /metadata/v1.json"]);
    // What a cloud has no place for costs nothing at all.
    for (fake, field) in [(&azure, Field::SubnetId), (&gcp, Field::Tags), (&aws, Field::ResourceGroup)] {
        let before = fake.requests().len();
        let metadata = told(fake).read(&[field]).await.unwrap();
        assert!(matches!(metadata.reading(field), Some(Reading::Absent { .. })), "{field}");
        assert_eq!(fake.requests().len(), before, "{field}");
    }
}

/// How often the service had to be waited for, one request after the other: each answer takes the same time, far longer
/// than everything else.
async fn stages(spec: &str, client: impl FnOnce(&Fake) -> Client) -> (u32, Fake) {
    const STAGE: Duration = Duration::from_millis(200);
    let fake = fake(spec).await;
    fake.inject(Fault::new(FaultKind::Delay(STAGE)));
    let client = client(&fake);
    let started = Instant::now();
    client.read(Field::ALL).await.unwrap();
    (u32::try_from(started.elapsed().as_millis() / STAGE.as_millis()).unwrap(), fake)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_takes_few_stages_and_connections_and_no_request_twice() {
    // A session token is a stage of its own, and more requests than there may be connections wait for one another.
    for (spec, most) in [("aws", 4), ("azure", 2), ("gcp", 2), ("digitalocean", 1)] {
        let (stages, fake) = stages(spec, told).await;
        assert!(stages <= most, "{spec}: {stages} stages");
        assert!(fake.peak_connections() <= 8, "{spec}: {} connections", fake.peak_connections());
        let mut paths = asked(&fake);
        let all = paths.len();
        paths.sort();
        paths.dedup();
        assert_eq!(paths.len(), all, "{spec}: {:?}", asked(&fake));
    }
}

#[tokio::test]
async fn offline_nobody_is_asked_and_firmware_says_what_it_knows() {
    let fake = fake("aws").await;
    let builder =
        machine(firmware(&scenario("aws")), &[]).endpoint(&fake.url(), "--endpoint").network(Network::Off);
    let client = client_of(builder);
    assert_eq!(said(&client.detect().await), certain("aws"));
    let metadata = client.read(Field::ALL).await.unwrap();
    assert_eq!(metadata.failure().map(imds::Error::kind), Some(ErrorKind::NetworkForbidden));
    assert_eq!(metadata.text(Field::InstanceId), Some("i-0fedcba9876543210"));
    assert_eq!(metadata.text(Field::InstanceType), Some("m6i.xlarge"));
    assert_eq!(fake.connections(), 0);
    let machine =
        Config::builder(environment(&[("IMDS_NETWORK", "off")])).files(Arc::new(MemoryFiles::new()));
    let verdict = Client::new(machine.build().unwrap()).detect().await;
    assert_eq!((said(&verdict), verdict.requests), (likely("unknown"), 0));
}

#[tokio::test]
async fn azures_firmware_names_no_instance_because_its_bytes_are_in_another_order() {
    let scenario = scenario("azure");
    assert!(scenario.firmware().contains_key("product_uuid"));
    let client = client_of(machine(firmware(&scenario), &[]).network(Network::Off));
    let metadata = client.read(Field::ALL).await.unwrap();
    assert_eq!(metadata.text(Field::Cloud), Some("azure"));
    assert_eq!(metadata.text(Field::InstanceId), None);
}
