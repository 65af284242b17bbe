//! Alibaba's metadata service: a tree of text values that is also one JSON document, with session tokens that a machine
//! may be told to insist on (ECS, "Instance metadata": normal and security-hardening mode).

use hyper::body::Bytes;
use serde_json::Value;

use super::{Service, quirks, relative};
use crate::exchange::{Answer, Asked, Outcome, phrase};
use crate::json_tree::{JsonTree, Spelling};
use crate::token::{self, Lifetime, Presented, Tokens};
use crate::tree::Tree;
use crate::{Error, document, request_path};

/// The whole tree as JSON.
const BULK: &str = "meta-data/all";
const IDENTITY: &str = "dynamic/instance-identity/document";
/// Paths of values that are no part of the bulk document.
const FILES: &[&str] = &["dynamic/", "meta-data/ram/", "user-data", "vendor-data"];

const SPELLING: Spelling = Spelling {
    renamed: &[],
    optional: &[
        "eipv4",
        "hostname",
        "image/market-place/*",
        "instance/instance-name",
        "instance/spot/termination-time",
        "public-keys/*/openssh-key",
        "sub-private-ipv4-list",
        "tags/instance/*",
    ],
};

const TOKENS: token::Rules = token::Rules {
    path: "/latest/api/token",
    lifetime: Lifetime::Header("x-aliyun-ecs-metadata-token-ttl-seconds"),
    seconds: 1..=21_600,
    header: "x-aliyun-ecs-metadata-token",
    scheme: "",
};

/// Items of the top level that the interfaces repeat.
const REPEATED: &[&str] =
    &["mac", "private-ipv4", "vpc-id", "vpc-cidr-block", "vswitch-id", "vswitch-cidr-block"];

/// Instance options of ECS.
#[derive(Clone, Copy, Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Quirks {
    http_endpoint: Option<HttpEndpoint>,
    http_tokens: Option<HttpTokens>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
enum HttpEndpoint {
    Enabled,
    Disabled,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
enum HttpTokens {
    Optional,
    Required,
}

#[derive(Clone, Debug)]
pub(super) struct Alibaba {
    data: JsonTree,
    files: Tree,
    /// Older hosts have the tree only.
    has_bulk: bool,
    quirks: Quirks,
    tokens: Tokens,
}

impl Default for Alibaba {
    fn default() -> Self {
        Self {
            data: JsonTree::new(&SPELLING),
            files: Tree::default(),
            has_bulk: true,
            quirks: Quirks::default(),
            tokens: Tokens::new(&TOKENS),
        }
    }
}

impl Service for Alibaba {
    fn load(&mut self, name: &str, text: &str) -> Result<(), String> {
        if name == BULK {
            self.has_bulk = true;
            return self.data.load(text);
        }
        if FILES.iter().any(|known| name == *known || known.ends_with('/') && name.starts_with(known)) {
            return self.files.put(name, text).map_err(str::to_owned);
        }
        Err(format!("known documents are {BULK} and {}…", FILES.join("…, ")))
    }

    fn configure(&mut self, table: toml::Table) -> Result<(), String> {
        let quirks: Quirks = quirks(table)?;
        self.quirks.http_endpoint = quirks.http_endpoint.or(self.quirks.http_endpoint);
        self.quirks.http_tokens = quirks.http_tokens.or(self.quirks.http_tokens);
        Ok(())
    }

    fn answer(&mut self, asked: &Asked) -> Outcome {
        if self.quirks.http_endpoint == Some(HttpEndpoint::Disabled) {
            return error(403).into();
        }
        if self.tokens.are_meant(asked) {
            return match (asked.method.as_str(), self.tokens.issue(asked)) {
                ("PUT", Some(issued)) => Answer::new(200, "text/plain", issued.token),
                ("PUT", None) => error(400),
                _ => error(405).with("allow", "PUT"),
            }
            .into();
        }
        let Some((segments, _)) = request_path::segments(&asked.path) else { return error(404).into() };
        if !asked.is_read() {
            return error(405).with("allow", "GET, HEAD").into();
        }
        let required = self.quirks.http_tokens == Some(HttpTokens::Required);
        match self.tokens.presented(asked) {
            Presented::Dead => error(401),
            Presented::Nothing if required => error(403),
            Presented::Nothing | Presented::Alive(_) => self.read(&segments),
        }
        .into()
    }

    fn error(&self, status: u16) -> Answer {
        error(status)
    }

    fn imitation(&self, body: Bytes) -> Answer {
        Answer::new(200, "text/plain", body)
    }

    fn set(&mut self, path: &str, value: &str) -> Result<(), Error> {
        let inner = relative(path, &["latest", "2016-01-01"]);
        if inner == BULK || FILES.iter().any(|known| inner.starts_with(known)) {
            return self.load(inner, value).map_err(|reason| Error::path(path, reason));
        }
        let item = relative(inner, &["meta-data"]);
        let old = self.tree().get(&format!("meta-data/{item}")).map(str::to_owned);
        self.data.set(item, value).map_err(|reason| Error::path(path, reason))?;
        self.repeat(item, old.as_deref().unwrap_or(""), value);
        Ok(())
    }

    fn remove(&mut self, path: &str) -> bool {
        let inner = relative(path, &["latest", "2016-01-01"]);
        if inner == BULK {
            return std::mem::take(&mut self.has_bulk);
        }
        self.files.remove(inner) || self.data.remove(relative(inner, &["meta-data"]))
    }

    fn revoke_tokens(&mut self) {
        self.tokens.revoke();
    }

    fn clone_box(&self) -> Box<dyn Service> {
        Box::new(self.clone())
    }
}

impl Alibaba {
    fn tree(&self) -> Tree {
        let mut tree = self.files.clone();
        tree.graft("meta-data", self.data.tree());
        tree
    }

    fn read(&self, segments: &[String]) -> Answer {
        let path = match segments.split_first() {
            None => return Answer::new(200, "text/plain", "2016-01-01\nlatest"),
            Some((version, rest)) if version == "latest" || version == "2016-01-01" => rest.join("/"),
            Some(_) => return error(404),
        };
        if path == BULK && self.has_bulk {
            return Answer::json(200, self.data.document());
        }
        match self.tree().page(&path) {
            Some(page) => Answer::new(200, "text/plain", page),
            None => error(404),
        }
    }

    /// The identity document and the interfaces repeat items of the top level.
    fn repeat(&mut self, item: &str, old: &str, new: &str) {
        let name = item.rsplit('/').next().unwrap_or("");
        let document = self.files.get(IDENTITY).and_then(|text| serde_json::from_str::<Value>(text).ok());
        if let Some(mut document) = document
            && document.get(name).and_then(Value::as_str) == Some(old)
        {
            document::put(&mut document, &[name.to_owned()], new.into());
            self.files.insert(IDENTITY, &document.to_string());
        }
        if !old.is_empty() && REPEATED.contains(&name) {
            self.data.replace_below("network", old, new);
        }
    }
}

fn error(status: u16) -> Answer {
    let title = format!("{status} - {}", phrase(status));
    let page = format!("<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>\n");
    Answer::new(status, "text/html", page)
}
