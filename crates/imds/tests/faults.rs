//! Services that fail: what is tried again, what isn't, how long it takes, and what is known all the same.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod service;

use std::sync::Arc;
use std::time::{Duration, Instant};

use imds::machine::MemoryFiles;
use imds::model::{CloudName, Error, ErrorKind, Metadata, Reading, Source, Tags};
use imds::{Client, Field};
use imds_fake::{Behaviour, Fake, Scenario, Stranger};
use service::{client, fake, told};
use tokio::task::JoinSet;

const ID: &[Field] = &[Field::InstanceId];

/// Each cloud with the document that its instance id is in.
const CLOUDS: [(&str, &str); 4] = [
    ("aws", "/latest/dynamic/instance-identity/document"),
    ("azure", "/metadata/instance"),
    ("gcp", "/computeMetadata/v1/instance/id"),
    ("digitalocean", "/metadata/v1.json"),
];

/// Tests every cloud at once.
async fn each_cloud<F: Future<Output = ()> + Send + 'static>(test: impl Fn(&'static str, &'static str) -> F) {
    let mut running: JoinSet<()> = CLOUDS.into_iter().map(|(cloud, path)| test(cloud, path)).collect();
    while let Some(ended) = running.join_next().await {
        ended.unwrap();
    }
}

fn client_of(fake: &Fake) -> Client {
    client(told(fake.cloud().name(), &fake.url(), &[]))
}

/// How often a path was asked for.
fn count(fake: &Fake, path: &str) -> usize {
    fake.requests().iter().filter(|request| request.path_only() == path).count()
}

fn error(metadata: &Metadata) -> Error {
    metadata.value(Field::InstanceId).unwrap_err()
}

async fn instance_id(cloud: &str) -> String {
    let fake = fake(cloud, &[]).await;
    client_of(&fake).read(ID).await.unwrap().text(Field::InstanceId).unwrap().to_owned()
}

/// The fault strikes the identifying document that often; the read still brings the right value, after one more request.
async fn recovers(fault: &'static str, times: usize) {
    each_cloud(|cloud, path| async move {
        let fake = fake(cloud, &[&format!("{fault}:{path}:{times}")]).await;
        let metadata = client_of(&fake).read(ID).await.unwrap();
        let expected = instance_id(cloud).await;
        assert_eq!(metadata.text(Field::InstanceId), Some(&*expected), "{cloud} {fault}: {metadata:?}");
        assert_eq!(count(&fake, path), times + 1, "{cloud} {fault}");
    })
    .await;
}

/// The fault strikes the identifying document for ever: this kind of error, after that many requests, quickly.
async fn ends_in(fault: &'static str, kind: ErrorKind, requests: usize) {
    each_cloud(|cloud, path| async move {
        let fake = fake(cloud, &[&format!("{fault}:{path}")]).await;
        let started = Instant::now();
        let metadata = client_of(&fake).read(ID).await.unwrap();
        let error = error(&metadata);
        assert_eq!(error.kind(), kind, "{cloud} {fault}: {error}");
        assert_eq!(
            (error.cloud().map(CloudName::as_str), error.path()),
            (Some(cloud), Some(path)),
            "{fault}"
        );
        assert_eq!(count(&fake, path), requests, "{cloud} {fault}");
        assert!(started.elapsed() < Duration::from_secs(4), "{cloud} {fault}: {:?}", started.elapsed());
    })
    .await;
}

#[tokio::test]
async fn passing_failures_are_waited_out() {
    for fault in ["500", "502", "503", "504", "408", "429", "429=0"] {
        recovers(fault, 2).await;
    }
}

#[tokio::test]
async fn broken_connections_are_made_again() {
    for fault in ["reset", "close", "truncate"] {
        recovers(fault, 1).await;
    }
}

#[tokio::test]
async fn failures_that_last_end_after_four_tries() {
    for (fault, kind) in [
        ("500", ErrorKind::ServerError),
        ("503", ErrorKind::ServerError),
        ("408", ErrorKind::ServerError),
        ("429", ErrorKind::Throttled),
    ] {
        ends_in(fault, kind, 4).await;
    }
}

#[tokio::test]
async fn connections_that_go_on_breaking_end_after_four_tries() {
    for (fault, words) in
        [("reset", "without an answer"), ("close", "without an answer"), ("truncate", "middle")]
    {
        each_cloud(|cloud, path| async move {
            let fake = fake(cloud, &[&format!("{fault}:{path}")]).await;
            let error = error(&client_of(&fake).read(ID).await.unwrap());
            assert_eq!(error.kind(), ErrorKind::Unreachable, "{cloud} {fault}");
            assert!(error.message().contains(words), "{cloud} {fault}: {error}");
            // A kept connection that turns out to be dead costs no try.
            assert!((4..=5).contains(&count(&fake, path)), "{cloud} {fault}: {}", count(&fake, path));
        })
        .await;
    }
}

#[tokio::test]
async fn retry_after_is_kept_to() {
    each_cloud(|cloud, path| async move {
        let fake = fake(cloud, &[&format!("429=1:{path}:1")]).await;
        let started = Instant::now();
        let metadata = client_of(&fake).read(ID).await.unwrap();
        assert!(started.elapsed() >= Duration::from_millis(950), "{cloud}: {:?}", started.elapsed());
        assert!(metadata.text(Field::InstanceId).is_some(), "{cloud}");
        assert_eq!(count(&fake, path), 2, "{cloud}");
    })
    .await;
}

#[tokio::test]
async fn a_rest_beyond_the_deadline_is_not_waited_for() {
    each_cloud(|cloud, path| async move {
        for seconds in ["6", "3600", "99999999"] {
            let fake = fake(cloud, &[&format!("429={seconds}:{path}")]).await;
            let started = Instant::now();
            let metadata = client_of(&fake).read(ID).await.unwrap();
            assert_eq!(error(&metadata).kind(), ErrorKind::Throttled, "{cloud}");
            assert!(started.elapsed() < Duration::from_secs(1), "{cloud}: {:?}", started.elapsed());
            assert_eq!(count(&fake, path), 1, "{cloud}");
        }
    })
    .await;
}

#[tokio::test]
async fn azure_is_gone_for_a_while_and_the_others_for_good() {
    let fake = fake("azure", &["410:/metadata/instance:5"]).await;
    let metadata = client_of(&fake).read(ID).await.unwrap();
    assert_eq!(metadata.text(Field::InstanceId), Some(&*instance_id("azure").await));
    assert_eq!(count(&fake, "/metadata/instance"), 6);

    for (cloud, path) in CLOUDS.into_iter().filter(|(cloud, _)| *cloud != "azure") {
        let fake = service::fake(cloud, &[&format!("410:{path}:1")]).await;
        assert_eq!(error(&client_of(&fake).read(ID).await.unwrap()).kind(), ErrorKind::Gone, "{cloud}");
        assert_eq!(count(&fake, path), 1, "{cloud}");
    }

    let fake = service::fake("azure", &["410:/metadata/instance"]).await;
    let started = Instant::now();
    let builder = told("azure", &fake.url(), &[]).timeout(Duration::from_millis(700));
    let metadata = client(builder).read(ID).await.unwrap();
    assert_eq!(error(&metadata).kind(), ErrorKind::Gone);
    assert!(started.elapsed() < Duration::from_millis(1400), "{:?}", started.elapsed());
    assert!(count(&fake, "/metadata/instance") >= 2);
}

#[tokio::test]
async fn what_the_service_said_counts_more_than_that_time_ran_out() {
    let fake = fake("azure", &["410:/metadata/instance:1", "hang"]).await;
    let builder = told("azure", &fake.url(), &[]).timeout(Duration::from_millis(700));
    let error = error(&client(builder).read(ID).await.unwrap());
    assert_eq!(error.kind(), ErrorKind::Gone, "{error}");
}

#[tokio::test]
async fn a_cloud_that_wants_a_token_is_asked_for_one_again_soon() {
    for cloud in ["akamai", "ibm"] {
        let fake = fake(cloud, &["404"]).await;
        let client = client_of(&fake);
        assert_eq!(error(&client.read(ID).await.unwrap()).kind(), ErrorKind::Unauthorized, "{cloud}");
        fake.clear_faults();
        let started = Instant::now();
        while client.read(ID).await.unwrap().text(Field::InstanceId).is_none() {
            assert!(started.elapsed() < Duration::from_secs(5), "{cloud} stays without a token");
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn a_name_is_no_json_but_a_tag_may_be() {
    let fake = fake("gcp:gke", &["bad-json:/computeMetadata/v1/instance/name"]).await;
    fake.inject("deep-json=100:/computeMetadata/v1/instance/attributes/cluster-name".parse().unwrap());
    let metadata = client_of(&fake).read(&[Field::InstanceName, Field::ClusterName]).await.unwrap();
    for field in [Field::InstanceName, Field::ClusterName] {
        assert_eq!(metadata.value(field).unwrap_err().kind(), ErrorKind::Malformed, "{field}");
    }
    let fake = service::fake("aws", &[]).await;
    fake.set("meta-data/tags/instance/Name", "{\"role\": \"db\"}").unwrap();
    let metadata = client_of(&fake).read(&[Field::InstanceName]).await.unwrap();
    assert_eq!(metadata.text(Field::InstanceName), Some("{\"role\": \"db\"}"));
}

#[tokio::test]
async fn every_refusal_comes_with_a_remedy() {
    for cloud in imds_fake::Cloud::ALL {
        for fault in ["401", "403", "429=3600", "418", "redirect", "reset", "bad-json", "drop-token"] {
            let fake = fake(cloud.name(), &[fault]).await;
            let metadata = client_of(&fake).read(ID).await.unwrap();
            if let Some(Reading::Failed(error)) = metadata.reading(Field::InstanceId) {
                assert!(error.remedy().is_some(), "{cloud} {fault}: {error}");
            }
        }
    }
}

#[tokio::test]
async fn time_that_was_spent_on_a_token_is_no_lack_of_a_connection() {
    for cloud in ["aws", "alibaba"] {
        let fake = fake(cloud, &["hang"]).await;
        let builder = told(cloud, &fake.url(), &[]).timeout(Duration::from_millis(300));
        let error = error(&client(builder).read(ID).await.unwrap());
        assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
    }
}

#[tokio::test]
async fn what_is_not_there_is_absent_at_once() {
    each_cloud(|cloud, path| async move {
        let fake = fake(cloud, &[&format!("404:{path}")]).await;
        let metadata = client_of(&fake).read(ID).await.unwrap();
        assert_eq!(metadata.reading(Field::InstanceId), Some(&Reading::absent()), "{cloud}");
        assert_eq!(count(&fake, path), 1, "{cloud}");
    })
    .await;
}

#[tokio::test]
async fn azure_describes_a_young_machine_late() {
    let uptime = |text: &str| Arc::new(MemoryFiles::new().with("/proc/uptime", text));
    let young = fake("azure", &["404:/metadata/instance:2"]).await;
    let builder = told("azure", &young.url(), &[]).files(uptime("42.0 1.0\n"));
    let metadata = client(builder).read(ID).await.unwrap();
    assert_eq!(metadata.text(Field::InstanceId), Some(&*instance_id("azure").await));
    assert_eq!(count(&young, "/metadata/instance"), 3);

    let never = fake("azure", &["404:/metadata/instance"]).await;
    let builder = told("azure", &never.url(), &[]).files(uptime("42.0 1.0\n"));
    let metadata = client(builder).read(ID).await.unwrap();
    assert_eq!(metadata.reading(Field::InstanceId), Some(&Reading::absent()));
    assert_eq!(count(&never, "/metadata/instance"), 4);

    for text in ["301.5 7.0\n", "soon\n", ""] {
        let old = fake("azure", &["404:/metadata/instance:2"]).await;
        let builder = told("azure", &old.url(), &[]).files(uptime(text));
        let metadata = client(builder).read(ID).await.unwrap();
        assert_eq!(metadata.reading(Field::InstanceId), Some(&Reading::absent()), "{text:?}");
        assert_eq!(count(&old, "/metadata/instance"), 1, "{text:?}");
    }
}

#[tokio::test]
async fn azures_load_balancer_is_absent_at_once_even_on_a_young_machine() {
    let fake = fake("azure", &["404:/metadata/loadbalancer"]).await;
    let files = Arc::new(MemoryFiles::new().with("/proc/uptime", "42.0 1.0\n"));
    let metadata = client(told("azure", &fake.url(), &[]).files(files)).read(Field::ALL).await.unwrap();
    assert!(metadata.text(Field::PrivateIpv4).is_some());
    assert_eq!(count(&fake, "/metadata/loadbalancer"), 1);
}

#[tokio::test]
async fn an_answer_that_does_not_come_is_not_asked_for_again() {
    each_cloud(|cloud, path| async move {
        let fake = fake(cloud, &[&format!("hang:{path}")]).await;
        let started = Instant::now();
        let metadata = client_of(&fake).read(ID).await.unwrap();
        assert_eq!(error(&metadata).kind(), ErrorKind::TimedOut, "{cloud}");
        let elapsed = started.elapsed();
        assert!(
            elapsed >= Duration::from_millis(1900) && elapsed < Duration::from_secs(4),
            "{cloud}: {elapsed:?}"
        );
        assert_eq!(count(&fake, path), 1, "{cloud}");
    })
    .await;
}

#[tokio::test]
async fn nothing_outlives_the_deadline() {
    for fault in ["hang", "delay=3s", "slow=1", "503", "reset"] {
        each_cloud(|cloud, _| async move {
            let fake = fake(cloud, &[fault]).await;
            let builder = told(cloud, &fake.url(), &[]).timeout(Duration::from_millis(600));
            let started = Instant::now();
            let metadata = client(builder).read(Field::ALL).await.unwrap();
            assert!(
                started.elapsed() < Duration::from_millis(1200),
                "{cloud} {fault}: {:?}",
                started.elapsed()
            );
            // One byte at a time, the shortest values still come.
            assert!(metadata.failure().is_some() || fault == "slow=1", "{cloud} {fault}");
            assert!(error(&metadata).is_transient(), "{cloud} {fault}: {}", error(&metadata));
        })
        .await;
    }
}

#[tokio::test]
async fn raw_and_verify_keep_to_the_deadline_too() {
    each_cloud(|cloud, path| async move {
        let fake = fake(cloud, &["hang"]).await;
        let client = client(told(cloud, &fake.url(), &[]).no_imdsv1().timeout(Duration::from_millis(300)));
        let started = Instant::now();
        let error = client.raw(path, true).await.unwrap_err();
        assert!(error.is_transient(), "{cloud}: {error}");
        let (verdict, result) = client.verify().await;
        assert_eq!(verdict.cloud().map(CloudName::as_str), Some(cloud));
        assert!(result.unwrap_err().is_transient(), "{cloud}");
        assert!(started.elapsed() < Duration::from_millis(1300), "{cloud}: {:?}", started.elapsed());
    })
    .await;
}

#[tokio::test]
async fn answers_that_come_slowly_but_in_time_are_read() {
    each_cloud(|cloud, path| async move {
        let fake = fake(cloud, &[&format!("slow=400:{path}"), "delay=100ms"]).await;
        let metadata = client_of(&fake).read(ID).await.unwrap();
        assert_eq!(metadata.text(Field::InstanceId), Some(&*instance_id(cloud).await), "{cloud}");
    })
    .await;
}

#[tokio::test]
async fn what_is_no_answer_of_the_service_is_refused_once_and_quickly() {
    for (fault, kind) in [
        ("bad-json", ErrorKind::Malformed),
        ("deep-json", ErrorKind::Malformed),
        ("deep-json=100", ErrorKind::Malformed),
        ("binary", ErrorKind::Malformed),
        ("empty", ErrorKind::Malformed),
        ("huge", ErrorKind::TooLarge),
        ("redirect", ErrorKind::Malformed),
        ("204", ErrorKind::Malformed),
        ("301", ErrorKind::Malformed),
        ("402", ErrorKind::Malformed),
        ("418", ErrorKind::Malformed),
    ] {
        ends_in(fault, kind, 1).await;
    }
}

#[tokio::test]
async fn a_refusal_is_not_asked_for_again() {
    ends_in("403", ErrorKind::Disabled, 1).await;
    for (cloud, path) in CLOUDS.into_iter().filter(|(cloud, _)| *cloud != "aws") {
        let fake = fake(cloud, &[&format!("401:{path}")]).await;
        assert_eq!(error(&client_of(&fake).read(ID).await.unwrap()).kind(), ErrorKind::Unauthorized);
        assert_eq!(count(&fake, path), 1, "{cloud}");
    }
}

#[tokio::test]
async fn everything_malformed_is_no_panic_in_any_field() {
    let mut running = JoinSet::new();
    for fault in ["bad-json", "deep-json", "deep-json=100", "binary", "empty", "huge=3000000", "truncate"] {
        for scenario in ["aws:spot-asg", "azure:vmss-uniform-spot", "gcp:gke", "digitalocean"] {
            running.spawn(async move {
                let fake = fake(scenario, &[]).await;
                // The token has to come, or AWS ends before its documents are asked for.
                fake.inject(format!("{fault}:/latest/meta-data").parse().unwrap());
                fake.inject(format!("{fault}:/latest/dynamic").parse().unwrap());
                fake.inject(format!("{fault}:/metadata").parse().unwrap());
                fake.inject(format!("{fault}:/computeMetadata").parse().unwrap());
                let metadata = client_of(&fake).read(Field::ALL).await.unwrap();
                assert!(error(&metadata).is_transient(), "{scenario} {fault}");
                for field in
                    [Field::Region, Field::Hostname, Field::Interfaces, Field::Disks, Field::PrivateIpv4]
                {
                    let value = metadata.reading(field).and_then(Reading::value);
                    assert_eq!(value, None, "{scenario} {fault}: {field}");
                }
                assert!(
                    metadata.tags().is_none_or(Tags::is_empty),
                    "{scenario} {fault}: {:?}",
                    metadata.tags()
                );
            });
        }
    }
    while let Some(ended) = running.join_next().await {
        ended.unwrap();
    }
}

#[tokio::test]
async fn a_redirect_is_never_followed() {
    let target = Stranger::start(Behaviour::Ok).await.unwrap();
    let elsewhere = format!("redirect={}/elsewhere:/", target.url());
    for (cloud, path) in CLOUDS {
        let fake = fake(cloud, &[&elsewhere]).await;
        let metadata = client_of(&fake).read(Field::ALL).await.unwrap();
        assert!(metadata.value(Field::InstanceId).is_err(), "{cloud}");
        assert!(client_of(&fake).raw(path, true).await.is_err(), "{cloud}");
        let found = client(told("?", &fake.url(), &[])).detect().await;
        assert_eq!(found.cloud(), None, "{cloud}");
        assert!(fake.requests().iter().all(|request| request.path_only() != "/elsewhere"), "{cloud}");
    }
    assert_eq!(target.connections(), 0);
}

#[tokio::test]
async fn connections_that_close_after_each_answer_work() {
    for scenario in ["aws:spot-asg", "azure:vmss-uniform-spot", "gcp:gke", "digitalocean"] {
        let kept = fake(scenario, &[]).await;
        let closed = fake(scenario, &["connection-close"]).await;
        let expected = client_of(&kept).read(Field::ALL).await.unwrap();
        let metadata = client_of(&closed).read(Field::ALL).await.unwrap();
        for (field, reading) in expected.readings() {
            assert_eq!(
                metadata.reading(field).and_then(Reading::value),
                reading.value(),
                "{scenario} {field}"
            );
        }
        assert_eq!(closed.connections(), closed.requests().len(), "{scenario}");
        assert!(kept.connections() <= 8, "{scenario}");
    }
}

#[tokio::test]
async fn one_failing_document_fails_only_its_own_fields() {
    for (cloud, path, failed, known) in [
        ("aws", "/latest/meta-data/hostname", Field::Hostname, Field::InstanceId),
        ("aws", "/latest/meta-data/tags", Field::Tags, Field::PrivateIpv4),
        ("aws", "/latest/meta-data/network", Field::Interfaces, Field::Tags),
        ("aws", "/latest/dynamic", Field::Region, Field::Hostname),
        ("azure", "/metadata/loadbalancer", Field::PublicIpv4, Field::InstanceId),
        ("gcp", "/computeMetadata/v1/instance/disks", Field::Disks, Field::Interfaces),
        ("gcp", "/computeMetadata/v1/project", Field::AccountId, Field::InstanceId),
    ] {
        for (fault, kind) in [("403", ErrorKind::Disabled), ("503", ErrorKind::ServerError)] {
            let fake = fake(cloud, &[&format!("{fault}:{path}")]).await;
            let metadata = client_of(&fake).read(Field::ALL).await.unwrap();
            let error = metadata.value(failed).unwrap_err();
            assert_eq!(error.kind(), kind, "{cloud} {path}: {error}");
            assert!(error.path().is_some_and(|it| it.starts_with(path)), "{error}");
            assert_eq!(metadata.reading(known).and_then(Reading::error), None, "{cloud} {path} {known}");
            assert!(metadata.value(known).is_ok(), "{cloud} {path} {known}");
            assert_eq!(metadata.failure(), None, "{cloud} {path}");
        }
    }
}

#[tokio::test]
async fn interfaces_are_known_without_the_load_balancer_and_their_trouble_is_told() {
    let fake = fake("azure", &["503:/metadata/loadbalancer"]).await;
    let metadata = client_of(&fake).read(&[Field::Interfaces, Field::PrivateIpv4]).await.unwrap();
    assert!(!metadata.interfaces().is_empty());
    let trouble = metadata.reading(Field::Interfaces).and_then(Reading::error).unwrap();
    assert_eq!(trouble.kind(), ErrorKind::ServerError);
    assert_eq!(metadata.reading(Field::PrivateIpv4).and_then(Reading::error), None);
}

/// A port of loopback on which nobody listens.
async fn deserted() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

#[tokio::test]
async fn firmware_stands_in_for_a_service_that_cannot_be_reached() {
    let scenario = Scenario::parse("aws").unwrap();
    let mut files = MemoryFiles::new();
    for (name, content) in scenario.firmware() {
        files = files.with(&format!("/sys/class/dmi/id/{name}"), format!("{content}\n"));
    }
    let files = Arc::new(files);
    let broken = fake("aws", &["503"]).await;
    for (url, kind) in [(deserted().await, ErrorKind::Unreachable), (broken.url(), ErrorKind::ServerError)] {
        let builder = told("?", &url, &[]).files(Arc::clone(&files) as Arc<_>);
        let metadata = client(builder).read(Field::ALL).await.unwrap();
        assert_eq!(metadata.cloud().as_str(), "aws");
        assert_eq!(metadata.failure().map(Error::kind), Some(kind));
        for (field, file) in [(Field::InstanceId, "board_asset_tag"), (Field::InstanceType, "product_name")] {
            let expected = scenario.firmware().get(file).unwrap();
            assert_eq!(metadata.text(field), Some(&**expected));
            let Some(Reading::Known { source: Source::Firmware(path), trouble: Some(trouble), .. }) =
                metadata.reading(field)
            else {
                unreachable!("{:?}", metadata.reading(field));
            };
            assert!(path.ends_with(file), "{path}");
            assert_eq!(trouble.kind(), kind);
        }
        assert_eq!(metadata.value(Field::Region).unwrap_err().kind(), kind);
    }
}

#[tokio::test]
async fn nobody_at_the_address_is_unreachable_and_quickly_so() {
    each_cloud(|cloud, _| async move {
        let started = Instant::now();
        let metadata = client(told(cloud, &deserted().await, &[])).read(Field::ALL).await.unwrap();
        assert_eq!(metadata.failure().map(Error::kind), Some(ErrorKind::Unreachable), "{cloud}");
        assert!(error(&metadata).remedy().is_some() || cloud == "digitalocean", "{cloud}");
        assert!(started.elapsed() < Duration::from_secs(3), "{cloud}: {:?}", started.elapsed());
    })
    .await;
}
