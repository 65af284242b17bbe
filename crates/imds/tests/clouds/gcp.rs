//! Google Cloud: the metadata server of GKE, which conceals most of the machine from pods.

use crate::harness::{client_of, fake, machine, read_all};
use crate::scripted;
use imds::machine::MemoryFiles;
use imds::{Confidence, ErrorKind, Field, Reading};

#[tokio::test]
async fn a_pod_that_is_told_the_cluster_s_place_only_knows_its_region() {
    for (location, region, zone) in
        [("europe-west4", "europe-west4", None), ("us-central1-f", "us-central1", Some("us-central1-f"))]
    {
        let fake = fake("gcp:gke-concealed").await;
        fake.remove("instance/zone").unwrap();
        fake.set("instance/attributes/cluster-location", location).unwrap();
        let metadata = read_all(&fake).await;
        assert_eq!(metadata.text(Field::Region), Some(region), "{location}");
        assert_eq!(metadata.text(Field::Zone), zone, "{location}");
        assert_eq!(metadata.text(Field::Platform), Some("gke"), "{location}");
        for (field, reading) in metadata.readings() {
            assert!(reading.error().is_none(), "{location} {field}: {reading:?}");
        }
    }
}

#[tokio::test]
async fn the_cluster_s_place_is_asked_for_only_where_the_zone_is_concealed() {
    let fake = fake("gcp:gke").await;
    read_all(&fake).await;
    assert!(!fake.requests().iter().any(|request| request.path().contains("cluster-location")));
}

#[tokio::test]
async fn a_pod_is_in_google_s_cloud_though_its_machine_is_concealed() {
    let fake = fake("gcp:gke-concealed").await;
    let seen = || client_of(machine(MemoryFiles::new(), &[]).endpoint(&fake.url(), "--endpoint"));
    let verdict = seen().detect().await;
    assert_eq!((verdict.outcome.to_string().as_str(), verdict.confidence), ("gcp", Confidence::Certain));
    // What has no project, or one that can't be Google's, isn't.
    fake.set("project/project-id", "OK").unwrap();
    assert_eq!(seen().detect().await.cloud(), None);
    fake.remove("project/project-id").unwrap();
    assert_eq!(seen().detect().await.cloud(), None);
}

/// A metadata server that tells the project and forbids the rest.
async fn forbidding(server: &'static str) -> String {
    scripted::serve(move |_, path| match path {
        "/computeMetadata/v1/project/project-id" => {
            (200, "Metadata-Flavor: Google\r\n", b"example-prod-314159".to_vec())
        }
        _ => (403, server, b"no".to_vec()),
    })
    .await
}

#[tokio::test]
async fn what_the_metadata_server_of_gke_forbids_is_concealed_and_no_failure() {
    let read = async |url: String| {
        let builder = machine(MemoryFiles::new(), &[]).endpoint(&url, "--endpoint").cloud("gcp", "--cloud");
        client_of(builder).read(&[Field::InstanceId, Field::AccountId, Field::Interfaces]).await.unwrap()
    };
    let metadata = read(forbidding("Server: GKE Metadata Server\r\n").await).await;
    assert_eq!(metadata.text(Field::AccountId), Some("example-prod-314159"));
    for field in [Field::InstanceId, Field::Interfaces] {
        assert!(matches!(metadata.reading(field), Some(Reading::Absent { .. })), "{field}: {metadata:?}");
    }
    // Anybody else who forbids it has switched it off.
    let metadata = read(forbidding("Server: nginx\r\n").await).await;
    assert_eq!(metadata.value(Field::InstanceId).unwrap_err().kind(), ErrorKind::Disabled);
}
