//! The two processes: who they are, what they may do, and how they end.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::process::{Command, Stdio};

use crate::daemon::{Running, Service, asked, config, imds, is_root, path, text};
use crate::folder::Folder;

const ENV_FILE: &str = "[env_file]\npath = \"metadata.env\"\n";

/// The processes that this one started.
fn children(parent: u32) -> Vec<u32> {
    let pids =
        fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let is_child = |pid: &u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let after_name = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
        let mut columns = after_name.split(' ');
        !matches!(columns.next(), Some("Z" | "X")) && columns.next() == Some(&parent.to_string())
    };
    pids.filter(is_child).collect()
}

/// A zombie that its new parent hasn't looked at yet is as dead.
fn is_dead(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_else(|_| ") Z".to_owned());
    stat.rsplit(") ").next().is_some_and(|state| state.starts_with(['Z', 'X']))
}

fn of_status(pid: u32, name: &str) -> String {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
#[cfg(target_os = "linux")]
fn an_agent_that_only_answers_is_one_process_and_one_that_writes_is_two_which_end_together() {
    for (more, count) in [("", 0), (ENV_FILE, 1)] {
        let folder = Folder::new();
        let file = config(&folder, more);
        let agent = Running::start(&folder, &["--config", path(&file), "--fake", "aws"]);
        agent.hears("READY=1");
        let others = children(agent.child.id());
        assert_eq!(others.len(), count);
        agent.signal("-TERM");
        assert_eq!(agent.ends(), Some(0));
        assert!(others.iter().all(|pid| is_dead(*pid)), "the agent waits for the other process");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_signal_to_the_executor_ends_nothing_and_its_death_ends_the_agent_with_an_error() {
    let folder = Folder::new();
    let file = config(&folder, ENV_FILE);
    let mut agent = Running::start(&folder, &["--config", path(&file), "--fake", "aws"]);
    agent.logs("written path=");
    let executor = children(agent.child.id())[0].to_string();
    let kill =
        |signal: &str| assert!(Command::new("kill").args([signal, &executor]).status().unwrap().success());
    // A service manager sends it to all.
    kill("-TERM");
    kill("-HUP");
    assert_eq!(asked(&folder, &["get", "region"]).status.code(), Some(0));
    kill("-KILL");
    assert!(agent.rest_of_the_log().contains("the executor ended by itself (signal: 9"));
    assert_eq!(agent.ends(), Some(1));
}

#[test]
#[cfg(target_os = "linux")]
fn the_agents_death_ends_the_executor_and_the_hook_that_it_runs() {
    let folder = Folder::new();
    let service = Service::of("aws:spot-notice");
    let hook = "command = [\"/bin/sh\", \"-c\", \"echo $$ > \\\"$0.new\\\"; mv \\\"$0.new\\\" \\\"$0\\\"; exec sleep 1000\", \"PLACE\"]\ntimeout = \"1h\"\n";
    let place = folder.path().join("pid");
    let more = format!(
        "[events]\nenabled = true\nkinds = [\"interruption\"]\n[[hooks]]\n{}",
        hook.replace("PLACE", path(&place))
    );
    let file = config(&folder, &(service.metadata() + &more));
    let mut agent = Running::start(&folder, &["--config", path(&file)]);
    service.until("the hook runs", || place.exists());
    let executor = children(agent.child.id())[0];
    let hook: u32 = fs::read_to_string(&place).unwrap().trim().parse().unwrap();
    assert!(!is_dead(executor) && !is_dead(hook));
    agent.child.kill().unwrap();
    service.until("both are dead", || is_dead(executor) && is_dead(hook));
}

#[test]
#[cfg(target_os = "linux")]
fn the_worker_becomes_the_configured_user_and_serves_and_remembers_all_the_same() {
    if !is_root() {
        return;
    }
    let folder = Folder::new();
    let service = Service::of("aws:spot-asg");
    let own = "[agent]\nsocket = \"run/imds.sock\"\nstate = \"state/state.json\"\nuser = \"65534\"\n";
    folder.write("agent.toml", format!("{own}{}{ENV_FILE}", service.metadata()));
    let file = folder.path().join("agent.toml");
    let mut agent = Running::start(&folder, &["--config", path(&file)]);
    let line = agent.logs("capabilities: none; no new privileges: yes");
    assert!(line.contains("user: 65534"), "{line}");
    agent.logs("written path=");
    let (worker, executor) = (agent.child.id(), children(agent.child.id())[0]);
    assert_eq!(of_status(worker, "Uid"), "65534 65534 65534 65534");
    assert_eq!(of_status(worker, "Groups"), "65534");
    assert_eq!(
        (of_status(worker, "CapBnd"), of_status(worker, "NoNewPrivs")),
        ("0000000000000000".into(), "1".into())
    );
    assert_eq!(of_status(worker, "Seccomp"), "2");
    assert_eq!(of_status(executor, "Uid"), "0 0 0 0");
    assert_eq!(fs::metadata(folder.path().join("metadata.env")).unwrap().uid(), 0);
    let state = folder.path().join("state/state.json");
    service.until("the state is written", || state.exists());
    assert_eq!(fs::metadata(&state).unwrap().uid(), 65534);
    let mut get = Command::new(env!("CARGO_BIN_EXE_imds"));
    get.env_clear().env("IMDS_NETWORK", "loopback").args(["get", "instance_id", "--agent"]);
    let got = get.arg(folder.path().join("run/imds.sock")).stdin(Stdio::null()).output().unwrap();
    assert_eq!(text(&got.stdout), "i-0a1b2c3d4e5f67890\n", "{}", text(&got.stderr));
    // It reads the configuration as another user than at the start.
    agent.signal("-HUP");
    agent.logs("the configuration was read anew");
    agent.signal("-TERM");
    assert_eq!(agent.ends(), Some(0));
    assert!(is_dead(executor));
    // The state that the worker's user wrote is read by root, and a file of root's is no obstacle.
    std::os::unix::fs::chown(&state, Some(0), Some(0)).unwrap();
    let mut again = Running::start_again(&folder, &["--config", path(&file)]);
    again.logs("the state of an earlier run is used");
    again.hears("all metadata read");
    service.until("the state is the user's again", || fs::metadata(&state).is_ok_and(|it| it.uid() == 65534));
}

#[test]
#[cfg(target_os = "linux")]
fn what_only_root_may_read_is_known_to_a_worker_that_isnt_root_any_more() {
    use std::os::unix::fs::PermissionsExt;
    if !is_root() {
        return;
    }
    let folder = Folder::new();
    folder.write("host/sys/class/dmi/id/sys_vendor", "Hetzner\n");
    folder.write("host/sys/class/dmi/id/product_serial", "4711471147\n");
    let serial = folder.path().join("host/sys/class/dmi/id/product_serial");
    fs::set_permissions(&serial, fs::Permissions::from_mode(0o400)).unwrap();
    let own = "[agent]\nsocket = \"imds.sock\"\nstate = \"\"\nuser = \"65534\"\n";
    folder.write("agent.toml", format!("{own}[metadata]\nsysroot = \"host\"\noffline = true\n"));
    let file = folder.path().join("agent.toml");
    let agent = Running::start(&folder, &["--config", path(&file)]);
    agent.hears("in hetzner");
    for _ in 0..2 {
        let got = asked(&folder, &["get", "instance_id"]);
        assert_eq!(text(&got.stdout), "4711471147\n", "{}", text(&got.stderr));
        agent.signal("-HUP");
        agent.hears("READY=1");
    }
}

#[test]
fn the_sandbox_can_be_switched_off_and_says_so() {
    let folder = Folder::new();
    let file = config(&folder, "[sandbox]\nenabled = false\n");
    let mut agent = Running::start(&folder, &["--config", path(&file), "--fake", "aws"]);
    agent.logs("landlock: off; system calls: off");
    agent.hears("in aws; all metadata read; no sandbox");
    drop(agent);
    let folder = Folder::new();
    let file = config(&folder, "[sandbox]\nsystem_calls = \"off\"\n");
    let mut agent = Running::start(&folder, &["--config", path(&file), "--fake", "aws"]);
    let line = agent.logs("no new privileges: yes");
    assert!(line.contains("system calls: off"), "{line}");
}

#[test]
fn a_user_that_there_is_not_is_an_error() {
    let folder = Folder::new();
    let file = config(&folder, "user = \"nobody-of-this-name\"\n");
    let ended = imds(&["--config", path(&file), "--fake", "aws"]).output().unwrap();
    assert_eq!(ended.status.code(), Some(2));
    assert!(
        text(&ended.stderr).contains("agent.user: there is no user \"nobody-of-this-name\""),
        "{}",
        text(&ended.stderr)
    );
}

#[test]
fn nobody_is_the_executor_by_hand() {
    let folder = Folder::new();
    let file = config(&folder, ENV_FILE);
    let ended = imds(&["--config", path(&file), "--fake", "aws", "--executor"]).output().unwrap();
    assert_eq!(ended.status.code(), Some(1));
    assert!(text(&ended.stderr).contains("started by the agent itself"), "{}", text(&ended.stderr));
    assert!(!folder.path().join("metadata.env").exists());
}
