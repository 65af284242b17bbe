//! The provider: lock-free reads, refresh, last-known-good, subscribers; on real HTTP.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::time::Duration;

use imds::machine::{Environment, MemoryFiles};
use imds::{Client, Config, ErrorKind, Field, LiveProvider, Network, Provider, Reading, RefreshPolicy};
use imds_fake::{Fake, Fault, Scenario};

async fn fake(spec: &str) -> Fake {
    Fake::start(Scenario::parse(spec).unwrap()).await.unwrap()
}

fn client(fake: &Fake) -> Client {
    let config = Config::builder(Environment::default())
        .cloud(fake.cloud().name(), "--cloud")
        .endpoint(&fake.url(), "--endpoint")
        .files(Arc::new(MemoryFiles::new()))
        .network(Network::Loopback)
        .timeout(Duration::from_secs(2));
    Client::new(config.build().unwrap())
}

fn fault(text: &str) -> Fault {
    text.parse().unwrap()
}

#[tokio::test]
async fn a_refresh_asks_only_for_what_has_grown_old() {
    let fake = fake("aws:plain").await;
    let provider = LiveProvider::start(client(&fake)).await.unwrap();
    let before = fake.requests().len();
    fake.set("meta-data/tags/instance/Name", "web-18").unwrap();
    provider.refresh().await.unwrap();
    let asked: Vec<String> =
        fake.requests().iter().skip(before).map(|request| request.path().to_owned()).collect();
    assert_eq!(provider.tag("Name").as_deref(), Some("web-18"));
    assert_eq!(provider.text(Field::InstanceName).as_deref(), Some("web-18"));
    assert!(!asked.iter().any(|path| path.contains("instance-identity")), "{asked:?}");
    assert!(!asked.iter().any(|path| path.contains("api/token")), "the token is kept: {asked:?}");
}

#[tokio::test]
async fn a_failed_refresh_keeps_every_value_and_marks_its_age_and_error() {
    let fake = fake("azure:vmss-uniform-spot").await;
    let provider = LiveProvider::start(client(&fake)).await.unwrap();
    let before = provider.snapshot();
    assert!(provider.is_available());
    fake.inject(fault("403"));
    let error = provider.refresh().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Disabled);
    let now = provider.snapshot();
    assert!(!provider.is_available() && now.is_stale());
    for (field, reading) in before.readings() {
        assert_eq!(now.reading(field).and_then(Reading::value), reading.value(), "{field}");
    }
    let tags = now.reading(Field::Tags).unwrap();
    assert_eq!(tags.error().map(imds::Error::kind), Some(ErrorKind::Disabled));
    fake.clear_faults();
    provider.refresh().await.unwrap();
    assert!(provider.is_available() && !provider.snapshot().is_stale());
    assert_eq!(provider.snapshot().reading(Field::Tags).unwrap().error(), None);
}

#[tokio::test]
async fn one_failing_document_keeps_its_last_good_values_while_the_rest_moves_on() {
    let fake = fake("azure:vmss-uniform-spot").await;
    let provider = LiveProvider::start(client(&fake)).await.unwrap();
    let public = provider.text(Field::PublicIpv4).unwrap();
    fake.inject(fault("403:/metadata/loadbalancer"));
    fake.set("tags.env", "staging").unwrap();
    provider.refresh().await.unwrap();
    assert_eq!(provider.tag("env").as_deref(), Some("staging"));
    assert_eq!(provider.text(Field::PublicIpv4), Some(public.clone()), "an address isn't lost to an error");
    let snapshot = provider.snapshot();
    assert_eq!(snapshot.interfaces().first().unwrap().public_ipv4s, [public]);
    assert!(snapshot.reading(Field::PublicIpv4).unwrap().error().is_some());
}

#[tokio::test]
async fn what_is_taken_away_is_gone_as_long_as_the_service_knows_the_instance() {
    let fake = fake("aws:plain").await;
    let provider = LiveProvider::start(client(&fake)).await.unwrap();
    assert!(provider.text(Field::PublicIpv4).is_some() && provider.tag("Name").is_some());
    for gone in ["meta-data/tags", "meta-data/public-ipv4", "meta-data/public-hostname"] {
        fake.remove(gone).unwrap();
    }
    provider.refresh().await.unwrap();
    let snapshot = provider.snapshot();
    assert_eq!((snapshot.tag("Name"), snapshot.is_stale()), (None, false));
}

#[tokio::test]
async fn a_service_that_knows_nothing_any_more_takes_nothing_away() {
    for forgetful in ["404", "empty", "foreign=hetzner"] {
        let fake = fake("aws:plain").await;
        let provider = LiveProvider::start(client(&fake)).await.unwrap();
        let known = |snapshot: &imds::Metadata| {
            let known =
                snapshot.readings().filter_map(|(field, reading)| Some((field, reading.value()?.clone())));
            known.collect::<Vec<_>>()
        };
        let before = known(&provider.snapshot());
        fake.inject(fault(forgetful));
        let error = provider.refresh().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed, "{forgetful}: {error}");
        assert_eq!(known(&provider.snapshot()), before, "{forgetful}");
        assert!(provider.snapshot().is_stale() && !provider.is_available(), "{forgetful}");
        fake.clear_faults();
        provider.refresh().await.unwrap();
        assert!(!provider.snapshot().is_stale() && provider.is_available(), "{forgetful}");
    }
}

#[tokio::test]
async fn concurrent_refreshes_are_one() {
    let fake = fake("azure:plain").await;
    let provider = LiveProvider::start(client(&fake)).await.unwrap();
    let before = fake.requests().len();
    fake.inject(fault("delay=100ms"));
    let all: Vec<_> = (0..10)
        .map(|_| {
            let provider = Arc::clone(&provider);
            tokio::spawn(async move { provider.refresh().await.map(|_| ()) })
        })
        .collect();
    for one in all {
        one.await.unwrap().unwrap();
    }
    assert_eq!(fake.requests().len() - before, 2, "the instance and the load balancer, once each");
}

#[tokio::test]
async fn a_reader_sees_each_refresh_and_outlives_its_provider() {
    let fake = fake("aws:plain").await;
    let provider = LiveProvider::start(client(&fake)).await.unwrap();
    let mut reader = provider.reader();
    let mut other = reader.clone();
    let first = Arc::clone(reader.snapshot());
    assert!(Arc::ptr_eq(&first, &provider.snapshot()) && Arc::ptr_eq(&first, other.snapshot()));
    fake.set("meta-data/tags/instance/Name", "web-18").unwrap();
    provider.refresh().await.unwrap();
    assert_eq!(reader.snapshot().tag("Name"), Some("web-18"));
    assert_ne!(first.tag("Name"), Some("web-18"), "what was read before stays as it was");
    drop(provider);
    assert_eq!(other.snapshot().tag("Name"), Some("web-18"));
}

#[tokio::test]
async fn subscribers_hear_what_changed_and_only_that() {
    let fake = fake("aws:plain").await;
    let provider = LiveProvider::start(client(&fake)).await.unwrap();
    let mut changes = provider.subscribe();
    provider.refresh().await.unwrap();
    fake.inject(fault("500:/latest/meta-data/tags:4"));
    let _ = provider.refresh().await;
    fake.clear_faults();
    fake.set("meta-data/tags/instance/env", "prod").unwrap();
    provider.refresh().await.unwrap();
    let change = tokio::time::timeout(Duration::from_secs(5), changes.next()).await.unwrap().unwrap();
    assert_eq!(change.fields, [Field::Tags], "neither an unchanged refresh nor a failed one is a change");
    assert_eq!(change.metadata.tag("env"), Some("prod"));
    drop(provider);
    assert!(changes.next().await.is_none(), "the provider is gone");
}

#[tokio::test]
async fn the_background_refresh_runs_and_ends_with_its_provider() {
    let fake = fake("gcp:plain").await;
    let provider = LiveProvider::start(client(&fake)).await.unwrap();
    let task = provider.keep_fresh(RefreshPolicy::every(Duration::from_millis(20)));
    let mut changes = provider.subscribe();
    fake.set("instance/hostname", "renamed.example").unwrap();
    let change = tokio::time::timeout(Duration::from_secs(5), changes.next()).await.unwrap().unwrap();
    assert_eq!(change.fields, [Field::Hostname]);
    drop(provider);
    tokio::time::timeout(Duration::from_secs(5), task).await.unwrap().unwrap();
}

#[tokio::test]
async fn fields_that_failed_at_the_start_are_asked_for_again() {
    let fake = fake("aws:plain").await;
    fake.inject(fault("403:/latest/dynamic/instance-identity/document:1"));
    let provider = LiveProvider::start(client(&fake)).await.unwrap();
    assert_eq!(provider.value(Field::InstanceId).unwrap_err().kind(), ErrorKind::Disabled);
    assert!(provider.text(Field::Hostname).is_some());
    provider.refresh().await.unwrap();
    assert_eq!(provider.text(Field::InstanceId).as_deref(), Some("i-0fedcba9876543210"));
    assert_eq!(provider.text(Field::Region).as_deref(), Some("eu-west-1"));
}

#[tokio::test]
async fn a_provider_does_not_start_without_metadata() {
    let fake = fake("aws:disabled").await;
    let error = LiveProvider::start(client(&fake)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Disabled);
    assert!(error.remedy().unwrap().contains("--http-endpoint enabled"));
}

#[tokio::test]
async fn a_provider_that_is_resumed_knows_the_old_values_and_asks_for_the_doubtful_ones() {
    let fake = fake("aws:plain").await;
    let earlier = LiveProvider::start(client(&fake)).await.unwrap();
    let before = fake.requests().len();
    let resume =
        |known| LiveProvider::resume(client(&fake), earlier.cloud(), earlier.verdict().clone(), known);
    let known = earlier.snapshot().as_ref().clone().only(&[Field::Region, Field::Tags]);
    let provider = resume(Some(known));
    assert_eq!(provider.text(Field::Region).as_deref(), Some("eu-west-1"));
    assert!(!provider.is_available() && fake.requests().len() == before, "nobody was asked yet");
    provider.refresh().await.unwrap();
    assert!(provider.is_available());
    assert_eq!(provider.text(Field::InstanceId).as_deref(), Some("i-0fedcba9876543210"));
    let other = imds::Metadata::new(imds::CloudName::GCP);
    assert_eq!(resume(Some(other)).cloud().as_str(), "aws", "what is known of another cloud is no beginning");
}

#[tokio::test]
async fn values_of_another_instance_never_stand_in() {
    let fake = fake("aws:plain").await;
    let earlier = LiveProvider::start(client(&fake)).await.unwrap();
    assert!(earlier.tag("Name").is_some());
    fake.set("meta-data/instance-id", "i-00000000000000002").unwrap();
    fake.inject(fault("403:/latest/meta-data/tags"));
    let mut doubted = earlier.snapshot().as_ref().clone();
    let doubt = imds::Error::new(ErrorKind::Unknown, "from before");
    doubted.set(
        Field::InstanceId,
        Reading::Known {
            value: doubted.value(Field::InstanceId).unwrap().clone(),
            source: imds::Source::Mock,
            read_at: doubted.taken_at(),
            trouble: Some(doubt),
        },
    );
    let provider =
        LiveProvider::resume(client(&fake), earlier.cloud(), earlier.verdict().clone(), Some(doubted));
    provider.refresh().await.unwrap();
    assert_eq!(provider.text(Field::InstanceId).as_deref(), Some("i-00000000000000002"));
    assert_eq!(provider.tag("Name"), None);
    assert_eq!(provider.text(Field::Region).as_deref(), Some("eu-west-1"), "the new one was read whole");
}

#[tokio::test]
async fn names_and_parts_can_be_asked_for() {
    let fake = fake("aws:spot-asg").await;
    let provider: Arc<dyn Provider> = LiveProvider::start(client(&fake)).await.unwrap();
    assert_eq!(provider.cloud().as_str(), "aws");
    assert_eq!(provider.get("account_id").unwrap(), "012345678901");
    assert_eq!(provider.get("tags.a=b,c@d").unwrap(), "key=value,list@home");
    assert_eq!(provider.get("interfaces.1.private_ipv4s.0").unwrap(), "172.31.80.77");
    assert_eq!(provider.get("resource_group").unwrap_err().kind(), ErrorKind::Absent);
    assert_eq!(provider.get("instanceid").unwrap_err().kind(), ErrorKind::Usage);
    assert_eq!(provider.volume_id("sdzz").unwrap_err().kind(), ErrorKind::Absent);
}
