//! Who asks the agent, and how they behave.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::{sleep, timeout};

use crate::Counts;

/// How many there are at once.
pub(crate) const CROWD: usize = 16;
const PATHS: [&str; 7] = [
    "/v1/metadata",
    "/v1/metadata/instance_id",
    "/v1/tags/Name",
    "/v1/verdict",
    "/v1/events",
    "/readyz",
    "/v1/no/such/path",
];

/// Comes, does something, goes, for ever.
pub(crate) async fn live(socket: PathBuf, mut rng: fastrand::Rng, counts: Arc<Counts>) {
    loop {
        // The agent may not listen yet; whoever is shown out comes back.
        let _ = visit(&socket, &mut rng, &counts).await;
        sleep(Duration::from_millis(rng.u64(1..200))).await;
    }
}

async fn visit(socket: &Path, rng: &mut fastrand::Rng, counts: &Counts) -> io::Result<()> {
    let path = rng.choice(PATHS).unwrap_or_default();
    match rng.u8(..8) {
        // One after the other on one connection.
        0..=2 => {
            let mut stream = UnixStream::connect(socket).await?;
            for _ in 0..rng.u8(1..20) {
                ask(&mut stream, path, "keep-alive").await?;
                let mut answer = [0; 16 * 1024];
                if stream.read(&mut answer).await? == 0 {
                    return Ok(());
                }
                Counts::add(&counts.answers);
            }
        }
        3 => {
            get(socket, path).await?;
            Counts::add(&counts.answers);
        }
        4..=5 => watch(socket, rng, counts).await?,
        // Says half of what it wants, or doesn't wait for the answer.
        6 => {
            let mut stream = UnixStream::connect(socket).await?;
            stream.write_all(b"GET /v1/metadata HTTP/1.1\r\nHo").await?;
            sleep(Duration::from_millis(rng.u64(..50))).await;
            Counts::add(&counts.walked_away);
        }
        _ => {
            let mut stream = UnixStream::connect(socket).await?;
            ask(&mut stream, path, "close").await?;
            Counts::add(&counts.walked_away);
        }
    }
    Ok(())
}

async fn ask(stream: &mut UnixStream, path: &str, connection: &str) -> io::Result<()> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: {connection}\r\n\r\n");
    stream.write_all(request.as_bytes()).await
}

/// Listens for a while, and hangs up in the middle of whatever is said.
async fn watch(socket: &Path, rng: &mut fastrand::Rng, counts: &Counts) -> io::Result<()> {
    let mut stream = UnixStream::connect(socket).await?;
    ask(&mut stream, "/v1/watch", "keep-alive").await?;
    Counts::add(&counts.watches);
    let listening = async {
        let mut buffer = [0; 4096];
        while stream.read(&mut buffer).await? > 0 {
            Counts::add(&counts.events);
        }
        io::Result::Ok(())
    };
    // That the time is over is how most watches end.
    let _ = timeout(Duration::from_millis(rng.u64(..8_000)), listening).await;
    Ok(())
}

/// The whole answer of a request on a connection of its own.
///
/// # Errors
/// As the socket says.
pub(crate) async fn get(socket: &Path, path: &str) -> io::Result<String> {
    let mut stream = UnixStream::connect(socket).await?;
    ask(&mut stream, path, "close").await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}
