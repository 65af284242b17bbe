//! No route, routes that refuse, silence.

use std::time::Duration;

use crate::script::{Needs, Ran, in_namespace, run};

/// `detect` and `get` on a machine with such a route: the outcome of the first, the exit code and the message of the second.
fn with_route(kind: &str) -> Option<(String, String)> {
    let script = format!(
        r#"ip route add {kind} 169.254.169.254/32
        "$IMDS" detect 2>/dev/null || echo "detect: $?"
        "$IMDS" get --cloud azure instance_id || echo "get: $?""#
    );
    let ran = in_namespace(&script)?;
    assert!(ran.took < Duration::from_secs(3), "{kind}: {:?}", ran.took);
    Some((ran.stdout(), ran.stderr()))
}

#[test]
fn a_prohibit_route_is_the_hosts_own_lock() {
    let Some((said, why)) = with_route("prohibit") else { return };
    assert_eq!(said, "unknown\ndetect: 6\nget: 5\n", "{why}");
    assert!(why.contains("prohibit"), "{why}");
}

#[test]
fn an_unreachable_route_is_no_lock() {
    let Some((said, why)) = with_route("unreachable") else { return };
    assert_eq!(said, "unknown\ndetect: 6\nget: 6\n", "{why}");
    assert!(why.contains("No route to host") && !why.contains("prohibit"), "{why}");
}

#[test]
fn a_blackhole_is_not_waited_for() {
    let Some((said, why)) = with_route("blackhole") else { return };
    assert_eq!(said, "unknown\ndetect: 6\nget: 6\n", "{why}");
    assert!(why.contains("Invalid argument"), "{why}");
}

#[track_caller]
fn is_unknown(ran: &Ran, within: Duration) {
    assert_eq!((ran.stdout().as_str(), ran.code()), ("unknown\n", Some(6)), "{}", ran.stderr());
    assert!(ran.took < within, "{:?}", ran.took);
}

#[test]
fn without_a_route_the_answer_is_unknown_and_comes_at_once() {
    let Some(ran) = in_namespace(r#""$IMDS" detect --probe-timeout 10s --timeout 10s"#) else { return };
    is_unknown(&ran, Duration::from_secs(3));
}

#[test]
fn silence_costs_no_more_than_the_probe_timeout() {
    // A neighbour that never answers.
    let script = r#"ip link add near type veth peer name far
        ip link set near up; ip link set far up
        ip address add 169.254.1.1/16 dev near
        "$IMDS" detect"#;
    let Some(ran) = in_namespace(script) else { return };
    is_unknown(&ran, Duration::from_secs(3));
}

#[test]
fn a_filter_that_drops_costs_no_more_than_the_probe_timeout() {
    let script = r#"ip address add 169.254.169.254/32 dev lo
        fake aws 169.254.169.254:80
        nft add table inet t
        nft add chain inet t out '{ type filter hook output priority 0; }'
        nft add rule inet t out ip daddr 169.254.169.254 drop
        "$IMDS" detect --probe-timeout 500ms"#;
    let Some(ran) = run(Needs::Nftables, script) else { return };
    is_unknown(&ran, Duration::from_secs(3));
}

#[test]
fn a_filter_that_rejects_is_no_cloud_but_no_certainty_either() {
    let script = r#"ip address add 169.254.169.254/32 dev lo
        fake aws 169.254.169.254:80
        nft add table inet t
        nft add chain inet t in '{ type filter hook input priority 0; }'
        nft add rule inet t in ip daddr 169.254.169.254 tcp dport 80 reject with tcp reset
        "$IMDS" detect --probe-timeout 10s --timeout 10s"#;
    let Some(ran) = run(Needs::Nftables, script) else { return };
    is_unknown(&ran, Duration::from_secs(3));
}
