//! Lease files of DHCP clients, as files of a machine: the service that is asked is on a server that a lease names, or it is
//! said that none does.
#![no_main]

use std::net::Ipv4Addr;
use std::sync::Arc;

use imds::machine::{Environment, MemoryFiles};
use imds::{Client, Config, ErrorKind, Network};
use imds_fuzz::files;
use libfuzzer_sys::fuzz_target;

thread_local! {
    static RUNTIME: tokio::runtime::Runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
}

/// What stands in front of the server's address.
const MARKS: [&str; 2] = ["SERVER_ADDRESS=", "option dhcp-server-identifier "];

/// Every address that a line names, whatever stands behind it.
fn named(content: &[u8]) -> Vec<Ipv4Addr> {
    let content = String::from_utf8_lossy(content);
    let lines =
        content.lines().filter_map(|line| MARKS.iter().find_map(|mark| line.trim().strip_prefix(mark)));
    let address = |text: &str| text.trim_matches(|c: char| c.is_whitespace() || c == ';').parse().ok();
    lines.filter_map(address).collect()
}

fuzz_target!(|data: &[u8]| {
    let files = files::split(data);
    let named: Vec<Ipv4Addr> = files.iter().flat_map(|(_, content)| named(content)).collect();
    // Those would be asked, and nobody is there.
    if named.iter().any(Ipv4Addr::is_loopback) {
        return;
    }
    let memory = files.iter().fold(MemoryFiles::new(), |memory, (path, content)| memory.with(path, *content));
    let builder = Config::builder(Environment::default()).files(Arc::new(memory)).network(Network::Loopback);
    let client =
        Client::new(builder.cloud("cloudstack", "the fuzzer").build().expect("the cloud is built in"));
    let read = RUNTIME.with(|runtime| runtime.block_on(client.raw("/latest/meta-data/instance-id", false)));
    let error = read.expect_err("only loopback may be asked, and no server is there");
    match error.kind() {
        ErrorKind::NetworkForbidden => {
            let place: Ipv4Addr =
                error.path().unwrap_or_default().parse().unwrap_or_else(|_| panic!("{error:?}"));
            assert!(named.contains(&place), "{place} is in no lease: {named:?}");
            assert!(!place.is_unspecified() && !place.is_broadcast() && !place.is_multicast(), "{place}");
        }
        ErrorKind::Unreachable => {
            let possible = |address: &Ipv4Addr| {
                !(address.is_unspecified() || address.is_broadcast() || address.is_multicast())
            };
            // A file by this name is a lease of systemd's, and the plain form is complete.
            let missed = files.iter().any(|(path, content)| {
                *path == "/run/systemd/netif/leases/2"
                    && self::named(content).last().is_some_and(possible)
                    // Each form wants what stands behind the address to be its own.
                    && !content.contains(&b';')
                    && !String::from_utf8_lossy(content).contains("identifier")
                    && files.iter().filter(|(other, _)| other.trim_matches('/') == path.trim_matches('/')).count() == 1
            });
            assert!(!missed, "the lease names a server: {error}");
        }
        kind => panic!("{kind}: {error}"),
    }
});
