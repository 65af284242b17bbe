//! What Linux can do about a connection's way out.

use std::io;

use tokio::net::TcpSocket;

/// Whether this system can.
pub(super) const CAN_BIND: bool = true;

/// Sends through this interface and no other.
pub(super) fn bind_to(socket: &TcpSocket, interface: &str) -> io::Result<()> {
    socket.bind_device(Some(interface.as_bytes()))
}

/// Marks every packet of the connection.
pub(super) fn mark(socket: &TcpSocket, mark: u32) -> io::Result<()> {
    socket2::SockRef::from(socket).set_mark(mark)
}
