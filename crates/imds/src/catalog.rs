//! The table of clouds, for people: what `imds clouds` prints.

use imds_model::{CloudName, Field};

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
pub(crate) fn serves(cloud: &clouds::description::Description, field: Field) -> bool {
    if cloud.service.is_none() {
        return false;
    }
    if matches!(field, Field::Cloud | Field::Platform) || cloud.fields.get(field.name()).is_some() {
        return true;
    }
    let some = |pick: fn(&clouds::description::InterfaceRule) -> &clouds::description::Rule| {
        cloud.interfaces.iter().any(|rule| !pick(rule).from.is_empty())
    };
    match field {
        Field::Interfaces => !cloud.interfaces.is_empty(),
        Field::Mac => some(|rule| &rule.mac),
        Field::PrivateIpv4 => some(|rule| &rule.private_ipv4s),
        Field::PublicIpv4 => some(|rule| &rule.public_ipv4s) || cloud.fields.get("interfaces").is_some(),
        Field::Ipv6 => some(|rule| &rule.ipv6s),
        Field::NetworkId => some(|rule| &rule.network_id),
        Field::SubnetId => some(|rule| &rule.subnet_id),
        _ => false,
    }
}
