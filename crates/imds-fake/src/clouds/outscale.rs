//! 3DS Outscale: EC2's tree as it was before session tokens, and tags whose names may be anything.

use std::collections::BTreeMap;

use hyper::body::Bytes;

use super::{Service, quirks, relative};
use crate::exchange::{Answer, Asked, Outcome, phrase};
use crate::tree::Tree;
use crate::{Error, request_path};

const VERSIONS: &[&str] = &["1.0", "2009-04-04", "latest"];
const MACS: &str = "meta-data/network/interfaces/macs";
const TAGS: &str = "meta-data/tags";

/// Last names of paths that hold the same thing.
const ALIKE: &[&[&str]] = &[
    &["local-ipv4", "local-ipv4s"],
    &["public-ipv4", "public-ipv4s"],
    &["hostname", "local-hostname"],
    &["mac"],
    &["security-groups"],
];

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Quirks {
    tags: TagLayout,
}

/// Where the tags hang.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
enum TagLayout {
    /// `tags/KEY`.
    #[default]
    Direct,
    /// `tags/instance/KEY`, as on EC2.
    Instance,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Outscale {
    tree: Tree,
    /// Beside the tree, because a slash in a name is no directory.
    tags: BTreeMap<String, String>,
    layout: TagLayout,
}

impl Service for Outscale {
    fn load(&mut self, name: &str, text: &str) -> Result<(), String> {
        if let Some(tag) = tag(name) {
            self.tags.insert(tag.to_owned(), text.to_owned());
            return Ok(());
        }
        if name != "user-data" && !name.starts_with("meta-data/") && !name.starts_with("dynamic/") {
            return Err("only `meta-data/…`, `dynamic/…` and `user-data` are served".to_owned());
        }
        self.tree.put(name, text).map_err(str::to_owned)
    }

    fn configure(&mut self, table: toml::Table) -> Result<(), String> {
        let quirks: Quirks = quirks(table)?;
        self.layout = quirks.tags;
        Ok(())
    }

    fn answer(&mut self, asked: &Asked) -> Outcome {
        let Some((segments, _)) = request_path::segments(&asked.path) else { return error(404).into() };
        let page = match segments.split_first() {
            None => Some(VERSIONS.join("\n")),
            Some((version, rest)) if VERSIONS.contains(&version.as_str()) => self.page(&rest.join("/")),
            Some(_) => None,
        };
        match page {
            Some(_) if !asked.is_read() => error(405).with("allow", "GET, HEAD"),
            Some(page) => text(page.into()),
            None => error(404),
        }
        .into()
    }

    fn error(&self, status: u16) -> Answer {
        error(status)
    }

    fn imitation(&self, body: Bytes) -> Answer {
        text(body)
    }

    fn set(&mut self, path: &str, value: &str) -> Result<(), Error> {
        let inner = relative(path, VERSIONS);
        if tag(inner).is_some() || inner == "user-data" || inner.starts_with("dynamic/") {
            return self.load(inner, value).map_err(|reason| Error::path(path, reason));
        }
        if !inner.starts_with("meta-data/") || inner.contains("//") {
            return Err(Error::path(
                path,
                "Outscale paths begin with `meta-data/`, `dynamic/` or are `user-data`",
            ));
        }
        let old = self.tree.get(inner).unwrap_or("").to_owned();
        self.tree.put_alike(inner, value, ALIKE).map_err(|reason| Error::path(path, reason))?;
        if inner == "meta-data/mac" && !old.is_empty() {
            self.tree.rename(&format!("{MACS}/{old}"), &format!("{MACS}/{value}"));
        }
        Ok(())
    }

    fn remove(&mut self, path: &str) -> bool {
        let inner = relative(path, VERSIONS);
        match tag(inner) {
            Some(tag) => self.tags.remove(tag).is_some(),
            None if inner == TAGS => !std::mem::take(&mut self.tags).is_empty(),
            None => self.tree.remove(inner),
        }
    }

    fn clone_box(&self) -> Box<dyn Service> {
        Box::new(self.clone())
    }
}

impl Outscale {
    fn page(&self, path: &str) -> Option<String> {
        let root = match self.layout {
            TagLayout::Direct => TAGS.to_owned(),
            TagLayout::Instance => format!("{TAGS}/instance"),
        };
        if !self.tags.is_empty() {
            let names = || self.tags.keys().map(String::as_str).collect::<Vec<_>>().join("\n");
            match path.strip_prefix(&root).map(|rest| rest.trim_start_matches('/')) {
                Some("") => return Some(names()),
                // A name with a slash in it is listed and can't be asked for.
                Some(name) => return self.tags.get(name).filter(|_| !name.contains('/')).cloned(),
                None if path == TAGS => return Some("instance/".to_owned()),
                None => {}
            }
        }
        let page = self.tree.page(path)?;
        let mut names: Vec<&str> = page.split('\n').collect();
        if path == "meta-data" && !self.tags.is_empty() {
            names.push("tags/");
            names.sort_unstable();
        }
        Some(names.join("\n"))
    }
}

/// The tag that a path names, in either layout.
fn tag(path: &str) -> Option<&str> {
    let rest = path.strip_prefix(TAGS)?.strip_prefix('/')?;
    Some(rest.strip_prefix("instance/").unwrap_or(rest)).filter(|name| !name.is_empty())
}

fn text(body: Bytes) -> Answer {
    Answer::new(200, "text/plain", body)
}

fn error(status: u16) -> Answer {
    let title = format!("{status} {}", phrase(status));
    let page = format!("<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>\n");
    Answer::new(status, "text/html", page)
}
