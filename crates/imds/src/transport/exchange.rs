//! Requests over kept connections.

use std::borrow::Cow;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Semaphore;
use tokio::time;

use super::{Deadline, Egress, Endpoint, Network, Trust, connect};
use crate::observer::{Observer, RequestOutcome};
use crate::task::task;

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
    /// Whether systemd-imdsd gave it, which passes no headers on.
    pub(crate) by_imdsd: bool,
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
    /// No connection can leave this machine in the way that was told.
    Egress(imds_model::Error),
    /// No port below 1024 may be used.
    Unprivileged(io::Error),
    /// No connection.
    NotConnected(io::Error),
    /// No connection in time.
    ConnectTimedOut(Duration),
    /// Whoever answers over TLS can't prove to be who is asked.
    #[cfg_attr(
        not(feature = "tls"),
        expect(dead_code, reason = "only a build that speaks TLS asks for proof")
    )]
    Untrusted(io::Error),
    /// Whoever answers doesn't speak TLS.
    NotTls(io::Error),
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
    trust: Trust,
    egress: Egress,
    /// Whether the service was found to be asked over TLS instead.
    is_instead: AtomicBool,
    idle: Mutex<Vec<Sender>>,
    slots: Semaphore,
    requests: AtomicU32,
    observer: Option<Arc<dyn Observer>>,
}

impl Exchange {
    pub(crate) fn new(endpoint: Endpoint, network: Network, trust: Trust) -> Self {
        Self {
            endpoint,
            network,
            trust,
            egress: Egress::default(),
            is_instead: AtomicBool::new(false),
            idle: Mutex::default(),
            slots: Semaphore::new(CONNECTIONS),
            requests: AtomicU32::new(0),
            observer: None,
        }
    }

    /// Has this observer, if there is one, told about requests; by the services, which know whose they are.
    pub(crate) fn observed_by(self, observer: Option<Arc<dyn Observer>>) -> Self {
        Self { observer, ..self }
    }

    /// Has connections leave this machine in this way.
    pub(crate) fn leaving_by(self, egress: Egress) -> Self {
        Self { egress, ..self }
    }

    /// Who is to be told about requests.
    pub(crate) fn observer(&self) -> Option<&dyn Observer> {
        self.observer.as_deref()
    }

    /// How many requests were sent.
    pub(crate) fn requests(&self) -> u32 {
        self.requests.load(Ordering::Relaxed)
    }

    /// Where the service is.
    pub(crate) fn endpoint(&self) -> &Endpoint {
        match self.endpoint.instead() {
            Some(instead) if self.is_instead.load(Ordering::Relaxed) => instead,
            _ => &self.endpoint,
        }
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
        if deadline.left().is_zero() {
            return Err(out_of_time());
        }
        match self.open(request.privileged, deadline).await {
            Ok(fresh) => self.send_on(fresh, request, deadline).await,
            // The service was reached before; what ran out is the time, on something else.
            Err(Failure::ConnectTimedOut(patience)) if patience < CONNECT_TIME && self.requests() > 0 => {
                Err(Failure::NoAnswer(patience))
            }
            Err(failure) => Err(failure),
        }
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
            let body = body.to_bytes();
            Ok(Answer { status: head.status, headers: head.headers, body, by_imdsd: false })
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
            .uri(self.endpoint().uri_of(request.path))
            .header(hyper::header::HOST, self.endpoint().authority())
            .header(hyper::header::USER_AGENT, USER_AGENT)
            .header(hyper::header::ACCEPT, "*/*")
            .body(Full::from(request.body.clone()))
            .map_err(unwritable)?;
        for (name, value) in &request.headers {
            message.headers_mut().insert(name, value.clone());
        }
        Ok(message)
    }

    /// Opens a connection; over TLS where the plain port refuses it and there is such a place.
    async fn open(&self, privileged: bool, deadline: Deadline) -> Result<Sender, Failure> {
        let endpoint = self.endpoint();
        let refusal = match self.open_at(endpoint, privileged, deadline).await {
            Err(Failure::NotConnected(error)) if error.kind() == io::ErrorKind::ConnectionRefused => error,
            opened => return opened,
        };
        let Some(instead) = endpoint.instead() else { return Err(Failure::NotConnected(refusal)) };
        tracing::debug!(instead = instead.authority(), "the plain port refuses connections; asking over TLS");
        match self.open_at(instead, privileged, deadline).await {
            Ok(sender) => {
                self.is_instead.store(true, Ordering::Relaxed);
                Ok(sender)
            }
            Err(Failure::NotConnected(_)) => Err(Failure::NotConnected(refusal)),
            Err(failure) => Err(failure),
        }
    }

    async fn open_at(
        &self,
        endpoint: &Endpoint,
        privileged: bool,
        deadline: Deadline,
    ) -> Result<Sender, Failure> {
        let patience = CONNECT_TIME.min(deadline.left());
        let timed_out = |_| Failure::ConnectTimedOut(patience);
        let addresses = time::timeout(patience, self.addresses(endpoint)).await.map_err(timed_out)??;
        for address in &addresses {
            self.network.permit(address.ip()).map_err(Failure::Forbidden)?;
        }
        let stream = if privileged {
            let connecting = connect::from_privileged_port(&addresses, &self.egress);
            time::timeout(patience, connecting).await.map_err(timed_out)??
        } else {
            time::timeout(patience, connect::race(&addresses, &self.egress)).await.map_err(timed_out)??
        };
        match endpoint.secured() {
            None => speak(stream).await,
            Some(name) => {
                let secured = time::timeout(patience, self.trust.secure(name, stream)).await;
                speak(secured.map_err(timed_out)??).await
            }
        }
    }

    async fn addresses(&self, endpoint: &Endpoint) -> Result<Vec<SocketAddr>, Failure> {
        let literal = endpoint.addresses();
        let Some((name, port)) = endpoint.name() else { return Ok(literal.to_vec()) };
        match self.network.permit_lookup(name) {
            // Addresses that are known all the same are judged by themselves.
            Err(_) if !literal.is_empty() => return Ok(literal.to_vec()),
            permitted => permitted.map_err(Failure::Forbidden)?,
        }
        let asked = absolute(name, literal);
        #[expect(clippy::disallowed_methods, reason = "the user gave this name, or the cloud is known by it")]
        let found = tokio::net::lookup_host((&*asked, port)).await;
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

/// A cloud's own name as it is asked for: with the root's dot, so that no search domain is put behind it and no resolver of
/// such a domain is believed. What the user gave, which has no known address beside, is asked for as it was given.
fn absolute<'a>(name: &'a str, known: &[SocketAddr]) -> Cow<'a, str> {
    match known.is_empty() || name.ends_with('.') || !name.contains('.') {
        true => name.into(),
        false => format!("{name}.").into(),
    }
}

/// How a request ended, for observers.
pub(crate) fn outcome_of(outcome: &Result<Answer, Failure>) -> RequestOutcome {
    match outcome {
        Ok(answer) => RequestOutcome::Answered(answer.status.as_u16()),
        Err(Failure::ConnectTimedOut(_) | Failure::NoAnswer(_)) => RequestOutcome::TimedOut,
        Err(
            Failure::Forbidden(_)
            | Failure::Locked(_)
            | Failure::Egress(_)
            | Failure::Unprivileged(_)
            | Failure::NotConnected(_),
        ) => RequestOutcome::NotConnected,
        Err(
            Failure::Untrusted(_)
            | Failure::NotTls(_)
            | Failure::Reset(_)
            | Failure::CutShort(_)
            | Failure::TooLarge(_)
            | Failure::NotHttp(_),
        ) => RequestOutcome::Malformed,
    }
}

/// Begins to speak HTTP on a connection.
async fn speak(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Result<Sender, Failure> {
    let (sender, connection) =
        http1::Builder::new().handshake(TokioIo::new(stream)).await.map_err(hyper_failure)?;
    // It ends by itself once its sender is gone; what goes wrong on it reaches the one who sent the request.
    tokio::spawn(task(async { drop(connection.await) }));
    Ok(sender)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_search_domain_is_put_behind_a_clouds_own_name() {
        let known = ["169.254.0.23:80".parse().unwrap()];
        assert_eq!(absolute("metadata.tencentyun.com", &known), "metadata.tencentyun.com.");
        assert_eq!(absolute("metadata.tencentyun.com.", &known), "metadata.tencentyun.com.");
        assert_eq!(absolute("metadata.corp", &[]), "metadata.corp", "that is the user's own word");
        assert_eq!(absolute("localhost", &known), "localhost");
    }
}
