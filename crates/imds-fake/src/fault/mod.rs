//! Misbehaviour on demand: what can go wrong. `text` reads and writes it, `queue` says whom it strikes.

mod queue;
mod text;

use std::time::Duration;

pub use queue::InForce;
pub(crate) use queue::{Faults, Strike};

use crate::Cloud;
use crate::exchange::Asked;
use crate::token;

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FaultKind {
    /// Answers with this status. Without a `body` it is the error page of the imitated service.
    Status {
        /// The status, 100 to 999.
        code: u16,
        /// Seconds for a `Retry-After` header.
        retry_after: Option<u64>,
        /// The whole body.
        body: Option<String>,
    },
    /// Waits, then goes on as if nothing were wrong (further faults included).
    Delay(Duration),
    /// Takes the request and never answers; the connection stays open.
    Hang,
    /// Takes the request and resets the connection (RST).
    Reset,
    /// Takes the request and closes the connection in order, without an answer.
    Close,
    /// Sends the real answer's first half and closes, though `Content-Length` promised the whole.
    Truncate,
    /// Sends that many bytes of filler, without saying how many there will be.
    Huge(u64),
    /// Answers 200 with JSON that ends in the middle.
    BadJson,
    /// Answers 200 with arrays nested that deep.
    DeepJson(usize),
    /// Answers 200 with bytes that are no UTF-8.
    Binary,
    /// Answers 200 with nothing.
    Empty,
    /// Answers 302 with this `Location`.
    Redirect(String),
    /// Gives the real answer and closes the connection after it, saying so.
    ConnectionClose,
    /// Never answers the session token request, and only that: what a packet hop limit does to a client behind a bridge.
    DropReplies,
    /// Makes every session token issued so far invalid just before a request that carries one is answered, then goes on
    /// (further faults included). Does nothing where there are no session tokens.
    ExpiredToken,
    /// Sends the real answer's first half, and then nothing more; the connection stays open.
    Stall,
    /// Answers 200 with a small HTML page of somebody else's, as captive portals do.
    Portal,
    /// Answers as the plain machine of this other cloud would.
    Foreign(Cloud),
    /// Says that the real answer is of this type.
    ContentType(String),
    /// Adds a header to the real answer, behind one of that name if there is one.
    ExtraHeader {
        /// Its name.
        name: String,
        /// Its value.
        value: String,
    },
    /// Leaves this header out of the real answer; without a name, all but those of HTTP itself.
    WithoutHeader(Option<String>),
    /// Sends every header of the real answer twice, but those of HTTP itself.
    DuplicateHeaders,
    /// Drips the real answer, `bytes` at a time.
    Slow {
        /// Bytes per piece.
        bytes: usize,
        /// Pause after each piece.
        every: Duration,
    },
}

/// A fault on demand: what goes wrong, for which requests, and how often.
///
/// From text it is `KIND[:PATH][:TIMES]`. `KIND` is a status (`503`; `429=2` also sends `Retry-After: 2`), or one of
/// `delay=2s`, `hang`, `stall`, `reset`, `close`, `truncate`, `slow[=BYTES]`, `huge[=BYTES]`, `bad-json`,
/// `deep-json[=DEPTH]`, `binary`, `empty`, `portal`, `redirect[=LOCATION]`, `foreign=CLOUD`, `expired-token`, `drop-token`,
/// `content-type[=TYPE]`, `header=NAME=VALUE`, `no-header[=NAME]`, `duplicate-headers`, `connection-close`. `PATH` begins with
/// `/` and stands for itself and everything it is a prefix of; a path that itself ends in `:` and digits needs `TIMES` after it.
///
/// ```
/// use imds_fake::{Fault, FaultKind};
/// let fault: Fault = "429=1:/metadata/instance:2".parse().unwrap();
/// let kind = FaultKind::Status { code: 429, retry_after: Some(1), body: None };
/// assert_eq!(fault, Fault::new(kind).path("/metadata/instance").times(2));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    kind: FaultKind,
    path: Option<String>,
    method: Option<String>,
    /// How many requests are still affected; `None` is all of them.
    left: Option<u32>,
}

impl Fault {
    /// A fault of every request, until it is cleared.
    #[must_use]
    pub fn new(kind: FaultKind) -> Self {
        Self { kind, path: None, method: None, left: None }
    }

    /// Only requests whose path (as sent, without query) is this one or begins with it.
    #[must_use]
    pub fn path(mut self, prefix_or_exact: &str) -> Self {
        self.path = Some(prefix_or_exact.to_owned());
        self
    }

    /// Only the first `n` requests that match; afterwards the service is itself again.
    #[must_use]
    pub fn times(mut self, n: u32) -> Self {
        self.left = Some(n);
        self
    }

    /// Only requests of this method, e.g. `PUT`.
    #[must_use]
    pub fn method(mut self, method: &str) -> Self {
        self.method = Some(method.to_ascii_uppercase());
        self
    }

    /// What goes wrong.
    #[must_use]
    pub fn kind(&self) -> &FaultKind {
        &self.kind
    }

    /// Which requests, by the beginning of their path; `None` is all.
    #[must_use]
    pub fn only_path(&self) -> Option<&str> {
        self.path.as_deref()
    }

    /// Which requests, by their method; `None` is all.
    #[must_use]
    pub fn only_method(&self) -> Option<&str> {
        self.method.as_deref()
    }

    /// How many requests it will still strike; `None` is all of them.
    #[must_use]
    pub fn left(&self) -> Option<u32> {
        self.left
    }

    fn affects(&self, asked: &Asked) -> bool {
        self.left != Some(0)
            && self.path.as_ref().is_none_or(|path| asked.path.starts_with(path.as_str()))
            && self.method.as_ref().is_none_or(|method| *method == asked.method)
            && match self.kind {
                FaultKind::DropReplies => token::is_request(&asked.method, &asked.path),
                FaultKind::ExpiredToken => {
                    asked.headers.iter().any(|(name, value)| token::is_carrier(name, value))
                }
                _ => true,
            }
    }
}
