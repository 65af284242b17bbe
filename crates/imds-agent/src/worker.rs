//! The worker: what its parts are given, and how they live and end together.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use imds::{Error, ErrorKind};
use tokio::sync::watch;
use tokio::task::{Id, JoinSet};

use crate::clock::{Clock, Moment};
use crate::config::Config;
use crate::state::{self, Machine};
use crate::store::Store;
use crate::task::task;

/// What the agent was told to do, at one time. A reload puts another in its place.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// The agent's own file.
    pub config: Config,
    /// How metadata is asked for: the file's `[metadata]`, below what options and variables say.
    pub client: imds::Config,
}

impl Settings {
    /// Both together.
    #[must_use]
    pub fn new(config: Config, client: imds::Config) -> Self {
        Self { config, client }
    }
}

/// What every part of the agent is given. Cheap to clone.
#[derive(Clone)]
#[non_exhaustive]
pub struct Context {
    /// What to do; changes with a reload.
    pub settings: watch::Receiver<Arc<Settings>>,
    /// What is known.
    pub store: Arc<Store>,
    /// Which machine this is.
    pub machine: Arc<Machine>,
    /// What time it is.
    pub clock: Clock,
    /// When to end.
    pub shutdown: Shutdown,
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context")
            .field("store", &self.store)
            .field("machine", &self.machine)
            .finish_non_exhaustive()
    }
}

/// Tells a part when to end.
#[derive(Clone, Debug)]
pub struct Shutdown(watch::Receiver<bool>);

impl Shutdown {
    /// Waits until the agent is to end. Returns at once if that was said already. Cancel-safe.
    pub async fn begun(&mut self) {
        // Without anybody who could say so, it has ended.
        let _ = self.0.wait_for(|begun| *begun).await;
    }

    /// Whether the agent is to end.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        *self.0.borrow()
    }
}

/// The parts that run, and the means to tell them something.
///
/// A part is a future that goes on until [`Shutdown::begun`]. One that ends before that takes the agent with it: half an
/// agent that says it is well would be worse than one that systemd starts anew.
#[derive(Debug)]
pub struct Worker {
    context: Context,
    settings: watch::Sender<Arc<Settings>>,
    shutdown: watch::Sender<bool>,
    parts: JoinSet<Result<(), Error>>,
    names: HashMap<Id, &'static str>,
}

impl Worker {
    /// A worker without parts, that knows what the state on disk says. Has to be made before privileges are dropped.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self::with_clock(settings, Arc::new(Moment::now))
    }

    /// The same, by another clock.
    #[must_use]
    pub fn with_clock(settings: Settings, clock: Clock) -> Self {
        let machine = Arc::new(Machine::of(settings.client.machine().files()));
        let store = Arc::new(Store::default());
        let now = clock();
        if let Some(path) = &settings.config.agent.state {
            match state::load(path, &machine.binding(&settings.client), now) {
                Ok(Some(restored)) => {
                    tracing::info!(same_boot = restored.same_boot, "the state of an earlier run is used");
                    store.update(|view| {
                        view.metadata = Some(restored.metadata);
                        view.status.from_state = true;
                        view.moment = now;
                    });
                }
                Ok(None) => store.update(|view| view.moment = now),
                Err(refused) => {
                    tracing::error!("the state {} isn't used: {refused}", path.display());
                    store.update(|view| view.moment = now);
                }
            }
        }
        let (settings, receiver) = watch::channel(Arc::new(settings));
        let (shutdown, begun) = watch::channel(false);
        let context = Context { settings: receiver, store, machine, clock, shutdown: Shutdown(begun) };
        Self { context, settings, shutdown, parts: JoinSet::new(), names: HashMap::new() }
    }

    /// What a part is given.
    #[must_use]
    pub fn context(&self) -> Context {
        self.context.clone()
    }

    /// Starts a part under a name for messages.
    pub fn spawn(
        &mut self,
        part: &'static str,
        work: impl Future<Output = Result<(), Error>> + Send + 'static,
    ) {
        let handle = self.parts.spawn(task(work));
        self.names.insert(handle.id(), part);
    }

    /// Puts other settings in force; every part sees them at its [`Context::settings`].
    pub fn change(&self, settings: Settings) {
        self.settings.send_replace(Arc::new(settings));
    }

    /// Waits until a part ends that nobody told to. Never returns while there is none. Cancel-safe.
    pub async fn failed(&mut self) -> Error {
        match self.parts.join_next_with_id().await {
            Some(ended) => self.why(ended),
            None => std::future::pending().await,
        }
    }

    fn why(&self, ended: Result<(Id, Result<(), Error>), tokio::task::JoinError>) -> Error {
        let id = ended.as_ref().map_or_else(tokio::task::JoinError::id, |(id, _)| *id);
        let part = self.names.get(&id).copied().unwrap_or("a part");
        match ended {
            Ok((_, Err(error))) => error,
            Ok((_, Ok(()))) => Error::new(ErrorKind::Internal, format!("the {part} ended by itself")),
            Err(error) => {
                Error::new(ErrorKind::Internal, format!("the {part} broke down")).with_source(error)
            }
        }
    }

    /// Tells every part to end, and waits for that as long as `grace`. The parts that had to be cut off are named.
    pub async fn stop(mut self, grace: Duration) -> Vec<&'static str> {
        self.shutdown.send_replace(true);
        let deadline = tokio::time::Instant::now() + grace;
        while let Ok(Some(ended)) = tokio::time::timeout_at(deadline, self.parts.join_next_with_id()).await {
            let id = ended.as_ref().map_or_else(tokio::task::JoinError::id, |(id, _)| *id);
            if !matches!(ended, Ok((_, Ok(())))) {
                tracing::error!("{}", self.why(ended));
            }
            self.names.remove(&id);
        }
        let mut left: Vec<&'static str> = self.names.into_values().collect();
        left.sort_unstable();
        left
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use imds::machine::{Environment, MemoryFiles};

    fn worker() -> Worker {
        let client = imds::Config::builder(Environment::default()).files(Arc::new(MemoryFiles::new()));
        let mut config = Config::default();
        config.agent.state = None;
        Worker::new(Settings::new(config, client.build().unwrap()))
    }

    #[tokio::test(start_paused = true)]
    async fn parts_end_when_they_are_told_and_those_that_do_not_are_named() {
        let mut worker = worker();
        let mut shutdown = worker.context().shutdown;
        worker.spawn("good", async move {
            shutdown.begun().await;
            Ok(())
        });
        worker.spawn("deaf", std::future::pending());
        let started = tokio::time::Instant::now();
        assert_eq!(worker.stop(Duration::from_secs(10)).await, ["deaf"]);
        assert_eq!(started.elapsed(), Duration::from_secs(10));
    }

    #[tokio::test]
    async fn a_part_that_ends_is_a_failure_of_the_whole() {
        let mut worker = worker();
        worker.spawn("server", async { Ok(()) });
        assert!(worker.failed().await.to_string().contains("the server ended by itself"));
        worker.spawn("server", async { Err(Error::new(ErrorKind::Locked, "no socket")) });
        assert_eq!(worker.failed().await.kind(), ErrorKind::Locked);
        worker.spawn("server", async { panic!("a defect") });
        assert!(worker.failed().await.to_string().contains("the server broke down"));
    }

    #[tokio::test]
    async fn new_settings_reach_every_part() {
        let worker = worker();
        let mut settings = worker.context().settings;
        let mut next = Settings::clone(&settings.borrow_and_update());
        next.config.agent.grace = Duration::from_secs(3);
        worker.change(next);
        settings.changed().await.unwrap();
        assert_eq!(settings.borrow().config.agent.grace, Duration::from_secs(3));
    }
}
