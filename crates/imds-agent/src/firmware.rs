//! What only root may read of the machine, kept for when the agent isn't root any more.
//!
//! Serial numbers and the system's UUID tell clouds apart and machines apart (Linux:
//! `/sys/class/dmi/id/product_uuid` and its like have mode 0400). They are fixed for the boot, so what was read at the start
//! stays right.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use imds::machine::Files;

/// Files that the kernel shows to root alone.
const OF_ROOT: [&str; 5] = [
    "/sys/class/dmi/id/product_uuid",
    "/sys/class/dmi/id/product_serial",
    "/sys/class/dmi/id/board_serial",
    "/sys/class/dmi/id/chassis_serial",
    "/sys/hypervisor/uuid",
];

/// Files of a machine, of which some were read beforehand.
#[derive(Clone)]
pub struct Remembered {
    files: Arc<dyn Files>,
    contents: BTreeMap<&'static str, Vec<u8>>,
}

/// Only names: serial numbers identify.
impl std::fmt::Debug for Remembered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<_> = self.contents.keys().collect();
        f.debug_struct("Remembered").field("files", &self.files).field("contents", &names).finish()
    }
}

impl Remembered {
    /// Reads what only root may, as far as this process may.
    #[must_use]
    pub fn of(files: Arc<dyn Files>) -> Self {
        let mut contents = BTreeMap::new();
        contents.extend(OF_ROOT.into_iter().filter_map(|path| Some((path, files.read(path).ok()?))));
        Self { files, contents }
    }
}

impl Files for Remembered {
    /// As it is now; what may not be read now, as it was.
    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        match self.files.read(path) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                self.contents.get(path).cloned().ok_or(error)
            }
            other => other,
        }
    }

    fn list(&self, path: &str) -> io::Result<Vec<String>> {
        self.files.list(path)
    }

    fn link(&self, path: &str) -> io::Result<String> {
        self.files.link(path)
    }

    fn exists(&self, path: &str) -> bool {
        self.files.exists(path)
    }

    fn root(&self) -> Option<&Path> {
        self.files.root()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    /// A machine whose reader can be told to be root no more.
    #[derive(Debug, Default)]
    struct Guarded {
        is_root: AtomicBool,
        is_gone: AtomicBool,
    }

    impl Files for Guarded {
        fn read(&self, path: &str) -> io::Result<Vec<u8>> {
            match path {
                _ if self.is_gone.load(Ordering::Relaxed) => Err(io::ErrorKind::NotFound.into()),
                "/sys/class/dmi/id/sys_vendor" => Ok(b"Xen".to_vec()),
                _ if !self.is_root.load(Ordering::Relaxed) => Err(io::ErrorKind::PermissionDenied.into()),
                _ => Ok(path.as_bytes().to_vec()),
            }
        }

        fn list(&self, _: &str) -> io::Result<Vec<String>> {
            Ok(Vec::new())
        }

        fn link(&self, _: &str) -> io::Result<String> {
            Err(io::ErrorKind::InvalidInput.into())
        }

        fn exists(&self, _: &str) -> bool {
            true
        }
    }

    #[test]
    fn what_was_read_as_root_is_known_afterwards_and_nothing_else() {
        let machine = Arc::new(Guarded::default());
        machine.is_root.store(true, Ordering::Relaxed);
        let files = Remembered::of(Arc::clone(&machine) as Arc<dyn Files>);
        machine.is_root.store(false, Ordering::Relaxed);
        for path in OF_ROOT {
            assert_eq!(files.read(path).unwrap(), path.as_bytes());
        }
        assert_eq!(files.read("/sys/class/dmi/id/sys_vendor").unwrap(), b"Xen");
        let denied = files.read("/etc/shadow").unwrap_err();
        assert_eq!(denied.kind(), io::ErrorKind::PermissionDenied);
        assert!(!format!("{files:?}").contains("Xen"));
        machine.is_gone.store(true, Ordering::Relaxed);
        assert!(files.read(OF_ROOT[0]).is_err(), "what isn't there any more isn't made up");
    }
}
