//! Scaleway: addresses that are nobody else's business, and user data for those alone who may use a port below 1024.

use std::net::{Ipv4Addr, TcpListener};
use std::process::Command;

use crate::harness::{client_of, fake, machine, read_all, told};
use imds::machine::MemoryFiles;
use imds::{ErrorKind, Field};

/// Set in a process that was started without the right to use ports below 1024.
const UNPRIVILEGED: &str = "IMDS_TEST_UNPRIVILEGED";

/// Whether this process may use ports below 1024.
fn may_use_low_ports() -> bool {
    (600..1024).any(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok())
}

#[expect(clippy::print_stderr, reason = "who reads the results has to know what wasn't tested")]
fn skipped(what: &str) {
    eprintln!("not tested: {what}");
}

#[tokio::test]
async fn user_data_is_asked_for_from_a_port_below_1024_and_nothing_else_is() {
    if !may_use_low_ports() {
        return skipped("this process may not use ports below 1024");
    }
    let fake = fake("scaleway").await;
    let client = told(&fake);
    // The service answers these paths to such ports alone.
    for _ in 0..3 {
        let data = client.raw("/user_data/cloud-init", true).await.unwrap();
        assert!(data.starts_with(b"#cloud-config"), "{}", String::from_utf8_lossy(&data));
    }
    assert!(client.raw("/vendor_data/cloud-init", true).await.is_ok());
    let keys = client.raw("/user_data?format=json", true).await.unwrap();
    assert!(String::from_utf8(keys).unwrap().contains("deploy-key"));
    // A connection from such a port serves one request; the others share one of their own.
    let before = fake.connections();
    read_all(&fake).await;
    client.read(&[Field::InstanceId]).await.unwrap();
    client.read(&[Field::Region]).await.unwrap();
    assert_eq!((before, fake.connections()), (5, 7));
}

#[tokio::test]
async fn who_may_not_use_such_a_port_is_told_what_it_takes() {
    if may_use_low_ports() {
        if std::env::var_os(UNPRIVILEGED).is_some() {
            return skipped("every process may use ports below 1024 here");
        }
        return without_the_right();
    }
    let fake = fake("scaleway").await;
    let client = told(&fake);
    let error = client.raw("/user_data/cloud-init", true).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Locked, "{error}");
    assert!(error.remedy().is_some_and(|remedy| remedy.contains("CAP_NET_BIND_SERVICE")), "{error:?}");
    assert!(fake.requests().is_empty(), "it isn't tried from an ordinary port");
    assert_eq!(client.read(&[Field::Zone]).await.unwrap().text(Field::Zone), Some("fr-par-1"));
}

/// The same test in a process that lacks the right.
fn without_the_right() {
    let test = "scaleway::who_may_not_use_such_a_port_is_told_what_it_takes";
    let drop = ["--bounding-set=-net_bind_service", "--inh-caps=-net_bind_service"];
    let started = Command::new("setpriv")
        .args(drop)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(UNPRIVILEGED, "1")
        .output();
    let Ok(ended) = started else { return skipped("there is no setpriv to take the right away with") };
    let (said, why) = (String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
    if said.is_empty() && why.starts_with("setpriv:") {
        return skipped(&why);
    }
    assert!(ended.status.success() && said.contains("1 passed"), "{said}\n{why}");
}

#[tokio::test]
async fn user_data_is_refused_before_anything_is_sent() {
    let fake = fake("scaleway").await;
    let client = told(&fake);
    for path in ["/user_data", "/user_data/cloud-init", "/User_Data/deploy-key", "/vendor_data/cloud-init"] {
        assert_eq!(client.raw(path, false).await.unwrap_err().kind(), ErrorKind::Secret, "{path}");
    }
    assert_eq!(fake.connections(), 0);
}

#[tokio::test]
async fn the_document_is_shown_without_keys_and_refused_as_variables() {
    let fake = fake("scaleway:many-ips").await;
    let client = told(&fake);
    let shown = String::from_utf8(client.raw("/conf?format=json", false).await.unwrap()).unwrap();
    assert!(shown.contains("PLAY2-MICRO") && shown.contains("\"edge\""), "{shown}");
    assert!(!shown.contains("ssh-rsa") && !shown.contains("ssh-ed25519"), "{shown}");
    let error = client.raw("/conf", false).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Secret, "{error}");
    assert!(client.raw("/conf", true).await.is_ok());
}

#[tokio::test]
async fn an_address_of_its_own_is_left_alone_unless_something_speaks_for_the_cloud() {
    let details = |files: MemoryFiles| async {
        let evidence = client_of(machine(files, &[])).detect().await.evidence;
        evidence.into_iter().map(|piece| piece.detail).collect::<Vec<_>>().join("\n")
    };
    // Nothing is reached: each address that would be asked is refused by name.
    let marked = details(MemoryFiles::new().with("/var/run/scaleway", "")).await;
    assert!(marked.contains("169.254.42.42"), "{marked}");
    let unmarked = details(MemoryFiles::new()).await;
    for address in
        ["169.254.42.42", "fd00:42::42", "100.100.100.200", "metadata.tencentyun.com", "169.254.0.23"]
    {
        assert!(!unmarked.contains(address), "{address}: {unmarked}");
    }
    assert!(unmarked.contains("169.254.169.254"), "{unmarked}");
}
