//! What the user or the environment decided.

use imds_model::{ErrorKind, EvidenceSource, Outcome};

use super::Rule;
use crate::doctor::facts::Facts;
use crate::doctor::finding::Finding;
use crate::transport::Network;

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "forced_none",
        about: "An option, a variable or a file says that there is no cloud, so nobody is asked.",
        find: forced_none,
    },
    Rule {
        id: "disabled_by_variable",
        about: "A variable such as `AWS_EC2_METADATA_DISABLED` forbids asking this cloud.",
        find: disabled_by_variable,
    },
    Rule {
        id: "network_forbidden",
        about: "`IMDS_NETWORK` or `--offline` forbids asking.",
        find: network_forbidden,
    },
    Rule {
        id: "no_cloud",
        about: "The firmware is that of a hypervisor or a maker of hardware, and of no cloud.",
        find: no_cloud,
    },
];

fn forced_none(facts: &Facts) -> Option<Finding> {
    let origin = facts.forced_by.as_ref().filter(|_| facts.verdict.outcome == Outcome::None)?;
    let finding = Finding::error(format!("{origin} says that there is no cloud here, so nobody is asked"));
    Some(match origin.as_str() {
        "IMDS_FORCE_CLOUD" => finding.command("unset IMDS_FORCE_CLOUD"),
        _ => finding.advice(format!("take it back: {origin}")),
    })
}

fn disabled_by_variable(facts: &Facts) -> Option<Finding> {
    let variable = facts.service.as_ref()?.disabled_by.as_ref()?;
    facts.failure.as_ref()?;
    let cause = format!("{variable} is true, so the service of {} isn't asked", facts.title());
    Some(Finding::error(cause).command(format!("unset {variable}")))
}

fn network_forbidden(facts: &Facts) -> Option<Finding> {
    let (_, error) = facts.failure.as_ref()?;
    let undecided = facts.verdict.outcome == Outcome::Unknown && facts.network == Network::Off;
    if error.kind() != ErrorKind::NetworkForbidden && !undecided {
        return None;
    }
    let (cause, value, elsewhere) = match facts.network {
        Network::Loopback => {
            ("only loopback addresses may be contacted", "loopback", "`network` in the file of settings")
        }
        Network::On | Network::Off => {
            ("the network may not be used", "off", "--offline, or `network` in the file of settings")
        }
    };
    let variables = &facts.neighbours.variables;
    if variables.iter().any(|(name, set)| name == "IMDS_NETWORK" && set.eq_ignore_ascii_case(value)) {
        let finding = Finding::error(format!("{cause} (IMDS_NETWORK={value})"));
        return Some(finding.command("unset IMDS_NETWORK"));
    }
    Some(Finding::error(format!("{cause} ({elsewhere})")).advice("leave that out"))
}

fn no_cloud(facts: &Facts) -> Option<Finding> {
    if facts.verdict.outcome != Outcome::None || facts.forced_by.is_some() {
        return None;
    }
    let against: Vec<String> = facts
        .verdict
        .evidence
        .iter()
        .filter(|piece| piece.supports == Some(Outcome::None) && piece.source != EvidenceSource::Probe)
        .map(|piece| piece.detail.clone())
        .collect();
    let cause = match against.first() {
        Some(sign) => format!("this machine is in no cloud: {sign}"),
        None => "this machine is in no cloud".to_owned(),
    };
    let finding = Finding::error(cause);
    let finding = match &facts.node_elsewhere {
        Some((cloud, title)) => finding
            .command(format!("imds show --cloud {cloud}"))
            .advice(format!("that reads {title}'s local service")),
        None => finding
            .command("imds show --cloud NAME")
            .advice("only if it is in a cloud after all (rented hardware); `imds clouds` lists the names"),
    };
    Some(finding.evidence(against))
}

#[cfg(test)]
mod tests {
    use imds_model::{Evidence, Strength};

    use super::super::example::{error, found, working};
    use super::*;
    use crate::doctor::step::StepName;

    #[test]
    fn what_was_decided_is_said_with_its_opposite() {
        let mut facts = working();
        facts.verdict.outcome = Outcome::None;
        facts.forced_by = Some("IMDS_FORCE_CLOUD".to_owned());
        facts.failure = Some((StepName::Detect, error(ErrorKind::NoCloud)));
        assert_eq!(found(&facts, "forced_none").remedy, ["unset IMDS_FORCE_CLOUD"]);
        facts.forced_by = Some("--cloud".to_owned());
        assert!(found(&facts, "forced_none").advice.is_some_and(|advice| advice.contains("--cloud")));
    }

    #[test]
    fn a_variable_that_forbids_is_unset() {
        let mut facts = working();
        facts.service.as_mut().unwrap().disabled_by = Some("AWS_EC2_METADATA_DISABLED".to_owned());
        facts.failure = Some((StepName::Connect, error(ErrorKind::Disabled)));
        assert_eq!(found(&facts, "disabled_by_variable").remedy, ["unset AWS_EC2_METADATA_DISABLED"]);
    }

    #[test]
    fn a_network_that_may_not_be_used_is_named() {
        let mut facts = working();
        facts.network = Network::Loopback;
        facts.failure = Some((StepName::Connect, error(ErrorKind::NetworkForbidden)));
        assert!(found(&facts, "network_forbidden").cause.contains("loopback"));
        facts.network = Network::Off;
        facts.verdict.outcome = Outcome::Unknown;
        facts.failure = Some((StepName::Detect, error(ErrorKind::Unknown)));
        assert!(found(&facts, "network_forbidden").cause.contains("--offline"));
    }

    #[test]
    fn who_is_no_cloud_is_named() {
        let mut facts = working();
        facts.verdict.outcome = Outcome::None;
        facts.verdict.evidence = vec![Evidence {
            source: EvidenceSource::Firmware,
            detail: "product_name is \"VirtualBox\"".to_owned(),
            supports: Some(Outcome::None),
            strength: Strength::Strong,
        }];
        facts.failure = Some((StepName::Detect, error(ErrorKind::NoCloud)));
        let finding = found(&facts, "no_cloud");
        assert!(finding.cause.contains("VirtualBox"), "{finding:?}");
        assert_eq!(finding.remedy, ["imds show --cloud NAME"]);
        facts.node_elsewhere = Some(("azure".to_owned(), "Azure Arc".to_owned()));
        assert_eq!(found(&facts, "no_cloud").remedy, ["imds show --cloud azure"]);
    }
}
