//! A caller that writes what it is told to.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use crate::running::Running;

/// Longer than anything that works can take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A connection of either kind.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

pub(crate) struct Caller {
    pub(crate) stream: Box<dyn Stream>,
    host: String,
    read: Vec<u8>,
}

impl Caller {
    /// On the unix socket.
    pub(crate) async fn local(agent: &Running) -> io::Result<Self> {
        let stream = Box::new(UnixStream::connect(&agent.socket).await?);
        Ok(Self { stream, host: "imds".to_owned(), read: Vec::new() })
    }

    /// Over TCP.
    pub(crate) async fn over_tcp(agent: &Running) -> io::Result<Self> {
        Self::at(agent.api).await
    }

    /// At any address.
    pub(crate) async fn at(address: std::net::SocketAddr) -> io::Result<Self> {
        let stream = Box::new(TcpStream::connect(address).await?);
        Ok(Self { stream, host: address.to_string(), read: Vec::new() })
    }

    /// A request as it should be.
    pub(crate) fn request(&self, path: &str) -> String {
        format!("GET {path} HTTP/1.1\r\nHost: {}\r\nMetadata: true\r\n\r\n", self.host)
    }

    /// Asks, and gives status and body.
    pub(crate) async fn get(&mut self, path: &str) -> io::Result<(u16, String)> {
        let request = self.request(path);
        timeout(PATIENCE, async {
            self.stream.write_all(request.as_bytes()).await?;
            self.answer().await
        })
        .await?
    }

    async fn answer(&mut self) -> io::Result<(u16, String)> {
        let head = loop {
            match self.read.windows(4).position(|window| window == b"\r\n\r\n") {
                Some(at) => {
                    break String::from_utf8_lossy(&self.read.drain(..at + 4).collect::<Vec<_>>())
                        .to_lowercase();
                }
                None => self.fill().await?,
            }
        };
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length = length.map_or(0, |length| length.parse().unwrap());
        while self.read.len() < length {
            self.fill().await?;
        }
        let body = self.read.drain(..length).collect();
        Ok((status, String::from_utf8(body).unwrap()))
    }

    async fn fill(&mut self) -> io::Result<()> {
        let mut buffer = [0; 8192];
        match self.stream.read(&mut buffer).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            length => {
                self.read.extend_from_slice(&buffer[..length]);
                Ok(())
            }
        }
    }
}
