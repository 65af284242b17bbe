//! From content to files, on the executor's side.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use imds::model::{Class, Shape};
use imds::{Error, ErrorKind, Field, Reading};
use imds_files::{Attributes, Target, Written};
use imds_template::Grammar;
use tokio::runtime::Handle;

use super::render::{Content, env_file, rendered};
use super::values::Known;
use super::{EnvFile, Rendered, ValueFiles};
use crate::executor::command::{self, Given};
use crate::executor::protocol::{Debts, FileChange, FileOutcome};

/// The most bytes of a tag's key that are a file's name.
const LONGEST_NAME: usize = 200;

/// Writes files, and remembers what wasn't done.
#[derive(Debug, Default)]
pub struct Writer {
    /// Reloads that failed, with their time limits: the file has changed already, so nothing else would bring them about.
    unreloaded: Mutex<BTreeMap<Vec<String>, Duration>>,
    /// Whether it was looked for what an earlier process left unfinished.
    is_tidy: AtomicBool,
}

/// All files there are to write.
#[derive(Clone, Copy, Debug)]
pub struct Files<'a> {
    /// Rendered templates.
    pub rendered: &'a [Rendered],
    /// The file of variables.
    pub env_file: Option<&'a EnvFile>,
    /// One file per value.
    pub values: Option<&'a ValueFiles>,
    /// The names that placeholders can have.
    pub grammar: &'a Grammar,
}

impl Writer {
    /// Brings every file up to date, then reloads what has to know, each once. Blocks while files are written and checked;
    /// checks run on the runtime, for whose time this waits.
    pub fn update(
        &self,
        files: &Files<'_>,
        known: &Known,
        debts: &Debts,
        runtime: &Handle,
    ) -> Vec<FileOutcome> {
        if !self.is_tidy.swap(true, Ordering::Relaxed) {
            remove_leftovers(files);
        }
        let mut outcomes = Vec::new();
        let mut reloads: BTreeMap<Vec<String>, Duration> = self.take_unreloaded();
        for file in files.rendered {
            let path = file.target.display().to_string();
            let old = Old::of(&path, debts);
            let what = put(&rendered(file, known, files.grammar), &target_of(file), old, file.time, runtime);
            let owed = debts.all_unreloaded || debts.unreloaded.contains(&path);
            let is_to_be_told = match what {
                FileChange::Changed => true,
                FileChange::Unchanged => owed,
                _ => false,
            };
            if let Some(reload) = file.reload.as_ref().filter(|_| is_to_be_told) {
                let time = reloads.entry(reload.clone()).or_default();
                *time = (*time).max(file.time);
            }
            outcomes.push(FileOutcome { path, what });
        }
        if let Some(file) = files.env_file {
            let target = plain_target(file.path.clone(), file.mode);
            let path = file.path.display().to_string();
            let old = Old::of(&path, debts);
            let what = put(&env_file(file, known.metadata()), &target, old, Duration::ZERO, runtime);
            outcomes.push(FileOutcome { path, what });
        }
        if let Some(directory) = files.values {
            let path = directory.directory.display().to_string();
            let old = Old::of(&path, debts);
            let what =
                value_files(directory, known, old).unwrap_or_else(|why| FileChange::Failed(why.to_string()));
            outcomes.push(FileOutcome { path, what });
        }
        self.reload(reloads, files, &mut outcomes, runtime);
        outcomes
    }

    fn take_unreloaded(&self) -> BTreeMap<Vec<String>, Duration> {
        std::mem::take(&mut *self.unreloaded.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn reload(
        &self,
        reloads: BTreeMap<Vec<String>, Duration>,
        files: &Files<'_>,
        outcomes: &mut [FileOutcome],
        runtime: &Handle,
    ) {
        for (words, time) in reloads {
            // What the configuration doesn't name any more isn't run any more.
            if !files.rendered.iter().any(|file| file.reload.as_ref() == Some(&words)) {
                continue;
            }
            let Err(failure) = runtime.block_on(command::run(&words, &Given::default(), time)) else {
                continue;
            };
            let why = format!("{} {failure}", words.first().map(String::as_str).unwrap_or_default());
            let of_it = files.rendered.iter().filter(|file| file.reload.as_ref() == Some(&words));
            let paths: Vec<String> = of_it.map(|file| file.target.display().to_string()).collect();
            for outcome in outcomes.iter_mut().filter(|outcome| paths.contains(&outcome.path)) {
                if matches!(outcome.what, FileChange::Changed | FileChange::Unchanged) {
                    outcome.what = FileChange::NotReloaded(why.clone());
                }
            }
            self.unreloaded.lock().unwrap_or_else(PoisonError::into_inner).insert(words, time);
        }
    }
}

fn target_of(file: &Rendered) -> Target {
    Target {
        path: file.target.clone(),
        follow_symlinks: false,
        in_place_inode: false,
        check: file.check.clone(),
        attributes: file.attributes,
    }
}

fn plain_target(path: PathBuf, mode: u32) -> Target {
    let attributes = Attributes { mode: Some(mode), ..Attributes::default() };
    Target { path, follow_symlinks: false, in_place_inode: false, check: None, attributes }
}

/// How long a file that is being written may go without a change, checks included.
const LEFT_FOR: Duration = Duration::from_secs(600);

/// Removes what executors left that were ended while they wrote these files.
fn remove_leftovers(files: &Files<'_>) {
    let rendered = files.rendered.iter().filter_map(|file| file.target.parent());
    let env_file = files.env_file.and_then(|file| file.path.parent());
    let values = files.values.map(|values| values.directory.as_path());
    let mut directories: BTreeSet<PathBuf> =
        rendered.chain(env_file).chain(values).map(Path::to_owned).collect();
    directories.extend(values.map(|directory| directory.join("tags")));
    for directory in directories.iter().filter(|path| is_directory(path)) {
        match imds_files::remove_leftovers(directory, LEFT_FOR) {
            Ok(removed) => {
                for path in removed {
                    tracing::info!(path = %path.display(), "removed: it was left unfinished");
                }
            }
            Err(error) => {
                tracing::debug!(directory = %directory.display(), "leftovers can't be looked for: {error}");
            }
        }
    }
}

/// What the content that a file already has is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Old {
    /// It is this machine's, from before.
    Ours,
    /// It is another machine's.
    Foreign,
}

impl Old {
    fn of(path: &String, debts: &Debts) -> Self {
        if debts.foreign.contains(path) { Self::Foreign } else { Self::Ours }
    }
}

/// Takes away those files that are named: another machine's values are in them, and this one has none.
pub fn take_away(files: &Files<'_>, targets: &[String]) -> Vec<FileOutcome> {
    let rendered = files.rendered.iter().map(|file| file.target.as_path());
    let single = rendered.chain(files.env_file.map(|file| file.path.as_path()));
    let why = "this machine is in no cloud";
    let mut outcomes: Vec<FileOutcome> = single
        .map(|path| (path, path.display().to_string()))
        .filter(|(_, name)| targets.contains(name))
        .map(|(path, name)| FileOutcome { path: name, what: without(path, why) })
        .collect();
    let directory = files.values.map(|values| (values, values.directory.display().to_string()));
    if let Some((values, path)) = directory.filter(|(_, name)| targets.contains(name)) {
        let what = match no_value_files(values) {
            Ok(_) => FileChange::TakenAway(why.to_owned()),
            Err(error) => FileChange::Failed(error.to_string()),
        };
        outcomes.push(FileOutcome { path, what });
    }
    outcomes
}

fn without(path: &Path, why: &str) -> FileChange {
    match value_file(path, None, 0) {
        Ok(_) => FileChange::TakenAway(why.to_owned()),
        Err(error) => FileChange::Failed(error.to_string()),
    }
}

/// Gives a file its content, unless that is in doubt and there is an older one of this machine.
fn put(content: &Content, target: &Target, old: Old, time: Duration, runtime: &Handle) -> FileChange {
    let text = match (content, old) {
        (Content::Certain(text), _) => text,
        (Content::Doubtful(_, why), Old::Ours) if target.path.exists() => {
            return FileChange::Kept(why.clone());
        }
        (Content::Doubtful(text, _), _) => text,
        (Content::Unknown(why) | Content::Wrong(why), Old::Foreign) => return without(&target.path, why),
        (Content::Unknown(why), Old::Ours) => return FileChange::Kept(why.clone()),
        (Content::Wrong(why), Old::Ours) => return FileChange::Failed(why.clone()),
    };
    // A new file is nobody else's business unless the configuration says so.
    let mut target = target.clone();
    if target.attributes.mode.is_none() && !target.path.exists() {
        target.attributes.mode = Some(0o600);
    }
    let check = |words: &[String], path: &Path| {
        let given = Given { path: Some(path), ..Given::default() };
        runtime.block_on(command::run(words, &given, time)).map_err(|failure| {
            let program = words.first().map(String::as_str).unwrap_or_default();
            Error::new(ErrorKind::Internal, format!("the new content is refused: {program} {failure}"))
        })
    };
    match imds_files::replace_with_runner(&target, text.as_bytes(), &check) {
        Ok(Written::Changed { warning }) => {
            if let Some(warning) = warning {
                tracing::warn!(path = %target.path.display(), "{warning}");
            }
            FileChange::Changed
        }
        Ok(Written::Unchanged) => FileChange::Unchanged,
        Err(error) => FileChange::Failed(error.to_string()),
    }
}

/// Writes what is known, takes away what is known not to be there, and leaves alone what couldn't be read, if it was this
/// machine's.
fn value_files(files: &ValueFiles, known: &Known, old: Old) -> Result<FileChange, Error> {
    let mode = |class| files.mode.unwrap_or(if class == Class::Public { 0o644 } else { 0o640 });
    directory(&files.directory)?;
    let metadata = known.metadata();
    let mut changed = old == Old::Foreign && no_value_files(files)?;
    for field in Field::ALL.iter().filter(|field| field.shape() == Shape::Text) {
        let path = files.directory.join(field.name());
        match metadata.reading(*field) {
            Some(Reading::Failed(_)) | None => {}
            Some(_) => changed |= value_file(&path, metadata.text(*field), mode(field.class()))?,
        }
    }
    let below = files.directory.join("tags");
    match metadata.reading(Field::Tags) {
        Some(Reading::Failed(_)) | None => {}
        Some(_) => {
            let empty = BTreeMap::new();
            let tags = metadata.tags().unwrap_or(&empty);
            if !tags.is_empty() {
                directory(&below)?;
            }
            for (key, value) in tags.iter().filter(|(key, _)| is_file_name(key)) {
                changed |= value_file(&below.join(key), Some(value), mode(Field::Tags.class()))?;
            }
            for gone in
                files_in(&below)?.into_iter().filter(|name| is_file_name(name) && !tags.contains_key(name))
            {
                changed |= value_file(&below.join(gone), None, 0)?;
            }
        }
    }
    Ok(if changed { FileChange::Changed } else { FileChange::Unchanged })
}

/// Takes away every file of a value; says whether there was one.
fn no_value_files(files: &ValueFiles) -> Result<bool, Error> {
    let mut changed = false;
    for field in Field::ALL.iter().filter(|field| field.shape() == Shape::Text) {
        changed |= value_file(&files.directory.join(field.name()), None, 0)?;
    }
    let below = files.directory.join("tags");
    for name in files_in(&below)?.into_iter().filter(|name| is_file_name(name)) {
        changed |= value_file(&below.join(name), None, 0)?;
    }
    Ok(changed)
}

/// Makes a directory that everybody may look into; the modes of the files decide who reads them.
fn directory(path: &Path) -> Result<(), Error> {
    use std::os::unix::fs::DirBuilderExt as _;
    match fs::DirBuilder::new().mode(0o755).create(path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && is_directory(path) => Ok(()),
        Err(error) => Err(failed(path, "the directory can't be made", error)),
    }
}

/// A link to one isn't one: what is written below it would be somebody else's.
fn is_directory(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| found.is_dir())
}

fn files_in(path: &Path) -> Result<Vec<String>, Error> {
    if !is_directory(path) {
        return Ok(Vec::new());
    }
    let entries = fs::read_dir(path).map_err(|error| failed(path, "the directory can't be read", error))?;
    let plain =
        entries.filter_map(Result::ok).filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()));
    Ok(plain.filter_map(|entry| entry.file_name().into_string().ok()).collect())
}

/// Gives one value's file its content, or takes it away; says whether that changed anything.
fn value_file(path: &Path, value: Option<&str>, mode: u32) -> Result<bool, Error> {
    let Some(value) = value else {
        return match fs::symlink_metadata(path) {
            Ok(found) if found.is_file() => {
                fs::remove_file(path).map_err(|error| failed(path, "the file can't be removed", error))?;
                Ok(true)
            }
            _ => Ok(false),
        };
    };
    // Without a line end: what reads it takes all of it for the value.
    let written = imds_files::replace(&plain_target(path.to_owned(), mode), value.as_bytes())?;
    Ok(written != Written::Unchanged)
}

/// Whether a tag's key can be a file's name as it is. Names that begin with a dot are the files' that are being written.
fn is_file_name(key: &str) -> bool {
    let fits = |c: char| !c.is_control() && c != '/';
    !key.is_empty() && key.len() <= LONGEST_NAME && !key.starts_with('.') && key.chars().all(fits)
}

fn failed(path: &Path, what: &str, error: io::Error) -> Error {
    Error::new(ErrorKind::Internal, format!("{what}: {error}"))
        .with_path(path.display().to_string())
        .with_source(error)
}
