//! The state's directory, made while there are the privileges for it.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, fchown};
use std::path::Path;

use crate::config::Owner;
use crate::sandbox::Account;

/// Makes the directory of this file, for its owner alone, and gives it to the user that the worker becomes. A directory that
/// was there already stays whose it is, unless it is the agent's own by default: it may hold others' files.
///
/// # Errors
/// What the file system refuses.
pub fn prepare(file: &Path, account: Option<&Account>) -> io::Result<()> {
    let Some(directory) = file.parent().filter(|directory| !directory.as_os_str().is_empty()) else {
        return Ok(());
    };
    let missing: Vec<&Path> = directory.ancestors().take_while(|ancestor| !ancestor.exists()).collect();
    for ancestor in missing.iter().rev() {
        DirBuilder::new().mode(0o700).create(ancestor)?;
        give(ancestor, account)?;
    }
    match Owner::root().state.as_deref() == Some(directory) && missing.is_empty() {
        true => give(directory, account),
        false => Ok(()),
    }
}

/// By its descriptor: what stands at a path may be another thing by the time that it is looked at again.
fn give(directory: &Path, account: Option<&Account>) -> io::Result<()> {
    use rustix::fs::{Mode, OFlags, open};
    let Some(account) = account.filter(|_| rustix::process::geteuid().is_root()) else { return Ok(()) };
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = std::fs::File::from(open(directory, flags, Mode::empty())?);
    match opened.metadata()?.uid() == account.uid {
        true => Ok(()),
        false => fchown(&opened, Some(account.uid), Some(account.gid)),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn what_is_made_is_its_owner_s_and_what_was_there_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let before = folder.path().metadata().unwrap();
        let account = Account { uid: 4711, gid: 4712, groups: vec![4712] };
        prepare(&folder.path().join("a/b/state.json"), Some(&account)).unwrap();
        let is_root = rustix::process::geteuid().is_root();
        for made in ["a", "a/b"] {
            let found = folder.path().join(made).metadata().unwrap();
            assert_eq!(found.permissions().mode() & 0o777, 0o700);
            assert_eq!(found.uid(), if is_root { 4711 } else { before.uid() });
        }
        prepare(&folder.path().join("state.json"), Some(&account)).unwrap();
        assert_eq!(folder.path().metadata().unwrap().uid(), before.uid());
        prepare(Path::new("state.json"), None).unwrap();
        let under_a_file = folder.path().join("file/state.json");
        std::fs::write(folder.path().join("file"), "").unwrap();
        assert!(prepare(&under_a_file.join("x"), None).is_err());
    }
}
