//! The clouds.
//!
//! A cloud is data first: [`description`] is the shape, `clouds/NAME.toml` the facts, which `build.rs`
//! packs. Code exists only where a cloud is irregular, in a file of the cloud's name. Users describe clouds in the same
//! shape, which `file` reads at run time (feature `cloud-files`).

#[macro_use]
mod shape;

#[expect(unreachable_pub, reason = "the build script reads the same file")]
#[cfg_attr(
    not(feature = "cloud-files"),
    expect(dead_code, reason = "built-in descriptions are checked when built")
)]
pub(crate) mod description;

mod aws;
pub(crate) mod azure;
#[cfg(feature = "cloud-files")]
pub(crate) mod file;
pub(crate) mod functions;
mod gcp;
mod ibm;
mod openstack;
mod packed;
#[cfg(feature = "cloud-files")]
#[expect(unreachable_pub, reason = "the build script reads the same file")]
pub(crate) mod reading;
pub(crate) mod texts;
pub(crate) mod transform;

use std::sync::{Arc, LazyLock};

use description::{Description, Node, NotClouds, Service, Text};
use imds_model::CloudName;
use packed::unpacked;

/// The built-in clouds.
pub(crate) static CLOUDS: LazyLock<Vec<Description>> =
    LazyLock::new(|| unpacked(include_str!(concat!(env!("OUT_DIR"), "/clouds.packed"))));
/// The built-in nodes that aren't plain machines of a cloud.
pub(crate) static NODES: LazyLock<Vec<Description>> =
    LazyLock::new(|| unpacked(include_str!(concat!(env!("OUT_DIR"), "/nodes.packed"))));
/// What is known of machines that are in no cloud.
pub(crate) static NOT_CLOUDS: LazyLock<NotClouds> =
    LazyLock::new(|| unpacked(include_str!(concat!(env!("OUT_DIR"), "/not-clouds.packed"))));

/// The variables of built-in clouds that hold a number: none of the descriptions has to be unpacked to check those.
static NUMBER_VARIABLES: LazyLock<Vec<Text>> =
    LazyLock::new(|| unpacked(include_str!(concat!(env!("OUT_DIR"), "/number-variables.packed"))));

/// The clouds that a client knows: the built-in ones, and those that the user described.
#[derive(Clone, Debug)]
pub(crate) struct Clouds(Arc<[&'static Description]>);

impl Default for Clouds {
    fn default() -> Self {
        Self(CLOUDS.iter().chain(NODES.iter()).collect())
    }
}

impl Clouds {
    /// Every cloud, by name; the user's own behind the built-in ones.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &'static Description> {
        self.0.iter().copied().filter(|cloud| cloud.node.is_none())
    }

    /// The nodes of a cloud that aren't plain machines of it.
    pub(crate) fn nodes_of(
        &self,
        cloud: &str,
    ) -> impl Iterator<Item = (&'static Description, &'static Node)> {
        let nodes = self.0.iter().filter_map(|node| Some((*node, node.node.as_ref()?)));
        nodes.filter(move |(_, node)| *node.of == *cloud)
    }

    /// Every node, of whatever cloud.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = (&'static Description, &'static Node)> {
        self.0.iter().filter_map(|node| Some((*node, node.node.as_ref()?)))
    }

    /// The variables that hold a number.
    pub(crate) fn number_variables(&self) -> impl Iterator<Item = &Text> {
        let own = self.0.iter().filter(|cloud| !is_built_in(cloud));
        let services = own.filter_map(|cloud| cloud.service.as_ref());
        NUMBER_VARIABLES.iter().chain(services.flat_map(Service::number_variables))
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

/// Vendors whose service is gone for good: the names that people look for, and what to tell them.
const CLOSED: &[(&[&str], &str)] = &[(
    &["equinix", "equinix-metal", "equinixmetal", "packet"],
    "Equinix Metal closed in June 2026, and its metadata service with it; a service that took over its paths can be \
     described in a file of your own (--cloud-file)",
)];

/// What became of a vendor whose service is gone for good.
pub(crate) fn closed(name: &str) -> Option<&'static str> {
    let name = name.to_ascii_lowercase();
    CLOSED.iter().find(|(names, _)| names.contains(&&*name)).map(|(_, what)| *what)
}

/// Whether a description is this crate's own, and not a user's.
pub(crate) fn is_built_in(description: &Description) -> bool {
    CLOUDS.iter().chain(NODES.iter()).any(|known| std::ptr::eq(known, description))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_belongs_to_a_cloud_and_is_met_somehow() {
        for node in NODES.iter() {
            let how = node.node.as_ref().unwrap();
            assert!(find(&how.of).is_some(), "{}", &*node.name);
            assert!(!node.environment.is_empty() || !node.firmware.is_empty(), "{}", &*node.name);
            let platforms: Vec<&str> = node
                .environment
                .iter()
                .filter_map(|row| row.platform.as_deref())
                .chain([&*node.name])
                .collect();
            for alone in how.alone.iter() {
                assert!(platforms.contains(&&**alone), "{}: nothing says the platform {alone}", &*node.name);
            }
        }
    }

    #[test]
    #[cfg(feature = "cloud-files")]
    fn what_leads_nowhere_is_a_mistake() {
        let node = r#"
            name = "node"
            title = "A node"
            node = { of = "aws", adds = ["region", "zone"], met = "that is a node" }
            documents = { task = { path = "/task", format = "json" } }
            fields = { zone = "task#/zone" }
            probe = { document = "task", require = { "/zone" = "word" }, otherwise = { document = "gone", require = {} } }
        "#;
        let description: Description = reading::read(toml::de::DeTable::parse(node).unwrap()).unwrap();
        let mistakes: Vec<String> =
            description.mistakes().iter().map(|it| format!("{}: {}", it.at.join("."), it.what)).collect();
        assert_eq!(
            mistakes,
            [
                "probe.otherwise.document: there is no document \"gone\"",
                "node.adds: the node doesn't say the field \"region\"",
            ]
        );
    }
}
