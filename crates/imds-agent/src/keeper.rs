//! Keeps what is known true: finds the cloud, reads its service, and reads again what grows old.
//!
//! Nothing here gives up. Where there is no cloud, or nobody knows, it is looked again, after pauses that double up to the
//! interval; so it is with a service that doesn't answer. A value that was read stays until the service says another, and
//! [`Status`] says since when nobody has confirmed it.
//!
//! What is dropped, and when:
//!
//! | what happened | what goes |
//! |---|---|
//! | the verdict is `none`, or another cloud than before | everything of the cloud before |
//! | the service tells of another instance | everything of the instance before |
//! | new settings ask at another endpoint | everything |

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use imds::{
    Client, CloudName, Error, ErrorKind, Field, LiveProvider, Metadata, Outcome, Provider, Reading, Verdict,
};

use crate::state::Binding;
use crate::store::Status;
use crate::worker::{Context, Settings};

/// Keeps the store until the agent ends.
///
/// # Errors
/// Never by itself; nothing that a service or the machine says ends it.
pub async fn keep(mut context: Context) -> Result<(), Error> {
    let mut binding: Option<Binding> = None;
    loop {
        let settings = Arc::clone(&context.settings.borrow_and_update());
        let now_bound = context.machine.binding(&settings.client);
        if binding.replace(now_bound.clone()).is_some_and(|before| before != now_bound) {
            tracing::info!("metadata is asked for elsewhere now; nothing of before is kept");
            context.store.update(|view| {
                view.metadata = None;
                view.verdict = None;
                view.status = Status::default();
            });
        }
        let mut shutdown = context.shutdown.clone();
        let mut changed = context.settings.clone();
        tokio::select! {
            () = shutdown.begun() => return Ok(()),
            still = changed.changed() => if still.is_err() { return Ok(()) },
            () = rounds(&context, settings) => {}
        }
    }
}

/// Asks, and pauses, for ever.
async fn rounds(context: &Context, settings: Arc<Settings>) {
    let mut keeper = Keeper {
        client: Client::new(settings.client.clone()),
        context,
        settings,
        provider: None,
        answered: false,
        failures: 0,
    };
    loop {
        let pause = keeper.round().await;
        tokio::time::sleep(pause).await;
    }
}

struct Keeper<'a> {
    context: &'a Context,
    settings: Arc<Settings>,
    client: Client,
    provider: Option<Arc<LiveProvider>>,
    /// Whether the service behind the provider has answered yet.
    answered: bool,
    failures: u32,
}

/// What one attempt came to.
struct Attempt {
    /// What is known now, if that is more than before.
    metadata: Option<Arc<Metadata>>,
    /// Whether the service answered.
    answered: bool,
    /// What went wrong.
    error: Option<Error>,
}

impl Attempt {
    fn failed(error: Error) -> Self {
        Self { metadata: None, answered: false, error: Some(error) }
    }
}

impl Keeper<'_> {
    /// One attempt; says how long to wait for the next.
    async fn round(&mut self) -> Duration {
        self.heed_clock();
        let tried = self.wall_now();
        let attempt = self.ask().await;
        self.failures = if attempt.error.is_none() { 0 } else { self.failures.saturating_add(1) };
        let pause = self.settings.config.refresh.pause(self.failures, fastrand::f64());
        let done = self.wall_now();
        self.tell_change(&attempt);
        let failures = self.failures;
        self.context.store.update(|view| {
            if let Some(metadata) = attempt.metadata {
                view.metadata = Some(metadata);
            }
            let status = &mut view.status;
            if attempt.answered {
                status.last_success = Some(done);
                status.from_state = false;
            }
            status.last_error = attempt.error;
            status.last_try = Some(tried);
            status.next_try = done.checked_add(pause);
            status.failures = failures;
        });
        pause
    }

    fn wall_now(&self) -> SystemTime {
        self.context.store.view().moment.wall_at((self.context.clock)())
    }

    /// Moves every time along when somebody set the clock, so that ages stay what they are.
    fn heed_clock(&self) {
        let now = (self.context.clock)();
        let Some(jump) = self.context.store.view().moment.jump_to(now) else { return };
        tracing::info!(?jump, "the clock was set");
        if let Some(provider) = &self.provider {
            provider.map_times(|time| jump.apply(time));
        }
        self.context.store.update(|view| {
            if let Some(metadata) = &view.metadata {
                let mut moved = Metadata::clone(metadata);
                moved.map_times(|time| jump.apply(time));
                view.metadata = Some(Arc::new(moved));
            }
            let status = &mut view.status;
            for time in [&mut status.last_success, &mut status.last_try, &mut status.next_try] {
                *time = time.map(|time| jump.apply(time));
            }
            view.moment = now;
        });
    }

    async fn ask(&mut self) -> Attempt {
        let provider = match &self.provider {
            Some(provider) => Arc::clone(provider),
            None => match self.find().await {
                Ok(provider) => provider,
                Err(error) => return Attempt::failed(error),
            },
        };
        let refreshed = provider.refresh().await;
        let snapshot = provider.snapshot();
        let metadata = says_something(&snapshot).then(|| Arc::clone(&snapshot));
        let answered = refreshed.is_ok();
        self.answered |= answered;
        let error = match refreshed {
            Ok(snapshot) => snapshot.readings().find_map(|(_, reading)| reading.error().cloned()),
            Err(error) => Some(error),
        };
        if !self.answered && !provider.verdict().is_definite() {
            // Whoever doesn't answer may not be who was thought to be there.
            self.provider = None;
        }
        Attempt { metadata, answered, error }
    }

    /// Finds the cloud. What is known of this very cloud already is the provider's to begin with.
    async fn find(&mut self) -> Result<Arc<LiveProvider>, Error> {
        let verdict = self.client.detect().await;
        self.publish(&verdict);
        match &verdict.outcome {
            Outcome::Cloud(cloud) => {
                let known = self.context.store.view().metadata.clone();
                let known = known.map(|metadata| Metadata::clone(&metadata));
                let provider =
                    LiveProvider::resume(self.client.clone(), cloud.clone(), verdict.clone(), known);
                self.answered = false;
                self.provider = Some(Arc::clone(&provider));
                Ok(provider)
            }
            Outcome::None => Err(Error::new(ErrorKind::NoCloud, "this machine is in no cloud").with_remedy(
                "if it is, name the cloud in [metadata]; `imds detect --explain` shows the reasons",
            )),
            Outcome::Unknown => {
                Err(Error::new(ErrorKind::Unknown, "whether this machine is in a cloud can't be said")
                    .with_remedy("name the cloud in [metadata], or look at `imds detect --explain`"))
            }
        }
    }

    fn publish(&self, verdict: &Verdict) {
        let before = self.context.store.view().verdict.as_ref().map(|before| before.outcome.clone());
        if before.as_ref() != Some(&verdict.outcome) {
            tracing::info!(verdict = %verdict.outcome, "detected");
        }
        self.context.store.update(|view| {
            view.verdict = Some(Arc::new(verdict.clone()));
            let is_of =
                |cloud: &CloudName| view.metadata.as_ref().is_some_and(|known| known.cloud() == cloud);
            let stays = match &verdict.outcome {
                Outcome::Cloud(cloud) => is_of(cloud),
                Outcome::None => false,
                Outcome::Unknown => true,
            };
            if !stays {
                view.metadata = None;
                view.status.from_state = false;
                view.status.last_success = None;
            }
        });
    }

    /// Says what changed between the last attempt and this one, and only that.
    fn tell_change(&self, attempt: &Attempt) {
        let view = self.context.store.view();
        match (&view.status.last_error, &attempt.error) {
            (None, Some(error)) => tracing::info!(%error, "metadata can't be read, or not all; trying again"),
            (Some(before), Some(error)) if before != error => tracing::debug!(%error, "still not"),
            (Some(_), None) => tracing::info!(failures = view.status.failures, "all metadata is read again"),
            (None, None) if view.metadata.is_none() => tracing::info!("metadata is read"),
            _ => {}
        }
    }
}

/// Whether there is more in it than what the verdict says already.
fn says_something(metadata: &Metadata) -> bool {
    let own = |field: &Field| !matches!(field, Field::Cloud | Field::Platform);
    metadata.readings().any(|(field, reading): (Field, &Reading)| own(&field) && reading.value().is_some())
}
