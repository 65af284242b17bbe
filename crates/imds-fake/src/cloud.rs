//! The clouds this crate can imitate.

use std::fmt;
use std::str::FromStr;

use crate::Error;

/// A cloud this crate can imitate.
///
/// ```
/// use imds_fake::Cloud;
/// assert_eq!("gcp".parse::<Cloud>().unwrap(), Cloud::Gcp);
/// assert_eq!(Cloud::DigitalOcean.to_string(), "digitalocean");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Deserialize)]
#[serde(try_from = "String")]
#[non_exhaustive]
pub enum Cloud {
    /// Amazon EC2.
    Aws,
    /// Microsoft Azure, and Azure Stack Hub.
    Azure,
    /// Google Compute Engine.
    Gcp,
    /// Oracle Cloud Infrastructure.
    Oracle,
    /// Alibaba Cloud ECS.
    Alibaba,
    /// Tencent Cloud CVM.
    Tencent,
    /// `DigitalOcean` droplets.
    DigitalOcean,
    /// Hetzner Cloud.
    Hetzner,
    /// Vultr.
    Vultr,
    /// Akamai Cloud, once Linode.
    Akamai,
    /// Scaleway instances.
    Scaleway,
    /// OpenStack's nova.
    OpenStack,
    /// IBM Cloud VPC.
    Ibm,
    /// `UpCloud` servers.
    UpCloud,
    /// Exoscale.
    Exoscale,
    /// Apache CloudStack's virtual router.
    CloudStack,
    /// Huawei Cloud ECS, and Open Telekom Cloud.
    Huawei,
    /// Yandex Cloud.
    Yandex,
    /// `OVHcloud` Public Cloud.
    Ovh,
    /// 3DS Outscale.
    Outscale,
}

impl Cloud {
    /// Every cloud that has a service here, in the order of the documentation.
    pub const ALL: &'static [Cloud] = &[
        Cloud::Aws,
        Cloud::Azure,
        Cloud::Gcp,
        Cloud::Oracle,
        Cloud::Alibaba,
        Cloud::Tencent,
        Cloud::DigitalOcean,
        Cloud::Hetzner,
        Cloud::Vultr,
        Cloud::Akamai,
        Cloud::Scaleway,
        Cloud::OpenStack,
        Cloud::Ibm,
        Cloud::UpCloud,
        Cloud::Exoscale,
        Cloud::CloudStack,
        Cloud::Huawei,
        Cloud::Yandex,
        Cloud::Ovh,
        Cloud::Outscale,
    ];

    /// The name as written on the command line: `aws`, `azure`, `digitalocean`.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.names().0
    }

    /// The name as the vendor writes it.
    pub(crate) fn title(self) -> &'static str {
        self.names().1
    }

    fn names(self) -> (&'static str, &'static str) {
        match self {
            Cloud::Aws => ("aws", "AWS"),
            Cloud::Azure => ("azure", "Azure"),
            Cloud::Gcp => ("gcp", "GCP"),
            Cloud::Oracle => ("oracle", "Oracle"),
            Cloud::Alibaba => ("alibaba", "Alibaba"),
            Cloud::Tencent => ("tencent", "Tencent"),
            Cloud::DigitalOcean => ("digitalocean", "DigitalOcean"),
            Cloud::Hetzner => ("hetzner", "Hetzner"),
            Cloud::Vultr => ("vultr", "Vultr"),
            Cloud::Akamai => ("akamai", "Akamai"),
            Cloud::Scaleway => ("scaleway", "Scaleway"),
            Cloud::OpenStack => ("openstack", "OpenStack"),
            Cloud::Ibm => ("ibm", "IBM"),
            Cloud::UpCloud => ("upcloud", "UpCloud"),
            Cloud::Exoscale => ("exoscale", "Exoscale"),
            Cloud::CloudStack => ("cloudstack", "CloudStack"),
            Cloud::Huawei => ("huawei", "Huawei"),
            Cloud::Yandex => ("yandex", "Yandex"),
            Cloud::Ovh => ("ovh", "OVH"),
            Cloud::Outscale => ("outscale", "Outscale"),
        }
    }
}

impl fmt::Display for Cloud {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Cloud {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        Cloud::ALL
            .iter()
            .copied()
            .find(|cloud| cloud.name() == name)
            .ok_or_else(|| Error::unknown("cloud", name, Cloud::ALL.iter().map(|cloud| cloud.name())))
    }
}

impl TryFrom<String> for Cloud {
    type Error = Error;

    fn try_from(name: String) -> Result<Self, Error> {
        name.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clouds_are_listed_in_order_each_once() {
        assert!(Cloud::ALL.is_sorted_by(|one, next| one < next), "{:?}", Cloud::ALL);
    }
}
