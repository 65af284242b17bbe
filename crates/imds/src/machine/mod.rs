//! The machine as values: its files, its environment, its network policy.
//!
//! Nothing else in this crate touches the real file system or environment, so every test is a plain function call with
//! a [`Machine`] of its own.

pub(crate) mod leases;
pub(crate) mod links;
pub(crate) mod routes;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// More than any file that is evidence holds; a larger one is cut there.
const FILE_LIMIT: u64 = 512 * 1024;

/// Files of a machine, by absolute path (`/sys/class/dmi/id/sys_vendor`).
pub trait Files: Send + Sync + fmt::Debug {
    /// The content, at most 512 KiB of it.
    ///
    /// # Errors
    /// As the file system says: not found, permission denied, …
    fn read(&self, path: &str) -> io::Result<Vec<u8>>;

    /// The names in a directory, sorted.
    ///
    /// # Errors
    /// As the file system says.
    fn list(&self, path: &str) -> io::Result<Vec<String>>;

    /// The target of a symbolic link, as it is written there.
    ///
    /// # Errors
    /// As the file system says; [`io::ErrorKind::InvalidInput`] when it is no link.
    fn link(&self, path: &str) -> io::Result<String>;

    /// Whether there is something at the path.
    fn exists(&self, path: &str) -> bool;

    /// The directory of the real file system below which these files are; nothing where they are somewhere else.
    fn root(&self) -> Option<&Path> {
        None
    }
}

/// The real file system below a directory: `/`, or the host's root inside a container.
#[derive(Clone, Debug)]
pub struct Sysroot(PathBuf);

impl Sysroot {
    /// Files below this directory.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self(root.into())
    }

    /// `/rootfs` when the host's `/proc` is mounted there (the habit of containers that watch their host), else `/`.
    #[must_use]
    pub fn of_this_machine() -> Self {
        let host = Path::new("/rootfs");
        Self(if host.join("proc").exists() { host.to_owned() } else { PathBuf::from("/") })
    }

    fn below(&self, path: &str) -> PathBuf {
        self.0.join(path.trim_start_matches('/'))
    }
}

impl Files for Sysroot {
    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        // The files of firmware and kernel are short: one read has all, where an empty list would begin with 32 bytes.
        let mut content = Vec::with_capacity(1024);
        fs::File::open(self.below(path))?.take(FILE_LIMIT).read_to_end(&mut content)?;
        Ok(content)
    }

    fn list(&self, path: &str) -> io::Result<Vec<String>> {
        let mut names = BTreeSet::new();
        for entry in fs::read_dir(self.below(path))? {
            // Names that aren't UTF-8 belong to nothing that this crate looks for.
            if let Ok(name) = entry?.file_name().into_string() {
                names.insert(name);
            }
        }
        Ok(names.into_iter().collect())
    }

    fn link(&self, path: &str) -> io::Result<String> {
        Ok(fs::read_link(self.below(path))?.to_string_lossy().into_owned())
    }

    fn exists(&self, path: &str) -> bool {
        self.below(path).symlink_metadata().is_ok()
    }

    fn root(&self) -> Option<&Path> {
        Some(&self.0)
    }
}

/// Files in memory: fixtures, and the firmware that an embedded fake lends.
#[derive(Clone, Debug, Default)]
pub struct MemoryFiles {
    files: BTreeMap<String, Vec<u8>>,
    links: BTreeMap<String, String>,
}

impl MemoryFiles {
    /// No files.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a file at an absolute path.
    #[must_use]
    pub fn with(mut self, path: &str, content: impl Into<Vec<u8>>) -> Self {
        self.files.insert(absolute(path), content.into());
        self
    }

    /// Adds a symbolic link at an absolute path.
    #[must_use]
    pub fn with_link(mut self, path: &str, target: &str) -> Self {
        self.links.insert(absolute(path), target.to_owned());
        self
    }

    fn names(&self) -> impl Iterator<Item = &String> {
        self.files.keys().chain(self.links.keys())
    }
}

fn absolute(path: &str) -> String {
    format!("/{}", path.trim_matches('/'))
}

impl Files for MemoryFiles {
    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        self.files.get(&absolute(path)).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn list(&self, path: &str) -> io::Result<Vec<String>> {
        let folder = if absolute(path) == "/" { "/".to_owned() } else { absolute(path) + "/" };
        let names: BTreeSet<String> = self
            .names()
            .filter_map(|name| name.strip_prefix(&folder)?.split('/').next())
            .map(str::to_owned)
            .collect();
        if names.is_empty() { Err(io::ErrorKind::NotFound.into()) } else { Ok(names.into_iter().collect()) }
    }

    fn link(&self, path: &str) -> io::Result<String> {
        self.links.get(&absolute(path)).cloned().ok_or_else(|| io::ErrorKind::InvalidInput.into())
    }

    fn exists(&self, path: &str) -> bool {
        let path = absolute(path);
        self.files.contains_key(&path) || self.links.contains_key(&path) || self.list(&path).is_ok()
    }
}

/// Variables of the environment, as a value. Clones share them.
#[derive(Clone, Default)]
pub struct Environment(Arc<BTreeMap<String, String>>);

impl Environment {
    /// The variables of this process, as they are now. Values that aren't UTF-8 are left out.
    #[must_use]
    pub fn of_this_process() -> Self {
        std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect()
    }

    /// The value of a variable; an empty one counts as not set.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }
}

impl FromIterator<(String, String)> for Environment {
    fn from_iter<T: IntoIterator<Item = (String, String)>>(variables: T) -> Self {
        Self(Arc::new(variables.into_iter().collect()))
    }
}

impl Extend<(String, String)> for Environment {
    fn extend<T: IntoIterator<Item = (String, String)>>(&mut self, variables: T) {
        Arc::make_mut(&mut self.0).extend(variables);
    }
}

/// Only names: a value could be anybody's secret.
impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// What detection and the clouds may look at.
#[derive(Clone, Debug)]
pub struct Machine {
    files: Arc<dyn Files>,
    environment: Environment,
}

impl Machine {
    /// A machine made of the given files and variables.
    #[must_use]
    pub fn new(files: Arc<dyn Files>, environment: Environment) -> Self {
        Self { files, environment }
    }

    /// Its files.
    #[must_use]
    pub fn files(&self) -> &dyn Files {
        &*self.files
    }

    /// The same, to be kept.
    #[must_use]
    pub fn shared_files(&self) -> Arc<dyn Files> {
        Arc::clone(&self.files)
    }

    /// Its environment.
    #[must_use]
    pub fn environment(&self) -> &Environment {
        &self.environment
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_files_behave_like_a_tree() {
        let files = MemoryFiles::new()
            .with("/sys/block/sda/size", "8")
            .with("sys/block/sdb/size", "9")
            .with_link("/dev/disk/azure/root", "../../sda");
        assert_eq!(files.list("/sys/block").unwrap(), ["sda", "sdb"]);
        assert_eq!(files.read("/sys/block/sdb/size").unwrap(), b"9");
        assert_eq!(files.link("/dev/disk/azure/root").unwrap(), "../../sda");
        assert!(files.exists("/dev/disk") && !files.exists("/dev/dis"));
        assert!(files.list("/proc").is_err());
    }

    #[test]
    fn an_empty_variable_is_not_set_and_no_value_is_printed() {
        let environment: Environment =
            [("A".to_owned(), String::new()), ("B".to_owned(), "hunter2".to_owned())].into_iter().collect();
        assert_eq!(environment.get("A"), None);
        assert_eq!(environment.get("B"), Some("hunter2"));
        assert!(!format!("{environment:?}").contains("hunter2"));
    }
}
