//! The process-wide provider: one line at start, metadata everywhere.
//!
//! [`init`] starts detection on a thread of its own and returns at once, inside and outside any async runtime. A failure
//! isn't for life: it is tried again, with growing pauses, until it succeeds.
//!
//! ```no_run
//! use std::time::Duration;
//! use imds::{Config, Field, global, machine::Environment};
//! global::init(global::Options::new(Config::builder(Environment::of_this_process()).build()?))?;
//! // … much later, anywhere:
//! if let Some(provider) = global::try_get() {
//!     println!("{:?}", provider.text(Field::InstanceId));
//! }
//! # Ok::<(), imds::Error>(())
//! ```

mod slot;

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use imds_model::{Error, ErrorKind};
use tokio::sync::watch;

use crate::client::Client;
use crate::config::Config;
use crate::provider::{LiveProvider, Provider, RefreshPolicy};
use slot::Slot;

/// What the process-wide provider shall do.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// How to detect and read. 410 is waited out, since nobody waits for this.
    pub config: Config,
    /// When to read again.
    pub refresh: RefreshPolicy,
    /// The first pause after a failed start; each further one doubles it. Default: one second.
    pub first_retry: Duration,
    /// The longest pause between starts. Default: five minutes.
    pub longest_retry: Duration,
}

impl Options {
    /// The defaults, with this configuration.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self {
            config,
            refresh: RefreshPolicy::default(),
            first_retry: Duration::from_secs(1),
            longest_retry: Duration::from_secs(300),
        }
    }
}

/// The state of the process-wide provider.
#[derive(Clone)]
#[non_exhaustive]
pub enum State {
    /// Not started, or nothing is known yet.
    NotReady,
    /// Metadata is at hand.
    Ready(Arc<dyn Provider>),
    /// The last start failed; another follows.
    Failed(Error),
}

impl State {
    /// The provider, where there is one.
    #[must_use]
    pub fn provider(&self) -> Option<Arc<dyn Provider>> {
        match self {
            Self::Ready(provider) => Some(Arc::clone(provider)),
            Self::NotReady | Self::Failed(_) => None,
        }
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotReady => f.write_str("NotReady"),
            Self::Ready(provider) => f.debug_tuple("Ready").field(&provider.cloud()).finish(),
            Self::Failed(error) => f.debug_tuple("Failed").field(error).finish(),
        }
    }
}

struct Global {
    state: Slot<State>,
    started: AtomicBool,
    /// For those who wait: changes with every state.
    turn: Mutex<u64>,
    turned: Condvar,
    subscribers: watch::Sender<State>,
}

static GLOBAL: LazyLock<Global> = LazyLock::new(|| Global {
    state: Slot::new(State::NotReady),
    started: AtomicBool::new(false),
    turn: Mutex::new(0),
    turned: Condvar::new(),
    subscribers: watch::Sender::new(State::NotReady),
});

impl Global {
    fn announce(&self) {
        *self.turn.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.turned.notify_all();
        self.subscribers.send_replace((*self.state.load()).clone());
    }

    fn publish(&self, state: State) {
        self.state.publish(state);
        self.announce();
    }
}

/// Starts the process-wide provider in the background and returns at once.
///
/// # Errors
/// [`ErrorKind::Usage`] when it was started before, [`ErrorKind::Internal`] when no thread can be started.
pub fn init(options: Options) -> Result<(), Error> {
    if GLOBAL.started.swap(true, Ordering::AcqRel) {
        return Err(Error::new(ErrorKind::Usage, "the process-wide provider was started before"));
    }
    let mut options = options;
    options.config.patient = true;
    let failed = |error: std::io::Error| {
        GLOBAL.started.store(false, Ordering::Release);
        Error::new(ErrorKind::Internal, "the provider's thread can't be started").with_source(error)
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    std::thread::Builder::new()
        .name("imds".to_owned())
        .spawn(move || runtime.block_on(run(options)))
        .map(|_| ())
        .map_err(failed)
}

/// Starts the provider until it succeeds, then keeps it fresh for the life of the process.
async fn run(options: Options) {
    let retry = RefreshPolicy { interval: options.longest_retry, first_retry: options.first_retry };
    let mut failures: u32 = 0;
    let provider = loop {
        // A client of its own each time: nothing of a failed start is carried over.
        match LiveProvider::start(Client::new(options.config.clone())).await {
            Ok(provider) => break provider,
            Err(error) => {
                failures = failures.saturating_add(1);
                let pause = retry.pause(failures, fastrand::f64());
                tracing::debug!(%error, ?pause, "no metadata yet; trying again");
                GLOBAL.publish(State::Failed(error));
                tokio::time::sleep(pause).await;
            }
        }
    };
    tracing::info!(cloud = %provider.cloud(), "metadata is at hand");
    let fresh = provider.keep_fresh(options.refresh);
    GLOBAL.publish(State::Ready(provider));
    if let Err(error) = fresh.await {
        tracing::error!(%error, "the metadata isn't kept fresh any more");
    }
}

/// The state now. Takes no lock.
#[must_use]
pub fn get() -> State {
    (*GLOBAL.state.load()).clone()
}

/// The provider, if metadata is at hand. Takes no lock.
#[must_use]
pub fn try_get() -> Option<Arc<dyn Provider>> {
    GLOBAL.state.load().provider()
}

/// Waits for the provider, blocking this thread. In async code use [`ready`].
///
/// # Errors
/// When the time is over: why the last start failed, or [`ErrorKind::TimedOut`] if none ended yet.
pub fn wait(time: Duration) -> Result<Arc<dyn Provider>, Error> {
    let deadline = Instant::now() + time;
    loop {
        let turn = GLOBAL.turn.lock().unwrap_or_else(PoisonError::into_inner);
        // Looked at under the lock: a state that comes later turns the number, which ends the wait below.
        let state = get();
        if let Some(provider) = state.provider() {
            return Ok(provider);
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(not_ready(&state, time));
        }
        drop(GLOBAL.turned.wait_timeout(turn, left).unwrap_or_else(PoisonError::into_inner));
    }
}

/// Waits for the provider without blocking.
///
/// # Errors
/// As [`wait`].
pub async fn ready(time: Duration) -> Result<Arc<dyn Provider>, Error> {
    let mut states = subscribe();
    let found = tokio::time::timeout(time, async {
        loop {
            if let Some(provider) = try_get() {
                return Some(provider);
            }
            states.changed().await.ok()?;
        }
    });
    match found.await {
        Ok(Some(provider)) => Ok(provider),
        Ok(None) | Err(_) => Err(not_ready(&get(), time)),
    }
}

fn not_ready(state: &State, time: Duration) -> Error {
    match state {
        State::Failed(error) => error.clone(),
        State::NotReady | State::Ready(_) => {
            Error::new(ErrorKind::TimedOut, format!("no metadata within {}s", time.as_secs_f64()))
                .with_remedy("was `imds::global::init` called?")
        }
    }
}

/// Changes of the state: failures, and the moment when metadata is at hand. What changes in the metadata itself, the
/// provider's own [`Provider::subscribe`] tells.
#[must_use]
pub fn subscribe() -> watch::Receiver<State> {
    GLOBAL.subscribers.subscribe()
}

/// Puts another provider in place of the process-wide one, for a test. The old one comes back when the guard goes. Tests
/// that replace it wait for each other; readers never wait.
#[cfg(feature = "testing")]
#[must_use]
pub fn replace(provider: Arc<dyn Provider>) -> Replaced {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    GLOBAL.state.cover(State::Ready(provider));
    GLOBAL.announce();
    Replaced { _turn: turn }
}

/// Keeps a test's provider in place; see [`replace`].
#[cfg(feature = "testing")]
#[derive(Debug)]
pub struct Replaced {
    _turn: std::sync::MutexGuard<'static, ()>,
}

#[cfg(feature = "testing")]
impl Drop for Replaced {
    fn drop(&mut self) {
        GLOBAL.state.uncover();
        GLOBAL.announce();
    }
}
