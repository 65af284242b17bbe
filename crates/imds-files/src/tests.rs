use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;

const OLD: &[u8] = b"old\n";
const NEW: &[u8] = b"new and longer\n";

/// A directory of its own, gone with the value.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("imds-write-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn with_old() -> Self {
        let folder = Self::new();
        fs::write(folder.path("file.toml"), OLD).unwrap();
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn target(&self, name: &str) -> Target {
        Target {
            path: self.path(name),
            follow_symlinks: false,
            in_place_inode: false,
            check: None,
            attributes: Attributes::default(),
        }
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const CHANGED: Written = Written::Changed { warning: None };

fn shell(script: &str) -> Option<Vec<String>> {
    Some(["sh", "-euc", script, "check"].map(str::to_owned).to_vec())
}

#[test]
fn a_new_file_is_made_as_the_process_makes_files() {
    let folder = Folder::new();
    let target = folder.target("file.toml");
    fs::write(folder.path("usual"), "").unwrap();
    assert_eq!(replace(&target, NEW).unwrap(), CHANGED);
    assert_eq!(fs::read(&target.path).unwrap(), NEW);
    let mode = |name: &str| fs::metadata(folder.path(name)).unwrap().mode();
    assert_eq!(mode("file.toml"), mode("usual"));
    assert_eq!(folder.names(), ["file.toml", "usual"]);
}

#[test]
fn mode_and_owner_are_kept() {
    let folder = Folder::with_old();
    let target = folder.target("file.toml");
    let root = rustix::process::geteuid().is_root();
    if root {
        std::os::unix::fs::chown(&target.path, Some(1234), Some(2345)).unwrap();
    }
    fs::set_permissions(&target.path, fs::Permissions::from_mode(0o4751)).unwrap();
    let before = fs::metadata(&target.path).unwrap();
    assert_eq!(replace(&target, NEW).unwrap(), CHANGED);
    let after = fs::metadata(&target.path).unwrap();
    assert_eq!((after.mode(), after.uid(), after.gid()), (before.mode(), before.uid(), before.gid()));
    assert_ne!(after.ino(), before.ino());
}

#[test]
fn an_owner_that_cant_be_kept_is_told() {
    // Root owns what is at the top; nobody else can make a file look so.
    let folder = Folder::with_old();
    let old = fs::metadata("/").unwrap();
    let file = File::options().write(true).open(folder.path("file.toml")).unwrap();
    fs::set_permissions(folder.path("file.toml"), fs::Permissions::from_mode(0o600)).unwrap();
    let warning = FileSystem::default().keep(&file, &old).unwrap();
    let now = file.metadata().unwrap();
    assert_eq!(now.mode() & 0o777, old.mode() & 0o777);
    assert_eq!(warning.is_none(), now.uid() == old.uid() && now.gid() == old.gid(), "{warning:?}");
    if !rustix::process::geteuid().is_root() {
        assert!(warning.unwrap().contains("its owner 0"));
    }
}

#[test]
fn the_same_content_touches_nothing() {
    let folder = Folder::with_old();
    let target = Target { check: shell("exit 1"), ..folder.target("file.toml") };
    let before = fs::metadata(&target.path).unwrap();
    assert_eq!(replace(&target, OLD).unwrap(), Written::Unchanged);
    let after = fs::metadata(&target.path).unwrap();
    assert_eq!((after.ino(), after.mtime_nsec()), (before.ino(), before.mtime_nsec()));
    // Of the same length, and equal for longer than one piece of the comparison.
    let long = vec![b'x'; 200_000];
    replace(&folder.target("long"), &*long).unwrap();
    let mut other = long.clone();
    *other.last_mut().unwrap() = b'y';
    assert_eq!(replace(&folder.target("long"), &*long).unwrap(), Written::Unchanged);
    assert_eq!(replace(&folder.target("long"), &*other).unwrap(), CHANGED);
    assert_eq!(fs::read(folder.path("long")).unwrap(), other);
}

#[test]
fn a_symbolic_link_is_followed_only_when_told() {
    let folder = Folder::with_old();
    symlink("second", folder.path("first")).unwrap();
    symlink("file.toml", folder.path("second")).unwrap();
    let error = replace(&folder.target("first"), NEW).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Usage);
    assert!(error.remedy().unwrap().contains("--follow-symlinks"));
    assert_eq!(current(&folder.target("first")).unwrap_err().kind(), ErrorKind::Usage);
    assert_eq!(fs::read(folder.path("file.toml")).unwrap(), OLD);

    let followed = Target { follow_symlinks: true, ..folder.target("first") };
    assert_eq!(current(&followed).unwrap().as_deref(), Some(OLD));
    assert_eq!(replace(&followed, NEW).unwrap(), CHANGED);
    assert_eq!(fs::read(folder.path("file.toml")).unwrap(), NEW);
    assert!(folder.path("first").is_symlink() && folder.path("second").is_symlink());

    symlink("not/yet", folder.path("dangling")).unwrap();
    let dangling = Target { follow_symlinks: true, ..folder.target("dangling") };
    assert_eq!(replace(&dangling, NEW).unwrap_err().kind(), ErrorKind::Usage, "no such directory");
    symlink("round", folder.path("round")).unwrap();
    let round = Target { follow_symlinks: true, ..folder.target("round") };
    assert!(replace(&round, NEW).unwrap_err().message().contains("too many"));
}

#[test]
fn only_regular_files_are_replaced() {
    let folder = Folder::new();
    fs::create_dir(folder.path("directory")).unwrap();
    for path in [folder.path("directory"), PathBuf::from("/dev/null")] {
        let error = replace(&Target { path, ..folder.target("") }, NEW).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage, "{error}");
    }
    let error = replace(&folder.target("no/such/file"), NEW).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Usage, "{error}");
}

#[test]
fn in_place_the_file_stays_the_same_one() {
    let folder = Folder::with_old();
    let marker = folder.path("checked");
    let script = format!("grep -q longer \"$1\" && echo \"$1\" > '{}'", marker.display());
    for check in [None, shell(&script)] {
        let target = Target { in_place_inode: true, check, ..folder.target("file.toml") };
        let before = fs::metadata(&target.path).unwrap().ino();
        assert_eq!(replace(&target, NEW).unwrap(), CHANGED);
        assert_eq!(fs::metadata(&target.path).unwrap().ino(), before);
        assert_eq!(fs::read(&target.path).unwrap(), NEW);
        fs::write(&target.path, OLD).unwrap();
    }
    assert_ne!(fs::read_to_string(&marker).unwrap().trim(), folder.path("file.toml").to_str().unwrap());
    assert_eq!(folder.names(), ["checked", "file.toml"]);

    let refused = Target { in_place_inode: true, check: shell("exit 3"), ..folder.target("file.toml") };
    assert_eq!(replace(&refused, NEW).unwrap_err().kind(), ErrorKind::Internal);
    assert_eq!(fs::read(&refused.path).unwrap(), OLD);
    assert_eq!(folder.names(), ["checked", "file.toml"]);
}

#[test]
fn a_check_sees_the_new_file_before_the_old_one_goes() {
    let folder = Folder::with_old();
    let old = folder.path("file.toml");
    let script = format!(
        "case $1 in /*/.imds-*.toml) ;; *) exit 9;; esac; grep -q longer \"$1\"; grep -q old '{}'",
        old.display()
    );
    let target = Target { check: shell(&script), ..folder.target("file.toml") };
    assert_eq!(replace(&target, NEW).unwrap(), CHANGED);
    assert_eq!(fs::read(&old).unwrap(), NEW);
}

#[test]
fn a_check_that_fails_changes_nothing() {
    let folder = Folder::with_old();
    for (check, reason) in [
        (shell("exit 3"), "exit status: 3"),
        (shell("kill -9 $$"), "signal: 9"),
        (Some(vec!["/no/such/check".to_owned()]), "can't be run"),
        (Some(Vec::new()), "no command"),
    ] {
        let error = replace(&Target { check, ..folder.target("file.toml") }, NEW).unwrap_err();
        assert_eq!(error.kind().exit_code(), 1);
        assert!(error.message().contains(reason), "{error}");
        assert_eq!(fs::read(folder.path("file.toml")).unwrap(), OLD);
        assert_eq!(folder.names(), ["file.toml"]);
    }
}

/// The real file system, but for one step that fails, or for all after it too: as if the process were killed there.
struct Failing {
    /// How many steps succeed.
    left: usize,
    killed: bool,
    real: FileSystem<'static>,
}

impl Failing {
    fn step(&mut self) -> io::Result<()> {
        match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => {
                // Only one step fails; cleaning up works, unless there is nobody left to do it.
                self.left = if self.killed { 0 } else { usize::MAX };
                Err(io::Error::other("failing on purpose"))
            }
        }
    }
}

impl Steps for Failing {
    type File = File;

    fn create(&mut self, path: &Path, private: bool) -> io::Result<File> {
        self.step()?;
        self.real.create(path, private)
    }

    fn empty(&mut self, path: &Path) -> io::Result<File> {
        self.step()?;
        self.real.empty(path)
    }

    fn write(&mut self, file: &mut File, content: &[u8]) -> io::Result<()> {
        let step = self.step();
        self.real.write(file, if step.is_ok() { content } else { &content[..3] })?;
        step
    }

    fn keep(&mut self, file: &File, old: &Metadata) -> io::Result<Option<String>> {
        self.step()?;
        self.real.keep(file, old)
    }

    fn give(&mut self, file: &File, attributes: &Attributes) -> io::Result<()> {
        self.step()?;
        self.real.give(file, attributes)
    }

    fn sync(&mut self, file: &File) -> io::Result<()> {
        self.step()?;
        self.real.sync(file)
    }

    fn check(&mut self, command: &[String], path: &Path) -> Result<(), Error> {
        self.step().map_err(|error| failed(path, "can't be checked", error))?;
        self.real.check(command, path)
    }

    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        self.step()?;
        self.real.rename(from, to)
    }

    fn sync_directory(&mut self, path: &Path) -> io::Result<()> {
        self.step()?;
        self.real.sync_directory(path)
    }

    fn remove(&mut self, path: &Path) -> io::Result<()> {
        self.step()?;
        self.real.remove(path)
    }
}

#[test]
fn a_step_that_fails_leaves_the_old_file_and_nothing_else() {
    for killed in [false, true] {
        for left in 0.. {
            let folder = Folder::with_old();
            let target = Target { check: shell("test -s \"$1\""), ..folder.target("file.toml") };
            let result = replace_by(&mut Failing { left, killed, real: FileSystem::default() }, &target, NEW);
            let found = fs::read(&target.path).unwrap();
            if result.is_ok() {
                assert_eq!((left, &*found), (7, NEW));
                break;
            }
            // The last step syncs the directory, after the rename.
            assert_eq!(found, if left < 6 { OLD } else { NEW }, "step {left}");
            if !killed {
                assert_eq!(folder.names(), ["file.toml"], "step {left}");
            }
        }
    }
}

#[test]
fn a_check_in_place_cleans_up_too() {
    for left in 0..=3 {
        let folder = Folder::with_old();
        let target = Target { in_place_inode: true, check: shell("exit 0"), ..folder.target("file.toml") };
        let mut failing = Failing { left, killed: false, real: FileSystem::default() };
        replace_by(&mut failing, &target, NEW).unwrap_err();
        assert_eq!(fs::read(&target.path).unwrap(), OLD, "step {left}");
        // Where removing is what fails, the file that can't be removed stays; it is named.
        assert_eq!(folder.names().len(), if left == 3 { 2 } else { 1 }, "step {left}");
    }
}

#[test]
fn several_files_are_replaced_together_or_not_at_all() {
    let folder = Folder::with_old();
    fs::write(folder.path("second.toml"), OLD).unwrap();
    let first = Target { check: shell("exit 0"), ..folder.target("file.toml") };
    let refused = Target { check: shell("exit 1"), ..folder.target("second.toml") };
    let files: [(&Target, &dyn Produce); 2] = [(&first, &NEW.to_vec()), (&refused, &NEW.to_vec())];
    replace_all(&files).unwrap_err();
    assert_eq!(fs::read(&first.path).unwrap(), OLD);
    assert_eq!(fs::read(&refused.path).unwrap(), OLD);
    assert_eq!(folder.names(), ["file.toml", "second.toml"]);

    let accepted = Target { check: None, ..refused.clone() };
    let files: [(&Target, &dyn Produce); 2] = [(&first, &NEW.to_vec()), (&accepted, &NEW.to_vec())];
    assert_eq!(replace_all(&files).unwrap(), [CHANGED, CHANGED]);
    assert_eq!(fs::read(&first.path).unwrap(), NEW);
    assert_eq!(fs::read(&accepted.path).unwrap(), NEW);
}

#[test]
fn a_mode_that_is_wanted_is_given_and_counts_as_a_change() {
    let folder = Folder::with_old();
    let attributes = Attributes { mode: Some(0o640), ..Attributes::default() };
    let target = Target { attributes, ..folder.target("file.toml") };
    assert_eq!(replace(&target, OLD).unwrap(), CHANGED);
    assert_eq!(fs::metadata(&target.path).unwrap().mode() & 0o7777, 0o640);
    assert_eq!(replace(&target, OLD).unwrap(), Written::Unchanged);
}

#[test]
fn temporary_names_are_never_the_same() {
    let names: std::collections::BTreeSet<u64> = (0..100).map(|_| unforeseeable()).collect();
    assert_eq!(names.len(), 100);
}

#[test]
fn differences_are_shown_as_a_unified_diff() {
    let path = Path::new("/etc/agent.toml");
    assert_eq!(
        diff(Some(b"a\nb\nc\n"), b"a\nB\nc\n", path),
        "--- /etc/agent.toml\n+++ /etc/agent.toml\n@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n"
    );
    assert_eq!(diff(None, b"a\n", path), "--- /dev/null\n+++ /etc/agent.toml\n@@ -0,0 +1 @@\n+a\n");
    assert_eq!(diff(Some(b"a\n"), b"a\n", path), "");
    assert!(diff(Some(b"a\n"), b"a", path).contains("No newline at end of file"));
}

#[test]
fn a_check_may_be_run_by_the_caller() {
    let folder = Folder::with_old();
    let target =
        Target { check: Some(vec!["judge".to_owned(), "it".to_owned()]), ..folder.target("file.toml") };
    let asked = std::cell::RefCell::new(Vec::new());
    let refuse = |command: &[String], path: &Path| {
        asked.borrow_mut().push((command.to_vec(), fs::read(path).unwrap()));
        Err(Error::new(ErrorKind::Internal, "no"))
    };
    assert!(replace_with_runner(&target, NEW, &refuse).is_err());
    assert_eq!(*asked.borrow(), [(vec!["judge".to_owned(), "it".to_owned()], NEW.to_vec())]);
    assert_eq!(fs::read(&target.path).unwrap(), OLD);
    assert_eq!(replace_with_runner(&target, NEW, &|_, _| Ok(())).unwrap(), CHANGED);
    assert_eq!(fs::read(&target.path).unwrap(), NEW);
}

#[test]
fn what_a_process_left_that_was_ended_goes_and_nothing_else() {
    let folder = Folder::new();
    let left = [".imds-0123456789abcdef", ".imds-0123456789abcdef.conf"];
    let others =
        [".imds-0123456789abcde", ".imds-0123456789ABCDEF.conf", "imds-0123456789abcdef", "file.toml"];
    for name in left.iter().chain(&others) {
        fs::write(folder.path(name), OLD).unwrap();
    }
    symlink(folder.path("file.toml"), folder.path(".imds-fedcba9876543210")).unwrap();
    fs::create_dir(folder.path(".imds-aaaaaaaaaaaaaaaa")).unwrap();
    assert!(
        remove_leftovers(&folder.0, Duration::from_secs(600)).unwrap().is_empty(),
        "somebody may write it"
    );
    let mut removed = remove_leftovers(&folder.0, Duration::ZERO).unwrap();
    removed.sort();
    assert_eq!(removed, left.map(|name| folder.path(name)));
    assert_eq!(fs::read_dir(&folder.0).unwrap().count(), others.len() + 2);
}

#[test]
fn a_file_that_is_being_written_has_the_name_that_is_looked_for() {
    let folder = Folder::with_old();
    let (path, _file) =
        create_beside(&mut FileSystem { runner: None }, &folder.path("file.toml"), true).unwrap();
    assert_eq!(remove_leftovers(&folder.0, Duration::ZERO).unwrap(), [path]);
}
