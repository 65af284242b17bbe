//! The provider: metadata that is always at hand and keeps itself fresh.
//!
//! A [`Provider`] answers from a snapshot, so that reads never block and never wait for the service. [`LiveProvider`]
//! reads from the machine's own service; [`MockProvider`](crate::testing::MockProvider) from what a test set.

mod changes;
mod last;
mod live;
mod reader;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use imds_model::{CloudName, Error, Field, Metadata, Selector, Value};

pub(crate) use changes::Publisher;
pub use changes::{Change, Changes};
pub use live::{LiveProvider, RefreshPolicy};
pub use reader::Reader;

/// A refresh under way.
pub type Refreshing<'a> = Pin<Box<dyn Future<Output = Result<Arc<Metadata>, Error>> + Send + 'a>>;

/// Metadata that is always at hand. Object-safe: hold it as `Arc<dyn Provider>`.
///
/// ```
/// # #[cfg(feature = "testing")] {
/// use imds::{Field, Provider, testing::MockProvider};
/// let provider = MockProvider::new("azure").with(Field::ScalingGroup, "web-vmss");
/// assert_eq!(provider.text(Field::ScalingGroup).as_deref(), Some("web-vmss"));
/// # }
/// ```
pub trait Provider: Send + Sync + fmt::Debug {
    /// What is known now. Never blocks; a refresh that runs meanwhile doesn't change what was returned.
    fn snapshot(&self) -> Arc<Metadata>;

    /// Whether the last attempt to ask the service got an answer. Values from before an outage stay readable.
    fn is_available(&self) -> bool;

    /// The id of the volume behind a block device, as people write it: `sdc`, `/dev/sdc1`, `nvme1n1p2`.
    ///
    /// # Errors
    /// [`ErrorKind::Absent`](crate::ErrorKind::Absent) for a device that isn't there or has no volume id;
    /// [`ErrorKind::Usage`](crate::ErrorKind::Usage) for what is no device's name.
    fn volume_id(&self, device: &str) -> Result<String, Error>;

    /// Asks again for what has grown old. Refreshes that run at the same time are one. Values that can't be read keep
    /// their last good value, marked with its age and the error.
    ///
    /// # Errors
    /// Why the service couldn't be asked at all. A field that failed alone is no error here; its reading says so.
    fn refresh(&self) -> Refreshing<'_>;

    /// Changes from now on.
    fn subscribe(&self) -> Changes;

    /// The cloud.
    fn cloud(&self) -> CloudName {
        self.snapshot().cloud().clone()
    }

    /// The value of a field.
    ///
    /// # Errors
    /// As [`Metadata::value`].
    fn value(&self, field: Field) -> Result<Value, Error> {
        self.snapshot().value(field).cloned()
    }

    /// The text of a field; `None` if it is absent, failed or no text.
    fn text(&self, field: Field) -> Option<String> {
        self.snapshot().text(field).map(str::to_owned)
    }

    /// The value that a name means: `instance_id`, `tags.Name`, `interfaces.0.mac`.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`](crate::ErrorKind::Usage) for a name that means nothing, otherwise as [`Metadata::select`].
    fn get(&self, name: &str) -> Result<String, Error> {
        let selector: Selector = name.parse().map_err(|error: imds_model::selector::InvalidSelector| {
            Error::new(crate::ErrorKind::Usage, error.to_string())
        })?;
        self.snapshot().select(&selector)
    }

    /// The value of a tag; `None` if there is no such tag, or no tags could be read.
    fn tag(&self, key: &str) -> Option<String> {
        self.snapshot().tag(key).map(str::to_owned)
    }
}
