//! A pointer that is swapped atomically, and the lock that its writers take.
//!
//! Protocols that are built on them are checked under `loom` in every interleaving; there both stand on loom's primitives.

#[cfg(not(imds_loom))]
mod of_the_process {
    use std::sync::Arc;
    pub(crate) use std::sync::Mutex;

    use arc_swap::{ArcSwap, Cache};

    /// A pointer that is swapped atomically.
    #[derive(Debug)]
    pub(crate) struct Cell<T>(Arc<ArcSwap<T>>);

    impl<T> Cell<T> {
        pub(crate) fn new(value: Arc<T>) -> Self {
            Self(Arc::new(ArcSwap::new(value)))
        }
        /// A reader's own view, which looks whether the pointer is another before it counts anything.
        pub(crate) fn view(&self) -> View<T> {
            View(Cache::new(Arc::clone(&self.0)))
        }
        /// What is there now. Takes no lock.
        pub(crate) fn load(&self) -> Arc<T> {
            self.0.load_full()
        }
        pub(crate) fn store(&self, value: Arc<T>) {
            self.0.store(value);
        }
    }

    /// A reader's own view of a cell.
    pub(crate) struct View<T>(Cache<Arc<ArcSwap<T>>, Arc<T>>);

    impl<T> Clone for View<T> {
        fn clone(&self) -> Self {
            Self(self.0.clone())
        }
    }

    impl<T> View<T> {
        /// What is there now. Takes no lock.
        #[inline]
        pub(crate) fn load(&mut self) -> &Arc<T> {
            self.0.load()
        }
    }
}

#[cfg(imds_loom)]
mod of_loom {
    pub(crate) use loom::sync::Mutex;
    use std::sync::{Arc, PoisonError};

    /// What `arc_swap` promises, in terms that loom can explore: loads and stores of one pointer.
    #[derive(Debug)]
    pub(crate) struct Cell<T>(Arc<loom::sync::RwLock<Arc<T>>>);

    impl<T> Cell<T> {
        pub(crate) fn new(value: Arc<T>) -> Self {
            Self(Arc::new(loom::sync::RwLock::new(value)))
        }
        pub(crate) fn view(&self) -> View<T> {
            View(Self(Arc::clone(&self.0)), self.load())
        }
        pub(crate) fn load(&self) -> Arc<T> {
            Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
        }
        pub(crate) fn store(&self, value: Arc<T>) {
            *self.0.write().unwrap_or_else(PoisonError::into_inner) = value;
        }
    }

    /// A reader's own view of a cell.
    pub(crate) struct View<T>(Cell<T>, Arc<T>);

    impl<T> Clone for View<T> {
        fn clone(&self) -> Self {
            self.0.view()
        }
    }

    impl<T> View<T> {
        pub(crate) fn load(&mut self) -> &Arc<T> {
            self.1 = self.0.load();
            &self.1
        }
    }
}

#[cfg(imds_loom)]
pub(crate) use of_loom::{Cell, Mutex, View};
#[cfg(not(imds_loom))]
pub(crate) use of_the_process::{Cell, Mutex, View};
