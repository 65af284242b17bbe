//! `imds wait`.

use std::time::{Duration, Instant};

use crate::harness::{Imds, Refusing, Service, imds};

#[test]
fn what_is_there_needs_no_waiting() {
    for line in ["wait --fake aws", "wait --fake azure region tags.env"] {
        let ran = imds(line);
        assert_eq!((ran.result(), &*ran.stderr), ((0, ""), ""), "{line}");
    }
}

#[test]
fn it_tries_again_until_the_service_is_there() {
    const IDENTITY: &str = "/latest/dynamic/instance-identity/document";
    let service = Service::start("aws").faulty(&format!("503:{IDENTITY}:3"));
    let ran = Imds::new(&format!("wait --cloud aws --timeout 20s -v --endpoint {}", service.url()))
        .env("AWS_METADATA_SERVICE_NUM_ATTEMPTS", "1")
        .run();
    assert_eq!(ran.result(), (0, ""), "{}", ran.stderr);
    assert_eq!(ran.stderr.matches("not there yet").count(), 3, "{}", ran.stderr);
    let asked = service.fake().requests().iter().filter(|request| request.path() == IDENTITY).count();
    assert_eq!(asked, 4, "three refusals and the answer, one try each time");
}

#[test]
fn no_cloud_ends_it_at_once() {
    let started = Instant::now();
    let ran = imds("wait --cloud none");
    assert_eq!(ran.result(), (3, ""));
    assert!(started.elapsed() < Duration::from_secs(60));
}

#[test]
fn a_mistake_ends_it_at_once() {
    assert_eq!(imds("wait --fake aws instanceid").code, 2);
    assert_eq!(imds("wait --fake aws --timeout soon").code, 2);
}

#[test]
fn at_the_deadline_the_last_error_decides() {
    let ran = imds("wait --fake aws resource_group --timeout 300ms");
    assert_eq!(ran.result(), (4, ""));
    assert!(ran.stderr.contains("resource_group"), "{}", ran.stderr);
    assert_eq!(imds("wait --fake aws:disabled --timeout 300ms").result(), (5, ""));
    let nobody = Refusing::new();
    // Nobody knows yet whether there is a cloud: it may be early.
    let ran = imds(&format!("wait --timeout 400ms --endpoint {}", nobody.url()));
    assert_eq!(ran.result(), (6, ""));
}

#[test]
fn a_service_that_never_answers_ends_it_at_the_deadline() {
    let service = Service::start("gcp").faulty("hang");
    let started = Instant::now();
    let ran = imds(&format!("wait --cloud gcp --timeout 400ms --endpoint {}", service.url()));
    assert_eq!(ran.result(), (6, ""));
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
}

#[test]
fn offline_there_is_nothing_to_wait_for() {
    assert_eq!(imds("wait --fake aws --offline").result(), (0, ""), "firmware knows the id");
    assert_eq!(imds("wait --fake gcp --offline").result(), (5, ""));
}
