//! A disk in memory that forgets what wasn't synced, as a real one may when its power is cut.
//!
//! After a cut, content that wasn't synced may be there whole, in part, or not at all, and so may the latest changes of
//! names. The tests look at every state that is possible then.

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::io;
use std::path::{Path, PathBuf};

use imds_model::{Error, ErrorKind};

use super::steps::Steps;
use super::{Attributes, Target, commit, stage_at};

const PATH: &str = "/etc/agent.toml";
const OLD: &[u8] = b"level = 'info'\n";
const NEW: &[u8] = b"level = 'debug'\nregion = 'eu-west-1'\n";

/// Content as programs see it, and as it may be found after a cut.
#[derive(Clone, Debug, Default)]
struct Content {
    seen: Vec<u8>,
    durable: Vec<u8>,
    synced: bool,
}

impl Content {
    fn after_a_cut(&self) -> Vec<Vec<u8>> {
        if self.synced {
            return vec![self.durable.clone()];
        }
        let half = self.seen[..self.seen.len() / 2].to_vec();
        vec![self.durable.clone(), Vec::new(), half, self.seen.clone()]
    }
}

type Names = BTreeMap<PathBuf, usize>;

#[derive(Debug)]
struct Disk {
    contents: Vec<Content>,
    /// The names at the last sync of the directory, and after each change since then.
    names: Vec<Names>,
    /// How many steps there is power for.
    power: usize,
    /// A disk that only says that it has synced: what the tests have to notice.
    lies: bool,
}

impl Disk {
    fn new(old: Option<&[u8]>, power: usize) -> Self {
        let content = |text: &[u8]| Content { seen: text.to_vec(), durable: text.to_vec(), synced: true };
        let contents: Vec<Content> = old.map(content).into_iter().collect();
        let names: Names = old.map(|_| (PathBuf::from(PATH), 0)).into_iter().collect();
        Self { contents, names: vec![names], power, lies: false }
    }

    fn step(&mut self) -> io::Result<()> {
        self.power = self.power.checked_sub(1).ok_or_else(|| io::Error::other("the power is cut"))?;
        Ok(())
    }

    fn change_names(&mut self, change: impl FnOnce(&mut Names)) {
        let mut names = self.names.last().unwrap().clone();
        change(&mut names);
        self.names.push(names);
    }

    /// Everything that can be found at the path after a cut now.
    fn after_a_cut(&self) -> Vec<Option<Vec<u8>>> {
        let of = |names: &Names| match names.get(Path::new(PATH)) {
            Some(file) => self.contents[*file].after_a_cut().into_iter().map(Some).collect(),
            None => vec![None],
        };
        self.names.iter().flat_map(of).collect()
    }
}

impl Steps for Disk {
    type File = usize;

    fn create(&mut self, path: &Path, _private: bool) -> io::Result<usize> {
        self.step()?;
        self.contents.push(Content::default());
        let file = self.contents.len() - 1;
        self.change_names(|names| {
            names.insert(path.to_owned(), file);
        });
        Ok(file)
    }

    fn empty(&mut self, path: &Path) -> io::Result<usize> {
        self.step()?;
        let file = self.names.last().unwrap()[path];
        let content = &mut self.contents[file];
        content.seen.clear();
        content.synced = false;
        Ok(file)
    }

    fn write(&mut self, file: &mut usize, content: &[u8]) -> io::Result<()> {
        let cut = self.step();
        let written = if cut.is_ok() { content } else { &content[..content.len() / 2] };
        self.contents[*file].seen.extend_from_slice(written);
        self.contents[*file].synced = false;
        cut
    }

    fn keep(&mut self, _file: &usize, _old: &Metadata) -> io::Result<Option<String>> {
        self.step()?;
        Ok(None)
    }

    fn give(&mut self, _file: &usize, _attributes: &Attributes) -> io::Result<()> {
        self.step()
    }

    fn sync(&mut self, file: &usize) -> io::Result<()> {
        self.step()?;
        if !self.lies {
            let content = &mut self.contents[*file];
            content.durable = content.seen.clone();
            content.synced = true;
        }
        Ok(())
    }

    fn check(&mut self, _command: &[String], path: &Path) -> Result<(), Error> {
        self.step().map_err(|error| Error::new(ErrorKind::Internal, error.to_string()))?;
        assert_eq!(
            self.contents[self.names.last().unwrap()[path]].seen,
            NEW,
            "the check sees the whole file"
        );
        Ok(())
    }

    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        self.step()?;
        self.change_names(|names| {
            let file = names.remove(from).unwrap();
            names.insert(to.to_owned(), file);
        });
        Ok(())
    }

    fn sync_directory(&mut self, _path: &Path) -> io::Result<()> {
        self.step()?;
        self.names = self.names.split_off(self.names.len() - 1);
        Ok(())
    }

    fn remove(&mut self, path: &Path) -> io::Result<()> {
        self.step()?;
        self.change_names(|names| {
            names.remove(path);
        });
        Ok(())
    }
}

/// Writes with power for so many steps. Whether that was enough, and what may be found afterwards.
fn cut_after(steps: usize, old: Option<&[u8]>, lies: bool) -> (bool, Vec<Option<Vec<u8>>>) {
    let metadata = std::fs::metadata(env!("CARGO_MANIFEST_DIR")).unwrap();
    let mut disk = Disk { lies, ..Disk::new(old, steps) };
    let command = ["check".to_owned()];
    let target = Target {
        path: PathBuf::from(PATH),
        follow_symlinks: false,
        in_place_inode: false,
        check: Some(command.into()),
        attributes: Attributes::default(),
    };
    let staged = stage_at(&mut disk, target.path.clone(), old.map(|_| &metadata), &target, NEW);
    let done = staged.and_then(|staged| commit(&mut disk, staged, NEW)).is_ok();
    (done, disk.after_a_cut())
}

#[test]
fn a_power_cut_between_any_two_steps_leaves_the_old_file_or_the_new_one() {
    for (old, steps_in_all) in [(Some(OLD), 7), (None, 6)] {
        for steps in 0..=steps_in_all {
            let (done, found) = cut_after(steps, old, false);
            for content in &found {
                assert!(
                    content.as_deref() == old || content.as_deref() == Some(NEW),
                    "after {steps} steps: {:?}",
                    content.as_deref().map(String::from_utf8_lossy)
                );
            }
            assert_eq!(done, steps == steps_in_all, "after {steps} steps");
            if done {
                assert_eq!(found, [Some(NEW.to_vec())], "what was told to be done stays done");
            }
        }
    }
}

#[test]
fn without_the_sync_half_a_file_would_be_found() {
    let found: Vec<_> = (0..=7).flat_map(|steps| cut_after(steps, Some(OLD), true).1).collect();
    let half = found.iter().flatten().any(|content| content != OLD && content != NEW);
    assert!(half, "the disk of this test doesn't forget anything");
}
