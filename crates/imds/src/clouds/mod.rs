//! The clouds.
//!
//! A cloud is data first: [`description`] is the shape, `clouds/NAME.toml` the facts, which `build.rs` turns into
//! statics. Code exists only where a cloud is irregular, in a file of the cloud's name.

#[expect(unreachable_pub, reason = "the build script reads the same file")]
pub(crate) mod description;

mod aws;
mod azure;
pub(crate) mod functions;
mod gcp;
pub(crate) mod transform;

use description::Description;
use imds_model::CloudName;

/// Printed by `build.rs`, for which every name that a description may use has to be at hand.
mod table {
    use std::borrow::Cow;

    use super::description::Format::{Json, Plain, Tree};
    use super::description::Pattern::{Exact, Glob, Iglob};
    use super::description::Syntax::{Decimal, Ec2InstanceId, Guid, Word};
    use super::description::Transform::{FirstWord, GroupManager, LastSegment, ZoneToRegion};
    use super::description::Weight::{Certain, Strong, Weak};
    use super::description::{
        Description, Document, EnvironmentRow, FirmwareRow, InterfaceRule, List, Map, NotClouds, OfflineRule,
        Probe, Rule, Secrets, Service, Text, Token, Version,
    };

    include!(concat!(env!("OUT_DIR"), "/clouds.rs"));
}

pub(crate) use table::{CLOUDS, NOT_CLOUDS};

/// The built-in cloud of this name.
pub(crate) fn find(name: &str) -> Option<&'static Description> {
    CLOUDS.iter().find(|cloud| &*cloud.name == name)
}

/// The name of a described cloud.
pub(crate) fn cloud_name(description: &Description) -> CloudName {
    // The build script holds the built-in names to the file names; a name that isn't well-formed can't get here.
    CloudName::new(description.name.to_string()).unwrap_or(CloudName::builtin("invalid"))
}
