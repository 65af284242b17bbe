//! Its options, its signals, its service manager.

use std::io::{BufRead, BufReader};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::daemon::{Running, asked, config, imds, path, run, text};
use crate::folder::Folder;

#[test]
fn the_printed_configuration_passes_its_own_check() {
    let printed = run(&["--print-default-config"]);
    assert!(printed.status.success() && printed.stderr.is_empty());
    let folder = Folder::new();
    folder.write("agent.toml", &printed.stdout);
    let file = folder.path().join("agent.toml");
    let checked =
        imds(&["--check", "--config", path(&file)]).env("XDG_RUNTIME_DIR", "/run/user/1").output().unwrap();
    assert_eq!((checked.status.code(), text(&checked.stdout), text(&checked.stderr)), (Some(0), "", ""));
    for setting in ["[agent]", "# grace = \"10s\"", "# [[hooks]]", "# per_client = 1024"] {
        assert!(text(&printed.stdout).lines().any(|line| line == setting), "{setting}");
    }
}

#[test]
fn a_check_names_every_mistake_with_its_place_and_its_remedy() {
    let folder = Folder::new();
    let file =
        config(&folder, "gracce = \"1s\"\n[tcp]\nlisten = \"0.0.0.0:1\"\n[metadata]\ncloud = \"awz\"\n");
    let checked = run(&["--check", "--config", path(&file)]);
    assert_eq!((checked.status.code(), text(&checked.stdout)), (Some(2), ""));
    let file = path(&file);
    for line in [
        format!("imds: {file}:4:1: no setting is called \"gracce\""),
        format!("imds: {file}:6:10: 0.0.0.0:1 can be reached from elsewhere"),
        format!("imds: {file}:8:9: no cloud is called \"awz\""),
        "  hint: did you mean grace?".to_owned(),
        "  hint: did you mean aws?".to_owned(),
    ] {
        assert!(text(&checked.stderr).lines().any(|said| said == line), "{line}\n{}", text(&checked.stderr));
    }
    let started = run(&["--config", file]);
    assert_eq!((started.status.code(), started.stderr), (Some(2), checked.stderr), "nor does it start");
}

#[test]
fn what_cannot_be_used_at_all_is_wrong_usage() {
    for arguments in [
        &["--check", "--config", "/no/such/agent.toml"][..],
        &["--check", "--print-default-config"],
        &["--check", "--fake", "nothing"],
        &["--check", "--cloud", "awz"],
        &["extra"],
    ] {
        let ran = imds(arguments).env("XDG_RUNTIME_DIR", "/run/user/1").output().unwrap();
        assert_eq!(ran.status.code(), Some(2), "{arguments:?} {}", text(&ran.stderr));
        assert!(ran.stdout.is_empty() && !ran.stderr.is_empty());
    }
}

#[test]
fn it_is_ready_at_once_and_says_where_it_is() {
    let folder = Folder::new();
    let file = config(&folder, "");
    let running = Running::start(&folder, &["--config", path(&file), "--fake", "aws"]);
    running.hears("READY=1");
    assert!(running.hears("in aws; all").starts_with("STATUS=in aws; all metadata read; "));
    running.signal("-TERM");
    running.hears("STOPPING=1");
    assert_eq!(running.ends(), Some(0));
    assert!(!folder.path().join("state.json").exists(), "a made-up machine is nothing to remember");
}

#[test]
fn other_commands_are_answered_as_soon_as_it_is_ready_and_say_who_told_them() {
    let folder = Folder::new();
    let file = config(&folder, "");
    let mut agent = Running::start(&folder, &["--fake", "aws:spot-asg", "--config", path(&file)]);
    agent.hears("READY=1");
    agent.logs("metadata is read");
    let got = asked(&folder, &["get", "instance_id", "tags.team.cost:center"]);
    assert_eq!(
        (got.status.code(), text(&got.stdout), text(&got.stderr)),
        (Some(0), "i-0a1b2c3d4e5f67890\n4711: \"R&D\", it's # not a comment\n", "")
    );
    let shown = asked(&folder, &["show", "--sources"]);
    let socket = folder.path().join("imds.sock");
    let told = format!("agent:{}", path(&socket));
    assert!(text(&shown.stdout).lines().next().unwrap().contains(&told), "{}", text(&shown.stdout));
    agent.signal("-TERM");
    assert_eq!(agent.ends(), Some(0));
    assert!(!socket.exists(), "it takes its socket away");
    assert_eq!(asked(&folder, &["get", "instance_id"]).status.code(), Some(6), "nobody is there to answer");
}

#[test]
fn what_can_be_done_about_an_absent_value_is_told_by_whoever_is_asked() {
    let folder = Folder::new();
    let file = config(&folder, "");
    let mut agent = Running::start(&folder, &["--fake", "aws:tags-off", "--config", path(&file)]);
    agent.logs("metadata is read");
    let got = asked(&folder, &["get", "tags.Name"]);
    assert_eq!((got.status.code(), text(&got.stdout)), (Some(4), ""));
    assert!(text(&got.stderr).contains("instance-metadata-tags enabled"), "{}", text(&got.stderr));
    let mut stream = std::os::unix::net::UnixStream::connect(folder.path().join("imds.sock")).unwrap();
    let request = "GET /v1/metadata/tags HTTP/1.1\r\nHost: imds\r\nConnection: close\r\n\r\n";
    std::io::Write::write_all(&mut stream, request.as_bytes()).unwrap();
    let mut answer = String::new();
    std::io::Read::read_to_string(&mut stream, &mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 404 ") && answer.contains("\"remedy\":\"tags aren't"), "{answer}");
}

#[test]
fn an_event_is_told_to_whoever_asks() {
    let folder = Folder::new();
    let file = config(&folder, "[events]\nenabled = true\n");
    let agent = Running::start(&folder, &["--fake", "aws:spot-notice", "--config", path(&file)]);
    agent.hears("READY=1");
    let socket = folder.path().join("imds.sock");
    let mut stream = std::os::unix::net::UnixStream::connect(&socket).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let request = "GET /v1/watch HTTP/1.1\r\nHost: imds\r\nAccept: text/event-stream\r\n\r\n";
    std::io::Write::write_all(&mut stream, request.as_bytes()).unwrap();
    let mut heard = BufReader::new(stream);
    loop {
        let mut line = String::new();
        assert_ne!(heard.read_line(&mut line).unwrap(), 0, "the event was never told");
        if line.contains("interruption") {
            break;
        }
    }
}

#[test]
fn it_is_ready_where_there_is_no_cloud_and_goes_on_asking() {
    let folder = Folder::new();
    let file = config(&folder, "[metadata]\ncloud = \"none\"\n");
    let running = Running::start(&folder, &["--config", path(&file)]);
    running.hears("READY=1");
    assert!(running.hears("in no cloud").starts_with("STATUS=in no cloud; no metadata; no_cloud; "));
    running.signal("-INT");
    assert_eq!(running.ends(), Some(0));
}

#[test]
fn a_hang_up_reads_the_configuration_and_a_mistake_in_it_changes_nothing() {
    let folder = Folder::new();
    let file = config(&folder, "[metadata]\ncloud = \"none\"\n");
    let mut running = Running::start(&folder, &["--config", path(&file)]);
    running.hears("in no cloud");
    config(&folder, "[metadata]\ncloud = \"awz\"\n");
    for _ in 0..2 {
        running.signal("-HUP");
        assert!(running.hears("RELOADING=1").contains("\nMONOTONIC_USEC="));
        running.hears("READY=1");
        let said = running.logs("the configuration stays as it was");
        assert!(said.contains("agent.toml:5:9: no cloud is called \"awz\" (did you mean aws?)"), "{said}");
    }
    config(&folder, "[metadata]\ncloud = \"digitalocean\"\noffline = true\n");
    running.signal("-HUP");
    running.logs("the configuration was read anew");
    running.hears("in digitalocean");
    running.signal("-TERM");
    assert_eq!(running.ends(), Some(0));
}

#[test]
fn limits_and_hosts_count_from_the_next_start_and_are_said_to() {
    let folder = Folder::new();
    let file = config(&folder, "[tcp]\nlisten = \"127.0.0.1:0\"\n[metadata]\ncloud = \"none\"\n");
    let mut running = Running::start(&folder, &["--config", path(&file)]);
    running.hears("READY=1");
    let more = "[tcp]\nlisten = \"127.0.0.1:0\"\nhosts = [\"imds.test\"]\n[metadata]\ncloud = \"none\"\n";
    config(&folder, &format!("{more}[limits]\nheader_bytes = 65536\n"));
    for others in [vec!["tcp.hosts", "limits"], vec![]] {
        running.signal("-HUP");
        let mut said = String::new();
        while !said.contains("the configuration was read anew") {
            said += &running.logs("");
        }
        for key in &others {
            let line = format!("{key} is another now, and counts from the next start on");
            assert!(said.contains(&line), "{line}\n{said}");
        }
        assert_eq!(said.matches("next start").count(), others.len(), "{said}");
    }
}

#[test]
fn the_watchdog_is_fed() {
    let folder = Folder::new();
    let file = config(&folder, "[metadata]\ncloud = \"none\"\n");
    let variables = [("WATCHDOG_USEC", "20000")];
    let running = Running::with(&folder, &["--config", path(&file)], &variables);
    running.hears("READY=1");
    for _ in 0..3 {
        running.hears("WATCHDOG=1");
    }
}

/// Runs the agent with its standard input as descriptor 3, as a service manager hands over a socket.
fn activated(given: Stdio, file: &Path, folder: &Folder) -> Command {
    let script = "exec 3<&0 </dev/null; LISTEN_FDS=1 LISTEN_PID=$$ exec \"$0\" agent --config \"$1\"";
    let mut command = Command::new("/bin/sh");
    command.args(["-c", script, env!("CARGO_BIN_EXE_imds"), path(file)]).env_clear().stdin(given);
    command.env("IMDS_NETWORK", "loopback").env("NOTIFY_SOCKET", folder.path().join("notify"));
    command
}

#[test]
fn sockets_that_were_opened_beforehand_are_taken_over_and_nothing_else_is() {
    let folder = Folder::new();
    let file = config(&folder, "[metadata]\ncloud = \"none\"\n");
    let output = activated(Stdio::null(), &file, &folder).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("LISTEN_FDS: socket 0 can't be used"), "{}", text(&output.stderr));
    let manager = UnixDatagram::bind(folder.path().join("notify")).unwrap();
    manager.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let listener = std::os::unix::net::UnixListener::bind(folder.path().join("given.sock")).unwrap();
    let mut command = activated(Stdio::from(std::os::fd::OwnedFd::from(listener)), &file, &folder);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let log = BufReader::new(child.stderr.take().unwrap());
    let running = Running { child, manager, log };
    running.hears("READY=1");
    running.signal("-TERM");
    assert_eq!(running.ends(), Some(0));
}
