//! Whether the kernel's routes forbid an address, as opposed to a sandbox or a security module that says EACCES as well.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Files;

/// Whether some routing table's best route to the address is one that refuses: `prohibit`, or over IPv6, whose table doesn't
/// tell kinds of refusal apart, any. To be asked once connecting has failed with EACCES; then only `prohibit` can be meant.
pub(crate) fn forbid(files: &dyn Files, address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            read(files, "/proc/net/fib_trie").is_some_and(|trie| forbid_ipv4(&trie, address))
        }
        IpAddr::V6(address) => {
            read(files, "/proc/net/ipv6_route").is_some_and(|table| forbid_ipv6(&table, address))
        }
    }
}

fn read(files: &dyn Files, path: &str) -> Option<String> {
    files.read(path).ok().map(|content| String::from_utf8_lossy(&content).into_owned())
}

/// `/proc/net/fib_trie`: tables by name at the margin, below them leaves with the routes to each.
///
/// ```text
/// Main:
///   +-- 169.254.169.252/30 2 0 1
///      |-- 169.254.169.254
///         /32 universe PROHIBIT
/// ```
fn forbid_ipv4(trie: &str, address: Ipv4Addr) -> bool {
    let mut leaf = None;
    let mut best: Option<(u32, bool)> = None;
    for line in trie.lines() {
        if !line.starts_with(' ') {
            if best.is_some_and(|(_, prohibits)| prohibits) {
                return true;
            }
            (leaf, best) = (None, None);
            continue;
        }
        let mut words = line.split_whitespace();
        match words.next() {
            Some("|--") => leaf = words.next().and_then(|word| word.parse::<Ipv4Addr>().ok()),
            Some(word) if word.starts_with('/') => {
                let length = word.trim_start_matches('/').parse::<u32>().ok().filter(|length| *length <= 32);
                let (Some(leaf), Some(length)) = (leaf, length) else { continue };
                let mask = u32::MAX.checked_shl(32 - length).unwrap_or(0);
                let covers = u32::from(leaf) & mask == u32::from(address) & mask;
                if covers && best.is_none_or(|(longest, _)| length > longest) {
                    best = Some((length, words.any(|word| word == "PROHIBIT")));
                }
            }
            _ => {}
        }
    }
    best.is_some_and(|(_, prohibits)| prohibits)
}

/// `/proc/net/ipv6_route`: destination, prefix length, source, its length, next hop, metric, references, uses, flags, device;
/// all but the last in hexadecimal.
fn forbid_ipv6(table: &str, address: Ipv6Addr) -> bool {
    const RTF_REJECT: u32 = 0x200;
    /// Of the entry that stands for "no route at all".
    const LAST: u32 = u32::MAX;
    let mut best: Option<(u32, u32, bool)> = None;
    for line in table.lines() {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let number = |column: usize| columns.get(column).and_then(|text| u32::from_str_radix(text, 16).ok());
        let destination = columns.first().and_then(|text| u128::from_str_radix(text, 16).ok());
        let (Some(destination), Some(length), Some(metric), Some(flags)) =
            (destination, number(1).filter(|length| *length <= 128), number(5), number(8))
        else {
            continue;
        };
        let mask = u128::MAX.checked_shl(128 - length).unwrap_or(0);
        if metric == LAST || destination & mask != u128::from(address) & mask {
            continue;
        }
        let better =
            best.is_none_or(|(longest, least, _)| length > longest || (length == longest && metric < least));
        if better {
            best = Some((length, metric, flags & RTF_REJECT != 0));
        }
    }
    best.is_some_and(|(.., refuses)| refuses)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::MemoryFiles;

    /// As Linux 6.18 prints it after `ip route add prohibit 169.254.169.254`, `unreachable …253`, `blackhole …252`.
    const TRIE: &str = "\
Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 169.254.169.252/30 2 0 1
        |-- 169.254.169.252
           /32 universe BLACKHOLE
        |-- 169.254.169.253
           /32 universe UNREACHABLE
        |-- 169.254.169.254
           /32 universe PROHIBIT
     |-- 10.1.0.0
        /16 universe PROHIBIT
        /24 link UNICAST
Local:
  +-- 127.0.0.0/8 2 0 2
     |-- 127.0.0.1
        /32 host LOCAL
";

    fn refuses(files: &MemoryFiles, address: &str) -> bool {
        forbid(files, address.parse().unwrap())
    }

    #[test]
    fn only_a_prohibit_route_forbids() {
        let files = MemoryFiles::new().with("/proc/net/fib_trie", TRIE);
        for (address, forbidden) in [
            ("169.254.169.254", true),
            ("::ffff:169.254.169.254", true),
            ("169.254.169.253", false),
            ("169.254.169.252", false),
            ("8.8.8.8", false),
            ("127.0.0.1", false),
            ("10.1.7.7", true),
            // The narrower route wins.
            ("10.1.0.7", false),
        ] {
            assert_eq!(refuses(&files, address), forbidden, "{address}");
        }
        assert!(!refuses(&MemoryFiles::new(), "169.254.169.254"));
        let garbage =
            MemoryFiles::new().with("/proc/net/fib_trie", "  /33 x PROHIBIT\n |-- x\n /32 y PROHIBIT\n");
        assert!(!refuses(&garbage, "169.254.169.254"));
    }

    #[test]
    fn a_table_beside_the_main_one_counts_too() {
        let other = "Id 815:\n  |-- 169.254.169.254\n     /32 universe PROHIBIT\n";
        let files = MemoryFiles::new()
            .with("/proc/net/fib_trie", format!("{other}Main:\n  |-- 0.0.0.0\n     /0 universe UNICAST\n"));
        assert!(refuses(&files, "169.254.169.254") && !refuses(&files, "169.254.169.253"));
    }

    #[test]
    fn over_ipv6_a_route_that_rejects_forbids() {
        let zeros = "0".repeat(32);
        let line = |destination: &str, length: &str, metric: &str, flags: &str, device: &str| {
            format!(
                "{destination} {length} {zeros} 00 {zeros} {metric} 00000001 00000000 {flags}     {device}\n"
            )
        };
        let ec2 = "fd000ec2000000000000000000000254";
        let last = line(&zeros, "00", "ffffffff", "00200200", "lo");
        let default = line(&zeros, "00", "00000400", "00450003", "eth0");
        let of = |lines: &[&str]| {
            let files = MemoryFiles::new().with("/proc/net/ipv6_route", lines.concat());
            refuses(&files, "fd00:ec2::254")
        };
        let prohibit = line(ec2, "80", "00000400", "00200200", "lo");
        assert!(of(&[&default, &prohibit, &last]) && of(&[&prohibit]));
        // No route at all is no prohibition, and a better route precedes.
        assert!(!of(&[&last]) && !of(&[&default, &last]) && !of(&["garbage"]));
        let better = line(ec2, "80", "00000001", "00000001", "eth0");
        assert!(!of(&[&prohibit, &better]) && !of(&[&better, &prohibit]));
    }
}
