//! The whole: starts the parts, and heeds signals until it is told to end.
//!
//! | what happens | what the agent does |
//! |---|---|
//! | SIGHUP | both processes read the configuration anew; one with a mistake changes nothing, and each mistake is logged |
//! | SIGTERM, SIGINT | ends every part and the second process, within `grace` |
//! | a part ends by itself | ends with its error: the service manager starts it anew |

use std::sync::Arc;

use imds::{Client, Error, ErrorKind, Outcome};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::broadcast::error::RecvError;

use crate::api::announcements::{self, Announcements};
use crate::events::{self, Board};
use crate::executor::part::Executing;
use crate::metrics::Metrics;
use crate::sandbox::{Accounts, directory_of};
use crate::server::part::{self, Bound};
use crate::start::{ReadSettings, Started, strangers};
use crate::store::View;
use crate::systemd::Notifier;
use crate::worker::{Context, Settings, Worker};
use crate::{keeper, state};

/// Runs the agent until a signal ends it. Needs a Tokio runtime with I/O and time enabled.
///
/// # Errors
/// Why a part ended by itself, or can't begin.
pub async fn run(started: Started) -> Result<(), Error> {
    let Started { mut worker, board, bound, executor, read, notifier, metrics, in_force } = started;
    // From here on signals are the agent's, so that none that comes while it starts is lost.
    let mut signals = Signals::listen()?;
    let notifier = Arc::new(notifier);
    let settings = Arc::clone(&worker.context().settings.borrow());
    let (executing, child) = Executing::begin(executor, settings).await?;
    if let Some(child) = child {
        worker.spawn("executor", executing.attend(worker.context(), child));
    }
    start_parts(&mut worker, board, bound, &executing, &metrics)?;
    worker.spawn("status", tell_status(worker.context(), Arc::clone(&notifier), in_force.in_short()));
    notifier.ready();
    tracing::info!("started");
    let reading = Reading { read, accounts: Accounts::of_this_machine() };
    let failure = attend(&mut worker, &mut signals, reading, &executing, &notifier).await;
    notifier.stopping();
    drop(executing);
    let grace = worker.context().settings.borrow().config.agent.grace;
    let left = worker.stop(grace).await;
    if !left.is_empty() {
        tracing::error!("cut off after {grace:?}: {}", left.join(", "));
    }
    match failure {
        Some(error) => Err(error),
        None => {
            tracing::info!("ended");
            Ok(())
        }
    }
}

/// Starts everything. Whatever has to listen listens when this returns: readiness is told next.
fn start_parts(
    worker: &mut Worker,
    board: Board,
    bound: Bound,
    executing: &Executing,
    metrics: &Arc<Metrics>,
) -> Result<(), Error> {
    let context = worker.context();
    let announcements = Arc::new(Announcements::default());
    let board = Arc::new(board);
    let server = part::start(context, bound, metrics, Arc::clone(&announcements))?;
    worker.spawn("server", server);
    worker.spawn("announcements", announce(worker.context(), Arc::clone(&board), announcements));
    worker.spawn("event counts", count_events(worker.context(), Arc::clone(&board), Arc::clone(metrics)));
    worker.spawn("files", executing.clone().write_files(worker.context()));
    let hooks = executing.clone().run_hooks(worker.context(), Arc::clone(&board), Arc::clone(metrics));
    worker.spawn("hooks", hooks);
    worker.spawn("events", watch_events(worker.context(), board));
    worker.spawn("keeper", keeper::keep(worker.context()));
    worker.spawn("state", state::follow(worker.context()));
    worker.spawn("refreshes", count_refreshes(worker.context(), Arc::clone(metrics)));
    Ok(())
}

/// Watches for events while the settings want it, as they are.
async fn watch_events(mut context: Context, board: Arc<Board>) -> Result<(), Error> {
    loop {
        let settings = Arc::clone(&context.settings.borrow_and_update());
        let watching = async {
            if !settings.config.events.enabled {
                // What was known when it was switched off, nobody would ever end.
                board.watching(&[]);
                return std::future::pending().await;
            }
            let watch = events::Watch {
                client: Client::new(settings.client.clone()),
                store: Arc::clone(&context.store),
                board: Arc::clone(&board),
                options: events::Options::from(&settings.config.events),
            };
            events::watch(watch).await;
        };
        tokio::select! {
            () = watching => {}
            () = context.shutdown.begun() => return Ok(()),
            still = context.settings.changed() => if still.is_err() { return Ok(()) },
        }
    }
}

/// Shows callers what the board knows.
async fn announce(
    mut context: Context,
    board: Arc<Board>,
    announcements: Arc<Announcements>,
) -> Result<(), Error> {
    tokio::select! {
        () = announcements::follow(&board, &announcements) => {}
        () = context.shutdown.begun() => {}
    }
    Ok(())
}

/// Counts what the board hears.
async fn count_events(mut context: Context, board: Arc<Board>, metrics: Arc<Metrics>) -> Result<(), Error> {
    let mut changes = board.changes();
    loop {
        tokio::select! {
            () = context.shutdown.begun() => return Ok(()),
            change = changes.recv() => match change {
                Ok(event) => metrics.announced(event.kind, event.state),
                Err(RecvError::Lagged(missed)) => tracing::debug!(missed, "events weren't counted"),
                Err(RecvError::Closed) => return Ok(()),
            },
        }
    }
}

/// Counts how each attempt to ask the service ended.
async fn count_refreshes(mut context: Context, metrics: Arc<Metrics>) -> Result<(), Error> {
    let mut revisions = context.store.revisions();
    let mut counted = None;
    loop {
        let status = context.store.view().status.clone();
        if status.last_try.is_some() && status.last_try != counted {
            metrics.refreshed(status.last_error.is_none());
            counted = status.last_try;
        }
        tokio::select! {
            () = context.shutdown.begun() => return Ok(()),
            still = revisions.changed() => if still.is_err() { return Ok(()) },
        }
    }
}

/// Heeds signals and the watchdog. Returns when the agent is to end, with the error if that is why.
async fn attend(
    worker: &mut Worker,
    signals: &mut Signals,
    mut reading: Reading,
    executing: &Executing,
    notifier: &Notifier,
) -> Option<Error> {
    let mut watchdog = notifier.watchdog().map(tokio::time::interval);
    loop {
        let fed = async {
            match &mut watchdog {
                Some(interval) => interval.tick().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = signals.terminate.recv() => return None,
            _ = signals.interrupt.recv() => return None,
            _ = signals.hang_up.recv() => reload(worker, &mut reading, executing, notifier).await,
            error = worker.failed() => return Some(error),
            _ = fed => notifier.alive(),
        }
    }
}

/// What it takes to read the configuration anew.
struct Reading {
    read: ReadSettings,
    accounts: Accounts,
}

/// Puts the configuration in force as it is now, unless something is wrong with it.
async fn reload(worker: &Worker, reading: &mut Reading, executing: &Executing, notifier: &Notifier) {
    notifier.reloading();
    let both = async {
        let settings = (reading.read)()?;
        reading.accounts = reading.accounts.again();
        let strangers = strangers(&settings.config, &reading.accounts);
        if !strangers.is_empty() {
            return Err(strangers);
        }
        // The executor reads the file itself, and judges what only it may look at. It is asked last: what it finds right is
        // in force there.
        Ok((settings, executing.reload().await?))
    };
    match both.await {
        Ok((settings, plan)) => {
            let before = Arc::clone(&worker.context().settings.borrow());
            let mut later = only_at_the_start(&before, &settings);
            if settings.config.wants_executor() && !executing.exists() {
                later.extend(["files", "hooks"]);
            }
            for key in later {
                tracing::error!("{key} is another now, and counts from the next start on");
            }
            worker.change(settings);
            executing.arrange(Arc::clone(&worker.context().settings.borrow()), plan);
            tracing::info!("the configuration was read anew");
        }
        Err(errors) => {
            let errors: Vec<Error> = errors;
            for error in errors {
                let remedy = error.remedy().map(|remedy| format!(" ({remedy})")).unwrap_or_default();
                tracing::error!("the configuration stays as it was: {error}{remedy}");
            }
        }
    }
    notifier.ready();
}

/// Settings that a running agent can't change any more: it may have given up the privileges.
fn only_at_the_start(before: &Settings, now: &Settings) -> Vec<&'static str> {
    let (before, now) = (&before.config, &now.config);
    let mut keys = Vec::new();
    let mut compare = |key, is_other: bool| {
        if is_other {
            keys.push(key);
        }
    };
    compare("agent.socket", before.agent.socket != now.agent.socket);
    compare("agent.socket_mode", before.agent.socket_mode != now.agent.socket_mode);
    compare("agent.user", before.agent.user != now.agent.user);
    compare("sandbox", before.sandbox != now.sandbox);
    // The machine's files are those of the start: what only root may read of others can't be had any more.
    compare("metadata.sysroot", before.metadata.sysroot != now.metadata.sysroot);
    if before.sandbox.enabled {
        let directory = |agent: &crate::config::Agent| agent.state.as_deref().map(directory_of);
        compare("the directory of agent.state", directory(&before.agent) != directory(&now.agent));
    }
    let listen = |tcp: &Option<crate::config::Tcp>| tcp.as_ref().map(|tcp| tcp.listen);
    compare("tcp.listen", listen(&before.tcp) != listen(&now.tcp));
    // Of a door that is opened or closed it is told already.
    let hosts = before.tcp.as_ref().zip(now.tcp.as_ref());
    compare("tcp.hosts", hosts.is_some_and(|(before, now)| before.hosts != now.hosts));
    compare("metrics.listen", before.metrics != now.metrics);
    // Seats are counted from the first connection on, and descriptors for them were set aside while that was allowed.
    compare("limits", before.limits != now.limits);
    keys
}

/// Keeps the service manager's one line true.
async fn tell_status(
    mut context: Context,
    notifier: Arc<Notifier>,
    sandbox: &'static str,
) -> Result<(), Error> {
    let mut revisions = context.store.revisions();
    let mut told = String::new();
    loop {
        let text = format!("{}; {sandbox}", in_words(&context.store.view()));
        if text != told {
            notifier.status(&text);
            told = text;
        }
        tokio::select! {
            changed = revisions.changed() => if changed.is_err() { return Ok(()) },
            () = context.shutdown.begun() => return Ok(()),
        }
    }
}

/// How things stand, in one line without identities.
fn in_words(view: &View) -> String {
    let place = match view.verdict.as_ref().map(|verdict| &verdict.outcome) {
        None => "not detected yet".to_owned(),
        Some(Outcome::Cloud(cloud)) => format!("in {cloud}"),
        Some(Outcome::None) => "in no cloud".to_owned(),
        Some(Outcome::Unknown) => "whether in a cloud can't be said".to_owned(),
    };
    let metadata = match (&view.metadata, &view.status.last_error) {
        (None, _) => "no metadata",
        (Some(_), _) if view.status.from_state => "metadata of an earlier run",
        (Some(_), None) => "all metadata read",
        (Some(metadata), Some(_)) if metadata.is_stale() => "the last good metadata",
        (Some(_), Some(_)) => "some metadata read",
    };
    let why = match &view.status.last_error {
        Some(error) => format!("; {}", error.kind()),
        None => String::new(),
    };
    format!("{place}; {metadata}{why}")
}

/// The signals that the agent heeds.
struct Signals {
    hang_up: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> Result<Self, Error> {
        let listen = |kind| {
            signal(kind).map_err(|error| {
                Error::new(ErrorKind::Internal, "signals can't be listened to").with_source(error)
            })
        };
        Ok(Self {
            hang_up: listen(SignalKind::hangup())?,
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
        })
    }
}
