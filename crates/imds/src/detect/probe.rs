//! Asking the services that are left as candidates, within one budget.
//!
//! One connection an address, and requests only once it stands. Each candidate's identifying document is asked for and
//! held to that cloud's syntax: a host that answers 200 to everything is no cloud. A cloud that others imitate (AWS) is
//! believed only when none of those others identified itself.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use imds_model::{Error, ErrorKind, Evidence, EvidenceSource, Outcome, Strength};
use tokio::task::JoinSet;

use super::note;
use crate::clouds::description::{Description, Document, Format, Map, Pattern, Service as Protocol, Syntax};
use crate::config::Config;
use crate::fetch::documents::{lookup, scalar};
use crate::fetch::json;
use crate::machine::Machine;
use crate::service::{Permissions, Service};
use crate::task::task;
use crate::transport::{Answer, Deadline, Endpoint, Exchange, Failure};

/// A cloud that may be asked, and where.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    pub(crate) description: &'static Description,
    pub(crate) protocol: &'static Protocol,
    /// One endpoint for each address that may serve it.
    pub(crate) endpoints: Vec<Endpoint>,
    /// What may be done to ask it.
    pub(crate) permissions: Permissions,
}

/// What asking brought.
#[derive(Debug)]
pub(crate) struct Probed {
    /// The services that identified themselves, with whether others imitate them.
    pub(crate) identified: Vec<Arc<Service>>,
    /// How many requests were sent.
    pub(crate) requests: u32,
    /// How long a service that didn't identify itself for that reason wants to be left alone.
    pub(crate) rest: Option<Duration>,
}

/// The endpoints at which a cloud is probed without any told: each of its addresses alone, IPv6 only where the machine has
/// a route for it.
pub(crate) fn endpoints(endpoint: Endpoint, machine: &Machine) -> Vec<Endpoint> {
    if endpoint.name().is_some() {
        return vec![endpoint];
    }
    let routed = |address: &&SocketAddr| address.is_ipv4() || has_ipv6_route(machine);
    endpoint.addresses().iter().filter(routed).map(|address| Endpoint::literal(vec![*address])).collect()
}

/// Whether the kernel has an IPv6 route beyond link-local and loopback: `/proc/net/ipv6_route` holds one that is up and
/// isn't in `fe80::/10`, `ff00::/8` or for this machine itself.
fn has_ipv6_route(machine: &Machine) -> bool {
    const RTF_UP: u32 = 1;
    const RTF_REJECT: u32 = 0x200;
    let Ok(table) = machine.files().read("/proc/net/ipv6_route") else { return false };
    String::from_utf8_lossy(&table).lines().any(|line| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let (Some(destination), Some(flags), Some(device)) =
            (columns.first(), columns.get(8), columns.get(9))
        else {
            return false;
        };
        let flags = u32::from_str_radix(flags, 16).unwrap_or(0);
        flags & RTF_UP != 0
            && flags & RTF_REJECT == 0
            && *device != "lo"
            && !destination.starts_with("fe8")
            && !destination.starts_with("ff")
    })
}

/// How much of the budget a connection may take. A service on the link answers within milliseconds; where nobody answers,
/// the kernel sends a second SYN after exactly one second, which this spares the network.
const CONNECTING: f64 = 0.9;

/// Asks every candidate at once. Ends as soon as the answer can't change, at the latest with the budget.
pub(crate) async fn probe(
    candidates: &[Candidate],
    config: &Config,
    budget: Duration,
    evidence: &mut Vec<Evidence>,
) -> Probed {
    let deadline = Deadline::after(budget);
    let mut exchanges: Vec<Arc<Exchange>> = Vec::new();
    let mut running = JoinSet::new();
    for endpoint in candidates.iter().flat_map(|candidate| &candidate.endpoints) {
        if exchanges.iter().any(|exchange| exchange.endpoint() == endpoint) {
            continue;
        }
        let exchange = Arc::new(config.exchange(endpoint.clone()));
        exchanges.push(Arc::clone(&exchange));
        let here: Vec<Arc<Service>> = candidates
            .iter()
            .filter(|candidate| candidate.endpoints.contains(endpoint))
            .map(|candidate| {
                Service::new(
                    candidate.description,
                    candidate.protocol,
                    Arc::clone(&exchange),
                    candidate.permissions,
                    config,
                )
            })
            .collect();
        let connected = Deadline::after(budget.mul_f64(CONNECTING));
        running.spawn(task(ask_address(exchange, here, connected, deadline)));
    }
    let mut identified: Vec<Arc<Service>> = Vec::new();
    let mut rest = None;
    let whole = tokio::time::timeout(budget + Duration::from_millis(50), async {
        while let Some(ended) = running.join_next().await {
            let Ok(findings) = ended else { continue };
            if forbids_everything(&findings) {
                let detail = "every request was answered 403, whatever it asked: that is a proxy such as Docker Desktop's, \
                              not a cloud";
                note(evidence, EvidenceSource::Probe, detail, None, Strength::Weak);
            }
            for finding in findings {
                rest = rest.max(rest_of(&finding));
                identified.extend(report(finding, evidence));
            }
            // An address that stays silent can't take back what a service said of itself elsewhere.
            if identified.iter().any(|service| !is_imitated(service)) {
                break;
            }
        }
    });
    if whole.await.is_err() {
        note(evidence, EvidenceSource::Probe, "the time for probing was over", None, Strength::Weak);
    }
    Probed { identified, requests: exchanges.iter().map(|exchange| exchange.requests()).sum(), rest }
}

fn rest_of(finding: &Finding) -> Option<Duration> {
    match finding {
        Finding::Not(service, error) if error.kind() == ErrorKind::Throttled => service.rest(),
        _ => None,
    }
}

pub(crate) fn is_imitated(service: &Service) -> bool {
    service.description().probe.as_ref().is_some_and(|probe| probe.imitated)
}

/// A host that forbids whatever it is asked: not a cloud's service, but what Docker Desktop puts in its place.
fn forbids_everything(findings: &[Finding]) -> bool {
    let forbidden = |finding: &&Finding| match finding {
        Finding::Not(service, error) => error.kind() == ErrorKind::Disabled && !service.is_recognised(),
        Finding::Identified(..) | Finding::Silent(..) => false,
    };
    // Where parts can be switched off one by one, a refusal was no error to begin with.
    let telling = || {
        findings.iter().filter(|finding| !matches!(finding, Finding::Not(service, _) if service.has_faces()))
    };
    telling().count() > 1 && telling().all(|finding| forbidden(&finding))
}

enum Finding {
    /// The service identified itself.
    Identified(Arc<Service>, String),
    /// It didn't, and why.
    Not(Arc<Service>, Error),
    /// There is nobody at this address, and why.
    Silent(String, Failure),
}

async fn ask_address(
    exchange: Arc<Exchange>,
    services: Vec<Arc<Service>>,
    connected: Deadline,
    deadline: Deadline,
) -> Vec<Finding> {
    if let Err(failure) = exchange.connect(connected).await {
        return vec![Finding::Silent(exchange.endpoint().authority().to_owned(), failure)];
    }
    let mut running = JoinSet::new();
    for service in services {
        running.spawn(task(async move {
            match identify(&service, deadline).await {
                Ok(how) => Finding::Identified(service, how),
                Err(error) => Finding::Not(service, error),
            }
        }));
    }
    let mut findings = Vec::new();
    while let Some(ended) = running.join_next().await {
        let Ok(finding) = ended else { continue };
        let enough = matches!(&finding, Finding::Identified(service, _) if !is_imitated(service));
        findings.push(finding);
        if enough {
            break;
        }
    }
    findings
}

fn report(finding: Finding, evidence: &mut Vec<Evidence>) -> Option<Arc<Service>> {
    let (detail, supports, strength, service) = match finding {
        // What looks like it, but bears none of the marks by which it could be known, may be one of those that imitate it.
        Finding::Identified(service, how)
            if is_imitated(&service) && service.has_marks() && !service.has_shown_itself() =>
        {
            let detail =
                format!("{how}; but without the marks of the real service, so it may be an imitation");
            (detail, None, Strength::Weak, None)
        }
        Finding::Identified(service, how) => {
            let supports = Some(Outcome::Cloud(service.cloud().clone()));
            (how, supports, Strength::Certain, Some(service))
        }
        Finding::Not(service, error) if service.is_recognised() => {
            let server =
                service.description().service.as_ref().and_then(|protocol| protocol.server.as_deref());
            let detail = format!("{error}; but the answer's Server header is {}", server.unwrap_or_default());
            (detail, Some(Outcome::Cloud(service.cloud().clone())), Strength::Strong, None)
        }
        Finding::Not(_, error) => (error.to_string(), None, Strength::Weak, None),
        Finding::Silent(authority, failure) => {
            (format!("{authority}: {}", silence(&failure)), None, Strength::Weak, None)
        }
    };
    // A strange AWS isn't certain before those who imitate it have been heard, which the caller settles.
    let strength = match &service {
        Some(service) if is_imitated(service) => Strength::Strong,
        _ => strength,
    };
    note(evidence, EvidenceSource::Probe, detail, supports, strength);
    service
}

fn silence(failure: &Failure) -> String {
    match failure {
        Failure::Forbidden(error) | Failure::Egress(error) => error.message().to_owned(),
        Failure::Locked(error) => format!("this machine's own rules forbid the connection ({error})"),
        Failure::NotConnected(error) => format!("no connection ({error})"),
        Failure::ConnectTimedOut(_) => "no connection in time".to_owned(),
        Failure::Untrusted(error) => format!("whoever answers can't prove to be it ({error})"),
        Failure::NotTls(_) => "whoever answers doesn't speak TLS".to_owned(),
        Failure::Reset(_)
        | Failure::CutShort(_)
        | Failure::NoAnswer(_)
        | Failure::TooLarge(_)
        | Failure::Unprivileged(_)
        | Failure::NotHttp(_) => "no answer".to_owned(),
    }
}

/// Asks for the identifying document and holds it to its syntax. Says by what it was identified.
pub(crate) async fn identify(service: &Service, deadline: Deadline) -> Result<String, Error> {
    let description = service.description();
    let unreadable =
        || Error::new(ErrorKind::Internal, "this cloud can't be told by asking").with_cloud(service.cloud());
    let probe = description.probe.as_ref().ok_or_else(unreadable)?;
    let document = description.documents.get(&probe.document).ok_or_else(unreadable)?;
    match (service.get(&document.path, document, deadline).await, &probe.otherwise) {
        (Err(error), Some(otherwise)) if error.is_absent() => {
            let document = description.documents.get(&otherwise.document).ok_or_else(unreadable)?;
            let answer = service.get(&document.path, document, deadline).await?;
            proof(service, document, &otherwise.require, &answer)
        }
        (answer, _) => proof(service, document, &probe.require, &answer?),
    }
}

/// Holds a document to its syntax.
fn proof(
    service: &Service,
    document: &Document,
    require: &Map<Syntax>,
    answer: &Answer,
) -> Result<String, Error> {
    let description = service.description();
    let content = match document.format {
        Format::Json => json::parse(&answer.body, &document.omit).ok(),
        Format::Plain | Format::Tree | Format::Records => std::str::from_utf8(&answer.body)
            .ok()
            .map(|text| serde_json::Value::String(text.trim().to_owned())),
    };
    let content =
        content.ok_or_else(|| service.malformed(&document.path, "the answer isn't this cloud's"))?;
    let mut proofs = Vec::new();
    for (pointer, syntax) in require.iter() {
        let found = lookup(&content, pointer);
        let name = pointer.rsplit('/').next().filter(|name| !name.is_empty()).unwrap_or("the value");
        if found.iter().any(|(value, _)| syntax.fits(value)) {
            proofs.push(format!("{name} is {}", syntax.describe()));
        } else {
            let why = format!("{name} isn't {}, so this isn't {}", syntax.describe(), &*description.title);
            return Err(service.malformed(&document.path, why));
        }
    }
    Ok(format!("{}: {}: {}", service.cloud(), &*document.path, proofs.join(", ")))
}

fn is_google_project(text: &str) -> bool {
    let (domain, id) = match text.split_once(':') {
        Some((domain, id)) => (Some(domain), id),
        None => (None, text),
    };
    let lower = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (6..=30).contains(&id.len())
        && id.chars().all(lower)
        && id.starts_with(|c: char| c.is_ascii_lowercase())
        && !id.ends_with('-')
        && domain.is_none_or(|domain| domain.contains('.') && domain.chars().all(|c| lower(c) || c == '.'))
}

impl Syntax {
    /// Whether a value looks like this.
    pub(crate) fn fits(&self, value: &serde_json::Value) -> bool {
        *self == Self::Present || scalar(value).is_some_and(|text| self.fits_text(&text))
    }

    fn fits_text(&self, text: &str) -> bool {
        let hex = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_hexdigit());
        match self {
            Self::Decimal => !text.is_empty() && text.len() <= 20 && text.chars().all(|c| c.is_ascii_digit()),
            Self::Guid => {
                let lengths: Vec<usize> = text.split('-').map(str::len).collect();
                lengths == [8, 4, 4, 4, 12] && text.split('-').all(hex)
            }
            Self::Ec2InstanceId => {
                text.strip_prefix("i-").is_some_and(|digits| (8..=17).contains(&digits.len()) && hex(digits))
            }
            Self::GoogleProject => is_google_project(text),
            Self::YandexId => {
                text.len() == 20
                    && text.starts_with(|c: char| c.is_ascii_lowercase())
                    && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
            }
            Self::Word => !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'),
            Self::Present => true,
            Self::Like(pattern) => pattern.matches(text) && !text.contains(['<', '\n']) && text.len() <= 256,
        }
    }

    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Decimal => "a number".to_owned(),
            Self::Guid => "a GUID".to_owned(),
            Self::Ec2InstanceId => "an EC2 instance id".to_owned(),
            Self::GoogleProject => "a project id of Google's".to_owned(),
            Self::YandexId => "an id of Yandex".to_owned(),
            Self::Word => "a name".to_owned(),
            Self::Present => "there".to_owned(),
            Self::Like(Pattern::Exact(text)) => format!("{:?}", &**text),
            Self::Like(Pattern::Glob { glob } | Pattern::Iglob { iglob: glob }) => {
                format!("like {:?}", &**glob)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::{Environment, MemoryFiles};

    #[test]
    fn identifying_values_are_held_to_their_syntax() {
        for (syntax, text, fits) in [
            (Syntax::Decimal, "7654321098765432109", true),
            (Syntax::Decimal, "76543210987654321090000", false),
            (Syntax::Decimal, "12a", false),
            (Syntax::Guid, "c0ffee00-1234-4abc-8def-0123456789ab", true),
            (Syntax::Guid, "c0ffee00-1234-4abc-8def-0123456789a", false),
            (Syntax::Guid, "g0ffee00-1234-4abc-8def-0123456789ab", false),
            (Syntax::Ec2InstanceId, "i-0fedcba9876543210", true),
            (Syntax::Ec2InstanceId, "i-12345678", true),
            (Syntax::Ec2InstanceId, "i-UNKNOWN", false),
            (Syntax::Ec2InstanceId, "ins-12345678", false),
            (Syntax::GoogleProject, "example-prod-314159", true),
            (Syntax::GoogleProject, "example.com:shop-42", true),
            (Syntax::GoogleProject, "OK", false),
            (Syntax::GoogleProject, "42-shop", false),
            (Syntax::GoogleProject, "shop-", false),
            (Syntax::GoogleProject, "", false),
            (Syntax::YandexId, "b1gia87mbaomkfvs6rgl", true),
            (Syntax::YandexId, "b1gia87mbaomkfvs6rg", false),
            (Syntax::YandexId, "B1gia87mbaomkfvs6rgl", false),
            (Syntax::YandexId, "12345678901234567890", false),
            (Syntax::Word, "eu-west-1", true),
            (Syntax::Word, "<html>", false),
            (Syntax::Word, "", false),
        ] {
            assert_eq!(syntax.fits(&text.into()), fits, "{syntax:?} {text}");
        }
    }

    #[test]
    fn an_ipv6_route_is_one_that_leads_somewhere() {
        let table = |lines: &str| {
            let files = MemoryFiles::new().with("/proc/net/ipv6_route", lines);
            has_ipv6_route(&Machine::new(Arc::new(files), Environment::default()))
        };
        let zeros = "0".repeat(32);
        let line = |destination: &str, flags: &str, device: &str| {
            format!("{destination} 40 {zeros} 00 {zeros} 00000100 00000001 00000000 {flags}     {device}\n")
        };
        assert!(table(&line(&zeros, "00450003", "eth0")));
        assert!(!table(&line(&zeros, "00200200", "lo")));
        assert!(!table(&line("fe800000000000000000000000000000", "00000001", "eth0")));
        assert!(!table(&line("ff000000000000000000000000000000", "00000001", "eth0")));
        assert!(table(&line("fd000ec2000000000000000000000000", "00000001", "eth0")));
        assert!(!table("garbage\n\n"));
        assert!(!has_ipv6_route(&Machine::new(Arc::new(MemoryFiles::new()), Environment::default())));
    }
}
