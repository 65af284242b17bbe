//! A value that everyone reads without locks, one publisher replaces, and a test can cover for a while.
//!
//! The publisher's value and a test's cover are kept apart under a lock that only writers take; what readers see is
//! always one of both. The protocol is checked under `loom` (`RUSTFLAGS="--cfg imds_loom" cargo test -p imds --lib loom`).

use std::sync::{Arc, PoisonError};

use crate::cell::{Cell, Mutex};

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Slot<T> {
    shown: Cell<T>,
    kept: Mutex<Kept<T>>,
}

#[derive(Debug)]
struct Kept<T> {
    published: Arc<T>,
    cover: Option<Arc<T>>,
}

impl<T> Slot<T> {
    pub(super) fn new(value: T) -> Self {
        let published = Arc::new(value);
        let kept = Kept { published: Arc::clone(&published), cover: None };
        Self { shown: Cell::new(published), kept: Mutex::new(kept) }
    }

    /// What holds now. Takes no lock.
    pub(super) fn load(&self) -> Arc<T> {
        self.shown.load()
    }

    /// The publisher's new value. Readers see it at once, or when the cover goes.
    pub(super) fn publish(&self, value: T) {
        let value = Arc::new(value);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.published = Arc::clone(&value);
        if kept.cover.is_none() {
            self.shown.store(value);
        }
    }

    /// Covers the publisher's value.
    #[cfg(any(feature = "testing", imds_loom))]
    pub(super) fn cover(&self, value: T) {
        let value = Arc::new(value);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.cover = Some(Arc::clone(&value));
        self.shown.store(value);
    }

    /// Takes the cover away: readers see what the publisher said last.
    #[cfg(any(feature = "testing", imds_loom))]
    pub(super) fn uncover(&self) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.cover = None;
        self.shown.store(Arc::clone(&kept.published));
    }
}

#[cfg(all(test, imds_loom))]
mod slot_under_loom {
    use super::*;

    /// Every interleaving of a publisher, a test that covers and uncovers, and a reader: the reader sees only values that
    /// were put there, never an older published value after a newer one without a cover between, and at the end the
    /// published value shows.
    #[test]
    fn what_was_published_last_shows_once_the_cover_is_gone() {
        loom::model(|| {
            let slot = loom::sync::Arc::new(Slot::new(0));
            let publisher = {
                let slot = loom::sync::Arc::clone(&slot);
                loom::thread::spawn(move || {
                    slot.publish(1);
                    slot.publish(2);
                })
            };
            let test = {
                let slot = loom::sync::Arc::clone(&slot);
                loom::thread::spawn(move || {
                    slot.cover(100);
                    let seen = *slot.load();
                    slot.uncover();
                    seen
                })
            };
            let first = *slot.load();
            let second = *slot.load();
            assert!([0, 1, 2, 100].contains(&first));
            assert!(second == 100 || first == 100 || second >= first, "{first} then {second}");
            publisher.join().unwrap();
            assert_eq!(test.join().unwrap(), 100, "a publisher never shows through a cover");
            assert_eq!(*slot.load(), 2);
        });
    }
}
