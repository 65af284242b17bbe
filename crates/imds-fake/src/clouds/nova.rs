//! What OpenStack's nova serves, and clouds built on it serve too: JSON documents below `/openstack`, and at every other
//! path a tree of text in EC2's style ("Metadata service" in nova's user guide).

use hyper::body::Bytes;
use serde_json::Value;

use super::relative;
use crate::exchange::{Answer, Asked, phrase};
use crate::json_tree::{JsonTree, Spelling};
use crate::tree::{Node, Tree};
use crate::{Error, document, request_path};

/// Versions of the native documents, oldest first.
const VERSIONS: &[&str] = &[
    "2012-08-10",
    "2013-04-04",
    "2013-10-17",
    "2015-10-15",
    "2016-06-30",
    "2016-10-06",
    "2017-02-22",
    "2018-08-27",
    "2020-10-14",
    "2025-04-04",
];

/// Versions of the tree in EC2's style.
const EC2_VERSIONS: &[&str] = &[
    "1.0",
    "2007-01-19",
    "2007-03-01",
    "2007-08-29",
    "2007-10-10",
    "2007-12-15",
    "2008-02-01",
    "2008-09-01",
    "2009-04-04",
    "latest",
];

const META: &str = "meta_data.json";
const NETWORK: &str = "network_data.json";
const DOCUMENTS: &[&str] = &[META, NETWORK, "vendor_data.json", "vendor_data2.json"];
const USER_DATA: &str = "user_data";
const PASSWORD: &str = "password";
/// Huawei's own file: credentials of the machine's agency.
pub(super) const SECURITY_KEY: &str = "securitykey";

/// The files of a version in the order nova lists them.
const LISTED: &[&str] =
    &[META, USER_DATA, PASSWORD, "vendor_data.json", NETWORK, "vendor_data2.json", SECURITY_KEY];

/// Files, and keys of `meta_data.json`, with the version that first had them.
const SINCE: &[(&str, &str)] = &[
    (PASSWORD, "2013-04-04"),
    ("random_seed", "2013-04-04"),
    ("vendor_data.json", "2013-10-17"),
    (NETWORK, "2015-10-15"),
    ("project_id", "2015-10-15"),
    ("devices", "2016-06-30"),
    ("vendor_data2.json", "2016-10-06"),
    ("dedicated_cpus", "2020-10-14"),
];

/// Items of `meta-data` with the version that first had them.
const EC2_SINCE: &[(&str, &str)] = &[
    ("local-hostname", "2007-01-19"),
    ("public-hostname", "2007-01-19"),
    ("public-ipv4", "2007-01-19"),
    ("instance-type", "2007-08-29"),
    ("block-device-mapping", "2007-12-15"),
    ("kernel-id", "2007-12-15"),
    ("ramdisk-id", "2007-12-15"),
    ("placement", "2008-02-01"),
    ("instance-action", "2008-09-01"),
];

const SPELLING: Spelling = Spelling {
    renamed: &[],
    optional: &[
        "meta_data.json/admin_pass",
        "meta_data.json/enterprise_project_id",
        "meta_data.json/meta/*",
        "meta_data.json/project_id",
        "meta_data.json/region_id",
    ],
};

/// Keys of the documents and last names of the tree that say the same.
const REPEATED: &[(&str, &str, &[&str])] = &[
    (META, "hostname", &["hostname", "local-hostname", "public-hostname"]),
    (META, "availability_zone", &["availability-zone"]),
    (NETWORK, "ip_address", &["local-ipv4"]),
];

/// The largest password a machine may leave here.
const MAX_PASSWORD: usize = 4 * 255;

#[derive(Clone, Debug)]
pub(super) struct Nova {
    documents: JsonTree,
    /// `user_data`, `password`, `securitykey` and `content/…`.
    files: Tree,
    ec2: Tree,
    newest: String,
    has_ec2: bool,
    reads: u64,
}

impl Default for Nova {
    fn default() -> Self {
        Self {
            documents: JsonTree::new(&SPELLING),
            files: Tree::default(),
            ec2: Tree::default(),
            newest: VERSIONS.last().copied().unwrap_or("").to_owned(),
            has_ec2: true,
            reads: 0,
        }
    }
}

impl Nova {
    /// Documents are `openstack/NAME` and the items `meta-data/…`.
    pub(super) fn load(&mut self, name: &str, text: &str) -> Result<(), String> {
        if name.starts_with("meta-data/") {
            return self.ec2.put(name, text).map_err(str::to_owned);
        }
        match name.strip_prefix("openstack/") {
            Some(document) if DOCUMENTS.contains(&document) => self.documents.load_under(document, text),
            Some(file) if is_file(file) => self.files.put(file, text).map_err(str::to_owned),
            _ => Err(format!(
                "known documents are meta-data/… and openstack/ with {}, {USER_DATA}, {PASSWORD}, content/…",
                DOCUMENTS.join(", ")
            )),
        }
    }

    /// The newest version this deployment knows.
    pub(super) fn set_newest(&mut self, version: String) -> Result<(), String> {
        if !VERSIONS.contains(&version.as_str()) {
            return Err(format!("known versions are {}", VERSIONS.join(", ")));
        }
        self.newest = version;
        Ok(())
    }

    pub(super) fn serve_ec2(&mut self, serve: bool) {
        self.has_ec2 = serve;
    }

    pub(super) fn has_file(&self, name: &str) -> bool {
        self.files.get(name).is_some()
    }

    /// The path decides, not the method: nova looks at the method for the password only.
    pub(super) fn answer(&mut self, asked: &Asked) -> Answer {
        let segments = request_path::normalised(&asked.path);
        let names: Vec<&str> = segments.iter().map(String::as_str).collect();
        match names.as_slice() {
            ["openstack", rest @ ..] => self.native(asked, rest),
            _ if !self.has_ec2 => error(404),
            ["ec2", rest @ ..] | rest => self.ec2(rest),
        }
    }

    fn native(&mut self, asked: &Asked, names: &[&str]) -> Answer {
        let Some((version, rest)) = names.split_first() else {
            let versions = VERSIONS.iter().copied().filter(|version| *version <= self.newest.as_str());
            return text(versions.chain(["latest"]).collect::<Vec<_>>().join("\n"));
        };
        let path = rest.join("/");
        if *version == "content" {
            return self.files.get(&format!("content/{path}")).map_or_else(|| error(404), text);
        }
        let known = VERSIONS.contains(version) && *version <= self.newest.as_str();
        let version = match *version {
            "latest" => self.newest.clone(),
            version if known => version.to_owned(),
            _ => return error(404),
        };
        if path.is_empty() {
            return text(self.listing(&version));
        }
        if !is_since(SINCE, &path, &version) {
            return error(404);
        }
        match (path.as_str(), self.documents.document().get(&path)) {
            (PASSWORD, _) => self.password(asked),
            (META, Some(document)) => {
                let mut document = document.clone();
                if let Value::Object(keys) = &mut document {
                    keys.retain(|key, _| is_since(SINCE, key, &version));
                    if let Some(seed) = keys.get_mut("random_seed") {
                        self.reads += 1;
                        *seed = random_seed(self.reads).into();
                    }
                }
                Answer::json(200, &document)
            }
            // Nova forgets to say that this one is JSON.
            (NETWORK, Some(document)) => text(document.to_string()),
            (_, Some(document)) => Answer::json(200, document),
            (SECURITY_KEY, None) => match self.files.get(SECURITY_KEY) {
                Some(keys) => Answer::new(200, "application/json", keys.to_owned()),
                None => error(404),
            },
            (path, None) => self.files.get(path).map_or_else(|| error(404), text),
        }
    }

    fn listing(&self, version: &str) -> String {
        let is_there = |name: &str| self.documents.document().get(name).is_some() || self.has_file(name);
        let names: Vec<&str> =
            LISTED.iter().copied().filter(|name| is_since(SINCE, name, version) && is_there(name)).collect();
        names.join("\n")
    }

    /// A machine may leave the encrypted password of its administrator here, once.
    fn password(&mut self, asked: &Asked) -> Answer {
        let Some(password) = self.files.get(PASSWORD) else { return error(404) };
        match asked.method.as_str() {
            "GET" | "HEAD" => text(password),
            "POST" if !password.is_empty() => error(409),
            "POST" if asked.body.len() <= MAX_PASSWORD => {
                self.files.insert(PASSWORD, &String::from_utf8_lossy(&asked.body));
                text("")
            }
            _ => error(400),
        }
    }

    fn ec2(&self, names: &[&str]) -> Answer {
        let Some((version, rest)) = names.split_first() else { return text(EC2_VERSIONS.join("\n")) };
        if !EC2_VERSIONS.contains(version) {
            return error(404);
        }
        let mut tree = self.ec2.clone();
        if let Some(user_data) = self.files.get(USER_DATA) {
            tree.insert("user-data", user_data);
        }
        let path = rest.join("/");
        let item =
            |path: &str| path.strip_prefix("meta-data/").unwrap_or("").trim_end_matches('/').to_owned();
        match tree.find(&path) {
            Some(_) if !is_since(EC2_SINCE, &item(&path), version) => error(404),
            Some(Node::Value(value)) => text(value),
            Some(Node::Directory(_)) if path == "meta-data/public-keys" => {
                text(format!("0={}", self.key_name()))
            }
            Some(Node::Directory(mut names)) => {
                names.retain(|name| is_since(EC2_SINCE, &item(&format!("{path}/{name}")), version));
                text(names.join("\n"))
            }
            None => error(404),
        }
    }

    fn key_name(&self) -> &str {
        let keys = self.documents.document().get(META).and_then(|document| document.get("keys"));
        let first = keys.and_then(|keys| keys.get(0)?.get("name"));
        first.and_then(Value::as_str).unwrap_or("key")
    }

    /// Paths are `meta_data.json/KEY` and `network_data.json/…`, whole files, and `meta-data/…`.
    pub(super) fn set(&mut self, path: &str, value: &str) -> Result<(), Error> {
        let refused = |reason: &str| Error::path(path, reason);
        let inner = inner(path);
        if DOCUMENTS.contains(&inner) {
            return self.documents.load_under(inner, value).map_err(|reason| refused(&reason));
        }
        if is_file(inner) {
            return self.files.put(inner, value).map_err(refused);
        }
        if inner.starts_with("meta-data/") && !inner.contains("//") {
            return self.set_item(inner, value).map_err(refused);
        }
        let keys: Vec<String> = inner.split('/').map(str::to_owned).collect();
        let old = document::get(self.documents.document(), &keys).and_then(document::scalar);
        let old = old.unwrap_or_default();
        self.documents.set(inner, value).map_err(refused)?;
        if inner == "meta_data.json/name" {
            let hostname = document::text(self.documents.document(), &[META, "hostname"]).to_owned();
            if let Some(domain) =
                hostname.strip_prefix(&old).filter(|rest| rest.is_empty() || rest.starts_with('.'))
            {
                return self.set("meta_data.json/hostname", &format!("{value}{domain}"));
            }
        }
        let repeated = REPEATED.iter().find(|(_, key, _)| keys.last().is_some_and(|last| last == key));
        if let Some((.., names)) = repeated.filter(|_| !old.is_empty()) {
            for (_, item) in self.ec2.iter_mut().filter(|(path, _)| names.contains(&last(path))) {
                if *item == old {
                    value.clone_into(item);
                }
            }
        }
        Ok(())
    }

    fn set_item(&mut self, path: &str, value: &str) -> Result<(), &'static str> {
        let old = self.ec2.get(path).unwrap_or("").to_owned();
        let repeated = REPEATED.iter().find(|(.., names)| names.contains(&last(path)));
        let names: &[&[&str]] = repeated.map_or(&[], |(.., names)| std::slice::from_ref(names));
        self.ec2.put_alike(path, value, names)?;
        for path in repeated.map_or_else(Vec::new, |(document, key, _)| self.places(document, key, &old)) {
            self.documents.set(&path, value)?;
        }
        Ok(())
    }

    /// Where a document says this value under this key: at its top, or in its networks.
    fn places(&self, document: &str, key: &str, value: &str) -> Vec<String> {
        let Some(root) = self.documents.document().get(document).filter(|_| !value.is_empty()) else {
            return Vec::new();
        };
        let says = |node: &Value| node.get(key).and_then(Value::as_str) == Some(value);
        let networks = root.get("networks").and_then(Value::as_array).into_iter().flatten().enumerate();
        let below = networks.filter(|(_, network)| says(network));
        let top = says(root).then(|| format!("{document}/{key}"));
        top.into_iter().chain(below.map(|(at, _)| format!("{document}/networks/{at}/{key}"))).collect()
    }

    pub(super) fn remove(&mut self, path: &str) -> bool {
        let inner = inner(path);
        self.documents.remove(inner) || self.files.remove(inner) || self.ec2.remove(inner)
    }

    /// Libvirt shows the machine's uuid in both.
    pub(super) fn firmware_facts(&self) -> Vec<(&'static str, String)> {
        let uuid = document::text(self.documents.document(), &[META, "uuid"]);
        vec![("product_uuid", uuid.to_owned()), ("product_serial", uuid.to_owned())]
    }
}

fn inner(path: &str) -> &str {
    match relative(path, &["openstack/latest", "openstack", "latest"]) {
        "user-data" => USER_DATA,
        inner => inner,
    }
}

fn is_file(name: &str) -> bool {
    [USER_DATA, PASSWORD, SECURITY_KEY].contains(&name) || name.starts_with("content/")
}

fn last(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or("")
}

/// Versions compare as text: `1.0` before the dates, `latest` behind them.
fn is_since(table: &[(&str, &str)], path: &str, version: &str) -> bool {
    let top = path.split('/').next().unwrap_or("");
    table.iter().find(|(name, _)| *name == top).is_none_or(|(_, first)| *first <= version)
}

/// Different at every reading, as the real one.
fn random_seed(reads: u64) -> String {
    let mut state = reads.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut seed = String::new();
    for _ in 0..8 {
        state = (state ^ (state >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9).wrapping_add(reads);
        seed.push_str(&format!("{state:016x}"));
    }
    seed
}

pub(super) fn text(body: impl AsRef<str>) -> Answer {
    Answer::new(200, "text/plain; charset=UTF-8", Bytes::copy_from_slice(body.as_ref().as_bytes()))
}

pub(super) fn error(status: u16) -> Answer {
    let explanation = match status {
        404 => "The resource could not be found.",
        409 => "There was a conflict when trying to complete your request.",
        500 => "An unknown error has occurred. Please try your request again.",
        _ => {
            "The server could not comply with the request since it is either malformed or otherwise incorrect."
        }
    };
    let title = format!("{status} {}", phrase(status));
    let page = format!(
        "<html>\n <head>\n  <title>{title}</title>\n </head>\n <body>\n  <h1>{title}</h1>\n  \
         {explanation}<br /><br />\n\n\n </body>\n</html>"
    );
    Answer::new(status, "text/html; charset=UTF-8", page)
}
