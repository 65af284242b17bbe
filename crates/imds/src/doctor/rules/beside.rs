//! What doesn't keep the metadata away, and is worth knowing all the same.

use imds_model::{Confidence, ErrorKind};

use super::Rule;
use crate::doctor::facts::Facts;
use crate::doctor::finding::Finding;
use crate::doctor::neighbours::UnitState;

/// Signed requests to the clouds' APIs are refused beyond a few minutes; a minute is no accident.
const SKEW: i64 = 60;

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "stale_agent_socket",
        about: "The socket of `imds agent` is there, but nobody listens or answers on it.",
        find: stale_agent_socket,
    },
    Rule {
        id: "untrusted_agent_socket",
        about: "The socket of `imds agent` belongs to somebody else, so it isn't asked.",
        find: untrusted_agent_socket,
    },
    Rule {
        id: "clock_skew",
        about: "This machine's clock is more than a minute off the service's: tokens and signatures may be refused.",
        find: clock_skew,
    },
    Rule {
        id: "proxy_variables",
        about: "Variables send other programs' metadata requests to a proxy. `imds` never uses one.",
        find: proxy_variables,
    },
    Rule {
        id: "wrong_sysroot",
        about: "Firmware is looked for where there is none, as in a container without its host's `/sys`.",
        find: wrong_sysroot,
    },
    Rule {
        id: "tags_off",
        about: "Tags aren't served for this instance; the provider's command switches them on.",
        find: tags_off,
    },
    Rule {
        id: "foreign_namespace",
        about: "This process sees another network than process 1 does.",
        find: foreign_namespace,
    },
    Rule {
        id: "variables_in_force",
        about: "Variables decide what is asked, and how: `IMDS_*`, `AWS_EC2_METADATA_*`, `GCE_METADATA_*`.",
        find: variables_in_force,
    },
];

fn stale_agent_socket(facts: &Facts) -> Option<Finding> {
    let useless = |kind| matches!(kind, ErrorKind::Unreachable | ErrorKind::TimedOut | ErrorKind::Malformed);
    let (socket, error) = facts.neighbours.agents.iter().find(|(_, error)| useless(error.kind()))?;
    let socket = socket.display();
    let units = &facts.neighbours.agent_units;
    let masked = units.iter().filter(|(_, state)| *state == UnitState::Masked);
    let finding = Finding::warning(format!("the agent's socket {socket} is of no use: {}", error.message()))
        .commands(masked.map(|(name, _)| format!("systemctl unmask {name}")))
        .command("systemctl restart imds-agent.socket imds-agent.service")
        .command(format!("rm {socket}"))
        .advice("the last one, where no agent is meant to run")
        .evidence([error.to_string()]);
    Some(finding.evidence(units.iter().map(|(name, state)| {
        let how = match state {
            UnitState::Masked => "is masked",
            UnitState::Active => "is up",
            UnitState::Inactive => "is installed, and isn't up",
        };
        format!("{name} {how}")
    })))
}

fn untrusted_agent_socket(facts: &Facts) -> Option<Finding> {
    let foreign = |kind| matches!(kind, ErrorKind::Untrusted | ErrorKind::Locked);
    let (socket, error) = facts.neighbours.agents.iter().find(|(_, error)| foreign(error.kind()))?;
    let finding = Finding::warning(format!("the agent isn't asked: {}", error.message()));
    Some(finding.command(format!("ls -l {}", socket.display())).evidence([error.to_string()]))
}

fn clock_skew(facts: &Facts) -> Option<Finding> {
    let ahead = facts.seconds_ahead.filter(|ahead| ahead.abs() > SKEW)?;
    let way = if ahead > 0 { "ahead of" } else { "behind" };
    let off = ahead.unsigned_abs();
    Some(
        Finding::warning(format!("this machine's clock is {off} s {way} the service's"))
            .command("timedatectl set-ntp true")
            .command("chronyc makestep")
            .advice("the clouds refuse signed requests that are minutes off")
            .evidence(["by the Date header of the service's answer".to_owned()]),
    )
}

fn proxy_variables(facts: &Facts) -> Option<Finding> {
    let neighbours = &facts.neighbours;
    if neighbours.proxies.is_empty() || neighbours.proxies_spare_us {
        return None;
    }
    let address =
        facts.route().map_or_else(|| facts.authority().to_owned(), |route| route.address.to_string());
    Some(
        Finding::warning(format!(
            "{} is set, so other programs ask a proxy for metadata, and may get the proxy's own; imds never does",
            neighbours.proxies.join(", ")
        ))
        .command(format!("export NO_PROXY={address},$NO_PROXY no_proxy={address},$no_proxy")),
    )
}

fn wrong_sysroot(facts: &Facts) -> Option<Finding> {
    let neighbours = &facts.neighbours;
    let in_doubt = facts.cloud().is_none() || facts.verdict.confidence == Confidence::Likely;
    let named_by_user = facts.forced_by.is_some() || facts.is_asked_elsewhere();
    if neighbours.has_firmware || named_by_user || !(in_doubt || neighbours.sysroot.is_some()) {
        return None;
    }
    let host = neighbours.host_root.as_deref();
    let finding = match (&neighbours.sysroot, host) {
        (Some(sysroot), _) => {
            Finding::warning(format!("there is no firmware below {sysroot}, where it is looked for"))
        }
        (None, _) if facts.process.container.is_some() => Finding::warning(
            "this container doesn't show its host's firmware, so the cloud has to be guessed by asking",
        ),
        (None, Some(_)) => Finding::warning("there is no firmware below /, where it is looked for"),
        (None, None) => return None,
    };
    let command = match host {
        Some(host) => format!("export IMDS_SYSROOT={host}"),
        None if neighbours.sysroot.is_some() => "unset IMDS_SYSROOT".to_owned(),
        None => "docker run -v /sys:/rootfs/sys:ro -v /proc:/rootfs/proc:ro IMAGE".to_owned(),
    };
    Some(finding.command(command).evidence(facts.process.signs()))
}

fn tags_off(facts: &Facts) -> Option<Finding> {
    let remedy = facts.tags_off.as_ref()?;
    Some(Finding::note("this instance's tags aren't in its metadata").remedied_by(remedy, facts.id()))
}

fn foreign_namespace(facts: &Facts) -> Option<Finding> {
    facts.failure.as_ref().filter(|_| facts.process.foreign_network == Some(true))?;
    let finding = Finding::note("this process sees another network than process 1 does");
    Some(finding.command("nsenter -t 1 -n imds doctor"))
}

fn variables_in_force(facts: &Facts) -> Option<Finding> {
    let variables = &facts.neighbours.variables;
    if variables.is_empty() {
        return None;
    }
    let names: Vec<&str> = variables.iter().map(|(name, _)| name.as_str()).collect();
    Some(
        Finding::note(format!("set by variables: {}", names.join(", ")))
            .command(format!("unset {}", names.join(" ")))
            .evidence(variables.iter().map(|(name, value)| format!("{name}={value}"))),
    )
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use imds_model::Outcome;

    use super::super::diagnose;
    use super::super::example::{error, failed, found, working};
    use super::*;
    use crate::doctor::process::{Container, ContainerKind};
    use crate::doctor::step::StepName;

    #[test]
    fn sockets_of_dead_and_strange_agents_are_named() {
        let mut facts = working();
        let socket = PathBuf::from("/run/imds/imds.sock");
        facts.neighbours.agents = vec![(socket.clone(), error(ErrorKind::Unreachable))];
        assert_eq!(found(&facts, "stale_agent_socket").remedy[1], "rm /run/imds/imds.sock");
        facts.neighbours.agent_units =
            vec![("imds-agent.service", UnitState::Masked), ("imds-agent.socket", UnitState::Inactive)];
        let finding = found(&facts, "stale_agent_socket");
        assert_eq!(finding.remedy[0], "systemctl unmask imds-agent.service");
        assert!(finding.evidence.contains(&"imds-agent.socket is installed, and isn't up".to_owned()));
        facts.neighbours.agents = vec![(socket, error(ErrorKind::Untrusted))];
        assert_eq!(found(&facts, "untrusted_agent_socket").remedy, ["ls -l /run/imds/imds.sock"]);
    }

    #[test]
    fn a_minute_of_skew_is_worth_a_word() {
        let mut facts = working();
        for (ahead, word) in [(61, Some("61 s ahead of")), (-7200, Some("7200 s behind")), (60, None)] {
            facts.seconds_ahead = Some(ahead);
            let said = diagnose(&facts).first().map(|finding| finding.cause.clone());
            assert_eq!(said.is_some(), word.is_some(), "{said:?}");
            assert!(word.is_none_or(|word| said.is_some_and(|said| said.contains(word))));
        }
    }

    #[test]
    fn proxies_matter_unless_they_are_told_to_leave_us_alone() {
        let mut facts = working();
        facts.neighbours.proxies = vec!["http_proxy".to_owned()];
        assert!(found(&facts, "proxy_variables").remedy[0].contains("NO_PROXY=169.254.169.254"));
        facts.neighbours.proxies_spare_us = true;
        assert_eq!(diagnose(&facts), []);
    }

    #[test]
    fn firmware_that_cannot_be_seen_is_looked_for_elsewhere() {
        let mut facts = failed(StepName::Detect, ErrorKind::Unknown);
        facts.verdict.outcome = Outcome::Unknown;
        facts.neighbours.has_firmware = false;
        facts.process.container = Some(Container { kind: ContainerKind::Docker, sign: "a sign".to_owned() });
        assert!(found(&facts, "wrong_sysroot").remedy[0].contains("/rootfs/sys"));
        facts.neighbours.host_root = Some("/host".to_owned());
        assert_eq!(found(&facts, "wrong_sysroot").remedy, ["export IMDS_SYSROOT=/host"]);
        facts.neighbours.host_root = None;
        facts.neighbours.sysroot = Some("/empty".to_owned());
        assert_eq!(found(&facts, "wrong_sysroot").remedy, ["unset IMDS_SYSROOT"]);
    }

    #[test]
    fn notes_say_what_decides_and_what_is_off() {
        let mut facts = failed(StepName::Connect, ErrorKind::Unreachable);
        facts.tags_off = Some("put them there with `aws ec2 x --instance-id ID`".to_owned());
        facts.process.foreign_network = Some(true);
        facts.neighbours.variables = vec![("IMDS_TIMEOUT".to_owned(), "1s".to_owned())];
        assert_eq!(found(&facts, "tags_off").remedy, ["aws ec2 x --instance-id i-0fedcba9876543210"]);
        assert_eq!(found(&facts, "foreign_namespace").remedy, ["nsenter -t 1 -n imds doctor"]);
        assert_eq!(found(&facts, "variables_in_force").evidence, ["IMDS_TIMEOUT=1s"]);
    }
}
