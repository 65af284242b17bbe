//! The steps of writing a file, each as small as the file system makes it.

use std::fs::{self, File, Metadata};
use std::io::{self, Write};
use std::path::Path;

use imds_model::Error;

#[cfg(not(unix))]
use super::elsewhere as system;
#[cfg(unix)]
use super::unix as system;
use super::{Attributes, Runner, check};

/// What can be done to a file system. Everything else about writing is in the order of these.
pub(super) trait Steps {
    /// An open file.
    type File;

    /// Makes a file that wasn't there: for the owner alone, or as the process makes files usually.
    fn create(&mut self, path: &Path, private: bool) -> io::Result<Self::File>;

    /// Opens a file that is there, and empties it.
    fn empty(&mut self, path: &Path) -> io::Result<Self::File>;

    /// Writes content.
    fn write(&mut self, file: &mut Self::File, content: &[u8]) -> io::Result<()>;

    /// Gives the file the old one's mode and owner; says what of it can't be done.
    fn keep(&mut self, file: &Self::File, old: &Metadata) -> io::Result<Option<String>>;

    /// Gives the file the mode and owner that are wanted.
    fn give(&mut self, file: &Self::File, attributes: &Attributes) -> io::Result<()>;

    /// Waits until the content is where a power cut doesn't reach it.
    fn sync(&mut self, file: &Self::File) -> io::Result<()>;

    /// Asks the user's command about the file.
    fn check(&mut self, command: &[String], path: &Path) -> Result<(), Error>;

    /// Puts a file in another's place, at once.
    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()>;

    /// Waits until the names in a directory are where a power cut doesn't reach them.
    fn sync_directory(&mut self, path: &Path) -> io::Result<()>;

    /// Removes a file.
    fn remove(&mut self, path: &Path) -> io::Result<()>;
}

/// The real one.
#[derive(Default)]
pub(super) struct FileSystem<'a> {
    /// Who runs checks, where it isn't this crate.
    pub(super) runner: Option<&'a Runner<'a>>,
}

impl Steps for FileSystem<'_> {
    type File = File;

    fn create(&mut self, path: &Path, private: bool) -> io::Result<File> {
        system::options(private).write(true).create_new(true).open(path)
    }

    fn empty(&mut self, path: &Path) -> io::Result<File> {
        system::options(false).write(true).truncate(true).open(path)
    }

    fn write(&mut self, file: &mut File, content: &[u8]) -> io::Result<()> {
        file.write_all(content)
    }

    fn keep(&mut self, file: &File, old: &Metadata) -> io::Result<Option<String>> {
        system::keep(file, old)
    }

    fn give(&mut self, file: &File, attributes: &Attributes) -> io::Result<()> {
        system::give(file, attributes)
    }

    fn sync(&mut self, file: &File) -> io::Result<()> {
        file.sync_all()
    }

    fn check(&mut self, command: &[String], path: &Path) -> Result<(), Error> {
        match self.runner {
            Some(run) => run(command, path),
            None => check::run(command, path),
        }
    }

    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn sync_directory(&mut self, path: &Path) -> io::Result<()> {
        system::sync_directory(path)
    }

    fn remove(&mut self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }
}
