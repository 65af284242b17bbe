//! Google Cloud's disks.
//!
//! The service tells a disk's device name and nothing else that names it, so that is the volume id here. The guest
//! environment's udev rules link `/dev/disk/by-id/google-DEVICE_NAME` to the disk and `…-partN` to its partitions
//! ("Disk symlinks" in the Compute Engine documentation); local SSDs are linked in the same way
//! (`google-local-nvme-ssd-0`, `google-local-ssd-0`).

use imds_model::{Disk, Error};

use super::{absent, block, id_at, id_of, id_of_named, local_disk, no_such_device};
use crate::machine::Files;

const LINKS: &str = "/dev/disk/by-id";

pub(super) fn volume_id(files: &dyn Files, disks: &[Disk], path: &str) -> Result<String, Error> {
    let Some(local) = block::disk_at(files, path) else {
        return id_of_named(disks, path).or_else(|| name_of_named(disks, path)).ok_or_else(no_such_device);
    };
    let local = block::backing(files, &local)?;
    let linked =
        linked_names(files).filter(|(_, disk)| *disk == local).map(|(name, _)| name).collect::<Vec<_>>();
    // A disk may have a second link by a name of its kind; the one that the service uses is the device name.
    let entry_of = |name: &String| disks.iter().find(|disk| disk.name.as_ref() == Some(name));
    if let Some(name) = linked.iter().find(|name| entry_of(name).is_some()).or(linked.first()) {
        return Ok(entry_of(name).and_then(id_of).unwrap_or_else(|| name.clone()));
    }
    id_at(files, disks, &local)
        .or_else(|| {
            let here = |disk: &&Disk| local_disk(files, disk).as_ref() == Some(&local);
            disks.iter().find(here)?.name.clone()
        })
        .or_else(|| {
            let boot = disks.iter().find(|disk| disk.boot == Some(true))?;
            (block::root_disk(files)? == local).then(|| id_of(boot).or_else(|| boot.name.clone()))?
        })
        .ok_or_else(|| {
            absent(format!("no link in {LINKS} gives the device name of {local}")).with_remedy(
                "install the guest environment (google-guest-configs), whose udev rules make these links",
            )
        })
}

/// The local disk of an entry, by its device name; the boot disk also by the root file system.
pub(super) fn disk_of(files: &dyn Files, disk: &Disk, root: Option<&str>) -> Option<String> {
    let name = disk.name.as_deref()?;
    let by_link = linked_names(files).find(|(linked, _)| linked == name).map(|(_, local)| local);
    by_link.or_else(|| root.filter(|_| disk.boot == Some(true)).map(str::to_owned))
}

/// Device names and the disks that they are linked to. A device name may itself end like a partition's link, so the
/// target decides which it is.
fn linked_names(files: &dyn Files) -> impl Iterator<Item = (String, String)> + '_ {
    block::names(files, LINKS).into_iter().filter_map(|link| {
        let path = format!("{LINKS}/{link}");
        let local = block::disk_at(files, &path)?;
        let whole = block::canonical(files, &path)? == block::path_of(&local);
        let name = link.strip_prefix("google-").filter(|name| whole && !name.is_empty())?;
        Some((name.to_owned(), local))
    })
}

/// The name of the entry with this device, when the machine itself can't be seen.
fn name_of_named(disks: &[Disk], path: &str) -> Option<String> {
    let whole = block::disk_of_partition(path);
    let named = |disk: &&Disk| {
        let device = disk.device.as_deref();
        device.is_some() && (device == Some(path) || device == whole.as_deref())
    };
    disks.iter().find(named)?.name.clone()
}

#[cfg(test)]
mod tests {
    use imds_model::{CloudName, ErrorKind};

    use crate::machine::MemoryFiles;
    use crate::volume::{join_local_devices, volume_id};

    use super::*;

    fn entry(name: &str, boot: Option<bool>) -> Disk {
        let mut disk = Disk::default();
        (disk.name, disk.boot) = (Some(name.to_owned()), boot);
        disk
    }

    fn served() -> Vec<Disk> {
        vec![entry("boot-disk", Some(true)), entry("data-part1", None), entry("local-nvme-ssd-0", None)]
    }

    fn bare() -> MemoryFiles {
        MemoryFiles::new()
            .with("/sys/block/sda/size", "20971520\n")
            .with("/sys/block/sda/sda1/partition", "1\n")
            .with("/sys/block/sdb/size", "2048\n")
            .with("/sys/block/sdc/size", "2048\n")
            .with("/sys/block/nvme0n1/size", "786432000\n")
            .with("/proc/self/mountinfo", "29 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n")
    }

    fn linked() -> MemoryFiles {
        bare()
            .with_link("/dev/disk/by-id/google-boot-disk", "../../sda")
            .with_link("/dev/disk/by-id/google-boot-disk-part1", "../../sda1")
            .with_link("/dev/disk/by-id/google-data-part1", "../../sdb")
            .with_link("/dev/disk/by-id/google-data-part1-part1", "../../sdb1")
            .with_link("/dev/disk/by-id/google-attached-later", "../../sdc")
            .with_link("/dev/disk/by-id/google-aaa", "../../sdb")
            .with_link("/dev/disk/by-id/google-local-nvme-ssd-0", "../../nvme0n1")
            .with_link("/dev/disk/by-id/scsi-0Google_PersistentDisk_boot-disk", "../../sda")
            .with_link("/sys/block/dm-0/slaves/sdb1", "../../sdb/sdb1")
    }

    #[test]
    fn the_volume_is_the_device_name() {
        for (device, name) in [
            ("sda", "boot-disk"),
            ("/dev/sda1", "boot-disk"),
            ("sdb", "data-part1"),
            ("/dev/sdb1", "data-part1"),
            ("/dev/disk/by-id/google-data-part1", "data-part1"),
            ("/dev/disk/by-id/google-boot-disk-part1", "boot-disk"),
            ("/dev/disk/by-id/scsi-0Google_PersistentDisk_boot-disk", "boot-disk"),
            ("dm-0", "data-part1"),
            ("sdc", "attached-later"),
            ("nvme0n1p1", "local-nvme-ssd-0"),
        ] {
            assert_eq!(
                volume_id(&linked(), &CloudName::GCP, &served(), device).as_deref(),
                Ok(name),
                "{device}"
            );
        }
    }

    #[test]
    fn without_links_only_the_boot_disk_is_known() {
        assert_eq!(volume_id(&bare(), &CloudName::GCP, &served(), "sda1").as_deref(), Ok("boot-disk"));
        let error = volume_id(&bare(), &CloudName::GCP, &served(), "sdb").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Absent);
        assert_eq!(
            error.to_string(),
            "gcp: /dev/sdb: no link in /dev/disk/by-id gives the device name of sdb"
        );
        assert!(error.remedy().is_some());
    }

    #[test]
    fn disks_are_joined_with_their_devices() {
        let once = join_local_devices(&linked(), &CloudName::GCP, served());
        let seen: Vec<_> = once.iter().map(|d| (d.device.as_deref(), d.size_bytes, d.boot)).collect();
        assert_eq!(
            seen,
            [
                (Some("/dev/sda"), Some(10_737_418_240), Some(true)),
                (Some("/dev/sdb"), Some(1_048_576), Some(false)),
                (Some("/dev/nvme0n1"), Some(402_653_184_000), Some(false)),
            ]
        );
        assert_eq!(join_local_devices(&linked(), &CloudName::GCP, once.clone()), once);
        // A detached disk whose link would read like that of a partition isn't taken for that partition.
        let detached = join_local_devices(&linked(), &CloudName::GCP, vec![entry("boot-disk-part1", None)]);
        assert_eq!(detached, [entry("boot-disk-part1", None)]);
        // Where the machine can't be seen again, what was joined still answers.
        let unseen = MemoryFiles::new();
        assert_eq!(volume_id(&unseen, &CloudName::GCP, &once, "sdb1").as_deref(), Ok("data-part1"));
    }
}
