//! Tencent's metadata service: a tree of text values, MAC addresses in upper case, no header and no token (CVM, "Viewing
//! instance metadata").

use hyper::body::Bytes;

use super::{Service, relative};
use crate::exchange::{Answer, Asked, Outcome, phrase};
use crate::tree::Tree;
use crate::{Error, request_path};

const VERSIONS: &[&str] = &["1.0", "2017-09-19", "latest"];

const MACS: &str = "meta-data/network/interfaces/macs";

/// Last segments of paths that hold the same thing.
const ALIKE: &[&[&str]] =
    &[&["local-ipv4", "primary-local-ipv4"], &["public-ipv4", "public-ipv4s"], &["mac"]];

#[derive(Clone, Debug, Default)]
pub(super) struct Tencent {
    tree: Tree,
}

impl Service for Tencent {
    fn load(&mut self, name: &str, text: &str) -> Result<(), String> {
        if name != "user-data" && !name.starts_with("meta-data/") {
            return Err("only `meta-data/…` and `user-data` are served".to_owned());
        }
        self.tree.put(name, text).map_err(str::to_owned)
    }

    fn answer(&mut self, asked: &Asked) -> Outcome {
        let Some((segments, _)) = request_path::segments(&asked.path) else { return error(404).into() };
        if !asked.is_read() {
            return error(405).with("allow", "GET, HEAD").into();
        }
        let page = match segments.split_first() {
            None => Some(format!("{}\nmeta-data", VERSIONS.join("\n"))),
            // The newest version's tree also hangs at the top.
            Some((first, _)) if first == "meta-data" => self.tree.page(&segments.join("/")),
            Some((first, rest)) if VERSIONS.contains(&first.as_str()) => self.tree.page(&rest.join("/")),
            Some(_) => None,
        };
        page.map_or_else(|| error(404), |page| Answer::new(200, "text/plain", page)).into()
    }

    fn error(&self, status: u16) -> Answer {
        error(status)
    }

    fn imitation(&self, body: Bytes) -> Answer {
        Answer::new(200, "text/plain", body)
    }

    fn set(&mut self, path: &str, value: &str) -> Result<(), Error> {
        let inner = relative(path, VERSIONS);
        if inner != "user-data" && !inner.starts_with("meta-data/") || inner.contains("//") {
            return Err(Error::path(path, "Tencent paths begin with `meta-data/` or are `user-data`"));
        }
        let old = self.tree.get(inner).map(str::to_owned);
        self.tree.put_alike(inner, value, ALIKE).map_err(|reason| Error::path(path, reason))?;
        if let Some(old) = old.filter(|old| !old.is_empty()) {
            if inner.ends_with("/mac") {
                self.tree.rename(&format!("{MACS}/{old}"), &format!("{MACS}/{value}"));
            } else if inner == "meta-data/local-ipv4" {
                let mac = self.tree.get("meta-data/mac").unwrap_or("");
                let addresses = format!("{MACS}/{mac}/local-ipv4s");
                self.tree.rename(&format!("{addresses}/{old}"), &format!("{addresses}/{value}"));
            }
        }
        Ok(())
    }

    fn remove(&mut self, path: &str) -> bool {
        self.tree.remove(relative(path, VERSIONS))
    }

    fn clone_box(&self) -> Box<dyn Service> {
        Box::new(self.clone())
    }
}

fn error(status: u16) -> Answer {
    let title = format!("{status} {}", phrase(status));
    let page = format!("<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>\r\n");
    Answer::new(status, "text/html", page)
}
