//! One file per command. Each takes what was typed and what it needs, and says how it ended.

#[cfg(all(unix, feature = "agent"))]
mod agent;
pub(crate) mod clouds;
mod detect;
mod doctor;
mod exec;
#[cfg(feature = "fake")]
mod fake;
mod get;
mod pages;
mod raw;
mod resolve;
mod show;
mod tags;
mod wait;
mod watch;

use std::future::Future;
use std::pin::{Pin, pin};

use imds::config::duration;
use imds::machine::Environment;
use imds::model::{ErrorKind, Selector};
use imds::{Error, Field};
use tokio::runtime::Runtime;

use crate::args::{Arguments, Command, Global};
use crate::exit::{Ending, usage};
use crate::log;
use crate::messages::Messages;
use crate::output::Output;
use crate::settings::{self, Purpose, Session, Settings};

/// Runs the command that was asked for.
pub(crate) fn run(
    arguments: Arguments,
    environment: &Environment,
    messages: &Messages,
    output: &mut Output,
) -> Ending {
    let caller = Caller { global: &arguments.global, environment, messages };
    match arguments.command {
        Command::Detect(detect) => {
            let settings = caller.settings(Purpose::Answer)?;
            if detect.verify || settings.is_made_up() {
                return wait_for(
                    &runtime()?,
                    pin!(async { detect::run(&detect, &settings.connect().await?, messages, output).await }),
                );
            }
            let session = settings.ready()?;
            match session.client.detect_unasked() {
                Some(verdict) => detect::tell(&detect, &verdict, output),
                None => wait_for(&runtime()?, pin!(detect::run(&detect, &session, messages, output))),
            }
        }
        Command::Show(show) => {
            caller.ask(Purpose::Answer, async |session| show::run(&show, &session, messages, output).await)
        }
        Command::Get(get) => {
            let selectors = selectors(&get.fields)?;
            caller.ask(Purpose::Answer, async |session| {
                get::run(&get, &selectors, &session, messages, output).await
            })
        }
        Command::Tags(tags) => {
            caller.ask(Purpose::Answer, async |session| tags::run(&tags, &session, messages, output).await)
        }
        Command::Raw(raw) => {
            caller.ask(Purpose::Answer, async |session| raw::run(&raw, &session, messages, output).await)
        }
        Command::Wait(wait) => {
            let selectors = match wait.fields.is_empty() {
                true => vec![Selector::Field(Field::InstanceId)],
                false => selectors(&wait.fields)?,
            };
            caller.ask(Purpose::Wait, async |session| wait::run(&selectors, &session, messages).await)
        }
        Command::Watch(watch) => {
            let interval = duration(&watch.interval, "--interval")?;
            caller
                .ask(Purpose::Answer, async |session| watch::run(interval, &session, messages, output).await)
        }
        Command::Doctor(doctor) => {
            let steps = arguments.global.verbose > 0;
            caller.ask(Purpose::Answer, async |session| doctor::run(&doctor, steps, &session, output).await)
        }
        Command::Resolve(resolve) => {
            let order = resolve::prepare(&resolve, settings::known_clouds(caller.global)?)?;
            if resolve.list {
                return resolve::list(&order, messages, output);
            }
            caller
                .ask(Purpose::Answer, async |session| resolve::run(&order, &session, messages, output).await)
        }
        Command::Exec(exec) => {
            let ending = exec::prepare(&exec).and_then(|order| {
                caller.ask(order.purpose(), async |session| {
                    exec::run(&order, &session, environment, messages).await
                })
            });
            exec::told(ending, messages)
        }
        #[cfg(all(unix, feature = "agent"))]
        Command::Agent(agent) => agent::run(&agent, caller.global, environment, messages, output),
        #[cfg(feature = "fake")]
        Command::Fake(fake) => {
            let served = fake::prepare(&fake)?;
            wait_for(&runtime()?, pin!(fake::run(&fake, served, messages, output)))
        }
        Command::Clouds(clouds) => clouds::run(&clouds, &settings::known_clouds(caller.global)?, output),
        Command::Completions(completions) => pages::completions(&completions, output),
        Command::Man(man) => pages::manual(&man, output),
    }
}

/// Who asks, for commands that need the library.
struct Caller<'a> {
    global: &'a Global,
    environment: &'a Environment,
    messages: &'a Messages,
}

impl Caller<'_> {
    /// Makes a client as the user wants it, and has the command use it.
    fn ask(&self, purpose: Purpose, command: impl AsyncFnOnce(Session) -> Ending) -> Ending {
        let (runtime, session) = self.session(purpose)?;
        wait_for(&runtime, pin!(command(session)))
    }

    fn session(&self, purpose: Purpose) -> Result<(Runtime, Session), Error> {
        let settings = self.settings(purpose)?;
        let runtime = runtime()?;
        let session = runtime.block_on(settings.connect())?;
        Ok((runtime, session))
    }

    /// What the user wants, with the log started.
    fn settings(&self, purpose: Purpose) -> Result<Settings, Error> {
        let settings = Settings::resolve(self.global, self.environment, purpose)?;
        log::start(settings.log.clone(), self.messages);
        Ok(settings)
    }
}

/// By pointer, so that the runtime's own code isn't there once for each command.
fn wait_for(runtime: &Runtime, work: Pin<&mut dyn Future<Output = Ending>>) -> Ending {
    runtime.block_on(work)
}

/// A runtime on this thread.
fn runtime() -> Result<Runtime, Error> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| {
        Error::new(ErrorKind::Internal, "the asynchronous runtime can't be started").with_source(error)
    })
}

/// What was typed, as selectors.
fn selectors(fields: &[String]) -> Result<Vec<Selector>, Error> {
    fields.iter().map(|field| field.parse().map_err(|error| usage(format!("{error}")))).collect()
}

/// The fields that selectors need, each once.
fn fields_of(selectors: &[Selector]) -> Vec<Field> {
    let mut fields = Vec::new();
    for selector in selectors {
        if !fields.contains(&selector.field()) {
            fields.push(selector.field());
        }
    }
    fields
}
