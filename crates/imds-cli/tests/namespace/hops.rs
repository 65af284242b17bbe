//! A router on which the token's reply ends, by its TTL: what a container behind a bridge meets on AWS while the instance's
//! hop limit is 1 (AWS's page on IMDSv2, "hop limit").

use crate::script::{Needs, Ran, run};

/// This machine – router – service. Whoever has asked for a token on a connection gets packets that live for one hop, as
/// AWS sends them; everything else travels on.
fn behind_a_router(commands: &str) -> Option<Ran> {
    let script = format!(
        r#"host router; host service
        cable here near router inner
        cable router outer service far
        ip address add 10.7.0.2/24 dev near
        on router ip address add 10.7.0.1/24 dev inner
        on router ip address add 10.8.0.1/24 dev outer
        on service ip address add 10.8.0.2/24 dev far
        on service ip address add 169.254.169.254/32 dev lo
        ip route add 169.254.169.254 via 10.7.0.1
        on router ip route add 169.254.169.254 via 10.8.0.2
        on service ip route add 10.7.0.0/24 via 10.8.0.1
        on router sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'
        on service nft -f - <<'RULES'
table inet t {{
    chain in {{
        type filter hook input priority 0;
        tcp dport 80 @ih,0,32 0x50555420 ct mark set 1 comment "PUT"
    }}
    chain out {{
        type filter hook output priority 0;
        ct mark 1 ip ttl set 1
    }}
}}
RULES
        serve service aws 169.254.169.254:80
        firmware sys_vendor "Amazon EC2"
        {commands}
        on router awk '$1 == "Icmp:" && !head {{ for (i = 2; i <= NF; i++) column[$i] = i; head = 1; next }}
            $1 == "Icmp:" {{ print ($column["OutTimeExcds"] > 0) ? "expired" : "arrived" }}' /proc/net/snmp"#
    );
    run(Needs::Nftables, &script)
}

#[test]
fn imdsv1_stands_in_where_the_token_never_arrives() {
    let Some(ran) = behind_a_router(r#""$IMDS" get instance_id"#) else { return };
    ran.said("i-0fedcba9876543210\nexpired\n");
    assert!(ran.stderr().contains("IMDSv1") && ran.stderr().contains("no token came"), "{}", ran.stderr());
}

#[test]
fn without_imdsv1_the_hop_limit_is_suspected_and_the_remedy_told() {
    let Some(ran) = behind_a_router(r#""$IMDS" get region --no-imdsv1 || echo "$?""#) else { return };
    ran.said("6\nexpired\n");
    let why = ran.stderr();
    assert!(why.contains("no token came") && why.contains("hop limit"), "{why}");
}
