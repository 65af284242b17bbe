//! The last snapshot: everyone reads it without a lock, and no change of it is lost to another.
//!
//! A change is made from what it replaces: a refresh keeps the last good values, and a clock that was set moves the times
//! of what is known. Both may happen at once; each sees what the other made. Checked under `loom`.

use std::sync::{Arc, PoisonError};

use crate::cell::{Cell, Mutex, View};

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Last<T> {
    shown: Cell<T>,
    /// Held by whoever makes a new one out of the old one.
    changing: Mutex<()>,
}

impl<T> Last<T> {
    pub(super) fn new(value: Arc<T>) -> Self {
        Self { shown: Cell::new(value), changing: Mutex::new(()) }
    }

    /// What holds now. Takes no lock.
    pub(super) fn load(&self) -> Arc<T> {
        self.shown.load()
    }

    /// A view for one reader that reads often.
    pub(super) fn view(&self) -> View<T> {
        self.shown.view()
    }

    /// Puts in its place what `change` makes of it, and tells `tell` of that before anyone else can change it again, so
    /// that whoever is told hears the changes in their order.
    pub(super) fn change(&self, change: impl FnOnce(&T) -> T, tell: impl FnOnce(&Arc<T>)) -> Arc<T> {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let value = Arc::new(change(&self.shown.load()));
        self.shown.store(Arc::clone(&value));
        tell(&value);
        value
    }
}

#[cfg(all(test, imds_loom))]
mod under_loom {
    use super::*;

    /// Every interleaving of two who change it and one who reads: no change is lost, a reader sees them in their order, and
    /// whoever is told hears what shows.
    #[test]
    fn no_change_is_lost_to_another() {
        loom::model(|| {
            let last = loom::sync::Arc::new(Last::new(Arc::new(0_u32)));
            let told = loom::sync::Arc::new(loom::sync::atomic::AtomicU32::new(0));
            let change = |by: u32, times: u32| {
                let (last, told) = (loom::sync::Arc::clone(&last), loom::sync::Arc::clone(&told));
                loom::thread::spawn(move || {
                    for _ in 0..times {
                        let tell =
                            |value: &Arc<u32>| told.store(**value, loom::sync::atomic::Ordering::SeqCst);
                        last.change(|old| old + by, tell);
                    }
                })
            };
            let (refresh, clock) = (change(1, 2), change(10, 1));
            let first = *last.load();
            let second = *last.load();
            assert!(second >= first, "{first} then {second}");
            refresh.join().unwrap();
            clock.join().unwrap();
            assert_eq!(*last.load(), 12);
            assert_eq!(
                told.load(loom::sync::atomic::Ordering::SeqCst),
                12,
                "what is told last is what shows"
            );
        });
    }
}
