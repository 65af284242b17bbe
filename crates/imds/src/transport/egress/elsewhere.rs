//! Systems that can't say which way a connection leaves. It was refused before anybody could ask for it.

use std::io;

use tokio::net::TcpSocket;

/// Whether this system can.
pub(super) const CAN_BIND: bool = false;

/// Can't be done.
pub(super) fn bind_to(_: &TcpSocket, _: &str) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Can't be done.
pub(super) fn mark(_: &TcpSocket, _: u32) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
