//! `DigitalOcean`'s metadata service: one JSON document, and a tree of text values made from it.

use hyper::body::Bytes;

use super::{Service, relative};
use crate::exchange::{Answer, Asked, Outcome, phrase};
use crate::json_tree::{JsonTree, Spelling};
use crate::{Error, document, request_path};

const DOCUMENT: &str = "metadata/v1.json";

const SPELLING: Spelling = Spelling {
    renamed: &[
        ("", "droplet_id", "id"),
        ("", "user_data", "user-data"),
        ("", "vendor_data", "vendor-data"),
        ("", "public_keys", "public-keys"),
        ("", "auth_key", "auth-token"),
        ("interfaces", "ip_address", "address"),
    ],
    optional: &[
        "droplet_id",
        "user_data",
        "vendor_data",
        "public_keys",
        "auth_key",
        "hostname",
        "region",
        "tags",
    ],
};

#[derive(Clone, Debug)]
pub(super) struct DigitalOcean {
    data: JsonTree,
}

impl Default for DigitalOcean {
    fn default() -> Self {
        Self { data: JsonTree::new(&SPELLING) }
    }
}

impl Service for DigitalOcean {
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
        let names: Vec<&str> = segments.iter().map(String::as_str).collect();
        match names.as_slice() {
            ["metadata"] => Answer::text(200, "v1/\nv1.json"),
            ["metadata", "v1.json"] => Answer::json(200, self.data.document()),
            ["metadata", "v1", rest @ ..] => match self.data.tree().page(&rest.join("/")) {
                Some(page) => Answer::text(200, page),
                None => error(404),
            },
            _ => error(404),
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
        match relative(path, &["metadata/v1"]) {
            DOCUMENT => self.data.load(value).map_err(|reason| Error::path(path, reason)),
            inner => self.data.set(inner, value).map_err(|reason| Error::path(path, reason)),
        }
    }

    fn remove(&mut self, path: &str) -> bool {
        self.data.remove(relative(path, &["metadata/v1"]))
    }

    fn firmware_facts(&self) -> Vec<(&'static str, String)> {
        let id = self.data.document().get("droplet_id").and_then(document::scalar);
        vec![("product_serial", id.unwrap_or_default())]
    }

    fn clone_box(&self) -> Box<dyn Service> {
        Box::new(self.clone())
    }
}

fn error(status: u16) -> Answer {
    Answer::text(status, format!("{}\n", phrase(status).to_ascii_lowercase()))
}
