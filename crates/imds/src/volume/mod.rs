//! Which volume is this block device?
//!
//! The service knows volumes, the machine knows devices, and each cloud has its own thread between them: the serial
//! number of an NVMe disk, a logical unit number, a link that udev made.
//!
//! | module | holds |
//! |---|---|
//! | [`block`] | devices as the machine names them: links, partitions, what lies on what, the root disk |
//! | [`aws`] | NVMe serials; `sdf` and `xvdf`; the block device mapping |
//! | [`azure`] | OS, temporary and data disks by link, namespace or SCSI address |
//! | [`gcp`] | links that carry the device name |
//!
//! For every other cloud the device that the service itself names has to do.

mod aws;
mod azure;
mod block;
mod gcp;

use imds_model::{CloudName, Disk, Error, ErrorKind};

use crate::machine::Files;

/// The volume behind a block device, which is named as people do: `sdc`, `/dev/sdc1`, `/dev/disk/by-id/…`.
///
/// `disks` is what the service said, joined with the local devices or not. Links are followed, a partition stands for
/// its disk, a mapped device for the one disk that it lies on.
///
/// # Errors
/// [`ErrorKind::Usage`] for text that names no device; [`ErrorKind::Absent`] when there is no such device, it lies on
/// several disks, or it is no volume of the cloud (an instance store, a temporary disk).
pub(crate) fn volume_id(
    files: &dyn Files,
    cloud: &CloudName,
    disks: &[Disk],
    device: &str,
) -> Result<String, Error> {
    let path = block::device_path(device)?;
    let id = if *cloud == CloudName::AWS {
        aws::volume_id(files, disks, &path)
    } else if *cloud == CloudName::AZURE {
        azure::volume_id(files, disks, &path)
    } else if *cloud == CloudName::GCP {
        gcp::volume_id(files, disks, &path)
    } else {
        by_device(files, disks, &path)
    };
    id.map_err(|error| error.with_cloud(cloud).with_path(path))
}

/// Completes what the service said about disks with what the machine knows: the local device, the id from an NVMe
/// serial, the size, whether the machine started from it.
///
/// What the service said stays. On AWS, whose service only knows the volumes of the last start, attached disks that it
/// doesn't list are added, and they take the place of names that lead to no device. Joining a joined list changes nothing.
pub(crate) fn join_local_devices(files: &dyn Files, cloud: &CloudName, mut disks: Vec<Disk>) -> Vec<Disk> {
    let root = block::root_disk(files);
    if *cloud == CloudName::AWS {
        return aws::join(files, disks, root.as_deref());
    }
    let azure = (*cloud == CloudName::AZURE).then(|| azure::Roles::of(files));
    let only_os = azure::os_entry(&disks);
    for (position, disk) in disks.iter_mut().enumerate() {
        let local = match &azure {
            Some(roles) => roles.disk_of(disk, only_os == Some(position)),
            None if *cloud == CloudName::GCP => gcp::disk_of(files, disk, root.as_deref()),
            None => None,
        };
        if let Some(local) = local.or_else(|| local_disk(files, disk)) {
            complete(files, disk, &local, root.as_deref());
        }
    }
    disks
}

/// Fills what the service left open; its own words stay, except the device, which now is the local one.
fn complete(files: &dyn Files, disk: &mut Disk, local: &str, root: Option<&str>) {
    disk.device = Some(block::path_of(local));
    disk.size_bytes = disk.size_bytes.or_else(|| block::size_bytes(files, local));
    disk.boot = disk.boot.or_else(|| root.map(|root| root == local));
}

/// The rule for clouds without one of their own: the volume whose device the service names so.
fn by_device(files: &dyn Files, disks: &[Disk], path: &str) -> Result<String, Error> {
    let Some(local) = block::disk_at(files, path) else {
        return id_of_named(disks, path).ok_or_else(no_such_device);
    };
    let local = block::backing(files, &local)?;
    id_at(files, disks, &local)
        .or_else(|| id_of_named(disks, path))
        .ok_or_else(|| absent(format!("the service names no volume for {local}")))
}

/// The local disk that the device of an entry leads to.
fn local_disk(files: &dyn Files, disk: &Disk) -> Option<String> {
    block::disk_at(files, &block::device_path(disk.device.as_deref()?).ok()?)
}

/// The id of the entry whose device leads to a local disk.
fn id_at(files: &dyn Files, disks: &[Disk], local: &str) -> Option<String> {
    disks.iter().filter(|disk| local_disk(files, disk).as_deref() == Some(local)).find_map(id_of)
}

/// The id of the entry with this device, or with the disk of this partition, when the machine itself can't be seen.
fn id_of_named(disks: &[Disk], path: &str) -> Option<String> {
    let named = |path: &str| {
        let device = |disk: &&Disk| {
            disk.device.as_deref().and_then(|device| block::device_path(device).ok()).as_deref() == Some(path)
        };
        disks.iter().filter(device).find_map(id_of)
    };
    named(path).or_else(|| named(&block::disk_of_partition(path)?))
}

fn id_of(disk: &Disk) -> Option<String> {
    disk.id.clone().filter(|id| !id.is_empty())
}

fn absent(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Absent, message)
}

fn no_such_device() -> Error {
    absent("no such block device on this machine")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::MemoryFiles;

    fn named(device: &str, id: &str) -> Disk {
        let mut disk = Disk::default();
        disk.device = Some(device.to_owned());
        disk.id = Some(id.to_owned());
        disk
    }

    #[test]
    fn another_cloud_answers_with_the_device_that_its_service_names() {
        let cloud = CloudName::new("example").unwrap();
        let files = MemoryFiles::new()
            .with("/sys/block/vda/size", "2048")
            .with("/sys/block/vdb/size", "4096")
            .with("/sys/block/vdc/size", "4096")
            .with("/proc/mounts", "/dev/vda1 / ext4 rw 0 0\n")
            .with_link("/dev/disk/by-label/data", "../../vdb1")
            .with_link("/sys/block/dm-0/slaves/vda2", "x")
            .with_link("/sys/block/dm-0/slaves/vdb1", "x");
        let disks = [named("/dev/vda", "v-1"), named("vdb", "v-2"), named("/dev/vdx", "v-9")];
        for (device, id) in [
            ("vda", "v-1"),
            ("/dev/vda1", "v-1"),
            ("/dev/vdb", "v-2"),
            ("/dev/disk/by-label/data", "v-2"),
            // Said by the service, not seen on the machine.
            ("vdx1", "v-9"),
        ] {
            assert_eq!(volume_id(&files, &cloud, &disks, device).as_deref(), Ok(id), "{device}");
        }
        for (device, text) in [
            ("vdc", "example: /dev/vdc: the service names no volume for vdc"),
            ("vdz", "example: /dev/vdz: no such block device on this machine"),
            ("dm-0", "example: /dev/dm-0: dm-0 lies on several disks: vda, vdb"),
        ] {
            let error = volume_id(&files, &cloud, &disks, device).unwrap_err();
            assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::Absent, text));
        }
        let joined = join_local_devices(&files, &cloud, disks.to_vec());
        let seen: Vec<_> =
            joined.iter().map(|d| (d.device.as_deref().unwrap(), d.size_bytes, d.boot)).collect();
        assert_eq!(
            seen,
            [
                ("/dev/vda", Some(1_048_576), Some(true)),
                ("/dev/vdb", Some(2_097_152), Some(false)),
                ("/dev/vdx", None, None)
            ]
        );
    }

    #[test]
    fn bad_names_are_usage_errors_on_every_cloud() {
        for cloud in [CloudName::AWS, CloudName::AZURE, CloudName::GCP, CloudName::DIGITALOCEAN] {
            for device in ["", "../sda", "sd\0a", "/etc/passwd"] {
                let error = volume_id(&MemoryFiles::new(), &cloud, &[], device).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Usage, "{cloud} {device:?}");
            }
            let error = volume_id(&MemoryFiles::new(), &cloud, &[], "sdz").unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Absent, "{cloud}");
            assert!(error.to_string().contains("/dev/sdz"), "{error}");
            assert!(join_local_devices(&MemoryFiles::new(), &cloud, Vec::new()).is_empty(), "{cloud}");
        }
    }
}
