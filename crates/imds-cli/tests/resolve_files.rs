//! `imds resolve` with files: which are read, which are written, and which never.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod folder;
mod process;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::process::Output;

use folder::Folder;
use process::{imds, stderr, stdout};

/// `imds resolve` in this folder, with these words.
fn resolve(folder: &Folder, line: &str) -> Output {
    imds("resolve").args(line.split_whitespace()).current_dir(folder.path()).output().unwrap()
}

fn resolved(folder: &Folder, line: &str) -> String {
    let output = resolve(folder, line);
    assert_eq!((output.status.code(), &*stderr(&output)), (Some(0), ""), "{line}");
    stdout(&output)
}

fn read(folder: &Folder, name: &str) -> String {
    fs::read_to_string(folder.path().join(name)).unwrap()
}

fn names(folder: &Folder) -> Vec<String> {
    let entries = fs::read_dir(folder.path()).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_file_is_replaced_only_if_it_changes_and_keeps_its_mode() {
    let folder = Folder::new();
    folder.write("app.conf.tmpl", "region=${cloud:Region}\n");
    folder.write("app.conf", "old");
    let path = folder.path().join("app.conf");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let old = fs::metadata(&path).unwrap();
    assert_eq!(resolved(&folder, "app.conf.tmpl -o app.conf --fake aws"), "");
    assert_eq!(read(&folder, "app.conf"), "region=eu-west-1\n");
    let new = fs::metadata(&path).unwrap();
    assert_eq!(new.mode() & 0o7777, 0o640);
    assert_ne!(old.ino(), new.ino(), "replaced, not written into");
    assert_eq!(resolved(&folder, "app.conf.tmpl -o app.conf --fake aws"), "");
    let again = fs::metadata(&path).unwrap();
    assert_eq!((again.ino(), again.mtime_nsec()), (new.ino(), new.mtime_nsec()), "nothing to change");
    assert_eq!(names(&folder), ["app.conf", "app.conf.tmpl"], "no temporary file is left");
}

#[test]
fn no_file_is_touched_if_anything_goes_wrong() {
    let folder = Folder::new();
    folder.write("in/a.tmpl", "${cloud:Region}");
    folder.write("in/b.tmpl", "x\n ${tag:none} ${tag:none2}");
    folder.write("in/c.json.tmpl", "{\"a\": }");
    folder.write("out/a", "old a");
    folder.write("out/b", "old b");
    let output = resolve(&folder, "in -o out --fake aws");
    assert_eq!(output.status.code(), Some(7));
    assert!(stderr(&output).contains("in/c.json.tmpl:1:"), "{}", stderr(&output));
    fs::remove_file(folder.path().join("in/c.json.tmpl")).unwrap();
    let output = resolve(&folder, "in -o out --fake aws");
    assert_eq!(output.status.code(), Some(7));
    let said = stderr(&output);
    assert!(
        said.contains("in/b.tmpl:2:2: ${tag:none}") && said.contains("in/b.tmpl:2:14: ${tag:none2}"),
        "{said}"
    );
    assert_eq!((&*read(&folder, "out/a"), &*read(&folder, "out/b")), ("old a", "old b"));

    fs::remove_file(folder.path().join("in/b.tmpl")).unwrap();
    folder.write("in/z.tmpl", "${cloud:Region}");
    symlink("elsewhere", folder.path().join("out/z")).unwrap();
    let output = resolve(&folder, "in -o out --fake aws");
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert_eq!(
        read(&folder, "out/a"),
        "old a",
        "the second target is known to be none before the first is written"
    );
}

#[test]
fn long_text_is_written_without_being_kept_and_a_file_may_be_its_own_result() {
    let folder = Folder::new();
    let line = "id=${aws:InstanceId} and a good deal of text that has no placeholder in it at all\n";
    let source = line.repeat(20_000);
    let expected = source.replace("${aws:InstanceId}", "i-0fedcba9876543210");
    for options in ["-o long.conf", "-o long.tmpl", "-o long.tmpl --in-place-inode"] {
        folder.write("long.tmpl", &source);
        let told = resolved(&folder, &format!("--fake aws long.tmpl {options}"));
        assert_eq!(told, "", "{options}");
        let result = options.split(' ').nth(1).unwrap();
        assert!(read(&folder, result) == expected, "{options}");
    }
}

#[test]
fn several_files_and_directories_go_into_a_directory() {
    let folder = Folder::new();
    folder.write("etc/b.yaml.tmpl", "b: ${cloud:Region}\n");
    folder.write("etc/a.tmpl", "a ${cloud:Region}\n");
    folder.write("etc/other", "${tag:none}");
    folder.write("etc/.hidden.tmpl", "${tag:none}");
    folder.write("etc/deeper/c.tmpl", "${tag:none}");
    folder.write("plain.conf", "c ${cloud:Region}\n");
    folder.write("out/.keep", "");
    assert_eq!(resolved(&folder, "etc plain.conf -o out --fake aws"), "");
    assert_eq!(read(&folder, "out/a"), "a eu-west-1\n");
    assert_eq!(read(&folder, "out/b.yaml"), "b: \"eu-west-1\"\n");
    assert_eq!(read(&folder, "out/plain.conf"), "c eu-west-1\n");
    assert_eq!(fs::read_dir(folder.path().join("out")).unwrap().count(), 4);

    let list = resolved(&folder, "etc plain.conf --list");
    let places: Vec<&str> = list.lines().skip(1).filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(
        places,
        ["etc/a.tmpl:1:3", "etc/b.yaml.tmpl:1:4", "plain.conf:1:3"],
        "in the order of their names"
    );

    assert_eq!(resolved(&folder, "etc/a.tmpl -o out --fake aws:spot-asg"), "", "one file into a directory");
    assert_eq!(read(&folder, "out/a"), "a us-east-1\n");

    for (line, word) in [
        ("etc plain.conf --fake aws", "stdout"),
        ("etc -o nowhere --fake aws", "no such directory"),
        ("etc/a.tmpl etc/../etc/a.tmpl -o out --fake aws", "two results"),
        ("- -o out --fake aws", "stdin"),
        ("- - --list", "only once"),
        ("out --fake aws -o out", "no *.tmpl"),
        ("plain.conf --check true", "--output"),
        ("plain.conf -o x --check '", "quote"),
    ] {
        let output = resolve(&folder, line);
        assert_eq!(output.status.code(), Some(2), "{line}");
        assert!(stderr(&output).contains(word), "{line}: {}", stderr(&output));
    }
}

#[test]
fn the_metadata_is_read_once_for_all_files() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let fake = runtime.block_on(imds_fake::Fake::start(imds_fake::Scenario::parse("aws").unwrap())).unwrap();
    let folder = Folder::new();
    let count = || fake.requests().len();
    folder.write("a.tmpl", "${cloud:Region} ${cloud:InstanceId}");
    resolved(&folder, &format!("a.tmpl --endpoint {} --cloud aws", fake.url()));
    let one = count();
    for name in ["b.tmpl", "c.tmpl", "d.tmpl"] {
        folder.write(name, "${cloud:InstanceId} ${cloud:Region} ${cloud:Region}");
    }
    resolved(&folder, &format!(". --diff --endpoint {} --cloud aws", fake.url()));
    assert_eq!(count(), 2 * one);
    let _inside = runtime.enter();
    drop(fake);
}

#[test]
fn a_check_decides_before_the_file_is_replaced() {
    let folder = Folder::new();
    folder.write("a.tmpl", "${cloud:Region}");
    folder.write("a.conf", "old");
    let check = |command: &str| {
        imds("resolve a.tmpl -o a.conf --fake aws --check")
            .arg(command)
            .current_dir(folder.path())
            .output()
            .unwrap()
    };
    let output = check("grep -q us-east-1");
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stderr(&output).contains("grep refuses"), "{}", stderr(&output));
    assert_eq!(read(&folder, "a.conf"), "old");
    let output = check("sh -c 'grep -q old a.conf && cat \"$1\"' sh");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!((&*stdout(&output), &*stderr(&output)), ("", "eu-west-1"), "stdout is for results");
    assert_eq!(read(&folder, "a.conf"), "eu-west-1");
    assert_eq!(check("false").status.code(), Some(0), "nothing to change, nothing to check");
    assert_eq!(names(&folder), ["a.conf", "a.tmpl"]);
}

#[test]
fn a_check_that_refuses_one_of_several_leaves_all_as_they_were() {
    let folder = Folder::new();
    folder.write("a.tmpl", "good ${aws:Region}\n");
    folder.write("b.tmpl", "bad ${aws:Region}\n");
    folder.write("out/a", "old a\n");
    folder.write("out/b", "old b\n");
    let output = imds("resolve a.tmpl b.tmpl -o out --fake aws --check")
        .arg("grep -q good")
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_eq!(
        (read(&folder, "out/a"), read(&folder, "out/b")),
        ("old a\n".to_owned(), "old b\n".to_owned())
    );
}

#[test]
fn a_difference_is_shown_and_nothing_written() {
    let folder = Folder::new();
    folder.write("a.tmpl", "one\n${cloud:Region}\nthree\n");
    folder.write("a.conf", "one\nus-east-1\nthree\n");
    let expected = "--- a.conf\n+++ a.conf\n@@ -1,3 +1,3 @@\n one\n-us-east-1\n+eu-west-1\n three\n";
    assert_eq!(resolved(&folder, "a.tmpl -o a.conf --diff --check false --fake aws"), expected);
    assert_eq!(read(&folder, "a.conf"), "one\nus-east-1\nthree\n");
    assert_eq!(resolved(&folder, "a.tmpl -o a.conf --diff --fake aws:spot-asg"), "");
    let own = resolved(&folder, "a.tmpl --diff --fake aws");
    assert!(own.contains("\n-${cloud:Region}\n+eu-west-1\n"), "{own}");
    let new = resolved(&folder, "a.tmpl -o new --diff --fake aws");
    assert!(new.starts_with("--- /dev/null\n+++ new\n"), "{new}");
    assert_eq!(names(&folder), ["a.conf", "a.tmpl"]);
}

#[test]
fn links_are_followed_only_if_wanted_and_inodes_kept_if_wanted() {
    let folder = Folder::new();
    folder.write("a.tmpl", "${cloud:Region}");
    folder.write("real", "old");
    symlink("real", folder.path().join("link")).unwrap();
    let output = resolve(&folder, "a.tmpl -o link --fake aws");
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert_eq!(read(&folder, "real"), "old");
    let inode = fs::metadata(folder.path().join("real")).unwrap().ino();
    resolved(&folder, "a.tmpl -o link --fake aws --follow-symlinks --in-place-inode");
    assert_eq!(read(&folder, "real"), "eu-west-1");
    assert!(fs::symlink_metadata(folder.path().join("link")).unwrap().is_symlink());
    assert_eq!(fs::metadata(folder.path().join("real")).unwrap().ino(), inode);
}

#[test]
fn the_results_name_tells_the_format_where_the_sources_doesnt() {
    let folder = Folder::new();
    folder.write("settings", "a: ${aws:AccountId}\n");
    resolved(&folder, "settings -o settings.yaml --fake aws:spot-asg");
    assert_eq!(read(&folder, "settings.yaml"), "a: \"012345678901\"\n");
    assert_eq!(resolved(&folder, "settings -o - --fake aws:spot-asg"), "a: 012345678901\n");
}
