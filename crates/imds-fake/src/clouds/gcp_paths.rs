//! How Google's metadata server spells paths: kebab-case for its own names, people's names as they are; which lists are
//! directories and which are lines.

use serde_json::Value;

use crate::document;

/// Lists whose path is a value of several lines; other lists are directories of indexes.
const LINES: &[&str] = &["aliases", "dnsServers", "ipv6s", "scopes", "sessions", "tags", "targetInstanceIps"];

/// Objects whose keys were chosen by people and are served as they are.
const VERBATIM: &[&str] =
    &["attributes", "guestAttributes", "labels", "partnerAttributes", "serviceAccounts"];

fn is_verbatim(above: &[String]) -> bool {
    // The keys of one account are Google's again; those below guest and partner attributes stay people's.
    match above.iter().position(|key| VERBATIM.contains(&key.as_str())) {
        Some(at) => above.get(at).is_some_and(|key| key != "serviceAccounts") || at + 1 == above.len(),
        None => false,
    }
}

pub(super) fn same(above: &[String], key: &str, segment: &str) -> bool {
    if is_verbatim(above) { key == segment } else { kebab(key) == segment }
}

/// `networkInterfaces` → `network-interfaces`.
pub(super) fn kebab(key: &str) -> String {
    let mut name = String::with_capacity(key.len() + 4);
    for c in key.chars() {
        if c.is_ascii_uppercase() {
            name.push('-');
        }
        name.push(c.to_ascii_lowercase());
    }
    name
}

/// `external-ip` → `externalIp`.
pub(super) fn camel(name: &str) -> String {
    let mut parts = name.split('-');
    let mut key = parts.next().unwrap_or("").to_owned();
    for part in parts {
        let mut chars = part.chars();
        key.extend(chars.next().map(|c| c.to_ascii_uppercase()));
        key.push_str(chars.as_str());
    }
    key
}

pub(super) fn is_directory(keys: &[String], node: &Value) -> bool {
    match node {
        Value::Object(_) => true,
        Value::Array(_) => !keys.last().is_some_and(|key| LINES.contains(&key.as_str())),
        _ => false,
    }
}

/// Name in paths, key in the document and value of everything directly below.
pub(super) fn children<'a>(keys: &[String], node: &'a Value) -> Vec<(String, String, &'a Value)> {
    let name = |key: &String| if is_verbatim(keys) { key.clone() } else { kebab(key) };
    match node {
        Value::Object(map) => map.iter().map(|(key, child)| (name(key), key.clone(), child)).collect(),
        Value::Array(items) => {
            items.iter().enumerate().map(|(at, child)| (at.to_string(), at.to_string(), child)).collect()
        }
        _ => Vec::new(),
    }
}

/// The text form: `path value` a line below a directory, bare lines for a value.
pub(super) fn flatten(keys: &[String], node: &Value, path: &str, lines: &mut Vec<String>) {
    let line = |value: String| if path.is_empty() { value } else { format!("{path} {value}") };
    if let Some(value) = document::scalar(node) {
        lines.push(line(value));
        return;
    }
    if !is_directory(keys, node) {
        let items = node.as_array().into_iter().flatten().filter_map(document::scalar);
        lines.extend(items.map(line));
        return;
    }
    for (name, key, child) in children(keys, node) {
        let below: Vec<String> = keys.iter().cloned().chain([key]).collect();
        let path = if path.is_empty() { name } else { format!("{path}/{name}") };
        flatten(&below, child, &path, lines);
    }
}
