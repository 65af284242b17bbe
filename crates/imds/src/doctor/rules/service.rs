//! What the service says, or doesn't.

use imds_model::{Error, ErrorKind, Outcome};

use super::Rule;
use crate::doctor::facts::Facts;
use crate::doctor::finding::Finding;

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "guest_proxy_agent",
        about: "Azure's Guest Proxy Agent is in the path and forbids the request (its in-VM access control).",
        find: guest_proxy_agent,
    },
    Rule {
        id: "hop_limit",
        about: "The connection stands, but the token's reply never comes: the instance's hop limit is too low for a container.",
        find: hop_limit,
    },
    Rule {
        id: "v1_only",
        about: "The service gives no token, so only IMDSv1 can be spoken: an older imitation of EC2, or something between that \
                knows no `PUT`.",
        find: v1_only,
    },
    Rule { id: "disabled", about: "The service is switched off for this instance (403).", find: disabled },
    Rule {
        id: "unauthorized",
        about: "The service accepts no token that it gave (401).",
        find: unauthorized,
    },
    Rule { id: "throttled", about: "The service gets too many requests (429).", find: throttled },
    Rule {
        id: "gone",
        about: "The service is being updated (410); on Azure for 70 seconds at most.",
        find: gone,
    },
    Rule { id: "server_error", about: "The service itself failed (5xx).", find: server_error },
    Rule { id: "no_answer", about: "The connection stands, but no answer comes.", find: no_answer },
    Rule {
        id: "not_the_service",
        about: "Something else than this cloud's service answers on its address.",
        find: not_the_service,
    },
    Rule {
        id: "undetected",
        about: "Somebody answers, but firmware names no cloud and no service identified itself.",
        find: undetected,
    },
];

/// A failure of this kind while the service was asked.
fn failed(facts: &Facts, kinds: &[ErrorKind]) -> Option<Error> {
    facts.service_failure().filter(|error| kinds.contains(&error.kind())).cloned()
}

/// The error's own remedy, with its commands.
fn remedied(facts: &Facts, finding: Finding, error: &Error) -> Finding {
    let finding = match error.remedy() {
        Some(remedy) => finding.remedied_by(remedy, facts.id()),
        None => finding,
    };
    finding.evidence([error.to_string()])
}

fn guest_proxy_agent(facts: &Facts) -> Option<Finding> {
    let is_azure = facts.cloud().is_some_and(|cloud| cloud.as_str() == "azure");
    let mut signs = facts.neighbours.guest_proxy_agent.clone();
    if facts.guarded {
        signs.push("answers bear its header x-ms-azure-host-authorization".to_owned());
    }
    if !is_azure || signs.is_empty() {
        return None;
    }
    let Some(error) = failed(facts, &[ErrorKind::Disabled, ErrorKind::Malformed]) else {
        let harmless = facts.guarded && facts.failure.is_none();
        return harmless.then(|| {
            Finding::note("Azure's Guest Proxy Agent is in the path, and lets this program through")
                .evidence(signs)
        });
    };
    Some(
        Finding::error("Azure's Guest Proxy Agent forbids the request of this program or user")
            .command("sudo azure-proxy-agent --status")
            .command("sudo tail -n 20 /var/log/azure-proxy-agent/ProxyAgent.Connection.log")
            .advice(
                "allow this program or user in the VM's InVMAccessControlProfile (or set its mode to Audit); or run `imds agent` as \
                 one that is allowed, and ask that",
            )
            .evidence([error.to_string()])
            .evidence(signs),
    )
}

fn hop_limit(facts: &Facts) -> Option<Finding> {
    let token = facts.token_trouble.as_ref().filter(|error| error.kind() == ErrorKind::HopLimit)?;
    let container = facts.process.container.as_ref();
    let near = match (facts.process.is_apart(), facts.process.foreign_network) {
        (true, _) => "this container is a hop further from the service than the instance's hop limit allows",
        (false, _) => {
            "there is a hop more to the service than the instance's hop limit allows (a container, a bridge, a VPN)"
        }
    };
    let (finding, consequence) = match facts.failure {
        Some(_) => (Finding::error as fn(String) -> Finding, ""),
        None => (Finding::warning as fn(String) -> Finding, "; IMDSv1 is used instead, a second late"),
    };
    let finding = finding(format!("no token comes back: {near}{consequence}"));
    Some(
        remedied(facts, finding, token)
            .commands(container.map(|container| container.kind.with_hosts_network().to_owned()))
            .evidence(facts.process.signs()),
    )
}

fn v1_only(facts: &Facts) -> Option<Finding> {
    let token = facts.token_trouble.as_ref().filter(|error| error.kind() == ErrorKind::Unauthorized)?;
    let spoken = facts.service.as_ref().and_then(|service| service.spoken.as_deref()).unwrap_or("IMDSv1");
    if facts.failure.is_none() {
        let cause = format!(
            "the service gives no token, so {spoken} is used, which any request that a program can be tricked into \
                             may misuse"
        );
        return Some(
            Finding::warning(cause)
                .advice("is this an imitation of EC2, or a proxy (kube2iam, kiam) in the path? the real one gives tokens")
                .evidence([token.to_string()]),
        );
    }
    let refusal = facts.service_failure()?;
    if refusal.kind() != ErrorKind::Unauthorized {
        return None;
    }
    let forbidding = facts.neighbours.variables.iter().find(|(name, _)| name.contains("V1_DISABLED"));
    Some(
        Finding::error("the service gives no token, and asking without one is forbidden")
            .commands(forbidding.map(|(name, _)| format!("unset {name}")))
            .advice("leave out --no-imdsv1 if IMDSv1 will do; or find out what between here and the service knows no PUT")
            .evidence([token.to_string()]),
    )
}

fn disabled(facts: &Facts) -> Option<Finding> {
    let error = failed(facts, &[ErrorKind::Disabled])?;
    if guest_proxy_agent(facts).is_some() {
        return None;
    }
    let cause = "the metadata service is switched off for this instance, or forbids the request (403)";
    Some(remedied(facts, Finding::error(cause), &error))
}

fn unauthorized(facts: &Facts) -> Option<Finding> {
    let error = failed(facts, &[ErrorKind::Unauthorized])?;
    if v1_only(facts).is_some() {
        return None;
    }
    Some(remedied(facts, Finding::error("the service accepts no token that it gave"), &error))
}

fn throttled(facts: &Facts) -> Option<Finding> {
    let error = failed(facts, &[ErrorKind::Throttled])?;
    Some(
        Finding::error("the service gets too many requests from this machine")
            .command("systemctl enable --now imds-agent.socket")
            .advice("find out who asks so often; one agent for the whole machine asks once for all")
            .evidence([error.to_string()]),
    )
}

fn gone(facts: &Facts) -> Option<Finding> {
    let error = failed(facts, &[ErrorKind::Gone])?;
    Some(
        Finding::error("the service is being updated and comes back within 70 seconds")
            .command("imds wait --timeout 90s")
            .evidence([error.to_string()]),
    )
}

fn server_error(facts: &Facts) -> Option<Finding> {
    let error = failed(facts, &[ErrorKind::ServerError])?;
    Some(
        Finding::error(format!("the service itself fails: {}", error.message()))
            .command("imds wait")
            .advice("if it doesn't pass, the provider's status page may know of it")
            .evidence([error.to_string()]),
    )
}

fn no_answer(facts: &Facts) -> Option<Finding> {
    let error = failed(facts, &[ErrorKind::TimedOut, ErrorKind::Unreachable])?;
    if hop_limit(facts).is_some() {
        return None;
    }
    Some(
        Finding::error(format!("the connection stands, but the service doesn't answer: {}", error.message()))
            .command("imds wait")
            .advice("a proxy, a mesh's sidecar or an intercepting agent may hold the connection; `imds doctor -v` shows the steps")
            .evidence([error.to_string()]),
    )
}

fn not_the_service(facts: &Facts) -> Option<Finding> {
    let error = failed(facts, &[ErrorKind::Malformed, ErrorKind::TooLarge, ErrorKind::Absent])?;
    if guest_proxy_agent(facts).is_some() {
        return None;
    }
    let cause = format!(
        "what answers at {} isn't the service of {}: {}",
        facts.authority(),
        facts.title(),
        error.message()
    );
    Some(
        Finding::error(cause)
            .command("imds detect --explain")
            .advice("a captive portal, a proxy, or another cloud's service; --cloud may name the wrong one")
            .evidence([error.to_string()]),
    )
}

fn undetected(facts: &Facts) -> Option<Finding> {
    facts.failure.as_ref().filter(|_| facts.verdict.outcome == Outcome::Unknown && !facts.is_cut_off())?;
    let seen = facts.verdict.evidence.iter().map(|piece| piece.detail.clone());
    Some(
        Finding::error("firmware names no cloud, and no service identified itself")
            .command("imds detect --explain")
            .command("imds show --cloud NAME")
            .advice("if you know the cloud, name it; `imds clouds` lists the names")
            .evidence(seen),
    )
}

/// Anything else that went wrong.
pub(super) fn unexplained(facts: &Facts) -> Option<Finding> {
    let (_, error) = facts.failure.as_ref()?;
    Some(remedied(facts, Finding::error(error.to_string()), error))
}

#[cfg(test)]
mod tests {
    use imds_model::CloudName;

    use super::super::example::{error, failed, found, working};
    use super::*;
    use crate::doctor::finding::Severity;
    use crate::doctor::process::{Container, ContainerKind};
    use crate::doctor::step::StepName;

    const RAISE: &str = "aws ec2 modify-instance-metadata-options --instance-id i-0fedcba9876543210 \
                         --http-put-response-hop-limit 2";

    fn hop_limit_error() -> Error {
        error(ErrorKind::HopLimit)
            .with_remedy("raise it with `aws ec2 modify-instance-metadata-options --instance-id ID --http-put-response-hop-limit 2`")
    }

    #[test]
    fn a_hop_limit_is_raised_by_the_providers_command() {
        let mut facts = failed(StepName::Identity, ErrorKind::HopLimit);
        facts.token_trouble = Some(hop_limit_error());
        facts.process.container =
            Some(Container { kind: ContainerKind::Kubernetes, sign: "a sign".to_owned() });
        let finding = found(&facts, "hop_limit");
        assert_eq!((finding.severity, finding.remedy[0].as_str()), (Severity::Error, RAISE));
        assert!(finding.remedy[1].contains("hostNetwork"), "{finding:?}");
        assert!(finding.evidence.iter().any(|seen| seen.contains("a sign")), "{finding:?}");
        facts.failure = None;
        let finding = found(&facts, "hop_limit");
        assert_eq!(finding.severity, Severity::Warning, "IMDSv1 serves: {finding:?}");
        assert!(finding.cause.contains("IMDSv1"));
    }

    #[test]
    fn without_tokens_imdsv1_is_used_or_missing() {
        let mut facts = working();
        facts.token_trouble = Some(error(ErrorKind::Unauthorized));
        facts.service.as_mut().unwrap().spoken = Some("IMDSv1".to_owned());
        assert_eq!(found(&facts, "v1_only").severity, Severity::Warning);
        facts.failure = Some((StepName::Token, error(ErrorKind::Unauthorized)));
        facts.neighbours.variables = vec![("AWS_EC2_METADATA_V1_DISABLED".to_owned(), "true".to_owned())];
        assert_eq!(found(&facts, "v1_only").remedy, ["unset AWS_EC2_METADATA_V1_DISABLED"]);
    }

    #[test]
    fn a_refusal_is_the_services_or_the_proxy_agents() {
        let mut facts = failed(StepName::Identity, ErrorKind::Disabled);
        let remedy = "turn it on with `aws ec2 modify-instance-metadata-options --instance-id ID --http-endpoint enabled`";
        facts.failure = facts.failure.map(|(step, error)| (step, error.with_remedy(remedy)));
        assert!(found(&facts, "disabled").remedy[0].ends_with("i-0fedcba9876543210 --http-endpoint enabled"));
        facts.verdict.outcome = Outcome::Cloud(CloudName::AZURE);
        facts.neighbours.guest_proxy_agent = vec!["/var/lib/azure-proxy-agent is there".to_owned()];
        assert!(found(&facts, "guest_proxy_agent").remedy[0].contains("azure-proxy-agent"));
        facts.failure = None;
        facts.guarded = true;
        assert_eq!(found(&facts, "guest_proxy_agent").severity, Severity::Note);
    }

    #[test]
    fn every_kind_of_failure_has_its_diagnosis() {
        for (kind, id) in [
            (ErrorKind::Disabled, "disabled"),
            (ErrorKind::Unauthorized, "unauthorized"),
            (ErrorKind::Throttled, "throttled"),
            (ErrorKind::Gone, "gone"),
            (ErrorKind::ServerError, "server_error"),
            (ErrorKind::TimedOut, "no_answer"),
            (ErrorKind::Unreachable, "no_answer"),
            (ErrorKind::Malformed, "not_the_service"),
            (ErrorKind::TooLarge, "not_the_service"),
            (ErrorKind::Absent, "not_the_service"),
            (ErrorKind::Usage, "unexplained"),
        ] {
            assert_eq!(found(&failed(StepName::Identity, kind), id).severity, Severity::Error, "{id}");
        }
    }

    #[test]
    fn somebody_who_is_nobody_is_undetected() {
        let mut facts = failed(StepName::Detect, ErrorKind::Unknown);
        facts.verdict.outcome = Outcome::Unknown;
        facts.service = None;
        assert_eq!(found(&facts, "undetected").remedy[0], "imds detect --explain");
    }
}
