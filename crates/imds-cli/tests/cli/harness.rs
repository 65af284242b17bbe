//! Runs the built binary in an environment that holds nothing but what the test puts there.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use imds_fake::{Fake, Scenario};
use tokio::net::TcpSocket;
use tokio::runtime::Runtime;

/// What came of a command.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    /// Stdout as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}", self.stdout))
    }

    /// The exit code and stdout, for tests that care for both.
    pub(crate) fn result(&self) -> (i32, &str) {
        (self.code, &self.stdout)
    }
}

/// A command line to run.
pub(crate) struct Imds(Command);

impl Imds {
    /// The binary with these arguments, words separated by spaces.
    pub(crate) fn new(line: &str) -> Self {
        Self::with(&line.split_whitespace().collect::<Vec<_>>())
    }

    /// The binary with these arguments.
    pub(crate) fn with(arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_imds"));
        command.args(arguments).env_clear().env("IMDS_NETWORK", "loopback").stdin(Stdio::null());
        // The file of the machine that the tests run on is nobody's business.
        if !arguments.contains(&"--config") {
            command.arg("--config").arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cli/nothing.toml"));
        }
        Self(command)
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.0.env(name, value);
        self
    }

    pub(crate) fn run(mut self) -> Ran {
        let output = self.0.output().unwrap();
        Ran {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// The command itself, for tests of its pipes.
    pub(crate) fn command(self) -> Command {
        self.0
    }
}

/// Runs a command line.
pub(crate) fn imds(line: &str) -> Ran {
    Imds::new(line).run()
}

/// A fake service of this process, and the runtime it lives in.
pub(crate) struct Service {
    fake: Option<Fake>,
    runtime: Runtime,
}

impl Service {
    pub(crate) fn start(spec: &str) -> Self {
        Self::of(Scenario::parse(spec).unwrap())
    }

    pub(crate) fn of(scenario: Scenario) -> Self {
        let runtime = runtime();
        let fake = Some(runtime.block_on(Fake::start(scenario)).unwrap());
        Self { fake, runtime }
    }

    /// With a fault in force, in the form of `imds_fake::Fault`.
    pub(crate) fn faulty(self, fault: &str) -> Self {
        self.fake().inject(fault.parse().unwrap());
        self
    }

    pub(crate) fn fake(&self) -> &Fake {
        self.fake.as_ref().unwrap()
    }

    pub(crate) fn url(&self) -> String {
        self.fake().url()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _inside = self.runtime.enter();
        self.fake.take();
    }
}

/// An address of loopback that refuses connections, and will as long as this lives: its port is taken, and nobody listens.
pub(crate) struct Refusing {
    socket: TcpSocket,
    _runtime: Runtime,
}

impl Refusing {
    pub(crate) fn new() -> Self {
        let runtime = runtime();
        let socket = {
            let _inside = runtime.enter();
            let socket = TcpSocket::new_v4().unwrap();
            socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
            socket
        };
        Self { socket, _runtime: runtime }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.socket.local_addr().unwrap())
    }
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

/// A directory of its own, gone with the value.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("imds-cli-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// The folder's path.
    pub(crate) fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }

    /// Writes a file, and gives its path.
    pub(crate) fn write(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
