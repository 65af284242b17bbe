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
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Cloud {
    /// Amazon EC2.
    Aws,
    /// Microsoft Azure, and Azure Stack Hub.
    Azure,
    /// Google Compute Engine.
    Gcp,
    /// `DigitalOcean` droplets.
    DigitalOcean,
}

impl Cloud {
    /// Every cloud, in the order of the documentation.
    pub const ALL: &'static [Cloud] = &[Cloud::Aws, Cloud::Azure, Cloud::Gcp, Cloud::DigitalOcean];

    /// The name as written on the command line: `aws`, `azure`, `gcp`, `digitalocean`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Cloud::Aws => "aws",
            Cloud::Azure => "azure",
            Cloud::Gcp => "gcp",
            Cloud::DigitalOcean => "digitalocean",
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
