//! The command at the services' real addresses, inside network namespaces that each test makes for itself: real routes, real
//! silence, and nothing that leaves.
//!
//! A machine that may not make namespaces skips these tests and says so; with `IMDS_CI_NAMESPACES=required` (as `.ci/run`
//! sets it where it can) they fail instead.
#![cfg(target_os = "linux")]
#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::panic,
    reason = "a test fails by panicking and says what it skips"
)]

use std::fs;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Every script starts by making sure that it isn't where its parent is; only then may real addresses be used.
const PREAMBLE: &str = r#"
test "$(readlink /proc/self/ns/net)" != "$PARENT_NS" || { echo "not in a namespace of its own" >&2; exit 98; }
export IMDS_NETWORK=on
ip link set lo up
fake() { "$IMDS" fake "$1" --listen "$2" >/dev/null 2>&1 & served="${served:-} $!"; }
trap 'for pid in ${served:-}; do kill "$pid" 2>/dev/null || true; done' EXIT
"#;

/// The flag of `unshare` that works here, if one does.
fn unshare() -> Result<&'static str, String> {
    let mut why = String::new();
    for flag in ["-n", "-rn"] {
        match Command::new("unshare").args([flag, "ip", "link", "set", "lo", "up"]).output() {
            Ok(output) if output.status.success() => return Ok(flag),
            Ok(output) => why = String::from_utf8_lossy(&output.stderr).into_owned(),
            Err(error) => why = format!("unshare: {error}"),
        }
    }
    Err(why)
}

/// Runs a shell script in a network namespace of its own; `None` where this machine may not make one.
fn in_namespace(script: &str) -> Option<Output> {
    let flag = match unshare() {
        Ok(flag) => flag,
        Err(why) if std::env::var_os("IMDS_CI_NAMESPACES").is_some_and(|value| value == "required") => {
            panic!("no network namespace can be made: {why}")
        }
        Err(why) => {
            eprintln!("SKIPPED: no network namespace can be made here: {why}");
            return None;
        }
    };
    let parent = fs::read_link("/proc/self/ns/net").unwrap();
    // No firmware: what decides is the network.
    let empty = std::env::temp_dir();
    let sysroot = empty.join("imds-namespace-test-empty-sysroot");
    fs::create_dir_all(&sysroot).unwrap();
    let output = Command::new("unshare")
        .args([flag, "sh", "-eu", "-c", &format!("{PREAMBLE}\n{script}")])
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("PARENT_NS", parent)
        .env("IMDS", env!("CARGO_BIN_EXE_imds"))
        .env("IMDS_SYSROOT", sysroot)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_ne!(output.status.code(), Some(98), "{}", stderr(&output));
    Some(output)
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn every_cloud_is_found_and_read_at_its_real_address() {
    for (cloud, id) in [
        ("aws", "i-0fedcba9876543210"),
        ("azure", "c0ffee00-1234-4abc-8def-0123456789ab"),
        ("gcp", "9123456789012345678"),
        ("digitalocean", "412345678"),
    ] {
        let spec = if cloud == "azure" { "azure:vmss-uniform-spot" } else { cloud };
        let script = format!(
            r#"ip addr add 169.254.169.254/32 dev lo
               fake {spec} 169.254.169.254:80
               "$IMDS" wait --timeout 20s --cloud {cloud}
               "$IMDS" detect
               "$IMDS" get instance_id"#
        );
        let Some(output) = in_namespace(&script) else { return };
        assert_eq!(stdout(&output), format!("{cloud}\n{id}\n"), "{}", stderr(&output));
    }
}

#[test]
fn ipv6_serves_where_there_is_no_ipv4() {
    let script = r#"ip addr add fd00:ec2::254/128 dev lo nodad
        fake aws '[fd00:ec2::254]:80'
        "$IMDS" wait --timeout 20s --cloud aws
        "$IMDS" get --cloud aws instance_id"#;
    let Some(output) = in_namespace(script) else { return };
    assert_eq!(stdout(&output), "i-0fedcba9876543210\n", "{}", stderr(&output));
}

#[test]
fn a_prohibit_route_is_the_hosts_own_lock() {
    let script = r#"ip route add prohibit 169.254.169.254/32
        "$IMDS" get --cloud azure instance_id"#;
    let Some(output) = in_namespace(script) else { return };
    assert_eq!(output.status.code(), Some(5), "{}", stderr(&output));
    assert!(stderr(&output).contains("prohibit"), "{}", stderr(&output));
}

#[test]
fn without_a_route_the_answer_is_unknown_and_comes_at_once() {
    let started = Instant::now();
    let Some(output) = in_namespace(r#""$IMDS" detect"#) else { return };
    assert_eq!(
        (stdout(&output).as_str(), output.status.code()),
        ("unknown\n", Some(6)),
        "{}",
        stderr(&output)
    );
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
}

#[test]
fn silence_costs_no_more_than_the_probe_timeout() {
    // A neighbour that never answers: what a packet filter that drops looks like from inside.
    let script = r#"ip link add near type veth peer name far
        ip link set near up; ip link set far up
        ip addr add 169.254.1.1/16 dev near
        "$IMDS" detect"#;
    let started = Instant::now();
    let Some(output) = in_namespace(script) else { return };
    assert_eq!(
        (stdout(&output).as_str(), output.status.code()),
        ("unknown\n", Some(6)),
        "{}",
        stderr(&output)
    );
    assert!(started.elapsed() < Duration::from_millis(1800), "{:?}", started.elapsed());
}

#[test]
fn decisive_firmware_sends_no_packet() {
    // The kernel's own count of what this namespace sent, of every protocol.
    let script = r#"dmi=$(mktemp -d); mkdir -p "$dmi/sys/class/dmi/id"
        echo "Amazon EC2" > "$dmi/sys/class/dmi/id/sys_vendor"
        "$IMDS" detect --sysroot "$dmi"
        rm -r "$dmi"
        sent() { awk -v name="$1" '$1 == "Ip:" && !head { for (i = 2; i <= NF; i++) column[$i] = i; head = 1; next }
                                    $1 == "Ip:" { print $column[name] }' /proc/net/snmp; }
        sent OutRequests
        awk '$1 == "Ip6OutRequests" { print $2 }' /proc/net/snmp6"#;
    let Some(output) = in_namespace(script) else { return };
    let printed = stdout(&output);
    let lines: Vec<&str> = printed.lines().collect();
    assert_eq!(lines.first(), Some(&"aws"), "{}", stderr(&output));
    assert_eq!(lines.get(1), Some(&"0"), "packets over IPv4: {printed}");
    // The kernel itself announces the loopback's IPv6 groups in some versions; nothing of ours may add to them.
    let silent = in_namespace(r#"awk '$1 == "Ip6OutRequests" { print $2 }' /proc/net/snmp6"#)
        .map(|output| stdout(&output));
    assert_eq!(lines.get(2).map(|line| format!("{line}\n")), silent, "packets over IPv6: {printed}");
}
