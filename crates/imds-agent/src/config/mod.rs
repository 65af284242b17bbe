//! What the agent shall do: the file `/etc/imds/agent.toml`, checked whole before anything starts.
//!
//! Every mistake in the file is told at once, each with its line and column; a file with a mistake changes nothing.
//!
//! | module | holds |
//! |---|---|
//! | `settings` | the table of settings: names, shapes, defaults, meanings |
//! | `read` | values out of the file, with what is wrong with them |
//! | `names` | tables and keys that there are none of |
//! | `build` | [`Config`] out of these values, and what has to fit together |
//! | `print` | the default file and the JSON schema, out of the table |
//! | `principal` | [`Principal`]: who may see something |
//! | `problem` | [`Invalid`]: what is wrong, by line and column |
//! | `places` | [`Places`]: where each setting stands, for what only turns out to be wrong on the machine |

mod build;
mod names;
mod places;
mod principal;
mod print;
mod problem;
mod read;
mod settings;
#[cfg(test)]
mod tests;

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use imds::machine::Environment;
use imds::{ConfigBuilder, Error, Network, RefreshPolicy};
use imds_template::{Format, Missing};

pub use places::Places;
pub use principal::Principal;
pub use print::{default_text, schema};
pub use problem::{Invalid, Problem};

use crate::sandbox::Calls;

/// Where the file is unless somebody says otherwise.
pub const DEFAULT_FILE: &str = "/etc/imds/agent.toml";

/// No file is longer; a longer one is something else.
const LENGTH_LIMIT: u64 = 1024 * 1024;

/// What the agent shall do.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Config {
    /// The agent itself.
    pub agent: Agent,
    /// What the worker gives up.
    pub sandbox: Sandbox,
    /// How metadata is asked for.
    pub metadata: MetadataSettings,
    /// When metadata is read again.
    pub refresh: RefreshPolicy,
    /// The API over TCP; nothing while it is off.
    pub tcp: Option<Tcp>,
    /// Where metrics are; nothing while they are off.
    pub metrics: Option<SocketAddr>,
    /// Who may see what.
    pub access: Access,
    /// Files that are rendered.
    pub files: Vec<RenderedFile>,
    /// All fields in one file.
    pub env_file: Option<EnvFile>,
    /// One file per field.
    pub values: Option<ValueFiles>,
    /// When these are written.
    pub writing: Writing,
    /// Interruptions and maintenance.
    pub events: Events,
    /// What is done about them.
    pub hooks: Vec<Hook>,
    /// What callers may cost.
    pub limits: Limits,
    /// Where in the file all this stands.
    pub places: Places,
}

/// The agent itself.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Agent {
    /// The unix socket of the API.
    pub socket: PathBuf,
    /// The socket's permission bits.
    pub socket_mode: u32,
    /// The file of the last good values; nothing where nothing is to be kept.
    pub state: Option<PathBuf>,
    /// Whom the worker runs as, by name or number.
    pub user: Option<String>,
    /// How long it may take to end.
    pub grace: Duration,
}

/// What the worker gives up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sandbox {
    /// Whether anything but the user.
    pub enabled: bool,
    /// Which system calls it keeps.
    pub calls: Calls,
}

/// How metadata is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MetadataSettings {
    /// The cloud's name, or `none`, and its place in the file.
    pub cloud: Option<(String, String)>,
    /// The only clouds that may be found or asked, and their place.
    pub clouds: Option<(Vec<String>, String)>,
    /// The base URL for every cloud, and its place.
    pub endpoint: Option<(String, String)>,
    /// The directory below which evidence is read.
    pub sysroot: Option<String>,
    /// How long one read may take.
    pub timeout: Option<Duration>,
    /// How long probing may take.
    pub probe_timeout: Option<Duration>,
    /// Whether IMDSv1 is forbidden.
    pub no_imdsv1: bool,
    /// Descriptions of clouds.
    pub cloud_files: Vec<PathBuf>,
    /// Whether nothing is sent.
    pub offline: bool,
    /// The interface through which the service is asked, and its place.
    pub interface: Option<(String, String)>,
    /// The address from which the service is asked, and its place.
    pub source_address: Option<(String, String)>,
    /// The mark that requests carry, and its place.
    pub fwmark: Option<(String, String)>,
    /// The version in which the service is asked, and its place.
    pub api_version: Option<(String, String)>,
}

/// Variables of the clouds' own tools that name an endpoint, and so precede the file's.
const ENDPOINT_VARIABLES: [&str; 4] =
    ["IMDS_URL", "AWS_EC2_METADATA_SERVICE_ENDPOINT", "GCE_METADATA_HOST", "GCE_METADATA_IP"];

impl MetadataSettings {
    /// The library's configuration to go on with: the file where no variable precedes it. Options go on top.
    pub fn client(&self, environment: &Environment) -> ConfigBuilder {
        // Nobody waits for the agent, so a service that is gone for a minute is waited for.
        let mut builder = imds::Config::builder(environment.clone()).patient();
        let unset = |variable: &str| environment.get(variable).is_none();
        for path in &self.cloud_files {
            builder = builder.cloud_file(path);
        }
        if let Some((name, place)) = self.cloud.as_ref().filter(|_| unset("IMDS_FORCE_CLOUD")) {
            builder = builder.cloud(name, place);
        }
        // Whoever tells a cloud above the file doesn't mean the file's limits.
        if let Some((names, place)) = self.clouds.as_ref().filter(|_| unset("IMDS_FORCE_CLOUD")) {
            builder = builder.clouds(names, place);
        }
        if let Some((url, place)) =
            self.endpoint.as_ref().filter(|_| ENDPOINT_VARIABLES.into_iter().all(unset))
        {
            builder = builder.endpoint(url, place);
        }
        if let Some(directory) = self.sysroot.as_ref().filter(|_| unset("IMDS_SYSROOT")) {
            builder = builder.sysroot(directory);
        }
        if let Some(time) = self.timeout.filter(|_| unset("IMDS_TIMEOUT")) {
            builder = builder.timeout(time);
        }
        if let Some(time) = self.probe_timeout {
            builder = builder.probe_timeout(time);
        }
        if self.no_imdsv1 {
            builder = builder.no_imdsv1();
        }
        if self.offline && unset("IMDS_NETWORK") {
            builder = builder.network(Network::Off);
        }
        if let Some((name, place)) = self.interface.as_ref().filter(|_| unset("IMDS_INTERFACE")) {
            builder = builder.interface(name, place);
        }
        if let Some((address, place)) = self.source_address.as_ref().filter(|_| unset("IMDS_SOURCE_ADDRESS"))
        {
            builder = builder.source_address(address, place);
        }
        if let Some((mark, place)) = self.fwmark.as_ref().filter(|_| unset("IMDS_FWMARK")) {
            builder = builder.fwmark(mark, place);
        }
        if let Some((version, place)) = self.api_version.as_ref().filter(|_| unset("IMDS_API_VERSION")) {
            builder = builder.api_version(version, place);
        }
        builder
    }
}

/// The API over TCP.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tcp {
    /// Where it listens: loopback.
    pub listen: SocketAddr,
    /// Values of `Host` that are accepted beside the address itself.
    pub hosts: Vec<String>,
}

/// Who may see what.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Access {
    /// Fields of the class public.
    pub public: Vec<Principal>,
    /// Fields of the class private.
    pub private: Vec<Principal>,
}

/// A file that is rendered from a template.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RenderedFile {
    /// The template.
    pub template: PathBuf,
    /// The file that is written.
    pub target: PathBuf,
    /// The format of both.
    pub format: Format,
    /// What to do about a placeholder without a value.
    pub missing: Missing,
    /// Permission bits; those of the old file, else 0600, where nothing is said.
    pub mode: Option<u32>,
    /// The owner, by name or number.
    pub owner: Option<String>,
    /// The group, by name or number.
    pub group: Option<String>,
    /// What has to accept the new file: a program and arguments, to which its path is added.
    pub check: Option<Vec<String>>,
    /// What is run after the file was replaced.
    pub reload: Option<Vec<String>>,
    /// How long each of these may take.
    pub timeout: Duration,
}

/// All fields in one file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EnvFile {
    /// The file.
    pub path: PathBuf,
    /// What the names of the variables start with.
    pub prefix: String,
    /// Permission bits.
    pub mode: u32,
}

/// One file per field.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ValueFiles {
    /// Where the files are.
    pub directory: PathBuf,
    /// Permission bits; by the field's class where nothing is said.
    pub mode: Option<u32>,
}

/// When files are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Writing {
    /// How long nothing may have changed.
    pub debounce: Duration,
    /// The most that is waited beyond that, by chance.
    pub splay: Duration,
}

/// Interruptions and maintenance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Events {
    /// Whether they are asked for.
    pub enabled: bool,
    /// Which are of interest; all where nothing is said.
    pub kinds: Option<Vec<&'static str>>,
    /// Whether events of this machine alone are acknowledged.
    pub acknowledge: bool,
}

/// What is done about an event.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Hook {
    /// About which kinds; all where nothing is said.
    pub kinds: Option<Vec<&'static str>>,
    /// In which states; all where nothing is said.
    pub states: Option<Vec<&'static str>>,
    /// What is done.
    pub action: HookAction,
    /// How long one try may take.
    pub timeout: Duration,
    /// How long it is tried again where the event names no deadline.
    pub retry_for: Duration,
}

/// What a hook does.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HookAction {
    /// Runs a program with these arguments.
    Command(Vec<String>),
    /// Posts to a URL.
    Webhook {
        /// The URL.
        url: String,
        /// Headers of the request.
        headers: Headers,
        /// What is posted instead of the event as JSON.
        template: Option<PathBuf>,
        /// The file with the key that signs the request.
        secret_file: Option<PathBuf>,
        /// The file with roots that are trusted beside the system's.
        ca_file: Option<PathBuf>,
    },
}

/// Headers of a request: names with values.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers(pub Vec<(String, String)>);

/// Only names: a value could be somebody's secret all the same.
impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

/// What callers may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Connections at once.
    pub connections: u32,
    /// Connections at once of one user.
    pub per_client: u32,
    /// The size of a request's head.
    pub header_bytes: u32,
    /// How long a request's head may take.
    pub read_time: Duration,
    /// How long a connection may be silent.
    pub idle: Duration,
}

/// Whose agent it is: what paths default to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Owner {
    /// The directory of the socket; a user without one has to name a socket.
    pub runtime: Option<PathBuf>,
    /// The directory of the state.
    pub state: Option<PathBuf>,
}

impl Owner {
    /// The machine's own agent: `/run/imds`, `/var/lib/imds`.
    #[must_use]
    pub fn root() -> Self {
        Self { runtime: Some(PathBuf::from("/run/imds")), state: Some(PathBuf::from("/var/lib/imds")) }
    }

    /// A user's own agent, below `XDG_RUNTIME_DIR` and `XDG_STATE_HOME`, or `~/.local/state` (XDG Base Directory
    /// Specification).
    #[must_use]
    pub fn user(environment: &Environment) -> Self {
        let absolute =
            |name: &str| environment.get(name).map(PathBuf::from).filter(|directory| directory.is_absolute());
        let state = absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")));
        Self {
            runtime: absolute("XDG_RUNTIME_DIR").map(|directory| directory.join("imds")),
            state: state.map(|directory| directory.join("imds")),
        }
    }
}

impl Config {
    /// Reads the file that was given, or the default one where there is one.
    ///
    /// # Errors
    /// [`Invalid`], with everything that is wrong.
    pub fn read(given: Option<&Path>, owner: &Owner) -> Result<Self, Invalid> {
        use std::io::{ErrorKind, Read};
        let path = given.unwrap_or(Path::new(DEFAULT_FILE));
        let name = path.display().to_string();
        let unreadable = |why: String| {
            let remedy = format!("name a TOML file with --config; without it, {DEFAULT_FILE} is read");
            let message = format!("the configuration can't be read: {why}");
            Invalid::new(&name, vec![Problem { line: 0, column: 0, message, remedy: Some(remedy) }])
        };
        let mut text = String::new();
        let read =
            std::fs::File::open(path).and_then(|file| file.take(LENGTH_LIMIT + 1).read_to_string(&mut text));
        match read {
            Ok(length) if length as u64 > LENGTH_LIMIT => {
                Err(unreadable("it is longer than 1 MiB".to_owned()))
            }
            Ok(_) => Self::parse(&text, &name, owner),
            Err(error) if given.is_none() && error.kind() == ErrorKind::NotFound => {
                Self::parse("", &name, owner)
            }
            Err(error) => Err(unreadable(error.to_string())),
        }
    }

    /// Understands the text of a file. `name` is what problems call it; relative paths are meant from where it is.
    ///
    /// # Errors
    /// [`Invalid`], with everything that is wrong.
    ///
    /// ```
    /// use imds_agent::config::{Config, Owner};
    /// let invalid = Config::parse("[agent]\nsoket = 'x'\n[tcp]\nlisten = '0.0.0.0:80'", "agent.toml", &Owner::root());
    /// assert_eq!(
    ///     invalid.unwrap_err().to_string(),
    ///     "agent.toml:2:1: no setting is called \"soket\"\nagent.toml:4:10: 0.0.0.0:80 can be reached from elsewhere",
    /// );
    /// ```
    pub fn parse(text: &str, name: &str, owner: &Owner) -> Result<Self, Invalid> {
        build::build(text, name, owner)
    }

    /// Whether there is something to do that takes the second process: files to write, hooks to run.
    #[must_use]
    pub fn wants_executor(&self) -> bool {
        self.writes_files() || !self.hooks.is_empty()
    }

    /// Whether there are files to write.
    #[must_use]
    pub fn writes_files(&self) -> bool {
        !self.files.is_empty() || self.env_file.is_some() || self.values.is_some()
    }

    /// The library's configuration, where nothing but the file and variables say anything.
    ///
    /// # Errors
    /// `ErrorKind::Usage`, with the variable or the place in the file.
    pub fn client(&self, environment: &Environment) -> Result<imds::Config, Error> {
        self.metadata.client(environment).build()
    }
}

/// The machine's own agent, without a file.
impl Default for Config {
    fn default() -> Self {
        build::defaults(&Owner::root())
    }
}
