//! What the agent knows now, and how well it knows it.
//!
//! One [`View`] at a time, which never changes; a new one takes its place. Reading is a load of an atomic pointer, so that
//! ten thousand readers neither wait for a refresh nor for each other.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use imds::{Error, Field, Metadata, Verdict};
use tokio::sync::watch;

use crate::clock::Moment;

/// How things stand with the metadata.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Status {
    /// When the service last answered.
    pub last_success: Option<SystemTime>,
    /// Why it didn't when it was last asked; nothing while all is well.
    pub last_error: Option<Error>,
    /// When it was last asked.
    pub last_try: Option<SystemTime>,
    /// When it will be asked again.
    pub next_try: Option<SystemTime>,
    /// How often it failed in a row.
    pub failures: u32,
    /// Whether values come from before the agent started.
    pub from_state: bool,
}

/// Everything that is known at one moment.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct View {
    /// Where this machine runs; nothing before the first detection ended.
    pub verdict: Option<Arc<Verdict>>,
    /// What its service said; nothing before anything is known.
    pub metadata: Option<Arc<Metadata>>,
    /// How things stand.
    pub status: Status,
    /// Counts views from 1, so that a watcher sees that it missed some.
    pub revision: u64,
    /// The moment from which the times in here count: what the clock said before somebody set it is no longer in here.
    pub moment: Moment,
}

impl View {
    /// What time it is for everything in here, whatever happened to the clock since.
    #[must_use]
    pub fn now(&self) -> SystemTime {
        self.moment.wall_at(Moment::now())
    }

    /// How long ago that was.
    #[must_use]
    pub fn age_of(&self, time: SystemTime) -> Duration {
        self.now().duration_since(time).unwrap_or_default()
    }

    /// The fields in which another view differs from this one.
    #[must_use]
    pub fn changed_to(&self, other: &Self) -> Vec<Field> {
        let value = |view: &Self, field| {
            view.metadata.as_ref().and_then(|metadata| metadata.value(field).ok().cloned())
        };
        Field::ALL.iter().copied().filter(|field| value(self, *field) != value(other, *field)).collect()
    }
}

/// The one place where the agent's knowledge lives.
#[derive(Debug)]
pub struct Store {
    view: ArcSwap<View>,
    /// Held while the next view is made from the current one.
    writing: Mutex<()>,
    revisions: watch::Sender<u64>,
}

impl Default for Store {
    fn default() -> Self {
        Self { view: ArcSwap::default(), writing: Mutex::default(), revisions: watch::Sender::new(0) }
    }
}

impl Store {
    /// What is known now.
    #[must_use]
    pub fn view(&self) -> Arc<View> {
        self.view.load_full()
    }

    /// Puts a new view in the place of the current one, made from it by `change`.
    pub fn update(&self, change: impl FnOnce(&mut View)) {
        let _alone = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut view = View::clone(&self.view.load());
        change(&mut view);
        view.revision += 1;
        let revision = view.revision;
        self.view.store(Arc::new(view));
        self.revisions.send_replace(revision);
    }

    /// Wakes whenever there is a new view.
    #[must_use]
    pub fn revisions(&self) -> watch::Receiver<u64> {
        self.revisions.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use imds::model::{CloudName, Reading, Source, Value};

    fn metadata(region: &str) -> Arc<Metadata> {
        let mut metadata = Metadata::new(CloudName::AWS);
        metadata.set(Field::Region, Reading::known(Value::Text(region.to_owned()), Source::Mock));
        Arc::new(metadata)
    }

    #[test]
    fn a_view_never_changes_and_watchers_hear_of_the_next() {
        let store = Store::default();
        let revisions = store.revisions();
        let before = store.view();
        store.update(|view| view.metadata = Some(metadata("eu-west-1")));
        let now = store.view();
        assert!(before.metadata.is_none() && now.metadata.is_some());
        assert_eq!((now.revision, revisions.has_changed().unwrap()), (1, true));
        assert_eq!(before.changed_to(&now), [Field::Region]);
        assert_eq!(now.changed_to(&now), []);
    }
}
