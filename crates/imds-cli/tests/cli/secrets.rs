//! Secrets stay where they are: on no stream, in no form, however much is logged.

use imds::Field;
use imds_fake::{Cloud, SECRET_MARKER, Scenario};

use crate::harness::imds;

/// Paths that give secrets, or documents that hold some, in spellings that a filter might overlook.
fn paths(cloud: Cloud) -> &'static [&'static str] {
    match cloud {
        Cloud::Aws => &[
            "/latest/user-data",
            "/latest//user-data/",
            "/latest/meta-data/iam/security-credentials/web-role",
            "/latest/meta-data/%69am/info",
            "/latest/dynamic/instance-identity/pkcs7",
            "/latest/meta-data/public-keys/0/openssh-key",
            "/latest/api/token",
            "/latest/meta-data/",
        ],
        Cloud::Azure => &[
            "/metadata/instance",
            "/metadata/instance?format=text",
            "/metadata/instance/compute",
            "/metadata/instance/compute/userData?format=text",
            "/metadata/identity/oauth2/token?resource=https://management.azure.com/",
            "/metadata/attested/document",
        ],
        Cloud::Gcp => &[
            "/computeMetadata/v1/?recursive=true",
            "/computeMetadata/v1/?recursive=true&alt=text",
            "/computeMetadata/v1/instance/attributes/?recursive=true",
            "/computeMetadata/v1/instance/service-accounts/default/token",
            "/computeMetadata/v1/instance/service-accounts/default/identity?audience=x",
            "/computeMetadata/v1/project/attributes/ssh-keys",
        ],
        Cloud::DigitalOcean => &["/metadata/v1.json", "/metadata/v1/user-data", "/metadata/v1/public-keys"],
        other => panic!("no secret paths are known of {other}"),
    }
}

/// All scenarios of a cloud at once: some of them let a client wait for what never comes.
fn nothing_leaks(cloud: Cloud) {
    std::thread::scope(|scope| {
        for scenario in Scenario::all().into_iter().filter(|scenario| scenario.cloud() == cloud) {
            scope.spawn(move || nothing_of_it_leaks(&scenario));
        }
    });
}

fn nothing_of_it_leaks(scenario: &Scenario) {
    let fields = Field::ALL.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    let spec = format!("{}:{}", scenario.cloud(), scenario.name());
    let mut lines = vec![
        "show --json --sources".to_owned(),
        "detect --explain --verify".to_owned(),
        format!("get {fields} --default x"),
        "tags".to_owned(),
    ];
    lines.extend(paths(scenario.cloud()).iter().map(|path| format!("raw {path}")));
    for line in lines {
        let ran = imds(&format!("{line} --fake {spec} -vvv"));
        assert!(!ran.stdout.contains(SECRET_MARKER), "{spec}: {line}: {}", ran.stdout);
        assert!(!ran.stderr.contains(SECRET_MARKER), "{spec}: {line}: {}", ran.stderr);
        assert!(ran.stderr.contains("trace: "), "the log has to be on: {}", ran.stderr);
    }
}

#[test]
fn nothing_of_aws_leaks() {
    nothing_leaks(Cloud::Aws);
}

#[test]
fn nothing_of_azure_leaks() {
    nothing_leaks(Cloud::Azure);
}

#[test]
fn nothing_of_google_cloud_leaks() {
    nothing_leaks(Cloud::Gcp);
}

#[test]
fn nothing_of_digitalocean_leaks() {
    nothing_leaks(Cloud::DigitalOcean);
}

#[test]
fn the_fakes_do_have_secrets_there() {
    for (spec, path) in [
        ("aws", "/latest/meta-data/iam/security-credentials/web-role"),
        ("azure", "/metadata/instance"),
        ("gcp", "/computeMetadata/v1/instance/service-accounts/default/token"),
        ("digitalocean", "/metadata/v1.json"),
    ] {
        let ran = imds(&format!("raw {path} --allow-secret --fake {spec} -vvv"));
        assert!(ran.stdout.contains(SECRET_MARKER), "{spec}: {}", ran.stderr);
        assert!(!ran.stderr.contains(SECRET_MARKER), "only stdout was asked for: {}", ran.stderr);
    }
}
