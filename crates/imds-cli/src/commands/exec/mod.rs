//! `imds exec`: a program with this machine's metadata in its environment.
//!
//! Here is what the program gets; `unix` and `elsewhere` run it, with the same functions. We stay as its parent rather
//! than becoming it (exec(2)): the service of `--fake` has to live as long as the program does, and as PID 1 of a
//! container somebody has to bury the orphans.

#[cfg(not(unix))]
mod elsewhere;
#[cfg(unix)]
mod unix;

use std::process::Command;
use std::time::Duration;

#[cfg(not(unix))]
use elsewhere as child;
use imds::config::duration;
use imds::machine::Environment;
use imds::model::{ErrorKind, Metadata, Selector};
use imds::{Error, Field};
#[cfg(unix)]
use unix as child;

use super::show::tell_failures;
use super::{selectors, wait};
use crate::args::Exec;
use crate::exit::{self, Ending, Failure, usage};
use crate::messages::{Messages, grouped};
use crate::render;
use crate::settings::{Purpose, Session};

/// The attributes of OpenTelemetry's SDKs (specification, "Resource SDK").
const ATTRIBUTES: &str = "OTEL_RESOURCE_ATTRIBUTES";

/// Variables with their values.
type Variables = Vec<(String, String)>;

/// What is to be done, understood but not begun.
pub(super) struct Order<'a> {
    arguments: &'a Exec,
    required: Vec<Selector>,
    patience: Option<Duration>,
}

/// Understands the options.
///
/// # Errors
/// `ErrorKind::Usage`, naming the option.
pub(super) fn prepare(arguments: &Exec) -> Result<Order<'_>, Failure> {
    let prefix = &arguments.prefix;
    let is_name = prefix.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !is_name || prefix.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(usage(format!("no variable's name can start with {prefix:?}"))
            .with_path("--prefix")
            .with_remedy("use letters, digits and _, and no digit at the start")
            .into());
    }
    let patience = arguments.wait.as_deref().map(|time| duration(time, "--wait")).transpose()?;
    Ok(Order { arguments, required: selectors(&arguments.require)?, patience })
}

/// Whatever prevents the program from running is told, and ends with a code that isn't the program's.
pub(super) fn told(ending: Ending, messages: &Messages) -> Ending {
    match ending {
        Err(Failure::Error(error)) => {
            messages.error(&error);
            Ok(exit::EXEC_FAILED)
        }
        ending => ending,
    }
}

pub(super) async fn run(
    order: &Order<'_>,
    session: &Session,
    environment: &Environment,
    messages: &Messages,
) -> Ending {
    // From now on signals are ours: PID 1 would lose them while it waits for the metadata.
    let mut signals = child::Signals::listen()?;
    let variables = tokio::select! {
        variables = order.variables(session, environment, messages) => variables?,
        code = signals.ending() => return Ok(code),
    };
    let Some(variables) = variables else { return Ok(exit::EXEC_FAILED) };
    let Some((program, arguments)) = order.arguments.command.split_first() else {
        return Err(usage("there is no program to run").into());
    };
    let mut command = Command::new(program);
    command.args(arguments).envs(session.exports()).envs(variables);
    match child::run(command, &mut signals).await {
        Ok(code) => Ok(code),
        Err(child::Trouble::Start(error)) => {
            messages.failure(&format!("{} can't be run: {error}", program.to_string_lossy()));
            Ok(match error.kind() {
                std::io::ErrorKind::NotFound => exit::NOT_FOUND,
                _ => exit::NOT_EXECUTABLE,
            })
        }
        Err(child::Trouble::Wait(error)) => {
            let error = Error::new(ErrorKind::Internal, "the program can't be waited for").with_source(error);
            Err(error.into())
        }
    }
}

impl Order<'_> {
    /// What the settings are wanted for.
    pub(super) fn purpose(&self) -> Purpose {
        self.patience.map_or(Purpose::Answer, Purpose::Within)
    }

    /// What the program's environment gets; nothing if it mustn't run, which has been told then.
    async fn variables(
        &self,
        session: &Session,
        environment: &Environment,
        messages: &Messages,
    ) -> Result<Option<Variables>, Error> {
        if self.patience.is_some() {
            let usual = [Selector::Field(Field::InstanceId)];
            let awaited = if self.required.is_empty() { &usual } else { &*self.required };
            if let Err(missing) = wait::until(awaited, session).await
                && !self.required.is_empty()
            {
                return Ok(refused(missing, messages));
            }
        }
        let metadata = match session.client.read(Field::ALL).await {
            Ok(metadata) => metadata,
            Err(error) if !self.required.is_empty() || is_a_mistake(&error) => return Err(error),
            Err(error) => {
                messages.warning(&format!("{error}; the program gets no metadata"), error.remedy());
                return Ok(Some(Variables::new()));
            }
        };
        let missing: wait::Missing = self
            .required
            .iter()
            .filter_map(|selector| Some((selector.to_string(), metadata.select(selector).err()?)))
            .collect();
        if !missing.is_empty() {
            return Ok(refused(missing, messages));
        }
        tell(&metadata, session, messages);
        let mut variables = render::Env::of(&metadata, &self.arguments.prefix).variables(messages);
        variables.extend(self.attributes(&metadata, session, environment, messages));
        Ok(Some(variables))
    }

    /// The resource attributes, merged with those that are set; nothing where the variable is better left alone.
    fn attributes(
        &self,
        metadata: &Metadata,
        session: &Session,
        environment: &Environment,
        messages: &Messages,
    ) -> Option<(String, String)> {
        let set = environment.get(ATTRIBUTES);
        let merged = if set.is_none() && is_set_but_no_text(ATTRIBUTES) {
            Err("it isn't UTF-8".to_owned())
        } else {
            let known = session.client.configuration();
            let attributes = known.resource_attributes(metadata, self.arguments.otel_names.into());
            render::merged_otel(set.unwrap_or_default(), attributes)
        };
        match merged {
            Ok(merged) => Some((ATTRIBUTES.to_owned(), merged)),
            Err(why) => {
                messages.warning(
                    &format!("{ATTRIBUTES} is left as it is: {why}"),
                    Some("write KEY=VALUE,…, with anything odd in them percent-encoded"),
                );
                None
            }
        }
    }
}

/// Says which required fields can't be had.
fn refused(missing: wait::Missing, messages: &Messages) -> Option<Variables> {
    for (fields, error) in grouped(missing) {
        messages.failed(&fields, &error);
    }
    None
}

/// What should be known about the metadata that the program gets.
fn tell(metadata: &Metadata, session: &Session, messages: &Messages) {
    for warning in metadata.warnings() {
        messages.warning(warning, None);
    }
    match metadata.failure() {
        _ if session.is_offline() => {}
        Some(failure) => {
            messages.warning(&format!("{failure}; the program gets what firmware knows"), failure.remedy());
        }
        None => tell_failures(metadata, messages),
    }
}

/// Whether it is the user's mistake or ours, and not the machine's state.
fn is_a_mistake(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Usage | ErrorKind::Internal)
}

/// An [`Environment`] holds text only. What isn't text mustn't be taken for nothing and be replaced.
fn is_set_but_no_text(name: &str) -> bool {
    std::env::var_os(name).is_some_and(|value| value.to_str().is_none())
}
