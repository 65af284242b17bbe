//! TCP on loopback addresses.

use std::io;
use std::net::{SocketAddr, TcpListener};

use super::socket::BACKLOG;

/// A listener on a loopback address; port 0 takes a free one.
///
/// # Errors
/// [`io::ErrorKind::InvalidInput`] for any other address, and as the system says.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    must_be_loopback(address)?;
    let listener = TcpListener::bind(address)?;
    // The standard library lets 128 wait; a connection beyond that is dropped and tried again a second later.
    rustix::net::listen(&listener, BACKLOG)?;
    Ok(listener)
}

/// Who listens elsewhere tells the network what only this machine should hear.
pub(crate) fn must_be_loopback(address: SocketAddr) -> io::Result<()> {
    match address.ip().is_loopback() {
        true => Ok(()),
        false => {
            let why = format!("{address} is no loopback address, and the agent answers this machine only");
            Err(io::Error::new(io::ErrorKind::InvalidInput, why))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_loopback_is_listened_on() {
        for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0", "169.254.169.254:0", "[::ffff:127.0.0.1]:0"] {
            let error = bind(address.parse().unwrap()).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{address}");
        }
        assert!(bind("127.0.0.1:0".parse().unwrap()).is_ok());
    }
}
