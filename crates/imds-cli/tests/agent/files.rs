//! Files that the agent writes.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::daemon::{Running, Service, config, path, run, text};
use crate::folder::Folder;

fn read(folder: &Folder, name: &str) -> String {
    fs::read_to_string(folder.path().join(name)).unwrap_or_else(|error| format!("{name}: {error}"))
}

fn mode(folder: &Folder, name: &str) -> u32 {
    fs::metadata(folder.path().join(name)).unwrap().permissions().mode() & 0o777
}

#[test]
fn templates_variables_and_values_are_written_checked_and_told_of() {
    let folder = Folder::new();
    folder.write("app.yaml.tmpl", "name: ${tag:Name}\nregion: ${cloud:Region} # here\n");
    let file = config(
        &folder,
        r#"
[env_file]
path = "metadata.env"
mode = "0640"
prefix = "CLOUD_"
[values]
directory = "values"
[[files]]
template = "app.yaml.tmpl"
target = "app.yaml"
mode = "0604"
check = ["/bin/sh", "-c", "grep -q region \"$0\" && cp \"$0\" \"$(dirname \"$0\")/checked\""]
reload = ["/bin/sh", "-c", "id -u; cp \"$0/app.yaml\" \"$0/reloaded\"", "FOLDER"]
"#
        .replace("FOLDER", path(folder.path()))
        .as_str(),
    );
    let mut agent = Running::start(&folder, &["--config", path(&file), "--fake", "aws:spot-asg"]);
    agent.hears("READY=1");
    for name in ["app.yaml", "metadata.env", "values"] {
        agent.logs(&format!("written path=\"{}/{name}\"", folder.path().display()));
    }
    let written = "name: \"worker \\\"blue\\\" / 7\"\nregion: \"us-east-1\" # here\n";
    for name in ["app.yaml", "checked", "reloaded"] {
        assert_eq!(read(&folder, name), written, "{name}");
    }
    let variables = read(&folder, "metadata.env");
    assert!(variables.lines().any(|line| line == "CLOUD_INSTANCE_ID=\"i-0a1b2c3d4e5f67890\""), "{variables}");
    assert_eq!(read(&folder, "values/account_id"), "012345678901");
    assert_eq!(read(&folder, "values/tags/empty"), "");
    let modes = ["app.yaml", "metadata.env", "values/region", "values/account_id", "values/tags/Name"];
    assert_eq!(modes.map(|name| mode(&folder, name)), [0o604, 0o640, 0o644, 0o640, 0o640]);
}

#[test]
fn a_check_that_fails_keeps_the_old_file_and_harms_nothing_else() {
    let folder = Folder::new();
    folder.write("one.tmpl", "${cloud:Region}");
    folder.write("one", "the old one");
    let file = config(
        &folder,
        r#"
[[files]]
template = "one.tmpl"
target = "one"
check = ["false"]
reload = ["touch", "never"]
[[files]]
template = "one.tmpl"
target = "two"
"#,
    );
    let mut agent = Running::start(&folder, &["--config", path(&file), "--fake", "aws"]);
    let said = agent.logs("not written");
    assert!(said.contains("/one\"") && said.contains("false"), "{said}");
    agent.logs("written path=");
    assert_eq!((read(&folder, "one"), read(&folder, "two")), ("the old one".into(), "eu-west-1".into()));
    agent.signal("-TERM");
    assert_eq!(agent.ends(), Some(0));
    let mut names: Vec<_> =
        fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["agent.toml", "notify", "one", "one.tmpl", "two"], "nothing else is left");
}

#[test]
fn what_changes_is_written_again_and_what_the_service_forgets_is_kept() {
    let folder = Folder::new();
    let service = Service::of("aws:spot-asg");
    folder.write("name.tmpl", "${tag:Name}");
    let more = "[[files]]\ntemplate = \"name.tmpl\"\ntarget = \"name\"\n";
    let file = config(&folder, &(service.metadata() + more));
    let mut agent = Running::start(&folder, &["--config", path(&file)]);
    agent.logs("written path=");
    assert_eq!(read(&folder, "name"), "worker \"blue\" / 7");
    service.fake.set("meta-data/tags/instance/Name", "green").unwrap();
    agent.logs("written path=");
    assert_eq!(read(&folder, "name"), "green");
    service.fake.inject("503".parse().unwrap());
    agent.logs("metadata can't be read");
    assert_eq!(read(&folder, "name"), "green");
}

#[test]
fn a_hang_up_brings_other_files_and_a_mistake_in_them_changes_nothing() {
    let folder = Folder::new();
    folder.write("one.tmpl", "${cloud:Region}");
    let one = "[[files]]\ntemplate = \"one.tmpl\"\ntarget = \"one\"\n";
    let file = config(&folder, one);
    let mut agent = Running::start(&folder, &["--config", path(&file), "--fake", "aws"]);
    agent.logs("written path=");
    config(&folder, &format!("{one}owner = \"nobody-of-this-name\"\n"));
    agent.signal("-HUP");
    let said = agent.logs("the configuration stays as it was");
    assert!(said.contains("/one: ") && said.contains("nobody-of-this-name"), "{said}");
    folder.write("one.tmpl", "in ${cloud:Region}");
    config(&folder, &format!("{one}[env_file]\npath = \"env\"\n"));
    agent.signal("-HUP");
    agent.logs("the configuration was read anew");
    agent.logs("/env\"");
    assert_eq!(read(&folder, "one"), "in eu-west-1", "the template is another, too");
    assert!(read(&folder, "env").contains("IMDS_REGION=\"eu-west-1\""));
}

#[test]
fn the_first_file_of_an_agent_that_had_none_counts_from_the_next_start_and_is_said_to() {
    let folder = Folder::new();
    let file = config(&folder, "");
    let mut agent = Running::start(&folder, &["--config", path(&file), "--fake", "aws"]);
    agent.hears("READY=1");
    config(&folder, "[env_file]\npath = \"env\"\n");
    agent.signal("-HUP");
    agent.logs("files is another now, and counts from the next start on");
    agent.logs("the configuration was read anew");
}

#[test]
fn owners_and_hooks_that_there_are_not_are_told_by_the_check_and_nothing_starts() {
    let folder = Folder::new();
    let file =
        config(&folder, "[[files]]\ntemplate = \"t\"\ntarget = \"o\"\nowner = \"nobody-of-this-name\"\n");
    for arguments in [&["--check", "--config", path(&file)][..], &["--config", path(&file)]] {
        let ended = run(arguments);
        assert_eq!(ended.status.code(), Some(2), "{}", text(&ended.stderr));
        assert!(text(&ended.stderr).contains("nobody-of-this-name"), "{}", text(&ended.stderr));
    }
    assert!(!folder.path().join("imds.sock").exists());
}

/// A file of each sort, in which there is a value that can be kept from being read.
const EACH_SORT: &str = "[env_file]\npath = \"env\"\n[values]\ndirectory = \"values\"\n\
                         [[files]]\ntemplate = \"app.tmpl\"\ntarget = \"app.conf\"\n";
const EACH: [&str; 4] = ["env", "app.conf", "values/instance_id", "values/instance_name"];

/// Has an agent write a file of each sort for a machine, and ends it.
fn written_for_a_machine(folder: &Folder) {
    let service = Service::of("aws");
    folder.write("app.tmpl", "id=${aws:InstanceId} name=${tag:Name}\n");
    let file = config(folder, &(service.metadata() + EACH_SORT));
    let mut agent = Running::start(folder, &["--config", path(&file)]);
    for name in ["app.conf", "env", "values"] {
        agent.logs(&format!("written path=\"{}/{name}\"", folder.path().display()));
    }
    agent.signal("-TERM");
    assert_eq!(agent.ends(), Some(0));
    assert_eq!(read(folder, "app.conf"), "id=i-0fedcba9876543210 name=web-17\n");
    assert!(EACH.iter().all(|name| folder.path().join(name).exists()));
}

#[test]
fn a_clone_wears_nothing_of_its_original() {
    let folder = Folder::new();
    written_for_a_machine(&folder);
    let clone = Service::of("aws");
    clone.fake.set("meta-data/instance-id", "i-0aaaaaaaaaaaaaaaa").unwrap();
    clone.fake.inject("503:/latest/meta-data/tags".parse().unwrap());
    let file = config(&folder, &(clone.metadata() + EACH_SORT));
    let mut agent = Running::start_again(&folder, &["--config", path(&file)]);
    agent.logs("taken away, since it was written for another machine");
    clone.until("nothing is of the original", || {
        read(&folder, "values/instance_id") == "i-0aaaaaaaaaaaaaaaa"
            && read(&folder, "env").contains("INSTANCE_ID=\"i-0aaaaaaaaaaaaaaaa\"")
    });
    assert!(!read(&folder, "env").contains("web-17"), "{}", read(&folder, "env"));
    for name in ["app.conf", "values/instance_name", "values/tags/Name"] {
        assert!(!folder.path().join(name).exists(), "{name}: {}", read(&folder, name));
    }
    clone.fake.clear_faults();
    clone.until("it has its own", || {
        read(&folder, "app.conf") == "id=i-0aaaaaaaaaaaaaaaa name=web-17\n"
            && read(&folder, "values/instance_name") == "web-17"
    });
    // From now on it is this machine's, and stays when its values can't be read.
    clone.fake.inject("503:/latest/meta-data/tags".parse().unwrap());
    agent.logs("can't be read");
    assert_eq!(read(&folder, "app.conf"), "id=i-0aaaaaaaaaaaaaaaa name=web-17\n");
}

#[test]
fn a_clone_outside_any_cloud_wears_nothing_either() {
    let folder = Folder::new();
    written_for_a_machine(&folder);
    folder.write("values/mine", "nobody else's");
    let file = config(&folder, &format!("[metadata]\ncloud = \"none\"\n{EACH_SORT}"));
    let mut agent = Running::start_again(&folder, &["--config", path(&file)]);
    for _ in 0..3 {
        agent.logs("taken away, since it was written for another machine: this machine is in no cloud");
    }
    let left: Vec<&&str> = EACH.iter().filter(|name| folder.path().join(name).exists()).collect();
    assert!(left.is_empty(), "{left:?}");
    assert_eq!(read(&folder, "values/mine"), "nobody else's");
}

#[test]
fn a_reload_that_failed_is_made_up_for_after_a_restart() {
    let folder = Folder::new();
    let service = Service::of("aws");
    folder.write("app.tmpl", "${aws:InstanceId}\n");
    let reload = "[ -e \\\"$0/may\\\" ] && touch \\\"$0/reloaded\\\"";
    let more = format!(
        "[[files]]\ntemplate = \"app.tmpl\"\ntarget = \"app.conf\"\nreload = [\"/bin/sh\", \"-c\", \"{reload}\", \"{}\"]\n",
        folder.path().display()
    );
    let file = config(&folder, &(service.metadata() + &more));
    let mut agent = Running::start(&folder, &["--config", path(&file)]);
    agent.logs("written, but: ");
    agent.signal("-TERM");
    assert_eq!(agent.ends(), Some(0));
    folder.write("may", "");
    let _agent = Running::start_again(&folder, &["--config", path(&file)]);
    service.until("its readers are told", || folder.path().join("reloaded").exists());
}

#[test]
fn an_agent_that_ends_while_it_writes_leaves_nothing_unfinished() {
    let folder = Folder::new();
    let service = Service::of("aws");
    folder.write("app.tmpl", "${aws:InstanceId}\n");
    fs::create_dir(folder.path().join("app.d")).unwrap();
    // The check waits until the test lets it go on.
    let check = "touch \\\"$0/checking\\\"; until [ -e \\\"$0/go\\\" ]; do sleep 0.01; done";
    let more = format!(
        "[[files]]\ntemplate = \"app.tmpl\"\ntarget = \"app.d/out.conf\"\ncheck = [\"/bin/sh\", \"-c\", \"{check}\", \"{}\"]\n",
        folder.path().display()
    );
    let file = config(&folder, &(service.metadata() + &more));
    let agent = Running::start(&folder, &["--config", path(&file)]);
    service.until("it is checked", || folder.path().join("checking").exists());
    agent.signal("-TERM");
    agent.hears("STOPPING=1");
    folder.write("go", "");
    assert_eq!(agent.ends(), Some(0));
    let names = || -> Vec<_> {
        fs::read_dir(folder.path().join("app.d")).unwrap().map(|entry| entry.unwrap().file_name()).collect()
    };
    service.until("the file is there, and nothing else", || names() == ["out.conf"]);
}
