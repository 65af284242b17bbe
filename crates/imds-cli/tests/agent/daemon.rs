//! A running agent, and the service manager that started it.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use crate::folder::Folder;

pub(crate) fn imds(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_imds"));
    command.arg("agent").args(arguments).env_clear().env("IMDS_NETWORK", "loopback").stdin(Stdio::null());
    command
}

pub(crate) fn run(arguments: &[&str]) -> Output {
    imds(arguments).output().unwrap()
}

pub(crate) fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// A configuration that touches nothing outside its folder.
pub(crate) fn config(folder: &Folder, more: &str) -> PathBuf {
    let directory = folder.path().display();
    let own = format!("[agent]\nsocket = \"{directory}/imds.sock\"\nstate = \"{directory}/state.json\"\n");
    folder.write("agent.toml", own + more);
    folder.path().join("agent.toml")
}

/// A running agent, and the service manager that started it. Killed when dropped.
pub(crate) struct Running {
    pub(crate) child: Child,
    pub(crate) manager: UnixDatagram,
    pub(crate) log: BufReader<std::process::ChildStderr>,
}

impl Running {
    pub(crate) fn start(folder: &Folder, arguments: &[&str]) -> Self {
        Self::with(folder, arguments, &[])
    }

    /// The same, in a folder in which one ran before.
    pub(crate) fn start_again(folder: &Folder, arguments: &[&str]) -> Self {
        std::fs::remove_file(folder.path().join("notify")).unwrap();
        Self::start(folder, arguments)
    }

    pub(crate) fn with(folder: &Folder, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let socket = folder.path().join("notify");
        let manager = UnixDatagram::bind(&socket).unwrap();
        // As systemd's: whoever the agent becomes may speak to it.
        std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o777)).unwrap();
        manager.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut command = imds(arguments);
        command.env("NOTIFY_SOCKET", &socket).envs(variables.iter().copied());
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        Self { child, manager, log }
    }

    /// Waits until the service manager hears this.
    pub(crate) fn hears(&self, wanted: &str) -> String {
        let mut message = [0; 512];
        loop {
            let length = self.manager.recv(&mut message).unwrap_or_else(|error| panic!("{wanted}: {error}"));
            let message = text(&message[..length]);
            if message.contains(wanted) {
                return message.to_owned();
            }
        }
    }

    /// Waits until the log says this.
    pub(crate) fn logs(&mut self, wanted: &str) -> String {
        loop {
            let mut line = String::new();
            assert_ne!(self.log.read_line(&mut line).unwrap(), 0, "the log never said {wanted:?}");
            if line.contains(wanted) {
                return line;
            }
        }
    }

    pub(crate) fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    }

    /// Everything that the log says from here to its end.
    pub(crate) fn rest_of_the_log(&mut self) -> String {
        let mut rest = String::new();
        self.log.read_to_string(&mut rest).unwrap();
        rest
    }

    pub(crate) fn ends(mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Another command of ours that asks the agent in this folder.
pub(crate) fn asked(folder: &Folder, arguments: &[&str]) -> Output {
    let socket = folder.path().join("imds.sock");
    let mut command = Command::new(env!("CARGO_BIN_EXE_imds"));
    command.env_clear().env("IMDS_NETWORK", "loopback").args(["--agent", path(&socket)]).args(arguments);
    command.stdin(Stdio::null()).output().unwrap()
}

/// A service that a test can change while an agent asks it.
pub(crate) struct Service {
    pub(crate) fake: imds_fake::Fake,
    /// Runs it.
    runtime: tokio::runtime::Runtime,
}

impl Service {
    pub(crate) fn of(scenario: &str) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let scenario = imds_fake::Scenario::parse(scenario).unwrap();
        let fake = runtime.block_on(imds_fake::Fake::start(scenario)).unwrap();
        Self { fake, runtime }
    }

    /// The table that has an agent ask this service, often.
    pub(crate) fn metadata(&self) -> String {
        let (url, cloud) = (self.fake.url(), self.fake.cloud().name());
        format!(
            "[metadata]\nendpoint = \"{url}\"\ncloud = \"{cloud}\"\n[refresh]\nslow = \"20ms\"\n[writing]\ndebounce = \"1ms\"\n"
        )
    }

    /// Waits until something that another process does is done.
    pub(crate) fn until(&self, what: &str, is_so: impl Fn() -> bool) {
        let waiting = async {
            while !is_so() {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        let waited =
            self.runtime.block_on(async { tokio::time::timeout(Duration::from_secs(60), waiting).await });
        assert!(waited.is_ok(), "it doesn't come to this: {what}");
    }
}

/// Whether this process may become somebody else.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
