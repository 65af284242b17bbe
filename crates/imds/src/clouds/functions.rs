//! The functions that irregular clouds need, by the names that their descriptions use.

use imds_model::Error;

use super::{aws, azure, gcp, ibm, openstack};
use crate::fetch::Documents;
use crate::fetch::extract::Extracted;

/// Reads a field from documents; nothing where the cloud doesn't say.
pub(crate) type Function = fn(&Documents) -> Result<Option<Extracted>, Error>;

/// The function of this name.
pub(crate) fn named(name: &str) -> Option<Function> {
    Some(match name {
        "aws_disks" => aws::disks,
        "azure_cluster" => azure::cluster,
        "azure_disks" => azure::disks,
        "azure_image" => azure::image,
        "azure_interfaces" => azure::interfaces,
        "gcp_disks" => gcp::disks,
        "ibm_disks" => ibm::disks,
        "openstack_interfaces" => openstack::interfaces,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use crate::clouds::CLOUDS;

    #[test]
    fn every_function_that_a_description_names_is_there() {
        for cloud in CLOUDS.iter() {
            for (field, rule) in cloud.fields.iter() {
                if let Some(name) = &rule.function {
                    assert!(super::named(name).is_some(), "{} {field}: {:?}", &*cloud.name, &**name);
                }
            }
        }
    }
}
