//! One connection, IPv4 and IPv6 raced.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time;

use super::Failure;
use super::egress::{Egress, Refusal};
use crate::task::task;

/// The head start of the preferred address. A link-local service answers within a millisecond or two.
const HEAD_START: Duration = Duration::from_millis(50);

/// Connects to the first address that answers, starting with the preferred one; the others follow after a short head
/// start, or at once when an earlier one failed.
pub(crate) async fn race(addresses: &[SocketAddr], egress: &Egress) -> Result<TcpStream, Failure> {
    let addresses = egress.reachable(addresses)?;
    let mut waiting = addresses.iter().copied();
    let mut running = JoinSet::new();
    let mut failure = None;
    let mut start_next = true;
    loop {
        if start_next && let Some(address) = waiting.next() {
            tracing::trace!(%address, "connecting");
            match egress.socket(&address, 0) {
                Ok(socket) => {
                    running.spawn(task(async move { (address, socket.connect(address).await) }));
                }
                // What can't be had for one address can't be had for another.
                Err(Refusal::Failure(failure)) => return Err(failure),
                // A system without IPv6 makes no such socket.
                Err(Refusal::Other(error)) => failure = Some(worse(failure, error)),
            }
        }
        let ended = if waiting.len() == 0 {
            running.join_next().await
        } else {
            match time::timeout(HEAD_START, running.join_next()).await {
                // Nothing is under way, and there are others to try.
                Ok(None) => {
                    start_next = true;
                    continue;
                }
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
            Some(Err(error)) => return Err(refused(io::Error::other(error))),
            None => return Err(refused(failure.unwrap_or_else(|| io::ErrorKind::AddrNotAvailable.into()))),
        }
    }
}

/// Connects from a port below 1024, by which some services know that root is asking. Ports that are taken are passed over.
pub(crate) async fn from_privileged_port(
    addresses: &[SocketAddr],
    egress: &Egress,
) -> Result<TcpStream, Failure> {
    /// Below are the ports of well-known services, which firewalls may look at.
    const PORTS: std::ops::RangeInclusive<u16> = 600..=1023;
    let mut failure = Failure::NotConnected(io::ErrorKind::AddrNotAvailable.into());
    for address in &egress.reachable(addresses)? {
        let offset = fastrand::u16(0..PORTS.end() - PORTS.start());
        for port in PORTS.skip(offset.into()).chain(PORTS.take(offset.into())) {
            let socket = match egress.socket(address, port) {
                Ok(socket) => socket,
                Err(Refusal::Failure(failure)) => return Err(failure),
                Err(Refusal::Other(error)) => match error.kind() {
                    io::ErrorKind::AddrInUse => continue,
                    io::ErrorKind::PermissionDenied => return Err(Failure::Unprivileged(error)),
                    _ => return Err(Failure::NotConnected(error)),
                },
            };
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

/// There are no sockets of this family, on Linux (asm-generic/errno.h): a kernel without IPv6, or a sandbox.
pub(crate) const EAFNOSUPPORT: i32 = 97;

/// The failure that tells more: a missing IPv6 route mustn't hide why IPv4 failed.
fn worse(one: Option<io::Error>, other: io::Error) -> io::Error {
    let no_route = |error: &io::Error| {
        error.raw_os_error() == Some(EAFNOSUPPORT)
            || matches!(
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

    #[test]
    fn what_ipv6_lacks_hides_nothing() {
        let no_ipv6 = || io::Error::from_raw_os_error(EAFNOSUPPORT);
        let of_ipv4 = || io::Error::from(io::ErrorKind::ConnectionRefused);
        assert_eq!(worse(Some(no_ipv6()), of_ipv4()).kind(), io::ErrorKind::ConnectionRefused);
        assert_eq!(worse(Some(of_ipv4()), no_ipv6()).kind(), io::ErrorKind::ConnectionRefused);
        let no_route = io::ErrorKind::NetworkUnreachable;
        assert_eq!(worse(Some(no_route.into()), no_ipv6()).kind(), no_route);
    }

    #[tokio::test]
    async fn the_second_address_serves_when_the_first_is_dead() {
        let dead = {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            listener.local_addr().unwrap()
        };
        let alive = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = alive.local_addr().unwrap();
        let anyhow = Egress::default();
        assert_eq!(race(&[dead, address], &anyhow).await.unwrap().peer_addr().unwrap(), address);
        let failure = race(&[dead], &anyhow).await.unwrap_err();
        assert!(
            matches!(&failure, Failure::NotConnected(error) if error.kind() == io::ErrorKind::ConnectionRefused),
            "{failure:?}"
        );
        assert!(race(&[], &anyhow).await.is_err());
    }
}
