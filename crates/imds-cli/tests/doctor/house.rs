//! Runs the built command, here or in a network namespace of its own.

use std::fs;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// What the doctor said.
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Said {
    fn of(output: &Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}{}", self.stdout, self.stderr))
    }

    /// The first finding, with the exit code and the names of all findings.
    pub(crate) fn first(&self) -> Value {
        self.json()["findings"][0].clone()
    }

    /// The finding of this name.
    pub(crate) fn finding(&self, id: &str) -> Value {
        let report = self.json();
        let findings = report["findings"].as_array().unwrap();
        findings
            .iter()
            .find(|finding| finding["id"] == id)
            .unwrap_or_else(|| panic!("no {id}: {report:#}"))
            .clone()
    }

    /// Holds the cause to its name and the command to its code.
    pub(crate) fn must_be(&self, id: &str, code: i32) -> &Self {
        assert_eq!((self.first()["id"].as_str(), self.code), (Some(id), code), "{:#}", self.json());
        self
    }

    pub(crate) fn must_suggest(&self, command: &str) -> &Self {
        let first = self.first();
        assert!(first["remedy"].as_array().unwrap().iter().any(|it| it == command), "{command}: {first:#}");
        self
    }
}

/// `imds doctor` with these words and variables, and nothing else around it.
pub(crate) fn doctor(line: &str, variables: &[(&str, &str)]) -> Said {
    let nothing = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cli/nothing.toml");
    let mut command = Command::new(env!("CARGO_BIN_EXE_imds"));
    command.arg("doctor").args(line.split_whitespace()).args(["--config", nothing]);
    command.env_clear().env("IMDS_NETWORK", "loopback").envs(variables.iter().copied()).stdin(Stdio::null());
    Said::of(&command.output().unwrap())
}

/// Every script starts by making sure that it isn't where its parent is; only then may real addresses be used.
const PREAMBLE: &str = r#"
test "$(readlink /proc/self/ns/net)" != "$PARENT_NS" || { echo "not in a namespace of its own" >&2; exit 98; }
export IMDS_NETWORK=on
for which in all default; do echo 1 > /proc/sys/net/ipv6/conf/$which/disable_ipv6 2>/dev/null || true; done
ip link set lo up
trap 'for pid in ${served:-}; do kill "$pid" 2>/dev/null || true; done' EXIT
# A link whose far end swallows everything; the service's neighbour is known, so that nobody has to be asked for it.
link() {
    ip link add "$1" type veth peer name "$1-far"; ip link set "$1" up; ip link set "$1-far" up
    ip addr add "$2" dev "$1"
}
neighbour() { ip neigh add 169.254.169.254 lladdr 02:00:00:00:00:01 dev "$1" nud permanent; }
doctor() { "$IMDS" doctor --json --timeout 3s "$@"; }
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

/// Runs a shell script in a network namespace of its own; `None` where this machine may not make one. The machine's firmware
/// is an EC2 instance's.
pub(crate) fn in_namespace(script: &str) -> Option<Said> {
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
    let root = tempfile::tempdir().unwrap();
    let dmi = root.path().join("sys/class/dmi/id");
    fs::create_dir_all(&dmi).unwrap();
    fs::write(dmi.join("sys_vendor"), "Amazon EC2\n").unwrap();
    fs::write(dmi.join("board_asset_tag"), "i-0fedcba9876543210\n").unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(root.path(), mode).unwrap();
    let output = Command::new("unshare")
        .args([flag, "sh", "-eu", "-c", &format!("{PREAMBLE}\n{script}")])
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("PARENT_NS", fs::read_link("/proc/self/ns/net").unwrap())
        .env("IMDS", env!("CARGO_BIN_EXE_imds"))
        .env("IMDS_SYSROOT", root.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = Said::of(&output);
    assert_ne!(said.code, 98, "{}", said.stderr);
    Some(said)
}

/// Whether real root has these programs, which a test needs to put what is wrong in place. Says so where it hasn't.
pub(crate) fn can_use(programs: &[&str]) -> bool {
    let ran = |command: &str| {
        let output = Command::new("unshare").args(["-n", "sh", "-c", command]).output();
        output.is_ok_and(|output| output.status.success())
    };
    let missing: Vec<&str> =
        programs.iter().copied().filter(|it| !ran(&format!("command -v {it}"))).collect();
    let filter = !programs.contains(&"nft") || ran("nft add table ip x");
    if missing.is_empty() && filter && ran("true") {
        return true;
    }
    eprintln!("SKIPPED: this needs root with {programs:?}; missing: {missing:?}, packet filter: {filter}");
    false
}
