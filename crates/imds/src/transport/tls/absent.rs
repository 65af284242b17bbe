//! A build that doesn't speak TLS.

use tokio::net::TcpStream;

use crate::transport::Failure;

/// Nobody is trusted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trust;

impl Trust {
    /// No connection is secured here.
    #[expect(clippy::unused_async, reason = "the build that speaks TLS waits for the other side")]
    pub(crate) async fn secure(&self, _name: &str, _stream: TcpStream) -> Result<TcpStream, Failure> {
        Err(Failure::NotTls(std::io::ErrorKind::Unsupported.into()))
    }
}
