//! What a user's description can't open.

use imds::{ErrorKind, Field};

use crate::fakes::{self, client, told};
use crate::service::{Cumulus, SECRET};
use crate::{CUMULUS, read_all, reader};

#[tokio::test]
async fn its_own_secret_paths_are_refused_in_every_spelling() {
    let cumulus = Cumulus::start().await;
    let client = reader(&cumulus);
    for path in ["/v2/keys/ssh", "/V2/keys", "/v2/./%6beys/ssh", "/v2/labels/secret"] {
        let error = client.raw(path, false).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Secret, "{path}: {error}");
    }
    assert_eq!(cumulus.asked(), [""; 0]);
    assert_eq!(client.raw("/v2/keys/ssh", true).await.unwrap(), SECRET.as_bytes());
}

#[tokio::test]
async fn what_a_built_in_cloud_keeps_secret_is_secret_here_too() {
    let cumulus = Cumulus::start().await;
    let client = reader(&cumulus);
    for path in [
        "/latest/user-data",
        "/latest/meta-data/iam/security-credentials/x",
        "/metadata/identity/oauth2/token",
    ] {
        assert_eq!(client.raw(path, false).await.unwrap_err().kind(), ErrorKind::Secret, "{path}");
    }
    assert_eq!(cumulus.asked(), [""; 0]);
}

#[tokio::test]
async fn secret_members_are_dropped_from_what_is_shown_and_kept() {
    let cumulus = Cumulus::start().await;
    let client = reader(&cumulus);
    let shown = String::from_utf8(client.raw("/v2/machine", false).await.unwrap()).unwrap();
    assert!(shown.contains("cu2.large") && !shown.contains(SECRET), "{shown}");
    let metadata = read_all(&client).await;
    assert!(!format!("{metadata:?}").contains(SECRET));
}

#[tokio::test]
async fn a_listing_leads_to_no_secret() {
    let cumulus = Cumulus::start().await;
    reader(&cumulus).read(&[Field::Tags]).await.unwrap();
    assert!(cumulus.asked().contains(&"GET /v2/labels/team".to_owned()));
    assert!(!cumulus.asked().contains(&"GET /v2/labels/secret".to_owned()), "{:?}", cumulus.asked());
}

/// AWS by another name, with a listing of everything: what a listing holds isn't known before it is read.
#[tokio::test]
async fn a_listing_of_another_clouds_service_leads_to_no_secret() {
    let fake = fakes::fake("aws:plain", &[]).await;
    let text = r#"
        name = "mine"
        title = "AWS by another name"
        [service]
        ipv4 = "169.254.169.254"
        [service.token]
        path = "/latest/api/token"
        ttl_header = "X-aws-ec2-metadata-token-ttl-seconds"
        ttl = 60
        header = "X-aws-ec2-metadata-token"
        name = "tokens"
        [documents]
        all = { path = "/latest/meta-data/", format = "tree" }
        creds = { path = "/latest/meta-data/", format = "tree", leaves = ["security-credentials/web-role", "info"] }
        [fields]
        instance_id = "all#/instance-id"
        tags = "creds"
    "#;
    let client = client(told("mine", &fake.url(), &[]).describe(text, "mine.toml"));
    let metadata = read_all(&client).await;
    assert!(metadata.text(Field::InstanceId).is_some_and(|id| id.starts_with("i-")), "{metadata:?}");
    let secret = fake.requests().into_iter().filter(|request| {
        ["/iam", "/public-keys", "/managed-ssh-keys", "/identity-credentials"]
            .iter()
            .any(|part| request.path().contains(part))
    });
    assert_eq!(secret.map(|request| request.path().to_owned()).collect::<Vec<_>>(), [""; 0]);
    assert!(!format!("{metadata:?}").contains(imds_fake::SECRET_MARKER));
}

#[tokio::test]
async fn taking_a_built_in_clouds_place_opens_nothing() {
    let fake = fakes::fake("digitalocean:plain", &[]).await;
    let text = r#"
        name = "digitalocean"
        title = "Mine"
        overrides = true
        [service]
        ipv4 = "169.254.169.254"
        [documents]
        v1 = { path = "/metadata/v1.json", format = "json" }
        [fields]
        instance_id = "v1#/droplet_id"
    "#;
    let client = client(told("digitalocean", &fake.url(), &[]).describe(text, "mine.toml"));
    assert!(read_all(&client).await.text(Field::InstanceId).is_some());
    for path in ["/metadata/v1/user-data", "/metadata/v1/auth-token"] {
        assert_eq!(client.raw(path, false).await.unwrap_err().kind(), ErrorKind::Secret, "{path}");
    }
    let shown = client.raw("/metadata/v1.json", false).await.unwrap();
    assert!(!String::from_utf8(shown).unwrap().contains(imds_fake::SECRET_MARKER));
}

#[test]
fn no_place_may_be_a_secret() {
    for (old, new, message) in [
        ("network_id = \"network\"", "network_id = \"machine#/console_password\"", "console_password"),
        ("path = \"/v2/network\"", "path = \"/v2/keys/ssh\"", "gives a secret"),
        ("path = \"/v2/network\"", "path = \"/latest/user-data\"", "gives a secret"),
        ("path = \"/v2/notices\"", "path = \"/v2/keys/new\"", "gives a secret"),
    ] {
        let text = CUMULUS.replacen(old, new, 1);
        assert_ne!(text, CUMULUS);
        let error =
            told("cumulus", "http://127.0.0.1:9", &[]).describe(&text, "cumulus.toml").build().unwrap_err();
        assert!(error.message().contains(message), "{error}");
        assert!(error.path().is_some_and(|path| path.starts_with("cumulus.toml:")), "{error}");
    }
}
