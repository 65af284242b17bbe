//! Oracle's metadata service: JSON documents whose keys are also paths, behind a fixed header. Version 1 and the
//! OpenStack tree are older, want no header, and are off on most machines (OCI, "Getting instance metadata").

use hyper::body::Bytes;
use serde_json::Value;

use super::{Service, quirks, relative};
use crate::exchange::{Answer, Asked, Outcome, phrase};
use crate::json_tree::{JsonTree, Spelling};
use crate::tree::Tree;
use crate::{Error, document, request_path};

const ROOT: &str = "opc/v2";
/// JSON documents below the root.
const DOCUMENTS: &[&str] = &["instance", "vnics", "volumeAttachments", "host"];

const SPELLING: Spelling = Spelling {
    renamed: &[],
    optional: &[
        "instance/freeformTags/*",
        "instance/definedTags/*/*",
        "instance/metadata/*",
        "instance/instancePoolId",
        "instance/tenantId",
        "instance/image",
    ],
};

const ALIKE: &[&[&str]] =
    &[&["instance/canonicalRegionName", "instance/region", "instance/regionInfo/regionIdentifier"]];

/// Headers by which a proxy would show.
const FORWARDED: &[&str] = &["forwarded", "x-forwarded-for", "x-forwarded-host"];

/// Instance options of OCI.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Quirks {
    /// Whether `/opc/v1` and `/openstack` answer; `areLegacyImdsEndpointsDisabled` in the API.
    legacy_endpoints: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Oracle {
    data: JsonTree,
    /// PEM files below `opc/v2/identity`, and the older documents below `openstack`.
    files: Tree,
    legacy_endpoints: bool,
}

impl Default for Oracle {
    fn default() -> Self {
        Self { data: JsonTree::new(&SPELLING), files: Tree::default(), legacy_endpoints: false }
    }
}

impl Service for Oracle {
    fn load(&mut self, name: &str, text: &str) -> Result<(), String> {
        let inner = relative(name, &[ROOT]);
        if DOCUMENTS.contains(&inner) {
            self.data.load_under(inner, text)
        } else if inner.starts_with("identity/") || inner.starts_with("openstack/") {
            self.files.put(inner, text).map_err(str::to_owned)
        } else {
            Err(format!("known documents are {ROOT}/identity/…, openstack/… and {}", DOCUMENTS.join(", ")))
        }
    }

    fn configure(&mut self, table: toml::Table) -> Result<(), String> {
        let quirks: Quirks = quirks(table)?;
        self.legacy_endpoints = quirks.legacy_endpoints;
        Ok(())
    }

    fn answer(&mut self, asked: &Asked) -> Outcome {
        let Some((segments, _)) = request_path::segments(&asked.path) else { return error(404).into() };
        let names: Vec<&str> = segments.iter().map(String::as_str).collect();
        let legacy = matches!(names.as_slice(), ["opc", "v1", ..] | ["openstack", ..]);
        if FORWARDED.iter().any(|name| asked.header(name).is_some()) {
            return error(403).into();
        }
        if legacy && !self.legacy_endpoints {
            return error(404).into();
        }
        if !legacy && asked.header("authorization") != Some("Bearer Oracle") {
            return error(403).into();
        }
        if !asked.is_read() {
            return error(405).with("allow", "GET, HEAD").into();
        }
        match names.as_slice() {
            ["opc", "v1" | "v2"] => text(self.roots().join("\n")),
            ["opc", "v1" | "v2", ..] => self.read(segments.get(2..).unwrap_or(&[])),
            ["openstack", ..] => self.file(&segments),
            _ => error(404),
        }
        .into()
    }

    fn error(&self, status: u16) -> Answer {
        error(status)
    }

    fn imitation(&self, body: Bytes) -> Answer {
        with_server(Answer::new(200, "application/json", body))
    }

    fn set(&mut self, path: &str, value: &str) -> Result<(), Error> {
        let inner = relative(path, &[ROOT, "opc/v1"]);
        if DOCUMENTS.contains(&inner) || inner.starts_with("identity/") || inner.starts_with("openstack/") {
            return self.load(inner, value).map_err(|reason| Error::path(path, reason));
        }
        self.data.set_alike(inner, value, ALIKE).map_err(|reason| Error::path(path, reason))
    }

    fn remove(&mut self, path: &str) -> bool {
        let inner = relative(path, &[ROOT, "opc/v1"]);
        self.data.remove(inner) || self.files.remove(inner)
    }

    fn clone_box(&self) -> Box<dyn Service> {
        Box::new(self.clone())
    }
}

impl Oracle {
    fn roots(&self) -> Vec<String> {
        let documents = self.data.document().as_object().into_iter().flat_map(|map| map.keys());
        let mut roots: Vec<String> = documents.map(|name| format!("{name}/")).collect();
        roots.extend(self.files.find("identity").map(|_| "identity/".to_owned()));
        roots.sort();
        roots
    }

    /// Objects and lists are JSON, single values text; a slash at the end changes nothing.
    fn read(&self, segments: &[String]) -> Answer {
        if segments.first().is_some_and(|first| first == "identity") {
            return self.file(segments);
        }
        let same = |_: &[String], key: &str, segment: &str| key == segment;
        let keys = document::resolve(self.data.document(), segments, same);
        match keys.and_then(|keys| document::get(self.data.document(), &keys)) {
            None => error(404),
            Some(node) => match document::scalar(node) {
                Some(value) => text(value),
                None => {
                    let mut page = String::new();
                    write(node, 0, &mut page);
                    with_server(Answer::new(200, "application/json", page))
                }
            },
        }
    }

    fn file(&self, segments: &[String]) -> Answer {
        let path = segments.join("/");
        match self.files.page(&path) {
            Some(page) if path.ends_with(".json") => with_server(Answer::new(200, "application/json", page)),
            Some(page) => text(page),
            None => error(404),
        }
    }
}

/// JSON as the service lays it out: `"key" : value`, a line for each member, lists in one line.
fn write(node: &Value, depth: usize, page: &mut String) {
    match node {
        Value::Object(map) if map.is_empty() => page.push_str("{ }"),
        Value::Object(map) => {
            let indent = "  ".repeat(depth + 1);
            for (at, (key, child)) in map.iter().enumerate() {
                page.push_str(if at == 0 { "{\n" } else { ",\n" });
                page.push_str(&format!("{indent}{} : ", Value::from(key.as_str())));
                write(child, depth + 1, page);
            }
            page.push_str(&format!("\n{}}}", "  ".repeat(depth)));
        }
        Value::Array(items) if items.is_empty() => page.push_str("[ ]"),
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                page.push_str(if at == 0 { "[ " } else { ", " });
                write(item, depth, page);
            }
            page.push_str(" ]");
        }
        scalar => page.push_str(&scalar.to_string()),
    }
}

fn text(body: String) -> Answer {
    with_server(Answer::new(200, "text/plain", body))
}

fn with_server(answer: Answer) -> Answer {
    answer
        .with("server", "server")
        .with("accept-ranges", "bytes")
        .with("last-modified", "Thu, 02 Jan 2031 03:04:05 GMT")
}

fn error(status: u16) -> Answer {
    let page =
        format!("<html><head><title>{status} {0}</title></head><body>{0}</body></html>\n", phrase(status));
    Answer::new(status, "text/html", page).with("server", "server")
}
