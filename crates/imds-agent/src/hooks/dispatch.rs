//! Which hooks hear of which event, and how often they are tried.
//!
//! Each hook is tried until it works, until it can't work any more, until the event is over, or until its deadline; where
//! there is none, for as long as the hook's `retry_for`. Pauses double from one second to thirty, and shrink as the end comes
//! near. A hook hears one thing of an event at a time, in its order. What was owed and is done with is settled, whether it
//! worked or not, so that a restart doesn't begin anew.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, SystemTime};

use imds::{Client, Metadata};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::under_way::UnderWay;
use super::{Action, Hook, Notice};
use crate::events::acknowledge::acknowledge;
use crate::events::{Board, Event, Options, Ticket};
use crate::executor::protocol::Tried;
use crate::executor::{Fingerprint, Link};
use crate::metrics::{self, Metrics};
use crate::store::Store;
use crate::task::task;

/// How long it is waited before a hook is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// The first pause after a failure; each further one doubles it.
    pub first_pause: Duration,
    /// The longest pause.
    pub longest_pause: Duration,
    /// How long an event waits for the metadata that says which machine it happens to: at the start both are asked for at
    /// once.
    pub wait_for_machine: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            first_pause: Duration::from_secs(1),
            longest_pause: Duration::from_secs(30),
            wait_for_machine: Duration::from_secs(5),
        }
    }
}

impl Pace {
    /// The pause after so many tries; less a fifth at most, by `chance`, which lies in 0..1.
    #[must_use]
    pub fn pause(&self, tries: u32, chance: f64) -> Duration {
        let doubled = self.first_pause.saturating_mul(1 << tries.saturating_sub(1).min(16));
        doubled.min(self.longest_pause).mul_f64(1.0 - 0.2 * chance.clamp(0.0, 1.0))
    }

    /// The pause after which it is tried again when so much time is left: half of that at most, so that the last moments of a
    /// short notice aren't slept away; nothing where less than the first pause is left.
    #[must_use]
    fn pause_within(&self, left: Duration, pause: Duration) -> Option<Duration> {
        (left >= self.first_pause).then(|| pause.min((left / 2).max(self.first_pause)))
    }
}

/// Whose turn it is: what a hook is told of the end of an event mustn't overtake what it was told before.
#[derive(Debug, Default)]
struct Turns(Mutex<Vec<(Whose, Weak<Turn>)>>);

/// The path that tells of an event, its id, and what the hook does.
type Whose = (String, String, Action);

/// Held during one try.
type Turn = tokio::sync::Mutex<()>;

impl Turns {
    /// The turns of one hook with one event.
    fn of(&self, event: &Event, hook: &Hook) -> Arc<Turn> {
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        turns.retain(|(_, turn)| turn.strong_count() > 0);
        let whose = (event.source.clone(), event.id.clone(), hook.action.clone());
        let known = turns.iter().find(|(known, _)| *known == whose);
        if let Some(turn) = known.and_then(|(_, turn)| turn.upgrade()) {
            return turn;
        }
        let turn = Arc::default();
        turns.push((whose, Arc::downgrade(&turn)));
        turn
    }
}

/// Who counts what hooks come to.
pub trait Results: Send + Sync {
    /// A hook has ended: whether it worked, after how many tries and how much time.
    fn hook_ended(&self, hook: &Hook, succeeded: bool, tries: u32, took: Duration);
}

/// Nobody counts.
impl Results for () {
    fn hook_ended(&self, _: &Hook, _: bool, _: u32, _: Duration) {}
}

impl Results for Metrics {
    fn hook_ended(&self, hook: &Hook, succeeded: bool, _: u32, _: Duration) {
        let what = match hook.action {
            Action::Command(_) => metrics::Hook::Command,
            Action::Webhook(_) => metrics::Hook::Webhook,
        };
        self.hook_ran(what, succeeded);
    }
}

/// What dispatching takes.
#[derive(Clone)]
pub struct Dispatch {
    /// Says what hooks are owed.
    pub board: Arc<Board>,
    /// Says which machine this is.
    pub store: Arc<Store>,
    /// The hooks, in the order of the configuration that the executor has, too.
    pub hooks: Arc<Vec<Hook>>,
    /// Runs them, in the plan in which their places count; nothing where there are none.
    pub executor: Option<(Link, Fingerprint)>,
    /// Counts them.
    pub results: Arc<dyn Results>,
    /// Acknowledges events.
    pub client: Client,
    /// Whether events are acknowledged.
    pub options: Options,
    /// How long it is waited before a hook is tried again.
    pub pace: Pace,
}

impl fmt::Debug for Dispatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dispatch").field("hooks", &self.hooks).finish_non_exhaustive()
    }
}

/// What outlives a change of the configuration: hooks that run, and whose turn it is. What runs is broken off when the last one
/// is dropped, and stays owed.
#[derive(Debug, Default)]
pub struct Lasting {
    under_way: UnderWay,
    turns: Turns,
}

/// Dispatches until it is dropped. What runs then is broken off, and stays owed.
pub async fn dispatch(dispatch: Dispatch) {
    go_on(dispatch, &Arc::default()).await;
}

/// The same, where hooks may run that an earlier one started: they run on when this is dropped, until `lasting` is.
pub async fn go_on(dispatch: Dispatch, lasting: &Arc<Lasting>) {
    dispatch.board.take_back();
    let mut running = JoinSet::new();
    loop {
        tokio::select! {
            (ticket, event) = dispatch.board.owed() => {
                let (dispatch, lasting) = (dispatch.clone(), Arc::clone(lasting));
                running.spawn(task(async move {
                    dispatch.tell(ticket, &event, &lasting).await;
                    dispatch.board.settle(ticket);
                    lasting.under_way.forget(ticket);
                }));
            }
            Some(ended) = running.join_next() => {
                if let Err(error) = ended {
                    tracing::error!("a hook broke down: {error}");
                }
            }
        }
    }
}

impl Dispatch {
    /// Tells all hooks of an event, at the same time, but for those that are told already; then acknowledges it, if all
    /// worked.
    async fn tell(&self, ticket: Ticket, event: &Event, lasting: &Lasting) {
        let machine = match self.hooks.is_empty() {
            true => None,
            false => self.machine().await,
        };
        let notice = Notice::new(event.clone(), machine.as_deref());
        let hooks =
            self.hooks.iter().enumerate().filter(|(_, hook)| hook.hears(event)).map(|(number, hook)| {
                let (dispatch, hook, notice) = (self.clone(), hook.clone(), notice.clone());
                let turn = lasting.turns.of(event, &hook);
                (hook.action.clone(), async move { dispatch.run(number, &hook, &notice, &turn).await })
            });
        let mut all = true;
        for end in lasting.under_way.start(ticket, hooks) {
            all &= end.succeeded().await;
        }
        if all {
            self.acknowledge(event).await;
        }
    }

    /// Acknowledges an event, as long as that makes a difference.
    async fn acknowledge(&self, event: &Event) {
        let left = event.not_before.and_then(|time| time.duration_since(SystemTime::now()).ok());
        let end = Instant::now() + left.unwrap_or(LONGEST).min(LONGEST);
        let mut tries: u32 = 0;
        while let Err(error) = acknowledge(&self.client, &self.board, &self.options, event).await {
            tries = tries.saturating_add(1);
            let pause = self.pace.pause(tries, fastrand::f64());
            let left = end.saturating_duration_since(Instant::now());
            let Some(pause) = self.pace.pause_within(left, pause).filter(|_| error.is_transient()) else {
                tracing::warn!(id = event.id, %error, "the event can't be acknowledged; it begins at its time");
                return;
            };
            tracing::warn!(id = event.id, %error, "the event can't be acknowledged yet; that is tried again");
            tokio::time::sleep(pause).await;
        }
    }

    /// What is known of the machine, as soon as anything is; nothing where that takes too long for an event.
    async fn machine(&self) -> Option<Arc<Metadata>> {
        let mut revisions = self.store.revisions();
        let known = async {
            loop {
                if let Some(metadata) = self.store.view().metadata.clone() {
                    return Some(metadata);
                }
                revisions.changed().await.ok()?;
            }
        };
        tokio::time::timeout(self.pace.wait_for_machine, known).await.ok().flatten()
    }

    /// Tries a hook as often as it makes sense; says whether it worked.
    async fn run(&self, number: usize, hook: &Hook, notice: &Notice, turn: &Turn) -> bool {
        let started = Instant::now();
        let end = started + time_for(hook, &notice.event, SystemTime::now());
        let id = &notice.event.id;
        let mut tries: u32 = 0;
        let succeeded = loop {
            let its_turn = turn.lock().await;
            if tries > 0 && self.is_overtaken(hook, &notice.event) {
                tracing::info!(
                    hook = hook.name,
                    id,
                    tries,
                    "the hook failed, and there is nothing more to tell"
                );
                break false;
            }
            tries = tries.saturating_add(1);
            let tried = match &self.executor {
                Some((link, plan)) => link.hook(*plan, number, notice).await,
                None => Ok(Tried::Hopeless("there is nobody to run it".to_owned())),
            };
            drop(its_turn);
            let (why, after) = match tried {
                Ok(Tried::Done) => break true,
                Ok(Tried::Again { why, after }) => (why, after),
                Ok(Tried::Hopeless(why)) => {
                    tracing::error!(hook = hook.name, id, "the hook can't work: {why}");
                    break false;
                }
                Err(error) => (error.to_string(), None),
            };
            let pause = self.pace.pause(tries, fastrand::f64()).max(after.unwrap_or_default());
            let left = end.saturating_duration_since(Instant::now());
            let Some(pause) = self.pace.pause_within(left, pause) else {
                tracing::error!(hook = hook.name, id, tries, "the hook failed for good: {why}");
                break false;
            };
            tracing::warn!(hook = hook.name, id, tries, "the hook failed, and is tried again: {why}");
            tokio::time::sleep(pause).await;
        };
        self.results.hook_ended(hook, succeeded, tries, started.elapsed());
        succeeded
    }

    /// Whether what a hook is told isn't so any more: the event is over, or the hook is told of a later state anyway.
    fn is_overtaken(&self, hook: &Hook, event: &Event) -> bool {
        !event.state.is_over()
            && self.board.current(event).is_none_or(|now| now.says_more_than(event) && hook.hears(&now))
    }
}

/// An event may be planned weeks ahead: whoever can't be reached for so long won't be.
const LONGEST: Duration = Duration::from_secs(3600);

/// How long a hook may be tried.
fn time_for(hook: &Hook, event: &Event, now: SystemTime) -> Duration {
    let left = event.deadline.and_then(|deadline| deadline.duration_since(now).ok());
    left.map_or(hook.retry_for, |left| left.min(hook.retry_for.max(LONGEST)))
}

#[cfg(test)]
mod tests {
    use super::super::tests::hook;
    use super::*;
    use crate::events::State;
    use crate::events::event::tests::event;

    #[test]
    fn hooks_are_tried_until_the_deadline_or_as_long_as_they_want() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let hook = hook(Action::Command(vec!["x".to_owned()]));
        let until = |deadline: Option<SystemTime>| {
            time_for(&hook, &Event { deadline, ..event("a", State::Scheduled) }, now).as_secs()
        };
        assert_eq!(until(None), 60);
        assert_eq!(until(Some(now + Duration::from_secs(120))), 120);
        assert_eq!(until(Some(now + Duration::from_secs(5))), 5);
        assert_eq!(
            until(Some(now - Duration::from_secs(5))),
            60,
            "it has begun; nobody knows how long is left"
        );
        assert_eq!(until(Some(now + Duration::from_secs(1_000_000))), 3600);
    }

    #[test]
    fn no_short_notice_is_slept_away() {
        let pace = Pace::default();
        let within = |left: f64, pause: u64| {
            pace.pause_within(Duration::from_secs_f64(left), Duration::from_secs(pause))
                .map(|it| it.as_secs_f64())
        };
        assert_eq!(within(60.0, 30), Some(30.0), "there is time");
        assert_eq!(within(29.0, 30), Some(14.5));
        assert_eq!(within(115.0, 200), Some(57.5), "whoever wants to be left alone for too long");
        assert_eq!(within(1.5, 30), Some(1.0));
        assert_eq!(within(0.9, 30), None);
    }

    #[test]
    fn pauses_double_to_half_a_minute() {
        let pace = Pace::default();
        let seconds: Vec<u64> = (1..=7).map(|tries| pace.pause(tries, 0.0).as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(pace.pause(u32::MAX, 1.0), Duration::from_secs(24));
    }
}
