//! Changes: what subscribers hear.

use std::sync::Arc;

use imds_model::{Field, Metadata, Reading};
use tokio::sync::watch;

/// What changed between two snapshots.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Change {
    /// The newer snapshot.
    pub metadata: Arc<Metadata>,
    /// The fields whose value is another than before, or there only now, or no longer.
    pub fields: Vec<Field>,
}

/// Changes of a provider's metadata. A subscriber that is slow misses none: it hears the difference to what it heard
/// last.
#[derive(Debug)]
pub struct Changes {
    receiver: watch::Receiver<Arc<Metadata>>,
    heard: Arc<Metadata>,
}

impl Changes {
    /// Waits for the next change. `None` once the provider is gone. Cancel-safe.
    pub async fn next(&mut self) -> Option<Change> {
        loop {
            self.receiver.changed().await.ok()?;
            let metadata = Arc::clone(&self.receiver.borrow_and_update());
            let fields = difference(&self.heard, &metadata);
            self.heard = Arc::clone(&metadata);
            if !fields.is_empty() {
                return Some(Change { metadata, fields });
            }
        }
    }
}

/// The sending side.
#[derive(Debug)]
pub(crate) struct Publisher(watch::Sender<Arc<Metadata>>);

impl Publisher {
    pub(crate) fn new(metadata: Arc<Metadata>) -> Self {
        Self(watch::Sender::new(metadata))
    }

    pub(crate) fn publish(&self, metadata: Arc<Metadata>) {
        self.0.send_replace(metadata);
    }

    pub(crate) fn subscribe(&self) -> Changes {
        let mut receiver = self.0.subscribe();
        let heard = Arc::clone(&receiver.borrow_and_update());
        Changes { receiver, heard }
    }
}

fn difference(before: &Metadata, now: &Metadata) -> Vec<Field> {
    let value = |metadata: &Metadata, field| metadata.reading(field).and_then(Reading::value).cloned();
    Field::ALL.iter().copied().filter(|field| value(before, *field) != value(now, *field)).collect()
}
