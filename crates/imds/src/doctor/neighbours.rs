//! What else on this machine has a hand in metadata: systemd-imdsd, Azure's Guest Proxy Agent, our own agent, variables, the
//! place that firmware is read from.

use std::path::PathBuf;
use std::time::Duration;

use imds_model::{CloudName, Error};

use crate::agent::Agent;
use crate::config::Config;
use crate::machine::{Environment, Files};

/// Where systemd-imdsd answers over Varlink (systemd 261).
pub(super) const SYSTEMD_SOCKET: &str = "/run/systemd/io.systemd.InstanceMetadata";
/// The file by which systemd-networkd is told to lock the service.
pub(super) const SYSTEMD_LOCK: &str = "/run/systemd/network/85-imds-early.network";
/// Files and directories of Azure's Guest Proxy Agent.
const GUEST_PROXY_AGENT: [&str; 3] =
    ["/var/lib/azure-proxy-agent", "/usr/sbin/azure-proxy-agent", "/etc/azure/proxy-agent.json"];
/// Where systemd finds units, the administrator's own first.
const UNITS: [&str; 4] =
    ["/etc/systemd/system", "/run/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"];
/// Where containers that look at their host have its file system.
const HOST_ROOTS: [&str; 4] = ["/rootfs", "/host", "/hostfs", "/mnt/host"];
/// Where machines say who made them.
const FIRMWARE: [&str; 4] =
    ["/sys/class/dmi/id", "/sys/firmware/dmi", "/sys/firmware/devicetree", "/sys/hypervisor"];
/// Variables that name a proxy for plain HTTP, as the usual clients read them.
const PROXIES: [&str; 4] = ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"];
const NO_PROXY: [&str; 2] = ["no_proxy", "NO_PROXY"];
/// Our own variables that decide what is asked.
const OURS: [&str; 5] = ["IMDS_URL", "IMDS_SYSROOT", "IMDS_FORCE_CLOUD", "IMDS_NETWORK", "IMDS_TIMEOUT"];
/// An agent has its answers at hand.
const AGENT_TIME: Duration = Duration::from_millis(500);

/// What was found of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Neighbours {
    /// Signs that systemd-imdsd is at work.
    pub(super) systemd: Vec<String>,
    /// Whether it answers over Varlink.
    pub(super) systemd_answers: bool,
    /// Signs of Azure's Guest Proxy Agent.
    pub(super) guest_proxy_agent: Vec<String>,
    /// Sockets of our agent that are of no use, and why.
    pub(super) agents: Vec<(PathBuf, Error)>,
    /// The units of our agent, and how they are, as far as files tell.
    pub(super) agent_units: Vec<(&'static str, UnitState)>,
    /// Variables that decide what is asked, with their values.
    pub(super) variables: Vec<(String, String)>,
    /// Variables that send other programs' requests to a proxy. Their values may hold passwords.
    pub(super) proxies: Vec<String>,
    /// Whether proxies are left out for the service's address.
    pub(super) proxies_spare_us: bool,
    /// The directory that evidence was told to be read below.
    pub(super) sysroot: Option<String>,
    /// Whether there is firmware where it was looked for.
    pub(super) has_firmware: bool,
    /// Where the host's file system seems to be.
    pub(super) host_root: Option<String>,
}

/// How a unit of systemd is, by its files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum UnitState {
    /// It mustn't be started.
    Masked,
    /// It was started, and isn't over.
    Active,
    /// It is there.
    Inactive,
}

impl Neighbours {
    /// Looks for them. `address` is the service's.
    pub(super) async fn look(
        config: &Config,
        files: &dyn Files,
        cloud: Option<&CloudName>,
        address: &str,
    ) -> Self {
        let environment = config.machine.environment();
        let machine = config.machine.files();
        let proxies: Vec<String> = set(environment, &PROXIES).map(|(name, _)| name).collect();
        let spared =
            |(_, list): (String, String)| list.split(',').map(str::trim).any(|entry| spares(entry, address));
        Self {
            systemd: systemd(files),
            systemd_answers: files.exists(SYSTEMD_SOCKET),
            guest_proxy_agent: signs(files, &GUEST_PROXY_AGENT),
            agents: agents(config).await,
            agent_units: ["imds-agent.service", "imds-agent.socket"]
                .into_iter()
                .filter_map(|name| Some((name, unit(files, name)?)))
                .collect(),
            variables: variables(config, cloud),
            proxies_spare_us: set(environment, &NO_PROXY).any(spared),
            proxies,
            sysroot: config.told_sysroot.clone(),
            has_firmware: FIRMWARE.iter().any(|path| machine.list(path).is_ok_and(|names| !names.is_empty())),
            host_root: HOST_ROOTS
                .iter()
                .find(|root| files.exists(&format!("{root}/proc")) && files.exists(&format!("{root}/sys")))
                .map(|root| (*root).to_owned()),
        }
    }
}

fn signs(files: &dyn Files, paths: &[&str]) -> Vec<String> {
    paths.iter().filter(|path| files.exists(path)).map(|path| format!("{path} is there")).collect()
}

/// The state of a unit; nothing where it isn't installed.
fn unit(files: &dyn Files, name: &str) -> Option<UnitState> {
    let path = UNITS.iter().map(|directory| format!("{directory}/{name}")).find(|path| files.exists(path))?;
    if files.link(&path).is_ok_and(|target| target == "/dev/null") {
        return Some(UnitState::Masked);
    }
    // A link that is there as long as the unit is up (systemd's `unit_export_state_files`).
    match files.exists(&format!("/run/systemd/units/invocation:{name}")) {
        true => Some(UnitState::Active),
        false => Some(UnitState::Inactive),
    }
}

fn systemd(files: &dyn Files) -> Vec<String> {
    let mut found = signs(files, &[SYSTEMD_LOCK, SYSTEMD_SOCKET, "/usr/lib/systemd/systemd-imdsd"]);
    let line = files.read("/proc/cmdline").unwrap_or_default();
    let line = String::from_utf8_lossy(&line);
    let said = line.split_whitespace().find(|word| word.starts_with("systemd.imds.network="));
    found.extend(said.map(|word| format!("the kernel command line says {word}")));
    found
}

/// Variables that are set, with their values.
fn set<'a>(environment: &'a Environment, names: &'a [&str]) -> impl Iterator<Item = (String, String)> + 'a {
    names.iter().filter_map(|name| Some(((*name).to_owned(), environment.get(name)?.to_owned())))
}

/// Whether an entry of `NO_PROXY` is meant for this address: itself, a network, everything.
fn spares(entry: &str, address: &str) -> bool {
    if entry == "*" || entry == address {
        return true;
    }
    let Some((network, bits)) = entry.split_once('/') else {
        return entry.trim_end_matches('*').ends_with('.')
            && entry.ends_with('*')
            && address.starts_with(entry.trim_end_matches('*'));
    };
    let parsed =
        (network.parse::<std::net::Ipv4Addr>(), bits.parse::<u32>(), address.parse::<std::net::Ipv4Addr>());
    let (Ok(network), Ok(bits), Ok(address)) = parsed else { return false };
    let shift = 32_u32.saturating_sub(bits);
    let prefix = |address: std::net::Ipv4Addr| u32::from(address).checked_shr(shift).unwrap_or(0);
    prefix(network) == prefix(address)
}

/// The variables of ours, and of the clouds' own tools, that are set.
fn variables(config: &Config, cloud: Option<&CloudName>) -> Vec<(String, String)> {
    let mut names: Vec<&str> = OURS.to_vec();
    let meant = config.clouds.iter().filter(|known| cloud.is_none_or(|cloud| *cloud.as_str() == *known.name));
    for protocol in meant.filter_map(|cloud| cloud.service.as_ref()) {
        names.extend(protocol.url_variables.iter().chain(protocol.host_variables.iter()).map(|name| &**name));
        let single = [
            &protocol.mode_variable,
            &protocol.tries_variable,
            &protocol.time_variable,
            &protocol.disabled_variable,
        ];
        names.extend(single.into_iter().flatten().map(|name| &**name));
        names.extend(protocol.token.as_ref().and_then(|token| token.forbid_variable.as_deref()));
    }
    let mut found: Vec<(String, String)> = set(config.machine.environment(), &names).collect();
    found.retain(|(name, value)| !(name == "IMDS_NETWORK" && value == "on"));
    found.sort();
    found.dedup();
    found
}

/// The sockets of our agent at which something is wrong. That there is none at all is the usual thing.
async fn agents(config: &Config) -> Vec<(PathBuf, Error)> {
    let mut found = Vec::new();
    for socket in &config.agents.paths {
        let there = socket.symlink_metadata().is_ok();
        if !there && !config.agents.alone {
            continue;
        }
        if let Err(error) = Agent::at(socket).within(AGENT_TIME).verdict().await {
            found.push((socket.clone(), error));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::MemoryFiles;

    #[test]
    fn no_proxy_is_read_as_its_readers_do() {
        for (entry, spared) in [
            ("169.254.169.254", true),
            ("*", true),
            ("169.254.0.0/16", true),
            ("169.254.*", true),
            ("10.0.0.0/8", false),
            ("0.0.0.0/0", true),
            (".internal", false),
            ("", false),
            ("169.254.169.2", false),
        ] {
            assert_eq!(spares(entry, "169.254.169.254"), spared, "{entry:?}");
        }
    }

    #[test]
    fn a_unit_is_what_its_files_say() {
        let name = "imds-agent.service";
        let installed = MemoryFiles::new().with("/usr/lib/systemd/system/imds-agent.service", "[Unit]\n");
        assert_eq!(unit(&MemoryFiles::new(), name), None);
        assert_eq!(unit(&installed, name), Some(UnitState::Inactive));
        let up = installed.clone().with_link("/run/systemd/units/invocation:imds-agent.service", "1f");
        assert_eq!(unit(&up, name), Some(UnitState::Active));
        let masked = up.with_link("/etc/systemd/system/imds-agent.service", "/dev/null");
        assert_eq!(unit(&masked, name), Some(UnitState::Masked), "whatever is installed below");
    }

    #[tokio::test]
    async fn neighbours_are_found_by_their_files() {
        let files = MemoryFiles::new()
            .with(SYSTEMD_LOCK, "")
            .with("/proc/cmdline", "quiet systemd.imds.network=locked\n")
            .with("/var/lib/azure-proxy-agent/keys", "")
            .with("/host/proc/1/comm", "systemd\n")
            .with("/host/sys/x", "");
        let environment: Environment = [
            ("AWS_EC2_METADATA_DISABLED", "false"),
            ("GCE_METADATA_HOST", "127.0.0.1:9"),
            ("IMDS_NETWORK", "on"),
            ("HTTP_PROXY", "http://user:password@proxy"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into_iter()
        .collect();
        let config =
            Config::builder(environment).files(std::sync::Arc::new(MemoryFiles::new())).build().unwrap();
        let found = Neighbours::look(&config, &files, Some(&CloudName::AWS), "169.254.169.254").await;
        assert_eq!(found.systemd.len(), 2, "{:?}", found.systemd);
        assert_eq!((found.systemd_answers, found.guest_proxy_agent.len()), (false, 1));
        assert_eq!(found.variables, [("AWS_EC2_METADATA_DISABLED".to_owned(), "false".to_owned())]);
        assert_eq!((found.proxies, found.proxies_spare_us), (vec!["HTTP_PROXY".to_owned()], false));
        assert_eq!((found.has_firmware, found.host_root.as_deref()), (false, Some("/host")));
    }
}
