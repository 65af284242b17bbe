//! What a start finds: nothing, what an earlier run left, or what somebody spoilt.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use crate::daemon::{Running, Service, asked, config, is_root, path, text};
use crate::folder::Folder;

#[test]
fn a_run_that_was_killed_is_remembered_and_what_it_knew_is_called_old() {
    let folder = Folder::new();
    let service = Service::of("aws:spot-asg");
    let file = config(&folder, &service.metadata());
    let mut agent = Running::start(&folder, &["--config", path(&file)]);
    service.until("the state is written", || folder.path().join("state.json").exists());
    agent.child.kill().unwrap();
    agent.child.wait().unwrap();
    drop(agent);
    service.fake.inject("503".parse().unwrap());
    let mut agent = Running::start_again(&folder, &["--config", path(&file)]);
    agent.logs("the state of an earlier run is used");
    agent.logs("metadata can't be read");
    let got = asked(&folder, &["get", "instance_id"]);
    assert_eq!((got.status.code(), text(&got.stdout)), (Some(0), "i-0a1b2c3d4e5f67890\n"));
    assert!(text(&got.stderr).contains("instance_id"), "it says that this is old: {}", text(&got.stderr));
    service.fake.clear_faults();
    agent.logs("all metadata is read again");
    assert_eq!(text(&asked(&folder, &["get", "instance_id"]).stderr), "");
}

#[test]
fn a_state_that_is_damaged_invents_nothing_and_is_made_anew() {
    let folder = Folder::new();
    let service = Service::of("aws");
    let file = config(&folder, &service.metadata());
    folder.write("state.json", "{\"format\":1,\"sum\":\"\",\"content\":");
    let mut agent = Running::start(&folder, &["--config", path(&file)]);
    agent.logs("isn't used: it is damaged");
    agent.logs("metadata is read");
    assert_eq!(text(&asked(&folder, &["get", "instance_id"]).stdout), "i-0fedcba9876543210\n");
    let state = || fs::read_to_string(folder.path().join("state.json")).unwrap_or_default();
    service.until("the state is whole again", || state().contains("i-0fedcba9876543210"));
}

#[test]
fn a_state_that_cannot_be_written_is_told_once_and_harms_nobody() {
    let folder = Folder::new();
    let service = Service::of("aws");
    fs::create_dir(folder.path().join("kept")).unwrap();
    fs::set_permissions(folder.path().join("kept"), fs::Permissions::from_mode(0o555)).unwrap();
    let directory = folder.path().display();
    // Whoever isn't root is held off by the mode alone; root is once it is somebody else.
    let user = if is_root() { "user = \"65534\"\n" } else { "" };
    let own = format!(
        "[agent]\nsocket = \"{directory}/imds.sock\"\nstate = \"{directory}/kept/state.json\"\n{user}"
    );
    folder.write("agent.toml", own + &service.metadata());
    let file = folder.path().join("agent.toml");
    let mut agent = Running::start(&folder, &["--config", path(&file)]);
    agent.logs("the state can't be written, so a restart will know less");
    for _ in 0..3 {
        assert_eq!(text(&asked(&folder, &["get", "region"]).stdout), "eu-west-1\n");
    }
    agent.signal("-TERM");
    assert!(!agent.rest_of_the_log().contains("can't be written"));
    assert_eq!(agent.ends(), Some(0));
}

#[test]
fn off_cloud_it_is_ready_at_once_and_answers_honestly() {
    let folder = Folder::new();
    let file = config(&folder, "[metadata]\ncloud = \"none\"\n[env_file]\npath = \"env\"\n");
    let started = Instant::now();
    let agent = Running::start(&folder, &["--config", path(&file)]);
    agent.hears("READY=1");
    // Milliseconds; this much on a machine that does a hundred other things.
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    agent.hears("in no cloud");
    let got = asked(&folder, &["get", "instance_id"]);
    assert_eq!((got.status.code(), text(&got.stdout)), (Some(3), ""), "{}", text(&got.stderr));
    assert!(!folder.path().join("env").exists(), "what nobody knows isn't written");
}
