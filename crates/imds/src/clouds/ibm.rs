//! What is irregular about IBM Cloud: which attachment is the boot volume's is said beside the list of all.

use imds_model::{Disk, Error, Value};

use crate::fetch::Documents;
use crate::fetch::disks::boot_first;
use crate::fetch::documents::{lookup, scalar};
use crate::fetch::extract::Extracted;

/// The attached volumes, the one that the machine starts from first. Sizes aren't told.
pub(super) fn disks(documents: &Documents) -> Result<Option<Extracted>, Error> {
    let instance = documents.content("instance")?;
    let text = |item, pointer| lookup(item, pointer).first().and_then(|(value, _)| scalar(value));
    let boot = text(instance, "/boot_volume_attachment/id");
    let mut disks: Vec<Disk> = Vec::new();
    for (attachment, _) in lookup(instance, "/volume_attachments/*") {
        let mut disk = Disk::default();
        disk.id = text(attachment, "/volume/id");
        disk.name = text(attachment, "/volume/name").or_else(|| text(attachment, "/name"));
        disk.boot = boot.as_ref().map(|boot| text(attachment, "/id").as_ref() == Some(boot));
        disks.push(disk);
    }
    let source = documents.source("instance", "/volume_attachments");
    Ok((!disks.is_empty()).then(|| Extracted::new(Value::Disks(boot_first(disks)), source)))
}
