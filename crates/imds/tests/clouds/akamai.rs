//! Akamai: a token that comes as the one text in a JSON list, and JSON only for those who ask for it.

use crate::harness::{Way, client, client_of, fake, machine, read_all, scenario, told};
use crate::scripted;
use imds::machine::MemoryFiles;
use imds::{ErrorKind, Field, Source};

#[tokio::test]
async fn everything_is_asked_for_in_json_and_with_the_token() {
    let fake = fake("akamai").await;
    let metadata = read_all(&fake).await;
    assert_eq!(metadata.protocol(), Some("metadata token"));
    let requests = fake.requests();
    assert!(requests.iter().all(|request| request.header("accept") == Some("application/json")));
    let token = requests.first().unwrap();
    assert_eq!((token.method(), token.path()), ("PUT", "/v1/token"));
    assert_eq!(token.header("metadata-token-expiry-seconds"), Some("3600"));
    let mut asked: Vec<&str> = requests.iter().skip(1).map(imds_fake::Recorded::path).collect();
    asked.sort_unstable();
    assert_eq!(asked, ["/v1/instance", "/v1/network"]);
    // The token itself, not the list around it.
    assert!(requests.iter().skip(1).all(|request| {
        request
            .header("metadata-token")
            .is_some_and(|token| !token.is_empty() && !token.contains(['[', '"', ']']))
    }));
}

#[tokio::test]
async fn whatever_else_comes_for_a_token_is_none() {
    for reply in ["abcdef0123456789", "[]", "{\"token\": \"abc\"}", "[[\"abc\"]]", "[\"\"]", "[\"a\\r\\nb\"]"]
    {
        let url = scripted::serve(move |method, _| match method {
            "PUT" => (200, "Content-Type: application/json\r\n", reply.as_bytes().to_vec()),
            _ => (200, "Content-Type: application/json\r\n", br#"{"id": 1, "region": "us-ord"}"#.to_vec()),
        });
        let builder = machine(MemoryFiles::new(), &[]).endpoint(&url.await, "--endpoint");
        let metadata =
            client_of(builder.cloud("akamai", "--cloud")).read(&[Field::InstanceId]).await.unwrap();
        let error = metadata.value(Field::InstanceId).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed, "{reply}: {error}");
        assert!(!error.to_string().contains("abc"), "{reply}: {error}");
    }
}

#[tokio::test]
async fn firmware_knows_the_id_where_the_region_has_no_service() {
    let scenario = scenario("akamai");
    let fake = fake("akamai").await;
    fake.inject("503".parse().unwrap());
    let metadata =
        client(&fake, &scenario, Way::Firmware).read(&[Field::InstanceId, Field::Region]).await.unwrap();
    assert_eq!(metadata.text(Field::InstanceId), Some("87654321"));
    assert!(matches!(
        metadata.reading(Field::InstanceId),
        Some(imds::Reading::Known { source: Source::Firmware(file), .. }) if file.ends_with("product_serial")
    ));
    assert_eq!(metadata.value(Field::Region).unwrap_err().kind(), ErrorKind::ServerError);
}

#[tokio::test]
async fn user_data_keys_and_tokens_are_refused() {
    let fake = fake("akamai").await;
    let client = told(&fake);
    for path in ["/v1/user-data", "/v1/token", "/v1/ssh-keys", "/v1//SSH-keys/"] {
        assert_eq!(client.raw(path, false).await.unwrap_err().kind(), ErrorKind::Secret, "{path}");
    }
    assert!(fake.requests().is_empty());
    let shown = client.raw("/v1/network", false).await.unwrap();
    assert!(serde_json::from_slice::<serde_json::Value>(&shown).unwrap().get("ipv4").is_some());
}
