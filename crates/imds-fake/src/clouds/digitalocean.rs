//! `DigitalOcean`'s metadata service: one JSON document, and a tree of text values made from it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::relative;
use crate::exchange::{Answer, Asked};
use crate::tree::{Node, Tree};
use crate::{Error, document, request_path};

const DOCUMENT: &str = "metadata/v1.json";

/// Keys of the document that the tree calls otherwise.
const RENAMED: &[(&str, &str)] = &[
    ("droplet_id", "id"),
    ("user_data", "user-data"),
    ("vendor_data", "vendor-data"),
    ("public_keys", "public-keys"),
    ("auth_key", "auth-token"),
];

#[derive(Clone, Debug, Default)]
pub(crate) struct DigitalOcean {
    root: Value,
}

impl DigitalOcean {
    pub(super) fn load(&mut self, name: &str, text: &str) -> Result<(), String> {
        if name != DOCUMENT {
            return Err(format!("the one known document is {DOCUMENT}"));
        }
        let root: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if !root.is_object() {
            return Err("it has to be a JSON object".to_owned());
        }
        self.root = root;
        Ok(())
    }

    pub(super) fn answer(&self, asked: &Asked) -> Answer {
        let Some((segments, _)) = request_path::segments(&asked.path) else { return error(404) };
        if !asked.is_read() {
            return error(405).with("allow", "GET, HEAD");
        }
        let names: Vec<&str> = segments.iter().map(String::as_str).collect();
        match names.as_slice() {
            ["metadata"] => text("v1/\nv1.json".to_owned()),
            ["metadata", "v1.json"] => Answer::new(200, "application/json", self.root.to_string()),
            ["metadata", "v1", rest @ ..] => match self.tree().find(&rest.join("/")) {
                Some(Node::Value(value)) => text(value.to_owned()),
                Some(Node::Directory(names)) => text(names.join("\n")),
                None => error(404),
            },
            _ => error(404),
        }
    }

    fn tree(&self) -> Tree {
        let mut values = BTreeMap::new();
        if let Value::Object(map) = &self.root {
            for (key, value) in map {
                plant(tree_name(key), value, &mut values);
            }
        }
        Tree::new(values)
    }

    pub(super) fn set(&mut self, path: &str, value: &str) -> Result<(), Error> {
        let inner = relative(path, &["metadata/v1"]);
        if inner == DOCUMENT {
            return self.load(inner, value).map_err(|reason| Error::path(path, reason));
        }
        let keys = self.keys(inner).ok_or_else(|| Error::path(path, "the droplet has no such value"))?;
        let old = document::get(&self.root, &keys);
        let new = document::parse_like(value, old).map_err(|reason| Error::path(path, reason))?;
        document::put(&mut self.root, &keys, new);
        Ok(())
    }

    pub(super) fn remove(&mut self, path: &str) -> bool {
        match self.keys(relative(path, &["metadata/v1"])) {
            Some(keys) => document::take(&mut self.root, &keys),
            None => false,
        }
    }

    /// The document's keys for a path as the document or the tree spells it; top-level names may be new.
    fn keys(&self, path: &str) -> Option<Vec<String>> {
        let segments: Vec<String> = path.split(['/', '.']).map(str::to_owned).collect();
        let same = |above: &[String], key: &str, segment: &str| {
            key == segment
                || (above.is_empty() && tree_name(key) == segment)
                || (above.len() > 1 && key == "ip_address" && segment == "address")
        };
        document::resolve(&self.root, &segments, same).or_else(|| {
            let [only] = segments.as_slice() else { return None };
            let known = RENAMED.iter().find(|(key, name)| key == only || name == only).map(|(key, _)| *key);
            let known = known.or_else(|| ["hostname", "region", "tags"].into_iter().find(|key| key == only));
            known.map(|key| vec![key.to_owned()])
        })
    }

    pub(super) fn firmware_facts(&self) -> Vec<(&'static str, String)> {
        vec![("product_serial", self.root.get("droplet_id").and_then(document::scalar).unwrap_or_default())]
    }
}

fn tree_name(key: &str) -> &str {
    RENAMED.iter().find(|(known, _)| *known == key).map_or(key, |(_, name)| name)
}

/// Objects and lists of objects become directories, lists of values a line each. A null is not there.
fn plant(path: &str, value: &Value, tree: &mut BTreeMap<String, String>) {
    match value {
        Value::Null => {}
        Value::Object(map) => {
            for (key, child) in map {
                let name =
                    if key == "ip_address" && path.starts_with("interfaces/") { "address" } else { key };
                plant(&format!("{path}/{name}"), child, tree);
            }
        }
        Value::Array(items) if items.iter().any(Value::is_object) => {
            for (at, child) in items.iter().enumerate() {
                plant(&format!("{path}/{at}"), child, tree);
            }
        }
        Value::Array(items) => {
            let lines: Vec<String> = items.iter().filter_map(document::scalar).collect();
            tree.insert(path.to_owned(), lines.join("\n"));
        }
        scalar => {
            tree.insert(path.to_owned(), document::scalar(scalar).unwrap_or_default());
        }
    }
}

fn text(body: String) -> Answer {
    Answer::new(200, "text/plain; charset=utf-8", body)
}

pub(super) fn error(status: u16) -> Answer {
    let reason = hyper::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
    let text = format!("{}\n", reason.unwrap_or("error").to_ascii_lowercase());
    Answer::new(status, "text/plain; charset=utf-8", text)
}
