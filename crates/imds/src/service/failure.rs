//! From statuses and failures to typed errors: what happened, where, and what helps.
//!
//! | status | kind |
//! |---|---|
//! | 401 | unauthorised |
//! | 403 | disabled |
//! | 404 | absent |
//! | 400 to 407 on a part of the service that can be switched off alone | absent |
//! | 410 | gone |
//! | 429 | throttled |
//! | 408, 5xx | the service's own error |
//! | any other | malformed: not what this cloud's service says |

use std::time::Duration;

use imds_model::{Error, ErrorKind};

use super::Service;
use crate::secrets::Path;
use crate::transport::retry::Ending;
use crate::transport::tls;
use crate::transport::{Answer, Failure};

/// Where `Retry-After` is longer than this, it is a date or nonsense.
const LONGEST_RETRY_AFTER: u64 = 3600;

/// How a failure ended, for the retry table.
pub(crate) fn ending_of(failure: &Failure) -> Ending {
    match failure {
        Failure::NotConnected(_) | Failure::ConnectTimedOut(_) => Ending::NotConnected,
        Failure::Reset(_) | Failure::CutShort(_) => Ending::Reset,
        Failure::NoAnswer(_) => Ending::TimedOut,
        Failure::Forbidden(_)
        | Failure::Locked(_)
        | Failure::Egress(_)
        | Failure::Unprivileged(_)
        | Failure::TooLarge(_)
        | Failure::Untrusted(_)
        | Failure::NotTls(_)
        | Failure::NotHttp(_) => Ending::Hopeless,
    }
}

/// How long the service wants to be left alone, where it says so in seconds.
pub(crate) fn retry_after(answer: Option<&Answer>) -> Option<Duration> {
    let seconds: u64 = answer?.header("retry-after")?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds.min(LONGEST_RETRY_AFTER)))
}

impl Service {
    /// An error for a status that is no success.
    pub(super) fn refusal(&self, path: &str, answer: &Answer) -> Error {
        let status = answer.status.as_u16();
        if let Some(proxy) = &self.protocol.concealed_by
            && status == 403
            && answer.header("server").is_some_and(|server| server.starts_with(&**proxy))
        {
            return self.absent(path, &format!("{} conceals this value (403)", &**proxy));
        }
        if (400..=407).contains(&status)
            && status != 404
            && self.face_of(path).is_some_and(|face| self.faces.refuse(face, status))
        {
            let error =
                self.absent(path, &format!("this part of the service may be switched off ({status})"));
            return match self.protocol.when_disabled.as_deref() {
                Some(remedy) => error.with_remedy(remedy),
                None => error,
            };
        }
        self.of_status(path, status, retry_after(Some(answer)))
    }

    /// Why nothing can be had, where the service is made of parts and every one of them forbids what it is asked for.
    pub(crate) fn is_shut(&self, path: &str) -> Option<Error> {
        let documents = &self.description.documents;
        let is_all_there_is = || documents.iter().all(|(_, document)| self.face_of(&document.path).is_some());
        let status = self.faces.all_refuse(self.protocol.faces.len())?;
        is_all_there_is().then(|| self.of_status(path, status, None))
    }

    fn of_status(&self, path: &str, status: u16, rest: Option<Duration>) -> Error {
        let disabled = self.protocol.when_disabled.as_deref().or(Some(
            "the platform's settings, or a proxy or network policy on the way, may forbid it; look at `imds doctor`",
        ));
        let (kind, message, remedy) = match status {
            401 => (
                ErrorKind::Unauthorized,
                "the service wants a token and accepts none that it gave (401)".to_owned(),
                Some(
                    "another program may intercept the service; try again, or look at `imds detect --explain`",
                ),
            ),
            403 => (
                ErrorKind::Disabled,
                "the service is switched off or forbids the request (403)".to_owned(),
                disabled,
            ),
            404 => return self.absent(path, "the service has no such value (404)"),
            410 => (
                ErrorKind::Gone,
                "the service is being updated (410)".to_owned(),
                Some("it lasts 70 seconds at most; `imds wait` waits for it"),
            ),
            429 => {
                let message = match rest {
                    Some(time) => {
                        format!("too many requests (429); the service wants {}s of rest", time.as_secs())
                    }
                    None => "too many requests (429)".to_owned(),
                };
                (
                    ErrorKind::Throttled,
                    message,
                    Some("ask less often, or through one process for the whole machine"),
                )
            }
            408 | 500..=599 => {
                (ErrorKind::ServerError, format!("the service failed ({status})"), Some("try again later"))
            }
            300..=399 => (
                ErrorKind::Malformed,
                format!("the answer is a redirect ({status}), which is never followed"),
                Some("something else than the metadata service answers on its address"),
            ),
            _ => (
                ErrorKind::Malformed,
                format!("the service answered {status}, which it shouldn't"),
                Some("is this another cloud's service, or an older version of it?"),
            ),
        };
        let error = Error::new(kind, message).with_cloud(&self.cloud).with_path(path);
        match remedy {
            Some(remedy) => error.with_remedy(remedy),
            None => error,
        }
    }

    /// What helps when the answer isn't HTTP: TLS on the other side looks so.
    fn when_not_http(&self) -> &'static str {
        match self.exchange.endpoint().secured() {
            None if tls::SPOKEN => {
                "something else than the metadata service may answer on its address; a port that speaks TLS is asked with \
                 https://"
            }
            None => {
                "something else than the metadata service may answer on its address; a port that speaks TLS is asked with \
                 https://, by a build with the cargo feature `tls`"
            }
            Some(_) => "something else than the metadata service may answer on its address",
        }
    }

    /// The part of the service that the path is of, where parts can be switched off one by one.
    pub(super) fn face_of(&self, path: &str) -> Option<usize> {
        let faces = &self.protocol.faces;
        if faces.is_empty() {
            return None;
        }
        let path = Path::parse(path).ok()?;
        faces.iter().position(|face| path.is_any_of(std::slice::from_ref(face)))
    }

    pub(super) fn absent(&self, path: &str, why: &str) -> Error {
        Error::new(ErrorKind::Absent, why).with_cloud(&self.cloud).with_path(path)
    }

    /// An answer that isn't what this service says.
    pub(crate) fn malformed(&self, path: &str, why: impl Into<String>) -> Error {
        Error::new(ErrorKind::Malformed, why)
            .with_cloud(&self.cloud)
            .with_path(path)
            .with_remedy("something else than the metadata service may answer on its address")
    }

    /// Refuses an answer that lacks what every answer of this service carries.
    pub(super) fn checked(&self, path: &str, answer: Answer) -> Result<Answer, Error> {
        if answer.by_imdsd {
            return Ok(answer);
        }
        for (name, value) in self.protocol.reply_headers.iter() {
            if answer.header(name) != Some(&**value) {
                return Err(self.malformed(path, format!("the answer lacks the header {name}: {}", &**value)));
            }
        }
        Ok(answer)
    }

    /// An error for a request that got no answer.
    pub(crate) fn error_of(&self, path: &str, failure: Failure) -> Error {
        let address = || self.exchange.endpoint().authority().to_owned();
        // What helps at the cloud's own address is beside the point where another endpoint was given.
        let unreachable = match self.is_at_home() {
            true => self.protocol.when_unreachable.as_deref(),
            false => Some(
                "is the service running there? look at --endpoint, IMDS_URL and the cloud's own variables",
            ),
        };
        let seconds = |time: Duration| {
            if time.is_zero() {
                "the deadline".to_owned()
            } else {
                format!("{}s", (time.as_millis() as f64) / 1000.0)
            }
        };
        let (kind, message, remedy, source): (_, _, _, Option<Box<dyn std::error::Error + Send + Sync>>) =
            match failure {
                Failure::Forbidden(error) | Failure::Egress(error) => return error.with_cloud(&self.cloud),
                Failure::Locked(error) => return self.locked(path, error),
                Failure::Unprivileged(error) => (
                    ErrorKind::Locked,
                    format!(
                        "this path is answered only to a source port below 1024, which this process may not use ({error})"
                    ),
                    Some("ask as root, or with the capability CAP_NET_BIND_SERVICE"),
                    Some(error.into()),
                ),
                Failure::NotConnected(error) => (
                    ErrorKind::Unreachable,
                    format!("no connection to {} ({error})", address()),
                    unreachable,
                    Some(error.into()),
                ),
                Failure::ConnectTimedOut(time) => (
                    ErrorKind::Unreachable,
                    format!("no connection to {} within {}", address(), seconds(time)),
                    unreachable,
                    None,
                ),
                Failure::Reset(error) => (
                    ErrorKind::Unreachable,
                    "the connection was closed without an answer".to_owned(),
                    Some("try again; a proxy or a firewall in the path may close it"),
                    Some(error.into()),
                ),
                Failure::CutShort(error) => (
                    ErrorKind::Unreachable,
                    "the connection was closed in the middle of the answer".to_owned(),
                    Some("try again; a proxy or a firewall in the path may close it"),
                    Some(error.into()),
                ),
                Failure::NoAnswer(time) => (
                    ErrorKind::TimedOut,
                    format!("no answer within {}", seconds(time)),
                    Some("raise --timeout, or ask later"),
                    None,
                ),
                Failure::TooLarge(limit) => (
                    ErrorKind::TooLarge,
                    format!("the answer is larger than {} KiB", limit / 1024),
                    Some("something else than the metadata service may answer on its address"),
                    None,
                ),
                Failure::Untrusted(error) => (
                    ErrorKind::Malformed,
                    format!("whoever answers on {} can't prove to be it ({error})", address()),
                    Some(
                        "is it asked by the name in its certificate, and is the certificate's root among the system's?",
                    ),
                    Some(error.into()),
                ),
                Failure::NotTls(error) => (
                    ErrorKind::Malformed,
                    format!("{} doesn't speak TLS ({error})", address()),
                    Some("most metadata services speak plain http: give the endpoint as http://"),
                    Some(error.into()),
                ),
                Failure::NotHttp(error) => (
                    ErrorKind::Malformed,
                    "the answer isn't HTTP".to_owned(),
                    Some(self.when_not_http()),
                    Some(error),
                ),
            };
        let mut error = Error::new(kind, message).with_cloud(&self.cloud);
        if !path.is_empty() {
            error = error.with_path(path);
        }
        if let Some(remedy) = remedy {
            error = error.with_remedy(remedy.to_owned());
        }
        match source {
            Some(source) => error.with_source(Cause(source)),
            None => error,
        }
    }
}

/// A boxed cause as an error of its own.
#[derive(Debug)]
struct Cause(Box<dyn std::error::Error + Send + Sync>);

impl std::fmt::Display for Cause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Cause {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source()
    }
}
