//! What the CloudWatch agent asks the machine itself: its name, its address and the date.

use imds::machine::{Files, Sysroot};
use imds_template::dialect::cloudwatch::Host;

/// Asks this machine. Everything comes from here and not from below `--sysroot`, as the agent has it.
pub(super) fn ask() -> Host {
    Host {
        hostname: hostname(),
        ip_address: ip_address(&Sysroot::new("/")),
        date: today(),
        windows: cfg!(windows),
    }
}

/// Where the zone can't be read, the date is that of UTC.
#[cfg(unix)]
fn today() -> String {
    let zone = match std::env::var("TZ") {
        Ok(zone) if !zone.is_empty() => tz::TimeZone::from_posix_tz(&zone),
        _ => tz::TimeZone::local(),
    };
    let zone = zone.unwrap_or_else(|_| tz::TimeZone::utc());
    // The clock of a machine never says a year that can't be written.
    tz::DateTime::now(zone.as_ref()).map_or_else(
        |_| String::new(),
        |now| format!("{:04}-{:02}-{:02}", now.year(), now.month(), now.month_day()),
    )
}

#[cfg(not(unix))]
fn today() -> String {
    jiff::Zoned::now().date().to_string()
}

#[cfg(unix)]
fn hostname() -> Option<String> {
    let name = rustix::system::uname().nodename().to_str().ok()?.to_owned();
    Some(name).filter(|name| !name.is_empty())
}

#[cfg(not(unix))]
fn hostname() -> Option<String> {
    std::env::var("COMPUTERNAME").ok().filter(|name| !name.is_empty())
}

/// The first IPv4 address that isn't a loopback address, by Linux's tables (proc(5)). The agent takes the interfaces in
/// their order; the networks that are connected directly stand in the routing table by interface, and the default route's
/// interface is the one that is meant on every machine with one.
fn ip_address(files: &dyn Files) -> Option<String> {
    let read = |path| files.read(path).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let addresses = local_addresses(&read("/proc/net/fib_trie")?);
    let routes = routes(&read("/proc/net/route").unwrap_or_default());
    let main = routes.iter().find(|route| route.mask == 0).map(|route| route.interface.as_str());
    let is_main = |address: &&u32| {
        routes.iter().any(|route| {
            Some(route.interface.as_str()) == main
                && route.mask != 0
                && route.gateway == 0
                && *address & route.mask == route.network
        })
    };
    let address = addresses.iter().find(is_main).or(addresses.first())?;
    Some(std::net::Ipv4Addr::from(*address).to_string())
}

/// The machine's own addresses: those with a line `/32 host LOCAL` below them.
fn local_addresses(trie: &str) -> Vec<u32> {
    let mut addresses = Vec::new();
    let mut last = None;
    for line in trie.lines().map(str::trim) {
        if let Some(address) = line.strip_prefix("|-- ") {
            last = address.parse::<std::net::Ipv4Addr>().ok();
        } else if line == "/32 host LOCAL"
            && let Some(address) = last.filter(|address| !address.is_loopback())
            && !addresses.contains(&address.to_bits())
        {
            addresses.push(address.to_bits());
        }
    }
    addresses
}

struct Route {
    interface: String,
    network: u32,
    gateway: u32,
    mask: u32,
}

/// The lines of the routing table. Its addresses are in the machine's own byte order.
fn routes(table: &str) -> Vec<Route> {
    let route = |line: &str| {
        let mut words = line.split_whitespace();
        let interface = words.next()?.to_owned();
        let mut number = |skip| {
            let word = words.nth(skip)?;
            u32::from_str_radix(word, 16).ok().map(|number| u32::from_be_bytes(number.to_ne_bytes()))
        };
        Some(Route { interface, network: number(0)?, gateway: number(0)?, mask: number(4)? })
    };
    table.lines().skip(1).filter_map(route).collect()
}

#[cfg(test)]
mod tests {
    use imds::machine::MemoryFiles;

    use super::*;

    const TRIE: &str = "\
Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 127.0.0.0/8 2 0 2
           |-- 127.0.0.1
              /32 host LOCAL
     +-- 172.17.0.0/16 2 0 2
        |-- 172.17.0.1
           /32 host LOCAL
     +-- 192.168.7.0/24 2 0 2
        |-- 192.168.7.0
           /24 link UNICAST
        |-- 192.168.7.20
           /32 host LOCAL
        |-- 192.168.7.255
           /32 link BROADCAST
Local:
        |-- 192.168.7.20
           /32 host LOCAL
";

    /// As a little-endian machine writes it.
    #[cfg(target_endian = "little")]
    const ROUTES: &str = "\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t0107A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0
docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
eth0\t0007A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
";

    #[test]
    #[cfg(target_endian = "little")]
    fn the_address_is_that_of_the_interface_with_the_default_route() {
        let files = MemoryFiles::new().with("/proc/net/fib_trie", TRIE).with("/proc/net/route", ROUTES);
        assert_eq!(ip_address(&files).as_deref(), Some("192.168.7.20"));
    }

    #[test]
    fn without_routes_it_is_the_first_that_is_no_loopback() {
        let files = MemoryFiles::new().with("/proc/net/fib_trie", TRIE);
        assert_eq!(ip_address(&files).as_deref(), Some("172.17.0.1"));
        assert_eq!(ip_address(&MemoryFiles::new()), None);
    }
}
