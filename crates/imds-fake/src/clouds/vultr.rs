//! Vultr's metadata service: one JSON document, a tree of text values made from it, and an imitation of the EC2 tree
//! (Vultr, "Instance metadata API").

use hyper::body::Bytes;
use serde_json::Value;

use super::{Service, relative};
use crate::exchange::{Answer, Asked, Outcome, phrase};
use crate::json_tree::{JsonTree, Spelling};
use crate::tree::Tree;
use crate::{Error, document, request_path};

const DOCUMENT: &str = "v1.json";

/// Handed out only to clients that send `Metadata-Token: cloudinit`.
const EXTRAS: &[&str] = &["vendor-data"];

const SPELLING: Spelling = Spelling {
    renamed: &[],
    optional: &["hostname", "public-keys", "startup-script", "user-data", "user-defined", "vendor-data"],
};

#[derive(Clone, Debug)]
pub(super) struct Vultr {
    data: JsonTree,
}

impl Default for Vultr {
    fn default() -> Self {
        Self { data: JsonTree::new(&SPELLING) }
    }
}

impl Service for Vultr {
    fn load(&mut self, name: &str, text: &str) -> Result<(), String> {
        if name != DOCUMENT {
            return Err(format!("the one known document is {DOCUMENT}"));
        }
        self.data.load(text)
    }

    fn answer(&mut self, asked: &Asked) -> Outcome {
        let Some((segments, _)) = request_path::segments(&asked.path) else { return error(404).into() };
        if !asked.is_read() {
            return error(405).with("allow", "GET, HEAD").into();
        }
        let mut data = self.data.clone();
        if asked.header("metadata-token") != Some("cloudinit") {
            for extra in EXTRAS {
                data.remove(extra);
            }
        }
        let names: Vec<&str> = segments.iter().map(String::as_str).collect();
        let page = match names.as_slice() {
            [DOCUMENT] => return Answer::json(200, data.document()).into(),
            ["v1", rest @ ..] => data.tree().page(&rest.join("/")),
            ["latest", rest @ ..] => ec2(&data).page(&rest.join("/")),
            _ => None,
        };
        page.map_or_else(|| error(404), |page| Answer::text(200, page)).into()
    }

    fn error(&self, status: u16) -> Answer {
        error(status)
    }

    fn imitation(&self, body: Bytes) -> Answer {
        Answer::new(200, "application/json", body)
    }

    fn set(&mut self, path: &str, value: &str) -> Result<(), Error> {
        match relative(path, &["v1"]) {
            DOCUMENT => self.data.load(value).map_err(|reason| Error::path(path, reason)),
            inner => self.data.set(inner, value).map_err(|reason| Error::path(path, reason)),
        }
    }

    fn remove(&mut self, path: &str) -> bool {
        self.data.remove(relative(path, &["v1"]))
    }

    fn firmware_facts(&self) -> Vec<(&'static str, String)> {
        let id = self.data.document().get("instanceid").and_then(document::scalar);
        vec![("product_serial", id.unwrap_or_default())]
    }

    fn clone_box(&self) -> Box<dyn Service> {
        Box::new(self.clone())
    }
}

/// What the document has of EC2's values, where EC2 has them.
fn ec2(data: &JsonTree) -> Tree {
    let values = data.tree();
    let mut tree = Tree::default();
    let mut put = |path: &str, value: Option<&str>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            tree.insert(path, value);
        }
    };
    for (path, name) in
        [("instance-id", "instanceid"), ("hostname", "hostname"), ("local-hostname", "hostname")]
    {
        put(&format!("meta-data/{path}"), values.get(name));
    }
    put("user-data", values.get("user-data"));
    let interfaces = data.document().get("interfaces").and_then(Value::as_array).into_iter().flatten();
    for interface in interfaces {
        let path = if interface.get("network-type").and_then(Value::as_str) == Some("public") {
            "meta-data/public-ipv4"
        } else {
            "meta-data/local-ipv4"
        };
        put(path, Some(document::text(interface, &["ipv4", "address"])));
    }
    tree
}

fn error(status: u16) -> Answer {
    Answer::text(status, format!("{}\n", phrase(status)))
}
