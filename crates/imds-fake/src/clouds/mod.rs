//! One file per cloud: given a request, what does its service answer? Pure functions of the scenario's documents.

mod aws;
mod aws_repeats;
mod azure;
mod azure_repeats;
mod azure_versions;
mod digitalocean;
mod gcp;
mod gcp_paths;

use std::collections::BTreeMap;

use hyper::body::Bytes;

pub(crate) use aws::Quirks as AwsQuirks;
pub(crate) use azure::Quirks as AzureQuirks;

use crate::exchange::{Answer, Asked, Outcome};
use crate::{Cloud, Error};

/// The service of one cloud with its data.
#[derive(Clone, Debug)]
pub(crate) enum Service {
    Aws(aws::Aws),
    Azure(azure::Azure),
    Gcp(gcp::Gcp),
    DigitalOcean(digitalocean::DigitalOcean),
}

impl Service {
    pub(crate) fn empty(cloud: Cloud) -> Self {
        match cloud {
            Cloud::Aws => Service::Aws(aws::Aws::default()),
            Cloud::Azure => Service::Azure(azure::Azure::default()),
            Cloud::Gcp => Service::Gcp(gcp::Gcp::default()),
            Cloud::DigitalOcean => Service::DigitalOcean(digitalocean::DigitalOcean::default()),
        }
    }

    /// Takes captured documents over, replacing those of the same name.
    pub(crate) fn load(&mut self, documents: &BTreeMap<String, String>) -> Result<(), String> {
        for (name, text) in documents {
            match self {
                Service::Aws(aws) => aws.load(name, text),
                Service::Azure(azure) => azure.load(name, text),
                Service::Gcp(gcp) => gcp.load(name, text),
                Service::DigitalOcean(digitalocean) => digitalocean.load(name, text),
            }
            .map_err(|reason| format!("document `{name}`: {reason}"))?;
        }
        Ok(())
    }

    pub(crate) fn configure(
        &mut self,
        aws: Option<AwsQuirks>,
        azure: Option<AzureQuirks>,
    ) -> Result<(), String> {
        match (self, aws, azure) {
            (_, None, None) => {}
            (Service::Aws(service), Some(quirks), None) => service.configure(quirks),
            (Service::Azure(service), None, Some(quirks)) => service.configure(quirks),
            _ => return Err("it has settings of another cloud".to_owned()),
        }
        Ok(())
    }

    pub(crate) fn answer(&mut self, asked: &Asked) -> Outcome {
        match self {
            Service::Aws(aws) => aws.answer(asked),
            Service::Azure(azure) => azure.answer(asked).into(),
            Service::Gcp(gcp) => gcp.answer(asked),
            Service::DigitalOcean(digitalocean) => digitalocean.answer(asked).into(),
        }
    }

    /// The service's own page for a status.
    pub(crate) fn error(&self, status: u16) -> Answer {
        match self {
            Service::Aws(_) => aws::error(status),
            Service::Azure(_) => azure::error(status, None),
            Service::Gcp(_) => gcp::error(status, "the request was refused"),
            Service::DigitalOcean(_) => digitalocean::error(status),
        }
    }

    /// A good answer of this service in all but its body.
    pub(crate) fn imitation(&self, body: Bytes) -> Answer {
        match self {
            Service::Aws(_) => aws::text(body),
            Service::Azure(_) => azure::json(200, body),
            Service::Gcp(_) => gcp::good("application/json", body),
            Service::DigitalOcean(_) => Answer::new(200, "application/json", body),
        }
    }

    pub(crate) fn set(&mut self, path: &str, value: &str) -> Result<(), Error> {
        match self {
            Service::Aws(aws) => aws.set(path, value),
            Service::Azure(azure) => azure.set(path, value),
            Service::Gcp(gcp) => gcp.set(path, value),
            Service::DigitalOcean(digitalocean) => digitalocean.set(path, value),
        }
    }

    pub(crate) fn remove(&mut self, path: &str) -> Result<(), Error> {
        let found = match self {
            Service::Aws(aws) => aws.remove(path),
            Service::Azure(azure) => azure.remove(path),
            Service::Gcp(gcp) => gcp.remove(path),
            Service::DigitalOcean(digitalocean) => digitalocean.remove(path),
        };
        if found { Ok(()) } else { Err(Error::path(path, "there is nothing at this path")) }
    }

    pub(crate) fn revoke_tokens(&mut self) {
        if let Service::Aws(aws) = self {
            aws.revoke_tokens();
        }
    }

    /// Firmware files that repeat a value of the service, and that value.
    pub(crate) fn firmware_facts(&self) -> Vec<(&'static str, String)> {
        match self {
            Service::Aws(aws) => aws.firmware_facts(),
            Service::Azure(azure) => azure.firmware_facts(),
            Service::Gcp(_) => Vec::new(),
            Service::DigitalOcean(digitalocean) => digitalocean.firmware_facts(),
        }
    }
}

/// Cuts the service's root and slashes off a path given to `set` or `remove`.
fn relative<'a>(path: &'a str, roots: &[&str]) -> &'a str {
    let path = path.trim_matches('/');
    roots.iter().find_map(|root| path.strip_prefix(root)?.strip_prefix('/')).unwrap_or(path)
}
