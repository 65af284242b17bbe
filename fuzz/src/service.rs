//! A service on loopback that says what it is told to, and the one thread on which it and its client run.
//!
//! Nothing waits for time to pass: whoever asks is answered or hung up on at once.

use std::sync::{Arc, Mutex, PoisonError};

use imds::machine::{Environment, Files};
use imds::{Config, ConfigBuilder, Network};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Asked {
    /// `GET`, `PUT`, …
    pub method: String,
    /// Path and query, as sent.
    pub target: String,
    /// Everything before the empty line.
    pub head: String,
}

impl Asked {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        lines.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }

    /// The path without the query.
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }
}

/// What is sent for an answer.
#[derive(Clone, Debug)]
pub struct Sent {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Where they are cut in two, each sent by itself.
    pub cut: usize,
    /// Whether the connection ends behind them.
    pub ends: bool,
}

impl Sent {
    /// A good answer with this body, on a connection that stays.
    pub fn whole(headers: &str, body: &[u8]) -> Self {
        let head = format!("HTTP/1.1 200 OK\r\n{headers}content-length: {}\r\n\r\n", body.len());
        Self { bytes: [head.as_bytes(), body].concat(), cut: 0, ends: false }
    }

    /// Nothing of the kind.
    pub fn absent() -> Self {
        let bytes = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n".to_vec();
        Self { bytes, cut: 0, ends: false }
    }
}

type Answers = Box<dyn FnMut(&Asked) -> Sent + Send>;

/// The service's place, and who answers there now.
pub struct Stage {
    runtime: Runtime,
    url: String,
    answers: Arc<Mutex<Answers>>,
}

impl Default for Stage {
    fn default() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let answers: Arc<Mutex<Answers>> = Arc::new(Mutex::new(Box::new(|_| Sent::absent())));
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        runtime.spawn(accept(listener, Arc::clone(&answers)));
        Self { runtime, url, answers }
    }
}

impl Stage {
    /// Where the service is.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A configuration of a machine with these files and variables, whose services are all here.
    pub fn config(&self, files: impl Files + 'static, variables: &[(String, String)]) -> ConfigBuilder {
        let environment: Environment = variables.iter().cloned().collect();
        Config::builder(environment)
            .files(Arc::new(files))
            .network(Network::Loopback)
            .endpoint(&self.url, "the fuzzer")
    }

    /// Does this while the service answers so.
    pub fn play<T>(
        &self,
        answers: impl FnMut(&Asked) -> Sent + Send + 'static,
        act: impl Future<Output = T>,
    ) -> T {
        *self.answers.lock().unwrap_or_else(PoisonError::into_inner) = Box::new(answers);
        self.runtime.block_on(act)
    }
}

async fn accept(listener: TcpListener, answers: Arc<Mutex<Answers>>) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let _ = stream.set_nodelay(true);
        tokio::spawn(serve(stream, Arc::clone(&answers)));
    }
}

/// Ends with its client.
async fn serve(mut stream: TcpStream, answers: Arc<Mutex<Answers>>) -> Option<()> {
    let mut read = Vec::new();
    loop {
        let asked = receive(&mut stream, &mut read).await?;
        let sent = (answers.lock().unwrap_or_else(PoisonError::into_inner))(&asked);
        let (first, second) = sent.bytes.split_at(sent.cut.min(sent.bytes.len()));
        if !first.is_empty() {
            stream.write_all(first).await.ok()?;
            tokio::task::yield_now().await;
            tokio::task::yield_now().await;
        }
        stream.write_all(second).await.ok()?;
        if sent.ends {
            // What the client still sends is taken, so that its end of the connection isn't reset.
            let _ = stream.shutdown().await;
            while stream.read(&mut [0; 256]).await.ok()? > 0 {}
            return None;
        }
    }
}

async fn receive(stream: &mut TcpStream, read: &mut Vec<u8>) -> Option<Asked> {
    let end = loop {
        if let Some(end) = read.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        fill(stream, read).await?;
    };
    let head = String::from_utf8(read.drain(..end).collect()).expect("the client's own heads are text");
    let mut words = head.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let asked = Asked { method, target, head };
    let length = asked.header("content-length").map_or(0, |length| length.parse().unwrap());
    while read.len() < length {
        fill(stream, read).await?;
    }
    read.drain(..length);
    Some(asked)
}

async fn fill(stream: &mut TcpStream, read: &mut Vec<u8>) -> Option<()> {
    let mut buffer = [0; 2048];
    let length = stream.read(&mut buffer).await.ok()?;
    read.extend_from_slice(&buffer[..length]);
    (length > 0).then_some(())
}
