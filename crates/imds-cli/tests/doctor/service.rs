//! What the service says, or doesn't.

use std::net::{SocketAddr, TcpListener};

use imds_fake::{Fake, Scenario};

use crate::house::doctor;
use crate::meddler::{meddle, serve};

const HOP_LIMIT: &str = "aws ec2 modify-instance-metadata-options --instance-id i-0fedcba9876543210 \
                         --http-put-response-hop-limit 2";

/// A fake service, with faults; it lives as long as the runtime.
struct Service {
    fake: Option<Fake>,
    runtime: tokio::runtime::Runtime,
}

impl Service {
    fn start(spec: &str, faults: &[&str]) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let fake = runtime.block_on(Fake::start(Scenario::parse(spec).unwrap())).unwrap();
        for fault in faults {
            fake.inject(fault.parse().unwrap());
        }
        Self { fake: Some(fake), runtime }
    }

    fn url(&self) -> String {
        self.fake.as_ref().unwrap().url()
    }

    fn address(&self) -> SocketAddr {
        self.url().trim_start_matches("http://").parse().unwrap()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _inside = self.runtime.enter();
        self.fake.take();
    }
}

#[test]
fn where_all_is_well_one_line_says_so() {
    for (fake, begin) in [
        ("aws", "Metadata works: aws i-0fedcba9876543210 via IMDSv2 in "),
        ("azure", "Metadata works: azure "),
        ("gcp", "Metadata works: gcp "),
        ("hetzner", "Metadata works: hetzner "),
        ("scaleway", "Metadata works: scaleway "),
        ("huawei", "Metadata works: huawei "),
        ("gcp:gke-concealed", "Metadata works: gcp"),
        ("aws:fargate", "Metadata works: aws"),
    ] {
        let said = doctor(&format!("--fake {fake}"), &[]);
        assert!(said.stdout.starts_with(begin) && said.stdout.ends_with(" ms\n"), "{}", said.stdout);
        assert_eq!(
            (said.stdout.lines().count(), said.code, said.stderr.as_str()),
            (1, 0, ""),
            "{}",
            said.stdout
        );
    }
    let steps = doctor("--fake aws -v", &[]).stdout;
    for step in ["detect", "route", "connect", "token", "identity", "value"] {
        assert!(steps.contains(&format!("\n  {step}")), "{steps}");
    }
}

#[test]
fn verdict_cause_and_remedy_are_the_first_three_lines() {
    let said = doctor("--fake aws:hop-limit-v2-required", &[]);
    let lines: Vec<&str> = said.stdout.lines().collect();
    assert!(lines[0].starts_with("No metadata: aws: "), "{}", said.stdout);
    assert!(lines[1].starts_with("Cause: no token comes back: "), "{}", said.stdout);
    assert_eq!((lines[2], said.code), (format!("Type:  {HOP_LIMIT}").as_str(), 6));
}

#[test]
fn the_object_has_its_stable_shape() {
    let said = doctor("--fake aws:disabled --json", &[]);
    let report = said.json();
    for key in
        ["schema", "works", "outcome", "cloud", "instance_id", "protocol", "error", "exit_code", "elapsed_ms"]
    {
        assert!(report.get(key).is_some(), "{key}: {report:#}");
    }
    assert_eq!(report["schema"], 1);
    assert_eq!((&report["works"], report["exit_code"].as_i64()), (&false.into(), Some(said.code.into())));
    let names: Vec<&str> =
        report["steps"].as_array().unwrap().iter().map(|step| step["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["detect", "route", "connect", "token", "identity", "value"]);
    let finding = said.first();
    for key in ["id", "severity", "cause", "remedy", "evidence"] {
        assert!(finding.get(key).is_some(), "{key}: {finding:#}");
    }
}

#[test]
fn a_low_hop_limit_is_raised_by_the_providers_command() {
    let said = doctor("--fake aws:hop-limit --json", &[]);
    said.must_be("hop_limit", 0).must_suggest(HOP_LIMIT);
    assert_eq!((&said.first()["severity"], &said.json()["works"]), (&"warning".into(), &true.into()));
    doctor("--fake aws:hop-limit-v2-required --json", &[]).must_be("hop_limit", 6).must_suggest(HOP_LIMIT);
    doctor("--fake aws:hop-limit --no-imdsv1 --json", &[]).must_be("hop_limit", 6).must_suggest(HOP_LIMIT);
}

#[test]
fn a_service_that_is_switched_off_is_switched_on_by_the_providers_command() {
    let command =
        "aws ec2 modify-instance-metadata-options --instance-id i-0fedcba9876543210 --http-endpoint enabled";
    doctor("--fake aws:disabled --json", &[]).must_be("disabled", 5).must_suggest(command);
    doctor("--fake ibm:disabled --json", &[]).must_be("disabled", 5);
}

#[test]
fn without_tokens_imdsv1_is_a_warning_or_forbidden() {
    let said = doctor("--fake aws:v1-only --json", &[]);
    assert_eq!(said.must_be("v1_only", 0).json()["protocol"], "IMDSv1");
    doctor("--fake aws:v1-only --no-imdsv1 --json", &[]).must_be("v1_only", 5);
}

#[test]
fn tags_that_are_off_are_a_note() {
    let said = doctor("--fake aws:tags-off --json", &[]);
    said.must_be("tags_off", 0).must_suggest(
        "aws ec2 modify-instance-metadata-options --instance-id i-0fedcba9876543210 --instance-metadata-tags enabled",
    );
    assert_eq!(said.first()["severity"], "note");
}

#[test]
fn every_way_to_fail_has_its_name() {
    for (spec, fault, id, code) in [
        ("azure", "429", "throttled", 6),
        ("azure", "410", "gone", 6),
        ("gcp", "503", "server_error", 6),
        ("gcp", "hang", "no_answer", 6),
        ("azure", "reset", "no_answer", 6),
        ("azure", "binary", "not_the_service", 6),
        ("gcp", "redirect", "not_the_service", 6),
        ("aws", "401:/latest/dynamic", "unauthorized", 5),
    ] {
        let service = Service::start(spec, &[fault]);
        let line = format!("--json --cloud {spec} --endpoint {} --timeout 1200ms", service.url());
        doctor(&line, &[]).must_be(id, code);
    }
}

#[test]
fn azures_guest_proxy_agent_is_told_by_its_mark() {
    let refuse = |_: &str| {
        b"HTTP/1.1 403 Forbidden\r\nx-ms-azure-host-authorization: value\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
            .to_vec()
    };
    let said = doctor(&format!("--json --cloud azure --endpoint {}", serve(refuse)), &[]);
    said.must_be("guest_proxy_agent", 5).must_suggest("sudo azure-proxy-agent --status");
    let service = Service::start("azure", &[]);
    let guarded = meddle(service.address(), &[("x-ms-azure-host-authorization", "value")]);
    let said = doctor(&format!("--json --cloud azure --endpoint {guarded}"), &[]);
    assert_eq!((&said.finding("guest_proxy_agent")["severity"], said.code), (&"note".into(), 0));
}

#[test]
fn a_clock_that_is_off_is_noticed_by_the_services_own() {
    let service = Service::start("gcp", &[]);
    let late = meddle(service.address(), &[("date", "Thu, 02 Jan 2020 03:04:05 GMT")]);
    let said = doctor(&format!("--json --cloud gcp --endpoint {late}"), &[]);
    said.must_be("clock_skew", 0).must_suggest("timedatectl set-ntp true");
    assert!(said.first()["cause"].as_str().unwrap().contains("ahead of"), "{:#}", said.first());
}

#[test]
fn somebody_who_is_no_cloud_is_undetected() {
    let portal =
        |_: &str| b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\nConnection: close\r\n\r\n<html>hello!".to_vec();
    doctor(&format!("--json --endpoint {}", serve(portal)), &[]).must_be("undetected", 6);
}

#[test]
fn an_endpoint_at_which_nobody_listens_is_named() {
    // The port was ours just now, and nobody else's since.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let said = doctor("--json --cloud aws", &[("IMDS_URL", &format!("http://{address}"))]);
    said.must_be("nobody_listens", 6).must_suggest("unset IMDS_URL");
}
