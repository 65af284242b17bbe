//! Azure's managed disks.
//!
//! The service tells data disks by logical unit number (LUN) and the OS disk apart from them; [`roles`] finds out
//! which local disk is which.

mod roles;

use imds_model::{Disk, Error};

use super::{absent, block, id_at, id_of, id_of_named, no_such_device};
use crate::machine::Files;
use roles::Role;
pub(super) use roles::Roles;

pub(super) fn volume_id(files: &dyn Files, disks: &[Disk], path: &str) -> Result<String, Error> {
    let Some(local) = block::disk_at(files, path) else {
        return id_of_named(disks, path).ok_or_else(no_such_device);
    };
    let local = block::backing(files, &local)?;
    let unmanaged = |which: &str| absent(format!("{which} has no volume id: it is no managed disk"));
    match Roles::of(files).role(&local) {
        Some(Role::Os) => match os_entry(disks).and_then(|position| disks.get(position)) {
            Some(disk) => {
                id_of(disk).ok_or_else(|| unmanaged("the OS disk (an ephemeral one or a plain blob)"))
            }
            None => Err(absent("the service lists no OS disk")),
        },
        Some(Role::Data(lun)) => match disks.iter().find(|disk| is_data(disk, lun)) {
            Some(disk) => id_of(disk).ok_or_else(|| unmanaged(&format!("the data disk with LUN {lun}"))),
            None => Err(absent(format!("the service lists no data disk with LUN {lun}"))
                .with_remedy("a disk that was just attached is listed a little later: try again")),
        },
        Some(Role::Resource) => Err(absent("the temporary disk has no volume id")),
        None => id_at(files, disks, &local).ok_or_else(|| {
            absent(format!("which of Azure's disks {local} is can't be told"))
                .with_remedy("install azure-vm-utils, whose udev rules make links in /dev/disk/azure")
        }),
    }
}

/// The position of the OS disk: the one that the machine starts from, else the only one without a LUN.
pub(super) fn os_entry(disks: &[Disk]) -> Option<usize> {
    disks.iter().position(|disk| disk.boot == Some(true)).or_else(|| {
        let mut rest = disks.iter().enumerate().filter(|(_, disk)| disk.lun.is_none() && disk.boot.is_none());
        let only = rest.next().map(|(position, _)| position);
        only.filter(|_| rest.next().is_none())
    })
}

fn is_data(disk: &Disk, lun: u32) -> bool {
    disk.lun == Some(lun) && disk.boot != Some(true)
}

#[cfg(test)]
mod tests {
    use imds_model::{CloudName, ErrorKind};

    use crate::machine::MemoryFiles;
    use crate::volume::{join_local_devices, volume_id};

    use super::*;

    const OS: &str = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/disks/web-os";
    const DATA0: &str = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/disks/web-0";
    const DATA1: &str = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/disks/web-1";
    const TEMPORARY: &str = "the temporary disk has no volume id";

    fn storage() -> Vec<Disk> {
        let entry = |id: &str, lun: Option<u32>, boot| {
            let mut disk = Disk::default();
            (disk.id, disk.lun, disk.boot) = (Some(id.to_owned()), lun, boot);
            disk
        };
        vec![entry(OS, None, Some(true)), entry(DATA0, Some(0), None), entry(DATA1, Some(1), None)]
    }

    fn scsi(addresses: &[(&str, &str)]) -> MemoryFiles {
        addresses.iter().fold(MemoryFiles::new(), |files, (disk, address)| {
            files
                .with(&format!("/sys/block/{disk}/size"), "2048\n")
                .with_link(&format!("/sys/block/{disk}/device"), &format!("../../../{address}"))
        })
    }

    fn mounted(files: MemoryFiles) -> MemoryFiles {
        files.with("/proc/self/mountinfo", "25 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n")
    }

    fn generation_1() -> MemoryFiles {
        scsi(&[
            ("sda", "0:0:0:0"),
            ("sdb", "1:0:1:0"),
            ("sr0", "1:0:0:0"),
            ("sdc", "3:0:0:0"),
            ("sdd", "3:0:0:1"),
        ])
    }

    fn generation_2() -> MemoryFiles {
        scsi(&[("sda", "0:0:0:0"), ("sdb", "0:0:0:1"), ("sdc", "1:0:0:0"), ("sdd", "1:0:0:1")])
    }

    /// sdc is LUN 1 here, against the order of names, and the OS disk is sdb.
    fn shuffled_links(files: MemoryFiles) -> MemoryFiles {
        files
            .with_link("/dev/disk/azure/root", "../../sdb")
            .with_link("/dev/disk/azure/root-part1", "../../sdb1")
            .with_link("/dev/disk/azure/resource", "../../sda")
            .with_link("/dev/disk/azure/scsi1/lun0", "../../../sdd")
            .with_link("/dev/disk/azure/scsi1/lun0-part1", "../../../sdd1")
            .with_link("/dev/disk/azure/scsi1/lun1", "../../../sdc")
    }

    /// As the kernel lays out generation 2: the controllers' identities are in the paths.
    fn vmbus() -> MemoryFiles {
        let controllers = [
            ("sda", "f8b3781a", "0:0:0:0"),
            ("sdb", "f8b3781a", "0:0:0:1"),
            ("sdc", "f8b3781b", "1:0:0:0"),
            ("sdd", "f8b3781c", "2:0:0:1"),
        ];
        controllers.iter().fold(MemoryFiles::new(), |files, (disk, controller, address)| {
            let bus = format!(
                "devices/LNXSYSTM:00/VMBUS:00/{controller}-1e82-4818-a1c3-63d806ec15bb/host0/target/{address}"
            );
            files
                .with_link(&format!("/sys/block/{disk}"), &format!("../{bus}/block/{disk}"))
                .with(&format!("/sys/{bus}/block/{disk}/size"), "2048\n")
                .with_link(&format!("/sys/{bus}/block/{disk}/device"), &format!("../../../{address}"))
        })
    }

    fn nvme(disks: &[&str]) -> MemoryFiles {
        disks
            .iter()
            .fold(MemoryFiles::new(), |files, disk| files.with(&format!("/sys/block/{disk}/size"), "2048\n"))
    }

    /// A device as typed, and its volume or the message.
    type Case<'a> = (&'a str, Result<&'a str, &'a str>);

    #[test]
    fn devices_and_their_volumes() {
        let plain: &[Case<'_>] = &[
            ("sda", Ok(OS)),
            ("/dev/sda1", Ok(OS)),
            ("sdb", Err(TEMPORARY)),
            ("sdc", Ok(DATA0)),
            ("sdd1", Ok(DATA1)),
            ("sdz", Err("no such block device on this machine")),
        ];
        let shuffled: &[Case<'_>] = &[
            ("sda", Err(TEMPORARY)),
            ("sdb", Ok(OS)),
            ("/dev/sdc", Ok(DATA1)),
            ("/dev/sdd", Ok(DATA0)),
            ("/dev/disk/azure/scsi1/lun0-part1", Ok(DATA0)),
            ("/dev/disk/azure/root", Ok(OS)),
        ];
        let by_links = nvme(&["nvme0n1", "nvme0n2", "nvme0n3", "nvme1n1"])
            .with_link("/dev/disk/azure/os", "../../nvme0n1")
            .with_link("/dev/disk/azure/data/by-lun/0", "../../../../nvme0n3")
            .with_link("/dev/disk/azure/data/by-lun/0-part1", "../../../../nvme0n3p1")
            .with_link("/dev/disk/azure/data/by-lun/1", "../../../../nvme0n2")
            .with_link("/dev/disk/azure/local/by-index/1", "../../../../nvme1n1");
        let model = "MSFT NVMe Accelerator v1.0              \n";
        let by_namespace = nvme(&["nvme0n1", "nvme0n2", "nvme0n3", "nvme0n9", "nvme1n1"])
            .with("/sys/block/nvme0n1/device/model", model)
            .with("/sys/block/nvme0n1/nsid", "1\n")
            .with("/sys/block/nvme0n2/device/model", model)
            .with("/sys/block/nvme0n2/nsid", "2\n")
            .with("/sys/block/nvme0n3/device/model", model)
            .with("/sys/block/nvme0n9/device/model", model)
            .with("/sys/block/nvme1n1/device/model", "Microsoft NVMe Direct Disk v2\n");
        let table: &[(&str, MemoryFiles, &[Case<'_>])] = &[
            ("generation 1", mounted(generation_1()), plain),
            ("generation 1, links", shuffled_links(generation_1()), shuffled),
            ("generation 2", mounted(generation_2()), plain),
            ("generation 2, links", shuffled_links(generation_2()), shuffled),
            // As seen from a container: no mount table that helps.
            ("generation 2, controllers", vmbus(), plain),
            (
                "nvme, links",
                by_links,
                &[
                    ("nvme0n1p1", Ok(OS)),
                    ("nvme0n2", Ok(DATA1)),
                    ("nvme0n3", Ok(DATA0)),
                    ("nvme1n1", Err(TEMPORARY)),
                ],
            ),
            (
                "nvme",
                by_namespace,
                &[
                    ("nvme0n1", Ok(OS)),
                    ("nvme0n2", Ok(DATA0)),
                    ("nvme0n3p1", Ok(DATA1)),
                    ("nvme1n1", Err(TEMPORARY)),
                    ("nvme0n9", Err("the service lists no data disk with LUN 7")),
                ],
            ),
        ];
        for (machine, files, cases) in table {
            for (device, expected) in *cases {
                let answer = volume_id(files, &CloudName::AZURE, &storage(), device);
                match expected {
                    Ok(id) => assert_eq!(answer.as_deref(), Ok(*id), "{machine}: {device}"),
                    Err(message) => {
                        let error = answer.unwrap_err();
                        assert_eq!(
                            (error.kind(), error.message()),
                            (ErrorKind::Absent, *message),
                            "{machine}: {device}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn what_cannot_be_told_is_not_guessed() {
        // No link, no mount table, no controller: LUN 0 is the OS disk's or a data disk's.
        for device in ["sda", "sdc"] {
            let error = volume_id(&generation_2(), &CloudName::AZURE, &storage(), device).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Absent);
            assert!(error.remedy().unwrap().contains("azure-vm-utils"), "{error}");
        }
        // A LUN above 1 shows which controller is the one for data.
        let files = scsi(&[("sda", "0:0:0:0"), ("sdc", "1:0:0:0"), ("sdd", "1:0:0:5")]);
        assert_eq!(volume_id(&files, &CloudName::AZURE, &storage(), "sdc").as_deref(), Ok(DATA0));
        assert!(volume_id(&files, &CloudName::AZURE, &storage(), "sda").is_err());
        // An IDE disk at LUN 1 alone on its controller is the temporary one, not the data disk with LUN 1.
        let files =
            mounted(scsi(&[("sda", "0:0:0:0"), ("sdb", "1:0:0:1"), ("sdc", "5:0:0:0"), ("sdd", "5:0:0:1")]));
        assert_eq!(volume_id(&files, &CloudName::AZURE, &storage(), "sdb").unwrap_err().message(), TEMPORARY);
        assert_eq!(volume_id(&files, &CloudName::AZURE, &storage(), "sdd").as_deref(), Ok(DATA1));
        // Two controllers beside the OS disk's, both with LUN 0.
        let files =
            mounted(scsi(&[("sda", "0:0:0:0"), ("sdb", "1:0:0:0"), ("sdc", "2:0:0:0"), ("sdd", "2:0:0:3")]));
        for device in ["sdb", "sdc"] {
            assert!(volume_id(&files, &CloudName::AZURE, &storage(), device).is_err(), "{device}");
        }
    }

    #[test]
    fn an_ephemeral_os_disk_has_no_volume_id() {
        let mut disks = storage();
        disks.first_mut().unwrap().id = Some(String::new());
        let error = volume_id(&mounted(generation_2()), &CloudName::AZURE, &disks, "sda").unwrap_err();
        assert_eq!(
            error.to_string(),
            "azure: /dev/sda: the OS disk (an ephemeral one or a plain blob) has no volume id: it is no managed disk"
        );
    }

    #[test]
    fn disks_are_joined_with_their_devices() {
        for files in [mounted(generation_1()), mounted(generation_2()), mounted(vmbus())] {
            let once = join_local_devices(&files, &CloudName::AZURE, storage());
            let seen: Vec<_> = once.iter().map(|d| (d.device.as_deref(), d.size_bytes, d.boot)).collect();
            let size = Some(1_048_576);
            assert_eq!(
                seen,
                [
                    (Some("/dev/sda"), size, Some(true)),
                    (Some("/dev/sdc"), size, Some(false)),
                    (Some("/dev/sdd"), size, Some(false))
                ]
            );
            assert_eq!(join_local_devices(&files, &CloudName::AZURE, once.clone()), once);
        }
    }
}
