//! One file per cloud: given a request, what does its service answer? Pure functions of the scenario's documents.
//!
//! A cloud is a type that implements [`Service`], a line in [`service`], and a line in `Cloud::ALL`; its scenarios are
//! files, and lines in `scenarios`.

mod akamai;
mod alibaba;
mod aws;
mod aws_repeats;
mod azure;
mod azure_arc;
mod azure_repeats;
mod azure_versions;
mod cloudstack;
mod digitalocean;
mod ecs;
mod exoscale;
mod gcp;
mod gcp_faces;
mod gcp_paths;
mod gcp_query;
mod hetzner;
mod huawei;
mod ibm;
mod nova;
mod openstack;
mod oracle;
mod outscale;
mod scaleway;
mod tencent;
mod upcloud;
mod vultr;
mod yandex;

use std::collections::BTreeMap;
use std::fmt;

use hyper::body::Bytes;

use crate::exchange::{Answer, Asked, Outcome};
use crate::{Cloud, Error};

/// The service of one cloud with its data.
pub(crate) trait Service: fmt::Debug + Send + Sync {
    /// Takes a captured document over, replacing the one of the same name. The error says what is wrong with it.
    fn load(&mut self, name: &str, text: &str) -> Result<(), String>;

    /// Applies the scenario file's table of the cloud's name. What the table doesn't say stays as it was.
    fn configure(&mut self, _quirks: toml::Table) -> Result<(), String> {
        Err("this cloud has no settings".to_owned())
    }

    fn answer(&mut self, asked: &Asked) -> Outcome;

    /// The service's own page for a status.
    fn error(&self, status: u16) -> Answer;

    /// A good answer of this service in all but its body.
    fn imitation(&self, body: Bytes) -> Answer;

    /// Changes the value at a path of the service, and everything that repeats it.
    fn set(&mut self, path: &str, value: &str) -> Result<(), Error>;

    /// Takes a value, directory or document away; `false` when there is none.
    fn remove(&mut self, path: &str) -> bool;

    /// Makes every session token issued so far invalid.
    fn revoke_tokens(&mut self) {}

    /// Firmware files that repeat a value of the service, and that value.
    fn firmware_facts(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    fn clone_box(&self) -> Box<dyn Service>;
}

impl Clone for Box<dyn Service> {
    fn clone(&self) -> Self {
        self.clone_box()
    }
}

/// The service of a cloud, without any data yet.
pub(crate) fn service(cloud: Cloud) -> Box<dyn Service> {
    match cloud {
        Cloud::Aws => Box::new(aws::Aws::default()),
        Cloud::Azure => Box::new(azure::Azure::default()),
        Cloud::Gcp => Box::new(gcp::Gcp::default()),
        Cloud::Oracle => Box::new(oracle::Oracle::default()),
        Cloud::Alibaba => Box::new(alibaba::Alibaba::default()),
        Cloud::Tencent => Box::new(tencent::Tencent::default()),
        Cloud::DigitalOcean => Box::new(digitalocean::DigitalOcean::default()),
        Cloud::Hetzner => Box::new(hetzner::Hetzner::default()),
        Cloud::Vultr => Box::new(vultr::Vultr::default()),
        Cloud::Akamai => Box::new(akamai::Akamai::default()),
        Cloud::Scaleway => Box::new(scaleway::Scaleway::default()),
        Cloud::UpCloud => Box::new(upcloud::UpCloud::default()),
        Cloud::Exoscale => Box::new(exoscale::Exoscale::default()),
        Cloud::CloudStack => Box::new(cloudstack::CloudStack::default()),
        Cloud::OpenStack | Cloud::Ovh => Box::new(openstack::OpenStack::default()),
        Cloud::Ibm => Box::new(ibm::Ibm::default()),
        Cloud::Huawei => Box::new(huawei::Huawei::default()),
        Cloud::Yandex => Box::new(yandex::Yandex::default()),
        Cloud::Outscale => Box::new(outscale::Outscale::default()),
    }
}

/// Takes captured documents over; the error names the one at fault.
pub(crate) fn load(service: &mut dyn Service, documents: &BTreeMap<String, String>) -> Result<(), String> {
    documents.iter().try_for_each(|(name, text)| {
        service.load(name, text).map_err(|reason| format!("document `{name}`: {reason}"))
    })
}

/// Takes something away; an error when there was nothing.
pub(crate) fn remove(service: &mut dyn Service, path: &str) -> Result<(), Error> {
    if service.remove(path) { Ok(()) } else { Err(Error::path(path, "there is nothing at this path")) }
}

/// A cloud's settings from its table of the scenario file.
fn quirks<T: serde::de::DeserializeOwned>(table: toml::Table) -> Result<T, String> {
    table.try_into().map_err(|error: toml::de::Error| error.to_string())
}

/// Cuts the service's root and slashes off a path given to `set` or `remove`.
fn relative<'a>(path: &'a str, roots: &[&str]) -> &'a str {
    let path = path.trim_matches('/');
    roots.iter().find_map(|root| path.strip_prefix(root)?.strip_prefix('/')).unwrap_or(path)
}
