//! Where callers knock: unix sockets, TCP on loopback if it is switched on, and a listener of its own for metrics.
//!
//! | module | holds |
//! |---|---|
//! | [`socket`] | unix sockets: made, with their mode; and the files of dead ones, taken away |
//! | [`loopback`] | TCP on loopback addresses, and nowhere else |
//! | [`guard`] | what a request over TCP has to look like, so that no web page can send it |
//! | `credentials` | the user behind a unix socket |
//! | [`groups`] | the groups of a caller |
//! | [`limits`] | how much anybody may take |
//! | [`census`] | who holds how many connections |
//! | [`pace`] | a connection whose other end has to keep moving |
//! | [`connection`] | HTTP on one connection |
//! | [`face`] | who answers on a listener |
//! | [`part`] | the listeners that the configuration names, as a part of the worker |
//! | [`stream`] | server-sent events, as a body |
//!
//! Nobody waits for anybody: each connection is a task of its own, what it is answered is at hand, and whoever doesn't keep
//! moving is shown out. A connection that is one too many is told so at once.

pub mod census;
pub mod connection;
mod credentials;
pub mod face;
pub mod groups;
pub mod guard;
pub mod limits;
pub mod loopback;
pub mod pace;
pub mod part;
pub mod socket;
pub mod stream;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use rustix::net::{RecvFlags, SendFlags};
use tokio::io::{AsyncRead, AsyncWrite, Interest, Ready};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time;

pub use face::{ApiFace, Face, MetricsFace};
pub use guard::Guard;
pub use limits::Limits;

use crate::api::{Caller, Refusal};
use crate::metrics::{Crowd, Metrics};
use crate::task::task;
use census::{Census, Client};

/// How long nothing is accepted once there are no descriptors left.
const OUT_OF_DESCRIPTORS: Duration = Duration::from_millis(50);
/// How many are let in before those who are in have their turn.
const AT_ONCE: usize = 64;

/// Listeners and the connections that came through them. They end with it.
#[derive(Debug)]
pub struct Server {
    shared: Arc<Shared>,
    tasks: Mutex<JoinSet<()>>,
    stopping: watch::Sender<bool>,
}

#[derive(Debug)]
struct Shared {
    limits: Limits,
    census: Arc<Census>,
    metrics: Arc<Metrics>,
    stopping: watch::Receiver<bool>,
}

impl Server {
    /// A server with nobody at the door yet. Connections of all its listeners count together.
    #[must_use]
    pub fn new(limits: Limits, metrics: Arc<Metrics>) -> Self {
        let (stopping, told) = watch::channel(false);
        let limits = limits.fitting();
        let census = Arc::new(Census::new(limits.connections, limits.per_client));
        let shared = Shared { limits, census, metrics, stopping: told };
        Self { shared: Arc::new(shared), tasks: Mutex::default(), stopping }
    }

    /// Answers on a unix socket: one from [`socket::bind`], or one that systemd made. Needs a Tokio runtime.
    ///
    /// # Errors
    /// As the system says.
    pub fn listen_unix(&self, listener: UnixListener, face: Arc<dyn Face>) -> io::Result<()> {
        listener.set_nonblocking(true)?;
        let listener = tokio::net::UnixListener::from_std(listener)?;
        self.spawn(accept(Door::Unix(listener), face, Arc::clone(&self.shared)));
        Ok(())
    }

    /// Answers on TCP. Whoever is asked there should hold requests to a [`Guard`].
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidInput`] for a listener that isn't on a loopback address, and as the system says.
    pub fn listen_tcp(&self, listener: TcpListener, face: Arc<dyn Face>) -> io::Result<SocketAddr> {
        let address = listener.local_addr()?;
        loopback::must_be_loopback(address)?;
        listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        self.spawn(accept(Door::Tcp(listener), face, Arc::clone(&self.shared)));
        Ok(address)
    }

    /// How many connections are open.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.census.all()
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).spawn(self::task(task));
    }

    /// Stops accepting, lets requests under way end for this long, then ends them.
    pub async fn stop(self, grace: Duration) {
        self.stopping.send_replace(true);
        let mut tasks = self.tasks.into_inner().unwrap_or_else(PoisonError::into_inner);
        let ended = time::timeout(grace, async { while tasks.join_next().await.is_some() {} }).await;
        if ended.is_err() {
            tracing::debug!("connections that didn't end in time are cut");
            tasks.shutdown().await;
        }
    }
}

enum Door {
    Unix(tokio::net::UnixListener),
    Tcp(tokio::net::TcpListener),
}

enum Visitor {
    Unix(std::os::unix::net::UnixStream),
    Tcp(std::net::TcpStream),
}

impl Door {
    /// Waits for visitors and adds those who are there, up to a number.
    ///
    /// They aren't the runtime's yet: while somebody connects as fast as it can, everybody else stands in the same queue of
    /// the kernel, and who can't be let in has to be out of it in a few microseconds.
    async fn accept(&self, arrived: &mut Vec<Visitor>) -> io::Result<()> {
        match self {
            Self::Unix(listener) => {
                arrived.push(Visitor::Unix(listener.accept().await?.0.into_std()?));
                more_of(listener, arrived, |stream| Visitor::Unix(stream.into()))
            }
            Self::Tcp(listener) => {
                arrived.push(Visitor::Tcp(listener.accept().await?.0.into_std()?));
                more_of(listener, arrived, |stream| Visitor::Tcp(stream.into()))
            }
        }
    }
}

/// Those who are there beside the first.
#[cfg(target_os = "linux")]
fn more_of(
    listener: &impl AsFd,
    arrived: &mut Vec<Visitor>,
    visitor: impl Fn(OwnedFd) -> Visitor,
) -> io::Result<()> {
    use rustix::io::Errno;
    use rustix::net::{SocketFlags, accept_with};
    while arrived.len() < AT_ONCE {
        match accept_with(listener, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) {
            Ok(stream) => arrived.push(visitor(stream)),
            Err(Errno::AGAIN) => break,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// One at a time, where a connection can't be had and kept from other programs at once.
#[cfg(not(target_os = "linux"))]
#[expect(clippy::unnecessary_wraps, reason = "it can fail elsewhere")]
fn more_of(_: &impl AsFd, _: &mut Vec<Visitor>, _: impl Fn(OwnedFd) -> Visitor) -> io::Result<()> {
    Ok(())
}

/// Lets visitors in until the server stops, and then waits for those who are in.
async fn accept(door: Door, face: Arc<dyn Face>, shared: Arc<Shared>) {
    let mut visits = JoinSet::new();
    let mut stopping = shared.stopping.clone();
    let mut arrived = Vec::with_capacity(AT_ONCE);
    loop {
        let accepted = tokio::select! {
            biased;
            _ = stopping.wait_for(|stopping| *stopping) => break,
            Some(_) = visits.join_next() => continue,
            accepted = door.accept(&mut arrived) => accepted,
        };
        let more = arrived.len() == AT_ONCE;
        for visitor in arrived.drain(..) {
            let_in(visitor, &face, &shared, &mut visits);
        }
        if let Err(error) = accepted.or_else(unless_the_visitors) {
            tracing::warn!(%error, "no connection can be accepted now");
            time::sleep(OUT_OF_DESCRIPTORS).await;
        } else if more {
            // However many come, those who are in have their turn.
            tokio::task::yield_now().await;
        }
    }
    drop(door);
    while visits.join_next().await.is_some() {}
}

/// No error if it is about one visitor, who went away before the door was open.
fn unless_the_visitors(error: io::Error) -> io::Result<()> {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    match error.kind() {
        ConnectionAborted | ConnectionReset | Interrupted => Ok(()),
        _ => Err(error),
    }
}

fn let_in(visitor: Visitor, face: &Arc<dyn Face>, shared: &Arc<Shared>, visits: &mut JoinSet<()>) {
    // What goes wrong here is that the visitor is gone already.
    let _ = match visitor {
        Visitor::Unix(stream) => let_in_unix(stream, face, shared, visits),
        Visitor::Tcp(stream) => let_in_tcp(stream, face, shared, visits),
    };
}

fn let_in_unix(
    stream: std::os::unix::net::UnixStream,
    face: &Arc<dyn Face>,
    shared: &Arc<Shared>,
    visits: &mut JoinSet<()>,
) -> io::Result<()> {
    if has_hung_up(&stream) {
        return Ok(());
    }
    // Without credentials nobody can say who it is; such a caller is as good as a stranger.
    let credentials = credentials::of(&stream);
    let client = credentials.map_or(Client::Loopback, |(uid, _)| Client::User(uid));
    let Some(seat) = seat(client, shared, &stream) else { return Ok(()) };
    let stream = UnixStream::from_std(stream)?;
    let (face, shared) = (Arc::clone(face), Arc::clone(shared));
    visits.spawn(task(async move {
        let _seat = seat;
        let caller = match credentials {
            Some((uid, gid)) if face.asks_for_groups() => {
                Caller::Process { uid, gids: groups::of(uid, gid).await }
            }
            Some((uid, gid)) => Caller::Process { uid, gids: vec![gid] },
            None => Caller::Loopback,
        };
        visit(stream, caller, face, shared).await;
    }));
    Ok(())
}

fn let_in_tcp(
    stream: std::net::TcpStream,
    face: &Arc<dyn Face>,
    shared: &Arc<Shared>,
    visits: &mut JoinSet<()>,
) -> io::Result<()> {
    if has_hung_up(&stream) {
        return Ok(());
    }
    let Some(seat) = seat(face.unknown_client(), shared, &stream) else { return Ok(()) };
    let stream = TcpStream::from_std(stream)?;
    // Small answers shouldn't wait for anything; a socket that can't say so still works.
    let _ = stream.set_nodelay(true);
    let (face, shared) = (Arc::clone(face), Arc::clone(shared));
    visits.spawn(task(async move {
        let _seat = seat;
        visit(stream, Caller::Loopback, face, shared).await;
    }));
    Ok(())
}

/// Whether the other end has closed without a word, or is gone.
fn has_hung_up(stream: &impl AsFd) -> bool {
    match rustix::net::recv(stream, &mut [0; 1], RecvFlags::PEEK | RecvFlags::DONTWAIT) {
        Ok((_, length)) => length == 0,
        Err(error) => error != rustix::io::Errno::AGAIN,
    }
}

/// What a connection is told for which there is no seat. Made once: those who flood get as little work as possible.
static BUSY: LazyLock<String> = LazyLock::new(|| {
    let body = Refusal::busy().body_text();
    let length = body.len();
    format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\
         retry-after: 1\r\nconnection: close\r\n\r\n{body}"
    )
});

/// A seat for one connection, or the word that there is none.
fn seat(client: Client, shared: &Shared, stream: &impl AsFd) -> Option<census::Seat> {
    let crowd = match Census::enter(&shared.census, client) {
        Ok(seat) => return Some(seat),
        Err(crowd) => crowd,
    };
    // A new connection has room for this much; if it hasn't, its other end is gone.
    let _ = rustix::net::send(stream, BUSY.as_bytes(), SendFlags::DONTWAIT | SendFlags::NOSIGNAL);
    shared.metrics.refused(match crowd {
        census::Crowded::All => Crowd::All,
        census::Crowded::Client => Crowd::Client,
    });
    None
}

/// What every visitor's stream can do.
trait Stream: AsyncRead + AsyncWrite + AsFd + Send + Unpin + 'static {
    /// Waits until there is something to be read, or never will be.
    fn ready(&self) -> impl Future<Output = io::Result<Ready>> + Send;
}

impl Stream for UnixStream {
    async fn ready(&self) -> io::Result<Ready> {
        Self::ready(self, Interest::READABLE).await
    }
}

impl Stream for TcpStream {
    async fn ready(&self) -> io::Result<Ready> {
        Self::ready(self, Interest::READABLE).await
    }
}

/// Whether a visitor says something within the time that it may be silent. It gets no buffers before; most of those who
/// come by the thousand never say anything.
async fn speaks(stream: &impl Stream, idle: Duration) -> bool {
    match time::timeout(idle, stream.ready()).await {
        // It may have ended its side after a whole request.
        Ok(Ok(ready)) if ready.is_read_closed() => !has_hung_up(stream),
        said => matches!(said, Ok(Ok(_))),
    }
}

async fn visit(stream: impl Stream, caller: Caller, face: Arc<dyn Face>, shared: Arc<Shared>) {
    let _present = shared.metrics.connection();
    let mut stopping = shared.stopping.clone();
    let speaks = tokio::select! {
        speaks = speaks(&stream, shared.limits.idle) => speaks,
        _ = stopping.wait_for(|stopping| *stopping) => false,
    };
    if !speaks {
        return;
    }
    connection::serve(stream, caller, face, &shared.limits, shared.stopping.clone()).await;
}
