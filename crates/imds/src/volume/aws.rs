//! EBS volumes and instance stores.
//!
//! On Nitro instances every volume is an NVMe disk whose serial number is its id without the dash ("Amazon EBS volumes and
//! NVMe" in the EC2 guide). The block device mapping of the service holds only the names that were asked for at launch,
//! `sdf` or `xvdf`; a link of that name leads to the NVMe disk where amazon-ec2-utils is installed. On Xen instances these
//! are the disks' own names, and nothing on the machine or in its metadata tells the volume.

use imds_model::{Disk, Error};

use super::{absent, block, complete, id_at, id_of, no_such_device};
use crate::machine::Files;

const INSTANCE_STORE_MODEL: &str = "Amazon EC2 NVMe Instance Storage";

/// What an NVMe disk says of itself.
#[derive(Debug, PartialEq, Eq)]
enum Identity {
    Volume(String),
    InstanceStore,
    Unsaid,
}

pub(super) fn volume_id(files: &dyn Files, disks: &[Disk], path: &str) -> Result<String, Error> {
    let entry = entry_named(disks, path);
    let at_root = || entry.filter(|entry| is_root(entry)).and_then(|_| block::root_disk(files));
    let Some(local) = disk_spelled(files, path).or_else(at_root) else {
        return Err(match entry {
            None => no_such_device(),
            Some(entry) => match id_of(entry) {
                Some(id) => return Ok(id),
                None if is_ephemeral(entry) => instance_store(),
                None => absent("the service lists this name, but no disk or link here has it").with_remedy(
                    "name the NVMe disk itself, or install amazon-ec2-utils for links by this name",
                ),
            },
        });
    };
    let local = block::backing(files, &local)?;
    let entry = entry.or_else(|| entry_named(disks, &block::path_of(&local)));
    match identity(files, &local) {
        Identity::Volume(id) => Ok(id),
        Identity::InstanceStore => Err(instance_store()),
        Identity::Unsaid => match id_at(files, disks, &local) {
            Some(id) => Ok(id),
            None if entry.is_some_and(is_ephemeral) => Err(instance_store()),
            None if local.starts_with("xvd") || (entry.is_some() && !local.starts_with("nvme")) => Err(absent(
                "on a Xen instance neither the disk nor the metadata service tells the volume",
            )
            .with_remedy(
                "ask the EC2 API: aws ec2 describe-volumes --filters Name=attachment.instance-id,Values=INSTANCE_ID",
            )),
            None => Err(absent(format!("{local} is no EBS volume"))),
        },
    }
}

fn instance_store() -> Error {
    absent("an instance store has no volume id")
}

/// Puts the mapping's entries on the local disks, then adds the disks that the mapping doesn't know.
pub(super) fn join(files: &dyn Files, disks: Vec<Disk>, root: Option<&str>) -> Vec<Disk> {
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

fn is_root(disk: &Disk) -> bool {
    matches!(disk.name.as_deref(), Some("root" | "ami")) || disk.boot == Some(true)
}

fn is_ephemeral(disk: &Disk) -> bool {
    disk.name.as_deref().is_some_and(|name| name.starts_with("ephemeral"))
}

/// Whether the mapping means an EBS volume; `swap` and `ephemeralN` are parts of an instance store.
fn is_volume(disk: &Disk) -> bool {
    !is_ephemeral(disk) && disk.name.as_deref() != Some("swap")
}

/// One spelling of a name that `sd…` and `xvd…` share, without `/dev/`.
fn spelled(device: Option<&str>) -> Option<String> {
    let name = device?.trim_start_matches("/dev/");
    Some(name.strip_prefix("xvd").map_or_else(|| name.to_owned(), |letters| format!("sd{letters}")))
}

/// The entry of the mapping under this name; else the one that shares its disk (`sda1` is often how an image calls `xvda`).
fn entry_named<'a>(disks: &'a [Disk], path: &str) -> Option<&'a Disk> {
    let whole = |name: String| block::disk_of_partition(&name).unwrap_or(name);
    let asked = spelled(Some(path));
    let exact = disks.iter().find(|disk| disk.device.is_some() && spelled(disk.device.as_deref()) == asked);
    let asked = asked.clone().map(whole);
    exact.or_else(|| {
        disks.iter().find(|disk| disk.device.is_some() && spelled(disk.device.as_deref()).map(whole) == asked)
    })
}

/// The local disk under this name or the other spelling of it, as a disk or as a link.
fn disk_spelled(files: &dyn Files, path: &str) -> Option<String> {
    let disk = block::disk_of_partition(path);
    [Some(path), disk.as_deref()].into_iter().flatten().find_map(|path| {
        block::disk_at(files, path).or_else(|| {
            let name = path.strip_prefix("/dev/")?;
            let other = match (name.strip_prefix("xvd"), name.strip_prefix("sd")) {
                (Some(letters), _) => format!("/dev/sd{letters}"),
                (_, Some(letters)) => format!("/dev/xvd{letters}"),
                _ => return None,
            };
            block::disk_at(files, &other)
        })
    })
}

fn identity(files: &dyn Files, local: &str) -> Identity {
    let Some(numbers) = local.strip_prefix("nvme") else { return Identity::Unsaid };
    let controller = numbers.split('n').next().unwrap_or_default();
    let says = |what: &str| {
        block::text(files, &format!("/sys/block/{local}/device/{what}"))
            .or_else(|| block::text(files, &format!("/sys/class/nvme/nvme{controller}/{what}")))
    };
    let serial = says("serial").unwrap_or_default();
    if says("model").as_deref() == Some(INSTANCE_STORE_MODEL) || serial.starts_with("AWS") {
        return Identity::InstanceStore;
    }
    let number = serial.strip_prefix("vol").map(|number| number.strip_prefix('-').unwrap_or(number));
    match number.filter(|number| !number.is_empty() && number.bytes().all(|c| c.is_ascii_hexdigit())) {
        Some(number) => Identity::Volume(format!("vol-{number}")),
        None => Identity::Unsaid,
    }
}

#[cfg(test)]
mod tests {
    use imds_model::{CloudName, ErrorKind};

    use crate::machine::MemoryFiles;
    use crate::volume::{join_local_devices, volume_id};

    use super::*;

    fn mapping(entries: &[(&str, &str)]) -> Vec<Disk> {
        let entry = |(name, device): &(&str, &str)| {
            let mut disk = Disk::default();
            disk.name = Some((*name).to_owned());
            disk.device = Some((*device).to_owned());
            disk
        };
        entries.iter().map(entry).collect()
    }

    /// Two volumes and an instance store; no links.
    fn nitro() -> MemoryFiles {
        MemoryFiles::new()
            .with("/sys/block/nvme0n1/device/model", "Amazon Elastic Block Store              \n")
            .with("/sys/block/nvme0n1/device/serial", "vol0a1b2c3d4e5f60718\n")
            .with("/sys/block/nvme0n1/size", "16777216\n")
            .with("/sys/block/nvme1n1/device/model", "Amazon EC2 NVMe Instance Storage        \n")
            .with("/sys/block/nvme1n1/device/serial", "AWS2A1B2C3D4E5F60718\n")
            .with("/sys/block/nvme1n1/size", "1464843750\n")
            .with("/sys/class/nvme/nvme2/model", "Amazon Elastic Block Store              \n")
            .with("/sys/class/nvme/nvme2/serial", "vol0ffeeddccbbaa9988 \n")
            .with("/sys/block/nvme2n1/size", "209715200\n")
            .with("/sys/block/nvme2n1/nvme2n1p1/partition", "1\n")
            .with("/sys/block/loop0/size", "8\n")
            .with("/proc/self/mountinfo", "26 1 259:1 / / rw,noatime shared:1 - xfs /dev/nvme0n1p1 rw\n")
            .with_link(
                "/sys/dev/block/259:1",
                "../../devices/pci0000:00/0000:00:04.0/nvme/nvme0/nvme0n1/nvme0n1p1",
            )
    }

    fn linked() -> MemoryFiles {
        nitro()
            .with_link("/dev/sdf", "nvme2n1")
            .with_link("/dev/sdf1", "nvme2n1p1")
            .with_link("/dev/xvda", "nvme0n1")
            .with_link(
                "/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_vol0ffeeddccbbaa9988",
                "../../nvme2n1",
            )
    }

    const ROOT: &str = "vol-0a1b2c3d4e5f60718";
    const DATA: &str = "vol-0ffeeddccbbaa9988";

    /// A device as typed, and its volume or the message.
    type Case<'a> = (&'a str, Result<&'a str, &'a str>);

    #[test]
    fn devices_and_their_volumes() {
        let launch =
            mapping(&[("ami", "/dev/xvda"), ("ebs1", "sdf"), ("ephemeral0", "sdb"), ("root", "/dev/xvda")]);
        let xen = MemoryFiles::new()
            .with("/sys/block/xvda/size", "8")
            .with("/sys/block/xvdb/size", "8")
            .with("/sys/block/xvdf/size", "8");
        let with_lvm = nitro()
            .with_link("/sys/block/dm-0/slaves/nvme2n1p1", "x")
            .with_link("/dev/mapper/vg-data", "../dm-0");
        let table: &[(&str, MemoryFiles, &[Case<'_>])] = &[
            (
                "nitro",
                nitro(),
                &[
                    ("nvme0n1", Ok(ROOT)),
                    ("/dev/nvme2n1p1", Ok(DATA)),
                    ("nvme1n1", Err("an instance store has no volume id")),
                    // The mapping says that this is the first disk, the mount table which one that is.
                    ("xvda", Ok(ROOT)),
                    ("/dev/sda1", Ok(ROOT)),
                    ("sdf", Err("the service lists this name, but no disk or link here has it")),
                    ("sdq", Err("no such block device on this machine")),
                    ("nvme9n1", Err("no such block device on this machine")),
                    ("loop0", Err("loop0 is no EBS volume")),
                ],
            ),
            (
                "nitro with links",
                linked(),
                &[
                    ("sdf", Ok(DATA)),
                    ("/dev/sdf1", Ok(DATA)),
                    ("xvdf", Ok(DATA)),
                    ("/dev/xvdf1", Ok(DATA)),
                    ("/dev/sdf2", Ok(DATA)),
                    ("sda", Ok(ROOT)),
                    ("/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_vol0ffeeddccbbaa9988", Ok(DATA)),
                ],
            ),
            (
                "xen",
                xen,
                &[
                    (
                        "xvdf",
                        Err("on a Xen instance neither the disk nor the metadata service tells the volume"),
                    ),
                    (
                        "/dev/sdf1",
                        Err("on a Xen instance neither the disk nor the metadata service tells the volume"),
                    ),
                    ("xvdb", Err("an instance store has no volume id")),
                ],
            ),
            ("mapped", with_lvm, &[("/dev/mapper/vg-data", Ok(DATA)), ("dm-0", Ok(DATA))]),
        ];
        for (machine, files, cases) in table {
            for (device, expected) in *cases {
                let answer = volume_id(files, &CloudName::AWS, &launch, device);
                match expected {
                    Ok(id) => assert_eq!(answer.as_deref(), Ok(*id), "{machine} {device}"),
                    Err(message) => {
                        let error = answer.unwrap_err();
                        assert_eq!(
                            (error.kind(), error.message()),
                            (ErrorKind::Absent, *message),
                            "{machine} {device}"
                        );
                        assert_eq!(
                            error.remedy().is_some(),
                            message.contains("service"),
                            "{machine} {device}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn serials_that_are_no_volume() {
        for serial in ["vol", "vol-", "volume-1", "vol0xyz", "0a1b2c3d", "\0\0"] {
            let files = MemoryFiles::new().with("/sys/block/nvme0n1/device/serial", serial);
            assert_eq!(identity(&files, "nvme0n1"), Identity::Unsaid, "{serial:?}");
        }
        let store = MemoryFiles::new().with("/sys/block/nvme0n1/device/serial", "AWS2A1B2C3D4E5F60718");
        assert_eq!(identity(&store, "nvme0n1"), Identity::InstanceStore);
        let dashed = MemoryFiles::new().with("/sys/block/nvme0n1/device/serial", "vol-0abc\0\0");
        assert_eq!(identity(&dashed, "nvme0n1"), Identity::Volume("vol-0abc".to_owned()));
    }

    type Row<'a> = (Option<&'a str>, Option<&'a str>, &'a str, Option<u64>, Option<bool>);

    fn rows(disks: &[Disk]) -> Vec<Row<'_>> {
        disks
            .iter()
            .map(|d| (d.name.as_deref(), d.id.as_deref(), d.device.as_deref().unwrap(), d.size_bytes, d.boot))
            .collect()
    }

    #[test]
    fn the_mapping_is_joined_with_the_nvme_disks() {
        let launch = mapping(&[("ami", "/dev/xvda"), ("ebs1", "sdf"), ("root", "/dev/xvda")]);
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
        }
    }

    #[test]
    fn names_without_a_device_give_way_to_the_volumes_that_they_stand_for() {
        let files = nitro().with("/sys/block/nvme10n1/device/serial", "vol0123456789abcdef0");
        let launch = mapping(&[("root", "/dev/sda1"), ("ebs1", "sdf"), ("ebs2", "sdg")]);
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
        let detached = join_local_devices(&MemoryFiles::new(), &CloudName::AWS, mapping(&[("ebs1", "sdf")]));
        assert_eq!(rows(&detached), [(Some("ebs1"), None, "sdf", None, None)]);
        let xen = MemoryFiles::new()
            .with("/sys/block/xvdf/size", "2048")
            .with("/sys/block/xvda/size", "2048")
            .with("/proc/mounts", "/dev/xvda1 / ext4 rw 0 0\n");
        let joined =
            join_local_devices(&xen, &CloudName::AWS, mapping(&[("ebs1", "sdf"), ("root", "/dev/sda1")]));
        assert_eq!(
            rows(&joined),
            [
                (Some("ebs1"), None, "/dev/xvdf", Some(1_048_576), Some(false)),
                (Some("root"), None, "/dev/xvda", Some(1_048_576), Some(true)),
            ]
        );
    }
}
