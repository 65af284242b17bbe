//! Yandex Cloud: two faces of one service, either of which can be switched off.

use crate::harness::{client_of, fake, machine, read_all, start, told};
use imds::machine::MemoryFiles;
use imds::{ErrorKind, Field, Reading};
use imds_fake::{Fake, Scenario};

fn paths(fake: &Fake) -> Vec<String> {
    fake.requests().iter().map(|request| request.path_only().to_owned()).collect()
}

#[tokio::test]
async fn the_other_face_is_asked_only_for_what_the_first_does_not_say() {
    let fake = fake("yandex").await;
    told(&fake).read(&[Field::InstanceId, Field::PrivateIpv4]).await.unwrap();
    assert!(paths(&fake).iter().all(|path| path.starts_with("/computeMetadata/")), "{:?}", paths(&fake));
    let off = crate::harness::fake("yandex:gce-face-off").await;
    let metadata = told(&off).read(&[Field::PrivateIpv4]).await.unwrap();
    assert_eq!(metadata.text(Field::PrivateIpv4), Some("10.130.0.27"));
    assert!(paths(&off).contains(&"/latest/meta-data/local-ipv4".to_owned()), "{:?}", paths(&off));
}

#[tokio::test]
async fn a_face_that_is_off_is_no_failure_whatever_its_status() {
    // The vendor doesn't say with which status a face is off.
    for status in [400, 401, 403, 404, 405] {
        let fake = fake("yandex").await;
        fake.inject(format!("{status}:/computeMetadata").parse().unwrap());
        let metadata = read_all(&fake).await;
        assert_eq!(metadata.text(Field::InstanceId), Some("fv4hfouo8bgqa1b2c3d4"), "{status}");
        assert_eq!(metadata.text(Field::ImageId), Some("fd8a1rd5b389a1b2c3d4"), "{status}");
        assert_eq!(metadata.failure().map(imds::Error::kind), None, "{status}");
        for (field, reading) in metadata.readings() {
            assert!(reading.error().is_none(), "{status} {field}: {reading:?}");
        }
        let Some(Reading::Absent { remedy }) = metadata.reading(Field::Zone) else { panic!("{metadata:?}") };
        let says_how = remedy.as_deref().is_some_and(|remedy| remedy.contains("gce-http-endpoint=enabled"));
        assert_eq!(says_how, status != 404, "{status}: {remedy:?}");
    }
    // A service that fails is a failure all the same.
    let fake = fake("yandex").await;
    fake.inject("500:/computeMetadata".parse().unwrap());
    let metadata = told(&fake).read(&[Field::Zone]).await.unwrap();
    assert_eq!(metadata.value(Field::Zone).unwrap_err().kind(), ErrorKind::ServerError);
}

#[tokio::test]
async fn neither_google_nor_amazon_is_found_in_it() {
    let mut scenarios = Scenario::all();
    scenarios.retain(|scenario| scenario.cloud().name() == "yandex");
    for scenario in scenarios {
        let name = scenario.name().to_owned();
        let fake = start(scenario).await;
        // Not even where the id of the instance is missing.
        for without in [None, Some("instance/id")] {
            if let Some(path) = without {
                fake.remove(path).unwrap();
            }
            for other in ["gcp", "aws"] {
                let builder = machine(MemoryFiles::new(), &[]).endpoint(&fake.url(), "--endpoint");
                let verdict = client_of(builder.clouds(&[other.to_owned()], "--clouds")).detect().await;
                assert_eq!(verdict.cloud(), None, "{name} without {without:?}: {verdict:?}");
            }
        }
    }
}

#[tokio::test]
async fn its_signatures_and_attributes_are_secret_and_its_labels_are_not() {
    let fake = fake("yandex").await;
    let client = told(&fake);
    for path in [
        "/computeMetadata/v1/instance/attributes/user-data",
        "/computeMetadata/v1/instance/service-accounts/default/token",
        "/computeMetadata/v1/instance/vendor/identity/rsa",
        "/latest/user-data",
        "/latest/vendor/instance-identity/dsa",
    ] {
        assert_eq!(client.raw(path, false).await.unwrap_err().kind(), ErrorKind::Secret, "{path}");
    }
    let label = client.raw("/computeMetadata/v1/instance/vendor/labels/env", false).await.unwrap();
    assert_eq!(label, b"prod");
    let whole = client.raw("/computeMetadata/v1/instance/?recursive=true", false).await.unwrap();
    assert!(!String::from_utf8(whole).unwrap().contains("SECRET"));
}
