//! A server in a temporary directory, and clients that write what they are told to.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use imds::model::{CloudName, Confidence, Outcome, Reading, Source, Value};
use imds::{Field, Metadata, Verdict};
use imds_agent::api::{Access, Announcements};
use imds_agent::metrics::Metrics;
use imds_agent::server::face::Rules;
use imds_agent::server::stream::Sources;
use imds_agent::server::{ApiFace, Guard, Limits, MetricsFace, Server, loopback, socket};
use imds_agent::store::Store;
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

/// Longer than anything that works can take.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct House {
    pub(crate) server: Server,
    pub(crate) store: Arc<Store>,
    pub(crate) announcements: Arc<Announcements>,
    pub(crate) rules: Arc<Rules>,
    pub(crate) socket: PathBuf,
    pub(crate) api: SocketAddr,
    pub(crate) metrics: SocketAddr,
    _file: socket::SocketFile,
    _directory: TempDir,
}

/// Limits that no test reaches by chance.
pub(crate) fn generous() -> Limits {
    let mut limits = Limits::default();
    (limits.connections, limits.per_client) = (4000, 4000);
    limits.header_bytes = 8 * 1024;
    (limits.read_time, limits.idle, limits.heartbeat) = (PATIENCE * 3, PATIENCE * 3, PATIENCE * 3);
    limits
}

pub(crate) fn metadata(region: &str) -> Metadata {
    let mut metadata = Metadata::new(CloudName::AWS);
    let values = [(Field::Cloud, "aws"), (Field::Region, region), (Field::InstanceId, "i-0123456789abcdef0")];
    for (field, text) in values {
        metadata.set(field, Reading::known(Value::Text(text.to_owned()), Source::Mock));
    }
    metadata
}

pub(crate) fn verdict(outcome: Outcome) -> Verdict {
    Verdict::new(outcome, Confidence::Certain, Vec::new(), 0, Duration::from_millis(1))
}

impl House {
    pub(crate) fn new() -> Self {
        Self::with(generous(), Access::default())
    }

    pub(crate) fn with(limits: Limits, access: Access) -> Self {
        limits.make_room();
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("imds.sock");
        let metrics = Arc::new(Metrics::default());
        let server = Server::new(limits, Arc::clone(&metrics));
        let (store, announcements) = (Arc::new(Store::default()), Arc::new(Announcements::default()));
        store.update(|view| {
            view.metadata = Some(Arc::new(metadata("eu-west-1")));
            view.verdict = Some(Arc::new(verdict(Outcome::Cloud(CloudName::AWS))));
        });
        let sources =
            Arc::new(Sources { store: Arc::clone(&store), announcements: Arc::clone(&announcements) });
        let rules = Arc::new(Rules::new(access));
        let face = |guard| {
            Arc::new(ApiFace::new(Arc::clone(&rules), Arc::clone(&sources), guard, Arc::clone(&metrics)))
        };
        let (listener, file) = socket::bind(&path, 0o666).unwrap();
        server.listen_unix(listener, face(None)).unwrap();
        let listener = loopback::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let guard = Guard::of_api(listener.local_addr().unwrap(), &[]);
        let api = server.listen_tcp(listener, face(Some(guard))).unwrap();
        let listener = loopback::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let guard = Guard::of_metrics(listener.local_addr().unwrap(), &[]);
        let numbers = Arc::new(MetricsFace::new(Arc::clone(&sources), guard, Arc::clone(&metrics)));
        let metrics = server.listen_tcp(listener, numbers).unwrap();
        Self {
            server,
            store,
            announcements,
            rules,
            socket: path,
            api,
            metrics,
            _file: file,
            _directory: directory,
        }
    }

    pub(crate) async fn connect(&self) -> Client<UnixStream> {
        Client::of(UnixStream::connect(&self.socket).await.unwrap())
    }

    /// What this request is answered on a connection of its own.
    pub(crate) async fn ask(&self, request: &str) -> Answer {
        self.connect().await.ask(request).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n")).await
    }

    /// What this request is answered over TCP.
    pub(crate) async fn ask_tcp(address: SocketAddr, request: &str) -> Answer {
        Client::of(TcpStream::connect(address).await.unwrap()).ask(request).await
    }

    /// Whether everybody else is served as if nothing was.
    pub(crate) async fn serves_others(&self) {
        for _ in 0..20 {
            let answer = self.get("/v1/metadata/region").await;
            assert_eq!((answer.status, &*answer.body), (200, "eu-west-1"));
        }
    }
}

/// A client that writes what it is told to.
pub(crate) struct Client<S> {
    pub(crate) stream: S,
    read: Vec<u8>,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn closes(&self) -> bool {
        self.head.to_ascii_lowercase().contains("\r\nconnection: close")
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    pub(crate) fn of(stream: S) -> Self {
        Self { stream, read: Vec::new() }
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        // Whoever is shown out in the middle of a request can't write the rest of it.
        let _ = timeout(PATIENCE, self.stream.write_all(bytes.as_ref())).await.unwrap();
    }

    pub(crate) async fn ask(&mut self, request: &str) -> Answer {
        self.send(request).await;
        let is_head = request.starts_with("HEAD ");
        self.answer(is_head).await.unwrap_or_else(|| panic!("no answer to {request:?}"))
    }

    async fn fill(&mut self) -> bool {
        let mut buffer = [0; 4096];
        let read = timeout(PATIENCE, self.stream.read(&mut buffer)).await.unwrap().unwrap_or(0);
        self.read.extend_from_slice(&buffer[..read]);
        read > 0
    }

    /// Everything up to a mark, which must come.
    pub(crate) async fn until(&mut self, mark: &str) -> Option<String> {
        loop {
            let found = self.read.windows(mark.len()).position(|window| window == mark.as_bytes());
            if let Some(at) = found {
                let taken: Vec<u8> = self.read.drain(..at + mark.len()).collect();
                return Some(String::from_utf8(taken).unwrap());
            }
            if !self.fill().await {
                return None;
            }
        }
    }

    /// The next answer; nothing if the connection ended without one.
    pub(crate) async fn answer(&mut self, is_head: bool) -> Option<Answer> {
        let head = self.until("\r\n\r\n").await?;
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().unwrap())
        });
        let length = if is_head || status == 304 { 0 } else { length.unwrap_or(0) };
        while self.read.len() < length {
            assert!(self.fill().await, "the body of {head:?} is cut");
        }
        let body = String::from_utf8(self.read.drain(..length).collect()).unwrap();
        Some(Answer { status, head, body })
    }

    /// Whether the other end has closed, with nothing more to say.
    pub(crate) async fn is_over(&mut self) -> bool {
        !self.fill().await && self.read.is_empty()
    }
}
