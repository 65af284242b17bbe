//! Delay, loss, rate limits. Loss is counted out rather than drawn, so that a test meets the same weather every time.

use std::time::Duration;

use crate::script::{Needs, in_namespace, run};

#[test]
fn a_slow_service_is_waited_for() {
    let script = r#"ip address add 169.254.169.254/32 dev lo
        fake gcp 169.254.169.254:80 --fault delay=300ms
        "$IMDS" detect
        "$IMDS" get region"#;
    let Some(ran) = in_namespace(script) else { return };
    ran.said("gcp\nus-central1\n");
}

#[test]
fn a_service_that_is_too_slow_is_given_up_within_the_deadline() {
    let script = r#"ip address add 169.254.169.254/32 dev lo
        fake gcp 169.254.169.254:80 --fault delay=30s
        "$IMDS" get region --cloud gcp --timeout 700ms || echo "$?""#;
    let Some(ran) = in_namespace(script) else { return };
    ran.said("6\n");
    assert!(ran.took < Duration::from_secs(3), "{:?}", ran.took);
}

/// A service over a link, and rules for its packets on this side.
fn over_a_link(rules: &str, commands: &str) -> String {
    format!(
        r#"host service
        cable here near service far
        ip address add 10.0.0.4/24 dev near
        on service ip address add 10.0.0.1/24 dev far
        on service ip address add 169.254.169.254/32 dev lo
        ip route add 169.254.169.254 via 10.0.0.1
        serve service aws 169.254.169.254:80
        nft -f - <<'RULES'
table inet t {{
    counter lost {{}}
{rules}
}}
RULES
        firmware sys_vendor "Amazon EC2"
        {commands}"#
    )
}

#[test]
fn packets_that_are_lost_on_the_way_are_sent_again() {
    let rules = r"    chain in {
        type filter hook input priority 0;
        ip saddr 169.254.169.254 tcp flags & (syn | fin) == 0 numgen inc mod 4 2 counter name lost drop
    }";
    let script = over_a_link(rules, r#""$IMDS" get instance_id; test "$(counted lost)" -gt 0 && echo lost"#);
    let Some(ran) = run(Needs::Nftables, &script) else { return };
    ran.said("i-0fedcba9876543210\nlost\n");
}

#[test]
fn a_first_packet_that_is_lost_costs_one_try() {
    // The limit lets nothing pass but what is beyond its burst: exactly the first SYN is dropped.
    let rules = r"    chain out {
        type filter hook output priority 0;
        ip daddr 169.254.169.254 tcp flags & (syn | ack) == syn limit rate 1/day burst 1 packets counter name lost drop
    }";
    let script = over_a_link(rules, r#""$IMDS" get instance_id; counted lost"#);
    let Some(ran) = run(Needs::Nftables, &script) else { return };
    ran.said("i-0fedcba9876543210\n1\n");
    assert!(ran.took < Duration::from_secs(3), "{:?}", ran.took);
}

#[test]
fn a_limit_on_packets_slows_down_and_loses_nothing() {
    let rules = r"    chain out {
        type filter hook output priority 0;
        ip daddr 169.254.169.254 limit rate over 100/second burst 20 packets counter name lost drop
    }";
    let script = over_a_link(
        rules,
        r#""$IMDS" show --json >/run/shown.json
        grep -c -e '"errors"' /run/shown.json || true
        grep -o -e 'i-0fedcba9876543210' /run/shown.json | head -n 1
        test "$(counted lost)" -gt 0 && echo limited"#,
    );
    let Some(ran) = run(Needs::Nftables, &script) else { return };
    ran.said("0\ni-0fedcba9876543210\nlimited\n");
}
