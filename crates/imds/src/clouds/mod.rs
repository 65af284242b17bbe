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

use std::sync::Arc;

use description::{Description, Node};
use imds_model::CloudName;

/// Printed by `build.rs`, for which every name that a description may use has to be at hand.
#[allow(unused_imports, clippy::wildcard_imports, clippy::enum_glob_use, reason = "which are used, the data say")]
mod table {
    use std::borrow::Cow;

    use super::description::EventKind::*;
    use super::description::Format::*;
    use super::description::Pattern::*;
    use super::description::Syntax::*;
    use super::description::Transform::*;
    use super::description::Weight::*;
    use super::description::*;

    include!(concat!(env!("OUT_DIR"), "/clouds.rs"));
}

pub(crate) use table::{CLOUDS, NODES, NOT_CLOUDS, TEXTS};

/// The clouds that a client knows: the built-in ones, and those that the user described.
#[derive(Clone, Debug)]
pub(crate) struct Clouds(Arc<[&'static Description]>);

impl Default for Clouds {
    fn default() -> Self {
        Self(CLOUDS.iter().chain(NODES).collect())
    }
}

impl Clouds {
    /// Every cloud, by name; the user's own behind the built-in ones.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &'static Description> {
        self.0.iter().copied().filter(|cloud| cloud.node.is_none())
    }

    /// The nodes of a cloud that aren't plain machines of it.
    pub(crate) fn nodes_of(&self, cloud: &str) -> impl Iterator<Item = (&'static Description, &'static Node)> {
        let nodes = self.0.iter().filter_map(|node| Some((*node, node.node.as_ref()?)));
        nodes.filter(move |(_, node)| *node.of == *cloud)
    }

    /// Every node, of whatever cloud.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = (&'static Description, &'static Node)> {
        self.0.iter().filter_map(|node| Some((*node, node.node.as_ref()?)))
    }

    /// The cloud of this name.
    pub(crate) fn find(&self, name: &str) -> Option<&'static Description> {
        self.iter().find(|cloud| *cloud.name == *name)
    }

    /// These clouds with another: in the place of the one of its name, else behind them.
    #[cfg(feature = "cloud-files")]
    pub(crate) fn with(&self, cloud: &'static Description) -> Self {
        let others = self.0.iter().copied().filter(|other| other.name != cloud.name);
        Self(others.chain([cloud]).collect())
    }
}

/// The built-in cloud of this name.
pub(crate) fn find(name: &str) -> Option<&'static Description> {
    CLOUDS.iter().find(|cloud| &*cloud.name == name)
}

/// The name of a described cloud; of a node, its cloud's.
pub(crate) fn cloud_name(description: &Description) -> CloudName {
    let name = description.node.as_ref().map_or(&description.name, |node| &node.of);
    // Built-in names are those of their files, and a user's is checked when it is read: a name that isn't well-formed
    // can't get here.
    CloudName::new(name.to_string()).unwrap_or(CloudName::builtin("invalid"))
}
