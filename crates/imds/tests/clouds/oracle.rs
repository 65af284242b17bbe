//! Oracle Cloud: only the version of the service that wants a header, and what people put into `metadata`.

use crate::harness::{fake, read_all, told};
use imds::{ErrorKind, Field};

#[tokio::test]
async fn version_1_is_never_asked_even_where_version_2_does_not_answer() {
    let fake = fake("oracle:legacy-v1").await;
    for fault in ["404:/opc/v2", "403:/opc/v2", "503:/opc/v2"] {
        fake.clear_faults();
        fake.inject(fault.parse().unwrap());
        let metadata = read_all(&fake).await;
        assert_eq!(metadata.text(Field::InstanceId), None, "{fault}");
    }
    let asked: Vec<String> = fake.requests().iter().map(|request| request.path().to_owned()).collect();
    assert!(!asked.is_empty() && asked.iter().all(|path| path.starts_with("/opc/v2/")), "{asked:?}");
}

#[tokio::test]
async fn what_is_switched_off_says_what_the_service_wants() {
    let fake = fake("oracle").await;
    fake.inject("403".parse().unwrap());
    let metadata = read_all(&fake).await;
    let error = metadata.value(Field::InstanceId).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Disabled);
    assert!(error.remedy().is_some_and(|remedy| remedy.contains("primary VNIC")), "{error:?}");
}

#[tokio::test]
async fn metadata_is_dropped_and_a_tag_of_that_name_is_not() {
    let fake = fake("oracle").await;
    fake.set("opc/v2/instance/freeformTags/metadata", "catalogued").unwrap();
    fake.set("opc/v2/instance/definedTags/Metadata/Owner", "team-b").unwrap();
    let metadata = read_all(&fake).await;
    assert_eq!(metadata.tag("metadata"), Some("catalogued"));
    assert_eq!(metadata.tag("Metadata.Owner"), Some("team-b"));
    let shown = told(&fake).raw("/opc/v2/instance/", false).await.unwrap();
    let shown: serde_json::Value = serde_json::from_slice(&shown).unwrap();
    assert_eq!(shown.get("metadata"), None);
    assert_eq!(shown.pointer("/freeformTags/metadata").and_then(|tag| tag.as_str()), Some("catalogued"));
    let whole = told(&fake).raw("/opc/v2/instance/", true).await.unwrap();
    assert!(String::from_utf8(whole).unwrap().contains("user_data"));
}

#[tokio::test]
async fn the_full_name_of_the_region_is_taken_and_never_its_short_key() {
    let described = fake("oracle").await;
    described.remove("opc/v2/instance/canonicalRegionName").unwrap();
    assert_eq!(read_all(&described).await.text(Field::Region), Some("eu-frankfurt-1"));
    // An older document, in which `region` is `fra`.
    let older = fake("oracle:no-tags").await;
    assert_eq!(read_all(&older).await.text(Field::Region), Some("eu-frankfurt-1"));
    older.remove("opc/v2/instance/canonicalRegionName").unwrap();
    assert_eq!(read_all(&older).await.value(Field::Region).unwrap_err().kind(), ErrorKind::Absent);
}

#[tokio::test]
async fn the_instance_s_keys_and_what_people_stored_are_refused() {
    let fake = fake("oracle:legacy-v1").await;
    let client = told(&fake);
    for path in [
        "/opc/v2/identity/key.pem",
        "/opc/v2/identity/",
        "/opc/v2/instance/metadata",
        "/opc/v2/instance/metadata/user_data",
        "/opc/v1/instance/metadata/ssh_authorized_keys",
        "/opc/v2/instance/extendedMetadata/x",
        "/openstack/latest/user_data",
    ] {
        assert_eq!(client.raw(path, false).await.unwrap_err().kind(), ErrorKind::Secret, "{path}");
    }
    assert!(fake.requests().is_empty());
    let shown = client.raw("/openstack/latest/meta_data.json", false).await.unwrap();
    let shown = String::from_utf8(shown).unwrap();
    assert!(shown.contains("batch-worker-4") && !shown.contains("ssh-ed25519"), "{shown}");
    let single = client.raw("/opc/v2/instance/displayName", false).await.unwrap();
    assert_eq!(single, b"batch-worker-4");
}
