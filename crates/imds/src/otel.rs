//! OpenTelemetry resource attributes from a snapshot, by the semantic conventions (version 1.44; all of these are still in
//! development there).
//!
//! | attribute | from |
//! |---|---|
//! | `cloud.provider` | `cloud`, in the conventions' spelling |
//! | `cloud.platform` | `cloud` and `platform`; left out where the conventions have no name for it |
//! | `cloud.region`, `cloud.availability_zone`, `cloud.account.id`, `cloud.resource_id` | `region`, `zone`, `account_id`, `resource_id` |
//! | `host.id`, `host.type`, `host.image.id` | `instance_id`, `instance_type`, `image_id` |
//! | `host.name` | `hostname`; on Google Cloud `instance_name`, as the collector's detector has it |
//! | `host.arch` | `architecture`: `x86_64` is `amd64`, `i386` is `x86` |
//! | `k8s.cluster.name` | `cluster_name`, unless it is one of ECS |
//! | `azure.resource_group.name`, `azure.vm.name`, `azure.vm.size`, `azure.vm.scaleset.name` | `resource_group`, `instance_name`, `instance_type`, `scaling_group` |
//! | `gcp.gce.instance.name`, `gcp.gce.instance_group_manager.name` | `instance_name`, `scaling_group` |
//!
//! `azure.vm.*` isn't in the conventions; it is what the collector's Azure detector writes, and what dashboards use.
//!
//! Some names of Azure have changed; [`Names`] says which spelling is wanted:
//!
//! | legacy | current | changed |
//! |---|---|---|
//! | value `azure_vm` of `cloud.platform` | `azure.vm` | conventions 1.35 |
//! | value `azure_aks` of `cloud.platform` | `azure.aks` | conventions 1.35 |
//! | attribute `azure.resourcegroup.name` | `azure.resource_group.name` | collector 0.158, behind the gate `processor.resourcedetection.azure.RenameResourceGroupAttribute` |

use imds_model::{CloudName, Field, Metadata};

use crate::clouds::Clouds;
use crate::clouds::description::Description;
use crate::config::Config;

/// Which spelling of renamed attributes is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Names {
    /// As older collectors and dashboards know them.
    Legacy,
    /// As the conventions have them now.
    #[default]
    Current,
    /// Renamed attributes under both names. An attribute whose value was renamed can have only one: the current one.
    Both,
}

/// The resource attributes that a snapshot gives, by the current names, in a fixed order. What isn't known is left out;
/// nothing is empty.
///
/// ```
/// use imds::model::{CloudName, Metadata, Reading, Source, Value};
/// use imds::{Field, otel};
/// let mut metadata = Metadata::new(CloudName::AZURE);
/// metadata.set(Field::Region, Reading::known(Value::Text("westeurope".into()), Source::Mock));
/// assert_eq!(
///     otel::resource_attributes(&metadata),
///     [("cloud.provider", "azure".to_owned()), ("cloud.region", "westeurope".to_owned())]
/// );
/// ```
#[must_use]
pub fn resource_attributes(metadata: &Metadata) -> Vec<(&'static str, String)> {
    resource_attributes_named(metadata, Names::Current)
}

/// The same by the names that are wanted.
///
/// ```
/// use imds::model::{CloudName, Metadata, Reading, Source, Value};
/// use imds::{Field, otel};
/// let mut metadata = Metadata::new(CloudName::AZURE);
/// metadata.set(Field::Platform, Reading::known(Value::Text("vm".into()), Source::Mock));
/// let legacy = otel::resource_attributes_named(&metadata, otel::Names::Legacy);
/// assert_eq!(legacy[1], ("cloud.platform", "azure_vm".to_owned()));
/// ```
#[must_use]
pub fn resource_attributes_named(metadata: &Metadata, names: Names) -> Vec<(&'static str, String)> {
    attributes_by(crate::clouds::find(metadata.cloud().as_str()), metadata, names)
}

impl Config {
    /// The resource attributes that a snapshot gives, by these names, as [`resource_attributes_named`]. A cloud that the
    /// user described is called as its `[otel]` table says, else by its own name.
    #[must_use]
    pub fn resource_attributes(&self, metadata: &Metadata, names: Names) -> Vec<(&'static str, String)> {
        let clouds: &Clouds = &self.clouds;
        attributes_by(clouds.find(metadata.cloud().as_str()), metadata, names)
    }
}

fn attributes_by(
    description: Option<&'static Description>,
    metadata: &Metadata,
    names: Names,
) -> Vec<(&'static str, String)> {
    let cloud = metadata.cloud();
    let text = |field: Field| metadata.text(field);
    let host_name = if *cloud == CloudName::GCP { Field::InstanceName } else { Field::Hostname };
    let is_of_ecs = matches!(text(Field::Platform), Some("ecs" | "fargate"));
    let of_every_cloud = [
        ("cloud.provider", Some(provider(cloud, description))),
        ("cloud.platform", platform(cloud, description, text(Field::Platform), names)),
        ("cloud.region", text(Field::Region)),
        ("cloud.availability_zone", text(Field::Zone)),
        ("cloud.account.id", text(Field::AccountId)),
        ("cloud.resource_id", text(Field::ResourceId)),
        ("host.id", text(Field::InstanceId)),
        ("host.name", text(host_name)),
        ("host.type", text(Field::InstanceType)),
        ("host.image.id", text(Field::ImageId)),
        ("host.arch", text(Field::Architecture).map(architecture)),
        ("k8s.cluster.name", text(Field::ClusterName).filter(|_| !is_of_ecs)),
    ];
    let of_this_cloud: &[(&'static str, Option<&str>)] = match cloud.as_str() {
        "azure" => &[
            ("azure.resourcegroup.name", text(Field::ResourceGroup).filter(|_| names != Names::Current)),
            ("azure.resource_group.name", text(Field::ResourceGroup).filter(|_| names != Names::Legacy)),
            ("azure.vm.name", text(Field::InstanceName)),
            ("azure.vm.size", text(Field::InstanceType)),
            ("azure.vm.scaleset.name", text(Field::ScalingGroup)),
        ],
        "gcp" => &[
            ("gcp.gce.instance.name", text(Field::InstanceName)),
            ("gcp.gce.instance_group_manager.name", text(Field::ScalingGroup)),
        ],
        _ => &[],
    };
    let all = of_every_cloud.iter().chain(of_this_cloud);
    all.filter_map(|(name, value)| Some((*name, value.filter(|value| !value.is_empty())?.to_owned())))
        .collect()
}

/// `cloud.provider`: the cloud's own name, where its description doesn't know another.
fn provider<'a>(cloud: &'a CloudName, description: Option<&'a Description>) -> &'a str {
    description.and_then(|description| description.otel.provider.as_deref()).unwrap_or(cloud.as_str())
}

/// `cloud.platform`, where the conventions have a name for it.
fn platform(
    cloud: &CloudName,
    description: Option<&'static Description>,
    platform: Option<&str>,
    names: Names,
) -> Option<&'static str> {
    let name = description?.otel.platform.get(platform?)?;
    Some(match (names, cloud.as_str(), &**name) {
        (Names::Legacy, "azure", "azure.vm") => "azure_vm",
        (Names::Legacy, "azure", "azure.aks") => "azure_aks",
        (_, _, name) => name,
    })
}

/// `host.arch`.
fn architecture(spelled: &str) -> &str {
    match spelled {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "i386" | "i686" => "x86",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use imds_model::{Reading, Source, Value};

    use super::*;

    fn snapshot(cloud: CloudName, values: &[(Field, &str)]) -> Metadata {
        let mut metadata = Metadata::new(cloud);
        for (field, value) in values {
            metadata.set(*field, Reading::known(Value::Text((*value).to_owned()), Source::Mock));
        }
        metadata
    }

    fn attributes(cloud: CloudName, values: &[(Field, &str)]) -> Vec<(&'static str, String)> {
        resource_attributes(&snapshot(cloud, values))
    }

    fn one(cloud: CloudName, values: &[(Field, &str)], name: &str) -> Option<String> {
        attributes(cloud, values).into_iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    #[test]
    fn an_ec2_instance() {
        let values = [
            (Field::Platform, "vm"),
            (Field::Region, "eu-west-1"),
            (Field::Zone, "eu-west-1b"),
            (Field::AccountId, "012345678901"),
            (Field::InstanceId, "i-1"),
            (Field::Hostname, "ip-10-0-0-1"),
            (Field::InstanceName, "web-17"),
            (Field::InstanceType, "m6i.xlarge"),
            (Field::ImageId, "ami-1"),
            (Field::Architecture, "x86_64"),
        ];
        let expected = [
            ("cloud.provider", "aws"),
            ("cloud.platform", "aws_ec2"),
            ("cloud.region", "eu-west-1"),
            ("cloud.availability_zone", "eu-west-1b"),
            ("cloud.account.id", "012345678901"),
            ("host.id", "i-1"),
            ("host.name", "ip-10-0-0-1"),
            ("host.type", "m6i.xlarge"),
            ("host.image.id", "ami-1"),
            ("host.arch", "amd64"),
        ];
        assert_eq!(
            attributes(CloudName::AWS, &values),
            expected.map(|(name, value)| (name, value.to_owned()))
        );
    }

    #[test]
    fn platforms_and_providers_have_the_names_of_the_conventions() {
        for (cloud, platform, expected) in [
            ("aws", "ecs", Some("aws_ecs")),
            ("aws", "fargate", Some("aws_ecs")),
            ("aws", "eks", Some("aws_eks")),
            ("azure", "vm", Some("azure.vm")),
            ("azure", "aks", Some("azure.aks")),
            ("azure", "arc", None),
            ("gcp", "vm", Some("gcp_compute_engine")),
            ("gcp", "gke", Some("gcp_kubernetes_engine")),
            ("gcp", "cloud_run", Some("gcp_cloud_run")),
            ("digitalocean", "vm", None),
            ("oracle", "vm", Some("oracle_cloud_compute")),
        ] {
            let cloud = CloudName::builtin(cloud);
            assert_eq!(one(cloud, &[(Field::Platform, platform)], "cloud.platform").as_deref(), expected);
        }
        for (cloud, expected) in [("digitalocean", "digitalocean"), ("ibm", "ibm_cloud"), ("vultr", "vultr")]
        {
            assert_eq!(one(CloudName::builtin(cloud), &[], "cloud.provider").as_deref(), Some(expected));
        }
    }

    #[test]
    fn a_cluster_of_ecs_is_none_of_kubernetes() {
        for (platform, expected) in
            [("ecs", None), ("fargate", None), ("eks", Some("shop")), ("vm", Some("shop"))]
        {
            let values = [(Field::Platform, platform), (Field::ClusterName, "shop")];
            assert_eq!(one(CloudName::AWS, &values, "k8s.cluster.name").as_deref(), expected, "{platform}");
        }
    }

    #[test]
    fn azure_and_google_cloud_have_attributes_of_their_own() {
        let values = [
            (Field::InstanceName, "web-vmss_3"),
            (Field::Hostname, "webvmss000003"),
            (Field::InstanceType, "Standard_D4s_v5"),
            (Field::ResourceGroup, "rg-web"),
            (Field::ScalingGroup, "web-vmss"),
            (Field::ClusterName, "shop"),
        ];
        let azure = |name: &str| one(CloudName::AZURE, &values, name);
        assert_eq!(azure("azure.resource_group.name").as_deref(), Some("rg-web"));
        assert_eq!(azure("azure.vm.name").as_deref(), Some("web-vmss_3"));
        assert_eq!(azure("azure.vm.size").as_deref(), Some("Standard_D4s_v5"));
        assert_eq!(azure("azure.vm.scaleset.name").as_deref(), Some("web-vmss"));
        assert_eq!(azure("host.name").as_deref(), Some("webvmss000003"));
        assert_eq!(azure("k8s.cluster.name").as_deref(), Some("shop"));
        assert_eq!(azure("gcp.gce.instance.name"), None);
        let gcp = |name: &str| one(CloudName::GCP, &values, name);
        assert_eq!(gcp("gcp.gce.instance.name").as_deref(), Some("web-vmss_3"));
        assert_eq!(gcp("gcp.gce.instance_group_manager.name").as_deref(), Some("web-vmss"));
        assert_eq!(gcp("host.name").as_deref(), Some("web-vmss_3"));
        assert_eq!(gcp("azure.vm.name"), None);
    }

    #[test]
    fn renamed_attributes_are_given_by_the_names_that_are_wanted() {
        const RENAMED: [&str; 3] =
            ["cloud.platform", "azure.resourcegroup.name", "azure.resource_group.name"];
        for (platform, names, expected) in [
            ("vm", Names::Legacy, [Some("azure_vm"), Some("rg-web"), None]),
            ("vm", Names::Current, [Some("azure.vm"), None, Some("rg-web")]),
            ("vm", Names::Both, [Some("azure.vm"), Some("rg-web"), Some("rg-web")]),
            ("aks", Names::Legacy, [Some("azure_aks"), Some("rg-web"), None]),
            ("aks", Names::Current, [Some("azure.aks"), None, Some("rg-web")]),
            ("aks", Names::Both, [Some("azure.aks"), Some("rg-web"), Some("rg-web")]),
        ] {
            let values = [(Field::Platform, platform), (Field::ResourceGroup, "rg-web")];
            let attributes = resource_attributes_named(&snapshot(CloudName::AZURE, &values), names);
            let found = RENAMED.map(|name| {
                attributes.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
            });
            assert_eq!(found, expected, "{platform} {names:?}");
        }
        let aws = snapshot(CloudName::AWS, &[(Field::Platform, "vm"), (Field::ResourceGroup, "x")]);
        assert_eq!(resource_attributes_named(&aws, Names::Legacy), resource_attributes(&aws));
    }

    #[test]
    fn architectures_are_spelled_as_the_conventions_do() {
        for (spelled, expected) in
            [("x86_64", "amd64"), ("arm64", "arm64"), ("i386", "x86"), ("s390x", "s390x")]
        {
            assert_eq!(
                one(CloudName::AWS, &[(Field::Architecture, spelled)], "host.arch").as_deref(),
                Some(expected)
            );
        }
    }
}
