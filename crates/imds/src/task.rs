//! Tasks as the runtime gets them.

use std::pin::Pin;

/// A task behind a pointer. All that Tokio needs to run a task is compiled once for each type of future, which so are one for
/// each output.
pub(crate) type Task<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// The task of a future.
pub(crate) fn task<T>(future: impl Future<Output = T> + Send + 'static) -> Task<T> {
    Box::pin(future)
}
