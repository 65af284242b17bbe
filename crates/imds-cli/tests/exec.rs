//! `imds exec`: what the program gets, when it runs, and how it ends.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod process;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::ffi::OsStrExt;
use std::process::{Command, Output, Stdio};

use imds_fake::{Fake, Scenario};
use process::{imds, stderr, stdout};
use tokio::runtime::Runtime;

/// What the environment of `env -0` says, run with these options.
fn environment_of(mut command: Command) -> BTreeMap<String, String> {
    let output = command.args(["--", "env", "-0"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    variables(&output)
}

fn variables(output: &Output) -> BTreeMap<String, String> {
    let text = stdout(output);
    let pairs = text.split_terminator('\0').map(|pair| pair.split_once('=').unwrap());
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn shell(line: &str, script: &str) -> Output {
    imds(line).args(["--", "sh", "-c", script]).output().unwrap()
}

/// An address of loopback that nobody answers at: its port is taken, and connections to it are never accepted.
fn silence() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    (listener, url)
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

#[test]
fn the_program_has_the_metadata_in_its_environment() {
    let runtime = runtime();
    let mut scenario = Scenario::parse("aws:spot-asg").unwrap();
    let odd = r#"a "b" 'c' \d $HOME ${aws:InstanceId} `id` # 東京"#;
    scenario.set("meta-data/tags/instance/odd-one", odd).unwrap();
    let fake = runtime.block_on(Fake::start(scenario)).unwrap();
    let mut command = imds(&format!("exec --endpoint {}", fake.url()));
    command.env("MINE", "kept").env("IMDS_REGION", "what was there before");
    let environment = environment_of(command);
    for (name, value) in [
        ("IMDS_CLOUD", "aws"),
        ("IMDS_INSTANCE_ID", "i-0a1b2c3d4e5f67890"),
        ("IMDS_ACCOUNT_ID", "012345678901"),
        ("IMDS_REGION", "us-east-1"),
        ("IMDS_TAG_ODD_ONE", odd),
        ("IMDS_NETWORK", "loopback"),
        ("MINE", "kept"),
    ] {
        assert_eq!(environment.get(name).map(String::as_str), Some(value), "{name}");
    }
    assert!(!environment.contains_key("IMDS_URL"), "an endpoint isn't handed on: {environment:?}");
    let _inside = runtime.enter();
    drop(fake);
}

#[test]
fn names_and_values_are_those_of_show() {
    let environment = environment_of(imds("exec --fake azure:aks"));
    let lines = stdout(&imds("show --fake azure:aks --format env").output().unwrap());
    let shown: Vec<&str> = lines.lines().map(|line| line.split_once('=').unwrap().0).collect();
    let ours = ["IMDS_URL", "IMDS_NETWORK"];
    let mut set: Vec<&str> = environment.keys().map(String::as_str).collect();
    set.retain(|name| name.starts_with("IMDS_") && !ours.contains(name));
    let mut sorted = shown.clone();
    sorted.sort_unstable();
    assert_eq!(set, sorted);
    let otel = stdout(&imds("show --fake azure:aks --format otel").output().unwrap());
    assert_eq!(environment["OTEL_RESOURCE_ATTRIBUTES"], otel.trim_end());
}

#[test]
fn the_prefix_can_be_chosen() {
    let mut command = imds("exec --fake azure --prefix CLOUD_");
    command.env("IMDS_FORCE_CLOUD", "gcp");
    let environment = environment_of(command);
    assert_eq!(environment["CLOUD_REGION"], "westeurope");
    assert_eq!(environment["CLOUD_TAG_ENV"], "prod");
    assert!(!environment.contains_key("IMDS_REGION"));
    assert_eq!(environment_of(imds("exec --fake azure --prefix="))["REGION"], "westeurope");
}

#[test]
fn variables_that_steer_us_are_never_set_by_a_field() {
    let mut command = imds("exec --fake azure --prefix IMDS_FORCE_");
    command.env("IMDS_FORCE_CLOUD", "gcp").args(["--", "env", "-0"]);
    let output = command.output().unwrap();
    assert_eq!(variables(&output)["IMDS_FORCE_CLOUD"], "gcp");
    assert_eq!(variables(&output)["IMDS_FORCE_REGION"], "westeurope");
    assert!(stderr(&output).contains("cloud is left out, because IMDS_FORCE_CLOUD"), "{}", stderr(&output));
}

#[test]
fn renamed_attributes_have_the_names_that_are_wanted() {
    for (names, expected) in [
        ("legacy", [true, false, true, false]),
        ("current", [false, true, false, true]),
        ("both", [false, true, true, true]),
    ] {
        let told = |attributes: &str| {
            [
                "cloud.platform=azure_aks,",
                "cloud.platform=azure.aks,",
                "azure.resourcegroup.name=",
                "azure.resource_group.name=",
            ]
            .map(|pair| attributes.contains(pair))
        };
        let options = format!("--fake azure:aks --otel-names {names}");
        let environment = environment_of(imds(&format!("exec {options}")));
        assert_eq!(told(&environment["OTEL_RESOURCE_ATTRIBUTES"]), expected, "{names}");
        let shown = imds(&format!("show --format otel {options}")).output().unwrap();
        assert_eq!(told(&stdout(&shown)), expected, "{names}");
    }
}

#[test]
fn attributes_that_are_set_win_key_by_key() {
    let mut command = imds("exec --fake aws");
    command.env("OTEL_RESOURCE_ATTRIBUTES", "service.name=a%20b,cloud.region=mine");
    let attributes = environment_of(command)["OTEL_RESOURCE_ATTRIBUTES"].clone();
    assert!(
        attributes.starts_with("service.name=a%20b,cloud.region=mine,cloud.provider=aws,"),
        "{attributes}"
    );
    assert_eq!(attributes.matches("cloud.region=").count(), 1, "{attributes}");
}

#[test]
fn attributes_that_are_no_attributes_are_kept_and_told() {
    for text in [&b"service.name"[..], b"a=100%", b"a=\xff"] {
        let mut command = imds("exec --fake aws");
        command.env("OTEL_RESOURCE_ATTRIBUTES", OsStr::from_bytes(text));
        command.args(["--", "sh", "-c", "printf %s \"$OTEL_RESOURCE_ATTRIBUTES\""]);
        let output = command.output().unwrap();
        assert_eq!(output.stdout, text);
        let told = stderr(&output);
        assert_eq!(told.matches("warning: ").count(), 1, "{told}");
        assert!(told.contains("OTEL_RESOURCE_ATTRIBUTES is left as it is"), "{told}");
    }
}

#[test]
fn the_programs_status_is_ours() {
    for code in [0, 1, 7, 255] {
        let output = shell("exec --fake aws", &format!("exit {code}"));
        assert_eq!((output.status.code(), &*stderr(&output)), (Some(code), ""));
    }
    for (signal, code) in [("KILL", 137), ("TERM", 143), ("INT", 130)] {
        // What runs the tests may ignore SIGINT, as it is in the background of a shell.
        let mut command = imds("exec --fake aws -- env --default-signal sh -c");
        let output = command.arg(format!("kill -{signal} $$")).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{signal}");
    }
}

#[test]
fn a_program_that_cant_run_is_told_as_a_shell_does() {
    let here = env!("CARGO_MANIFEST_DIR");
    let plain = format!("{here}/Cargo.toml");
    for (program, code) in
        [("/no/such/program", 127), ("imds-no-such-program", 127), (&*plain, 126), (here, 126)]
    {
        let output = imds("exec --fake aws --").arg(program).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{program}");
        assert!(stderr(&output).contains(&format!("{program} can't be run")), "{}", stderr(&output));
    }
}

#[test]
fn our_own_mistakes_are_125() {
    for line in [
        "exec",
        "exec --fake aws",
        "exec --no-such-option -- true",
        "exec --fake amazon -- true",
        "exec --fake aws --timeout soon -- true",
        "exec --fake aws --wait soon -- true",
        "exec --fake aws --prefix 1X -- true",
        "exec --fake aws --prefix a-b -- true",
        "exec --fake aws --require instanceid -- true",
        "exec --cloud awz -- true",
        "--fake aws exec --otel-names none -- true",
    ] {
        let output = imds(line).output().unwrap();
        assert_eq!(output.status.code(), Some(125), "{line}: {}", stderr(&output));
        assert!(!stderr(&output).is_empty(), "{line}");
    }
    assert_eq!(imds("exec --help").output().unwrap().status.code(), Some(0));
    assert_eq!(imds("show --no-such-option").output().unwrap().status.code(), Some(2));
}

#[test]
fn options_after_the_program_are_the_programs() {
    let output = imds("exec --fake aws echo --fake azure -v --help").output().unwrap();
    assert_eq!(stdout(&output), "--fake azure -v --help\n");
}

#[test]
fn input_and_output_are_the_programs() {
    let mut command = imds("exec --fake aws -- sh -c");
    command
        .arg("cat; echo to-stderr >&2")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"through").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!((stdout(&output), stderr(&output)), ("through".to_owned(), "to-stderr\n".to_owned()));
}

#[test]
fn without_metadata_it_warns_once_and_runs() {
    let (listener, nobody) = silence();
    let unknown = format!("exec --timeout 300ms --endpoint {nobody}");
    let unreachable = format!("exec --timeout 300ms --cloud gcp --endpoint {nobody}");
    for line in ["exec --cloud none", &unknown, &unreachable] {
        let output = shell(line, "echo ran ${IMDS_INSTANCE_ID-unset}; exit 3");
        assert_eq!((stdout(&output), output.status.code()), ("ran unset\n".to_owned(), Some(3)), "{line}");
        assert_eq!(stderr(&output).matches("imds: ").count(), 1, "{line}: {}", stderr(&output));
        assert!(stderr(&output).contains("warning: "), "{line}: {}", stderr(&output));
        let quiet = shell(&format!("{line} -q"), "exit 3");
        assert_eq!((stderr(&quiet), quiet.status.code()), (String::new(), Some(3)));

        let output = shell(&format!("{line} --require instance_id"), "echo ran");
        assert_eq!((stdout(&output), output.status.code()), (String::new(), Some(125)), "{line}");
        assert_eq!(stderr(&output).matches("imds: ").count(), 1, "{line}: {}", stderr(&output));
    }
    drop(listener);
}

#[test]
fn what_firmware_knows_is_given_when_the_service_is_off() {
    let output = shell("exec --fake aws:disabled", "echo $IMDS_INSTANCE_ID ${IMDS_REGION-unset}");
    assert_eq!(stdout(&output), "i-0fedcba9876543210 unset\n");
    assert_eq!(stderr(&output).matches("imds: warning: ").count(), 1, "{}", stderr(&output));
    assert_eq!(shell("exec --fake aws:disabled --require instance_id", "exit 4").status.code(), Some(4));
    let output = shell("exec --fake aws:disabled --require region --require zone", "echo ran");
    assert_eq!((stdout(&output), output.status.code()), (String::new(), Some(125)));
    assert!(stderr(&output).contains("region, zone: "), "{}", stderr(&output));
}

#[test]
fn required_fields_may_be_parts_of_fields() {
    let line = "exec --fake azure --require tags.env --require interfaces.0.mac";
    assert_eq!(shell(line, "exit 4").status.code(), Some(4));
    let output = shell("exec --fake azure --require tags.nope", "echo ran");
    assert_eq!((stdout(&output), output.status.code()), (String::new(), Some(125)));
    assert!(stderr(&output).contains("tags.nope"), "{}", stderr(&output));
}

#[test]
fn it_waits_for_a_service_that_appears() {
    let runtime = runtime();
    let fake = runtime.block_on(Fake::start(Scenario::parse("gcp").unwrap())).unwrap();
    fake.inject("reset".parse().unwrap());
    let line = format!("exec -v --cloud gcp --timeout 2s --wait 60s --endpoint {} --", fake.url());
    let mut command = imds(&line);
    command.args(["sh", "-c", "echo $IMDS_INSTANCE_ID"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut told = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(told.any(|line| line.unwrap().contains("not there yet")));
    fake.clear_faults();
    assert_eq!(told.map(Result::unwrap).filter(|line| line.contains("warning: ")).count(), 0);
    let output = child.wait_with_output().unwrap();
    assert_eq!((stdout(&output), output.status.code()), ("9123456789012345678\n".to_owned(), Some(0)));
    let _inside = runtime.enter();
    drop(fake);
}

#[test]
fn waiting_ends_at_its_time_or_at_a_definite_no() {
    let (listener, nobody) = silence();
    let line = format!("exec --cloud gcp --timeout 200ms --wait 300ms --endpoint {nobody}");
    assert_eq!(shell(&line, "exit 4").status.code(), Some(4));
    let output = shell(&format!("{line} --require region"), "echo ran");
    assert_eq!((stdout(&output), output.status.code()), (String::new(), Some(125)));
    assert!(stderr(&output).contains("region"), "{}", stderr(&output));
    drop(listener);
    // No cloud comes of waiting: the test would take ten minutes.
    assert_eq!(shell("exec --cloud none --wait 10m", "exit 4").status.code(), Some(4));
    assert_eq!(shell("exec --cloud none --wait 10m --require region", "exit 4").status.code(), Some(125));
}

#[test]
fn the_fake_service_lives_as_long_as_the_program() {
    let program = env!("CARGO_BIN_EXE_imds");
    for (spec, name) in
        [("aws", "AWS_EC2_METADATA_SERVICE_ENDPOINT"), ("azure", "IMDS_URL"), ("gcp", "GCE_METADATA_HOST")]
    {
        let mut command = imds(&format!("exec --fake {spec} -- sh -euc"));
        command
            .arg(format!("test -n \"${name}\"; exec \"{program}\" get region"))
            .env("IMDS_URL", "http://127.0.0.1:1");
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{spec}: {}", stderr(&output));
        assert_eq!(stdout(&output).lines().count(), 1, "{spec}");
    }
}
