//! Agents on systems without their sockets: there are none.

use std::path::Path;

use hyper::Response;
use hyper::body::{Bytes, Incoming};
use imds_model::{Error, ErrorKind};

#[expect(clippy::unused_async, reason = "as on systems that have sockets")]
pub(super) async fn open(_: &Path, _: &[u32], _: &str, _: Option<&str>) -> Result<Response<Incoming>, Error> {
    Err(Error::new(ErrorKind::Unreachable, "there is no agent on this system"))
}

#[expect(clippy::unused_async, reason = "as on systems that have sockets")]
pub(super) async fn whole(_: Response<Incoming>) -> Result<Bytes, Error> {
    Err(Error::new(ErrorKind::Unreachable, "there is no agent on this system"))
}
