//! Scaleway's metadata service: one document as JSON or as shell variables; user data and vendor data for clients on a
//! port below 1024 only, which takes root's rights (Scaleway, "Instance metadata API").

use hyper::body::Bytes;
use serde_json::{Value, json};

use super::{Service, relative};
use crate::exchange::{Answer, Asked, Outcome, phrase};
use crate::json_tree::{JsonTree, Spelling};
use crate::tree::Tree;
use crate::{Error, document, request_path};

const DOCUMENT: &str = "conf";
/// Roots of what only root may read.
const PRIVILEGED: &[&str] = &["user_data", "vendor_data"];
const FIRST_ORDINARY_PORT: u16 = 1024;

const SPELLING: Spelling =
    Spelling { renamed: &[], optional: &["ipv6", "placement_group", "private_ip", "public_ip", "tags"] };

const ALIKE: &[&[&str]] = &[&["location/zone_id", "zone"], &["hostname", "name"]];

#[derive(Clone, Debug)]
pub(super) struct Scaleway {
    data: JsonTree,
    /// Below `user_data/` and `vendor_data/`.
    privileged: Tree,
}

impl Default for Scaleway {
    fn default() -> Self {
        Self { data: JsonTree::new(&SPELLING), privileged: Tree::default() }
    }
}

fn is_privileged(path: &str) -> bool {
    path.split_once('/').is_some_and(|(root, key)| PRIVILEGED.contains(&root) && !key.contains('/'))
}

impl Service for Scaleway {
    fn load(&mut self, name: &str, text: &str) -> Result<(), String> {
        match name {
            DOCUMENT => self.data.load(text),
            _ if is_privileged(name) => self.privileged.put(name, text).map_err(str::to_owned),
            _ => Err(format!("known documents are {DOCUMENT}, user_data/KEY and vendor_data/KEY")),
        }
    }

    fn answer(&mut self, asked: &Asked) -> Outcome {
        let Some((segments, _)) = request_path::segments(&asked.path) else { return error(404).into() };
        let names: Vec<&str> = segments.iter().map(String::as_str).collect();
        let as_json = asked.query_pairs().iter().any(|(name, value)| name == "format" && value == "json");
        let privileged = names.first().is_some_and(|root| PRIVILEGED.contains(root));
        if privileged && asked.peer_port >= FIRST_ORDINARY_PORT {
            return error(403).into();
        }
        match (asked.method.as_str(), names.as_slice()) {
            ("GET" | "HEAD", [DOCUMENT]) if as_json => Answer::json(200, self.data.document()),
            ("GET" | "HEAD", [DOCUMENT]) => Answer::text(200, variables(self.data.document())),
            ("GET" | "HEAD", [root]) if privileged => self.listing(root, as_json),
            ("GET" | "HEAD", _) if privileged => match self.privileged.get(&names.join("/")) {
                Some(text) => Answer::text(200, text.to_owned()),
                None => error(404),
            },
            ("PATCH", ["user_data", key]) => self.write(key, &asked.body),
            ("PATCH", ["state"]) => self.report(&asked.body),
            ("GET" | "HEAD", _) => error(404),
            _ => error(405),
        }
        .into()
    }

    fn error(&self, status: u16) -> Answer {
        error(status)
    }

    fn imitation(&self, body: Bytes) -> Answer {
        Answer::new(200, "application/json", body)
    }

    fn set(&mut self, path: &str, value: &str) -> Result<(), Error> {
        let inner = relative(path, &[DOCUMENT]);
        if inner == DOCUMENT || is_privileged(inner) {
            return self.load(inner, value).map_err(|reason| Error::path(path, reason));
        }
        self.data.set_alike(inner, value, ALIKE).map_err(|reason| Error::path(path, reason))
    }

    fn remove(&mut self, path: &str) -> bool {
        let inner = relative(path, &[DOCUMENT]);
        self.privileged.remove(inner) || self.data.remove(inner)
    }

    fn clone_box(&self) -> Box<dyn Service> {
        Box::new(self.clone())
    }
}

impl Scaleway {
    /// The names of the keys below a root.
    fn listing(&self, root: &str, as_json: bool) -> Answer {
        let names = self.privileged.page(root).unwrap_or_default();
        if as_json {
            let names: Vec<&str> = names.lines().collect();
            Answer::json(200, &json!({ root: names }))
        } else {
            Answer::text(200, names)
        }
    }

    fn write(&mut self, key: &str, body: &[u8]) -> Answer {
        self.privileged.insert(&format!("user_data/{key}"), &String::from_utf8_lossy(body));
        done()
    }

    /// The machine tells how far it has booted.
    fn report(&mut self, body: &[u8]) -> Answer {
        let report: Option<Value> = serde_json::from_slice(body).ok();
        match report.as_ref().and_then(|report| report.get("state_detail")?.as_str()) {
            Some(detail) if self.data.set("state_detail", detail).is_ok() => done(),
            _ => error(400),
        }
    }
}

/// `KEY=value` a line: keys below keys with underscores, lists as their length and their items, null as nothing.
fn variables(document: &Value) -> String {
    fn add(name: &str, node: &Value, lines: &mut String) {
        let below = |key: &str| {
            let key = key.to_ascii_uppercase().replace('-', "_");
            if name.is_empty() { key } else { format!("{name}_{key}") }
        };
        match node {
            Value::Object(map) => map.iter().for_each(|(key, child)| add(&below(key), child, lines)),
            Value::Array(items) => {
                lines.push_str(&format!("{name}={}\n", items.len()));
                items.iter().enumerate().for_each(|(at, item)| add(&below(&at.to_string()), item, lines));
            }
            scalar => {
                let value = document::scalar(scalar).unwrap_or_default();
                let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | ':' | '-' | '_' | '/');
                let value = if value.chars().all(plain) {
                    value
                } else {
                    format!("'{}'", value.replace('\'', "'\\''"))
                };
                lines.push_str(&format!("{name}={value}\n"));
            }
        }
    }
    let mut text = String::new();
    add("", document, &mut text);
    text
}

fn done() -> Answer {
    Answer { status: 204, headers: Vec::new(), body: Bytes::new() }
}

fn error(status: u16) -> Answer {
    let answer = Answer::json(status, &json!({ "message": phrase(status), "type": "error" }));
    if status == 405 { answer.with("allow", "GET, HEAD, PATCH") } else { answer }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scaleway() -> Scaleway {
        let mut scaleway = Scaleway::default();
        scaleway.load("conf", r#"{"name": "api-1", "state_detail": "booting"}"#).unwrap();
        scaleway.load("user_data/cloud-init", "#cloud-config\n").unwrap();
        scaleway.load("vendor_data/cloud-init", "#!/bin/sh\n").unwrap();
        scaleway
    }

    fn ask(scaleway: &mut Scaleway, method: &str, target: &str, port: u16, body: &str) -> (u16, String) {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let asked = Asked {
            method: method.into(),
            path: path.into(),
            query: query.into(),
            body: body.into(),
            peer_port: port,
            ..Asked::default()
        };
        match scaleway.answer(&asked) {
            Outcome::Answer(answer) => (answer.status, String::from_utf8(answer.body.to_vec()).unwrap()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn user_and_vendor_data_are_for_privileged_ports() {
        let mut scaleway = scaleway();
        for path in
            ["/user_data", "/user_data?format=json", "/user_data/cloud-init", "/vendor_data/cloud-init"]
        {
            assert_eq!(ask(&mut scaleway, "GET", path, 1024, "").0, 403, "{path}");
            assert_eq!(ask(&mut scaleway, "GET", path, 1023, "").0, 200, "{path}");
        }
        assert_eq!(ask(&mut scaleway, "GET", "/conf", 40_000, "").0, 200);
        let keys = ask(&mut scaleway, "GET", "/user_data?format=json", 1, "");
        assert_eq!(keys, (200, "{\"user_data\":[\"cloud-init\"]}".to_owned()));
        assert_eq!(ask(&mut scaleway, "GET", "/user_data/other", 1, "").0, 404);
    }

    #[test]
    fn a_machine_writes_user_data_and_its_state() {
        let mut scaleway = scaleway();
        assert_eq!(ask(&mut scaleway, "PATCH", "/user_data/note", 2000, "x").0, 403);
        assert_eq!(ask(&mut scaleway, "PATCH", "/user_data/note", 2, "x").0, 204);
        assert_eq!(ask(&mut scaleway, "GET", "/user_data/note", 2, "").1, "x");
        assert_eq!(ask(&mut scaleway, "PATCH", "/state", 2000, "{\"state_detail\": \"booted\"}").0, 204);
        assert_eq!(
            ask(&mut scaleway, "GET", "/conf?format=json", 2000, "").1,
            r#"{"name":"api-1","state_detail":"booted"}"#
        );
        assert_eq!(ask(&mut scaleway, "PATCH", "/state", 2000, "booted").0, 400);
    }
}
