//! `imds fake`: a fake metadata service until it is interrupted.

use std::sync::Arc;

use imds::Error;
use imds::model::ErrorKind;
use imds_fake::{Cloud, Control, Fake, Fault, Scenario};

use crate::args::Fake as Arguments;
use crate::exit::{DONE, Ending, usage};
use crate::messages::Messages;
use crate::output::Output;
use crate::settings;

/// What will be served, or that nothing will.
pub(super) enum Served {
    /// A scenario, with faults on top.
    Scenario(Box<Scenario>, Vec<Fault>),
    /// The list of scenarios, of one cloud or of all.
    List(Option<Cloud>),
}

/// Understands the options.
///
/// # Errors
/// `ErrorKind::Usage`, naming the option.
pub(super) fn prepare(arguments: &Arguments) -> Result<Served, Error> {
    let spec = arguments.scenario.as_deref();
    if arguments.list_scenarios {
        let cloud = spec.map(|spec| spec.split(':').next().unwrap_or(spec).parse::<Cloud>());
        return cloud.transpose().map(Served::List).map_err(|error| usage(error.to_string()));
    }
    let mut scenario = match (&arguments.scenario_file, spec) {
        (Some(path), _) => {
            let place = path.display().to_string();
            let text = std::fs::read_to_string(path)
                .map_err(|error| usage(format!("the scenario can't be read: {error}")).with_path(&place))?;
            Scenario::from_toml(&text).map_err(|error| usage(error.to_string()).with_path(&place))?
        }
        (None, spec) => settings::scenario(spec.unwrap_or_default(), "CLOUD[:SCENARIO]")?,
    };
    for change in &arguments.set {
        let (path, value) = change.split_once('=').ok_or_else(|| {
            usage(format!("{change:?} has no =")).with_path("--set").with_remedy("write --set PATH=VALUE")
        })?;
        scenario.set(path, value).map_err(|error| usage(error.to_string()).with_path("--set"))?;
    }
    let faults = arguments
        .fault
        .iter()
        .map(|fault| fault.parse::<Fault>().map_err(|error| usage(error.to_string()).with_path("--fault")));
    Ok(Served::Scenario(Box::new(scenario), faults.collect::<Result<_, _>>()?))
}

pub(super) async fn run(
    arguments: &Arguments,
    served: Served,
    messages: &Messages,
    output: &mut Output,
) -> Ending {
    let (scenario, faults) = match served {
        Served::Scenario(scenario, faults) => (*scenario, faults),
        Served::List(cloud) => {
            output.text(&list(cloud))?;
            return Ok(DONE);
        }
    };
    let what = format!("{}:{} ({})", scenario.cloud(), scenario.name(), scenario.summary());
    let interruption = Interruption::listen()?;
    let fake = Fake::bind(scenario, arguments.listen).await.map_err(|error| {
        usage(format!("can't listen on {}: {error}", arguments.listen))
            .with_path("--listen")
            .with_remedy("--listen 127.0.0.1:0 takes a free port")
    })?;
    for fault in faults {
        fake.inject(fault);
    }
    let fake = Arc::new(fake);
    let control = match arguments.control {
        Some(addr) => Some(Control::bind(Arc::clone(&fake), addr).await.map_err(|error| {
            usage(format!("can't listen on {addr}: {error}"))
                .with_path("--control")
                .with_remedy("--control 127.0.0.1:0 takes a free port of loopback")
        })?),
        None => None,
    };
    let mut exports = fake.exports();
    exports.extend(control.as_ref().map(|control| ("IMDS_FAKE_CONTROL".to_owned(), control.url())));
    let exports: String =
        exports.iter().map(|(name, value)| format!("export {name}={}\n", shell_word(value))).collect();
    output.text(&exports)?;
    messages.note(&format!("serving {what} on {}; Ctrl-C ends it", fake.url()));
    interruption.wait().await;
    Ok(DONE)
}

fn list(cloud: Option<Cloud>) -> String {
    let scenarios = Scenario::all();
    let shown = scenarios.iter().filter(|scenario| cloud.is_none_or(|cloud| cloud == scenario.cloud()));
    let rows: Vec<(String, &str)> = shown
        .map(|scenario| (format!("{}:{}", scenario.cloud(), scenario.name()), scenario.summary()))
        .collect();
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    rows.iter().map(|(name, summary)| format!("{name:width$}  {summary}\n")).collect()
}

/// A value as one word of a POSIX shell. Those of a fake hold no quotes.
fn shell_word(value: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, ':' | '/' | '.' | '_' | '-');
    if value.chars().all(plain) { value.to_owned() } else { format!("'{value}'") }
}

/// SIGINT and SIGTERM; Ctrl-C elsewhere.
struct Interruption {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
}

impl Interruption {
    /// From now on the signals are ours.
    fn listen() -> Result<Self, Error> {
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            let listen = |kind| {
                signal(kind).map_err(|error| {
                    Error::new(ErrorKind::Internal, "signals can't be listened to").with_source(error)
                })
            };
            Ok(Self {
                terminate: listen(SignalKind::terminate())?,
                interrupt: listen(SignalKind::interrupt())?,
            })
        }
        #[cfg(not(unix))]
        Ok(Self {})
    }

    /// Until one comes.
    async fn wait(self) {
        #[cfg(unix)]
        {
            let Self { mut terminate, mut interrupt } = self;
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        }
        #[cfg(not(unix))]
        if tokio::signal::ctrl_c().await.is_err() {
            // Without a way to be interrupted it serves for good.
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exports_are_words_of_a_shell() {
        assert_eq!(shell_word("http://127.0.0.1:1338"), "http://127.0.0.1:1338");
        assert_eq!(shell_word("http://[::1]:1338"), "'http://[::1]:1338'");
    }
}
