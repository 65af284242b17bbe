//! Which local disk is the OS disk, the temporary disk, the data disk with LUN N.
//!
//! That is written, from the surest to the least sure, in
//!
//! 1. the links of udev below `/dev/disk/azure` (azure-vm-utils: `os`, `resource`, `data/by-lun/N`; the Linux agent and
//!    cloud-init: `root`, `resource`, `scsi1/lunN`),
//! 2. the NVMe namespace: 1 is the OS disk, N the data disk with LUN N - 2,
//! 3. the identity of the VMBus controller in the disk's path in `/sys`,
//! 4. the SCSI address. The OS disk and the temporary disk sit on controllers of their own, so that LUN 0 of the OS disk's
//!    is never taken for the data disk with LUN 0.
//!
//! The rules of azure-vm-utils are the source of 2 and 3.

use std::collections::{BTreeMap, BTreeSet};

use imds_model::Disk;

use crate::machine::Files;
use crate::volume::block;

/// The first bytes of the VMBus identities of data disk controllers; `f8b3781a` is the OS disk's on generation 2.
const DATA_CONTROLLERS: [&str; 3] = ["f8b3781b-", "f8b3781c-", "f8b3781d-"];

/// What a local disk is to Azure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Os,
    /// The temporary disk, or another local one.
    Resource,
    Data(u32),
}

/// The roles of the local disks whose role is certain.
#[derive(Debug, Default)]
pub(in crate::volume) struct Roles(BTreeMap<String, Role>);

impl Roles {
    /// What the machine shows.
    pub(in crate::volume) fn of(files: &dyn Files) -> Self {
        let mut roles = Self::default();
        roles.add_linked(files);
        let disks = block::disks(files);
        for disk in &disks {
            if let Some(role) = nvme_role(files, disk).or_else(|| controller_role(files, disk)) {
                roles.0.entry(disk.clone()).or_insert(role);
            }
        }
        roles.add_addressed(files, &disks);
        roles
    }

    /// The role of a local disk.
    pub(super) fn role(&self, local: &str) -> Option<Role> {
        self.0.get(local).copied()
    }

    /// The local disk that an entry of the service is.
    pub(in crate::volume) fn disk_of(&self, disk: &Disk, is_os: bool) -> Option<String> {
        let wanted = if is_os { Role::Os } else { Role::Data(disk.lun?) };
        self.0.iter().find(|(_, role)| **role == wanted).map(|(local, _)| local.clone())
    }

    fn os(&self) -> Option<&String> {
        self.0.iter().find(|(_, role)| **role == Role::Os).map(|(local, _)| local)
    }

    fn add_linked(&mut self, files: &dyn Files) {
        let mut add = |link: &str, role: Role| {
            if let Some(disk) = block::disk_at(files, &format!("/dev/disk/azure/{link}")) {
                self.0.entry(disk).or_insert(role);
            }
        };
        for (link, role) in [("os", Role::Os), ("root", Role::Os), ("resource", Role::Resource)] {
            add(link, role);
        }
        for folder in ["local/by-index", "local/by-name", "local/by-serial", "temp/by-nguid"] {
            for link in block::names(files, &format!("/dev/disk/azure/{folder}")) {
                add(&format!("{folder}/{link}"), Role::Resource);
            }
        }
        for (folder, prefix) in [("data/by-lun", ""), ("scsi1", "lun"), ("scsi2", "lun"), ("scsi3", "lun")] {
            for link in block::names(files, &format!("/dev/disk/azure/{folder}")) {
                // `lun0-part1` is no number and so left out.
                if let Some(lun) = link.strip_prefix(prefix).and_then(|lun| lun.parse().ok()) {
                    add(&format!("{folder}/{link}"), Role::Data(lun));
                }
            }
        }
    }

    fn add_addressed(&mut self, files: &dyn Files, disks: &[String]) {
        let mut addresses: BTreeMap<&String, Address> = BTreeMap::new();
        addresses.extend(disks.iter().filter_map(|disk| Some((disk, Address::of(files, disk)?))));
        if self.os().is_none()
            && let Some(root) = block::root_disk(files).filter(|root| !self.0.contains_key(root))
        {
            self.0.insert(root, Role::Os);
        }
        let os_host = self.os().and_then(|os| addresses.get(os)).map(|address| address.host);
        let on =
            |host: u32| addresses.values().filter(move |address| address.host == host && address.target == 0);
        let mut found: BTreeMap<String, Role> = BTreeMap::new();
        for (disk, address) in addresses.iter().filter(|(disk, _)| !self.0.contains_key(**disk)) {
            let elsewhere = |other: &Address| {
                other.target == 0 && other.host != address.host && Some(other.host) != os_host
            };
            let role = if address.target != 0 {
                // Only generation 1's second IDE disk is not the first target of its controller.
                Some(Role::Resource)
            } else if Some(address.host) == os_host {
                (address.lun == 1).then_some(Role::Resource)
            } else if os_host.is_some() {
                let alone = address.lun == 1 && on(address.host).count() == 1;
                Some(if alone && addresses.values().any(elsewhere) {
                    Role::Resource
                } else {
                    Role::Data(address.lun)
                })
            } else {
                // The controller of the OS disk has no LUN above 1.
                on(address.host).any(|other| other.lun > 1).then_some(Role::Data(address.lun))
            };
            found.extend(role.map(|role| ((*disk).clone(), role)));
        }
        // Two disks with one LUN: one of them is not what it seems, so neither is told.
        let twice: BTreeSet<u32> = found
            .iter()
            .filter_map(|(disk, role)| match role {
                Role::Data(lun)
                    if found.iter().chain(&self.0).any(|(other, same)| other != disk && same == role) =>
                {
                    Some(*lun)
                }
                _ => None,
            })
            .collect();
        found.retain(|_, role| !matches!(role, Role::Data(lun) if twice.contains(lun)));
        self.0.extend(found);
    }
}

fn nvme_role(files: &dyn Files, disk: &str) -> Option<Role> {
    let numbers = disk.strip_prefix("nvme")?;
    let model = block::text(files, &format!("/sys/block/{disk}/device/model"))?;
    if model.starts_with("Microsoft NVMe Direct Disk") {
        return Some(Role::Resource);
    }
    if model != "MSFT NVMe Accelerator v1.0" {
        return None;
    }
    let namespace = block::text(files, &format!("/sys/block/{disk}/nsid"));
    let namespace = namespace.as_deref().or_else(|| numbers.split('n').nth(1))?.parse::<u32>().ok()?;
    if namespace == 1 { Some(Role::Os) } else { namespace.checked_sub(2).map(Role::Data) }
}

/// By the identity of the VMBus device, which is a directory on the way to the disk in `/sys/devices`.
fn controller_role(files: &dyn Files, disk: &str) -> Option<Role> {
    let device = block::canonical(files, &format!("/sys/block/{disk}"))?;
    let lun = Address::of(files, disk)?.lun;
    device.split('/').find_map(|part| {
        if part.starts_with("00000000-0000-") {
            return Some(Role::Os);
        }
        if part.starts_with("00000000-0001-") {
            return Some(Role::Resource);
        }
        if DATA_CONTROLLERS.iter().any(|controller| part.starts_with(controller)) {
            return Some(Role::Data(lun));
        }
        match (part.starts_with("f8b3781a-"), lun) {
            (true, 0) => Some(Role::Os),
            (true, 1) => Some(Role::Resource),
            _ => None,
        }
    })
}

/// Where a SCSI disk sits; Azure uses one channel.
#[derive(Clone, Copy, Debug)]
struct Address {
    host: u32,
    target: u32,
    lun: u32,
}

impl Address {
    /// `/sys/block/sdc/device` is a link that ends in `HOST:CHANNEL:TARGET:LUN`.
    fn of(files: &dyn Files, disk: &str) -> Option<Self> {
        let device = block::canonical(files, &format!("/sys/block/{disk}/device"))?;
        // Optical drives have addresses as well.
        let last = device.rsplit('/').next().filter(|_| disk.starts_with("sd"))?;
        let mut numbers = last.split(':').map(|number| number.parse::<u32>().ok());
        let (host, _, target, lun) = (numbers.next()??, numbers.next()??, numbers.next()??, numbers.next()??);
        numbers.next().is_none().then_some(Self { host, target, lun })
    }
}
