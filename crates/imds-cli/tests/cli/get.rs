//! `imds get`.

use crate::harness::{Imds, Refusing, Service, imds};

#[test]
fn values_come_bare_and_in_the_order_asked_for() {
    assert_eq!(
        imds("get --fake aws region instance_id tags.Name interfaces.0.mac cloud").result(),
        (0, "eu-west-1\ni-0fedcba9876543210\nweb-17\n06:1a:2b:3c:4d:5e\naws\n")
    );
    assert_eq!(imds("get --fake gcp instance_id").result(), (0, "9123456789012345678\n"));
    assert_eq!(imds("get --fake aws:spot-asg account_id").result(), (0, "012345678901\n"));
}

#[test]
fn lists_and_objects_are_json() {
    let ran = imds("get --fake aws interfaces.0.private_ipv4s tags");
    assert_eq!(ran.result(), (0, "[\"10.20.30.40\",\"10.20.30.41\"]\n{\"Name\":\"web-17\",\"env\":\"\"}\n"));
}

#[test]
fn nul_ends_values_where_newlines_wont_do() {
    assert_eq!(imds("get --fake aws -0 region zone").result(), (0, "eu-west-1\0eu-west-1b\0"));
}

#[test]
fn one_absent_field_means_no_output() {
    let ran = imds("get --fake aws region resource_group tags.nobody");
    assert_eq!(ran.result(), (4, ""));
    assert!(ran.stderr.contains("resource_group") && ran.stderr.contains("tags.nobody"), "{}", ran.stderr);
    assert!(!ran.stderr.contains("region"), "{}", ran.stderr);
}

#[test]
fn an_absence_that_can_be_remedied_says_how() {
    let ran = imds("get --fake aws:tags-off tags.Name");
    assert_eq!(ran.result(), (4, ""));
    assert!(
        ran.stderr.contains("hint: ") && ran.stderr.contains("--instance-metadata-tags enabled"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_default_stands_in_for_what_is_absent() {
    let ran = imds("get --fake aws region resource_group --default -");
    assert_eq!((ran.result(), &*ran.stderr), ((0, "eu-west-1\n-\n"), ""));
    let ran = Imds::with(&["get", "--fake", "aws", "resource_group", "--default", ""]).run();
    assert_eq!(ran.result(), (0, "\n"));
    let ran = imds("get --cloud none region --default on-premises");
    assert_eq!((ran.result(), &*ran.stderr), ((0, "on-premises\n"), ""));
}

#[test]
fn a_default_that_hides_a_failure_is_a_warning() {
    let nobody = Refusing::new();
    let line = format!("get region zone --default x --cloud azure --endpoint {}", nobody.url());
    let ran = imds(&line);
    assert_eq!(ran.result(), (0, "x\nx\n"));
    assert!(ran.stderr.starts_with("imds: warning: region, zone: the default stands in"), "{}", ran.stderr);
    assert_eq!(ran.stderr.matches("warning").count(), 1, "{}", ran.stderr);
    let quiet = imds(&format!("{line} -q"));
    assert_eq!((quiet.result(), &*quiet.stderr), ((0, "x\nx\n"), ""));
}

#[test]
fn failures_are_named_with_every_field_they_took() {
    let service = Service::start("aws").faulty("403:/latest/meta-data/tags");
    let ran = imds(&format!("get region tags.Name instance_name --endpoint {}", service.url()));
    assert_eq!(ran.result(), (5, ""));
    assert!(ran.stderr.contains("tags.Name"), "{}", ran.stderr);
    let nobody = Refusing::new();
    let ran = imds(&format!("get region zone --cloud aws --endpoint {}", nobody.url()));
    assert_eq!(ran.result(), (6, ""));
    assert!(ran.stderr.starts_with("imds: region, zone: aws: "), "{}", ran.stderr);
}

#[test]
fn the_first_failure_decides_the_exit_code() {
    let service = Service::start("aws").faulty("403:/latest/meta-data/tags");
    let code = |fields: &str| imds(&format!("get {fields} --endpoint {}", service.url())).code;
    assert_eq!(code("tags.Name resource_group"), 5);
    assert_eq!(code("resource_group tags.Name"), 4);
}

#[test]
fn firmware_answers_for_a_service_that_doesnt() {
    let ran = imds("get --fake aws:disabled instance_id");
    assert_eq!(ran.result(), (0, "i-0fedcba9876543210\n"));
    assert!(
        ran.stderr.starts_with("imds: warning: instance_id is what firmware says, because aws: "),
        "{}",
        ran.stderr
    );
    assert_eq!(imds("get --fake aws:disabled region").result(), (5, ""));
}

#[test]
fn an_older_protocol_is_a_warning() {
    let ran = imds("get --fake aws:v1-only region");
    assert_eq!(ran.result(), (0, "eu-west-1\n"));
    assert!(ran.stderr.starts_with("imds: warning: IMDSv1 is used"), "{}", ran.stderr);
    assert_eq!(ran.stderr.lines().count(), 1, "{}", ran.stderr);
    assert_eq!(imds("get --fake aws:v1-only region --no-imdsv1").result(), (5, ""));
}

#[test]
fn no_cloud_and_no_verdict_have_codes_of_their_own() {
    let ran = imds("get region --cloud none");
    assert_eq!(ran.result(), (3, ""));
    assert!(ran.stderr.contains("in no cloud"), "{}", ran.stderr);
    let nobody = Refusing::new();
    assert_eq!(imds(&format!("get region --endpoint {}", nobody.url())).result(), (6, ""));
}

#[test]
fn an_unknown_field_is_answered_with_the_nearest() {
    for (typed, meant) in [("regoin", "region"), ("instance-id", "instance_id"), ("interfaces.0.macs", "mac")]
    {
        let ran = imds(&format!("get --fake aws region {typed}"));
        assert_eq!(ran.result(), (2, ""), "{typed}");
        assert!(ran.stderr.contains(meant), "{}", ran.stderr);
        // A default is no cure for a mistake.
        assert_eq!(imds(&format!("get --fake aws {typed} --default x")).code, 2);
    }
}
