//! Yandex Cloud: one machine in Google's format and in EC2's, and either can be switched off (Compute Cloud, "VM
//! metadata" and "Metadata folders").

use hyper::body::Bytes;
use serde_json::Value;

use super::gcp::Gcp;
use super::{Service, quirks, relative};
use crate::exchange::{Answer, Asked, Outcome, phrase};
use crate::tree::Tree;
use crate::{Error, document, request_path};

/// As listed at `/`; `latest` is what everybody is to use.
const VERSIONS: &[&str] = &[
    "1.0",
    "2007-01-19",
    "2007-03-01",
    "2008-02-01",
    "2009-04-04",
    "2016-09-02",
    "2021-07-15",
    "2023-02-15",
    "2023-05-10",
    "latest",
];

const GCE_ROOT: &str = "computeMetadata/v1";
const IDENTITY: &str = "vendor/instance-identity/document";
const MACS: &str = "meta-data/network/interfaces/macs";

/// Items of EC2's format and the paths of Google's that say the same.
const ALIKE: &[(&str, &str)] = &[
    ("meta-data/hostname", "instance/hostname"),
    ("meta-data/instance-id", "instance/id"),
    ("meta-data/local-ipv4", "instance/network-interfaces/0/ip"),
    ("meta-data/mac", "instance/network-interfaces/0/mac"),
    ("meta-data/public-ipv4", "instance/network-interfaces/0/access-configs/0/external-ip"),
    ("user-data", "instance/attributes/user-data"),
    (IDENTITY, "instance/vendor/identity/document"),
];

/// Last names of EC2's format that hold the same thing.
const SAME_NAMES: &[&[&str]] = &[&["local-ipv4", "local-ipv4s"], &["hostname", "local-hostname"], &["mac"]];

/// Settings of the metadata service, as the API calls them.
#[derive(Clone, Copy, Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Quirks {
    gce_http_endpoint: Option<Switch>,
    aws_v1_http_endpoint: Option<Switch>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
enum Switch {
    Enabled,
    Disabled,
}

#[derive(Clone, Debug)]
pub(super) struct Yandex {
    gce: Gcp,
    ec2: Tree,
    quirks: Quirks,
}

impl Default for Yandex {
    fn default() -> Self {
        Self { gce: Gcp::imitation_of_google(), ec2: Tree::default(), quirks: Quirks::default() }
    }
}

impl Service for Yandex {
    fn load(&mut self, name: &str, text: &str) -> Result<(), String> {
        if is_ec2(name) { self.ec2.put(name, text).map_err(str::to_owned) } else { self.gce.load(name, text) }
    }

    fn configure(&mut self, table: toml::Table) -> Result<(), String> {
        let quirks: Quirks = quirks(table)?;
        self.quirks.gce_http_endpoint = quirks.gce_http_endpoint.or(self.quirks.gce_http_endpoint);
        self.quirks.aws_v1_http_endpoint = quirks.aws_v1_http_endpoint.or(self.quirks.aws_v1_http_endpoint);
        Ok(())
    }

    fn answer(&mut self, asked: &Asked) -> Outcome {
        let Some((segments, _)) = request_path::segments(&asked.path) else { return error(404).into() };
        let Some((first, rest)) = segments.split_first() else { return text(&VERSIONS.join("\n")).into() };
        if first == "computeMetadata" {
            return match self.quirks.gce_http_endpoint {
                Some(Switch::Disabled) => error(400).into(),
                _ => self.gce.answer(asked),
            };
        }
        let is_off = self.quirks.aws_v1_http_endpoint == Some(Switch::Disabled);
        match self.ec2.page(&rest.join("/")).filter(|_| VERSIONS.contains(&first.as_str())) {
            _ if is_off => error(400),
            Some(_) if !asked.is_read() => error(405).with("allow", "GET, HEAD"),
            Some(page) => text(&page),
            None => error(404),
        }
        .into()
    }

    fn error(&self, status: u16) -> Answer {
        error(status)
    }

    fn imitation(&self, body: Bytes) -> Answer {
        self.gce.imitation(body)
    }

    fn set(&mut self, path: &str, value: &str) -> Result<(), Error> {
        let inner = relative(path, &[GCE_ROOT, "latest"]);
        if inner == GCE_ROOT {
            return self.gce.set(path, value);
        }
        let twin = ALIKE.iter().find(|(ec2, gce)| *ec2 == inner || *gce == inner);
        match twin {
            Some((ec2, gce)) => {
                let had_ec2 = self.ec2.get(ec2).unwrap_or("").to_owned();
                self.gce.set(gce, value)?;
                self.set_item(ec2, value).map_err(|reason| Error::path(path, reason))?;
                self.repeat(ec2, &had_ec2, value);
                Ok(())
            }
            None if is_ec2(inner) => self.set_item(inner, value).map_err(|reason| Error::path(path, reason)),
            None => self.gce.set(inner, value),
        }
    }

    fn remove(&mut self, path: &str) -> bool {
        let inner = relative(path, &[GCE_ROOT, "latest"]);
        match ALIKE.iter().find(|(ec2, gce)| *ec2 == inner || *gce == inner) {
            Some((ec2, gce)) => {
                let removed = self.ec2.remove(ec2);
                self.gce.remove(gce) || removed
            }
            None => self.ec2.remove(inner) || self.gce.remove(inner),
        }
    }

    fn clone_box(&self) -> Box<dyn Service> {
        Box::new(self.clone())
    }
}

impl Yandex {
    fn set_item(&mut self, path: &str, value: &str) -> Result<(), &'static str> {
        self.ec2.put_alike(path, value, SAME_NAMES)
    }

    /// The identity documents name the machine, and its interfaces are directories of their MAC addresses.
    fn repeat(&mut self, item: &str, old: &str, new: &str) {
        match item {
            "meta-data/mac" if !old.is_empty() => {
                self.ec2.rename(&format!("{MACS}/{old}"), &format!("{MACS}/{new}"));
            }
            "meta-data/instance-id" => {
                let document =
                    self.ec2.get(IDENTITY).and_then(|text| serde_json::from_str::<Value>(text).ok());
                let Some(mut document) = document else { return };
                document::put(&mut document, &["instanceId".to_owned()], new.into());
                let text = document.to_string();
                self.ec2.insert(IDENTITY, &text);
                // A machine without the document in Google's format is left without it.
                let _ = self.gce.set("instance/vendor/identity/document", &text);
            }
            _ => {}
        }
    }
}

fn is_ec2(path: &str) -> bool {
    path == "user-data" || path.starts_with("meta-data/") || path.starts_with("vendor/")
}

fn text(page: &str) -> Answer {
    Answer::new(200, "text/plain", Bytes::copy_from_slice(page.as_bytes()))
}

fn error(status: u16) -> Answer {
    Answer::text(status, format!("{}\n", phrase(status)))
}
