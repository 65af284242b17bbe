//! A host that is no metadata service but answers on its address: captive portals, proxies, other people's servers.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use crate::fault::FaultKind;
use crate::server::{Host, Running, lock};
use crate::{Fault, Recorded};

/// How a [`Stranger`] treats every request, whatever its method and path.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Behaviour {
    /// 200 and a small HTML page that says OK, as captive portals do.
    Hello,
    /// 200 and the bare word `OK` as plain text.
    Ok,
    /// This status, e.g. 403, and a small HTML page.
    Status(u16),
    /// 403 and one word to everything, as Docker Desktop answers containers on addresses that its network hasn't.
    DockerDesktop,
    /// 302 to this location.
    Redirect(String),
    /// 64 MiB of filler.
    Huge,
    /// 200 and JSON that ends in the middle.
    TruncatedJson,
    /// 200 and a hundred thousand nested arrays.
    DeepJson,
    /// 200 and bytes that are no UTF-8.
    Binary,
    /// 200 and an empty body.
    Empty,
    /// Accepts and never answers.
    Silent,
    /// Closes after each request.
    Close,
}

impl Behaviour {
    fn kind(self) -> FaultKind {
        let page = |code: u16, body: &str| FaultKind::Status {
            code,
            retry_after: None,
            body: Some(body.to_owned()),
        };
        match self {
            Behaviour::Hello => {
                page(200, "<!DOCTYPE html><html><head><title>Welcome</title></head><body>OK</body></html>\n")
            }
            Behaviour::Ok => page(200, "OK"),
            Behaviour::Status(code) => FaultKind::Status { code, retry_after: None, body: None },
            Behaviour::DockerDesktop => page(403, "Forbidden\n"),
            Behaviour::Redirect(location) => FaultKind::Redirect(location),
            Behaviour::Huge => FaultKind::Huge(64 << 20),
            Behaviour::TruncatedJson => FaultKind::BadJson,
            Behaviour::DeepJson => FaultKind::DeepJson(100_000),
            Behaviour::Binary => FaultKind::Binary,
            Behaviour::Empty => FaultKind::Empty,
            Behaviour::Silent => FaultKind::Hang,
            Behaviour::Close => FaultKind::Close,
        }
    }
}

/// A host that answers on a metadata address without being a metadata service. Dropping it stops it.
#[derive(Debug)]
pub struct Stranger {
    running: Running,
}

impl Stranger {
    /// Starts on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// When no socket can be had.
    pub async fn start(behaviour: Behaviour) -> io::Result<Stranger> {
        let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Ok(Stranger { running: Running::bind(Host::Stranger(behaviour.kind()), addr).await? })
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.running.addr
    }

    /// Its base URL, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.addr())
    }

    /// Everything that was asked so far.
    #[must_use]
    pub fn requests(&self) -> Vec<Recorded> {
        lock(&self.running.site.requests).clone()
    }

    /// How many connections were made so far.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.running.site.connections()
    }

    /// Treats matching requests differently from the rest.
    pub fn inject(&self, fault: Fault) {
        lock(&self.running.site.faults).push(fault);
    }
}
