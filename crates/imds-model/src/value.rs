//! Values.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Tags or labels: key to value. A value may be empty; a cloud whose tags are bare words has only empty ones.
pub type Tags = BTreeMap<String, String>;

/// The value of a field. Its shape is the field's [`Shape`](crate::Shape).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum Value {
    /// Text, never empty.
    Text(String),
    /// Tags, maybe none.
    Tags(Tags),
    /// Network interfaces, the primary one first.
    Interfaces(Vec<Interface>),
    /// Disks.
    Disks(Vec<Disk>),
}

impl Value {
    /// The text, where the value is one.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Whether nothing is in it: no tag, no interface, no disk.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Text(text) => text.is_empty(),
            Self::Tags(tags) => tags.is_empty(),
            Self::Interfaces(interfaces) => interfaces.is_empty(),
            Self::Disks(disks) => disks.is_empty(),
        }
    }
}

/// A network interface. Lists are in the cloud's order; what the cloud doesn't say is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Interface {
    /// Lower case with colons: `06:1a:2b:3c:4d:5e`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<String>,
    /// Private IPv4 addresses in dotted form, the first one primary.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub private_ipv4s: Vec<String>,
    /// Public IPv4 addresses that lead here, dotted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub public_ipv4s: Vec<String>,
    /// IPv6 addresses in canonical spelling (RFC 5952), without prefix length.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ipv6s: Vec<String>,
    /// The virtual network (VPC) it is in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_id: Option<String>,
    /// The subnet it is in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subnet_id: Option<String>,
    /// Names of the security groups that guard it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub security_groups: Vec<String>,
}

/// A disk, as the cloud describes it, with the local device where that is known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Disk {
    /// The cloud's id of the volume: `vol-…`, an ARM id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The cloud's name of the disk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The local block device: `/dev/nvme1n1`; or the name that the cloud expects, where no local device was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// Azure's logical unit number of a data disk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lun: Option<u32>,
    /// The size in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size_bytes: Option<u64>,
    /// Whether the machine starts from it; not said where the cloud doesn't.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot: Option<bool>,
}
