//! Where modes and owners are something else: a file has its directory's, and only the read-only mark is kept.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::path::Path;

use super::Attributes;

/// How files are opened.
pub(super) fn options(_private: bool) -> OpenOptions {
    File::options()
}

/// Nothing of it can fail to be kept.
pub(super) fn keep(file: &File, old: &Metadata) -> io::Result<Option<String>> {
    file.set_permissions(old.permissions())?;
    Ok(None)
}

/// There are none to give.
#[expect(clippy::unnecessary_wraps, reason = "where there are modes this can fail")]
pub(super) fn give(_file: &File, _attributes: &Attributes) -> io::Result<()> {
    Ok(())
}

/// There are none to have.
pub(super) fn has(_found: &Metadata, _attributes: &Attributes) -> bool {
    true
}

/// A directory can't be opened for that; the file system orders its own changes.
#[expect(clippy::unnecessary_wraps, reason = "where directories can be synced this can fail")]
pub(super) fn sync_directory(_path: &Path) -> io::Result<()> {
    Ok(())
}
