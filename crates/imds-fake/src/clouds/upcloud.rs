//! `UpCloud`'s metadata service: one JSON document at the path of `DigitalOcean`'s, and single values below it (`UpCloud`,
//! "Metadata service").

use hyper::body::Bytes;

use super::{Service, relative};
use crate::exchange::{Answer, Asked, Outcome, phrase};
use crate::json_tree::{JsonTree, SAME};
use crate::{Error, document, request_path};

const DOCUMENT: &str = "metadata/v1.json";

#[derive(Clone, Debug)]
pub(super) struct UpCloud {
    data: JsonTree,
}

impl Default for UpCloud {
    fn default() -> Self {
        Self { data: JsonTree::new(&SAME) }
    }
}

impl Service for UpCloud {
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
        vec![("product_uuid", document::text(self.data.document(), &["instance_id"]).to_owned())]
    }

    fn clone_box(&self) -> Box<dyn Service> {
        Box::new(self.clone())
    }
}

fn error(status: u16) -> Answer {
    Answer::text(status, format!("{status} {}\n", phrase(status)))
}
