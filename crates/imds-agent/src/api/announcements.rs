//! Events that are announced for this machine, as callers see them.

use std::sync::Arc;

use arc_swap::ArcSwap;
use serde_json::Value as Json;
use tokio::sync::watch;

/// The events that stand now: replaced as a whole by whoever watches the cloud's event sources, read by everybody.
///
/// Each event is a JSON object. One whose content changed (`scheduled` → `started`) is told to watchers anew.
#[derive(Debug)]
pub struct Announcements {
    standing: ArcSwap<Vec<Json>>,
    turns: watch::Sender<u64>,
}

impl Default for Announcements {
    fn default() -> Self {
        Self { standing: ArcSwap::default(), turns: watch::Sender::new(0) }
    }
}

impl Announcements {
    /// The events that stand now.
    #[must_use]
    pub fn standing(&self) -> Arc<Vec<Json>> {
        self.standing.load_full()
    }

    /// Puts these events in the place of those that stood.
    pub fn replace(&self, events: Vec<Json>) {
        self.standing.store(Arc::new(events));
        self.turns.send_modify(|turn| *turn += 1);
    }

    /// Wakes whenever other events stand.
    #[must_use]
    pub fn turns(&self) -> watch::Receiver<u64> {
        self.turns.subscribe()
    }
}
