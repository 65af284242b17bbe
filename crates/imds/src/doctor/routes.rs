//! Which way the kernel would send packets to an address, asked without sending one.
//!
//! Connecting a UDP socket makes the kernel look its route up, rules and tables of all kinds included, and sends nothing. What
//! it says depends on the route alone: a packet filter sees no packet, and Landlock judges TCP only. So a `prohibit` route can be
//! told from a sandbox, although both say EACCES to the one who connects.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use crate::machine::Files;

/// Operation not permitted, which the kernel never says of a route.
pub(super) const EPERM: i32 = 1;
const RTF_UP: u32 = 0x1;
const RTF_REJECT: u32 = 0x200;

/// What becomes of packets to an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// They are sent, from this address.
    Sent { source: IpAddr },
    /// There is no route (ENETUNREACH).
    Missing,
    /// A route of the kind `prohibit` (EACCES).
    Prohibited,
    /// A route of the kind `unreachable` (EHOSTUNREACH).
    Unreachable,
    /// A route of the kind `blackhole` (EINVAL).
    Blackhole,
    /// It couldn't be asked.
    Unknown,
}

/// One address of the service, and the way to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Route {
    pub(super) address: IpAddr,
    pub(super) fate: Fate,
    /// The interface, by the kernel's main table.
    pub(super) interface: Option<String>,
    /// What a rejecting route covers: `169.254.169.254/32`.
    pub(super) rejected: Option<String>,
}

impl Route {
    /// Asks the kernel.
    pub(super) fn look_up(address: SocketAddr, table: &Table) -> Self {
        let fate = fate(address);
        let (interface, rejected) = match (&fate, address.ip()) {
            (Fate::Sent { source }, ip) if *source == ip || ip.is_loopback() => (Some("lo".to_owned()), None),
            (Fate::Sent { .. }, IpAddr::V4(ip)) => (table.towards(ip).map(|row| row.interface.clone()), None),
            (_, IpAddr::V4(ip)) => (None, table.rejecting(ip).map(Row::network)),
            (_, IpAddr::V6(_)) => (None, None),
        };
        Self { address: address.ip(), fate, interface, rejected }
    }

    /// The address with the length of its prefix, as `ip route` wants it.
    pub(super) fn host(&self) -> String {
        format!("{}/{}", self.address, if self.address.is_ipv4() { 32 } else { 128 })
    }

    /// The way in words.
    pub(super) fn describe(&self) -> String {
        let address = self.address;
        match (&self.fate, &self.interface) {
            (Fate::Sent { source }, Some(interface)) => {
                format!("{address} from {source} through {interface}")
            }
            (Fate::Sent { source }, None) => format!("{address} from {source}"),
            (Fate::Missing, _) => format!("no route to {address}"),
            (Fate::Prohibited, _) => format!("the route to {address} is of the kind prohibit"),
            (Fate::Unreachable, _) => format!("the route to {address} is of the kind unreachable"),
            (Fate::Blackhole, _) => format!("the route to {address} is of the kind blackhole"),
            (Fate::Unknown, _) => format!("the route to {address} can't be looked up"),
        }
    }
}

fn fate(address: SocketAddr) -> Fate {
    let any: IpAddr = match address {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let Ok(socket) = UdpSocket::bind((any, 0)) else {
        // Without IPv6 in the kernel there is no such socket.
        return if address.is_ipv6() { Fate::Missing } else { Fate::Unknown };
    };
    match socket.connect(address).and_then(|()| socket.local_addr()) {
        Ok(local) => Fate::Sent { source: local.ip() },
        Err(error) => fate_by(&error),
    }
}

fn fate_by(error: &io::Error) -> Fate {
    match error.kind() {
        io::ErrorKind::NetworkUnreachable | io::ErrorKind::AddrNotAvailable => Fate::Missing,
        io::ErrorKind::HostUnreachable => Fate::Unreachable,
        io::ErrorKind::InvalidInput => Fate::Blackhole,
        io::ErrorKind::PermissionDenied if error.raw_os_error() != Some(EPERM) => Fate::Prohibited,
        _ => Fate::Unknown,
    }
}

/// The kernel's main table for IPv4 (`/proc/net/route`).
#[derive(Clone, Debug, Default)]
pub(super) struct Table(Vec<Row>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) interface: String,
    destination: Ipv4Addr,
    mask: Ipv4Addr,
    metric: u32,
    flags: u32,
}

impl Table {
    pub(super) fn read(files: &dyn Files) -> Self {
        let text = files.read("/proc/net/route").unwrap_or_default();
        Self(String::from_utf8_lossy(&text).lines().filter_map(Row::parse).collect())
    }

    /// The row that decides for an address: the longest prefix, then the lowest metric.
    fn deciding(&self, rows: impl Fn(&Row) -> bool) -> Option<&Row> {
        let up = self.0.iter().filter(|row| row.flags & RTF_UP != 0 && rows(row));
        up.max_by_key(|row| (u32::from(row.mask), std::cmp::Reverse(row.metric)))
    }

    fn towards(&self, address: Ipv4Addr) -> Option<&Row> {
        self.deciding(|row| row.covers(address)).filter(|row| !row.stops())
    }

    fn rejecting(&self, address: Ipv4Addr) -> Option<&Row> {
        self.deciding(|row| row.covers(address)).filter(|row| row.stops())
    }

    /// Whether anything is sent through an interface.
    pub(super) fn uses(&self, interface: &str) -> bool {
        self.0.iter().any(|row| row.interface == interface && row.flags & RTF_UP != 0)
    }

    /// The interface to everywhere else.
    pub(super) fn default_interface(&self) -> Option<&str> {
        let everywhere = |row: &Row| row.mask == Ipv4Addr::UNSPECIFIED && !row.stops();
        self.deciding(everywhere).map(|row| row.interface.as_str())
    }
}

impl Row {
    fn parse(line: &str) -> Option<Self> {
        let columns: Vec<&str> = line.split_whitespace().collect();
        // The kernel prints addresses as the machine's own integers.
        let address = |at: usize| {
            let number = u32::from_str_radix(columns.get(at)?, 16).ok()?;
            Some(Ipv4Addr::from(number.to_ne_bytes()))
        };
        Some(Self {
            interface: (*columns.first()?).to_owned(),
            destination: address(1)?,
            mask: address(7)?,
            metric: columns.get(6)?.parse().ok()?,
            flags: u32::from_str_radix(columns.get(3)?, 16).ok()?,
        })
    }

    /// Whether it stops packets. A blackhole isn't marked as rejecting, but leads nowhere.
    fn stops(&self) -> bool {
        self.flags & RTF_REJECT != 0 || self.interface == "*"
    }

    fn covers(&self, address: Ipv4Addr) -> bool {
        u32::from(address) & u32::from(self.mask) == u32::from(self.destination)
    }

    fn network(&self) -> String {
        format!("{}/{}", self.destination, u32::from(self.mask).count_ones())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::MemoryFiles;

    /// As a machine with two interfaces, a VPN and a prohibited address prints it.
    #[cfg(target_endian = "little")]
    const TABLE: &str = "\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth1\t00000000\t0102A8C0\t0003\t0\t0\t200\t00000000\t0\t0\t0
eth0\t00000000\t0100000A\t0003\t0\t0\t100\t00000000\t0\t0\t0
eth0\t0000000A\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0
tun0\t0000FEA9\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
*\tFEA9FEA9\t00000000\t0205\t0\t0\t0\tFFFFFFFF\t0\t0\t0
";

    #[cfg(target_endian = "little")]
    #[test]
    fn the_table_says_which_interface_and_which_rejection() {
        let table = Table::read(&MemoryFiles::new().with("/proc/net/route", TABLE));
        assert_eq!(table.default_interface(), Some("eth0"));
        let towards = |ip: &str| table.towards(ip.parse().unwrap()).map(|row| row.interface.as_str());
        assert_eq!(towards("10.0.0.7"), Some("eth0"));
        assert_eq!(towards("169.254.42.42"), Some("tun0"));
        assert_eq!(towards("169.254.169.254"), None);
        let rejecting = |ip: &str| table.rejecting(ip.parse().unwrap()).map(Row::network);
        assert_eq!(rejecting("169.254.169.254").as_deref(), Some("169.254.169.254/32"));
        assert_eq!(rejecting("169.254.42.42"), None);
        assert_eq!(Table::read(&MemoryFiles::new()).default_interface(), None);
    }

    #[test]
    fn an_error_of_the_kernel_names_the_kind_of_route() {
        for (kind, fate) in [
            (io::ErrorKind::NetworkUnreachable, Fate::Missing),
            (io::ErrorKind::HostUnreachable, Fate::Unreachable),
            (io::ErrorKind::InvalidInput, Fate::Blackhole),
            (io::ErrorKind::PermissionDenied, Fate::Prohibited),
            (io::ErrorKind::OutOfMemory, Fate::Unknown),
        ] {
            assert_eq!(fate_by(&kind.into()), fate, "{kind}");
        }
        assert_eq!(fate_by(&io::Error::from_raw_os_error(EPERM)), Fate::Unknown);
    }

    #[test]
    fn the_way_to_loopback_is_loopback() {
        let route = Route::look_up("127.0.0.1:80".parse().unwrap(), &Table::default());
        assert_eq!(route.fate, Fate::Sent { source: Ipv4Addr::LOCALHOST.into() });
        assert_eq!((route.interface.as_deref(), route.host()), (Some("lo"), "127.0.0.1/32".to_owned()));
    }
}
