//! Those who ask.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::task::JoinSet;

/// A connection of either kind.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Where a server listens.
#[derive(Clone, Debug)]
pub(crate) enum Door {
    Unix(PathBuf),
    Tcp(SocketAddr),
}

impl Door {
    pub(crate) async fn open(&self) -> io::Result<Box<dyn Stream>> {
        Ok(match self {
            Self::Unix(path) => Box::new(UnixStream::connect(path).await?),
            Self::Tcp(address) => {
                let stream = TcpStream::connect(address).await?;
                stream.set_nodelay(true)?;
                Box::new(stream)
            }
        })
    }

    pub(crate) fn request(&self, path: &str) -> String {
        let host = match self {
            Self::Unix(_) => "imds".to_owned(),
            Self::Tcp(address) => address.to_string(),
        };
        format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nMetadata: true\r\n\r\n")
    }
}

/// One caller, who asks one thing again and again.
pub(crate) struct Caller {
    stream: Box<dyn Stream>,
    request: String,
    buffer: Vec<u8>,
    /// How long an answer is, head and body: known from the first.
    length: usize,
}

impl Caller {
    /// Connects and asks once; gives the body too.
    pub(crate) async fn new(door: &Door, path: &str) -> io::Result<(Self, String)> {
        let request = door.request(path);
        let mut stream = door.open().await?;
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        let (head, body) = loop {
            if stream.read_buf(&mut answer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if let Some(at) = answer.windows(4).position(|window| window == b"\r\n\r\n") {
                break (String::from_utf8_lossy(&answer[..at]).to_lowercase(), at + 4);
            }
        };
        assert!(head.starts_with("http/1.1 200"), "{head}");
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        let length = body + length.parse::<usize>().unwrap();
        let mut buffer = vec![0; length];
        buffer[..answer.len()].copy_from_slice(&answer);
        stream.read_exact(&mut buffer[answer.len()..]).await?;
        let body = String::from_utf8(buffer[body..].to_vec()).unwrap();
        Ok((Self { stream, request, buffer, length }, body))
    }

    /// Asks again.
    pub(crate) async fn ask(&mut self) -> io::Result<()> {
        self.stream.write_all(self.request.as_bytes()).await?;
        self.buffer.resize(self.length, 0);
        self.stream.read_exact(&mut self.buffer).await?;
        assert!(self.buffer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&self.buffer));
        Ok(())
    }
}

/// Answers a second that so many callers get, each of whom asks again as soon as it was answered.
pub(crate) async fn rate(door: &Door, path: &str, callers: usize, time: Duration) -> f64 {
    let mut asking = JoinSet::new();
    let mut ready = Vec::new();
    for _ in 0..callers {
        ready.push(Caller::new(door, path).await.unwrap().0);
    }
    let started = Instant::now();
    let until = started + time;
    for mut caller in ready {
        asking.spawn(async move {
            let mut count = 0_u32;
            while Instant::now() < until {
                caller.ask().await.unwrap();
                count += 1;
            }
            count
        });
    }
    let count: u32 = asking.join_all().await.into_iter().sum();
    f64::from(count) / started.elapsed().as_secs_f64()
}

/// How long one caller waits for its answers, on a connection of its own each, in order of length.
pub(crate) async fn waits(door: &Door, times: usize) -> Vec<Duration> {
    let mut waits = Vec::new();
    for _ in 0..times {
        let started = Instant::now();
        Caller::new(door, "/v1/metadata/region").await.unwrap();
        waits.push(started.elapsed());
    }
    waits.sort_unstable();
    waits
}
