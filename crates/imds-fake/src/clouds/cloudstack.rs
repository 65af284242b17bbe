//! The metadata that a CloudStack virtual router serves: a small tree in EC2's style, and the older form of it without
//! `meta-data/` (Apache CloudStack, "User data and meta data"). Its password server is on another port and not imitated.

use hyper::body::Bytes;

use super::{Service, relative};
use crate::exchange::{Answer, Asked, Outcome, phrase};
use crate::tree::Tree;
use crate::{Error, request_path};

/// Exoscale, which grew out of CloudStack, has the same.
const ITEMS: &[&str] = &[
    "availability-zone",
    "cloud-identifier",
    "instance-id",
    "local-hostname",
    "local-ipv4",
    "public-hostname",
    "public-ipv4",
    "public-keys",
    "service-offering",
    "vm-id",
];

/// Last segments of paths that hold the same thing: the router's public address is also its name.
const ALIKE: &[&[&str]] = &[&["public-hostname", "public-ipv4"]];

#[derive(Clone, Debug, Default)]
pub(super) struct CloudStack {
    tree: Tree,
}

impl Service for CloudStack {
    fn load(&mut self, name: &str, text: &str) -> Result<(), String> {
        put(&mut self.tree, name, text, ALIKE)
    }

    fn answer(&mut self, asked: &Asked) -> Outcome {
        let Some((segments, _)) = request_path::segments(&asked.path) else { return error(404).into() };
        if !asked.is_read() {
            return error(405).with("allow", "GET, HEAD").into();
        }
        let names: Vec<&str> = segments.iter().map(String::as_str).collect();
        let page = match names.as_slice() {
            ["latest", item] if ITEMS.contains(item) => self.tree.page(&format!("meta-data/{item}")),
            ["latest", rest @ ..] => self.tree.page(&rest.join("/")),
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
        self.load(relative(path, &["latest"]), value).map_err(|reason| Error::path(path, reason))
    }

    fn remove(&mut self, path: &str) -> bool {
        self.tree.remove(relative(path, &["latest"]))
    }

    fn clone_box(&self) -> Box<dyn Service> {
        Box::new(self.clone())
    }
}

/// Puts an item or the user data into the tree.
pub(super) fn put(tree: &mut Tree, name: &str, text: &str, alike: &[&[&str]]) -> Result<(), String> {
    let item = name.strip_prefix("meta-data/").is_some_and(|item| ITEMS.contains(&item));
    if !item && name != "user-data" {
        return Err(format!("known paths are user-data and meta-data/ with {}", ITEMS.join(", ")));
    }
    tree.put_alike(name, text, alike).map_err(str::to_owned)
}

/// As Apache httpd says it.
fn error(status: u16) -> Answer {
    let title = format!("{status} {}", phrase(status));
    let page = format!(
        "<!DOCTYPE HTML PUBLIC \"-//IETF//DTD HTML 2.0//EN\">\n<html><head>\n<title>{title}</title>\n</head><body>\n\
         <h1>{}</h1>\n</body></html>\n",
        phrase(status)
    );
    Answer::new(status, "text/html; charset=iso-8859-1", page)
}
