//! The services' own addresses, over IPv4, IPv6 and both.

use std::time::Duration;

use crate::script::{Needs, in_namespace, run};

#[test]
fn every_cloud_is_found_and_read_at_its_real_address() {
    std::thread::scope(|scope| {
        for (cloud, spec, id) in [
            ("aws", "aws", "i-0fedcba9876543210"),
            ("azure", "azure:vmss-uniform-spot", "c0ffee00-1234-4abc-8def-0123456789ab"),
            ("gcp", "gcp", "9123456789012345678"),
            ("digitalocean", "digitalocean", "412345678"),
        ] {
            scope.spawn(move || {
                let script = format!(
                    r#"ip address add 169.254.169.254/32 dev lo
                    fake {spec} 169.254.169.254:80
                    "$IMDS" detect
                    "$IMDS" get instance_id"#
                );
                let Some(ran) = in_namespace(&script) else { return };
                ran.said(&format!("{cloud}\n{id}\n"));
            });
        }
    });
}

#[test]
fn ipv6_serves_where_there_is_no_ipv4() {
    // Found by its address alone: the route is on a link, not on loopback.
    let script = r#"host far
        cable here near far far
        ip address add fd00:7::1/64 dev near nodad
        on far ip address add fd00:7::2/64 dev far nodad
        on far ip address add fd00:ec2::254/128 dev lo nodad
        ip -6 route add fd00:ec2::254/128 via fd00:7::2
        serve far aws '[fd00:ec2::254]:80'
        "$IMDS" detect
        "$IMDS" get instance_id"#;
    let Some(ran) = in_namespace(script) else { return };
    ran.said("aws\ni-0fedcba9876543210\n");
}

#[test]
fn a_dead_ipv4_address_costs_no_more_than_its_head_start() {
    // Nobody answers on IPv4, without a word; IPv6 is alive.
    let script = r#"ip address add fd00:ec2::254/128 dev lo nodad
        ip address add 169.254.169.254/32 dev lo
        nft add table inet t
        nft add chain inet t in '{ type filter hook input priority 0; }'
        nft add rule inet t in ip daddr 169.254.169.254 drop
        fake aws '[fd00:ec2::254]:80'
        "$IMDS" get --cloud aws instance_id"#;
    let Some(ran) = run(Needs::Nftables, script) else { return };
    ran.said("i-0fedcba9876543210\n");
    assert!(ran.took < Duration::from_millis(900), "{:?}", ran.took);
}

#[test]
fn a_dead_ipv6_address_is_never_noticed() {
    let script = r#"ip address add fd00:ec2::254/128 dev lo nodad
        ip address add 169.254.169.254/32 dev lo
        nft add table inet t
        nft add chain inet t in '{ type filter hook input priority 0; }'
        nft add rule inet t in ip6 daddr fd00:ec2::254 drop
        fake aws 169.254.169.254:80
        "$IMDS" get --cloud aws instance_id"#;
    let Some(ran) = run(Needs::Nftables, script) else { return };
    ran.said("i-0fedcba9876543210\n");
    assert!(ran.took < Duration::from_millis(900), "{:?}", ran.took);
}
