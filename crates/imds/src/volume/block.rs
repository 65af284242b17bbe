//! Block devices as the machine names them: which disk a path leads to, what a disk lies on, how large it is.
//!
//! Links are followed by their text, never by the kernel, so that `/dev` of a host below a system root and a tree in
//! memory read alike. Layout of `/sys`: the kernel's "sysfs-block" and "sysfs-block-dm" descriptions.

use std::collections::BTreeSet;

use imds_model::{Error, ErrorKind};

use crate::machine::Files;

/// As many links as Linux follows for one path.
const LINK_LIMIT: usize = 40;
/// Partition on volume on cipher on array on path: real stacks end well below.
const STACK_LIMIT: usize = 8;
const SECTOR: u64 = 512;

/// What people type (`sdc1`, `/dev/sdc1`, `disk/by-id/…`) as a path below `/dev`.
///
/// # Errors
/// [`ErrorKind::Usage`] for text that can't be such a path.
pub(super) fn device_path(device: &str) -> Result<String, Error> {
    let wrong = |why: &str| {
        Err(Error::new(ErrorKind::Usage, format!("{device:?} is no block device: {why}"))
            .with_remedy("name it like sdc, /dev/nvme1n1p1 or /dev/disk/by-id/…"))
    };
    if device.is_empty() {
        return wrong("it is empty");
    }
    if device.len() > 1024 {
        return Err(Error::new(ErrorKind::Usage, "the name of the block device is longer than 1024 bytes"));
    }
    if device.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return wrong("it holds white space or a control character");
    }
    let below = match device.strip_prefix('/') {
        None => device,
        Some(absolute) => match absolute.trim_start_matches('/').strip_prefix("dev/") {
            Some(below) => below,
            None => return wrong("it is not below /dev"),
        },
    };
    let parts: Vec<&str> = below.split('/').filter(|part| !part.is_empty()).collect();
    if parts.iter().any(|part| matches!(*part, "." | "..")) {
        return wrong("it holds . or ..");
    }
    if parts.is_empty() {
        return wrong("it names a directory");
    }
    Ok(format!("/dev/{}", parts.join("/")))
}

/// The path with every link in it followed; `None` when links go round in circles.
pub(super) fn canonical(files: &dyn Files, path: &str) -> Option<String> {
    let mut pending: Vec<String> = path.split('/').rev().map(str::to_owned).collect();
    let mut done: Vec<String> = Vec::new();
    let mut links = 0;
    while let Some(part) = pending.pop() {
        match part.as_str() {
            "" | "." => continue,
            ".." => {
                done.pop();
                continue;
            }
            _ => done.push(part),
        }
        if let Ok(target) = files.link(&format!("/{}", done.join("/"))) {
            links += 1;
            if links > LINK_LIMIT {
                return None;
            }
            if target.starts_with('/') {
                done.clear();
            } else {
                done.pop();
            }
            pending.extend(target.split('/').rev().map(str::to_owned));
        }
    }
    Some(format!("/{}", done.join("/")))
}

/// A small text file without the padding around it; `None` when it is empty or can't be read.
pub(super) fn text(files: &dyn Files, path: &str) -> Option<String> {
    let content = files.read(path).or_else(|error| files.read(&canonical(files, path).ok_or(error)?)).ok()?;
    let text = String::from_utf8_lossy(&content);
    let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\0');
    (!text.is_empty()).then(|| text.to_owned())
}

fn exists(files: &dyn Files, path: &str) -> bool {
    files.exists(path) || canonical(files, path).is_some_and(|real| files.exists(&real))
}

/// The names in a directory, none when there is no such directory.
pub(super) fn names(files: &dyn Files, path: &str) -> Vec<String> {
    let listed = files.list(path).or_else(|error| files.list(&canonical(files, path).ok_or(error)?));
    listed.unwrap_or_default()
}

/// The machine's disks by their names in `/sys/block`, `nvme2n1` before `nvme10n1`.
pub(super) fn disks(files: &dyn Files) -> Vec<String> {
    let mut disks = names(files, "/sys/block");
    // The kernel hides the single paths (nvme0c0n1) of an NVMe namespace that has several.
    disks.retain(|disk| text(files, &format!("/sys/block/{disk}/hidden")).as_deref() != Some("1"));
    disks.sort_by(|a, b| (a.len(), a).cmp(&(b.len(), b)));
    disks
}

/// The path in `/dev` of a name in `/sys/block`, where `!` stands for `/`.
pub(super) fn path_of(disk: &str) -> String {
    format!("/dev/{}", disk.replace('!', "/"))
}

/// The whole disk, by its name in `/sys/block`, that a path below `/dev` leads to.
pub(super) fn disk_at(files: &dyn Files, path: &str) -> Option<String> {
    let real = canonical(files, path)?;
    whole_disk(files, &real.strip_prefix("/dev/")?.replace('/', "!"))
}

fn whole_disk(files: &dyn Files, name: &str) -> Option<String> {
    let known = |name: &str| exists(files, &format!("/sys/block/{name}"));
    // Before any rule about names: old Xen guests have a disk xvda1 without an xvda.
    if known(name) {
        return Some(name.to_owned());
    }
    let class = format!("/sys/class/block/{name}");
    if exists(files, &class) {
        let real = canonical(files, &class)?;
        if let Some(parent) = real.rsplit('/').nth(1).filter(|parent| known(parent)) {
            return Some(parent.to_owned());
        }
        if !exists(files, &format!("{class}/partition")) {
            return Some(name.to_owned());
        }
    }
    disk_of_partition(name).filter(|disk| known(disk) || exists(files, &format!("/sys/class/block/{disk}")))
}

/// The disk of a partition by its name alone: `sda1` → `sda`, `nvme1n1p2` → `nvme1n1`; `None` for what isn't called
/// like a partition (`nvme1n1`, `md0`, `dm-0`).
pub(super) fn disk_of_partition(name: &str) -> Option<String> {
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
    if stem.len() == name.len() {
        return None;
    }
    if let Some(disk) = stem.strip_suffix('p').filter(|disk| disk.ends_with(|c: char| c.is_ascii_digit())) {
        return Some(disk.to_owned());
    }
    let (folder, last) = stem.rsplit_once('/').map_or(("", stem), |(folder, last)| (folder, last));
    let letters = ["xvd", "sd", "vd", "hd"].iter().find_map(|prefix| last.strip_prefix(prefix))?;
    let of_letters = !letters.is_empty() && letters.bytes().all(|c| c.is_ascii_lowercase());
    (of_letters && matches!(folder, "" | "/dev")).then(|| stem.to_owned())
}

/// The one disk that a mapped or joined device lies on; the disk itself where it lies on no other.
///
/// # Errors
/// [`ErrorKind::Absent`] naming the disks when there are several.
pub(super) fn backing(files: &dyn Files, disk: &str) -> Result<String, Error> {
    let mut found = BTreeSet::new();
    collect_backing(files, disk, STACK_LIMIT, &mut found);
    match (found.len(), found.pop_first()) {
        (1, Some(one)) => Ok(one),
        (_, first) => {
            let all: Vec<String> = first.into_iter().chain(found).collect();
            Err(Error::new(ErrorKind::Absent, format!("{disk} lies on several disks: {}", all.join(", ")))
                .with_remedy("ask for each of these disks"))
        }
    }
}

fn collect_backing(files: &dyn Files, disk: &str, depth: usize, found: &mut BTreeSet<String>) {
    let slaves = if depth == 0 { Vec::new() } else { names(files, &format!("/sys/block/{disk}/slaves")) };
    if slaves.is_empty() {
        found.insert(disk.to_owned());
    }
    for slave in slaves {
        let below = whole_disk(files, &slave).unwrap_or(slave);
        collect_backing(files, &below, depth - 1, found);
    }
}

/// The size in bytes; `None` when it isn't told or is nothing (an empty drive).
pub(super) fn size_bytes(files: &dyn Files, disk: &str) -> Option<u64> {
    let sectors: u64 = text(files, &format!("/sys/block/{disk}/size"))?.parse().ok()?;
    sectors.checked_mul(SECTOR).filter(|bytes| *bytes > 0)
}

/// The disk that the root file system lies on, from the mount tables (proc(5)).
///
/// In a container the own root is an overlay, and only the table of a host's first process, where that is to be seen, tells.
pub(super) fn root_disk(files: &dyn Files) -> Option<String> {
    let with_numbers = ["/proc/self/mountinfo", "/proc/1/mountinfo"].iter().filter_map(|table| {
        let table = text(files, table)?;
        // The last line about a mount point is what lies on top.
        table.lines().rev().find_map(|line| mountinfo_root(files, line))
    });
    let plain = ["/proc/self/mounts", "/proc/mounts", "/proc/1/mounts"].iter().filter_map(|table| {
        let table = text(files, table)?;
        table.lines().rev().find_map(|line| {
            let mut fields = line.split_whitespace();
            let source = fields.next()?;
            (fields.next()? == "/").then(|| disk_at(files, source))?
        })
    });
    let disk = with_numbers.chain(plain).next()?;
    backing(files, &disk).ok()
}

fn mountinfo_root(files: &dyn Files, line: &str) -> Option<String> {
    let (place, what) = line.split_once(" - ")?;
    let mut place = place.split_whitespace();
    let number = place.nth(2)?;
    if place.nth(1)? != "/" {
        return None;
    }
    let numbered = canonical(files, &format!("/sys/dev/block/{number}"));
    let by_number = numbered.as_deref().and_then(|real| real.rsplit('/').next());
    // Btrfs shows a number of its own, and the kernel's /dev/root is nowhere else: each way covers the other.
    by_number
        .and_then(|name| whole_disk(files, name))
        .or_else(|| disk_at(files, what.split_whitespace().nth(1)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::MemoryFiles;

    #[test]
    fn typed_names_become_paths_below_dev() {
        for (typed, path) in [
            ("sdc", "/dev/sdc"),
            ("/dev/sdc1", "/dev/sdc1"),
            ("/dev//sdc", "/dev/sdc"),
            ("mapper/vg-data", "/dev/mapper/vg-data"),
            ("/dev/disk/by-id/google-a", "/dev/disk/by-id/google-a"),
        ] {
            assert_eq!(device_path(typed).unwrap(), path);
        }
        let long = "a".repeat(2000);
        for typed in [
            "",
            "/",
            "/dev",
            "/dev/",
            "..",
            "/dev/../etc/passwd",
            "sd\0c",
            "sd c",
            "sdc\n",
            "/etc/passwd",
            "/sys/block/sda",
            "./sdc",
            &long,
        ] {
            let error = device_path(typed).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Usage, "{typed:?}");
            assert!(!error.to_string().contains(['\0', '\n']), "{typed:?}");
        }
    }

    #[test]
    fn partitions_by_name() {
        for (name, disk) in [
            ("sda1", Some("sda")),
            ("sdaa15", Some("sdaa")),
            ("sdp1", Some("sdp")),
            ("xvdf1", Some("xvdf")),
            ("vda1", Some("vda")),
            ("nvme1n1p2", Some("nvme1n1")),
            ("mmcblk0p1", Some("mmcblk0")),
            ("md0p1", Some("md0")),
            ("nvme1n1", None),
            ("md0", None),
            ("dm-0", None),
            ("sr0", None),
            ("loop7", None),
            ("mmcblk0", None),
            ("sda", None),
            ("sd1", None),
            ("", None),
            ("0", None),
            ("p1", None),
            ("/dev/xvdf1", Some("/dev/xvdf")),
            ("/dev/disk/by-id/sda1", None),
        ] {
            assert_eq!(disk_of_partition(name).as_deref(), disk, "{name}");
        }
    }

    #[test]
    fn sysfs_outranks_the_rules_about_names() {
        let files = MemoryFiles::new()
            .with("/sys/block/xvda1/size", "16")
            .with_link("/sys/block/odd", "../devices/virtual/block/odd")
            .with("/sys/devices/virtual/block/odd/size", "8")
            .with_link("/sys/class/block/odd-one", "../../devices/virtual/block/odd/odd-one")
            .with("/sys/devices/virtual/block/odd/odd-one/partition", "1")
            .with("/sys/block/sda/size", "8");
        assert_eq!(disk_at(&files, "/dev/xvda1").as_deref(), Some("xvda1"));
        assert_eq!(disk_at(&files, "/dev/odd-one").as_deref(), Some("odd"));
        assert_eq!(disk_at(&files, "/dev/sda3").as_deref(), Some("sda"));
        assert_eq!(disk_at(&files, "/dev/sdb1"), None);
        assert_eq!(size_bytes(&files, "odd"), Some(4096));
        assert_eq!(size_bytes(&files.with("/sys/block/big/size", u64::MAX.to_string()), "big"), None);
    }

    #[test]
    fn disks_are_in_the_order_of_their_numbers_without_hidden_paths() {
        let files = ["nvme10n1", "nvme2n1", "nvme2c0n1", "sda"]
            .iter()
            .fold(MemoryFiles::new(), |files, disk| files.with(&format!("/sys/block/{disk}/size"), "8"))
            .with("/sys/block/nvme2c0n1/hidden", "1\n")
            .with("/sys/block/nvme2n1/hidden", "0\n");
        assert_eq!(disks(&files), ["sda", "nvme2n1", "nvme10n1"]);
    }

    #[test]
    fn links_are_followed_inside_the_root_and_circles_end() {
        let files = MemoryFiles::new()
            .with("/sys/block/sdb/size", "8")
            .with_link("/dev/disk/by-id/a", "../../sdb")
            .with_link("/dev/b", "/dev/disk/by-id/a")
            .with_link("/dev/far", "../../../../../dev/sdb")
            .with_link("/dev/out", "/etc/passwd")
            .with_link("/dev/x", "y")
            .with_link("/dev/y", "x");
        for path in ["/dev/disk/by-id/a", "/dev/b", "/dev/far"] {
            assert_eq!(disk_at(&files, path).as_deref(), Some("sdb"), "{path}");
        }
        assert_eq!(disk_at(&files, "/dev/out"), None);
        assert_eq!(disk_at(&files, "/dev/x"), None);
    }

    #[test]
    fn mapped_devices_lead_to_their_one_disk() {
        let files = MemoryFiles::new()
            .with("/sys/block/sda/size", "8")
            .with("/sys/block/sdb/size", "8")
            .with_link("/dev/mapper/vg-data", "../dm-1")
            .with_link("/sys/block/dm-0/slaves/sda3", "../../sda/sda3")
            .with_link("/sys/block/dm-1/slaves/dm-0", "../../dm-0")
            .with_link("/sys/block/md0/slaves/sda1", "../../sda/sda1")
            .with_link("/sys/block/md0/slaves/sdb1", "../../sdb/sdb1")
            .with_link("/sys/block/dm-9/slaves/dm-9", "../../dm-9");
        let one = disk_at(&files, "/dev/mapper/vg-data").unwrap();
        assert_eq!(backing(&files, &one).unwrap(), "sda");
        let error = backing(&files, "md0").unwrap_err();
        assert_eq!(
            (error.kind(), error.message()),
            (ErrorKind::Absent, "md0 lies on several disks: sda, sdb")
        );
        assert!(error.remedy().is_some());
        assert_eq!(backing(&files, "dm-9").unwrap(), "dm-9");
    }

    #[test]
    fn the_root_disk_comes_from_number_or_source() {
        let disk =
            || MemoryFiles::new().with("/sys/block/nvme0n1/size", "8").with("/sys/block/sdb/size", "8");
        let numbered = disk()
            .with(
                "/proc/self/mountinfo",
                "22 1 259:2 / / rw - ext4 /dev/root rw\n23 22 0:5 / /proc rw - proc proc rw\n",
            )
            .with_link("/sys/dev/block/259:2", "../../devices/pci0000:00/nvme/nvme0/nvme0n1/nvme0n1p1");
        assert_eq!(root_disk(&numbered).as_deref(), Some("nvme0n1"));
        let btrfs =
            disk().with("/proc/self/mountinfo", "60 1 0:33 /root / rw shared:1 - btrfs /dev/sdb4 rw\n");
        assert_eq!(root_disk(&btrfs).as_deref(), Some("sdb"));
        let container = disk()
            .with("/proc/self/mountinfo", "900 1 0:77 / / rw - overlay overlay rw\n")
            .with("/proc/1/mountinfo", "22 1 8:17 / / rw - ext4 /dev/sdb1 rw\n");
        assert_eq!(root_disk(&container).as_deref(), Some("sdb"));
        assert_eq!(
            root_disk(&disk().with("/proc/mounts", "/dev/sdb1 / xfs rw 0 0\n")).as_deref(),
            Some("sdb")
        );
        assert_eq!(root_disk(&disk().with("/proc/self/mountinfo", "- / \n / - \n")), None);
    }
}
