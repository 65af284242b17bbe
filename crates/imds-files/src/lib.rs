//! Replacing a file, so that whoever reads it finds the old content or the new one and nothing between.
//!
//! A temporary file in the same directory is written, given the old file's mode and owner, synced, checked, and renamed
//! over the old one; then the directory is synced. `steps` is the list of these steps as a trait, so that tests can cut
//! the power between any two of them; `unix` and `elsewhere` are what differs between systems; `check` runs the user's
//! command. Access control lists and extended attributes aren't carried over: the new file has its directory's.
//!
//! Several files are replaced together: all are written beside the old ones and checked before the first is renamed, so that
//! a check that fails leaves every one as it was.
//!
//! With `in_place_inode` the old file itself is written into. That is not atomic: a reader, or a power cut, can meet a half
//! of it. It is for files that can't be renamed over, such as one that is mounted into a container alone.

pub mod check;
#[cfg(not(unix))]
mod elsewhere;
#[cfg(test)]
mod power_cut;
mod steps;
#[cfg(unix)]
mod unix;

use std::fs::{self, File, Metadata};
use std::io::{self, BufWriter, Read as _, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use imds_model::{Error, ErrorKind};

#[cfg(not(unix))]
use elsewhere as system;
use steps::{FileSystem, Steps};
#[cfg(unix)]
use unix as system;

/// So much is written or compared at once.
const PIECE: usize = 256 * 1024;
/// How many links may lead to one file; as many as Linux follows.
const LINKS: usize = 40;

/// The file that is to be replaced, and how.
#[derive(Clone, Debug)]
pub struct Target {
    /// Where it is, or will be.
    pub path: PathBuf,
    /// Whether a symbolic link at the path is followed; it is refused otherwise.
    pub follow_symlinks: bool,
    /// Whether the old file is written into rather than replaced. Not atomic.
    pub in_place_inode: bool,
    /// A command that has to accept the new file first: its words, to which the new file's path is added.
    pub check: Option<Vec<String>>,
    /// What the file shall have whatever the old one had.
    pub attributes: Attributes,
}

/// Mode and owner that a file shall have; those of the old one, or of new files of this process, where nothing is said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// The permission bits, `0o640`.
    pub mode: Option<u32>,
    /// The owner, by number.
    pub uid: Option<u32>,
    /// The group, by number.
    pub gid: Option<u32>,
}

/// What came of it.
#[derive(Debug, PartialEq, Eq)]
pub enum Written {
    /// The file has the new content.
    Changed {
        /// What couldn't be kept of the old file, if anything.
        warning: Option<String>,
    },
    /// It had it already; nothing was touched, and no check was run.
    Unchanged,
}

/// Content that can be written as often as need be, so that a long one needn't be kept.
pub trait Produce {
    /// Writes all of it; the same each time.
    ///
    /// # Errors
    /// What the writer fails with, and what keeps the content from being had.
    fn produce(&self, writer: &mut dyn Write) -> io::Result<()>;
}

impl Produce for Vec<u8> {
    fn produce(&self, writer: &mut dyn Write) -> io::Result<()> {
        writer.write_all(self)
    }
}

impl Produce for [u8] {
    fn produce(&self, writer: &mut dyn Write) -> io::Result<()> {
        writer.write_all(self)
    }
}

/// Gives the file this content.
///
/// # Errors
/// [`ErrorKind::Usage`] for a path that isn't a regular file's or whose directory doesn't exist;
/// [`ErrorKind::Internal`] for what the file system refuses, and for a check that fails. The old file is as it was then,
/// unless it was written in place, and no temporary file is left.
pub fn replace(target: &Target, new: &(impl Produce + ?Sized)) -> Result<Written, Error> {
    replace_by(&mut FileSystem::default(), target, new)
}

/// Runs a check: its words, and the path of the new file.
pub type Runner<'a> = dyn Fn(&[String], &Path) -> Result<(), Error> + 'a;

/// As [`replace`], with the check run by the caller, who may limit its time or what it can do.
///
/// # Errors
/// As [`replace`], and what `run` fails with.
pub fn replace_with_runner(
    target: &Target,
    new: &(impl Produce + ?Sized),
    run: &Runner<'_>,
) -> Result<Written, Error> {
    replace_by(&mut FileSystem { runner: Some(run) }, target, new)
}

fn replace_by(
    steps: &mut impl Steps,
    target: &Target,
    new: &(impl Produce + ?Sized),
) -> Result<Written, Error> {
    let staged = stage(steps, target, new)?;
    commit(steps, staged, new)
}

/// Gives several files their contents, each whole or not at all, and none of them where one can't be written or isn't
/// accepted by its check. A power cut in the middle of the renames leaves each one old or new.
///
/// # Errors
/// As [`replace`].
pub fn replace_all(files: &[(&Target, &dyn Produce)]) -> Result<Vec<Written>, Error> {
    replace_all_by(&mut FileSystem::default(), files)
}

fn replace_all_by(steps: &mut impl Steps, files: &[(&Target, &dyn Produce)]) -> Result<Vec<Written>, Error> {
    let mut staged = Vec::new();
    let mut failure = None;
    for (target, new) in files {
        match stage(steps, target, *new) {
            Ok(one) => staged.push((one, *new)),
            Err(error) => {
                failure = Some(error);
                break;
            }
        }
    }
    let mut written = Vec::new();
    for (one, new) in staged {
        match &failure {
            None => match commit(steps, one, new) {
                Ok(done) => written.push(done),
                Err(error) => failure = Some(error),
            },
            Some(_) => discard(steps, &one),
        }
    }
    failure.map_or(Ok(written), Err)
}

/// The content that the file has now; nothing where there is no file.
///
/// # Errors
/// As [`replace`].
pub fn current(target: &Target) -> Result<Option<Vec<u8>>, Error> {
    let (path, old) = find(target)?;
    match old {
        Some(_) => fs::read(&path).map(Some).map_err(|error| failed(&path, "can't be read", error)),
        None => Ok(None),
    }
}

/// The difference as a unified diff, with the path in its head; empty where there is none. Bytes that aren't UTF-8 are shown
/// as U+FFFD.
pub fn diff(old: Option<&[u8]>, new: &[u8], path: &Path) -> String {
    if old == Some(new) {
        return String::new();
    }
    let name = path.display().to_string();
    let before = if old.is_some() { &*name } else { "/dev/null" };
    let old = String::from_utf8_lossy(old.unwrap_or_default());
    let new = String::from_utf8_lossy(new);
    diffy::DiffOptions::new()
        .set_original_filename(before.to_owned())
        .set_modified_filename(name.clone())
        .create_patch(&old, &new)
        .to_string()
}

/// A file that is ready to be replaced.
enum Staged {
    /// It has the content already.
    Same,
    /// The new content lies beside it, synced and checked.
    Beside { path: PathBuf, temporary: PathBuf, warning: Option<String> },
    /// The new content was checked, and will be written into the file itself.
    InPlace { path: PathBuf },
}

/// Everything up to the moment at which the old content goes. After any of its steps the path holds the old content.
fn stage(steps: &mut impl Steps, target: &Target, new: &(impl Produce + ?Sized)) -> Result<Staged, Error> {
    let (path, old) = find(target)?;
    if let Some(old) = &old
        && system::has(old, &target.attributes)
        && is_same(&path, old, new).map_err(|error| failed(&path, "can't be read", error))?
    {
        return Ok(Staged::Same);
    }
    stage_at(steps, path, old.as_ref(), target, new)
}

fn stage_at(
    steps: &mut impl Steps,
    path: PathBuf,
    old: Option<&Metadata>,
    target: &Target,
    new: &(impl Produce + ?Sized),
) -> Result<Staged, Error> {
    let check = target.check.as_deref();
    let in_place = target.in_place_inode && old.is_some();
    if in_place && check.is_none() {
        return Ok(Staged::InPlace { path });
    }
    let (temporary, mut file) =
        create_beside(steps, &path, old.is_some() || target.attributes.mode.is_some())?;
    let filled = (|| {
        let unwritable = |error| failed(&temporary, "can't be written", error);
        fill(steps, &mut file, new).map_err(unwritable)?;
        let mut warning = None;
        if !in_place {
            if let Some(old) = old {
                warning = steps.keep(&file, old).map_err(unwritable)?;
            }
            if target.attributes != Attributes::default() {
                steps.give(&file, &target.attributes).map_err(unwritable)?;
            }
            steps.sync(&file).map_err(unwritable)?;
        }
        if let Some(command) = check {
            steps.check(command, &temporary)?;
        }
        Ok(warning)
    })();
    match filled {
        Ok(_) if in_place => {
            steps.remove(&temporary).map_err(|error| failed(&temporary, "can't be removed", error))?;
            Ok(Staged::InPlace { path })
        }
        Ok(warning) => Ok(Staged::Beside { path, temporary, warning }),
        Err(error) => {
            // What went wrong first is what the user should hear.
            let _ = steps.remove(&temporary);
            Err(error)
        }
    }
}

/// Takes the new content away again.
fn discard(steps: &mut impl Steps, staged: &Staged) {
    if let Staged::Beside { temporary, .. } = staged {
        let _ = steps.remove(temporary);
    }
}

/// The rest. After any of its steps the path holds the old content or the new one, but for a file that is written in place.
fn commit(steps: &mut impl Steps, staged: Staged, new: &(impl Produce + ?Sized)) -> Result<Written, Error> {
    match staged {
        Staged::Same => Ok(Written::Unchanged),
        Staged::InPlace { path } => {
            let unwritable = |error| failed(&path, "can't be written", error);
            let mut file = steps.empty(&path).map_err(unwritable)?;
            fill(steps, &mut file, new).map_err(unwritable)?;
            steps.sync(&file).map_err(unwritable)?;
            Ok(Written::Changed { warning: None })
        }
        Staged::Beside { path, temporary, warning } => {
            let renamed = steps.rename(&temporary, &path).map_err(|error| match error.kind() {
                io::ErrorKind::ResourceBusy => failed(&path, "can't be replaced", error)
                    .with_remedy("it is mounted alone; add --in-place-inode to write into it"),
                _ => failed(&path, "can't be replaced", error),
            });
            if renamed.is_err() {
                let _ = steps.remove(&temporary);
            }
            renamed?;
            let directory = directory_of(&path);
            steps.sync_directory(directory).map_err(|error| {
                failed(directory, "can't be synced, so a power cut may undo the change", error)
            })?;
            Ok(Written::Changed { warning })
        }
    }
}

/// The path that is meant, and what is there. Links in the directories before it are the file system's business.
fn find(target: &Target) -> Result<(PathBuf, Option<Metadata>), Error> {
    let mut path = target.path.clone();
    for _ in 0..LINKS {
        let found = match fs::symlink_metadata(&path) {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((path, None)),
            Err(error) => return Err(failed(&path, "can't be looked at", error)),
        };
        if found.is_symlink() {
            if !target.follow_symlinks {
                return Err(usage("this is a symbolic link, and writing could change a file elsewhere")
                    .with_path(path.display().to_string())
                    .with_remedy("name the file itself, or add --follow-symlinks"));
            }
            let link = fs::read_link(&path).map_err(|error| failed(&path, "can't be read", error))?;
            path = directory_of(&path).join(link);
        } else if found.is_file() {
            return Ok((path, Some(found)));
        } else {
            return Err(usage("this is no regular file, so it can't be replaced")
                .with_path(path.display().to_string())
                .with_remedy("leave out -o to print to stdout"));
        }
    }
    Err(usage("too many symbolic links lead from here").with_path(target.path.display().to_string()))
}

/// A new file in the same directory, under a name that nobody can foresee and that patterns such as `*.conf` don't match,
/// with the same extension, because a check may go by it.
fn create_beside<S: Steps>(steps: &mut S, path: &Path, private: bool) -> Result<(PathBuf, S::File), Error> {
    // Whoever meets this many names that are taken meets an attack, not chance.
    const TRIES: usize = 16;
    let directory = directory_of(path);
    let mut tries = 0;
    loop {
        let name = match path.extension().and_then(|extension| extension.to_str()) {
            Some(extension) if extension.len() < 100 => format!(".imds-{:016x}.{extension}", unforeseeable()),
            _ => format!(".imds-{:016x}", unforeseeable()),
        };
        let temporary = directory.join(name);
        tries += 1;
        match steps.create(&temporary, private) {
            Ok(file) => return Ok((temporary, file)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && tries < TRIES => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(usage("there is no such directory").with_path(directory.display().to_string()));
            }
            Err(error) => {
                let error = failed(directory, "no file can be made here", error);
                return Err(error.with_remedy(
                    "if only the file itself may be written, add --in-place-inode and leave out --check",
                ));
            }
        }
    }
}

/// Removes what a process left that was ended while it wrote a file here: what has a temporary file's name and hasn't been
/// written to for so long. Says which. Links are left alone.
///
/// # Errors
/// What the system says of the directory, or of a file that can't be removed.
pub fn remove_leftovers(directory: &Path, unchanged_for: Duration) -> io::Result<Vec<PathBuf>> {
    let mut removed = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if !entry.file_name().to_str().is_some_and(is_temporary) {
            continue;
        }
        // Of the entry itself, never of what it leads to.
        let found = entry.metadata()?;
        let unchanged = found.modified()?.elapsed().unwrap_or_default();
        if found.is_file() && unchanged >= unchanged_for {
            fs::remove_file(entry.path())?;
            removed.push(entry.path());
        }
    }
    Ok(removed)
}

/// Whether this is a name that [`create_beside`] gives.
fn is_temporary(name: &str) -> bool {
    let Some((digits, rest)) = name.strip_prefix(".imds-").and_then(|rest| rest.split_at_checked(16)) else {
        return false;
    };
    digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        && (rest.is_empty() || rest.starts_with('.'))
}

/// 64 bits from the system's random numbers: the keys of the standard library's hashes are made of them.
fn unforeseeable() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(())
}

fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Writes all of the content, in pieces of a useful size.
fn fill<S: Steps>(steps: &mut S, file: &mut S::File, new: &(impl Produce + ?Sized)) -> io::Result<()> {
    struct Filling<'a, S: Steps>(&'a mut S, &'a mut S::File);
    impl<S: Steps> Write for Filling<'_, S> {
        fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
            self.0.write(self.1, piece)?;
            Ok(piece.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut writer = BufWriter::with_capacity(PIECE, Filling(steps, file));
    new.produce(&mut writer)?;
    writer.flush()
}

/// Whether the file has this content, with little memory.
fn is_same(path: &Path, old: &Metadata, new: &(impl Produce + ?Sized)) -> io::Result<bool> {
    /// Compares what is written to it with a file; the first difference ends it.
    struct Comparing {
        old: File,
        chunk: Vec<u8>,
        left: u64,
        differs: bool,
    }
    impl Write for Comparing {
        fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
            let length = piece.len().min(self.chunk.len());
            let (Some(piece), Some(chunk)) = (piece.get(..length), self.chunk.get_mut(..length)) else {
                return Ok(0);
            };
            // A file that is shorter than it was differs, too.
            self.differs |= self.old.read_exact(chunk).is_err() || chunk != piece;
            self.left = self.left.saturating_sub(u64::try_from(length).unwrap_or(u64::MAX));
            if self.differs { Err(io::ErrorKind::Other.into()) } else { Ok(length) }
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let old_file = File::open(path)?;
    let mut comparing = Comparing { old: old_file, chunk: vec![0; PIECE], left: old.len(), differs: false };
    let produced = new.produce(&mut comparing);
    if comparing.differs {
        return Ok(false);
    }
    produced?;
    Ok(comparing.left == 0)
}

fn usage(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Usage, message)
}

fn failed(path: &Path, what: &str, error: io::Error) -> Error {
    Error::new(ErrorKind::Internal, format!("{what}: {error}"))
        .with_path(path.display().to_string())
        .with_source(error)
}

#[cfg(test)]
#[cfg(unix)]
mod tests;
