//! How connections leave this machine, where its routing table alone doesn't lead to the service: through a named interface,
//! from a given address, with a mark that the host's rules look at.
//!
//! | wanted | how | who may |
//! |---|---|---|
//! | interface | `SO_BINDTODEVICE` (socket(7)) | anybody since Linux 5.7; before, `CAP_NET_RAW` |
//! | source address | `bind` before `connect` | anybody |
//! | mark | `SO_MARK` (socket(7)) | `CAP_NET_ADMIN`; since Linux 5.17 `CAP_NET_RAW` as well |

#[cfg(target_os = "linux")]
#[path = "linux.rs"]
mod system;
#[cfg(not(target_os = "linux"))]
#[path = "elsewhere.rs"]
mod system;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

use imds_model::{Error, ErrorKind};
use tokio::net::TcpSocket;

use super::Failure;

/// The longest name of an interface (`IFNAMSIZ`, less the NUL).
const NAME_LIMIT: usize = 15;

/// How connections leave this machine; by default, as its routing table says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Egress {
    interface: Option<String>,
    source: Option<IpAddr>,
    mark: Option<u32>,
}

impl Egress {
    /// From what was told, each with where it was told.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for what can't be meant, or can't be done on this system.
    pub(crate) fn parse(
        interface: Option<(String, String)>,
        source: Option<(String, String)>,
        mark: Option<(String, String)>,
    ) -> Result<Self, Error> {
        Ok(Self {
            interface: interface.map(|(name, origin)| interface_of(name, &origin)).transpose()?,
            source: source.map(|(text, origin)| source_of(&text, &origin)).transpose()?,
            mark: mark.map(|(text, origin)| mark_of(&text, &origin)).transpose()?,
        })
    }

    /// The addresses that can be reached so: those of the source address's family.
    ///
    /// # Errors
    /// [`Failure::Egress`] where that leaves none.
    pub(super) fn reachable(&self, addresses: &[SocketAddr]) -> Result<Vec<SocketAddr>, Failure> {
        let Some(source) = self.source else { return Ok(addresses.to_vec()) };
        let fits = |address: &&SocketAddr| address.is_ipv4() == source.is_ipv4();
        let fitting: Vec<SocketAddr> = addresses.iter().filter(fits).copied().collect();
        if fitting.is_empty() && !addresses.is_empty() {
            let (own, other) = if source.is_ipv4() { ("IPv4", "IPv6") } else { ("IPv6", "IPv4") };
            let message =
                format!("the source address {source} is of {own}, and the service is asked over {other}");
            let error = Error::new(ErrorKind::Unreachable, message);
            return Err(Failure::Egress(error.with_remedy(format!("give a source address of {other}"))));
        }
        Ok(fitting)
    }

    /// A socket for a connection to this address, from this port where it isn't 0.
    pub(super) fn socket(&self, to: &SocketAddr, port: u16) -> Result<TcpSocket, Refusal> {
        let socket = if to.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() };
        let socket = socket.map_err(Refusal::Other)?;
        if let Some(name) = &self.interface {
            system::bind_to(&socket, name).map_err(|error| Refusal::Failure(no_interface(name, error)))?;
        }
        if let Some(mark) = self.mark {
            system::mark(&socket, mark).map_err(|error| Refusal::Failure(no_mark(mark, error)))?;
        }
        if port != 0 {
            // A port whose last connection only just ended can be used again.
            socket.set_reuseaddr(true).map_err(Refusal::Other)?;
        }
        if port != 0 || self.source.is_some() {
            socket.bind(self.from(to, port)).map_err(|error| match (self.source, error.kind()) {
                (Some(source), io::ErrorKind::AddrNotAvailable) => Refusal::Failure(no_source(source, error)),
                _ => Refusal::Other(error),
            })?;
        }
        Ok(socket)
    }

    /// Where a connection to this address comes from.
    fn from(&self, to: &SocketAddr, port: u16) -> SocketAddr {
        match (self.source, to) {
            // A link-local address says nothing without the link, which is that of the service.
            (Some(IpAddr::V6(source)), SocketAddr::V6(to)) if source.is_unicast_link_local() => {
                SocketAddrV6::new(source, port, 0, to.scope_id()).into()
            }
            (Some(source), _) => SocketAddr::new(source, port),
            (None, SocketAddr::V4(_)) => SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port),
            (None, SocketAddr::V6(_)) => SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), port),
        }
    }
}

/// Why there is no socket.
pub(super) enum Refusal {
    /// What was wanted of it can't be had.
    Failure(Failure),
    /// Something else.
    Other(io::Error),
}

fn interface_of(name: String, origin: &str) -> Result<String, Error> {
    if !system::CAN_BIND {
        return Err(elsewhere(origin, "a connection can be bound to an interface"));
    }
    let is_name = !name.is_empty()
        && name.len() <= NAME_LIMIT
        && name != "."
        && name != ".."
        && !name.contains(|c: char| c == '/' || c.is_whitespace() || c == '\0');
    if is_name {
        return Ok(name);
    }
    Err(Error::new(ErrorKind::Usage, format!("no interface can be called {name:?}"))
        .with_path(origin)
        .with_remedy("`ip link` lists the interfaces"))
}

fn source_of(text: &str, origin: &str) -> Result<IpAddr, Error> {
    let remedy = "write one of this machine's own addresses, such as 10.0.0.4; `ip address` lists them";
    let invalid = |why| Error::new(ErrorKind::Usage, why).with_path(origin).with_remedy(remedy);
    let address: IpAddr = text.parse().map_err(|_| invalid(format!("{text:?} is no IP address")))?;
    if address.is_unspecified() || address.is_multicast() {
        return Err(invalid(format!("{text} is no machine's address")));
    }
    Ok(address)
}

fn mark_of(text: &str, origin: &str) -> Result<u32, Error> {
    if !system::CAN_BIND {
        return Err(elsewhere(origin, "packets can be marked"));
    }
    let hexadecimal = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    let number = match hexadecimal {
        Some(digits) if !digits.starts_with('+') => u32::from_str_radix(digits, 16).ok(),
        Some(_) => None,
        None => text.parse().ok(),
    };
    number.ok_or_else(|| {
        Error::new(ErrorKind::Usage, format!("{text:?} is no mark of packets"))
            .with_path(origin)
            .with_remedy("write a number up to 4294967295, or in hexadecimal: 0x7fff0815")
    })
}

fn elsewhere(origin: &str, what: &str) -> Error {
    Error::new(ErrorKind::Usage, format!("only on Linux {what}"))
        .with_path(origin)
        .with_remedy("leave it out; a route to the service does the same")
}

fn no_interface(name: &str, error: io::Error) -> Failure {
    Failure::Egress(
        match error.kind() {
            io::ErrorKind::PermissionDenied => Error::new(
                ErrorKind::Locked,
                format!("this process may not bind a connection to the interface {name} ({error})"),
            )
            .with_remedy("ask as root, or with the capability CAP_NET_RAW"),
            // ENODEV has no kind of its own.
            _ => Error::new(
                ErrorKind::Unreachable,
                format!("there is no way through the interface {name} ({error})"),
            )
            .with_remedy(
                "`ip link` lists the interfaces of this machine, and of the container that this may be",
            ),
        }
        .with_source(error),
    )
}

fn no_mark(mark: u32, error: io::Error) -> Failure {
    let kind = match error.kind() {
        io::ErrorKind::PermissionDenied => ErrorKind::Locked,
        _ => ErrorKind::Unreachable,
    };
    let message = format!("this process may not mark its packets with {mark:#x} ({error})");
    Failure::Egress(
        Error::new(kind, message)
            .with_remedy("ask as root, or with the capability CAP_NET_ADMIN")
            .with_source(error),
    )
}

fn no_source(source: IpAddr, error: io::Error) -> Failure {
    Failure::Egress(
        Error::new(
            ErrorKind::Unreachable,
            format!("this machine doesn't have the address {source} ({error})"),
        )
        .with_remedy("`ip address` lists its addresses")
        .with_source(error),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Option<(String, String)> {
        Some((text.to_owned(), "--option".to_owned()))
    }

    #[test]
    fn what_cannot_be_meant_is_refused_by_name() {
        for name in ["", "a/b", "a b", "..", "sixteen-letters!"] {
            let error = Egress::parse(told(name), None, None).unwrap_err();
            assert_eq!((error.kind(), error.path()), (ErrorKind::Usage, Some("--option")), "{name:?}");
        }
        for source in ["", "eth0", "10.0.0.4:80", "0.0.0.0", "::", "224.0.0.1", "10.0.0.0/8"] {
            let error = Egress::parse(None, told(source), None).unwrap_err();
            assert_eq!((error.kind(), error.path()), (ErrorKind::Usage, Some("--option")), "{source:?}");
        }
        for mark in ["", "-1", "4294967296", "0x", "0x1_0", "0x+1", "ten"] {
            let error = Egress::parse(None, None, told(mark)).unwrap_err();
            assert_eq!((error.kind(), error.path()), (ErrorKind::Usage, Some("--option")), "{mark:?}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn marks_are_decimal_or_hexadecimal() {
        for (text, mark) in [("0", 0), ("7", 7), ("0x7fff0815", 0x7fff_0815), ("0XFF", 255)] {
            assert_eq!(Egress::parse(None, None, told(text)).unwrap().mark, Some(mark), "{text}");
        }
    }

    #[test]
    fn only_addresses_of_the_sources_family_are_left() {
        let four: SocketAddr = "169.254.169.254:80".parse().unwrap();
        let six: SocketAddr = "[fd00:ec2::254]:80".parse().unwrap();
        let egress = |source| Egress::parse(None, told(source), None).unwrap();
        assert_eq!(Egress::default().reachable(&[four, six]).unwrap(), [four, six]);
        assert_eq!(egress("10.0.0.4").reachable(&[four, six]).unwrap(), [four]);
        assert_eq!(egress("fd00::4").reachable(&[four, six]).unwrap(), [six]);
        assert!(matches!(egress("fd00::4").reachable(&[four]), Err(Failure::Egress(_))));
    }

    #[test]
    fn a_link_local_source_is_on_the_services_link() {
        let egress = Egress::parse(None, told("fe80::1"), None).unwrap();
        let service = SocketAddrV6::new("fe80::a9fe:a9fe".parse().unwrap(), 80, 0, 7);
        assert_eq!(egress.from(&service.into(), 0).to_string(), "[fe80::1%7]:0");
    }
}
