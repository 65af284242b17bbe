//! A Nitro instance for tests.

use imds_model::Disk;

use crate::machine::MemoryFiles;

pub(super) fn launched(entries: &[(&str, &str)]) -> Vec<Disk> {
    let entry = |(name, device): &(&str, &str)| {
        let mut disk = Disk::default();
        disk.name = Some((*name).to_owned());
        disk.device = Some((*device).to_owned());
        disk
    };
    entries.iter().map(entry).collect()
}

/// Two volumes and an instance store; no links.
pub(super) fn nitro() -> MemoryFiles {
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

pub(super) fn linked() -> MemoryFiles {
    nitro()
        .with_link("/dev/sdf", "nvme2n1")
        .with_link("/dev/sdf1", "nvme2n1p1")
        .with_link("/dev/xvda", "nvme0n1")
        .with_link("/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_vol0ffeeddccbbaa9988", "../../nvme2n1")
}

pub(super) const ROOT: &str = "vol-0a1b2c3d4e5f60718";
pub(super) const DATA: &str = "vol-0ffeeddccbbaa9988";
