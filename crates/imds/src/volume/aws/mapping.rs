//! The block device mapping, joined with the disks of the machine.

use imds_model::Disk;

use super::{Identity, disk_spelled, identity, is_ephemeral, is_root, spelled};
use crate::machine::Files;
use crate::volume::{block, complete, id_of};

/// Puts the mapping's entries on the local disks, then adds the disks that the mapping doesn't know.
pub(in crate::volume) fn join(files: &dyn Files, disks: Vec<Disk>, root: Option<&str>) -> Vec<Disk> {
    // Each entry with the local disk that it was found at.
    let mut joined: Vec<(Disk, Option<String>)> = Vec::new();
    for mut disk in disks {
        let path = disk.device.as_deref().and_then(|device| block::device_path(device).ok());
        let found = path.and_then(|path| disk_spelled(files, &path));
        let local = found.or_else(|| root.filter(|_| is_root(&disk)).map(str::to_owned));
        if is_root(&disk) {
            disk.boot = disk.boot.or(Some(true));
        }
        let same = |(other, at): &&mut (Disk, Option<String>)| match (&local, at) {
            (Some(local), Some(at)) => local == at,
            (None, None) => spelled(disk.device.as_deref()) == spelled(other.device.as_deref()),
            _ => false,
        };
        // The mapping names the first disk twice: `ami` is how the image calls it, `root` how the instance does.
        if let Some((other, _)) = joined.iter_mut().find(same).filter(|_| disk.device.is_some()) {
            if disk.name.as_deref() == Some("root") {
                other.name = disk.name;
            }
            other.boot = other.boot.max(disk.boot);
            continue;
        }
        if let Some(local) = &local {
            describe(files, &mut disk, local, root);
        }
        joined.push((disk, local));
    }
    let mut rest = block::disks(files);
    rest.retain(|local| joined.iter().all(|(_, at)| at.as_ref() != Some(local)));
    rest.retain(|local| identity(files, local) != Identity::Unsaid);
    let volumes: Vec<String> =
        rest.iter().filter(|local| identity(files, local) != Identity::InstanceStore).cloned().collect();

    let lost = |(disk, at): &(Disk, Option<String>)| at.is_none() && disk.id.is_none() && is_volume(disk);
    let names = joined.iter().filter(|entry| lost(entry)).count();
    if let ([volume], 1) = (volumes.as_slice(), names) {
        // One name and one volume are left over, so they belong together.
        joined
            .iter_mut()
            .filter(|entry| lost(entry))
            .for_each(|(disk, _)| describe(files, disk, volume, root));
        rest.retain(|local| local != volume);
    } else if names <= volumes.len() {
        // These names stand for volumes that are about to be added, only which for which isn't known.
        joined.retain(|entry| !lost(entry) || is_root(&entry.0));
    }
    let added = rest.iter().map(|local| {
        let mut disk = Disk::default();
        describe(files, &mut disk, local, root);
        disk
    });
    joined.into_iter().map(|(disk, _)| disk).chain(added).collect()
}

fn describe(files: &dyn Files, disk: &mut Disk, local: &str, root: Option<&str>) {
    if let (None, Identity::Volume(id)) = (id_of(disk), identity(files, local)) {
        disk.id = Some(id);
    }
    complete(files, disk, local, root);
}

/// Whether the mapping means an EBS volume; `swap` and `ephemeralN` are parts of an instance store.
fn is_volume(disk: &Disk) -> bool {
    !is_ephemeral(disk) && disk.name.as_deref() != Some("swap")
}

#[cfg(test)]
mod tests {
    use imds_model::CloudName;

    use crate::machine::MemoryFiles;
    use crate::volume::{join_local_devices, volume_id};

    use super::super::nitro::{DATA, ROOT, launched, linked, nitro};
    use super::*;

    type Row<'a> = (Option<&'a str>, Option<&'a str>, &'a str, Option<u64>, Option<bool>);

    fn rows(disks: &[Disk]) -> Vec<Row<'_>> {
        disks
            .iter()
            .map(|d| (d.name.as_deref(), d.id.as_deref(), d.device.as_deref().unwrap(), d.size_bytes, d.boot))
            .collect()
    }

    #[test]
    fn the_mapping_is_joined_with_the_nvme_disks() {
        let launch = launched(&[("ami", "/dev/xvda"), ("ebs1", "sdf"), ("root", "/dev/xvda")]);
        let expected = [
            (Some("root"), Some(ROOT), "/dev/nvme0n1", Some(8_589_934_592), Some(true)),
            (Some("ebs1"), Some(DATA), "/dev/nvme2n1", Some(107_374_182_400), Some(false)),
            (None, None, "/dev/nvme1n1", Some(750_000_000_000), Some(false)),
        ];
        // With links; and without, where one name and one volume are left over.
        for files in [linked(), nitro()] {
            let once = join_local_devices(&files, &CloudName::AWS, launch.clone());
            assert_eq!(rows(&once), expected);
            assert_eq!(join_local_devices(&files, &CloudName::AWS, once.clone()), once);
            for device in ["xvda", "/dev/sda1", "/dev/nvme0n1"] {
                assert_eq!(
                    volume_id(&files, &CloudName::AWS, &once, device).as_deref(),
                    Ok(ROOT),
                    "{device}"
                );
            }
        }
    }

    #[test]
    fn names_without_a_device_give_way_to_the_volumes_that_they_stand_for() {
        let files = nitro().with("/sys/block/nvme10n1/device/serial", "vol0123456789abcdef0");
        let launch = launched(&[("root", "/dev/sda1"), ("ebs1", "sdf"), ("ebs2", "sdg")]);
        let joined = join_local_devices(&files, &CloudName::AWS, launch);
        let ids: Vec<_> = joined.iter().map(|d| (d.id.as_deref(), d.device.as_deref().unwrap())).collect();
        assert_eq!(
            ids,
            [
                (Some(ROOT), "/dev/nvme0n1"),
                (None, "/dev/nvme1n1"),
                (Some(DATA), "/dev/nvme2n1"),
                (Some("vol-0123456789abcdef0"), "/dev/nvme10n1"),
            ]
        );
    }

    #[test]
    fn a_detached_volume_and_a_xen_disk_keep_what_the_service_said() {
        let detached = join_local_devices(&MemoryFiles::new(), &CloudName::AWS, launched(&[("ebs1", "sdf")]));
        assert_eq!(rows(&detached), [(Some("ebs1"), None, "sdf", None, None)]);
        let xen = MemoryFiles::new()
            .with("/sys/block/xvdf/size", "2048")
            .with("/sys/block/xvda/size", "2048")
            .with("/proc/mounts", "/dev/xvda1 / ext4 rw 0 0\n");
        let joined =
            join_local_devices(&xen, &CloudName::AWS, launched(&[("ebs1", "sdf"), ("root", "/dev/sda1")]));
        assert_eq!(
            rows(&joined),
            [
                (Some("ebs1"), None, "/dev/xvdf", Some(1_048_576), Some(false)),
                (Some("root"), None, "/dev/xvda", Some(1_048_576), Some(true)),
            ]
        );
    }
}
