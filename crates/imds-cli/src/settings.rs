//! The command line, the environment and the configuration file, resolved into what the library is told.
//!
//! Precedence: option, `IMDS_*` variable, variable of the cloud's own tools, file, default. The library reads the
//! variables itself; a value of the file is handed to it only where no variable precedes.

use std::time::Duration;

use imds::agent::AgentUse;
use imds::config::{self, ConfigBuilder, duration};
use imds::machine::Environment;
use imds::{Client, Config, Error, Network};
use tracing_subscriber::filter::{LevelFilter, Targets};

use crate::args::Global;
pub(crate) use crate::config_file::DEFAULT_FILE;
use crate::config_file::File;
use crate::log;

/// How long `imds wait` waits.
const PATIENCE: Duration = Duration::from_secs(120);

/// The variable by which AWS's own tools forbid IMDSv1, or allow it.
const V1_DISABLED: &str = "AWS_EC2_METADATA_V1_DISABLED";
/// Variables of the clouds' own tools that name an endpoint, and so precede the file's.
const ENDPOINT_VARIABLES: [&str; 3] =
    ["AWS_EC2_METADATA_SERVICE_ENDPOINT", "GCE_METADATA_HOST", "GCE_METADATA_IP"];

/// What the client is wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// An answer, now.
    Answer,
    /// An answer, some time.
    Wait,
    /// An answer within this time, for which `--timeout` doesn't count.
    Within(Duration),
}

/// Everything that was asked for, checked as far as that goes without asking anybody.
#[derive(Debug)]
pub(crate) struct Settings {
    builder: ConfigBuilder,
    /// What the log holds.
    pub(crate) log: Targets,
    patience: Duration,
    #[cfg(feature = "fake")]
    scenario: Option<imds_fake::Scenario>,
}

/// A client, and what it needs to live.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) client: Client,
    /// How long waiting goes on.
    pub(crate) patience: Duration,
    #[cfg(feature = "fake")]
    fake: Option<imds_fake::Fake>,
}

impl Session {
    /// Whether it is about a machine that was made up.
    pub(crate) fn is_made_up(&self) -> bool {
        #[cfg(feature = "fake")]
        return self.fake.is_some();
        #[cfg(not(feature = "fake"))]
        false
    }

    /// Whether nothing may be sent at all.
    pub(crate) fn is_offline(&self) -> bool {
        self.client.configuration().network() == Network::Off
    }

    /// Variables that point other programs at the service of `--fake`.
    pub(crate) fn exports(&self) -> Vec<(String, String)> {
        #[cfg(feature = "fake")]
        if let Some(fake) = &self.fake {
            // Which cloud it is stays for each program to find out; what the user forces precedes anyway.
            let steers = |(name, _): &(String, String)| name != "IMDS_FORCE_CLOUD";
            return fake.exports().into_iter().filter(steers).collect();
        }
        Vec::new()
    }
}

impl Settings {
    /// Brings it all together.
    ///
    /// # Errors
    /// `ErrorKind::Usage`, naming the option, variable or line that can't be used.
    pub(crate) fn resolve(
        arguments: &Global,
        environment: &Environment,
        purpose: Purpose,
    ) -> Result<Self, Error> {
        let file = File::read(arguments.config.as_deref(), &arguments.cloud_file)?;
        let log = log_filter(arguments, environment, file.log.as_ref())?;
        #[cfg(feature = "fake")]
        let scenario = match &arguments.fake {
            Some(spec) => Some(scenario(spec, "--fake")?),
            None => None,
        };
        #[cfg(feature = "fake")]
        let builder = match &scenario {
            Some(scenario) => fake_machine(scenario, environment),
            None => this_machine(arguments, environment, &file),
        };
        #[cfg(not(feature = "fake"))]
        let builder = this_machine(arguments, environment, &file);
        let settings = Self {
            builder,
            log,
            patience: PATIENCE,
            #[cfg(feature = "fake")]
            scenario,
        };
        let mut settings =
            settings.with_options(arguments)?.with_times(arguments, environment, &file, purpose)?;
        // What a file forbids, a variable outranks; the library reads that.
        let by_file = file.imdsv1 == Some(false) && environment.get(V1_DISABLED).is_none();
        if arguments.no_imdsv1 || by_file {
            settings.builder = settings.builder.no_imdsv1();
        }
        Ok(settings)
    }

    fn with_options(self, arguments: &Global) -> Result<Self, Error> {
        let mut builder = self.builder;
        for path in &arguments.cloud_file {
            builder = builder.cloud_file(path);
        }
        if let Some(name) = &arguments.cloud {
            builder = builder.cloud(name, "--cloud");
        }
        if let Some(names) = &arguments.clouds {
            builder = builder.clouds(names, "--clouds");
        }
        if let Some(url) = &arguments.endpoint {
            builder = builder.endpoint(url, "--endpoint");
        }
        if let Some(directory) = &arguments.sysroot {
            builder = builder.sysroot(directory);
        }
        if arguments.offline {
            builder = builder.network(Network::Off);
        }
        builder = with_ways_of_asking(builder, arguments);
        builder = builder.agent(agent_use(arguments)?);
        if let Some(time) = &arguments.probe_timeout {
            builder = builder.probe_timeout(duration(time, "--probe-timeout")?);
        }
        Ok(Self { builder, ..self })
    }

    /// For `wait`, `--timeout` is the time of the whole; one try takes no longer than any other command does.
    fn with_times(
        mut self,
        arguments: &Global,
        environment: &Environment,
        file: &File,
        purpose: Purpose,
    ) -> Result<Self, Error> {
        let given = arguments.timeout.as_deref().map(|time| duration(time, "--timeout")).transpose()?;
        let variable =
            environment.get("IMDS_TIMEOUT").map(|time| duration(time, "IMDS_TIMEOUT")).transpose()?;
        let usual = variable.or(file.timeout).unwrap_or(config::DEFAULT_TIMEOUT);
        let mut builder = self.builder;
        builder = match purpose {
            Purpose::Answer => builder.timeout(given.unwrap_or(usual)),
            Purpose::Within(patience) => {
                self.patience = patience;
                builder.timeout(given.unwrap_or(usual)).patient()
            }
            Purpose::Wait => {
                self.patience = given.unwrap_or(PATIENCE);
                builder.timeout(usual.min(self.patience)).patient()
            }
        };
        if let (None, Some(time)) = (&arguments.probe_timeout, file.probe_timeout) {
            builder = builder.probe_timeout(time);
        }
        Ok(Self { builder, ..self })
    }

    /// Whether it is about a machine that was made up.
    pub(crate) fn is_made_up(&self) -> bool {
        #[cfg(feature = "fake")]
        return self.scenario.is_some();
        #[cfg(not(feature = "fake"))]
        false
    }

    /// Makes the client for a machine that wasn't made up; that needs no runtime.
    ///
    /// # Errors
    /// `ErrorKind::Usage` for what the library can't use.
    pub(crate) fn ready(self) -> Result<Session, Error> {
        Ok(Session {
            client: Client::new(self.builder.build()?),
            patience: self.patience,
            #[cfg(feature = "fake")]
            fake: None,
        })
    }

    /// Makes the client, and starts the fake service where one was asked for. Nothing is sent yet.
    ///
    /// # Errors
    /// `ErrorKind::Usage` for what the library can't use.
    #[cfg_attr(not(feature = "fake"), expect(clippy::unused_async, reason = "only the fake needs a runtime"))]
    pub(crate) async fn connect(self) -> Result<Session, Error> {
        #[cfg(feature = "fake")]
        if let Some(scenario) = self.scenario {
            let fake = start_fake(scenario).await?;
            let builder = self.builder.endpoint(&fake.url(), "--fake").variables(fake.environment());
            let settings = Self { builder, scenario: None, ..self };
            return Ok(Session { fake: Some(fake), ..settings.ready()? });
        }
        self.ready()
    }
}

/// Options about the way in which a service is asked.
fn ways_of_asking(arguments: &Global) -> [(&'static str, Option<&String>); 4] {
    [
        ("--interface", arguments.interface.as_ref()),
        ("--source-address", arguments.source_address.as_ref()),
        ("--fwmark", arguments.fwmark.as_ref()),
        ("--api-version", arguments.api_version.as_ref()),
    ]
}

/// The same with what options say about the way in which a service is asked.
pub(crate) fn with_ways_of_asking(mut builder: ConfigBuilder, arguments: &Global) -> ConfigBuilder {
    if let Some(name) = &arguments.interface {
        builder = builder.interface(name, "--interface");
    }
    if let Some(address) = &arguments.source_address {
        builder = builder.source_address(address, "--source-address");
    }
    if let Some(mark) = &arguments.fwmark {
        builder = builder.fwmark(mark, "--fwmark");
    }
    if let Some(version) = &arguments.api_version {
        builder = builder.api_version(version, "--api-version");
    }
    builder
}

/// Which agent is asked first. Who says how the service is to be asked wants it asked.
fn agent_use(arguments: &Global) -> Result<AgentUse, Error> {
    let socket = match arguments.agent.as_deref() {
        None | Some("auto") if ways_of_asking(arguments).iter().any(|(_, told)| told.is_some()) => {
            return Ok(AgentUse::Never);
        }
        None | Some("auto") => return Ok(AgentUse::Auto),
        Some("never") => return Ok(AgentUse::Never),
        Some(socket) => socket,
    };
    if !socket.contains('/') {
        return Err(crate::exit::usage(format!(
            "{socket:?} is neither auto nor never nor the path of a socket"
        ))
        .with_path("--agent")
        .with_remedy("write a path with a / in it: /run/imds/imds.sock"));
    }
    #[cfg(feature = "fake")]
    let fake = arguments.fake.is_some();
    #[cfg(not(feature = "fake"))]
    let fake = false;
    let elsewhere = [
        ("--endpoint", arguments.endpoint.is_some()),
        ("--sysroot", arguments.sysroot.is_some()),
        ("--offline", arguments.offline),
        ("--fake", fake),
    ];
    let ways = ways_of_asking(arguments).map(|(option, told)| (option, told.is_some()));
    match elsewhere.iter().chain(&ways).find(|(_, given)| *given) {
        Some((option, _)) => {
            Err(crate::exit::usage(format!("an agent can't be asked together with {option}"))
                .with_path("--agent")
                .with_remedy(format!("leave out one of --agent and {option}")))
        }
        None => Ok(AgentUse::Socket(socket.into())),
    }
}

/// The clouds that are known, the user's own among them; nothing else of this machine.
///
/// # Errors
/// `ErrorKind::Usage`, with the place in the configuration file or in a cloud's description.
pub(crate) fn known_clouds(arguments: &Global) -> Result<Config, Error> {
    let file = File::read(arguments.config.as_deref(), &arguments.cloud_file)?;
    let mut builder = Config::builder(Environment::default());
    for path in file.cloud_files.iter().chain(&arguments.cloud_file) {
        builder = builder.cloud_file(path);
    }
    builder.build()
}

/// This machine: its environment, and the file where no variable precedes it.
fn this_machine(arguments: &Global, environment: &Environment, file: &File) -> ConfigBuilder {
    let mut builder = Config::builder(environment.clone());
    for path in &file.cloud_files {
        builder = builder.cloud_file(path);
    }
    let unset = |variable: &str| environment.get(variable).is_none();
    if let Some((name, place)) = file.cloud.as_ref().filter(|_| unset("IMDS_FORCE_CLOUD")) {
        builder = builder.cloud(name, place);
    }
    // Whoever tells a cloud above the file doesn't mean the file's limits.
    let limits = file.clouds.as_ref().filter(|_| unset("IMDS_FORCE_CLOUD") && arguments.cloud.is_none());
    if let Some((names, place)) = limits {
        builder = builder.clouds(names, place);
    }
    let endpoint = file.endpoint.as_ref().filter(|_| {
        unset("IMDS_URL") && ENDPOINT_VARIABLES.into_iter().all(unset) && arguments.endpoint.is_none()
    });
    if let Some((url, place)) = endpoint {
        builder = builder.endpoint(url, place);
    }
    if let Some(directory) = file.sysroot.as_ref().filter(|_| unset("IMDS_SYSROOT")) {
        builder = builder.sysroot(directory);
    }
    if let Some(network) = file.network.filter(|_| unset("IMDS_NETWORK")) {
        builder = builder.network(network);
    }
    if let Some((name, place)) = file.interface.as_ref().filter(|_| unset("IMDS_INTERFACE")) {
        builder = builder.interface(name, place);
    }
    if let Some((address, place)) = file.source_address.as_ref().filter(|_| unset("IMDS_SOURCE_ADDRESS")) {
        builder = builder.source_address(address, place);
    }
    if let Some((mark, place)) = file.fwmark.as_ref().filter(|_| unset("IMDS_FWMARK")) {
        builder = builder.fwmark(mark, place);
    }
    if let Some((version, place)) = file.api_version.as_ref().filter(|_| unset("IMDS_API_VERSION")) {
        builder = builder.api_version(version, place);
    }
    builder
}

/// A machine made up by a scenario: its firmware, no variables of this one, and nothing but loopback. What its platform
/// tells its programs is known once its service listens.
#[cfg(feature = "fake")]
pub(crate) fn fake_machine(scenario: &imds_fake::Scenario, environment: &Environment) -> ConfigBuilder {
    let kept = environment.get("IMDS_TIMEOUT").map(|time| ("IMDS_TIMEOUT".to_owned(), time.to_owned()));
    let files =
        scenario.firmware().iter().fold(imds::machine::MemoryFiles::new(), |files, (name, content)| {
            files.with(&format!("/sys/class/dmi/id/{name}"), format!("{content}\n"))
        });
    Config::builder(kept.into_iter().collect()).files(std::sync::Arc::new(files)).network(Network::Loopback)
}

/// The service of a scenario, on a free port of loopback.
#[cfg(feature = "fake")]
pub(crate) async fn start_fake(scenario: imds_fake::Scenario) -> Result<imds_fake::Fake, Error> {
    imds_fake::Fake::start(scenario).await.map_err(|error| {
        Error::new(imds::model::ErrorKind::Internal, "no fake service could be started on loopback")
            .with_source(error)
    })
}

/// A built-in scenario by `CLOUD[:SCENARIO]`.
#[cfg(feature = "fake")]
pub(crate) fn scenario(spec: &str, origin: &str) -> Result<imds_fake::Scenario, Error> {
    imds_fake::Scenario::parse(spec).map_err(|error| {
        crate::exit::usage(error.to_string())
            .with_path(origin)
            .with_remedy("`imds fake --list-scenarios` lists all of them")
    })
}

/// What the log holds: by options, the variable, what a file says, or by default.
pub(crate) fn log_filter(
    arguments: &Global,
    environment: &Environment,
    file: Option<&Targets>,
) -> Result<Targets, Error> {
    let everywhere = |level: LevelFilter| Targets::new().with_default(level);
    if arguments.quiet {
        return Ok(everywhere(LevelFilter::ERROR));
    }
    if arguments.verbose > 0 {
        return Ok(everywhere(log::verbosity(arguments.verbose)));
    }
    match environment.get("IMDS_LOG") {
        Some(text) => log::filter(text, "IMDS_LOG"),
        None => Ok(file.cloned().unwrap_or_else(|| everywhere(log::DEFAULT))),
    }
}
