//! From a request to its answer. Each does what one method of [`Fake`] does.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use crate::{Error, Event, EventKind, Fake, Fault, FaultKind, InForce, Recorded};

/// An answer: always JSON.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) body: Value,
    /// The methods that this path has, where another was used.
    pub(super) allow: Option<&'static str>,
}

impl Reply {
    fn new(status: u16, body: Value) -> Self {
        Self { status, body, allow: None }
    }

    pub(super) fn error(status: u16, why: impl Into<String>) -> Self {
        Self::new(status, json!({ "error": why.into() }))
    }
}

const ENDPOINTS: [(&str, &str); 6] = [
    ("/", "GET"),
    ("/faults", "GET, POST, DELETE"),
    ("/requests", "GET, DELETE"),
    ("/set", "POST"),
    ("/expire-tokens", "POST"),
    ("/events", "POST"),
];

pub(super) fn answer(fake: &Fake, method: &str, path: &str, body: &[u8]) -> Reply {
    let given = || -> Result<Value, String> {
        serde_json::from_slice(body).map_err(|error| format!("the body is no JSON: {error}"))
    };
    let done = match (method, path) {
        ("GET", "/") => Ok(Reply::new(200, about(fake))),
        ("GET", "/faults") => Ok(Reply::new(200, faults(&fake.faults()))),
        ("POST", "/faults") => given().and_then(|given| inject(fake, &given)),
        ("DELETE", "/faults") => {
            fake.clear_faults();
            Ok(Reply::new(200, faults(&[])))
        }
        ("GET", "/requests") => Ok(Reply::new(200, requests(fake))),
        ("DELETE", "/requests") => {
            fake.forget_requests();
            Ok(Reply::new(200, requests(fake)))
        }
        ("POST", "/set") => given().and_then(|given| set(fake, &given)),
        ("POST", "/expire-tokens") => {
            fake.revoke_tokens();
            Ok(Reply::new(200, json!({})))
        }
        ("POST", "/events") => given().and_then(|given| announce(fake, &given)),
        _ => return elsewhere(fake, method, path),
    };
    done.unwrap_or_else(|why| Reply::error(400, why))
}

/// A single fault, or nothing that is known here.
fn elsewhere(fake: &Fake, method: &str, path: &str) -> Reply {
    if let Some(id) = path.strip_prefix("/faults/") {
        if method != "DELETE" {
            return Reply {
                allow: Some("DELETE"),
                ..Reply::error(405, "a single fault can only be deleted")
            };
        }
        return match id.parse() {
            Ok(id) if fake.clear_fault(id) => Reply::new(200, faults(&fake.faults())),
            _ => Reply::error(404, format!("there is no fault {id}")),
        };
    }
    match ENDPOINTS.iter().find(|(known, _)| *known == path) {
        Some((_, methods)) => {
            Reply { allow: Some(methods), ..Reply::error(405, format!("{path} takes {methods}")) }
        }
        None => {
            let known: Vec<&str> = ENDPOINTS.iter().map(|(known, _)| *known).collect();
            Reply::error(404, format!("there is no {path}; there are {}", known.join(", ")))
        }
    }
}

fn about(fake: &Fake) -> Value {
    let mut endpoints = BTreeMap::new();
    endpoints.extend(ENDPOINTS);
    json!({ "cloud": fake.cloud().name(), "url": fake.url(), "endpoints": endpoints })
}

fn faults(all: &[InForce]) -> Value {
    let each = all.iter().map(|it| {
        let fault = it.fault();
        json!({
            "id": it.id(),
            "kind": fault.kind().to_string(),
            "path": fault.only_path(),
            "method": fault.only_method(),
            "left": fault.left(),
            "struck": it.struck(),
        })
    });
    json!({ "faults": each.collect::<Vec<_>>() })
}

/// All of them, or none where one is wrong.
fn inject(fake: &Fake, given: &Value) -> Result<Reply, String> {
    let wanted: Vec<&Value> = match given {
        Value::Array(list) => list.iter().collect(),
        one => vec![one],
    };
    let wanted: Vec<Fault> = wanted.into_iter().map(fault).collect::<Result<_, String>>()?;
    let ids: Vec<u64> = wanted.into_iter().map(|fault| fake.inject(fault)).collect();
    let new: Vec<InForce> = fake.faults().into_iter().filter(|fault| ids.contains(&fault.id())).collect();
    Ok(Reply::new(201, faults(&new)))
}

fn fault(given: &Value) -> Result<Fault, String> {
    let said = |error: Error| error.to_string();
    let members = match given {
        Value::String(text) => return text.parse().map_err(said),
        Value::Object(members) => members,
        _ => return Err("a fault is a text such as \"503:/latest:2\", or an object with `kind`".to_owned()),
    };
    known_members(members, &["kind", "path", "method", "times", "body"])?;
    let text = |name| text_of(members, name);
    let mut kind: FaultKind = text("kind")?.ok_or("a fault needs a `kind`")?.parse().map_err(said)?;
    if let Some(given) = text("body")? {
        match &mut kind {
            FaultKind::Status { body, .. } => *body = Some(given.to_owned()),
            _ => return Err("only a status has a `body`".to_owned()),
        }
    }
    let mut fault = Fault::new(kind);
    if let Some(path) = text("path")? {
        if !path.starts_with('/') {
            return Err("`path` has to begin with a slash".to_owned());
        }
        fault = fault.path(path);
    }
    if let Some(method) = text("method")? {
        fault = fault.method(method);
    }
    match members.get("times") {
        None | Some(Value::Null) => Ok(fault),
        Some(times) => {
            let times = times.as_u64().and_then(|times| u32::try_from(times).ok());
            Ok(fault.times(times.ok_or("`times` is a whole number")?))
        }
    }
}

fn requests(fake: &Fake) -> Value {
    let all = fake.requests();
    let mut by_path: BTreeMap<&str, usize> = BTreeMap::new();
    for request in &all {
        *by_path.entry(request.path_only()).or_default() += 1;
    }
    let one = |request: &Recorded| {
        // What a real client may have sent as its token is nobody else's business.
        json!({
            "method": request.method(),
            "path": request.path(),
            "token": request.sent_token(),
            "user_agent": request.header("user-agent"),
            "connection": request.connection(),
        })
    };
    json!({
        "count": all.len(),
        "connections": fake.connections(),
        "by_path": by_path,
        "requests": all.iter().map(one).collect::<Vec<_>>(),
    })
}

/// One after the other; what stands before one that is refused is done.
fn set(fake: &Fake, given: &Value) -> Result<Reply, String> {
    let changes = given.as_object().ok_or("an object of paths and values is wanted")?;
    for (path, value) in changes {
        let done = match value {
            Value::Null => fake.remove(path),
            Value::String(text) => fake.set(path, text),
            other => fake.set(path, &other.to_string()),
        };
        done.map_err(|error| error.to_string())?;
    }
    Ok(Reply::new(200, json!({ "set": changes.keys().collect::<Vec<_>>() })))
}

fn announce(fake: &Fake, given: &Value) -> Result<Reply, String> {
    let members = given.as_object().ok_or("an object with `kind` is wanted")?;
    known_members(members, &["kind", "in_seconds"])?;
    let kind = text_of(members, "kind")?.ok_or("an event needs a `kind`")?;
    let kind: EventKind = kind.parse().map_err(|error: Error| error.to_string())?;
    let mut event = Event::new(kind);
    if let Some(seconds) = members.get("in_seconds") {
        let at = seconds.as_u64().and_then(|seconds| {
            // Dates beyond the year 9999 can't be spelled.
            SystemTime::now().checked_add(Duration::from_secs(seconds)).filter(|_| seconds < 10_000_000_000)
        });
        event = event.at(at.ok_or("`in_seconds` is a whole number")?);
    }
    fake.announce(&event).map_err(|error| error.to_string())?;
    Ok(Reply::new(200, json!({ "announced": kind.name() })))
}

fn known_members(members: &serde_json::Map<String, Value>, known: &[&str]) -> Result<(), String> {
    match members.keys().find(|name| !known.contains(&name.as_str())) {
        Some(unknown) => Err(format!("unknown member `{unknown}`; known: {}", known.join(", "))),
        None => Ok(()),
    }
}

fn text_of<'a>(members: &'a serde_json::Map<String, Value>, name: &str) -> Result<Option<&'a str>, String> {
    match members.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(format!("`{name}` is a text")),
    }
}
