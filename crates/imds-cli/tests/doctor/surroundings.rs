//! What the user, the environment and the neighbours have to do with it.

use std::fs;
use std::os::unix::net::UnixListener;

use crate::house::{can_use, doctor, in_namespace};

fn machine(files: &[(&str, &str)]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for (name, content) in files {
        let path = root.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    root
}

#[test]
fn a_hypervisor_that_is_no_cloud_is_named() {
    let root = machine(&[
        ("sys/class/dmi/id/product_name", "VirtualBox\n"),
        ("sys/class/dmi/id/sys_vendor", "innotek GmbH\n"),
    ]);
    let said = doctor(&format!("--json --sysroot {}", root.path().display()), &[]);
    said.must_be("no_cloud", 3);
    assert!(said.first()["cause"].as_str().unwrap().contains("VirtualBox"), "{:#}", said.first());
}

#[test]
fn a_registered_server_is_told_whose_service_it_has() {
    doctor("--fake azure:arc --json", &[]).must_be("no_cloud", 3).must_suggest("imds show --cloud azure");
}

#[test]
fn who_decided_is_named_with_the_opposite() {
    doctor("--json", &[("IMDS_FORCE_CLOUD", "none")])
        .must_be("forced_none", 3)
        .must_suggest("unset IMDS_FORCE_CLOUD");
    doctor("--json --cloud none", &[]).must_be("forced_none", 3);
    doctor("--json --cloud aws", &[("AWS_EC2_METADATA_DISABLED", "true")])
        .must_be("disabled_by_variable", 5)
        .must_suggest("unset AWS_EC2_METADATA_DISABLED");
    doctor("--json --cloud aws", &[]).must_be("network_forbidden", 5).must_suggest("unset IMDS_NETWORK");
    let offline = doctor("--json --cloud aws --offline", &[]);
    offline.must_be("network_forbidden", 5);
    // The variable is set to something else, and its absence would change nothing.
    assert!(!offline.first().to_string().contains("IMDS_NETWORK"), "{:#}", offline.first());
}

#[test]
fn a_setting_that_cannot_be_used_is_explained_by_its_error() {
    let said = doctor("--json --cloud aws", &[("AWS_EC2_METADATA_SERVICE_ENDPOINT", "169.254.169.254")]);
    said.must_be("unexplained", 2);
    assert!(said.first()["cause"].as_str().unwrap().contains("AWS_EC2_METADATA_SERVICE_ENDPOINT"));
}

#[test]
fn variables_and_proxies_are_told_without_their_passwords() {
    let variables = [
        ("IMDS_URL", "http://127.0.0.1:1"),
        ("HTTP_PROXY", "http://user:hunter2@127.0.0.1:9"),
        ("AWS_METADATA_SERVICE_TIMEOUT", "1"),
    ];
    let said = doctor("--json --cloud aws", &variables);
    assert!(said.finding("proxy_variables")["cause"].as_str().unwrap().starts_with("HTTP_PROXY is set"));
    let told = said.finding("variables_in_force")["evidence"].to_string();
    assert!(told.contains("IMDS_URL=") && told.contains("AWS_METADATA_SERVICE_TIMEOUT=1"), "{told}");
    assert!(!said.stdout.contains("hunter2"), "{}", said.stdout);
}

#[test]
fn firmware_is_looked_for_where_there_is_none() {
    let root = machine(&[]);
    let said = doctor("--json", &[("IMDS_SYSROOT", root.path().to_str().unwrap())]);
    assert_eq!(said.code, 5, "{:#}", said.json());
    let finding = said.finding("wrong_sysroot");
    assert!(finding["cause"].as_str().unwrap().contains(root.path().to_str().unwrap()), "{finding:#}");
}

#[test]
fn a_dead_agents_socket_is_named() {
    let root = machine(&[("imds/x", "")]);
    let socket = root.path().join("imds/imds.sock");
    drop(UnixListener::bind(&socket).unwrap());
    let said = doctor("--json --cloud aws", &[("XDG_RUNTIME_DIR", root.path().to_str().unwrap())]);
    let finding = said.finding("stale_agent_socket");
    assert_eq!(finding["remedy"][1], format!("rm {}", socket.display()), "{finding:#}");
}

#[test]
fn somebody_elses_agent_is_no_agent() {
    if !can_use(&["setpriv"]) {
        return;
    }
    // The user may not be able to reach the place where the command was built.
    let script = r#"there=$(mktemp -d); chmod 755 "$there"; cp "$IMDS" "$there/imds"; mkdir "$there/run"; chown 65534 "$there/run"
        printf '[agent]\nsocket = "%s/run/imds.sock"\nstate = ""\n[metadata]\ncloud = "none"\n' "$there" > "$there/agent.toml"
        mkfifo "$there/notices"
        IMDS_NETWORK=off setpriv --reuid 65534 --regid 65534 --clear-groups \
            "$there/imds" agent --config "$there/agent.toml" 2> "$there/notices" & served=$!
        exec 3< "$there/notices"; read -r notice <&3
        until test -S "$there/run/imds.sock"; do read -r notice <&3; done
        mkdir "$there/mine"; ln -s "$there/run" "$there/mine/imds"
        # Another root than this machine's would have no agent.
        unset IMDS_SYSROOT
        XDG_RUNTIME_DIR="$there/mine" "$IMDS" doctor --json --cloud aws --timeout 3s && code=0 || code=$?
        kill $served; rm -r "$there"; exit $code"#;
    let Some(said) = in_namespace(script) else { return };
    let finding = said.finding("untrusted_agent_socket");
    assert!(finding["cause"].as_str().unwrap().contains("the user 65534"), "{finding:#}");
    assert!(finding["remedy"][0].as_str().unwrap().starts_with("ls -l "), "{finding:#}");
}
