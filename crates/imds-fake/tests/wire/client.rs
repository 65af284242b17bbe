//! A minimal HTTP/1.1 client that hides nothing.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }
}

pub(crate) struct Connection {
    stream: TcpStream,
    unread: Vec<u8>,
}

impl Connection {
    pub(crate) async fn open(addr: SocketAddr) -> Self {
        Self { stream: TcpStream::connect(addr).await.unwrap(), unread: Vec::new() }
    }

    pub(crate) async fn send(&mut self, raw: &[u8]) {
        self.stream.write_all(raw).await.unwrap();
    }

    pub(crate) async fn ask(
        &mut self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
    ) -> io::Result<Reply> {
        self.ask_with(method, target, headers, "").await
    }

    pub(crate) async fn ask_with(
        &mut self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> io::Result<Reply> {
        let mut request = format!("{method} {target} HTTP/1.1\r\nHost: 169.254.169.254\r\n");
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        if !body.is_empty() || method == "POST" || method == "PUT" {
            request.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        request.push_str("\r\n");
        request.push_str(body);
        self.send(request.as_bytes()).await;
        self.receive(method == "HEAD").await
    }

    pub(crate) async fn receive(&mut self, head: bool) -> io::Result<Reply> {
        let end = loop {
            if let Some(at) = find(&self.unread, b"\r\n\r\n") {
                break at;
            }
            self.fill().await?;
        };
        let block: Vec<u8> = self.unread.drain(..end + 4).collect();
        let text = String::from_utf8(block).unwrap();
        let mut lines = text.trim_end().split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines
            .map(|line| line.split_once(':').unwrap())
            .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
            .collect();
        let mut reply = Reply { status, headers, body: Vec::new() };
        if head {
            return Ok(reply);
        }
        if reply.header("transfer-encoding").is_some() {
            loop {
                let size = self.line().await?;
                let size = usize::from_str_radix(size.trim(), 16).unwrap();
                let mut chunk = self.exactly(size + 2).await?;
                chunk.truncate(size);
                reply.body.extend(chunk);
                if size == 0 {
                    break;
                }
            }
        } else if let Some(length) = reply.header("content-length") {
            let length = length.parse().unwrap();
            reply.body = self.exactly(length).await?;
        }
        Ok(reply)
    }

    /// Whether something came that is no whole answer.
    pub(crate) fn has_unread(&self) -> bool {
        !self.unread.is_empty()
    }

    async fn line(&mut self) -> io::Result<String> {
        let end = loop {
            if let Some(at) = find(&self.unread, b"\r\n") {
                break at;
            }
            self.fill().await?;
        };
        Ok(String::from_utf8(self.unread.drain(..end + 2).collect()).unwrap())
    }

    async fn exactly(&mut self, length: usize) -> io::Result<Vec<u8>> {
        while self.unread.len() < length {
            self.fill().await?;
        }
        Ok(self.unread.drain(..length).collect())
    }

    async fn fill(&mut self) -> io::Result<()> {
        let mut buffer = [0; 16 * 1024];
        match self.stream.read(&mut buffer).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            read => {
                self.unread.extend_from_slice(&buffer[..read]);
                Ok(())
            }
        }
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

/// One request on a connection of its own.
pub(crate) async fn ask(addr: SocketAddr, method: &str, target: &str, headers: &[(&str, &str)]) -> Reply {
    Connection::open(addr).await.ask(method, target, headers).await.unwrap()
}
