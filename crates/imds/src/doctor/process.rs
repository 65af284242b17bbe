//! What is peculiar about this process: whose network it sees, whether it is in a container, who it is.

use super::routes::Table;
use crate::machine::{Environment, Files};

/// Where this process runs, as far as its network is concerned.
#[derive(Clone, Debug, Default)]
pub(super) struct Process {
    /// The effective user, where the kernel tells.
    pub(super) user: Option<u32>,
    /// Whether the network namespace is another than that of process 1; nothing where that can't be seen.
    pub(super) foreign_network: Option<bool>,
    /// The container that it is in.
    pub(super) container: Option<Container>,
    /// Its SELinux or AppArmor label, where one confines it.
    pub(super) label: Option<String>,
    /// The interfaces besides loopback, those with a route first.
    pub(super) interfaces: Vec<String>,
}

/// A container, by what gave it away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Container {
    pub(super) kind: ContainerKind,
    /// What was seen.
    pub(super) sign: String,
}

/// What runs the container, as far as remedies differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ContainerKind {
    Kubernetes,
    Ecs,
    Podman,
    Docker,
    Other,
}

impl ContainerKind {
    /// How a container of this kind is given the network of its host.
    pub(super) fn with_hosts_network(self) -> &'static str {
        match self {
            Self::Kubernetes => {
                "kubectl patch deployment NAME -p '{\"spec\":{\"template\":{\"spec\":{\"hostNetwork\":true}}}}'"
            }
            Self::Ecs => {
                "aws ecs register-task-definition --network-mode host --cli-input-json file://task.json"
            }
            Self::Podman => "podman run --network host IMAGE",
            Self::Docker | Self::Other => "docker run --network host IMAGE",
        }
    }
}

impl Process {
    pub(super) fn look(files: &dyn Files, environment: &Environment) -> Self {
        let text =
            |path: &str| files.read(path).ok().map(|content| String::from_utf8_lossy(&content).into_owned());
        let own = files.link("/proc/self/ns/net").ok();
        let first = files.link("/proc/1/ns/net").ok();
        Self {
            user: text("/proc/self/status").and_then(|status| effective_user(&status)),
            foreign_network: own.zip(first).map(|(own, first)| own != first),
            container: container(files, environment, text("/proc/1/cgroup").as_deref()),
            label: text("/proc/self/attr/current")
                .map(|label| label.trim_matches(['\0', '\n', ' ']).to_owned())
                .filter(|label| !label.is_empty() && !label.starts_with("unconfined")),
            interfaces: {
                let routes = Table::read(files);
                let names = text("/proc/net/dev").map(|table| interfaces(&table)).unwrap_or_default();
                let (mut used, others): (Vec<_>, Vec<_>) =
                    names.into_iter().partition(|name| routes.uses(name));
                used.extend(others);
                used
            },
        }
    }

    /// What of it may explain why the network is another than the machine's.
    pub(super) fn signs(&self) -> Vec<String> {
        let container = self.container.as_ref().map(|container| format!("a container: {}", container.sign));
        let foreign = (self.foreign_network == Some(true))
            .then(|| "the network namespace isn't that of process 1".to_owned());
        container.into_iter().chain(foreign).collect()
    }

    /// Whether the network may be another than the machine's.
    pub(super) fn is_apart(&self) -> bool {
        self.container.is_some() || self.foreign_network == Some(true)
    }
}

/// From the line `Uid:`, which tells the real, the effective and two more.
fn effective_user(status: &str) -> Option<u32> {
    status.lines().find_map(|line| line.strip_prefix("Uid:"))?.split_whitespace().nth(1)?.parse().ok()
}

fn interfaces(table: &str) -> Vec<String> {
    let names = table.lines().filter_map(|line| line.split_once(':')).map(|(name, _)| name.trim());
    names.filter(|name| *name != "lo").map(str::to_owned).collect()
}

/// How many packets left through an interface so far: the tenth number behind its name.
pub(super) fn packets_sent(files: &dyn Files, interface: &str) -> Option<u64> {
    let table = files.read("/proc/net/dev").ok()?;
    let table = String::from_utf8_lossy(&table);
    let mut rows = table.lines().filter_map(|line| line.split_once(':'));
    let (_, numbers) = rows.find(|(name, _)| name.trim() == interface)?;
    numbers.split_whitespace().nth(9)?.parse().ok()
}

fn container(files: &dyn Files, environment: &Environment, cgroup: Option<&str>) -> Option<Container> {
    use ContainerKind::{Docker, Ecs, Kubernetes, Other, Podman};
    let variables = [
        ("KUBERNETES_SERVICE_HOST", Kubernetes),
        ("ECS_CONTAINER_METADATA_URI_V4", Ecs),
        ("ECS_CONTAINER_METADATA_URI", Ecs),
    ];
    for (name, kind) in variables {
        if environment.get(name).is_some() {
            return Some(Container { kind, sign: format!("the variable {name} is set") });
        }
    }
    for (path, kind) in
        [("/run/.containerenv", Podman), ("/.dockerenv", Docker), ("/run/systemd/container", Other)]
    {
        if files.exists(path) {
            return Some(Container { kind, sign: format!("{path} is there") });
        }
    }
    let cgroup = cgroup.unwrap_or_default();
    for (word, kind) in [
        ("kubepods", Kubernetes),
        ("libpod", Podman),
        ("docker", Docker),
        ("containerd", Other),
        ("/lxc", Other),
    ] {
        if cgroup.contains(word) {
            return Some(Container { kind, sign: format!("the control group of process 1 says {word}") });
        }
    }
    environment.get("container").map(|name| Container {
        kind: if name == "podman" { Podman } else { Other },
        sign: format!("the variable container is {name:?}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::MemoryFiles;

    #[test]
    fn containers_are_known_by_their_signs() {
        let none = MemoryFiles::new;
        let with = |path: &str, content: &str| MemoryFiles::new().with(path, content);
        for (files, variable, kind) in [
            (none(), None, None),
            (none(), Some("KUBERNETES_SERVICE_HOST"), Some(ContainerKind::Kubernetes)),
            (none(), Some("ECS_CONTAINER_METADATA_URI_V4"), Some(ContainerKind::Ecs)),
            (with("/.dockerenv", ""), None, Some(ContainerKind::Docker)),
            (with("/run/.containerenv", "engine=podman"), None, Some(ContainerKind::Podman)),
            (with("/run/systemd/container", "lxc"), None, Some(ContainerKind::Other)),
            (with("/proc/1/cgroup", "0::/kubepods/burstable/pod1"), None, Some(ContainerKind::Kubernetes)),
            (with("/proc/1/cgroup", "0::/init.scope"), None, None),
            (none(), Some("container"), Some(ContainerKind::Other)),
        ] {
            let environment = variable.map(|name| (name.to_owned(), "x".to_owned())).into_iter().collect();
            let found = Process::look(&files, &environment).container.map(|container| container.kind);
            assert_eq!(found, kind, "{files:?} {variable:?}");
        }
    }

    #[test]
    fn the_kernels_files_are_read() {
        let dev = "Inter-|   Receive  |  Transmit\n face |bytes packets\n    lo: 1 2 0 0 0 0 0 0 3 4 0 0 0 0 0 0\n\
                   \x20 eth0: 10 20 0 0 0 0 0 0 30 40 0 0 0 0 0 0\n";
        let files = MemoryFiles::new()
            .with("/proc/net/dev", dev)
            .with("/proc/self/status", "Name:\timds\nUid:\t1000\t1001\t1000\t1000\n")
            .with_link("/proc/self/ns/net", "net:[2]")
            .with_link("/proc/1/ns/net", "net:[1]")
            .with("/proc/self/attr/current", "system_u:system_r:confined_t:s0\0");
        let process = Process::look(&files, &Environment::default());
        assert_eq!((process.user, process.foreign_network), (Some(1001), Some(true)));
        assert_eq!(process.interfaces, ["eth0"]);
        assert_eq!(process.label.as_deref(), Some("system_u:system_r:confined_t:s0"));
        assert!(process.is_apart());
        assert_eq!((packets_sent(&files, "eth0"), packets_sent(&files, "eth1")), (Some(40), None));
    }
}
