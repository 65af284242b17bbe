//! The name of a cloud.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

/// The name of a cloud: `aws`, `azure`, `gcp`, … or one that a user declared.
///
/// Lower-case letters, digits, `-` and `_`, starting with a letter, at most 32 characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct CloudName(Cow<'static, str>);

impl CloudName {
    /// Amazon Web Services.
    pub const AWS: Self = Self::builtin("aws");
    /// Microsoft Azure, with its sovereign clouds and Azure Stack.
    pub const AZURE: Self = Self::builtin("azure");
    /// Google Cloud.
    pub const GCP: Self = Self::builtin("gcp");
    /// DigitalOcean.
    pub const DIGITALOCEAN: Self = Self::builtin("digitalocean");

    /// A name that is known when the program is built; the caller vouches for its syntax.
    #[must_use]
    pub const fn builtin(name: &'static str) -> Self {
        Self(Cow::Borrowed(name))
    }

    /// Checks and takes a name.
    ///
    /// # Errors
    /// [`InvalidCloudName`] when the text isn't of the form that [`CloudName`] describes.
    ///
    /// ```
    /// use imds_model::CloudName;
    /// assert_eq!(CloudName::new("aws").unwrap(), CloudName::AWS);
    /// assert!(CloudName::new("My Cloud").is_err());
    /// ```
    pub fn new(name: impl Into<String>) -> Result<Self, InvalidCloudName> {
        let name = name.into();
        let well_formed = name.len() <= 32
            && name.starts_with(|c: char| c.is_ascii_lowercase())
            && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_');
        // `none` and `unknown` are outcomes of detection and would be ambiguous on the command line.
        if well_formed && name != "none" && name != "unknown" {
            Ok(Self(Cow::Owned(name)))
        } else {
            Err(InvalidCloudName(name))
        }
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CloudName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl<'de> Deserialize<'de> for CloudName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// The text isn't a possible cloud name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidCloudName(String);

impl fmt::Display for InvalidCloudName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} is no cloud name: lower-case letters, digits, - and _, starting with a letter",
            self.0
        )
    }
}

impl std::error::Error for InvalidCloudName {}
