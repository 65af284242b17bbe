//! The EC2 instance metadata service: session tokens, dated versions, a tree of text values.

use std::collections::BTreeMap;

use hyper::body::Bytes;

use super::ecs::{self, TaskEndpoint};
use super::{Service, aws_repeats, quirks, relative};
use crate::exchange::{Answer, Asked, Outcome};
use crate::token::{self, Lifetime, Presented, Tokens};
use crate::tree::{Node, Tree};
use crate::{Error, request_path};

/// As listed at `/`, oldest first; `latest` closes the list.
const VERSIONS: &[&str] = &[
    "1.0",
    "2007-01-19",
    "2007-03-01",
    "2007-08-29",
    "2007-10-10",
    "2007-12-15",
    "2008-02-01",
    "2008-09-01",
    "2009-04-04",
    "2011-01-01",
    "2011-05-01",
    "2012-01-12",
    "2014-02-25",
    "2014-11-05",
    "2015-10-20",
    "2016-04-19",
    "2016-06-30",
    "2016-09-02",
    "2018-03-28",
    "2018-08-17",
    "2018-09-24",
    "2019-10-01",
    "2020-10-27",
    "2021-01-03",
    "2021-03-23",
    "2021-07-15",
    "latest",
];

/// Categories and the version that first had them; older versions answer 404.
const SINCE: &[(&str, &str)] = &[
    ("meta-data/services/domain", "2014-02-25"),
    ("meta-data/spot/termination-time", "2014-11-05"),
    ("meta-data/services/partition", "2015-10-20"),
    ("meta-data/spot/instance-action", "2016-11-15"),
    ("meta-data/events/maintenance", "2018-08-17"),
    ("meta-data/placement/availability-zone-id", "2019-10-01"),
    ("meta-data/instance-life-cycle", "2019-10-01"),
    ("meta-data/placement/region", "2020-08-24"),
    ("meta-data/placement/group-name", "2020-08-24"),
    ("meta-data/placement/host-id", "2020-08-24"),
    ("meta-data/placement/partition-number", "2020-08-24"),
    ("meta-data/events/recommendations", "2020-10-27"),
    ("meta-data/ipv6", "2021-01-03"),
    ("meta-data/tags", "2021-03-23"),
    ("meta-data/autoscaling", "2021-07-15"),
];

const TTL_HEADER: &str = "x-aws-ec2-metadata-token-ttl-seconds";
const TOKENS: token::Rules = token::Rules {
    path: "/latest/api/token",
    lifetime: Lifetime::Header(TTL_HEADER),
    seconds: 1..=21_600,
    header: "x-aws-ec2-metadata-token",
    scheme: "",
};
const LAST_MODIFIED: &str = "Thu, 02 Jan 2031 03:04:05 GMT";

/// Instance options of EC2, and what the network does to token replies.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Quirks {
    http_endpoint: Option<Switch>,
    http_tokens: Option<HttpTokens>,
    token_service: Option<TokenService>,
    /// Names of the key pairs by index, for the `0=NAME` lines of `public-keys/`.
    key_names: Option<BTreeMap<String, String>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
enum Switch {
    Enabled,
    Disabled,
    /// There is no such service, as for tasks of Fargate.
    Absent,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
enum HttpTokens {
    Optional,
    Required,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
enum TokenService {
    Answers,
    /// Replies run out of hops on the way.
    Dropped,
    /// As clones of EC2 that know only IMDSv1: 404.
    Absent,
}

#[derive(Clone, Debug)]
pub(super) struct Aws {
    tree: Tree,
    quirks: Quirks,
    tokens: Tokens,
    /// What containers of a task of ECS see besides.
    task: TaskEndpoint,
}

impl Default for Aws {
    fn default() -> Self {
        Self {
            tree: Tree::default(),
            quirks: Quirks::default(),
            tokens: Tokens::new(&TOKENS),
            task: TaskEndpoint::default(),
        }
    }
}

impl Service for Aws {
    fn load(&mut self, name: &str, text: &str) -> Result<(), String> {
        if ecs::is_path(name) {
            return self.task.load(name, text);
        }
        if !is_served(name) {
            return Err("only `meta-data/…`, `dynamic/…` and `user-data` are served".to_owned());
        }
        self.tree.insert(name, text);
        Ok(())
    }

    fn configure(&mut self, table: toml::Table) -> Result<(), String> {
        let quirks: Quirks = quirks(table)?;
        let old = &mut self.quirks;
        old.http_endpoint = quirks.http_endpoint.or(old.http_endpoint);
        old.http_tokens = quirks.http_tokens.or(old.http_tokens);
        old.token_service = quirks.token_service.or(old.token_service);
        old.key_names = quirks.key_names.or(old.key_names.take());
        Ok(())
    }

    fn answer(&mut self, asked: &Asked) -> Outcome {
        if let Some(answer) = self.task.answer(asked) {
            return answer.into();
        }
        match self.quirks.http_endpoint {
            Some(Switch::Absent) => return ecs::error(404).into(),
            Some(Switch::Disabled) => return error(403).into(),
            Some(Switch::Enabled) | None => {}
        }
        let Some((segments, _)) = request_path::segments(&asked.path) else { return error(404).into() };
        let names: Vec<&str> = segments.iter().map(String::as_str).collect();
        if let [version, "api", "token"] = names.as_slice() {
            return self.token(asked, version);
        }
        if !asked.is_read() {
            return error(405).with("allow", "GET, HEAD").into();
        }
        let required = self.quirks.http_tokens == Some(HttpTokens::Required);
        match self.tokens.presented(asked) {
            Presented::Alive(left) => self.read(&names).with(TTL_HEADER, left.as_secs().to_string()),
            Presented::Nothing if !required => self.read(&names),
            Presented::Nothing | Presented::Dead => error(401),
        }
        .into()
    }

    fn error(&self, status: u16) -> Answer {
        if self.has_ec2() { error(status) } else { ecs::error(status) }
    }

    fn imitation(&self, body: Bytes) -> Answer {
        if self.has_ec2() { text(body) } else { ecs::imitation(body) }
    }

    fn set(&mut self, path: &str, value: &str) -> Result<(), Error> {
        let inner = relative(path, &["latest"]);
        if ecs::is_path(inner) {
            return self.task.set(inner, value).map_err(|reason| Error::path(path, reason));
        }
        if let Some(field) = inner.strip_prefix(aws_repeats::DOCUMENT).and_then(|rest| rest.strip_prefix('/'))
        {
            return aws_repeats::set_field(&mut self.tree, field, value)
                .map_err(|reason| Error::path(path, reason));
        }
        if !is_served(inner) || inner.contains("//") {
            let reason = "AWS paths begin with `meta-data/`, `dynamic/` or are `user-data`";
            return Err(Error::path(path, reason));
        }
        if !self.tree.has_room(inner) {
            return Err(Error::path(path, "this is a directory, or stands below a value"));
        }
        aws_repeats::set(&mut self.tree, inner, value).map_err(|reason| Error::path(path, reason))
    }

    fn remove(&mut self, path: &str) -> bool {
        let inner = relative(path, &["latest"]);
        self.tree.remove(inner) || self.task.remove(inner)
    }

    fn revoke_tokens(&mut self) {
        self.tokens.revoke();
    }

    fn firmware_facts(&self) -> Vec<(&'static str, String)> {
        let value = |path| self.tree.get(path).unwrap_or("").to_owned();
        vec![
            ("board_asset_tag", value("meta-data/instance-id")),
            ("product_name", value("meta-data/instance-type")),
        ]
    }

    fn clone_box(&self) -> Box<dyn Service> {
        Box::new(self.clone())
    }
}

impl Aws {
    fn has_ec2(&self) -> bool {
        self.quirks.http_endpoint != Some(Switch::Absent)
    }

    fn token(&mut self, asked: &Asked, version: &str) -> Outcome {
        match self.quirks.token_service {
            Some(TokenService::Absent) => return error(404).into(),
            // The hop limit counts for the reply to the PUT only.
            Some(TokenService::Dropped) if asked.method == "PUT" => return Outcome::Silence,
            _ => {}
        }
        if version != "latest" {
            let known = VERSIONS.contains(&version);
            return error(if known { 403 } else { 404 }).into();
        }
        if asked.method != "PUT" {
            let refusal = Answer::new(405, "text/plain", "").with("allow", "OPTIONS, PUT");
            return refusal.with("server", "EC2ws").into();
        }
        if asked.header("x-forwarded-for").is_some() {
            return error(403).into();
        }
        let Some(issued) = self.tokens.issue(asked) else { return error(400).into() };
        Answer::new(200, "text/plain", issued.token)
            .with("server", "EC2ws")
            .with(TTL_HEADER, issued.seconds.to_string())
            .into()
    }

    fn read(&self, names: &[&str]) -> Answer {
        let Some((version, names)) = names.split_first() else { return text(VERSIONS.join("\n").into()) };
        if !VERSIONS.contains(version) {
            return error(404);
        }
        let path = names.join("/");
        match self.tree.find(&path) {
            Some(_) if !is_since(&path, version) => error(404),
            Some(Node::Value(value)) if path == "user-data" => user_data(value),
            Some(Node::Value(value)) => text(Bytes::copy_from_slice(value.as_bytes())),
            Some(Node::Directory(entries)) => text(self.listing(&path, entries, version).into()),
            None => error(404),
        }
    }

    fn listing(&self, path: &str, mut entries: Vec<String>, version: &str) -> String {
        entries.retain(|entry| is_since(&format!("{path}/{}", entry.trim_end_matches('/')), version));
        if path.is_empty() {
            // The roots stand without slashes.
            entries.iter_mut().for_each(|entry| *entry = entry.trim_end_matches('/').to_owned());
        } else if path == "meta-data/public-keys" {
            for entry in &mut entries {
                let index = entry.trim_end_matches('/').to_owned();
                let name = self.quirks.key_names.as_ref().and_then(|names| names.get(&index));
                *entry = format!("{index}={}", name.map_or("key", String::as_str));
            }
        }
        entries.join("\n")
    }
}

fn is_served(path: &str) -> bool {
    path == "user-data" || path.starts_with("meta-data/") || path.starts_with("dynamic/")
}

/// Versions compare as text: dates among themselves, `1.0` before them and `latest` behind.
fn is_since(path: &str, version: &str) -> bool {
    SINCE
        .iter()
        .find(|(category, _)| {
            path.strip_prefix(category).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
        .is_none_or(|(_, first)| *first <= version)
}

/// A good answer: EC2 says `text/plain` of everything but user data, JSON included.
pub(super) fn text(body: Bytes) -> Answer {
    Answer::new(200, "text/plain", body)
        .with("accept-ranges", "none")
        .with("last-modified", LAST_MODIFIED)
        .with("server", "EC2ws")
}

fn user_data(value: &str) -> Answer {
    Answer::new(200, "application/octet-stream", Bytes::copy_from_slice(value.as_bytes()))
        .with("accept-ranges", "bytes")
        .with("last-modified", LAST_MODIFIED)
        .with("server", "EC2ws")
}

/// The service's XHTML page for a status.
pub(super) fn error(status: u16) -> Answer {
    let reason = hyper::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
    let title = format!("{status} - {}", reason.unwrap_or("Error"));
    let encoding = if status == 404 { "iso-8859-1" } else { "UTF-8" };
    let page = format!(
        "<?xml version=\"1.0\" encoding=\"{encoding}\"?>\n\
         <!DOCTYPE html PUBLIC \"-//W3C//DTD XHTML 1.0 Transitional//EN\"\n\
         \t\"http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd\">\n\
         <html xmlns=\"http://www.w3.org/1999/xhtml\" xml:lang=\"en\" lang=\"en\">\n \
         <head>\n  <title>{title}</title>\n </head>\n <body>\n  <h1>{title}</h1>\n </body>\n</html>\n"
    );
    Answer::new(status, "text/html", page).with("server", "EC2ws")
}
