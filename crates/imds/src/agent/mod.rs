//! A running `imds agent` as a source: what one process found out for everybody on this machine.
//!
//! The agent answers on a unix socket, out of what it knows and without a request to the metadata service. Its socket is
//! believed only if root, the agent's own user or the caller itself holds it, or if it is where only root can have put it or
//! can have let its holder do so: anybody may put a socket into a directory of their own.
//!
//! ```no_run
//! # async fn example() -> Result<(), imds::Error> {
//! use imds::{Client, Config, Field, agent::AgentUse, machine::Environment};
//! let config = Config::builder(Environment::of_this_process()).agent(AgentUse::Auto).build()?;
//! let metadata = Client::new(config).read(&[Field::InstanceId]).await?;
//! println!("{:?}", metadata.reading(Field::InstanceId));
//! # Ok(())
//! # }
//! ```

mod answer;
#[cfg(unix)]
mod socket;
#[cfg(not(unix))]
#[path = "elsewhere.rs"]
mod socket;
mod watching;

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use hyper::body::Bytes;
use imds_model::{Error, ErrorKind, Field, Metadata, Source, Verdict};

use crate::machine::Environment;
pub use watching::{Notice, Watching};

/// The system's agent is here.
pub const SYSTEM_SOCKET: &str = "/run/imds/imds.sock";
/// The user that the system's agent runs as, unless it is configured otherwise.
pub const AGENT_USER: &str = "imds";
/// The directory that holds a user's own sockets, and the place below it.
const OWN_DIRECTORY: &str = "XDG_RUNTIME_DIR";
const OWN_SOCKET: &str = "imds/imds.sock";
/// An agent has its answers at hand; one that takes longer is no help.
const PATIENCE: Duration = Duration::from_secs(2);

/// Whether a running agent is asked before the service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum AgentUse {
    /// It isn't.
    #[default]
    Never,
    /// If there is one. Where there is no socket, or none that helps, the service is asked as without an agent. An endpoint,
    /// a sysroot, files given by hand and [`Network::Off`](crate::Network::Off) mean never: that is about another machine, or
    /// about this one alone.
    Auto,
    /// The one that listens here, and nobody else.
    Socket(PathBuf),
}

/// Which sockets are asked, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sockets {
    pub(crate) paths: Vec<PathBuf>,
    /// Whether nobody else may be asked in their place.
    pub(crate) alone: bool,
}

impl Sockets {
    /// The sockets that there may be, by what is wanted.
    pub(crate) fn of(wanted: AgentUse, environment: &Environment) -> Self {
        match wanted {
            AgentUse::Never => Self::default(),
            AgentUse::Socket(path) => Self { paths: vec![path], alone: true },
            AgentUse::Auto => {
                let own =
                    environment.get(OWN_DIRECTORY).filter(|directory| Path::new(directory).is_absolute());
                let own = own.map(|directory| Path::new(directory).join(OWN_SOCKET));
                Self { paths: [PathBuf::from(SYSTEM_SOCKET)].into_iter().chain(own).collect(), alone: false }
            }
        }
    }
}

/// A client of one agent.
#[derive(Clone, Debug)]
pub struct Agent {
    socket: PathBuf,
    patience: Duration,
    trusted: Vec<u32>,
}

impl Agent {
    /// The agent at this socket. Believed if root, the user [`AGENT_USER`] or the caller holds the socket.
    #[must_use]
    pub fn at(socket: impl Into<PathBuf>) -> Self {
        Self { socket: socket.into(), patience: PATIENCE, trusted: Vec::new() }
    }

    /// Believes this user as well: the one that the agent is configured to run as.
    #[must_use]
    pub fn trusting(mut self, uid: u32) -> Self {
        self.trusted.push(uid);
        self
    }

    /// Waits no longer than this for an answer. Default: two seconds.
    #[must_use]
    pub fn within(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// Where it listens.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// What the agent knows of these fields, with its age and its staleness. Every source is [`Source::Agent`]. A field that
    /// the agent may not tell this caller has failed with [`ErrorKind::Disabled`].
    ///
    /// # Errors
    /// [`ErrorKind::Unreachable`] where nobody listens, [`ErrorKind::Untrusted`] where somebody else does,
    /// [`ErrorKind::Locked`] where this user may not connect, [`ErrorKind::Unknown`] while the agent knows nothing yet,
    /// [`ErrorKind::NoCloud`], [`ErrorKind::Disabled`] where nothing may be seen, [`ErrorKind::TimedOut`],
    /// [`ErrorKind::Malformed`] and [`ErrorKind::TooLarge`] for what no agent says.
    pub async fn metadata(&self, fields: &[Field]) -> Result<Metadata, Error> {
        let body = self.get("/v1/metadata").await?;
        let metadata = answer::metadata(&body, SystemTime::now(), &self.source());
        metadata.map(|metadata| metadata.only(fields)).map_err(|error| self.about(error))
    }

    /// Where the agent says that this machine runs.
    ///
    /// # Errors
    /// As [`Agent::metadata`].
    pub async fn verdict(&self) -> Result<Verdict, Error> {
        let body = self.get("/v1/verdict").await?;
        serde_json::from_slice(&body).map_err(|error| {
            self.about(Error::new(ErrorKind::Malformed, format!("that is no verdict: {error}")))
        })
    }

    /// Changes and events, as the agent hears of them; the current state first.
    ///
    /// # Errors
    /// As [`Agent::metadata`]. An agent that knows nothing yet is waited for.
    pub async fn watch(&self) -> Result<Watching, Error> {
        self.watch_since(None).await
    }

    /// The same, from after a notice with this id ([`Watching::last_id`]).
    ///
    /// # Errors
    /// As [`Agent::watch`].
    pub async fn watch_since(&self, id: Option<&str>) -> Result<Watching, Error> {
        let opened =
            tokio::time::timeout(self.patience, socket::open(&self.socket, &self.trusted, "/v1/watch", id));
        let answer = opened.await.map_err(|_| self.late())?.map_err(|error| self.about(error))?;
        if !answer.status().is_success() {
            let status = answer.status().as_u16();
            let body = tokio::time::timeout(self.patience, socket::whole(answer)).await;
            let body = body.map_err(|_| self.late())?.map_err(|error| self.about(error))?;
            return Err(self.about(answer::refusal(status, &body)));
        }
        Ok(Watching::new(answer, self.socket.clone(), id.map(str::to_owned)))
    }

    async fn get(&self, path: &str) -> Result<Bytes, Error> {
        let exchange = async {
            let answer = socket::open(&self.socket, &self.trusted, path, None).await?;
            let status = answer.status();
            let body = socket::whole(answer).await?;
            match status.is_success() {
                true => Ok(body),
                false => Err(answer::refusal(status.as_u16(), &body)),
            }
        };
        let answer = tokio::time::timeout(self.patience, exchange).await.map_err(|_| self.late())?;
        answer.map_err(|error| self.about(error))
    }

    fn source(&self) -> Source {
        Source::Agent(self.socket.display().to_string())
    }

    fn late(&self) -> Error {
        let message = format!("the agent didn't answer within {:?}", self.patience);
        self.about(Error::new(ErrorKind::TimedOut, message))
    }

    fn about(&self, error: Error) -> Error {
        error.with_path(self.socket.display().to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Config, Network};

    fn variables(variables: &[(&str, &str)]) -> Environment {
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn the_systems_agent_comes_before_ones_own() {
        let paths = |variables_: &[(&str, &str)]| Sockets::of(AgentUse::Auto, &variables(variables_)).paths;
        assert_eq!(paths(&[]), [PathBuf::from(SYSTEM_SOCKET)]);
        let own = PathBuf::from("/run/user/7/imds/imds.sock");
        assert_eq!(paths(&[("XDG_RUNTIME_DIR", "/run/user/7")]), [PathBuf::from(SYSTEM_SOCKET), own]);
        assert_eq!(paths(&[("XDG_RUNTIME_DIR", "relative")]).len(), 1);
    }

    #[test]
    fn an_agent_tells_of_this_machine_only() {
        let asked = |change: fn(crate::ConfigBuilder) -> crate::ConfigBuilder,
                     environment: &[(&str, &str)]| {
            let builder = Config::builder(variables(environment)).agent(AgentUse::Auto);
            !change(builder).build().unwrap().agents.paths.is_empty()
        };
        assert!(asked(|builder| builder, &[]));
        assert!(asked(|builder| builder, &[("IMDS_NETWORK", "loopback")]));
        assert!(!asked(|builder| builder.endpoint("http://127.0.0.1:1", "--endpoint"), &[]));
        assert!(!asked(|builder| builder.sysroot("/"), &[]));
        assert!(!asked(|builder| builder.network(Network::Off), &[]));
        assert!(!asked(|builder| builder, &[("IMDS_URL", "http://127.0.0.1:1")]));
        assert!(!asked(|builder| builder, &[("IMDS_NETWORK", "off")]));
        let files = std::sync::Arc::new(crate::machine::MemoryFiles::new());
        assert!(
            Config::builder(variables(&[]))
                .agent(AgentUse::Auto)
                .files(files)
                .build()
                .unwrap()
                .agents
                .paths
                .is_empty()
        );
        assert!(
            Config::builder(variables(&[])).build().unwrap().agents.paths.is_empty(),
            "the default is never"
        );
    }
}
