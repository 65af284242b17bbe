//! Events that are announced for this machine, as callers see them.

use std::sync::Arc;

use arc_swap::ArcSwap;
use serde_json::Value as Json;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;

use crate::events::Board;

/// How many events that are over are remembered for watchers, who may be slow to hear of them.
const OVER: usize = 32;

/// Events at one moment, each a JSON object.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Announced {
    /// Those that aren't over.
    pub standing: Vec<Json>,
    /// The last ones that are.
    pub over: Vec<Json>,
}

/// The events of now: replaced as a whole by whoever watches the cloud's event sources, read by everybody.
#[derive(Debug)]
pub struct Announcements {
    now: ArcSwap<Announced>,
    turns: watch::Sender<u64>,
}

impl Default for Announcements {
    fn default() -> Self {
        Self { now: ArcSwap::default(), turns: watch::Sender::new(0) }
    }
}

impl Announcements {
    /// The events of now.
    #[must_use]
    pub fn now(&self) -> Arc<Announced> {
        self.now.load_full()
    }

    /// Puts these events in the place of those that stood. One whose content changed (`scheduled` → `started`) is told to
    /// watchers anew.
    pub fn replace(&self, standing: Vec<Json>) {
        self.change(|announced| announced.standing = standing);
    }

    /// Says of an event how it ended.
    pub fn end(&self, event: Json) {
        self.change(|announced| {
            announced.over.push(event);
            let excess = announced.over.len().saturating_sub(OVER);
            announced.over.drain(..excess);
        });
    }

    fn change(&self, change: impl FnOnce(&mut Announced)) {
        // Under the lock of the turns, so that no change is lost to another.
        self.turns.send_modify(|turn| {
            let mut announced = Announced::clone(&self.now.load());
            change(&mut announced);
            self.now.store(Arc::new(announced));
            *turn += 1;
        });
    }

    /// Wakes whenever other events stand.
    #[must_use]
    pub fn turns(&self) -> watch::Receiver<u64> {
        self.turns.subscribe()
    }
}

/// Shows what a board knows, and how what it knew has ended, until the board is gone.
pub async fn follow(board: &Board, announcements: &Announcements) {
    let mut changes = board.changes();
    let mut snapshots = board.snapshots();
    loop {
        let snapshot = Arc::clone(&snapshots.borrow_and_update());
        // An event is text, numbers and times: it has a JSON form.
        let standing = snapshot.events.iter().filter_map(|event| serde_json::to_value(event).ok()).collect();
        if announcements.now().standing != standing {
            announcements.replace(standing);
        }
        tokio::select! {
            changed = snapshots.changed() => if changed.is_err() { return },
            change = changes.recv() => match change {
                Ok(event) if event.state.is_over() => {
                    serde_json::to_value(event).into_iter().for_each(|event| announcements.end(event));
                }
                Err(RecvError::Closed) => return,
                // What stands is read from the snapshot; of more ends than anybody can have, the last ones do.
                Ok(_) | Err(RecvError::Lagged(_)) => {}
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::events::Event;

    #[tokio::test]
    async fn what_the_board_knows_is_shown() {
        let text = r#"{"id":"e-1","cloud":"aws","kind":"interruption","state":"scheduled","source":"/p"}"#;
        let event: Event = serde_json::from_str(text).unwrap();
        let (board, announcements) = (Board::default(), Announcements::default());
        let mut turns = announcements.turns();
        let shown = async {
            board.observe("/p", vec![event], SystemTime::now());
            turns.changed().await.unwrap();
            assert_eq!(announcements.now().standing[0]["id"], "e-1");
            board.observe("/p", Vec::new(), SystemTime::now());
            while announcements.now().over.is_empty() {
                turns.changed().await.unwrap();
            }
            assert!(announcements.now().standing.is_empty());
            assert_eq!(announcements.now().over[0]["state"], "cleared");
        };
        tokio::select! {
            () = shown => {}
            () = follow(&board, &announcements) => panic!("the board is still there"),
        }
    }
}
