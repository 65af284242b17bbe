//! `imds raw`.

use imds_fake::SECRET_MARKER;

use crate::harness::{Service, imds};

#[test]
fn an_answer_is_printed_byte_for_byte() {
    assert_eq!(imds("raw --fake aws /latest/meta-data/placement/region").result(), (0, "eu-west-1"));
    assert_eq!(
        imds("raw --fake aws /latest/meta-data/network/interfaces/macs/06:1a:2b:3c:4d:5e/local-ipv4s")
            .result(),
        (0, "10.20.30.40\n10.20.30.41")
    );
    assert_eq!(imds("raw --fake gcp /computeMetadata/v1/instance/id").result(), (0, "9123456789012345678"));
}

#[test]
fn a_secret_is_shown_only_on_demand() {
    let ran = imds("raw --fake aws /latest/user-data");
    assert_eq!(ran.result(), (5, ""));
    assert!(ran.stderr.contains("--allow-secret"), "{}", ran.stderr);
    let ran = imds("raw --fake aws /latest/user-data --allow-secret");
    assert_eq!(ran.code, 0);
    assert!(ran.stdout.contains(SECRET_MARKER), "{}", ran.stdout);
}

#[test]
fn a_document_comes_without_its_secrets() {
    let ran = imds("raw --fake azure /metadata/instance");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.json()["compute"]["vmId"].is_string());
    assert!(!ran.stdout.contains(SECRET_MARKER) && !ran.stdout.contains("userData"), "{}", ran.stdout);
    assert!(imds("raw --fake azure /metadata/instance --allow-secret").stdout.contains(SECRET_MARKER));
}

#[test]
fn what_goes_wrong_has_its_code() {
    assert_eq!(imds("raw --fake aws latest/meta-data").code, 2);
    assert_eq!(imds("raw --fake aws /latest/meta-data/nothing/here").code, 4);
    assert_eq!(imds("raw --fake aws /latest/meta-data/instance-id --offline").code, 5);
    assert_eq!(imds("raw --cloud none /x").code, 3);
    let service = Service::start("aws").faulty("503:/latest/meta-data/instance-id");
    let line = format!("raw /latest/meta-data/instance-id --timeout 2s --endpoint {}", service.url());
    assert_eq!(imds(&line).code, 6);
}
