//! Callers that are slow, silent, greedy or hostile. While each of them does its worst, another user asks with the ordinary
//! command, and somebody scrapes the metrics.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;

use crate::caller::Caller;
use crate::running::Running;

/// Nobody, on every Linux.
const OTHER_USER: u32 = 65_534;
/// A process is started, and waits for its answer, on a machine that is busy with everybody else's tests.
const QUICKLY: Duration = Duration::from_secs(5);
/// As `MemoryMax` in the unit, in KiB.
const MEMORY: u64 = 128 * 1024;

/// Where an attacker knocks.
#[derive(Clone, Copy, Debug)]
enum Door {
    Socket,
    Tcp,
}

impl Door {
    async fn open(self, agent: &Running) -> Option<Caller> {
        match self {
            Self::Socket => Caller::local(agent).await.ok(),
            Self::Tcp => Caller::over_tcp(agent).await.ok(),
        }
    }
}

/// What an attacker does with its connections, as long as they last.
#[derive(Clone, Copy, Debug)]
enum Attack {
    /// Sends a request byte by byte.
    Drips,
    /// Says nothing.
    Silent,
    /// Ends its side in the middle of a request.
    HalfClosed,
    /// Connects as fast as it can.
    Floods,
    /// Sends headers without end.
    HeadersWithoutEnd,
    /// Sends a body without end.
    BodyWithoutEnd,
    /// Sends request after request and takes the answers.
    Pipelines,
    /// Sends request after request and takes no answer.
    NeverReads,
    /// Watches and doesn't listen.
    WatchesWithoutReading,
    /// Sends what is no HTTP.
    Nonsense,
}

const ATTACKS: [(Attack, usize); 10] = [
    (Attack::Drips, 300),
    (Attack::Silent, 1500),
    (Attack::HalfClosed, 300),
    (Attack::Floods, 8),
    (Attack::HeadersWithoutEnd, 8),
    (Attack::BodyWithoutEnd, 8),
    (Attack::Pipelines, 8),
    (Attack::NeverReads, 100),
    (Attack::WatchesWithoutReading, 300),
    (Attack::Nonsense, 8),
];

impl Attack {
    /// Goes on until it is stopped; whoever is shown out comes back.
    async fn go_on(self, agent: Arc<Running>, door: Door) {
        loop {
            if let Some(caller) = door.open(&agent).await {
                self.once(caller).await;
            }
            tokio::task::yield_now().await;
        }
    }

    /// One connection. That it ends is what should happen.
    async fn once(self, mut caller: Caller) {
        let request = caller.request("/v1/metadata");
        let stream = &mut caller.stream;
        match self {
            Self::Drips => {
                for byte in request.bytes() {
                    if stream.write_all(&[byte]).await.is_err() {
                        return;
                    }
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
            Self::Silent => {
                let _ = stream.read(&mut [0; 512]).await;
                // Who was refused doesn't hurry back, or it would be a flood.
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            Self::HalfClosed => {
                let _ = stream.write_all(b"GET /v1/meta").await;
                let _ = stream.shutdown().await;
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            Self::Floods => {}
            Self::HeadersWithoutEnd => {
                let _ = stream.write_all(b"GET / HTTP/1.1\r\n").await;
                while stream.write_all(b"X-Header: with a value of some length\r\n").await.is_ok() {}
            }
            Self::BodyWithoutEnd => {
                let head = request.replace("\r\n\r\n", "\r\nContent-Length: 999999999999\r\n\r\n");
                let _ = stream.write_all(head.as_bytes()).await;
                while stream.write_all(&[b'x'; 4096]).await.is_ok() {}
            }
            Self::Pipelines => {
                let (mut read, mut write) = tokio::io::split(caller.stream);
                let many = request.repeat(100);
                let asking = async { while write.write_all(many.as_bytes()).await.is_ok() {} };
                let taking =
                    async { while read.read(&mut [0; 65_536]).await.is_ok_and(|length| length > 0) {} };
                tokio::join!(asking, taking);
            }
            Self::NeverReads => {
                let many = request.repeat(100);
                while stream.write_all(many.as_bytes()).await.is_ok() {}
            }
            Self::WatchesWithoutReading => {
                let watch = request.replace("/v1/metadata", "/v1/watch");
                let _ = stream.write_all(watch.as_bytes()).await;
                tokio::time::sleep(Duration::from_secs(60)).await;
            }
            Self::Nonsense => {
                let _ = stream.write_all(&[0x16, 3, 1, 0, 255, b'\r', b'\n', b'\r', b'\n']).await;
                let _ = stream.read(&mut [0; 512]).await;
            }
        }
    }
}

/// The ordinary command as another user has it; as the same one where nobody may become another.
fn command(agent: &Running) -> PathBuf {
    // The directory of the build may be closed to others.
    let copy = agent.folder.path().join("imds");
    std::fs::copy(env!("CARGO_BIN_EXE_imds"), &copy).unwrap();
    std::fs::set_permissions(&copy, PermissionsExt::from_mode(0o755)).unwrap();
    copy
}

fn is_root() -> bool {
    std::os::unix::fs::MetadataExt::uid(&std::fs::metadata("/proc/self").unwrap()) == 0
}

/// Asks as the other user does until it is answered, and says how long that took. The command itself gives up after a second,
/// which on a machine that is busy with other tests proves nothing.
async fn asked(command: PathBuf, agent: Arc<Running>, what: String) -> Duration {
    let asking = tokio::task::spawn_blocking(move || {
        let mut asking = Command::new(command);
        asking.args(["--agent".as_ref(), agent.socket.as_os_str(), "get".as_ref(), "region".as_ref()]);
        asking.env_clear().env("IMDS_NETWORK", "off").stdin(Stdio::null());
        if is_root() {
            asking.uid(OTHER_USER).gid(OTHER_USER);
        }
        let started = Instant::now();
        loop {
            let output = asking.output().unwrap();
            let took = started.elapsed();
            if output.status.success() {
                assert_eq!(String::from_utf8_lossy(&output.stdout), "us-east-1\n");
                return took;
            }
            assert!(took < QUICKLY, "{what}: {}", String::from_utf8_lossy(&output.stderr));
        }
    });
    asking.await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_misbehaves_harms_no_other_user() {
    if !is_root() {
        eprintln!("SKIPPED in part: who asks meanwhile isn't another user, which takes root");
    }
    // What one user does to itself isn't the question.
    let room = if is_root() { "" } else { "connections = 8192\nper_client = 4000" };
    let agent = Arc::new(Running::with(room, "127.0.0.1:0").await);
    let command = command(&agent);
    let before = agent.service.requests().len();
    for door in [Door::Socket, Door::Tcp] {
        for (attack, attackers) in ATTACKS {
            let mut attacking = JoinSet::new();
            for _ in 0..attackers {
                attacking.spawn(attack.go_on(Arc::clone(&agent), door));
            }
            for _ in 0..2 {
                let what = format!("{attack:?} at the {door:?}");
                let took = asked(command.clone(), Arc::clone(&agent), what.clone()).await;
                assert!(took < QUICKLY, "{what}: {took:?}");
                let started = Instant::now();
                let (status, _) = Caller::at(agent.metrics).await.unwrap().get("/metrics").await.unwrap();
                assert!(status == 200 && started.elapsed() < QUICKLY, "{what}: {status}");
            }
            attacking.shutdown().await;
        }
    }
    assert_eq!(agent.service.requests().len(), before, "none of this reached the service");
    let peak = agent.peak_memory();
    assert!(peak < MEMORY, "{peak} KiB");
}
