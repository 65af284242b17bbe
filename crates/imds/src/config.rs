//! What a client shall do: from the caller, the environment, or by default.

use std::fmt;
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use imds_model::{CloudName, Error, ErrorKind, Outcome};

use crate::agent::{AgentUse, Sockets};
use crate::clouds::Clouds;
use crate::clouds::description::{Description, Service as Protocol};
use crate::machine::{Environment, Files, Machine, Sysroot, leases, links};
use crate::observer::Observer;
use crate::service::is_plausible_version;
use crate::transport::retry::TRIES;
use crate::transport::{Egress, Endpoint, Exchange, Network, Trust, tls};

/// How long a command may wait for an answer in all.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long probing may take in all.
pub const DEFAULT_PROBE_TIMEOUT: Duration = Duration::from_secs(1);

/// How long a session token may be waited for.
const TOKEN_TIME: Duration = Duration::from_secs(1);

/// What a [`Client`](crate::Client) shall do. Made by [`Config::builder`].
#[derive(Clone, Debug)]
pub struct Config {
    pub(crate) clouds: Clouds,
    pub(crate) forced: Option<(Outcome, String)>,
    pub(crate) permitted: Option<Vec<CloudName>>,
    pub(crate) endpoint: Option<Endpoint>,
    pub(crate) machine: Machine,
    /// Whether the machine's own firmware is that of the endpoint's machine.
    pub(crate) machine_counts: bool,
    pub(crate) network: Network,
    pub(crate) trust: Trust,
    pub(crate) egress: Egress,
    /// The only version that services with versions are asked in, and where it was told.
    pub(crate) api_version: Option<(String, String)>,
    pub(crate) timeout: Duration,
    pub(crate) probe_timeout: Duration,
    pub(crate) tokenless: bool,
    pub(crate) patient: bool,
    pub(crate) observer: Option<Arc<dyn Observer>>,
    pub(crate) agents: Sockets,
    /// The directory that evidence was told to be read below.
    #[cfg(feature = "doctor")]
    pub(crate) told_sysroot: Option<String>,
    pub(crate) imdsd: PathBuf,
}

impl Config {
    /// A builder that starts with nothing but the given environment. Call
    /// [`ConfigBuilder::build`] to have everything that wasn't set read from its variables, or set to the default.
    ///
    /// ```
    /// use imds::Config;
    /// use imds::machine::Environment;
    /// let config = Config::builder(Environment::of_this_process()).cloud("aws", "--cloud").build().unwrap();
    /// # let _ = config;
    /// ```
    pub fn builder(environment: Environment) -> ConfigBuilder {
        ConfigBuilder { environment, ..ConfigBuilder::default() }
    }

    /// The same, where this observer hears of every request.
    #[must_use]
    pub fn observed_by(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = Some(observer);
        self
    }

    /// The same, where the machine's files are read through these. They are of the same machine: what its firmware is
    /// evidence for stays as it was. For a program that gives up the right to read some of them.
    #[must_use]
    pub fn reading_through(mut self, files: Arc<dyn Files>) -> Self {
        self.machine = Machine::new(files, self.machine.environment().clone());
        self
    }

    /// How long one read may take.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// The network policy.
    #[must_use]
    pub fn network(&self) -> Network {
        self.network
    }

    /// The machine whose files and variables are looked at.
    #[must_use]
    pub fn machine(&self) -> &Machine {
        &self.machine
    }

    /// Where every cloud is asked, where an endpoint was given: `127.0.0.1:1338/prefix`. What is read there need not be
    /// about [this machine](Self::machine).
    #[must_use]
    pub fn given_endpoint(&self) -> Option<String> {
        self.endpoint.as_ref().map(|endpoint| format!("{}{}", endpoint.authority(), endpoint.prefix()))
    }

    pub(crate) fn permits(&self, cloud: &CloudName) -> bool {
        self.permitted.as_ref().is_none_or(|permitted| permitted.contains(cloud))
    }

    /// Where this cloud's service is, by the order of precedence: told for every cloud, told for this one, its own
    /// addresses. A node's variable tells more than the host: what was told for every cloud takes only the host's place.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for a variable that can't be used, [`ErrorKind::Unreachable`] where nothing tells the address.
    pub(crate) fn endpoint_of(&self, cloud: &Description, protocol: &Protocol) -> Result<Endpoint, Error> {
        match &self.endpoint {
            Some(endpoint) if cloud.node.is_some() => {
                let told = self.told_endpoint(protocol)?;
                Ok(endpoint.clone().below(told.as_ref().map_or("", Endpoint::prefix)))
            }
            Some(endpoint) => Ok(endpoint.clone()),
            None => match self.told_endpoint(protocol)? {
                Some(endpoint) => Ok(endpoint),
                None => self.own_endpoint(protocol),
            },
        }
    }

    /// The cloud's own addresses, less those that its variable rules out.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for a variable that can't be used, [`ErrorKind::Unreachable`] where the address is that of a
    /// DHCP server and no lease tells it.
    pub(crate) fn own_endpoint(&self, protocol: &Protocol) -> Result<Endpoint, Error> {
        let files = self.machine.files();
        let mut addresses: Vec<SocketAddr> = Vec::new();
        for address in
            [&protocol.ipv4, &protocol.ipv6].into_iter().flatten().filter_map(|text| text.parse().ok())
        {
            match address {
                // A link-local address says nothing without the link.
                IpAddr::V6(address) if address.is_unicast_link_local() => {
                    let scoped = links::indices(files).into_iter();
                    addresses.extend(
                        scoped.map(|link| SocketAddr::V6(SocketAddrV6::new(address, protocol.port, 0, link))),
                    );
                }
                address => addresses.push(SocketAddr::new(address, protocol.port)),
            }
        }
        if protocol.dhcp_server {
            let servers = leases::servers(files).into_iter();
            addresses.extend(servers.map(|server| SocketAddr::new(server.into(), protocol.port)));
            if addresses.is_empty() {
                return Err(Error::new(
                    ErrorKind::Unreachable,
                    "the service is on the DHCP server, and no lease on this machine tells its address",
                )
                .with_remedy("give its address with --endpoint http://ADDRESS"));
            }
        }
        if let Some(variable) = &protocol.mode_variable
            && let Some(mode) = self.environment().get(variable)
        {
            match mode.to_ascii_lowercase().as_str() {
                "ipv4" => addresses.retain(SocketAddr::is_ipv4),
                "ipv6" => addresses.retain(SocketAddr::is_ipv6),
                _ => {
                    let error = Error::new(ErrorKind::Usage, format!("{mode:?} is neither IPv4 nor IPv6"));
                    return Err(error.with_path(&**variable));
                }
            }
        }
        let endpoint = match &protocol.host {
            Some(host) => Endpoint::named(host, addresses, protocol.port),
            None => Endpoint::literal(addresses),
        };
        Ok(match protocol.tls_host.as_ref().filter(|_| tls::SPOKEN) {
            Some(host) => endpoint.or_over_tls(host),
            None => endpoint,
        })
    }

    /// Connections to a service, as this configuration wants them.
    pub(crate) fn exchange(&self, endpoint: Endpoint) -> Exchange {
        Exchange::new(endpoint, self.network, self.trust.clone())
            .leaving_by(self.egress.clone())
            .observed_by(self.observer.clone())
    }

    /// How many tries a request to this cloud has in all.
    pub(crate) fn tries_of(&self, cloud: &Description) -> u32 {
        let variable = cloud.service.as_ref().and_then(|protocol| protocol.tries_variable.as_deref());
        // A value that is no number was refused when this was built.
        let told = variable.and_then(|variable| number(self.environment(), variable).ok().flatten());
        told.unwrap_or(TRIES)
    }

    /// How long this cloud's token may be waited for.
    pub(crate) fn token_time_of(&self, cloud: &Description) -> Duration {
        let variable = cloud.service.as_ref().and_then(|protocol| protocol.time_variable.as_deref());
        let told = variable.and_then(|variable| number(self.environment(), variable).ok().flatten());
        told.map_or(TOKEN_TIME, |seconds| Duration::from_secs(seconds.into()))
    }

    /// Where variables say that this cloud's service is.
    pub(crate) fn told_endpoint(&self, protocol: &Protocol) -> Result<Option<Endpoint>, Error> {
        for variable in protocol.url_variables.iter() {
            if let Some(url) = self.environment().get(variable) {
                return Endpoint::parse(url, variable).map(Some);
            }
        }
        for variable in protocol.host_variables.iter() {
            if let Some(host) = self.environment().get(variable) {
                return Endpoint::parse_host(host, variable).map(Some);
            }
        }
        Ok(None)
    }

    /// Whether a variable forbids asking this cloud.
    pub(crate) fn disabled_by<'a>(&self, protocol: &'a Protocol) -> Option<&'a str> {
        let variable = protocol.disabled_variable.as_deref()?;
        self.environment().get(variable).filter(|value| value.eq_ignore_ascii_case("true")).map(|_| variable)
    }

    /// Whether requests without a token may be tried.
    pub(crate) fn permits_tokenless(&self, protocol: &Protocol) -> bool {
        let forbidden = protocol.token.as_ref().and_then(|token| token.forbid_variable.as_deref());
        let forbidden = forbidden.and_then(|variable| self.environment().get(variable));
        self.tokenless && !forbidden.is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    fn environment(&self) -> &Environment {
        self.machine.environment()
    }
}

/// Collects what a client shall do. Every setting names where it was given (`--cloud`, `IMDS_FORCE_CLOUD`), so that
/// errors and evidence can.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct ConfigBuilder {
    known: Clouds,
    #[cfg(feature = "cloud-files")]
    described: Vec<crate::clouds::file::Described>,
    environment: Environment,
    cloud: Option<(String, String)>,
    clouds: Option<(Vec<String>, String)>,
    endpoint: Option<(String, String)>,
    sysroot: Option<String>,
    files: Option<Arc<dyn Files>>,
    network: Option<Network>,
    interface: Option<(String, String)>,
    source_address: Option<(String, String)>,
    fwmark: Option<(String, String)>,
    api_version: Option<(String, String)>,
    #[cfg(feature = "tls")]
    roots: Vec<(Vec<u8>, String)>,
    timeout: Option<Duration>,
    probe_timeout: Option<Duration>,
    no_imdsv1: bool,
    patient: bool,
    observer: Option<Arc<dyn Observer>>,
    agent: AgentUse,
    imdsd: Option<PathBuf>,
}

impl ConfigBuilder {
    /// The cloud's name, or `none`: nothing is detected.
    pub fn cloud(mut self, name: &str, origin: &str) -> Self {
        self.cloud = Some((name.to_owned(), origin.to_owned()));
        self
    }

    /// The only clouds that may be found or asked; one that is [told](Self::cloud) has to be among them.
    pub fn clouds(mut self, names: &[String], origin: &str) -> Self {
        self.clouds = Some((names.to_vec(), origin.to_owned()));
        self
    }

    /// Describes a cloud of your own, in the shape of the built-in ones (feature `cloud-files`); docs/cloud-files.md tells
    /// it whole. `origin` is what errors call the text. It may be built on another cloud (`based_on`), and take the place
    /// of a built-in one of its name (`overrides = true`); what built-in clouds keep secret stays so.
    ///
    /// Descriptions live as long as the process; one that was read before takes no further memory.
    ///
    /// ```
    /// use imds::{Config, Field, machine::Environment};
    /// let lab = r#"
    ///     name = "lab"
    ///     title = "The lab in the cellar"
    ///
    ///     [[firmware]]
    ///     when = { sys_vendor = "Cellar Inc." }
    ///     strength = "certain"
    ///
    ///     [service]
    ///     ipv4 = "169.254.169.254"
    ///
    ///     [documents]
    ///     machine = { path = "/v1/machine", format = "json" }
    ///
    ///     [fields]
    ///     instance_id = "machine#/id"
    ///     region = "machine#/room"
    /// "#;
    /// let config = Config::builder(Environment::default()).describe(lab, "lab.toml").cloud("lab", "--cloud").build()?;
    /// let lab = config.clouds().into_iter().find(|cloud| cloud.name.as_str() == "lab").unwrap();
    /// assert!(lab.fields.contains(&Field::InstanceId));
    ///
    /// let error = Config::builder(Environment::default()).describe("nmae = 'lab'", "lab.toml").build().unwrap_err();
    /// assert_eq!(error.path(), Some("lab.toml:1:1"));
    /// assert_eq!(error.remedy(), Some("did you mean name?"));
    /// # Ok::<(), imds::Error>(())
    /// ```
    #[cfg(feature = "cloud-files")]
    pub fn describe(mut self, toml_text: &str, origin: &str) -> Self {
        let described = crate::clouds::file::Described::Text(toml_text.to_owned(), origin.to_owned());
        self.described.push(described);
        self
    }

    /// Describes clouds of your own by a file as in [`ConfigBuilder::describe`], or by all `*.toml` of a directory in the
    /// order of their names (feature `cloud-files`). Read by [`ConfigBuilder::build`].
    #[cfg(feature = "cloud-files")]
    pub fn cloud_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.described.push(crate::clouds::file::Described::Path(path.into()));
        self
    }

    /// The base URL that is used for every cloud; nothing else is contacted.
    pub fn endpoint(mut self, url: &str, origin: &str) -> Self {
        self.endpoint = Some((url.to_owned(), origin.to_owned()));
        self
    }

    /// The directory below which evidence is read: `/sys`, `/proc`, `/dev`, `/run`, `/var`, `/etc`.
    pub fn sysroot(mut self, directory: &str) -> Self {
        self.sysroot = Some(directory.to_owned());
        self
    }

    /// Files that stand for the machine's, as a sysroot given by hand.
    pub fn files(mut self, files: Arc<dyn Files>) -> Self {
        self.files = Some(files);
        self
    }

    /// Variables beside those of the environment, in the place of any of their names: what the platform tells its programs.
    pub fn variables(mut self, variables: impl IntoIterator<Item = (String, String)>) -> Self {
        self.environment.extend(variables);
        self
    }

    /// The network policy.
    pub fn network(mut self, network: Network) -> Self {
        self.network = Some(network);
        self
    }

    /// The interface through which services are asked (`SO_BINDTODEVICE`; Linux only), for machines whose routes don't say.
    /// Default: the variable `IMDS_INTERFACE`, else what the routes say.
    pub fn interface(mut self, name: &str, origin: &str) -> Self {
        self.interface = Some((name.to_owned(), origin.to_owned()));
        self
    }

    /// The address, one of this machine's own, from which services are asked; only services of its family can be. Default:
    /// the variable `IMDS_SOURCE_ADDRESS`, else what the routes say.
    pub fn source_address(mut self, address: &str, origin: &str) -> Self {
        self.source_address = Some((address.to_owned(), origin.to_owned()));
        self
    }

    /// The mark that the packets to services carry (`SO_MARK`; Linux only, needs `CAP_NET_ADMIN`), for hosts whose rules
    /// let only marked packets through: decimal, or hexadecimal after `0x`. Default: the variable `IMDS_FWMARK`, else none.
    pub fn fwmark(mut self, mark: &str, origin: &str) -> Self {
        self.fwmark = Some((mark.to_owned(), origin.to_owned()));
        self
    }

    /// The one version in which services with versions (Azure's `api-version`) are asked; none is negotiated. Reading from a
    /// service without versions is then [`ErrorKind::Usage`]. Default: the variable `IMDS_API_VERSION`, else the best that
    /// both know.
    pub fn api_version(mut self, version: &str, origin: &str) -> Self {
        self.api_version = Some((version.to_owned(), origin.to_owned()));
        self
    }

    /// Trusts the certificates of this PEM text as roots, beside the system's, where a service is asked over TLS (feature
    /// `tls`). `origin` is what errors call the text.
    #[cfg(feature = "tls")]
    pub fn root_certificate(mut self, pem: impl Into<Vec<u8>>, origin: &str) -> Self {
        self.roots.push((pem.into(), origin.to_owned()));
        self
    }

    /// How long one read may take. Default: [`DEFAULT_TIMEOUT`].
    pub fn timeout(mut self, time: Duration) -> Self {
        self.timeout = Some(time);
        self
    }

    /// How long probing may take. Default: [`DEFAULT_PROBE_TIMEOUT`].
    pub fn probe_timeout(mut self, time: Duration) -> Self {
        self.probe_timeout = Some(time);
        self
    }

    /// Forbids requests without a session token (IMDSv1).
    pub fn no_imdsv1(mut self) -> Self {
        self.no_imdsv1 = true;
        self
    }

    /// Waits out "gone for now" (410, at most 70 s) beyond the timeout; for callers that nobody waits for.
    pub fn patient(mut self) -> Self {
        self.patient = true;
        self
    }

    /// Whether a running agent is asked before the service. Default: [`AgentUse::Never`].
    pub fn agent(mut self, wanted: AgentUse) -> Self {
        self.agent = wanted;
        self
    }

    /// The socket of systemd-imdsd, which is asked in place of a service that a `prohibit` route of the host keeps from
    /// everybody else (cargo feature `varlink`). Default: [`IMDSD_SOCKET`](crate::IMDSD_SOCKET).
    pub fn imdsd_socket(mut self, socket: impl Into<PathBuf>) -> Self {
        self.imdsd = Some(socket.into());
        self
    }

    /// Tells about every request to a metadata service; for metrics.
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = Some(observer);
        self
    }

    /// Checks it all and reads what wasn't set from the environment.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`], naming the option or variable that can't be used, or the place in a cloud's description.
    pub fn build(self) -> Result<Config, Error> {
        let known = self.known;
        #[cfg(feature = "cloud-files")]
        let known = crate::clouds::file::add(known, &self.described)?;
        let set = |name: &str| self.environment.get(name).map(|value| (value.to_owned(), name.to_owned()));
        let forced = match self.cloud.clone().or_else(|| set("IMDS_FORCE_CLOUD")) {
            Some((name, origin)) => Some((outcome(&known, &name, &origin)?, origin)),
            None => None,
        };
        let permitted: Option<Vec<CloudName>> = match &self.clouds {
            Some((names, origin)) => {
                Some(names.iter().map(|name| cloud(&known, name, origin)).collect::<Result<_, _>>()?)
            }
            None => None,
        };
        if let (Some((Outcome::Cloud(told), origin)), Some(permitted), Some((_, limit))) =
            (&forced, &permitted, &self.clouds)
            && !permitted.contains(told)
        {
            let message = format!("{origin} says {told}, and {limit} doesn't permit it");
            let remedy = format!("leave out one of the two, or let {limit} name {told}, too");
            return Err(Error::new(ErrorKind::Usage, message).with_remedy(remedy));
        }
        let endpoint = match self.endpoint.clone().or_else(|| set("IMDS_URL")) {
            Some((url, origin)) => Some(Endpoint::parse(&url, &origin)?),
            None => None,
        };
        let sysroot =
            self.sysroot.clone().or_else(|| self.environment.get("IMDS_SYSROOT").map(str::to_owned));
        // The agent tells of this machine, by asking.
        let elsewhere = endpoint.is_some() || sysroot.is_some() || self.files.is_some();
        let machine_counts = endpoint.is_none() || sysroot.is_some() || self.files.is_some();
        #[cfg(feature = "doctor")]
        let told_sysroot = sysroot.clone();
        let files = match (self.files, sysroot) {
            (Some(files), _) => files,
            (None, Some(directory)) => {
                if !std::path::Path::new(&directory).is_dir() {
                    return Err(Error::new(
                        ErrorKind::Usage,
                        format!("the sysroot {directory:?} is no directory"),
                    )
                    .with_remedy("give --sysroot or IMDS_SYSROOT the directory that holds sys, proc, …"));
                }
                Arc::new(Sysroot::new(directory))
            }
            (None, None) => Arc::new(Sysroot::of_this_machine()),
        };
        let network = match (self.network, self.environment.get("IMDS_NETWORK")) {
            (Some(network), _) => network,
            (None, Some(text)) => Network::from_str(text).map_err(|error| error.with_path("IMDS_NETWORK"))?,
            (None, None) => Network::On,
        };
        let egress = Egress::parse(
            self.interface.clone().or_else(|| set("IMDS_INTERFACE")),
            self.source_address.clone().or_else(|| set("IMDS_SOURCE_ADDRESS")),
            self.fwmark.clone().or_else(|| set("IMDS_FWMARK")),
        )?;
        let api_version = self.api_version.clone().or_else(|| set("IMDS_API_VERSION"));
        if let Some((version, origin)) =
            api_version.as_ref().filter(|(version, _)| version.is_empty() || !is_plausible_version(version))
        {
            let error = Error::new(ErrorKind::Usage, format!("{version:?} is no version of a service"));
            return Err(error.with_path(origin).with_remedy("write a date, such as 2021-02-01"));
        }
        let timeout = match (self.timeout, self.environment.get("IMDS_TIMEOUT")) {
            (Some(time), _) => time,
            (None, Some(text)) => duration(text, "IMDS_TIMEOUT")?,
            (None, None) => DEFAULT_TIMEOUT,
        };
        let agent = match self.agent {
            AgentUse::Auto if elsewhere || network == Network::Off => AgentUse::Never,
            wanted => wanted,
        };
        for variable in known.number_variables() {
            number(&self.environment, variable)?;
        }
        Ok(Config {
            clouds: known,
            forced,
            permitted,
            endpoint,
            machine: Machine::new(files, self.environment.clone()),
            machine_counts,
            network,
            #[cfg(feature = "tls")]
            trust: Trust::with(&self.roots)?,
            #[cfg(not(feature = "tls"))]
            trust: Trust,
            egress,
            api_version,
            timeout,
            probe_timeout: self.probe_timeout.unwrap_or(DEFAULT_PROBE_TIMEOUT),
            tokenless: !self.no_imdsv1,
            patient: self.patient,
            observer: self.observer,
            agents: Sockets::of(agent, &self.environment),
            #[cfg(feature = "doctor")]
            told_sysroot,
            imdsd: self.imdsd.unwrap_or_else(|| PathBuf::from(crate::imdsd::SOCKET)),
        })
    }
}

/// A variable that holds a number from 1 to 100.
fn number(environment: &Environment, variable: &str) -> Result<Option<u32>, Error> {
    let Some(text) = environment.get(variable) else { return Ok(None) };
    match text.trim().parse().ok().filter(|number| (1..=100).contains(number)) {
        Some(number) => Ok(Some(number)),
        None => {
            Err(Error::new(ErrorKind::Usage, format!("{text:?} is no number from 1 to 100"))
                .with_path(variable))
        }
    }
}

fn outcome(known: &Clouds, name: &str, origin: &str) -> Result<Outcome, Error> {
    if name == "none" { Ok(Outcome::None) } else { cloud(known, name, origin).map(Outcome::Cloud) }
}

/// A cloud by its name, which has to be one that is known.
fn cloud(known: &Clouds, name: &str, origin: &str) -> Result<CloudName, Error> {
    if let Some(description) = known.find(name) {
        return Ok(crate::clouds::cloud_name(description));
    }
    Err(no_cloud(known, name, origin))
}

/// Why a name can't be a cloud's, with what may have been meant.
pub(crate) fn no_cloud(known: &Clouds, name: &str, origin: &str) -> Error {
    let names = known.iter().map(|cloud| &*cloud.name);
    let remedy = match (crate::clouds::closed(name), imds_model::field::nearest(name, names)) {
        (Some(closed), _) => closed.to_owned(),
        (None, Some(nearest)) => format!("did you mean {nearest}?"),
        (None, None) => "`imds clouds` lists them".to_owned(),
    };
    Error::new(ErrorKind::Usage, format!("no cloud is called {name:?}")).with_path(origin).with_remedy(remedy)
}

/// A duration as people write it: `5s`, `500ms`, `1m 30s`.
///
/// # Errors
/// [`ErrorKind::Usage`], naming its origin; zero and more than a day are refused too.
pub fn duration(text: &str, origin: &str) -> Result<Duration, Error> {
    let invalid = |why: String| {
        Error::new(ErrorKind::Usage, why).with_path(origin).with_remedy("write 5s, 500ms or 2m")
    };
    let time = humantime::parse_duration(text)
        .map_err(|error| invalid(format!("{text:?} is no duration: {error}")))?;
    if time.is_zero() || time > Duration::from_secs(86_400) {
        return Err(invalid(format!("{text:?} isn't between 1ms and a day")));
    }
    Ok(time)
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::On => "on",
            Self::Loopback => "loopback",
            Self::Off => "off",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::MemoryFiles;

    fn with(variables: &[(&str, &str)]) -> Result<Config, Error> {
        let environment =
            variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Config::builder(environment).build()
    }

    #[test]
    fn a_variable_that_cannot_be_used_is_named() {
        for (name, value) in [
            ("IMDS_FORCE_CLOUD", "awz"),
            ("IMDS_URL", "127.0.0.1"),
            ("IMDS_NETWORK", "of"),
            ("IMDS_TIMEOUT", "5"),
            ("IMDS_TIMEOUT", "0s"),
            ("IMDS_INTERFACE", "a/b"),
            ("IMDS_SOURCE_ADDRESS", "localhost"),
            ("IMDS_FWMARK", "0xyz"),
            ("IMDS_API_VERSION", "2021&x"),
            ("AWS_METADATA_SERVICE_TIMEOUT", "soon"),
            ("AWS_METADATA_SERVICE_NUM_ATTEMPTS", "0"),
        ] {
            let error = with(&[(name, value)]).unwrap_err();
            assert_eq!((error.kind(), error.path()), (ErrorKind::Usage, Some(name)), "{error}");
        }
        assert!(
            with(&[("IMDS_SYSROOT", "/nonexistent/here")])
                .unwrap_err()
                .message()
                .contains("/nonexistent/here")
        );
        assert_eq!(with(&[("IMDS_FORCE_CLOUD", "awz")]).unwrap_err().remedy(), Some("did you mean aws?"));
    }

    #[test]
    fn an_option_precedes_its_variable() {
        let environment: Environment =
            [("IMDS_FORCE_CLOUD".to_owned(), "gcp".to_owned())].into_iter().collect();
        let config = Config::builder(environment.clone()).cloud("none", "--cloud").build().unwrap();
        assert_eq!(config.forced, Some((Outcome::None, "--cloud".to_owned())));
        let config = Config::builder(environment).build().unwrap();
        assert_eq!(config.forced, Some((Outcome::Cloud(CloudName::GCP), "IMDS_FORCE_CLOUD".to_owned())));
    }

    #[test]
    fn endpoints_come_from_the_variable_that_precedes() {
        let of = |cloud: &str, variables: &[(&str, &str)]| {
            let cloud = crate::clouds::find(cloud).unwrap();
            let protocol = cloud.service.as_ref().unwrap();
            with(variables).unwrap().endpoint_of(cloud, protocol).map(|endpoint| {
                endpoint.addresses().iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
            })
        };
        assert_eq!(of("aws", &[]).unwrap(), "169.254.169.254:80 [fd00:ec2::254]:80");
        assert_eq!(
            of("aws", &[("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "IPv6")]).unwrap(),
            "[fd00:ec2::254]:80"
        );
        assert_eq!(
            of("aws", &[("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:1338/")]).unwrap(),
            "127.0.0.1:1338"
        );
        assert_eq!(of("gcp", &[("GCE_METADATA_HOST", "127.0.0.1:9")]).unwrap(), "127.0.0.1:9");
        assert_eq!(
            of("gcp", &[("GCE_METADATA_HOST", "127.0.0.1:9"), ("IMDS_URL", "http://127.0.0.1:7")]).unwrap(),
            "127.0.0.1:7"
        );
        assert_eq!(of("azure", &[("GCE_METADATA_HOST", "127.0.0.1:9")]).unwrap(), "169.254.169.254:80");
        assert!(of("aws", &[("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "v5")]).is_err());
    }

    #[test]
    fn addresses_that_the_machine_itself_knows_are_found_in_its_files() {
        let of = |cloud: &str, files: MemoryFiles| {
            let cloud = crate::clouds::find(cloud).unwrap();
            let config = Config::builder(Environment::default()).files(Arc::new(files)).build().unwrap();
            config.endpoint_of(cloud, cloud.service.as_ref().unwrap()).map(|endpoint| {
                endpoint.addresses().iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
            })
        };
        let lease = MemoryFiles::new().with("/run/systemd/netif/leases/2", "SERVER_ADDRESS=10.1.1.1\n");
        assert_eq!(of("cloudstack", lease).unwrap(), "10.1.1.1:80");
        let error = of("cloudstack", MemoryFiles::new()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unreachable);
        assert!(error.remedy().is_some_and(|remedy| remedy.contains("--endpoint")), "{error}");

        let zeros = "0".repeat(32);
        let route = format!(
            "fe80{} 40 {zeros} 00 {zeros} 00000100 00000001 00000000 00000001     eth0\n",
            "0".repeat(28)
        );
        let linked =
            MemoryFiles::new().with("/proc/net/ipv6_route", route).with("/sys/class/net/eth0/ifindex", "2\n");
        assert_eq!(of("hetzner", linked).unwrap(), "169.254.169.254:80 [fe80::a9fe:a9fe%2]:80");
        assert_eq!(of("hetzner", MemoryFiles::new()).unwrap(), "169.254.169.254:80");
    }
}
