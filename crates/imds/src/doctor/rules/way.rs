//! Routes, interfaces, filters: why there is no connection.

use super::Rule;
use crate::doctor::facts::{Connection, Facts};
use crate::doctor::finding::Finding;
use crate::doctor::neighbours::{SYSTEMD_LOCK, SYSTEMD_SOCKET};
use crate::doctor::routes::{Fate, Route};

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "name_unknown",
        about: "The service is known by a name, and nobody resolves it.",
        find: name_unknown,
    },
    Rule {
        id: "locked_by_systemd",
        about: "systemd-imdsd has locked the service with a `prohibit` route; its own socket is a way out.",
        find: locked_by_systemd,
    },
    Rule {
        id: "prohibit_route",
        about: "A route of the kind `prohibit` stops packets to the service.",
        find: prohibit_route,
    },
    Rule {
        id: "unreachable_route",
        about: "A route of the kind `unreachable` stops packets to the service.",
        find: unreachable_route,
    },
    Rule {
        id: "blackhole_route",
        about: "A route of the kind `blackhole` swallows packets to the service.",
        find: blackhole_route,
    },
    Rule {
        id: "no_network",
        about: "There is no interface but loopback: a container or a namespace without a network.",
        find: no_network,
    },
    Rule { id: "no_route", about: "No route leads to the service's address.", find: no_route },
    Rule {
        id: "secondary_nic",
        about: "Packets to the service leave through a secondary interface, where Azure and Oracle don't answer them.",
        find: secondary_nic,
    },
    Rule {
        id: "wrong_interface",
        about: "Packets to the service leave through a VPN, a bridge or another virtual interface.",
        find: wrong_interface,
    },
    Rule {
        id: "confined",
        about: "The route is fine, yet connecting is forbidden (EACCES): Landlock, SELinux or AppArmor confines this process.",
        find: confined,
    },
    Rule {
        id: "not_permitted",
        about: "Connecting isn't permitted (EPERM, EAFNOSUPPORT), which no route says: a BPF program or a seccomp filter.",
        find: not_permitted,
    },
    Rule {
        id: "nobody_listens",
        about: "The service was told to be elsewhere, and nobody listens there.",
        find: nobody_listens,
    },
    Rule {
        id: "blocked_by_owner_rule",
        about: "A packet filter of this machine stops this user's packets, as AWS's guide advises (`--uid-owner`).",
        find: blocked_by_owner_rule,
    },
    Rule {
        id: "filtered_here",
        about: "A packet filter of this machine stops packets to the service.",
        find: filtered_here,
    },
    Rule {
        id: "filtered_on_host",
        about: "In a container: packets leave it, and nobody answers. The host or a network policy stops them.",
        find: filtered_on_host,
    },
    Rule {
        id: "refused",
        about: "The service's address refuses connections, or somebody on the way says that it can't be reached.",
        find: refused,
    },
    Rule { id: "silent", about: "Packets leave this machine, and nobody answers.", find: silent },
];

fn name_unknown(facts: &Facts) -> Option<Finding> {
    let name = facts.service.as_ref()?.looked_up.as_ref()?;
    if facts.connection != Some(Connection::NameUnknown) {
        return None;
    }
    Some(
        Finding::error(format!("the service is known as {name}, and nobody resolves that name"))
            .command(format!("getent hosts {name}"))
            .advice("ask the cloud's own name server, or give the address with --endpoint http://ADDRESS"),
    )
}

fn prohibited(facts: &Facts) -> Option<&Route> {
    facts.stopped_by(&Fate::Prohibited)
}

/// What takes such a route away; what finds it where a rule leads to another than the main table.
fn deletion(route: &Route, kind: &str) -> String {
    match &route.rejected {
        Some(network) => format!("ip route del {kind} {network}"),
        None => format!("ip route show table all type {kind}"),
    }
}

fn locked_by_systemd(facts: &Facts) -> Option<Finding> {
    let route = prohibited(facts)?;
    let neighbours = &facts.neighbours;
    if neighbours.systemd.is_empty() {
        return None;
    }
    let cause = format!("systemd-imdsd has locked {} with a prohibit route", route.address);
    let ask = format!(
        "varlinkctl call {SYSTEMD_SOCKET} io.systemd.InstanceMetadata.Get '{{\"wellKnown\":\"region\"}}'"
    );
    Some(
        Finding::error(cause)
            .command(format!("rm {SYSTEMD_LOCK} && networkctl reload && {}", deletion(route, "prohibit")))
            .commands(neighbours.systemd_answers.then_some(ask))
            .advice(
                "it comes back with the next boot, unless the kernel command line says systemd.imds.network=unlocked; \
                 as long as it is locked, systemd-imdsd answers for it over Varlink",
            )
            .evidence([route.describe()])
            .evidence(neighbours.systemd.clone()),
    )
}

fn prohibit_route(facts: &Facts) -> Option<Finding> {
    let route = prohibited(facts).filter(|_| facts.neighbours.systemd.is_empty())?;
    Some(
        Finding::error(format!("a prohibit route keeps this machine from {}", route.address))
            .command(deletion(route, "prohibit"))
            .advice("whoever set it up may have meant it")
            .evidence([route.describe()]),
    )
}

fn unreachable_route(facts: &Facts) -> Option<Finding> {
    let route = facts.stopped_by(&Fate::Unreachable)?;
    Some(
        Finding::error(format!("an unreachable route keeps this machine from {}", route.address))
            .command(deletion(route, "unreachable"))
            .evidence([route.describe()]),
    )
}

fn blackhole_route(facts: &Facts) -> Option<Finding> {
    let route = facts.stopped_by(&Fate::Blackhole)?;
    Some(
        Finding::error(format!("a blackhole route swallows what is sent to {}", route.address))
            .command(deletion(route, "blackhole"))
            .evidence([route.describe()]),
    )
}

/// How this process is given the machine's own network.
fn with_hosts_network(facts: &Facts, finding: Finding) -> Finding {
    let finding = finding.evidence(facts.process.signs());
    match &facts.process.container {
        Some(container) => finding.command(container.kind.with_hosts_network()),
        None if facts.process.foreign_network == Some(true) => finding.command("nsenter -t 1 -n imds doctor"),
        None => finding,
    }
}

fn no_network(facts: &Facts) -> Option<Finding> {
    let route = facts.stopped_by(&Fate::Missing)?;
    if !facts.process.interfaces.is_empty() {
        return None;
    }
    let finding = Finding::error("there is no network here: no interface but loopback");
    let finding = with_hosts_network(facts, finding).evidence([route.describe()]);
    Some(match finding.remedy.is_empty() {
        true => finding.advice("wait until the network is up; `imds wait` does"),
        false => finding,
    })
}

fn no_route(facts: &Facts) -> Option<Finding> {
    let route = facts.stopped_by(&Fate::Missing)?;
    let interface = facts.default_interface.as_ref().or(facts.process.interfaces.first())?;
    let finding = Finding::error(format!("no route leads to {}", route.address))
        .command(format!("ip route add {} dev {interface}", route.host()))
        .advice("wait for DHCP, which usually sets it, or add it to the network's configuration")
        .evidence([route.describe()]);
    Some(with_hosts_network(facts, finding))
}

/// The interface to the service, where it isn't the one to everywhere else.
fn side_way(facts: &Facts) -> Option<(&Route, &str, Option<&str>)> {
    let route = facts.sends().filter(|_| facts.is_cut_off())?;
    let interface = route.interface.as_deref().filter(|interface| *interface != "lo")?;
    let usual = facts.default_interface.as_deref();
    (usual != Some(interface)).then_some((route, interface, usual))
}

fn secondary_nic(facts: &Facts) -> Option<Finding> {
    let service = facts.service.as_ref()?;
    let (route, interface, usual) = side_way(facts)?;
    let usual = usual?;
    if !matches!(service.name.as_str(), "azure" | "oracle") {
        return None;
    }
    let cause = format!(
        "{} answers on the primary interface only, and requests leave through {interface}",
        service.title
    );
    Some(
        Finding::error(cause)
            .command(format!("ip route replace {} dev {usual}", route.host()))
            .advice(
                "the primary interface is the one that DHCP gave the default route with the lowest metric",
            )
            .evidence([route.describe(), format!("the default route leads through {usual}")]),
    )
}

/// Interfaces that are no network card, by the names that their makers give them.
const VIRTUAL: [&str; 14] = [
    "tun",
    "tap",
    "wg",
    "tailscale",
    "ppp",
    "docker",
    "podman",
    "br-",
    "virbr",
    "cni",
    "flannel",
    "zt",
    "ipsec",
    "nordlynx",
];

fn wrong_interface(facts: &Facts) -> Option<Finding> {
    let (route, interface, usual) = side_way(facts)?;
    if !VIRTUAL.iter().any(|name| interface.starts_with(name)) || facts.is_asked_elsewhere() {
        return None;
    }
    let finding =
        Finding::error(format!("{} is routed into {interface}, where no metadata service is", route.address));
    let better = usual.or_else(|| {
        let card = |name: &&String| !VIRTUAL.iter().any(|virtual_name| name.starts_with(virtual_name));
        facts.process.interfaces.iter().find(card).map(String::as_str)
    });
    let better = better.map(|better| format!("ip route replace {} dev {better}", route.host()));
    Some(
        finding
            .commands(better)
            .advice("or leave the address out of what the VPN or the bridge takes")
            .evidence([route.describe()])
            .evidence(usual.map(|usual| format!("the default route leads through {usual}"))),
    )
}

fn confined(facts: &Facts) -> Option<Finding> {
    let route = facts.sends().filter(|_| facts.connection == Some(Connection::Denied))?;
    let label = facts.process.label.as_ref().map(|label| format!("this process is labelled {label}"));
    let finding = Finding::error(
        "this process may not connect to the service, although there is a route: a sandbox (Landlock) or a policy (SELinux, \
         AppArmor) confines it",
    );
    let finding = match &label {
        Some(_) => finding.command("ausearch -m avc -ts recent | audit2why"),
        None => finding,
    };
    Some(
        finding
            .advice("allow TCP connections to the service in whatever confines it, or run `imds agent` outside and ask that")
            .evidence([route.describe()])
            .evidence(label),
    )
}

fn not_permitted(facts: &Facts) -> Option<Finding> {
    // No kind of route says this, so it needn't be known; and who may not connect often can't look it up either.
    facts.connection.filter(|connection| *connection == Connection::NotPermitted)?;
    Some(
        Finding::error(
            "this process isn't permitted to connect to the service: a BPF program of its control group or a seccomp filter \
             forbids it, and no route",
        )
        .command("bpftool cgroup tree")
        .advice(
            "look at the unit's SystemCallFilter=, RestrictAddressFamilies= and RestrictNetworkInterfaces=, and at network policies \
             (Cilium); `imds agent` outside of it can be asked instead",
        )
        .evidence(facts.sends().map(Route::describe)),
    )
}

fn nobody_listens(facts: &Facts) -> Option<Finding> {
    if !facts.is_asked_elsewhere() || !facts.is_cut_off() || name_unknown(facts).is_some() {
        return None;
    }
    let unsettled = facts.neighbours.variables.iter().map(|(name, _)| name);
    let unset =
        unsettled.filter(|name| *name == "IMDS_URL" || name.contains("ENDPOINT") || name.contains("HOST"));
    let how = match facts.connection {
        Some(Connection::Refused) => "nobody listens there",
        _ => "there is no way there",
    };
    Some(
        Finding::error(format!("the service was told to be at {}, and {how}", facts.authority()))
            .commands(unset.map(|name| format!("unset {name}")).collect::<Vec<_>>())
            .advice("leave out --endpoint, or the setting `endpoint`, to ask the cloud's own address"),
    )
}

/// Why packets didn't leave, as far as that was seen.
fn stopped_here(facts: &Facts) -> Option<(&Route, Vec<String>)> {
    let route = facts.sends()?;
    let stopped =
        matches!(facts.connection?, Connection::Refused | Connection::Silent | Connection::Unreachable);
    let interface = route.interface.as_deref()?;
    let left = facts.packets_left?;
    (stopped && left == 0).then(|| {
        let seen = format!("no packet left {interface} while connecting was tried");
        (route, vec![route.describe(), seen])
    })
}

fn blocked_by_owner_rule(facts: &Facts) -> Option<Finding> {
    let user = facts.process.user.filter(|user| *user != 0)?;
    let (_, seen) = stopped_here(facts)?;
    Some(
        Finding::error(format!(
            "a packet filter of this machine keeps the user {user} from the service (an owner rule)"
        ))
        .command("sudo imds doctor")
        .command(format!("sudo iptables -S OUTPUT | grep -- --uid-owner; sudo nft list ruleset | grep {SKUID}"))
        .advice(
            "if root gets through, it is such a rule: run `imds agent` as a user that it lets through, and everybody else asks \
             that",
        )
        .evidence(seen)
        .evidence([format!("this process runs as the user {user}")]),
    )
}

/// How nftables calls the owner of a socket.
const SKUID: &str = "skuid";

fn filtered_here(facts: &Facts) -> Option<Finding> {
    if facts.process.user.is_some_and(|user| user != 0) {
        return None;
    }
    let (route, seen) = stopped_here(facts)?;
    let address = route.address;
    Some(
        Finding::error("a packet filter of this machine keeps everybody from the service")
            .command(format!("nft list ruleset | grep {address}; iptables -S OUTPUT | grep {address}"))
            .advice("the rule that this finds has to go")
            .evidence(seen),
    )
}

/// Whether packets leave and nothing useful comes back.
fn unanswered(facts: &Facts) -> Option<&Route> {
    let route = facts.sends()?;
    let cut_off =
        matches!(facts.connection?, Connection::Refused | Connection::Silent | Connection::Unreachable);
    let explained =
        side_way(facts).is_some() && (secondary_nic(facts).is_some() || wrong_interface(facts).is_some());
    (cut_off && stopped_here(facts).is_none() && !explained && !facts.is_asked_elsewhere()).then_some(route)
}

fn is_silent(facts: &Facts) -> bool {
    facts.connection == Some(Connection::Silent)
}

fn left(facts: &Facts) -> Option<String> {
    facts.packets_left.map(|count| format!("packets that left meanwhile: {count}"))
}

fn filtered_on_host(facts: &Facts) -> Option<Finding> {
    let route = unanswered(facts).filter(|_| is_silent(facts) && facts.process.is_apart())?;
    let finding = Finding::error(
        "what leaves this container gets no answer: the host's packet filter, a network policy or a missing route stops it",
    );
    Some(
        with_hosts_network(facts, finding)
            .advice("or allow it: the chain DOCKER-USER of the host, or a NetworkPolicy with this address in its egress")
            .evidence([route.describe()])
            .evidence(left(facts)),
    )
}

fn refused(facts: &Facts) -> Option<Finding> {
    let route = unanswered(facts)?;
    let address = route.address;
    let cause = match facts.connection? {
        Connection::Refused => {
            format!("{address} refuses connections: the service is switched off, or a filter refuses for it")
        }
        Connection::Unreachable => {
            format!(
                "packets to {address} come back as undeliverable: nobody there has the address, or a filter says so"
            )
        }
        _ => return None,
    };
    let finding = match facts.process.is_apart() {
        true => with_hosts_network(facts, Finding::error(cause)),
        false => Finding::error(cause),
    };
    Some(
        finding
            .command(format!("nft list ruleset | grep {address}; iptables -S | grep {address}"))
            .evidence([route.describe()])
            .evidence(left(facts)),
    )
}

fn silent(facts: &Facts) -> Option<Finding> {
    let route = unanswered(facts).filter(|_| is_silent(facts) && !facts.process.is_apart())?;
    let address = route.address;
    let finding = Finding::error(format!("nobody answers at {address}"));
    let finding = match facts.failure.as_ref().and_then(|(_, error)| error.remedy()) {
        Some(remedy) => finding.remedied_by(remedy, facts.id()),
        None => finding,
    };
    Some(
        finding.command(format!("ip route get {address}")).evidence([route.describe()]).evidence(left(facts)),
    )
}

#[cfg(test)]
#[path = "way_tests.rs"]
mod tests;
