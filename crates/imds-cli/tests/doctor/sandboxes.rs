//! What confines a process, which no route shows: a thread confines itself, and the command that it starts inherits that.
#![cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]

use std::thread;

use landlock::{AccessNet, CompatLevel, Compatible as _, Ruleset, RulesetAttr as _, RulesetCreated};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    apply_filter,
};

use crate::house::{Said, in_namespace};

/// The service is there and answers whoever may ask.
const SERVED: &str = r#"ip addr add 169.254.169.254/32 dev lo
    "$IMDS" fake aws --listen 169.254.169.254:80 >/dev/null 2>&1 & served=$!"#;

/// Runs a script in a network namespace, confined by this thread's own doing; `None` where that can't be had here.
fn confined_by(confine: fn() -> Result<(), String>, script: &str) -> Option<Said> {
    let alone = thread::scope(|scope| {
        let confined = scope.spawn(|| confine().map(|()| in_namespace(&format!("{SERVED}\n{script}"))));
        confined.join().unwrap()
    });
    alone.unwrap_or_else(|why| {
        eprintln!("SKIPPED: {why}");
        None
    })
}

/// TCP may go nowhere.
fn landlocked() -> Result<(), String> {
    let ruleset = Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
    let confined = ruleset.handle_access(AccessNet::ConnectTcp).and_then(Ruleset::create);
    match confined.and_then(RulesetCreated::restrict_self) {
        Ok(_) => Ok(()),
        Err(error) => Err(format!("this kernel's Landlock knows no ports: {error}")),
    }
}

/// Nothing may be connected to.
fn without_connect() -> Result<(), String> {
    without(libc::SYS_connect, Vec::new(), libc::EPERM)
}

/// As `RestrictAddressFamilies=AF_UNIX AF_NETLINK` of systemd does it: there are no sockets of the internet.
fn without_internet() -> Result<(), String> {
    let family = |family: i32| {
        let family = u64::from(family.unsigned_abs());
        let is_it = SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, family).unwrap();
        SeccompRule::new(vec![is_it]).unwrap()
    };
    without(libc::SYS_socket, vec![family(libc::AF_INET), family(libc::AF_INET6)], libc::EAFNOSUPPORT)
}

/// From now on a system call fails with this error; where there are rules, only as they say.
fn without(call: i64, rules: Vec<SeccompRule>, error: i32) -> Result<(), String> {
    let forbidden = SeccompAction::Errno(error.unsigned_abs());
    let rules = [(call, rules)].into();
    let arch = std::env::consts::ARCH.try_into().unwrap();
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, forbidden, arch).unwrap();
    let program: BpfProgram = filter.try_into().unwrap();
    apply_filter(&program).map_err(|error| format!("no filter of system calls can be installed: {error}"))
}

#[test]
fn a_sandbox_that_forbids_ports_is_no_route() {
    let Some(said) = confined_by(landlocked, "doctor") else { return };
    said.must_be("confined", 5);
    let cause = said.first()["cause"].to_string();
    assert!(cause.contains("Landlock") && cause.contains("there is a route"), "{cause}");
}

#[test]
fn a_filter_of_system_calls_is_no_route() {
    for (confine, code) in [(without_connect as fn() -> _, 5), (without_internet, 6)] {
        // The service can't be started in there, nor its address be set up.
        let Some(said) = confined_by(confine, "doctor") else { return };
        said.must_be("not_permitted", code).must_suggest("bpftool cgroup tree");
        let advice = said.first()["advice"].to_string();
        assert!(advice.contains("SystemCallFilter=, RestrictAddressFamilies="), "{advice}");
    }
}

#[test]
fn whoever_isnt_confined_has_metadata() {
    // What the two above lack is nothing but their freedom.
    let script = r#""$IMDS" wait --timeout 20s --cloud aws; doctor"#;
    let Some(said) = confined_by(|| Ok(()), script) else { return };
    assert_eq!((said.code, &said.json()["works"]), (0, &true.into()), "{:#}", said.json());
}
