//! EBS volumes and instance stores.
//!
//! On Nitro instances every volume is an NVMe disk whose serial number is its id without the dash ("Amazon EBS volumes and
//! NVMe" in the EC2 guide). The block device mapping of the service holds only the names that were asked for at launch,
//! `sdf` or `xvdf`; a link of that name leads to the NVMe disk where amazon-ec2-utils is installed. On Xen instances these
//! are the disks' own names, and nothing on the machine or in its metadata tells the volume.

mod mapping;
#[cfg(test)]
mod nitro;

use imds_model::{Disk, Error};

use super::{absent, block, id_at, id_of, no_such_device};
use crate::machine::Files;
pub(super) use mapping::join;

const NAME_REMEDY: &str = "name the NVMe disk itself, or install amazon-ec2-utils for links by this name";
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
    // Without the mapping's names: sda1 and xvda are reserved for the root volume ("Device names" in the EC2 guide).
    let names_root = entry.map_or_else(|| whole_spelled(path).as_deref() == Some("sda"), is_root);
    let Some(local) = disk_spelled(files, path).or_else(|| block::root_disk(files).filter(|_| names_root))
    else {
        return match entry {
            None if whole_spelled(path).is_some_and(|name| name.starts_with("sd")) => {
                Err(no_such_device().with_remedy(NAME_REMEDY))
            }
            None => Err(no_such_device()),
            Some(entry) => id_of(entry).ok_or_else(|| match is_ephemeral(entry) {
                true => instance_store(),
                false => absent("the service lists this name, but no disk or link here has it")
                    .with_remedy(NAME_REMEDY),
            }),
        };
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

fn is_root(disk: &Disk) -> bool {
    matches!(disk.name.as_deref(), Some("root" | "ami")) || disk.boot == Some(true)
}

fn is_ephemeral(disk: &Disk) -> bool {
    disk.name.as_deref().is_some_and(|name| name.starts_with("ephemeral"))
}

/// One spelling of a name that `sd…` and `xvd…` share, without `/dev/`.
fn spelled(device: Option<&str>) -> Option<String> {
    let name = device?.trim_start_matches("/dev/");
    Some(name.strip_prefix("xvd").map_or_else(|| name.to_owned(), |letters| format!("sd{letters}")))
}

fn whole_spelled(device: &str) -> Option<String> {
    spelled(Some(device)).map(|name| block::disk_of_partition(&name).unwrap_or(name))
}

/// The entry of the mapping under this name; else the one that shares its disk (`sda1` is often how an image calls `xvda`).
fn entry_named<'a>(disks: &'a [Disk], path: &str) -> Option<&'a Disk> {
    let named = || disks.iter().filter_map(|disk| Some((disk, disk.device.as_deref()?)));
    let exact = named().find(|(_, device)| spelled(Some(device)) == spelled(Some(path)));
    exact
        .or_else(|| named().find(|(_, device)| whole_spelled(device) == whole_spelled(path)))
        .map(|(disk, _)| disk)
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
    use crate::volume::volume_id;

    use super::nitro::{DATA, ROOT, launched, linked, nitro};
    use super::*;

    /// A device as typed, and its volume or the message.
    type Case<'a> = (&'a str, Result<&'a str, &'a str>);

    #[test]
    fn devices_and_their_volumes() {
        let launch =
            launched(&[("ami", "/dev/xvda"), ("ebs1", "sdf"), ("ephemeral0", "sdb"), ("root", "/dev/xvda")]);
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
                        let helped = message.contains("service")
                            || (message.starts_with("no such") && device.starts_with("sd"));
                        assert_eq!(error.remedy().is_some(), helped, "{machine} {device}");
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
}
