//! Hetzner's metadata service: single values as text, and all of them as one YAML document (hcloud, "Server metadata").
//! It also imitates the EC2 tree, so that clients which know nothing else take it for AWS.

use hyper::body::Bytes;
use serde_json::Value;

use super::{Service, relative};
use crate::exchange::{Answer, Asked, Outcome, phrase};
use crate::tree::Tree;
use crate::{Error, request_path};

/// Served on its own only.
const PRIVATE_NETWORKS: &str = "private-networks";

/// Single values, as below `/hetzner/v1/metadata/`.
const VALUES: &[&str] = &[
    "availability-zone",
    "hostname",
    "instance-id",
    "local-ipv4",
    "network-config",
    PRIVATE_NETWORKS,
    "public-ipv4",
    "public-keys",
    "region",
    "vendor_data",
];

/// What of them the imitation of EC2 has, and where.
const EC2: &[(&str, &str)] = &[
    ("availability-zone", "placement/availability-zone"),
    ("hostname", "hostname"),
    ("instance-id", "instance-id"),
    ("local-ipv4", "local-ipv4"),
    ("public-ipv4", "public-ipv4"),
];

#[derive(Clone, Debug, Default)]
pub(super) struct Hetzner {
    /// By name below `metadata/`.
    values: Tree,
    user_data: Option<String>,
}

impl Service for Hetzner {
    fn load(&mut self, name: &str, text: &str) -> Result<(), String> {
        match name.strip_prefix("metadata/") {
            Some(value) if VALUES.contains(&value) => self.values.insert(value, text),
            None if name == "userdata" => self.user_data = Some(text.to_owned()),
            _ => {
                return Err(format!("known documents are userdata and metadata/ with {}", VALUES.join(", ")));
            }
        }
        Ok(())
    }

    fn answer(&mut self, asked: &Asked) -> Outcome {
        let Some((segments, _)) = request_path::segments(&asked.path) else { return error(404).into() };
        if !asked.is_read() {
            return error(405).with("allow", "GET, HEAD").into();
        }
        let names: Vec<&str> = segments.iter().map(String::as_str).collect();
        let page = match names.as_slice() {
            ["hetzner", "v1", "metadata"] => Some(self.whole()),
            ["hetzner", "v1", "metadata", name] => self.values.page(name),
            ["hetzner", "v1", "userdata"] => match &self.user_data {
                None => return Answer { status: 204, headers: Vec::new(), body: Bytes::new() }.into(),
                user_data => user_data.clone(),
            },
            ["latest" | "2009-04-04", "meta-data", rest @ ..] => self.ec2().page(&rest.join("/")),
            ["latest" | "2009-04-04", "user-data"] => self.user_data.clone(),
            _ => None,
        };
        page.map_or_else(|| error(404), |page| Answer::text(200, page)).into()
    }

    fn error(&self, status: u16) -> Answer {
        error(status)
    }

    fn imitation(&self, body: Bytes) -> Answer {
        Answer::text(200, body)
    }

    fn set(&mut self, path: &str, value: &str) -> Result<(), Error> {
        let inner = relative(path, &["hetzner/v1"]);
        let name = if inner == "userdata" {
            inner.to_owned()
        } else {
            format!("metadata/{}", relative(inner, &["metadata"]))
        };
        self.load(&name, value).map_err(|reason| Error::path(path, reason))
    }

    fn remove(&mut self, path: &str) -> bool {
        match relative(path, &["hetzner/v1"]) {
            "userdata" => self.user_data.take().is_some(),
            inner => self.values.remove(relative(inner, &["metadata"])),
        }
    }

    fn firmware_facts(&self) -> Vec<(&'static str, String)> {
        vec![("product_serial", self.values.get("instance-id").unwrap_or("").to_owned())]
    }

    fn clone_box(&self) -> Box<dyn Service> {
        Box::new(self.clone())
    }
}

impl Hetzner {
    /// The YAML document of all values.
    fn whole(&self) -> String {
        let names = VALUES.iter().filter(|name| **name != PRIVATE_NETWORKS);
        names.filter_map(|name| Some(member(name, self.values.get(name)?))).collect()
    }

    fn ec2(&self) -> Tree {
        let mut tree = Tree::default();
        for (name, path) in EC2 {
            if let Some(value) = self.values.get(name) {
                tree.insert(path, value);
            }
        }
        tree
    }
}

/// A value as a member of the YAML document. What is YAML itself is indented; the list of keys is JSON on its own.
fn member(name: &str, value: &str) -> String {
    match name {
        "network-config" => {
            let lines: String = value.lines().map(|line| format!("  {line}\n")).collect();
            format!("{name}:\n{lines}")
        }
        "public-keys" => {
            let keys: Vec<String> = serde_json::from_str(value).unwrap_or_default();
            let lines: String = keys.iter().map(|key| format!("- {key}\n")).collect();
            if lines.is_empty() { format!("{name}: []\n") } else { format!("{name}:\n{lines}") }
        }
        "instance-id" => format!("{name}: {value}\n"),
        _ if value.is_empty() => format!("{name}: ''\n"),
        _ if is_plain(value) => format!("{name}: {value}\n"),
        // JSON's strings are YAML's double-quoted ones.
        _ => format!("{name}: {}\n", Value::from(value)),
    }
}

/// Whether YAML takes this for a text without quotes around it.
fn is_plain(value: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    let constant = ["true", "false", "null", "yes", "no", "on", "off"]
        .iter()
        .any(|known| value.eq_ignore_ascii_case(known));
    value.chars().all(word)
        && value.starts_with(|c: char| c.is_ascii_alphanumeric())
        && !constant
        && value.parse::<f64>().is_err()
}

fn error(status: u16) -> Answer {
    Answer::text(status, format!("{}\n", phrase(status).to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_of_the_document_are_valid_yaml() {
        let rows = [
            ("region", "eu-central", "region: eu-central\n"),
            ("hostname", "17", "hostname: \"17\"\n"),
            ("hostname", "no", "hostname: \"no\"\n"),
            ("instance-id", "17", "instance-id: 17\n"),
            ("local-ipv4", "", "local-ipv4: ''\n"),
            ("vendor_data", "#x\ny: z\n", "vendor_data: \"#x\\ny: z\\n\"\n"),
            ("public-keys", "[\"ssh-a b\", \"ssh-c\"]", "public-keys:\n- ssh-a b\n- ssh-c\n"),
            ("public-keys", "[]", "public-keys: []\n"),
            ("network-config", "version: 1\nconfig: []", "network-config:\n  version: 1\n  config: []\n"),
        ];
        for (name, value, line) in rows {
            assert_eq!(member(name, value), line);
        }
    }
}
