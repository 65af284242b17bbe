//! How many packets detection costs, by the kernel's own count of everything that leaves.

use std::time::Duration;

use crate::script::{Needs, Ran, run};

/// Runs `detect` where everything that leaves is counted: IP of every kind and ARP. What the kernel says by itself about
/// IPv6 (neighbours, groups) isn't `detect`'s.
fn counting(before: &str, options: &str) -> Option<Ran> {
    let script = format!(
        r#"{before}
        nft -f - <<'RULES'
table inet t {{
    counter sent {{}}
    chain out {{ type filter hook output priority 0; meta l4proto != ipv6-icmp counter name sent; }}
}}
table arp t {{
    counter sent {{}}
    chain out {{ type filter hook output priority 0; counter name sent; }}
}}
RULES
        "$IMDS" detect --json {options} 2>/dev/null | tr -d '\n'
        echo
        counted sent
        nft list counter arp t sent | sed -n 's/.*packets \([0-9]*\) .*/\1/p'"#
    );
    run(Needs::Nftables, &script)
}

/// The verdict, how long it took, and how many packets left.
fn cost(ran: &Ran) -> (String, Duration, u64) {
    assert_eq!(ran.code(), Some(0), "{}", ran.stderr());
    let text = ran.stdout();
    let lines: Vec<&str> = text.lines().collect();
    let [verdict, ip, arp] = lines.as_slice() else { panic!("{text}") };
    let verdict: serde_json::Value = serde_json::from_str(verdict).unwrap();
    let took = verdict.get("elapsed_ms").and_then(serde_json::Value::as_f64).unwrap();
    let said = |key| verdict.get(key).and_then(serde_json::Value::as_str).map(str::to_owned);
    let outcome = said("cloud").or_else(|| said("outcome")).unwrap();
    let packets = ip.parse::<u64>().unwrap() + arp.parse::<u64>().unwrap();
    (outcome, Duration::from_secs_f64(took / 1000.0), packets)
}

/// A link to a machine that says nothing, and a default route to it: a network off-cloud.
const OFF_CLOUD: &str = r#"host router
    cable here near router far
    ip address add 10.0.0.4/24 dev near; ip address add fd00:7::4/64 dev near nodad
    on router ip address add 10.0.0.1/24 dev far
    on router ip address add fd00:7::1/64 dev far nodad
    on router nft add table inet t
    on router nft add chain inet t in '{ type filter hook input priority 0; policy drop; }'
    on router nft add chain inet t forward '{ type filter hook forward priority 0; policy drop; }'
    on router nft add rule inet t in icmpv6 type '{ nd-neighbor-solicit, nd-neighbor-advert }' accept
    on router sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward; echo 1 >/proc/sys/net/ipv6/conf/all/forwarding'
    on router ip route add 169.254.169.254 dev far
    ip route add default via 10.0.0.1; ip -6 route add default via fd00:7::1
"#;

#[test]
fn decisive_firmware_sends_no_packet() {
    for (file, text, verdict) in [
        ("sys_vendor", "Amazon EC2", "aws"),
        ("chassis_asset_tag", "7783-7084-3265-9085-8269-3286-77", "azure"),
        ("sys_vendor", "innotek GmbH", "none"),
    ] {
        let before = format!("{OFF_CLOUD}\nfirmware {file} '{text}'");
        let Some(ran) = counting(&before, "") else { return };
        let (said, _, packets) = cost(&ran);
        assert_eq!((said.as_str(), packets), (verdict, 0));
    }
}

#[test]
fn off_cloud_without_firmware_it_is_eight_packets_and_a_second_at_most() {
    let Some(ran) = counting(OFF_CLOUD, "") else { return };
    let (said, took, packets) = cost(&ran);
    assert_eq!(said, "unknown");
    assert!((1..=8).contains(&packets), "{packets} packets");
    // A busy machine may wake the program a little late.
    assert!(took <= Duration::from_millis(1050), "{took:?}");
}
