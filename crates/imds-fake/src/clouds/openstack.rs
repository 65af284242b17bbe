//! OpenStack, as its own service answers it; `OVHcloud` runs it as it is and has no service of its own.

use hyper::body::Bytes;

use super::nova::{self, Nova};
use super::{Service, quirks};
use crate::Error;
use crate::exchange::{Answer, Asked, Outcome};

/// What a deployment leaves out.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Quirks {
    /// Whether the tree in EC2's style is served.
    ec2: Option<bool>,
    /// The newest version of the native documents it knows.
    newest: Option<String>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct OpenStack {
    nova: Nova,
}

impl Service for OpenStack {
    fn load(&mut self, name: &str, text: &str) -> Result<(), String> {
        if name == "openstack/securitykey" {
            return Err("this file is Huawei's".to_owned());
        }
        self.nova.load(name, text)
    }

    fn configure(&mut self, table: toml::Table) -> Result<(), String> {
        let quirks: Quirks = quirks(table)?;
        if let Some(serve) = quirks.ec2 {
            self.nova.serve_ec2(serve);
        }
        quirks.newest.map_or(Ok(()), |version| self.nova.set_newest(version))
    }

    fn answer(&mut self, asked: &Asked) -> Outcome {
        self.nova.answer(asked).into()
    }

    fn error(&self, status: u16) -> Answer {
        nova::error(status)
    }

    fn imitation(&self, body: Bytes) -> Answer {
        Answer::new(200, "application/json", body)
    }

    fn set(&mut self, path: &str, value: &str) -> Result<(), Error> {
        self.nova.set(path, value)
    }

    fn remove(&mut self, path: &str) -> bool {
        self.nova.remove(path)
    }

    fn firmware_facts(&self) -> Vec<(&'static str, String)> {
        self.nova.firmware_facts()
    }

    fn clone_box(&self) -> Box<dyn Service> {
        Box::new(self.clone())
    }
}
