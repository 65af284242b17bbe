//! Where callers knock: unix sockets, TCP on loopback if it is switched on, and a listener of its own for metrics.
//!
//! | module | holds |
//! |---|---|
//! | [`socket`] | unix sockets: made, with their mode; and the files of dead ones, taken away |
//! | [`loopback`] | TCP on loopback addresses, and nowhere else |
//! | [`guard`] | what a request over TCP has to look like, so that no web page can send it |
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
use std::net::{SocketAddr, TcpListener as StdTcpListener};
use std::os::unix::net::UnixListener as StdUnixListener;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time;

pub use face::{ApiFace, Face, MetricsFace};
pub use guard::Guard;
pub use limits::Limits;

use crate::api::{Caller, Refusal};
use crate::metrics::{Crowd, Metrics};
use census::Census;

/// How long nothing is accepted once there are no descriptors left.
const OUT_OF_DESCRIPTORS: Duration = Duration::from_millis(50);

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
    pub fn listen_unix(&self, listener: StdUnixListener, face: Arc<dyn Face>) -> io::Result<()> {
        listener.set_nonblocking(true)?;
        let listener = UnixListener::from_std(listener)?;
        self.spawn(accept(Door::Unix(listener), face, Arc::clone(&self.shared)));
        Ok(())
    }

    /// Answers on TCP. Whoever is asked there should hold requests to a [`Guard`].
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidInput`] for a listener that isn't on a loopback address, and as the system says.
    pub fn listen_tcp(&self, listener: StdTcpListener, face: Arc<dyn Face>) -> io::Result<SocketAddr> {
        let address = listener.local_addr()?;
        loopback::must_be_loopback(address)?;
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
        self.spawn(accept(Door::Tcp(listener), face, Arc::clone(&self.shared)));
        Ok(address)
    }

    /// How many connections are open.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.census.all()
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).spawn(task);
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
    Unix(UnixListener),
    Tcp(TcpListener),
}

enum Visitor {
    Unix(UnixStream),
    Tcp(TcpStream),
}

impl Door {
    async fn accept(&self) -> io::Result<Visitor> {
        match self {
            Self::Unix(listener) => listener.accept().await.map(|(stream, _)| Visitor::Unix(stream)),
            Self::Tcp(listener) => listener.accept().await.map(|(stream, _)| Visitor::Tcp(stream)),
        }
    }
}

/// Lets visitors in until the server stops, and then waits for those who are in.
async fn accept(door: Door, face: Arc<dyn Face>, shared: Arc<Shared>) {
    let mut visits = JoinSet::new();
    let mut stopping = shared.stopping.clone();
    loop {
        let visitor = tokio::select! {
            biased;
            _ = stopping.wait_for(|stopping| *stopping) => break,
            Some(_) = visits.join_next() => continue,
            visitor = door.accept() => visitor,
        };
        match visitor {
            Ok(visitor) => let_in(visitor, &face, &shared, &mut visits),
            Err(error) if is_the_visitors(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "no connection can be accepted now");
                time::sleep(OUT_OF_DESCRIPTORS).await;
            }
        }
    }
    drop(door);
    while visits.join_next().await.is_some() {}
}

/// Whether an error is about one visitor, who went away before the door was open.
fn is_the_visitors(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted
    )
}

fn let_in(visitor: Visitor, face: &Arc<dyn Face>, shared: &Arc<Shared>, visits: &mut JoinSet<()>) {
    match visitor {
        Visitor::Unix(stream) => {
            // Without credentials nobody can say who it is; such a caller is as good as a stranger.
            let credentials = stream.peer_cred().ok().map(|peer| (peer.uid(), peer.gid()));
            if let Some(seat) = seat(credentials.map(|(uid, _)| uid), shared, |text| stream.try_write(text)) {
                let (face, shared) = (Arc::clone(face), Arc::clone(shared));
                visits.spawn(async move {
                    let _seat = seat;
                    let caller = match credentials {
                        Some((uid, gid)) if face.asks_for_groups() => {
                            Caller::Process { uid, gids: groups::of(uid, gid).await }
                        }
                        Some((uid, gid)) => Caller::Process { uid, gids: vec![gid] },
                        None => Caller::Loopback,
                    };
                    visit(stream, caller, face, shared).await;
                });
            }
        }
        Visitor::Tcp(stream) => {
            if let Some(seat) = seat(None, shared, |text| stream.try_write(text)) {
                // Small answers shouldn't wait for anything; a socket that can't say so still works.
                let _ = stream.set_nodelay(true);
                let (face, shared) = (Arc::clone(face), Arc::clone(shared));
                visits.spawn(async move {
                    let _seat = seat;
                    visit(stream, Caller::Loopback, face, shared).await;
                });
            }
        }
    }
}

/// A seat for one connection, or the word that there is none.
fn seat(
    client: Option<u32>,
    shared: &Shared,
    tell: impl FnOnce(&[u8]) -> io::Result<usize>,
) -> Option<census::Seat> {
    let crowd = match Census::enter(&shared.census, client) {
        Ok(seat) => return Some(seat),
        Err(crowd) => crowd,
    };
    let body = Refusal::busy().body_text();
    let length = body.len();
    let answer = format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\
         retry-after: 1\r\nconnection: close\r\n\r\n{body}"
    );
    // A new connection has room for this much; if it hasn't, its other end is gone.
    let _ = tell(answer.as_bytes());
    shared.metrics.refused(match crowd {
        census::Crowded::All => Crowd::All,
        census::Crowded::Client => Crowd::Client,
    });
    None
}

async fn visit<S>(stream: S, caller: Caller, face: Arc<dyn Face>, shared: Arc<Shared>)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let _present = shared.metrics.connection();
    connection::serve(stream, caller, face, &shared.limits, shared.stopping.clone()).await;
}
