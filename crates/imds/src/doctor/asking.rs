//! Asks the service step by step: the way to it, the connection, the token, its identity, one value.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use imds_model::{CloudName, Error, ErrorKind, Field, Reading, Source, Verdict};

use super::facts::Connection;
use super::process::packets_sent;
use super::routes::{EPERM, Fate, Route, Table};
use super::step::{Step, StepName};
use crate::clouds::description::Description;
use crate::detect::probe;
use crate::machine::Files;
use crate::service::{Service, TokenFate};
use crate::transport::connect::EAFNOSUPPORT;
use crate::transport::{Deadline, Endpoint, Exchange, Failure, Network};
use crate::{Client, clouds};

/// Where almost every cloud's service is.
const USUAL: &str = "169.254.169.254:80";

/// How it went.
#[derive(Debug, Default)]
pub(super) struct Asking {
    pub(super) steps: Vec<Step>,
    pub(super) routes: Vec<Route>,
    pub(super) connection: Option<Connection>,
    pub(super) packets_left: Option<u64>,
    pub(super) token_trouble: Option<Error>,
    pub(super) failure: Option<(StepName, Error)>,
    pub(super) instance_id: Option<String>,
    pub(super) tags_off: Option<String>,
    pub(super) seconds_ahead: Option<i64>,
    pub(super) guarded: bool,
}

impl Asking {
    fn fail(&mut self, name: StepName, error: &Error, begun: Instant) {
        self.steps.push(Step::failed(name, error.clone(), begun.elapsed()));
        self.failure.get_or_insert((name, error.clone()));
    }

    fn pass(&mut self, name: StepName, detail: impl Into<String>, begun: Instant) {
        self.steps.push(Step::ok(name, detail, begun.elapsed()));
    }

    fn skip(&mut self, names: &[StepName], why: &str) {
        self.steps.extend(names.iter().map(|name| Step::skipped(*name, why)));
    }

    /// Asks the service of the cloud that was found.
    pub(super) async fn service(
        &mut self,
        client: &Client,
        service: &Arc<Service>,
        verdict: &Verdict,
        files: &dyn Files,
        deadline: Deadline,
    ) {
        let network = client.configuration().network();
        let rest = [StepName::Token, StepName::Identity, StepName::Value];
        let error = |failure| service.error_of("", failure);
        if !self.connect(service.exchange(), network, files, deadline, error).await {
            return self.skip(&rest, "there is no connection");
        }
        self.talk(client, service, verdict, deadline).await;
        let impression = service.impression();
        self.guarded = impression.guarded;
        self.seconds_ahead = impression.clock.and_then(|(date, ours)| seconds_ahead(&date, ours));
    }

    /// Connects to where a service usually is, while it isn't known whose it would be.
    pub(super) async fn anybody(&mut self, client: &Client, files: &dyn Files, deadline: Deadline) {
        let config = client.configuration();
        let usual = USUAL.parse::<SocketAddr>().into_iter().collect();
        let endpoint = config.endpoint.clone().unwrap_or_else(|| Endpoint::literal(usual));
        let exchange = config.exchange(endpoint);
        let authority = exchange.endpoint().authority().to_owned();
        let error = |failure| anybodys_error(&authority, failure);
        self.connect(&exchange, config.network(), files, deadline, error).await;
    }

    /// The way and the connection. Whether it stands.
    async fn connect(
        &mut self,
        exchange: &Exchange,
        network: Network,
        files: &dyn Files,
        deadline: Deadline,
        error: impl Fn(Failure) -> Error,
    ) -> bool {
        let begun = Instant::now();
        let table = Table::read(files);
        let addresses = exchange.endpoint().addresses();
        // Looking a route up sends nothing; still, who forbids an address wants nothing done with it.
        let permitted = addresses.iter().filter(|address| network.permit(address.ip()).is_ok());
        self.routes = permitted.map(|address| Route::look_up(*address, &table)).collect();
        let ways: Vec<String> = self.routes.iter().map(Route::describe).collect();
        let sent = |route: &Route| matches!(route.fate, Fate::Sent { .. });
        if self.routes.is_empty() {
            self.skip(&[StepName::Route], "there is no address that may be looked at");
        } else if self.routes.iter().any(sent) {
            self.pass(StepName::Route, ways.join("; "), begun);
        } else {
            let error = Error::new(ErrorKind::Unreachable, ways.join("; "));
            self.steps.push(Step::failed(StepName::Route, error, begun.elapsed()));
        }
        let interface =
            self.routes.iter().find(|route| sent(route)).and_then(|route| route.interface.clone());
        let packets = |interface: &Option<String>| packets_sent(files, interface.as_deref()?);
        let before = packets(&interface);
        let begun = Instant::now();
        match exchange.connect(deadline).await {
            Ok(()) => {
                self.connection = Some(Connection::Stands);
                self.pass(StepName::Connect, exchange.endpoint().authority(), begun);
                true
            }
            Err(failure) => {
                self.connection = Some(connection(&failure, exchange.endpoint()));
                self.packets_left =
                    before.zip(packets(&interface)).map(|(before, after)| after.saturating_sub(before));
                self.fail(StepName::Connect, &error(failure), begun);
                false
            }
        }
    }

    async fn talk(&mut self, client: &Client, service: &Arc<Service>, verdict: &Verdict, deadline: Deadline) {
        let begun = Instant::now();
        match service.try_token(deadline).await {
            Ok(None) => self.skip(&[StepName::Token], "this service wants none"),
            Ok(Some(TokenFate::Given)) => {
                self.pass(StepName::Token, service.spoken().unwrap_or_default(), begun);
            }
            Ok(Some(TokenFate::GoneWithout(why))) if service.wants_no_token() => {
                self.pass(StepName::Token, format!("none is needed ({})", why.message()), begun);
            }
            Ok(Some(TokenFate::GoneWithout(why))) => {
                self.steps.push(Step::failed(StepName::Token, why.clone(), begun.elapsed()));
                self.token_trouble = Some(why);
            }
            Err(error) => {
                self.token_trouble = Some(error.clone());
                self.fail(StepName::Token, &error, begun);
                return self.skip(&[StepName::Identity, StepName::Value], "there is no token");
            }
        }
        let begun = Instant::now();
        if service.description().probe.is_none() {
            self.skip(&[StepName::Identity], "this service can't be told by asking");
        } else {
            match probe::identify(service, deadline).await {
                Ok(how) => self.pass(StepName::Identity, how, begun),
                Err(error) => {
                    self.fail(StepName::Identity, &error, begun);
                    return self.skip(&[StepName::Value], "the service didn't identify itself");
                }
            }
        }
        self.read_value(client, service, verdict, deadline).await;
    }

    async fn read_value(
        &mut self,
        client: &Client,
        service: &Arc<Service>,
        verdict: &Verdict,
        deadline: Deadline,
    ) {
        let begun = Instant::now();
        let cloud = service.cloud();
        // A service may keep one of them to itself (GKE conceals ids), but not all.
        let mut found = None;
        for field in telling_fields(service.description()) {
            let metadata = match client.read_before(deadline, cloud, verdict, &[field]).await {
                Ok(metadata) => metadata,
                Err(error) => return self.fail(StepName::Value, &error, begun),
            };
            let trouble = metadata.failure().or_else(|| metadata.reading(field).and_then(Reading::error));
            if let Some(error) = trouble {
                return self.fail(StepName::Value, error, begun);
            }
            found = metadata.text(field).map(|text| (field, text.to_owned()));
            if found.is_some() {
                break;
            }
        }
        let Some((field, text)) = found else {
            let error = Error::new(ErrorKind::Absent, "the service tells nothing of this instance");
            return self.fail(StepName::Value, &error.with_cloud(cloud), begun);
        };
        self.pass(StepName::Value, format!("{field} is {text}"), begun);
        self.instance_id = Some(text).filter(|_| field == Field::InstanceId);
        let switchable = |document: &str| {
            service.description().documents.get(document).is_some_and(|tags| tags.when_absent.is_some())
        };
        if switchable("tags")
            && let Ok(metadata) = client.read_before(deadline, cloud, verdict, &[Field::Tags]).await
            && let Some(Reading::Absent { remedy: Some(remedy) }) = metadata.reading(Field::Tags)
        {
            self.tags_off = Some(remedy.clone());
        }
    }
}

/// What the machine itself knows of the instance's id.
pub(super) async fn id_by_firmware(client: &Client, cloud: &CloudName, verdict: &Verdict) -> Option<String> {
    let mut config = client.configuration().clone();
    config.network = Network::Off;
    let offline = Client::new(config);
    let deadline = Deadline::after(offline.configuration().timeout());
    let metadata = offline.read_before(deadline, cloud, verdict, &[Field::InstanceId]).await.ok()?;
    match metadata.reading(Field::InstanceId) {
        Some(Reading::Known { source: Source::Firmware(_) | Source::File(_), .. }) => {
            metadata.text(Field::InstanceId).map(str::to_owned)
        }
        _ => None,
    }
}

/// The fields by which people know an instance, as far as this service has them.
fn telling_fields(description: &Description) -> impl Iterator<Item = Field> {
    let served = |field: &Field| description.fields.iter().any(|(name, _)| *name == *field.name());
    [Field::InstanceId, Field::Hostname, Field::Region, Field::InstanceName].into_iter().filter(served)
}

fn connection(failure: &Failure, endpoint: &Endpoint) -> Connection {
    match failure {
        Failure::Forbidden(_) => Connection::Forbidden,
        Failure::Locked(error) if error.raw_os_error() == Some(EPERM) => Connection::NotPermitted,
        Failure::Locked(_) => Connection::Denied,
        Failure::ConnectTimedOut(_) => Connection::Silent,
        Failure::NotConnected(error) => match error.kind() {
            io::ErrorKind::ConnectionRefused => Connection::Refused,
            io::ErrorKind::TimedOut => Connection::Silent,
            _ if error.raw_os_error() == Some(EAFNOSUPPORT) => Connection::NotPermitted,
            _ if error.raw_os_error().is_none() && endpoint.name().is_some() => Connection::NameUnknown,
            // EINVAL is what a blackhole route says.
            io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::InvalidInput
            | io::ErrorKind::AddrNotAvailable => Connection::Unreachable,
            _ => Connection::Failed,
        },
        _ => Connection::Failed,
    }
}

fn anybodys_error(authority: &str, failure: Failure) -> Error {
    match failure {
        Failure::Forbidden(error) => error,
        Failure::Locked(error) => {
            let message = format!("this machine's own rules forbid connections to {authority} ({error})");
            Error::new(ErrorKind::Locked, message).with_source(error)
        }
        Failure::NotConnected(error) => {
            Error::new(ErrorKind::Unreachable, format!("no connection to {authority} ({error})"))
                .with_source(error)
        }
        Failure::ConnectTimedOut(time) => {
            let message = format!("no connection to {authority} within {:.1}s", time.as_secs_f64());
            Error::new(ErrorKind::Unreachable, message)
        }
        _ => Error::new(ErrorKind::Unreachable, format!("no connection to {authority}")),
    }
}

/// By how much this machine's clock is ahead of the date that a service told, in seconds.
fn seconds_ahead(date: &str, ours: SystemTime) -> Option<i64> {
    let theirs = httpdate::parse_http_date(date).ok()?;
    let seconds = |time: std::time::Duration| i64::try_from(time.as_secs()).ok();
    match ours.duration_since(theirs) {
        Ok(ahead) => seconds(ahead),
        Err(behind) => seconds(behind.duration()).map(|seconds| -seconds),
    }
}

/// The service that would be asked, as far as it can be made: what is told of it when it can't be.
pub(super) fn description_of(client: &Client, cloud: &CloudName) -> Option<&'static Description> {
    client.configuration().clouds.find(cloud.as_str()).filter(|known| clouds::cloud_name(known) == *cloud)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn clocks_are_compared_to_the_second() {
        let date = "Thu, 02 Jan 2031 03:04:05 GMT";
        let theirs = httpdate::parse_http_date(date).unwrap();
        assert_eq!(seconds_ahead(date, theirs + Duration::from_secs(90)), Some(90));
        assert_eq!(seconds_ahead(date, theirs - Duration::from_secs(3600)), Some(-3600));
        assert_eq!(seconds_ahead("yesterday", theirs), None);
    }
}
