//! The two servers: the agent, and one that answers a constant.

use std::convert::Infallible;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use imds_fake::{Fake, Scenario};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};

/// The word by which this program runs as the constant server.
pub(crate) const CONSTANT: &str = "constant";

/// A server that is a process of its own, killed when dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) socket: PathBuf,
    pub(crate) tcp: SocketAddr,
    _directory: tempfile::TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    /// The agent, in front of this service, once it has read everything.
    pub(crate) async fn agent(service: &Fake, limits: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("imds.sock");
        let file = directory.path().join("agent.toml");
        let config = format!(
            "[agent]\nsocket = {socket:?}\nstate = {:?}\n[metadata]\ncloud = \"aws\"\nendpoint = \"{}\"\n[tcp]\nlisten = \
             \"127.0.0.1:0\"\n[limits]\n{limits}\n",
            directory.path().join("state.json"),
            service.url()
        );
        fs::write(&file, config).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_imds"));
        command.arg("agent").arg("--config").arg(file).env_clear().env("IMDS_NETWORK", "loopback");
        let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        let told = tokio::task::spawn_blocking(move || {
            let mut address = None;
            for line in log.lines() {
                let line = line.unwrap();
                if line.contains("answering over TCP") {
                    let text = line.split("address=").nth(1).unwrap();
                    address = text.split_whitespace().next().unwrap().parse().ok();
                }
                if line.contains("metadata is read") {
                    return address.unwrap();
                }
            }
            panic!("the agent ended");
        });
        Self { child, socket, tcp: told.await.unwrap(), _directory: directory }
    }

    /// A server that answers everything with these bytes.
    pub(crate) fn constant(answer: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("constant.sock");
        let file = directory.path().join("answer");
        fs::write(&file, answer).unwrap();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.arg(CONSTANT).arg(&socket).arg(file).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { child, socket, tcp: line.trim().parse().unwrap(), _directory: directory }
    }

    /// A line of the process's status, in its own unit.
    pub(crate) fn status(&self, name: &str) -> u64 {
        number(&format!("/proc/{}/status", self.child.id()), name)
    }

    /// Its memory by kind, in KiB.
    pub(crate) fn memory(&self, kind: &str) -> u64 {
        number(&format!("/proc/{}/smaps_rollup", self.child.id()), kind)
    }

    /// How often its threads have gone to sleep and so been woken.
    pub(crate) fn wakes(&self) -> u64 {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        tasks
            .map(|task| {
                number(task.unwrap().path().join("status").to_str().unwrap(), "voluntary_ctxt_switches")
            })
            .sum()
    }
}

fn number(path: &str, name: &str) -> u64 {
    let text = fs::read_to_string(path).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("no {name} in {path}")).split_whitespace().next().unwrap().parse().unwrap()
}

/// The service that the agent asks.
pub(crate) async fn service() -> Fake {
    Fake::start(Scenario::parse("aws:spot-asg").unwrap()).await.unwrap()
}

/// As many descriptors as this process may have.
pub(crate) fn make_room() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
}

/// Runs as the constant server: says where it is, and answers.
pub(crate) async fn constant(socket: &str, answer: &str) {
    let answer = Bytes::from(fs::read(answer).unwrap());
    let unix = UnixListener::bind(socket).unwrap();
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("{}", tcp.local_addr().unwrap());
    let over_tcp = answer.clone();
    tokio::spawn(async move {
        loop {
            let (stream, _) = tcp.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            tokio::spawn(serve(stream, over_tcp.clone()));
        }
    });
    loop {
        let (stream, _) = unix.accept().await.unwrap();
        tokio::spawn(serve(stream, answer.clone()));
    }
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static, answer: Bytes) {
    let service = service_fn(move |_: Request<Incoming>| {
        let mut response = Response::new(http_body_util::Full::new(answer.clone()));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        async move { Ok::<_, Infallible>(response) }
    });
    // A caller that goes away is no matter.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}
