//! What this library knows of each cloud, for people: what `imds clouds` prints and the pages in `docs/clouds` say.
//!
//! [`CloudSummary`] is a line of the table, [`CloudDetails`] everything that is known, taken from the description that the
//! library itself works by. [`page`] writes a cloud's page, [`matrix`] the table of all, [`export`] gives the description
//! back as the text that it is.

mod details;
mod export;
mod matrix;
mod page;
mod signs;

use std::borrow::Cow;

use imds_model::{CloudName, Error, Field};

use crate::clouds::description::{Description, InterfaceRule, Rule};
use crate::clouds::{self, Clouds};
use crate::config::{Config, no_cloud};

pub use details::{CloudDetails, DocumentDetails, EventDetails, ItemDetails, PlaceDetails, TokenDetails};
pub use matrix::matrix;
pub use signs::Sign;

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
    /// The cloud whose node this is, where it is no cloud of its own.
    pub node_of: Option<CloudName>,
    /// Whether it is built in, and not described by the user.
    pub built_in: bool,
    /// The fields that it serves; none where it can only be named.
    pub fields: Vec<Field>,
    /// Whether firmware can name it.
    pub has_signature: bool,
    /// What can speak for it, in the order in which it is looked at: `boot loader`, `firmware`, `environment`,
    /// `cloud-init`, `service`.
    pub found_by: Vec<&'static str>,
    /// The kinds of events that its service announces: `interruption`, `rebalance`, `maintenance`, `scaling`.
    pub events: Vec<&'static str>,
    description: &'static Description,
}

impl CloudSummary {
    fn of(description: &'static Description) -> Self {
        let details = CloudDetails::of(description);
        let mut found_by: Vec<&'static str> = details.signs.iter().map(|sign| sign.kind).collect();
        found_by.dedup();
        let mut events: Vec<&'static str> = details.events.iter().map(|event| event.kind).collect();
        events.sort_unstable();
        events.dedup();
        Self {
            name: CloudName::new(description.name.to_string()).unwrap_or(CloudName::builtin("invalid")),
            title: &description.title,
            docs: description.docs.as_deref(),
            node_of: description.node.as_ref().map(|_| clouds::cloud_name(description)),
            built_in: clouds::is_built_in(description),
            fields: Field::ALL.iter().copied().filter(|field| serves(description, *field)).collect(),
            has_signature: !description.firmware.is_empty(),
            found_by,
            events,
            description,
        }
    }

    /// Everything that is known of it.
    #[must_use]
    pub fn details(&self) -> CloudDetails {
        CloudDetails::of(self.description)
    }

    /// Its page, in Markdown: how it is recognised and asked, where each field lies, and where all that is known from.
    #[must_use]
    pub fn page(&self) -> String {
        page::page(self)
    }

    /// The description itself, as TOML that can be changed and read back in its place.
    ///
    /// ```
    /// let clouds = imds::clouds();
    /// let named = |name: &str| clouds.iter().find(|cloud| cloud.name.as_str() == name).unwrap();
    /// assert!(named("digitalocean").export()?.contains("overrides = true"));
    /// assert!(named("azure").export().unwrap_err().message().contains("azure_image"));
    /// # Ok::<(), imds::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Usage`](crate::ErrorKind::Usage) for a cloud that needs functions of this crate, and for one that isn't
    /// built in.
    pub fn export(&self) -> Result<String, Error> {
        export::export(self.description)
    }

    /// Where a field lies, for people: `/metadata/instance#/compute/vmId`. Nothing where it isn't served.
    #[must_use]
    pub fn place_of(&self, field: Field) -> Option<Cow<'static, str>> {
        self.fields.contains(&field).then(|| page::place_of(self.description, field))
    }
}

/// Every built-in cloud, by name.
///
/// ```
/// let azure = imds::clouds().into_iter().find(|cloud| cloud.name.as_str() == "azure").unwrap();
/// assert!(azure.fields.contains(&imds::Field::ResourceGroup));
/// ```
#[must_use]
pub fn clouds() -> Vec<CloudSummary> {
    Clouds::default().iter().map(CloudSummary::of).collect()
}

/// Every built-in node that isn't a plain machine of its cloud: containers, registered servers.
#[must_use]
pub fn nodes() -> Vec<CloudSummary> {
    Clouds::default().nodes().map(|(node, _)| CloudSummary::of(node)).collect()
}

impl Config {
    /// Every cloud that is known here: the built-in ones, and behind them those that the user described.
    #[must_use]
    pub fn clouds(&self) -> Vec<CloudSummary> {
        self.clouds.iter().map(CloudSummary::of).collect()
    }

    /// The cloud or node of this name. `origin` is what an error calls the name's place.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`](crate::ErrorKind::Usage), with the nearest name, where there is none.
    pub fn cloud_named(&self, name: &str, origin: &str) -> Result<CloudSummary, Error> {
        let mut known = self.clouds().into_iter().chain(self.nodes());
        known.find(|cloud| cloud.name.as_str() == name).ok_or_else(|| no_cloud(&self.clouds, name, origin))
    }

    /// Every node that is known here, as [`nodes`].
    #[must_use]
    pub fn nodes(&self) -> Vec<CloudSummary> {
        self.clouds.nodes().map(|(node, _)| CloudSummary::of(node)).collect()
    }
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
    // One that is always there and comes first is the primary one, whatever the others are.
    let rules = match cloud.interfaces.split_first() {
        Some((first, _)) if first.at.is_some() && first.when.iter().next().is_none() => {
            cloud.interfaces.get(..1)
        }
        _ => Some(&**cloud.interfaces),
    };
    let some = |pick: fn(&InterfaceRule) -> &Rule| {
        rules.unwrap_or_default().iter().any(|rule| !pick(rule).from.is_empty())
    };
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
