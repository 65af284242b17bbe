//! What the agent does about events.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value as Json;
use sha2::Sha256;

use crate::daemon::{Running, Service, config, path};
use crate::folder::Folder;

/// A hook that keeps what it is told, under this name.
fn keeps(folder: &Folder, name: &str) -> String {
    let script = "cat > \\\"$0.$$\\\"; echo \\\"$IMDS_EVENT_KIND $IMDS_EVENT_STATE\\\" >> \\\"$0.$$\\\"; mv \\\"$0.$$\\\" \\\"$0\\\"";
    let place = folder.path().join(name);
    format!("[[hooks]]\ncommand = [\"/bin/sh\", \"-c\", \"{script}\", \"{}\"]\n", place.display())
}

const EVENTS: &str = "[events]\nenabled = true\n";

fn read_request(stream: &mut TcpStream) -> (String, Vec<u8>) {
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut bytes = Vec::new();
    loop {
        let mut piece = [0; 4096];
        let length = stream.read(&mut piece).unwrap();
        assert_ne!(length, 0, "the request ends in the middle");
        bytes.extend_from_slice(&piece[..length]);
        let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let length =
            head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
        if bytes.len() - end - 4 == length.unwrap_or(0) {
            return (head, bytes[end + 4..].to_vec());
        }
    }
}

#[test]
fn a_command_and_a_webhook_hear_of_an_event_as_it_happens() {
    let folder = Folder::new();
    let service = Service::of("gcp:spot-regional-group");
    let receiver = TcpListener::bind("127.0.0.1:0").unwrap();
    folder.write("key", "correct horse\n");
    let more = format!(
        "{EVENTS}{}[[hooks]]\nkinds = [\"interruption\"]\nwebhook = \"http://{}/drain\"\nsecret_file = \"key\"\nheaders = {{ X-Team = \"platform\" }}\n",
        keeps(&folder, "told"),
        receiver.local_addr().unwrap()
    );
    let file = config(&folder, &(service.metadata() + &more));
    let mut agent = Running::start(&folder, &["--config", path(&file)]);
    agent.logs("metadata is read");
    service.fake.set("instance/preempted", "TRUE").unwrap();
    let (mut stream, _) = receiver.accept().unwrap();
    let (head, body) = read_request(&mut stream);
    stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /drain HTTP/1.1\r\n"), "{head}");
    let header = |name: &str| {
        let lines = head.lines().filter_map(|line| line.split_once(": "));
        lines.clone().find(|(header, _)| header.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned())
    };
    assert_eq!(header("x-team").as_deref(), Some("platform"));
    let mut mac = Hmac::<Sha256>::new_from_slice(b"correct horse").unwrap();
    mac.update(&body);
    let digits: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(header("x-imds-signature"), Some(format!("sha256={digits}")));
    let posted: Json = serde_json::from_slice(&body).unwrap();
    assert_eq!(
        (&posted["kind"], &posted["machine"]["zone"]),
        (&"interruption".into(), &"europe-west4-b".into())
    );
    for _ in 0..2 {
        agent.logs("the hook has run");
    }
    let told = fs::read_to_string(folder.path().join("told")).unwrap();
    let (json, variables) = told.trim_end().rsplit_once('}').unwrap();
    assert_eq!(variables.trim(), "interruption started");
    assert_eq!(serde_json::from_str::<Json>(&format!("{json}}}")).unwrap(), posted);
    agent.signal("-TERM");
    assert_eq!(agent.ends(), Some(0));
}

#[test]
fn a_hook_hears_which_machine_it_is_even_when_the_event_is_known_first() {
    let folder = Folder::new();
    let service = Service::of("aws:spot-notice");
    service.fake.inject("delay=400ms:/latest/dynamic/instance-identity/document".parse().unwrap());
    let more = format!("{EVENTS}{}", keeps(&folder, "told"));
    let file = config(&folder, &(service.metadata() + &more));
    let mut agent = Running::start(&folder, &["--config", path(&file)]);
    agent.logs("the hook has run");
    let told = fs::read_to_string(folder.path().join("told")).unwrap();
    assert!(told.contains("\"account_id\":"), "{told}");
    agent.signal("-TERM");
    assert_eq!(agent.ends(), Some(0));
}

#[test]
fn a_hang_up_brings_other_hooks() {
    let folder = Folder::new();
    let service = Service::of("gcp:spot-regional-group");
    let with =
        |hook: &str| config(&folder, &format!("{}{EVENTS}{}", service.metadata(), keeps(&folder, hook)));
    let file = with("first");
    let mut agent = Running::start(&folder, &["--config", path(&file)]);
    agent.logs("metadata is read");
    service.fake.set("instance/preempted", "TRUE").unwrap();
    agent.logs("the hook has run");
    with("second");
    agent.signal("-HUP");
    agent.logs("the configuration was read anew");
    service.fake.set("instance/maintenance-event", "MIGRATE_ON_HOST_MAINTENANCE").unwrap();
    agent.logs("the hook has run");
    let told = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
    assert!(told("first").contains("interruption") && !told("first").contains("maintenance"));
    assert!(told("second").contains("\"kind\":\"maintenance\""), "{}", told("second"));
}

/// A hook that notes each try under this name, and then does this.
fn notes(folder: &Folder, name: &str, then: &str) -> String {
    let place = folder.path().join(name);
    format!(
        "[[hooks]]\nkinds = [\"interruption\"]\ntimeout = \"1h\"\n\
         command = [\"/bin/sh\", \"-c\", 'echo tried >> \"$0\"; {then}', \"{}\"]\n",
        place.display()
    )
}

const OTHER: &str = "[[hooks]]\nkinds = [\"maintenance\"]\ncommand = [\"true\"]\n";

#[test]
fn a_hook_that_runs_is_not_started_again_because_the_configuration_was_read_anew() {
    let folder = Folder::new();
    let service = Service::of("gcp:spot-regional-group");
    let hooks = |hooks: &str| config(&folder, &format!("{}{EVENTS}{hooks}", service.metadata()));
    let waits = notes(&folder, "told", "until [ -e \"$0.go\" ]; do sleep 0.01; done");
    let file = hooks(&waits);
    let mut agent = Running::start(&folder, &["--config", path(&file)]);
    agent.logs("metadata is read");
    service.fake.set("instance/preempted", "TRUE").unwrap();
    service.until("the hook runs", || folder.path().join("told").exists());
    // One more before it, one more after it, other limits of its own, one file more.
    let file = "[[files]]\ntemplate = \"t\"\ntarget = \"o\"\n";
    folder.write("t", "${cloud:Region}");
    for more in [
        format!("{OTHER}{waits}"),
        format!("{waits}retry_for = \"1h\"\n{OTHER}"),
        format!("{waits}{OTHER}{file}"),
    ] {
        hooks(&more);
        agent.signal("-HUP");
        agent.logs("the configuration was read anew");
    }
    // Whoever is told after that is told after anybody who would have been told once more.
    service.fake.set("instance/maintenance-event", "MIGRATE_ON_HOST_MAINTENANCE").unwrap();
    let said = agent.logs("the hook has run");
    assert!(said.contains("hooks[1]"), "{said}");
    folder.write("told.go", "");
    agent.logs("the hook has run");
    agent.signal("-TERM");
    assert!(!agent.rest_of_the_log().contains("the hook has run"));
    assert_eq!(agent.ends(), Some(0));
    assert_eq!(fs::read_to_string(folder.path().join("told")).unwrap(), "tried\n");
}

#[test]
fn a_hook_that_is_tried_again_is_found_where_it_is_now() {
    let folder = Folder::new();
    let service = Service::of("gcp:spot-regional-group");
    let hooks = |hooks: &str| config(&folder, &format!("{}{EVENTS}{hooks}", service.metadata()));
    let fails = notes(&folder, "told", "[ -e \"$0.go\" ]");
    let file = hooks(&fails);
    let mut agent = Running::start(&folder, &["--config", path(&file)]);
    agent.logs("metadata is read");
    service.fake.set("instance/preempted", "TRUE").unwrap();
    agent.logs("the hook failed, and is tried again");
    for more in [format!("{OTHER}{OTHER}{fails}"), fails.clone(), format!("{OTHER}{fails}")] {
        hooks(&more);
        agent.signal("-HUP");
        agent.logs("the configuration was read anew");
    }
    let said = agent.logs("the hook failed, and is tried again");
    let tries = said.split("tries=").nth(1).unwrap().split(|c: char| !c.is_ascii_digit()).next().unwrap();
    assert!(tries.parse::<u32>().unwrap() > 1, "nobody begins anew: {said}");
    folder.write("told.go", "");
    let said = agent.logs("the hook has run");
    assert!(said.contains("hooks[1]"), "{said}");
}

#[test]
fn a_hook_that_is_put_right_hears_of_what_is_owed_still_and_the_old_one_is_left() {
    let folder = Folder::new();
    let service = Service::of("gcp:spot-regional-group");
    let hooks = |hooks: &str| config(&folder, &format!("{}{EVENTS}{hooks}", service.metadata()));
    let file = hooks(&notes(&folder, "wrong", "false"));
    let mut agent = Running::start(&folder, &["--config", path(&file)]);
    agent.logs("metadata is read");
    service.fake.set("instance/preempted", "TRUE").unwrap();
    agent.logs("the hook failed, and is tried again");
    hooks(&notes(&folder, "right", "until [ -e \"$0.go\" ]; do sleep 0.01; done"));
    agent.signal("-HUP");
    agent.logs("the configuration was read anew");
    agent.logs("the configuration doesn't name it any more");
    folder.write("right.go", "");
    agent.logs("the hook has run");
    assert_eq!(fs::read_to_string(folder.path().join("right")).unwrap(), "tried\n");
}

#[test]
fn an_event_is_acknowledged_only_when_that_is_configured() {
    let posts = |service: &Service| {
        service.fake.requests().iter().filter(|request| request.method() == "POST").count()
    };
    for (acknowledge, hook) in [(false, true), (true, true), (true, false)] {
        let folder = Folder::new();
        let service = Service::of("azure:vmss-uniform-spot");
        let hook = if hook { keeps(&folder, "told") } else { String::new() };
        let more = format!("{EVENTS}acknowledge = {acknowledge}\n{hook}");
        let file = config(&folder, &(service.metadata() + &more));
        let mut agent = Running::start(&folder, &["--config", path(&file)]);
        match acknowledge {
            true => drop(agent.logs("acknowledged: it may begin")),
            // For both events, of which one is this machine's alone.
            false => (0..2).for_each(|_| drop(agent.logs("the hook has run"))),
        }
        agent.signal("-TERM");
        assert_eq!(agent.ends(), Some(0));
        assert_eq!(posts(&service), usize::from(acknowledge), "{acknowledge} {hook}");
    }
}
