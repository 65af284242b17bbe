//! A build that doesn't speak Varlink.

use std::io;
use std::path::Path;

use serde_json::Value;

use super::Refusal;

/// Nobody can be called.
#[expect(clippy::unused_async, reason = "the build that speaks Varlink waits for the other side")]
pub(super) async fn call(_: &Path, _: &str, _: &Value, _: usize) -> Result<Value, Refusal> {
    Err(Refusal::NotThere(io::ErrorKind::Unsupported.into()))
}
