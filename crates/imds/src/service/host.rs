//! A service that the host keeps to itself.
//!
//! | connecting says EACCES or EPERM, and the route to the address | what follows |
//! |---|---|
//! | forbids it (`prohibit`) | systemd-imdsd is asked; where it isn't there, the error names its socket |
//! | doesn't | a sandbox, a security module or a packet filter forbids it: the error says so |
//!
//! Once systemd-imdsd has answered, it is asked from then on, until it goes away.

use std::io;
use std::sync::atomic::Ordering;
use std::time::Instant;

use imds_model::{Error, ErrorKind};

use super::{Call, Service};
use crate::imdsd::{self, Refusal};
use crate::machine::routes;
use crate::observer::{Observed, RequestOutcome};
use crate::transport::retry::Circumstances;
use crate::transport::{Answer, Deadline};

impl Service {
    /// Whether systemd-imdsd is asked in the service's place.
    pub(crate) fn is_asked_through_imdsd(&self) -> bool {
        self.through_imdsd.load(Ordering::Relaxed)
    }

    /// Asks until there is an answer that won't change by asking again: the service itself, or systemd-imdsd where the host
    /// keeps the service for it.
    pub(super) async fn send(
        &self,
        call: &Call,
        asked: &str,
        path: &str,
        circumstances: Circumstances,
        deadline: Deadline,
    ) -> Result<Answer, Error> {
        if !self.is_asked_through_imdsd() {
            let outcome = self.send_directly(call, asked, path, circumstances, deadline).await;
            let is_locked = matches!(&outcome, Err(error) if error.kind() == ErrorKind::Locked);
            // It only gets.
            if !imdsd::ASKED || !is_locked || call.body.is_some() || !self.is_kept_by_the_host() {
                return outcome;
            }
        }
        let started = Instant::now();
        let outcome = self.imdsd.get(asked, deadline).await;
        if let Some(observer) = self.exchange.observer() {
            let ended = match &outcome {
                Ok(answer) => RequestOutcome::Answered(answer.status.as_u16()),
                Err(Refusal::TimedOut | Refusal::Timeout) => RequestOutcome::TimedOut,
                Err(Refusal::Malformed(_) | Refusal::TooLarge(_)) => RequestOutcome::Malformed,
                Err(_) => RequestOutcome::NotConnected,
            };
            observer.requested(&Observed::new(&self.cloud, ended, started.elapsed()));
        }
        if outcome.is_ok() && !self.through_imdsd.swap(true, Ordering::Relaxed) {
            tracing::debug!(socket = %self.imdsd.socket().display(), "the host keeps the service; asking systemd-imdsd");
        }
        outcome.map_err(|refusal| self.refused_by_imdsd(path, refusal))
    }

    /// Whether a route of this machine forbids the way to the service's own address.
    fn is_kept_by_the_host(&self) -> bool {
        let addresses = self.exchange.endpoint().addresses();
        self.is_at_home()
            && addresses.iter().any(|address| routes::forbid(self.machine.files(), address.ip()))
    }

    /// An error for a connection that this machine's own rules forbid.
    pub(super) fn locked(&self, path: &str, error: io::Error) -> Error {
        let address = self.exchange.endpoint().authority();
        let (message, remedy) = if self.is_kept_by_the_host() {
            (
                format!("a prohibit route of this machine forbids the way to {address} ({error})"),
                self.when_kept(),
            )
        } else {
            (
                format!("this machine's own rules forbid the connection to {address} ({error})"),
                "no route forbids it: look for a sandbox (Landlock, a service's own restrictions), SELinux or a packet filter"
                    .to_owned(),
            )
        };
        self.error_at(path, Error::new(ErrorKind::Locked, message).with_remedy(remedy).with_source(error))
    }

    /// What helps where the host keeps the service to itself.
    fn when_kept(&self) -> String {
        let socket = self.imdsd.socket().display();
        let mark = imdsd::MARK;
        let asked = match imdsd::ASKED {
            true => format!(
                "if systemd-imdsd set it, start systemd-imdsd.socket, which is asked at {socket} but isn't there"
            ),
            false => format!(
                "if systemd-imdsd set it, a build with the cargo feature `varlink` asks it at {socket}"
            ),
        };
        format!(
            "{asked}; or, as root, pass it with --fwmark {mark}; or boot with systemd.imds.network=unlocked"
        )
    }

    fn refused_by_imdsd(&self, path: &str, refusal: Refusal) -> Error {
        let socket = self.imdsd.socket().display().to_string();
        let error =
            |kind, message: String| Error::new(kind, format!("{message} (systemd-imdsd at {socket})"));
        let error = match refusal {
            Refusal::NotThere(cause) => {
                // The next request finds out how things stand now.
                self.through_imdsd.store(false, Ordering::Relaxed);
                let address = self.exchange.endpoint().authority();
                let message = format!("a prohibit route of this machine forbids the way to {address}");
                Error::new(ErrorKind::Locked, message).with_remedy(self.when_kept()).with_source(cause)
            }
            Refusal::Untrusted(user) => {
                error(ErrorKind::Untrusted, format!("the socket belongs to the user {user}, not to root"))
                    .with_remedy("systemd's own socket belongs to root")
            }
            Refusal::NotPermitted => {
                error(ErrorKind::Locked, "this user may not ask for metadata".to_owned())
                    .with_remedy("ask as root, or permit the polkit action io.systemd.imds.get to this user")
            }
            Refusal::NotSupported => error(ErrorKind::Locked, "it knows of no service here".to_owned())
                .with_remedy(
                    "the route keeps the service from everybody; boot with systemd.imds.network=unlocked",
                ),
            Refusal::CommunicationFailure => {
                error(ErrorKind::Unreachable, "it can't reach the service itself".to_owned())
                    .with_remedy("`journalctl -u 'systemd-imdsd@*'` may say why")
            }
            Refusal::Timeout => error(ErrorKind::TimedOut, "the service didn't answer it in time".to_owned())
                .with_remedy("ask later"),
            Refusal::TimedOut => error(ErrorKind::TimedOut, "no answer within the deadline".to_owned())
                .with_remedy("raise --timeout, or ask later"),
            Refusal::TooLarge(limit) => {
                error(ErrorKind::TooLarge, format!("the answer is larger than {} KiB", limit / 1024))
                    .with_remedy("something else than the metadata service may answer on its address")
            }
            Refusal::Outside(below) => {
                error(ErrorKind::Locked, format!("it gives only what is below {below:?}"))
                    .with_remedy(format!("as root, pass the route with --fwmark {}", imdsd::MARK))
            }
            Refusal::Malformed(why) => {
                error(ErrorKind::Malformed, why).with_remedy("is that systemd-imdsd, and of which version?")
            }
            Refusal::Other(name) => error(ErrorKind::ServerError, format!("it failed with {name:?}"))
                .with_remedy("`journalctl -u 'systemd-imdsd@*'` may say why"),
            // These come back as statuses.
            Refusal::KeyNotFound => error(ErrorKind::Absent, "the service has no such value".to_owned()),
            Refusal::NotAvailable => error(ErrorKind::Disabled, "the service forbids it".to_owned()),
        };
        self.error_at(path, error)
    }

    fn error_at(&self, path: &str, error: Error) -> Error {
        let error = error.with_cloud(&self.cloud);
        if path.is_empty() { error } else { error.with_path(path) }
    }
}
