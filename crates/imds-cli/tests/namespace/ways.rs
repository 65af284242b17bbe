//! Interfaces, source addresses, marks: the way in which requests leave a machine whose routes alone don't lead to the
//! service.

use crate::script::{Needs, Ran, in_namespace, run};

/// A machine with two links. Both neighbours hold the service's address; only the one on `right` serves it. The routes
/// prefer `wrong`.
fn two_links(commands: &str) -> Option<Ran> {
    let script = format!(
        r#"host other; host service
        cable here wrong other far
        cable here right service far
        for link in wrong right; do ip address add 169.254.1.1/16 dev $link noprefixroute; done
        ip address add 10.0.0.4/32 dev right
        ip route add 169.254.169.254 dev wrong src 169.254.1.1 metric 1
        ip route add 169.254.169.254 dev right src 169.254.1.1 metric 2
        for machine in other service; do
            on $machine ip address add 169.254.169.254/16 dev far
            on $machine ip route add 10.0.0.4 dev far
        done
        serve service azure 169.254.169.254:80
        firmware chassis_asset_tag 7783-7084-3265-9085-8269-3286-77
        {commands}"#
    );
    in_namespace(&script)
}

const ID: &str = "8f14e45f-ceea-4c67-9a3b-5d6e7f8a9b0c\n";

#[test]
fn the_named_interface_is_used_and_no_other() {
    let script = r#""$IMDS" get region --timeout 400ms 2>/dev/null || echo "routes: $?"
        "$IMDS" get region --timeout 400ms --interface wrong 2>/dev/null || echo "wrong: $?"
        "$IMDS" get instance_id --interface right
        IMDS_INTERFACE=right "$IMDS" get instance_id
        echo 'interface = "right"' >/run/imds.toml
        "$IMDS" get instance_id --config /run/imds.toml"#;
    let Some(ran) = two_links(script) else { return };
    ran.said(&format!("routes: 6\nwrong: 6\n{ID}{ID}{ID}"));
}

#[test]
fn an_interface_that_is_not_there_is_named() {
    let Some(ran) = two_links(r#""$IMDS" get region --interface nowhere || echo "$?""#) else { return };
    ran.said("6\n");
    let why = ran.stderr();
    assert!(why.contains("nowhere") && why.contains("No such device") && why.contains("ip link"), "{why}");
}

#[test]
fn a_container_without_rights_is_told_which_one_it_lacks() {
    // setpriv drops every capability; a mark needs one.
    let script = r#"test -x "$(command -v setpriv)" || { echo "no setpriv"; exit; }
        setpriv --bounding-set=-all --inh-caps=-all "$IMDS" get region --interface right --fwmark 7 || echo "$?""#;
    let Some(ran) = two_links(script) else { return };
    if ran.stdout() == "no setpriv\n" {
        eprintln!("SKIPPED: a process without rights needs setpriv (util-linux)");
        return;
    }
    ran.said("5\n");
    assert!(ran.stderr().contains("0x7") && ran.stderr().contains("CAP_NET_ADMIN"), "{}", ran.stderr());
}

#[test]
fn the_service_sees_the_source_address() {
    let script = r#"host service
        cable here near service far
        ip address add 169.254.1.1/16 dev near
        ip address add 10.0.0.4/32 dev near
        on service ip address add 169.254.169.254/16 dev far
        on service ip route add 10.0.0.4 dev far
        on service nft -f - <<'RULES'
table inet t {
    counter told {}
    counter others {}
    chain in {
        type filter hook input priority 0;
        tcp dport 80 tcp flags syn ip saddr 10.0.0.4 counter name told return
        tcp dport 80 tcp flags syn counter name others
    }
}
RULES
        serve service azure 169.254.169.254:80
        firmware chassis_asset_tag 7783-7084-3265-9085-8269-3286-77
        "$IMDS" get instance_id --source-address 10.0.0.4
        echo "$(on service nft list counter inet t told | sed -n 's/.*packets \([0-9]*\) .*/\1/p')" \
            "$(on service nft list counter inet t others | sed -n 's/.*packets \([0-9]*\) .*/\1/p')"
        "$IMDS" get region --source-address 10.9.9.9 || echo "$?"
        "$IMDS" get region --source-address fd00::4 || echo "$?""#;
    let Some(ran) = run(Needs::Nftables, script) else { return };
    ran.said(&format!("{ID}1 0\n6\n6\n"));
    let why = ran.stderr();
    assert!(why.contains("10.9.9.9") && why.contains("is of IPv6"), "{why}");
}

#[test]
fn marked_requests_take_the_marks_route() {
    // Locked as systemd-imdsd locks it: a prohibit route in the main table, and another table for those with the mark.
    let script = r#"host service
        cable here near service far
        ip address add 10.0.0.4/24 dev near
        on service ip address add 10.0.0.1/24 dev far
        on service ip address add 169.254.169.254/32 dev lo
        ip route add prohibit 169.254.169.254
        ip route add 169.254.169.254 via 10.0.0.1 table 815
        ip rule add fwmark 0x7fff0815 table 815
        serve service azure 169.254.169.254:80
        firmware chassis_asset_tag 7783-7084-3265-9085-8269-3286-77
        "$IMDS" get region 2>/dev/null || echo "$?"
        "$IMDS" get instance_id --fwmark 0x7fff0815
        IMDS_FWMARK=2147420181 "$IMDS" get instance_id"#;
    let Some(ran) = in_namespace(script) else { return };
    ran.said(&format!("5\n{ID}{ID}"));
}
