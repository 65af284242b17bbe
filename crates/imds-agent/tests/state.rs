//! The state's file against the worst that can happen to the one who writes it.
#![cfg(target_os = "linux")]
#![expect(clippy::print_stderr, reason = "what runs in a process of its own tells the test so")]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use imds::model::{CloudName, Source, Value};
use imds::{Field, Metadata, Reading};
use imds_agent::clock::Moment;
use imds_agent::state::{Binding, Refused, load, save};

/// Set for the process that writes until it is killed.
const WRITER: &str = "IMDS_AGENT_TEST_STATE";

fn binding() -> Binding {
    Binding { machine: "m".to_owned(), unique: true, boot: Some("b".to_owned()) }
}

/// Large enough that writing takes more than one step, and consistent in itself.
fn metadata(count: u64) -> Metadata {
    let mut metadata = Metadata::new(CloudName::AWS);
    let text = |text: String| Reading::known(Value::Text(text), Source::Mock);
    metadata.set(Field::InstanceId, text(format!("i-{count:017x}")));
    let tags = (0..500).map(|index| (format!("key-{index}"), format!("{count:0200}"))).collect();
    metadata.set(Field::Tags, Reading::known(Value::Tags(tags), Source::Mock));
    metadata
}

/// Not a test of its own: what the next one runs and kills.
#[test]
fn writer() {
    let Ok(path) = std::env::var(WRITER) else { return };
    for count in 1.. {
        save(Path::new(&path), &binding(), &metadata(count), Moment::now()).unwrap();
        eprintln!("written {count}");
    }
}

#[test]
fn a_writer_that_is_killed_leaves_a_whole_state() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state.json");
    for round in 0..8 {
        let mut writer = Command::new(std::env::current_exe().unwrap())
            .args(["writer", "--exact", "--nocapture", "--test-threads=1"])
            .env(WRITER, &path)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(writer.stderr.take().unwrap()).lines();
        // Somewhere in the write after that many.
        let last = lines.by_ref().map(Result::unwrap).filter(|line| line.starts_with("written")).nth(round);
        let last: u64 = last.unwrap().rsplit(' ').next().unwrap().parse().unwrap();
        writer.kill().unwrap();
        writer.wait().unwrap();
        let restored = load(&path, &binding(), Moment::now()).unwrap().unwrap();
        let metadata = &restored.metadata;
        let id = metadata.text(Field::InstanceId).unwrap();
        let count = u64::from_str_radix(id.trim_start_matches("i-"), 16).unwrap();
        assert!(count >= last, "what was written is there: {count} of {last}");
        assert!(metadata.tags().unwrap().values().all(|value| value.parse() == Ok(count)), "{count}");
    }
}

/// A file system of a few pages in a namespace of its own; nothing outside sees it.
#[test]
fn a_full_disk_keeps_the_old_state() {
    let directory = tempfile::tempdir().unwrap();
    let mount = directory.path().display();
    let script = format!(
        "mount -t tmpfs -o size=256k tmpfs {mount} && exec \"$0\" on_the_full_disk --exact --nocapture"
    );
    let mut unshare = Command::new("unshare");
    unshare.args(["--user", "--map-root-user", "--mount", "sh", "-c", &script]);
    let output =
        unshare.arg(std::env::current_exe().unwrap()).env("IMDS_AGENT_TEST_DISK", directory.path()).output();
    let output = output.unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    // Where namespaces are forbidden there is no small disk to be had.
    if said.contains("Operation not permitted") || said.contains("unshare failed") {
        return;
    }
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stdout));
    assert!(said.contains("the disk was full"), "{said}");
}

/// Not a test of its own: what the one above runs on its disk.
#[test]
fn on_the_full_disk() {
    let Ok(disk) = std::env::var("IMDS_AGENT_TEST_DISK") else { return };
    let path = Path::new(&disk).join("state.json");
    save(&path, &binding(), &metadata(1), Moment::now()).unwrap();
    let rest = std::fs::File::create(Path::new(&disk).join("ballast")).unwrap();
    let mut full = 0;
    while std::io::Write::write(&mut &rest, &[0; 4096]).is_ok_and(|written| written > 0) {
        full += 1;
    }
    let error = save(&path, &binding(), &metadata(2), Moment::now()).unwrap_err();
    eprintln!("the disk was full after {full} pages: {error}");
    let restored = load(&path, &binding(), Moment::now()).unwrap().unwrap();
    assert_eq!(restored.metadata.text(Field::InstanceId), Some("i-00000000000000001"));
    let names = std::fs::read_dir(&disk).unwrap().count();
    assert_eq!(names, 2, "no half-written file is left behind");
}

#[test]
fn a_state_of_another_machine_is_refused_by_name() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state.json");
    save(&path, &binding(), &metadata(1), Moment::now()).unwrap();
    let other = Binding { machine: "n".to_owned(), ..binding() };
    let refused = load(&path, &other, Moment::now()).unwrap_err();
    assert!(matches!(refused, Refused::OtherMachine), "{refused}");
    assert!(refused.to_string().contains("another machine"));
}
