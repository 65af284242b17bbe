//! HTTP on an agent's unix socket.

use std::io;
use std::path::Path;
use std::time::Duration;

use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper::Response;
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, HOST, USER_AGENT};
use hyper_util::rt::TokioIo;
use imds_model::{Error, ErrorKind};
use tokio::net::UnixStream;

use super::{AGENT_USER, answer};
use crate::task::task;

/// The largest answer that is read: more than any machine has tags.
const BODY_LIMIT: usize = 1024 * 1024;
/// The pause before connecting again while the agent's queue is full.
const QUEUE: Duration = Duration::from_millis(5);
const REMEDY: &str = "is the agent running? `imds agent` starts it, `--agent never` does without";

/// Asks for a path, and returns the answer's head. The caller sets the deadline.
pub(super) async fn open(
    socket: &Path,
    trusted: &[u32],
    path: &str,
    last_id: Option<&str>,
) -> Result<Response<Incoming>, Error> {
    // Without links, so that what is judged is what was connected to.
    let place = std::fs::canonicalize(socket).unwrap_or_else(|_| socket.to_owned());
    let stream = connect(&place).await?;
    must_be_trusted(&stream, &place, trusted)?;
    let (mut sender, connection) =
        http1::Builder::new().handshake(TokioIo::new(stream)).await.map_err(broken)?;
    // It ends by itself once the answer was taken or dropped; what goes wrong on it reaches whoever reads the answer.
    tokio::spawn(task(async { drop(connection.await) }));
    let mut request = hyper::Request::get(path)
        .header(HOST, "localhost")
        .header(USER_AGENT, concat!("imds/", env!("CARGO_PKG_VERSION")))
        .header(ACCEPT, "application/json, text/event-stream");
    if let Some(id) = last_id {
        request = request.header("last-event-id", id);
    }
    let request = request.body(Empty::<Bytes>::new()).map_err(|error| {
        Error::new(ErrorKind::Usage, "that can't be asked of an agent").with_source(error)
    })?;
    sender.send_request(request).await.map_err(broken)
}

/// The whole body of an answer.
pub(super) async fn whole(answer: Response<Incoming>) -> Result<Bytes, Error> {
    match Limited::new(answer.into_body(), BODY_LIMIT).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => {
            Err(Error::new(ErrorKind::TooLarge, "the agent's answer is larger than any real one"))
        }
        Err(error) => Err(answer::malformed(&error.to_string())),
    }
}

async fn connect(socket: &Path) -> Result<UnixStream, Error> {
    loop {
        match UnixStream::connect(socket).await {
            Ok(stream) => return Ok(stream),
            // Many others connect right now.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => tokio::time::sleep(QUEUE).await,
            Err(error) => {
                let (kind, message) = match error.kind() {
                    io::ErrorKind::NotFound => (ErrorKind::Unreachable, "there is no such socket"),
                    io::ErrorKind::ConnectionRefused => {
                        (ErrorKind::Unreachable, "nobody listens on this socket")
                    }
                    io::ErrorKind::PermissionDenied => {
                        (ErrorKind::Locked, "this user may not connect to the agent's socket")
                    }
                    _ => (ErrorKind::Unreachable, "the agent's socket can't be connected to"),
                };
                return Err(Error::new(kind, message).with_remedy(REMEDY).with_source(error));
            }
        }
    }
}

/// Whether whoever holds the socket may be believed.
fn must_be_trusted(stream: &UnixStream, place: &Path, trusted: &[u32]) -> Result<(), Error> {
    let unknown = |error: io::Error| {
        Error::new(ErrorKind::Untrusted, "who holds this socket can't be found out").with_source(error)
    };
    let holder = stream.peer_cred().map_err(unknown)?.uid();
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    if is_trusted(holder, own_uid().map_err(unknown)?, trusted, &users) || is_handed_out(holder, place, look)
    {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Untrusted,
        format!("this socket belongs to the user {holder}, not to the agent"),
    )
    .with_remedy(
        "an agent's socket belongs to root, to the agent's user or to yourself, or is where only root can have put it; \
         `--agent never` does without",
    ))
}

/// The user of this process, as the kernel tells it to others: the far end of a pair is ours.
fn own_uid() -> io::Result<u32> {
    let (own, _far) = UnixStream::pair()?;
    Ok(own.peer_cred()?.uid())
}

/// Root, the caller itself, who was named, and the user that the system's agent runs as, by this machine's own file.
fn is_trusted(holder: u32, own: u32, named: &[u32], users: &str) -> bool {
    let is_the_agents = |line: &str| {
        let mut columns = line.split(':');
        columns.next() == Some(AGENT_USER)
            && columns.nth(1).and_then(|column| column.parse().ok()) == Some(holder)
    };
    holder == 0 || holder == own || named.contains(&holder) || users.lines().any(is_the_agents)
}

/// Where system services have directories, which root hands out.
const RUN: &str = "/run";

/// Whether only root can have put the socket there, or can have let this user do so: every directory above it is root's, and
/// nobody else may write into it; but the last may be the holder's own, if it lies in `/run` itself, as a service's
/// directory does (systemd's `RuntimeDirectory=`).
fn is_handed_out(holder: u32, place: &Path, look: impl Fn(&Path) -> Option<Owned>) -> bool {
    let mut above = place.ancestors().skip(1);
    let Some(directory) = above.next().filter(|_| place.is_absolute()) else { return false };
    let is_roots = |path: &Path| look(path).is_some_and(|owned| owned.uid == 0 && owned.by_others == 0);
    let is_services = directory.parent() == Some(Path::new(RUN))
        && look(directory).is_some_and(|owned| owned.uid == holder && owned.by_others == 0);
    (is_services || is_roots(directory)) && above.all(is_roots)
}

/// Whose a directory is, and whether others may write into it.
struct Owned {
    uid: u32,
    /// The bits of the mode that let group or others write.
    by_others: u32,
}

fn look(path: &Path) -> Option<Owned> {
    use std::os::unix::fs::MetadataExt as _;
    let found = std::fs::symlink_metadata(path).ok().filter(std::fs::Metadata::is_dir)?;
    Some(Owned { uid: found.uid(), by_others: found.mode() & 0o022 })
}

fn broken(error: hyper::Error) -> Error {
    answer::malformed(&error.to_string()).with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_that_root_handed_out_speaks_for_the_one_who_has_it() {
        let tree: &[(&str, u32, u32)] = &[
            ("/", 0, 0),
            ("/run", 0, 0),
            ("/run/imds", 7, 0),
            ("/run/root", 0, 0),
            ("/run/shared", 0, 0o020),
            ("/run/loose", 7, 0o002),
            ("/run/imds/deep", 7, 0),
            ("/run/user", 0, 0),
            ("/run/user/7", 7, 0),
            ("/tmp", 0, 0o022),
            ("/tmp/imds", 0, 0),
            ("/home", 0, 0),
            ("/home/seven", 7, 0),
        ];
        let look = |path: &Path| {
            let (_, uid, by_others) = tree.iter().find(|(name, ..)| Path::new(name) == path)?;
            Some(Owned { uid: *uid, by_others: *by_others })
        };
        for (holder, place, expected) in [
            (7, "/run/imds/imds.sock", true),
            (8, "/run/imds/imds.sock", false),
            (8, "/run/root/imds.sock", true),
            (8, "/run/imds.sock", true),
            (7, "/run/shared/imds.sock", false),
            (7, "/run/loose/imds.sock", false),
            (7, "/run/imds/deep/imds.sock", false),
            (7, "/run/user/7/imds.sock", false),
            (7, "/tmp/imds/imds.sock", false),
            (7, "/home/seven/imds.sock", false),
            (7, "/run/gone/imds.sock", false),
            (7, "imds.sock", false),
        ] {
            assert_eq!(is_handed_out(holder, Path::new(place), look), expected, "{holder} {place}");
        }
    }

    #[test]
    fn nobody_else_is_believed() {
        let users =
            "root:x:0:0::/:/bin/sh\nimds:x:990:990::/:/sbin/nologin\nimds-evil:x:991:991::/:/bin/sh\nbad\n";
        let trusts = |holder, named: &[u32]| is_trusted(holder, 1000, named, users);
        assert!(trusts(0, &[]) && trusts(1000, &[]) && trusts(990, &[]) && trusts(7, &[7]));
        assert!(!trusts(991, &[]) && !trusts(1001, &[7]) && !is_trusted(990, 1000, &[], ""));
    }
}
