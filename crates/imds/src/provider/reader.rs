//! One reader's own view of a provider.

use std::fmt;
use std::sync::Arc;

use imds_model::Metadata;

use crate::cell::View;

/// Reads the snapshots of a [`LiveProvider`](super::LiveProvider) for the price of an atomic load: nothing is counted, nothing is
/// shared with other readers, so a hot path may ask for every event. Made by
/// [`LiveProvider::reader`](super::LiveProvider::reader), one for each thread or task; a clone is another reader.
///
/// It keeps the snapshot that it saw last alive until it is asked again or dropped.
#[derive(Clone)]
pub struct Reader(View<Metadata>);

impl Reader {
    pub(super) fn new(snapshots: View<Metadata>) -> Self {
        Self(snapshots)
    }

    /// What is known now, as [`Provider::snapshot`](super::Provider::snapshot). Never blocks.
    #[inline]
    pub fn snapshot(&mut self) -> &Arc<Metadata> {
        self.0.load()
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").finish_non_exhaustive()
    }
}
