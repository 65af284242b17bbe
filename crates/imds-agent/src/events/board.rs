//! What is known of events now, what changed, and what hooks haven't heard yet.
//!
//! Sources say what they see; the board finds out what is new in it. What hooks are owed is kept until it is
//! [settled](Board::settle), also over a restart: a hook may run twice, and never not at all.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use imds::Error;
use serde::{Deserialize, Serialize};
use tokio::sync::{broadcast, watch};

use super::kept::{self, Kept};
use super::{Event, Keeping};

/// How many changes a slow listener may lag behind.
const LAG: usize = 256;
/// How many changes hooks may be owed; nobody's machine has more, so that the oldest go.
const OWED: usize = 256;

/// The one place where the agent's knowledge of events lives. Writers are the sources, everybody reads.
#[derive(Debug)]
pub struct Board {
    inner: Mutex<Inner>,
    snapshot: watch::Sender<Arc<Snapshot>>,
    changes: broadcast::Sender<Event>,
    /// Wakes whoever waits for something owed.
    owing: tokio::sync::Notify,
    keeping: Option<Keeping>,
}

#[derive(Debug, Default)]
struct Inner {
    known: Vec<Event>,
    health: BTreeMap<String, Health>,
    owed: VecDeque<Owed>,
    next_ticket: u64,
}

#[derive(Debug)]
struct Owed {
    ticket: Ticket,
    event: Event,
    taken: bool,
}

/// What is known at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Snapshot {
    /// Events that aren't over, in the order in which they were heard of.
    pub events: Vec<Event>,
    /// How asking goes, path by path; empty while nothing is watched.
    pub sources: Vec<Health>,
}

/// How asking a path goes.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Health {
    /// The path.
    pub path: String,
    /// When it last answered, also that there is nothing.
    pub last_answer: Option<SystemTime>,
    /// Why it didn't when it was last asked; nothing while all is well.
    pub last_error: Option<Error>,
    /// How often it failed in a row.
    pub failures: u32,
}

/// Stands for one change that hooks are owed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Ticket(u64);

impl Default for Board {
    fn default() -> Self {
        Self::with(None, Kept::default())
    }
}

impl Board {
    /// A board that knows what was kept. A file that is of another machine, damaged or unreadable is as good as none.
    #[must_use]
    pub fn open(keeping: Keeping) -> Self {
        let kept = kept::load(&keeping).unwrap_or_else(|why| {
            tracing::warn!("the events kept in {} aren't used: {why}", keeping.path.display());
            Kept::default()
        });
        Self::with(Some(keeping), kept)
    }

    fn with(keeping: Option<Keeping>, kept: Kept) -> Self {
        let board = Self {
            inner: Mutex::default(),
            snapshot: watch::Sender::new(Arc::default()),
            changes: broadcast::Sender::new(LAG),
            owing: tokio::sync::Notify::new(),
            keeping,
        };
        let mut inner = board.lock();
        inner.known = kept.known;
        kept.owed.into_iter().for_each(|event| inner.owe(event));
        board.publish(&inner);
        drop(inner);
        board
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known now.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshot.borrow())
    }

    /// Wakes whenever there is a new snapshot.
    #[must_use]
    pub fn snapshots(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.snapshot.subscribe()
    }

    /// Everything that changes from now on: events that are new or say more than before, and those that end.
    #[must_use]
    pub fn changes(&self) -> broadcast::Receiver<Event> {
        self.changes.subscribe()
    }

    /// Takes down all that a path tells of at one moment. What it told of before and doesn't any more is over.
    pub fn observe(&self, path: &str, seen: Vec<Event>, now: SystemTime) {
        let mut inner = self.lock();
        let mut changed = Vec::new();
        let gone = inner.known.extract_if(.., |known| {
            known.source == path && !seen.iter().any(|event| event.id == known.id && !event.state.is_over())
        });
        for known in gone {
            // It may say itself how it ended.
            let said = seen.iter().find(|event| event.id == known.id);
            changed.push(said.cloned().unwrap_or_else(|| known.ended(now)));
        }
        for event in seen.into_iter().filter(|event| !event.state.is_over()) {
            match inner.known.iter_mut().find(|known| known.source == path && known.id == event.id) {
                Some(known) => {
                    if event.says_more_than(known) {
                        changed.push(event.clone());
                    }
                    *known = event;
                }
                None => {
                    changed.push(event.clone());
                    inner.known.push(event);
                }
            }
        }
        let health = inner.health.entry(path.to_owned()).or_default();
        health.last_answer = Some(now);
        (health.last_error, health.failures) = (None, 0);
        if !changed.is_empty() {
            for event in &changed {
                tracing::info!(id = event.id, kind = %event.kind, state = %event.state, "an event");
                inner.owe(event.clone());
            }
            self.keep(&inner);
        }
        self.publish(&inner);
        drop(inner);
        for event in changed {
            // Nobody may be listening.
            let _ = self.changes.send(event);
        }
        self.owing.notify_waiters();
    }

    /// Takes down that a path couldn't be asked, or said what nobody understands. What it told of before stays.
    pub fn fail(&self, path: &str, error: Error) {
        let mut inner = self.lock();
        let health = inner.health.entry(path.to_owned()).or_default();
        health.failures = health.failures.saturating_add(1);
        health.last_error = Some(error);
        self.publish(&inner);
    }

    /// From now on these paths are asked. What others told of is forgotten without a word: nobody will say how it ends.
    pub fn watching(&self, paths: &[String]) {
        let mut inner = self.lock();
        let before = inner.known.len();
        inner.known.retain(|event| paths.contains(&event.source));
        if inner.known.len() != before {
            self.keep(&inner);
        }
        let old = std::mem::take(&mut inner.health);
        for path in paths {
            let health =
                old.get(path).cloned().unwrap_or_else(|| Health { path: path.clone(), ..Health::default() });
            inner.health.insert(path.clone(), health);
        }
        self.publish(&inner);
    }

    /// Whoever took what is owed doesn't live any more: it can be taken again.
    pub fn take_back(&self) {
        self.lock().owed.iter_mut().for_each(|owed| owed.taken = false);
    }

    /// Waits for the next change that hooks are owed. It stays owed until it is [settled](Self::settle).
    pub async fn owed(&self) -> (Ticket, Event) {
        loop {
            let notified = self.owing.notified();
            tokio::pin!(notified);
            // Before looking, so that nothing that comes in between is missed.
            notified.as_mut().enable();
            if let Some(owed) = self.lock().owed.iter_mut().find(|owed| !owed.taken) {
                owed.taken = true;
                return (owed.ticket, owed.event.clone());
            }
            notified.await;
        }
    }

    /// Hooks have heard this change, or never will.
    pub fn settle(&self, ticket: Ticket) {
        let mut inner = self.lock();
        let before = inner.owed.len();
        inner.owed.retain(|owed| owed.ticket != ticket);
        if inner.owed.len() != before {
            self.keep(&inner);
        }
    }

    /// The same event as it is now, if it isn't over.
    #[must_use]
    pub fn current(&self, event: &Event) -> Option<Event> {
        self.lock().known.iter().find(|known| known.source == event.source && known.id == event.id).cloned()
    }

    fn publish(&self, inner: &Inner) {
        let snapshot =
            Snapshot { events: inner.known.clone(), sources: inner.health.values().cloned().collect() };
        self.snapshot.send_if_modified(|current| {
            let differs = **current != snapshot;
            if differs {
                *current = Arc::new(snapshot);
            }
            differs
        });
    }

    fn keep(&self, inner: &Inner) {
        let Some(keeping) = &self.keeping else { return };
        let owed = inner.owed.iter().map(|owed| owed.event.clone()).collect();
        if let Err(error) = kept::store(keeping, &inner.known, owed) {
            tracing::warn!("events can't be kept, so a restart may tell them again: {error}");
        }
    }
}

impl Inner {
    fn owe(&mut self, event: Event) {
        if self.owed.len() >= OWED
            && let Some(dropped) = self.owed.pop_front()
        {
            tracing::warn!(id = dropped.event.id, "hooks are too far behind, and won't hear of this event");
        }
        self.owed.push_back(Owed { ticket: Ticket(self.next_ticket), event, taken: false });
        self.next_ticket += 1;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::event::tests::event;
    use super::super::{Action, State};
    use super::*;

    const NOW: SystemTime = SystemTime::UNIX_EPOCH;

    fn heard(receiver: &mut broadcast::Receiver<Event>) -> Vec<(String, State)> {
        std::iter::from_fn(|| receiver.try_recv().ok()).map(|event| (event.id, event.state)).collect()
    }

    #[test]
    fn an_event_is_told_once_and_again_only_when_it_says_more() {
        let board = Board::default();
        let mut changes = board.changes();
        let told = |id: &str, state| vec![(id.to_owned(), state)];
        board.observe("/events", vec![event("a", State::Scheduled)], NOW);
        assert_eq!(heard(&mut changes), told("a", State::Scheduled));
        let same = Event { description: Some("other words".to_owned()), ..event("a", State::Scheduled) };
        board.observe("/events", vec![same.clone()], NOW);
        assert_eq!(heard(&mut changes), []);
        assert_eq!(board.snapshot().events, [same]);
        board.observe("/events", vec![event("a", State::Started)], NOW);
        assert_eq!(heard(&mut changes), told("a", State::Started));
        let other = Event { action: Some(Action::Stop), ..event("a", State::Started) };
        board.observe("/events", vec![other], NOW);
        assert_eq!(heard(&mut changes), told("a", State::Started));
        board.observe("/events", vec![], NOW);
        assert_eq!(heard(&mut changes), told("a", State::Cleared));
        assert_eq!(board.snapshot().events, []);
    }

    #[test]
    fn paths_speak_for_themselves_only() {
        let board = Board::default();
        let other = Event { source: "/other".to_owned(), ..event("a", State::Scheduled) };
        board.observe("/events", vec![event("a", State::Scheduled)], NOW);
        board.observe("/other", vec![other.clone()], NOW);
        board.observe("/events", vec![], NOW);
        assert_eq!(board.snapshot().events, [other]);
    }

    #[test]
    fn what_vanishes_before_its_time_was_cancelled_and_what_says_so_too() {
        let board = Board::default();
        let mut changes = board.changes();
        let early = Event { not_before: Some(NOW + Duration::from_secs(9)), ..event("a", State::Scheduled) };
        board.observe("/events", vec![early.clone(), event("b", State::Scheduled)], NOW);
        heard(&mut changes);
        board.observe("/events", vec![event("b", State::Cancelled), event("c", State::Cleared)], NOW);
        assert_eq!(
            heard(&mut changes),
            [("a".to_owned(), State::Cancelled), ("b".to_owned(), State::Cancelled)],
            "what was over before anybody heard of it isn't told"
        );
    }

    #[test]
    fn a_failure_ends_no_event() {
        let board = Board::default();
        board.watching(&["/events".to_owned()]);
        board.observe("/events", vec![event("a", State::Scheduled)], NOW);
        for _ in 0..3 {
            board.fail("/events", Error::new(imds::ErrorKind::TimedOut, "no answer"));
        }
        let snapshot = board.snapshot();
        assert_eq!((snapshot.events.len(), snapshot.sources[0].failures), (1, 3));
        assert!(snapshot.sources[0].last_error.is_some() && snapshot.sources[0].last_answer == Some(NOW));
        board.observe("/events", vec![event("a", State::Scheduled)], NOW);
        assert_eq!(board.snapshot().sources[0].failures, 0);
    }

    #[tokio::test]
    async fn what_hooks_are_owed_survives_a_restart_until_it_is_settled() {
        let folder = tempfile::tempdir().unwrap();
        let keeping = |machine: &str, boot: &str| Keeping {
            path: folder.path().join("events.json"),
            machine: machine.to_owned(),
            boot: boot.to_owned(),
            unique: true,
        };
        let owed = |board: &Board| -> Vec<String> {
            board.lock().owed.iter().map(|it| it.event.id.clone()).collect()
        };
        let board = Board::open(keeping("m", "b"));
        board.observe("/events", vec![event("a", State::Scheduled), event("b", State::Scheduled)], NOW);
        let (ticket, first) = board.owed().await;
        let (_, second) = board.owed().await;
        assert_eq!((first.id.as_str(), second.id.as_str()), ("a", "b"));
        board.settle(ticket);

        let again = Board::open(keeping("m", "b"));
        let mut changes = again.changes();
        again.observe("/events", vec![event("a", State::Scheduled), event("b", State::Scheduled)], NOW);
        assert_eq!(heard(&mut changes), [], "both were told before");
        assert_eq!(owed(&again), ["b"]);

        let rebooted = Board::open(keeping("m", "c"));
        assert_eq!((owed(&rebooted).len(), rebooted.snapshot().events.len()), (0, 1));
        rebooted.observe("/events", vec![event("a", State::Scheduled), event("b", State::Scheduled)], NOW);
        assert_eq!(owed(&rebooted), ["b"], "the service still says it, and no hook has heard it");
        let doubtful = Board::open(Keeping { unique: false, ..keeping("m", "d") });
        assert_eq!((owed(&doubtful).len(), doubtful.snapshot().events.len()), (0, 0));
        let cloned = Board::open(keeping("other", "b"));
        assert_eq!((owed(&cloned).len(), cloned.snapshot().events.len()), (0, 0));
    }

    #[test]
    fn what_nobody_asks_for_any_more_is_forgotten_for_good() {
        let folder = tempfile::tempdir().unwrap();
        let keeping = Keeping {
            path: folder.path().join("events"),
            machine: "m".into(),
            boot: "b".into(),
            unique: true,
        };
        let board = Board::open(keeping.clone());
        board.observe("/events", vec![event("a", State::Scheduled)], NOW);
        board.watching(&[]);
        assert_eq!(board.snapshot().events, []);
        assert_eq!(Board::open(keeping).snapshot().events, []);
    }

    #[test]
    fn a_flood_is_cut_at_its_oldest_end() {
        let board = Board::default();
        for number in 0..OWED + 3 {
            board.observe("/events", vec![event(&number.to_string(), State::Scheduled)], NOW);
        }
        let inner = board.lock();
        assert_eq!(inner.owed.len(), OWED);
        assert_eq!(inner.owed.back().map(|owed| owed.event.state), Some(State::Scheduled));
    }
}
