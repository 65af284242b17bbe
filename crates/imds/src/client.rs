//! Detection and reading in one object: what programs and the command use.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use imds_model::{
    CloudName, Confidence, Error, ErrorKind, Evidence, EvidenceSource, Field, Metadata, Outcome, Reading,
    Source, Strength, Value, Verdict,
};

use crate::agent::{Agent, Watching};
use crate::clouds::description::{Description, Node, Pattern};
use crate::config::Config;
use crate::detect::firmware::{self, Firmware};
use crate::detect::judge::judge;
use crate::detect::{cloud_init, note, probe, told};
use crate::fetch::{extract, plan, read};
use crate::secrets::{Path, Ruling};
use crate::service::{Permissions, Service};
use crate::transport::{Deadline, Network};
use crate::{clouds, volume};

/// An agent has its answers at hand; the rest of the time is the service's.
const AGENT_TIME: Duration = Duration::from_secs(1);
/// What says that a machine is a node of its cloud's own Kubernetes.
const SIGNS_OF_A_CLUSTER: [Field; 2] = [Field::ClusterName, Field::ResourceGroup];

/// Says where this machine runs, and reads its metadata.
///
/// Keeps connections, tokens and definite verdicts; cheap to clone. Needs a Tokio runtime with I/O and time enabled;
/// programs without one use [`blocking`](crate::blocking).
///
/// ```no_run
/// # async fn example() -> Result<(), imds::Error> {
/// use imds::{Client, Config, Field, machine::Environment};
/// let client = Client::new(Config::builder(Environment::of_this_process()).build()?);
/// let metadata = client.read(&[Field::InstanceId, Field::Region]).await?;
/// println!("{:?} in {:?}", metadata.text(Field::InstanceId), metadata.text(Field::Region));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Client(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    config: Config,
    verdict: Mutex<Option<Verdict>>,
    /// Held while detection runs, with what the last one found.
    detecting: tokio::sync::Mutex<Option<Detected>>,
    detections: AtomicU64,
    /// By the name of their description.
    services: Mutex<BTreeMap<String, Arc<Service>>>,
}

/// The verdict, and how long a service that may be the cloud's wants to be left alone, where that is why there is none.
type Detected = (Verdict, Option<Duration>);

/// What evidence alone says.
enum Weighed {
    /// That is the verdict.
    Verdict(Verdict),
    /// Services have to be asked; what is likely before they are.
    Open { evidence: Vec<Evidence>, before: (Outcome, Confidence), started: Instant },
}

impl Client {
    /// A client that does what `config` says. Nothing is read or sent yet.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self(Arc::new(Inner {
            config,
            verdict: Mutex::default(),
            detecting: tokio::sync::Mutex::default(),
            detections: AtomicU64::new(0),
            services: Mutex::default(),
        }))
    }

    fn config(&self) -> &Config {
        &self.0.config
    }

    /// What this client was told to do.
    #[must_use]
    pub fn configuration(&self) -> &Config {
        &self.0.config
    }

    /// Says where this machine runs, with the reasons. Sends nothing where firmware decides; takes no longer than the
    /// probe timeout. A definite verdict is kept for the life of the client, any other is found anew each time.
    pub async fn detect(&self) -> Verdict {
        if let Some(kept) = &*self.0.verdict.lock().unwrap_or_else(PoisonError::into_inner) {
            return kept.clone();
        }
        match self.agents_verdict(self.deadline()).await {
            Ok(Some(verdict)) => verdict,
            Ok(None) => self.detect_anew(self.probe_time()).await.0,
            Err(error) => {
                let mut evidence = Vec::new();
                note(&mut evidence, EvidenceSource::Told, error.to_string(), None, Strength::Weak);
                Verdict::new(Outcome::Unknown, Confidence::Likely, evidence, 0, Duration::ZERO)
            }
        }
    }

    /// The verdict, where nobody has to be asked for it: it was told, firmware decides, or it is known already. Needs no runtime.
    /// `None` where [`Client::detect`] would ask a service, or an agent that may be there.
    #[must_use]
    pub fn detect_unasked(&self) -> Option<Verdict> {
        if let Some(kept) = &*self.0.verdict.lock().unwrap_or_else(PoisonError::into_inner) {
            return Some(kept.clone());
        }
        let agents = &self.config().agents;
        if self.config().forced.is_none() {
            if agents.alone || agents.paths.iter().any(|socket| socket.symlink_metadata().is_ok()) {
                return None;
            }
            for socket in &agents.paths {
                tracing::trace!(socket = %socket.display(), "no agent");
            }
        }
        match self.weigh_evidence() {
            Weighed::Verdict(verdict) => {
                self.found(&verdict);
                Some(verdict)
            }
            Weighed::Open { .. } => None,
        }
    }

    /// A definite verdict is kept.
    fn found(&self, verdict: &Verdict) {
        tracing::debug!(outcome = %verdict.outcome, requests = verdict.requests, "detected");
        if verdict.is_definite() {
            *self.0.verdict.lock().unwrap_or_else(PoisonError::into_inner) = Some(verdict.clone());
        }
    }

    /// Agents that may know it already, with the time that is left for them.
    fn agents(&self, deadline: Deadline) -> impl Iterator<Item = Agent> {
        let sockets = self.config().agents.paths.clone().into_iter();
        sockets.map(move |socket| Agent::at(socket).within(deadline.left().min(AGENT_TIME)))
    }

    /// What a running agent tells as it happens, from after the notice with this id; nothing where no agent is to be asked, or
    /// none is there.
    ///
    /// # Errors
    /// As [`Agent::watch`], where [nobody else](crate::agent::AgentUse::Socket) may be asked.
    pub async fn watch_agent(&self, since: Option<&str>) -> Result<Option<Watching>, Error> {
        for agent in self.agents(self.deadline()) {
            match agent.watch_since(since).await {
                Ok(watching) => return Ok(Some(watching)),
                Err(error) => self.pass_over(&agent, error)?,
            }
        }
        Ok(None)
    }

    /// That an agent is no help; an error where nobody else may be asked.
    fn pass_over(&self, agent: &Agent, error: Error) -> Result<(), Error> {
        if self.config().agents.alone {
            return Err(error);
        }
        match error.kind() {
            // The usual thing on machines without an agent.
            ErrorKind::Unreachable => tracing::trace!(%error, "no agent"),
            ErrorKind::Untrusted => tracing::warn!(%error, "the agent isn't asked"),
            _ => tracing::debug!(socket = %agent.socket().display(), %error, "the agent is no help"),
        }
        Ok(())
    }

    /// The verdict of a running agent, if one is to be asked and knows. What the user told counts for more.
    async fn agents_verdict(&self, deadline: Deadline) -> Result<Option<Verdict>, Error> {
        if self.config().forced.is_some() {
            return Ok(None);
        }
        for agent in self.agents(deadline) {
            match agent.verdict().await {
                Ok(verdict) if verdict.cloud().is_none_or(|cloud| self.config().permits(cloud)) => {
                    return Ok(Some(verdict));
                }
                Ok(verdict) => {
                    let error = Error::new(
                        ErrorKind::Unknown,
                        format!("the agent says {}, which may not be found here", verdict.outcome),
                    );
                    self.pass_over(&agent, error)?;
                }
                Err(error) => self.pass_over(&agent, error)?,
            }
        }
        Ok(None)
    }

    /// What a running agent knows of these fields, if one is to be asked and knows.
    async fn agents_metadata(
        &self,
        deadline: Deadline,
        cloud: &CloudName,
        fields: &[Field],
    ) -> Result<Option<Metadata>, Error> {
        for agent in self.agents(deadline) {
            match agent.metadata(fields).await {
                Ok(metadata) if metadata.cloud() == cloud => return Ok(Some(metadata)),
                Ok(metadata) => {
                    let message = format!("the agent says that this is {}, not {cloud}", metadata.cloud());
                    self.pass_over(&agent, Error::new(ErrorKind::Unknown, message))?;
                }
                Err(error) => self.pass_over(&agent, error)?,
            }
        }
        Ok(None)
    }

    /// Detections that are asked for at the same time are one.
    async fn detect_anew(&self, budget: Duration) -> Detected {
        let before = self.0.detections.load(Ordering::Acquire);
        let mut last = self.0.detecting.lock().await;
        // Someone else's detection began before this call and ended after it: it is this call's, too.
        if let Some(shared) = last.clone().filter(|_| self.0.detections.load(Ordering::Acquire) != before) {
            return shared;
        }
        let (verdict, rest) = self.weigh(budget).await;
        self.found(&verdict);
        self.0.detections.fetch_add(1, Ordering::Release);
        last.insert((verdict, rest)).clone()
    }

    async fn weigh(&self, budget: Duration) -> Detected {
        let (mut evidence, before, started) = match self.weigh_evidence() {
            Weighed::Verdict(verdict) => return (verdict, None),
            Weighed::Open { evidence, before, started } => (evidence, before, started),
        };
        let (outcome, confidence, requests, rest) = self.probe(before, budget, &mut evidence).await;
        (Verdict::new(outcome, confidence, evidence, requests, started.elapsed()), rest)
    }

    /// What can be said without asking anybody.
    fn weigh_evidence(&self) -> Weighed {
        let started = Instant::now();
        let config = self.config();
        let mut evidence = Vec::new();
        let machine = config.machine_counts.then_some(&config.machine);
        if let Some(outcome) = told(
            config.forced.as_ref(),
            &config.clouds,
            machine,
            |cloud| config.permits(cloud),
            &mut evidence,
        ) {
            let elapsed = started.elapsed();
            return Weighed::Verdict(Verdict::new(outcome, Confidence::Certain, evidence, 0, elapsed));
        }
        match machine {
            Some(machine) => {
                firmware::survey(machine, &config.clouds, &mut evidence);
                cloud_init::survey(machine, &config.clouds, &mut evidence);
            }
            None => {
                let detail = "an endpoint was given, so this machine's own firmware is no evidence";
                note(&mut evidence, EvidenceSource::Told, detail, None, Strength::Weak);
            }
        }
        let permits = |cloud: &CloudName| config.permits(cloud);
        let judgement = judge(&evidence, permits);
        // Someone who names an endpoint wants it asked, whatever hardware this is.
        let told_to_ask = judgement.outcome == Outcome::None && self.endpoint_is_told();
        if !(judgement.open || told_to_ask) {
            let elapsed = started.elapsed();
            let (outcome, confidence) = (judgement.outcome, judgement.confidence);
            return Weighed::Verdict(Verdict::new(outcome, confidence, evidence, 0, elapsed));
        }
        Weighed::Open { evidence, before: (judgement.outcome, judgement.confidence), started }
    }

    fn endpoint_is_told(&self) -> bool {
        let told = |cloud: &Description| {
            let protocol = cloud.service.as_ref()?;
            self.config().told_endpoint(protocol).ok()?
        };
        self.config().clouds.iter().any(|cloud| told(cloud).is_some())
    }

    /// Asks the services that are left; `before` is what evidence alone says.
    async fn probe(
        &self,
        before: (Outcome, Confidence),
        budget: Duration,
        evidence: &mut Vec<Evidence>,
    ) -> (Outcome, Confidence, u32, Option<Duration>) {
        let config = self.config();
        if config.network == Network::Off {
            note(
                evidence,
                EvidenceSource::Probe,
                "nobody was asked: the network may not be used",
                None,
                Strength::Weak,
            );
            return (before.0, before.1, 0, None);
        }
        let suspect = before.0.cloud();
        // A cloud that is built on the suspect's software looks like it until its own marks are seen.
        let is_suspect = |suspect: &CloudName, cloud: &Description| {
            *suspect == clouds::cloud_name(cloud)
                || cloud.based_on.as_ref().is_some_and(|base| *suspect.as_str() == **base)
        };
        let nodes = config.clouds.nodes().filter(|(node, how)| !how.elsewhere && self.meets(node, how));
        let nodes = nodes.map(|(node, _)| node);
        let candidates: Vec<probe::Candidate> = nodes
            .chain(config.clouds.iter())
            .filter(|cloud| suspect.is_none_or(|suspect| is_suspect(suspect, cloud)))
            .filter_map(|cloud| self.candidate(cloud, budget, evidence))
            .collect();
        if candidates.is_empty() {
            return (before.0, before.1, 0, None);
        }
        let probed = probe::probe(&candidates, config, budget, evidence).await;
        let native: Vec<&Arc<Service>> =
            probed.identified.iter().filter(|service| !probe::is_imitated(service)).collect();
        let outcome = match native.first().or(probed.identified.first().as_ref()) {
            Some(service) if !config.permits(service.cloud()) => (Outcome::Unknown, Confidence::Likely),
            Some(service) => {
                self.0
                    .services
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .entry(service.description().name.to_string())
                    .or_insert_with(|| self.service_like(service));
                let contradicted = native.iter().any(|other| other.cloud() != service.cloud())
                    || before.0.cloud().is_some_and(|cloud| !is_suspect(cloud, service.description()));
                let confidence = if contradicted { Confidence::Likely } else { Confidence::Certain };
                (Outcome::Cloud(service.cloud().clone()), confidence)
            }
            None => {
                let judgement = judge(evidence, |cloud| config.permits(cloud));
                (judgement.outcome, judgement.confidence)
            }
        };
        (outcome.0, outcome.1, probed.requests, probed.rest)
    }

    /// Probing is a part of what the caller waits for.
    fn probe_time(&self) -> Duration {
        self.config().probe_timeout.min(self.config().timeout)
    }

    /// The probing service has a short temper; the one that reads afterwards keeps its connections and tokens out of it.
    fn service_like(&self, probed: &Service) -> Arc<Service> {
        probed.with_permissions(self.permissions(probed.description()))
    }

    fn permissions(&self, cloud: &Description) -> Permissions {
        let config = self.config();
        Permissions {
            tokenless: cloud.service.as_ref().is_none_or(|protocol| config.permits_tokenless(protocol)),
            tries: config.tries_of(cloud),
            token_time: config.token_time_of(cloud),
        }
    }

    /// A cloud as a candidate for probing; nothing where it can't or may not be asked.
    fn candidate(
        &self,
        cloud: &'static Description,
        budget: Duration,
        evidence: &mut Vec<Evidence>,
    ) -> Option<probe::Candidate> {
        let config = self.config();
        let protocol = cloud.service.as_ref()?;
        let probe = cloud.probe.as_ref()?;
        // What is built on a permitted cloud's software is asked as well, so that it isn't taken for it.
        let base = cloud.based_on.as_ref().and_then(|base| config.clouds.find(base));
        let permitted = |cloud: &Description| config.permits(&clouds::cloud_name(cloud));
        if !permitted(cloud) && !base.is_some_and(permitted) {
            return None;
        }
        if let Some(variable) = config.disabled_by(protocol) {
            let detail = format!("{}: not asked, because {variable} is true", &*cloud.name);
            note(evidence, EvidenceSource::Environment, detail, None, Strength::Weak);
            return None;
        }
        let told = match &config.endpoint {
            Some(_) => config.endpoint_of(cloud, protocol).map(Some),
            None => config.told_endpoint(protocol),
        };
        let endpoints = match told {
            Ok(Some(endpoint)) => vec![endpoint],
            Ok(None) if probe.needs_evidence && !spoken_for(evidence, &clouds::cloud_name(cloud)) => {
                return None;
            }
            Ok(None) => match config.own_endpoint(protocol) {
                Ok(endpoint) => probe::endpoints(endpoint, &config.machine),
                Err(error) => {
                    note(evidence, EvidenceSource::Environment, error.to_string(), None, Strength::Weak);
                    return None;
                }
            },
            Err(error) => {
                note(evidence, EvidenceSource::Environment, error.to_string(), None, Strength::Weak);
                return None;
            }
        };
        let mut permissions = self.permissions(cloud);
        // A token that never comes (hop limit) has to leave time for a request without one.
        permissions.token_time = permissions.token_time.min(budget.mul_f64(0.4));
        // Whoever answers here may be nobody's service, and twenty clouds ask it.
        permissions.tries = permissions.tries.min(2);
        (!endpoints.is_empty()).then_some(probe::Candidate {
            description: cloud,
            protocol,
            endpoints,
            permissions,
        })
    }

    /// Detects, and has the found cloud's service identify itself where firmware alone decided. The error says why it
    /// didn't; the verdict stays what the evidence says.
    pub async fn verify(&self) -> (Verdict, Result<(), Error>) {
        let mut verdict = self.detect().await;
        let Some(cloud) = verdict.cloud().cloned() else { return (verdict, Ok(())) };
        let probed = |piece: &Evidence| {
            piece.source == EvidenceSource::Probe && piece.supports == Some(verdict.outcome.clone())
        };
        if verdict.evidence.iter().any(probed) {
            return (verdict, Ok(()));
        }
        let started = Instant::now();
        let service = match self.service_here(&cloud) {
            Ok(service) => service,
            Err(error) => return (verdict, Err(error)),
        };
        let before = service.requests();
        let result = probe::identify(&service, self.deadline()).await;
        verdict.requests += service.requests() - before;
        verdict.elapsed += started.elapsed();
        let (detail, supports, strength) = match &result {
            Ok(how) => (how.clone(), Some(verdict.outcome.clone()), Strength::Certain),
            Err(error) => (error.to_string(), None, Strength::Weak),
        };
        note(&mut verdict.evidence, EvidenceSource::Probe, detail, supports, strength);
        (verdict, result.map(|_| ()))
    }

    fn deadline(&self) -> Deadline {
        let config = self.config();
        if config.patient { Deadline::patient(config.timeout) } else { Deadline::after(config.timeout) }
    }

    /// The service of a cloud.
    fn service(&self, cloud: &CloudName) -> Result<Arc<Service>, Error> {
        match self.config().clouds.find(cloud.as_str()) {
            Some(description) => self.service_of(description),
            None => Err(unreadable(cloud)),
        }
    }

    /// The service that answers for this cloud here: its own, or that of a node from which all has to be read.
    pub(crate) fn service_here(&self, cloud: &CloudName) -> Result<Arc<Service>, Error> {
        match self.node_of(cloud) {
            Some((node, true)) => self.service_of(node),
            _ => self.service(cloud),
        }
    }

    /// The service that a description tells of, made once.
    fn service_of(&self, description: &'static Description) -> Result<Arc<Service>, Error> {
        let config = self.config();
        let cloud = clouds::cloud_name(description);
        let protocol = description.service.as_ref().ok_or_else(|| unreadable(&cloud))?;
        if let (Some((version, origin)), None) = (&config.api_version, &protocol.version) {
            let message = format!("{} has no versions to choose {version:?} from", &*description.title);
            let error = Error::new(ErrorKind::Usage, message).with_path(origin);
            return Err(
                error.with_remedy("leave it out; it is for clouds with dated versions, such as azure")
            );
        }
        if let Some(variable) = config.disabled_by(protocol) {
            return Err(Error::new(
                ErrorKind::Disabled,
                format!("{variable} is true, so the service isn't asked"),
            )
            .with_cloud(&cloud)
            .with_remedy(format!("unset {variable}")));
        }
        if config.network == Network::Off {
            return Err(Error::new(ErrorKind::NetworkForbidden, "the network may not be used")
                .with_cloud(&cloud)
                .with_remedy("leave out --offline, or set IMDS_NETWORK=on"));
        }
        let mut services = self.0.services.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(service) = services.get(&*description.name) {
            return Ok(Arc::clone(service));
        }
        let endpoint = config.endpoint_of(description, protocol).map_err(|error| error.with_cloud(&cloud))?;
        let exchange = Arc::new(config.exchange(endpoint));
        let permissions = self.permissions(description);
        let service = Service::new(description, protocol, exchange, permissions, config);
        services.insert(description.name.to_string(), Arc::clone(&service));
        Ok(service)
    }

    /// Whether this machine is such a node.
    fn meets(&self, node: &Description, how: &Node) -> bool {
        let config = self.config();
        if !config.machine_counts {
            return false;
        }
        let firmware = Firmware::of(config.machine.files());
        let environment = config.machine.environment();
        let met = node.environment.iter().any(|row| row.holds(environment))
            || node.firmware.iter().any(|row| firmware.fires(row));
        let at_home = || config.clouds.find(&how.of).is_some_and(|cloud| firmware.names(cloud));
        met && !(how.elsewhere && at_home())
    }

    /// The node of the cloud that this machine is, if it isn't a plain machine, and whether all there is to know comes from
    /// it.
    fn node_of(&self, cloud: &CloudName) -> Option<(&'static Description, bool)> {
        let mut nodes = self.config().clouds.nodes_of(cloud.as_str());
        let (node, how) = nodes.find(|(node, how)| self.meets(node, how))?;
        let platform = self.platform_of(node);
        Some((node, platform.is_some_and(|(platform, _)| how.alone.iter().any(|alone| **alone == *platform))))
    }

    /// The platform that the environment says, else the node's own name.
    fn platform_of(&self, node: &Description) -> Option<(String, Source)> {
        let environment = self.config().machine.environment();
        let said = node.environment.iter().filter(|row| row.holds(environment)).find_map(|row| {
            Some((row.platform.as_ref()?.to_string(), Source::Environment(row.variable.to_string())))
        });
        said.or_else(|| {
            let firmware = Firmware::of(self.config().machine.files());
            let row = node.firmware.iter().find(|row| firmware.fires(row))?;
            let (key, pattern) = row.when.iter().next()?;
            let source = match (key, pattern) {
                ("exists", Pattern::Exact(path)) => Source::File(path.to_string()),
                _ => Source::Firmware(Firmware::path(key)),
            };
            Some((node.name.to_string(), source))
        })
    }

    /// The cloud, or why there is none to read.
    pub(crate) async fn cloud(&self) -> Result<(CloudName, Verdict), Error> {
        self.cloud_before(self.deadline()).await
    }

    /// The cloud. A service that only wants to be asked later is asked later, for as long as the caller waits.
    async fn cloud_before(&self, deadline: Deadline) -> Result<(CloudName, Verdict), Error> {
        let kept = self.0.verdict.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let known = match kept {
            Some(kept) => Some(kept),
            None => self.agents_verdict(deadline).await?,
        };
        let verdict = match known {
            Some(kept) => kept,
            None => loop {
                let (verdict, rest) = self.detect_anew(self.probe_time().min(deadline.left())).await;
                match rest {
                    Some(rest) if verdict.outcome == Outcome::Unknown && rest < deadline.left() => {
                        tokio::time::sleep(rest).await;
                    }
                    _ => break verdict,
                }
            },
        };
        match &verdict.outcome {
            Outcome::Cloud(cloud) => Ok((cloud.clone(), verdict)),
            Outcome::None => Err(Error::new(ErrorKind::NoCloud, "this machine is in no cloud").with_remedy(
                self.remedy_with_nodes(
                    "if it is, name the cloud with --cloud; `imds detect --explain` shows the reasons",
                ),
            )),
            Outcome::Unknown => {
                Err(Error::new(ErrorKind::Unknown, "whether this machine is in a cloud can't be said")
                    .with_remedy(self.remedy_with_nodes(
                        "name the cloud with --cloud, or look at `imds detect --explain`",
                    )))
            }
        }
    }

    /// A remedy, with what can be read here although the machine is in no cloud.
    fn remedy_with_nodes(&self, remedy: &str) -> String {
        match self.node_elsewhere() {
            Some((node, how)) => {
                format!("--cloud {} reads {}'s local service; {remedy}", &*how.of, &*node.title)
            }
            None => remedy.to_owned(),
        }
    }

    /// The node that this machine is of a cloud in which it isn't itself.
    pub(crate) fn node_elsewhere(&self) -> Option<(&'static Description, &'static Node)> {
        self.config().clouds.nodes().find(|(node, how)| how.elsewhere && self.meets(node, how))
    }

    /// Reads these fields, in as few requests as it takes.
    ///
    /// What fails, fails alone: look at each field's [`Reading`]. Where the service can't be asked at all,
    /// [`Metadata::failure`] says why, and the snapshot holds what firmware knows.
    ///
    /// # Errors
    /// [`ErrorKind::NoCloud`] and [`ErrorKind::Unknown`] by the verdict; [`ErrorKind::Usage`] for a variable that can't
    /// be used.
    pub async fn read(&self, fields: &[Field]) -> Result<Metadata, Error> {
        let deadline = self.deadline();
        let (cloud, verdict) = self.cloud_before(deadline).await?;
        self.read_before(deadline, &cloud, &verdict, fields).await
    }

    /// Reads from a cloud that was found before.
    pub(crate) async fn read_from(
        &self,
        cloud: &CloudName,
        verdict: &Verdict,
        fields: &[Field],
    ) -> Result<Metadata, Error> {
        self.read_before(self.deadline(), cloud, verdict, fields).await
    }

    pub(crate) async fn read_before(
        &self,
        deadline: Deadline,
        cloud: &CloudName,
        verdict: &Verdict,
        fields: &[Field],
    ) -> Result<Metadata, Error> {
        if let Some(metadata) = self.agents_metadata(deadline, cloud, fields).await? {
            return Ok(metadata);
        }
        let mut metadata = Metadata::new(cloud.clone());
        let mut wanted: Vec<Field> = fields.to_vec();
        let clustered =
            self.config().clouds.find(cloud.as_str()).is_some_and(|cloud| cloud.cluster_platform.is_some());
        if wanted.contains(&Field::Platform) && clustered {
            let signs = SIGNS_OF_A_CLUSTER.into_iter().filter(|sign| !fields.contains(sign));
            wanted.extend(signs);
        }
        let node = self.node_of(cloud);
        let said_by_node = |field: &Field| {
            node.is_some_and(|(node, alone)| {
                alone || node.node.as_ref().is_some_and(|how| how.adds.iter().any(|it| **it == *field.name()))
            })
        };
        let (of_node, of_cloud): (Vec<Field>, Vec<Field>) = wanted.into_iter().partition(said_by_node);
        // What the cloud's own service can't say is the failure of the whole, unless nothing else was wanted.
        let parts = [
            node.filter(|_| !of_node.is_empty()).map(|(node, _)| (self.service_of(node), of_node)),
            (!of_cloud.is_empty()).then(|| (self.service(cloud), of_cloud)),
        ];
        for (service, wanted) in parts.into_iter().flatten() {
            match service {
                Ok(service) => self.fetch(&service, &wanted, deadline, &mut metadata).await,
                Err(error) if error.kind() == ErrorKind::Usage => return Err(error),
                Err(error) => {
                    for field in &wanted {
                        metadata.set(*field, Reading::Failed(error.clone()));
                    }
                    metadata.set_failure(Some(error));
                }
            }
        }
        self.fill_from_firmware(cloud, &mut metadata);
        if fields.contains(&Field::Cloud) {
            metadata.set(Field::Cloud, Reading::known(Value::Text(cloud.to_string()), source_of(verdict)));
        }
        if fields.contains(&Field::Platform) {
            let platform = self.platform(cloud, &metadata);
            metadata.set(Field::Platform, platform);
        }
        Ok(metadata.only(fields))
    }

    async fn fetch(
        &self,
        service: &Arc<Service>,
        wanted: &[Field],
        deadline: Deadline,
        metadata: &mut Metadata,
    ) {
        let plan = plan::plan(service.description(), wanted);
        let mut documents = read::documents(service, &plan, deadline).await;
        extract::extract(&documents, &plan, metadata);
        // What the usual places don't say may be elsewhere.
        let absent = plan
            .steps
            .iter()
            .filter(|(field, _)| matches!(metadata.reading(*field), Some(Reading::Absent { .. })));
        let elsewhere: Vec<&'static str> = absent
            .flat_map(|(field, _)| plan::otherwise(service.description(), *field))
            .filter(|document| !documents.has(document))
            .collect();
        if !elsewhere.is_empty() {
            let more = plan.asking(elsewhere);
            documents.extend(read::documents(service, &more, deadline).await);
            extract::extract(&documents, &more, metadata);
        }
        metadata.set_failure(documents.common_failure());
        metadata.set_protocol(service.spoken());
        for warning in service.warnings() {
            metadata.warn(warning);
        }
        if let Some(Reading::Known { value: Value::Disks(disks), source, .. }) =
            metadata.reading(Field::Disks)
            && self.config().machine_counts
        {
            let joined =
                volume::join_local_devices(self.config().machine.files(), service.cloud(), disks.clone());
            let reading = Reading::known(Value::Disks(joined), source.clone());
            metadata.set(Field::Disks, reading);
        }
    }

    /// What firmware knows stands in for what the service couldn't be asked for.
    fn fill_from_firmware(&self, cloud: &CloudName, metadata: &mut Metadata) {
        let config = self.config();
        let Some(description) = config.clouds.find(cloud.as_str()).filter(|_| config.machine_counts) else {
            return;
        };
        let unread = |metadata: &Metadata, field| match metadata.reading(field) {
            Some(Reading::Failed(error)) => Some(error.clone()),
            _ => None,
        };
        for (field, value) in cloud_init::known(config.machine.files(), description) {
            if let Some(error) = unread(metadata, field) {
                let source = Source::File(cloud_init::PATH.to_owned());
                let (read_at, trouble) = (metadata.taken_at(), Some(error));
                metadata.set(
                    field,
                    Reading::Known { value: Value::Text(value.to_string()), source, read_at, trouble },
                );
            }
        }
        let firmware = Firmware::of(config.machine.files());
        if !firmware.names(description) {
            return;
        }
        for (name, rule) in description.offline.iter() {
            let Ok(field) = name.parse::<Field>() else { continue };
            let Some(error) = unread(metadata, field) else { continue };
            let value = firmware.value(&rule.file);
            let value = value.filter(|value| rule.like.as_ref().is_none_or(|pattern| pattern.matches(value)));
            if let Some(value) = value {
                let trouble = Some(error);
                let source = Source::Firmware(Firmware::path(&rule.file));
                let read_at = metadata.taken_at();
                metadata.set(
                    field,
                    Reading::Known { value: Value::Text(value.to_string()), source, read_at, trouble },
                );
            }
        }
    }

    fn platform(&self, cloud: &CloudName, metadata: &Metadata) -> Reading {
        let Some(description) = self.config().clouds.find(cloud.as_str()) else {
            return Reading::absent();
        };
        let node = self.node_of(cloud).map(|(node, _)| node);
        if let Some((platform, source)) = node.and_then(|node| self.platform_of(node)) {
            return Reading::known(Value::Text(platform), source);
        }
        let derived = |platform: &str| {
            Reading::known(
                Value::Text(platform.to_owned()),
                Source::Derived(vec![Field::Cloud, Field::ClusterName]),
            )
        };
        match (metadata.reading(Field::ClusterName), &description.cluster_platform) {
            (Some(Reading::Known { .. }), Some(platform)) => derived(platform),
            (Some(Reading::Failed(error)), Some(_)) => Reading::Failed(error.clone()),
            (_, Some(platform)) if is_in_cluster_group(cloud, metadata) => Reading::known(
                Value::Text(platform.to_string()),
                Source::Derived(vec![Field::Cloud, Field::ResourceGroup]),
            ),
            _ => derived("vm"),
        }
    }

    /// Asks for a path of the service as it is, with the headers, tokens and versions that this cloud wants.
    ///
    /// The path is normalised first. What would give a secret is refused, unless `allow_secret`; a document that holds
    /// secret members is returned without them.
    ///
    /// # Errors
    /// [`ErrorKind::Secret`] for a refused path, [`ErrorKind::Usage`] for one that is no path, and what the service or the
    /// network says.
    pub async fn raw(&self, path: &str, allow_secret: bool) -> Result<Vec<u8>, Error> {
        let path = Path::parse(path)?;
        let deadline = self.deadline();
        let (cloud, _) = self.cloud_before(deadline).await?;
        let service = self.service_here(&cloud)?;
        let ruling = if allow_secret { Ruling::Open } else { path.judge(service.description()) };
        if ruling == Ruling::Secret {
            return Err(Error::new(ErrorKind::Secret, "this path gives a secret")
                .with_cloud(&cloud)
                .with_path(path.to_request())
                .with_remedy("if you mean it, add --allow-secret"));
        }
        let answer = service.get_raw(&path.to_request(), deadline).await?;
        match ruling {
            Ruling::Without(members) => {
                path.redact(&answer.body, &members).map_err(|error| error.with_cloud(&cloud))
            }
            Ruling::Open | Ruling::Secret => Ok(answer.body.to_vec()),
        }
    }

    /// What the user should hear about the way services were asked so far (IMDSv1 had to be used, for instance).
    /// [`Client::read`] puts the same into its snapshot.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let services = self.0.services.lock().unwrap_or_else(PoisonError::into_inner);
        services.values().flat_map(|service| service.warnings()).collect()
    }

    /// The id of the volume behind a block device, as people write it: `sdc`, `/dev/sdc1`, `nvme1n1p2`.
    ///
    /// # Errors
    /// [`ErrorKind::Absent`] for a device that isn't there or has no volume id, and as [`Client::read`].
    pub async fn volume_id(&self, device: &str) -> Result<String, Error> {
        let metadata = self.read(&[Field::Disks]).await?;
        volume_id_of(self.config(), &metadata, device)
    }
}

/// A cloud that is known by name only.
fn unreadable(cloud: &CloudName) -> Error {
    Error::new(ErrorKind::Absent, "this cloud can be named, but its metadata can't be read")
        .with_cloud(cloud)
        .with_remedy("`imds clouds` shows which clouds can be read")
}

/// Whether the machine is in a resource group that Azure made for a cluster's nodes.
fn is_in_cluster_group(cloud: &CloudName, metadata: &Metadata) -> bool {
    *cloud == CloudName::AZURE
        && metadata.text(Field::ResourceGroup).is_some_and(clouds::azure::is_of_a_cluster)
}

/// Whether anything at all speaks for this cloud.
fn spoken_for(evidence: &[Evidence], cloud: &CloudName) -> bool {
    let cloud_of = |piece: &Evidence| piece.supports.as_ref().and_then(Outcome::cloud).cloned();
    evidence.iter().any(|piece| cloud_of(piece).is_some_and(|supported| supported == *cloud))
}

/// The volume behind a device, by a snapshot's disks and the machine's own files.
pub(crate) fn volume_id_of(config: &Config, metadata: &Metadata, device: &str) -> Result<String, Error> {
    if let Some(Reading::Failed(error)) = metadata.reading(Field::Disks) {
        return Err(error.clone());
    }
    volume::volume_id(config.machine.files(), metadata.cloud(), metadata.disks(), device)
}

/// What decided for the cloud, as a source.
fn source_of(verdict: &Verdict) -> Source {
    let decisive = verdict
        .evidence
        .iter()
        // The first of the strongest: of equal ones, `max_by_key` takes the last.
        .rev()
        .filter(|piece| piece.supports.as_ref() == Some(&verdict.outcome))
        .max_by_key(|piece| piece.strength);
    let Some(piece) = decisive else { return Source::Derived(Vec::new()) };
    let first = || piece.detail.split_whitespace().next().unwrap_or_default().to_owned();
    match piece.source {
        EvidenceSource::Told => Source::Told(first()),
        EvidenceSource::Environment => Source::Environment(first()),
        EvidenceSource::Firmware | EvidenceSource::Kernel => Source::Firmware(Firmware::path(&first())),
        EvidenceSource::File => Source::File(first()),
        EvidenceSource::Probe => {
            let path = piece.detail.split(": ").nth(1).unwrap_or_default().to_owned();
            Source::Imds { path, pointer: String::new() }
        }
    }
}
