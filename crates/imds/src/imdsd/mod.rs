//! systemd-imdsd as a way to the service, on hosts where it keeps the service to itself.
//!
//! Since version 261 systemd can put a `prohibit` route on the service's address, so that nobody but its own daemon reaches
//! it, and answers for it over Varlink: `io.systemd.InstanceMetadata` (systemd's page systemd-imdsd@.service(8)). It is asked
//! only where connecting has failed with EACCES and the route to the address forbids it: a sandbox says EACCES too, and
//! has nothing to do with it.
//!
//! | module | holds |
//! |---|---|
//! | `varlink` | one call, one reply, within a deadline and a size (cargo feature `varlink`) |
//! | [`interface`] | the calls, the errors, and keys out of paths |

mod interface;
#[cfg(all(feature = "varlink", unix))]
mod varlink;
#[cfg(not(all(feature = "varlink", unix)))]
#[path = "elsewhere.rs"]
mod varlink;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use hyper::StatusCode;
use hyper::header::HeaderMap;
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::time;

use crate::transport::exchange::BODY_LIMIT;
use crate::transport::{Answer, Deadline};
pub(crate) use interface::Refusal;
use interface::Vendor;

/// Where systemd-imdsd listens (its unit systemd-imdsd.socket).
pub const SOCKET: &str = "/run/systemd/io.systemd.InstanceMetadata";
/// The mark with which its own requests pass the route that it forbids to others.
pub(crate) const MARK: &str = "0x7fff0815";
/// Whether this build can ask it.
pub(crate) const ASKED: bool = cfg!(all(feature = "varlink", unix));

/// How old its kept answers may be; by default a quarter of an hour.
const FRESH_ENOUGH: u32 = 60 * 1_000_000;
/// It takes sixteen connections of one user at once, and closes further ones.
const CONNECTIONS: usize = 8;

/// A client of it.
#[derive(Debug)]
pub(crate) struct Imdsd {
    socket: PathBuf,
    slots: Semaphore,
    vendor: Mutex<Option<Vendor>>,
}

impl Imdsd {
    /// The one that listens here.
    pub(crate) fn at(socket: &Path) -> Self {
        Self { socket: socket.to_owned(), slots: Semaphore::new(CONNECTIONS), vendor: Mutex::default() }
    }

    /// Where it listens.
    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }

    /// Has it ask for a path of the service, query included. What it says of the service's refusals comes back as the status
    /// that it stands for.
    ///
    /// # Errors
    /// [`Refusal`] for everything that isn't an answer of the service.
    pub(crate) async fn get(&self, path: &str, deadline: Deadline) -> Result<Answer, Refusal> {
        let answered = time::timeout(deadline.left(), async {
            let _slot = self.slots.acquire().await;
            let key = self.vendor().await?.key(path)?;
            let parameters = json!({ "key": key, "refreshUSec": FRESH_ENOUGH });
            interface::data(&varlink::call(&self.socket, interface::GET, &parameters, limit()).await?)
        });
        let (status, body) = match answered.await.unwrap_or(Err(Refusal::TimedOut)) {
            Ok(body) if body.len() > BODY_LIMIT => return Err(Refusal::TooLarge(BODY_LIMIT)),
            Ok(body) => (StatusCode::OK, body),
            Err(Refusal::KeyNotFound) => (StatusCode::NOT_FOUND, Vec::new()),
            Err(Refusal::NotAvailable) => (StatusCode::FORBIDDEN, Vec::new()),
            Err(refusal) => return Err(refusal),
        };
        Ok(Answer { status, headers: HeaderMap::new(), body: body.into(), by_imdsd: true })
    }

    /// Where it finds the service, asked once.
    async fn vendor(&self) -> Result<Vendor, Refusal> {
        let known = self.vendor.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(vendor) = known {
            return Ok(vendor);
        }
        let reply = varlink::call(&self.socket, interface::GET_VENDOR_INFO, &json!({}), limit()).await?;
        let vendor = Vendor::of(&reply)?;
        *self.vendor.lock().unwrap_or_else(PoisonError::into_inner) = Some(vendor.clone());
        Ok(vendor)
    }
}

/// The largest reply that is read: the largest body in base64, and what surrounds it.
const fn limit() -> usize {
    BODY_LIMIT / 3 * 4 + 4096
}
