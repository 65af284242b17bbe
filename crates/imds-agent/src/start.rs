//! From the settings to a process that has given up what it doesn't need. The order matters:
//!
//! 1. The settings are read, and what only root may read of the machine.
//! 2. What is configured is tried, as far as that goes without doing it: accounts, hooks, templates.
//! 3. Sockets are bound, and the state's directory is made and given to the user that the worker becomes.
//! 4. The state is read, and what was known of events.
//! 5. The second process is started, with the privileges of this one, while there is no thread yet.
//! 6. The sandbox is entered.
//!
//! Only then does anything run that talks to the network or to callers.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use imds::machine::Files;
use imds::{Error, ErrorKind};

use crate::config::Config;
use crate::events::{Board, Keeping};
use crate::executor::{self, Executor, Plan};
use crate::firmware::Remembered;
use crate::metrics::Metrics;
use crate::sandbox::{self, Account, Accounts, InForce, Options, directory_of};
use crate::server::part::{self, Bound};
use crate::state;
use crate::systemd::{Notifier, Sockets};
use crate::worker::{Context, Settings, Worker};

/// Reads the settings as they are now; all that is wrong with them at once.
pub type ReadSettings = Box<dyn Fn() -> Result<Settings, Vec<Error>> + Send + Sync>;

/// What the service manager gave the process.
#[derive(Debug, Default)]
pub struct ServiceManager {
    /// Where it wants to hear from the agent.
    pub notifier: Notifier,
    /// Sockets that it opened.
    pub sockets: Sockets,
}

/// What an agent is started with.
pub struct Start {
    /// Reads the settings.
    pub read: ReadSettings,
    /// The file that they are read from.
    pub config_file: PathBuf,
    /// What the service manager gave.
    pub manager: ServiceManager,
    /// The program that is the executor: it calls [`executor::main`] when it is given these arguments.
    pub executor: (PathBuf, Vec<OsString>),
}

impl std::fmt::Debug for Start {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Start")
            .field("config_file", &self.config_file)
            .field("manager", &self.manager)
            .field("executor", &self.executor)
            .finish_non_exhaustive()
    }
}

/// A process that has what it needs and gave up the rest. [`run`](crate::run::run) makes an agent of it.
pub struct Started {
    pub(crate) worker: Worker,
    pub(crate) board: Board,
    pub(crate) bound: Bound,
    pub(crate) executor: Option<Executor>,
    pub(crate) read: ReadSettings,
    pub(crate) notifier: Notifier,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) in_force: InForce,
}

impl std::fmt::Debug for Started {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Started")
            .field("worker", &self.worker)
            .field("in_force", &self.in_force)
            .finish_non_exhaustive()
    }
}

/// Does all that comes before the first thread and the first request.
///
/// # Errors
/// Everything that is wrong with the settings; a place where nobody can listen; a user that this process can't become.
pub fn start(start: Start) -> Result<Started, Vec<Error>> {
    let Start { read, config_file, manager, executor } = start;
    let metrics = Arc::new(Metrics::default());
    let settings = read()?;
    let files: Arc<dyn Files> = Arc::new(Remembered::of(settings.client.machine().shared_files()));
    // The service's answers are counted, whichever settings are in force.
    let observed = Arc::clone(&metrics);
    let completed = move |settings: Settings| Settings {
        client: settings.client.observed_by(observed.as_observer()).reading_through(Arc::clone(&files)),
        ..settings
    };
    let settings = completed(settings);
    let read: ReadSettings = Box::new(move || read().map(&completed));
    let accounts = Accounts::of_this_machine();
    try_out(&settings, &accounts)?;
    let one = |error: Error| vec![error];
    let account = account(&settings.config, &accounts).map_err(one)?;
    let bound = part::bind(&settings.config, manager.sockets).map_err(one)?;
    if let Some(state) = &settings.config.agent.state
        && let Err(error) = state::prepare(state, account.as_ref())
    {
        tracing::error!("the directory of the state {} can't be made: {error}", state.display());
    }
    let mut options = Options::of(&settings, &config_file, account);
    options.abstract_sockets = manager.notifier.is_abstract();
    options.write.extend(bound.path().map(directory_of));
    let wants_executor = settings.config.wants_executor();
    let worker = Worker::new(settings);
    let board = board_of(&worker.context());
    let executor = match wants_executor {
        true => Some(second(&executor).map_err(one)?),
        false => None,
    };
    let in_force = sandbox::enter(&options).map_err(one)?;
    tracing::info!("{in_force}");
    Ok(Started { worker, board, bound, executor, read, notifier: manager.notifier, metrics, in_force })
}

/// Everything that can be said of the settings on this machine before anything is done: of those who are named in them, and
/// of what the executor is to do.
///
/// # Errors
/// All that can't be done, each with its place in the file.
pub fn try_out(settings: &Settings, accounts: &Accounts) -> Result<(), Vec<Error>> {
    let mut wrong = strangers(&settings.config, accounts);
    wrong.extend(Plan::of(settings, accounts).err().into_iter().flatten());
    if wrong.is_empty() { Ok(()) } else { Err(wrong) }
}

/// Whom the worker is to become, or to show something, and whom this machine doesn't know: each with the place in the file.
/// The worker itself can tell, whatever it has given up.
pub(crate) fn strangers(config: &Config, accounts: &Accounts) -> Vec<Error> {
    let mut wrong: Vec<Error> = account(config, accounts).err().into_iter().collect();
    wrong.extend(part::strangers(config, accounts));
    wrong
}

/// Whom the worker becomes.
fn account(config: &Config, accounts: &Accounts) -> Result<Option<Account>, Error> {
    let Some(user) = &config.agent.user else { return Ok(None) };
    accounts.user(user).map(Some).map_err(|why| {
        let wrong = config.places.mistake("agent.user", format!("agent.user: {why}"));
        wrong.with_remedy("make this user, name another, or leave the key out")
    })
}

/// The board of events, beside the state where there is one.
fn board_of(context: &Context) -> Board {
    let settings = context.settings.borrow();
    let binding = context.machine.binding(&settings.client);
    let kept = settings.config.agent.state.as_ref().zip(binding.boot);
    match kept {
        Some((state, boot)) => {
            let path = state.with_file_name("events.json");
            Board::open(Keeping { path, machine: binding.machine, boot, unique: binding.unique })
        }
        None => Board::default(),
    }
}

fn second((program, arguments): &(PathBuf, Vec<OsString>)) -> Result<Executor, Error> {
    executor::start(program, arguments).map_err(|error| {
        Error::new(ErrorKind::Internal, format!("the executor can't be started: {error}"))
            .with_path(program.display().to_string())
            .with_source(error)
    })
}
