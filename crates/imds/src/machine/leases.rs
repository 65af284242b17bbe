//! Who leased this machine its address: in some clouds the DHCP server is the metadata service as well.
//!
//! | client | where | the server's address |
//! |---|---|---|
//! | systemd-networkd | `/run/systemd/netif/leases/*` | `SERVER_ADDRESS=` |
//! | NetworkManager | `/var/lib/NetworkManager/*.lease` | `SERVER_ADDRESS=`, or as ISC's |
//! | ISC dhclient | `/var/lib/dhcp/*.lease*`, `/var/lib/dhclient/*.lease*` | `option dhcp-server-identifier ADDRESS;`, the last one |
//! | dhcpcd | `/run/dhcpcd/*` and others keep them in binary | – |
//!
//! Sources: the programs' own formats (systemd `sd-dhcp-lease.c`, `dhclient.leases(5)`), cloud-init `DataSourceCloudStack`.

use std::net::Ipv4Addr;

use super::Files;

const FOLDERS: [&str; 4] =
    ["/run/systemd/netif/leases", "/var/lib/NetworkManager", "/var/lib/dhcp", "/var/lib/dhclient"];

/// The addresses of DHCP servers that lease files name, each once; of every file the last that it names.
pub(crate) fn servers(files: &dyn Files) -> Vec<Ipv4Addr> {
    let mut servers = Vec::new();
    for folder in FOLDERS {
        let names = files.list(folder).unwrap_or_default();
        let is_lease = |name: &String| folder.ends_with("/leases") || name.contains("lease");
        for name in names.iter().filter(|name| is_lease(name)) {
            let Ok(content) = files.read(&format!("{folder}/{name}")) else { continue };
            let last = String::from_utf8_lossy(&content).lines().filter_map(server).next_back();
            if let Some(server) = last.filter(|server| !servers.contains(server)) {
                servers.push(server);
            }
        }
    }
    servers
}

/// The server that a line of a lease file names. No server has a loopback or broadcast address.
fn server(line: &str) -> Option<Ipv4Addr> {
    let line = line.trim();
    let text = line
        .strip_prefix("SERVER_ADDRESS=")
        .or_else(|| line.strip_prefix("option dhcp-server-identifier ")?.strip_suffix(';'))?;
    let address: Ipv4Addr = text.trim().parse().ok()?;
    let impossible = address.is_unspecified() || address.is_broadcast() || address.is_multicast();
    (!impossible).then_some(address)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::MemoryFiles;

    #[test]
    fn the_server_is_found_in_every_clients_lease() {
        let isc = "lease {\n  option dhcp-server-identifier 10.1.1.1;\n}\nlease {\n  option dhcp-server-identifier 10.1.1.2;\n}\n";
        for (path, content, expected) in [
            ("/run/systemd/netif/leases/2", "ADDRESS=10.0.0.9\nSERVER_ADDRESS=10.0.0.1\n", "10.0.0.1"),
            ("/var/lib/NetworkManager/internal-1-eth0.lease", "SERVER_ADDRESS=10.0.0.1\n", "10.0.0.1"),
            ("/var/lib/dhcp/dhclient.eth0.leases", isc, "10.1.1.2"),
            ("/var/lib/dhclient/dhclient.leases", isc, "10.1.1.2"),
        ] {
            let found = servers(&MemoryFiles::new().with(path, content));
            assert_eq!(found, [expected.parse::<Ipv4Addr>().unwrap()], "{path}");
        }
    }

    #[test]
    fn what_is_no_lease_names_nobody() {
        for (path, content) in [
            ("/var/lib/NetworkManager/secret_key", "SERVER_ADDRESS=10.0.0.1\n"),
            ("/run/systemd/netif/leases/2", "SERVER_ADDRESS=\nSERVER_ADDRESS=0.0.0.0\n"),
            ("/var/lib/dhcp/dhclient.leases", "option dhcp-server-identifier 10.1.1.1\n"),
            ("/var/lib/dhcp/dhclient.leases", "\u{0}\u{1}\u{2}"),
        ] {
            assert!(servers(&MemoryFiles::new().with(path, content)).is_empty(), "{path} {content}");
        }
    }
}
