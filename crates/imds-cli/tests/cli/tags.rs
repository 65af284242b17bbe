//! `imds tags`.

use crate::harness::{Service, imds};

#[test]
fn tags_come_in_every_form() {
    assert_eq!(imds("tags --fake aws").result(), (0, "Name  web-17\nenv\n"));
    assert_eq!(
        imds("tags --fake aws --json").result(),
        (0, "{\n  \"Name\": \"web-17\",\n  \"env\": \"\"\n}\n")
    );
    assert_eq!(imds("tags --fake aws --format yaml").result(), (0, "Name: web-17\nenv: \"\"\n"));
    assert_eq!(
        imds("tags --fake aws --format env").result(),
        (0, "IMDS_TAG_NAME=\"web-17\"\nIMDS_TAG_ENV=\"\"\n")
    );
}

#[test]
fn absent_tags_are_told_with_the_remedy() {
    let ran = imds("tags --fake aws:tags-off");
    assert_eq!(ran.result(), (4, ""));
    assert!(ran.stderr.contains("--instance-metadata-tags enabled"), "{}", ran.stderr);
    assert_eq!(imds("tags --fake gcp").code, 4);
}

#[test]
fn tags_that_cant_be_read_are_a_failure() {
    let service = Service::start("aws").faulty("403:/latest/meta-data/tags");
    assert_eq!(imds(&format!("tags --endpoint {}", service.url())).result(), (5, ""));
}
