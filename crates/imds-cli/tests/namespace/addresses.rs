//! The services' own addresses, over IPv4, IPv6 and both.

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

/// A machine that drops what comes for one of the two addresses, without a word, and serves on the other. Prints the instance
/// and how many connections were tried at the dead one. The kernel tries one again after a second, and the program after its
/// own time-out of a second: more than one for each of the two connections at most that reading takes means that somebody
/// waited.
fn with_a_dead_address(dead: &str, serving: &str) -> Option<(String, u32)> {
    let script = format!(
        r#"ip address add fd00:ec2::254/128 dev lo nodad
        ip address add 169.254.169.254/32 dev lo
        nft add table inet t
        nft add counter inet t tried
        nft add chain inet t in '{{ type filter hook input priority 0; }}'
        nft add rule inet t in {dead} counter name tried drop
        fake aws '{serving}'
        "$IMDS" get --cloud aws instance_id
        counted tried"#
    );
    let ran = run(Needs::Nftables, &script)?;
    let said = ran.stdout();
    let (instance, tried) = said.split_once('\n').unwrap_or_else(|| panic!("{}", ran.stderr()));
    Some((instance.to_owned(), tried.trim().parse().unwrap()))
}

#[test]
fn a_dead_ipv4_address_costs_no_more_than_its_head_start() {
    let Some((instance, tried)) = with_a_dead_address("ip daddr 169.254.169.254", "[fd00:ec2::254]:80")
    else {
        return;
    };
    assert_eq!(instance, "i-0fedcba9876543210");
    assert!((1..=2).contains(&tried), "{tried} tries");
}

#[test]
fn a_dead_ipv6_address_is_no_trouble() {
    let Some((instance, tried)) = with_a_dead_address("ip6 daddr fd00:ec2::254", "169.254.169.254:80") else {
        return;
    };
    assert_eq!(instance, "i-0fedcba9876543210");
    assert!(tried <= 2, "{tried} tries");
}
