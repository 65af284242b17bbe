//! A value that everyone reads without locks, one publisher replaces, and a test can cover for a while.
//!
//! The publisher's value and a test's cover are kept apart under a lock that only writers take; what readers see is
//! always one of both. The protocol is checked under `loom` (`RUSTFLAGS="--cfg imds_loom" cargo test -p imds --lib slot`),
//! for which [`Cell`] stands on loom's primitives.

#[cfg(not(imds_loom))]
mod primitives {
    use std::sync::Arc;
    pub(super) use std::sync::Mutex;

    /// A pointer that is swapped atomically.
    #[derive(Debug)]
    pub(super) struct Cell<T>(arc_swap::ArcSwap<T>);

    impl<T> Cell<T> {
        pub(super) fn new(value: Arc<T>) -> Self {
            Self(arc_swap::ArcSwap::new(value))
        }
        pub(super) fn load(&self) -> Arc<T> {
            self.0.load_full()
        }
        pub(super) fn store(&self, value: Arc<T>) {
            self.0.store(value);
        }
    }
}

#[cfg(imds_loom)]
mod primitives {
    pub(super) use loom::sync::Mutex;
    use std::sync::Arc;

    /// What `arc_swap` promises, in terms that loom can explore: loads and stores of one pointer.
    #[derive(Debug)]
    pub(super) struct Cell<T>(loom::sync::RwLock<Arc<T>>);

    impl<T> Cell<T> {
        pub(super) fn new(value: Arc<T>) -> Self {
            Self(loom::sync::RwLock::new(value))
        }
        pub(super) fn load(&self) -> Arc<T> {
            Arc::clone(&self.0.read().unwrap_or_else(std::sync::PoisonError::into_inner))
        }
        pub(super) fn store(&self, value: Arc<T>) {
            *self.0.write().unwrap_or_else(std::sync::PoisonError::into_inner) = value;
        }
    }
}

use std::sync::{Arc, PoisonError};

use primitives::{Cell, Mutex};

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
