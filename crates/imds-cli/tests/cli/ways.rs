//! The way in which a service is asked: interface, source address, mark, version. On loopback; tests/namespace has real links.

use crate::harness::{Folder, Imds, Service, imds};

#[cfg(target_os = "linux")]
#[test]
fn an_interface_is_the_only_way_out() {
    let service = Service::start("gcp");
    let line = format!("get region --cloud gcp --endpoint {}", service.url());
    assert_eq!(imds(&format!("{line} --interface lo")).result(), (0, "us-central1\n"));
    assert_eq!(Imds::new(&line).env("IMDS_INTERFACE", "lo").run().result(), (0, "us-central1\n"));
    let ran = imds(&format!("{line} --interface nowhere0"));
    assert_eq!(ran.result(), (6, ""), "{}", ran.stderr);
    assert!(ran.stderr.contains("the interface nowhere0"), "{}", ran.stderr);
    // The option precedes the variable.
    let both = Imds::new(&format!("{line} --interface lo")).env("IMDS_INTERFACE", "nowhere0").run();
    assert_eq!(both.code, 0, "{}", both.stderr);
}

// Only Linux has all of 127.0.0.0/8 on its loopback.
#[cfg(target_os = "linux")]
#[test]
fn the_service_sees_the_source_address() {
    use std::net::{SocketAddr, TcpListener};
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let peer = std::thread::spawn(move || listener.accept().unwrap().1);
    // Whoever it is, it hangs up at once.
    imds(&format!("get region --cloud gcp --endpoint {url} --source-address 127.0.0.77 --timeout 500ms"));
    assert_eq!(peer.join().unwrap().ip(), SocketAddr::from(([127, 0, 0, 77], 0)).ip());
}

#[test]
fn a_source_address_that_is_not_ours_is_named() {
    let service = Service::start("gcp");
    let line = format!("get region --cloud gcp --endpoint {}", service.url());
    let ran = imds(&format!("{line} --source-address 192.0.2.1"));
    assert_eq!(ran.result(), (6, ""));
    assert!(ran.stderr.contains("doesn't have the address 192.0.2.1"), "{}", ran.stderr);
    let ran = imds(&format!("{line} --source-address ::1"));
    assert_eq!(ran.result(), (6, ""));
    assert!(ran.stderr.contains("is of IPv6, and the service is asked over IPv4"), "{}", ran.stderr);
}

#[test]
fn what_cannot_be_meant_is_wrong_usage() {
    for (option, value) in [
        ("--interface", "a/b"),
        ("--source-address", "eth0"),
        ("--fwmark", "many"),
        ("--api-version", "2021&x=y"),
    ] {
        let ran = imds(&format!("detect {option} {value}"));
        assert_eq!(ran.result(), (2, ""), "{option}");
        assert!(ran.stderr.starts_with(&format!("imds: {option}: ")), "{}", ran.stderr);
    }
}

#[test]
fn a_told_version_is_the_only_one_that_is_asked_in() {
    let service = Service::start("azure");
    let line = format!("get region --cloud azure --endpoint {}", service.url());
    assert_eq!(imds(&format!("{line} --api-version 2021-02-01")).code, 0);
    assert_eq!(Imds::new(&line).env("IMDS_API_VERSION", "2021-12-13").run().code, 0);
    let folder = Folder::new();
    let file = folder.write("imds.toml", "api_version = \"2020-10-01\"\n");
    assert_eq!(imds(&format!("{line} --config {file}")).code, 0);
    let asked: Vec<String> =
        service.fake().requests().iter().map(|request| request.path().to_owned()).collect();
    for version in ["2021-02-01", "2021-12-13", "2020-10-01"] {
        assert!(asked.iter().any(|path| path.contains(&format!("api-version={version}"))), "{asked:?}");
    }
    assert_eq!(asked.len(), 3, "{asked:?}");
}

#[test]
fn a_version_that_the_service_does_not_know_is_not_negotiated_away() {
    let service = Service::start("azure");
    let ran =
        imds(&format!("get region --cloud azure --endpoint {} --api-version 2099-01-01", service.url()));
    assert_eq!(ran.result(), (2, ""), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("--api-version") && ran.stderr.contains("its newest versions are "),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_cloud_without_versions_refuses_one() {
    let service = Service::start("aws");
    for command in ["get region", "show", "raw /latest/meta-data/placement/region"] {
        let ran =
            imds(&format!("{command} --cloud aws --endpoint {} --api-version 2021-02-01", service.url()));
        assert_eq!(ran.result(), (2, ""), "{}", ran.stderr);
        assert!(
            ran.stderr.contains("--api-version: ") && ran.stderr.contains("no versions"),
            "{}",
            ran.stderr
        );
    }
    assert_eq!(service.fake().connections(), 0);
}

#[cfg(unix)]
#[test]
fn an_agent_is_not_asked_in_the_way_of_a_service() {
    let ran = imds("get region --agent /nonexistent/imds.sock --api-version 2021-02-01");
    assert_eq!(ran.result(), (2, ""));
    assert!(ran.stderr.contains("together with --api-version"), "{}", ran.stderr);
}
