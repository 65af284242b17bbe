//! Starting the second process, and being it.

use std::ffi::OsStr;
use std::io;
use std::os::unix::net::UnixStream as Socket;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tokio::net::UnixStream;
use tokio::signal::unix::{SignalKind, signal};

use super::Link;
use super::serve::{ReadPlan, serve};

/// The second process, from the first one's side. Dropping it closes the socket, which ends it.
#[derive(Debug)]
pub struct Executor {
    socket: Socket,
    child: Child,
}

/// Starts a program as the executor, with a socket as its standard input; it is where this process is, so that a path on
/// its command line means the same. Needs no runtime: it has to be done while this
/// process still has the privileges that the executor needs, and before there is any thread.
///
/// # Errors
/// What the system says.
pub fn start(program: &Path, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> io::Result<Executor> {
    let (socket, theirs) = Socket::pair()?;
    let child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::from(std::os::fd::OwnedFd::from(theirs)))
        // Results are the worker's to print.
        .stdout(Stdio::from(io::stderr()))
        .spawn()?;
    Ok(Executor { socket, child })
}

impl Executor {
    /// The way to it. Needs a runtime.
    ///
    /// # Errors
    /// What the system says.
    pub fn link(self) -> io::Result<(Link, Child)> {
        self.socket.set_nonblocking(true)?;
        Ok((Link::new(UnixStream::from_std(self.socket)?), self.child))
    }
}

/// Is the executor: serves the worker at the other end of standard input until it is gone.
///
/// # Errors
/// As [`serve`]; [`io::ErrorKind::InvalidInput`] where standard input is no socket, because somebody started this by hand.
pub fn main(read: ReadPlan) -> io::Result<()> {
    let by_hand = |_| {
        io::Error::new(io::ErrorKind::InvalidInput, "this is started by the agent itself, and by nobody else")
    };
    let stdin = std::os::fd::AsFd::as_fd(&io::stdin()).try_clone_to_owned()?;
    rustix::net::sockopt::socket_type(&stdin).map_err(by_hand)?;
    let socket = Socket::from(stdin);
    socket.set_nonblocking(true)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let served = runtime.block_on(async {
        // A service manager and a terminal send these to every process; it is the worker that ends, and this one with it.
        let _heeded_by_nobody = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()]
            .map(signal)
            .into_iter()
            .collect::<io::Result<Vec<_>>>()?;
        let stream = UnixStream::from_std(socket)?;
        serve(stream, read).await
    });
    // A check that hangs mustn't keep a process that nobody needs any more.
    runtime.shutdown_background();
    served
}
