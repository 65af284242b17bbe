//! What is packaged around the command, held to the command.
#![cfg(all(unix, feature = "agent", feature = "fake"))]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use yaml_serde::Value;

const IMDS: &str = env!("CARGO_BIN_EXE_imds");

fn packaged(path: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../packaging")).join(path)
}

fn read(path: &str) -> String {
    std::fs::read_to_string(packaged(path)).unwrap()
}

fn output(command: &mut Command) -> Output {
    command
        .env_clear()
        .env("IMDS_NETWORK", "loopback")
        .env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.stdin(Stdio::null()).output().unwrap()
}

/// The commands of the unit, as a shell reads them (it quotes as systemd does here), for a made-up machine and this
/// directory in the place of /run/imds.
fn commands(directory: &str, machine: &str) -> Vec<String> {
    let unit = read("systemd/imds-env.service");
    let lines = unit.lines().filter_map(|line| line.strip_prefix("ExecStart="));
    let program = format!("{IMDS} --fake {machine}");
    let commands: Vec<_> =
        lines.map(|line| line.replace("/usr/bin/imds", &program).replace("/run/imds", directory)).collect();
    assert_eq!(commands.len(), 2);
    commands
}

#[test]
fn the_unit_for_the_env_file_writes_one_that_systemd_reads() {
    let folder = tempfile::tempdir().unwrap();
    for command in commands(folder.path().to_str().unwrap(), "aws:spot-asg") {
        let ran = output(Command::new("/bin/sh").args(["-c", &command]));
        assert!(ran.status.success(), "{command}: {}", String::from_utf8_lossy(&ran.stderr));
    }
    let names: Vec<_> =
        std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["metadata.env"], "nothing half done is left");
    let written = std::fs::read_to_string(folder.path().join("metadata.env")).unwrap();
    assert!(written.lines().any(|line| line == r#"IMDS_INSTANCE_ID="i-0a1b2c3d4e5f67890""#), "{written}");
    assert!(written.lines().any(|line| line == r#"IMDS_REGION="us-east-1""#), "{written}");
}

#[test]
fn the_unit_for_the_env_file_leaves_none_where_there_is_no_metadata() {
    let folder = tempfile::tempdir().unwrap();
    let commands = commands(folder.path().to_str().unwrap(), "aws");
    let nowhere = commands[1].replace("--fake aws", "--cloud none");
    let ran = output(Command::new("/bin/sh").args(["-c", &nowhere]));
    assert_eq!(ran.status.code(), Some(3), "{}", String::from_utf8_lossy(&ran.stderr));
    assert!(!folder.path().join("metadata.env").exists());
}

#[test]
fn the_agent_takes_the_configuration_of_the_nodes() {
    // The node's /sys and /proc are mounted there.
    let folder = tempfile::tempdir().unwrap();
    let text = read("kubernetes/agent.toml").replace("/host", folder.path().to_str().unwrap());
    let file = folder.path().join("agent.toml");
    std::fs::write(&file, text).unwrap();
    let ran = output(Command::new(IMDS).args(["agent", "--check", "--config", file.to_str().unwrap()]));
    assert_eq!((ran.status.code(), String::from_utf8(ran.stderr).unwrap()), (Some(0), String::new()));
}

#[test]
fn the_daemon_set_fits_the_configuration_and_keeps_the_node_safe() {
    let set: Value = yaml_serde::from_str(&read("kubernetes/daemonset.yaml")).unwrap();
    let config: toml::Table = toml::from_str(&read("kubernetes/agent.toml")).unwrap();
    let pod = &set["spec"]["template"]["spec"];
    assert_eq!(set["spec"]["selector"]["matchLabels"], set["spec"]["template"]["metadata"]["labels"]);
    assert_eq!(pod["hostNetwork"], Value::from(true));
    assert_eq!(pod["automountServiceAccountToken"], Value::from(false));
    assert_eq!(pod["tolerations"][0]["operator"], Value::from("Exists"));
    let container = &pod["containers"][0];
    let security = &container["securityContext"];
    assert_eq!(security["readOnlyRootFilesystem"], Value::from(true));
    assert_eq!(security["allowPrivilegeEscalation"], Value::from(false));
    assert_eq!(security["capabilities"]["drop"][0], Value::from("ALL"));
    assert!(
        container["resources"]["requests"].is_mapping()
            && container["resources"]["limits"]["memory"].is_string()
    );
    // Where the agent listens is what is mounted, probed and asked.
    let socket = config["agent"]["socket"].as_str().unwrap();
    let asks = container["readinessProbe"]["exec"]["command"].as_sequence().unwrap();
    assert!(asks.contains(&Value::from(socket)), "{asks:?}");
    let alive = &container["livenessProbe"]["httpGet"];
    let probed = format!("{}:{}", alive["host"].as_str().unwrap(), alive["port"].as_u64().unwrap());
    assert_eq!(config["metrics"]["listen"].as_str(), Some(&*probed));
    let mounts = container["volumeMounts"].as_sequence().unwrap();
    let mounted = |path: &str| mounts.iter().find(|mount| mount["mountPath"] == *path);
    assert!(
        mounted("/run/imds").is_some_and(|mount| mount["readOnly"].is_null()),
        "the socket is made there"
    );
    let root = config["metadata"]["sysroot"].as_str().unwrap();
    for path in [format!("{root}/sys"), format!("{root}/proc"), "/etc/imds".to_owned()] {
        assert!(mounted(&path).is_some_and(|mount| mount["readOnly"] == true), "{path}");
    }
    let volumes: Vec<_> =
        pod["volumes"].as_sequence().unwrap().iter().map(|volume| &volume["name"]).collect();
    assert!(mounts.iter().all(|mount| volumes.contains(&&mount["name"])), "{volumes:?}");
}
