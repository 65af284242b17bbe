//! How a test runs: a shell script in namespaces of its own.

use std::fs;
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// The words that scripts are written in. Every script starts by making sure that it isn't where its parent is; only then
/// may real addresses be used.
///
/// | word | does |
/// |---|---|
/// | `fake SPEC ADDRESS OPTION…` | serves a cloud here, and goes on once it listens |
/// | `serve HOST SPEC ADDRESS OPTION…` | the same on another machine |
/// | `host NAME` | another machine: a network namespace that `on NAME` runs commands in |
/// | `cable HOST LINK HOST LINK` | a link between two machines, up on both ends; `here` is this one |
/// | `on HOST CMD…` | runs a command on that machine |
/// | `firmware FILE TEXT` | gives this machine firmware |
/// | `eventually CMD…` | waits until the command succeeds |
/// | `counted NAME` | how many packets a counter of the nftables table `inet t` has seen |
const WORDS: &str = r#"
test "$(readlink /proc/self/ns/net)" != "$PARENT_NS" || { echo "not in a namespace of its own" >&2; exit 98; }
mount -t tmpfs tmpfs /run
# A machine without firmware, whose kernel is this one.
mkdir /run/machine /run/hosts; ln -s /proc /run/machine/proc
export IMDS_NETWORK=on IMDS_SYSROOT=/run/machine
here=$$
ip link set lo up
fake() { serve here "$@"; }
serve() {
    local machine=$1 spec=$2 address=$3 at; shift 3
    at=$(mktemp -u /run/fake.XXXXXX); mkfifo "$at"
    on "$machine" "$IMDS" fake "$spec" --listen "$address" "$@" >"$at" 2>/run/fake.log &
    # Its first line comes once it listens.
    read -r _ <"$at" || { cat /run/fake.log >&2; exit 97; }
}
host() {
    mkfifo "/run/hosts/$1"
    unshare --net sh -c 'ip link set lo up; echo $$ >"$0"; exec sleep 60' "/run/hosts/$1" &
    read -r "$1" <"/run/hosts/$1"
}
pid_of() { eval "echo \$$1"; }
on() {
    local machine; machine=$(pid_of "$1"); shift
    nsenter --target "$machine" --net "$@"
}
cable() {
    ip link add "$2" type veth peer name "$4"
    for end in "$1 $2" "$3 $4"; do
        set -- $end
        if [ "$1" != here ]; then ip link set "$2" netns "$(pid_of "$1")"; fi
        on "$1" ip link set "$2" up
    done
}
firmware() { mkdir -p /run/machine/sys/class/dmi/id; echo "$2" >"/run/machine/sys/class/dmi/id/$1"; }
eventually() {
    local tries=0
    until "$@"; do tries=$((tries + 1)); test $tries -lt 500 || { echo "never: $*" >&2; exit 96; }; sleep 0.01; done
}
counted() { nft list counter inet t "$1" | sed -n 's/.*packets \([0-9]*\) .*/\1/p'; }
"#;

/// What a script came to.
pub(crate) struct Ran {
    output: Output,
    /// How long it took, namespaces included.
    pub(crate) took: Duration,
}

impl Ran {
    pub(crate) fn code(&self) -> Option<i32> {
        self.output.status.code()
    }

    pub(crate) fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.output.stdout).into_owned()
    }

    pub(crate) fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.output.stderr).into_owned()
    }

    /// The script has to have said exactly this and ended well.
    #[track_caller]
    pub(crate) fn said(&self, stdout: &str) {
        assert_eq!((self.stdout().as_str(), self.code()), (stdout, Some(0)), "{}", self.stderr());
    }
}

/// What a script needs of the machine beside namespaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Needs {
    /// Nothing.
    Namespaces,
    /// `nft`, and the kernel's part of it.
    Nftables,
}

/// The flags of `unshare` that work here, or why none do.
fn flags() -> &'static Result<Vec<&'static str>, String> {
    static FLAGS: OnceLock<Result<Vec<&'static str>, String>> = OnceLock::new();
    FLAGS.get_or_init(|| {
        let own = ["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"];
        let mut why = String::new();
        for more in [None, Some("--map-root-user")] {
            let flags: Vec<&'static str> = more.into_iter().chain(own).collect();
            let made =
                Command::new("unshare").args(&flags).args(["mount", "-t", "tmpfs", "tmpfs", "/run"]).output();
            match made {
                Ok(output) if output.status.success() => return Ok(flags),
                Ok(output) => why = String::from_utf8_lossy(&output.stderr).trim().to_owned(),
                Err(error) => why = format!("unshare: {error}"),
            }
        }
        Err(format!("no namespaces can be made: {why}"))
    })
}

/// Whether nftables works in a namespace here, or why it doesn't.
fn nftables() -> &'static Result<(), String> {
    static WORKS: OnceLock<Result<(), String>> = OnceLock::new();
    WORKS.get_or_init(|| {
        let flags = flags().as_ref().map_err(String::clone)?;
        let made = Command::new("unshare").args(flags).args(["nft", "add table inet t"]).output();
        match made {
            Ok(output) if output.status.success() => Ok(()),
            Ok(output) => {
                Err(format!("nftables doesn't work: {}", String::from_utf8_lossy(&output.stderr).trim()))
            }
            Err(error) => Err(format!("nftables: {error}")),
        }
    })
}

/// Runs a script in namespaces of its own; `None` where this machine can't, which is said.
pub(crate) fn run(needs: Needs, script: &str) -> Option<Ran> {
    let possible = match needs {
        Needs::Namespaces => flags().as_ref().map(|_| ()),
        Needs::Nftables => nftables().as_ref().map(|_| ()),
    };
    if let Err(why) = possible {
        let variable = match (needs, flags()) {
            (Needs::Nftables, Ok(_)) => "IMDS_CI_NFTABLES",
            _ => "IMDS_CI_NAMESPACES",
        };
        assert!(std::env::var_os(variable).is_none_or(|value| value != "required"), "{why}");
        eprintln!("SKIPPED: {why}");
        return None;
    }
    let flags = flags().as_ref().unwrap();
    let parent = fs::read_link("/proc/self/ns/net").unwrap();
    let started = Instant::now();
    let output = Command::new("unshare")
        .args(flags)
        .args(["sh", "-eu", "-c", &format!("{WORDS}\n{script}")])
        .env_clear()
        .env("PATH", format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default()))
        .env("PARENT_NS", parent)
        .env("IMDS", env!("CARGO_BIN_EXE_imds"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let ran = Ran { output, took: started.elapsed() };
    for (code, what) in [(96, "waited in vain"), (97, "a fake didn't start"), (98, "not isolated")] {
        assert_ne!(ran.code(), Some(code), "{what}: {}", ran.stderr());
    }
    Some(ran)
}

/// Runs a script that needs nothing but namespaces.
pub(crate) fn in_namespace(script: &str) -> Option<Ran> {
    run(Needs::Namespaces, script)
}
