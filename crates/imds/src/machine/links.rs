//! Which links this machine has: a link-local address says nothing without one.

use super::Files;

/// Links that are tried; a machine with more has better ways to its service.
const LIMIT: usize = 4;

/// The indices of the interfaces through which the kernel would reach IPv6 link-local addresses, in the order of its own
/// table (`/proc/net/ipv6_route`); loopback isn't one.
pub(crate) fn indices(files: &dyn Files) -> Vec<u32> {
    let Ok(table) = files.read("/proc/net/ipv6_route") else { return Vec::new() };
    let table = String::from_utf8_lossy(&table);
    let mut indices = Vec::new();
    for line in table.lines() {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let (Some(destination), Some(prefix), Some(device)) =
            (columns.first(), columns.get(1), columns.get(9))
        else {
            continue;
        };
        if !destination.starts_with("fe80") || *prefix != "40" || *device == "lo" {
            continue;
        }
        let index = files.read(&format!("/sys/class/net/{device}/ifindex")).ok();
        let index = index.and_then(|text| String::from_utf8(text).ok()?.trim().parse().ok());
        if let Some(index) = index.filter(|index| !indices.contains(index)) {
            indices.push(index);
        }
        if indices.len() == LIMIT {
            break;
        }
    }
    indices
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::MemoryFiles;

    #[test]
    fn links_with_link_local_routes_are_found() {
        let zeros = "0".repeat(32);
        let line = |destination: &str, prefix: &str, device: &str| {
            format!(
                "{destination} {prefix} {zeros} 00 {zeros} 00000100 00000001 00000000 00000001     {device}\n"
            )
        };
        let fe80 = format!("fe80{}", "0".repeat(28));
        let table = line(&fe80, "40", "lo")
            + &line(&fe80, "40", "eth0")
            + &line(&zeros, "00", "eth1")
            + &line(&fe80, "40", "eth0")
            + &line(&fe80, "40", "gone")
            + "garbage\n";
        let files = MemoryFiles::new()
            .with("/proc/net/ipv6_route", table)
            .with("/sys/class/net/lo/ifindex", "1\n")
            .with("/sys/class/net/eth0/ifindex", "2\n")
            .with("/sys/class/net/eth1/ifindex", "3\n");
        assert_eq!(indices(&files), [2]);
        assert!(indices(&MemoryFiles::new()).is_empty());
    }
}
