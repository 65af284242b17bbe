//! Vultr: two ids of an instance, of which firmware knows the old one alone.

use crate::harness::{Way, client, fake, read_all, scenario, told};
use imds::{ErrorKind, Field};

#[tokio::test]
async fn the_old_id_stands_in_only_where_the_service_has_no_other() {
    let fake = fake("vultr").await;
    assert_eq!(read_all(&fake).await.text(Field::InstanceId), Some("3f2b1c0d-1111-4222-8333-944455556666"));
    fake.remove("v1/instance-v2-id").unwrap();
    assert_eq!(read_all(&fake).await.text(Field::InstanceId), Some("51234567"));
}

#[tokio::test]
async fn firmware_does_not_tell_the_old_id_in_its_place() {
    let scenario = scenario("vultr");
    let fake = fake("vultr").await;
    fake.inject("503".parse().unwrap());
    let metadata = client(&fake, &scenario, Way::Firmware).read(&[Field::InstanceId]).await.unwrap();
    // Whoever took it for the id would see the machine change when the service is back.
    assert_eq!(metadata.value(Field::InstanceId).unwrap_err().kind(), ErrorKind::ServerError);
}

#[tokio::test]
async fn what_only_cloud_init_is_given_is_not_asked_for_and_scripts_are_not_shown() {
    let fake = fake("vultr").await;
    let client = told(&fake);
    let shown = String::from_utf8(client.raw("/v1.json", false).await.unwrap()).unwrap();
    assert!(shown.contains("instance-v2-id") && shown.contains("team:web"), "{shown}");
    for secret in ["user-data", "startup-script", "public-keys", "SECRET"] {
        assert!(!shown.contains(secret), "{secret}: {shown}");
    }
    read_all(&fake).await;
    assert!(fake.requests().iter().all(|request| request.header("metadata-token").is_none()));
    for path in ["/v1/user-data", "/v1/startup-script", "/v1/vendor-data", "/v1/public-keys"] {
        assert_eq!(client.raw(path, false).await.unwrap_err().kind(), ErrorKind::Secret, "{path}");
    }
}
