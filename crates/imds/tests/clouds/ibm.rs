//! IBM Cloud: a token that is asked for in JSON, a service that is off by default.

use crate::harness::{Way, client, client_of, fake, firmware, machine, read_all, scenario, told};
use imds::{Confidence, ErrorKind, Field, Outcome};

#[tokio::test]
async fn the_token_is_asked_for_in_json_and_borne_by_every_request() {
    let fake = fake("ibm").await;
    let metadata = read_all(&fake).await;
    assert_eq!(metadata.protocol(), Some("instance identity token"));
    assert!(metadata.warnings().is_empty(), "{:?}", metadata.warnings());
    let requests = fake.requests();
    let paths: Vec<String> = requests.iter().map(|it| format!("{} {}", it.method(), it.path())).collect();
    assert_eq!(
        paths,
        ["PUT /identity/v1/token?version=2025-08-26", "GET /metadata/v1/instance?version=2025-08-26"]
    );
    assert!(requests.iter().all(|request| request.header("metadata-flavor") == Some("ibm")));
    assert_eq!(requests.first().unwrap().header("content-type"), Some("application/json"));
    let bearer = requests.last().unwrap().header("authorization").unwrap();
    assert!(bearer.strip_prefix("Bearer ").is_some_and(|token| !token.is_empty()));
    assert!(!format!("{metadata:?}").contains(bearer.trim_start_matches("Bearer ")));
}

#[tokio::test]
async fn a_service_that_is_off_says_how_to_turn_it_on() {
    let scenario = scenario("ibm:disabled");
    for way in Way::ALL {
        let fake = fake("ibm:disabled").await;
        let client = client(&fake, &scenario, way);
        let verdict = client.detect().await;
        let expected = match way {
            Way::Firmware => ("ibm", Confidence::Likely),
            Way::Probing => ("unknown", Confidence::Likely),
            Way::Told => ("ibm", Confidence::Certain),
        };
        assert_eq!(
            (verdict.outcome.to_string().as_str(), verdict.confidence),
            expected,
            "{way:?}: {verdict:?}"
        );
        if verdict.outcome == Outcome::Unknown {
            continue;
        }
        let metadata = client.read(&[Field::InstanceId]).await.unwrap();
        let error = metadata.value(Field::InstanceId).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Disabled, "{way:?}: {error}");
        assert!(error.remedy().is_some_and(|remedy| remedy.contains("--metadata-service true")), "{error:?}");
    }
}

#[tokio::test]
async fn what_makes_credentials_and_what_holds_secrets_is_refused() {
    let fake = fake("ibm").await;
    let client = told(&fake);
    for path in [
        "/identity/v1/token",
        "/identity/v1/iam_tokens",
        "/instance_identity/v1/iam_token",
        "/metadata/v1/instance/initialization",
        "/metadata/v1/instance/software_attachments/0717-cac37585-cb54-4e23-ab44-3e307aa6f4c3",
        "/metadata/v1/keys",
    ] {
        assert_eq!(client.raw(path, false).await.unwrap_err().kind(), ErrorKind::Secret, "{path}");
    }
    assert!(fake.requests().is_empty());
    let shown = client.raw("/metadata/v1/placement_groups", false).await.unwrap();
    assert!(String::from_utf8(shown).unwrap().contains("spread-1"));
}

#[tokio::test]
async fn firmware_that_only_hints_at_it_is_confirmed_by_the_service() {
    let fake = fake("ibm").await;
    let files = firmware(&scenario("ibm"));
    let verdict = client_of(machine(files, &[]).endpoint(&fake.url(), "--endpoint")).detect().await;
    assert_eq!((verdict.outcome.to_string().as_str(), verdict.confidence), ("ibm", Confidence::Certain));
    assert!(
        fake.requests().iter().all(|request| request.path().contains("version=2025-08-26")),
        "only the suspect is asked"
    );
}
