//! The control API: what [`Fake`] gives to the program that started it, for other processes, as JSON over HTTP/1.1.
//!
//! | request | does |
//! |---|---|
//! | `GET /` | says which cloud is served where, and lists these |
//! | `GET /faults` | the faults in force: number, kind, path, method, times left, requests struck |
//! | `POST /faults` | adds a fault (`"503:/latest:2"`, or `{"kind", "path", "method", "times", "body"}`), or a list of them |
//! | `DELETE /faults`, `DELETE /faults/ID` | takes all faults away, or one |
//! | `GET /requests`, `DELETE /requests` | what was asked, with counts by path; forgets it |
//! | `POST /set` | changes values (`{"meta-data/instance-type": "m7g.large"}`); `null` takes one away |
//! | `POST /expire-tokens` | makes every session token issued so far invalid |
//! | `POST /events` | announces an event (`{"kind": "interruption", "in_seconds": 120}`) |
//!
//! It listens on loopback only and refuses browsers: `Host` has to be its own address (or `localhost` with its port), and
//! requests with `Origin`, `Sec-Fetch-Mode`, `X-Forwarded-For`, `Forwarded` or `Via` are answered 403. There is no other
//! guard: whoever may use this machine may use it, and all it can reach is a fake.

mod api;
mod guard;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

use crate::Fake;
use crate::task::task;
use api::Reply;

/// Longer bodies are refused; a captured document fits.
const MAX_BODY: usize = 1 << 20;

/// A running control API of one fake. Dropping it stops it; the fake goes on for as long as somebody else holds it.
///
/// ```
/// # async fn demo() -> Result<(), Box<dyn std::error::Error>> {
/// use std::sync::Arc;
/// use imds_fake::{Control, Fake, Scenario};
///
/// let fake = Arc::new(Fake::start(Scenario::parse("aws")?).await?);
/// let control = Control::bind(Arc::clone(&fake), "127.0.0.1:0".parse()?).await?;
/// println!("curl -d '\"503:/latest/meta-data:2\"' {}/faults", control.url());
/// # Ok(())
/// # }
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(demo()).unwrap();
/// ```
#[derive(Debug)]
pub struct Control {
    addr: SocketAddr,
    accepting: AbortHandle,
}

impl Control {
    /// Starts on the given address of loopback; port 0 chooses a free one.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidInput`] for an address beyond loopback; else when the address can't be bound.
    pub async fn bind(fake: Arc<Fake>, addr: SocketAddr) -> io::Result<Control> {
        if !addr.ip().is_loopback() {
            let why = "the control API listens on loopback only";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        let listener = TcpListener::bind(addr).await?;
        let addr = listener.local_addr()?;
        let accepting = tokio::spawn(task(accept(listener, fake, addr))).abort_handle();
        Ok(Self { addr, accepting })
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Its base URL, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, fake: Arc<Fake>, addr: SocketAddr) {
    // Dropped with this task, and every connection with it.
    let mut tasks = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    tasks.spawn(task(connection(stream, Arc::clone(&fake), addr)));
                }
                // Out of file descriptors, most likely: give connections time to end.
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            },
            Some(_) = tasks.join_next() => {}
        }
    }
}

async fn connection(stream: TcpStream, fake: Arc<Fake>, addr: SocketAddr) {
    let service = service_fn(|request| {
        let fake = Arc::clone(&fake);
        async move { Ok::<_, Infallible>(response(&respond(&fake, addr, request).await)) }
    });
    // A connection that breaks is the client's business.
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn respond(fake: &Fake, addr: SocketAddr, request: Request<Incoming>) -> Reply {
    if let Some(why) = guard::refusal(request.headers(), addr) {
        return Reply::error(403, why);
    }
    let (head, body) = request.into_parts();
    match Limited::new(body, MAX_BODY).collect().await {
        Ok(body) => api::answer(fake, head.method.as_str(), head.uri.path(), &body.to_bytes()),
        Err(_) => Reply::error(413, "the body is larger than 1 MiB, or broke off"),
    }
}

fn response(reply: &Reply) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(format!("{:#}\n", reply.body)));
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(methods) = reply.allow {
        headers.insert(ALLOW, HeaderValue::from_static(methods));
    }
    response
}
