//! Facts to start from in tests: an EC2 instance on which all is well.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use imds_model::{CloudName, Confidence, Error, ErrorKind, Outcome, Verdict};

use super::diagnose;
use crate::doctor::facts::{Asked, Connection, Facts};
use crate::doctor::finding::{Finding, Severity};
use crate::doctor::neighbours::Neighbours;
use crate::doctor::process::Process;
use crate::doctor::routes::{Fate, Route};
use crate::doctor::step::StepName;
use crate::transport::Network;

pub(super) const ADDRESS: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);

pub(super) fn working() -> Facts {
    let outcome = Outcome::Cloud(CloudName::AWS);
    let process = Process { user: Some(0), interfaces: vec!["eth0".to_owned()], ..Process::default() };
    Facts {
        verdict: Verdict::new(outcome, Confidence::Certain, Vec::new(), 0, Duration::ZERO),
        forced_by: None,
        network: Network::On,
        node_elsewhere: None,
        service: Some(Asked {
            name: "aws".to_owned(),
            title: "Amazon Web Services".to_owned(),
            authority: ADDRESS.to_string(),
            spoken: Some("IMDSv2".to_owned()),
            ..Asked::default()
        }),
        instance_id: Some("i-0fedcba9876543210".to_owned()),
        routes: vec![sent_through("eth0")],
        default_interface: Some("eth0".to_owned()),
        connection: Some(Connection::Stands),
        packets_left: None,
        token_trouble: None,
        failure: None,
        tags_off: None,
        seconds_ahead: Some(0),
        guarded: false,
        process,
        neighbours: Neighbours { has_firmware: true, ..Neighbours::default() },
    }
}

/// The way through an interface.
pub(super) fn sent_through(interface: &str) -> Route {
    let source = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 7));
    let interface = Some(interface.to_owned());
    Route { address: ADDRESS.into(), fate: Fate::Sent { source }, interface, rejected: None }
}

/// The same instance, where connecting ends so.
pub(super) fn cut_off(connection: Connection, packets_left: u64) -> Facts {
    let mut facts = working();
    facts.connection = Some(connection);
    facts.packets_left = Some(packets_left);
    facts.failure = Some((StepName::Connect, error(ErrorKind::Unreachable)));
    facts
}

/// The same instance, where a step fails so.
pub(super) fn failed(step: StepName, kind: ErrorKind) -> Facts {
    let mut facts = working();
    facts.failure = Some((step, error(kind)));
    facts
}

pub(super) fn error(kind: ErrorKind) -> Error {
    Error::new(kind, "what went wrong").with_cloud(&CloudName::AWS)
}

/// The finding of this name, which has to be there; it has to be the cause where it is an error.
pub(super) fn found(facts: &Facts, id: &str) -> Finding {
    let findings = diagnose(facts);
    let position = findings.iter().position(|finding| finding.id == id);
    let position = position.unwrap_or_else(|| panic!("no {id} in {findings:?}"));
    if findings[position].severity == Severity::Error {
        assert_eq!(position, 0, "{findings:?}");
    }
    findings[position].clone()
}
