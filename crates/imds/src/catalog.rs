//! The table of clouds, for people: what `imds clouds` prints.

use imds_model::{CloudName, Field};

use crate::clouds::description::{Description, InterfaceRule, Rule};
use crate::clouds::{self, CLOUDS};

/// What this library knows of a cloud.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CloudSummary {
    /// Its name.
    pub name: CloudName,
    /// Its name for people.
    pub title: &'static str,
    /// The vendor's page about its metadata service, where one is known.
    pub docs: Option<&'static str>,
    /// The fields that it serves; none where it can only be named.
    pub fields: Vec<Field>,
    /// Whether firmware can name it.
    pub has_signature: bool,
}

/// Every built-in cloud, by name.
///
/// ```
/// let azure = imds::clouds().into_iter().find(|cloud| cloud.name.as_str() == "azure").unwrap();
/// assert!(azure.fields.contains(&imds::Field::ResourceGroup));
/// ```
#[must_use]
pub fn clouds() -> Vec<CloudSummary> {
    CLOUDS
        .iter()
        .map(|cloud| CloudSummary {
            name: clouds::cloud_name(cloud),
            title: &cloud.title,
            docs: cloud.docs.as_deref(),
            fields: Field::ALL.iter().copied().filter(|field| serves(cloud, *field)).collect(),
            has_signature: !cloud.firmware.is_empty(),
        })
        .collect()
}

/// Whether a cloud has a place for this field at all.
pub(crate) fn serves(cloud: &Description, field: Field) -> bool {
    if cloud.service.is_none() {
        return false;
    }
    match field {
        Field::Cloud | Field::Platform => true,
        _ if cloud.fields.get(field.name()).is_some() => true,
        Field::Interfaces => !cloud.interfaces.is_empty(),
        Field::Disks => !cloud.disks.is_empty(),
        _ => interfaces_say(cloud, field),
    }
}

/// Whether a cloud's interfaces say this field of the primary one.
pub(crate) fn interfaces_say(cloud: &Description, field: Field) -> bool {
    // A function says what it says; what it doesn't, it leaves to the field's own place.
    if let Some(rule) = cloud.fields.get(Field::Interfaces.name()) {
        let own = cloud.fields.get(field.name());
        return rule.function.is_some()
            && match own {
                Some(own) => own.from.is_empty(),
                None => matches!(field, Field::PrivateIpv4 | Field::PublicIpv4 | Field::Ipv6 | Field::Mac),
            };
    }
    let some =
        |pick: fn(&InterfaceRule) -> &Rule| cloud.interfaces.iter().any(|rule| !pick(rule).from.is_empty());
    match field {
        Field::Mac => some(|rule| &rule.mac),
        Field::PrivateIpv4 => some(|rule| &rule.private_ipv4s),
        Field::PublicIpv4 => some(|rule| &rule.public_ipv4s),
        Field::Ipv6 => some(|rule| &rule.ipv6s),
        Field::NetworkId => some(|rule| &rule.network_id),
        Field::SubnetId => some(|rule| &rule.subnet_id),
        _ => false,
    }
}
