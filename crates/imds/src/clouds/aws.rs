//! What is irregular about AWS: the block device mapping.

use std::collections::BTreeMap;

use imds_model::{Disk, Error, Value};

use crate::fetch::Documents;
use crate::fetch::disks::boot_first;
use crate::fetch::documents::scalar;
use crate::fetch::extract::Extracted;

/// The volumes that the machine was launched with. The mapping names the root device twice (`ami` and `root`) and tells
/// neither ids nor sizes; local devices add those.
pub(super) fn disks(documents: &Documents) -> Result<Option<Extracted>, Error> {
    let mapping = documents.content("block-devices")?;
    // By name, in whatever order a JSON object keeps its members.
    let mut disks = BTreeMap::new();
    for (name, device) in mapping.as_object().into_iter().flatten() {
        let Some(device) = scalar(device) else { continue };
        if name == "ami" && mapping.get("root").is_some() {
            continue;
        }
        let mut disk = Disk::default();
        disk.boot = Some(matches!(name.as_str(), "root" | "ami"));
        disk.name = Some(name.clone());
        disk.device = Some(if device.starts_with("/dev/") { device } else { format!("/dev/{device}") });
        disks.insert(name, disk);
    }
    let source = documents.source("block-devices", "");
    Ok((!disks.is_empty())
        .then(|| Extracted::new(Value::Disks(boot_first(disks.into_values().collect())), source)))
}
