//! What a placeholder may ask for: namespaces, keys and their names.

use std::borrow::Cow;
use std::fmt;

use imds_model::field::nearest;
use imds_model::{Class, CloudName, Field};

use crate::placeholder::shortened;

/// The clouds whose names are namespaces unless the caller says otherwise.
pub(crate) const CLOUDS: &[&str] = &[
    "aws",
    "azure",
    "gcp",
    "oracle",
    "alibaba",
    "tencent",
    "digitalocean",
    "hetzner",
    "vultr",
    "akamai",
    "scaleway",
    "openstack",
    "ibm",
    "upcloud",
    "exoscale",
    "cloudstack",
    "huawei",
    "yandex",
    "ovh",
    "outscale",
];

/// Names that a vendor's own users know, valid in that cloud's namespace only.
const ALIASES: &[(&str, &str, Field)] = &[
    ("aws", "AutoScalingGroupName", Field::ScalingGroup),
    ("aws", "VpcId", Field::NetworkId),
    ("azure", "VmScaleSetName", Field::ScalingGroup),
    ("azure", "SubscriptionId", Field::AccountId),
    ("azure", "VmId", Field::InstanceId),
    ("azure", "VmName", Field::InstanceName),
    ("azure", "VmSize", Field::InstanceType),
    ("azure", "Location", Field::Region),
    ("gcp", "ProjectId", Field::AccountId),
    ("gcp", "MachineType", Field::InstanceType),
    ("gcp", "Zone", Field::Zone),
    ("gcp", "InstanceGroupName", Field::ScalingGroup),
];

/// What stands before the colon of a placeholder.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Namespace {
    /// `cloud`: whatever cloud this is.
    Any,
    /// A cloud's own name: resolves on that cloud only.
    Cloud(CloudName),
    /// `tag`: the instance's tags.
    Tag,
    /// `imds`: paths of the service itself.
    Imds,
}

/// As it is written.
impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Any => "cloud",
            Self::Cloud(name) => name.as_str(),
            Self::Tag => "tag",
            Self::Imds => "imds",
        })
    }
}

/// What a placeholder asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Key {
    /// A field.
    Field {
        /// The only cloud on which it counts; any cloud without it.
        cloud: Option<CloudName>,
        /// The field.
        field: Field,
    },
    /// The tag with this key.
    Tag(String),
    /// What the service answers at this path.
    Path(String),
}

impl Key {
    /// The field that has to be read for it; none for a path.
    #[must_use]
    pub fn field(&self) -> Option<Field> {
        match self {
            Self::Field { field, .. } => Some(*field),
            Self::Tag(_) => Some(Field::Tags),
            Self::Path(_) => None,
        }
    }

    /// Who may see the value. Of a path only the service's description knows: see [`Values::path_class`].
    ///
    /// [`Values::path_class`]: crate::Values::path_class
    #[must_use]
    pub fn class(&self) -> Option<Class> {
        self.field().map(Field::class)
    }

    /// The key that a namespace and a name mean, or why there is none.
    pub(crate) fn new(namespace: &Namespace, name: &str) -> Result<Self, NoKey> {
        match namespace {
            Namespace::Any => Ok(Self::Field { cloud: None, field: field(None, name)? }),
            Namespace::Cloud(cloud) => {
                Ok(Self::Field { field: field(Some(cloud.as_str()), name)?, cloud: Some(cloud.clone()) })
            }
            Namespace::Tag if name.is_empty() => Err(NoKey {
                message: "the tag's key is missing".to_owned(),
                remedy: Some("write ${tag:Name}".to_owned()),
            }),
            Namespace::Tag => Ok(Self::Tag(name.to_owned())),
            Namespace::Imds if name.starts_with('/') => Ok(Self::Path(name.to_owned())),
            Namespace::Imds => Err(NoKey {
                message: format!("{:?} is no path of the service", shortened(name)),
                remedy: Some("a path starts with a slash".to_owned()),
            }),
        }
    }
}

/// Why a name means nothing.
#[derive(Debug)]
pub(crate) struct NoKey {
    pub(crate) message: String,
    pub(crate) remedy: Option<String>,
}

fn aliases(cloud: Option<&str>) -> impl Iterator<Item = (&'static str, Field)> {
    ALIASES
        .iter()
        .filter(move |(owner, ..)| cloud.is_some_and(|cloud| cloud == *owner))
        .map(|(_, alias, field)| (*alias, *field))
}

/// Every name that a cloud's namespace knows (of no cloud: those that all know), with its field.
fn names(cloud: Option<&str>) -> impl Iterator<Item = (&'static str, Field)> {
    let keys = Field::ALL.iter().filter_map(|field| Some((field.key()?, *field)));
    let snake_case = Field::ALL.iter().filter(|field| field.key().is_some()).map(|f| (f.name(), *f));
    keys.chain(aliases(cloud)).chain(snake_case)
}

/// The names, those last that are spelled in the way of this one: of equally near ones the last is the nearest.
fn spelled_like(name: &str, cloud: Option<&str>) -> Vec<&'static str> {
    let mut names: Vec<&str> = names(cloud).map(|(known, _)| known).collect();
    if name.contains(|char: char| char.is_ascii_uppercase()) {
        names.reverse();
    }
    names
}

fn field(cloud: Option<&str>, name: &str) -> Result<Field, NoKey> {
    if let Some((_, field)) = names(cloud).find(|(known, _)| *known == name) {
        return Ok(field);
    }
    let namespace = cloud.unwrap_or("cloud");
    let message = format!("{namespace} has no key {:?}", shortened(name));
    let elsewhere = ALIASES.iter().find(|(_, alias, _)| *alias == name);
    let remedy: Cow<'static, str> = match elsewhere {
        Some((owner, alias, field)) => {
            let here = field.key().unwrap_or(field.name());
            format!("it is {here} here; {alias} is a key of {owner}").into()
        }
        // The names are ASCII: what is much longer than any of them can't be a slip of the finger, and isn't compared.
        None => match Some(name).filter(|name| name.len() <= 64) {
            Some(name) => nearest(name, spelled_like(name, cloud))
                .map_or("`imds clouds` lists the keys".into(), |near| format!("did you mean {near}?").into()),
            None => "`imds clouds` lists the keys".into(),
        },
    };
    Err(NoKey { message, remedy: Some(remedy.into_owned()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(namespace: &Namespace, name: &str) -> Result<Option<Field>, String> {
        Key::new(namespace, name)
            .map(|key| key.field())
            .map_err(|no| format!("{}; {}", no.message, no.remedy.unwrap_or_default()))
    }

    #[test]
    fn every_key_and_its_snake_case_name_mean_the_field_in_every_namespace() {
        for field in Field::ALL {
            for namespace in [Namespace::Any, Namespace::Cloud(CloudName::AWS)] {
                if let Some(name) = field.key() {
                    assert_eq!(key(&namespace, name), Ok(Some(*field)));
                    assert_eq!(key(&namespace, field.name()), Ok(Some(*field)));
                } else {
                    assert!(key(&namespace, field.name()).is_err(), "{field}");
                }
            }
        }
    }

    #[test]
    fn a_vendors_own_names_hold_in_its_namespace_only() {
        for (cloud, alias, field) in [
            ("aws", "AutoScalingGroupName", Field::ScalingGroup),
            ("aws", "VpcId", Field::NetworkId),
            ("azure", "VmScaleSetName", Field::ScalingGroup),
            ("azure", "SubscriptionId", Field::AccountId),
            ("azure", "VmId", Field::InstanceId),
            ("azure", "VmName", Field::InstanceName),
            ("azure", "VmSize", Field::InstanceType),
            ("azure", "Location", Field::Region),
            ("gcp", "ProjectId", Field::AccountId),
            ("gcp", "MachineType", Field::InstanceType),
            ("gcp", "Zone", Field::Zone),
            ("gcp", "InstanceGroupName", Field::ScalingGroup),
        ] {
            let own = Namespace::Cloud(CloudName::new(cloud).unwrap());
            assert_eq!(key(&own, alias), Ok(Some(field)), "{cloud}:{alias}");
            let foreign = key(&Namespace::Any, alias).unwrap_err();
            assert!(foreign.contains(field.key().unwrap()), "{foreign}");
        }
    }

    #[test]
    fn an_unknown_key_is_answered_with_the_nearest() {
        for (typed, meant) in [
            ("InstanceID", "InstanceId"),
            ("Regoin", "Region"),
            ("regoin", "region"),
            ("MacAdress", "MacAddress"),
            ("", "imds clouds"),
        ] {
            let error = key(&Namespace::Any, typed).unwrap_err();
            assert!(error.contains(meant), "{typed}: {error}");
        }
        assert!(
            key(&Namespace::Cloud(CloudName::AZURE), "VmScaleset").unwrap_err().contains("VmScaleSetName")
        );
    }
}
