//! Modes, owners and directories, where there are such.

use std::fs::{File, Metadata, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::Path;

use super::Attributes;

/// The set-user-id and set-group-id bits: with another owner they would mean something else.
const SET_ID: u32 = 0o6000;

/// How files are opened: never through a link that somebody has just put there.
pub(super) fn options(private: bool) -> OpenOptions {
    let mut options = File::options();
    options.custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed());
    options.mode(if private { 0o600 } else { 0o666 });
    options
}

/// Only root may give files away, and others may give them to groups of theirs.
pub(super) fn keep(file: &File, old: &Metadata) -> io::Result<Option<String>> {
    let now = file.metadata()?;
    let mut mode = old.mode() & 0o7777;
    let mut lost = Vec::new();
    // One by one: the group can often be kept where the owner can't.
    if old.gid() != now.gid() && fchown(file, None, Some(old.gid())).is_err() {
        lost.push(format!("its group {}", old.gid()));
    }
    if old.uid() != now.uid() && fchown(file, Some(old.uid()), None).is_err() {
        lost.push(format!("its owner {}", old.uid()));
    }
    if !lost.is_empty() {
        mode &= !SET_ID;
    }
    // After the owner, because a change of owner clears bits of the mode.
    file.set_permissions(Permissions::from_mode(mode))?;
    Ok((!lost.is_empty()).then(|| format!("the new file can't keep {}: that takes root", lost.join(" and "))))
}

/// Only root may give files away. Where nothing is to be given, nothing is asked for: a service manager may forbid the call.
pub(super) fn give(file: &File, attributes: &Attributes) -> io::Result<()> {
    let now = file.metadata()?;
    let uid = attributes.uid.filter(|uid| *uid != now.uid());
    let gid = attributes.gid.filter(|gid| *gid != now.gid());
    if uid.is_some() || gid.is_some() {
        fchown(file, uid, gid)?;
    }
    match attributes.mode {
        Some(mode) => file.set_permissions(Permissions::from_mode(mode & 0o7777)),
        None => Ok(()),
    }
}

/// Whether a file has what is wanted.
pub(super) fn has(found: &Metadata, attributes: &Attributes) -> bool {
    attributes.mode.is_none_or(|mode| found.mode() & 0o7777 == mode & 0o7777)
        && attributes.uid.is_none_or(|uid| found.uid() == uid)
        && attributes.gid.is_none_or(|gid| found.gid() == gid)
}

/// Some network and user-space file systems can't sync a directory and say so; they have nothing better to offer.
pub(super) fn sync_directory(path: &Path) -> io::Result<()> {
    match File::open(path)?.sync_all() {
        Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => {
            Ok(())
        }
        result => result,
    }
}
