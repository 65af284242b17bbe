//! `imds resolve`: what becomes of placeholders, and how it ends.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod folder;
mod process;

use std::io::{Read, Write};
use std::process::{Command, Output, Stdio};

use folder::Folder;
use process::{imds, stderr, stdout};

/// Runs the command with this on stdin.
fn fed(mut command: Command, input: impl Into<Vec<u8>>) -> Output {
    let input = input.into();
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // A command that ends early doesn't read it all.
    let feeding = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().unwrap();
    feeding.join().unwrap();
    output
}

/// `imds resolve` with these options and this on stdin: the exit code, stdout and stderr.
fn resolve(options: &str, input: &str) -> (i32, String, String) {
    let output = fed(imds(&format!("resolve {options}")), input);
    (output.status.code().unwrap(), stdout(&output), stderr(&output))
}

/// As [`resolve`], where it has to go well and quietly.
fn resolved(options: &str, input: &str) -> String {
    let (code, result, said) = resolve(options, input);
    assert_eq!((code, &*said), (0, ""), "{input}");
    result
}

/// A loopback port that refuses connections while the value lives.
fn refusing() -> (tokio::net::TcpSocket, tokio::runtime::Runtime, String) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let socket = {
        let _inside = runtime.enter();
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        socket
    };
    let options = format!("--cloud aws --timeout 2s --endpoint http://{}", socket.local_addr().unwrap());
    (socket, runtime, options)
}

#[test]
fn stdin_becomes_stdout_and_everything_else_stays() {
    let source =
        "\u{feff}id=${cloud:InstanceId} $HOME ${HOME} $${aws:Region} ${env:X} $$\r\nzone=${aws:zone}";
    let result = resolved("--fake aws", source);
    let expected =
        "\u{feff}id=i-0fedcba9876543210 $HOME ${HOME} ${aws:Region} ${env:X} $$\r\nzone=eu-west-1b";
    assert_eq!(result, expected);
    assert_eq!(resolved("- --fake aws", "${imds:/latest/meta-data/placement/region}"), "eu-west-1");
    let bytes = fed(imds("resolve --fake aws"), b"\xff ${cloud:Region} \xfe".as_slice());
    assert_eq!(bytes.stdout, b"\xff eu-west-1 \xfe");
}

#[test]
fn without_placeholders_nothing_is_asked() {
    // Here neither detection nor a service could answer in time, and nothing may be sent.
    let (_socket, _runtime, refused) = refusing();
    for options in [&*refused, "--offline", "--clouds aws --offline"] {
        assert_eq!(resolved(options, "$HOME ${HOME} $${cloud:Region}"), "$HOME ${HOME} ${cloud:Region}");
        assert_eq!(resolved(&format!("{options} --format json"), "{\"a\": 1}"), "{\"a\": 1}");
    }
}

#[test]
fn odd_values_inject_nothing_in_any_format() {
    let folder = Folder::new();
    let tags = [
        ("Name", "worker \"blue\" / 7"),
        ("placeholder", "${aws:InstanceId}"),
        ("team.cost:center", "4711: \"R&D\", it's # not a comment"),
        ("unicode", "Zoë 東京 🚀"),
        ("path", "/srv/data/a b"),
    ];
    let entry = |index: usize, key: &str| format!("k{index}") + "|${tag:\\\"" + key + "\\\"}";
    let lines = |write: &dyn Fn(&str, &str) -> String| -> Vec<String> {
        let pairs = tags.iter().enumerate().map(|(index, (key, _))| entry(index, key));
        let account = ["account|${aws:AccountId}".to_owned()];
        pairs.chain(account).map(|pair| pair.split_once('|').map(|(k, v)| write(k, v)).unwrap()).collect()
    };
    let json = format!("{{{}}} // ours", lines(&|k, v| format!("\"{k}\": \"{v}\"")).join(", "));
    let yaml = lines(&|k, v| format!("{k}: \"{v}\"\n")).concat() + "# ours\n";
    let toml = lines(&|k, v| format!("{k} = \"{v}\"\n")).concat() + "# ours\n";
    folder.write("a.json", &json);
    folder.write("a.yaml", yaml);
    folder.write("a.toml", toml);
    for name in ["a.json", "a.yaml", "a.toml"] {
        let output = imds("resolve --fake aws:spot-asg").arg(folder.path().join(name)).output().unwrap();
        assert_eq!((output.status.code(), &*stderr(&output)), (Some(0), ""), "{name}");
        let text = stdout(&output);
        assert!(text.contains("ours"), "{text}");
        let value: serde_json::Value = match name {
            "a.json" => serde_json::from_str(text.trim_end_matches(" // ours")).unwrap(),
            "a.yaml" => yaml_serde::from_str(&text).unwrap(),
            _ => toml::from_str(&text).unwrap(),
        };
        for (index, (key, expected)) in tags.iter().enumerate() {
            assert_eq!(value[format!("k{index}")], *expected, "{name}: {key}");
        }
        assert_eq!(value["account"], "012345678901", "{name}");
        assert_eq!(value.as_object().unwrap().len(), tags.len() + 1, "{name}");
    }
    assert_eq!(
        resolved("--fake aws:spot-asg --format env", "A='${tag:placeholder}'\nB=${aws:AccountId}\n"),
        "A='${aws:InstanceId}'\nB=012345678901\n"
    );
}

#[test]
fn plain_yaml_comes_out_quoted_and_what_yaml_would_cut_is_an_error() {
    assert_eq!(
        resolved("--fake aws:spot-asg --format yaml", "a: ${aws:AccountId} # ours\nb: 1.0\n"),
        "a: \"012345678901\" # ours\nb: 1.0\n"
    );
    let (code, result, said) = resolve("--fake aws --format yaml", "a: [${cloud:Region:-x, y}]\n");
    assert_eq!((code, &*result), (7, ""), "{said}");
    assert!(said.contains("<stdin>:1:") && said.contains("quote"), "{said}");
}

#[test]
fn all_missing_ones_are_listed_at_once_with_their_places() {
    let source =
        "é ${tag:No}\n${aws:Region}\n  ${azure:VmSize} ${cloud:ResourceGroupName:?we need it} ${tag:no:-d}";
    let (code, result, said) = resolve("--fake aws", source);
    assert_eq!((code, &*result), (7, ""), "{said}");
    let lines: Vec<&str> = said.lines().filter(|line| line.starts_with("imds: ")).collect();
    assert_eq!(lines.len(), 3, "{said}");
    assert!(lines[0].starts_with("imds: <stdin>:1:3: ${tag:No} has no value"), "{said}");
    assert!(lines[1].starts_with("imds: <stdin>:3:3: ${azure:VmSize} has no value: this is aws"), "{said}");
    assert!(lines[2].starts_with("imds: <stdin>:3:19: ") && lines[2].contains("we need it"), "{said}");
}

#[test]
fn every_way_to_end() {
    let (_socket, _runtime, refused) = refusing();
    for (options, source, code, word) in [
        ("--fake aws", "${cloud:Region}", 0, ""),
        ("--fake aws --missing drop", "${cloud:Region}", 2, "no entries"),
        ("no-such-file --fake aws", "", 2, "no-such-file"),
        ("--cloud none", "${cloud:Region}", 3, "no cloud"),
        ("--fake aws", "${imds:/latest/user-data:-x}", 5, "secret"),
        ("--fake aws", "${imds:/latest/meta-data/%69am/info}", 5, "secret"),
        ("--cloud aws --offline", "${cloud:Region}", 5, "<stdin>:1:1"),
        (&refused, "${cloud:Region}", 6, "no connection"),
        (&refused, "${imds:/latest/meta-data/placement/region}", 6, "no connection"),
        (&refused, "${cloud:Region} ${cloud:Regoin}", 7, "did you mean Region"),
        ("--fake aws", "${imds:/latest/meta-data/nothing}", 7, "404"),
        ("--fake aws --missing keep", "${cloud:Regoin}", 7, "did you mean Region"),
        ("--fake aws --missing empty", "${tag:x:?set it}", 7, "set it"),
        ("--fake aws --format json", "{\"a\": }", 7, "<stdin>:1:7"),
        ("--fake aws", "a\n ${cloud:Region", 7, "<stdin>:2:2"),
        ("--fake aws", "${imds:/a#b}", 7, "fragment"),
    ] {
        let (ended, result, said) = resolve(options, source);
        assert_eq!(ended, code, "{options} {source}: {said}");
        assert!(said.contains(word), "{options} {source}: {said}");
        assert!(code == 0 || result.is_empty(), "{options} {source}: {result}");
        assert!(!said.contains("--allow-secret"), "there is no such option here: {said}");
    }
    let output = fed(imds("resolve --fake aws --format json"), b"\n\xc3\xa9\xff".as_slice());
    assert_eq!(output.status.code(), Some(7));
    assert_eq!(stderr(&output), "imds: <stdin>:2:2: this isn't UTF-8\n");
}

#[test]
fn defaults_stand_in_quietly_where_there_is_certainly_nothing() {
    assert_eq!(resolved("--cloud none", "${cloud:Region:-here} ${tag:a:-}|"), "here |");
    assert_eq!(resolved("--fake aws", "${azure:Region:-not there} ${tag:x:-a\\}b}"), "not there a}b");
    let (_socket, _runtime, refused) = refusing();
    let (code, result, said) = resolve(&refused, "${cloud:Region:-here} ${cloud:Region:-here}");
    assert_eq!((code, &*result), (0, "here here"));
    assert_eq!(said.matches("warning").count(), 1, "{said}");
    assert!(said.contains("<stdin>:1:1, 1:23: ${cloud:Region:-here}: its default stands in"), "{said}");
    assert!(resolve(&format!("-q {refused}"), "${cloud:Region:-here}").2.is_empty());
}

#[test]
fn what_is_missing_can_stay_or_go() {
    let json = "{\"a\": \"${tag:x}\", \"b\": [\"${tag:y}\", 1.0]}";
    for (policy, result) in
        [("keep", json), ("empty", "{\"a\": \"\", \"b\": [\"\", 1.0]}"), ("drop", "{\"b\": [1.0]}")]
    {
        let (code, text, said) = resolve(&format!("--fake aws --format json --missing {policy}"), json);
        assert_eq!(code, 0, "{said}");
        let (text, result): (serde_json::Value, serde_json::Value) =
            (serde_json::from_str(&text).unwrap(), serde_json::from_str(result).unwrap());
        assert_eq!(text, result);
        assert_eq!(said.matches("warning").count(), 2, "{said}");
    }
    // Whether it is missing isn't known where nobody answers.
    let (_socket, _runtime, refused) = refusing();
    for policy in ["keep", "empty", "drop"] {
        let (code, text, _) = resolve(&format!("{refused} --format json --missing {policy}"), json);
        assert_eq!((code, &*text), (6, ""), "{policy}");
    }
}

#[test]
fn the_list_contacts_nothing() {
    let source =
        "a ${cloud:InstanceId} ${cloud:Region:-x}\n${imds:/latest/user-data} ${imds:/a} ${tag:\"a b\"}\n";
    let (_socket, _runtime, refused) = refusing();
    let (code, text, said) = resolve(&format!("--list {refused}"), source);
    assert_eq!((code, &*said), (0, ""));
    let rows: Vec<Vec<&str>> = text.lines().skip(1).map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["<stdin>:1:3", "cloud:InstanceId", "private", "no"]);
    assert_eq!(rows[1], ["<stdin>:1:23", "cloud:Region", "public", "yes"]);
    assert_eq!(rows[2], ["<stdin>:2:1", "imds:/latest/user-data", "secret", "no"]);
    assert_eq!(rows[3], ["<stdin>:2:27", "imds:/a", "private", "no"]);
    assert_eq!(rows[4], ["<stdin>:2:38", "tag:a", "b", "private", "no"]);
    let (_, text, _) = resolve("--list --json --offline", source);
    let list: serde_json::Value = serde_json::from_str(&text).unwrap();
    let second = &list["placeholders"][1];
    assert_eq!((&second["line"], &second["column"]), (&1.into(), &23.into()));
    assert_eq!((&second["class"], &second["default"]), (&"public".into(), &"x".into()));
    assert_eq!(
        (&second["namespace"], &second["key"], &second["field"]),
        (&"cloud".into(), &"Region".into(), &"region".into())
    );
    assert_eq!(resolve("--list", "${cloud:Regoin}").0, 7);
    assert_eq!(resolve("--json", "").0, 2, "only the list can be JSON");
}

#[test]
fn the_cloudwatch_agents_configuration_by_its_own_rules() {
    let source = r#"{
  "agent": {"region": "eu-test-9"},
  "logs": {"logs_collected": {"files": {"collect_list": [
    {"file_path": "{instance_id}", "log_group_name": "{account_id}/{aws_region}", "log_stream_name": "{instance_id}|{hostname}|{ip_address}|{date}|{other}"}
  ]}}},
  "metrics": {
    "append_dimensions": {"InstanceId": "${aws:InstanceId}"},
    "metrics_collected": {"cpu": {"append_dimensions": {"a": "${aws:InstanceType}", "b": "${azure:VmScaleSetName}", "v": "${aws:VolumeId}"}}}
  }
}"#;
    let read = |text: &str| -> (Vec<String>, serde_json::Value) {
        let value: serde_json::Value = serde_json::from_str(text).unwrap();
        let file = &value["logs"]["logs_collected"]["files"]["collect_list"][0];
        assert_eq!(file["file_path"], "{instance_id}", "only names of groups and streams");
        assert_eq!(value["metrics"]["append_dimensions"]["InstanceId"], "${aws:InstanceId}");
        let stream = file["log_stream_name"].as_str().unwrap().split('|').map(str::to_owned).collect();
        (stream, value)
    };
    let before = today("UTC");
    let (code, text, said) = resolve("--fake aws --dialect cloudwatch-agent", source);
    assert_eq!(code, 0, "{said}");
    assert!(
        said.contains("<stdin>:8:") && said.contains("${azure:VmScaleSetName}: its entry is left out"),
        "{said}"
    );
    let (stream, value) = read(&text);
    assert_eq!(stream[0], "i-0fedcba9876543210");
    assert!(!stream[1].is_empty() && !stream[1].contains("UNKNOWN"), "{stream:?}");
    assert!(stream[3] == before || stream[3] == today("UTC"), "{stream:?}");
    assert_eq!(stream[4], "{other}");
    let dimensions = &value["metrics"]["metrics_collected"]["cpu"]["append_dimensions"];
    assert_eq!(dimensions["v"], "${aws:VolumeId}");
    assert!(dimensions.get("b").is_none() && dimensions["a"].is_string(), "{dimensions}");

    let (code, text, said) = resolve("--cloud none --dialect cloudwatch-agent", source);
    assert_eq!(code, 0, "{said}");
    assert_eq!(read(&text).0[0], "i-UNKNOWN");
    assert!(said.contains("{instance_id}: what the agent would write stands in"), "{said}");
    assert_eq!(said.matches("hint:").count(), 1, "a remedy is said once: {said}");

    for options in ["--format yaml", "--missing keep"] {
        assert_eq!(resolve(&format!("--dialect cloudwatch-agent {options}"), source).0, 2, "{options}");
    }
}

/// The date of now at a place, by the system's own command.
fn today(zone: &str) -> String {
    stdout(&Command::new("date").arg("+%F").env("TZ", zone).output().unwrap()).trim().to_owned()
}

#[test]
fn the_date_is_the_local_one() {
    let source = r#"{"logs":{"log_stream_name":"{date}"}}"#;
    let mut dates = Vec::new();
    // Between these two it is never the same day.
    for zone in ["XXX-14", "XXX+12"] {
        let before = today(zone);
        let mut command = imds("resolve --offline --dialect cloudwatch-agent");
        command.env("TZ", zone);
        let text = stdout(&fed(command, source));
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        let date = value["logs"]["log_stream_name"].as_str().unwrap().to_owned();
        assert!(date == before || date == today(zone), "{zone}: {date}");
        dates.push(date);
    }
    assert_ne!(dates[0], dates[1]);
}

#[test]
fn text_longer_than_is_kept_is_resolved_while_it_goes_by() {
    let line = format!("${{cloud:Region}} {}\n", "x".repeat(1000));
    let lines = 20_000;
    // A field and a path that the start says nothing of.
    let end = "${cloud:InstanceId} ${imds:/latest/meta-data/placement/region}";
    let result = resolved("--fake aws", &(line.repeat(lines) + end));
    let (start, rest) = result.split_at(result.len() - 29);
    assert_eq!(rest, "i-0fedcba9876543210 eu-west-1");
    assert!(start == line.replace("${cloud:Region}", "eu-west-1").repeat(lines), "lines went wrong");

    let (code, result, said) = resolve("--fake aws", &(line.repeat(lines) + "${tag:none}"));
    assert_eq!(code, 7);
    assert!(said.contains(&format!("<stdin>:{}:1: ${{tag:none}} has no value", lines + 1)), "{said}");
    assert!(said.contains("what was printed isn't complete"), "{said}");
    assert!(!result.is_empty());
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let folder = Folder::new();
    folder.write("long", "${cloud:Region}\n".repeat(200_000));
    for from_file in [true, false] {
        let mut command = imds("resolve --fake aws");
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        if from_file {
            command.arg(folder.path().join("long"));
        } else {
            command.stdin(std::fs::File::open(folder.path().join("long")).unwrap());
        }
        let mut child = command.spawn().unwrap();
        let mut first = [0; 10];
        child.stdout.take().unwrap().read_exact(&mut first).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!((&first, output.status.code(), &*stderr(&output)), (b"eu-west-1\n", Some(0), ""));
    }
}
