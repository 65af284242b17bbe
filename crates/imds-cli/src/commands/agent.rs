//! `imds agent`: the daemon, and its second process.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use imds::machine::Environment;
use imds::{Config, ConfigBuilder, Error, ErrorKind, Network};
use imds_agent::config::{self, Invalid, Owner};
use imds_agent::executor::{self, Plan};
use imds_agent::run;
use imds_agent::sandbox::Accounts;
use imds_agent::start::{ReadSettings, ServiceManager, Start, start, try_out};
use imds_agent::systemd::{Notifier, Sockets};
use imds_agent::worker::Settings;
use tracing_subscriber::filter::{LevelFilter, Targets};

use crate::args::{Agent as Arguments, Global};
use crate::exit::{DONE, Ending};
use crate::log;
use crate::messages::Messages;
use crate::output::Output;
use crate::settings;

/// After this long, the same warning is said again.
const SAID_AGAIN: Duration = Duration::from_secs(3600);

/// Runs it, or does what else was asked for.
pub(super) fn run(
    arguments: &Arguments,
    global: &Global,
    environment: &Environment,
    messages: &Messages,
    output: &mut Output,
) -> Ending {
    if arguments.print_default_config {
        output.text(&config::default_text())?;
        return Ok(DONE);
    }
    let machine = machine(global, environment)?;
    let messages = &messages.of_a_daemon(SAID_AGAIN);
    #[cfg_attr(
        not(feature = "fake"),
        expect(unused_mut, reason = "a made-up machine has a service to start")
    )]
    let mut told = Told::new(global, environment, machine);
    if arguments.check {
        let tried = told.settings().and_then(|settings| try_out(&settings, &Accounts::of_this_machine()));
        return Ok(tried.map_or_else(|errors| fail(&errors, messages), |()| DONE));
    }
    if arguments.executor {
        log::start(log_filter(global, environment)?, messages);
        return be_the_executor(told);
    }
    // Before any thread is started: it changes the environment.
    let sockets = Sockets::of_this_process()?;
    log::start(log_filter(global, environment)?, messages);
    // One thread, the process's own: the sandbox is entered with one, and what the runtime starts later inherits it. The
    // made-up service listens before that, because nobody may afterwards.
    let runtime = super::runtime()?;
    #[cfg(feature = "fake")]
    runtime.block_on(told.machine.serve())?;
    let start_with = Start {
        config_file: global.config.clone().unwrap_or_else(|| PathBuf::from(config::DEFAULT_FILE)),
        manager: ServiceManager { notifier: Notifier::from_environment(environment), sockets },
        executor: second_process()?,
        read: read_by(told),
    };
    match start(start_with) {
        Ok(started) => Ok(runtime.block_on(run::run(started)).map(|()| DONE)?),
        Err(errors) => Ok(fail(&errors, messages)),
    }
}

/// This program, told to be the other process; everything else that was said counts for it, too.
fn second_process() -> Result<(PathBuf, Vec<OsString>), Error> {
    let program = std::env::current_exe().map_err(|error| {
        Error::new(ErrorKind::Internal, "where this program is can't be found out").with_source(error)
    })?;
    let arguments = std::env::args_os().skip(1).chain([OsString::from("--executor")]);
    Ok((program, arguments.collect()))
}

/// Does what the configuration fixed, when the worker says so.
fn be_the_executor(told: Told) -> Ending {
    let read = read_by(told);
    let plan = move || {
        let in_words = |error: &Error| match error.remedy() {
            Some(remedy) => format!("{error} ({remedy})"),
            None => error.to_string(),
        };
        let all = |errors: Vec<Error>| errors.iter().map(in_words).collect::<Vec<_>>();
        Plan::of(&read().map_err(all)?, &Accounts::of_this_machine()).map_err(all)
    };
    executor::main(Box::new(plan)).map_err(|error| {
        Error::new(ErrorKind::Internal, format!("the executor ends: {error}")).with_source(error)
    })?;
    Ok(DONE)
}

fn read_by(told: Told) -> ReadSettings {
    Box::new(move || told.settings())
}

/// Says everything that is wrong; the code is that of the first.
fn fail(errors: &[Error], messages: &Messages) -> u8 {
    let code = errors.first().map_or(DONE, |first| first.kind().exit_code());
    errors.iter().for_each(|error| messages.error(error));
    code
}

/// What the command line and the environment say, for as long as the agent runs.
struct Told {
    global: Global,
    environment: Environment,
    machine: Machine,
    /// Whose agent it is: who started it, whoever it becomes.
    owner: Owner,
}

/// The machine that is looked at.
enum Machine {
    /// This one.
    This,
    /// One that a scenario makes up, and its service once that listens.
    #[cfg(feature = "fake")]
    Fake(Box<ConfigBuilder>, Box<imds_fake::Scenario>, Option<imds_fake::Fake>),
}

#[cfg(feature = "fake")]
impl Machine {
    /// Starts the service of a machine that is made up.
    async fn serve(&mut self) -> Result<(), Error> {
        if let Self::Fake(_, scenario, service) = self {
            *service = Some(settings::start_fake(imds_fake::Scenario::clone(scenario)).await?);
        }
        Ok(())
    }
}

#[cfg(feature = "fake")]
fn machine(global: &Global, environment: &Environment) -> Result<Machine, Error> {
    let Some(spec) = &global.fake else { return Ok(Machine::This) };
    let scenario = settings::scenario(spec, "--fake")?;
    let builder = settings::fake_machine(&scenario, environment);
    Ok(Machine::Fake(Box::new(builder), Box::new(scenario), None))
}

#[cfg(not(feature = "fake"))]
#[expect(clippy::unnecessary_wraps, reason = "a scenario can be unknown, where there are scenarios")]
fn machine(_: &Global, _: &Environment) -> Result<Machine, Error> {
    Ok(Machine::This)
}

impl Told {
    fn new(global: &Global, environment: &Environment, machine: Machine) -> Self {
        let owner = match rustix::process::geteuid().is_root() {
            true => Owner::root(),
            false => Owner::user(environment),
        };
        Self { global: global.clone(), environment: environment.clone(), machine, owner }
    }

    /// The settings as they are now: the agent's file, below variables, below options.
    fn settings(&self) -> Result<Settings, Vec<Error>> {
        let read = config::Config::read(self.global.config.as_deref(), &self.owner);
        let mut config = read.map_err(|invalid: Invalid| invalid.errors().collect::<Vec<_>>())?;
        if self.global.cloud.is_some() {
            // Whoever tells a cloud above the file doesn't mean the file's limits.
            config.metadata.clouds = None;
        }
        let builder = match &self.machine {
            Machine::This => config.metadata.client(&self.environment),
            #[cfg(feature = "fake")]
            Machine::Fake(builder, _, service) => {
                // What a made-up machine knows is nothing to remember.
                config.agent.state = None;
                let builder = ConfigBuilder::clone(builder).patient();
                match service {
                    Some(fake) => builder.endpoint(&fake.url(), "--fake").variables(fake.environment()),
                    None => builder,
                }
            }
        };
        let client = self.with_options(builder).map_err(|error| vec![error])?;
        Ok(Settings::new(config, client))
    }

    fn with_options(&self, mut builder: ConfigBuilder) -> Result<Config, Error> {
        let global = &self.global;
        for path in &global.cloud_file {
            builder = builder.cloud_file(path);
        }
        if let Some(name) = &global.cloud {
            builder = builder.cloud(name, "--cloud");
        }
        if let Some(names) = &global.clouds {
            builder = builder.clouds(names, "--clouds");
        }
        if let Some(url) = &global.endpoint {
            builder = builder.endpoint(url, "--endpoint");
        }
        if let Some(directory) = &global.sysroot {
            builder = builder.sysroot(directory);
        }
        if global.offline {
            builder = builder.network(Network::Off);
        }
        if let Some(time) = &global.timeout {
            builder = builder.timeout(imds::config::duration(time, "--timeout")?);
        }
        if let Some(time) = &global.probe_timeout {
            builder = builder.probe_timeout(imds::config::duration(time, "--probe-timeout")?);
        }
        if global.no_imdsv1 {
            builder = builder.no_imdsv1();
        }
        settings::with_ways_of_asking(builder, global).build()
    }
}

/// A daemon says what changed; of the library, only what is wrong.
fn log_filter(global: &Global, environment: &Environment) -> Result<Targets, Error> {
    let daemon = Targets::new().with_default(log::DEFAULT).with_target("imds_agent", LevelFilter::INFO);
    settings::log_filter(global, environment, Some(&daemon))
}
