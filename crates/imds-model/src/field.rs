//! The table of fields: what can be known of a machine, how it is called, who may see it and when it grows old.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Who may see a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Class {
    /// Says nothing of one machine: cloud, region, zone, type.
    Public,
    /// Identifies a machine or its owner: ids, names, addresses, tags.
    Private,
    /// Grants something: user-data, credentials, identity proofs. No [`Field`] is secret: secrets are never read.
    Secret,
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Public => "public",
            Self::Private => "private",
            Self::Secret => "secret",
        })
    }
}

/// When a value has to be asked for again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RefreshClass {
    /// Can't change while the machine runs.
    Fixed,
    /// May change while the machine runs: tags, disks, addresses.
    Slow,
}

/// The shape of a field's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Shape {
    /// One line of text.
    Text,
    /// Keys with values.
    Tags,
    /// A list of network interfaces, the primary one first.
    Interfaces,
    /// A list of disks.
    Disks,
}

macro_rules! fields {
    ($( $(#[doc = $doc:literal])+ $variant:ident = $name:literal, $key:expr, $class:ident, $refresh:ident, $shape:ident; )+) => {
        /// One thing that can be known of a machine. The order is the order of output.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Field {
            $( $(#[doc = $doc])+ $variant, )+
        }

        impl Field {
            /// Every field, in the order of output.
            pub const ALL: &'static [Self] = &[$( Self::$variant, )+];

            /// The name in JSON, on the command line and in configuration: `snake_case`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $( Self::$variant => $name, )+ }
            }

            /// The key in placeholders such as `${cloud:InstanceId}`; none for fields that placeholders can't hold.
            #[must_use]
            pub const fn key(self) -> Option<&'static str> {
                match self { $( Self::$variant => $key, )+ }
            }

            /// Who may see it.
            #[must_use]
            pub const fn class(self) -> Class {
                match self { $( Self::$variant => Class::$class, )+ }
            }

            /// When it grows old.
            #[must_use]
            pub const fn refresh_class(self) -> RefreshClass {
                match self { $( Self::$variant => RefreshClass::$refresh, )+ }
            }

            /// The shape of its value.
            #[must_use]
            pub const fn shape(self) -> Shape {
                match self { $( Self::$variant => Shape::$shape, )+ }
            }

            /// What it means, in one sentence.
            #[must_use]
            pub const fn summary(self) -> &'static str {
                match self { $( Self::$variant => concat!($($doc),+), )+ }
            }
        }
    };
}

fields! {
    /// The cloud's name.
    Cloud = "cloud", Some("Provider"), Public, Fixed, Text;
    /// What of the cloud this is: `vm`, `ecs`, `fargate`, `eks`, `aks`, `arc`, `gke`, `cloud_run`.
    Platform = "platform", None, Public, Fixed, Text;
    /// The instance's id, as the cloud's own API takes it.
    InstanceId = "instance_id", Some("InstanceId"), Private, Fixed, Text;
    /// The instance's name, as people gave it.
    InstanceName = "instance_name", Some("InstanceName"), Private, Slow, Text;
    /// The machine type or size.
    InstanceType = "instance_type", Some("InstanceType"), Public, Fixed, Text;
    /// The image that the instance was started from.
    ImageId = "image_id", Some("ImageId"), Private, Fixed, Text;
    /// The region.
    Region = "region", Some("Region"), Public, Fixed, Text;
    /// The availability zone, as this account names it.
    Zone = "zone", Some("AvailabilityZone"), Public, Fixed, Text;
    /// The availability zone, by a name that is the same in every account.
    ZoneId = "zone_id", Some("AvailabilityZoneId"), Public, Fixed, Text;
    /// The account, subscription or project that pays. Text: leading zeros count.
    AccountId = "account_id", Some("AccountId"), Private, Fixed, Text;
    /// Azure's resource group.
    ResourceGroup = "resource_group", Some("ResourceGroupName"), Private, Fixed, Text;
    /// The instance's full resource name (ARN, ARM id, full resource name).
    ResourceId = "resource_id", Some("ResourceId"), Private, Fixed, Text;
    /// The id that Kubernetes' cloud providers write into `spec.providerID`.
    ProviderId = "provider_id", None, Private, Fixed, Text;
    /// The auto-scaling group, scale set or managed instance group.
    ScalingGroup = "scaling_group", Some("ScalingGroupName"), Private, Slow, Text;
    /// The Kubernetes cluster.
    ClusterName = "cluster_name", Some("ClusterName"), Private, Slow, Text;
    /// The host name that the cloud gave; one name.
    Hostname = "hostname", Some("Hostname"), Private, Slow, Text;
    /// The processor architecture, as the cloud spells it.
    Architecture = "architecture", None, Public, Fixed, Text;
    /// The first private IPv4 address of the primary interface.
    PrivateIpv4 = "private_ipv4", Some("PrivateIp"), Private, Slow, Text;
    /// The first public IPv4 address of the primary interface.
    PublicIpv4 = "public_ipv4", Some("PublicIp"), Private, Slow, Text;
    /// The first IPv6 address of the primary interface.
    Ipv6 = "ipv6", Some("Ipv6"), Private, Slow, Text;
    /// The MAC address of the primary interface, lower case with colons.
    Mac = "mac", Some("MacAddress"), Private, Slow, Text;
    /// The virtual network of the primary interface.
    NetworkId = "network_id", Some("NetworkId"), Private, Slow, Text;
    /// The subnet of the primary interface.
    SubnetId = "subnet_id", Some("SubnetId"), Private, Slow, Text;
    /// How the instance is bought: `on-demand`, `spot`, …
    Lifecycle = "lifecycle", Some("Lifecycle"), Public, Fixed, Text;
    /// The partition of the cloud: `aws-us-gov`, `AzureChinaCloud`, a universe domain.
    Partition = "partition", Some("Partition"), Public, Fixed, Text;
    /// The instance's tags or labels.
    Tags = "tags", None, Private, Slow, Tags;
    /// The network interfaces, the primary one first.
    Interfaces = "interfaces", None, Private, Slow, Interfaces;
    /// The disks.
    Disks = "disks", None, Private, Slow, Disks;
}

impl Field {
    /// How many fields there are.
    pub const COUNT: usize = Self::ALL.len();

    /// The field's place in [`Field::ALL`].
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl Serialize for Field {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Field {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl FromStr for Field {
    type Err = UnknownField;

    fn from_str(name: &str) -> Result<Self, UnknownField> {
        Self::ALL.iter().copied().find(|field| field.name() == name).ok_or_else(|| UnknownField {
            name: name.to_owned(),
            nearest: nearest(name, Self::ALL.iter().map(|field| field.name())),
        })
    }
}

/// No field has this name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownField {
    name: String,
    nearest: Option<&'static str>,
}

impl UnknownField {
    /// The known field whose name is nearest, if one is near enough to be meant.
    #[must_use]
    pub fn nearest(&self) -> Option<&'static str> {
        self.nearest
    }
}

impl fmt::Display for UnknownField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no field is called {:?}", self.name)?;
        match self.nearest {
            Some(nearest) => write!(f, "; did you mean {nearest}?"),
            None => write!(f, "; `imds clouds` lists them"),
        }
    }
}

impl std::error::Error for UnknownField {}

/// The candidate nearest to what was typed, if it is near enough that a person could have meant it.
pub fn nearest<'a>(typed: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Spelling habits (`InstanceId`, `instance-id`) shouldn't count as distance.
    let fold = |text: &str| {
        text.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase()
    };
    let typed = fold(typed);
    candidates
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(&typed, &fold(candidate)), candidate))
        .filter(|(likeness, _)| *likeness > 0.75)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_is_found_by_its_name() {
        for field in Field::ALL {
            assert_eq!(field.name().parse(), Ok(*field));
            assert_eq!(Field::ALL[field.index()], *field);
        }
    }

    #[test]
    fn a_mistyped_name_is_answered_with_the_nearest() {
        for (typed, meant) in [
            ("instanceid", "instance_id"),
            ("instance-type", "instance_type"),
            ("InstanceId", "instance_id"),
            ("regoin", "region"),
            ("private_ip", "private_ipv4"),
            ("tag", "tags"),
        ] {
            let error = typed.parse::<Field>().unwrap_err();
            assert_eq!(error.nearest(), Some(meant), "{typed}");
            assert!(error.to_string().contains(meant));
        }
        assert_eq!("xyzzy".parse::<Field>().unwrap_err().nearest(), None);
    }

    #[test]
    fn no_field_is_secret() {
        assert!(Field::ALL.iter().all(|field| field.class() != Class::Secret));
    }
}
