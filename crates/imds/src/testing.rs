//! A provider for other people's tests.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use imds_model::{CloudName, Error, ErrorKind, Field, Metadata, Reading, Source, Value};

use crate::provider::{Changes, Provider, Publisher, Refreshing};

/// A provider whose every answer a test sets.
///
/// ```
/// use imds::{Error, ErrorKind, Field, Provider, testing::MockProvider};
/// let provider = MockProvider::new("aws").with(Field::InstanceId, "i-0123456789abcdef0").with_tag("Name", "web");
/// assert_eq!(provider.tag("Name").as_deref(), Some("web"));
/// provider.fail_refresh(Some(Error::new(ErrorKind::TimedOut, "no answer")));
/// assert_eq!(provider.refreshes(), 0);
/// ```
#[derive(Debug)]
pub struct MockProvider {
    snapshot: ArcSwap<Metadata>,
    publisher: Publisher,
    /// Held while the snapshot is changed.
    settings: Mutex<Settings>,
    refreshes: AtomicU64,
    available: AtomicBool,
}

#[derive(Debug, Default)]
struct Settings {
    failure: Option<Error>,
    volumes: Vec<(String, String)>,
}

impl MockProvider {
    /// A provider of this cloud that knows nothing else. A name that can't be one reads as `mock`.
    #[must_use]
    pub fn new(cloud: &str) -> Self {
        let cloud = CloudName::new(cloud).unwrap_or(CloudName::builtin("mock"));
        let mut metadata = Metadata::new(cloud.clone());
        metadata.set(Field::Cloud, known(Value::Text(cloud.to_string())));
        let metadata = Arc::new(metadata);
        Self {
            publisher: Publisher::new(Arc::clone(&metadata)),
            snapshot: ArcSwap::new(metadata),
            settings: Mutex::default(),
            refreshes: AtomicU64::new(0),
            available: AtomicBool::new(true),
        }
    }

    /// With a text field.
    #[must_use]
    pub fn with(self, field: Field, text: &str) -> Self {
        self.set(field, Value::Text(text.to_owned()));
        self
    }

    /// With a tag.
    #[must_use]
    pub fn with_tag(self, key: &str, value: &str) -> Self {
        self.change(|metadata| {
            let mut tags = metadata.tags().cloned().unwrap_or_default();
            tags.insert(key.to_owned(), value.to_owned());
            metadata.set(Field::Tags, known(Value::Tags(tags)));
        });
        self
    }

    /// With a volume behind a device, as [`Provider::volume_id`] is asked for it.
    #[must_use]
    pub fn with_volume(self, device: &str, id: &str) -> Self {
        self.settings().volumes.push((device.to_owned(), id.to_owned()));
        self
    }

    /// Sets a field. Subscribers hear about it.
    pub fn set(&self, field: Field, value: Value) {
        self.change(|metadata| metadata.set(field, known(value)));
    }

    /// Makes a field absent.
    pub fn remove(&self, field: Field) {
        self.change(|metadata| metadata.set(field, Reading::absent()));
    }

    /// Makes a field fail.
    pub fn fail(&self, field: Field, error: Error) {
        self.change(|metadata| metadata.set(field, Reading::Failed(error)));
    }

    /// What refreshes end with from now on; `None` lets them succeed.
    pub fn fail_refresh(&self, error: Option<Error>) {
        self.available.store(error.is_none(), Ordering::Release);
        self.settings().failure = error;
    }

    /// How many refreshes were asked for.
    #[must_use]
    pub fn refreshes(&self) -> u64 {
        self.refreshes.load(Ordering::Acquire)
    }

    fn settings(&self) -> std::sync::MutexGuard<'_, Settings> {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut Metadata)) {
        // One change at a time, so that none is lost.
        let _held = self.settings();
        let mut metadata = Metadata::clone(&self.snapshot.load());
        change(&mut metadata);
        let metadata = Arc::new(metadata);
        self.snapshot.store(Arc::clone(&metadata));
        self.publisher.publish(metadata);
    }
}

fn known(value: Value) -> Reading {
    Reading::known(value, Source::Mock)
}

impl Provider for MockProvider {
    fn snapshot(&self) -> Arc<Metadata> {
        self.snapshot.load_full()
    }

    fn is_available(&self) -> bool {
        self.available.load(Ordering::Acquire)
    }

    fn volume_id(&self, device: &str) -> Result<String, Error> {
        let settings = self.settings();
        let found = settings.volumes.iter().find(|(name, _)| name == device).map(|(_, id)| id.clone());
        found.ok_or_else(|| {
            Error::new(ErrorKind::Absent, "no volume was set for this device").with_path(device)
        })
    }

    fn refresh(&self) -> Refreshing<'_> {
        Box::pin(async {
            self.refreshes.fetch_add(1, Ordering::AcqRel);
            match self.settings().failure.clone() {
                Some(error) => Err(error),
                None => Ok(self.snapshot.load_full()),
            }
        })
    }

    fn subscribe(&self) -> Changes {
        self.publisher.subscribe()
    }
}
