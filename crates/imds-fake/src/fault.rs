//! Misbehaviour on demand.

use std::str::FromStr;
use std::time::Duration;

use crate::Error;
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
/// `delay=2s`, `hang`, `reset`, `close`, `truncate`, `huge[=BYTES]`, `bad-json`, `deep-json[=DEPTH]`, `binary`, `empty`,
/// `redirect[=LOCATION]`, `connection-close`, `drop-token`, `slow[=BYTES]`. `PATH` begins with `/` and stands for itself
/// and everything it is a prefix of; a path that itself ends in `:` and digits needs `TIMES` after it.
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

    fn affects(&self, asked: &Asked) -> bool {
        let token_only = matches!(self.kind, FaultKind::DropReplies);
        self.left != Some(0)
            && self.path.as_ref().is_none_or(|path| asked.path.starts_with(path.as_str()))
            && self.method.as_ref().is_none_or(|method| *method == asked.method)
            && (!token_only || token::is_request(&asked.method, &asked.path))
    }
}

/// The faults in force, in the order in which they were injected.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<Fault>);

impl Faults {
    pub(crate) fn push(&mut self, fault: Fault) {
        self.0.push(fault);
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// What this request suffers: every delay that matches, up to the first fault of another kind.
    pub(crate) fn strike(&mut self, asked: &Asked) -> (Duration, Option<FaultKind>) {
        let mut delay = Duration::ZERO;
        for fault in self.0.iter_mut().filter(|fault| fault.affects(asked)) {
            fault.left = fault.left.map(|left| left - 1);
            match &fault.kind {
                FaultKind::Delay(time) => delay = delay.saturating_add(*time),
                kind => return (delay, Some(kind.clone())),
            }
        }
        (delay, None)
    }
}

impl FromStr for Fault {
    type Err = Error;

    fn from_str(spec: &str) -> Result<Self, Error> {
        let (kind, rest) = split_kind(spec);
        let (path, times) = match rest.rsplit_once(':') {
            Some((path, times)) if is_number(times) => (path, Some(times)),
            None if is_number(rest) => ("", Some(rest)),
            _ => (rest, None),
        };
        let mut fault = Fault::new(parse_kind(kind).map_err(|reason| Error::fault(spec, reason))?);
        if !path.is_empty() {
            if !path.starts_with('/') {
                return Err(Error::fault(
                    spec,
                    "the path has to begin with a slash; the form is KIND[:PATH][:TIMES]",
                ));
            }
            fault = fault.path(path);
        }
        if let Some(times) = times {
            fault = fault
                .times(times.parse().map_err(|_| Error::fault(spec, "the number of times is too large"))?);
        }
        Ok(fault)
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The kind ends at the first colon, but for the one in the scheme of a redirect's location and before its port.
fn split_kind(spec: &str) -> (&str, &str) {
    let end = match spec.strip_prefix("redirect=").and_then(|location| location.find("://")) {
        Some(scheme) => {
            let authority = "redirect=".len() + scheme + 3;
            spec.get(authority..).and_then(|rest| rest.find(":/")).map(|at| authority + at)
        }
        None => spec.find(':'),
    };
    match end {
        Some(end) => (spec.get(..end).unwrap_or(spec), spec.get(end + 1..).unwrap_or("")),
        None => (spec, ""),
    }
}

fn parse_kind(text: &str) -> Result<FaultKind, String> {
    let (name, value) = match text.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (text, None),
    };
    let number = |default: u64| match value {
        Some(value) => value.parse::<u64>().map_err(|_| format!("`{value}` is not a number")),
        None => Ok(default),
    };
    if is_number(name) {
        let code = name.parse().ok().filter(|code| (100..=999).contains(code));
        let code = code.ok_or_else(|| format!("`{name}` is not an HTTP status"))?;
        let retry_after = value.map(|_| number(0)).transpose()?;
        return Ok(FaultKind::Status { code, retry_after, body: None });
    }
    let to_usize = |number: u64| usize::try_from(number).map_err(|_| "the number is too large".to_owned());
    let kind = match name {
        "delay" => return parse_duration(value.unwrap_or("1s")).map(FaultKind::Delay),
        "huge" => return number(64 << 20).map(FaultKind::Huge),
        "deep-json" => return number(100_000).and_then(to_usize).map(FaultKind::DeepJson),
        "redirect" => return Ok(FaultKind::Redirect(value.unwrap_or("/elsewhere").to_owned())),
        "slow" => {
            let bytes = number(16).and_then(to_usize)?;
            return Ok(FaultKind::Slow { bytes, every: Duration::from_millis(100) });
        }
        "hang" => FaultKind::Hang,
        "reset" => FaultKind::Reset,
        "close" => FaultKind::Close,
        "truncate" => FaultKind::Truncate,
        "bad-json" => FaultKind::BadJson,
        "binary" => FaultKind::Binary,
        "empty" => FaultKind::Empty,
        "connection-close" => FaultKind::ConnectionClose,
        "drop-token" => FaultKind::DropReplies,
        _ => {
            return Err(format!(
                "unknown kind `{name}`; known: a status, delay=TIME, hang, reset, close, truncate, huge, bad-json, \
                 deep-json, binary, empty, redirect, connection-close, drop-token, slow"
            ));
        }
    };
    match value {
        Some(_) => Err(format!("`{name}` takes no value")),
        None => Ok(kind),
    }
}

/// `250ms`, `2s`, `1m`, or bare seconds.
fn parse_duration(text: &str) -> Result<Duration, String> {
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(split);
    let wrong = || format!("`{text}` is not a time such as 250ms, 2s or 1m");
    let number: u64 = digits.parse().map_err(|_| wrong())?;
    match unit {
        "ms" => Ok(Duration::from_millis(number)),
        "s" | "" => Ok(Duration::from_secs(number)),
        "m" => Ok(Duration::from_secs(number.saturating_mul(60))),
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(code: u16) -> FaultKind {
        FaultKind::Status { code, retry_after: None, body: None }
    }

    #[test]
    fn every_form_of_the_text_is_read() {
        let rows = [
            ("503", Fault::new(status(503))),
            ("503:2", Fault::new(status(503)).times(2)),
            ("503::2", Fault::new(status(503)).times(2)),
            ("404:/latest/a", Fault::new(status(404)).path("/latest/a")),
            ("hang:/macs/06:1a:5e/x:3", Fault::new(FaultKind::Hang).path("/macs/06:1a:5e/x").times(3)),
            ("delay=250ms", Fault::new(FaultKind::Delay(Duration::from_millis(250)))),
            ("huge=10", Fault::new(FaultKind::Huge(10))),
            ("deep-json=5:/a", Fault::new(FaultKind::DeepJson(5)).path("/a")),
            ("redirect", Fault::new(FaultKind::Redirect("/elsewhere".into()))),
            ("redirect=/x:/a:1", Fault::new(FaultKind::Redirect("/x".into())).path("/a").times(1)),
            (
                "redirect=http://127.0.0.1:1/x:/a",
                Fault::new(FaultKind::Redirect("http://127.0.0.1:1/x".into())).path("/a"),
            ),
            ("drop-token", Fault::new(FaultKind::DropReplies)),
        ];
        for (text, expected) in rows {
            assert_eq!(text.parse::<Fault>().unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn nonsense_is_refused_with_a_reason() {
        for text in [
            "",
            "nonsense",
            "99",
            "1000",
            "503=x",
            "hang=1",
            "503:latest",
            "delay=soon",
            "503:/a:99999999999",
        ] {
            let error = text.parse::<Fault>().unwrap_err().to_string();
            assert!(error.starts_with("fault `"), "{text}: {error}");
        }
    }

    #[test]
    fn a_fault_wears_out_and_the_next_one_follows() {
        let mut faults = Faults::default();
        faults.push(Fault::new(FaultKind::Delay(Duration::from_secs(1))).times(1));
        faults.push(Fault::new(status(503)).path("/a").times(1));
        faults.push(Fault::new(status(404)).method("put"));
        let get = Asked { method: "GET".into(), path: "/abc".into(), ..Asked::default() };
        assert_eq!(faults.strike(&get), (Duration::from_secs(1), Some(status(503))));
        assert_eq!(faults.strike(&get), (Duration::ZERO, None));
        let put = Asked { method: "PUT".into(), ..get };
        assert_eq!(faults.strike(&put), (Duration::ZERO, Some(status(404))));
    }
}
