//! Nodes that aren't plain machines of their cloud: tasks of ECS, services of Cloud Run, servers registered with Azure Arc.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::time::Duration;

use harness::{Way, client_of, fake, firmware, json, machine, machine_of, scenario};
use imds::machine::MemoryFiles;
use imds::model::{Class, EvidenceSource, Strength};
use imds::{Client, Confidence, ErrorKind, Field, Outcome, Reading, Verdict};
use imds_fake::Fake;

#[expect(dead_code, reason = "the ready-made machines are read whole elsewhere")]
mod harness;

const HIMDS: &str = "/var/opt/azcmagent/bin/himds";

fn paths(fake: &Fake) -> Vec<String> {
    fake.requests().iter().map(|request| request.path().to_owned()).collect()
}

fn outcome(verdict: &Verdict) -> (String, Confidence) {
    (verdict.outcome.to_string(), verdict.confidence)
}

/// A client on a node that was told its cloud.
fn told(fake: &Fake) -> Client {
    let builder = machine_of(fake, MemoryFiles::new()).endpoint(&fake.url(), "--endpoint");
    client_of(builder.cloud(fake.cloud().name(), "--cloud"))
}

fn dell() -> MemoryFiles {
    MemoryFiles::new().with("/sys/class/dmi/id/sys_vendor", "Dell Inc.\n")
}

#[tokio::test]
async fn a_task_on_fargate_is_asked_for_itself_and_nobody_else_is() {
    let fake = fake("aws:fargate").await;
    let (_, url) = fake.environment().into_iter().find(|(name, _)| name.ends_with("URI_V4")).unwrap();
    let root = url.strip_prefix(&fake.url()).unwrap().to_owned();
    // No endpoint is given: the variable alone says where the task's is.
    let client = client_of(machine_of(&fake, MemoryFiles::new()).cloud("aws", "--cloud"));
    let region = client.read(&[Field::Region]).await.unwrap();
    assert_eq!(region.text(Field::Region), Some("eu-west-1"));
    assert_eq!(paths(&fake), [format!("{root}/task")]);
    let whole = client.read(Field::ALL).await.unwrap();
    assert_eq!(whole.failure().map(imds::Error::kind), None);
    assert_eq!(whole.text(Field::InstanceId), None);
    // The container's own document is at the URL itself, without a slash behind it.
    let asked = paths(&fake);
    assert!(asked.contains(&root) && asked.iter().all(|path| path.starts_with(&root)), "{asked:?}");
}

#[tokio::test]
async fn a_task_on_fargate_is_recognised_by_its_own_endpoint() {
    let fake = fake("aws:fargate").await;
    let verdict = client_of(machine_of(&fake, MemoryFiles::new())).detect().await;
    assert_eq!(outcome(&verdict), ("aws".to_owned(), Confidence::Certain), "{verdict:?}");
    let proof = verdict
        .evidence
        .iter()
        .find(|piece| piece.source == EvidenceSource::Probe && piece.supports.is_some());
    assert!(proof.unwrap().detail.contains("/task"), "{verdict:?}");
    // Anybody else's answer there is none.
    fake.inject("bad-json".parse().unwrap());
    let verdict = client_of(machine_of(&fake, MemoryFiles::new())).detect().await;
    assert_eq!(outcome(&verdict), ("aws".to_owned(), Confidence::Likely), "{verdict:?}");
}

#[tokio::test]
async fn raw_asks_the_task_and_never_for_its_credentials() {
    let fake = fake("aws:fargate").await;
    let client = told(&fake);
    let task = client.raw("/task", false).await.unwrap();
    let task: serde_json::Value = serde_json::from_slice(&task).unwrap();
    assert_eq!(task["LaunchType"], "FARGATE");
    let before = fake.requests().len();
    for path in
        ["/v2/credentials/2f1e0d9c", "/v2/credentials", "/../v2/Credentials/2f1e0d9c", "/v1/credentials"]
    {
        let error = client.raw(path, false).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Secret, "{path}");
        assert_eq!(imds::path_class(path).unwrap(), Class::Secret, "{path}");
    }
    assert_eq!(fake.requests().len(), before);
}

#[tokio::test]
async fn a_task_on_ones_own_machine_adds_what_it_knows_and_takes_nothing_with_it() {
    let fake = fake("aws:ecs-ec2").await;
    let files = || firmware(&scenario("aws:ecs-ec2"));
    let client = || client_of(machine_of(&fake, files()).endpoint(&fake.url(), "--endpoint"));
    let metadata = client().read(Field::ALL).await.unwrap();
    assert_eq!(metadata.text(Field::Platform), Some("ecs"));
    assert_eq!(metadata.text(Field::ClusterName), Some("default"));
    assert_eq!(metadata.text(Field::PrivateIpv4), Some("10.20.30.40"), "not the bridge's 172.17.0.3");
    assert_eq!(metadata.text(Field::InstanceId), Some("i-0fedcba9876543210"));
    fake.inject("404:/v4".parse().unwrap());
    let metadata = client().read(Field::ALL).await.unwrap();
    assert_eq!(metadata.text(Field::ClusterName), None);
    assert_eq!(metadata.text(Field::Region), Some("eu-west-1"));
    assert_eq!(metadata.failure().map(imds::Error::kind), None);
}

#[tokio::test]
async fn a_service_of_cloud_run_is_recognised_by_its_region() {
    let fake = fake("gcp:cloud-run").await;
    let client = client_of(machine_of(&fake, MemoryFiles::new()).endpoint(&fake.url(), "--endpoint"));
    let verdict = client.detect().await;
    assert_eq!(outcome(&verdict), ("gcp".to_owned(), Confidence::Certain), "{verdict:?}");
    let metadata = client.read(&[Field::Region, Field::Platform, Field::Mac]).await.unwrap();
    assert_eq!(
        json(&metadata),
        serde_json::json!({"schema": 1, "region": "europe-west4", "platform": "cloud_run"})
    );
    // Without its variables, nothing there is a machine of Compute Engine.
    let verdict =
        client_of(machine(MemoryFiles::new(), &[]).endpoint(&fake.url(), "--endpoint")).detect().await;
    assert_ne!(verdict.cloud().map(ToString::to_string).as_deref(), Some("yandex"), "{verdict:?}");
    // Knative sets the same variables on any cluster.
    let knative = [("K_SERVICE", "shop"), ("K_REVISION", "shop-1")];
    let aws = harness::fake("aws").await;
    let builder = machine(firmware(&scenario("aws")), &knative).endpoint(&aws.url(), "--endpoint");
    let metadata = client_of(builder).read(&[Field::Cloud, Field::Platform, Field::Region]).await.unwrap();
    assert_eq!(metadata.text(Field::Platform), Some("vm"));
    let builder = machine(MemoryFiles::new(), &knative).endpoint(&aws.url(), "--endpoint");
    let verdict = client_of(builder).detect().await;
    assert_eq!(outcome(&verdict), ("aws".to_owned(), Confidence::Certain), "{verdict:?}");
}

/// What the verdict says of Arc.
fn of_arc(verdict: &Verdict) -> Vec<(EvidenceSource, Strength)> {
    let pieces = verdict.evidence.iter().filter(|piece| piece.detail.contains("Azure Arc"));
    pieces.map(|piece| (piece.source, piece.strength)).collect()
}

#[tokio::test]
async fn a_server_registered_with_arc_is_where_it_stands() {
    let fake = fake("azure:arc").await;
    let by_variable = (EvidenceSource::Environment, Strength::Weak);
    let aws = firmware(&scenario("aws"));
    for (files, expected) in [
        (dell(), ("none", Confidence::Likely)),
        (aws, ("aws", Confidence::Certain)),
        (MemoryFiles::new(), ("unknown", Confidence::Likely)),
    ] {
        let verdict =
            client_of(machine_of(&fake, files).probe_timeout(Duration::from_millis(300))).detect().await;
        assert_eq!(outcome(&verdict), (expected.0.to_owned(), expected.1), "{verdict:?}");
        assert_eq!(of_arc(&verdict), [by_variable], "{verdict:?}");
    }
    assert!(fake.requests().is_empty(), "that Arc's service answers says nothing of the machine");
    let verdict = client_of(machine(dell().with(HIMDS, ""), &[])).detect().await;
    assert_eq!(of_arc(&verdict), [(EvidenceSource::File, Strength::Weak)]);
    // App Service and others set one of both variables.
    for name in ["IDENTITY_ENDPOINT", "IMDS_ENDPOINT"] {
        let verdict = client_of(machine(dell(), &[(name, &fake.url())])).detect().await;
        assert_eq!(of_arc(&verdict), [], "{name}");
    }
}

#[tokio::test]
async fn that_arc_can_be_read_is_told_to_whoever_is_in_no_cloud() {
    let fake = fake("azure:arc").await;
    for (files, kind) in [(dell(), ErrorKind::NoCloud), (MemoryFiles::new(), ErrorKind::Unknown)] {
        let short = machine_of(&fake, files.clone()).probe_timeout(Duration::from_millis(300));
        let error = client_of(short).read(Field::ALL).await.unwrap_err();
        assert_eq!(error.kind(), kind);
        let remedy = error.remedy().unwrap();
        assert!(remedy.contains("--cloud azure reads Azure Arc's local service"), "{remedy}");
        let without = machine(files, &[]).probe_timeout(Duration::from_millis(300));
        let error = client_of(without).read(Field::ALL).await.unwrap_err();
        assert!(!error.remedy().unwrap().contains("Arc"), "{error:?}");
    }
}

#[tokio::test]
async fn told_azure_a_registered_server_is_read_from_arc_wherever_it_stands() {
    let fake = fake("azure:arc").await;
    for files in [dell(), firmware(&scenario("aws")), MemoryFiles::new()] {
        let client = client_of(machine_of(&fake, files).cloud("azure", "--cloud"));
        let metadata = client.read(Field::ALL).await.unwrap();
        assert_eq!(metadata.text(Field::Platform), Some("arc"));
        assert_eq!(metadata.text(Field::ResourceGroup), Some("rg-plant"));
        let (_, verified) = client.verify().await;
        verified.unwrap();
        let shown = client.raw("/metadata/instance", false).await.unwrap();
        assert!(String::from_utf8(shown).unwrap().contains("plant-srv-4"));
        let error = client.raw("/metadata/identity/oauth2/token?resource=x", false).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Secret);
    }
    // A machine of Azure's own isn't such a server, whatever is set.
    let azure = harness::fake("azure").await;
    let client =
        client_of(machine_of(&fake, firmware(&scenario("azure"))).endpoint(&azure.url(), "--endpoint"));
    let metadata = client.read(&[Field::Platform, Field::InstanceName]).await.unwrap();
    assert_eq!(
        (metadata.text(Field::Platform), metadata.text(Field::InstanceName)),
        (Some("vm"), Some("shop-1"))
    );
}

#[tokio::test]
async fn without_a_variable_arc_is_at_its_own_port_of_loopback() {
    let builder = machine(dell().with(HIMDS, ""), &[]).cloud("azure", "--cloud");
    let client = client_of(builder.timeout(Duration::from_millis(300)));
    let metadata = client.read(&[Field::InstanceId, Field::Platform]).await.unwrap();
    assert_eq!(metadata.text(Field::Platform), Some("arc"));
    let Some(Reading::Failed(error)) = metadata.reading(Field::InstanceId) else { panic!("{metadata:?}") };
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    assert!(error.message().contains("127.0.0.1:40342"), "{error}");
    assert!(error.remedy().is_some_and(|remedy| remedy.contains("himds")), "{error:?}");
}

#[tokio::test]
async fn a_node_is_met_by_probing_as_by_its_variables() {
    for (spec, platform) in
        [("aws:fargate", "fargate"), ("aws:ecs-ec2", "ecs"), ("gcp:cloud-run", "cloud_run")]
    {
        for way in Way::ALL {
            let fake = fake(spec).await;
            let metadata =
                harness::client(&fake, &scenario(spec), way).read(&[Field::Platform]).await.unwrap();
            assert_eq!(metadata.text(Field::Platform), Some(platform), "{spec} {way:?}");
        }
    }
}

#[tokio::test]
async fn a_sandbox_without_firmware_is_unknown_until_its_service_answers() {
    // gVisor, Firecracker: neither DMI nor variables.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let verdict = client_of(machine(MemoryFiles::new(), &[]).endpoint(&nobody, "--endpoint")).detect().await;
    assert_eq!(verdict.outcome, Outcome::Unknown);
    assert!(verdict.evidence.iter().any(|piece| piece.detail.contains("shows no firmware")), "{verdict:?}");
    let gcp = fake("gcp").await;
    let verdict =
        client_of(machine(MemoryFiles::new(), &[]).endpoint(&gcp.url(), "--endpoint")).detect().await;
    assert_eq!(outcome(&verdict), ("gcp".to_owned(), Confidence::Certain));
}

#[tokio::test]
async fn a_proxy_that_forbids_everything_is_no_cloud_and_is_called_by_its_name() {
    let docker = imds_fake::Stranger::start(imds_fake::Behaviour::Status(403)).await.unwrap();
    let verdict =
        client_of(machine(MemoryFiles::new(), &[]).endpoint(&docker.url(), "--endpoint")).detect().await;
    assert_eq!(outcome(&verdict), ("unknown".to_owned(), Confidence::Likely), "{verdict:?}");
    assert!(verdict.evidence.iter().any(|piece| piece.detail.contains("Docker Desktop")), "{verdict:?}");
    // A page that isn't there isn't forbidden, and AWS says who it is when it is switched off.
    let other = imds_fake::Stranger::start(imds_fake::Behaviour::Status(404)).await.unwrap();
    let off = fake("aws:disabled").await;
    for url in [other.url(), off.url()] {
        let verdict = client_of(machine(MemoryFiles::new(), &[]).endpoint(&url, "--endpoint")).detect().await;
        assert!(!verdict.evidence.iter().any(|piece| piece.detail.contains("Docker")), "{verdict:?}");
    }
}
