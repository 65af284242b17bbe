//! Azure's instance metadata service: one JSON document per category, versions, route filtering.

use std::collections::{BTreeMap, BTreeSet};

use hyper::body::Bytes;
use serde_json::{Value, json};

use super::azure_arc::Challenge;
use super::azure_repeats::{instance_keys, repeat, replace_address, set_tag};
use super::{Service, azure_versions as versions, quirks, relative};
use crate::exchange::{Answer, Asked, Outcome};
use crate::{Error, document, request_path};

/// Documents a scenario may hold, by their path below `/metadata/`.
const DOCUMENTS: &[&str] = &[
    "instance",
    "loadbalancer",
    "scheduledevents",
    "identity/info",
    "identity/oauth2/token",
    "attested/document",
];

/// What this service knows less than the newest public one.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Quirks {
    /// The versions it supports, oldest first; all when not given.
    versions: Option<Vec<String>>,
    /// Set where the agent of Azure Arc answers in place of the service.
    arc: Option<Challenge>,
}

#[derive(Clone, Debug)]
pub(super) struct Azure {
    documents: BTreeMap<String, Value>,
    versions: Vec<String>,
    arc: Option<Challenge>,
}

impl Default for Azure {
    fn default() -> Self {
        let versions = versions::ALL.iter().map(|version| (*version).to_owned()).collect();
        Self { documents: BTreeMap::new(), versions, arc: None }
    }
}

/// What the query asks for.
struct Query {
    version: Option<String>,
    text: bool,
    pairs: Vec<(String, String)>,
}

impl Query {
    fn get(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

impl Service for Azure {
    fn load(&mut self, name: &str, text: &str) -> Result<(), String> {
        if !DOCUMENTS.contains(&name) {
            return Err(format!("known documents are {}", DOCUMENTS.join(", ")));
        }
        let value: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if !value.is_object() {
            return Err("it has to be a JSON object".to_owned());
        }
        self.documents.insert(name.to_owned(), value);
        Ok(())
    }

    fn configure(&mut self, table: toml::Table) -> Result<(), String> {
        let quirks: Quirks = quirks(table)?;
        if let Some(versions) = quirks.versions {
            self.versions = versions;
        }
        self.arc = quirks.arc.or(self.arc.take());
        Ok(())
    }

    fn answer(&mut self, asked: &Asked) -> Outcome {
        let answer = self.reply(asked);
        self.signed(answer).into()
    }

    fn error(&self, status: u16) -> Answer {
        self.signed(error(status, None))
    }

    fn imitation(&self, body: Bytes) -> Answer {
        self.signed(json(200, body))
    }

    fn set(&mut self, path: &str, value: &str) -> Result<(), Error> {
        let inner = relative(path, &["metadata"]);
        if DOCUMENTS.contains(&inner) {
            return self.load(inner, value).map_err(|reason| Error::path(path, reason));
        }
        let no_such = || Error::path(path, "the instance document has no such value");
        let instance = self.documents.get_mut("instance").ok_or_else(no_such)?;
        if let Some(name) =
            ["tags.", "tags/", "compute.tags.", "compute/tags/"].iter().find_map(|t| inner.strip_prefix(t))
        {
            set_tag(instance, name, value);
            return Ok(());
        }
        let keys = instance_keys(instance, inner).ok_or_else(no_such)?;
        let old = document::get(instance, &keys);
        if old.is_some_and(Value::is_array) && !value.trim_start().starts_with('[') {
            return Err(Error::path(path, "a JSON array is wanted here"));
        }
        let new = document::parse_like(value, old).map_err(|reason| Error::path(path, reason))?;
        let before = old.and_then(document::scalar).unwrap_or_default();
        document::put(instance, &keys, new);
        repeat(instance, &keys, &before, value);
        if let [.., last] = keys.as_slice()
            && last == "privateIpAddress"
            && let Some(balancer) = self.documents.get_mut("loadbalancer")
        {
            replace_address(balancer, &before, value);
        }
        Ok(())
    }

    fn remove(&mut self, path: &str) -> bool {
        let inner = relative(path, &["metadata"]);
        if self.documents.remove(inner).is_some() {
            return true;
        }
        let Some(instance) = self.documents.get_mut("instance") else { return false };
        match instance_keys(instance, inner) {
            Some(keys) => document::take(instance, &keys),
            None => false,
        }
    }

    fn firmware_facts(&self) -> Vec<(&'static str, String)> {
        let instance = self.documents.get("instance").unwrap_or(&Value::Null);
        vec![("product_uuid", document::text(instance, &["compute", "vmId"]).to_owned())]
    }

    fn clone_box(&self) -> Box<dyn Service> {
        Box::new(self.clone())
    }
}

impl Azure {
    /// The agent of Arc doesn't say which server it is.
    fn signed(&self, mut answer: Answer) -> Answer {
        if self.arc.is_some() {
            answer.headers.retain(|(name, _)| *name != "server");
        }
        answer
    }

    fn reply(&mut self, asked: &Asked) -> Answer {
        let Some((segments, _)) = request_path::segments(&asked.path) else { return error(404, None) };
        let Some((root, rest)) = segments.split_first() else { return error(404, None) };
        if !root.eq_ignore_ascii_case("metadata") {
            return error(404, None);
        }
        if asked.header("x-forwarded-for").is_some() {
            return error(400, Some("Bad request. X-Forwarded-For header is not allowed"));
        }
        if !asked.header("metadata").is_some_and(|value| value.trim().eq_ignore_ascii_case("true")) {
            return error(400, Some("Bad request: . Required metadata header not specified"));
        }
        let query = match read_query(asked) {
            Ok(query) => query,
            Err(reason) => return error(400, Some(reason)),
        };
        let names: Vec<String> = rest.iter().map(|name| name.to_ascii_lowercase()).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let events = names == ["scheduledevents"];
        let approval = events && asked.method == "POST";
        if !asked.is_read() && !approval {
            let allow = if events { "GET, HEAD, POST" } else { "GET, HEAD" };
            return error(405, Some("Method not allowed")).with("allow", allow);
        }
        match names.as_slice() {
            ["versions"] => json(200, json!({ "apiVersions": self.versions }).to_string().into()),
            ["scheduledevents"] if self.arc.is_none() => self.events(asked, &query),
            [category, ..] => {
                let Some((_, first)) = versions::CATEGORIES.iter().find(|(known, _)| known == category)
                else {
                    return error(404, None);
                };
                let Some(version) = query
                    .version
                    .clone()
                    .filter(|version| version.as_str() >= *first && self.versions.contains(version))
                else {
                    return self.unsupported_version();
                };
                match self.arc.as_ref().filter(|_| *category == "identity").and_then(|arc| arc.refuse(asked))
                {
                    Some(refusal) => refusal,
                    None => self.category(&names, rest, &version, &query),
                }
            }
            [] => error(404, None),
        }
    }

    fn category(&self, names: &[&str], segments: &[String], version: &str, query: &Query) -> Answer {
        match names {
            ["instance", ..] => match self.documents.get("instance") {
                Some(document) => route(
                    &versions::instance(document, version),
                    segments.get(1..).unwrap_or(&[]),
                    query.text,
                ),
                None => error(404, None),
            },
            ["loadbalancer"] => match self.documents.get("loadbalancer") {
                Some(document) => json(200, document.to_string().into()),
                None => error(404, Some(NO_LOAD_BALANCER)),
            },
            ["attested", "document"] => self.whole("attested/document"),
            ["identity", "info"] => self.whole("identity/info"),
            ["identity", "oauth2", "token"] => self.token(query),
            _ => error(404, None),
        }
    }

    fn whole(&self, name: &str) -> Answer {
        match self.documents.get(name) {
            Some(document) => json(200, document.to_string().into()),
            None => error(404, None),
        }
    }

    fn token(&self, query: &Query) -> Answer {
        let refusal = |description: &str| {
            json(
                400,
                json!({ "error": "invalid_request", "error_description": description }).to_string().into(),
            )
        };
        let Some(resource) = query.get("resource").filter(|resource| !resource.is_empty()) else {
            return refusal("Required query variable 'resource' is missing");
        };
        match self.documents.get("identity/oauth2/token") {
            Some(document) => {
                let mut token = document.clone();
                document::put(&mut token, &["resource".to_owned()], resource.into());
                json(200, token.to_string().into())
            }
            None => refusal("Identity not found"),
        }
    }

    fn events(&mut self, asked: &Asked, query: &Query) -> Answer {
        let Some(version) =
            query.version.as_deref().filter(|version| versions::SCHEDULED_EVENTS.contains(version))
        else {
            return self.unsupported_version();
        };
        if asked.method == "POST" {
            return self.approve(&asked.body);
        }
        let document = self.documents.get("scheduledevents").cloned();
        let document = document.unwrap_or_else(|| json!({ "DocumentIncarnation": 1, "Events": [] }));
        json(200, versions::events(&document, version).to_string().into())
    }

    /// `StartRequests`: the events named start now.
    fn approve(&mut self, body: &[u8]) -> Answer {
        let request: Option<Value> = serde_json::from_slice(body).ok();
        let ids: Option<BTreeSet<String>> = request.as_ref().and_then(|request| {
            let starts = request.get("StartRequests")?.as_array()?;
            starts.iter().map(|start| Some(start.get("EventId")?.as_str()?.to_ascii_lowercase())).collect()
        });
        let Some(ids) = ids.filter(|ids| !ids.is_empty()) else {
            return error(400, Some("Bad request. StartRequests is malformed"));
        };
        let Some(document) = self.documents.get_mut("scheduledevents") else { return error(400, None) };
        let mut started = BTreeSet::new();
        let events = document.get_mut("Events").and_then(Value::as_array_mut);
        for event in events.into_iter().flatten() {
            let id = event.get("EventId").and_then(Value::as_str).unwrap_or("").to_ascii_lowercase();
            if ids.contains(&id)
                && let Some(event) = event.as_object_mut()
            {
                event.insert("EventStatus".to_owned(), "Started".into());
                event.insert("NotBefore".to_owned(), "".into());
                started.insert(id);
            }
        }
        if started != ids {
            return error(400, Some("Bad request. EventId is not a known event"));
        }
        let incarnation = document.get("DocumentIncarnation").and_then(Value::as_i64).unwrap_or(0);
        document::put(document, &["DocumentIncarnation".to_owned()], (incarnation + 1).into());
        json(200, Bytes::new())
    }

    fn unsupported_version(&self) -> Answer {
        let newest: Vec<&String> = self.versions.iter().rev().take(3).collect();
        let body = json!({
            "error": "Bad request. api-version is invalid or was not specified in the request. \
                      For more information refer to aka.ms/azureimds",
            "newest-versions": newest,
        });
        json(400, body.to_string().into())
    }
}

const NO_LOAD_BALANCER: &str = "No load balancer metadata is found. Check if your virtual machine is using any \
                                nonbasic SKU load balancer and retry later.";

fn read_query(asked: &Asked) -> Result<Query, &'static str> {
    let pairs = asked.query_pairs();
    let mut names = BTreeSet::new();
    if !pairs.iter().all(|(name, _)| names.insert(name.to_ascii_lowercase())) {
        return Err("Bad request. Duplicate query parameters are not allowed");
    }
    let mut query = Query { version: None, text: false, pairs };
    query.version = query.get("api-version").map(str::to_owned);
    query.text = match query.get("format").map(str::to_ascii_lowercase).as_deref() {
        None | Some("json") => false,
        Some("text") => true,
        Some(_) => return Err("Bad request. The format must be json or text"),
    };
    Ok(query)
}

/// Follows a route into the document. Leaves are served as text only, lists and objects also as JSON.
fn route(document: &Value, segments: &[String], text: bool) -> Answer {
    let same = |_: &[String], key: &str, segment: &str| key.eq_ignore_ascii_case(segment);
    let keys = document::resolve(document, segments, same);
    let Some(node) = keys.and_then(|keys| document::get(document, &keys)) else { return error(404, None) };
    match (document::scalar(node), text) {
        (Some(value), true) => plain(value),
        (Some(_), false) => error(400, Some("Bad request. Leaf values are available in format=text only")),
        (None, false) => json(200, node.to_string().into()),
        (None, true) => plain(key_listing(node)),
    }
}

fn key_listing(node: &Value) -> String {
    let line = |key: &str, child: &Value| {
        let slash = if document::scalar(child).is_none() { "/" } else { "" };
        format!("{key}{slash}")
    };
    let lines: Vec<String> = match node {
        Value::Object(map) => map.iter().map(|(key, child)| line(key, child)).collect(),
        Value::Array(items) => {
            items.iter().enumerate().map(|(at, child)| line(&at.to_string(), child)).collect()
        }
        _ => Vec::new(),
    };
    lines.join("\n")
}

fn plain(body: String) -> Answer {
    Answer::new(200, "text/plain; charset=utf-8", body).with("server", SERVER)
}

/// Not documented; seen in captures of replies.
const SERVER: &str = "IMDS/150.870.65.1854";

fn json(status: u16, body: Bytes) -> Answer {
    Answer::new(status, "application/json; charset=utf-8", body).with("server", SERVER)
}

fn error(status: u16, text: Option<&str>) -> Answer {
    let text = text.unwrap_or(match status {
        400 => "Bad request",
        404 => "Not found",
        410 => "Gone",
        429 => "Too many requests",
        500.. => "Internal server error",
        _ => "Request refused",
    });
    json(status, format!("{{ \"error\": {} }}", Value::from(text)).into())
}
