//! Ready-made machines, read from the files of the `scenarios` folder or from a user's own.

use std::collections::BTreeMap;

use crate::clouds::{self, Service};
use crate::scenarios::{self, BUILT_IN};
use crate::{Cloud, Error, Fault};

/// A ready-made machine: what its metadata service hands out, how that service behaves, and what its firmware says.
///
/// A user's own file has the shape of the built-in ones:
///
/// ```
/// let scenario = imds_fake::Scenario::from_toml(r#"
/// summary = "as aws:plain, in another place, and slow to start"
/// cloud = "aws"
/// base = "plain"                     # begin with this built-in scenario; without it, `documents` are all there is
/// faults = ["503:/latest/meta-data:2"]
/// remove = ["meta-data/public-ipv4"]
///
/// [set]                              # as `--set`: repeated values stay consistent
/// "meta-data/placement/region" = "eu-north-1"
/// "meta-data/tags/instance/team" = "storage"
///
/// [firmware]                         # files of /sys/class/dmi/id; an empty text removes one of the base
/// chassis_asset_tag = "Amazon EC2"
///
/// [environment]                      # what the platform tells its programs; an empty text removes one of the base
/// EXAMPLE_METADATA_URI = "{url}/latest"
///
/// [aws]
/// http_tokens = "required"
/// "#).unwrap();
/// assert_eq!(scenario.cloud(), imds_fake::Cloud::Aws);
/// ```
///
/// `[documents]` holds captured bodies as text. Clouds that serve a tree of text values have one per value, named by its
/// path without the version: for AWS below `/latest/` (`"meta-data/instance-id"`), likewise for Tencent, Exoscale and
/// CloudStack; for Hetzner `userdata` and `"metadata/hostname"`. The others have a few whole documents: for Azure JSON
/// under `instance`, `loadbalancer`, `scheduledevents`, `identity/info`, `identity/oauth2/token` and `attested/document`, for
/// GCP the recursive JSON under `computeMetadata/v1` and the token replies under `instance/service-accounts/default/token`
/// and `…/identity`, for `DigitalOcean` and `UpCloud` JSON under `metadata/v1.json`, for Vultr under `v1.json`, for Oracle
/// under `opc/v2/instance` and so on, for Akamai under `v1/instance`, for Scaleway under `conf`, for Alibaba under
/// `meta-data/all`, for IBM under `metadata/v1/instance` and so on. OpenStack, `OVHcloud` and Huawei have both kinds,
/// `openstack/meta_data.json` and the like beside `meta-data/…`, and so has Yandex: what GCP has, and `meta-data/…`. What
/// containers of ECS see stands on AWS under `v4/ID`, `v4/ID/task` and so on. A name that is wrong is answered with those that are known.
///
/// The table of the cloud's name holds its settings. `[aws]` knows `http_endpoint` (`enabled`, `disabled`, `absent`), `http_tokens`
/// (`optional`, `required`), `token_service` (`answers`, `dropped`, `absent`) and `key_names`; `[azure]` knows `versions`
/// and `arc`; `[gcp]` knows `server` (`vm`, `gke`, `serverless`); `[alibaba]` knows `http_endpoint` and `http_tokens`;
/// `[oracle]` knows `legacy_endpoints`; `[openstack]` and `[ovh]` know `ec2` and `newest`; `[ibm]` knows `enabled`;
/// `[huawei]` knows `http_tokens` (`not-found`, `not-allowed`, `optional`, `required`); `[yandex]` knows
/// `gce_http_endpoint` and `aws_v1_http_endpoint`; `[outscale]` knows `tags` (`direct`, `instance`).
#[derive(Clone, Debug)]
pub struct Scenario {
    cloud: Cloud,
    name: String,
    summary: String,
    firmware: BTreeMap<String, String>,
    environment: BTreeMap<String, String>,
    faults: Vec<Fault>,
    service: Box<dyn Service>,
}

/// A scenario file as written.
#[derive(Debug, serde::Deserialize)]
struct File {
    cloud: Cloud,
    name: Option<String>,
    summary: String,
    base: Option<String>,
    #[serde(default)]
    faults: Vec<String>,
    #[serde(default)]
    remove: Vec<String>,
    #[serde(default)]
    firmware: BTreeMap<String, String>,
    #[serde(default)]
    environment: BTreeMap<String, String>,
    #[serde(default)]
    documents: BTreeMap<String, String>,
    #[serde(default)]
    set: BTreeMap<String, String>,
    /// The settings of the cloud, in a table of its name; nothing else is accepted here.
    #[serde(flatten)]
    others: BTreeMap<String, toml::Value>,
}

impl Scenario {
    /// Every built-in scenario, cloud by cloud.
    #[must_use]
    pub fn all() -> Vec<Scenario> {
        // The built-in files are held valid by a test, so none is left out.
        BUILT_IN.iter().filter_map(|(cloud, name)| Scenario::find(*cloud, name).ok()).collect()
    }

    /// A built-in scenario by its name.
    ///
    /// # Errors
    /// When there is none of that name; the message names those of the cloud.
    pub fn find(cloud: Cloud, name: &str) -> Result<Scenario, Error> {
        match scenarios::text(cloud, name) {
            Some(text) => Scenario::read(text, name),
            None => {
                let known = BUILT_IN.iter().filter(|(known, _)| *known == cloud).map(|(_, name)| *name);
                Err(Error::unknown(&format!("{} scenario", cloud.title()), name, known))
            }
        }
    }

    /// A built-in scenario by cloud and name, `azure:aks`, or a cloud's `plain` one, `azure`.
    ///
    /// # Errors
    /// When cloud or scenario is unknown.
    pub fn parse(spec: &str) -> Result<Scenario, Error> {
        let (cloud, name) = spec.split_once(':').unwrap_or((spec, "plain"));
        Scenario::find(cloud.parse()?, name)
    }

    /// A user's own scenario; see the type for the shape of the file. Its name is the file's `name`, or `custom`.
    ///
    /// # Errors
    /// When the text is no TOML of that shape, or a document in it doesn't parse.
    pub fn from_toml(text: &str) -> Result<Scenario, Error> {
        Scenario::read(text, "custom")
    }

    fn read(text: &str, name: &str) -> Result<Scenario, Error> {
        let file: File = toml::from_str(text).map_err(|error| Error::scenario(name, error.to_string()))?;
        let name = file.name.as_deref().unwrap_or(name);
        let mut scenario = match &file.base {
            Some(base) if base == name => return Err(Error::scenario(name, "it is its own base")),
            Some(base) => Scenario::find(file.cloud, base)?,
            None => Scenario {
                cloud: file.cloud,
                name: String::new(),
                summary: String::new(),
                firmware: BTreeMap::new(),
                environment: BTreeMap::new(),
                faults: Vec::new(),
                service: clouds::service(file.cloud),
            },
        };
        name.clone_into(&mut scenario.name);
        scenario.summary = file.summary;
        let service = scenario.service.as_mut();
        clouds::load(service, &file.documents).map_err(|reason| Error::scenario(name, reason))?;
        for (key, value) in file.others {
            configure(service, file.cloud, &key, value).map_err(|reason| Error::scenario(name, reason))?;
        }
        for path in &file.remove {
            clouds::remove(service, path)?;
        }
        for (path, value) in &file.set {
            scenario.set(path, value)?;
        }
        for (dmi_file, content) in file.firmware {
            scenario.lend_firmware(&dmi_file, &content);
        }
        scenario.environment.extend(file.environment);
        scenario.environment.retain(|_, value| !value.is_empty());
        for fault in &file.faults {
            scenario.faults.push(fault.parse()?);
        }
        Ok(scenario)
    }

    /// The cloud it belongs to.
    #[must_use]
    pub fn cloud(&self) -> Cloud {
        self.cloud
    }

    /// Its name within the cloud, e.g. `plain`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it is, in one line.
    #[must_use]
    pub fn summary(&self) -> &str {
        &self.summary
    }

    /// What the machine's firmware says: names of files in `/sys/class/dmi/id` and their contents without a newline.
    #[must_use]
    pub fn firmware(&self) -> &BTreeMap<String, String> {
        &self.firmware
    }

    /// Variables that the platform sets for programs on this machine, as `ECS_CONTAINER_METADATA_URI_V4` in a container of
    /// ECS. `{url}` in a value stands for the base URL of the service; [`crate::Fake::environment`] has it filled in.
    #[must_use]
    pub fn environment(&self) -> &BTreeMap<String, String> {
        &self.environment
    }

    /// Changes one value. Documents and firmware that repeat it follow: an AWS instance id also stands in the identity
    /// document and in `board_asset_tag`, an Azure name in the resource id, a GCP name in the host name.
    ///
    /// Paths are those of the service, with or without its root: `meta-data/instance-id` or
    /// `dynamic/instance-identity/document/accountId` on AWS, `compute.vmId`, `compute/vmId`, `tags.NAME`, `loadbalancer`
    /// or `scheduledevents` (whole documents) on Azure, `instance/name` on GCP, `hostname` on `DigitalOcean`,
    /// `instance/displayName` or `vnics/0/privateIp` on Oracle, `instance.label` on Akamai; and `firmware/FILE` everywhere. New values may be added where the service could have them (a tag, an attribute, a spot
    /// notice). A value keeps its kind: a number stays a number, lists and objects are given as JSON.
    ///
    /// # Errors
    /// When this is no settable path, or the value doesn't suit it.
    pub fn set(&mut self, path: &str, value: &str) -> Result<(), Error> {
        if let Some(dmi_file) = path.strip_prefix("firmware/") {
            self.lend_firmware(dmi_file, value);
            return Ok(());
        }
        let before = self.service.firmware_facts();
        self.service.set(path, value)?;
        for ((dmi_file, old), (_, new)) in before.iter().zip(self.service.firmware_facts()) {
            if let Some(content) = self.firmware.get_mut(*dmi_file).filter(|content| *content == old) {
                *content = new;
            }
        }
        Ok(())
    }

    fn lend_firmware(&mut self, dmi_file: &str, content: &str) {
        if content.is_empty() {
            self.firmware.remove(dmi_file);
        } else {
            self.firmware.insert(dmi_file.to_owned(), content.to_owned());
        }
    }

    pub(crate) fn into_parts(self) -> (Cloud, Vec<Fault>, Box<dyn Service>) {
        (self.cloud, self.faults, self.service)
    }
}

/// Applies what stands under a key that is no part of every scenario file.
fn configure(service: &mut dyn Service, cloud: Cloud, key: &str, value: toml::Value) -> Result<(), String> {
    match value {
        toml::Value::Table(quirks) if key == cloud.name() => {
            service.configure(quirks).map_err(|reason| format!("[{key}]: {reason}"))
        }
        _ if key.parse::<Cloud>().is_ok() => Err(format!("[{key}] is no table of settings of this cloud")),
        _ => Err(format!("unknown key `{key}`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_file_is_valid() {
        for (cloud, name) in BUILT_IN {
            let scenario = Scenario::find(*cloud, name).unwrap();
            assert_eq!((scenario.cloud(), scenario.name()), (*cloud, *name));
            assert!(!scenario.summary().is_empty() && !scenario.summary().contains('\n'), "{cloud}:{name}");
            assert_eq!(scenario.firmware().is_empty(), is_bare(*cloud, name), "{cloud}:{name}");
        }
        assert_eq!(Scenario::all().len(), BUILT_IN.len());
    }

    /// Machines that show no firmware to those in them, and those of a vendor that says nothing of its firmware.
    fn is_bare(cloud: Cloud, name: &str) -> bool {
        cloud == Cloud::Yandex
            || [(Cloud::Aws, "fargate"), (Cloud::Gcp, "cloud-run")].contains(&(cloud, name))
    }

    #[test]
    fn unknown_names_are_answered_with_the_known_ones() {
        let error = Scenario::parse("azure:plane").unwrap_err();
        assert!(error.is_unknown_name());
        assert!(error.to_string().contains("vmss-uniform-spot"), "{error}");
        assert!(!error.to_string().contains("spot-asg"), "{error}");
        let error = Scenario::parse("amazon").unwrap_err();
        let names: Vec<&str> = Cloud::ALL.iter().map(|cloud| cloud.name()).collect();
        assert_eq!(error.to_string(), format!("unknown cloud `amazon`; known: {}", names.join(", ")));
        assert!(error.to_string().contains("aws, azure, gcp, oracle"), "{error}");
    }

    #[test]
    fn firmware_follows_the_instance() {
        let mut scenario = Scenario::parse("aws").unwrap();
        scenario.set("meta-data/instance-id", "i-00000000000000001").unwrap();
        scenario.set("meta-data/instance-type", "c7g.large").unwrap();
        assert_eq!(scenario.firmware().get("board_asset_tag").unwrap(), "i-00000000000000001");
        assert_eq!(scenario.firmware().get("product_name").unwrap(), "c7g.large");
        scenario.set("firmware/board_asset_tag", "").unwrap();
        assert_eq!(scenario.firmware().get("board_asset_tag"), None);
    }

    #[test]
    fn a_file_with_a_mistake_is_refused() {
        for text in [
            "cloud = \"aws\"",
            "summary = \"x\"\ncloud = \"mars\"",
            "summary = \"x\"\ncloud = \"aws\"\nbase = \"nowhere\"",
            "summary = \"x\"\ncloud = \"aws\"\nbase = \"plain\"\nfaults = [\"what\"]",
            "summary = \"x\"\ncloud = \"aws\"\nbase = \"plain\"\nremove = [\"meta-data/nothing\"]",
            "summary = \"x\"\ncloud = \"aws\"\nbase = \"plain\"\n[azure]\nversions = [\"2019-03-11\"]",
            "summary = \"x\"\ncloud = \"aws\"\nbase = \"plain\"\naws = 1",
            "summary = \"x\"\ncloud = \"aws\"\nbase = \"plain\"\n[aws]\nhttp_token = \"required\"",
            "summary = \"x\"\ncloud = \"gcp\"\nbase = \"plain\"\n[gcp]\n",
            "summary = \"x\"\ncloud = \"aws\"\nbase = \"plain\"\nfault = [\"503\"]",
            "summary = \"x\"\ncloud = \"azure\"\n[documents]\ninstance = \"{\"",
            "summary = \"x\"\ncloud = \"azure\"\n[documents]\nelsewhere = \"{}\"",
        ] {
            assert!(Scenario::from_toml(text).is_err(), "{text}");
        }
    }
}
