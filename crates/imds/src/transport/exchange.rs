//! Requests over kept connections.

use std::io;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::sync::Semaphore;
use tokio::time;

use super::{Deadline, Endpoint, Network, connect};

/// How we introduce ourselves, so that an administrator who sees the request knows whom to ask.
const USER_AGENT: &str = concat!("imds/", env!("CARGO_PKG_VERSION"));
/// Metadata services limit simultaneous connections; eight are enough for every round trip that matters.
const CONNECTIONS: usize = 8;
/// The largest answer that is read.
pub(crate) const BODY_LIMIT: usize = 1024 * 1024;
const CONNECT_TIME: Duration = Duration::from_secs(1);
const READ_TIME: Duration = Duration::from_secs(2);

/// A request, without what every request carries.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    pub(crate) method: Method,
    /// Path and query.
    pub(crate) path: &'a str,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) body: Bytes,
    /// Whether it has to leave from a port below 1024, by which a service knows root.
    pub(crate) privileged: bool,
    /// The largest body that can be meant.
    pub(crate) limit: usize,
    /// How long an answer may take once the connection stands.
    pub(crate) read_time: Duration,
}

impl<'a> Request<'a> {
    /// A `GET`.
    pub(crate) fn get(path: &'a str) -> Self {
        Self {
            method: Method::GET,
            path,
            headers: Vec::new(),
            body: Bytes::new(),
            privileged: false,
            limit: BODY_LIMIT,
            read_time: READ_TIME,
        }
    }
}

/// An answer, whatever its status.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    /// A header as text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The network policy forbids it.
    Forbidden(imds_model::Error),
    /// The host's own rules forbid it (EACCES, EPERM).
    Locked(io::Error),
    /// No port below 1024 may be used.
    Unprivileged(io::Error),
    /// No connection.
    NotConnected(io::Error),
    /// No connection in time.
    ConnectTimedOut(Duration),
    /// The connection went away.
    Reset(hyper::Error),
    /// The connection went away in the middle of the answer.
    CutShort(hyper::Error),
    /// The connection stands, but no answer came in time.
    NoAnswer(Duration),
    /// The body is larger than the limit.
    TooLarge(usize),
    /// That isn't HTTP, or the request can't be written.
    NotHttp(Box<dyn std::error::Error + Send + Sync>),
}

type Sender = SendRequest<Full<Bytes>>;

/// A client of one service.
#[derive(Debug)]
pub(crate) struct Exchange {
    endpoint: Endpoint,
    network: Network,
    idle: Mutex<Vec<Sender>>,
    slots: Semaphore,
    requests: AtomicU32,
}

impl Exchange {
    pub(crate) fn new(endpoint: Endpoint, network: Network) -> Self {
        Self {
            endpoint,
            network,
            idle: Mutex::default(),
            slots: Semaphore::new(CONNECTIONS),
            requests: AtomicU32::new(0),
        }
    }

    /// How many requests were sent.
    pub(crate) fn requests(&self) -> u32 {
        self.requests.load(Ordering::Relaxed)
    }

    /// Where the service is.
    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Makes sure that a connection stands, without a request.
    pub(crate) async fn connect(&self, deadline: Deadline) -> Result<(), Failure> {
        let sender = self.open(false, deadline).await?;
        self.keep(sender);
        Ok(())
    }

    /// Sends a request and reads the whole answer.
    pub(crate) async fn send(&self, request: &Request<'_>, deadline: Deadline) -> Result<Answer, Failure> {
        let out_of_time = || Failure::NoAnswer(Duration::ZERO);
        let _slot = time::timeout(deadline.left(), self.slots.acquire()).await.map_err(|_| out_of_time())?;
        while let Some(kept) = self.take().filter(|_| !request.privileged) {
            match self.send_on(kept, request, deadline).await {
                // A kept connection may have been closed in the meantime, which says nothing of the service.
                Err(Failure::Reset(_)) => {}
                other => return other,
            }
        }
        let fresh = self.open(request.privileged, deadline).await?;
        self.send_on(fresh, request, deadline).await
    }

    async fn send_on(
        &self,
        mut sender: Sender,
        request: &Request<'_>,
        deadline: Deadline,
    ) -> Result<Answer, Failure> {
        let message = self.message(request)?;
        let patience = request.read_time.min(deadline.left());
        tracing::trace!(method = %request.method, path = request.path, "asking");
        self.requests.fetch_add(1, Ordering::Relaxed);
        let exchange = async {
            sender.ready().await.map_err(hyper_failure)?;
            let answer = sender.send_request(message).await.map_err(hyper_failure)?;
            let (head, body) = answer.into_parts();
            let body = Limited::new(body, request.limit).collect().await.map_err(|error| {
                if error.is::<LengthLimitError>() {
                    return Failure::TooLarge(request.limit);
                }
                match error.downcast::<hyper::Error>() {
                    Ok(error) if is_misspelled(&error) => Failure::NotHttp(error),
                    Ok(error) => Failure::CutShort(*error),
                    Err(error) => Failure::NotHttp(error),
                }
            })?;
            Ok(Answer { status: head.status, headers: head.headers, body: body.to_bytes() })
        };
        let answer = time::timeout(patience, exchange).await.map_err(|_| Failure::NoAnswer(patience))??;
        tracing::trace!(
            path = request.path,
            status = answer.status.as_u16(),
            bytes = answer.body.len(),
            "answered"
        );
        if !request.privileged {
            self.keep(sender);
        }
        Ok(answer)
    }

    fn message(&self, request: &Request<'_>) -> Result<hyper::Request<Full<Bytes>>, Failure> {
        let unwritable = |error: hyper::http::Error| Failure::NotHttp(error.into());
        let mut message = hyper::Request::builder()
            .method(&request.method)
            .uri(format!("{}{}", self.endpoint.prefix(), request.path))
            .header(hyper::header::HOST, self.endpoint.authority())
            .header(hyper::header::USER_AGENT, USER_AGENT)
            .header(hyper::header::ACCEPT, "*/*")
            .body(Full::from(request.body.clone()))
            .map_err(unwritable)?;
        for (name, value) in &request.headers {
            message.headers_mut().insert(name, value.clone());
        }
        Ok(message)
    }

    async fn open(&self, privileged: bool, deadline: Deadline) -> Result<Sender, Failure> {
        let patience = CONNECT_TIME.min(deadline.left());
        let timed_out = |_| Failure::ConnectTimedOut(patience);
        let addresses = time::timeout(patience, self.addresses()).await.map_err(timed_out)??;
        for address in &addresses {
            self.network.permit(address.ip()).map_err(Failure::Forbidden)?;
        }
        let stream = if privileged {
            time::timeout(patience, connect::from_privileged_port(&addresses)).await.map_err(timed_out)??
        } else {
            let connected = time::timeout(patience, connect::race(&addresses)).await.map_err(timed_out)?;
            connected.map_err(connect::refused)?
        };
        let (sender, connection) =
            http1::Builder::new().handshake(TokioIo::new(stream)).await.map_err(hyper_failure)?;
        // It ends by itself once its sender is gone; what goes wrong on it reaches the one who sent the request.
        tokio::spawn(connection);
        Ok(sender)
    }

    async fn addresses(&self) -> Result<Vec<SocketAddr>, Failure> {
        let literal = self.endpoint.addresses();
        let Some((name, port)) = self.endpoint.name() else { return Ok(literal.to_vec()) };
        self.network.permit_lookup(name).map_err(Failure::Forbidden)?;
        #[expect(clippy::disallowed_methods, reason = "the user gave this name, or the cloud is known by it")]
        let found = tokio::net::lookup_host((name, port)).await;
        match found {
            Ok(found) => Ok(found.chain(literal.iter().copied()).collect()),
            Err(error) if literal.is_empty() => Err(Failure::NotConnected(error)),
            Err(error) => {
                tracing::debug!(name, %error, "the name can't be looked up; its known address is used");
                Ok(literal.to_vec())
            }
        }
    }

    fn take(&self) -> Option<Sender> {
        let mut idle = self.idle.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        std::iter::from_fn(|| idle.pop()).find(|sender| !sender.is_closed())
    }

    fn keep(&self, sender: Sender) {
        if !sender.is_closed() {
            self.idle.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(sender);
        }
    }
}

/// Whether a body isn't HTTP (chunks that aren't), as opposed to one that ended early.
fn is_misspelled(error: &hyper::Error) -> bool {
    let cause = std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<io::Error>());
    let kind = cause.map(io::Error::kind);
    error.is_parse() || matches!(kind, Some(io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData))
}

fn hyper_failure(error: hyper::Error) -> Failure {
    if error.is_parse() || error.is_user() { Failure::NotHttp(error.into()) } else { Failure::Reset(error) }
}
