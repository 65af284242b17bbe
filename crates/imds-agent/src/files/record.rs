//! Which files were written for which machine, and what they still need: on disk beside the state, so that neither a clone of
//! this disk nor a crash makes a file be taken for what it isn't.
//!
//! A file that can't be written anew keeps what it has, since that was true a moment ago. On a clone it was true of another
//! machine. And a reload that failed, or was cut off by a crash, is owed although the file won't change again.

use std::io;
use std::path::PathBuf;

use imds_files::Target;
use serde::{Deserialize, Serialize};

use crate::executor::protocol::{Debts, FileChange, FileOutcome};
use crate::state::{Binding, of_its_writer, read_regular};

/// More than the names of all files take.
const LIMIT: u64 = 1024 * 1024;
const VERSION: u32 = 1;

/// What is known of the files.
#[derive(Debug)]
pub struct Record {
    /// Where it is kept, and on what machine; nothing where nothing is.
    keeping: Option<(PathBuf, Binding)>,
    content: Content,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Content {
    version: u32,
    /// The machine, as its firmware tells it.
    machine: String,
    /// The cloud and the instance's id, where they were known.
    instance: Option<String>,
    /// Files with this machine's values.
    written: Vec<String>,
    /// Files with another machine's.
    foreign: Vec<String>,
    /// Files whose readers weren't told.
    unreloaded: Vec<String>,
    /// Files may have changed since without anybody having been told.
    under_way: bool,
}

impl Record {
    /// What was kept there. A file that is damaged or unreadable is as good as none: then nothing is known to be foreign.
    #[must_use]
    pub fn open(path: PathBuf, binding: Binding) -> Self {
        let mut content = read(&path).unwrap_or_else(|why| {
            tracing::warn!(path = %path.display(), "for whom files were written can't be told: {why}");
            Content::default()
        });
        content.version = VERSION;
        Self { keeping: Some((path, binding)), content }
    }

    /// From now on files are written for this instance, or for one that isn't known. What was written for another is
    /// foreign. The instance's id decides, which outlives reboots and other endpoints; only where it isn't known does the
    /// firmware.
    pub fn is_for(&mut self, instance: Option<&str>) {
        let Some((_, binding)) = &self.keeping else { return };
        let content = &mut self.content;
        let is_another = match (instance, &content.instance) {
            (Some(now), Some(before)) => now != before,
            _ => content.machine != binding.machine,
        };
        if is_another {
            for path in std::mem::take(&mut content.written) {
                set(&mut content.foreign, &path, true);
            }
            content.instance = None;
        }
        content.machine.clone_from(&binding.machine);
        if let Some(instance) = instance {
            content.instance = Some(instance.to_owned());
        }
    }

    /// Of files of which nothing is remembered.
    #[must_use]
    pub fn forgetful() -> Self {
        Self { keeping: None, content: Content::default() }
    }

    /// What has to be done about files beside writing what is known.
    #[must_use]
    pub fn debts(&self) -> Debts {
        Debts {
            foreign: self.content.foreign.clone(),
            unreloaded: self.content.unreloaded.clone(),
            all_unreloaded: self.content.under_way,
        }
    }

    /// Files with another machine's values.
    #[must_use]
    pub fn foreign(&self) -> Vec<String> {
        self.content.foreign.clone()
    }

    /// Files are about to be written.
    pub fn begin(&mut self) {
        self.content.under_way = true;
        self.keep();
    }

    /// This became of them.
    pub fn end(&mut self, outcomes: &[FileOutcome]) {
        let before = self.content.clone();
        self.content.under_way = false;
        for FileOutcome { path, what } in outcomes {
            let is_ours = match what {
                FileChange::Changed | FileChange::Unchanged | FileChange::NotReloaded(_) => true,
                FileChange::TakenAway(_) => false,
                FileChange::Kept(_) | FileChange::Failed(_) => continue,
            };
            set(&mut self.content.foreign, path, false);
            set(&mut self.content.written, path, is_ours);
            set(&mut self.content.unreloaded, path, matches!(what, FileChange::NotReloaded(_)));
        }
        if self.content != before {
            self.keep();
        }
    }

    fn keep(&self) {
        let Some((path, _)) = &self.keeping else { return };
        let target = Target {
            path: path.clone(),
            follow_symlinks: false,
            in_place_inode: false,
            check: None,
            attributes: of_its_writer(),
        };
        let kept = serde_json::to_vec(&self.content)
            .map_err(|error| error.to_string())
            .and_then(|text| imds_files::replace(&target, &text).map_err(|error| error.to_string()));
        if let Err(why) = kept {
            tracing::warn!(path = %path.display(), "for whom files were written can't be kept: {why}");
        }
    }
}

/// Has a list name a path, once, or not at all.
fn set(list: &mut Vec<String>, path: &str, is_in: bool) {
    match list.iter().position(|known| known == path) {
        Some(at) if !is_in => drop(list.remove(at)),
        None if is_in => list.push(path.to_owned()),
        _ => {}
    }
}

fn read(path: &std::path::Path) -> Result<Content, String> {
    let text = match read_regular(path, LIMIT) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Content::default()),
        Err(error) => return Err(error.to_string()),
    };
    let content: Content = serde_json::from_slice(&text).map_err(|error| error.to_string())?;
    match content.version {
        VERSION => Ok(content),
        other => Err(format!("its version is {other}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binding(machine: &str) -> Binding {
        Binding { machine: machine.to_owned(), unique: false, boot: None }
    }

    fn outcome(path: &str, what: FileChange) -> FileOutcome {
        FileOutcome { path: path.to_owned(), what }
    }

    #[test]
    fn another_instance_is_told_by_its_id_and_else_by_its_firmware() {
        let folder = tempfile::tempdir().unwrap();
        let open = |machine: &str, instance: Option<&str>| {
            let mut record = Record::open(folder.path().join("files.json"), binding(machine));
            record.is_for(instance);
            record
        };
        let mut first = open("m", Some("aws i-1"));
        assert_eq!(first.debts(), Debts::default(), "nothing was written before");
        first.begin();
        first.end(&[outcome("/a", FileChange::Changed), outcome("/b", FileChange::Unchanged)]);
        let nothing: [&str; 0] = [];
        assert_eq!(open("m", None).foreign(), nothing);
        assert_eq!(open("n", Some("aws i-1")).foreign(), nothing, "asked elsewhere, or after a reboot");
        assert_eq!(open("n", None).foreign(), ["/a", "/b"]);
        let mut other = open("m", Some("aws i-2"));
        assert_eq!(other.foreign(), ["/a", "/b"]);
        other.begin();
        other.end(&[
            outcome("/a", FileChange::Changed),
            outcome("/b", FileChange::Failed("no room".to_owned())),
        ]);
        let mut again = open("m", Some("aws i-2"));
        assert_eq!(again.foreign(), ["/b"], "it is still the other's");
        again.end(&[outcome("/b", FileChange::TakenAway("x".to_owned()))]);
        assert_eq!(open("m", Some("aws i-3")).foreign(), ["/a"]);
    }

    #[test]
    fn a_reload_is_owed_until_it_was_done_and_after_a_crash_all_are() {
        let folder = tempfile::tempdir().unwrap();
        let open = || Record::open(folder.path().join("files.json"), binding("m"));
        let mut record = open();
        record.begin();
        assert!(open().debts().all_unreloaded, "it may have been cut off");
        record.end(&[outcome("/a", FileChange::NotReloaded("exit 1".to_owned()))]);
        assert_eq!(open().debts(), Debts { unreloaded: vec!["/a".to_owned()], ..Debts::default() });
        record.end(&[outcome("/a", FileChange::Unchanged)]);
        assert_eq!(open().debts(), Debts::default());
    }

    #[test]
    fn a_damaged_record_says_nothing_and_stops_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("files.json");
        for text in ["", "{", "[]", "{\"version\":2}"] {
            std::fs::write(&path, text).unwrap();
            let mut record = Record::open(path.clone(), binding("m"));
            record.is_for(None);
            assert_eq!(record.debts(), Debts::default(), "{text}");
            record.begin();
            record.end(&[outcome("/a", FileChange::Changed)]);
            let mut other = Record::open(path.clone(), binding("n"));
            other.is_for(None);
            assert_eq!(other.foreign(), ["/a"]);
        }
    }
}
