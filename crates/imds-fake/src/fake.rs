//! A running fake service.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Mutex;

use crate::clouds::{self, Service};
use crate::event::{self, Event};
use crate::fault::{Fault, InForce};
use crate::server::{Host, Running, lock};
use crate::{Cloud, Error, Recorded, Scenario};

/// A running fake service. Dropping it stops it and closes its connections.
///
/// It needs a Tokio runtime with I/O and time enabled, and lives in the one it was started in.
#[derive(Debug)]
pub struct Fake {
    running: Running,
    cloud: Cloud,
    environment: BTreeMap<String, String>,
}

impl Fake {
    /// Starts on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// When no socket can be had.
    pub async fn start(scenario: Scenario) -> io::Result<Fake> {
        Self::bind(scenario, SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await
    }

    /// Starts on the given address; port 0 chooses a free one. Any address will do: whether it is wise to serve beyond
    /// loopback is for the caller to judge.
    ///
    /// # Errors
    /// When the address can't be bound.
    pub async fn bind(scenario: Scenario, addr: SocketAddr) -> io::Result<Fake> {
        let environment = scenario.environment().clone();
        let (cloud, faults, service) = scenario.into_parts();
        let running = Running::bind(Host::Service(Mutex::new(service)), addr).await?;
        for fault in faults {
            lock(&running.site.faults).push(fault);
        }
        Ok(Fake { running, cloud, environment })
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.running.addr
    }

    /// Its base URL, `http://127.0.0.1:PORT`, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.addr())
    }

    /// The cloud it imitates.
    #[must_use]
    pub fn cloud(&self) -> Cloud {
        self.cloud
    }

    /// Everything that was asked so far, in order of arrival, faults included.
    #[must_use]
    pub fn requests(&self) -> Vec<Recorded> {
        lock(&self.running.site.requests).clone()
    }

    /// Forgets what was asked so far.
    pub fn forget_requests(&self) {
        lock(&self.running.site.requests).clear();
    }

    /// How many connections were made so far.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.running.site.connections()
    }

    /// How many connections were open at once at most.
    #[must_use]
    pub fn peak_connections(&self) -> usize {
        self.running.site.peak_connections()
    }

    /// Adds a fault behind those in force. The first one that matches a request strikes (delays add up before it).
    /// Gives its number, by which it can be taken away again.
    pub fn inject(&self, fault: Fault) -> u64 {
        lock(&self.running.site.faults).push(fault)
    }

    /// The faults in force, worn-out ones included, in the order in which they strike.
    #[must_use]
    pub fn faults(&self) -> Vec<InForce> {
        lock(&self.running.site.faults).all()
    }

    /// Takes one fault away; `false` when there is none of that number.
    pub fn clear_fault(&self, id: u64) -> bool {
        lock(&self.running.site.faults).remove(id)
    }

    /// Takes all faults away, the scenario's own included. Requests that hang go on hanging.
    pub fn clear_faults(&self) {
        lock(&self.running.site.faults).clear();
    }

    /// Changes a value while the service runs: `ETag`s change and long polls wake. Paths are those of [`Scenario::set`].
    ///
    /// # Errors
    /// When this is no settable path, or the value doesn't suit it.
    pub fn set(&self, path: &str, value: &str) -> Result<(), Error> {
        self.change(|service| service.set(path, value))
    }

    /// Takes a value, directory or document away: its path answers 404 from now on, until it is set again.
    ///
    /// # Errors
    /// When there is nothing at that path.
    pub fn remove(&self, path: &str) -> Result<(), Error> {
        self.change(|service| clouds::remove(service, path))
    }

    /// Has the service announce an event from now on, as it would.
    ///
    /// # Errors
    /// When this cloud announces no events of that kind.
    pub fn announce(&self, event: &Event) -> Result<(), Error> {
        self.change(|service| event::announce(service, self.cloud, event))
    }

    /// Makes every session token issued so far invalid: AWS answers 401 to them. Clouds without session tokens have none.
    pub fn revoke_tokens(&self) {
        if let Host::Service(service) = &self.running.site.host {
            lock(service).revoke_tokens();
        }
    }

    /// Environment variables that point clients of this cloud here: what the vendor's own clients read
    /// (`AWS_EC2_METADATA_SERVICE_ENDPOINT`; `GCE_METADATA_HOST` and `GCE_METADATA_IP`, both with the port), and `IMDS_URL`.
    /// Where the vendor's clients read none, `IMDS_FORCE_CLOUD` says which cloud is served at that URL. Behind them stands
    /// the [environment](Fake::environment) of the machine.
    #[must_use]
    pub fn exports(&self) -> Vec<(String, String)> {
        let host = self.addr().to_string();
        let own: &[(&str, String)] = match self.cloud {
            Cloud::Aws => &[("AWS_EC2_METADATA_SERVICE_ENDPOINT", self.url())],
            Cloud::Gcp => &[("GCE_METADATA_HOST", host.clone()), ("GCE_METADATA_IP", host)],
            _ => &[],
        };
        let url = [("IMDS_URL", self.url())];
        let cloud = own.is_empty().then(|| ("IMDS_FORCE_CLOUD", self.cloud.name().to_owned()));
        let all = own.iter().cloned().chain(url).chain(cloud);
        all.map(|(name, value)| (name.to_owned(), value)).chain(self.environment()).collect()
    }

    /// What the platform would tell programs on this machine (see [`Scenario::environment`]), pointing here.
    #[must_use]
    pub fn environment(&self) -> Vec<(String, String)> {
        let url = self.url();
        self.environment.iter().map(|(name, value)| (name.clone(), value.replace("{url}", &url))).collect()
    }

    fn change(&self, change: impl FnOnce(&mut dyn Service) -> Result<(), Error>) -> Result<(), Error> {
        if let Host::Service(service) = &self.running.site.host {
            change(lock(service).as_mut())?;
        }
        self.running.site.generation.send_modify(|generation| *generation += 1);
        Ok(())
    }
}
