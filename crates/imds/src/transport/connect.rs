//! One connection, IPv4 and IPv6 raced.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time;

use super::Failure;

/// The head start of the preferred address. A link-local service answers within a millisecond or two.
const HEAD_START: Duration = Duration::from_millis(50);

/// Connects to the first address that answers, starting with the preferred one; the others follow after a short head
/// start, or at once when an earlier one failed.
pub(crate) async fn race(addresses: &[SocketAddr]) -> io::Result<TcpStream> {
    let mut waiting = addresses.iter().copied();
    let mut running = JoinSet::new();
    let mut failure = None;
    let mut start_next = true;
    loop {
        if start_next && let Some(address) = waiting.next() {
            tracing::trace!(%address, "connecting");
            running.spawn(async move { (address, TcpStream::connect(address).await) });
        }
        let ended = if waiting.len() == 0 {
            running.join_next().await
        } else {
            match time::timeout(HEAD_START, running.join_next()).await {
                Ok(ended) => ended,
                Err(_) => {
                    start_next = true;
                    continue;
                }
            }
        };
        match ended {
            Some(Ok((address, Ok(stream)))) => {
                tracing::trace!(%address, "connected");
                // Small requests shouldn't wait for anything; a socket that can't say so still works.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Some(Ok((address, Err(error)))) => {
                tracing::trace!(%address, %error, "no connection");
                failure = Some(worse(failure, error));
                start_next = true;
            }
            Some(Err(error)) => return Err(io::Error::other(error)),
            None => return Err(failure.unwrap_or_else(|| io::ErrorKind::AddrNotAvailable.into())),
        }
    }
}

/// Connects from a port below 1024, by which some services know that root is asking. Ports that are taken are passed over.
pub(crate) async fn from_privileged_port(addresses: &[SocketAddr]) -> Result<TcpStream, Failure> {
    /// Below are the ports of well-known services, which firewalls may look at.
    const PORTS: std::ops::RangeInclusive<u16> = 600..=1023;
    let unspecified = |address: &SocketAddr| -> IpAddr {
        if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() }
    };
    let mut failure = Failure::NotConnected(io::ErrorKind::AddrNotAvailable.into());
    for address in addresses {
        let offset = fastrand::u16(0..PORTS.end() - PORTS.start());
        for port in PORTS.skip(offset.into()).chain(PORTS.take(offset.into())) {
            let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() };
            let socket = socket.map_err(Failure::NotConnected)?;
            // A port whose last connection only just ended can be used again.
            socket.set_reuseaddr(true).map_err(Failure::NotConnected)?;
            match socket.bind(SocketAddr::new(unspecified(address), port)) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => continue,
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                    return Err(Failure::Unprivileged(error));
                }
                Err(error) => return Err(Failure::NotConnected(error)),
            }
            match socket.connect(*address).await {
                Ok(stream) => return Ok(stream),
                Err(error)
                    if matches!(error.kind(), io::ErrorKind::AddrInUse | io::ErrorKind::AddrNotAvailable) => {
                }
                Err(error) => {
                    failure = refused(error);
                    break;
                }
            }
        }
    }
    Err(failure)
}

/// Why there is no connection.
pub(crate) fn refused(error: io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::PermissionDenied => Failure::Locked(error),
        _ => Failure::NotConnected(error),
    }
}

/// The failure that tells more: a missing IPv6 route mustn't hide why IPv4 failed.
fn worse(one: Option<io::Error>, other: io::Error) -> io::Error {
    let no_route = |error: &io::Error| {
        matches!(
            error.kind(),
            io::ErrorKind::NetworkUnreachable
                | io::ErrorKind::HostUnreachable
                | io::ErrorKind::AddrNotAvailable
        )
    };
    match one {
        Some(one) if no_route(&other) || !no_route(&one) => one,
        _ => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn the_second_address_serves_when_the_first_is_dead() {
        let dead = {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            listener.local_addr().unwrap()
        };
        let alive = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = alive.local_addr().unwrap();
        assert_eq!(race(&[dead, address]).await.unwrap().peer_addr().unwrap(), address);
        assert_eq!(race(&[dead]).await.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        assert!(race(&[]).await.is_err());
    }
}
