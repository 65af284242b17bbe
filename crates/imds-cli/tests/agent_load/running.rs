//! `imds agent`, started with a service of its own.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use imds_fake::{Fake, Scenario};

use crate::folder::Folder;

/// The agent, killed when dropped.
pub(crate) struct Running {
    child: Child,
    pub(crate) folder: Folder,
    pub(crate) socket: PathBuf,
    pub(crate) api: SocketAddr,
    pub(crate) metrics: SocketAddr,
    /// What it asks.
    pub(crate) service: Fake,
}

impl Running {
    /// An agent that has read everything, with these lines in its configuration's `[limits]`. `api` is where it answers over
    /// TCP.
    pub(crate) async fn with(limits: &str, api: &str) -> Self {
        make_room();
        let service = Fake::start(Scenario::parse("aws:spot-asg").unwrap()).await.unwrap();
        let folder = Folder::new();
        // Other users ask here too.
        std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
        let socket = folder.path().join("imds.sock");
        let config = format!(
            "[agent]\nsocket = {socket:?}\nstate = {:?}\n[metadata]\ncloud = \"aws\"\nendpoint = \"{}\"\n[tcp]\nlisten = \
             \"{api}\"\n[metrics]\nlisten = \"127.0.0.1:0\"\n[limits]\n{limits}\n",
            folder.path().join("state.json"),
            service.url()
        );
        folder.write("agent.toml", config);
        let mut command = Command::new(env!("CARGO_BIN_EXE_imds"));
        command.arg("agent").arg("--config").arg(folder.path().join("agent.toml")).env_clear();
        command.env("IMDS_NETWORK", "loopback").stdin(Stdio::null()).stdout(Stdio::null());
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        let told = tokio::task::spawn_blocking(move || {
            let (mut api, mut metrics) = (None, None);
            let mut said = String::new();
            for line in log.lines() {
                let line = line.unwrap();
                let address = || line.split("address=").nth(1)?.split_whitespace().next()?.parse().ok();
                match &line {
                    line if line.contains("answering over TCP") => api = address(),
                    line if line.contains("metrics") && line.contains("address=") => metrics = address(),
                    line if line.contains("metadata is read") => {
                        return (api.unwrap(), metrics.unwrap());
                    }
                    _ => {}
                }
                said.push_str(&line);
                said.push('\n');
            }
            panic!("the agent never read its metadata:\n{said}");
        });
        let (api, metrics) = told.await.unwrap();
        Self { child, folder, socket, api, metrics, service }
    }

    /// The most memory that it ever had, in KiB.
    pub(crate) fn peak_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.split_whitespace().next().unwrap().parse().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Many shells give a process 1024 descriptors, and callers need more.
fn make_room() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.map_or(8192, |maximum| maximum.min(8192));
    if limit.current.is_some_and(|current| current < wanted) {
        setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), ..limit }).unwrap();
    }
}
