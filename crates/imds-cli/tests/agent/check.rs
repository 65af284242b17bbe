//! What is right in the file and wrong on the machine: told before anything is done, by the check, the start and a reload
//! alike.

use std::fs;

use crate::daemon::{Running, asked, config, path, run, text};
use crate::folder::Folder;

const HOOK: &str = "[events]\nenabled = true\n[[hooks]]\nwebhook = \"http://127.0.0.1:1/\"\n";
const FILE: &str = "[[files]]\ntemplate = \"t\"\ntarget = \"o\"\n";

#[test]
fn what_is_wrong_on_this_machine_is_told_with_its_place_and_nothing_starts() {
    for (more, template, told) in [
        ("user = \"nosuch\"\n", "", ":4:8: agent.user: there is no user \"nosuch\" in /etc/passwd"),
        (
            "[access]\npublic = [\"root\", \"group:nosuch\"]\n",
            "",
            ":5:19: access.public: there is no group \"nosuch\" in /etc/group",
        ),
        (
            "[access]\nprivate = [\"user:nosuch\"]\n",
            "",
            ":5:12: access.private: there is no user \"nosuch\" in /etc/passwd",
        ),
        (&format!("{FILE}owner = \"nosuch\"\n"), "", ":7:9: FOLDER/o: there is no user \"nosuch\""),
        (
            &format!("{}{FILE}group = \"nosuch\"\n", FILE.replace("\"o\"", "\"p\"")),
            "",
            ":10:9: FOLDER/o: there is no group \"nosuch\"",
        ),
        (
            &FILE.replace("\"t\"", "\"none\""),
            "",
            ":5:12: the template FOLDER/none can't be read: No such file or directory",
        ),
        (FILE, "a\nb ${cloud:Colour}\n", ":5:12: FOLDER/t:2:3: "),
        (FILE, "${cloud:Region", ":5:12: FOLDER/t:1:1: "),
        (&format!("{FILE}format = \"json\"\n"), "{\"a\": ", ":5:12: FOLDER/t:1:"),
        (
            &format!("{HOOK}secret_file = \"/nonexistent\"\n"),
            "",
            ":8:15: hooks[0]: the key /nonexistent can't be used: No such file",
        ),
        (
            &format!("{HOOK}secret_file = \"t\"\n"),
            "\n",
            ":8:15: hooks[0]: the key FOLDER/t can't be used: it is empty",
        ),
        (
            &format!("{HOOK}template = \"t\"\n"),
            "\"${event:colour}\"",
            ":8:12: hooks[0]: the template FOLDER/t can't be used: there is no ${event:colour}",
        ),
        (
            &format!("{HOOK}headers = {{ host = \"a\" }}\n"),
            "",
            ":8:11: hooks[0]: the header \"host\" is set by imds",
        ),
    ] {
        let folder = Folder::new();
        folder.write("t", template);
        let file = config(&folder, more);
        let told = format!("imds: {}{}", path(&file), told.replace("FOLDER", path(folder.path())));
        let checked = run(&["--check", "--config", path(&file)]);
        assert_eq!((checked.status.code(), text(&checked.stdout)), (Some(2), ""), "{told}");
        let said = text(&checked.stderr);
        assert!(said.lines().any(|line| line.starts_with(&told)), "{told}\n{said}");
        let started = run(&["--config", path(&file)]);
        assert_eq!((started.status.code(), text(&started.stderr)), (Some(2), said));
        assert!(!folder.path().join("imds.sock").exists());
    }
}

#[test]
#[cfg(feature = "tls")]
fn certificates_that_nobody_could_be_held_to_are_told_by_the_check() {
    let folder = Folder::new();
    folder.write("roots.pem", "none\n");
    let hook = HOOK.replace("http:", "https:");
    let file = config(&folder, &format!("{hook}ca_file = \"roots.pem\"\n"));
    let checked = run(&["--check", "--config", path(&file)]);
    assert_eq!(checked.status.code(), Some(2));
    let told = format!("agent.toml:8:11: hooks[0]: the certificates {}/roots.pem", path(folder.path()));
    assert!(text(&checked.stderr).contains(&told), "{}", text(&checked.stderr));
}

#[test]
fn all_that_is_wrong_on_this_machine_is_told_at_once() {
    let folder = Folder::new();
    folder.write("t", "${cloud:Colour} ${nothing:x}");
    let more = format!(
        "user = \"nosuch\"\n[access]\nprivate = [\"user:a-1\", \"user:a-2\"]\n{FILE}{HOOK}secret_file = \"none\"\n"
    );
    let file = config(&folder, &more);
    let checked = run(&["--check", "--config", path(&file)]);
    let said = text(&checked.stderr);
    for place in [":4:8: ", ":6:12: ", ":6:24: ", ":8:12: ", ":14:15: "] {
        assert!(said.contains(&format!("{}{place}", path(&file))), "{place}\n{said}");
    }
    assert!(said.contains("  hint: name an account that this machine's own files know"), "{said}");
}

#[test]
fn a_hang_up_with_somebody_who_is_not_there_changes_nothing() {
    let folder = Folder::new();
    let file = config(&folder, "[metadata]\ncloud = \"none\"\n");
    let mut running = Running::start(&folder, &["--config", path(&file)]);
    running.hears("in no cloud");
    let other = "[metadata]\ncloud = \"digitalocean\"\noffline = true\n";
    for (more, told) in [
        ("[access]\nprivate = [\"user:nosuch\"]\n", ":8:12: access.private: there is no user \"nosuch\""),
        ("[access]\npublic = [\"group:nosuch\"]\n", ":8:11: access.public: there is no group \"nosuch\""),
    ] {
        config(&folder, &format!("{other}{more}"));
        running.signal("-HUP");
        running.hears("READY=1");
        let said = running.logs("the configuration");
        assert!(said.contains("stays as it was") && said.contains(told), "{said}");
        assert_eq!(asked(&folder, &["get", "region"]).status.code(), Some(3), "it is in no cloud still");
    }
    config(&folder, "user = \"nosuch\"\n");
    running.signal("-HUP");
    let said = running.logs("the configuration");
    assert!(said.contains("stays as it was") && said.contains(":4:8: agent.user: "), "{said}");
    config(&folder, other);
    running.signal("-HUP");
    running.logs("the configuration was read anew");
    running.hears("in digitalocean");
}

#[test]
fn a_hang_up_with_a_template_or_a_key_that_cannot_be_used_changes_nothing() {
    let folder = Folder::new();
    folder.write("t", "${cloud:Region}");
    let file = config(&folder, FILE);
    let mut agent = Running::start(&folder, &["--config", path(&file), "--fake", "aws"]);
    agent.logs("written path=");
    let other = "[env_file]\npath = \"env\"\n";
    for (template, more, told) in [
        ("${cloud:Colour}", "", ":7:12: "),
        ("${cloud:Region", "", ":7:12: "),
        ("x", "[[files]]\ntemplate = \"none\"\ntarget = \"p\"\n", ":10:12: the template "),
        ("x", &format!("{HOOK}secret_file = \"none\"\n"), ":13:15: hooks[0]: the key "),
    ] {
        folder.write("t", template);
        config(&folder, &format!("{other}{FILE}{more}"));
        agent.signal("-HUP");
        let said = agent.logs("the configuration");
        assert!(said.contains("stays as it was") && said.contains(told), "{said}");
    }
    folder.write("t", "in ${cloud:Region}");
    config(&folder, FILE);
    agent.signal("-HUP");
    agent.logs("the configuration was read anew");
    agent.logs("written path=");
    assert_eq!(fs::read_to_string(folder.path().join("o")).unwrap(), "in eu-west-1");
    agent.signal("-TERM");
    assert_eq!(agent.ends(), Some(0));
    assert!(!folder.path().join("env").exists(), "nothing of what was refused was done");
}
