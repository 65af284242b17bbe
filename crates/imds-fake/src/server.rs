//! Sockets, connections and long polls: from a request on the wire to the cloud's pure function and back.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http_body_util::{BodyExt, Limited};
use hyper::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::Instant;

use crate::Cloud;
use crate::clouds::Service;
use crate::exchange::{Answer, Asked, Outcome};
use crate::fault::{FaultKind, Faults};
use crate::misbehave::respond;
use crate::record::Recorded;
use crate::socket::{ResetFlag, Socket};
use crate::task::task;

/// Request bodies beyond this are dropped; the largest real one is a list of event ids.
const MAX_REQUEST_BODY: usize = 64 * 1024;

/// Who answers on the socket.
#[derive(Debug)]
pub(crate) enum Host {
    /// A metadata service.
    Service(Mutex<Box<dyn Service>>),
    /// Something else, which treats every request alike.
    Stranger(FaultKind),
}

/// Everything the connections of one server share.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) host: Host,
    pub(crate) faults: Mutex<Faults>,
    /// Other clouds' machines, once a fault has them answer.
    pub(crate) foreigners: Mutex<BTreeMap<Cloud, Box<dyn Service>>>,
    pub(crate) requests: Mutex<Vec<Recorded>>,
    /// Raised by one whenever the data changes; long polls listen.
    pub(crate) generation: watch::Sender<u64>,
    connections: AtomicUsize,
    open: AtomicUsize,
    peak: AtomicUsize,
}

/// A lock whose data stay usable after a panic elsewhere.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Site {
    pub(crate) fn new(host: Host) -> Self {
        Self {
            host,
            faults: Mutex::default(),
            foreigners: Mutex::default(),
            requests: Mutex::default(),
            generation: watch::Sender::new(0),
            connections: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
            peak: AtomicUsize::new(0),
        }
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub(crate) fn peak_connections(&self) -> usize {
        self.peak.load(Ordering::SeqCst)
    }
}

/// A server that runs until it is dropped, and takes its connections along.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) site: Arc<Site>,
    pub(crate) addr: SocketAddr,
    accepting: AbortHandle,
}

impl Running {
    pub(crate) async fn bind(host: Host, addr: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(addr).await?;
        let addr = listener.local_addr()?;
        let site = Arc::new(Site::new(host));
        let accepting = tokio::spawn(task(accept(listener, Arc::clone(&site)))).abort_handle();
        Ok(Self { site, addr, accepting })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, site: Arc<Site>) {
    // Dropped with this task, and every connection with it.
    let mut tasks = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let number = site.connections.fetch_add(1, Ordering::SeqCst) + 1;
                    let open = site.open.fetch_add(1, Ordering::SeqCst) + 1;
                    site.peak.fetch_max(open, Ordering::SeqCst);
                    tasks.spawn(task(connection(stream, number, OpenConnection(Arc::clone(&site)))));
                }
                // Out of file descriptors, most likely: give connections time to end.
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            },
            Some(_) = tasks.join_next() => {}
        }
    }
}

/// Counts a connection as open for as long as it lives, however it ends.
struct OpenConnection(Arc<Site>);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn connection(stream: TcpStream, number: usize, open: OpenConnection) {
    let _ = stream.set_nodelay(true);
    let peer_port = stream.peer_addr().map_or(0, |peer| peer.port());
    let reset = ResetFlag::default();
    let io = TokioIo::new(Socket::new(stream, reset.clone()));
    let site = &open.0;
    let service = service_fn(move |request| {
        let reset = reset.clone();
        async move {
            let asked = read(request, peer_port).await;
            lock(&site.requests).push(Recorded::new(&asked, number));
            respond(site, asked, &reset).await
        }
    });
    // A connection that breaks is the client's business, or a fault's.
    let _ = hyper::server::conn::http1::Builder::new()
        .title_case_headers(true)
        .serve_connection(io, service)
        .await;
}

async fn read(request: Request<Incoming>, peer_port: u16) -> Asked {
    let (parts, body) = request.into_parts();
    let headers = parts
        .headers
        .iter()
        .map(|(name, value)| {
            (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        })
        .collect();
    let body = Limited::new(body, MAX_REQUEST_BODY).collect().await.map(|body| body.to_bytes().to_vec());
    Asked {
        method: parts.method.as_str().to_owned(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or("").to_owned(),
        headers,
        body: body.unwrap_or_default(),
        peer_port,
        ..Asked::default()
    }
}

/// What the service answers when nothing is wrong; a long poll is waited out here.
pub(crate) async fn ordinary(site: &Site, mut asked: Asked) -> Answer {
    let Host::Service(service) = &site.host else { return Answer::new(200, "text/html", "") };
    let mut deadline: Option<Instant> = None;
    loop {
        // Subscribed before the data are looked at, so that no change falls in between.
        let mut changes = site.generation.subscribe();
        let outcome = lock(service).answer(&asked);
        match outcome {
            Outcome::Answer(answer) => return answer,
            Outcome::Silence => match std::future::pending::<Infallible>().await {},
            Outcome::Wait { etag, timeout } => {
                asked.known_etag = Some(etag);
                if let Some(timeout) = timeout {
                    deadline.get_or_insert_with(|| Instant::now() + timeout);
                }
                let over = async {
                    match deadline {
                        Some(deadline) => tokio::time::sleep_until(deadline).await,
                        None => std::future::pending().await,
                    }
                };
                tokio::select! {
                    _ = changes.changed() => {}
                    () = over => asked.wait_over = true,
                }
            }
        }
    }
}
