//! One test a row of the table.

use imds_model::{CloudName, ErrorKind, Outcome};

use super::super::example::{cut_off, error, found, sent_through, working};
use super::*;
use crate::doctor::process::{Container, ContainerKind};
use crate::doctor::step::StepName;

fn stopped_by(fate: Fate, connection: Connection) -> Facts {
    let mut facts = cut_off(connection, 0);
    let rejected = (fate != Fate::Missing).then(|| "169.254.0.0/16".to_owned());
    facts.routes = vec![Route { fate, interface: None, rejected, ..sent_through("eth0") }];
    facts
}

#[test]
fn names_that_nobody_resolves() {
    let mut facts = cut_off(Connection::NameUnknown, 0);
    facts.service.as_mut().unwrap().looked_up = Some("metadata.example".to_owned());
    assert_eq!(found(&facts, "name_unknown").remedy, ["getent hosts metadata.example"]);
}

#[test]
fn a_prohibit_route_is_systemds_or_somebody_elses() {
    let mut facts = stopped_by(Fate::Prohibited, Connection::Denied);
    assert_eq!(found(&facts, "prohibit_route").remedy, ["ip route del prohibit 169.254.0.0/16"]);
    facts.routes[0].rejected = None;
    assert_eq!(found(&facts, "prohibit_route").remedy, ["ip route show table all type prohibit"]);
    facts.neighbours.systemd = vec!["a sign".to_owned()];
    assert!(found(&facts, "locked_by_systemd").remedy[0].contains("networkctl reload"));
    facts.neighbours.systemd_answers = true;
    let finding = found(&facts, "locked_by_systemd");
    assert!(finding.remedy[1].contains("varlinkctl call /run/systemd/io.systemd"), "{finding:?}");
    assert!(finding.advice.is_some_and(|advice| advice.contains("systemd.imds.network=unlocked")));
}

#[test]
fn the_same_errno_with_a_good_route_is_a_sandbox() {
    let mut facts = cut_off(Connection::Denied, 0);
    facts.neighbours.systemd = vec!["systemd-imdsd is there and innocent".to_owned()];
    assert!(found(&facts, "confined").remedy.is_empty());
    facts.process.label = Some("system_u:system_r:httpd_t:s0".to_owned());
    let finding = found(&facts, "confined");
    assert!(finding.remedy[0].starts_with("ausearch") && finding.evidence.concat().contains("httpd_t"));
    assert_eq!(found(&cut_off(Connection::NotPermitted, 0), "not_permitted").remedy, ["bpftool cgroup tree"]);
}

#[test]
fn other_routes_that_stop_packets() {
    let facts = stopped_by(Fate::Unreachable, Connection::Unreachable);
    assert_eq!(found(&facts, "unreachable_route").remedy, ["ip route del unreachable 169.254.0.0/16"]);
    let facts = stopped_by(Fate::Blackhole, Connection::Unreachable);
    assert_eq!(found(&facts, "blackhole_route").remedy, ["ip route del blackhole 169.254.0.0/16"]);
}

#[test]
fn no_route_and_no_network_at_all() {
    let mut facts = stopped_by(Fate::Missing, Connection::Unreachable);
    facts.default_interface = None;
    assert_eq!(found(&facts, "no_route").remedy, ["ip route add 169.254.169.254/32 dev eth0"]);
    facts.process.interfaces.clear();
    assert!(found(&facts, "no_network").advice.is_some_and(|advice| advice.contains("imds wait")));
    facts.process.foreign_network = Some(true);
    assert_eq!(found(&facts, "no_network").remedy, ["nsenter -t 1 -n imds doctor"]);
    facts.process.container = Some(Container { kind: ContainerKind::Docker, sign: "a sign".to_owned() });
    assert_eq!(found(&facts, "no_network").remedy, ["docker run --network host IMAGE"]);
}

#[test]
fn azure_does_not_answer_on_a_secondary_interface() {
    let mut facts = cut_off(Connection::Silent, 3);
    facts.routes = vec![sent_through("eth1")];
    facts.verdict.outcome = Outcome::Cloud(CloudName::AZURE);
    facts.service.as_mut().unwrap().name = "azure".to_owned();
    assert_eq!(found(&facts, "secondary_nic").remedy, ["ip route replace 169.254.169.254/32 dev eth0"]);
}

#[test]
fn a_vpn_is_the_wrong_way() {
    let mut facts = cut_off(Connection::Silent, 3);
    facts.routes = vec![sent_through("tun0")];
    assert_eq!(found(&facts, "wrong_interface").remedy, ["ip route replace 169.254.169.254/32 dev eth0"]);
}

#[test]
fn an_endpoint_where_nobody_is() {
    let mut facts = cut_off(Connection::Refused, 0);
    facts.service.as_mut().unwrap().elsewhere = true;
    facts.neighbours.variables = vec![("IMDS_URL".to_owned(), "http://127.0.0.1:1".to_owned())];
    assert_eq!(found(&facts, "nobody_listens").remedy, ["unset IMDS_URL"]);
}

#[test]
fn packets_that_never_left_were_stopped_here() {
    for connection in [Connection::Silent, Connection::Refused, Connection::Unreachable] {
        let mut facts = cut_off(connection, 0);
        assert!(found(&facts, "filtered_here").remedy[0].contains("nft list ruleset"), "{connection:?}");
        facts.process.user = Some(1000);
        let finding = found(&facts, "blocked_by_owner_rule");
        assert!(finding.cause.contains("1000"), "{finding:?}");
        assert_eq!(finding.remedy[0], "sudo imds doctor");
    }
}

#[test]
fn packets_that_left_were_stopped_elsewhere() {
    assert!(found(&cut_off(Connection::Refused, 2), "refused").cause.contains("refuses"));
    let mut facts = cut_off(Connection::Silent, 2);
    assert_eq!(found(&facts, "silent").remedy, ["ip route get 169.254.169.254"]);
    facts.process.container = Some(Container { kind: ContainerKind::Kubernetes, sign: "a sign".to_owned() });
    assert!(found(&facts, "filtered_on_host").remedy[0].contains("hostNetwork"));
    let mut facts = working();
    facts.failure = Some((StepName::Value, error(ErrorKind::Unreachable)));
    assert_eq!(found(&facts, "no_answer").id, "no_answer", "a connection that stands isn't cut off");
}
