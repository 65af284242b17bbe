//! The worker's side of the socket.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadHalf};
use tokio::sync::{mpsc, oneshot, watch};

use super::Fingerprint;
use super::protocol::{
    Debts, FileOutcome, Outcome, Reply, Request, Summary, Tried, Values, Work, receive, send,
};
use crate::hooks::under_way::places;
use crate::hooks::{Hook, Notice};
use crate::task::task;

/// How many requests may wait to be sent.
const REQUESTS: usize = 64;

/// The way to the executor. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Link(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    requests: mpsc::Sender<Request>,
    waiting: Arc<Mutex<Waiting>>,
    moved: Mutex<Moved>,
    gone: watch::Receiver<bool>,
}

/// Where the hooks of earlier plans are in the one that is in force.
#[derive(Debug, Default)]
struct Moved {
    now: Option<(Fingerprint, Vec<Hook>)>,
    earlier: HashMap<Fingerprint, Vec<Option<usize>>>,
}

#[derive(Debug, Default)]
struct Waiting {
    next: u64,
    answers: HashMap<u64, oneshot::Sender<Outcome>>,
    is_over: bool,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LinkError {
    /// The executor is gone.
    Gone,
    /// It won't do that; why.
    Refused(String),
    /// The configuration can't be used; all that is wrong with it.
    Invalid(Vec<String>),
}

impl fmt::Display for LinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone => f.write_str("the executor is gone"),
            Self::Refused(why) => write!(f, "the executor refused: {why}"),
            Self::Invalid(wrong) => f.write_str(&wrong.join("; ")),
        }
    }
}

impl std::error::Error for LinkError {}

fn lock(waiting: &Mutex<Waiting>) -> MutexGuard<'_, Waiting> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Link {
    /// Speaks over this socket. Needs a runtime.
    pub fn new(stream: impl AsyncRead + AsyncWrite + Send + 'static) -> Self {
        let (from, mut to) = tokio::io::split(stream);
        let (requests, mut asked) = mpsc::channel::<Request>(REQUESTS);
        let waiting: Arc<Mutex<Waiting>> = Arc::default();
        let (is_gone, gone) = watch::channel(false);
        tokio::spawn(task(listen(from, Arc::clone(&waiting), is_gone)));
        let unsent = Arc::clone(&waiting);
        tokio::spawn(task(async move {
            while let Some(request) = asked.recv().await {
                if let Err(error) = send(&mut to, &request).await {
                    tracing::debug!("a request can't be sent: {error}");
                    // Whoever asked hears that nobody will answer.
                    lock(&unsent).answers.remove(&request.id);
                }
            }
            // Nobody is left who could ask: the executor hears that, and ends. It may be gone already.
            let _ = to.shutdown().await;
        }));
        Self(Arc::new(Inner { requests, waiting, moved: Mutex::default(), gone }))
    }

    /// Waits until the executor is gone. Cancel-safe. What this returns keeps no executor alive: it ends when no [`Link`] to
    /// it is left.
    pub fn gone(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut gone = self.0.gone.clone();
        async move {
            let _ = gone.wait_for(|gone| *gone).await;
        }
    }

    /// Says what the plan is.
    ///
    /// # Errors
    /// [`LinkError::Gone`].
    pub async fn plan(&self) -> Result<Summary, LinkError> {
        self.summary(Work::Tell).await
    }

    /// Has the configuration read again.
    ///
    /// # Errors
    /// [`LinkError::Invalid`], and then the plan is what it was; [`LinkError::Gone`].
    pub async fn reload(&self) -> Result<Summary, LinkError> {
        self.summary(Work::Reload).await
    }

    async fn summary(&self, work: Work) -> Result<Summary, LinkError> {
        match self.ask(work).await? {
            Outcome::Plan(summary) => Ok(summary),
            other => Err(unexpected(other)),
        }
    }

    /// Brings every file up to date with these values.
    ///
    /// # Errors
    /// [`LinkError::Refused`] where `plan` isn't the one in force, [`LinkError::Gone`].
    pub async fn files(
        &self,
        plan: Fingerprint,
        values: Values,
        debts: Debts,
    ) -> Result<Vec<FileOutcome>, LinkError> {
        self.outcomes(Work::Files { plan, values: Box::new(values), debts }).await
    }

    /// Takes away those of the plan's files that are named: they have another machine's values.
    ///
    /// # Errors
    /// [`LinkError::Refused`] where `plan` isn't the one in force, [`LinkError::Gone`].
    pub async fn take_away(
        &self,
        plan: Fingerprint,
        targets: Vec<String>,
    ) -> Result<Vec<FileOutcome>, LinkError> {
        self.outcomes(Work::TakeAway { plan, targets }).await
    }

    async fn outcomes(&self, work: Work) -> Result<Vec<FileOutcome>, LinkError> {
        match self.ask(work).await? {
            Outcome::Files(outcomes) => Ok(outcomes),
            other => Err(unexpected(other)),
        }
    }

    /// From now on another plan is in force, with these hooks: who was to try a hook of the one before, tries it where it is
    /// now.
    pub fn moved(&self, before: (Fingerprint, &[Hook]), now: (Fingerprint, Vec<Hook>)) {
        let places = places(before.1, &now.1);
        let mut moved = self.0.moved.lock().unwrap_or_else(PoisonError::into_inner);
        for earlier in moved.earlier.values_mut() {
            for place in earlier {
                *place = place.and_then(|place| places.get(place).copied().flatten());
            }
        }
        moved.earlier.insert(before.0, places);
        // It may have been in force before.
        moved.earlier.remove(&now.0);
        moved.now = Some(now);
    }

    /// The plan in force, and a hook's number in it; nothing where the plan doesn't name it any more, or not for this.
    fn place_of(&self, plan: Fingerprint, number: usize, notice: &Notice) -> Option<(Fingerprint, usize)> {
        let moved = self.0.moved.lock().unwrap_or_else(PoisonError::into_inner);
        let (Some((now, hooks)), Some(places)) = (&moved.now, moved.earlier.get(&plan)) else {
            return Some((plan, number));
        };
        let place = places.get(number).copied().flatten()?;
        hooks.get(place).filter(|hook| hook.hears(&notice.event)).map(|_| (*now, place))
    }

    /// Tries a hook once: the one of this number in this plan, wherever it is [now](Self::moved).
    ///
    /// # Errors
    /// [`LinkError::Refused`] where `plan` isn't the one in force, there is no such hook, or it isn't about this;
    /// [`LinkError::Gone`].
    pub async fn hook(&self, plan: Fingerprint, number: usize, notice: &Notice) -> Result<Tried, LinkError> {
        let Some((plan, number)) = self.place_of(plan, number, notice) else {
            return Ok(Tried::Hopeless("the configuration doesn't name it any more".to_owned()));
        };
        match self.ask(Work::Hook { plan, number, notice: Box::new(notice.clone()) }).await? {
            Outcome::Hook(tried) => Ok(tried),
            other => Err(unexpected(other)),
        }
    }

    async fn ask(&self, work: Work) -> Result<Outcome, LinkError> {
        let (sender, answer) = oneshot::channel();
        let id = {
            let mut waiting = lock(&self.0.waiting);
            if waiting.is_over {
                return Err(LinkError::Gone);
            }
            let id = waiting.next;
            waiting.next += 1;
            waiting.answers.insert(id, sender);
            id
        };
        self.0.requests.send(Request { id, work }).await.map_err(|_| LinkError::Gone)?;
        answer.await.map_err(|_| LinkError::Gone)
    }
}

fn unexpected(outcome: Outcome) -> LinkError {
    match outcome {
        Outcome::Refused(why) => LinkError::Refused(why),
        Outcome::Invalid(wrong) => LinkError::Invalid(wrong),
        _ => LinkError::Refused("the answer is another request's".to_owned()),
    }
}

async fn listen<S: AsyncRead + AsyncWrite>(
    mut from: ReadHalf<S>,
    waiting: Arc<Mutex<Waiting>>,
    is_gone: watch::Sender<bool>,
) {
    loop {
        match receive::<Reply>(&mut from).await {
            Ok(Some(reply)) => {
                if let Some(answer) = lock(&waiting).answers.remove(&reply.id) {
                    // Who asked may have stopped waiting.
                    let _ = answer.send(reply.outcome);
                }
            }
            Ok(None) => break,
            Err(error) => {
                tracing::error!("the executor can't be understood: {error}");
                break;
            }
        }
    }
    let mut waiting = lock(&waiting);
    waiting.is_over = true;
    waiting.answers.clear();
    drop(waiting);
    is_gone.send_replace(true);
}
