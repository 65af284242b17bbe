//! Google's metadata server: one JSON document seen as a tree of kebab-case paths, with `ETag`s and long polls.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use hyper::body::Bytes;
use serde_json::Value;

use super::gcp_faces::Face;
use super::gcp_paths::{camel, children, flatten, is_directory, kebab, same};
use super::gcp_query::{self, Alt, Query};
use super::{Service, quirks, relative};
use crate::exchange::{Answer, Asked, Outcome};
use crate::{Error, document, request_path};

/// The document a scenario holds, and replies that recursive answers leave out.
const DOCUMENT: &str = "computeMetadata/v1";
const ACCOUNTS: &str = "instance/service-accounts/default/";

/// Where people put text under names of their own; labels are Yandex's.
const PEOPLES: &[&str] = &["attributes", "labels"];

const HEADER_MISSING: &str = "Missing Metadata-Flavor:Google header.";

/// Values a machine may gain while it runs, by their parent.
const OPTIONAL: &[(&str, &str)] = &[
    ("instance", "upcomingMaintenance"),
    ("instance", "description"),
    ("instance", "image"),
    ("instance", "maintenanceEvent"),
    ("instance", "preempted"),
    ("instance", "tags"),
    ("project", "projectId"),
    ("universe", "universeDomain"),
];

#[derive(Clone, Debug, Default)]
pub(super) struct Gcp {
    root: Value,
    /// Tokens and identities, by `token` and `identity`.
    hidden: BTreeMap<String, String>,
    face: Face,
}

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Quirks {
    /// Whose server answers.
    server: Face,
}

impl Service for Gcp {
    fn load(&mut self, name: &str, text: &str) -> Result<(), String> {
        if name == DOCUMENT {
            let root: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
            if !root.is_object() {
                return Err("it has to be a JSON object".to_owned());
            }
            self.root = root;
            return Ok(());
        }
        match name.strip_prefix(ACCOUNTS) {
            Some(kind @ ("token" | "identity")) => {
                self.hidden.insert(kind.to_owned(), text.to_owned());
                Ok(())
            }
            _ => Err(format!("known documents are {DOCUMENT}, {ACCOUNTS}token and {ACCOUNTS}identity")),
        }
    }

    fn configure(&mut self, table: toml::Table) -> Result<(), String> {
        let quirks: Quirks = quirks(table)?;
        self.face = quirks.server;
        Ok(())
    }

    fn answer(&mut self, asked: &Asked) -> Outcome {
        match self.reply(asked) {
            Outcome::Answer(answer) => self.face.dress(answer).into(),
            other => other,
        }
    }

    fn error(&self, status: u16) -> Answer {
        self.face.dress(error(status, "the request was refused"))
    }

    fn imitation(&self, body: Bytes) -> Answer {
        self.face.dress(good("application/json", body))
    }

    fn set(&mut self, path: &str, value: &str) -> Result<(), Error> {
        let inner = relative(path, &[DOCUMENT]);
        if inner == DOCUMENT
            || inner.starts_with(ACCOUNTS) && (inner.ends_with("/token") || inner.ends_with("/identity"))
        {
            return self.load(inner, value).map_err(|reason| Error::path(path, reason));
        }
        let segments: Vec<String> = inner.split('/').map(str::to_owned).collect();
        let keys = document::resolve(&self.root, &segments, same).or_else(|| self.new_key(&segments));
        let keys = keys.ok_or_else(|| Error::path(path, "the metadata server has no such value"))?;
        let old = document::get(&self.root, &keys);
        let attribute = keys.iter().rev().nth(1).is_some_and(|parent| PEOPLES.contains(&parent.as_str()));
        // Attributes are text, whatever they look like.
        let like = if attribute { Some(&Value::String(String::new())) } else { old };
        let new = document::parse_like(value, like).map_err(|reason| Error::path(path, reason))?;
        let before = old.and_then(document::scalar).unwrap_or_default();
        document::put(&mut self.root, &keys, new);
        self.repeat(&keys, &before, value);
        Ok(())
    }

    fn remove(&mut self, path: &str) -> bool {
        let inner = relative(path, &[DOCUMENT]);
        if let Some(kind) = inner.strip_prefix(ACCOUNTS)
            && self.hidden.remove(kind).is_some()
        {
            return true;
        }
        let segments: Vec<String> = inner.split('/').map(str::to_owned).collect();
        match document::resolve(&self.root, &segments, same) {
            Some(keys) => document::take(&mut self.root, &keys),
            None => false,
        }
    }

    fn clone_box(&self) -> Box<dyn Service> {
        Box::new(self.clone())
    }
}

impl Gcp {
    /// The server of another vendor that speaks Google's format.
    pub(super) fn imitation_of_google() -> Self {
        Self { face: Face::Imitation, ..Self::default() }
    }

    fn reply(&mut self, asked: &Asked) -> Outcome {
        let Some((segments, slash)) = request_path::segments(&asked.path) else {
            return not_found(&asked.path).into();
        };
        let names: Vec<&str> = segments.iter().map(String::as_str).collect();
        let inner = match names.as_slice() {
            [] if self.face.refuses(asked) => return forbidden(&asked.path, HEADER_MISSING).into(),
            [] => return good("application/text", self.face.roots().into()).into(),
            ["computeMetadata"] if slash => return good("application/text", "v1/\n".into()).into(),
            ["computeMetadata"] => return moved(asked).into(),
            ["computeMetadata", "v1", ..] => segments.get(2..).unwrap_or(&[]),
            _ => return not_found(&asked.path).into(),
        };
        if asked.header("x-forwarded-for").is_some() {
            return forbidden(&asked.path, "Requests with an X-Forwarded-For header are refused.").into();
        }
        let flavour = asked.header("metadata-flavor") == Some("Google");
        let older =
            asked.header("x-google-metadata-request").is_some_and(|value| value.eq_ignore_ascii_case("true"));
        if self.face.refuses(asked) || !flavour && !older {
            return forbidden(&asked.path, HEADER_MISSING).into();
        }
        if let ["computeMetadata", "v1", "instance", "guest-attributes", rest @ ..] = names.as_slice() {
            if !self.guest_attributes_enabled() {
                return forbidden(&asked.path, "Guest attributes endpoint access is disabled.").into();
            }
            if !asked.is_read() {
                return self.write_guest_attribute(asked, rest).into();
            }
        }
        if !asked.is_read() {
            return error(405, "The request method is not allowed here.").with("allow", "GET, HEAD").into();
        }
        match gcp_query::read(asked) {
            Ok(query) => self.read(asked, inner, slash, &query),
            Err(reason) => error(400, reason).into(),
        }
    }

    fn read(&self, asked: &Asked, inner: &[String], slash: bool, query: &Query) -> Outcome {
        if let Some(answer) = self.hidden(asked, inner, slash, query) {
            return answer.into();
        }
        let keys = document::resolve(&self.root, inner, same);
        let Some((keys, node)) =
            keys.and_then(|keys| Some((keys.clone(), document::get(&self.root, &keys)?)))
        else {
            return not_found(&asked.path).into();
        };
        let directory = is_directory(&keys, node);
        if directory && !slash && self.face.minds_slashes() {
            return moved(asked).into();
        }
        if !directory && slash && self.face.minds_slashes() {
            return not_found(&asked.path).into();
        }
        if directory && !query.recursive && (query.alt.is_some() || query.wait) {
            return error(400, "alt and wait_for_change on a directory need recursive=true.").into();
        }
        let etag = etag(node);
        if query.wait && !asked.wait_over {
            let known = asked.known_etag.as_ref().or(query.last_etag.as_ref());
            if known.is_none_or(|known| *known == etag) {
                return Outcome::Wait { etag, timeout: query.timeout };
            }
        }
        self.render(&keys, node, directory, query).with("etag", etag).into()
    }

    fn render(&self, keys: &[String], node: &Value, directory: bool, query: &Query) -> Answer {
        let json = |value: &Value| good("application/json", value.to_string().into());
        if directory && !query.recursive {
            return good("application/text", self.listing(keys, node).into());
        }
        // Network tags are the one value whose plain answer is JSON.
        let default = if query.recursive || keys == ["instance", "tags"] { Alt::Json } else { Alt::Text };
        match query.alt.unwrap_or(default) {
            Alt::Json => json(node),
            Alt::Text => {
                let mut lines = Vec::new();
                flatten(keys, node, "", &mut lines);
                let end = if directory { "\n" } else { "" };
                good("application/text", (lines.join("\n") + end).into())
            }
        }
    }

    fn listing(&self, keys: &[String], node: &Value) -> String {
        let mut names: Vec<String> = children(keys, node)
            .into_iter()
            .map(|(name, key, child)| {
                let below: Vec<String> = keys.iter().cloned().chain([key]).collect();
                if is_directory(&below, child) { format!("{name}/") } else { name }
            })
            .collect();
        if let ["instance", "serviceAccounts", _] =
            keys.iter().map(String::as_str).collect::<Vec<_>>().as_slice()
        {
            names.extend(self.hidden.keys().cloned());
        }
        if node.is_object() {
            names.sort();
        }
        names.iter().map(|name| format!("{name}\n")).collect()
    }

    /// Tokens and identity proofs of an attached account.
    fn hidden(&self, asked: &Asked, inner: &[String], slash: bool, query: &Query) -> Option<Answer> {
        let names: Vec<&str> = inner.iter().map(String::as_str).collect();
        let ["instance", "service-accounts", account, kind @ ("token" | "identity")] = names.as_slice()
        else {
            return None;
        };
        let attached = self.root.get("instance")?.get("serviceAccounts")?.get(*account).is_some();
        let Some(text) = self.hidden.get(*kind).filter(|_| attached && !(slash && self.face.minds_slashes()))
        else {
            return Some(not_found(&asked.path));
        };
        if *kind == "identity" && query.audience.is_empty() {
            return Some(error(400, "non-empty audience parameter required"));
        }
        let content_type = if *kind == "token" { "application/json" } else { "text/html" };
        Some(good(content_type, Bytes::copy_from_slice(text.as_bytes())))
    }

    fn guest_attributes_enabled(&self) -> bool {
        let enabled = |level| document::text(&self.root, &[level, "attributes", "enable-guest-attributes"]);
        ["instance", "project"].iter().any(|level| enabled(level).eq_ignore_ascii_case("true"))
    }

    fn write_guest_attribute(&mut self, asked: &Asked, names: &[&str]) -> Answer {
        let [namespace, key] = names else { return error(400, "A namespace and a key are wanted.") };
        let (namespace, key) = ((*namespace).to_owned(), (*key).to_owned());
        let path = ["instance".to_owned(), "guestAttributes".to_owned(), namespace, key];
        let Some(parent) = path.get(..3) else { return not_found(&asked.path) };
        match asked.method.as_str() {
            "PUT" => {
                for depth in [2, 3] {
                    let above = path.get(..depth).unwrap_or(&[]);
                    if document::get(&self.root, above).is_none() {
                        document::put(&mut self.root, above, Value::Object(serde_json::Map::new()));
                    }
                }
                let value = String::from_utf8_lossy(&asked.body).into_owned();
                document::put(&mut self.root, &path, value.into());
                good("text/html", Bytes::new())
            }
            "DELETE" => {
                if !document::take(&mut self.root, &path) {
                    return not_found(&asked.path);
                }
                if document::get(&self.root, parent)
                    .and_then(Value::as_object)
                    .is_some_and(serde_json::Map::is_empty)
                {
                    document::take(&mut self.root, parent);
                }
                good("text/html", Bytes::new())
            }
            _ => {
                error(405, "The request method is not allowed here.").with("allow", "GET, HEAD, PUT, DELETE")
            }
        }
    }

    /// A value this machine lacks but could have: any attribute, or one of the optional values.
    fn new_key(&self, segments: &[String]) -> Option<Vec<String>> {
        let (last, above) = segments.split_last()?;
        let mut keys = document::resolve(&self.root, above, same)?;
        let parent = keys.last()?.as_str();
        if PEOPLES.contains(&parent) {
            keys.push(last.clone());
        } else {
            let known = OPTIONAL.iter().find(|(of, key)| [*of] == keys.as_slice() && kebab(key) == *last);
            let address = parent.parse::<usize>().is_ok()
                && keys.iter().any(|key| key == "accessConfigs")
                && (last == "external-ip" || last == "type");
            let key = known.map(|(_, key)| (*key).to_owned()).or_else(|| address.then(|| camel(last)))?;
            keys.push(key);
        }
        Some(keys)
    }

    /// The host name repeats the instance's name, its zone and the project; the project's number stands in most paths, its
    /// id in the names of accounts.
    fn repeat(&mut self, keys: &[String], old: &str, new: &str) {
        let names: Vec<&str> = keys.iter().map(String::as_str).collect();
        let last = |text: &str| text.rsplit('/').next().unwrap_or("").to_owned();
        let (from, to) = match names.as_slice() {
            ["instance", "name"] => {
                let hostname = document::text(&self.root, &["instance", "hostname"]);
                if !hostname.starts_with(&format!("{old}.")) {
                    return;
                }
                (format!("{old}."), format!("{new}."))
            }
            ["instance", "zone"] => (format!(".{}.c.", last(old)), format!(".{}.c.", last(new))),
            ["project", "projectId"] => {
                let domain = |project: &str| format!("@{project}.iam.gserviceaccount.com");
                document::replace_everywhere(&mut self.root, &domain(old), &domain(new));
                (format!(".c.{old}.internal"), format!(".c.{new}.internal"))
            }
            ["project", "numericProjectId"] => {
                let path = |number: &str| format!("projects/{number}/");
                return document::replace_everywhere(&mut self.root, &path(old), &path(new));
            }
            _ => return,
        };
        document::replace_text(&mut self.root, &["instance", "hostname"], &from, &to);
    }
}

/// 16 hex digits over the content: equal content has an equal tag, in whatever form it is asked for.
fn etag(node: &Value) -> String {
    let mut hasher = DefaultHasher::new();
    node.to_string().hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

fn with_server(answer: Answer) -> Answer {
    answer
        .with("metadata-flavor", "Google")
        .with("server", "Metadata Server for VM")
        .with("x-xss-protection", "0")
        .with("x-frame-options", "SAMEORIGIN")
}

fn good(content_type: &str, body: Bytes) -> Answer {
    with_server(Answer::new(200, content_type, body))
}

fn moved(asked: &Asked) -> Answer {
    let host = asked.header("host").unwrap_or("metadata.google.internal");
    let query = if asked.query.is_empty() { String::new() } else { format!("?{}", asked.query) };
    let location = format!("http://{host}{}/{query}", asked.path);
    error(301, "The document has moved.").with("location", location)
}

fn not_found(path: &str) -> Answer {
    let path = request_path::html(path);
    error(404, &format!("The requested URL <code>{path}</code> was not found on this server."))
}

fn forbidden(path: &str, reason: &str) -> Answer {
    let path = request_path::html(path);
    error(
        403,
        &format!(
            "Your client does not have permission to get URL <code>{path}</code> from this server.  {reason}"
        ),
    )
}

/// The server's HTML page for a status; `text` is HTML.
fn error(status: u16, text: &str) -> Answer {
    let reason = hyper::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
    let title = format!("Error {status} ({})!!1", reason.unwrap_or("Error"));
    let page = format!(
        "<!DOCTYPE html>\n<html lang=en>\n  <meta charset=utf-8>\n  <title>{title}</title>\n  <p><b>{status}.</b></p>\n  \
         <p>{text}</p>\n</html>\n"
    );
    with_server(Answer::new(status, "text/html; charset=UTF-8", page))
}
