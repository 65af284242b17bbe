//! What is asked, and what never is.

use std::net::TcpListener;

use crate::harness::{Folder, Imds, Refusing, Service, imds};

#[test]
fn proxies_are_never_asked() {
    let trap = TcpListener::bind("127.0.0.1:0").unwrap();
    trap.set_nonblocking(true).unwrap();
    let proxy = format!("http://{}", trap.local_addr().unwrap());
    let service = Service::start("azure");
    let mut asked = Imds::new("show --json").env("IMDS_URL", &service.url());
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"] {
        asked = asked.env(name, &proxy);
    }
    assert_eq!(asked.run().code, 0);
    assert!(!service.fake().requests().is_empty());
    let caught = trap.accept().map(|(_, peer)| peer);
    assert_eq!(caught.unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
}

#[test]
fn redirects_are_not_followed() {
    let elsewhere = Service::start("gcp");
    let service = Service::start("gcp").faulty(&format!("redirect={}/x", elsewhere.url()));
    let ran = imds(&format!("get instance_id --cloud gcp --endpoint {}", service.url()));
    assert_eq!(ran.result(), (6, ""), "{}", ran.stderr);
    assert!(elsewhere.fake().requests().is_empty());
}

#[test]
fn offline_only_firmware_is_asked() {
    let service = Service::start("aws");
    let folder = Folder::new();
    folder.write("sys/class/dmi/id/sys_vendor", "Amazon EC2\n");
    folder.write("sys/class/dmi/id/board_asset_tag", "i-0123456789abcdef0\n");
    let line = format!("get instance_id --sysroot {} --endpoint {}", folder.path(), service.url());
    assert_eq!(imds(&format!("{line} --offline")).result(), (0, "i-0123456789abcdef0\n"));
    assert_eq!(Imds::new(&line).env("IMDS_NETWORK", "off").run().result(), (0, "i-0123456789abcdef0\n"));
    assert_eq!(service.fake().connections(), 0);
    assert_eq!(imds(&line).result(), (0, "i-0fedcba9876543210\n"), "online the service knows better");
}

#[test]
fn a_service_that_hangs_costs_no_more_than_the_timeout() {
    let service = Service::start("gcp").faulty("hang");
    let started = std::time::Instant::now();
    let ran = imds(&format!("get region --cloud gcp --timeout 300ms --endpoint {}", service.url()));
    assert_eq!(ran.result(), (6, ""));
    let by_variable = Imds::new(&format!("get region --cloud gcp --endpoint {}", service.url()))
        .env("IMDS_TIMEOUT", "300ms")
        .run();
    assert_eq!(by_variable.result(), (6, ""));
    assert!(started.elapsed() < std::time::Duration::from_secs(4), "{:?}", started.elapsed());
}

#[test]
fn a_service_that_is_switched_off_by_a_variable_is_not_asked() {
    let service = Service::start("aws");
    let ran = Imds::new(&format!("get region --cloud aws --endpoint {}", service.url()))
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .run();
    assert_eq!(ran.result(), (5, ""));
    assert!(ran.stderr.contains("AWS_EC2_METADATA_DISABLED"), "{}", ran.stderr);
    assert_eq!(service.fake().connections(), 0);
}

#[test]
fn only_the_clouds_that_were_named_are_asked() {
    let nobody = Refusing::new();
    assert_eq!(imds(&format!("detect --clouds gcp --endpoint {}", nobody.url())).code, 6);
    let service = Service::start("azure");
    let line = |clouds: &str| format!("detect --clouds {clouds} --endpoint {}", service.url());
    assert_eq!(imds(&line("gcp,azure")).result(), (0, "azure\n"));
    assert_eq!(imds(&line("gcp,aws")).result().0, 6);
}
