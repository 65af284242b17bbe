//! Exoscale's metadata service: a small tree in EC2's style (Exoscale, "Querying instance metadata"). Its password server
//! is on another port and not imitated.

use hyper::body::Bytes;

use super::{Service, cloudstack, relative};
use crate::exchange::{Answer, Asked, Outcome, phrase};
use crate::tree::Tree;
use crate::{Error, request_path};

const VERSIONS: &[&str] = &["1.0", "latest"];

/// Last segments of paths that hold the same thing.
const ALIKE: &[&[&str]] = &[&["instance-id", "vm-id"]];

#[derive(Clone, Debug, Default)]
pub(super) struct Exoscale {
    tree: Tree,
}

impl Service for Exoscale {
    fn load(&mut self, name: &str, text: &str) -> Result<(), String> {
        cloudstack::put(&mut self.tree, name, text, ALIKE)
    }

    fn answer(&mut self, asked: &Asked) -> Outcome {
        let Some((segments, _)) = request_path::segments(&asked.path) else { return error(404).into() };
        if !asked.is_read() {
            return error(405).with("allow", "GET, HEAD").into();
        }
        let page = match segments.split_first() {
            None => Some(VERSIONS.join("\n")),
            Some((version, rest)) if VERSIONS.contains(&version.as_str()) => self.tree.page(&rest.join("/")),
            Some(_) => None,
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
        self.load(relative(path, VERSIONS), value).map_err(|reason| Error::path(path, reason))
    }

    fn remove(&mut self, path: &str) -> bool {
        self.tree.remove(relative(path, VERSIONS))
    }

    fn clone_box(&self) -> Box<dyn Service> {
        Box::new(self.clone())
    }
}

fn error(status: u16) -> Answer {
    Answer::text(status, format!("{status} {}\n", phrase(status)))
}
