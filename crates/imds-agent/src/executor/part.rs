//! What the worker has done by the executor: files and hooks, as the settings say now.

use std::process::Child;
use std::sync::Arc;
use std::time::Duration;

use imds::{Client, Error, ErrorKind};
use tokio::sync::watch;

use super::protocol::Summary;
use super::{Executor, Link, LinkError, hooks};
use crate::events::{Board, Options};
use crate::files::{Follow, Pace, Record, follow};
use crate::hooks::dispatch::{self, Dispatch};
use crate::metrics::Metrics;
use crate::worker::{Context, Settings};

/// How long the executor may take to read the configuration; it does nothing else meanwhile.
const PATIENCE: Duration = Duration::from_secs(10);

/// The executor, where there is one, and what it is to do. It ends when the last clone is dropped.
#[derive(Clone, Debug)]
pub struct Executing {
    link: Option<Link>,
    arrangements: watch::Sender<Arc<Arrangement>>,
}

/// Settings, and the plan that the executor made of the same file.
#[derive(Debug)]
struct Arrangement {
    settings: Arc<Settings>,
    plan: Option<Summary>,
}

impl Executing {
    /// Begins to speak to the executor, where there is one. Needs a runtime.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`] where it doesn't answer.
    pub async fn begin(
        executor: Option<Executor>,
        settings: Arc<Settings>,
    ) -> Result<(Self, Option<Child>), Error> {
        let failed =
            |why: String| Error::new(ErrorKind::Internal, format!("the executor can't be used: {why}"));
        let (link, child) = match executor {
            Some(executor) => {
                let (link, child) = executor.link().map_err(|error| failed(error.to_string()))?;
                (Some(link), Some(child))
            }
            None => (None, None),
        };
        let plan = match &link {
            Some(link) => Some(in_time(link.plan()).await.map_err(|error| failed(error.to_string()))?),
            None => None,
        };
        let arrangements = watch::Sender::new(Arc::new(Arrangement { settings, plan }));
        Ok((Self { link, arrangements }, child))
    }

    /// Whether there is an executor.
    #[must_use]
    pub fn exists(&self) -> bool {
        self.link.is_some()
    }

    /// Has the executor read the configuration again. Nothing is in force before [`Executing::arrange`].
    ///
    /// # Errors
    /// All that is wrong with it. The executor's plan is what it was, then.
    pub async fn reload(&self) -> Result<Option<Summary>, Vec<Error>> {
        let Some(link) = &self.link else { return Ok(None) };
        match in_time(link.reload()).await {
            Ok(plan) => Ok(Some(plan)),
            Err(LinkError::Invalid(wrong)) => {
                Err(wrong.into_iter().map(|why| Error::new(ErrorKind::Usage, why)).collect())
            }
            Err(error) => Err(vec![Error::new(ErrorKind::Internal, error.to_string())]),
        }
    }

    /// Puts settings in force, and the plan that was made of them.
    pub fn arrange(&self, settings: Arc<Settings>, plan: Option<Summary>) {
        let before = Arc::clone(&self.arrangements.borrow());
        if let (Some(link), Some(before_plan), Some(plan)) = (&self.link, &before.plan, &plan)
            && before_plan.plan != plan.plan
        {
            let hooks_before = hooks(&before.settings.config.hooks);
            link.moved((before_plan.plan, &hooks_before), (plan.plan, hooks(&settings.config.hooks)));
        }
        self.arrangements.send_replace(Arc::new(Arrangement { settings, plan }));
    }

    /// Keeps files up to date until the agent ends.
    ///
    /// # Errors
    /// Never; what goes wrong with a file is logged, and tried again.
    pub async fn write_files(self, mut context: Context) -> Result<(), Error> {
        let mut arrangements = self.arrangements.subscribe();
        loop {
            let now = Arc::clone(&arrangements.borrow_and_update());
            let record = record_of(&context, &now.settings);
            let following = async {
                if let (Some(link), Some(plan)) = (&self.link, &now.plan) {
                    follow(Follow {
                        store: Arc::clone(&context.store),
                        client: Client::new(now.settings.client.clone()),
                        link: link.clone(),
                        plan: plan.clone(),
                        record,
                        pace: Pace::from(now.settings.config.writing),
                    })
                    .await;
                }
                std::future::pending::<()>().await;
            };
            tokio::select! {
                () = following => {}
                () = context.shutdown.begun() => return Ok(()),
                changed = arrangements.changed() => if changed.is_err() { return Ok(()) },
            }
        }
    }

    /// Has hooks run, and events acknowledged, until the agent ends. What runs then is broken off, and stays owed: it is run
    /// again after the next start. A reload breaks off nothing, and starts no hook again that was started.
    ///
    /// # Errors
    /// Never; what goes wrong with a hook is logged.
    pub async fn run_hooks(
        self,
        mut context: Context,
        board: Arc<Board>,
        metrics: Arc<Metrics>,
    ) -> Result<(), Error> {
        let mut arrangements = self.arrangements.subscribe();
        let lasting = Arc::default();
        loop {
            let now = Arc::clone(&arrangements.borrow_and_update());
            let config = &now.settings.config;
            let dispatching = async {
                if !config.events.enabled {
                    return std::future::pending().await;
                }
                let plan = now.plan.as_ref().map(|plan| plan.plan);
                // Hooks that nobody can run aren't heard of as done.
                let hooks = if plan.is_some() { hooks(&config.hooks) } else { Vec::new() };
                let dispatch = Dispatch {
                    board: Arc::clone(&board),
                    store: Arc::clone(&context.store),
                    hooks: Arc::new(hooks),
                    executor: self.link.clone().zip(plan),
                    results: Arc::clone(&metrics) as Arc<_>,
                    client: Client::new(now.settings.client.clone()),
                    options: Options::from(&config.events),
                    pace: dispatch::Pace::default(),
                };
                dispatch::go_on(dispatch, &lasting).await;
            };
            tokio::pin!(dispatching);
            loop {
                tokio::select! {
                    () = &mut dispatching => {}
                    () = context.shutdown.begun() => return Ok(()),
                    changed = arrangements.changed() => {
                        if changed.is_err() {
                            return Ok(());
                        }
                        if differ(&now, &arrangements.borrow()) {
                            break;
                        }
                    }
                }
            }
        }
    }

    /// Waits for the executor's end: that is the agent's, too, unless the agent ends itself.
    pub fn attend(
        &self,
        context: Context,
        mut child: Child,
    ) -> impl Future<Output = Result<(), Error>> + Send + use<> {
        let gone = self.link.as_ref().map(Link::gone);
        let mut shutdown = context.shutdown;
        async move {
            let Some(gone) = gone else { return Ok(()) };
            tokio::pin!(gone);
            let is_told = tokio::select! {
                () = &mut gone => false,
                () = shutdown.begun() => true,
            };
            if is_told {
                // It ends once nobody is left who could ask it for something.
                gone.await;
            }
            let ended = tokio::task::spawn_blocking(move || child.wait()).await;
            match ended {
                _ if is_told => Ok(()),
                Ok(Ok(status)) => {
                    Err(Error::new(ErrorKind::Internal, format!("the executor ended by itself ({status})")))
                }
                _ => Err(Error::new(ErrorKind::Internal, "the executor ended by itself")),
            }
        }
    }
}

/// Whether hooks are run otherwise.
fn differ(one: &Arrangement, other: &Arrangement) -> bool {
    let plan = |arrangement: &Arrangement| arrangement.plan.as_ref().map(|plan| plan.plan);
    let (before, after) = (&one.settings.config, &other.settings.config);
    plan(one) != plan(other) || before.events != after.events || before.metadata != after.metadata
}

async fn in_time<T>(answer: impl Future<Output = Result<T, LinkError>>) -> Result<T, LinkError> {
    let late = || LinkError::Refused(format!("it didn't answer within {PATIENCE:?}"));
    tokio::time::timeout(PATIENCE, answer).await.unwrap_or_else(|_| Err(late()))
}

/// What is remembered of files, beside the state where there is one.
fn record_of(context: &Context, settings: &Settings) -> Record {
    match &settings.config.agent.state {
        Some(state) => {
            Record::open(state.with_file_name("files.json"), context.machine.binding(&settings.client))
        }
        None => Record::forgetful(),
    }
}
