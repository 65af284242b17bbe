//! What is irregular about Google Cloud: disks known by their device names only.

use imds_model::{Disk, Error, Value};

use crate::fetch::Documents;
use crate::fetch::disks::by_number;
use crate::fetch::documents::{lookup, scalar};
use crate::fetch::extract::Extracted;

/// The disks in the order of their index; index 0 is the one that the machine starts from. The server tells no sizes and
/// no ids but the device names, under which udev links them (`/dev/disk/by-id/google-NAME`).
pub(super) fn disks(documents: &Documents) -> Result<Option<Extracted>, Error> {
    let content = documents.content("disks")?;
    let text = |item, pointer| lookup(item, pointer).first().and_then(|(value, _)| scalar(value));
    let mut disks = Vec::new();
    for (place, (item, _)) in (0..).zip(lookup(content, "/*")) {
        let index = text(item, "/index").and_then(|index| index.parse().ok()).unwrap_or(place);
        let mut disk = Disk::default();
        disk.name = text(item, "/deviceName");
        disk.boot = Some(index == 0);
        disks.push((Some(index), disk));
    }
    let disks = by_number(disks);
    Ok((!disks.is_empty()).then(|| Extracted::new(Value::Disks(disks), documents.source("disks", ""))))
}
