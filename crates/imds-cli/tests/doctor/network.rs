//! Routes, interfaces and packet filters, in namespaces that each test makes for itself.

use crate::house::{can_use, in_namespace};

#[test]
fn at_its_real_address_the_service_is_found_well() {
    let script = r#"ip addr add 169.254.169.254/32 dev lo
        "$IMDS" fake aws --listen 169.254.169.254:80 >/dev/null 2>&1 & served=$!
        "$IMDS" wait --timeout 20s --cloud aws
        doctor"#;
    let Some(said) = in_namespace(script) else { return };
    let report = said.json();
    assert_eq!((said.code, &report["works"]), (0, &true.into()), "{report:#}");
    assert_eq!(report["steps"][1]["outcome"], "ok", "{report:#}");
}

#[test]
fn routes_that_stop_packets_are_named_by_their_kind() {
    for (kind, id, code) in [
        ("prohibit", "prohibit_route", 5),
        ("unreachable", "unreachable_route", 6),
        ("blackhole", "blackhole_route", 6),
    ] {
        let Some(said) = in_namespace(&format!("ip route add {kind} 169.254.169.254/32; doctor")) else {
            return;
        };
        said.must_be(id, code).must_suggest(&format!("ip route del {kind} 169.254.169.254/32"));
    }
}

#[test]
fn the_route_is_looked_up_as_rules_have_it() {
    // The main table is innocent: a rule leads to another one.
    let script = "link near 169.254.1.1/16
        ip route add prohibit default table 77; ip rule add to 169.254.169.254 lookup 77 pref 10
        doctor";
    let Some(said) = in_namespace(script) else { return };
    said.must_be("prohibit_route", 5).must_suggest("ip route show table all type prohibit");
}

#[test]
fn systemds_lock_is_told_from_others_by_its_marks() {
    let script = r#"ip route add prohibit 169.254.169.254/32
        unshare -m sh -euc 'mount -t tmpfs none /run; mkdir -p /run/systemd/network
            : > /run/systemd/network/85-imds-early.network; : > /run/systemd/io.systemd.InstanceMetadata
            "$IMDS" doctor --json'"#;
    let Some(said) = in_namespace(script) else { return };
    said.must_be("locked_by_systemd", 5);
    let remedy = said.first()["remedy"].to_string();
    assert!(remedy.contains("networkctl reload") && remedy.contains("varlinkctl call"), "{remedy}");
}

#[test]
fn a_missing_route_is_added_to_the_interface_that_there_is() {
    let Some(said) = in_namespace("link near 10.9.8.7/24; doctor") else { return };
    said.must_be("no_route", 6).must_suggest("ip route add 169.254.169.254/32 dev near");
    let Some(said) = in_namespace("doctor") else { return };
    said.must_be("no_network", 6);
}

#[test]
fn another_network_than_the_first_process_has_is_noticed() {
    if !can_use(&["unshare"]) {
        return;
    }
    // A first process that may be looked at, which the machine's own need not be.
    let script = r#"unshare --fork --pid --mount-proc sh -eu -c 'unshare -n "$IMDS" doctor --json'"#;
    let Some(said) = in_namespace(script) else { return };
    let finding = said.finding("foreign_namespace");
    assert_eq!(finding["remedy"][0], "nsenter -t 1 -n imds doctor", "{finding:#}");
    let together = script.replace("unshare -n ", "");
    let Some(said) = in_namespace(&together) else { return };
    assert!(!said.stdout.contains("foreign_namespace"), "{}", said.stdout);
}

#[test]
fn a_name_that_nobody_resolves_is_named() {
    let Some(said) = in_namespace("export GCE_METADATA_HOST=metadata.invalid; doctor --cloud gcp") else {
        return;
    };
    said.must_be("name_unknown", 6).must_suggest("getent hosts metadata.invalid");
}

#[test]
fn packets_that_leave_a_namespace_and_get_no_answer_were_stopped_outside() {
    let Some(said) =
        in_namespace("link near 169.254.1.1/16; ip route add default dev near; neighbour near; doctor")
    else {
        return;
    };
    said.must_be("filtered_on_host", 6);
    assert!(said.first()["cause"].as_str().unwrap().contains("gets no answer"), "{:#}", said.first());
}

/// The doctor on a machine of its own: this network is that of its first process, and none of a container's marks is there
/// but those in `MARKS`.
const ON_THE_MACHINE: &str = r#"MARKS=${MARKS:-} unshare --fork --pid --mount sh -euc '
    root=$(mktemp -d -p "$IMDS_SYSROOT"); mount -t tmpfs none "$root"; mkdir "$root/proc" "$root/run"
    for entry in /*; do
        case $entry in /proc | /run) continue ;; esac
        if test -L "$entry"; then cp -P "$entry" "$root$entry"
        elif test -d "$entry"; then mkdir "$root$entry"; mount --rbind "$entry" "$root$entry"; fi
    done
    for mark in $MARKS; do : > "$root$mark"; done
    mount -t proc none "$root/proc"
    exec chroot "$root" "$IMDS" doctor --json --timeout 3s'"#;

#[test]
fn on_a_machine_the_silence_comes_from_the_service() {
    if !can_use(&["unshare", "chroot"]) {
        return;
    }
    let script = format!("link eth0 169.254.1.1/16; neighbour eth0; {ON_THE_MACHINE}");
    let Some(said) = in_namespace(&script) else { return };
    said.must_be("silent", 6).must_suggest("ip route get 169.254.169.254");
}

/// Somebody in another network has the address, and nothing listens there.
fn afar(filter: &str) -> String {
    format!(
        r#"unshare -n sleep 60 & served=$!
        until test "$(readlink /proc/$served/ns/net)" != "$(readlink /proc/self/ns/net)"; do :; done
        ip link add eth0 type veth peer name far netns $served
        nsenter -t $served -n sh -euc 'ip link set far up; ip addr add 169.254.169.254/16 dev far; {filter}'
        ip link set eth0 up; ip addr add 169.254.1.1/16 dev eth0
        {ON_THE_MACHINE}"#
    )
}

#[test]
fn a_refusal_from_afar_is_told_from_silence() {
    if !can_use(&["unshare", "chroot", "nsenter"]) {
        return;
    }
    for marks in ["", "/.dockerenv"] {
        let Some(said) = in_namespace(&format!("export MARKS={marks}; {}", afar(":"))) else { return };
        said.must_be("refused", 6);
        assert!(said.first()["cause"].as_str().unwrap().contains("switched off"), "{:#}", said.first());
        let from_the_host = said.first()["remedy"].to_string().contains("--network host");
        assert_eq!(from_the_host, !marks.is_empty(), "{:#}", said.first());
    }
}

#[test]
fn packets_that_come_back_are_no_silence() {
    if !can_use(&["unshare", "chroot", "nsenter", "nft"]) {
        return;
    }
    let filter = "nft add table ip t; nft \"add chain ip t i { type filter hook input priority 0; }\"; \
                  nft add rule ip t i tcp dport 80 reject with icmp type host-unreachable";
    let Some(said) = in_namespace(&format!("export MARKS=/.dockerenv; {}", afar(filter))) else { return };
    said.must_be("refused", 6);
    assert!(said.first()["cause"].as_str().unwrap().contains("undeliverable"), "{:#}", said.first());
}

#[test]
fn the_wrong_interface_is_named_with_the_right_one() {
    let ways = |name: &str| {
        format!(
            "link eth0 10.0.0.7/24; ip route add default via 10.0.0.1 dev eth0
             link {name} 10.1.0.7/24; ip route add 169.254.169.254/32 dev {name}; neighbour {name}"
        )
    };
    let Some(said) = in_namespace(&format!("{}; doctor", ways("tun0"))) else { return };
    said.must_be("wrong_interface", 6).must_suggest("ip route replace 169.254.169.254/32 dev eth0");
    let Some(said) = in_namespace(&format!("{}; doctor --cloud azure", ways("eth1"))) else { return };
    said.must_be("secondary_nic", 6).must_suggest("ip route replace 169.254.169.254/32 dev eth0");
}

/// A packet filter with one rule for what is sent to the service.
fn filter(rule: &str) -> String {
    format!(
        "link eth0 169.254.1.1/16; neighbour eth0
         nft add table ip t; nft 'add chain ip t o {{ type filter hook output priority 0; }}'
         nft add rule ip t o ip daddr 169.254.169.254 {rule}"
    )
}

#[test]
fn an_owner_rule_is_told_to_the_user_whom_it_stops() {
    if !can_use(&["nft", "setpriv"]) {
        return;
    }
    for verdict in ["drop", "reject", "reject with tcp reset", "reject with icmp type admin-prohibited"] {
        // The user may not be able to reach the place where the command was built.
        let script = format!(
            r#"{}
            copy=$(mktemp -d); trap 'rm -r "$copy"' EXIT; cp "$IMDS" "$copy/imds"; chmod 755 "$copy" "$copy/imds"
            setpriv --reuid 65534 --regid 65534 --clear-groups "$copy/imds" doctor --json"#,
            filter(&format!("meta skuid 65534 {verdict}"))
        );
        let Some(said) = in_namespace(&script) else { return };
        said.must_be("blocked_by_owner_rule", 6).must_suggest("sudo imds doctor");
        assert!(said.first()["cause"].as_str().unwrap().contains("65534"), "{verdict}: {:#}", said.first());
    }
    let Some(said) = in_namespace(&format!("{}; doctor", filter("drop"))) else { return };
    said.must_be("filtered_here", 6);
}

#[test]
fn a_reply_that_runs_out_of_hops_is_the_hop_limit() {
    if !can_use(&["nft", "nsenter"]) {
        return;
    }
    // A container behind a router, as a bridge is one. The service answers the handshake from afar, and sends what carries data
    // with a time to live of one hop, which ends at the router.
    let script = r#"echo 1 > /proc/sys/net/ipv4/ip_forward
        unshare -n sleep 60 & service=$!; unshare -n sleep 60 & container=$!; served="$service $container"
        until test "$(readlink /proc/$service/ns/net)" != "$(readlink /proc/self/ns/net)" &&
              test "$(readlink /proc/$container/ns/net)" != "$(readlink /proc/self/ns/net)"; do :; done
        ip link add north type veth peer name eth0 netns $service
        ip link add south type veth peer name eth0 netns $container
        ip link set north up; ip link set south up
        ip addr add 10.1.0.1/24 dev north; ip addr add 10.2.0.1/24 dev south; ip route add 169.254.169.254/32 dev north
        there() { nsenter -t $service -n "$@"; }; here() { nsenter -t $container -n "$@"; }
        there ip link set lo up; there ip link set eth0 up
        there ip addr add 10.1.0.2/24 dev eth0; there ip addr add 169.254.169.254/32 dev eth0
        there ip route add default via 10.1.0.1
        there nft add table ip t; there nft 'add chain ip t o { type filter hook output priority 0; }'
        there nft add rule ip t o oifname eth0 tcp sport 80 ip length gt 80 ip ttl set 1
        here ip link set lo up; here ip link set eth0 up
        here ip addr add 10.2.0.2/24 dev eth0; here ip route add default via 10.2.0.1
        nsenter -t $service -n "$IMDS" fake aws:imdsv2-required --listen 169.254.169.254:80 >/dev/null 2>&1 &
        served="$served $!"
        there "$IMDS" wait --timeout 20s --cloud aws
        here "$IMDS" doctor --json"#;
    let Some(said) = in_namespace(script) else { return };
    said.must_be("hop_limit", 6).must_suggest(
        "aws ec2 modify-instance-metadata-options --instance-id i-0fedcba9876543210 --http-put-response-hop-limit 2",
    );
    let steps = said.json()["steps"].clone();
    assert_eq!((&steps[2]["outcome"], &steps[3]["outcome"]), (&"ok".into(), &"failed".into()), "{steps:#}");
}
