//! Faults as text, `KIND[:PATH][:TIMES]`, and back.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use hyper::header::{HeaderName, HeaderValue};

use super::{Fault, FaultKind};
use crate::Error;

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

/// A kind alone, as in a [`Fault`]'s text.
impl FromStr for FaultKind {
    type Err = Error;

    fn from_str(kind: &str) -> Result<Self, Error> {
        parse_kind(kind).map_err(|reason| Error::fault(kind, reason))
    }
}

/// As it is read from text; the body that a status may have been given isn't a part of it.
impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FaultKind::Status { code, retry_after: None, .. } => write!(f, "{code}"),
            FaultKind::Status { code, retry_after: Some(seconds), .. } => write!(f, "{code}={seconds}"),
            FaultKind::Delay(time) => write!(f, "delay={}ms", time.as_millis()),
            FaultKind::Hang => f.write_str("hang"),
            FaultKind::Reset => f.write_str("reset"),
            FaultKind::Close => f.write_str("close"),
            FaultKind::Truncate => f.write_str("truncate"),
            FaultKind::Huge(bytes) => write!(f, "huge={bytes}"),
            FaultKind::BadJson => f.write_str("bad-json"),
            FaultKind::DeepJson(depth) => write!(f, "deep-json={depth}"),
            FaultKind::Binary => f.write_str("binary"),
            FaultKind::Empty => f.write_str("empty"),
            FaultKind::Redirect(location) => write!(f, "redirect={location}"),
            FaultKind::ConnectionClose => f.write_str("connection-close"),
            FaultKind::DropReplies => f.write_str("drop-token"),
            FaultKind::ExpiredToken => f.write_str("expired-token"),
            FaultKind::Stall => f.write_str("stall"),
            FaultKind::Portal => f.write_str("portal"),
            FaultKind::Foreign(cloud) => write!(f, "foreign={cloud}"),
            FaultKind::ContentType(media) => write!(f, "content-type={media}"),
            FaultKind::ExtraHeader { name, value } => write!(f, "header={name}={value}"),
            FaultKind::WithoutHeader(None) => f.write_str("no-header"),
            FaultKind::WithoutHeader(Some(name)) => write!(f, "no-header={name}"),
            FaultKind::DuplicateHeaders => f.write_str("duplicate-headers"),
            FaultKind::Slow { bytes, .. } => write!(f, "slow={bytes}"),
        }
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
        "foreign" => {
            let cloud = value.ok_or("`foreign` needs a cloud, as in `foreign=gcp`")?;
            return cloud.parse().map(FaultKind::Foreign).map_err(|error: Error| error.to_string());
        }
        "content-type" => return header_value(value.unwrap_or("text/html")).map(FaultKind::ContentType),
        "header" => {
            let (name, value) = value
                .and_then(|header| header.split_once('='))
                .ok_or("`header` needs a name and a value, as in `header=Server=other`")?;
            return Ok(FaultKind::ExtraHeader { name: header_name(name)?, value: header_value(value)? });
        }
        "no-header" => return value.map(header_name).transpose().map(FaultKind::WithoutHeader),
        "hang" => FaultKind::Hang,
        "stall" => FaultKind::Stall,
        "portal" => FaultKind::Portal,
        "expired-token" => FaultKind::ExpiredToken,
        "duplicate-headers" => FaultKind::DuplicateHeaders,
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
                "unknown kind `{name}`; known: a status, delay=TIME, hang, stall, reset, close, truncate, slow, huge, bad-json, \
                 deep-json, binary, empty, portal, redirect, foreign=CLOUD, expired-token, drop-token, content-type, \
                 header=NAME=VALUE, no-header, duplicate-headers, connection-close"
            ));
        }
    };
    match value {
        Some(_) => Err(format!("`{name}` takes no value")),
        None => Ok(kind),
    }
}

fn header_name(text: &str) -> Result<String, String> {
    let name =
        HeaderName::from_bytes(text.as_bytes()).map_err(|_| format!("`{text}` is no header's name"))?;
    Ok(name.as_str().to_owned())
}

fn header_value(text: &str) -> Result<String, String> {
    match HeaderValue::from_str(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err(format!("`{text}` is no header's value")),
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
    use crate::Cloud;

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
            ("expired-token:1", Fault::new(FaultKind::ExpiredToken).times(1)),
            ("foreign=gcp:/latest", Fault::new(FaultKind::Foreign(Cloud::Gcp)).path("/latest")),
            ("content-type", Fault::new(FaultKind::ContentType("text/html".into()))),
            (
                "header=Server=a=b:/x",
                Fault::new(FaultKind::ExtraHeader { name: "server".into(), value: "a=b".into() }).path("/x"),
            ),
            ("no-header", Fault::new(FaultKind::WithoutHeader(None))),
            ("no-header=ETag", Fault::new(FaultKind::WithoutHeader(Some("etag".into())))),
        ];
        for (text, expected) in rows {
            assert_eq!(text.parse::<Fault>().unwrap(), expected, "{text}");
            assert_eq!(expected.kind().to_string().parse(), Ok(expected.kind().clone()), "{text}");
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
            "foreign",
            "foreign=mars",
            "header=x",
            "header=a b=c",
            "header=a=b\nc",
            "no-header=a b",
            "portal=1",
        ] {
            let error = text.parse::<Fault>().unwrap_err().to_string();
            assert!(error.starts_with("fault `"), "{text}: {error}");
        }
    }
}
